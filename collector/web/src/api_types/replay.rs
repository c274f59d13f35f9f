//! What rules said of a device's history, would have said, or cannot say.

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_engine::{replay as inside, unjudged};

use super::incident::FaultState;
use super::{Text, all, names};

names! {
    /// How finely something is kept.
    Tier is ioc_store::history::Tier {
        /// As it was reported.
        Raw = "raw",
        /// Five minutes as one.
        FiveMinutes = "5m",
        /// An hour as one.
        Hour = "1h",
    }
}

/// A decision.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Decision {
    /// When the report that decided was taken.
    at: Timestamp,
    /// About which series.
    series: String,
    /// Where the fault stands from then on.
    state: FaultState,
    /// The value that decided.
    value: Option<f64>,
    /// Why, with the value and the threshold, for a person.
    reason: Text,
}

impl From<inside::Decision> for Decision {
    fn from(inside: inside::Decision) -> Self {
        Self {
            at: inside.at,
            series: inside.series,
            state: inside.state.into(),
            value: inside.value,
            reason: inside.reason.into(),
        }
    }
}

/// What came of a replay.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Replay {
    /// How many reports were judged.
    reports: usize,
    /// When the first of them was taken.
    from: Option<Timestamp>,
    /// When the last of them was taken.
    until: Option<Timestamp>,
    /// What was decided, in order.
    decisions: Vec<Decision>,
}

impl From<inside::Replay> for Replay {
    fn from(inside: inside::Replay) -> Self {
        Self { reports: inside.reports, from: inside.from, until: inside.until, decisions: all(inside.decisions) }
    }
}

/// A rule that cannot be judged on a device.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Unjudged {
    /// Name of the rule.
    rule: String,
    /// What it would say is wrong.
    title: Text,
    /// The metric that is not known.
    metric: String,
    /// Of what, such as a disk or a job; empty where the metric is of the machine, or where that would name a person.
    subjects: Vec<String>,
    /// Since when; none where it was not known within the last eight days.
    since: Option<Timestamp>,
    /// Why the metric is not known, for a person.
    why: Text,
}

impl From<unjudged::Unjudged> for Unjudged {
    fn from(inside: unjudged::Unjudged) -> Self {
        Self {
            rule: inside.rule,
            title: inside.title.into(),
            metric: inside.metric,
            subjects: inside.subjects,
            since: inside.since,
            why: inside.why.into(),
        }
    }
}
