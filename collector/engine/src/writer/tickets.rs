//! Tickets of incidents: when they are due, and what people say of them there.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_judge::Action;

use super::Engine;
use crate::command::Answer;
use crate::ticket_client::{TicketAction, TicketEvent};
use ioc_store::template::one_line;
use ioc_store::{Change, TicketRecord};

/// Longest name of who did it there.
const LINE_MAX_CHARS: usize = 200;

impl Engine {
    /// Has the ticket systems that an incident belongs into carry its newest step.
    pub(super) fn tell_ticket_systems(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incident(incident) else { return };
        for system in self.config.tickets.iter().filter(|system| known.severity >= system.min_severity) {
            self.batch.notices = true;
            self.batch.changes.push(Change::TicketDue { system: system.name.clone(), incident });
        }
    }

    /// Has what waits for a ticket system that is not configured any more wait no longer: nobody would ever tell it, and its incidents would never end.
    pub(super) fn watch_tickets(&mut self) {
        let systems = self.config.tickets.iter().map(|system| system.name.clone()).collect();
        self.batch.changes.push(Change::TicketSystems(systems));
    }

    /// Does what people did in a ticket system. What is refused is answered there, and the ticket is set back.
    pub(super) fn ticket(
        &mut self,
        mut record: TicketRecord,
        events: Vec<TicketEvent>,
        now: Timestamp,
    ) -> super::CommandResult {
        let id = record.incident;
        self.batch.visible = true;
        for event in events {
            self.recall(id)?;
            let Some(state) = self.state.incident(id).map(|incident| incident.state) else { break };
            let who = one_line(&format!("{}:{}", record.system, event.who), LINE_MAX_CHARS);
            let mut actions = Vec::new();
            match event.action {
                TicketAction::Comment(text) => actions.push(Action::Comment { text }),
                TicketAction::Assigned(person) => {
                    if state.is_untaken() {
                        actions.push(Action::Acknowledge { note: String::new() });
                    }
                    if !person.is_empty() {
                        let unit = self.state.incident(id).map(|incident| incident.record.unit.clone());
                        actions.push(Action::Assign { unit: unit.unwrap_or_default(), person });
                    }
                }
                TicketAction::Resolved if state.is_active() => actions.push(Action::Resolve { note: String::new() }),
                TicketAction::Reopened if !state.is_active() => {
                    actions
                        .push(Action::Reopen { note: format!("Mở lại ở {0} / Reopened in {0}.", record.system) });
                }
                TicketAction::Resolved | TicketAction::Reopened => {}
            }
            for action in actions {
                let moves = matches!(action, Action::Resolve { .. } | Action::Reopen { .. });
                let Err(refusal) = self.act(id, action, &who, now) else {
                    // It stands there already, and may have gone on since.
                    if let Some(incident) = self.state.incident(id).filter(|_| moves) {
                        record.state = Some(incident.state);
                    }
                    continue;
                };
                // Said in the system's own name, so that it is carried back there.
                let text = format!("{who}: {refusal}");
                if let Err(error) = self.act(id, Action::Comment { text }, &record.system, now) {
                    tracing::warn!(incident = %id, %error, "what was done on a ticket could not be written down");
                }
                record.state = None;
            }
        }
        self.batch.changes.push(Change::Ticket(record));
        Ok(Answer::Done)
    }
}
