//! Kind `rate`: how far a value rose above its lowest, or fell below its highest, within a time.

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, SpanWithin, Spanned};

use super::kind::{KindDescriptor, RuleContext};
use super::sample_window::SampleWindow;
use super::threshold::{self, Limit, Measure, NumberKeys};
use super::wording::ReasonParts;
use crate::text::Text;

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["metric", "raise", "clear", "within"],
    optional: &["fall", "for", "except"],
    overridable: &["raise", "clear", "for"],
    check: |context, keys| {
        let Keys { metric, raise, clear, within, fall, hold, except } = context.read(keys)?;
        check_raise(context, &raise)?;
        let within_ms = within.as_millis();
        let measure = if fall { Measure::Fall { within_ms } } else { Measure::Rise { within_ms } };
        NumberKeys { metric, raise, clear, hold, except }.check(context, measure)
    },
    amend: |context, condition, changes| {
        changes.raise.as_ref().map_or(Ok(()), |raise| check_raise(context, raise))?;
        threshold::amend(context, condition, changes)
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

/// How far `value` lies above the lowest of the window.
pub(super) fn rise(window: &mut SampleWindow, within_ms: i64, value: f64, at: Timestamp) -> f64 {
    value - window.bounds(within_ms, value, at).0
}

/// How far `value` lies below the highest of the window.
pub(super) fn fall(window: &mut SampleWindow, within_ms: i64, value: f64, at: Timestamp) -> f64 {
    window.bounds(within_ms, value, at).1 - value
}

/// Why it was raised.
pub(super) fn reason(words: &ReasonParts<'_>, rises: bool, within_ms: i64) -> Text {
    let ReasonParts { metric, subject, value, limit, unit, .. } = words;
    let (vi, en) = if rises { ("tăng", "rose by") } else { ("giảm", "fell by") };
    let within = ReasonParts::span(within_ms);
    Text::new(
        format!("{}{subject}: {vi} {value}{unit} trong {within}, quá {limit}{unit}.", metric.vi),
        format!("{}{subject}: {en} {value}{unit} within {within}, more than {limit}{unit}.", metric.en),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_from_the_lowest_or_the_highest_of_the_time() {
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        let (mut up, mut down) = (SampleWindow::default(), SampleWindow::default());
        for (minute, value) in [(0, 20.0), (5, 18.0)] {
            rise(&mut up, 600_000, value, at(minute));
            fall(&mut down, 600_000, value, at(minute));
        }
        assert_eq!((rise(&mut up, 600_000, 21.0, at(9)), fall(&mut down, 600_000, 17.0, at(9))), (3.0, 3.0));
        assert_eq!(fall(&mut down, 600_000, 17.0, at(12)), 1.0, "what is older does not count");
    }
}
