//! A notice: what to say to people about an incident. Which channels carry it is the collector's matter.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;

use crate::device::DeviceInfo;
use crate::rule::Severity;
use crate::text::Text;

/// Why a notice is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    /// An incident was opened.
    Opened,
    /// It came back.
    Reopened,
    /// The fault is gone.
    Resolved,
}

impl Occasion {
    /// The name used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Reopened => "reopened",
            Self::Resolved => "resolved",
        }
    }
}

/// A notice. It carries all that a channel needs, so that a late delivery says what was true when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// About which incident. Notices of one incident are paired by this.
    pub incident: IncidentId,
    /// The step of the incident that caused it: incident and step make the idempotency key.
    pub step: u32,
    /// Why.
    pub occasion: Occasion,
    /// How bad.
    pub severity: Severity,
    /// Which rule.
    pub rule: String,
    /// The regulation's article.
    pub article: String,
    /// On which device.
    pub device: DeviceInfo,
    /// What is wrong.
    pub title: Text,
    /// Why.
    pub reason: Text,
    /// What to do.
    pub advice: Text,
    /// Since when.
    pub opened_at: Timestamp,
    /// Until when, once resolved.
    pub resolved_at: Option<Timestamp>,
}
