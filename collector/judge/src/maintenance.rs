//! Maintenance windows (article 11): planned work, once or recurring. Data is kept as ever; notices are held, and what is still bad
//! at the end is judged again and told.
//!
//! A recurring window is kept as local time and IANA zone, so that it stays at two in the morning when clocks change.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use crate::device::DeviceInfo;
use crate::local_time::{instant, weekday};
use crate::scope::Scope;
use crate::text::Text;

/// Longest window, milliseconds: a week.
pub const WINDOW_MAX_MS: i64 = 7 * 86_400_000;

/// A maintenance window, or a freeze: a time at which no maintenance may be planned.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Its number, unique among windows.
    pub id: u64,
    /// What is done, in a line.
    pub title: String,
    /// On which devices. A freeze is for all.
    pub scope: Scope,
    pub when: WindowSchedule,
    /// An event at the centre: no maintenance meanwhile.
    #[serde(default)]
    pub freeze: bool,
    /// The account that planned it.
    pub who: String,
    /// Warnings that were overruled when it was planned.
    #[serde(default)]
    pub overruled: Vec<String>,
}

/// What speaks against a window. It may name what whoever plans the window may not see: see [`Self::names`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is, with names.
    pub text: Text,
    /// The same without them, for whom some of them are out of reach.
    pub unnamed: Text,
    /// Where that stands which is named: each must be within reach of whoever reads the names.
    pub names: Vec<Named>,
}

/// Something that a warning names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Where it stands; one of these is enough. None is known where there are none.
    pub places: Vec<String>,
    /// It is about places as a whole, and about all that is below them.
    pub below: bool,
}

/// When a window is open.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum WindowSchedule {
    /// From one moment to another.
    Once { from: Timestamp, until: Timestamp },
    /// On the same days of every week.
    Weekly {
        /// On which days, 1 Monday to 7 Sunday.
        days: Vec<i8>,
        /// From which local time, `HH:MM`.
        at: String,
        /// For how many minutes.
        minutes: i64,
        /// In which zone, an IANA name.
        zone: String,
        /// No day before this moment counts.
        from: Timestamp,
    },
}

impl Window {
    /// Whether the window is for this device.
    #[must_use]
    pub fn covers(&self, info: &DeviceInfo) -> bool {
        self.scope.covers(info)
    }

