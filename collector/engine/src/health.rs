//! The collector's own health and counters, for `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use ioc_common::clock::{self, Timestamp};
use ioc_common::report::LossReason;
use ioc_judge::Text;

use crate::backup::BackupBoard;
use crate::broker::BrokerBoard;
use crate::commit_times::CommitTimes;
use crate::lease::LeaseBoard;
use crate::open_files::{self, OpenFiles};
use crate::records_count::RecordsBoard;

/// An engine that has not run for longer is stuck, milliseconds.
const STUCK_MS: u64 = 60_000;

/// After the notices in the outbox could not be read for so long, people are told without the store, milliseconds.
const OUTBOX_UNREAD_MAX_MS: u64 = 15_000;

/// Why no notice can be sent: notices are written into the store first, and read from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoticesBlocked {
    /// The store cannot be written, for this reason.
    Unwritable(String),
    /// The outbox cannot be read, for this reason.
    Unreadable(String),
}

impl std::fmt::Display for NoticesBlocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unwritable(why) => write!(f, "the store cannot be written: {why}"),
            Self::Unreadable(why) => write!(f, "notices cannot be read from the store, and none is sent: {why}"),
        }
    }
}

/// Counters and states of the running collector. Shared by all its tasks.
#[derive(Debug, Default)]
pub struct Health {
    /// MQTT connections that are open now.
    pub connections: AtomicU64,
    /// When the engine began, by the time that it goes by: milliseconds since 1970-01-01T00:00:00Z.
    pub engine_started_ms: AtomicI64,
    /// Reports committed since the start.
    pub reports: AtomicU64,
    /// Numbers committed since the start.
    pub values: AtomicU64,
    /// Reports that were committed before.
    pub duplicates: AtomicU64,
    /// Commits since the start.
    pub commits: AtomicU64,
    /// Time spent committing, microseconds.
    pub commit_us: AtomicU64,
    /// How many commits took how long.
    pub commit_times: CommitTimes,
    /// Time spent judging, microseconds.
    pub judge_us: AtomicU64,
    /// Inputs that wait for the engine.
    pub queue: AtomicU64,
    /// Notices delivered since the start.
    pub notices_delivered: AtomicU64,
    /// Attempts to deliver that failed.
    pub notices_failed: AtomicU64,
    /// Reports sent by remote write.
    pub remote_write_sent: AtomicU64,
    /// Reports that remote write could not send.
    pub remote_write_lost: AtomicU64,
    /// How often remote write found that its position is of another store, or of a later state of this one.
    pub remote_write_restarts: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    lost: Mutex<BTreeMap<&'static str, u64>>,
    store_write_error: Mutex<Option<String>>,
    /// Since when the outbox cannot be read, boot clock, milliseconds, and why.
    outbox_read_error: Mutex<Option<(u64, String)>>,
    /// Since when the collector has been stopping, milliseconds of the boot clock; 0 while it runs.
    stopping_ms: AtomicU64,
    /// When the engine ran last or tried a commit again, milliseconds of the boot clock; 0 before its first cycle.
    pub(crate) last_run_ms: AtomicU64,
    store_losses: Mutex<Vec<Text>>,
    integrity_check: Mutex<Option<IntegrityCheck>>,
    clock: Mutex<ClockState>,
    /// The time that the engine judged by last, and the boot clock then, milliseconds.
    judged: Mutex<Option<(Timestamp, u64)>>,
    open_files: OnceLock<OpenFiles>,
    /// How the collector's own backups stand.
    pub backups: BackupBoard,
    /// How many records there are, as it was counted last.
    pub records: RecordsBoard,
    /// How ingest from a broker stands.
    pub broker: BrokerBoard,
    /// How the lease of the site stands.
    pub lease: LeaseBoard,
}

/// What the last integrity check of the store found.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrityCheck {
    pub at: Timestamp,
    /// What is wrong, a line each; nothing when it is sound.
    pub findings: Vec<String>,
}

/// What is wrong with the machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockState {
    /// It was stepped by this much, milliseconds with sign, and the step is not followed.
    pub step_ms: Option<i64>,
    /// It was this far ahead at the start, milliseconds, and nobody has confirmed it.
    pub doubt_ms: Option<i64>,
}

