//! The list of incidents, by what people look for; as a page, as a file for a spreadsheet, and in the API.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{Authenticity, Incident, IncidentState, Severity};

use crate::api::{ApiResult, ListQuery, Page};
use crate::api_types::{self, all};
use crate::app::App;
use crate::authenticity;
use crate::device::name::{devices_of, name_of, names_of};
use crate::incident::month::{self, Month};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show_again};
use crate::people::{People, people};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_store::scope::AccessScope;
use ioc_store::template::{csv_field, percent_encoded};
use ioc_store::{IncidentQuery, Reader, StoreError};

/// Most incidents of one file.
const CSV_MAX: usize = 20_000;
/// Longest name that is looked for, characters.
const NAME_MAX: usize = 200;

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    page_context: PageContext,
    query: IncidentsQuery,
    incidents: Vec<Incident>,
    names: HashMap<DeviceId, String>,
    /// Their devices that report now.
    reporting: HashSet<DeviceId>,
    places: Vec<String>,
    people: People,
    months: Vec<Month>,
    next: Option<u64>,
    /// What became of what was asked for with many of them.
    result: Option<ManyResult>,
}

/// What became of what was asked for with many incidents.
pub(crate) struct ManyResult {
    /// With how many it was done.
    pub(crate) done: u64,
    /// With which it was not, and why.
    pub(crate) refused: Vec<(IncidentId, String)>,
    /// What was typed.
    pub(crate) form: Vec<(String, String)>,
    /// Why nothing was done at all.
    pub(crate) whole: Option<String>,
}

impl IncidentsPage {
    fn name_of<'s>(&'s self, incident: &'s Incident) -> &'s str {
        name_of(&self.names, incident.device.as_ref())
    }

    fn authenticity_of(&self, incident: &Incident) -> Authenticity {
        incident.authenticity(authenticity::reports(incident, &self.reporting))
    }

    fn tone_of(&self, incident: &Incident) -> Tone {
        Tone::of_incident(incident)
    }

    /// Whoever has it: to whom it was given, or who took it.
    fn holder<'s>(&'s self, incident: &'s Incident) -> &'s str {
        let given = Some(incident.record.person.as_str()).filter(|person| !person.is_empty());
        let who = given.or(incident.acknowledged_by.as_deref()).unwrap_or_default();
        self.people.name(who)
    }

    fn done_text(&self, done: &u64) -> String {
        self.page_context.count("many-done", *done)
    }

    fn refused_count(&self) -> u64 {
        self.result.as_ref().map_or(0, |result| result.refused.len() as u64)
    }

    /// What was refused stays ticked.
    fn is_ticked(&self, incident: &Incident) -> bool {
        self.result.as_ref().is_some_and(|result| result.refused.iter().any(|(id, _)| *id == incident.id))
    }

    /// What was typed before nothing was done.
    fn typed(&self, field: &str) -> &str {
        let kept = self.result.iter().filter(|result| result.done == 0).flat_map(|result| &result.form);
        kept.filter(|(key, _)| key == field).map(|(_, value)| value.as_str()).next().unwrap_or_default()
    }
}

/// What the list is asked for, as it stands in the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncidentsQuery {
    /// What is past, too: how addresses said it before there were states.
    all: Option<String>,
    /// `2026-11`; any where there is none.
    month: String,
    /// `active` where there is none, `all`, or one state.
    state: String,
    severity: String,
    place: String,
    person: String,
    before: Option<u64>,
    /// With how many of them something was just done.
    done: Option<u64>,
}

impl IncidentsQuery {
    /// The state that is looked for, in the words of the form.
    fn state(&self) -> &str {
        match (self.state.as_str(), &self.all) {
            ("", Some(_)) => "all",
            // Of a month, what is past is most of it.
            ("", None) if !self.month.is_empty() => "all",
            ("", None) => "active",
            (state, _) => state,
        }
    }

    fn is_in(&self, state: &str) -> bool {
        self.state() == state
    }

