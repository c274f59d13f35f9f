//! An incident: what people work on. One per device and rule, whatever the number of faults under it.
//!
//! `open → acknowledged → repairing → resolved → closed`, plus `reopened`. The gates of article 10.2 on *repairing* and
//! *closed* belong here too; until they are built, neither state can be entered.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};

use crate::rule::Severity;
use crate::text::Text;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentState {
    /// Nobody has taken it yet.
    Open,
    /// Someone has taken it.
    Acknowledged,
    /// Being repaired (article 10.2a and b).
    Repairing,
    /// The fault is gone.
    Resolved,
    /// Course and remedy are on record (article 10.2c).
    Closed,
    /// The fault came back.
    Reopened,
}

impl IncidentState {
    /// The name used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Repairing => "repairing",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::Reopened => "reopened",
        }
    }

    /// Whether someone still has to do something about the fault.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Open | Self::Acknowledged | Self::Repairing | Self::Reopened)
    }
}

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Number.
    pub id: IncidentId,
    /// On which device.
    pub device: DeviceId,
    /// Which rule.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// Where it stands.
    pub state: IncidentState,
    /// What is wrong.
    pub title: Text,
    /// Why it was opened.
    pub reason: Text,
    /// What to do.
    pub advice: Text,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When someone took it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who took it.
    pub acknowledged_by: Option<String>,
    /// When the fault was gone.
    pub resolved_at: Option<Timestamp>,
    /// Faults under it that are still raised.
    pub raised: Vec<FaultId>,
    /// How many steps its timeline has; numbers the steps and the notices.
    pub steps: u32,
}

/// One step of an incident's timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Which incident.
    pub incident: IncidentId,
    /// Number within the incident, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Who; empty for the collector itself.
    pub who: String,
    /// The state after it.
    pub state: IncidentState,
    /// What happened and why.
    pub note: Text,
}

/// Why a person's action on an incident was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such incident.
    #[error("there is no incident {0}")]
    Unknown(IncidentId),
    /// It cannot be done in this state.
    #[error("incident {incident} is {}; it can be acknowledged while it is open or reopened", state.as_str())]
    State {
        /// Which.
        incident: IncidentId,
        /// Where it stands.
        state: IncidentState,
    },
}
