//! The list of incidents; as a page and in the API.

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::id::DeviceId;
use ioc_judge::{Authenticity, Incident};

use crate::api::{ApiResult, ListQuery, Page};
use crate::api_types::{self, all};
use crate::app::App;
use crate::authenticity;
use crate::device::name::{devices_of, name_of, names_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::tone::Tone;

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    page_context: PageContext,
    incidents: Vec<Incident>,
    names: HashMap<DeviceId, String>,
    /// Their devices that report now.
    reporting: HashSet<DeviceId>,
    all: bool,
    next: Option<u64>,
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
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct IncidentsQuery {
    all: Option<String>,
    before: Option<u64>,
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<IncidentsQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (all, now) = (query.all.is_some(), page_context.now);
    let found = app
        .read(&person.scope, move |reader| {
            let incidents = reader.incidents(None, !all, query.before, ROWS)?;
            let names = names_of(devices_of(&incidents), reader)?;
            let reporting = authenticity::reporting_of(&incidents, reader, now)?;
            Ok((incidents, names, reporting))
        })
        .await;
    match found {
        Ok((incidents, names, reporting)) => {
            let next = incidents.last().filter(|_| incidents.len() == ROWS).map(|incident| incident.id.0);
            Ok(show(&IncidentsPage { page_context, incidents, names, reporting, all, next }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
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
