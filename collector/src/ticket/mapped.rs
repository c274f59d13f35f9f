//! A ticket system by requests of one's own (`config/tickets/`): GLPI, Jira and whatever else speaks JSON over HTTP.
//!
//! Of what happens there only the status is read: comments have a form of their own everywhere.

use serde_json::Value;

use super::{Opening, Seen};
use ioc_engine::command::{TicketAct, TicketEvent};
use ioc_engine::config::{Mapped, TicketRequest};
use ioc_engine::http::{self, Request, SendError};
use ioc_store::template::{escape_of, fill, percent_encoded, spaced};

/// A connection to such a system, with its session.
pub(super) struct MappedSystem<'a> {
    mapped: &'a Mapped,
    secret: String,
    session: Option<String>,
}

/// What a request is about.
#[derive(Default, Clone, Copy)]
struct About<'a> {
    ticket: &'a str,
    text: &'a str,
    opening: Option<&'a Opening>,
}

impl<'a> MappedSystem<'a> {
    pub(super) const fn new(mapped: &'a Mapped, secret: String) -> Self {
        Self { mapped, secret, session: None }
    }

    /// Sends a request and gives the value its answer holds at the place that the request names.
    async fn ask(&mut self, request: &TicketRequest, about: About<'_>) -> Result<Option<String>, SendError> {
        if let (Some(login), None) = (&self.mapped.session, &self.session) {
            let session = self.exchange(login, About::default()).await?;
            self.session = Some(session.ok_or_else(|| SendError::Later("the answer holds no session".to_owned()))?);
        }
        self.exchange(request, about).await
    }

    async fn exchange(&self, request: &TicketRequest, about: About<'_>) -> Result<Option<String>, SendError> {
        let value = |name: &str| {
            let opening = about.opening;
            let of = |text: fn(&Opening) -> &str| opening.map(|opening| text(opening).to_owned());
            match name {
                "ticket" => Some(about.ticket.to_owned()),
                "text" => Some(about.text.to_owned()),
                "secret" => Some(self.secret.clone()),
                "session" => self.session.clone(),
                "incident" => of(|opening| &opening.incident),
                "subject" => of(|opening| &opening.subject),
                "body" => of(|opening| &opening.body),
                "link" => of(|opening| &opening.link),
                "severity" => of(|opening| opening.severity),
                "priority" => of(|opening| opening.priority),
                "device" => of(|opening| &opening.device),
                _ => None,
            }
        };
        let content_type = &self.mapped.content_type;
        let headers = self.mapped.headers.iter().chain(&request.headers);
        let headers = headers.map(|(name, text)| (name.clone(), fill(text, &value, spaced))).collect();
        let url = fill(&request.url, &value, percent_encoded);
        let body = fill(&request.body, &value, escape_of(content_type));
        let answer =
            http::send(Request { method: &request.method, url: &url, content_type, headers, body: body.into_bytes() })
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

    pub(super) async fn find(&mut self, opening: &Opening) -> Result<Option<String>, SendError> {
        let Some(find) = &self.mapped.find else { return Ok(None) };
        self.ask(find, About { opening: Some(opening), ..About::default() }).await
    }

    pub(super) async fn create(&mut self, opening: &Opening) -> Result<String, SendError> {
        let create = &self.mapped.create;
        let made = self.ask(create, About { opening: Some(opening), ..About::default() }).await?;
        // It may be there all the same; `find` finds it at the next attempt.
        made.ok_or_else(|| SendError::Later(format!("the answer holds no ticket at {:?}", create.answer)))
    }

    pub(super) async fn comment(&mut self, ticket: &str, text: &str, opening: &Opening) -> Result<(), SendError> {
        let Some(comment) = &self.mapped.comment else { return Ok(()) };
        self.ask(comment, About { ticket, text, opening: Some(opening) }).await.map(|_| ())
    }

    pub(super) async fn set(&mut self, ticket: &str, state: &str, opening: &Opening) -> Result<(), SendError> {
        let Some(set) = self.mapped.set.get(state) else { return Ok(()) };
        self.ask(set, About { ticket, text: state, opening: Some(opening) }).await.map(|_| ())
    }

    /// The cursor is the status that was read last.
    pub(super) async fn read(&mut self, ticket: &str, cursor: &str) -> Result<Seen, SendError> {
        let Some(read) = &self.mapped.read else { return Ok(Seen { cursor: cursor.to_owned(), ..Seen::default() }) };
        let status = self.ask(read, About { ticket, ..About::default() }).await?;
        let status =
            status.ok_or_else(|| SendError::Later(format!("the answer holds no status at {:?}", read.answer)))?;
        let act = match self.mapped.meaning.get(&status).map(String::as_str) {
            Some("acknowledge") => Some(TicketAct::Taken(String::new())),
            Some("resolve") => Some(TicketAct::Resolved),
            Some("reopen") => Some(TicketAct::Reopened),
            _ => None,
        };
        // At the first look its status is what it was made with.
        let events = act.filter(|_| !cursor.is_empty() && cursor != status);
        let events = events.map(|act| TicketEvent { who: status.clone(), act }).into_iter().collect();
        Ok(Seen { cursor: status, events })
    }
}
