//! What is kept of a report that was judged: a row of history, a document, an event, a software list.

use ioc_common::audit_head;
use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::reading::{Backups, Findings as _};
use ioc_common::report::{Ask, Body, Report, StateReport};
use ioc_common::settings;
use ioc_common::software::Software;

use super::Engine;
use ioc_store::{Change, history};

impl Engine {
    /// Turns a fresh report into changes: it was judged as of one time, and is kept under one.
    /// `packed` holds a sample's numbers as they are kept, where they are packed already.
    pub(super) fn persist(
        &mut self,
        report: Report,
        packed: Option<Vec<u8>>,
        (judged_at, at): (Timestamp, Timestamp),
        now: Timestamp,
    ) {
        // The order is the sender's; what was said is kept with whom it is about.
        let device = report.envelope.subject();
        if report.envelope.about.is_some() {
            self.batch.touched.insert(report.envelope.device);
        }
        self.batch.reports += 1;
        match report.body {
            Body::Sample(sample) => {
                self.batch.values += sample.v.len() as u64;
                let row = packed.unwrap_or_else(|| history::pack(&sample.v));
                let newest = self.state.device(&device).is_some_and(|known| known.last_sample == Some(judged_at));
                let (position, layout) = (report.envelope.position, sample.layout);
                self.batch.changes.push(Change::Sample { device: device.clone(), position, at, layout, row, newest });
            }
            Body::Hello(hello) => {
                self.batch.visible = true;
                self.find_asset(&device, &hello, now);
                self.batch.changes.push(Change::Layout(hello.layout.clone()));
                self.batch.changes.push(Change::Hello {
                    device: device.clone(),
                    at: now,
                    boot_id: hello.boot_id.clone(),
                    fingerprint: hello.fingerprint.clone(),
                    interval_s: hello.interval_s,
                    keep_alive_s: hello.keep_alive_s,
                    body: serde_json::to_string(&hello).unwrap_or_default(),
                });
            }
            Body::State(StateReport::Layout(layout)) => self.batch.changes.push(Change::Layout(layout)),
            Body::State(StateReport::Probes(probes)) => {
                let body = serde_json::to_string(&probes).unwrap_or_default();
                self.persist_document(&device, "probes".to_owned(), at, body);
            }
            Body::State(StateReport::Document { name, doc }) => {
                if name == settings::DOCUMENT {
                    self.settings_reported(&device, doc.text(), now);
                }
                if name == audit_head::DOCUMENT && report.envelope.about.is_none() {
                    self.witnessed(&device, doc.text(), now);
                }
                self.persist_document(&device, name, at, doc.text().to_owned());
            }
            Body::Software(report) => self.persist_software(&device, at, report),
            Body::Event(event) => self.batch.changes.push(Change::Event {
                device: device.clone(),
                at,
                name: event.name,
                text: event.text,
                fields: serde_json::to_string(&event.fields).unwrap_or_default(),
            }),
            Body::Goodbye(goodbye) => self.batch.changes.push(Change::Event {
                device: device.clone(),
                at,
                name: "agent.goodbye".to_owned(),
                text: format!("{:?}, back within {} s", goodbye.reason, goodbye.return_within_s),
                fields: serde_json::json!({
                    "reason": goodbye.reason,
                    "return_within_s": goodbye.return_within_s.to_string(),
                })
                .to_string(),
            }),
        }
        self.batch.touched.insert(device);
    }

    fn persist_document(&mut self, device: &DeviceId, name: String, at: Timestamp, body: String) {
        self.batch.visible = true;
        if name == Backups::PROBE.name {
            self.see_backup_survey(device, &body, self.time.now());
        }
        self.batch.changes.push(Change::Document { device: device.clone(), name, at, body });
    }

    /// Keeps a report of software that fits what is known; asks for the whole list where one does not.
    fn persist_software(&mut self, device: &DeviceId, at: Timestamp, report: Software) {
        let list = match &report {
            Software::Whole { list, part, parts, .. } => {
                // Until the last part has come, no difference fits.
                let whole = if part == parts { list.as_str() } else { "" };
                whole.to_owned()
            }
            Software::Difference { base, list, .. } => {
                let known = match self.software.get(device) {
                    Some(known) => known.clone(),
                    // Not known and not readable is the same here: it is asked for.
                    None => self.reader.software_list(device).ok().flatten().map(|(list, _)| list).unwrap_or_default(),
                };
                if known != *base {
                    self.batch.asks.push((device.clone(), Ask::Software));
                    return;
                }
                list.clone()
            }
        };
        self.software.insert(device.clone(), list);
        self.batch.changes.push(Change::Software { device: device.clone(), at, report });
    }
}
