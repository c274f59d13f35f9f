//! When a backup and a drill are due: pure.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;

/// After a failure it is tried again so much later, milliseconds.
pub(super) const RETRY_MS: i64 = 30 * 60_000;
/// The same for a drill, which reads everything.
pub(super) const DRILL_RETRY_MS: i64 = 6 * 3_600_000;
/// What lies further ahead was made by a clock that was wrong, milliseconds.
const AHEAD_MAX_MS: i64 = 600_000;

/// The last moment up to now at which the site's clocks showed this time of the day, and the next one.
pub(super) fn around(now: Timestamp, (hour, minute): (i8, i8), zone: &TimeZone) -> (Timestamp, Timestamp) {
    let moment = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default();
    let today = moment.to_zoned_datetime(zone.clone()).date();
    let time = Time::new(hour, minute, 0, 0).unwrap_or_default();
    let of = |day: Result<Date, jiff::Error>| {
        // An hour that does not exist on that day is the one behind it.
        let at = day.and_then(|day| day.to_datetime(time).to_zoned_datetime(zone.clone()));
        at.map_or(now, |at| Timestamp::from_millis(at.timestamp().as_millisecond()))
    };
    let here = of(Ok(today));
    if here <= now { (here, of(today.tomorrow())) } else { (of(today.yesterday()), here) }
}

/// Whether a backup is due: since the last time for it there was none. `last` is when the newest good one was made, `failed` when the last
/// attempt failed.
pub(super) fn is_backup_due(
    now: Timestamp,
    last: Option<Timestamp>,
    failed: Option<Timestamp>,
    since: Timestamp,
) -> bool {
    // Whatever a clock that was ahead wrote keeps no backup away.
    let made = last.is_some_and(|last| last >= since && last.millis_since(now) <= AHEAD_MAX_MS);
    !made && is_retry_due(now, failed)
}

/// Whether what failed then is tried again now.
pub(super) fn is_retry_due(now: Timestamp, failed: Option<Timestamp>) -> bool {
    !is_recent(now, failed, RETRY_MS)
}

/// Whether the newest good backup is older than it may be, though no attempt at another one was seen to fail. Where there is none at all an
/// attempt is due, and says itself what came of it.
pub(super) fn is_stale(now: Timestamp, last: Option<Timestamp>, old_ms: i64) -> bool {
    last.is_some_and(|last| now.millis_since(last) > old_ms)
}

/// Whether a drill is due: the last one that succeeded is as long ago as said, or the last one failed a while ago.
pub(super) fn is_drill_due(now: Timestamp, last: Option<(Timestamp, bool)>, every_ms: i64) -> bool {
    last.is_none_or(|(at, good)| !is_recent(now, Some(at), if good { every_ms } else { DRILL_RETRY_MS.min(every_ms) }))
}

/// Whether the last drill is longer ago than `every_ms` and a while, though none was seen to fail: each was broken off. Where there was none at all,
/// it is counted from the oldest backup that is still there.
pub(super) fn is_drill_late(
    now: Timestamp,
    last: Option<Timestamp>,
    oldest_backup: Option<Timestamp>,
    (every_ms, while_ms): (i64, i64),
) -> bool {
    last.or(oldest_backup).is_some_and(|at| now.millis_since(at) > every_ms.saturating_add(while_ms))
}

/// When a drill is due next.
pub(super) fn next_drill(last: Option<(Timestamp, bool)>, every_ms: i64, now: Timestamp) -> Timestamp {
    let wait_ms = |good: bool| if good { every_ms } else { DRILL_RETRY_MS.min(every_ms) };
    last.map_or(now, |(at, good)| at.plus_millis(wait_ms(good)).max(now))
}

