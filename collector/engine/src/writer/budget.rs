//! What a device may bring: budgets a minute and in all, so that one that turned bad costs the others, memory and disk nothing.
//!
//! Each device has a token bucket for each kind of thing, on the boot clock. They are generous: a first start with every document
//! and a whole software list, or a full spool that is sent at once after an outage, passes untouched. Overrun them samples are slowed
//! down, so that an honest backlog loses nothing, and everything else is refused with a reason. A restart fills all buckets.

use std::collections::{BTreeMap, HashMap};

use ioc_common::id::DeviceId;
use ioc_judge::Text;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetKind {
    /// Numbers: slowed down, not refused.
    Samples,
    /// Events of devices.
    Events,
    /// Documents that surveys made.
    Documents,
    /// Parts of software lists and what changed in them.
    Software,
    /// Hellos: one at each start of an agent, and of each sensor.
    Hellos,
    /// Layouts that the subject did not have.
    Layouts,
    /// Sensors it speaks for.
    Sensors,
    /// What became of its settings.
    Settings,
    /// Requests for another certificate.
    Renewals,
    /// Connections that are opened.
    Connections,
    /// Subscriptions: each is answered with the watermark and the settings.
    Subscriptions,
    /// What is no report.
    Broken,
    /// What its reports make the judge write down: faults, incidents, notices, audit records.
    Judged,
    /// No fault of the device: the disk is nearly full.
    DiskNearlyFull,
}

/// How much of a kind a device may bring.
struct Allowance {
    /// The counter of what was refused.
    label: &'static str,
    /// What it is called, in both languages.
    vi: &'static str,
    en: &'static str,
    /// Bytes at once.
    burst_bytes: f64,
    /// In the long run.
    minute_bytes: f64,
    /// The same in records.
    burst_records: f64,
    minute_records: f64,
}

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * KIB;
const KINDS: usize = 14;

#[rustfmt::skip]
const ALLOWANCES: [Allowance; KINDS] = [
    // A whole spool of an agent as it is installed may come at once; a machine with 4096 series brings 0.2 MiB a minute.
    allowance("budget_samples", "số liệu", "samples", (64.0 * MIB, 2.0 * MIB), (2e6, 6000.0)),
    allowance("budget_events", "sự kiện", "events", (4.0 * MIB, 64.0 * KIB), (8192.0, 60.0)),
    allowance("budget_documents", "tài liệu khảo sát", "documents", (32.0 * MIB, 512.0 * KIB), (4096.0, 60.0)),
    allowance("budget_software", "danh mục phần mềm", "software lists", (16.0 * MIB, 128.0 * KIB), (512.0, 6.0)),
    // One device may speak for 512 sensors, and says hello for each.
    allowance("budget_hellos", "lời chào", "hellos", (8.0 * MIB, 256.0 * KIB), (2048.0, 30.0)),
    allowance("budget_layouts", "bố cục số liệu", "layouts", (4.0 * MIB, 32.0 * KIB), (1024.0, 20.0)),
    allowance("budget_sensors", "cảm biến", "sensors", (2.0 * MIB, 32.0 * KIB), (1024.0, 20.0)),
    allowance("budget_settings", "kết quả cấu hình", "outcomes of settings", (256.0 * KIB, 16.0 * KIB), (64.0, 6.0)),
    allowance("budget_renewals", "gia hạn chứng thư số", "renewals of its certificate", (64.0 * KIB, 1.0 * KIB), (4.0, 3.0 / 1440.0)),
    allowance("budget_links", "kết nối", "connections", (MIB, MIB), (600.0, 20.0)),
    allowance("budget_subscriptions", "đăng ký nhận tin", "subscriptions", (MIB, MIB), (600.0, 20.0)),
    allowance("budget_broken", "bản tin hỏng", "broken reports", (MIB, 64.0 * KIB), (128.0, 30.0)),
    allowance("budget_judged", "lỗi và nhật ký", "faults and records", (MIB, MIB), (8192.0, 120.0)),
    allowance("disk_nearly_full", "", "", (MIB, MIB), (1.0, 1.0)),
];

const fn allowance(
    label: &'static str,
    vi: &'static str,
    en: &'static str,
    (burst_bytes, minute_bytes): (f64, f64),
    (burst_records, minute_records): (f64, f64),
) -> Allowance {
    Allowance { label, vi, en, burst_bytes, minute_bytes, burst_records, minute_records }
}

