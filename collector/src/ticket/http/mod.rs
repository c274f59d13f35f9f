//! A ticket system by requests of one's own (`config/tickets/`): GLPI, Jira and whatever else speaks JSON over HTTP.

mod client;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Spanned, Table};
use ioc_judge::IncidentState;

use super::incident_state;
use ioc_engine::config::{ConfigContext, ConnectorKind, TICKET_PLACEHOLDERS};
use ioc_engine::ticket_client::{TicketAction, TicketClient, TicketConnector};

pub(super) const KIND: ConnectorKind<dyn TicketConnector> = ConnectorKind {
    name: "http",
    required: &["create"],
    optional: &["content_type", "headers", "session", "find", "comment", "set", "read", "meaning"],
    check,
};

/// What a status of theirs can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusMeaning {
    Acknowledge,
    Resolve,
    Reopen,
}

impl StatusMeaning {
    const ALL: [Self; 3] = [Self::Acknowledge, Self::Resolve, Self::Reopen];

    /// The name used in the configuration.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
        }
    }

    /// What somebody did there who brought a ticket into such a status.
    const fn action(self) -> TicketAction {
        match self {
            Self::Acknowledge => TicketAction::Assigned(String::new()),
            Self::Resolve => TicketAction::Resolved,
            Self::Reopen => TicketAction::Reopened,
        }
    }
}

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "PATCH"];

/// A request of one's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestTemplate {
    #[serde(default = "post")]
    method: String,
    url: String,
    #[serde(default)]
    body: String,
    /// Header lines of this request alone.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Where in the answer the wanted value stands: a JSON pointer (RFC 6901).
    #[serde(default)]
    answer: String,
}

fn post() -> String {
    "POST".to_owned()
}

#[derive(Deserialize)]
struct HttpTicketKeys {
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    session: Option<Spanned<RequestTemplate>>,
    find: Option<Spanned<RequestTemplate>>,
    create: Spanned<RequestTemplate>,
    comment: Option<Spanned<RequestTemplate>>,
    #[serde(default)]
    set: BTreeMap<Spanned<String>, Spanned<RequestTemplate>>,
    read: Option<Spanned<RequestTemplate>>,
    #[serde(default)]
    meaning: BTreeMap<String, Spanned<String>>,
}

#[derive(Debug)]
struct HttpTicketSystem {
    /// Type of all bodies.
    content_type: String,
    /// Header lines of all requests.
    headers: BTreeMap<String, String>,
    /// Opens a session; `{{session}}` stands for what its answer holds.
    session: Option<RequestTemplate>,
    /// Looks whether there is a ticket already.
    find: Option<RequestTemplate>,
    /// Makes a ticket.
    create: RequestTemplate,
    /// Says something on a ticket.
    comment: Option<RequestTemplate>,
    /// Brings a ticket into the status for a state of its incident.
    set: HashMap<IncidentState, RequestTemplate>,
    /// Asks for a ticket's status.
    read: Option<RequestTemplate>,
    /// What its statuses mean to us.
    meaning: BTreeMap<String, StatusMeaning>,
}

fn check(context: &ConfigContext<'_>, keys: Table<'_>) -> Result<Arc<dyn TicketConnector>, ConfigError> {
    let form: HttpTicketKeys = keys.read()?;
    let mut meaning = BTreeMap::new();
    for (status, name) in form.meaning {
        meaning.insert(status, status_meaning(context, &name)?);
    }
    let mut set = HashMap::new();
    for (state, request) in form.set {
        set.insert(incident_state(context, &state)?, checked(context, request, false)?);
    }
    for (header, value) in &form.headers {
        context.check_header((header, value), &TICKET_PLACEHOLDERS, context.span())?;
    }
    let optional = |request: Option<Spanned<RequestTemplate>>, answers: bool| {
        request.map(|request| checked(context, request, answers)).transpose()
    };
    Ok(Arc::new(HttpTicketSystem {
        content_type: form.content_type.unwrap_or_else(|| "application/json".to_owned()),
        headers: form.headers,
        session: optional(form.session, true)?,
        find: optional(form.find, true)?,
        create: checked(context, form.create, true)?,
        comment: optional(form.comment, false)?,
        set,
        read: optional(form.read, true)?,
        meaning,
    }))
}

