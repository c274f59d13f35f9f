//! What becomes of steps of the machine's clock.
//!
//! In every cycle the wall clock is compared with the boot clock ([`TrustedClock`]) before anything is judged. A small step is followed at
//! once: what is due moves with it. A large one is not: time goes on as before, pages and people are told, and nothing is deleted until a
//! person or trusted time confirms the step, or the machine's clock comes back. A step of years is never confirmed by trusted time alone.

use std::collections::HashMap;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::reading::{Findings as _, TimeSync};
use ioc_common::report::{Body, Report, StateReport};
use ioc_common::trusted_clock::{ClockReading, TrustedClock};
use ioc_judge::{Input, NewIncident, Severity, Text};

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::command::Answer;
use crate::health::ClockState;
use crate::refusal_reason::RefusalReason;
use ioc_store::{Change, ClockMark};

/// A step up to this is followed at once, milliseconds: what agents' clocks may err, too.
pub const FOLLOW_MAX_MS: i64 = 300_000;
/// Small steps are followed up to this sum, which is free again a day later, milliseconds: many of them are a large one.
const FOLLOW_DAY_MAX_MS: i64 = 2 * FOLLOW_MAX_MS;
const DAY_MS: i64 = 86_400_000;
/// After the collector or its machine was off, a clock that is ahead by more than this is in doubt, milliseconds.
const DOWNTIME_MAX_MS: i64 = 7 * 86_400_000;
/// A collector is not off for longer than this: a clock that says so is not believed at all, milliseconds.
const DOWNTIME_BELIEVED_MAX_MS: i64 = 366 * 86_400_000;
/// A step beyond this has to be confirmed by a person, whatever other clocks say, milliseconds.
const TRUSTED_MAX_MS: i64 = 31 * 86_400_000;
/// Clocks must agree for so long, milliseconds.
const AGREEMENT_MIN_MS: u64 = 600_000;
/// Other machines that must be heard before their clocks count.
const WITNESSES_MIN: usize = 2;
/// Clocks that agree differ by less than this, milliseconds.
const AGREEMENT_TOLERANCE_MS: i64 = 30_000;
/// How often the trusted time is written into the store, milliseconds.
const MARK_EVERY_MS: u64 = 10_000;
/// timesyncd touches this file whenever its source answered (systemd-timesyncd.service(8)), and asks at least every 34 minutes.
const TIMESYNC_STAMP: &str = "/run/systemd/timesync/synchronized";
const TIMESYNC_STAMP_MAX_MS: i64 = 3 * 3_600_000;
/// What the kernel calls this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The clocks of the engine; tests have their own.
pub trait EngineClock: Send {
    /// Both clocks, now.
    fn read(&self) -> ClockReading;
    /// Whether the machine's clock follows a source of time, as far as the collector itself can see.
    fn is_synchronised(&self, wall: Timestamp) -> bool;
    /// Sets by how much the trusted time is ahead of the boot clock, milliseconds: all tasks go by it from now on.
    fn set_offset(&self, offset_ms: i64);
    /// The boot of the machine.
    fn boot_id(&self) -> String;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl EngineClock for SystemClock {
    fn read(&self) -> ClockReading {
        clock::reading()
    }

    fn is_synchronised(&self, wall: Timestamp) -> bool {
        let touched = std::fs::metadata(TIMESYNC_STAMP).and_then(|about| about.modified()).ok();
        let touched = touched.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let touched = touched.and_then(|since| i64::try_from(since.as_millis()).ok());
        touched.is_some_and(|at| {
            (-AGREEMENT_TOLERANCE_MS..TIMESYNC_STAMP_MAX_MS).contains(&wall.as_millis().saturating_sub(at))
        })
    }

    fn set_offset(&self, offset_ms: i64) {
        clock::hold(offset_ms);
    }

    fn boot_id(&self) -> String {
        std::fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned()
    }
}

/// Continues with the time that was trusted when the collector stopped.
pub fn resume_clock(mark: Option<&ClockMark>) {
    let _ = EngineTime::resume(Box::new(SystemClock), mark);
}

/// What is known of the clock.
pub(super) struct EngineTime {
    clock: Box<dyn EngineClock>,
    trusted_clock: TrustedClock,
    boot_id: String,
    /// The step that was written down and is not followed, milliseconds.
    step_ms: Option<i64>,
    /// The clock was found this far ahead at a start, milliseconds, and nobody confirmed it.
    doubt_ms: Option<i64>,
    /// Whose clocks agree with the machine's, of those that were heard since the step.
    witnesses: HashMap<DeviceId, bool>,
    /// What the agent on this very machine says of its synchronisation, and when it said so on the boot clock.
    synchronised: Option<(bool, u64)>,
    /// Since when everything agrees, on the boot clock.
    agreed_boot_ms: Option<u64>,
    marked_boot_ms: Option<u64>,
    /// The sum of the small steps that were followed, milliseconds, as it stood at a moment of the boot clock.
    followed: (i64, u64),
    /// The clocks were compared since the start.
    checked: bool,
}

impl EngineTime {
    /// Continues with the time that was trusted when the collector stopped.
    pub(super) fn resume(clock: Box<dyn EngineClock>, mark: Option<&ClockMark>) -> Self {
        let (reading, boot_id) = (clock.read(), clock.boot_id());
        let (trusted_clock, doubt_ms) = match mark {
            None => (TrustedClock::new(reading), None),
            Some(mark) => clock_at_start(mark, &boot_id, reading),
        };
        clock.set_offset(trusted_clock.offset_ms());
        let step_ms = mark.filter(|mark| mark.boot_id == boot_id).and_then(|mark| mark.step_ms);
        // How long another boot lasted is not known: then none of it is free again.
        let followed = mark.map_or((0, reading.boot_ms), |mark| {
            (mark.followed_ms, if mark.boot_id == boot_id { mark.boot_ms } else { reading.boot_ms })
        });
        Self {
            clock,
            trusted_clock,
            boot_id,
            step_ms,
            doubt_ms,
            witnesses: HashMap::new(),
            synchronised: None,
            agreed_boot_ms: None,
            marked_boot_ms: None,
            followed,
            checked: false,
        }
    }

