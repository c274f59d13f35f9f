//! How bad something is, and how urgent.

use serde::{Deserialize, Serialize};

use crate::device::Importance;

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; opens no incident.
    Info,
    /// Someone must look at it.
    Warning,
    /// Someone must act now.
    Critical,
}

impl Severity {
    /// From the least to the worst.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The name used in configuration, API and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How urgent an incident is: its severity and the importance of its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub enum Priority {
    /// To be taken at once.
    P1,
    /// To be taken soon.
    P2,
    /// To be taken today.
    #[default]
    P3,
    /// When there is time.
    P4,
}

impl Priority {
    /// The priority of a fault of this severity on a device of this importance.
    #[must_use]
    pub const fn of(severity: Severity, importance: Importance) -> Self {
        match (severity, importance) {
            (Severity::Critical, Importance::High) => Self::P1,
            (Severity::Critical, Importance::Normal) | (Severity::Warning, Importance::High) => Self::P2,
            (Severity::Critical, Importance::Low) | (Severity::Warning, Importance::Normal) => Self::P3,
            (Severity::Warning, Importance::Low) | (Severity::Info, _) => Self::P4,
        }
    }

    /// The name used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
        }
    }
}
