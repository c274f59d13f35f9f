//! Days as the drivers of Network UPS Tools write them: each device in an order of its own, and many with a date that nobody ever set.
//! Called by [`super::nut`]. Pure: what is *now* is given.
//!
//! A day that can be read in two ways is none, unless another date of the same device shows how it writes them.

use ioc_common::clock::Timestamp;

/// A day, milliseconds.
pub const DAY_MS: i64 = 86_400_000;

/// Which of two numbers is the month, where the year stands last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateOrder {
    /// `12/31/2023`.
    MonthFirst,
    /// `31/12/2023`.
    DayFirst,
}

/// Dates that makers put where nobody has set one: the Back-UPS of APC (BX: 2001/01/01, others: 2001/09/25), and beginnings of counts.
const DEFAULTS: [(u32, u32, u32); 7] =
    [(1970, 1, 1), (1980, 1, 1), (1990, 1, 1), (1999, 1, 1), (2000, 1, 1), (2001, 1, 1), (2001, 9, 25)];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The days that a text may mean, each with the order that it takes for granted; none where it takes none.
fn readings(text: &str) -> Vec<(i64, Option<DateOrder>)> {
    let text = text.to_lowercase();
    // "2001/09/25 (not set)" says it itself.
    if text.contains("not set") {
        return Vec::new();
    }
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let number =
        |word: &str| word.parse::<u32>().ok().filter(|_| word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit()));
    let month = |word: &str| {
        let place = word.get(..3).and_then(|start| MONTHS.iter().position(|month| *month == start))?;
        u32::try_from(place + 1).ok()
    };
    let mut found = Vec::new();
    let mut take = |year: u32, month: u32, day: u32, order: Option<DateOrder>| {
        if let Some(at) = at(year, month, day) {
            found.push((at, order));
        }
    };
    match words.as_slice() {
        [run] | [run, _] | [run, _, _] if run.len() == 8 && run.bytes().all(|b| b.is_ascii_digit()) => {
            let part = |from: usize, to: usize| run.get(from..to).and_then(number).unwrap_or(0);
            if (1980..2100).contains(&part(0, 4)) {
                take(part(0, 4), part(4, 6), part(6, 8), None);
            }
            if (1980..2100).contains(&part(4, 8)) {
                take(part(4, 8), part(0, 2), part(2, 4), Some(DateOrder::MonthFirst));
                take(part(4, 8), part(2, 4), part(0, 2), Some(DateOrder::DayFirst));
            }
        }
        // "2023-12-01T10:00:00": a clock may follow.
        [a, b, c, ..] => match (number(a), number(b), number(c.split('t').next().unwrap_or(c))) {
            // "2023/12/01", "93/02/18".
            (Some(year), Some(month), Some(day)) if a.len() == 4 || year > 31 => {
                take(full_year(year, a), month, day, None);
            }
            (Some(first), Some(second), Some(year)) => {
                // With points it is always the day that comes first.
                if !text.contains('.') {
                    take(full_year(year, c), first, second, Some(DateOrder::MonthFirst));
                }
                take(full_year(year, c), second, first, Some(DateOrder::DayFirst));
            }
            // "21 Jun 2019", "Jun 21 2019".
            (Some(day), None, Some(year)) => take(full_year(year, c), month(b).unwrap_or(0), day, None),
            (None, Some(day), Some(year)) => take(full_year(year, c), month(a).unwrap_or(0), day, None),
            _ => {}
        },
        _ => {}
    }
    found
}

/// The year that is meant: one of two digits lies in 1970 to 2069.
fn full_year(year: u32, digits: &str) -> u32 {
    match year {
        _ if digits.len() > 2 => year,
        70..=99 => 1900 + year,
        _ => 2000 + year,
    }
}

fn at(year: u32, month: u32, day: u32) -> Option<i64> {
    let at: Timestamp = format!("{year:04}-{month:02}-{day:02}T00:00:00Z").parse().ok()?;
    Some(at.as_millis())
}