    /// The trusted time.
    pub(super) fn now(&self) -> Timestamp {
        self.trusted_clock.now(self.clock.read())
    }

    /// Whether the machine's clock goes as it should, and nothing of it is in doubt.
    pub(super) fn is_undisturbed(&self) -> bool {
        let mut trusted_clock = self.trusted_clock;
        self.checked
            && self.step_ms.is_none()
            && self.doubt_ms.is_none()
            && trusted_clock.look(self.clock.read()).is_none()
    }

    /// Lets other tasks go by the trusted time.
    pub(super) fn publish(&self) {
        self.clock.set_offset(self.trusted_clock.offset_ms());
    }

    fn mark(&self, reading: ClockReading) -> ClockMark {
        ClockMark {
            boot_id: self.boot_id.clone(),
            boot_ms: reading.boot_ms,
            at: self.trusted_clock.now(reading),
            step_ms: self.step_ms,
            doubt_ms: self.doubt_ms,
            followed_ms: self.followed_ms(reading.boot_ms),
        }
    }

    /// The sum of the small steps that were followed, less what is free again.
    fn followed_ms(&self, boot_ms: u64) -> i64 {
        let (sum_ms, at) = self.followed;
        let passed_ms = i64::try_from(boot_ms.saturating_sub(at)).unwrap_or(i64::MAX).min(DAY_MS);
        (sum_ms - passed_ms * FOLLOW_DAY_MAX_MS / DAY_MS).max(0)
    }

    /// Whether a step is small, alone and with those that were followed within a day. It counts as followed then.
    fn may_follow(&mut self, by_ms: i64, boot_ms: u64) -> bool {
        let sum_ms = self.followed_ms(boot_ms).saturating_add(by_ms.saturating_abs());
        let may = by_ms.saturating_abs() <= FOLLOW_MAX_MS && sum_ms <= FOLLOW_DAY_MAX_MS;
        if may {
            self.followed = (sum_ms, boot_ms);
        }
        may
    }

    fn forget_witnesses(&mut self) {
        self.witnesses.clear();
        (self.synchronised, self.agreed_boot_ms) = (None, None);
    }

