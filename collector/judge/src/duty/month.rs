//! A month of the duty plan, day by day: who is on duty at any hour, where nobody is, where somebody is twice.
//!
//! Pure: `web` shows it, on pages and in the API. The days are those of one zone, each from its first moment to that of the next: a day that clocks
//! make longer or shorter is as long as it is.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;

use super::calendar::{self, DoubleDuty, Origin, Shift, Stretch};
use super::{Cover, Rota};
use crate::local_time;

/// Entries of one day that are shown; more are counted. A day of quarters of an hour on one rota has 96.
pub const ENTRIES_MAX: usize = 100;

/// A month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MonthOfYear(Date);

/// The first and the last year that a calendar is made of.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2199;

impl MonthOfYear {
    /// A month as it is written in addresses: year and month, such as `2026-12`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let is_written = |text: &str, digits| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_written(year, 4) || !is_written(month, 2) {
            return None;
        }
        let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        Self::with(first)
    }

    fn with(first: Date) -> Option<Self> {
        YEARS.contains(&first.year()).then_some(Self(first))
    }

    /// The month that a moment is in.
    #[must_use]
    pub fn of(at: Timestamp, zone: &TimeZone) -> Option<Self> {
        Self::with(calendar::date_of(at, zone)?.first_of_month())
    }

    /// So many months on, or back; none beyond what a calendar is made of.
    #[must_use]
    pub fn plus(self, months: i64) -> Option<Self> {
        Self::with(self.0.checked_add(jiff::Span::new().try_months(months).ok()?).ok()?)
    }

    /// Its first day.
    #[must_use]
    pub const fn first(self) -> Date {
        self.0
    }

    /// From its first moment to that of the next month.
    #[must_use]
    pub fn span(self, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let next = self.0.checked_add(jiff::Span::new().months(1)).ok()?;
        Some((midnight(self.0, zone)?, midnight(next, zone)?))
    }
}

impl std::fmt::Display for MonthOfYear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0.year(), self.0.month())
    }
}

fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    local_time::instant(day.to_datetime(Time::midnight()), zone)
}

/// What of a stretch lies on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The place of its rota among those that were asked for.
    pub rota: usize,
    /// From this moment of the day on …
    pub from: Timestamp,
    /// … until this one.
    pub until: Timestamp,
    /// Who, by identifier; nobody in a hole.
    pub people: Vec<String>,
    /// Why.
    pub origin: Origin,
    /// For whom, where somebody stands in.
    pub instead_of: Vec<String>,
    /// It begins and ends with the day, or goes beyond it.
    pub is_whole_day: bool,
    /// Those who are on another rota, too, at some time of it.
    pub twice: Vec<String>,
}

/// A day of the calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// It belongs to the month, and not to a week that it begins or ends in.
    pub is_in_month: bool,
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment of the next day.
    pub until: Timestamp,
    /// Who is on duty, rota by rota in order of time.
    pub entries: Vec<Entry>,
    /// So many more entries it has.
    pub more: usize,
}

/// A month of one rota or several: whole weeks, from Monday on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Month {
    /// Weeks of seven days.
    pub weeks: Vec<Vec<Day>>,
    /// Where nobody is within the month, each with its rota's place.
    pub holes: Vec<(usize, Shift)>,
    /// Where somebody is on two rotas at once within the month.
    pub doubles: Vec<DoubleDuty>,
}

/// The month of these rotas, by the clock of `zone`. Whether somebody is on another rota, too, is looked for in all of them.
#[must_use]
pub fn month(rotas: &[&Rota], all: &[Rota], covers: &[Cover], of: MonthOfYear, zone: &TimeZone) -> Option<Month> {
    let (begin, end) = of.span(zone)?;
    let monday = i64::from(of.0.weekday().since(Weekday::Monday));
    let mut day = of.0.checked_sub(jiff::Span::new().days(monday)).ok()?;
    let mut days = Vec::new();
    // Six weeks at most.
    while days.len() < 42 {
        let (from, next) = (midnight(day, zone)?, day.tomorrow().ok()?);
        if from >= end && days.len() % 7 == 0 {
            break;
        }
        let is_in_month = day.first_of_month() == of.0;
        days.push(Day { date: day, is_in_month, from, until: midnight(next, zone)?, entries: Vec::new(), more: 0 });
        day = next;
    }
    let (first, last) = (days.first()?.from, days.last()?.until);
    let shifts: Vec<(&Rota, Vec<Shift>)> =
        all.iter().map(|rota| (rota, calendar::shifts(rota, covers, first, last))).collect();
    let doubles = calendar::doubles(&shifts);
    let mut holes = Vec::new();
    for (place, rota) in rotas.iter().enumerate() {
        let found = calendar::stretches(rota, covers, first, last);
        for day in &mut days {
            enter(day, &found, (place, rota), &doubles);
        }
        let in_month = |shift: &&Shift| shift.people.is_empty() && shift.from < end && begin < shift.until;
        let of_rota = shifts.iter().filter(|(one, _)| one.id == rota.id).flat_map(|(_, shifts)| shifts);
        holes.extend(of_rota.filter(in_month).map(|shift| (place, clipped(shift, begin, end))));
    }
    let shown = |one: &DoubleDuty| rotas.iter().any(|rota| one.rotas.contains(&rota.id));
    let doubles = doubles.into_iter().filter(|one| one.from < end && begin < one.until && shown(one)).collect();
    Some(Month { weeks: days.chunks(7).map(<[Day]>::to_vec).collect(), holes, doubles })
}

fn clipped(shift: &Shift, begin: Timestamp, end: Timestamp) -> Shift {
    Shift { from: shift.from.max(begin), until: shift.until.min(end), people: Vec::new() }
}

/// Enters what lies on a day.
fn enter(day: &mut Day, found: &[Stretch], (place, rota): (usize, &Rota), doubles: &[DoubleDuty]) {
    for one in found.iter().filter(|one| one.from < day.until && day.from < one.until) {
        if day.entries.len() >= ENTRIES_MAX {
            day.more += 1;
            continue;
        }
        let (from, until) = (one.from.max(day.from), one.until.min(day.until));
        let is_twice = |person: &&String| {
            let meant = |two: &DoubleDuty| two.person == **person && two.rotas.contains(&rota.id);
            doubles.iter().any(|two| meant(two) && two.from < until && from < two.until)
        };
        day.entries.push(Entry {
            rota: place,
            from,
            until,
            twice: one.people.iter().filter(is_twice).cloned().collect(),
            people: one.people.clone(),
            origin: one.origin,
            instead_of: one.instead_of.clone(),
            is_whole_day: from == day.from && until == day.until,
        });
    }
}