/// The order in which a device writes its dates, as far as some of them can be read in one way only.
#[must_use]
pub fn order<'a>(dates: impl Iterator<Item = &'a str>) -> Option<DateOrder> {
    let mut found = None;
    for readings in dates.map(readings) {
        let [(_, Some(order))] = readings.as_slice() else { continue };
        if found.is_some_and(|found| found != *order) {
            return None;
        }
        found = Some(*order);
    }
    found
}

/// The day that a text means, milliseconds since 1970; none where it is no date, lies ahead, was never set or can be read in two ways.
#[must_use]
pub fn day(text: &str, order: Option<DateOrder>, now: Timestamp) -> Option<i64> {
    let mut found = readings(text);
    // A device whose clock or zone is a little ahead is no device of the future.
    found.retain(|(at, _)| *at <= now.as_millis().saturating_add(DAY_MS));
    if found.len() > 1
        && let Some(order) = order
    {
        found.retain(|(_, assumed)| assumed.is_none_or(|assumed| assumed == order));
    }
    let (first, rest) = found.split_first()?;
    let sure = rest.iter().all(|(at, _)| *at == first.0);
    let set = first.0 >= at(1985, 1, 1)?
        && !DEFAULTS.iter().any(|(year, month, day)| at(*year, *month, *day) == Some(first.0));
    (sure && set).then_some(first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, order: Option<DateOrder>) -> Option<String> {
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().expect("a time");
        day(text, order, now).map(|at| Timestamp::from_millis(at).to_string()[..10].to_owned())
    }

    #[test]
    fn days_as_drivers_write_them() {
        for (text, wanted) in [
            ("2023/12/01", Some("2023-12-01")),
            ("2023-12-01", Some("2023-12-01")),
            ("2023-12-01T10:00:00", Some("2023-12-01")),
            ("11/20/26", Some("2026-11-20")),
            ("20/11/2026", Some("2026-11-20")),
            ("05.03.2021", Some("2021-03-05")),
            ("02/18/93", Some("1993-02-18")),
            ("11/11/20", Some("2020-11-11")),
            ("12292015", Some("2015-12-29")),
            ("20151229", Some("2015-12-29")),
            ("21 Jun 2019", Some("2019-06-21")),
            ("June 21, 2019", Some("2019-06-21")),
            // One of its two readings lies ahead.
            ("05/12/2026", Some("2026-05-12")),
            // Both readings can be.
            ("11/02/01", None),
            ("03/04/2021", None),
            // Nobody set them.
            ("2001/09/25 (not set)", None),
            ("not set", None),
            ("2001/09/25", None),
            ("2001/01/01", None),
            ("01/01/01", None),
            ("1970/01/01", None),
            ("00/00/00", None),
            ("0000-00-00", None),
            ("1973/04/05", None),
            ("2031-12-29", None),
            ("2023/13/01", None),
            ("soon", None),
            ("1/2", None),
            ("", None),
            ("99999999999/1/1", None),
            ("é/é/é", None),
        ] {
            assert_eq!(read(text, None).as_deref(), wanted, "{text}");
        }
        assert_eq!(read("11/02/01", Some(DateOrder::MonthFirst)).as_deref(), Some("2001-11-02"));
        assert_eq!(read("11/02/01", Some(DateOrder::DayFirst)).as_deref(), Some("2001-02-11"));
    }

    #[test]
    fn one_date_shows_how_the_others_are_written() {
        assert_eq!(order(["11/02/01", "02/18/93"].into_iter()), Some(DateOrder::MonthFirst));
        assert_eq!(order(["11/02/01", "18/02/93"].into_iter()), Some(DateOrder::DayFirst));
        assert_eq!(order(["11/02/01", "2001/01/01"].into_iter()), None);
        assert_eq!(order(["13/02/01", "02/13/01"].into_iter()), None, "they contradict each other");
    }
}
