//! Kind `threshold`: a value beyond a limit for some time.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::metric::Metric;

use super::descriptor::KindDescriptor;
use super::number::{Limit, Measure, Quantity, ReasonParts};
use super::number_keys::{self, NumberKeys};
use super::sample_window::SampleWindow;
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["metric", "raise", "clear"],
    optional: &["for", "except"],
    overridable: &["raise", "clear", "for"],
    check: |context, keys| keys.read::<NumberKeys>()?.check(context, Arc::new(Value)),
    amend: number_keys::amend,
};

/// The value itself.
#[derive(Debug, PartialEq)]
struct Value;

impl Measure for Value {
    fn quantity(&self) -> Quantity {
        Quantity::Value
    }

    fn number(&self, _: &mut SampleWindow, value: Option<f64>, _: Timestamp) -> Option<f64> {
        value
    }

    fn raised_reason(&self, words: &ReasonParts<'_>) -> Text {
        if is_flag(words.metric) { flag_reason(words) } else { value_reason(words) }
    }

    fn cleared_reason(&self, metric: &Metric, number: &str) -> Text {
        if is_flag(metric) {
            return Text::new("Trở lại bình thường.", "Back to normal.");
        }
        Text::new(format!("Trở lại bình thường: {number}."), format!("Back to normal: {number}."))
    }
}

/// Whether the metric is a yes or no, whose number says nothing to a person.
fn is_flag(metric: &Metric) -> bool {
    metric.unit == "1" && metric.min == 0.0 && metric.max == 1.0
}

fn flag_reason(words: &ReasonParts<'_>) -> Text {
    let ReasonParts { metric, subject, .. } = words;
    match words.raise {
        Limit::Above(_) => Text::new(format!("{}{subject}.", metric.vi), format!("{}{subject}.", metric.en)),
        Limit::Below(_) => Text::new(format!("{}{subject}: không.", metric.vi), format!("{}{subject}: no.", metric.en)),
    }
}

fn value_reason(words: &ReasonParts<'_>) -> Text {
    let ReasonParts { metric, subject, value, limit, unit, .. } = words;
    let (above_vi, above_en) = match words.raise {
        Limit::Above(_) => ("vượt ngưỡng", "above"),
        Limit::Below(_) => ("dưới ngưỡng", "below"),
    };
    let (hold_vi, hold_en) = if words.hold_ms == 0 {
        (String::new(), String::new())
    } else {
        let hold = ReasonParts::span(words.hold_ms);
        (format!(" suốt {hold}"), format!(" for {hold}"))
    };
    Text::new(
        format!("{}{subject}: {value}{unit}, {above_vi} {limit}{unit}{hold_vi}.", metric.vi),
        format!("{}{subject}: {value}{unit}, {above_en} {limit}{unit}{hold_en}.", metric.en),
    )
}
