//! Ticket systems: where incidents are kept a second time, for those who work there.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Span, SpanWithin, Spanned};
use ioc_judge::Severity;

use ioc_store::TicketRecord;
use ioc_store::template::percent_encoded;

use super::Config;
use super::channel::{check_header, check_places, shaped, warning, whole_url};

/// A ticket system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketSystem {
    /// Name, unique.
    pub name: String,
    /// Incidents below this get no ticket.
    pub min_severity: Severity,
    /// How often it is asked what became of its tickets.
    pub every: SpanWithin<5_000, 86_400_000>,
    /// Where a person sees a ticket, with `{{ticket}}`; may be empty.
    pub page: String,
    /// File with what it wants to see of us.
    pub secret_file: Option<PathBuf>,
    /// How it is spoken to.
    pub kind: TicketKind,
}

/// How a ticket system is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TicketKind {
    /// Request Tracker 5, by its REST 2.
    Rt {
        /// Its address, without `/REST/2.0`.
        url: String,
        /// The queue that tickets go into.
        queue: String,
        /// The name of the user whose token we show: what it writes is not read back.
        user: String,
        /// Its status for each of our states.
        status: BTreeMap<String, String>,
    },
    /// Any other, by requests of one's own.
    Http(Box<Mapped>),
}

/// Requests of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Type of all bodies.
    pub content_type: String,
    /// Header lines of all requests.
    pub headers: BTreeMap<String, String>,
    /// Opens a session; `{{session}}` stands for what its answer holds.
    pub session: Option<TicketRequest>,
    /// Looks whether there is a ticket already.
    pub find: Option<TicketRequest>,
    /// Makes a ticket.
    pub create: TicketRequest,
    /// Says something on a ticket.
    pub comment: Option<TicketRequest>,
    /// Brings a ticket into the state that fits ours, by our states.
    pub set: BTreeMap<String, TicketRequest>,
    /// Asks for a ticket's status.
    pub read: Option<TicketRequest>,
    /// What its statuses mean to us: acknowledge, resolve or reopen.
    pub meaning: BTreeMap<String, String>,
}

/// A request of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TicketRequest {
    /// `GET`, `POST`, `PUT` or `PATCH`.
    #[serde(default = "post")]
    pub method: String,
    /// Where.
    pub url: String,
    /// The body.
    #[serde(default)]
    pub body: String,
    /// Header lines of this request alone.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Where in the answer the wanted value stands: a JSON pointer (RFC 6901).
    #[serde(default)]
    pub answer: String,
}

fn post() -> String {
    "POST".to_owned()
}

/// What may stand between double braces in a request to a ticket system.
const TICKET_PLACES: [&str; 11] =
    ["ticket", "incident", "subject", "body", "text", "link", "severity", "priority", "device", "secret", "session"];

