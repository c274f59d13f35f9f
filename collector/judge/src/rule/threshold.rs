//! Kind `threshold`: a value beyond a limit for some time, cleared by a second limit (hysteresis). Also what all kinds share that look at
//! a number of a series: which number it is ([`Measure`]), its limits, and how they are checked.

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, SpanWithin, Spanned, Table};
use ioc_common::metric::{self, Metric};

use super::kind::{KindDescriptor, OverrideChanges, RuleContext, RuleKind};
use super::sample_window::SampleWindow;
use super::{RuleCondition, forecast, missing, rate, stuck};

pub(super) const DESCRIPTOR: KindDescriptor = KindDescriptor {
    required: &["metric", "raise", "clear"],
    optional: &["for", "except"],
    overridable: &["raise", "clear", "for"],
    check: |context, keys| context.read::<NumberKeys>(keys)?.check(context, Measure::Value),
    amend,
};

/// The keys of this kind; other kinds that have limits have them, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberKeys {
    pub(super) metric: Spanned<String>,
    pub(super) raise: Spanned<Limit>,
    pub(super) clear: Spanned<Limit>,
    #[serde(rename = "for")]
    pub(super) hold: Option<SpanWithin<0, 604_800_000>>,
    #[serde(default)]
    pub(super) except: Vec<String>,
}

impl NumberKeys {
    pub(super) fn check(self, context: &RuleContext<'_>, measure: Measure) -> Result<RuleCondition, ConfigError> {
        let Self { metric, raise, clear, hold, except } = self;
        let metric = metric::named(context.source, &metric)?;
        let hold_ms = hold.map_or(0, SpanWithin::as_millis);
        Threshold::new(measure, metric, *raise.get_ref(), *clear.get_ref(), hold_ms, except)
            .map(RuleCondition::Threshold)
            .map_err(|fault| {
                let span = if fault.in_clear { clear.span() } else { raise.span() };
                context.source.fault(span, &fault.message, fault.mend)
            })
    }
}

/// What an override changes of a rule with limits.
pub(super) fn amend(
    context: &RuleContext<'_>,
    condition: &RuleCondition,
    changes: OverrideChanges,
) -> Result<RuleCondition, ConfigError> {
    let RuleCondition::Threshold(was) = condition else { return Ok(condition.clone()) };
    let span = changes.clear.as_ref().or(changes.raise.as_ref()).map_or(context.span.clone(), Spanned::span);
    let raise = changes.raise.map_or(was.raise, Spanned::into_inner);
    let clear = changes.clear.map_or(was.clear, Spanned::into_inner);
    let hold_ms = changes.hold.map_or(was.hold_ms, |hold| hold.get_ref().as_millis());
    Threshold::new(was.measure, was.metric, raise, clear, hold_ms, was.except.clone())
        .map(RuleCondition::Threshold)
        .map_err(|fault| context.source.fault(span, &fault.message, fault.mend))
}

/// The keys of a kind that looks at how long something has lasted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastingKeys {
    metric: Spanned<String>,
    #[serde(rename = "for")]
    hold: SpanWithin<0, 604_800_000>,
    #[serde(default)]
    except: Vec<String>,
}

impl LastingKeys {
    pub(super) fn check(self, context: &RuleContext<'_>, measure: Measure) -> Result<RuleCondition, ConfigError> {
        lasting_for(context, measure, metric::named(context.source, &self.metric)?, self.hold, self.except)
    }
}

/// The descriptor of such a kind: the time is the limit, and any sign of life ends it.
pub(super) const fn lasting(
    check: fn(&RuleContext<'_>, Table<'_>) -> Result<RuleCondition, ConfigError>,
) -> KindDescriptor {
    KindDescriptor {
        required: &["metric", "for"],
        optional: &["except"],
        overridable: &["for"],
        check,
        amend: amend_lasting,
    }
}

/// What an override changes of such a rule.
fn amend_lasting(
    context: &RuleContext<'_>,
    condition: &RuleCondition,
    changes: OverrideChanges,
) -> Result<RuleCondition, ConfigError> {
    match (condition, changes.hold) {
        (RuleCondition::Threshold(was), Some(hold)) => {
            lasting_for(context, was.measure, was.metric, hold.into_inner(), was.except.clone())
        }
        _ => Ok(condition.clone()),
    }
}

fn lasting_for(
    context: &RuleContext<'_>,
    measure: Measure,
    metric: &'static Metric,
    hold: SpanWithin<0, 604_800_000>,
    except: Vec<String>,
) -> Result<RuleCondition, ConfigError> {
    let seconds = hold.as_millis() as f64 / 1000.0;
    let (raise, clear) = (Limit::Above(seconds), Limit::Below(seconds.min(1.0)));
    Threshold::new(measure, metric, raise, clear, 0, except)
        .map(RuleCondition::Threshold)
        .map_err(|fault| context.source.fault(context.span.clone(), &fault.message, fault.mend))
}

/// One side of a rule: `{ above = 90 }` or `{ below = 10 }`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Limit {
    /// What is larger is beyond it.
    Above(f64),
    /// What is smaller is beyond it.
    Below(f64),
}

