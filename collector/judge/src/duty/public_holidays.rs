//! Public holidays of Viet Nam, as data (`config/public-holidays.toml`): what the month's calendar marks, and what a rota's holidays can be taken from.
//! Nobody is on duty differently by them alone: that stands in the plan.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

use ioc_common::config::Source;

use crate::text::Text;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    day: Vec<DayForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DayForm {
    name: Text,
    /// Month and day, every year.
    date: Option<String>,
    /// One a year.
    #[serde(default)]
    dates: Vec<String>,
}

/// Days of the lunar calendar, and those of every year by month and day.
#[derive(Default)]
struct PublicHolidays {
    once: BTreeMap<Date, Text>,
    yearly: BTreeMap<(i8, i8), Text>,
}

static HOLIDAYS: LazyLock<PublicHolidays> = LazyLock::new(|| {
    let text = include_str!("../../../../config/public-holidays.toml");
    // A test reads it.
    read(&Source::built_in("public-holidays.toml", text)).unwrap_or_default()
});

fn read(source: &Source) -> Option<PublicHolidays> {
    let form: Form = source.parse().ok()?;
    let mut all = PublicHolidays::default();
    for day in form.day {
        for date in &day.dates {
            all.once.insert(date.parse().ok()?, day.name.clone());
        }
        if let Some(date) = day.date {
            let (month, of_month) = date.split_once('-')?;
            all.yearly.insert((month.parse().ok()?, of_month.parse().ok()?), day.name);
        }
    }
    Some(all)
}

/// What holiday a day is.
#[must_use]
pub fn holiday_on(day: Date) -> Option<&'static Text> {
    HOLIDAYS.once.get(&day).or_else(|| HOLIDAYS.yearly.get(&(day.month(), day.day())))
}

/// The holidays of a year that are known, in order.
#[must_use]
pub fn holidays_of(year: i16) -> Vec<(Date, &'static Text)> {
    let yearly =
        HOLIDAYS.yearly.iter().filter_map(|((month, day), name)| Some((Date::new(year, *month, *day).ok()?, name)));
    let once = HOLIDAYS.once.iter().filter(|(day, _)| day.year() == year).map(|(day, name)| (*day, name));
    let mut all: Vec<(Date, &'static Text)> = yearly.chain(once).collect();
    all.sort_by_key(|(day, _)| *day);
    all
}

/// The last year of which the lunar holidays are known.
#[must_use]
pub fn last_year() -> i16 {
    HOLIDAYS.once.keys().next_back().map_or(0, |day| day.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_year_has_eleven_days_and_they_are_read_from_their_file() {
        assert_eq!(last_year(), 2035);
        for year in 2026..=last_year() {
            let days = holidays_of(year);
            assert_eq!(days.len(), 11, "{year}: {days:?}");
        }
        let on = |text: &str| holiday_on(text.parse().expect("a date")).map(|name| name.vi.as_str());
        assert_eq!(on("2027-02-06"), Some("Mùng 1 Tết"));
        assert_eq!(on("2030-02-02"), Some("Mùng 1 Tết"), "a day before the Chinese New Year");
        assert_eq!(on("2026-04-26"), Some("Giỗ Tổ Hùng Vương"));
        assert_eq!((on("2031-09-02"), on("2031-09-03")), (Some("Quốc khánh"), None));
    }

    /// Julian day of a date.
    fn julian(day: Date) -> i64 {
        let epoch = Date::new(2000, 1, 1).expect("a date");
        2_451_545 + day.duration_since(epoch).as_hours() / 24
    }

    /// The local day of a new moon, by its number since 1900 (Meeus, Astronomical Algorithms, chapter 32 of the first edition; UTC+7).
    fn new_moon(number: i64) -> i64 {
        let k = number as f64;
        let t = k / 1236.85;
        let rad = std::f64::consts::PI / 180.0;
        let mean = 2_415_020.759_33 + 29.530_588_68 * k + 0.000_117_8 * t * t - 0.000_000_155 * t * t * t
            + 0.000_33 * ((166.56 + 132.87 * t - 0.009_173 * t * t) * rad).sin();
        let m = (359.2242 + 29.105_356_08 * k - 0.000_033_3 * t * t - 0.000_003_47 * t * t * t) * rad;
        let mp = (306.0253 + 385.816_918_06 * k + 0.010_730_6 * t * t + 0.000_012_36 * t * t * t) * rad;
        let f = (21.2964 + 390.670_506_46 * k - 0.001_652_8 * t * t - 0.000_002_39 * t * t * t) * rad;
        let c = (0.1734 - 0.000_393 * t) * m.sin() + 0.0021 * (2.0 * m).sin() - 0.4068 * mp.sin()
            + 0.0161 * (2.0 * mp).sin()
            - 0.0004 * (3.0 * mp).sin()
            + 0.0104 * (2.0 * f).sin()
            - 0.0051 * (m + mp).sin()
            - 0.0074 * (m - mp).sin()
            + 0.0004 * (2.0 * f + m).sin()
            - 0.0004 * (2.0 * f - m).sin()
            - 0.0006 * (2.0 * f + mp).sin()
            + 0.0010 * (2.0 * f - mp).sin()
            + 0.0005 * (2.0 * mp + m).sin();
        let delta = -0.000_278 + 0.000_265 * t + 0.000_262 * t * t;
        (mean + c - delta + 0.5 + 7.0 / 24.0).floor() as i64
    }

    #[test]
    fn lunar_days_are_those_of_new_moons_at_the_meridian_of_viet_nam() {
        for (day, name) in &HOLIDAYS.once {
            let into_month = match name.vi.as_str() {
                "Giao thừa" => -1,
                "Mùng 1 Tết" => 0,
                "Mùng 2 Tết" => 1,
                "Mùng 3 Tết" => 2,
                "Mùng 4 Tết" => 3,
                "Giỗ Tổ Hùng Vương" => 9,
                other => panic!("{other}"),
            };
            let first = julian(*day) - into_month;
            let number = ((first - 2_415_021) as f64 / 29.530_588_853).round() as i64;
            assert_eq!(new_moon(number), first, "{day} {}: the month begins with a new moon", name.vi);
            // Tết is between 21 January and 20 February; the third month begins two months on.
            if into_month == 0 {
                assert!((21..=51).contains(&day.day_of_year()), "{day}");
                let kings = holidays_of(day.year());
                let kings = kings.iter().find(|(_, name)| name.vi.starts_with("Giỗ")).expect("that day");
                let months = (julian(kings.0) - 9 - first) as f64 / 29.53;
                assert!((months - 2.0).abs() < 0.1 || (months - 3.0).abs() < 0.1, "{day}: {months}");
            }
        }
    }
}
