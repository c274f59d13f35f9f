//! Where each rule stands on each series of a device.

use std::collections::VecDeque;
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::layout::{Layout, Series};

use crate::device::DeviceInfo;
use crate::fault::Fault;
use crate::rule::threshold::Measure;
use crate::rule::{RuleKind, RuleSet};

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

/// Where a rule stands on one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum SeriesState {
    /// Good.
    #[default]
    Good,
    /// Beyond the limit, not yet for long enough.
    Pending { since: Timestamp },
    /// Bad.
    Raised(Box<Fault>),
}

/// What a rule that looks at change remembers of one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SampleWindow(VecDeque<(Timestamp, f64)>);

/// Fewer moments than this say nothing about where a value is going.
const MOMENTS_MIN: usize = 6;
/// Most moments that are remembered: a window is kept in steps of a thirtieth.
const MOMENTS_MAX: usize = 32;

impl SampleWindow {
    /// The number that a rule looks at, of the value at `at`; none while nothing can be said.
    pub(crate) fn measured(&mut self, measure: Measure, value: f64, at: Timestamp) -> Option<f64> {
        match measure {
            Measure::Value => Some(value),
            Measure::Rise { within_ms } => self.window(within_ms, value, at).map(|(lowest, _)| value - lowest),
            Measure::Fall { within_ms } => self.window(within_ms, value, at).map(|(_, highest)| highest - value),
            Measure::Forecast { within_ms, ahead_ms } => {
                self.window(within_ms, value, at)?;
                self.forecast(within_ms, ahead_ms, value, at)
            }
            Measure::Missing => self.unknown(true, at),
            Measure::Unchanged => {
                // What stands equal to the last bit for hours is a sensor that no longer measures; since when, in seconds.
                let same = self.0.front().is_some_and(|(since, before)| *before == value && at >= *since);
                if !same {
                    self.0.clear();
                    self.0.push_back((at, value));
                }
                self.0.front().map(|(since, _)| at.millis_since(*since) as f64 / 1000.0)
            }
        }
    }

    /// For how many seconds a value has not been known, now that it is known or not.
    pub(crate) fn unknown(&mut self, known: bool, at: Timestamp) -> Option<f64> {
        if known || self.0.front().is_none_or(|(since, _)| at < *since) {
            self.0.clear();
            self.0.push_back((at, 0.0));
        }
        self.0.front().map(|(since, _)| at.millis_since(*since) as f64 / 1000.0)
    }

    /// The straight line of least squares through what is remembered, and where it leads. Nothing is said before half of the time
    /// to look back has been seen.
    fn forecast(&self, within_ms: i64, ahead_ms: i64, value: f64, at: Timestamp) -> Option<f64> {
        let first = self.0.front().map(|(moment, _)| *moment)?;
        if at.millis_since(first) * 2 < within_ms || self.0.len() < MOMENTS_MIN {
            return None;
        }
        // Hours from now, so that numbers stay small.
        let hours = |moment: Timestamp| moment.millis_since(at) as f64 / 3_600_000.0;
        let points = || self.0.iter().map(|(moment, value)| (hours(*moment), *value)).chain([(0.0, value)]);
        let count = points().count() as f64;
        let (sum_x, sum_y) = points().fold((0.0, 0.0), |(sum_x, sum_y), (x, y)| (sum_x + x, sum_y + y));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (above, below) = points().fold((0.0, 0.0), |(above, below), (x, y)| {
            (above + (x - mean_x) * (y - mean_y), below + (x - mean_x) * (x - mean_x))
        });
        let slope = if below > 0.0 { above / below } else { 0.0 };
        Some(mean_y + slope * (ahead_ms as f64 / 3_600_000.0 - mean_x))
    }

    /// The lowest and the highest value within the window before `at`.
    fn window(&mut self, within_ms: i64, value: f64, at: Timestamp) -> Option<(f64, f64)> {
        if self.0.back().is_some_and(|(last, _)| at < *last) {
            // A clock that stepped back begins anew.
            self.0.clear();
        }
        while self.0.front().is_some_and(|(moment, _)| at.millis_since(*moment) > within_ms) {
            self.0.pop_front();
        }
        let bounds = |(low, high): (f64, f64), (_, v): &(Timestamp, f64)| (low.min(*v), high.max(*v));
        let found = self.0.iter().fold((value, value), bounds);
        if self.0.back().is_none_or(|(last, _)| at.millis_since(*last) * 30 >= within_ms) {
            if self.0.len() >= MOMENTS_MAX {
                self.0.pop_front();
            }
            self.0.push_back((at, value));
        }
        Some(found)
    }

    /// The clock was stepped: what is remembered is as long ago as it was.
    pub(crate) fn shift(&mut self, by_ms: i64) {
        self.0.iter_mut().for_each(|(at, _)| *at = at.plus_millis(by_ms));
    }

    /// The next value follows a silence: nobody knows whether it stood still meanwhile. How far it moved since is known all the same.
    pub(crate) fn forget(&mut self, measure: Measure) {
        if matches!(measure, Measure::Unchanged | Measure::Missing) {
            self.0.clear();
        }
    }
}

/// Binds every rule that is for a device to the series of its layout.
pub(crate) fn bind(rules: &RuleSet, layout: &Layout, info: &DeviceInfo) -> Arc<[Binding]> {
    let mut bindings = Vec::new();
    for rule in rules.for_device(info) {
        let RuleKind::Threshold(threshold) = &rules.rules()[usize::from(rule)].kind else { continue };
        if let Some(source) = ValueSource::computed(threshold.metric.name) {
            bindings.push(Binding { rule, source });
            continue;
        }
        for (at, series) in layout.series().iter().enumerate() {
            if let (true, Ok(at)) = (threshold.applies_to(series.metric(), series.subject()), u16::try_from(at)) {
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
