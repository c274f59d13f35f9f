//! A fault: a rule that is broken on a device, from when to when, and why.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};

use crate::authenticity::InformationSource;
use crate::severity::Severity;
use crate::text::Text;

/// Where a fault stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultState {
    /// It is bad now.
    Raised,
    /// It is bad now, and comes and goes so often that nobody is told of each time.
    Flapping,
    /// It was bad when last heard of; whether it still is, nobody knows.
    Unknown,
    /// It was bad, and is not any more.
    Cleared,
    /// It came and went inside a backlog: logged, and nobody was woken.
    Past,
}

impl FaultState {
    /// The name used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Flapping => "flapping",
            Self::Unknown => "unknown",
            Self::Cleared => "cleared",
            Self::Past => "past",
        }
    }

    /// Whether the fault has not ended.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Raised | Self::Flapping | Self::Unknown)
    }
}

/// A rule that is broken on a device, from when to when.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its number, unique among faults.
    pub id: FaultId,
    pub device: DeviceId,
    /// The rule's identifier.
    pub rule: String,
    /// The series, or an empty text for the device as a whole.
    pub series: String,
    pub severity: Severity,
    /// Whether it is raised, cleared, or nobody knows.
    pub state: FaultState,
    /// Since when the rule was broken, on the collector's clock.
    pub raised_at: Timestamp,
    /// When it was good again.
    pub cleared_at: Option<Timestamp>,
    /// The value that raised it.
    pub value: Option<f64>,
    /// Why it was raised, and why it was cleared.
    pub reason: Text,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// What is wrong, where no rule of ours says it: another system's alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// Who says so, where no rule of ours does: another system, or a job on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<InformationSource>,
    /// What it is a part of, where many devices have the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matter: Option<Box<Matter>>,
}

/// One thing that is wrong on many devices: their faults stand under one incident, which is about none of them.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matter {
    /// What tells it from others: the cause of its incident.
    pub key: String,
    pub title: Text,
    /// Why it is one, without a word of any single device.
    pub reason: Text,
    pub advice: Text,
    /// The article that it breaks.
    pub article: String,
}

impl Fault {
    /// One that is raised at `at`, in no incident yet, on the series of a device that a rule names.
    pub(crate) fn raised(
        id: FaultId,
        (device, rule, series): (DeviceId, String, String),
        severity: Severity,
        at: Timestamp,
        reason: Text,
    ) -> Self {
        Self {
            id,
            device,
            rule,
            series,
            severity,
            state: FaultState::Raised,
            raised_at: at,
            cleared_at: None,
            value: None,
            reason,
            incident: None,
            title: None,
            source: None,
            matter: None,
        }
    }
}
