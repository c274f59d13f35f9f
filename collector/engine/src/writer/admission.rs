//! What is taken of a device, before the judge sees it: by its budgets (`budget`), and by how much of it is kept already.
//!
//! What is refused takes its place in the order all the same, or it would be sent for ever. Documents and lists come whole again.

use ioc_common::clock::Timestamp;
use ioc_common::codec::RefusedReport;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::report::{Ask, Body, Hello, Report, StateReport};
use ioc_common::settings;
use ioc_common::software::{LIST_MAX_ITEMS, Software};
use ioc_judge::{Effect, Input};

use super::budget::{BudgetKind, ChargeOutcome};
use super::store_faults::DISK_NEARLY_FULL;
use super::{ConnectionId, Engine};
use ioc_store::{Change, RecordKind};

/// Most documents that are kept of one device, of one sensor, and of a device with all its sensors; surveys are 17.
const DOCUMENTS_MAX: usize = 64;
const DOCUMENTS_OF_SENSOR_MAX: usize = 8;
const DOCUMENTS_OF_ALL_MAX: usize = 1024;
/// Most bytes of these: of one, and of a device with all its sensors.
const DOCUMENTS_MAX_BYTES: u64 = 4 * 1024 * 1024;
const DOCUMENTS_OF_ALL_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most events that are kept of one device, the newest; they are thinned out when there are this many more.
const EVENTS_MAX: u64 = 100_000;
const EVENTS_SLACK: u64 = 5_000;
/// Beyond that, what is too much is deleted at every so many: fewer than one commit deletes.
const PRUNE_EVERY: u64 = 250;
/// Most items of software that are kept of one device: a whole list, and one beside it that is on its way.
const ITEMS_MAX: u64 = 2 * LIST_MAX_ITEMS as u64;
/// Longest outcome of settings.
const OUTCOME_MAX_BYTES: usize = 8 * 1024;
/// Most bytes of texts and of names of series that are held in memory: for one sensor or device, and for a device with all its sensors.
const TEXTS_MAX_BYTES: u32 = 64 * 1024;
const TEXTS_OF_ALL_MAX_BYTES: u32 = 2 * 1024 * 1024;
const NAMES_OF_ALL_MAX_BYTES: u32 = 4 * 1024 * 1024;
/// Most announced devices that are remembered with what they hold.
const HELD_MAX: usize = 1024;
/// A device whose message is refused is read more slowly: this long for a message, and for each of these bytes, milliseconds.
const REFUSED_PAUSE_MS: u64 = 1;
const REFUSED_BYTES_A_MS: u64 = 8192;
/// A request for a certificate near the end of the last may be made again after this long, milliseconds.
const RENEW_AGAIN_MS: u64 = 60_000;
/// How often it is looked at how full the disk is, milliseconds.
const DISK_LOOK_MS: u64 = 10_000;
/// Nearly full: less than this part of it is free, and less than this many bytes.
const DISK_FREE_PART: u64 = 20;
const DISK_FREE_BYTES: u64 = 1024 * 1024 * 1024;

impl Engine {
    /// Takes something off a device's budget. What is beyond it is counted, said and a fault of the device.
    pub(super) fn charge(
        &mut self,
        device: &DeviceId,
        kind: BudgetKind,
        bytes: usize,
        now: Timestamp,
    ) -> Result<u64, BudgetKind> {
        match self.budgets.charge(device, kind, bytes as u64, self.boot_ms) {
            ChargeOutcome::Admitted => Ok(0),
            ChargeOutcome::Throttled(pause_ms) => {
                self.record_overrun(device, BudgetKind::Samples, now);
                Ok(pause_ms)
            }
            ChargeOutcome::DiskNearlyFull => {
                self.health.count_refused(BudgetKind::DiskNearlyFull.label());
                Err(BudgetKind::DiskNearlyFull)
            }
            ChargeOutcome::Refused(kind) => {
                self.record_overrun(device, kind, now);
                Err(kind)
            }
        }
    }

    fn record_overrun(&mut self, device: &DeviceId, kind: BudgetKind, now: Timestamp) {
        self.health.count_refused(kind.label());
        let overrun = self.budgets.record_overrun(device, kind, self.boot_ms);
        if overrun.log {
            tracing::warn!(%device, what = kind.name(), "the device brings more than its budget; what is beyond is refused or slowed down");
        }
        if let Some(what) = overrun.for_judge {
            self.judge(Input::OverBudget { device, what }, now);
        }
    }

