//! The threshold rule: a number beyond a limit for some time, cleared by a second limit (hysteresis). The number is the value
//! itself, how fast it rises or falls, what it is going to be, how long it has stood still or has not been known ([`Measure`]).

use serde::Deserialize;

use ioc_common::metric::Metric;

/// One side of a rule: `{ above = 90 }` or `{ below = 10 }`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Limit {
    /// Beyond when larger.
    Above(f64),
    /// Beyond when smaller.
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

    /// The number.
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
        /// The time, milliseconds.
        within_ms: i64,
    },
    /// How far it fell below its highest within a time (kind `rate`).
    Fall {
        /// The time, milliseconds.
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

/// A checked threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Which number is judged.
    pub measure: Measure,
    /// The metric.
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
