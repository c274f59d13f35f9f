//! The pages: a device, its software; what pages have in common.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::metric;
use ioc_common::report::{Hello, ProbeOutcome, ProbeReport, SensorFacts};
use ioc_common::software::{Item, LIST_MAX_ITEMS};
use ioc_judge::{Fault, Incident};

use super::App;
use super::api_types::device::DeviceState;
use super::auth::{Person, language_of};
use super::charts::{self, Chart};

use super::agent_settings;
use super::document::{self, DocumentCard};
use super::personal_data;
use super::problem::Problem;
use super::tone::Tone;
use super::video_wall::{self, Screens};
use super::view::{DeviceRow, PageContext};
use ioc_engine::config::SettingsState;
use ioc_engine::unjudged::{self, Unjudged};
use ioc_store::template::csv_field;
use ioc_store::{DeviceQuery, DocumentRecord, EventRecord, FaultQuery, Reader, StoreError};

/// Events on a device's page.
const EVENTS: usize = 20;
/// Pieces of software on one page.
const SOFTWARE_ROWS: usize = 500;
/// Rows on one page.
pub(super) const ROWS: usize = 100;
/// Sensors on the page of the device that speaks for them.
const CHILDREN: usize = 512;
/// A page, or why there is none.
pub(super) type PageResult = Result<Response, Failure>;

/// An error that is shown as a page.
pub(super) struct Failure(PageContext, Problem);

impl Failure {
    pub(super) const fn new(page_context: PageContext, problem: Problem) -> Self {
        Self(page_context, problem)
    }

    pub(super) fn not_found(page_context: PageContext) -> Self {
        let detail = page_context.t("not-found");
        Self(page_context, Problem::not_found(detail))
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page_context: PageContext,
    status: u16,
    detail: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(page_context, problem) = self;
        let status = problem.status();
        let page = ErrorPage { page_context, status: status.as_u16(), detail: problem.detail().to_owned() };
        (status, Html(page.render().unwrap_or_default())).into_response()
    }
}

pub(super) fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => Problem::internal(error.to_string()).into_response(),
    }
}

/// A page with a form: again, and with the status of a conflict, when what was sent was refused.
pub(super) fn show_again(page: &impl Template, refused: bool) -> Response {
    let status = if refused { StatusCode::CONFLICT } else { StatusCode::OK };
    (status, show(page)).into_response()
}

pub(super) fn page_context(app: &App, person: &Person, headers: &HeaderMap) -> PageContext {
    PageContext::new(app, &person.language, &person.name, headers.contains_key("x-fragment")).of(person)
}

pub(super) fn layouts_of(
    rows: &[ioc_store::inventory::DeviceRecord],
    reader: &dyn Reader,
) -> Result<HashMap<LayoutId, Layout>, StoreError> {
    let mut layouts = HashMap::new();
    for id in rows.iter().filter_map(|record| record.layout) {
        if !layouts.contains_key(&id)
            && let Some(layout) = reader.layout(id)?
        {
            layouts.insert(id, layout);
        }
    }
    Ok(layouts)
}

/// The names of devices, each read once.
pub(super) fn names_of<'d>(
    devices: impl Iterator<Item = &'d DeviceId>,
    reader: &dyn Reader,
) -> Result<HashMap<DeviceId, String>, StoreError> {
    let mut names = HashMap::new();
    for device in devices {
        if !names.contains_key(device)
            && let Some(record) = reader.device(device)?
        {
            names.insert(device.clone(), record.info.name);
        }
    }
    Ok(names)
}

/// A device's name, or its identifier where it has none; nothing for the centre as a whole.
pub(super) fn name_of<'s>(names: &'s HashMap<DeviceId, String>, device: Option<&'s DeviceId>) -> &'s str {
    device.map_or("", |device| names.get(device).map_or(device.as_str(), String::as_str))
}

/// The devices that incidents are about.
pub(super) fn devices_of(incidents: &[Incident]) -> impl Iterator<Item = &DeviceId> {
    incidents.iter().filter_map(|incident| incident.device.as_ref())
}

