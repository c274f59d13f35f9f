//! Which archives go: pure.
//!
//! They are counted by days, weeks and months that have one, from the newest on, and not by their age: a clock that jumps makes nothing
//! old. The order is that of their making, which a number says that never falls back.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;
use ioc_engine::config::KeptBackups;

/// The newest ones, which stay whatever the rules say.
const NEWEST: usize = 2;

/// A good archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GoodArchive {
    pub(super) name: String,
    pub(super) number: u64,
    pub(super) made_at: Timestamp,
    /// It was restored for a trial, and that succeeded.
    pub(super) passed: bool,
}

/// The names of those that go.
pub(super) fn gone(good: &[GoodArchive], keep: KeptBackups, zone: &TimeZone) -> Vec<String> {
    let mut newest_first: Vec<&GoodArchive> = good.iter().collect();
    newest_first.sort_by_key(|one| std::cmp::Reverse(one.number));
    let mut rules: [(usize, BTreeSet<(i32, i32)>); 3] =
        [(keep.daily, BTreeSet::new()), (keep.weekly, BTreeSet::new()), (keep.monthly, BTreeSet::new())];
    // Of the newer ones nobody knows yet whether they can be restored.
    let proven = newest_first.iter().find(|one| one.passed).map(|one| one.number);
    let mut gone = Vec::new();
    for (place, one) in newest_first.into_iter().enumerate() {
        let mut stays = place < NEWEST || Some(one.number) == proven;
        for ((most, seen), bucket) in rules.iter_mut().zip(buckets(one.made_at, zone)) {
            if seen.len() < *most && seen.insert(bucket) {
                stays = true;
            }
        }
        if !stays {
            gone.push(one.name.clone());
        }
    }
    gone
}

/// The day, the week and the month of a moment.
fn buckets(at: Timestamp, zone: &TimeZone) -> [(i32, i32); 3] {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    let date = at.to_zoned_datetime(zone.clone()).date();
    let week = date.iso_week_date();
    [
        (i32::from(date.year()), i32::from(date.day_of_year())),
        (i32::from(week.year()), i32::from(week.week())),
        (i32::from(date.year()), i32::from(date.month())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const KEEP: KeptBackups = KeptBackups { daily: 7, weekly: 5, monthly: 12 };

    fn archive(number: u64, made_at: Timestamp) -> GoodArchive {
        GoodArchive { name: format!("a-{number}"), number, made_at, passed: false }
    }

    fn start() -> Timestamp {
        "2026-01-01T19:30:00Z".parse().expect("time")
    }

    /// Makes one after the other, and lets go what goes after each.
    fn after(moments: impl IntoIterator<Item = Timestamp>) -> Vec<GoodArchive> {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let mut all: Vec<GoodArchive> = Vec::new();
        for at in moments {
            all.push(archive(all.last().map_or(1, |last| last.number + 1), at));
            let gone = gone(&all, KEEP, &zone);
            let newest: Vec<String> = all.iter().rev().take(NEWEST).map(|one| one.name.clone()).collect();
            assert!(!newest.iter().any(|name| gone.contains(name)), "the newest stay");
            all.retain(|one| !gone.contains(&one.name));
        }
        all
    }

    #[test]
    fn two_years_leave_days_weeks_and_months() {
        let all = after((0..730).map(|day| start().plus_secs(day * DAY)));
        // Some are the newest of their day and of their week at once.
        assert!((19..=24).contains(&all.len()), "{}", all.len());
        assert_eq!(
            all.iter().rev().take(7).map(|one| one.number).collect::<Vec<_>>(),
            (724..=730).rev().collect::<Vec<_>>()
        );
        assert!(all[0].number < 430, "eleven months back: {}", all[0].number);
    }

    #[test]
    fn many_on_one_day_leave_the_newest_of_the_day() {
        let all = after((0..50).map(|turn| start().plus_secs(turn * 60)));
        assert_eq!(all.iter().map(|one| one.number).collect::<Vec<_>>(), [49, 50]);
    }

    #[test]
    fn the_newest_one_that_passed_a_drill_stays_however_old_it_is() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let keep = KeptBackups { daily: 3, weekly: 0, monthly: 0 };
        let mut all: Vec<GoodArchive> = (1..=30).map(|day| archive(day, start().plus_secs(day * DAY))).collect();
        let kept = |all: &[GoodArchive]| {
            let gone = gone(all, keep, &zone);
            let kept = all.iter().filter(|one| !gone.contains(&one.name));
            kept.map(|one| one.number).collect::<Vec<_>>()
        };
        assert_eq!(kept(&all), [28, 29, 30]);
        for number in [4, 9] {
            all[number].passed = true;
        }
        assert_eq!(kept(&all), [10, 28, 29, 30]);
    }

    #[test]
    fn a_clock_that_jumps_never_takes_the_newest() {
        for jump in [-20_i64 * 365, -400, -1, 1, 400, 20 * 365] {
            let jump_ms = jump * 86_400_000;
            let before = (0..30).map(|day| start().plus_secs(day * DAY));
            let there = (30..45).map(|day| start().plus_secs(day * DAY).plus_millis(jump_ms));
            let back = (45..52).map(|day| start().plus_secs(day * DAY));
            let all = after(before.chain(there).chain(back));
            let kept: Vec<u64> = all.iter().map(|one| one.number).collect();
            assert!((46..=52).all(|number| kept.contains(&number)), "{jump} days: {kept:?}");
        }
    }
}
