//! Where each rule stands on each series of a device.

use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::layout::{Layout, Series};

use crate::device::DeviceKind;
use crate::fault::Fault;
use crate::rule::{RuleKind, RuleSet};

/// A rule bound to a place in a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Index in the rule set.
    pub(crate) rule: u16,
    /// Where its value comes from.
    pub(crate) source: Source,
}

/// Where a bound rule's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// This place in the sample.
    Series(u16),
    /// Computed by the collector from the envelope.
    ClockError,
}

/// Where a rule stands on one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Track {
    /// Good.
    #[default]
    Good,
    /// Beyond the limit, not yet for long enough.
    Pending { since: Timestamp },
    /// Bad.
    Raised(Box<Fault>),
}

/// Binds every rule that is for a device to the series of its layout.
pub(crate) fn bind(rules: &RuleSet, layout: &Layout, kind: DeviceKind, device: &str) -> Arc<[Binding]> {
    let mut bindings = Vec::new();
    for (rule, one) in rules.rules().iter().enumerate() {
        let (RuleKind::Threshold(threshold), Ok(rule)) = (&one.kind, u16::try_from(rule)) else { continue };
        if !one.covers(kind, device) {
            continue;
        }
        if threshold.metric.name == CLOCK_ERROR {
            bindings.push(Binding { rule, source: Source::ClockError });
            continue;
        }
        for (at, series) in layout.series().iter().enumerate() {
            if let (true, Ok(at)) = (threshold.judges(series.metric(), series.subject()), u16::try_from(at)) {
                bindings.push(Binding { rule, source: Source::Series(at) });
            }
        }
    }
    bindings.into()
}

/// The name under which a fault of this source is kept.
pub(crate) fn series_name(source: Source, layout: &Layout) -> &str {
    match source {
        Source::Series(at) => layout.series().get(usize::from(at)).map_or("", Series::as_str),
        Source::ClockError => CLOCK_ERROR,
    }
}

/// The metric that the collector itself computes.
pub(crate) const CLOCK_ERROR: &str = "clock.error";