    /// Whether the machine's clock follows a source, and others agree with it, for long enough.
    fn is_trusted(&mut self, by_ms: i64, reading: ClockReading) -> bool {
        let agree = self.witnesses.values().filter(|agrees| **agrees).count();
        let heard = self.witnesses.len();
        let synchronised =
            self.clock.is_synchronised(reading.wall) || self.synchronised.is_some_and(|(synchronised, _)| synchronised);
        let all = synchronised && heard >= WITNESSES_MIN && agree * 4 >= heard * 3 && by_ms.abs() <= TRUSTED_MAX_MS;
        if !all {
            self.agreed_boot_ms = None;
            return false;
        }
        let since = *self.agreed_boot_ms.get_or_insert(reading.boot_ms);
        reading.boot_ms.saturating_sub(since) >= AGREEMENT_MIN_MS
    }
}

/// The trusted clock at a start, and by how much the machine's clock is ahead where that is in doubt.
fn clock_at_start(mark: &ClockMark, boot_id: &str, reading: ClockReading) -> (TrustedClock, Option<i64>) {
    if mark.boot_id == boot_id && !boot_id.is_empty() {
        let last = ClockReading { wall: mark.at, boot_ms: mark.boot_ms };
        return (TrustedClock::resume(last.offset_ms(), mark.boot_ms), mark.doubt_ms);
    }
    let passed_ms = reading.wall.millis_since(mark.at);
    let held = mark.step_ms.is_some() && passed_ms > FOLLOW_MAX_MS;
    if !(-ioc_common::trusted_clock::STEP_MS..=DOWNTIME_BELIEVED_MAX_MS).contains(&passed_ms) || held {
        // Nobody knows how long the machine was off. Time goes on from the last commit, and the rest is a step like any other.
        let last = ClockReading { wall: mark.at, boot_ms: reading.boot_ms };
        return (TrustedClock::resume(last.offset_ms(), reading.boot_ms), mark.doubt_ms);
    }
    (TrustedClock::new(reading), if passed_ms > DOWNTIME_MAX_MS { Some(passed_ms) } else { mark.doubt_ms })
}

impl Engine {
    /// Compares the clocks, before anything is judged. Gives the trusted time.
    pub(super) fn check_clocks(&mut self) -> Timestamp {
        let reading = self.time.clock.read();
        match self.time.trusted_clock.look(reading) {
            None => self.clock_agrees(reading),
            // Where nothing is known yet, nothing can be lost by believing the machine.
            Some(by_ms) if self.state.devices().next().is_none() || self.time.may_follow(by_ms, reading.boot_ms) => {
                self.follow_step(by_ms, "", reading);
            }
            Some(by_ms) => self.hold_step(by_ms, reading),
        }
        self.time.publish();
        let now = self.time.trusted_clock.now(reading);
        self.health.set_judged(now);
        now
    }

    /// Adds the trusted time to a commit, now and then.
    pub(super) fn add_clock_mark(&mut self, changes: &mut Vec<Change>) {
        let reading = self.time.clock.read();
        if self.time.marked_boot_ms.is_none_or(|at| reading.boot_ms.saturating_sub(at) >= MARK_EVERY_MS) {
            self.time.marked_boot_ms = Some(reading.boot_ms);
            changes.push(Change::Clock(self.time.mark(reading)));
        }
    }

    /// The machine's clock goes as it should.
    fn clock_agrees(&mut self, reading: ClockReading) {
        let now = self.time.trusted_clock.now(reading);
        if let Some(step_ms) = self.time.step_ms.take() {
            let detail = format!("the machine's clock is back after a step by {}", step_text(step_ms));
            self.record(now, "", AuditLogAction::ClockReturned, "", &detail);
            self.clear_clock_fault(now, reading);
        } else if !self.time.checked && self.time.doubt_ms.is_none() {
            // It may have come back, or been confirmed by a reboot, while the collector was off.
            self.judge(clock_fault_over(), now);
        }
        self.time.checked = true;
        if let Some(doubt_ms) = self.time.doubt_ms {
            if self.time.is_trusted(doubt_ms, reading) {
                self.time.doubt_ms = None;
                self.record(now, "", AuditLogAction::ClockConfirmed, "", "by trusted time");
                self.clear_clock_fault(now, reading);
            } else {
                self.report_clock(reading);
            }
        }
    }

    /// A large step: time goes on as before.
    fn hold_step(&mut self, by_ms: i64, reading: ClockReading) {
        let now = self.time.trusted_clock.now(reading);
        let known = self.time.step_ms.is_some_and(|said| (said - by_ms).abs() <= FOLLOW_MAX_MS);
        if !known {
            self.time.step_ms = Some(by_ms);
            self.time.forget_witnesses();
            let detail =
                format!("{now} -> {}, by {}; not followed until it is confirmed", reading.wall, step_text(by_ms));
            tracing::error!(%detail, "the machine's clock was stepped");
            self.record(now, "", AuditLogAction::ClockStepped, "", &detail);
            self.mark_clock(reading);
        }
        self.report_clock(reading);
        if self.time.is_trusted(by_ms, reading) {
            self.follow_step(by_ms, "trusted time", reading);
        }
    }

