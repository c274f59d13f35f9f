//! Incidents as pages and in the API: the list, one with everything people do with it, one opened by hand; alerts of other systems.

use std::collections::HashMap;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::incident::{IncidentRecord, PersonReport};
use ioc_judge::{Action, Alert, Fault, Incident, IncidentState, NewIncident, Refusal, Severity, Text, TimelineStep};

use super::App;
use super::api::device_id;
use super::api_types::{self, or_empty};
use super::auth::Person;
use super::pages::{Failure, PageResult, ROWS, devices_of, name_of, names_of, page_context, show, show_again};
use super::personal_data;
use super::problem::Problem;
use super::rate_limit;
use super::server::Peer;
use super::tone::Tone;
use super::view::{DeviceRow, PageContext};
use ioc_engine::alert;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::config::page_of;
use ioc_store::secret;
use ioc_store::template::percent_encoded;
use ioc_store::{DeviceQuery, FaultQuery, OutboxEntry, Reader, StoreError, TicketQuery, TicketRecord};

/// Most alerts in one message of another system.
const ALERTS_MAX: usize = 1000;
/// Longest text that is taken from an alert.
const ALERT_TEXT_MAX_CHARS: usize = 500;
/// Tickets of one incident that are shown.
const TICKETS: usize = 20;
/// Faults of one incident that are shown.
const FAULTS: usize = 200;

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    page_context: PageContext,
    incidents: Vec<Incident>,
    names: HashMap<DeviceId, String>,
    all: bool,
    next: Option<u64>,
}