    /// Whether a report is taken; else why not. It has taken its place in the order then.
    pub(super) fn admit(
        &mut self,
        connection: ConnectionId,
        report: &Report,
        bytes: usize,
        now: Timestamp,
    ) -> Result<(), String> {
        let device = &report.envelope.device;
        // What the judge will not keep costs nothing; it says so itself.
        let fresh = |known: &ioc_judge::Device| report.envelope.position > known.watermark;
        if !self.state.device(device).is_some_and(fresh) || self.state.is_quarantined(device) {
            return Ok(());
        }
        let weighed = match &report.body {
            // A row of numbers takes as much on the disk, whatever it took on the way.
            Body::Sample(sample) => self.charge(device, BudgetKind::Samples, bytes.max(8 * sample.v.len()) + 64, now),
            Body::Event(_) | Body::Goodbye(_) => self.admit_event(report, bytes, now),
            Body::Hello(hello) => self.admit_hello(report, hello, bytes, now),
            Body::State(StateReport::Layout(layout)) => self.admit_layout(report, layout, bytes, now),
            Body::State(StateReport::Probes(_)) => self.admit_document(report, "probes", bytes, now),
            Body::State(StateReport::Document { name, .. }) => self.admit_document(report, name, bytes, now),
            Body::Software(software) => self.admit_software(device, software, bytes, now),
        };
        match weighed {
            Ok(0) => Ok(()),
            Ok(pause_ms) => {
                self.connections.pause(connection, pause_ms);
                Ok(())
            }
            Err(kind) => {
                self.connections.pause(connection, REFUSED_PAUSE_MS + bytes as u64 / REFUSED_BYTES_A_MS);
                self.judge(Input::Skipped { device, position: report.envelope.position }, now);
                self.batch.touched.insert(device.clone());
                Err(match kind {
                    BudgetKind::DiskNearlyFull => {
                        "the collector's disk is nearly full; samples and incidents go first".to_owned()
                    }
                    kind => format!("this device brings more than it may: {}", kind.name()),
                })
            }
        }
    }

    /// A report that cannot be read. Why.
    pub(super) fn refuse_broken(
        &mut self,
        connection: ConnectionId,
        device: &DeviceId,
        bytes: usize,
        refused: &RefusedReport,
        now: Timestamp,
    ) -> String {
        self.health.count_refused("payload");
        if let Some(position) = refused.position.filter(|_| refused.device.as_ref() == Some(device)) {
            self.state.refused(device, position);
        }
        if self.budgets.may_log(device, self.boot_ms) {
            tracing::warn!(%device, error = %refused.error, "report refused");
        }
        if self.charge(device, BudgetKind::Broken, bytes, now).is_err() {
            self.connections.pause(connection, REFUSED_PAUSE_MS + bytes as u64 / REFUSED_BYTES_A_MS);
        }
        refused.to_string()
    }

    /// What a device's report made the judge write down counts, too: faults that come and go, and what is said of them.
    pub(super) fn count_judged(&mut self, device: &DeviceId, effects: &[Effect]) {
        let written = |effect: &&Effect| !matches!(effect, Effect::ProbeHost(_) | Effect::Ask(..));
        let records = effects.iter().filter(written).count();
        if records > 0 {
            self.budgets.count(device, BudgetKind::Judged, records, self.boot_ms);
        }
    }

    /// Whether the report is about the sender, or about a sensor of it that is known.
    fn knows_subject(&self, report: &Report) -> bool {
        report.envelope.about.is_none() || self.state.device(&report.envelope.subject()).is_some()
    }

    fn admit_event(&mut self, report: &Report, bytes: usize, now: Timestamp) -> Result<u64, BudgetKind> {
        let (device, subject) = (&report.envelope.device, report.envelope.subject());
        let pause_ms = self.charge(device, BudgetKind::Events, bytes, now)?;
        if !self.knows_subject(report) {
            return Ok(pause_ms);
        }
        let usage = self.budgets.usage(device, self.boot_ms);
        let kept = match usage.events.get(&subject) {
            Some(kept) => *kept,
            None => self.reader.records_count(&subject, RecordKind::Events, EVENTS_MAX + EVENTS_SLACK).unwrap_or(0),
        } + 1;
        let over = kept > EVENTS_MAX + EVENTS_SLACK;
        usage.events.insert(subject.clone(), if over { EVENTS_MAX + EVENTS_SLACK - PRUNE_EVERY } else { kept });
        if over {
            self.batch.changes.push(Change::EventsPruned { device: subject, keep: EVENTS_MAX });
        }
        Ok(pause_ms)
    }

