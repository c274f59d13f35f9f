//! Kind `forecast`: what a value will be if it goes on as it did.

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{SpanWithin, Spanned};

use super::kind::KindDescriptor;
use super::sample_window::SampleWindow;
use super::threshold::{self, Limit, Measure, NumberKeys};
use super::wording::ReasonParts;
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["metric", "raise", "clear", "within", "ahead"],
    optional: &["for", "except"],
    overridable: &["raise", "clear", "for"],
    check: |context, keys| {
        let Keys { metric, raise, clear, within, ahead, hold, except } = context.read(keys)?;
        let measure = Measure::Forecast { within_ms: within.as_millis(), ahead_ms: ahead.as_millis() };
        NumberKeys { metric, raise, clear, hold, except }.check(context, measure)
    },
    amend: threshold::amend,
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

/// The straight line of least squares through the window, and where it leads. Nothing is said before half of the time to look back
/// has been seen.
pub(super) fn value_ahead(
    window: &mut SampleWindow,
    within_ms: i64,
    ahead_ms: i64,
    value: f64,
    at: Timestamp,
) -> Option<f64> {
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

/// Why it was raised.
pub(super) fn reason(words: &ReasonParts<'_>, ahead_ms: i64) -> Text {
    let ReasonParts { metric, subject, limit, unit, raise, .. } = words;
    let ahead = ReasonParts::span(ahead_ms);
    let (vi, en) = match raise {
        Limit::Above(_) => ("vượt", "above"),
        Limit::Below(_) => ("dưới", "below"),
    };
    Text::new(
        format!("{}{subject}: với đà hiện nay, sau {ahead} sẽ {vi} {limit}{unit}.", metric.vi),
        format!("{}{subject}: if it goes on as it does, it will be {en} {limit}{unit} in {ahead}.", metric.en),
    )
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