/// The names of our states that a ticket can be brought into.
const STATES: [&str; 6] = ["open", "acknowledged", "repairing", "resolved", "closed", "reopened"];
/// What a status of theirs can mean.
const MEANINGS: [&str; 3] = ["acknowledge", "resolve", "reopen"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketForm {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: TicketType,
    #[serde(default = "warning")]
    min_severity: Severity,
    #[serde(default = "minute")]
    every: SpanWithin<5_000, 86_400_000>,
    page: Option<Spanned<String>>,
    #[serde(default, deserialize_with = "ioc_common::config::secret_file_if")]
    secret_file: Option<PathBuf>,
    url: Option<Spanned<String>>,
    queue: Option<String>,
    user: Option<String>,
    #[serde(default)]
    status: BTreeMap<Spanned<String>, String>,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    session: Option<Spanned<TicketRequest>>,
    find: Option<Spanned<TicketRequest>>,
    create: Option<Spanned<TicketRequest>>,
    comment: Option<Spanned<TicketRequest>>,
    #[serde(default)]
    set: BTreeMap<Spanned<String>, Spanned<TicketRequest>>,
    read: Option<Spanned<TicketRequest>>,
    #[serde(default)]
    meaning: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum TicketType {
    Rt,
    Http,
}

const fn minute() -> SpanWithin<5_000, 86_400_000> {
    SpanWithin(Span::secs(60))
}

pub(super) fn check(
    source: &Source,
    whole: std::ops::Range<usize>,
    mut form: TicketForm,
    before: &[TicketSystem],
) -> Result<TicketSystem, ConfigError> {
    let name = form.name.get_ref().clone();
    if !shaped(&name) || before.iter().any(|one| one.name == name) {
        let message =
            format!("found ticket system {name:?}; allowed are unique names of 1 to 40 characters A-Z a-z 0-9 - _");
        return Err(source.fault(form.name.span(), &message, "rename it"));
    }
    let lacks = |key: &str| {
        let message = format!("found no {key} in the ticket system {name:?}; required for this type");
        source.fault(whole.clone(), &message, "add it")
    };
    let state = |state: &Spanned<String>| {
        if STATES.contains(&state.get_ref().as_str()) {
            return Ok(state.get_ref().clone());
        }
        let message = format!("found state {:?}; allowed are {}", state.get_ref(), STATES.join(", "));
        Err(source.fault(state.span(), &message, "choose one of them"))
    };
    let page = form.page.take();
    if let Some(page) = &page {
        check_places(source, page.get_ref(), &TICKET_PLACES, page.span())?;
    }
    let mut page = page.map(Spanned::into_inner).unwrap_or_default();
    let kind = match form.kind {
        TicketType::Rt => {
            let url = whole_url(source, form.url.take().ok_or_else(|| lacks("url"))?)?;
            let url = url.trim_end_matches('/').to_owned();
            if page.is_empty() {
                page = format!("{url}/Ticket/Display.html?id={{{{ticket}}}}");
            }
            let mut status: BTreeMap<String, String> = [
                ("open", "open"),
                ("acknowledged", "open"),
                ("repairing", "open"),
                ("reopened", "open"),
                ("resolved", "resolved"),
                ("closed", "resolved"),
            ]
            .map(|(ours, theirs)| (ours.to_owned(), theirs.to_owned()))
            .into();
            for (ours, theirs) in std::mem::take(&mut form.status) {
                status.insert(state(&ours)?, theirs);
            }
            TicketKind::Rt {
                url,
                queue: form.queue.take().ok_or_else(|| lacks("queue"))?,
                user: form.user.take().ok_or_else(|| lacks("user"))?,
                status,
            }
        }
        TicketType::Http => {
            let request = |one: Option<Spanned<TicketRequest>>, answers: bool| {
                one.map(|one| check_request(source, one, answers)).transpose()
            };
            let strange = form.meaning.values().find(|one| !MEANINGS.contains(&one.get_ref().as_str()));
            if let Some(meaning) = strange {
                let message = format!("found meaning {:?}; allowed are {}", meaning.get_ref(), MEANINGS.join(", "));
                return Err(source.fault(meaning.span(), &message, "choose one of them"));
            }
            let mut set = BTreeMap::new();
            for (ours, one) in std::mem::take(&mut form.set) {
                set.insert(state(&ours)?, check_request(source, one, false)?);
            }
            for (header, value) in &form.headers {
                check_header(source, (header, value), &TICKET_PLACES, whole.clone())?;
            }
            let content_type = form.content_type.take().unwrap_or_else(|| "application/json".to_owned());
            TicketKind::Http(Box::new(Mapped {
                content_type,
                headers: std::mem::take(&mut form.headers),
                session: request(form.session.take(), true)?,
                find: request(form.find.take(), true)?,
                create: request(form.create.take(), true)?.ok_or_else(|| lacks("create"))?,
                comment: request(form.comment.take(), false)?,
                set,
                read: request(form.read.take(), true)?,
                meaning: std::mem::take(&mut form.meaning)
                    .into_iter()
                    .map(|(key, one)| (key, one.into_inner()))
                    .collect(),
            }))
        }
    };
    let TicketForm { min_severity, every, secret_file, .. } = form;
    Ok(TicketSystem { name, min_severity, every, page, secret_file, kind })
}

fn check_request(source: &Source, one: Spanned<TicketRequest>, answers: bool) -> Result<TicketRequest, ConfigError> {
    let span = one.span();
    let request = one.into_inner();
    for text in [&request.url, &request.body] {
        check_places(source, text, &TICKET_PLACES, span.clone())?;
    }
    for (name, value) in &request.headers {
        check_header(source, (name, value), &TICKET_PLACES, span.clone())?;
    }
    if !["GET", "POST", "PUT", "PATCH"].contains(&request.method.as_str()) {
        let message = format!("found method {:?}; allowed are GET, POST, PUT, PATCH", request.method);
        return Err(source.fault(span, &message, "choose one of them"));
    }
    if answers && !request.answer.starts_with('/') {
        let message = format!("found answer {:?}; required is where the value stands in the answer", request.answer);
        return Err(source.fault(span, &message, "write it as a JSON pointer, like \"/id\""));
    }
    whole_url(source, Spanned::new(span, request.url.clone()))?;
    Ok(request)
}

/// The address at which a person sees a ticket; empty when none is known.
#[must_use]
pub fn page_of(record: &TicketRecord, config: &Config) -> String {
    let system = config.tickets.iter().find(|system| system.name == record.system);
    system.map(|system| system.page.replace("{{ticket}}", &percent_encoded(&record.ticket))).unwrap_or_default()
}