    fn admit_layout(
        &mut self,
        report: &Report,
        layout: &Layout,
        bytes: usize,
        now: Timestamp,
    ) -> Result<u64, BudgetKind> {
        let (device, subject) = (&report.envelope.device, report.envelope.subject());
        let known = self.state.device(&subject).and_then(|known| known.layout.as_ref());
        if known.is_some_and(|known| known.id() == layout.id()) {
            return self.charge(device, BudgetKind::Hellos, bytes, now);
        }
        let pause_ms = self.charge(device, BudgetKind::Layouts, bytes, now)?;
        let names = layout.series().iter().map(|series| series.as_str().len() + 16).sum();
        self.hold(device, subject, None, Some(names), now)?;
        Ok(pause_ms)
    }

    fn admit_hello(&mut self, report: &Report, hello: &Hello, bytes: usize, now: Timestamp) -> Result<u64, BudgetKind> {
        let (device, subject) = (&report.envelope.device, report.envelope.subject());
        let mut pause_ms = self.charge(device, BudgetKind::Hellos, bytes, now)?;
        if report.envelope.about.is_some() && self.state.device(&subject).is_none() {
            pause_ms = pause_ms.max(self.charge(device, BudgetKind::Sensors, bytes, now)?);
        }
        if let Some(facts) = &hello.sensor {
            let texts = facts.texts.iter().map(|text| text.series.len() + text.vi.len() + text.en.len() + 72).sum();
            self.hold(device, subject, Some(texts), None, now)?;
        }
        Ok(pause_ms.max(self.admit_layout(report, &hello.layout, bytes, now)?))
    }

    /// Whether what stays in memory of a device and all its sensors is within bounds: bytes of texts and of names of series.
    fn hold(
        &mut self,
        device: &DeviceId,
        subject: DeviceId,
        texts: Option<usize>,
        names: Option<usize>,
        now: Timestamp,
    ) -> Result<(), BudgetKind> {
        let usage = self.budgets.usage(device, self.boot_ms);
        let before = usage.held.get(&subject).copied();
        let length = |length: Option<usize>, before: u32| {
            length.map_or(before, |length| u32::try_from(length).unwrap_or(u32::MAX))
        };
        let (old_texts, old_names) = before.unwrap_or_default();
        let (texts, names) = (length(texts, old_texts), length(names, old_names));
        let others = usage.held.iter().filter(|(about, _)| **about != subject).map(|(_, held)| held);
        let (all_texts, all_names) = others.fold((texts, names), |(texts, names), (more_texts, more_names)| {
            (texts.saturating_add(*more_texts), names.saturating_add(*more_names))
        });
        let fits = texts <= TEXTS_MAX_BYTES
            && all_texts <= TEXTS_OF_ALL_MAX_BYTES
            && all_names <= NAMES_OF_ALL_MAX_BYTES
            && (before.is_some() || usage.held.len() < HELD_MAX);
        if !fits {
            self.record_overrun(device, BudgetKind::Sensors, now);
            return Err(BudgetKind::Sensors);
        }
        usage.held.insert(subject, (texts, names));
        Ok(())
    }

    fn admit_document(&mut self, report: &Report, name: &str, bytes: usize, now: Timestamp) -> Result<u64, BudgetKind> {
        let (device, subject) = (&report.envelope.device, report.envelope.subject());
        let pause_ms = self.charge(device, BudgetKind::Documents, bytes, now)?;
        if name == settings::DOCUMENT {
            if bytes > OUTCOME_MAX_BYTES {
                self.record_overrun(device, BudgetKind::Settings, now);
                return Err(BudgetKind::Settings);
            }
            self.charge(device, BudgetKind::Settings, bytes, now)?;
        }
        if !self.knows_subject(report) {
            return Ok(pause_ms);
        }
        let usage = self.budgets.usage(device, self.boot_ms);
        if !usage.documents.contains_key(&subject) {
            let known = self.reader.document_sizes(&subject).unwrap_or_default();
            usage.documents.insert(subject.clone(), known);
        }
        let sum =
            |sizes: &std::collections::BTreeMap<String, u32>| sizes.values().map(|size| u64::from(*size)).sum::<u64>();
        let names_of_all: usize = usage.documents.values().map(std::collections::BTreeMap::len).sum();
        let bytes_of_all: u64 = usage.documents.values().map(sum).sum();
        let Some(kept) = usage.documents.get_mut(&subject) else { return Ok(pause_ms) };
        let before = kept.get(name).copied();
        let most = if report.envelope.about.is_some() { DOCUMENTS_OF_SENSOR_MAX } else { DOCUMENTS_MAX };
        let more = (bytes as u64).saturating_sub(u64::from(before.unwrap_or(0)));
        let names_fit = before.is_some() || kept.len() < most && names_of_all < DOCUMENTS_OF_ALL_MAX;
        // What shrinks always fits.
        let bytes_fit =
            more == 0 || sum(kept) + more <= DOCUMENTS_MAX_BYTES && bytes_of_all + more <= DOCUMENTS_OF_ALL_MAX_BYTES;
        if !names_fit || !bytes_fit {
            self.record_overrun(device, BudgetKind::Documents, now);
            return Err(BudgetKind::Documents);
        }
        kept.insert(name.to_owned(), u32::try_from(bytes).unwrap_or(u32::MAX));
        Ok(pause_ms)
    }