fn status_meaning(context: &ConfigContext<'_>, name: &Spanned<String>) -> Result<StatusMeaning, ConfigError> {
    StatusMeaning::ALL.into_iter().find(|meaning| meaning.as_str() == name.get_ref()).ok_or_else(|| {
        let allowed = StatusMeaning::ALL.map(StatusMeaning::as_str).join(", ");
        let message = format!("found meaning {:?}; allowed are {allowed}", name.get_ref());
        context.fault(name.span(), &message, "choose one of them")
    })
}

/// A request whose parts are what they should be. `answers` says that a value of its answer is needed.
fn checked(
    context: &ConfigContext<'_>,
    request: Spanned<RequestTemplate>,
    answers: bool,
) -> Result<RequestTemplate, ConfigError> {
    let span = request.span();
    let request = request.into_inner();
    for text in [&request.url, &request.body] {
        context.check_placeholders(text, &TICKET_PLACEHOLDERS, span.clone())?;
    }
    for (name, value) in &request.headers {
        context.check_header((name, value), &TICKET_PLACEHOLDERS, span.clone())?;
    }
    if !METHODS.contains(&request.method.as_str()) {
        let message = format!("found method {:?}; allowed are {}", request.method, METHODS.join(", "));
        return Err(context.fault(span, &message, "choose one of them"));
    }
    if answers && !request.answer.starts_with('/') {
        let message = format!("found answer {:?}; required is where the value stands in the answer", request.answer);
        return Err(context.fault(span, &message, "write it as a JSON pointer, like \"/id\""));
    }
    context.whole_url(Spanned::new(span, request.url.clone()))?;
    Ok(request)
}

impl TicketConnector for HttpTicketSystem {
    fn can_find(&self) -> bool {
        self.find.is_some()
    }

    fn connect(&self, secret: String) -> Box<dyn TicketClient + '_> {
        Box::new(client::HttpTicketClient::new(self, secret))
    }
}

#[cfg(test)]
mod tests {
    use crate::ticket::testing::{fault, parse};

    #[test]
    fn the_shipped_examples_parse() {
        for shipped in
            [include_str!("../../../../config/tickets/glpi.toml"), include_str!("../../../../config/tickets/jira.toml")]
        {
            let config = parse(shipped).unwrap_or_else(|e| panic!("{e}"));
            assert!(config.tickets[0].page.contains("{{ticket}}") && config.tickets[0].connector.can_find());
        }
    }

    #[test]
    fn its_requests_say_where_their_answer_stands() {
        let ticket = "[[ticket]]\nname = \"j\"\ntype = \"http\"\n";
        let pointer = fault(&format!("{ticket}create = {{ url = \"http://x\", answer = \"key\" }}\n"));
        assert!(pointer.line == 4 && pointer.mend.contains("JSON pointer"), "{pointer}");
        let create = "create = { url = \"http://x\", answer = \"/key\" }\n";
        let meaning = fault(&format!("{ticket}{create}meaning = {{ Done = \"close\" }}\n"));
        assert!(meaning.line == 5 && meaning.message.contains("acknowledge, resolve, reopen"), "{meaning}");
        let set = fault(&format!("{ticket}{create}[ticket.set]\ntaken = {{ url = \"http://x\" }}\n"));
        assert!(set.line == 6 && set.message.contains("acknowledged"), "{set}");
        let body = fault(&format!("{ticket}{create}read = {{ url = \"http://x/{{{{number}}}}\", answer = \"/s\" }}\n"));
        assert!(body.line == 5 && body.message.contains("number"), "{body}");
    }
}
