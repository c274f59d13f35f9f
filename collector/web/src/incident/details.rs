//! One incident with all that happened and everything people do with it; as a page and in the API.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::Series;
use ioc_common::metric;
use ioc_judge::deadline::{LegalClock, UnitRequest};
use ioc_judge::incident::IncidentRecord;
use ioc_judge::{
    Action, Age, Authenticity, Common, Fault, Incident, IncidentState, InformationSource, Text, TimelineStep,
};

use crate::api::{ApiResult, LIMIT};
use crate::api_types::incident::NoticeItem;
use crate::api_types::{self, all};
use crate::app::App;
use crate::authenticity;
use crate::device::name::{name_of, names_of};
use crate::device::row::DeviceRow;
use crate::incident::deadlines::{self, Law};
use crate::incident::times::Times;
use crate::maintenance::parse_moment;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::people::{People, people};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::config::page_of;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::template::percent_encoded;
use ioc_store::{FaultQuery, OutboxEntry, Reader, StoreError, TicketQuery, TicketRecord};

/// Tickets of one incident that are shown.
const TICKETS: usize = 20;
/// Faults of one incident that are shown.
const FAULTS: usize = 200;
const DAY_MS: i64 = 86_400_000;
/// How much of a number is shown before its fault was raised, and after it was over, milliseconds.
const CHART_BEFORE_MS: i64 = 3_600_000;
const CHART_AFTER_MS: i64 = 1_800_000;

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

