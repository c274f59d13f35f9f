//! One device with all that is known of it; as a page and in the API.

use std::sync::Arc;

use askama::Template;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::document;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::metric;
use ioc_common::report::{Hello, ProbeOutcome, ProbeReport, SensorFacts};
use ioc_judge::{Authenticity, Fault, Incident, RuleSet, Severity, Text};

use crate::api::{ApiResult, LIMIT, device_id};
use crate::api_types::device::DeviceItem;
use crate::api_types::{self, all};
use crate::app::App;
use crate::device::agent_settings;
use crate::device::chart::{self, Chart, ChartFacts};
use crate::device::chart_marks::MarkKind;
use crate::device::chart_span::ChartSpan;
use crate::device::documents::{self, DocumentCard};
use crate::device::health::{self, HealthCard};
use crate::device::list::item_of;
use crate::device::numbers::{self, NumberGroup};
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

/// Open faults on a device's page.
const OPEN_FAULTS: usize = 50;
/// Faults that are over.
const PAST_FAULTS: usize = 20;

/// Something that is wrong now, with what can be done.
struct OpenFault {
    fault: Fault,
    title: Text,
    advice: Text,
    /// Whose history shows how it came; none where it is about no number.
    metric: Option<&'static str>,
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
    wrong: Vec<OpenFault>,
    past_faults: Vec<Fault>,
    /// Incidents that are open without an open fault of their own, such as one that a person opened.
    open_incidents: Vec<Incident>,
    /// Those that are over.
    past_incidents: Vec<Incident>,
    health: Vec<HealthCard>,
    numbers: Vec<NumberGroup>,
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
    /// Since when the device is as its head says: since its worst fault that has not ended where that makes its state, else since it came or went.
    fn since(&self) -> Option<Timestamp> {
        let record = &self.row.record;
        if !matches!(self.row.state_key(), "faulty" | "warned") {
            return record.presence.since();
        }
        let worst = self.wrong.iter().filter(|one| Some(one.fault.severity) == record.worst);
        worst.map(|one| one.fault.raised_at).min().or_else(|| record.presence.since())
    }

    /// How many probes have an outcome of this tone.
    fn count_of(&self, tone: Tone) -> u64 {
        self.probes.iter().filter(|(_, its, _)| *its == tone).count() as u64
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }

    /// Whether all is as it should be, as far as is known: a device that is not heard says nothing.
    fn is_well(&self) -> bool {
        self.row.tone == Tone::Good && self.wrong.is_empty() && self.open_incidents.is_empty()
    }

    fn numbers_count(&self) -> usize {
        self.numbers.iter().map(|group| group.numbers.len()).sum()
    }

    fn severity_tone(wrong: &OpenFault) -> Tone {
        match wrong.fault.severity {
            Severity::Critical => Tone::Bad,
            Severity::Warning => Tone::Warning,
            Severity::Info => Tone::Away,
        }
    }
}

/// What is wrong now, the worst first, with the words of its rule; where no rule of ours says it, with those of whoever does.
fn wrong_of(faults: Vec<Fault>, rules: &RuleSet) -> Vec<OpenFault> {
    let mut wrong: Vec<OpenFault> = faults
        .into_iter()
        .map(|fault| {
            let rule = rules.find(&fault.rule);
            let matter = fault.matter.as_deref();
            let title = fault.title.clone().or_else(|| Some(rule?.title.clone()));
            let advice = matter.map(|matter| matter.advice.clone()).or_else(|| Some(rule?.advice.clone()));
            let metric = metric::find(fault.series.split('|').next().unwrap_or_default()).map(|metric| metric.name);
            OpenFault {
                title: title.unwrap_or_else(|| Text::new(fault.rule.as_str(), fault.rule.as_str())),
                advice: advice.unwrap_or_else(|| Text::new("", "")),
                metric,
                fault,
            }
        })
        .collect();
    wrong.sort_by_key(|one| std::cmp::Reverse(one.fault.severity));
    wrong
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
    let open = FaultQuery { device: Some(id), open: true, ..FaultQuery::default() };
    let mut faults = reader.faults(&open, OPEN_FAULTS)?;
    let past = reader.faults(&FaultQuery { device: Some(id), ..FaultQuery::default() }, PAST_FAULTS)?;
    faults.extend(past.into_iter().filter(|fault| !health::is_open(fault)));
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
    let (now, rules) = ((page_context.now, page_context.fragment), app.rules());
    let subject = id.to_string();
    let of_page = Arc::clone(&rules);
    let read = move |reader: &dyn Reader| read_page(reader, &id, &of_page, now);
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
            let differing = rules.overridden_for(&row.record.info);
            let (open, past_faults): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(health::is_open);
            let (open_incidents, past_incidents) = incidents_of(&incidents, &open);
            let names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
            let latest = &row.record.latest;
            let health =
                layout.as_ref().map(|layout| health::cards_of(&page_context, layout, latest, &open, &rules, &names));
            let numbers = layout.map(|layout| numbers::groups_of(&page_context, &layout, latest)).unwrap_or_default();
            let (health, wrong) = (health.unwrap_or_default(), wrong_of(open, &rules));
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
                wrong,
                past_faults,
                open_incidents,
                past_incidents,
                health,
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

/// Incidents that are open and have no fault among these, and those that are over.
fn incidents_of(incidents: &[Incident], open: &[Fault]) -> (Vec<Incident>, Vec<Incident>) {
    let (active, past): (Vec<&Incident>, Vec<&Incident>) =
        incidents.iter().partition(|incident| incident.state.is_active());
    let shown = |incident: &&Incident| open.iter().any(|fault| fault.incident == Some(incident.id));
    let alone = active.into_iter().filter(|incident| !shown(incident)).cloned().collect();
    (alone, past.into_iter().cloned().collect())
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
    let rules = app.rules();
    let subject = id.to_string();
    let read = move |reader: &dyn Reader| {
        let Some(record) = reader.device(&id)? else { return Ok(None) };
        let unjudged = unjudged::of_device(&record, &rules, reader, now)?;
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