impl ClockState {
    /// What a person has to confirm, milliseconds; none while all is well. Until then nothing is deleted by its age.
    #[must_use]
    pub fn unconfirmed_ms(self) -> Option<i64> {
        self.step_ms.or(self.doubt_ms)
    }
}

impl Health {
    /// Counts something that was refused, by its reason.
    pub fn count_refused(&self, reason: &'static str) {
        if let Ok(mut refused) = self.refused.lock() {
            *refused.entry(reason).or_default() += 1;
        }
    }

    /// Counts reports that never came, by their reason.
    pub fn count_lost(&self, reason: LossReason, count: u64) {
        if let Ok(mut lost) = self.lost.lock() {
            let counted = lost.entry(reason.as_str()).or_default();
            *counted = counted.saturating_add(count);
        }
    }

    /// How often something was refused for `reason`.
    #[must_use]
    pub fn refused(&self, reason: &str) -> u64 {
        self.refused.lock().map_or(0, |refused| refused.get(reason).copied().unwrap_or(0))
    }

    /// Sets why the store cannot be written; none once it can again.
    pub fn set_store_write_error(&self, error: Option<String>) {
        if let Ok(mut now) = self.store_write_error.lock() {
            *now = error;
        }
    }

    /// Sets why the outbox cannot be read; none once it can again.
    pub fn set_outbox_read_error(&self, error: Option<String>) {
        self.set_outbox_read_error_at(error, clock::boottime_ms());
    }

    fn set_outbox_read_error_at(&self, error: Option<String>, now_ms: u64) {
        if let Ok(mut unread) = self.outbox_read_error.lock() {
            let since_ms = unread.as_ref().map_or(now_ms, |(since_ms, _)| *since_ms);
            *unread = error.map(|why| (since_ms, why));
        }
    }

    /// The engine is at work: it begins another cycle, or tries a commit again.
    pub(crate) fn mark_alive(&self) {
        self.last_run_ms.store(clock::boottime_ms().max(1), Relaxed);
    }

    /// For how long the engine has been stuck, milliseconds; none while it runs, which it does at least every two seconds.
    #[must_use]
    pub fn stuck_for_ms(&self) -> Option<u64> {
        let last_run_ms = self.last_run_ms.load(Relaxed);
        let passed_ms = clock::boottime_ms().saturating_sub(last_run_ms);
        (last_run_ms > 0 && passed_ms > STUCK_MS).then_some(passed_ms)
    }

    /// The collector begins to stop.
    pub fn stop(&self) {
        self.stopping_ms.store(clock::boottime_ms().max(1), Relaxed);
    }

    /// For how long the collector has been stopping, milliseconds; none while it runs.
    #[must_use]
    pub fn stopping_for_ms(&self) -> Option<u64> {
        let since = self.stopping_ms.load(Relaxed);
        (since > 0).then(|| clock::boottime_ms().saturating_sub(since))
    }

    /// Sets which acknowledged data the store has lost; nothing once a person has confirmed it.
    pub fn set_store_losses(&self, losses: Vec<Text>) {
        *self.store_losses.lock().unwrap_or_else(PoisonError::into_inner) = losses;
    }

