//! The JSON API, version 1 (`docs/api.md`).

use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use ioc_common::clock;
use ioc_common::config::Source;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::RuleSet;

use super::App;
use super::api_types::access::AuditRecord;
use super::api_types::all;
use super::api_types::device::{DeviceItem, NewDevice, SoftwareItem};
use super::api_types::incident::{EventRecord, Fault, Incident, NoticeItem, TimelineStep};
use super::api_types::replay::{Replay, Unjudged};
use super::auth::Person;
use super::pages::{Failure, PageResult, page_context};
use super::personal_data;
use super::problem::Problem;
use super::server::Peer;
use ioc_engine::command::Command;
use ioc_engine::config::page_of;
use ioc_engine::health::ClockState;
use ioc_engine::open_files::OpenFiles;
use ioc_engine::replay::Replayer;
use ioc_engine::unjudged;
use ioc_engine::writer::time::spelt;
use ioc_store::inventory::DeviceRecord;
use ioc_store::{DeviceQuery, DeviceStateFilter, FaultQuery, Reader, StoreError, TicketQuery};

/// Most items in one answer.
const LIMIT_MAX: usize = 500;
/// Items in one answer where nothing else is asked.
const LIMIT: usize = 100;
pub(super) type ApiResult<T> = Result<Json<T>, Problem>;

/// One page of a list.
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(rename = "{T}Page")]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Give this as `cursor` to go on; none at the end.
    pub(super) next_cursor: Option<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(super) struct ListQuery {
    pub(super) cursor: Option<String>,
    limit: Option<usize>,
    search: String,
    bad: bool,
    active: bool,
    device: Option<String>,
}

impl ListQuery {
    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX)
    }

    fn before(&self) -> Result<Option<u64>, Problem> {
        let parse = |text: &String| {
            text.parse().map_err(|_| {
                Problem::invalid(format!("cursor: found {text:?}; allowed is a number that next_cursor gave"))
            })
        };
        self.cursor.as_ref().map(parse).transpose()
    }

    fn device(&self) -> Result<Option<DeviceId>, Problem> {
        self.device.as_deref().map(device_id).transpose()
    }
}

pub(super) fn device_id(text: &str) -> Result<DeviceId, Problem> {
    DeviceId::new(text).map_err(|error| Problem::invalid(error.to_string()))
}

/// A device with all that is known of it now.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct DeviceDetails {
    #[serde(flatten)]
    item: DeviceItem,
    /// Its last hello (docs/wire.md); none before it was heard.
    hello: Option<Value>,
    /// Its open faults, newest first.
    faults: Vec<Fault>,
    /// Rules that cannot be judged: their value has not been known for longer than the interval at which it is made.
    unjudged: Vec<Unjudged>,
}

/// What a survey found.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct DocumentItem {
    name: String,
    at: clock::Timestamp,
    /// What it says (docs/probes).
    doc: Value,
}

/// An incident with all that happened.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct IncidentDetails {
    #[serde(flatten)]
    incident: Incident,
    timeline: Vec<TimelineStep>,
    tickets: Vec<TicketItem>,
    notices: Vec<NoticeItem>,
}

/// An incident in a ticket system.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct TicketItem {
    system: String,
    /// Its identifier there; empty before it is there.
    ticket: String,
    /// Where people read it.
    page: String,
    /// Up to which step of the timeline it was told.
    step: u32,
    /// Why it was not told more.
    error: Option<String>,
}

/// A device as the API has it: the record, with its newest numbers by name.
fn item_of(record: DeviceRecord, reader: &dyn Reader) -> Result<DeviceItem, StoreError> {
    let layout = record.layout.map(|id| reader.layout(id)).transpose()?.flatten();
    let names = layout.iter().flat_map(|layout| layout.series().iter().map(|series| series.as_str().to_owned()));
    let values = names.zip(record.latest.iter().copied()).collect();
    Ok(DeviceItem::new(record, values, clock::now()))
}

pub(super) async fn devices(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<DeviceItem>> {
    let limit = query.limit();
    let state = if query.bad { DeviceStateFilter::Bad } else { DeviceStateFilter::Any };
    let ask = DeviceQuery { search: query.search, state, after: query.cursor, limit, ..DeviceQuery::default() };
    let items = app
        .read(&person.scope, move |reader| {
            let records = reader.devices(&ask)?;
            let full = records.len() == limit;
            let next = records.last().filter(|_| full).map(|record| record.info.id.to_string());
            let items = records.into_iter().map(|record| item_of(record, reader)).collect::<Result<Vec<_>, _>>()?;
            Ok(Page { items, next_cursor: next })
        })
        .await?;
    Ok(Json(items))
}

pub(super) async fn device(State(app): State<App>, person: Person, Path(id): Path<String>) -> ApiResult<DeviceDetails> {
    let id = device_id(&id)?;
    let missing = format!("there is no device {id}");
    let config = app.config();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&id)? else { return Ok(None) };
            let unjudged = unjudged::of_device(&record, &config.rules, reader, clock::now())?;
            let item = item_of(record, reader)?;
            let hello = reader.hello(&id)?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
            let query = FaultQuery { device: Some(&id), open: true, ..FaultQuery::default() };
            Ok(Some((item, hello, reader.faults(&query, LIMIT)?, unjudged)))
        })
        .await?;
    let Some((item, hello, mut faults, unjudged)) = found else { return Err(Problem::not_found(missing)) };
    personal_data::open_faults(&app, &person, item.info.id.as_str(), &mut faults).await;
    Ok(Json(DeviceDetails { item, hello, faults: all(faults), unjudged: all(unjudged) }))
}

