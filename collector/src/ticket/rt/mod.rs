//! Request Tracker 5, by its REST 2 (`config/tickets/rt.toml`).

mod client;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};
use ioc_judge::IncidentState;

use super::incident_state;
use ioc_engine::config::{ConfigContext, ConnectorKind};
use ioc_engine::ticket_client::{TicketClient, TicketConnector};

pub(super) const KIND: ConnectorKind<dyn TicketConnector> =
    ConnectorKind { name: "rt", required: &["url", "queue", "user"], optional: &["status"], check };

/// RT's status for a state of incidents, where the configuration says no other.
const fn status_of(state: IncidentState) -> &'static str {
    match state {
        IncidentState::Open | IncidentState::Acknowledged | IncidentState::Repairing | IncidentState::Reopened => {
            "open"
        }
        IncidentState::Resolved | IncidentState::Closed => "resolved",
    }
}

#[derive(Deserialize)]
struct RtKeys {
    url: Spanned<String>,
    queue: String,
    user: String,
    #[serde(default)]
    status: BTreeMap<Spanned<String>, String>,
}

#[derive(Debug)]
struct RtSystem {
    /// Its address, without `/REST/2.0`.
    url: String,
    /// The queue that tickets go into.
    queue: String,
    /// The name of the user whose token we show: what it writes is not read back.
    user: String,
    /// Its status for each state of incidents.
    status: HashMap<IncidentState, String>,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn TicketConnector>, ConfigError> {
    let form: RtKeys = keys.read()?;
    let url = context.whole_url(form.url)?.trim_end_matches('/').to_owned();
    let mut status: HashMap<IncidentState, String> =
        IncidentState::ALL.into_iter().map(|state| (state, status_of(state).to_owned())).collect();
    for (state, name) in form.status {
        status.insert(incident_state(context, &state)?, name);
    }
    Ok(Arc::new(RtSystem { url, queue: form.queue, user: form.user, status }))
}

impl TicketConnector for RtSystem {
    fn page(&self) -> String {
        format!("{}/Ticket/Display.html?id={{{{ticket}}}}", self.url)
    }

    fn can_find(&self) -> bool {
        true
    }

    fn connect(&self, secret: String) -> Box<dyn TicketClient + '_> {
        Box::new(client::RtClient { rt: self, secret })
    }
}

#[cfg(test)]
mod tests {
    use crate::ticket::testing::{fault, parse};

    #[test]
    fn the_shipped_example_parses() {
        let config = parse(include_str!("../../../../config/tickets/rt.toml")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(config.tickets[0].page, "https://rt.example/Ticket/Display.html?id={{ticket}}");
    }

    #[test]
    fn its_statuses_are_for_our_states() {
        let state = "[[ticket]]\nname = \"rt\"\ntype = \"rt\"\nurl = \"http://rt\"\nqueue = \"q\"\nuser = \"u\"\nstatus = { taken = \"open\" }\n";
        let state = fault(state);
        assert!(state.line == 7 && state.message.contains("acknowledged"), "{state}");
    }
}
