//! Which report: its period, and how it stands in addresses and in the record.

use std::fmt;
use std::str::FromStr;

use ioc_common::clock::Timestamp;
use ioc_document::report::clause::ReportPeriod;
use ioc_judge::local_time::instant;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};

/// Longest period of a report, days.
const DAYS_MAX: i64 = 732;
/// Before this year there is no record, and from the other one on nobody plans.
const YEARS: std::ops::Range<i16> = 2000..2200;
/// What clause reports begin with in addresses.
const CLAUSE: &str = "clause";

/// A clause report, by its period: `clause.2026-10-01.2026-12-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportKey {
    from: Date,
    to: Date,
}

/// Why a text is no report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "report: found {0:?}; allowed are clause, first day and last day, at most two years apart; mend: write for example clause.2026-10-01.2026-12-31"
)]
pub struct KeyError(String);

impl ReportKey {
    /// The report on the days from one to another.
    ///
    /// # Errors
    /// [`KeyError`] where the last comes before the first, they are too far apart, or their years are out of range.
    pub fn new(from: Date, to: Date) -> Result<Self, KeyError> {
        let key = Self { from, to };
        let days = from.until(to).map_or(i64::MAX, |span| i64::from(span.get_days()));
        let years = YEARS.contains(&from.year()) && YEARS.contains(&to.year());
        if years && (0..DAYS_MAX).contains(&days) { Ok(key) } else { Err(KeyError(key.to_string())) }
    }

    /// The report on a quarter of the calendar, 1 to 4.
    #[must_use]
    pub fn quarter(year: i16, quarter: i8) -> Self {
        let period = ReportPeriod::quarter(year, quarter);
        Self { from: period.from, to: period.to }
    }

    /// The report on the quarter that a day is in.
    #[must_use]
    pub fn quarter_of(day: Date) -> Self {
        Self::quarter(day.year(), (day.month() - 1) / 3 + 1)
    }

    /// First day.
    #[must_use]
    pub const fn from(&self) -> Date {
        self.from
    }

    /// Last day.
    #[must_use]
    pub const fn to(&self) -> Date {
        self.to
    }

    /// The quarter that it is on, where it is on one.
    #[must_use]
    pub fn as_quarter(&self) -> Option<(i16, i8)> {
        let quarter = (self.from.month() - 1) / 3 + 1;
        (*self == Self::quarter(self.from.year(), quarter)).then_some((self.from.year(), quarter))
    }

    /// The period before: the quarter, month or year before where it is one, else as many days.
    #[must_use]
    pub fn before(&self) -> Self {
        let to = self.from.yesterday().unwrap_or(self.from);
        if self.as_quarter().is_some() {
            return Self::quarter_of(to);
        }
        let from = if self.is_month() {
            to.first_of_month()
        } else if self.is_year() {
            to.first_of_year()
        } else {
            let days = self.from.until(self.to).unwrap_or_else(|_| Span::new());
            to.checked_sub(days).unwrap_or(to)
        };
        Self { from, to }
    }

    fn is_month(&self) -> bool {
        self.from == self.from.first_of_month() && self.to == self.from.last_of_month()
    }

    fn is_year(&self) -> bool {
        self.from == self.from.first_of_year() && self.to == self.from.last_of_year()
    }

    /// The period as documents call it.
    #[must_use]
    pub fn period(&self) -> ReportPeriod {
        let Self { from, to } = *self;
        if let Some((year, quarter)) = self.as_quarter() {
            return ReportPeriod::quarter(year, quarter);
        }
        let day = ioc_document::wording::short_date;
        let name = if self.is_month() {
            format!("tháng {} năm {}", from.month(), from.year())
        } else if self.is_year() {
            format!("năm {}", from.year())
        } else if from == to {
            format!("ngày {}", day(from))
        } else {
            format!("giai đoạn {} - {}", day(from), day(to))
        };
        ReportPeriod { name, from, to }
    }

    /// When it begins and when it is over, in a zone.
    #[must_use]
    pub fn bounds(&self, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let begin = |day: Date| instant(day.to_datetime(jiff::civil::Time::midnight()), zone);
        let after = self.to.checked_add(1.day()).unwrap_or(self.to);
        (begin(self.from).unwrap_or(Timestamp::MIN), begin(after).unwrap_or(Timestamp::MAX))
    }
}

impl fmt::Display for ReportKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{CLAUSE}.{}.{}", self.from, self.to)
    }
}

impl FromStr for ReportKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || KeyError(text.chars().take(60).collect());
        let day = |text: Option<&str>| text.filter(|text| text.len() == 10).and_then(|text| text.parse::<Date>().ok());
        let mut parts = text.split('.');
        let kind = parts.next();
        match (kind, day(parts.next()), day(parts.next()), parts.next()) {
            (Some(CLAUSE), Some(from), Some(to), None) => Self::new(from, to).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        let key = ReportKey::quarter(2026, 4);
        assert_eq!(key.to_string(), "clause.2026-10-01.2026-12-31");
        assert_eq!(key.to_string().parse(), Ok(key));
        for wrong in [
            "",
            "clause",
            "clause.2026-10-01",
            "clause.2026-12-31.2026-10-01",
            "clause.2026-10-01.2029-12-31",
            "other.2026-10-01.2026-12-31",
            "clause.2026-10-01.2026-12-31.x",
            "clause.2026-13-01.2026-12-31",
            "clause.20261001.20261231",
        ] {
            let refused = wrong.parse::<ReportKey>().expect_err(wrong).to_string();
            assert!(refused.contains("clause.2026-10-01.2026-12-31"), "{refused}");
        }
    }

    #[test]
    fn the_period_before_is_as_the_calendar_has_it() {
        let key = |from, to| ReportKey::new(from, to).expect("good");
        assert_eq!(ReportKey::quarter(2027, 1).before(), ReportKey::quarter(2026, 4));
        let february = key(date(2028, 2, 1), date(2028, 2, 29));
        assert_eq!(february.before(), key(date(2028, 1, 1), date(2028, 1, 31)));
        assert_eq!(february.period().name, "tháng 2 năm 2028");
        let year = key(date(2026, 1, 1), date(2026, 12, 31));
        assert_eq!((year.before().from(), year.period().name.as_str()), (date(2025, 1, 1), "năm 2026"));
        let some = key(date(2026, 11, 10), date(2026, 11, 19));
        assert_eq!(some.before(), key(date(2026, 10, 31), date(2026, 11, 9)));
        assert_eq!(some.period().name, "giai đoạn 10/11/2026 - 19/11/2026");
        let (from, until) = some.bounds(&TimeZone::fixed(jiff::tz::offset(7)));
        assert_eq!(
            (from.to_string().as_str(), until.millis_since(from)),
            ("2026-11-09T17:00:00.000Z", 10 * 86_400_000)
        );
    }
}