/// One number of a device.
struct LatestValue {
    name: String,
    metric: String,
    value: String,
    unit: &'static str,
    about: &'static str,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    page_context: PageContext,
    row: DeviceRow,
    children: Vec<DeviceRow>,
    sensor: Option<SensorFacts>,
    hello: Option<Hello>,
    probes: Vec<(String, Tone, String)>,
    faults: Vec<Fault>,
    incidents: Vec<Incident>,
    numbers: Vec<LatestValue>,
    documents: Vec<DocumentCard>,
    screens: Option<Screens>,
    /// How it stands with its settings, and why not.
    settings: Option<(SettingsState, String)>,
    events: Vec<EventRecord>,
    software: Option<Timestamp>,
    differing: Vec<ioc_judge::Rule>,
    /// Rules that cannot be judged now.
    unjudged: Vec<Unjudged>,
    charts: Vec<Chart>,
}

impl DevicePage {
    /// How many probes have an outcome of this tone.
    fn count_of(&self, tone: Tone) -> u64 {
        self.probes.iter().filter(|(_, its, _)| *its == tone).count() as u64
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }
}

/// The sensors that a device speaks for. Their identifiers begin with its own.
fn children_of(id: &DeviceId, reader: &dyn Reader, now: Timestamp) -> Result<Vec<DeviceRow>, StoreError> {
    let query = DeviceQuery { search: format!("{id}."), limit: CHILDREN, ..DeviceQuery::default() };
    let mut records = reader.devices(&query)?;
    records.retain(|record| record.info.parent.as_ref() == Some(id));
    let layouts = layouts_of(&records, reader)?;
    Ok(records.into_iter().map(|record| DeviceRow::new(record, &layouts, now)).collect())
}

pub(super) async fn device(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else {
        return Err(Failure::not_found(page_context));
    };
    let (now, config) = (page_context.now, app.config());
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&id)? else { return Ok(None) };
            let unjudged = unjudged::of_device(&record, &config.rules, reader, now)?;
            let layouts = layouts_of(std::slice::from_ref(&record), reader)?;
            let hello = reader.hello(&id)?.and_then(|text| serde_json::from_str::<Hello>(&text).ok());
            let faults = reader.faults(&FaultQuery { device: Some(&id), ..FaultQuery::default() }, 20)?;
            let incidents = reader.incidents(Some(&id), false, None, 20)?;
            let layout = record.layout.and_then(|id| layouts.get(&id).cloned());
            let documents = reader.documents(&id)?;
            let events = reader.events(&id, None, EVENTS)?;
            let software = reader.software_list(&id)?.map(|(_, at)| at);
            let children = children_of(&id, reader, now)?;
            let lines = charts::first_of(&id, layout.as_ref(), reader, now)?;
            let windows = charts::windows_of(&record.info, reader, now.plus_millis(-charts::FIRST_MS), now)?;
            let row = DeviceRow::new(record, &layouts, now);
            Ok(Some(DevicePageData {
                row,
                children,
                hello,
                faults,
                incidents,
                layout,
                documents,
                events,
                software,
                lines,
                windows,
                unjudged,
            }))
        })
        .await;
    match found {
        Ok(Some(DevicePageData {
            row,
            children,
            hello,
            mut faults,
            incidents,
            layout,
            mut documents,
            events,
            software,
            lines,
            windows,
            unjudged,
        })) => {
            personal_data::seen(&app, &person, &row.record.info.id, &mut documents).await;
            personal_data::open_faults(&app, &person, row.record.info.id.as_str(), &mut faults).await;
            let english = page_context.language == "en";
            let differing = app.config().rules.overridden_for(&row.record.info);
            let numbers = layout.map(|layout| numbers(&layout, &row.record.latest, english)).unwrap_or_default();
            let outcomes = unjudged::outcomes_of(&documents, hello.as_ref());
            let screens = video_wall::of(&page_context, &documents);
            let is_reporting = matches!(row.state, DeviceState::Live | DeviceState::Stale);
            let settings = agent_settings::state_of(&row.record.info, &app.config().settings, &documents);
            let documents = document::show_all(&page_context, &documents, is_reporting);
            let probes = outcomes.iter().map(|report| shown_probe(&page_context, report)).collect();
            let charts = charts::draw_all(&page_context, lines, &incidents, &windows, charts::FIRST_MS);
            let sensor = hello.as_ref().and_then(|hello| hello.sensor.clone());
            Ok(show(&DevicePage {
                page_context,
                row,
                children,
                sensor,
                hello,
                probes,
                faults,
                incidents,
                numbers,
                documents,
                screens,
                settings,
                events,
                software,
                differing,
                unjudged,
                charts,
            }))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure(page_context, problem)),
    }
}

