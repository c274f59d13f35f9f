//! What the kinds share that judge a number of a series: its limits with their gap (hysteresis), how long it must be beyond them, and the
//! sentence that says why. Which number it is and what is said of it is the kind's (`Measure`).

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::metric::Metric;
use ioc_common::report::StateText;

use super::comparable::Comparable;
use super::sample_window::SampleWindow;
use super::words::{self, Said};
use crate::text::Text;

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

    /// In words: *trên* what is above it, *dưới* what is below.
    pub(super) const fn beyond(self) -> (&'static str, &'static str) {
        match self {
            Self::Above(_) => ("trên", "above"),
            Self::Below(_) => ("dưới", "below"),
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

/// Which number of a series a kind judges, and how it says why.
pub(super) trait Measure: Comparable + fmt::Debug + Send + Sync {
    /// What sort of number it is.
    fn quantity(&self) -> Quantity;

    /// The number, of the value at `at` where one is known; none while nothing can be said.
    fn number(&self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64>;

    /// Whether a value that is not known is what it looks at.
    fn judges_unknown(&self) -> bool {
        false
    }

    /// Why a fault is raised.
    fn raised_reason(&self, words: &ReasonParts<'_>) -> Text;

    /// When one is, by this limit: a sentence without its end.
    fn says(&self, metric: &Metric, limit: &Said, raise: Limit) -> Text;

    /// Why it is cleared, by this number with its unit.
    fn cleared_reason(&self, _: &Metric, number: &Said) -> Text {
        Text::new(format!("Trở lại bình thường: {}.", number.vi), format!("Back to normal: {}.", number.en))
    }
}

/// What sort of number a [`Measure`] gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// A value of the metric: within its range, in its unit.
    Value,
    /// By how much it differs from another: in the metric's unit.
    Difference,
    /// How many seconds something has lasted.
    Duration,
}

/// The parts of a sentence about a number.
pub(super) struct ReasonParts<'r> {
    pub(super) metric: &'r Metric,
    /// The subject in brackets, after a space; empty for the device as a whole.
    pub(super) subject: String,
    /// With its unit, as the limit.
    pub(super) value: Said,
    pub(super) limit: Said,
    pub(super) raise: Limit,
    /// How long it was beyond the limit before it was raised, milliseconds.
    pub(super) hold_ms: i64,
}

/// A checked rule about a number of a series.
#[derive(Debug, Clone)]
pub struct NumberRule {
    /// Which number is judged.
    pub(super) measure: Arc<dyn Measure>,
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

impl PartialEq for NumberRule {
    fn eq(&self, other: &Self) -> bool {
        let Self { measure, metric, raise, clear, hold_ms, except } = self;
        measure.is_equal(other.measure.as_any())
            && (*metric, raise, clear) == (other.metric, &other.raise, &other.clear)
            && (hold_ms, except) == (&other.hold_ms, &other.except)
    }
}

/// Why such limits are not allowed.
#[derive(Debug)]
pub(super) struct LimitError {
    pub(super) in_clear: bool,
    pub(super) message: String,
    pub(super) mend: &'static str,
}

impl NumberRule {
    pub(super) fn new(
        measure: Arc<dyn Measure>,
        metric: &'static Metric,
        raise: Limit,
        clear: Limit,
        hold_ms: i64,
        except: Vec<String>,
    ) -> Result<Self, LimitError> {
        for (in_clear, limit) in [(false, raise), (true, clear)] {
            if measure.quantity() == Quantity::Value && !metric.plausible(limit.number()) {
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

    /// The number that is judged, of the value at `at` where one is known; none while nothing can be said.
    pub(crate) fn number(&self, window: &mut SampleWindow, value: Option<f64>, at: Timestamp) -> Option<f64> {
        self.measure.number(window, value, at)
    }

    /// Whether a value that is not known is what it looks at.
    pub(crate) fn judges_unknown(&self) -> bool {
        self.measure.judges_unknown()
    }

    /// The next value follows a silence: nobody knows whether it stood still meanwhile. How far it moved since is known all the same.
    pub(crate) fn after_silence(&self, window: &mut SampleWindow) {
        if self.measure.quantity() == Quantity::Duration {
            window.clear();
        }
    }

    /// Why a fault is raised on a series, by this value. `texts` are the device's own words for its numbers.
    pub(crate) fn raised_reason(&self, series: &str, value: f64, texts: &[StateText]) -> Text {
        let subject = series.split_once('|').map_or("", |(_, subject)| subject);
        let full = self.raised_text(series, subject, value, texts);
        if subject.is_empty() || !self.metric.is_personal() {
            return full;
        }
        // Everyone may read that it is an account, and who may see whose reads it on the page.
        let mut shown = self.raised_text(series, "", value, &[]);
        shown.vi.push_str(" Tài khoản nào: xem ở trang sự cố.");
        shown.en.push_str(" Whose account: see the incident's page.");
        Text::personal((full.vi, full.en), (shown.vi, shown.en))
    }

    /// Why a fault is cleared, by this value.
    pub(crate) fn cleared_reason(&self, value: f64) -> Text {
        self.measure.cleared_reason(self.metric, &self.amount(value))
    }

    fn raised_text(&self, series: &str, subject: &str, value: f64, texts: &[StateText]) -> Text {
        if let Some(text) = texts.iter().find(|text| text.series == series) {
            return Text::new(format!("Thiết bị báo: {}.", text.vi), format!("The device reports: {}.", text.en));
        }
        let words = ReasonParts {
            metric: self.metric,
            subject: if subject.is_empty() { String::new() } else { format!(" ({subject})") },
            value: self.amount(value),
            limit: self.amount(self.raise.number()),
            raise: self.raise,
            hold_ms: self.hold_ms,
        };
        self.measure.raised_reason(&words)
    }

    /// A number that is judged, with its unit.
    fn amount(&self, value: f64) -> Said {
        match self.measure.quantity() {
            Quantity::Duration => words::lasted(value),
            Quantity::Value | Quantity::Difference => words::amount(value, self.metric),
        }
    }

    /// When it raises a fault, without how long it must hold: a sentence without its end.
    pub(super) fn says(&self) -> Text {
        self.measure.says(self.metric, &self.amount(self.raise.number()), self.raise)
    }
}