/// Whether something was so short a while ago. What lies ahead was not.
fn is_recent(now: Timestamp, at: Option<Timestamp>, within_ms: i64) -> bool {
    at.is_some_and(|at| (-AHEAD_MAX_MS..within_ms).contains(&now.millis_since(at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("time")
    }

    #[test]
    fn the_newest_one_may_be_a_day_and_some_hours_old() {
        let (now, old_ms) = (at("2026-11-29T01:00:00Z"), 30 * 3_600_000);
        assert!(!is_stale(now, None, old_ms), "unknown is not old");
        assert!(!is_stale(now, Some(at("2026-11-27T19:00:00Z")), old_ms));
        assert!(is_stale(now, Some(at("2026-11-27T18:59:59Z")), old_ms));
        assert!(!is_stale(now, Some(at("2026-11-29T19:00:00Z")), old_ms));
    }

    #[test]
    fn a_drill_that_is_broken_off_again_and_again_is_late() {
        let (now, spans) = (at("2026-11-29T01:00:00Z"), (7 * 86_400_000, 30 * 3_600_000));
        let ago = |hours: i64| Some(now.plus_millis(-hours * 3_600_000));
        assert!(!is_drill_late(now, None, None, spans), "there is nothing to restore");
        assert!(!is_drill_late(now, ago(198), ago(9000), spans) && is_drill_late(now, ago(199), ago(9000), spans));
        assert!(!is_drill_late(now, None, ago(198), spans) && is_drill_late(now, None, ago(199), spans));
        assert!(!is_drill_late(now, ago(-9000), ago(9000), spans), "a clock that was ahead");
    }

    #[test]
    fn it_is_due_once_a_day_by_the_clocks_of_the_site() {
        let zone = TimeZone::fixed(jiff::tz::offset(7));
        let (last, next) = around(at("2026-11-29T01:00:00Z"), (2, 30), &zone);
        assert_eq!((last, next), (at("2026-11-28T19:30:00Z"), at("2026-11-29T19:30:00Z")));
        let (last, next) = around(at("2026-11-28T19:30:00Z"), (2, 30), &zone);
        assert_eq!((last, next), (at("2026-11-28T19:30:00Z"), at("2026-11-29T19:30:00Z")), "right now");
        let now = at("2026-11-29T01:00:00Z");
        let (since, _) = around(now, (2, 30), &zone);
        assert!(is_backup_due(now, None, None, since), "there is none");
        assert!(is_backup_due(now, Some(at("2026-11-28T19:29:00Z")), None, since));
        assert!(!is_backup_due(now, Some(at("2026-11-28T19:31:00Z")), None, since), "made");
        assert!(!is_backup_due(now, None, Some(at("2026-11-29T00:45:00Z")), since), "it failed just now");
        assert!(is_backup_due(now, None, Some(at("2026-11-29T00:29:00Z")), since), "again");
    }

    #[test]
    fn an_hour_that_a_day_lacks_or_has_twice_is_one_backup() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        for (day, count) in [("2026-03-29", 1), ("2026-10-25", 1)] {
            let begin = at(&format!("{day}T00:00:00Z"));
            let moments: std::collections::BTreeSet<Timestamp> = (0..24 * 60)
                .map(|minute| around(begin.plus_secs(minute * 60), (2, 30), &zone).0)
                .filter(|at| *at >= begin)
                .collect();
            assert_eq!(moments.len(), count, "{day}: {moments:?}");
        }
    }

    #[test]
    fn what_a_clock_that_was_ahead_wrote_keeps_none_away() {
        let (now, ahead) = (at("2026-11-29T01:00:00Z"), at("2036-01-01T00:00:00Z"));
        assert!(is_backup_due(now, Some(ahead), Some(ahead), at("2026-11-28T19:30:00Z")));
        assert!(is_drill_due(now, Some((ahead, true)), 7 * 86_400_000));
    }

    #[test]
    fn a_drill_is_due_by_its_span_and_sooner_when_it_failed() {
        let (now, week_ms) = (at("2026-11-29T01:00:00Z"), 7 * 86_400_000);
        let ago = |hours: i64| now.plus_millis(-hours * 3_600_000);
        assert!(is_drill_due(now, None, week_ms));
        assert!(
            !is_drill_due(now, Some((ago(167), true)), week_ms) && is_drill_due(now, Some((ago(168), true)), week_ms)
        );
        assert!(
            !is_drill_due(now, Some((ago(5), false)), week_ms) && is_drill_due(now, Some((ago(6), false)), week_ms)
        );
        assert_eq!(next_drill(Some((ago(24), true)), week_ms, now), now.plus_millis(6 * 86_400_000));
        assert_eq!(next_drill(None, week_ms, now), now);
    }
}