    /// Follows the machine's clock: what is due moves by the step.
    fn follow_step(&mut self, by_ms: i64, whose: &str, reading: ClockReading) {
        let (was, before) = (self.time.trusted_clock.now(reading), self.time.trusted_clock);
        self.time.trusted_clock.adopt(reading);
        let now = reading.wall;
        let mut out = Vec::new();
        self.state.shift(by_ms, now, &mut out);
        self.accounts.shift(by_ms);
        self.jobs.shift(by_ms);
        self.shift_retention(by_ms);
        self.see_backup_jobs(None, now);
        self.health.engine_started_ms.fetch_add(by_ms, std::sync::atomic::Ordering::Relaxed);
        self.batch.changes.push(Change::ClockStepped { at: now, by_ms });
        self.take_effects(out, now);
        let action = if whose.is_empty() { AuditLogAction::ClockFollowed } else { AuditLogAction::ClockConfirmed };
        let by = if whose.is_empty() { String::new() } else { format!(", by {whose}") };
        let detail = format!("{was} -> {now}, by {}{by}", step_text(by_ms));
        tracing::warn!(%detail, "the machine's clock is followed");
        let person = if whose == "trusted time" { "" } else { whose };
        self.record(now, person, action, "", &detail);
        self.time.step_ms = None;
        // How far the clock was ahead at a start a small step says nothing of: that is in doubt until somebody says that it is right.
        if !whose.is_empty() || self.state.devices().next().is_none() {
            self.time.doubt_ms = None;
        }
        if self.time.doubt_ms.is_none() {
            self.clear_clock_fault(now, reading);
        } else {
            self.time.forget_witnesses();
            self.report_clock(reading);
            self.mark_clock(reading);
        }
        // Everybody reads again what is due.
        self.batch.notices = true;
        // What is due moves in one commit, and only then do others go by the new time.
        if !self.commit() {
            // The engine ends, and what is kept goes by the old time: so does everybody else until then, and the next start.
            self.time.trusted_clock = before;
        }
        self.time.publish();
    }

    /// A person confirms the machine's clock. `step_s` is the step that they were shown.
    pub(super) fn confirm_clock(&mut self, step_s: Option<i64>, actor: &str) -> super::CommandResult {
        let reading = self.time.clock.read();
        let now = self.time.trusted_clock.now(reading);
        let shown = |is_ms: i64| step_s.is_none_or(|said| (said.saturating_mul(1000) - is_ms).abs() <= FOLLOW_MAX_MS);
        let other = || {
            let english = "the clock was stepped again meanwhile; look at it once more";
            RefusalReason::new("refusal-clock-stepped", [], english).conflict()
        };
        match (self.time.step_ms, self.time.doubt_ms) {
            (Some(_), _) => {
                let by_ms = self.time.trusted_clock.look(reading).ok_or_else(other)?;
                if !shown(by_ms) {
                    return Err(other());
                }
                self.follow_step(by_ms, actor, reading);
            }
            (None, Some(doubt_ms)) => {
                if !shown(doubt_ms) {
                    return Err(other());
                }
                self.time.doubt_ms = None;
                self.record(
                    now,
                    actor,
                    AuditLogAction::ClockConfirmed,
                    "",
                    &format!("{now}, ahead by {}", step_text(doubt_ms)),
                );
                self.clear_clock_fault(now, reading);
            }
            (None, None) => {
                return Err(RefusalReason::new("refusal-clock-sure", [], "the clock is not in doubt").conflict());
            }
        }
        Ok(Answer::Done)
    }

    /// What a report says of the clocks: another machine's, or whether this one's follows a source.
    pub(super) fn record_clock_witness(&mut self, report: &Report) {
        let (step_ms, doubt_ms) = (self.time.step_ms, self.time.doubt_ms);
        let envelope = &report.envelope;
        if (step_ms.is_none() && doubt_ms.is_none()) || envelope.about.is_some() {
            return;
        }
        let Some(device) = self.state.device(&envelope.device) else { return };
        let here = !self.time.boot_id.is_empty() && device.boot_id == self.time.boot_id;
        if here {
            // The agent on this machine has the same clock, and is no witness of it.
            if let Body::State(StateReport::Document { name, doc }) = &report.body
                && name == TimeSync::PROBE.name
                && let Ok(sync) = serde_json::from_str::<TimeSync>(doc.text())
            {
                let boot_ms = self.time.clock.read().boot_ms;
                self.time.synchronised = Some((sync.synchronised == Some(true), boot_ms));
            }
            return;
        }
        // Without an age nobody knows how long it was under way.
        let (Some(_), Some(error_ms)) = (envelope.age_ms, device.clock_error_ms) else { return };
        let agrees = error_ms.saturating_sub(step_ms.unwrap_or(0)).abs() <= AGREEMENT_TOLERANCE_MS;
        self.time.witnesses.insert(envelope.device.clone(), agrees);
    }

