//! Reports that never came, and never will: found by the collector itself in their order, and explained by what the device says.
//!
//! A report is taken only when its place is above the watermark, and a device sends in order. So a place that is passed over is lost for
//! good, whatever the cause, and is known the moment the next report is judged. What a device tells of its losses (with its hello, and with
//! the first report after a gap) gives the reason. It may tell before the gap or after it; the balance of both sees to it that nothing is
//! counted twice. How an epoch ended is reported by the hello of the next one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::report::{Hello, LossReason, Losses, Position};

/// Ends of epochs that are not yet reported; and places that were refused. More are not remembered.
const ENDS_MAX: usize = 8;
const REFUSED_MAX: usize = 64;
/// For how long losses count in [`LossLedger::recent`], hours.
const RECENT_HOURS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;
/// No device has lost more than this at once.
pub(crate) const COUNT_MAX: u64 = 1 << 40;

/// What is known of a device's losses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LossLedger {
    /// What the device last reported of its losses.
    reported: Losses,
    /// Reported and not yet missed, when positive; missed and not yet reported, when negative.
    balance: i64,
    /// Up to where earlier epochs came whose end is not yet reported.
    ends: Vec<Position>,
    /// Lost within the last day, by the hour: reports that are gone, and samples that were thinned.
    recent: BTreeMap<i64, [u64; 2]>,
    /// By how much the clock was stepped since the hours of [`Self::recent`] began, milliseconds: they go on as if it had not been.
    stepped_ms: i64,
    /// How many in all since the device was first heard.
    total: u64,
    #[serde(skip)]
    refused: Vec<Position>,
}

impl LossLedger {
    /// How many reports were lost in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// When it last lost any that is remembered: the beginning of the hour; none without losses lately.
    #[must_use]
    pub fn last_loss(&self) -> Option<Timestamp> {
        let (hour, _) = self.recent.last_key_value()?;
        Some(Timestamp::from_millis(hour.saturating_mul(HOUR_MS).saturating_add(self.stepped_ms)))
    }

    /// How many reports were lost within the last day, and how many samples were thinned out.
    pub(crate) fn recent(&self, now: Timestamp) -> [u64; 2] {
        let hour = self.hour(now);
        self.recent
            .range(hour - RECENT_HOURS + 1..)
            .fold([0, 0], |sum, (_, one)| [sum[0].saturating_add(one[0]), sum[1].saturating_add(one[1])])
    }

    /// The clock was stepped: what was lost a while ago was lost the same while ago. Whether there is anything to keep of it.
    pub(crate) fn shift(&mut self, by_ms: i64) -> bool {
        self.stepped_ms = if self.recent.is_empty() { 0 } else { self.stepped_ms.saturating_add(by_ms) };
        !self.recent.is_empty()
    }

    const fn hour(&self, now: Timestamp) -> i64 {
        now.as_millis().saturating_sub(self.stepped_ms).div_euclid(HOUR_MS)
    }

    fn count(&mut self, gone: u64, thinned: u64, now: Timestamp) {
        let hour = self.hour(now);
        self.recent = self.recent.split_off(&(hour - RECENT_HOURS + 1));
        let counted = self.recent.entry(hour).or_default();
        *counted = [counted[0].saturating_add(gone), counted[1].saturating_add(thinned)];
        self.total = self.total.saturating_add(gone).saturating_add(thinned);
    }
}

/// Reports that are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How many; 0 when that is not known.
    pub count: u64,
    /// Why, and how many of them for it.
    pub reasons: Vec<(LossReason, u64)>,
    /// Taken after this moment, as far as is known.
    pub from: Option<Timestamp>,
    /// Taken before this moment.
    pub until: Timestamp,
    /// The last place before them that came.
    pub after: Position,
    /// The first place behind them that came.
    pub before: Position,
}

impl LossLedger {
    /// A report at this place was refused by the collector.
    pub(crate) fn note_refused(&mut self, position: Position) {
        if self.refused.contains(&position) {
            return;
        }
        if self.refused.len() >= REFUSED_MAX {
            self.refused.remove(0);
        }
        self.refused.push(position);
    }

    /// Whether more was reported than was missed: the gap it speaks of may come yet.
    pub(crate) const fn awaits_gap(&self) -> bool {
        self.balance > 0
    }

    /// No gap will come any more for what was reported.
    pub(crate) const fn settle(&mut self) {
        self.balance = 0;
    }

