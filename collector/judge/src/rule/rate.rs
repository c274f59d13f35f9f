//! Kind `rate`: how far a value rose above its lowest, or fell below its highest, within a time.

use std::sync::Arc;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, SpanWithin, Spanned};
use ioc_common::metric::Metric;

use super::descriptor::{KindDescriptor, RuleContext};
use super::number::{Limit, Measure, Quantity, ReasonParts};
use super::number_keys::{self, NumberKeys};
use super::sample_window::SampleWindow;
use super::words::{Said, span};
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["metric", "raise", "clear", "within"],
    optional: &["fall", "for", "except"],
    overridable: &["raise", "clear", "for"],
    check: |context, keys| {
        let Keys { metric, raise, clear, within, fall, hold, except } = keys.read()?;
        check_raise(context, &raise)?;
        let measure = Move { falls: fall, within_ms: within.as_millis() };
        NumberKeys { metric, raise, clear, hold, except }.check(context, Arc::new(measure))
    },
    amend: |context, condition, changes| {
        changes.raise.as_ref().map_or(Ok(()), |raise| check_raise(context, raise))?;
        number_keys::amend(context, condition, changes)
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    metric: Spanned<String>,
    raise: Spanned<Limit>,
    clear: Spanned<Limit>,
    within: SpanWithin<10_000, 86_400_000>,
    /// The fall counts, not the rise.
    #[serde(default)]
    fall: bool,
    #[serde(rename = "for")]
    hold: Option<SpanWithin<0, 604_800_000>>,
    #[serde(default)]
    except: Vec<String>,
}

fn check_raise(context: &RuleContext<'_>, raise: &Spanned<Limit>) -> Result<(), ConfigError> {
    if let Limit::Above(_) = raise.get_ref() {
        return Ok(());
    }
    let message = "found below in a rule of the kind rate; allowed are above for a rise and fall = true";
    Err(context.source.fault(raise.span(), message, "write { above = N }, and fall = true for a fall"))
}

/// How far it rose above its lowest within a time, or fell below its highest.
#[derive(Debug, PartialEq)]
struct Move {
    falls: bool,
    /// The time that is looked back over, milliseconds.
    within_ms: i64,
}

impl Measure for Move {
    fn quantity(&self) -> Quantity {
        Quantity::Difference
    }

    fn number(&self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64> {
        let value = value?;
        let (lowest, highest) = window.bounds(self.within_ms, value, at);
        Some(if self.falls { highest - value } else { value - lowest })
    }

    fn raised_reason(&self, words: &ReasonParts<'_>) -> Text {
        let ReasonParts { metric, subject, value, limit, .. } = words;
        let (vi, en) = if self.falls { ("giảm", "fell by") } else { ("tăng", "rose by") };
        let within = span(self.within_ms);
        Text::new(
            format!("{}{subject}: {vi} {} trong {}, quá {}.", metric.vi, value.vi, within.vi, limit.vi),
            format!("{}{subject}: {en} {} within {}, more than {}.", metric.en, value.en, within.en, limit.en),
        )
    }

    fn says(&self, metric: &Metric, limit: &Said, _: Limit) -> Text {
        let (vi, en) = if self.falls { ("giảm", "falls by") } else { ("tăng", "rises by") };
        let within = span(self.within_ms);
        Text::new(
            format!("{} {vi} quá {} trong vòng {}", metric.vi, limit.vi, within.vi),
            format!("{} {en} more than {} within {}", metric.en, limit.en, within.en),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_lowest_or_the_highest_of_the_time() {
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let (mut up, mut down) = (SampleWindow::default(), SampleWindow::default());
        let moved = |falls: bool, window: &mut SampleWindow, value: f64, minute: i64| {
            Move { falls, within_ms: 600_000 }.number(window, Some(value), at(minute)).expect("known")
        };
        for (minute, value) in [(0, 20.0), (5, 18.0)] {
            moved(false, &mut up, value, minute);
            moved(true, &mut down, value, minute);
        }
        assert_eq!((moved(false, &mut up, 21.0, 9), moved(true, &mut down, 17.0, 9)), (3.0, 3.0));
        assert_eq!(moved(true, &mut down, 17.0, 12), 1.0, "what is older does not count");
    }
}