impl BudgetKind {
    const ALL: [Self; KINDS] = [
        Self::Samples,
        Self::Events,
        Self::Documents,
        Self::Software,
        Self::Hellos,
        Self::Layouts,
        Self::Sensors,
        Self::Settings,
        Self::Renewals,
        Self::Connections,
        Self::Subscriptions,
        Self::Broken,
        Self::Judged,
        Self::DiskNearlyFull,
    ];

    const fn allowance(self) -> &'static Allowance {
        &ALLOWANCES[self as usize]
    }

    /// The counter of what was refused of it.
    pub(super) const fn label(self) -> &'static str {
        self.allowance().label
    }

    /// What it is called in English.
    pub(super) const fn name(self) -> &'static str {
        self.allowance().en
    }

    /// Whether it stays on the disk beside what was there before, instead of in its place.
    const fn is_appended(self) -> bool {
        matches!(self, Self::Samples | Self::Events | Self::Layouts)
    }
}

/// What is left of an allowance.
#[derive(Debug, Clone, Copy)]
struct AllowanceBucket {
    bytes: f64,
    records: f64,
    at_ms: u64,
}

impl AllowanceBucket {
    const fn full(allowance: &Allowance, now_ms: u64) -> Self {
        Self { bytes: allowance.burst_bytes, records: allowance.burst_records, at_ms: now_ms }
    }

    fn fill(&mut self, allowance: &Allowance, now_ms: u64) {
        let minutes = now_ms.saturating_sub(self.at_ms) as f64 / 60_000.0;
        self.at_ms = self.at_ms.max(now_ms);
        self.bytes = (self.bytes + minutes * allowance.minute_bytes).min(allowance.burst_bytes);
        self.records = (self.records + minutes * allowance.minute_records).min(allowance.burst_records);
    }

    fn has(&self, bytes: f64) -> bool {
        self.bytes >= bytes && self.records >= 1.0
    }

    fn spend(&mut self, bytes: f64, records: f64) {
        self.bytes -= bytes;
        self.records -= records;
    }

    /// How long it takes until nothing is owed, milliseconds.
    fn owed_ms(&self, allowance: &Allowance) -> u64 {
        let minutes = (-self.bytes / allowance.minute_bytes).max(-self.records / allowance.minute_records);
        (minutes.max(0.0) * 60_000.0).ceil() as u64
    }
}

/// What becomes of something that a device brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChargeOutcome {
    /// It is within its budget.
    Admitted,
    /// It is taken; the next is read only after this long, milliseconds.
    Throttled(u64),
    /// It is not taken.
    Refused(BudgetKind),
    /// It is not taken, for want of room on the disk.
    DiskNearlyFull,
}

/// Longest pause between two reports of a device that is slowed down: it must still be able to say that it is there.
const PAUSE_MAX_MS: u64 = 5_000;
/// A device that is slowed down and owes more than this goes around it, by connecting anew again and again: milliseconds of its
/// long run.
const OWED_MAX_MS: u64 = 120_000;
/// What all devices together may bring and keep, at once and a minute: so much, and so much more for each of them.
const ALL_BURST: (f64, f64) = (2048.0 * MIB, 2.0 * MIB);
const ALL_MINUTE: (f64, f64) = (64.0 * MIB, 64.0 * KIB);
/// A device that kept within its budgets for so long is as any other again.
const OVERRUN_REMEMBERED_MS: u64 = 600_000;
/// How often the judge is notified that a device is still over its budget.
const NOTIFY_JUDGE_MS: u64 = 60_000;
/// How often the log mentions one device.
const LOG_MS: u64 = 60_000;