impl Limit {
    /// Whether `value` lies beyond the limit.
    #[must_use]
    pub fn crossed(self, value: f64) -> bool {
        match self {
            Self::Above(limit) => value > limit,
            Self::Below(limit) => value < limit,
        }
    }

    /// The number, in the unit of what is measured.
    #[must_use]
    pub const fn number(self) -> f64 {
        match self {
            Self::Above(limit) | Self::Below(limit) => limit,
        }
    }
}

/// Which number of a series is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The value (kind `threshold`).
    Value,
    /// How far it rose above its lowest within a time (kind `rate`).
    Rise {
        /// The time that is looked back over, milliseconds.
        within_ms: i64,
    },
    /// How far it fell below its highest within a time (kind `rate`).
    Fall {
        /// The time that is looked back over, milliseconds.
        within_ms: i64,
    },
    /// What it will be if it goes on as it did (kind `forecast`).
    Forecast {
        /// From how far back, milliseconds.
        within_ms: i64,
        /// How far ahead, milliseconds.
        ahead_ms: i64,
    },
    /// For how many seconds it has not changed at all (kind `stuck`).
    Unchanged,
    /// For how many seconds it has not been known (kind `missing`).
    Missing,
}

impl Measure {
    /// The kind of rule that looks at this number.
    pub(super) const fn kind(self) -> RuleKind {
        match self {
            Self::Value => RuleKind::Threshold,
            Self::Rise { .. } | Self::Fall { .. } => RuleKind::Rate,
            Self::Forecast { .. } => RuleKind::Forecast,
            Self::Unchanged => RuleKind::Stuck,
            Self::Missing => RuleKind::Missing,
        }
    }

    /// The number, of the value at `at` where one is known; none while nothing can be said.
    pub(crate) fn number(self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64> {
        match self {
            Self::Value => value,
            Self::Rise { within_ms } => Some(rate::rise(window, within_ms, value?, at)),
            Self::Fall { within_ms } => Some(rate::fall(window, within_ms, value?, at)),
            Self::Forecast { within_ms, ahead_ms } => forecast::value_ahead(window, within_ms, ahead_ms, value?, at),
            Self::Unchanged => Some(stuck::unchanged_s(window, value?, at)),
            Self::Missing => Some(missing::unknown_s(window, value.is_some(), at)),
        }
    }

    /// The next value follows a silence: nobody knows whether it stood still meanwhile. How far it moved since is known all the same.
    pub(crate) fn after_silence(self, window: &mut SampleWindow) {
        if matches!(self, Self::Unchanged | Self::Missing) {
            window.clear();
        }
    }
}

/// A checked threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Which number is judged.
    pub measure: Measure,
    /// The metric whose numbers are judged.
    pub metric: &'static Metric,
    /// Raised beyond this …
    pub raise: Limit,
    /// … and cleared beyond this, which lies on the other side.
    pub clear: Limit,
    /// How long it must be beyond `raise`, in milliseconds (`for`).
    pub hold_ms: i64,
    /// Subjects that are not judged, such as a read-only image's mount point.
    pub except: Vec<String>,
}

/// Why a threshold is not allowed.
#[derive(Debug)]
pub(super) struct LimitError {
    pub(super) in_clear: bool,
    pub(super) message: String,
    pub(super) mend: &'static str,
}

impl Threshold {
    pub(super) fn new(
        measure: Measure,
        metric: &'static Metric,
        raise: Limit,
        clear: Limit,
        hold_ms: i64,
        except: Vec<String>,
    ) -> Result<Self, LimitError> {
        for (in_clear, limit) in [(false, raise), (true, clear)] {
            if matches!(measure, Measure::Value | Measure::Forecast { .. }) && !metric.plausible(limit.number()) {
                let message = format!(
                    "found {} for {}; allowed are {} to {} {}",
                    limit.number(),
                    metric.name,
                    metric.min,
                    metric.max,
                    metric.unit
                );
                return Err(LimitError { in_clear, message, mend: "choose a limit within the metric's range" });
            }
        }
        let (found, allowed) = match (raise, clear) {
            (Limit::Above(up), Limit::Below(down)) if down <= up => {
                return Ok(Self { measure, metric, raise, clear, hold_ms, except });
            }
            (Limit::Below(down), Limit::Above(up)) if up >= down => {
                return Ok(Self { measure, metric, raise, clear, hold_ms, except });
            }
            (Limit::Above(up), Limit::Below(down)) => {
                (format!("below = {down}"), format!("at most {up}, the limit of raise"))
            }
            (Limit::Below(down), Limit::Above(up)) => {
                (format!("above = {up}"), format!("at least {down}, the limit of raise"))
            }
            (Limit::Above(_), Limit::Above(_)) => ("above".to_owned(), "below, since raise says above".to_owned()),
            (Limit::Below(_), Limit::Below(_)) => ("below".to_owned(), "above, since raise says below".to_owned()),
        };
        let message = format!("found {found} in clear; allowed is {allowed}");
        Err(LimitError {
            in_clear: true,
            message,
            mend: "leave a gap between raise and clear, so that it does not flap",
        })
    }

    /// Whether a series of this rule's metric with this subject is judged.
    #[must_use]
    pub fn applies_to(&self, metric: &str, subject: &str) -> bool {
        self.metric.name == metric && !self.except.iter().any(|one| one == subject)
    }
}
