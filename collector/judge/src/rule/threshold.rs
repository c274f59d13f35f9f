//! Kind `threshold`: a value beyond a limit for some time.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::metric::Metric;

use super::descriptor::KindDescriptor;
use super::number::{Limit, Measure, Quantity, ReasonParts};
use super::number_keys::{self, NumberKeys};
use super::sample_window::SampleWindow;
use super::words::{self, Said};
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

    fn says(&self, metric: &Metric, limit: &Said, raise: Limit) -> Text {
        if is_flag(metric) {
            return match raise {
                Limit::Above(_) => Text::new(metric.vi, metric.en),
                Limit::Below(_) => Text::new(format!("{}: không", metric.vi), format!("{}: no", metric.en)),
            };
        }
        let (vi, en) = raise.beyond();
        Text::new(format!("{} {vi} {}", metric.vi, limit.vi), format!("{} {en} {}", metric.en, limit.en))
    }

    fn cleared_reason(&self, metric: &Metric, number: &Said) -> Text {
        if is_flag(metric) {
            return Text::new("Trở lại bình thường.", "Back to normal.");
        }
        Text::new(format!("Trở lại bình thường: {}.", number.vi), format!("Back to normal: {}.", number.en))
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

fn value_reason(parts: &ReasonParts<'_>) -> Text {
    let ReasonParts { metric, subject, value, limit, .. } = parts;
    let (above_vi, above_en) = match parts.raise {
        Limit::Above(_) => ("vượt ngưỡng", "above"),
        Limit::Below(_) => ("dưới ngưỡng", "below"),
    };
    let (hold_vi, hold_en) = if parts.hold_ms == 0 {
        (String::new(), String::new())
    } else {
        let hold = words::span(parts.hold_ms);
        (format!(" trong {}", hold.vi), format!(" for {}", hold.en))
    };
    Text::new(
        format!("{}{subject}: {}, {above_vi} {}{hold_vi}.", metric.vi, value.vi, limit.vi),
        format!("{}{subject}: {}, {above_en} {}{hold_en}.", metric.en, value.en, limit.en),
    )
}
