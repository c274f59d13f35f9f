//! One device with all that is known of it; as a page and in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::document;
use ioc_common::id::DeviceId;
use ioc_common::language::Language;
use ioc_common::layout::Layout;
use ioc_common::metric;
use ioc_common::report::{Hello, ProbeOutcome, ProbeReport, SensorFacts};
use ioc_judge::{Authenticity, Fault, Incident, RuleSet};

use crate::api::{ApiResult, LIMIT, device_id};
use crate::api_types::device::DeviceItem;
use crate::api_types::{self, all};
use crate::app::App;
use crate::device::agent_settings;
use crate::device::chart::{self, Chart, ChartFacts};
use crate::device::chart_marks::MarkKind;
use crate::device::chart_span::ChartSpan;
use crate::device::documents::{self, DocumentCard};
use crate::device::list::item_of;
use crate::device::row::{DeviceRow, layouts_of};
use crate::device::video_wall::{self, VideoWall};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_engine::config::SettingsState;
use ioc_engine::unjudged::{self, Unjudged};
use ioc_store::{DeviceQuery, DocumentRecord, EventRecord, FaultQuery, Reader, StoreError};

/// Events on a device's page.
const EVENTS: usize = 20;
/// Sensors on the page of the device that speaks for them.
const CHILDREN: usize = 512;

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
    /// How far the numbers can be believed.
    authenticity: Authenticity,
    documents: Vec<DocumentCard>,
    video_wall: Option<VideoWall>,
    /// How it stands with its settings, and why not.
    settings: Option<(SettingsState, String)>,
    events: Vec<EventRecord>,
    software: Option<Timestamp>,
    differing: Vec<ioc_judge::Rule>,
    /// Rules that cannot be judged now.
    unjudged: Vec<Unjudged>,
    charts: Vec<Chart>,
    span: ChartSpan,
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

/// What the page of a device is made of; none where there is no such device.
fn read_page(
    reader: &dyn Reader,
    id: &DeviceId,
    rules: &RuleSet,
    (now, stands): (Timestamp, bool),
) -> Result<Option<DevicePageData>, StoreError> {
    let Some(record) = reader.device(id)? else { return Ok(None) };
    let unjudged = unjudged::of_device(&record, rules, reader, now)?;
    let layouts = layouts_of(std::slice::from_ref(&record), reader)?;
    let hello = reader.hello(id)?.and_then(|text| serde_json::from_str::<Hello>(&text).ok());
    let faults = reader.faults(&FaultQuery { device: Some(id), ..FaultQuery::default() }, 20)?;
    let incidents = reader.incidents(Some(id), false, None, 20)?;
    let layout = record.layout.and_then(|id| layouts.get(&id).cloned());
    let documents = reader.documents(id)?;
    let events = reader.events(id, None, EVENTS)?;
    let software = reader.software_list(id)?.map(|(_, at)| at);
    let children = children_of(id, reader, now)?;
    let span = ChartSpan::with_data(record.last_heard, now);
    let lines = chart::read_first(reader, &record.info, layout.as_ref(), span, stands)?;
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
        span,
        unjudged,
    }))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(page_context)) };
    let (now, config) = ((page_context.now, page_context.fragment), app.config());
    let subject = id.to_string();
    let read = move |reader: &dyn Reader| read_page(reader, &id, &config.rules, now);
    let names = |found: &Option<DevicePageData>| found.as_ref().is_some_and(DevicePageData::names_people);
    let found = personal_data::read(&app, &person, (&subject, "numbers and events"), names, read).await;
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
            span,
            unjudged,
        })) => {
            personal_data::retain_allowed(&app, &person, &row.record.info.id, &mut documents).await;
            personal_data::reveal_faults(&app, &person, row.record.info.id.as_str(), &mut faults).await;
            let differing = app.config().rules.overridden_for(&row.record.info);
            let numbers =
                layout.map(|layout| numbers(&layout, &row.record.latest, page_context.language)).unwrap_or_default();
            let outcomes = unjudged::outcomes_of(&documents, hello.as_ref());
            let video_wall = video_wall::video_wall_of(&page_context, &documents);
            let doubted = app.is_clock_doubted();
            let authenticity = row.record.authenticity(page_context.now, doubted);
            let settings = agent_settings::state_of(&row.record.info, &app.config().settings, &documents);
            let documents = documents::cards_of(&page_context, &documents, &row.record, doubted);
            let probes = outcomes.iter().map(|report| shown_probe(&page_context, report)).collect();
            let charts = chart::draw_all(&page_context, lines, &row.record.info, &app.config().rules, span);
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
                authenticity,
                documents,
                video_wall,
                settings,
                events,
                software,
                differing,
                unjudged,
                charts,
                span,
            }))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
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
    lines: ChartFacts,
    span: ChartSpan,
}