    fn is_plain(&self) -> bool {
        let filters = [&self.month, &self.severity, &self.place, &self.person];
        filters.iter().all(|one| one.is_empty()) && self.state() == "active"
    }

    /// The same as an address holds it, without the page.
    pub(super) fn address(&self) -> String {
        let pairs = [
            ("month", self.month.as_str()),
            ("state", self.state()),
            ("severity", self.severity.as_str()),
            ("place", self.place.as_str()),
            ("person", self.person.as_str()),
        ];
        let said = pairs.iter().filter(|(key, value)| !value.is_empty() && (*key, *value) != ("state", "active"));
        said.map(|(key, value)| format!("{key}={}", percent_encoded(value))).collect::<Vec<_>>().join("&")
    }

    /// What it means. What cannot be read says nothing.
    fn meant(&self, app: &App, people: &People, places: &[String]) -> IncidentQuery {
        let below = AccessScope::of(std::slice::from_ref(&self.place));
        let person: String = self.person.trim().chars().take(NAME_MAX).collect();
        IncidentQuery {
            active: self.state() == "active",
            state: IncidentState::ALL.into_iter().find(|state| state.as_str() == self.state()),
            severity: Severity::ALL.into_iter().find(|severity| severity.as_str() == self.severity),
            opened: Month::parse(&self.month, &app.config().timezone).map(|month| (month.from, month.until)),
            // A room means its racks, too. One that is nowhere finds nothing.
            places: match self.place.trim() {
                "" => Vec::new(),
                place => places
                    .iter()
                    .filter(|known| below.holds(known))
                    .cloned()
                    .chain(std::iter::once(place.to_owned()))
                    .collect(),
            },
            people: if person.is_empty() { Vec::new() } else { people.written(&person) },
            before: self.before,
        }
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<IncidentsQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, &person, query, None).await
}