/// What the engine remembers of one device.
#[derive(Debug)]
pub(super) struct DeviceUsage {
    buckets: [AllowanceBucket; KINDS],
    /// The kinds it went beyond, a bit each, when it did so last, and when the judge was told.
    beyond: u16,
    overrun_ms: Option<u64>,
    judge_notified_ms: Option<u64>,
    logged_ms: Option<u64>,
    /// What is kept of it in the store, once it was read: documents by whom they are about and name, with their bytes …
    pub(super) documents: BTreeMap<DeviceId, BTreeMap<String, u32>>,
    /// … items of its software list, those of lists that never became whole among them …
    pub(super) items: Option<u64>,
    /// Items of the whole list that is on its way.
    pub(super) listed: u64,
    /// … and events, by whom they are about.
    pub(super) events: BTreeMap<DeviceId, u64>,
    /// Bytes of texts and of names of series that are held in memory, by whom they are about.
    pub(super) held: BTreeMap<DeviceId, (u32, u32)>,
    /// When it was given its last certificate.
    pub(super) renewed_ms: Option<u64>,
}

impl DeviceUsage {
    fn new(now_ms: u64) -> Self {
        let buckets = std::array::from_fn(|place| AllowanceBucket::full(&ALLOWANCES[place], now_ms));
        Self {
            buckets,
            beyond: 0,
            overrun_ms: None,
            judge_notified_ms: None,
            logged_ms: None,
            documents: BTreeMap::new(),
            items: None,
            listed: 0,
            events: BTreeMap::new(),
            held: BTreeMap::new(),
            renewed_ms: None,
        }
    }

    /// Whether it went beyond a budget a short while ago.
    fn is_over_budget(&self, now_ms: u64) -> bool {
        self.overrun_ms.is_some_and(|at| now_ms.saturating_sub(at) < OVERRUN_REMEMBERED_MS)
    }
}

/// What became known of a device that went beyond a budget.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Overrun {
    /// The log is to be told.
    pub(super) log: bool,
    /// What the judge is to be told, when it is.
    pub(super) for_judge: Option<Text>,
}

/// The budgets of all devices.
#[derive(Debug)]
pub(super) struct Budgets {
    devices: HashMap<DeviceId, Box<DeviceUsage>>,
    all_bytes: f64,
    all_at_ms: u64,
    /// The disk is nearly full: samples and incidents go first.
    pub(super) scarce: bool,
}

