//! Fills the requests' placeholders, sends them, and reads the value that is wanted from their answers.
//!
//! Of what happens there only the status is read: comments have a form of their own everywhere.

use serde_json::Value;

use ioc_judge::IncidentState;

use super::{HttpTicketSystem, RequestTemplate};
use ioc_engine::http::{self, SendError};
use ioc_engine::ticket_client::{Exchange, NewTicket, TicketChanges, TicketClient, TicketEvent};
use ioc_store::template::{escape_of, fill, percent_encoded, spaced};

/// A client of such a system, with its session.
pub(super) struct HttpTicketClient<'a> {
    system: &'a HttpTicketSystem,
    secret: String,
    session: Option<String>,
}

/// What fills the placeholders of a request.
#[derive(Default, Clone, Copy)]
struct RequestValues<'a> {
    ticket: &'a str,
    text: &'a str,
    incident: Option<&'a NewTicket>,
}

impl<'a> HttpTicketClient<'a> {
    pub(super) const fn new(system: &'a HttpTicketSystem, secret: String) -> Self {
        Self { system, secret, session: None }
    }

    /// Sends a request and gives the value its answer holds at the place that the request names.
    async fn ask(&mut self, request: &RequestTemplate, about: RequestValues<'_>) -> Result<Option<String>, SendError> {
        if let (Some(login), None) = (&self.system.session, &self.session) {
            let session = self.exchange(login, RequestValues::default()).await?;
            self.session = Some(session.ok_or_else(|| SendError::Later("the answer holds no session".to_owned()))?);
        }
        self.exchange(request, about).await
    }

    async fn exchange(&self, request: &RequestTemplate, about: RequestValues<'_>) -> Result<Option<String>, SendError> {
        let value = |name: &str| {
            let of = |text: fn(&NewTicket) -> &str| about.incident.map(|incident| text(incident).to_owned());
            match name {
                "ticket" => Some(about.ticket.to_owned()),
                "text" => Some(about.text.to_owned()),
                "secret" => Some(self.secret.clone()),
                "session" => self.session.clone(),
                "incident" => of(|incident| &incident.incident),
                "subject" => of(|incident| &incident.subject),
                "body" => of(|incident| &incident.body),
                "link" => of(|incident| &incident.link),
                "severity" => of(|incident| incident.severity.as_str()),
                "priority" => of(|incident| incident.priority.as_str()),
                "device" => of(|incident| &incident.device),
                _ => None,
            }
        };
        let content_type = &self.system.content_type;
        let headers = self.system.headers.iter().chain(&request.headers);
        let headers = headers.map(|(name, text)| (name.clone(), fill(text, &value, spaced))).collect();
        let url = fill(&request.url, &value, percent_encoded);
        let body = fill(&request.body, &value, escape_of(content_type));
        let answer = http::send(http::Request {
            method: &request.method,
            url: &url,
            content_type,
            headers,
            body: body.into_bytes(),
        })
        .await?;
        if request.answer.is_empty() {
            return Ok(None);
        }
        let answered: Value = serde_json::from_str(&answer)
            .map_err(|error| SendError::Later(format!("the answer is no JSON: {error}: {}", http::short(&answer))))?;
        Ok(match answered.pointer(&request.answer) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        })
    }
}

impl TicketClient for HttpTicketClient<'_> {
    fn find<'c>(&'c mut self, ticket: &'c NewTicket) -> Exchange<'c, Option<String>> {
        Box::pin(async move {
            let Some(find) = &self.system.find else { return Ok(None) };
            self.ask(find, RequestValues { incident: Some(ticket), ..RequestValues::default() }).await
        })
    }

    fn create<'c>(&'c mut self, ticket: &'c NewTicket) -> Exchange<'c, String> {
        Box::pin(async move {
            let create = &self.system.create;
            let made = self.ask(create, RequestValues { incident: Some(ticket), ..RequestValues::default() }).await?;
            // It may be there all the same; `find` finds it at the next attempt.
            made.ok_or_else(|| SendError::Later(format!("the answer holds no ticket at {:?}", create.answer)))
        })
    }

    fn comment<'c>(&'c mut self, ticket: &'c str, text: &'c str, about: &'c NewTicket) -> Exchange<'c, ()> {
        Box::pin(async move {
            let Some(comment) = &self.system.comment else { return Ok(()) };
            self.ask(comment, RequestValues { ticket, text, incident: Some(about) }).await.map(|_| ())
        })
    }

    fn set_state<'c>(&'c mut self, ticket: &'c str, state: IncidentState, about: &'c NewTicket) -> Exchange<'c, ()> {
        Box::pin(async move {
            let Some(set) = self.system.set.get(&state) else { return Ok(()) };
            self.ask(set, RequestValues { ticket, text: state.as_str(), incident: Some(about) }).await.map(|_| ())
        })
    }

    /// The cursor is the status that was read last.
    fn read<'c>(&'c mut self, ticket: &'c str, cursor: &'c str) -> Exchange<'c, TicketChanges> {
        Box::pin(async move {
            let Some(read) = &self.system.read else {
                return Ok(TicketChanges { cursor: cursor.to_owned(), events: Vec::new() });
            };
            let status = self.ask(read, RequestValues { ticket, ..RequestValues::default() }).await?;
            let status =
                status.ok_or_else(|| SendError::Later(format!("the answer holds no status at {:?}", read.answer)))?;
            let action = self.system.meaning.get(&status).map(|meaning| meaning.action());
            // At the first look its status is what it was made with.
            let action = action.filter(|_| !cursor.is_empty() && cursor != status);
            let events = action.map(|action| TicketEvent { who: status.clone(), action }).into_iter().collect();
            Ok(TicketChanges { cursor: status, events })
        })
    }
}