/// A probe with the tone of its outcome, and why it is not good.
fn shown_probe(page_context: &PageContext, report: &ProbeReport) -> (String, Tone, String) {
    let name = report.probe.clone();
    match &report.outcome {
        ProbeOutcome::Read => (name, Tone::Good, String::new()),
        ProbeOutcome::Absent { why } => (name, Tone::Away, why.clone()),
        ProbeOutcome::Unknown { why } => (name, Tone::Warning, format!("{}: {why}", page_context.t("probe-unknown"))),
    }
}

/// What is read for a device's page.
struct DevicePageData {
    unjudged: Vec<Unjudged>,
    row: DeviceRow,
    children: Vec<DeviceRow>,
    hello: Option<Hello>,
    faults: Vec<Fault>,
    incidents: Vec<Incident>,
    layout: Option<Layout>,
    documents: Vec<DocumentRecord>,
    events: Vec<EventRecord>,
    software: Option<Timestamp>,
    lines: Vec<charts::ChartLines>,
    windows: Vec<charts::MaintenanceSpan>,
}

#[derive(Template)]
#[template(path = "software.html")]
struct SoftwarePage {
    page_context: PageContext,
    device: DeviceRow,
    at: Option<Timestamp>,
    items: Vec<Item>,
    next: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SoftwareQuery {
    after: String,
}

/// The software list of a device (article 9.1).
pub(super) async fn software(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<SoftwareQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let now = page_context.now;
    let found = match DeviceId::new(&id) {
        Ok(id) => {
            app.read(&person.scope, move |reader| {
                let Some(record) = reader.device(&id)? else { return Ok(None) };
                let at = reader.software_list(&id)?.map(|(_, at)| at);
                let items = reader.software(&id, &query.after, SOFTWARE_ROWS)?;
                Ok(Some((DeviceRow::new(record, &HashMap::new(), now), at, items)))
            })
            .await
        }
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some((device, at, items))) => {
            let next = items.last().filter(|_| items.len() == SOFTWARE_ROWS).map(Item::key);
            Ok(show(&SoftwarePage { page_context, device, at, items, next }))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure(page_context, problem)),
    }
}

/// The same as a file for a spreadsheet.
pub(super) async fn software_csv(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = DeviceId::new(&id).map_err(|error| Problem::invalid(error.to_string()))?;
    let name = format!("attachment; filename=\"software-{id}.csv\"");
    let items = app.read(&person.scope, move |reader| reader.software(&id, "", LIST_MAX_ITEMS)).await?;
    // A mark at the beginning tells spreadsheets that this is UTF-8.
    let mut text = "\u{feff}source,name,version,publisher,licence,place,installed_on\r\n".to_owned();
    for item in &items {
        let fields =
            [&item.source, &item.name, &item.version, &item.publisher, &item.licence, &item.place, &item.installed_on];
        let line = fields.map(|field| csv_field(field)).join(",");
        text += &line;
        text += "\r\n";
    }
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}

fn numbers(layout: &Layout, values: &[Option<f64>], english: bool) -> Vec<LatestValue> {
    let shown = layout.series().iter().zip(values).map(|(series, value)| {
        let entry = metric::find(series.metric());
        LatestValue {
            name: series.as_str().to_owned(),
            metric: series.metric().to_owned(),
            value: value.map_or("–".to_owned(), |value| format!("{value}")),
            unit: entry.map_or("", |entry| if entry.unit == "1" { "" } else { entry.unit }),
            about: entry.map_or("", |entry| if english { entry.en } else { entry.vi }),
        }
    });
    shown.collect()
}

pub(super) async fn not_found(State(app): State<App>, headers: HeaderMap) -> Response {
    let language = language_of(&headers, &app.config().language);
    let page_context = PageContext::new(&app, &language, "", false);
    (StatusCode::NOT_FOUND, Failure::not_found(page_context)).into_response()
}
