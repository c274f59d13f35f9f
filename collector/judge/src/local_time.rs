//! Local times as moments, where clocks skip an hour, repeat one, or have days without midnight.
//!
//! Everything that is planned in local time is compared as moments: comparing what clocks show goes wrong where they go back. A time
//! that is shown twice counts the first time; one that is skipped is the moment at which the clocks jump over it.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone};

use ioc_common::clock::Timestamp;

/// The moment at which clocks first show this local time, or jump over it. None at the end of time.
#[must_use]
pub fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let moment = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        AmbiguousOffset::Gap { before, .. } => {
            // By the clocks of before it lies behind the jump.
            let behind = before.to_timestamp(local).ok()?;
            let just_behind = behind.checked_add(jiff::SignedDuration::from_nanos(1)).ok()?;
            zone.preceding(just_behind).next().map_or(behind, |jump| jump.timestamp())
        }
    };
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

/// The days before, at and after a moment, the last first: one of them is what is looked for.
fn around(now: Timestamp, zone: &TimeZone) -> impl Iterator<Item = Date> {
    let here = jiff::Timestamp::from_millisecond(now.as_millis()).ok();
    let today = here.map(|moment| moment.to_zoned_datetime(zone.clone()).date());
    [1, 0, -1, -2].into_iter().filter_map(move |days| today?.checked_add(jiff::Span::new().days(days)).ok())
}

/// The last day on which a time of day has come: a day begins once, and does not come back.
#[must_use]
pub fn day_since(time: Time, now: Timestamp, zone: &TimeZone) -> Option<Date> {
    around(now, zone).find(|day| instant(day.to_datetime(time), zone).is_some_and(|begin| begin <= now))
}

/// The stretch from one time of day to the next such other one, over midnight where that is not later, that holds a moment.
#[must_use]
pub fn stretch(from: Time, until: Time, now: Timestamp, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
    around(now, zone).find_map(|day| {
        let last = if from < until { day } else { day.tomorrow().ok()? };
        let (begin, end) = (instant(day.to_datetime(from), zone)?, instant(last.to_datetime(until), zone)?);
        (begin <= now && now < end).then_some((begin, end))
    })
}

/// 1 Monday to 7 Sunday (ISO 8601).
pub(crate) const fn weekday(day: Weekday) -> i8 {
    day.to_monday_one_offset()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER_MS: i64 = 15 * 60_000;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone")
    }

    #[test]
    fn what_is_shown_twice_counts_once_and_what_is_skipped_is_the_jump() {
        for (name, local, moment) in [
            ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00Z"),
            ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:00:00Z"),
            // Half an hour, and clocks that are three quarters off.
            ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z"),
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z"),
            ("Asia/Kathmandu", "2026-11-25T00:00", "2026-11-24T18:15:00Z"),
            // Days that have no midnight, or two.
            ("Africa/Cairo", "2026-04-24T00:00", "2026-04-23T22:00:00Z"),
            ("America/Havana", "2026-11-01T00:00", "2026-11-01T04:00:00Z"),
            // A day that never was.
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z"),
        ] {
            let local: DateTime = local.parse().expect("local");
            assert_eq!(instant(local, &zone(name)), Some(at(moment)), "{name} {local}");
        }
    }

    /// Quarters of an hour around every change of clocks that is near, in every zone.
    fn changes(mut look: impl FnMut(&str, &TimeZone, Timestamp)) {
        let begin: jiff::Timestamp = "2024-01-01T00:00:00Z".parse().expect("a time");
        let mut seen = 0;
        for name in jiff::tz::db().available() {
            let zone = zone(name.as_str());
            for change in zone.following(begin).take(2) {
                if change.timestamp().as_second() > 1_830_000_000 {
                    break;
                }
                seen += 1;
                look(name.as_str(), &zone, Timestamp::from_millis(change.timestamp().as_millisecond()));
            }
        }
        assert!(seen > 200, "{seen} changes");
    }

    #[test]
    fn no_day_and_no_hour_comes_back_in_any_zone() {
        changes(|name, zone, change| {
            for time in ["00:00", "00:30", "01:45", "02:30", "23:30"] {
                let time: Time = time.parse().expect("a time");
                let mut last = None;
                for quarter in -20..20 {
                    let now = change.plus_millis(quarter * QUARTER_MS);
                    let day = day_since(time, now, zone).expect("a day");
                    assert!(last.is_none_or(|last| last <= day), "{name}: {time} at {now} fell back to {day}");
                    // It has come exactly where clocks show it for the first time, or jump over it.
                    let begin = instant(day.to_datetime(time), zone).expect("a moment");
                    let shown = jiff::Timestamp::from_millisecond(begin.as_millis()).expect("in range");
                    let shown = shown.to_zoned_datetime(zone.clone()).datetime();
                    let before = jiff::Timestamp::from_millisecond(begin.as_millis() - 1).expect("in range");
                    let before = before.to_zoned_datetime(zone.clone()).datetime();
                    let wanted = day.to_datetime(time);
                    assert!(shown == wanted || before < wanted && wanted < shown, "{name}: {wanted} is {shown}");
                    last = Some(day);
                }
            }
        });
    }

    #[test]
    fn stretches_hold_the_moment_and_are_one_piece_in_any_zone() {
        changes(|name, zone, change| {
            for (from, until) in [("22:00", "06:00"), ("00:00", "02:30"), ("02:15", "02:45"), ("01:30", "01:30")] {
                let (from, until) = (from.parse().expect("a time"), until.parse().expect("a time"));
                let (mut pieces, mut inside) = (0, false);
                for quarter in -48..48 {
                    let now = change.plus_millis(quarter * QUARTER_MS);
                    let found = stretch(from, until, now, zone);
                    if let Some((begin, end)) = found {
                        assert!(begin <= now && now < end && end.millis_since(begin) <= 26 * 3_600_000, "{name}");
                    }
                    pieces += u32::from(found.is_some() && !inside);
                    inside = found.is_some();
                }
                assert!(pieces <= 2, "{name}: {from} to {until} in {pieces} pieces around {change}");
            }
        });
    }
}