/// The list, with what became of what was asked for with many of them.
pub(crate) async fn render(
    app: &App,
    page_context: PageContext,
    person: &Person,
    query: IncidentsQuery,
    result: Option<ManyResult>,
) -> PageResult {
    let (now, people) = (page_context.now, people(app, page_context.may_see_people()).await);
    let (asked, names_of_people, of_app) = (query.clone(), people.clone(), app.clone());
    let found = app
        .read(&person.scope, move |reader| {
            let places = rooms_and_racks(reader)?;
            let incidents = reader.find_incidents(&asked.meant(&of_app, &names_of_people, &places), ROWS)?;
            let names = names_of(devices_of(&incidents), reader)?;
            let reporting = authenticity::reporting_of(&incidents, reader, now)?;
            Ok((incidents, names, reporting, places))
        })
        .await;
    match found {
        Ok((incidents, names, reporting, places)) => {
            let next = incidents.last().filter(|_| incidents.len() == ROWS).map(|incident| incident.id.0);
            let months = month::latest(now, &app.config().timezone);
            let refused = result.as_ref().is_some_and(|result| result.done == 0);
            let page = IncidentsPage {
                page_context,
                query,
                incidents,
                names,
                reporting,
                places,
                people,
                months,
                next,
                result,
            };
            Ok(show_again(&page, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Every place that a device stands at, and the rooms that only racks name.
fn rooms_and_racks(reader: &dyn Reader) -> Result<Vec<String>, StoreError> {
    let mut places = reader.places()?;
    let rooms: Vec<String> =
        places.iter().filter_map(|place| place.split_once('/')).map(|(room, _)| room.trim().to_owned()).collect();
    places.extend(rooms);
    places.retain(|place| !place.trim().is_empty());
    places.sort_by_cached_key(|place| ioc_store::collation::key(place));
    places.dedup();
    Ok(places)
}

/// The same as a file for a spreadsheet: the newest, at most [`CSV_MAX`].
pub(crate) async fn csv(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<IncidentsQuery>,
) -> Result<Response, Problem> {
    let page_context = page_context(&app, &person, &headers);
    let people = people(&app, page_context.may_see_people()).await;
    let (names_of_people, of_app) = (people.clone(), app.clone());
    let (mut incidents, names) = app
        .read(&person.scope, move |reader| {
            let places = rooms_and_racks(reader)?;
            let mut meant = query.meant(&of_app, &names_of_people, &places);
            let mut incidents: Vec<Incident> = Vec::new();
            loop {
                let some = reader.find_incidents(&meant, ROWS)?;
                meant.before = some.last().map(|one| one.id.0);
                let whole = some.len() == ROWS;
                incidents.extend(some);
                if !whole || incidents.len() >= CSV_MAX {
                    break;
                }
            }
            let names = names_of(devices_of(&incidents), reader)?;
            Ok((incidents, names))
        })
        .await?;
    personal_data::reveal_incidents(&app, &person, "incidents.csv", &mut incidents).await;
    let headings = [
        "csv-incident",
        "csv-opened",
        "csv-state",
        "csv-severity",
        "csv-priority",
        "form-title",
        "form-device",
        "csv-affected",
        "form-unit",
        "form-person",
        "csv-acknowledged-by",
        "csv-acknowledged",
        "csv-resolved",
        "csv-to-acknowledge",
        "csv-to-resolve",
        "article",
        "csv-rule",
    ];
    // A mark at the beginning tells spreadsheets that this is UTF-8.
    let mut text = "\u{feff}".to_owned();
    text += &headings.map(|key| csv_field(&page_context.t(key))).join(",");
    text += "\r\n";
    for one in &incidents {
        text += &csv_row(one, &names, &people, &page_context).map(|field| csv_field(&field)).join(",");
        text += "\r\n";
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"incidents.csv\""),
    ];
    Ok((headers, text).into_response())
}

fn csv_row(
    one: &Incident,
    names: &HashMap<DeviceId, String>,
    people: &People,
    page_context: &PageContext,
) -> [String; 17] {
    let moment = |at: Option<Timestamp>| at.map(|at| page_context.short(&at)).unwrap_or_default();
    // Minutes, so that a spreadsheet reckons with them; what has not happened is empty and not nothing.
    let minutes = |at: Option<Timestamp>| {
        at.map(|at| format!("{:.1}", at.millis_since(one.opened_at).max(0) as f64 / 60_000.0)).unwrap_or_default()
    };
    [
        one.id.to_string(),
        page_context.short(&one.opened_at),
        page_context.name("incident-state", one.state.as_str()),
        page_context.name("severity", one.severity.as_str()),
        one.priority.as_str().to_owned(),
        one.title.get(page_context.language).to_owned(),
        name_of(names, one.device.as_ref()).to_owned(),
        one.progress.affected.max(1).to_string(),
        one.record.unit.clone(),
        people.name(&one.record.person).to_owned(),
        one.acknowledged_by.as_deref().map(|who| people.name(who).to_owned()).unwrap_or_default(),
        moment(one.acknowledged_at),
        moment(one.resolved_at),
        minutes(one.acknowledged_at),
        minutes(one.resolved_at),
        one.article.clone(),
        one.rule.clone(),
    ]
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<api_types::incident::Incident>> {
    let (before, device, limit, active) = (query.before()?, query.device()?, query.limit(), query.active);
    let now = app.judged_now();
    let found = app
        .read(&person.scope, move |reader| {
            let items = reader.incidents(device.as_ref(), active, before, limit)?;
            let reporting = authenticity::reporting_of(&items, reader, now)?;
            Ok((items, reporting))
        })
        .await?;
    let (mut items, reporting) = found;
    personal_data::reveal_incidents(&app, &person, "incidents", &mut items).await;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|incident| incident.id.0.to_string());
    let with_device = |incident: Incident| {
        let reports = authenticity::reports(&incident, &reporting);
        (incident, reports)
    };
    Ok(Json(Page { items: all(items.into_iter().map(with_device).collect()), next_cursor }))
}