    fn admit_software(
        &mut self,
        device: &DeviceId,
        software: &Software,
        bytes: usize,
        now: Timestamp,
    ) -> Result<u64, BudgetKind> {
        let pause_ms = self.charge(device, BudgetKind::Software, bytes, now)?;
        let usage = self.budgets.usage(device, self.boot_ms);
        let items = match usage.items {
            Some(items) => items,
            None => self.reader.records_count(device, RecordKind::Software, ITEMS_MAX + 1).unwrap_or(0),
        };
        // What takes the place of another item counts once more, until the list is whole again.
        match software {
            Software::Whole { part, parts, items: new, .. } => {
                let new = new.len() as u64;
                usage.listed = if *part == 1 { new } else { usage.listed + new };
                if items + new > ITEMS_MAX && *part == 1 {
                    self.batch.changes.push(Change::SoftwareCleared { device: device.clone() });
                    usage.items = Some(new);
                } else if items + new > ITEMS_MAX || usage.listed > LIST_MAX_ITEMS as u64 {
                    self.record_overrun(device, BudgetKind::Software, now);
                    return Err(BudgetKind::Software);
                } else {
                    usage.items = Some(if part == parts { usage.listed } else { items + new });
                }
            }
            Software::Difference { added, .. } => {
                if items + added.len() as u64 > ITEMS_MAX {
                    // Honest or not: only a whole list tells how many there are.
                    self.batch.asks.push((device.clone(), Ask::Software));
                    return Err(BudgetKind::Software);
                }
                usage.items = Some(items + added.len() as u64);
            }
        }
        Ok(pause_ms)
    }

    /// Whether a device may have another certificate: near the time for it, and now and then besides.
    pub(super) fn may_renew(&mut self, device: &DeviceId, bytes: usize, now: Timestamp) -> Result<(), String> {
        let boot_ms = self.boot_ms;
        let half_life_ms = self.config.device_life.as_millis().unsigned_abs() / 2;
        let usage = self.budgets.usage(device, boot_ms);
        if usage.renewed_ms.is_some_and(|at| boot_ms.saturating_sub(at) >= half_life_ms) {
            // Once; when nothing comes of it, again after a minute.
            usage.renewed_ms = Some((boot_ms + RENEW_AGAIN_MS.min(half_life_ms)).saturating_sub(half_life_ms));
            return Ok(());
        }
        let refused =
            |_| "this device was given certificates often enough; it may ask again near the end of the last".to_owned();
        self.charge(device, BudgetKind::Renewals, bytes, now).map(|_| ()).map_err(refused)
    }

    /// A device was given another certificate.
    pub(super) fn renewed(&mut self, device: &DeviceId) {
        self.budgets.usage(device, self.boot_ms).renewed_ms = Some(self.boot_ms);
    }

    /// Looks now and then at how much room is left on the disk.
    pub(super) fn check_disk(&mut self, now: Timestamp) {
        if self.disk_seen_ms != 0 && self.boot_ms.saturating_sub(self.disk_seen_ms) < DISK_LOOK_MS {
            return;
        }
        self.disk_seen_ms = self.boot_ms;
        let Ok(found) = rustix::fs::statvfs(&self.config.data) else { return };
        let of = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        self.take_disk_room(of(found.f_bavail), of(found.f_blocks), now);
    }

    /// How much room is left on the disk, and how much there is in all, bytes. Samples and incidents go first while it is scarce, and
    /// the duty officer is told: it stays so until a person makes room.
    pub(super) fn take_disk_room(&mut self, free: u64, all: u64, now: Timestamp) {
        let least = DISK_FREE_BYTES.min(all / DISK_FREE_PART);
        let stands = self.state.has_self_fault(DISK_NEARLY_FULL);
        let was = self.budgets.scarce;
        // With some more than that it is over, so that it does not come and go with every round of folding.
        let scarce = free < if was || stands { least + least / 4 } else { least };
        self.budgets.scarce = scarce;
        if scarce != was {
            tracing::warn!(free, scarce, "the disk is nearly full, or is not any more; samples and incidents go first");
        }
        if scarce && !was {
            self.report_disk_room(Some(free), now);
        } else if stands && !scarce {
            self.report_disk_room(None, now);
        }
    }
}