    fn clear_clock_fault(&mut self, now: Timestamp, reading: ClockReading) {
        self.time.forget_witnesses();
        self.state.set_wall_ahead(None);
        self.health.set_clock(ClockState::default());
        self.judge(clock_fault_over(), now);
        self.batch.visible = true;
        self.mark_clock(reading);
    }

    /// Tells pages, metrics and the duty officer.
    fn report_clock(&mut self, reading: ClockReading) {
        let now = self.time.trusted_clock.now(reading);
        let (step_ms, doubt_ms) = (self.time.step_ms, self.time.doubt_ms);
        self.state.set_wall_ahead(step_ms);
        let state = ClockState { step_ms, doubt_ms };
        if self.health.clock() == state {
            return;
        }
        self.health.set_clock(state);
        self.batch.visible = true;
        let (title, why) = match (step_ms, doubt_ms) {
            (Some(by_ms), _) => (
                Text::new(
                    "Đồng hồ máy chủ bộ thu bị chỉnh đột ngột",
                    "The clock of the collector's machine was stepped",
                ),
                Text::new(
                    format!("Đồng hồ của máy nhảy {}; bộ thu vẫn chạy theo giờ cũ và không xoá gì.", step_text(by_ms)),
                    format!(
                        "It jumped by {}. The collector goes on by its own time, and deletes nothing.",
                        step_text(by_ms)
                    ),
                ),
            ),
            (None, Some(by_ms)) => (
                Text::new("Đồng hồ máy chủ bộ thu chưa chắc đúng", "The clock of the collector's machine is in doubt"),
                Text::new(
                    format!("Khi khởi động, đồng hồ đi trước lần ghi cuối {}; chưa xoá gì.", step_text(by_ms)),
                    format!("At the start it stood {} after the last commit. Nothing is deleted.", step_text(by_ms)),
                ),
            ),
            (None, None) => return,
        };
        let manual = NewIncident {
            device: None,
            severity: Severity::Critical,
            title,
            reason: why.clone(),
            advice: Text::new(
                "Kiểm tra NTP của máy chủ bộ thu. Nếu giờ mới đúng: xác nhận ở trang Quản trị, hoặc chạy \
                 «ioc-collector clock confirm». Nếu sai: chỉnh lại đồng hồ của máy.",
                "Look at the NTP of the collector's machine. If its new time is right, confirm it under Administration, or run \
                 'ioc-collector clock confirm'; if it is wrong, set the machine's clock right.",
            ),
            report: None,
        };
        self.judge(Input::SelfFault { key: CLOCK_STEPPED, incident: Some(manual), why }, now);
    }

    fn mark_clock(&mut self, reading: ClockReading) {
        self.time.marked_boot_ms = Some(reading.boot_ms);
        self.batch.changes.push(Change::Clock(self.time.mark(reading)));
    }
}

/// Ends the incident of a clock that was stepped.
fn clock_fault_over() -> Input<'static> {
    let why = Text::new("Đồng hồ đã được xác nhận hoặc đã về đúng.", "The clock was confirmed, or has come back.");
    Input::SelfFault { key: CLOCK_STEPPED, incident: None, why }
}

/// The key of the incident.
const CLOCK_STEPPED: &str = "clock-stepped";

/// A step for people: `+1 d 2 h`, `-45 min`.
pub fn step_text(by_ms: i64) -> String {
    let sign = if by_ms < 0 { '-' } else { '+' };
    let s = by_ms.unsigned_abs() / 1000;
    let (days, hours, minutes, seconds) = (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
    let parts: Vec<String> =
        parts.into_iter().filter(|(n, _)| *n > 0).take(2).map(|(n, unit)| format!("{n} {unit}")).collect();
    if parts.is_empty() { "0 s".to_owned() } else { format!("{sign}{}", parts.join(" ")) }
}

#[cfg(test)]
pub(super) mod tests;