    /// Places between the watermark and this one, in the same epoch or from the beginning of a new one.
    pub(crate) fn gap(&mut self, position: Position, was: Position) -> u64 {
        if position.epoch == was.epoch {
            return position.seq.saturating_sub(was.seq.saturating_add(1));
        }
        // Before anything was ever heard nothing is known of what there was.
        if was.epoch == 0 {
            return 0;
        }
        if self.ends.len() < ENDS_MAX {
            self.ends.push(was);
        }
        position.seq.saturating_sub(1)
    }

    /// Whether places between the watermark and this one are missing for which there is no reason yet: none was refused there, and the device
    /// has not said that it lost so many. At the beginning of an epoch it is what the hello says of the one before, where that ended well.
    pub(crate) fn unexplained(&self, position: Position, was: Position, hello: Option<&Hello>) -> bool {
        // Before anything was ever heard nothing is known of what there was.
        if was.epoch == 0 {
            return position.seq > 1;
        }
        let before = if position.epoch == was.epoch { was.seq } else { 0 };
        let mut missing = position.seq.saturating_sub(before.saturating_add(1));
        if position.epoch != was.epoch
            && let Some(hello) = hello
        {
            let ended = hello.former.iter().find(|former| former.epoch == was.epoch && former.clean);
            missing = missing.saturating_add(ended.map_or(0, |former| former.seq.saturating_sub(was.seq)));
        }
        let refused = self.refused.iter().filter(|one| **one > was && **one < position).count() as u64;
        missing > refused.saturating_add(self.balance.max(0).unsigned_abs())
    }

    /// What is missing at the ends of earlier epochs, by the hello of this one; and whether one of them was cut off.
    pub(crate) fn missing_at_ends(&mut self, hello: &Hello, epoch: u64, was: Position) -> (u64, bool) {
        let ends = std::mem::take(&mut self.ends);
        let Some(first) = ends.first().map(|end| end.epoch) else { return (0, false) };
        let (mut missing, mut cut_off) = (0_u64, false);
        for former in hello.former.iter().filter(|former| (first..epoch).contains(&former.epoch)) {
            let came = ends.iter().find(|end| end.epoch == former.epoch).map_or(0, |end| end.seq);
            missing = missing.saturating_add(former.seq.saturating_sub(came));
            // One that was cut off before it ever came through may have taken nothing; the one that did come has.
            cut_off |= !former.clean && (came > 0 || former.epoch == was.epoch);
        }
        (missing, cut_off)
    }

    /// How many of the places between were refused by the collector.
    pub(crate) fn take_refused(&mut self, position: Position, was: Position) -> u64 {
        let between = self.refused.iter().filter(|one| **one > was && **one < position).count();
        self.refused.retain(|one| *one > position);
        between as u64
    }

    /// Brings together what is reported and what is missed. What is new of it, by reason.
    pub(crate) fn reconcile(
        &mut self,
        reported: Option<Losses>,
        gap: u64,
        refused: u64,
        now: Timestamp,
    ) -> Vec<(LossReason, u64)> {
        let mut reasons = Vec::new();
        let (mut gone, mut thinned, mut unreadable) = (0_u64, 0, false);
        // A hello that was made before something was lost comes after what reported it.
        if let Some(reported) = reported.filter(|reported| !reported.is_none()) {
            let news = reported.since(&self.reported);
            self.reported = reported.or_more(&self.reported);
            unreadable = news.quarantined > 0;
            // What was missed before anybody said why was counted then.
            let mut explained = self.balance.min(0).unsigned_abs();
            for (reason, count) in news.reports_by_reason().map(|(reason, count)| (reason, count.min(COUNT_MAX))) {
                let known = count.min(explained);
                explained -= known;
                self.balance = self.balance.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
                if count > known {
                    reasons.push((reason, count - known));
                    let counted = if reason == LossReason::SamplesThinned { &mut thinned } else { &mut gone };
                    *counted = counted.saturating_add(count - known);
                }
            }
        }
        let owed = self.balance.max(0).unsigned_abs();
        let found = gap.saturating_sub(owed);
        self.balance = self.balance.saturating_sub(i64::try_from(gap).unwrap_or(i64::MAX));
        if found > 0 {
            let refused = refused.min(found);
            if refused > 0 {
                reasons.push((LossReason::Refused, refused));
                // The device does not know of these, and will not tell.
                self.balance = self.balance.saturating_add(i64::try_from(refused).unwrap_or(0));
            }
            if found > refused {
                reasons.push((if unreadable { LossReason::Quarantined } else { LossReason::Unknown }, found - refused));
            }
            gone = gone.saturating_add(found);
        }
        if gone > 0 || thinned > 0 {
            self.count(gone, thinned, now);
        }
        reasons
    }
}
