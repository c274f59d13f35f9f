//! The colours of the pages, by how something is: the classes of `static/app.css` and the texts `tone-*` have the same names.

use std::fmt;

use ioc_judge::{Incident, Severity};

use crate::api_types::device::DeviceState;

/// A colour, by what it says; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Someone must act now.
    Bad,
    /// Someone must look at it.
    Warning,
    /// Not there, by its own word or because it was never heard; or only worth knowing.
    Away,
    /// In the hands of maintenance.
    Planned,
    /// As it should be.
    Good,
}

impl Tone {
    /// The class of the style sheet, and the end of the text's key.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Away => "away",
            Self::Planned => "planned",
        }
    }

    /// Of a device in this state, whose worst open fault is of this severity.
    pub(crate) const fn of_device(state: DeviceState, worst: Option<Severity>) -> Self {
        match (state, worst) {
            (DeviceState::Silent | DeviceState::HostDown, _) | (_, Some(Severity::Critical)) => Self::Bad,
            (DeviceState::Suspect | DeviceState::Stale, _) | (_, Some(Severity::Warning)) => Self::Warning,
            (DeviceState::Away | DeviceState::NeverSeen, Some(Severity::Info) | None) => Self::Away,
            (DeviceState::Live, Some(Severity::Info) | None) => Self::Good,
        }
    }

    /// Of an incident: one that is over is good.
    pub(crate) const fn of_incident(incident: &Incident) -> Self {
        match (incident.state.is_active(), incident.severity) {
            (false, _) => Self::Good,
            (true, Severity::Critical) => Self::Bad,
            (true, Severity::Warning | Severity::Info) => Self::Warning,
        }
    }
}

impl fmt::Display for Tone {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.as_str())
    }
}