impl DevicePageData {
    /// Whether its numbers or its events are of accounts; of documents, faults and incidents that is asked by themselves.
    fn names_people(&self) -> bool {
        let hello = self.hello.as_ref().map(|hello| &hello.layout);
        let mut series = self.layout.iter().chain(hello).flat_map(Layout::series);
        series.any(|series| metric::is_series_of_person(series.as_str()))
            || self.events.iter().any(|event| document::is_event_of_people(&event.name))
    }
}

fn numbers(layout: &Layout, values: &[Option<f64>], language: Language) -> Vec<LatestValue> {
    let shown = layout.series().iter().zip(values).map(|(series, value)| {
        let entry = metric::find(series.metric());
        LatestValue {
            name: series.as_str().to_owned(),
            metric: series.metric().to_owned(),
            value: value.map_or("–".to_owned(), |value| format!("{value}")),
            unit: entry.map_or("", |entry| if entry.unit == "1" { "" } else { entry.unit }),
            about: entry.map_or("", |entry| entry.about(language)),
        }
    });
    shown.collect()
}

/// A device with all that is known of it now.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct DeviceDetails {
    #[serde(flatten)]
    item: DeviceItem,
    /// Its last hello (docs/wire.md); none before it was heard.
    hello: Option<Value>,
    /// Its open faults, newest first.
    faults: Vec<api_types::incident::Fault>,
    /// Rules that cannot be judged: their value has not been known for longer than the interval at which it is made.
    unjudged: Vec<api_types::replay::Unjudged>,
}

pub(crate) async fn api(State(app): State<App>, person: Person, Path(id): Path<String>) -> ApiResult<DeviceDetails> {
    let id = device_id(&id)?;
    let missing = format!("there is no device {id}");
    let (doubted, now) = (app.is_clock_doubted(), app.judged_now());
    let config = app.config();
    let subject = id.to_string();
    let read = move |reader: &dyn Reader| {
        let Some(record) = reader.device(&id)? else { return Ok(None) };
        let unjudged = unjudged::of_device(&record, &config.rules, reader, now)?;
        let item = item_of(record, reader, doubted)?;
        let hello = reader.hello(&id)?.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let query = FaultQuery { device: Some(&id), open: true, ..FaultQuery::default() };
        Ok(Some((item, hello, reader.faults(&query, LIMIT)?, unjudged)))
    };
    // Its hello names what its newest values are of.
    let names = |found: &Option<(DeviceItem, _, _, _)>| found.as_ref().is_some_and(|found| found.0.names_people());
    let found = personal_data::read(&app, &person, (&subject, "numbers"), names, read).await?;
    let Some((item, hello, mut faults, unjudged)) = found else { return Err(Problem::not_found(missing)) };
    personal_data::reveal_faults(&app, &person, item.info.id.as_str(), &mut faults).await;
    Ok(Json(DeviceDetails { item, hello, faults: all(faults), unjudged: all(unjudged) }))
}
