//! The documents of a device as they stood at a moment.

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;

use super::{PastItem, field_value, optional_moment, states_at, title_of};
use crate::api::{ApiResult, device_id};
use crate::app::App;
use crate::device::documents::{self, DocumentCard};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use ioc_store::DocumentRecord;
use ioc_store::document_history::PastState;

/// A document as it stood, ready to be laid out.
struct PastCard {
    card: DocumentCard,
    since: Timestamp,
    until: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "past.html")]
struct PastPage {
    page_context: PageContext,
    id: DeviceId,
    device: String,
    at: Timestamp,
    /// As the field has it.
    field: String,
    cards: Vec<PastCard>,
    /// What had not come by then, or is forgotten.
    unknown: Vec<String>,
    /// What cannot be had again, and why.
    lost: Vec<(String, String)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PastQuery {
    at: String,
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<PastQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(page_context)) };
    let at = match optional_moment("at", &query.at, &app.config()) {
        Ok(at) => at.unwrap_or(page_context.now),
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let (device, states) = match states_at(&app, &person, &id, at).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let (mut cards, mut unknown, mut lost) = (Vec::new(), Vec::new(), Vec::new());
    for (name, state) in states {
        let title = title_of(&page_context, &name);
        match state {
            PastState::Known(known) => {
                let record = DocumentRecord { name, at: known.since, body: known.body.to_string() };
                let card = documents::show(&page_context, &record, None);
                cards.extend(card.map(|card| PastCard { card, since: known.since, until: known.until }));
            }
            PastState::Unknown => unknown.push(title),
            PastState::Lost(why) => lost.push((title, why)),
        }
    }
    let field = field_value(at, &app.config());
    Ok(show(&PastPage { page_context, id, device, at, field, cards, unknown, lost }))
}

/// Of which moment.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AsOfQuery {
    /// Of which moment; now where none is given.
    at: Option<Timestamp>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<AsOfQuery>,
) -> ApiResult<Vec<PastItem>> {
    let id = device_id(&id)?;
    let (_, states) = states_at(&app, &person, &id, query.at.unwrap_or_else(clock::now)).await?;
    Ok(Json(states.into_iter().map(PastItem::new).collect()))
}