impl Budgets {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { devices: HashMap::new(), all_bytes: ALL_BURST.0, all_at_ms: now_ms, scarce: false }
    }

    /// What is remembered of a device, from now on if nothing was.
    pub(super) fn usage(&mut self, device: &DeviceId, now_ms: u64) -> &mut DeviceUsage {
        let devices = &mut self.devices;
        if !devices.contains_key(device) {
            self.all_bytes += ALL_BURST.1;
        }
        devices.entry(device.clone()).or_insert_with(|| Box::new(DeviceUsage::new(now_ms)))
    }

    /// Forgets a device that may no longer report.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.devices.remove(device);
    }

    /// What becomes of `bytes` of a kind. What is taken is counted.
    pub(super) fn charge(&mut self, device: &DeviceId, kind: BudgetKind, bytes: u64, now_ms: u64) -> ChargeOutcome {
        let bytes = bytes as f64;
        let count = self.devices.len() as f64;
        let Some(usage) = self.devices.get_mut(device) else {
            self.usage(device, now_ms);
            return self.charge(device, kind, bytes as u64, now_ms);
        };
        let allowance = kind.allowance();
        let bucket = &mut usage.buckets[kind as usize];
        bucket.fill(allowance, now_ms);
        if kind.is_appended() {
            let minutes = now_ms.saturating_sub(self.all_at_ms) as f64 / 60_000.0;
            self.all_at_ms = self.all_at_ms.max(now_ms);
            let most = ALL_BURST.0 + count * ALL_BURST.1;
            self.all_bytes = (self.all_bytes + minutes * (ALL_MINUTE.0 + count * ALL_MINUTE.1)).min(most);
        }
        // Where all together bring too much, those go back who bring most of it.
        let crowded = kind.is_appended() && self.all_bytes < bytes && bucket.bytes < allowance.burst_bytes / 2.0;
        let saved = match kind {
            BudgetKind::Documents | BudgetKind::Software => self.scarce,
            BudgetKind::Samples
            | BudgetKind::Events
            | BudgetKind::Hellos
            | BudgetKind::Layouts
            | BudgetKind::Sensors
            | BudgetKind::Settings
            | BudgetKind::Renewals
            | BudgetKind::Connections
            | BudgetKind::Subscriptions
            | BudgetKind::Broken
            | BudgetKind::Judged
            | BudgetKind::DiskNearlyFull => {
                self.scarce && usage.overrun_ms.is_some_and(|at| now_ms.saturating_sub(at) < OVERRUN_REMEMBERED_MS)
            }
        };
        if saved {
            return ChargeOutcome::DiskNearlyFull;
        }
        let judged = &mut usage.buckets[BudgetKind::Judged as usize];
        let mut judged_ms = 0;
        if judged.records < 1.0 {
            judged.fill(BudgetKind::Judged.allowance(), now_ms);
            judged_ms = judged.owed_ms(BudgetKind::Judged.allowance());
            if judged_ms > PAUSE_MAX_MS * 12 || judged.records < 1.0 && kind != BudgetKind::Samples {
                return ChargeOutcome::Refused(BudgetKind::Judged);
            }
        }
        let bucket = &mut usage.buckets[kind as usize];
        if kind == BudgetKind::Samples {
            let owed_ms = bucket.owed_ms(allowance);
            if owed_ms > OWED_MAX_MS || crowded && owed_ms > PAUSE_MAX_MS {
                return ChargeOutcome::Refused(kind);
            }
            bucket.spend(bytes, 1.0);
            self.all_bytes = (self.all_bytes - bytes).max(0.0);
            let pause_ms = bucket.owed_ms(allowance).max(judged_ms).max(if crowded { 100 } else { 0 });
            return if pause_ms == 0 {
                ChargeOutcome::Admitted
            } else {
                ChargeOutcome::Throttled(pause_ms.min(PAUSE_MAX_MS))
            };
        }
        if crowded || !bucket.has(bytes) {
            return ChargeOutcome::Refused(kind);
        }
        bucket.spend(bytes, 1.0);
        if kind.is_appended() {
            self.all_bytes = (self.all_bytes - bytes).max(0.0);
        }
        ChargeOutcome::Admitted
    }

    /// Counts what has been done already, whatever is left.
    pub(super) fn count(&mut self, device: &DeviceId, kind: BudgetKind, records: usize, now_ms: u64) {
        let usage = self.usage(device, now_ms);
        let bucket = &mut usage.buckets[kind as usize];
        bucket.fill(kind.allowance(), now_ms);
        bucket.spend(0.0, records as f64);
        // What is owed is bounded, or it would never be heard again.
        bucket.records = bucket.records.max(-2.0 * kind.allowance().minute_records);
    }

    /// A device went beyond a budget.
    pub(super) fn record_overrun(&mut self, device: &DeviceId, kind: BudgetKind, now_ms: u64) -> Overrun {
        let usage = self.usage(device, now_ms);
        if !usage.is_over_budget(now_ms) {
            usage.beyond = 0;
        }
        let bit = 1 << (kind as u16);
        let new = usage.beyond & bit == 0;
        usage.beyond |= bit;
        usage.overrun_ms = Some(now_ms);
        let due = |at: Option<u64>, every_ms| at.is_none_or(|at| now_ms.saturating_sub(at) >= every_ms);
        let tell = new || due(usage.judge_notified_ms, NOTIFY_JUDGE_MS);
        if tell {
            usage.judge_notified_ms = Some(now_ms);
        }
        let log = new || due(usage.logged_ms, LOG_MS);
        if log {
            usage.logged_ms = Some(now_ms);
        }
        let beyond = usage.beyond;
        Overrun { log, for_judge: tell.then(|| named(beyond)) }
    }

    /// Whether the log may be told of something that is wrong with a device's reports.
    pub(super) fn may_log(&mut self, device: &DeviceId, now_ms: u64) -> bool {
        let usage = self.usage(device, now_ms);
        let due = usage.logged_ms.is_none_or(|at| now_ms.saturating_sub(at) >= LOG_MS / 10);
        if due {
            usage.logged_ms = Some(now_ms);
        }
        due
    }
}

/// The kinds of these bits, in words.
fn named(beyond: u16) -> Text {
    let kinds = || BudgetKind::ALL.into_iter().filter(|kind| beyond & (1 << (*kind as u16)) != 0);
    let list = |word: fn(&Allowance) -> &'static str| {
        kinds().map(|kind| word(kind.allowance())).collect::<Vec<_>>().join(", ")
    };
    Text::new(list(|one| one.vi), list(|one| one.en))
}

#[cfg(test)]
#[path = "budget/tests.rs"]
mod tests;
