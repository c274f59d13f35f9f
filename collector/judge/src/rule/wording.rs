//! The words in which a rule about numbers says why: what its kinds share.

use ioc_common::config::Span;
use ioc_common::metric::Metric;
use ioc_common::report::StateText;

use super::threshold::{Limit, Measure, Threshold};
use super::{forecast, missing, rate, stuck};
use crate::text::Text;

/// The parts of a sentence about a number.
pub(super) struct ReasonParts<'r> {
    pub(super) metric: &'r Metric,
    /// The subject in brackets, after a space; empty for the device as a whole.
    pub(super) subject: String,
    pub(super) value: String,
    pub(super) limit: String,
    /// After a space, where there is one.
    pub(super) unit: String,
    pub(super) raise: Limit,
}

impl ReasonParts<'_> {
    /// A time as people write it.
    pub(super) fn span(ms: i64) -> Span {
        Span(std::time::Duration::from_millis(ms.unsigned_abs()))
    }
}

impl Threshold {
    /// Why a fault is raised on a series, by this value. `texts` are the device's own words for its numbers.
    pub(crate) fn raised_reason(&self, series: &str, value: f64, texts: &[StateText]) -> Text {
        let subject = series.split_once('|').map_or("", |(_, subject)| subject);
        let full = self.raised_text(series, subject, value, texts);
        if subject.is_empty() || !self.metric.is_personal() {
            return full;
        }
        // Everyone may read that it is an account, and who may see whose reads it on the page.
        let mut shown = self.raised_text(series, "", value, &[]);
        shown.vi.push_str(" Tài khoản nào: xem ở trang sự cố.");
        shown.en.push_str(" Whose account: see the incident's page.");
        Text::personal((full.vi, full.en), (shown.vi, shown.en))
    }

    /// Why a fault is cleared, by this value.
    pub(crate) fn cleared_reason(&self, value: f64) -> Text {
        if self.measure == Measure::Value && self.is_flag() {
            return Text::new("Trở lại bình thường.", "Back to normal.");
        }
        let (shown, unit) = (shown(value), self.unit());
        Text::new(format!("Trở lại bình thường: {shown}{unit}."), format!("Back to normal: {shown}{unit}."))
    }

    fn raised_text(&self, series: &str, subject: &str, value: f64, texts: &[StateText]) -> Text {
        if let Some(text) = texts.iter().find(|text| text.series == series) {
            return Text::new(format!("Thiết bị báo: {}.", text.vi), format!("The device reports: {}.", text.en));
        }
        let words = ReasonParts {
            metric: self.metric,
            subject: if subject.is_empty() { String::new() } else { format!(" ({subject})") },
            value: shown(value),
            limit: shown(self.raise.number()),
            unit: self.unit(),
            raise: self.raise,
        };
        match self.measure {
            Measure::Value if self.is_flag() => flag_reason(&words),
            Measure::Value => value_reason(&words, self.hold_ms),
            Measure::Rise { within_ms } => rate::reason(&words, true, within_ms),
            Measure::Fall { within_ms } => rate::reason(&words, false, within_ms),
            Measure::Forecast { ahead_ms, .. } => forecast::reason(&words, ahead_ms),
            Measure::Missing => missing::reason(&words),
            Measure::Unchanged => stuck::reason(&words),
        }
    }

    /// Whether the metric is a yes or no, whose number says nothing to a person.
    fn is_flag(&self) -> bool {
        self.metric.unit == "1" && self.metric.min == 0.0 && self.metric.max == 1.0
    }

    /// The unit of what is judged, to stand behind a number.
    fn unit(&self) -> String {
        match (self.measure, self.metric.unit_shown()) {
            (Measure::Unchanged | Measure::Missing, _) => " s".to_owned(),
            (_, "") => String::new(),
            (_, unit) => format!(" {unit}"),
        }
    }
}

fn shown(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn flag_reason(words: &ReasonParts<'_>) -> Text {
    let ReasonParts { metric, subject, .. } = words;
    match words.raise {
        Limit::Above(_) => Text::new(format!("{}{subject}.", metric.vi), format!("{}{subject}.", metric.en)),
        Limit::Below(_) => Text::new(format!("{}{subject}: không.", metric.vi), format!("{}{subject}: no.", metric.en)),
    }
}

fn value_reason(words: &ReasonParts<'_>, hold_ms: i64) -> Text {
    let ReasonParts { metric, subject, value, limit, unit, .. } = words;
    let (above_vi, above_en) = match words.raise {
        Limit::Above(_) => ("vượt ngưỡng", "above"),
        Limit::Below(_) => ("dưới ngưỡng", "below"),
    };
    let (hold_vi, hold_en) = if hold_ms == 0 {
        (String::new(), String::new())
    } else {
        let hold = ReasonParts::span(hold_ms);
        (format!(" suốt {hold}"), format!(" for {hold}"))
    };
    Text::new(
        format!("{}{subject}: {value}{unit}, {above_vi} {limit}{unit}{hold_vi}.", metric.vi),
        format!("{}{subject}: {value}{unit}, {above_en} {limit}{unit}{hold_en}.", metric.en),
    )
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;

    use crate::rule::{RuleCondition, RuleSet};

    #[test]
    fn every_rule_about_an_account_says_whose_only_to_who_may_know() {
        let shipped = Source::built_in("rules.toml", include_str!("../../../../config/rules.toml"));
        let set = RuleSet::parse(&shipped).unwrap_or_else(|fault| panic!("{fault}"));
        let mut about_people = 0;
        for rule in set.rules() {
            let RuleCondition::Threshold(threshold) = &rule.condition else { continue };
            let series = format!("{}|lan.nguyen", threshold.metric.name);
            let mut text = threshold.raised_reason(&series, 1.0, &[]);
            let named = |text: &crate::Text| text.vi.contains("lan.nguyen") || text.en.contains("lan.nguyen");
            assert_eq!(text.is_personal(), threshold.metric.is_personal(), "{}", rule.id);
            if threshold.metric.is_personal() {
                about_people += 1;
                assert!(!named(&text), "{}: {text:?}", rule.id);
                text.open();
                assert!(named(&text), "{}: {text:?}", rule.id);
            }
        }
        assert!(about_people >= 2, "{about_people}");
    }
}
