//! Kind `forecast`: what a value will be if it goes on as it did.

use std::sync::Arc;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{SpanWithin, Spanned};
use ioc_common::metric::Metric;

use super::descriptor::KindDescriptor;
use super::number::{Limit, Measure, Quantity, ReasonParts};
use super::number_keys::{self, NumberKeys};
use super::sample_window::SampleWindow;
use super::words::{Said, span};
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["metric", "raise", "clear", "within", "ahead"],
    optional: &["for", "except"],
    overridable: &["raise", "clear", "for"],
    check: |context, keys| {
        let Keys { metric, raise, clear, within, ahead, hold, except } = keys.read()?;
        let measure = Forecast { within_ms: within.as_millis(), ahead_ms: ahead.as_millis() };
        NumberKeys { metric, raise, clear, hold, except }.check(context, Arc::new(measure))
    },
    amend: number_keys::amend,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    metric: Spanned<String>,
    raise: Spanned<Limit>,
    clear: Spanned<Limit>,
    within: SpanWithin<10_000, 86_400_000>,
    ahead: SpanWithin<60_000, 2_678_400_000>,
    #[serde(rename = "for")]
    hold: Option<SpanWithin<0, 604_800_000>>,
    #[serde(default)]
    except: Vec<String>,
}

/// Fewer moments than this say nothing about where a value is going.
const MOMENTS_MIN: usize = 6;

/// What the value will be if it goes on as it did.
#[derive(Debug, PartialEq)]
struct Forecast {
    /// From how far back, milliseconds.
    within_ms: i64,
    /// How far ahead, milliseconds.
    ahead_ms: i64,
}

impl Measure for Forecast {
    fn quantity(&self) -> Quantity {
        Quantity::Value
    }

    fn number(&self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64> {
        value_ahead(window, self.within_ms, self.ahead_ms, value?, at)
    }

    fn raised_reason(&self, words: &ReasonParts<'_>) -> Text {
        let ReasonParts { metric, subject, limit, raise, .. } = words;
        let ahead = span(self.ahead_ms);
        let (vi, en) = match raise {
            Limit::Above(_) => ("vượt", "above"),
            Limit::Below(_) => ("dưới", "below"),
        };
        Text::new(
            format!("{}{subject}: với đà hiện nay, sau {} sẽ {vi} {}.", metric.vi, ahead.vi, limit.vi),
            format!("{}{subject}: if it goes on as it does, it will be {en} {} in {}.", metric.en, limit.en, ahead.en),
        )
    }

    fn says(&self, metric: &Metric, limit: &Said, raise: Limit) -> Text {
        let ((vi, en), ahead) = (raise.beyond(), span(self.ahead_ms));
        Text::new(
            format!("{} với đà hiện nay sẽ {vi} {} sau {}", metric.vi, limit.vi, ahead.vi),
            format!("{}, if it goes on as it does, will be {en} {} in {}", metric.en, limit.en, ahead.en),
        )
    }
}

/// The straight line of least squares through the window, and where it leads. Nothing is said before half of the time to look back
/// has been seen.
fn value_ahead(window: &mut SampleWindow, within_ms: i64, ahead_ms: i64, value: f64, at: Timestamp) -> Option<f64> {
    window.bounds(within_ms, value, at);
    let first = window.moments().next().map(|(moment, _)| moment)?;
    if at.millis_since(first) * 2 < within_ms || window.moments().count() < MOMENTS_MIN {
        return None;
    }
    // Hours from now, so that numbers stay small.
    let hours = |moment: Timestamp| moment.millis_since(at) as f64 / 3_600_000.0;
    let points = || window.moments().map(|(moment, value)| (hours(moment), value)).chain([(0.0, value)]);
    let count = points().count() as f64;
    let (sum_x, sum_y) = points().fold((0.0, 0.0), |(sum_x, sum_y), (x, y)| (sum_x + x, sum_y + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points().fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
    });
    let slope = if below > 0.0 { above / below } else { 0.0 };
    Some(mean_y + slope * (ahead_ms as f64 / 3_600_000.0 - mean_x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_goes_on_and_little_says_nothing() {
        let mut window = SampleWindow::default();
        let mut found = Vec::new();
        for hour in 0..7 {
            let at = Timestamp::from_millis(hour * 3_600_000);
            found.push(value_ahead(&mut window, 6 * 3_600_000, 24 * 3_600_000, 50.0 + hour as f64, at));
        }
        assert!(found[..5].iter().all(Option::is_none), "{found:?}");
        assert!((found[6].expect("known") - 80.0).abs() < 1e-9, "{found:?}");
    }
}