    /// Which acknowledged data the store has lost, until a person has confirmed it.
    #[must_use]
    pub fn store_losses(&self) -> Vec<Text> {
        self.store_losses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets what the last integrity check of the store found.
    pub fn set_integrity_check(&self, check: IntegrityCheck) {
        *self.integrity_check.lock().unwrap_or_else(PoisonError::into_inner) = Some(check);
    }

    /// What the last integrity check of the store found; none before the first.
    #[must_use]
    pub fn integrity_check(&self) -> Option<IntegrityCheck> {
        self.integrity_check.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the store cannot be written, while it cannot.
    #[must_use]
    pub fn store_write_error(&self) -> Option<String> {
        self.store_write_error.lock().ok().and_then(|error| error.clone())
    }

    /// Why no notice can be sent, while the store cannot be written or the outbox cannot be read.
    #[must_use]
    pub fn notices_blocked(&self) -> Option<NoticesBlocked> {
        self.notices_blocked_at(clock::boottime_ms())
    }

    fn notices_blocked_at(&self, now_ms: u64) -> Option<NoticesBlocked> {
        if let Some(why) = self.store_write_error() {
            return Some(NoticesBlocked::Unwritable(why));
        }
        let unread = self.outbox_read_error.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = unread.as_ref().filter(|(since_ms, _)| now_ms.saturating_sub(*since_ms) >= OUTBOX_UNREAD_MAX_MS);
        unread.map(|(_, why)| NoticesBlocked::Unreadable(why.clone()))
    }

    /// Sets what is wrong with the machine's clock.
    pub fn set_clock(&self, state: ClockState) {
        if let Ok(mut now) = self.clock.lock() {
            *now = state;
        }
    }

    /// Tells by which time the engine judges, once it has compared its clocks.
    pub fn set_judged(&self, now: Timestamp) {
        if let Ok(mut judged) = self.judged.lock() {
            *judged = Some((now, clock::boottime_ms()));
        }
    }

    /// The time for whoever deletes by age: that which the engine judged by last, and what passed since on the boot clock, which nobody sets. None
    /// before it has compared its clocks, and while they are in doubt: nobody knows then how old anything is.
    #[must_use]
    pub fn judged_now(&self) -> Option<Timestamp> {
        self.engine_now().filter(|_| self.clock().unconfirmed_ms().is_none())
    }

    /// The time by which the engine judges, for whoever shows what is late; none before it has compared its clocks.
    #[must_use]
    pub fn engine_now(&self) -> Option<Timestamp> {
        let (at, boot_ms) = *self.judged.lock().ok()?.as_ref()?;
        let passed_ms = i64::try_from(clock::boottime_ms().saturating_sub(boot_ms)).ok()?;
        Some(at.plus_millis(passed_ms))
    }

    /// What is wrong with the machine's clock.
    #[must_use]
    pub fn clock(&self) -> ClockState {
        self.clock.lock().map_or_else(|_| ClockState::default(), |state| *state)
    }

    /// Sets how the files that may be open are divided; once, at the start.
    pub fn set_open_files(&self, files: OpenFiles) {
        let _ = self.open_files.set(files);
    }

    /// How the files that may be open are divided; none before the start is over.
    #[must_use]
    pub fn open_files(&self) -> Option<&OpenFiles> {
        self.open_files.get()
    }

    /// What was refused, by its reason, and how often.
    #[must_use]
    pub fn refused_by_reason(&self) -> Vec<(&'static str, u64)> {
        self.refused.lock().map_or_else(|_| Vec::new(), |all| all.iter().map(|(why, count)| (*why, *count)).collect())
    }

    /// Everything in the Prometheus text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, value: f64| {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        };
        let load = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        put("ioc_connections", "gauge", "Open MQTT connections.", load(&self.connections));
        put("ioc_reports_total", "counter", "Reports committed.", load(&self.reports));
        put("ioc_values_total", "counter", "Numbers committed.", load(&self.values));
        put("ioc_duplicates_total", "counter", "Reports that were committed before.", load(&self.duplicates));
        put("ioc_commits_total", "counter", "Commits.", load(&self.commits));
        put("ioc_commit_seconds_total", "counter", "Time spent committing.", load(&self.commit_us) / 1e6);
        put("ioc_judge_seconds_total", "counter", "Time spent judging.", load(&self.judge_us) / 1e6);
        put("ioc_queue", "gauge", "Inputs waiting for the engine.", load(&self.queue));
        put("ioc_notices_delivered_total", "counter", "Notices delivered.", load(&self.notices_delivered));
        put("ioc_notices_failed_total", "counter", "Attempts to deliver that failed.", load(&self.notices_failed));
        put(
            "ioc_remote_write_reports_total",
            "counter",
            "Reports sent by remote write.",
            load(&self.remote_write_sent),
        );
        put(
            "ioc_remote_write_lost_total",
            "counter",
            "Reports that remote write could not send.",
            load(&self.remote_write_lost),
        );
        put(
            "ioc_remote_write_restarts_total",
            "counter",
            "Times that remote write found another store, or an older one, and went on from there.",
            load(&self.remote_write_restarts),
        );
        let writable = f64::from(u8::from(self.store_write_error().is_none()));
        put("ioc_store_writable", "gauge", "1 while the store can be written.", writable);
        let blocked = f64::from(u8::from(self.notices_blocked().is_some()));
        put(
            "ioc_notices_blocked",
            "gauge",
            "1 while the store cannot be written or read, so that no notice is sent.",
            blocked,
        );
        let unsound = self.integrity_check().map_or(0.0, |check| check.findings.len() as f64);
        put("ioc_store_findings", "gauge", "Faults that the last integrity check of the store found.", unsound);
        put(
            "ioc_store_lost",
            "gauge",
            "Losses of the store that nobody has confirmed.",
            self.store_losses().len() as f64,
        );
        let clock = self.clock();
        let step_s = clock.step_ms.unwrap_or(0) as f64 / 1000.0;
        put(
            "ioc_clock_step_seconds",
            "gauge",
            "A step of the machine's clock that is not followed; 0 when none.",
            step_s,
        );
        let suspended = f64::from(u8::from(clock.unconfirmed_ms().is_some()));
        put(
            "ioc_deletion_suspended",
            "gauge",
            "1 while the clock is in doubt and nothing is deleted by its age.",
            suspended,
        );
        for (name, help, value) in self.backups.gauges(clock::now()) {
            put(name, "gauge", help, value);
        }
        if let Some(files) = self.open_files() {
            let places = files.places;
            put("ioc_connections_max", "gauge", "Most MQTT connections.", places.devices as f64);
            let pages = (places.strangers.all + places.signed_in) as f64;
            put("ioc_page_connections_max", "gauge", "Most connections to pages.", pages);
            put("ioc_open_files_max", "gauge", "Files that may be open.", files.max as f64);
            put("ioc_open_files_needed", "gauge", "Files that everything configured needs.", files.needed as f64);
            if let Some(open) = open_files::count() {
                put("ioc_open_files", "gauge", "Files that are open.", open as f64);
            }
        }
        self.broker.write(&mut text);
        self.lease.write(&mut text);
        self.commit_times.write(&mut text);
        self.write_by_reason(&mut text);
        text
    }

    /// What was refused and what never came, by their reasons.
    fn write_by_reason(&self, text: &mut String) {
        text.push_str(
            "# HELP ioc_refused_total Input that was refused, by reason.\n# TYPE ioc_refused_total counter\n",
        );
        for (reason, count) in self.refused_by_reason() {
            let _ = writeln!(text, "ioc_refused_total{{reason=\"{reason}\"}} {count}");
        }
        text.push_str("# HELP ioc_reports_lost_total Reports of devices that never came, by reason.\n# TYPE ioc_reports_lost_total counter\n");
        for (reason, count) in self.lost.lock().iter().flat_map(|lost| lost.iter()) {
            let _ = writeln!(text, "ioc_reports_lost_total{{reason=\"{reason}\"}} {count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_for_long_is_silence_until_it_can() {
        let health = Health::default();
        let page = || Some("page 7".to_owned());
        health.set_outbox_read_error_at(page(), 1000);
        assert_eq!(health.notices_blocked_at(1000 + OUTBOX_UNREAD_MAX_MS - 1), None, "a moment is none");
        health.set_outbox_read_error_at(page(), 1000 + OUTBOX_UNREAD_MAX_MS);
        let unreadable = Some(NoticesBlocked::Unreadable("page 7".to_owned()));
        assert_eq!(health.notices_blocked_at(1000 + OUTBOX_UNREAD_MAX_MS), unreadable);
        health.set_store_write_error(Some("no room".to_owned()));
        assert_eq!(health.notices_blocked_at(1000), Some(NoticesBlocked::Unwritable("no room".to_owned())));
        health.set_store_write_error(None);
        assert_eq!(health.notices_blocked_at(1000 + OUTBOX_UNREAD_MAX_MS), unreadable, "one does not end the other");
        health.set_outbox_read_error_at(None, 2000 + OUTBOX_UNREAD_MAX_MS);
        assert_eq!(health.notices_blocked_at(u64::MAX), None);
    }

    #[test]
    fn an_engine_is_stuck_that_has_turned_once_and_not_for_a_minute() {
        let health = Health::default();
        assert_eq!(health.stuck_for_ms(), None, "before the first turn");
        health.mark_alive();
        assert_eq!(health.stuck_for_ms(), None);
        // A machine that has just booted has no minute to look back on.
        let Some(before) = clock::boottime_ms().checked_sub(STUCK_MS + 1000).filter(|before| *before > 0) else {
            return;
        };
        health.last_run_ms.store(before, Relaxed);
        assert!(health.stuck_for_ms().is_some_and(|passed_ms| passed_ms > STUCK_MS));
        health.mark_alive();
        assert_eq!(health.stuck_for_ms(), None, "it turns again");
    }
}
