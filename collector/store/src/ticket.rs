//! Incidents on their way to ticket systems.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_judge::IncidentState;

/// What a ticket system knows of an incident.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRecord {
    /// The ticket system, by its name in the configuration.
    pub system: String,
    pub incident: IncidentId,
    /// The ticket's name there; empty until there is one.
    pub ticket: String,
    /// The last step of the timeline that was carried there.
    pub step: u32,
    /// The incident's state as it was last set there; none where that must be done anew.
    pub state: Option<IncidentState>,
    /// Up to where it was read, in the system's own terms.
    pub seen: String,
    /// Attempts that failed since the last that did not.
    pub attempts: u32,
    /// When to try next.
    pub next_at: Timestamp,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// Which tickets to list.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Copy)]
pub enum TicketQuery<'a> {
    /// What one system is to be told now, the longest due first.
    Due {
        /// The ticket system's name.
        system: &'a str,
        now: Timestamp,
    },
    /// Tickets of one system whose incident is not closed.
    Open {
        /// The ticket system's name.
        system: &'a str,
    },
    /// Those of one incident.
    Of(IncidentId),
}
