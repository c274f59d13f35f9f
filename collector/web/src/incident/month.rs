//! Months of the site's calendar, for lists and figures of incidents.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;

/// So many months are offered: this one and those before it.
const OFFERED: usize = 13;

/// A month of the site's calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Month {
    /// As it stands in an address: `2026-11`.
    pub(crate) key: String,
    /// As people read it: `11/2026`.
    pub(crate) shown: String,
    /// Its first moment.
    pub(crate) from: Timestamp,
    /// The first moment of the next.
    pub(crate) until: Timestamp,
}

impl Month {
    /// The month of an address, where it names one.
    pub(crate) fn parse(key: &str, zone: &TimeZone) -> Option<Self> {
        let (year, month) = key.split_once('-')?;
        Self::beginning(Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?, zone)
    }

    /// The month that holds a moment.
    pub(crate) fn of(at: Timestamp, zone: &TimeZone) -> Option<Self> {
        let here = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?.to_zoned_datetime(zone.clone()).date();
        Self::beginning(date(here.year(), here.month(), 1), zone)
    }

    fn beginning(first: Date, zone: &TimeZone) -> Option<Self> {
        let start = |day: Date| {
            let moment = zone.to_ambiguous_zoned_datetime(day.at(0, 0, 0, 0)).compatible().ok()?;
            Some(Timestamp::from_millis(moment.timestamp().as_millisecond()))
        };
        let next = first.last_of_month().tomorrow().ok()?;
        let key = format!("{:04}-{:02}", first.year(), first.month());
        let shown = format!("{:02}/{:04}", first.month(), first.year());
        Some(Self { key, shown, from: start(first)?, until: start(next)? })
    }

    /// The month before it.
    pub(crate) fn before(&self, zone: &TimeZone) -> Option<Self> {
        Self::of(self.from.plus_millis(-1), zone)
    }
}

/// This month and those before it, the newest first.
pub(crate) fn latest(now: Timestamp, zone: &TimeZone) -> Vec<Month> {
    std::iter::successors(Month::of(now, zone), |month| month.before(zone)).take(OFFERED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_by_the_sites_clock_and_meet_each_other() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("known");
        // Already December where the site is.
        let now: Timestamp = "2026-11-30T17:30:00Z".parse().expect("time");
        let months = latest(now, &zone);
        assert_eq!((months.len(), months[0].key.as_str(), months[0].shown.as_str()), (OFFERED, "2026-12", "12/2026"));
        assert_eq!(
            (months[12].key.as_str(), months[0].from),
            ("2025-12", "2026-11-30T17:00:00Z".parse().expect("time"))
        );
        assert!(months.windows(2).all(|pair| pair[0].from == pair[1].until));
        assert_eq!(Month::parse("2026-12", &zone).as_ref(), Some(&months[0]));
        for wrong in ["", "2026", "2026-13", "2026-0", "x-1", "99999-01", "2026-11-30"] {
            assert_eq!(Month::parse(wrong, &zone), None, "{wrong}");
        }
    }
}
