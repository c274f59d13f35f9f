//! How rules say numbers and lengths of time: with the unit that people use and the decimal sign of their language.

use ioc_common::metric::Metric;

/// Units of storage, each 1024 of the one before.
const BINARY: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// A number, or a length of time, in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) vi: String,
    pub(super) en: String,
}

impl Said {
    fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }

    /// A number with what stands behind it in both languages.
    fn number(number: &str, (vi, en): (&str, &str)) -> Self {
        Self::new(format!("{}{vi}", number.replace('.', ",")), format!("{number}{en}"))
    }
}

/// A length of time, in the largest unit of which it is a whole number.
pub(super) fn span(ms: i64) -> Said {
    let ms = ms.unsigned_abs();
    let units =
        [(86_400_000, "ngày", "day"), (3_600_000, "giờ", "hour"), (60_000, "phút", "minute"), (1000, "giây", "second")];
    match units.into_iter().find(|(size, ..)| ms >= *size && ms.is_multiple_of(*size)) {
        Some((size, vi, en)) => {
            let count = ms / size;
            Said::new(format!("{count} {vi}"), format!("{count} {en}{}", if count == 1 { "" } else { "s" }))
        }
        None => Said::new(format!("{ms} ms"), format!("{ms} ms")),
    }
}

/// A number of seconds that something has lasted.
pub(super) fn lasted(seconds: f64) -> Said {
    span((seconds * 1000.0).round() as i64)
}

/// A number of a metric, with its unit.
pub(super) fn amount(value: f64, metric: &Metric) -> Said {
    match metric.unit {
        "By" => bytes(value, ""),
        "By/s" => bytes(value, "/s"),
        "d" => Said::number(&shown(value), (" ngày", if value == 1.0 { " day" } else { " days" })),
        "h" => Said::number(&shown(value), (" giờ", " h")),
        "s" if value >= 60.0 && value.fract() == 0.0 => span((value * 1000.0) as i64),
        _ => match metric.unit_shown() {
            "" => Said::number(&shown(value), ("", "")),
            unit => {
                let unit = format!(" {unit}");
                Said::number(&shown(value), (&unit, &unit))
            }
        },
    }
}

fn bytes(value: f64, per: &str) -> Said {
    let (mut size, mut unit) = (value, 0);
    while size.abs() >= 1024.0 && unit + 1 < BINARY.len() {
        size /= 1024.0;
        unit += 1;
    }
    let unit = format!(" {}{per}", BINARY.get(unit).copied().unwrap_or("B"));
    Said::number(&shown(size), (&unit, &unit))
}

fn shown(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_are_said_with_the_units_and_signs_of_both_languages() {
        let metric = |name: &str| ioc_common::metric::find(name).expect("a metric");
        let said = |value: f64, name: &str| {
            let Said { vi, en } = amount(value, metric(name));
            (vi, en)
        };
        let both = |vi: &str, en: &str| (vi.to_owned(), en.to_owned());
        assert_eq!(said(3.1, "env.temperature"), both("3,1 °C", "3.1 °C"));
        assert_eq!(said(90.0, "fs.used_pct"), both("90 %", "90 %"));
        assert_eq!(said(25_276_502_016.0, "memory.total"), both("23,5 GiB", "23.5 GiB"));
        assert_eq!(said(1.0, "backup.age"), both("1 ngày", "1 day"));
        assert_eq!(said(600.0, "ups.runtime"), both("10 phút", "10 minutes"));
        assert_eq!(said(2.0, "raid.missing"), both("2", "2"));
        assert_eq!(lasted(86_400.0).vi, "1 ngày");
        assert_eq!((span(90_000).vi.as_str(), span(60_000).en.as_str()), ("90 giây", "1 minute"));
    }
}