fn read_page_data(
    id: IncidentId,
    reader: &dyn Reader,
    before: Option<u64>,
    now: Timestamp,
) -> Result<Option<IncidentPageData>, StoreError> {
    let Some((incident, steps, notices)) = reader.incident(id)? else { return Ok(None) };
    let record = incident.device.as_ref().map(|device| reader.device(device)).transpose()?.flatten();
    let device = record.map(|record| DeviceRow::new(record, &HashMap::new(), now));
    let faults = reader.faults(&FaultQuery { incident: Some(id), before, ..FaultQuery::default() }, FAULTS)?;
    let uplinks = incident.progress.storm.iter().flat_map(|storm| &storm.common).filter_map(|common| match common {
        Common::Uplink(device) => Some(device),
        Common::Power(_) | Common::Rack(_) | Common::Room(_) | Common::Rule(_) => None,
    });
    let names = names_of(faults.iter().map(|fault| &fault.device).chain(uplinks), reader)?;
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
    /// What rules are called.
    rule_titles: Vec<(String, Text)>,
    people: People,
    /// What the law packs in force ask of a serious incident.
    law: Law,
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

    /// Where the number of a fault is seen at the time when it was bad; none for what is no number.
    fn chart_of(&self, fault: &Fault) -> Option<String> {
        let series = Series::new(&fault.series, "");
        metric::find(series.metric())?;
        let from = fault.raised_at.plus_millis(-CHART_BEFORE_MS);
        let until = fault.cleared_at.map_or(self.page_context.now, |at| at.plus_millis(CHART_AFTER_MS));
        let until = until.min(self.page_context.now);
        let (from, until) = (percent_encoded(&from.to_string()), percent_encoded(&until.to_string()));
        Some(format!("/devices/{}/history?metric={}&from={from}&until={until}", fault.device, series.metric()))
    }

    /// From the fault to its detection, from there to the first notice that arrived and to when someone took it (article 6.2), and for how long
    /// it was bad.
    fn response_times(&self) -> Vec<(String, String)> {
        let first = self.data.notices.iter().filter_map(|notice| notice.delivered_at).min();
        let times = Times::of(&self.data.incident, &self.data.steps, first, self.page_context.now);
        let span = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), |ms| self.page_context.duration(ms));
        let outages = match times.outages {
            1 => self.page_context.t("time-to-outage"),
            outages => self.page_context.count("time-to-outages", outages),
        };
        vec![
            (self.page_context.t("time-to-detect"), span(times.detected)),
            (self.page_context.t("time-to-notice"), span(times.told)),
            (self.page_context.t("time-to-acknowledge"), span(times.taken)),
            (outages, span(Some(times.outage))),
        ]
    }

    /// What many devices that failed together have in common.
    fn storm(&self) -> Option<&ioc_judge::Storm> {
        self.data.incident.progress.storm.as_deref()
    }

    fn affected(&self) -> u64 {
        u64::from(self.data.incident.progress.affected)
    }

    fn raised(&self) -> u64 {
        u64::from(self.data.incident.raised)
    }

    /// What devices have in common, in words.
    fn in_common(&self, common: &Common) -> String {
        let named = match common {
            Common::Rule(rule) => {
                let titles = self.rule_titles.iter().find(|(id, _)| id == rule);
                titles.map_or(rule.as_str(), |(_, title)| title.get(self.page_context.language))
            }
            Common::Uplink(device) => name_of(&self.data.names, Some(device)),
            Common::Power(_) | Common::Rack(_) | Common::Room(_) => common.named(),
        };
        format!("{}: {named}", self.page_context.name("in-common", common.as_str()))
    }

    /// The faults below these, where there may be more.
    fn next_faults(&self) -> Option<u64> {
        self.data.faults.last().filter(|_| self.data.faults.len() == FAULTS).map(|fault| fault.id.0)
    }

    /// What is left until a deadline, or how long it has passed.
    fn time_left(&self, at: &Timestamp) -> (bool, String) {
        let left = at.millis_since(self.page_context.now);
        (left < 0, self.page_context.duration(left.abs()))
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

    /// How far what it says can be believed.
    fn authenticity(&self) -> Authenticity {
        let device = self.data.device.as_ref();
        self.data.incident.authenticity(device.is_none_or(|row| row.record.reports(self.page_context.now)))
    }

    fn clock_state(&self, clock: &LegalClock) -> (&'static str, Tone) {
        let state = clock.state(self.page_context.now);
        (state.as_str(), deadlines::tone_of(state))
    }

    fn request_state(&self, request: &UnitRequest) -> (&'static str, Tone) {
        let state = request.state(self.page_context.now);
        (state.as_str(), deadlines::tone_of(state))
    }

    /// Which form of the page a refusal is about: by its action, and what it names.
    fn is_again(&self, action: &str, of: &str) -> bool {
        let named = ["clock", "number"].iter().filter_map(|field| self.form.get(*field)).any(|one| one == of);
        self.form.get("action").is_some_and(|one| one == action) && (of.is_empty() || named)
    }

    /// What was typed into that form when it was refused.
    fn typed(&self, action: &str, of: &str, field: &str) -> &str {
        if self.is_again(action, of) { self.field_value(field) } else { "" }
    }

    /// Whoever waits a day for an answer most often gets it: what the form offers, as browsers write a time.
    fn tomorrow(&self) -> String {
        let zone = self.page_context.zone();
        let zone = jiff::tz::TimeZone::get(&zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let moment = jiff::Timestamp::from_millisecond(self.page_context.now.plus_millis(DAY_MS).as_millis());
        moment.map(|at| at.to_zoned_datetime(zone).strftime("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default()
    }

    fn can_reopen(&self) -> bool {
        let over = matches!(self.incident().state, IncidentState::Resolved | IncidentState::Closed);
        over && self.record().merged_into.is_none()
    }
}

pub(super) async fn render(
    app: &App,
    (page_context, person): (PageContext, &Person),
    id: u64,
    before: Option<u64>,
    refused: Option<(String, HashMap<String, String>)>,
) -> Result<Response, Failure> {
    let now = page_context.now;
    let people = people(app, page_context.may_see_people()).await;
    match app.read(&page_context.scope, move |reader| read_page_data(IncidentId(id), reader, before, now)).await {
        Ok(Some(mut data)) => {
            personal_data::reveal_incident(app, person, &mut data.incident, &mut data.steps, &mut data.faults).await;
            let tone = Tone::of_incident(&data.incident);
            let again = refused.is_some();
            let (error, form) = refused.map_or((None, HashMap::new()), |(error, form)| (Some(error), form));
            let config = app.config();
            let ticket_pages = data.tickets.iter().map(|ticket| page_of(ticket, &config)).collect();
            let changes =
                config.rules.rules().iter().filter(|rule| rule.is_change()).map(|rule| rule.id.clone()).collect();
            let law = Law::of(&config, now);
            let rules = config.rules.rules().iter();
            let rule_titles = match &data.incident.progress.storm {
                Some(_) => rules.map(|rule| (rule.id.clone(), rule.title.clone())).collect(),
                None => Vec::new(),
            };
            let page =
                IncidentPage { page_context, data, ticket_pages, changes, rule_titles, people, law, tone, error, form };
            Ok(show_again(&page, again))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Which of its faults are shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FaultsOfIncident {
    faults_before: Option<u64>,
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Query(query): Query<FaultsOfIncident>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, (page_context, &person), id, query.faults_before, None).await
}

/// Does what a form of the page asks.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Form(form): Form<HashMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let config = app.config();
    let value = || Value::Object(form.iter().map(|(key, value)| (key.clone(), json!(value))).collect());
    let action: Result<Action, CommandError> =
        match deadlines::action_of(&form, &|field, text| parse_moment(field, text, &config)) {
            Ok(Some(action)) => Ok(action),
            Ok(None) => serde_json::from_value::<api_types::action::Action>(value())
                .map(Action::from)
                .map_err(|error| RefusalReason::new("refusal-form", [], error.to_string()).invalid()),
            Err(error) => Err(error),
        };
    let action = match action {
        Ok(action) => action,
        Err(error) => {
            let why = refusal_text(&page_context, &error);
            return render(&app, (page_context, &person), id, None, Some((why, form))).await;
        }
    };
    let command = Command::Act { incident: IncidentId(id), action, actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to(&format!("/incidents/{id}")).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, (page_context, &person), id, None, Some((text, form))).await
        }
    }
}

pub(crate) async fn api_act(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
    Json(action): Json<api_types::action::Action>,
) -> Result<StatusCode, Problem> {
    let action = action.into();
    app.carry_out(&person, Command::Act { incident: IncidentId(id), action, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An incident with all that happened.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct IncidentDetails {
    #[serde(flatten)]
    incident: api_types::incident::Incident,
    timeline: Vec<api_types::incident::TimelineStep>,
    tickets: Vec<TicketItem>,
    notices: Vec<NoticeItem>,
}

/// An incident in a ticket system.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct TicketItem {
    system: String,
    /// Its identifier there; empty before it is there.
    ticket: String,
    /// Where people read it.
    page: String,
    /// Up to which step of the timeline it was told.
    step: u32,
    /// Why it was not told more.
    error: Option<String>,
    /// How far what comes back from there can be believed.
    authenticity: api_types::authenticity::Authenticity,
}

pub(crate) async fn api(State(app): State<App>, person: Person, Path(id): Path<u64>) -> ApiResult<IncidentDetails> {
    let (id_of, now) = (IncidentId(id), app.judged_now());
    let found = app
        .read(&person.scope, move |reader| {
            let whole = reader.incident(id_of)?;
            let one = whole.as_ref().map(|(incident, ..)| std::slice::from_ref(incident)).unwrap_or_default();
            let reporting = authenticity::reporting_of(one, reader, now)?;
            Ok((whole, reporting, reader.tickets(&TicketQuery::Of(id_of), LIMIT)?))
        })
        .await?;
    let (found, reporting, tickets) = found;
    let (mut incident, mut timeline, notices) =
        found.ok_or_else(|| Problem::not_found(format!("there is no incident {id}")))?;
    personal_data::reveal_incident(&app, &person, &mut incident, &mut timeline, &mut []).await;
    let tickets = tickets.into_iter().map(|ticket| TicketItem {
        page: page_of(&ticket, &app.config()),
        system: ticket.system,
        ticket: ticket.ticket,
        step: ticket.step,
        error: ticket.error,
        authenticity: Authenticity::judge(InformationSource::Ticket, Age::Record, []).into(),
    });
    let reports = authenticity::reports(&incident, &reporting);
    let (tickets, timeline, notices) = (tickets.collect(), all(timeline), all(notices));
    Ok(Json(IncidentDetails { incident: (incident, reports).into(), timeline, tickets, notices }))
}
