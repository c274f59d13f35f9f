//! Where each rule stands on each series of a device.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::layout::{Layout, Series};

use crate::device::DeviceInfo;
use crate::fault::Fault;
use crate::rule::{RuleCondition, RuleSet};

/// A rule bound to a place in a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Index in the rule set.
    pub(crate) rule: u16,
    /// Where its value comes from.
    pub(crate) source: ValueSource,
}

/// Where a bound rule's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ValueSource {
    /// This place in the sample.
    Series(u16),
    /// Computed by the collector from the envelope.
    ClockError,
    /// Counted by the collector from the order of reports.
    Lost,
    /// Told by the device.
    Thinned,
}

impl ValueSource {
    /// The source of a metric that the collector itself computes.
    fn computed(metric: &str) -> Option<Self> {
        match metric {
            CLOCK_ERROR => Some(Self::ClockError),
            LOST => Some(Self::Lost),
            THINNED => Some(Self::Thinned),
            _ => None,
        }
    }
}

/// Whether the collector itself computes a metric, from how reports come and not from what they say.
pub(crate) fn is_computed(metric: &str) -> bool {
    ValueSource::computed(metric).is_some()
}

/// Where a rule stands on one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum SeriesState {
    /// Within the limit.
    #[default]
    Good,
    /// Beyond the limit, not yet for long enough.
    Pending { since: Timestamp },
    /// A fault is raised.
    Raised(Box<Fault>),
}

/// Binds every rule that is for a device to the series of its layout.
pub(crate) fn bind(rules: &RuleSet, layout: &Layout, info: &DeviceInfo) -> Arc<[Binding]> {
    let mut bindings = Vec::new();
    for rule in rules.for_device(info) {
        let RuleCondition::Number(condition) = &rules.rules()[usize::from(rule)].condition else { continue };
        if let Some(source) = ValueSource::computed(condition.metric.name) {
            bindings.push(Binding { rule, source });
            continue;
        }
        for (at, series) in layout.series().iter().enumerate() {
            if let (true, Ok(at)) = (condition.applies_to(series.metric(), series.subject()), u16::try_from(at)) {
                bindings.push(Binding { rule, source: ValueSource::Series(at) });
            }
        }
    }
    bindings.into()
}

/// The name under which a fault of this source is kept.
pub(crate) fn series_name(source: ValueSource, layout: &Layout) -> &str {
    match source {
        ValueSource::Series(at) => layout.series().get(usize::from(at)).map_or("", Series::as_str),
        ValueSource::ClockError => CLOCK_ERROR,
        ValueSource::Lost => LOST,
        ValueSource::Thinned => THINNED,
    }
}

/// The metrics that the collector itself computes.
pub(crate) const LOST: &str = "reports.lost";
pub(crate) const THINNED: &str = "reports.thinned";
pub(crate) const CLOCK_ERROR: &str = "clock.error";