impl IncidentsPage {
    fn name_of<'s>(&'s self, incident: &'s Incident) -> &'s str {
        name_of(&self.names, incident.device.as_ref())
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct IncidentsQuery {
    all: Option<String>,
    before: Option<u64>,
}

pub(super) async fn list(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<IncidentsQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let all = query.all.is_some();
    let found = app
        .read(&person.scope, move |reader| {
            let incidents = reader.incidents(None, !all, query.before, ROWS)?;
            let names = names_of(devices_of(&incidents), reader)?;
            Ok((incidents, names))
        })
        .await;
    match found {
        Ok((incidents, names)) => {
            let next = incidents.last().filter(|_| incidents.len() == ROWS).map(|incident| incident.id.0);
            Ok(show(&IncidentsPage { page_context, incidents, names, all, next }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// What is read for one incident.
struct IncidentPageData {
    incident: Incident,
    steps: Vec<TimelineStep>,
    notices: Vec<OutboxEntry>,
    tickets: Vec<TicketRecord>,
    device: Option<DeviceRow>,
    faults: Vec<Fault>,
    names: HashMap<DeviceId, String>,
}

fn read_page_data(id: IncidentId, reader: &dyn Reader, now: Timestamp) -> Result<Option<IncidentPageData>, StoreError> {
    let Some((incident, steps, notices)) = reader.incident(id)? else { return Ok(None) };
    let record = incident.device.as_ref().map(|device| reader.device(device)).transpose()?.flatten();
    let device = record.map(|record| DeviceRow::new(record, &HashMap::new(), now));
    let faults = reader.faults(&FaultQuery { incident: Some(id), ..FaultQuery::default() }, FAULTS)?;
    let names = names_of(faults.iter().map(|fault| &fault.device), reader)?;
    let tickets = reader.tickets(&TicketQuery::Of(id), TICKETS)?;
    Ok(Some(IncidentPageData { incident, steps, notices, tickets, device, faults, names }))
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    page_context: PageContext,
    data: IncidentPageData,
    /// Where each ticket is seen.
    ticket_pages: Vec<String>,
    /// The rules that tell of a change that a person can accept.
    changes: Vec<String>,
    tone: Tone,
    /// Why what was asked for was refused.
    error: Option<String>,
    /// What was written when it was refused: nothing of it is lost.
    form: HashMap<String, String>,
}

impl IncidentPage {
    fn incident(&self) -> &Incident {
        &self.data.incident
    }

    fn record(&self) -> &IncidentRecord {
        &self.data.incident.record
    }

    fn field_value(&self, field: &str) -> &str {
        self.form.get(field).map_or("", String::as_str)
    }

    fn name_of<'s>(&'s self, fault: &'s Fault) -> &'s str {
        name_of(&self.data.names, Some(&fault.device))
    }

    /// From the fault to the first notice that arrived, and to when someone took it (article 6.2).
    fn response_times(&self) -> Vec<(&'static str, String)> {
        let incident = &self.data.incident;
        let first = self.data.notices.iter().filter_map(|notice| notice.delivered_at).min();
        let span = |at: Option<Timestamp>| {
            at.map(|at| self.page_context.length(at.millis_since(incident.opened_at))).unwrap_or_else(|| "–".to_owned())
        };
        vec![
            ("time-to-notice", span(first)),
            ("time-to-acknowledge", span(incident.acknowledged_at)),
            ("time-to-resolve", span(incident.resolved_at)),
        ]
    }

    /// What is left until a deadline, or how long it has passed.
    fn time_left(&self, at: &Timestamp) -> (bool, String) {
        let left = at.millis_since(self.page_context.now);
        (left < 0, self.page_context.length(left.abs()))
    }

    fn is_joined(&self, fault: &Fault) -> bool {
        let incident = &self.data.incident;
        let opened_it = incident.device.as_ref() == Some(&fault.device) && incident.rule == fault.rule;
        !opened_it && incident.raised > 1 && fault.state.is_open()
    }

    /// What changed under it may be right.
    fn can_accept(&self) -> bool {
        self.data.faults.iter().any(|fault| fault.state.is_open() && self.changes.contains(&fault.rule))
    }

    fn can_reopen(&self) -> bool {
        let over = matches!(self.incident().state, IncidentState::Resolved | IncidentState::Closed);
        over && self.record().merged_into.is_none()
    }
}

async fn render(
    app: &App,
    (page_context, person): (PageContext, &Person),
    id: u64,
    refused: Option<(String, HashMap<String, String>)>,
) -> Result<Response, Failure> {
    let now = page_context.now;
    match app.read(&page_context.scope, move |reader| read_page_data(IncidentId(id), reader, now)).await {
        Ok(Some(mut data)) => {
            personal_data::open_incident(app, person, &mut data.incident, &mut data.steps, &mut data.faults).await;
            let tone = Tone::of_incident(&data.incident);
            let again = refused.is_some();
            let (error, form) = refused.map_or((None, HashMap::new()), |(error, form)| (Some(error), form));
            let config = app.config();
            let ticket_pages = data.tickets.iter().map(|ticket| page_of(ticket, &config)).collect();
            let changes =
                config.rules.rules().iter().filter(|rule| rule.is_change()).map(|rule| rule.id.clone()).collect();
            Ok(show_again(&IncidentPage { page_context, data, ticket_pages, changes, tone, error, form }, again))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(super) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, (page_context, &person), id, None).await
}

/// A refusal in the reader's language.
pub(super) fn refused(page_context: &PageContext, error: &CommandError) -> String {
    match error {
        CommandError::Refused(Refusal::Gate { field, article, .. }) => {
            format!("{} ({} {article})", page_context.name("gate", field), page_context.t("article"))
        }
        CommandError::Refused(Refusal::State { state, .. }) => {
            format!("{} {}", page_context.t("refused-state"), page_context.name("incident-state", state.as_str()))
        }
        CommandError::Refused(Refusal::Invalid { field, why }) => {
            format!("{} {} ({why})", page_context.t("refused-field"), page_context.word("form", field))
        }
        CommandError::Warned(warnings) => {
            let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.get(&page_context.language)).collect();
            texts.join(" ")
        }
        other => other.to_string(),
    }
}

/// Does what a form of the page asks.
pub(super) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Form(form): Form<HashMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let value = Value::Object(form.iter().map(|(key, value)| (key.clone(), json!(value))).collect());
    let action: Action = match serde_json::from_value::<api_types::action::Action>(value) {
        Ok(action) => action.into(),
        Err(error) => return render(&app, (page_context, &person), id, Some((error.to_string(), form))).await,
    };
    let command = Command::Act { incident: IncidentId(id), action, actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to(&format!("/incidents/{id}")).into_response()),
        Err(error) => {
            let text = refused(&page_context, &error);
            render(&app, (page_context, &person), id, Some((text, form))).await
        }
    }
}

pub(super) async fn api_act(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
    Json(action): Json<api_types::action::Action>,
) -> Result<StatusCode, Problem> {
    let action = action.into();
    app.carry_out(&person, Command::Act { incident: IncidentId(id), action, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Clone, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OpenForm {
    device: String,
    /// A warning when empty.
    #[serde(with = "or_empty")]
    #[schemars(schema_with = "or_empty::schema::<api_types::incident::OpenSeverity>")]
    severity: Option<api_types::incident::OpenSeverity>,
    title: String,
    text: String,
    reporter: String,
    contact: String,
}

impl OpenForm {
    fn into_new_incident(self) -> Result<NewIncident, CommandError> {
        let device = if self.device.is_empty() { None } else { Some(DeviceId::new(&self.device)) };
        let device = device.transpose().map_err(|error| CommandError::Invalid(format!("device: {error}")))?;
        let severity = self.severity.map_or(Severity::Warning, Severity::from);
        let clean = |text: &str, most: usize| -> String {
            text.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(most).collect()
        };
        let (title, text) = (clean(&self.title, 200), clean(&self.text, 4000));
        let (reporter, contact) = (clean(&self.reporter, 200), clean(&self.contact, 200));
        let reported = !reporter.is_empty() || !contact.is_empty();
        let report = reported.then(|| PersonReport {
            reporter,
            way: contact,
            verified: String::new(),
            verified_by: String::new(),
            verified_at: None,
        });
        let reason = if text.is_empty() {
            Text::new("Do người trực mở.", "Opened by hand.")
        } else {
            Text::new(text.clone(), text)
        };
        let title = Text::new(title.clone(), title);
        Ok(NewIncident { device, severity, title, reason, advice: Text::default(), report })
    }
}

#[derive(Template)]
#[template(path = "incident-new.html")]
struct NewPage {
    page_context: PageContext,
    devices: Vec<(DeviceId, String)>,
    form: OpenForm,
    error: Option<String>,
}

impl NewPage {
    fn is_critical(&self) -> bool {
        self.form.severity == Some(api_types::incident::OpenSeverity::Critical)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NewQuery {
    device: String,
}

async fn render_new(app: &App, page_context: PageContext, form: OpenForm, error: Option<String>) -> PageResult {
    let query = DeviceQuery { limit: 1000, ..DeviceQuery::default() };
    match app.read(&page_context.scope, move |reader| reader.devices(&query)).await {
        Ok(records) => {
            let devices = records.into_iter().map(|record| (record.info.id, record.info.name)).collect();
            let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            Ok((status, show(&NewPage { page_context, devices, form, error })).into_response())
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(super) async fn new(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<NewQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render_new(&app, page_context, OpenForm { device: query.device, ..OpenForm::default() }, None).await
}

async fn open_by_hand(app: &App, person: Person, form: OpenForm) -> Result<IncidentId, CommandError> {
    let command = Command::Open { manual: form.into_new_incident()?, actor: person.name.clone() };
    match app.carry_out(&person, command).await? {
        Answer::Incident(id) => Ok(id),
        _ => Err(CommandError::Unavailable("unexpected answer".to_owned())),
    }
}

pub(super) async fn open(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<OpenForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match open_by_hand(&app, person, form.clone()).await {
        Ok(id) => Ok(Redirect::to(&format!("/incidents/{}", id.0)).into_response()),
        Err(error) => {
            let text = refused(&page_context, &error);
            render_new(&app, page_context, form, Some(text)).await
        }
    }
}

/// An incident that was opened.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct OpenedIncident {
    id: IncidentId,
}

pub(super) async fn api_open(
    State(app): State<App>,
    person: Person,
    Json(form): Json<OpenForm>,
) -> Result<(StatusCode, Json<OpenedIncident>), Problem> {
    let id = open_by_hand(&app, person, form).await?;
    Ok((StatusCode::CREATED, Json(OpenedIncident { id })))
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct FileQuery {
    name: String,
}

/// Adds a file: the body is its content.
pub(super) async fn attach(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
    Query(query): Query<FileQuery>,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let (incident, name, content) = (IncidentId(id), query.name, content.to_vec());
    app.carry_out(&person, Command::Attach { incident, name, content, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// Gives a file back. It is always saved, never shown: what people upload must not run here.
pub(super) async fn file(
    State(app): State<App>,
    person: Person,
    Path((id, sha256)): Path<(u64, String)>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("there is no such file");
    let found = app
        .read(&person.scope, move |reader| {
            let Some((incident, ..)) = reader.incident(IncidentId(id))? else { return Ok(None) };
            let named = incident.record.attachments.iter().find(|one| one.sha256 == sha256).map(|one| one.name.clone());
            let content = reader.attachment(IncidentId(id), &sha256)?;
            Ok(named.zip(content))
        })
        .await?;
    let (name, content) = found.ok_or_else(missing)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{}", percent_encoded(&name))),
    ];
    Ok((headers, content).into_response())
}

/// Alertmanager's webhook body, version 4, as far as we read it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct AlertsBody {
    alerts: Vec<AlertBody>,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct AlertBody {
    status: String,
    #[serde(default)]
    labels: HashMap<String, String>,
    #[serde(default)]
    annotations: HashMap<String, String>,
    #[serde(default, rename = "startsAt")]
    starts_at: Option<String>,
    #[serde(default, rename = "endsAt")]
    ends_at: Option<String>,
    #[serde(default)]
    fingerprint: String,
}

impl AlertBody {
    /// What it says, and by which names its device may be known. A fault names the place within the alert.
    fn alert(self, source: &str, source_device: &DeviceId, now: Timestamp) -> Result<(Alert, Vec<String>), String> {
        let since =
            optional_moment(self.starts_at.as_deref(), "startsAt")?.map_or(now, |at| alert::believable(at, now));
        optional_moment(self.ends_at.as_deref(), "endsAt")?;
        let firing = match self.status.to_ascii_lowercase().as_str() {
            "firing" => true,
            "resolved" => false,
            _ => return Err(format!("status: found {:?}; allowed are firing, resolved", cleaned(&self.status))),
        };
        let label = |name: &str| self.labels.get(name).map_or("", String::as_str);
        let note = |name: &str| self.annotations.get(name).map(|text| cleaned(text)).filter(|text| !text.is_empty());
        let name = if label("alertname").is_empty() { "alert" } else { label("alertname") };
        let title = note("summary").unwrap_or_else(|| cleaned(name));
        let reason = note("description").unwrap_or_else(|| title.clone());
        let severity = match label("severity") {
            "critical" | "page" | "emergency" => Severity::Critical,
            "info" | "none" => Severity::Info,
            _ => Severity::Warning,
        };
        // Without a fingerprint the labels tell two alerts of one name apart.
        let fingerprint = if self.fingerprint.is_empty() {
            let mut labels: Vec<_> = self.labels.iter().collect();
            labels.sort();
            cleaned(&format!("{labels:?}"))
        } else {
            cleaned(&self.fingerprint)
        };
        let names = alert::names(&self.labels);
        let alert = Alert {
            // The engine knows who is registered.
            device: source_device.clone(),
            name: format!("{source}/{}", cleaned(name)),
            fingerprint,
            severity,
            title: Text::new(title.clone(), title),
            reason: Text::new(reason.clone(), reason),
            since,
            firing,
        };
        Ok((alert, names))
    }
}

/// A text of another system, without what cannot be shown.
fn cleaned(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(ALERT_TEXT_MAX_CHARS).collect()
}

/// A moment that another system tells, if it tells one.
fn optional_moment(text: Option<&str>, field: &str) -> Result<Option<Timestamp>, String> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::parse).transpose().map_err(|error| format!("{field}: {error}"))
}

/// Takes in alerts of another system, which shows its token.
pub(super) async fn alerts(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Path(source): Path<String>,
    Json(body): Json<AlertsBody>,
) -> Result<(Extension<rate_limit::ValidToken>, StatusCode), Problem> {
    let config = app.config();
    if app.limits.take_unauthenticated(rate_limit::LINK, &peer).is_err() {
        return Err(Problem::too_many("too many requests of this address showed no good token; wait a minute"));
    }
    let known = config.sources.iter().find(|one| one.name == source);
    let known = known.ok_or_else(|| Problem::not_found("there is no such source in the configuration"))?;
    let token = std::fs::read_to_string(&known.token_file)
        .map_err(|error| Problem::unavailable(format!("{}: {error}", known.token_file.display())))?;
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let right = secret::is_same(token.trim(), shown.trim_start_matches("Bearer ").trim());
    if !right || token.trim().is_empty() {
        app.health.refuse("alert token");
        return Err(Problem::unauthorized("show the token of this source: Authorization: Bearer …"));
    }
    app.limits.refund(rate_limit::LINK, &peer);
    if body.alerts.len() > ALERTS_MAX {
        return Err(Problem::invalid(format!("found {} alerts; allowed are {ALERTS_MAX}", body.alerts.len())));
    }
    let source_device = device_id(&format!("source-{source}"))?;
    let now = clock::now();
    let alerts = body.alerts.into_iter().enumerate().map(|(at, alert)| {
        alert.alert(&source, &source_device, now).map_err(|why| Problem::invalid(format!("alerts[{at}].{why}")))
    });
    let alerts = alerts.collect::<Result<_, _>>()?;
    app.engine.alert_command(Command::Alerts { source, alerts }).await?;
    Ok((Extension(rate_limit::ValidToken), StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<(Alert, Vec<String>), String> {
        let body: AlertBody = serde_json::from_value(body).unwrap_or_else(|e| panic!("{e}"));
        let source_device = DeviceId::new("source-am").unwrap_or_else(|e| panic!("{e}"));
        let now = "2026-11-28T04:00:00Z".parse().unwrap_or_else(|e| panic!("{e}"));
        body.alert("am", &source_device, now)
    }

    #[test]
    fn an_alert_begins_when_it_can_have_begun_and_is_refused_by_the_place_of_its_fault() {
        let since = |starts: Value| {
            let body = json!({ "status": "firing", "labels": { "alertname": "X" }, "startsAt": starts,
                "endsAt": "0001-01-01T00:00:00Z" });
            read(body).map(|(alert, _)| alert.since.to_string())
        };
        for (starts, wanted) in [
            (json!("0001-01-01T00:00:00Z"), "2026-11-28T04:00:00.000Z"),
            (json!("1970-01-01T00:00:00Z"), "2026-11-28T04:00:00.000Z"),
            (json!("2031-01-01T00:00:00Z"), "2026-11-28T04:00:00.000Z"),
            (json!(""), "2026-11-28T04:00:00.000Z"),
            (Value::Null, "2026-11-28T04:00:00.000Z"),
            (json!("2026-11-28T03:00:00.123456789+00:00"), "2026-11-28T03:00:00.123Z"),
        ] {
            assert_eq!(since(starts.clone()).as_deref(), Ok(wanted), "{starts}");
        }
        assert!(since(json!("yesterday")).is_err_and(|why| why.starts_with("startsAt: ") && why.contains("yesterday")));
        let ends = read(json!({ "status": "resolved", "endsAt": "never" }));
        assert!(ends.is_err_and(|why| why.starts_with("endsAt: ")));
        assert!(read(json!({ "status": "maybe" })).is_err_and(|why| why.contains("allowed are firing, resolved")));
        assert!(read(json!({ "status": "resolved" })).is_ok_and(|(alert, _)| !alert.firing));
    }
}
