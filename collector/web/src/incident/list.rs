//! The list of incidents; as a page and in the API.

use std::collections::HashMap;

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::id::DeviceId;
use ioc_judge::Incident;

use crate::api::{ApiResult, ListQuery, Page};
use crate::api_types::{self, all};
use crate::app::App;
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

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<api_types::incident::Incident>> {
    let (before, device, limit, active) = (query.before()?, query.device()?, query.limit(), query.active);
    let mut items =
        app.read(&person.scope, move |reader| reader.incidents(device.as_ref(), active, before, limit)).await?;
    personal_data::reveal_incidents(&app, &person, "incidents", &mut items).await;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|incident| incident.id.0.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}