    /// The stretch that is open at `now`, or the next one.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        match &self.when {
            WindowSchedule::Once { from, until } => (*until > now).then_some((*from, *until)),
            WindowSchedule::Weekly { days, at, minutes, zone, from } => {
                let zone = TimeZone::get(zone).ok()?;
                let time: Time = at.parse().ok()?;
                let today = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?.to_zoned_datetime(zone.clone());
                // A window of up to a day may have begun yesterday, and the next may be a week away.
                (-1..=8).find_map(|ahead| {
                    let date = today.date().checked_add(jiff::Span::new().days(ahead)).ok()?;
                    if !days.contains(&weekday(date.weekday())) {
                        return None;
                    }
                    // A time that the clocks skip is read as the moment they jump over.
                    let begin = instant(date.to_datetime(time), &zone)?;
                    let end = begin.plus_millis(minutes * 60_000);
                    (end > now && begin >= *from).then_some((begin, end))
                })
            }
        }
    }

    /// Until when it is open, if it is open at `now`.
    #[must_use]
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.next(now).filter(|(from, _)| *from <= now).map(|(_, until)| until)
    }

    /// Whether one of its stretches and one of another's meet: of two that recur, within the next month.
    #[must_use]
    pub fn meets(&self, other: &Self, now: Timestamp) -> bool {
        let once = |window: &Self| match window.when {
            WindowSchedule::Once { from, .. } => from,
            WindowSchedule::Weekly { .. } => now,
        };
        // What is planned once may be years ahead, and nothing before it can meet it.
        let now = now.max(once(self)).max(once(other));
        let stretches = |window: &Self| {
            let mut at = now;
            std::iter::from_fn(move || {
                let (from, until) = window.next(at)?;
                at = until;
                Some((from, until))
            })
            .take(40)
            .take_while(|(from, _)| from.millis_since(now) < 31 * 86_400_000)
            .collect::<Vec<_>>()
        };
        let theirs = stretches(other);
        stretches(self).iter().any(|(from, until)| theirs.iter().any(|(begin, end)| from < end && begin < until))
    }

    /// Checks what was written.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn check(&self) -> Result<(), (&'static str, Text)> {
        if self.title.trim().is_empty() {
            return Err(("title", Text::new("chưa điền; ghi làm việc gì", "found none; say what is done")));
        }
        match &self.when {
            WindowSchedule::Once { from, until } => {
                let length = until.millis_since(*from);
                if length <= 0 || length > WINDOW_MAX_MS {
                    let vi = "chọn lúc sau lúc bắt đầu, trong vòng một tuần";
                    return Err(("until", Text::new(vi, "allowed is a time after the beginning, at most a week")));
                }
            }
            WindowSchedule::Weekly { days, at, minutes, zone, .. } => {
                if days.is_empty() || days.iter().any(|day| !(1..=7).contains(day)) {
                    let vi = "chọn các ngày từ 1 (thứ hai) đến 7 (chủ nhật)";
                    return Err(("days", Text::new(vi, "allowed are days from 1 (Monday) to 7 (Sunday)")));
                }
                if at.parse::<Time>().is_err() {
                    let vi = format!("nhận được {at:?}; ghi giờ như 02:00");
                    return Err(("at", Text::new(vi, format!("found {at:?}; allowed is a time such as 02:00"))));
                }
                if !(1..=1440).contains(minutes) {
                    let vi = format!("nhận được {minutes}; cho phép 1 đến 1440");
                    return Err(("minutes", Text::new(vi, format!("found {minutes}; allowed are 1 to 1440"))));
                }
                if TimeZone::get(zone).is_err() {
                    let en = format!("found {zone:?}; allowed is an IANA name such as Asia/Ho_Chi_Minh");
                    let vi = format!("nhận được {zone:?}; ghi tên múi giờ IANA như Asia/Ho_Chi_Minh");
                    return Err(("zone", Text::new(vi, en)));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn weekly(zone: &str, time: &str, minutes: i64) -> Window {
        let when = WindowSchedule::Weekly {
            days: vec![7],
            at: time.into(),
            minutes,
            zone: zone.into(),
            from: at("2026-01-01T00:00:00Z"),
        };
        Window {
            id: 1,
            title: "patching".into(),
            scope: Scope::default(),
            when,
            freeze: false,
            who: "lan".into(),
            overruled: Vec::new(),
        }
    }

    #[test]
    fn a_weekly_window_stays_at_its_local_time_when_clocks_change() {
        // Sunday 02:00 in Ho Chi Minh City is Saturday 19:00 UTC; over midnight it began the day before.
        let window = weekly("Asia/Ho_Chi_Minh", "02:00", 120);
        assert_eq!(
            window.next(at("2026-11-25T00:00:00Z")),
            Some((at("2026-11-28T19:00:00Z"), at("2026-11-28T21:00:00Z")))
        );
        assert_eq!(window.open_until(at("2026-11-28T20:59:59Z")), Some(at("2026-11-28T21:00:00Z")));
        assert_eq!(window.open_until(at("2026-11-28T21:00:00Z")), None);
        // Berlin leaves summer time on 25 October 2026: 04:00 is 02:00 UTC before and 03:00 UTC from then on.
        let berlin = weekly("Europe/Berlin", "04:00", 60);
        assert_eq!(berlin.next(at("2026-10-18T00:00:00Z")).expect("one").0, at("2026-10-18T02:00:00Z"));
        assert_eq!(berlin.next(at("2026-10-25T00:00:00Z")).expect("one").0, at("2026-10-25T03:00:00Z"));
        let late = weekly("Asia/Ho_Chi_Minh", "23:00", 180);
        assert_eq!(late.open_until(at("2026-11-29T18:30:00Z")), Some(at("2026-11-29T19:00:00Z")));
    }

    #[test]
    fn windows_that_meet_are_found_and_faulty_ones_refused() {
        let now = at("2026-11-25T00:00:00Z");
        let (a, b) = (weekly("UTC", "02:00", 120), weekly("UTC", "03:30", 60));
        assert!(a.meets(&b, now) && !a.meets(&weekly("UTC", "04:00", 60), now));
        let far = |hour: &str| Window {
            when: WindowSchedule::Once {
                from: at(&format!("2100-01-03T{hour}:00Z")),
                until: at("2100-01-03T05:00:00Z"),
            },
            ..weekly("UTC", "02:00", 120)
        };
        assert!(far("03:30").meets(&far("04:30"), now) && far("03:30").meets(&a, now), "a Sunday in 2100");
        assert_eq!(weekly("Hanoi", "02:00", 1).check().expect_err("zone").0, "zone");
        assert_eq!(weekly("UTC", "26:00", 1).check().expect_err("time").0, "at");
        assert!(a.check().is_ok());
    }
}
