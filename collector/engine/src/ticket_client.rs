//! What a ticket system is, whatever its kind. The configuration is read here and names ticket systems, so it holds them; how each kind
//! is spoken to is written on top (`collector/src/ticket/`), which hands its kinds in ([`crate::config::ConnectorKinds`]).

use std::fmt;

use futures_util::future::BoxFuture;

use ioc_judge::{IncidentState, Priority, Severity};

use crate::http::SendError;

/// What a new ticket says.
#[derive(Debug, Clone)]
pub struct NewTicket {
    /// The incident's number as people see it, `INC-000012`.
    pub incident: String,
    /// One line, with the incident's number in brackets: a ticket is found by it.
    pub subject: String,
    /// Several lines of plain text.
    pub body: String,
    /// Where the incident is shown.
    pub link: String,
    /// The incident's severity.
    pub severity: Severity,
    /// The incident's priority.
    pub priority: Priority,
    /// The device's name; empty without one.
    pub device: String,
}

/// What has become of a ticket since it was last read.
#[derive(Debug, Default)]
pub struct TicketChanges {
    /// Up to where it was read now.
    pub cursor: String,
    /// What people did there.
    pub events: Vec<TicketEvent>,
}

/// What someone did in a ticket system.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketEvent {
    /// Who, by their name there.
    pub who: String,
    pub action: TicketAction,
}

/// What people do in a ticket system that changes the incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketAction {
    /// They wrote this comment.
    Comment(String),
    /// It was given to this person; to someone whose name is not known when it is empty.
    Assigned(String),
    /// They call it resolved.
    Resolved,
    /// They call it open again.
    Reopened,
}

/// A ticket system with its settings, checked.
pub trait TicketConnector: fmt::Debug + Send + Sync {
    /// Where a person sees a ticket, with `{{ticket}}`, when the configuration does not say it; may be empty.
    fn page(&self) -> String {
        String::new()
    }

    /// Whether a ticket is looked for before it is made, so that making it again after a lost answer makes no second one.
    fn can_find(&self) -> bool;

    /// A client for one exchange of several requests. `secret` is what it wants to see of us.
    fn connect(&self, secret: String) -> Box<dyn TicketClient + '_>;
}

/// What an exchange gives in the end, or why it failed and whether trying again can help.
pub type Exchange<'c, T> = BoxFuture<'c, Result<T, SendError>>;

/// One exchange with a ticket system. What is asked twice because an answer was lost does no harm there.
pub trait TicketClient: Send {
    /// The ticket of this incident, if there is one already.
    fn find<'c>(&'c mut self, ticket: &'c NewTicket) -> Exchange<'c, Option<String>>;

    /// Makes a ticket, and gives its name.
    fn create<'c>(&'c mut self, ticket: &'c NewTicket) -> Exchange<'c, String>;

    /// Writes on a ticket.
    fn comment<'c>(&'c mut self, ticket: &'c str, text: &'c str, about: &'c NewTicket) -> Exchange<'c, ()>;

    /// Brings a ticket into the status for this state of its incident.
    fn set_state<'c>(&'c mut self, ticket: &'c str, state: IncidentState, about: &'c NewTicket) -> Exchange<'c, ()>;

    /// Reads what has become of a ticket since `cursor`, which is empty the first time.
    fn read<'c>(&'c mut self, ticket: &'c str, cursor: &'c str) -> Exchange<'c, TicketChanges>;
}
