//! How rules say numbers, lengths of time and themselves: with the unit that people use and the decimal sign of their language.

use ioc_common::metric::Metric;

use super::number::{Limit, NumberRule, Quantity};
use super::{Rule, RuleCondition, RuleKind};
use crate::text::Text;

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

/// A number that is judged, with its unit.
pub(super) fn amount(value: f64, quantity: Quantity, metric: &Metric) -> Said {
    if quantity == Quantity::Duration {
        return span((value * 1000.0).round() as i64);
    }
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

impl Rule {
    /// What it says, as a sentence: when it raises a fault.
    #[must_use]
    pub fn sentence(&self) -> Text {
        match &self.condition {
            RuleCondition::Number(number) => number_sentence(number),
            RuleCondition::Document(document) => {
                let (vi, en) = if self.kind == RuleKind::Approved {
                    ("có mục ngoài danh sách được duyệt", "holds something that is not on the approved list")
                } else {
                    (
                        "khác với lần đầu ghi nhận hoặc lần chấp nhận gần nhất",
                        "differs from what was first seen or last accepted",
                    )
                };
                let place = format!("{} {}", document.document, document.path);
                Text::new(format!("Khảo sát {place}: {vi}."), format!("The survey {place} {en}."))
            }
            RuleCondition::Silent => Text::new(
                "Thiết bị không báo cáo nữa, ngoài thời gian ngừng có báo trước.",
                "The device does not report any more, and has not said that it would be away.",
            ),
            RuleCondition::Budget => {
                Text::new("Thiết bị gửi nhiều hơn mức cho phép.", "The device sends more than it may.")
            }
        }
    }
}

fn number_sentence(rule: &NumberRule) -> Text {
    let says =
        rule.measure.says(rule.metric, &amount(rule.raise.number(), rule.measure.quantity(), rule.metric), rule.raise);
    let hold = span(rule.hold_ms);
    let (vi, en) = if rule.hold_ms == 0 {
        (String::new(), String::new())
    } else {
        (format!(" trong {}", hold.vi), format!(" for {}", hold.en))
    };
    Text::new(format!("{}{vi}.", says.vi), format!("{}{en}.", says.en))
}

/// A limit in words: *trên* what is above it, *dưới* what is below.
pub(super) const fn beyond(limit: Limit) -> (&'static str, &'static str) {
    match limit {
        Limit::Above(_) => ("trên", "above"),
        Limit::Below(_) => ("dưới", "below"),
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;
    use ioc_common::language::Language;

    use super::*;
    use crate::rule::RuleSet;

    #[test]
    fn numbers_and_times_are_said_with_the_units_and_signs_of_both_languages() {
        let metric = |name: &str| ioc_common::metric::find(name).expect("a metric");
        let said = |value: f64, name: &str| {
            let Said { vi, en } = amount(value, Quantity::Value, metric(name));
            (vi, en)
        };
        let both = |vi: &str, en: &str| (vi.to_owned(), en.to_owned());
        assert_eq!(said(3.1, "env.temperature"), both("3,1 °C", "3.1 °C"));
        assert_eq!(said(90.0, "fs.used_pct"), both("90 %", "90 %"));
        assert_eq!(said(25_276_502_016.0, "memory.total"), both("23,5 GiB", "23.5 GiB"));
        assert_eq!(said(1.0, "backup.age"), both("1 ngày", "1 day"));
        assert_eq!(said(600.0, "ups.runtime"), both("10 phút", "10 minutes"));
        assert_eq!(said(2.0, "raid.missing"), both("2", "2"));
        assert_eq!(amount(86_400.0, Quantity::Duration, metric("env.temperature")).vi, "1 ngày");
        assert_eq!((span(90_000).vi.as_str(), span(60_000).en.as_str()), ("90 giây", "1 minute"));
    }

    #[test]
    fn every_shipped_rule_is_a_sentence_without_names_of_metrics() {
        let text = include_str!("../../../../config/rules.toml");
        let rules = RuleSet::parse(&Source::built_in("rules.toml", text)).unwrap_or_else(|error| panic!("{error}"));
        assert!(rules.rules().len() > 30);
        for rule in rules.rules() {
            for language in Language::ALL {
                let sentence = rule.sentence();
                let sentence = sentence.get(language);
                assert!(sentence.ends_with('.') && sentence.len() > 8, "{}: {sentence}", rule.id);
                if let RuleCondition::Number(number) = &rule.condition {
                    assert!(!sentence.contains(number.metric.name), "{}: {sentence}", rule.id);
                }
                assert!(!sentence.contains("86400") && !sentence.contains(" s "), "{}: {sentence}", rule.id);
            }
        }
    }
}