/// What surveys of a device found, each whole.
pub(super) async fn documents(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> ApiResult<Vec<DocumentItem>> {
    let id = device_id(&id)?;
    let asked = id.clone();
    let mut found = app.read(&person.scope, move |reader| reader.documents(&asked)).await?;
    personal_data::seen(&app, &person, &id, &mut found).await;
    let whole = found.into_iter().map(|record| {
        let doc: Value = serde_json::from_str(&record.body).unwrap_or_default();
        DocumentItem { name: record.name, at: record.at, doc }
    });
    Ok(Json(whole.collect()))
}

/// What happened on a device, newest first.
pub(super) async fn events(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<EventRecord>> {
    let (id, before, limit) = (device_id(&id)?, query.before()?, query.limit());
    let items = app.read(&person.scope, move |reader| reader.events(&id, before, limit)).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|event| event.number.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

/// The software of a device.
pub(super) async fn software(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<SoftwareItem>> {
    let (id, limit) = (device_id(&id)?, query.limit());
    let after = query.cursor.unwrap_or_default();
    let items = app.read(&person.scope, move |reader| reader.software(&id, &after, limit)).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(ioc_common::software::Item::key);
    Ok(Json(Page { items: all(items), next_cursor }))
}

pub(super) async fn faults(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<Fault>> {
    let (before, device, limit, active) = (query.before()?, query.device()?, query.limit(), query.active);
    let mut items = app
        .read(&person.scope, move |reader| {
            let device = device.as_ref();
            reader.faults(&FaultQuery { device, open: active, before, ..FaultQuery::default() }, limit)
        })
        .await?;
    personal_data::open_faults(&app, &person, "faults", &mut items).await;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|fault| fault.id.0.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

pub(super) async fn incidents(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<Incident>> {
    let (before, device, limit, active) = (query.before()?, query.device()?, query.limit(), query.active);
    let mut items =
        app.read(&person.scope, move |reader| reader.incidents(device.as_ref(), active, before, limit)).await?;
    personal_data::open_incidents(&app, &person, "incidents", &mut items).await;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|incident| incident.id.0.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

pub(super) async fn incident(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
) -> ApiResult<IncidentDetails> {
    let id_of = IncidentId(id);
    let found = app
        .read(&person.scope, move |reader| {
            let whole = reader.incident(id_of)?;
            Ok((whole, reader.tickets(&TicketQuery::Of(id_of), LIMIT)?))
        })
        .await?;
    let (found, tickets) = found;
    let (mut incident, mut timeline, notices) =
        found.ok_or_else(|| Problem::not_found(format!("there is no incident {id}")))?;
    personal_data::open_incident(&app, &person, &mut incident, &mut timeline, &mut []).await;
    let tickets = tickets.into_iter().map(|ticket| TicketItem {
        page: page_of(&ticket, &app.config()),
        system: ticket.system,
        ticket: ticket.ticket,
        step: ticket.step,
        error: ticket.error,
    });
    let (tickets, timeline, notices) = (tickets.collect(), all(timeline), all(notices));
    Ok(Json(IncidentDetails { incident: incident.into(), timeline, tickets, notices }))
}

pub(super) async fn revoke(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    app.carry_out(&person, Command::Revoke { device, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a device report again whose identity was found on two machines.
pub(super) async fn release(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    app.carry_out(&person, Command::Release { device, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a person says of a device.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RemarkBody {
    /// 1 to 1000 characters.
    text: String,
}

/// Keeps what a person says of a device among what happened there.
pub(super) async fn remark(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(body): Json<RemarkBody>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    app.carry_out(&person, Command::Remark { device, text: body.text, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// The same by the page's form.
pub(super) async fn remark_form(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(body): Form<RemarkBody>,
) -> PageResult {
    let refuse = |problem| Failure::new(page_context(&app, &person, &headers), problem);
    let device = device_id(&id).map_err(refuse)?;
    let command = Command::Remark { device, text: body.text, actor: person.name.clone() };
    app.carry_out(&person, command).await.map_err(|error| refuse(error.into()))?;
    Ok(Redirect::to(&format!("/devices/{id}#events")).into_response())
}

/// Which rule to try.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayBody {
    rule: String,
    /// A set of rules to take it from; the one in use when there is none.
    #[serde(default)]
    rules: Option<String>,
    #[serde(default)]
    from: Option<clock::Timestamp>,
    #[serde(default)]
    until: Option<clock::Timestamp>,
}

/// What a rule would have said of a device's history.
pub(super) async fn replay(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(body): Json<ReplayBody>,
) -> ApiResult<Replay> {
    let id = device_id(&id)?;
    let missing = format!("there is no device {id}");
    let rules = match &body.rules {
        Some(text) => RuleSet::parse(&Source::built_in("(rules to try)", text))
            .map_err(|error| Problem::invalid(error.to_string()))?,
        None => app.config().rules.clone(),
    };
    let rules = rules.only(&body.rule);
    let rules = rules.ok_or_else(|| Problem::invalid(format!("rule: there is no rule {:?}", body.rule)))?;
    let keep_ms = app.config().history_keep[0].as_millis();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&id)? else { return Ok(None) };
            let mut replayer = Replayer::new(rules, record.info, record.interval_s);
            let until = body.until.unwrap_or_else(clock::now);
            let from = body.from.unwrap_or_else(|| until.plus_millis(-keep_ms));
            replayer.read(reader, from, until)?;
            Ok(Some(replayer.finish()))
        })
        .await?;
    found.map(|replay| Json(replay.into())).ok_or_else(|| Problem::not_found(missing))
}

/// What is said of a device, from the fields that were given.
pub(super) fn device_of(fields: serde_json::Map<String, Value>) -> Result<ioc_store::NewDevice, Problem> {
    // Read as a body of its own, so that an error names its field.
    let text = Value::Object(fields).to_string();
    let read = Json::<NewDevice>::from_bytes(text.as_bytes());
    read.map(|Json(device)| device.into()).map_err(|error| Problem::invalid(error.body_text()))
}

/// Changes what people say of a device: what is not given is empty from now on.
pub(super) async fn describe(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(mut info): Json<NewDevice>,
) -> Result<StatusCode, Problem> {
    info.device = device_id(&id)?.to_string();
    let info = info.into();
    app.carry_out(&person, Command::Describe { info, fields: None, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes only what is given: what somebody else changed meanwhile stays.
pub(super) async fn amend(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(changes): Json<serde_json::Map<String, Value>>,
) -> Result<StatusCode, Problem> {
    let fields = changes.keys().filter(|field| *field != "device").cloned().collect();
    let mut info = device_of(changes)?;
    info.device = device_id(&id)?.to_string();
    app.carry_out(&person, Command::Describe { info, fields: Some(fields), actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Registers a device without an agent.
pub(super) async fn register(
    State(app): State<App>,
    person: Person,
    Json(info): Json<NewDevice>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::Register { info: info.into(), actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(super) struct AuditQuery {
    after: u64,
    limit: Option<usize>,
}

pub(super) async fn audit(
    State(app): State<App>,
    person: Person,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Page<AuditRecord>> {
    let limit = query.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let items = app.read(&person.scope, move |reader| reader.audit(query.after, limit)).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|record| record.number.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

/// Whether the collector can do its work: 503 with the reason while the engine has ended or is stuck, or the store cannot be written, has
/// lost what was acknowledged, or is damaged.
pub(super) async fn ready(State(app): State<App>) -> Result<String, Problem> {
    if app.engine.is_gone() {
        return Err(Problem::unavailable("the engine has ended: nothing is judged or kept any more; see the log"));
    }
    if let Some(why) = app.health.trouble() {
        return Err(Problem::unavailable(format!("the store cannot be written: {why}")));
    }
    if let Some(passed_ms) = app.health.stuck_for_ms() {
        let passed_s = passed_ms / 1000;
        return Err(Problem::unavailable(format!(
            "the engine has been stuck for {passed_s} s: a disk may hang; see the log"
        )));
    }
    let lost = app.health.missing();
    if !lost.is_empty() {
        let lost = lost.iter().map(|one| one.en.as_str()).collect::<Vec<_>>().join(" ");
        return Err(Problem::unavailable(format!(
            "{lost} It goes on with what is left; see docs/operate.md, then: ioc-collector store confirm"
        )));
    }
    let clock = match app.health.clock() {
        ClockState { step_ms: Some(by_ms), .. } => format!(
            "the machine's clock was stepped by {}: not followed, and nothing is deleted, until it is confirmed\n",
            spelt(by_ms)
        ),
        ClockState { doubt_ms: Some(by_ms), .. } => {
            format!(
                "the machine's clock was ahead by {} at the start: nothing is deleted until it is confirmed\n",
                spelt(by_ms)
            )
        }
        ClockState { .. } => String::new(),
    };
    match app.health.examined() {
        Some(examined) if !examined.findings.is_empty() => Err(Problem::unavailable(format!(
            "the store is damaged: {}; see docs/operate.md",
            examined.findings.join("; ")
        ))),
        _ => {
            let files = app.health.files().and_then(OpenFiles::shortage).map_or_else(String::new, |text| text + "\n");
            Ok(format!("ready\n{clock}{files}"))
        }
    }
}

pub(super) async fn metrics(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    person: Result<Person, Response>,
) -> Result<Response, Problem> {
    let here = match peer {
        Peer::Remote(address) => address.is_loopback(),
        Peer::Local(_) => true,
    };
    if !here && person.is_err() {
        return Err(Problem::unauthorized("metrics are for this machine or for signed-in people"));
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.health.metrics()).into_response())
}
