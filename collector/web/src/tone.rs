//! The colours of the pages: how something is, at a glance. The classes of `static/app.css` have the same names, and so have the texts
//! `tone-*` and `wall-*`.

use std::fmt;

use ioc_judge::{Incident, Severity};

use super::api_types::device::DeviceState;

/// A colour, by what it says; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
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
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Away => "away",
            Self::Planned => "planned",
        }
    }

    /// Of a device in this state, whose worst open fault is of this severity.
    pub(super) const fn of_device(state: DeviceState, worst: Option<Severity>) -> Self {
        match (state, worst) {
            (DeviceState::Silent | DeviceState::HostDown, _) | (_, Some(Severity::Critical)) => Self::Bad,
            (DeviceState::Suspect | DeviceState::Stale, _) | (_, Some(Severity::Warning)) => Self::Warning,
            (DeviceState::Away | DeviceState::NeverSeen, Some(Severity::Info) | None) => Self::Away,
            (DeviceState::Live, Some(Severity::Info) | None) => Self::Good,
        }
    }

    /// Of an incident: one that is over is good.
    pub(super) const fn of_incident(incident: &Incident) -> Self {
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
