//! The keys that the kinds share which judge a number of a series ([`super::number`]), their check, and what an override changes of them.

use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{ConfigError, SpanWithin, Spanned, Table};
use ioc_common::metric::{self, Metric};

use super::condition::RuleCondition;
use super::descriptor::{KindDescriptor, OverrideChanges, RuleContext};
use super::number::{Limit, Measure, NumberRule};

/// The keys of a kind that has limits.
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
    pub(super) fn check(
        self,
        context: &RuleContext<'_>,
        measure: Arc<dyn Measure>,
    ) -> Result<RuleCondition, ConfigError> {
        let Self { metric, raise, clear, hold, except } = self;
        let metric = metric::from_config(context.source, &metric)?;
        let hold_ms = hold.map_or(0, SpanWithin::as_millis);
        NumberRule::new(measure, metric, *raise.get_ref(), *clear.get_ref(), hold_ms, except)
            .map(RuleCondition::Number)
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
    let was = number_of(context, condition)?;
    let span = changes.clear.as_ref().or(changes.raise.as_ref()).map_or(context.span.clone(), Spanned::span);
    let raise = changes.raise.map_or(was.raise, Spanned::into_inner);
    let clear = changes.clear.map_or(was.clear, Spanned::into_inner);
    let hold_ms = changes.hold.map_or(was.hold_ms, |hold| hold.get_ref().as_millis());
    NumberRule::new(was.measure.clone(), was.metric, raise, clear, hold_ms, was.except.clone())
        .map(RuleCondition::Number)
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
    pub(super) fn check(
        self,
        context: &RuleContext<'_>,
        measure: Arc<dyn Measure>,
    ) -> Result<RuleCondition, ConfigError> {
        lasting_for(context, measure, metric::from_config(context.source, &self.metric)?, self.hold, self.except)
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
    let Some(hold) = changes.hold else { return Ok(condition.clone()) };
    let was = number_of(context, condition)?;
    lasting_for(context, was.measure.clone(), was.metric, hold.into_inner(), was.except.clone())
}

/// What a rule with limits looks at. An override of one that looks at something else would be lost without a word.
fn number_of<'r>(context: &RuleContext<'_>, condition: &'r RuleCondition) -> Result<&'r NumberRule, ConfigError> {
    match condition {
        RuleCondition::Number(was) => Ok(was),
        RuleCondition::Document(_) | RuleCondition::Silent | RuleCondition::Budget => {
            let message = "found limits for a rule that looks at no number";
            Err(context.source.fault(context.span.clone(), message, "remove this override"))
        }
    }
}

fn lasting_for(
    context: &RuleContext<'_>,
    measure: Arc<dyn Measure>,
    metric: &'static Metric,
    hold: SpanWithin<0, 604_800_000>,
    except: Vec<String>,
) -> Result<RuleCondition, ConfigError> {
    let seconds = hold.as_millis() as f64 / 1000.0;
    let (raise, clear) = (Limit::Above(seconds), Limit::Below(seconds.min(1.0)));
    NumberRule::new(measure, metric, raise, clear, 0, except)
        .map(RuleCondition::Number)
        .map_err(|fault| context.source.fault(context.span.clone(), &fault.message, fault.mend))
}
