//! The list of faults, in the API.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use ioc_common::id::IncidentId;

use crate::api::{ApiResult, Page, device_id, number_of_cursor, page_limit};
use crate::api_types::all;
use crate::api_types::incident::Fault;
use crate::app::App;
use crate::person::Person;
use crate::personal_data;
use ioc_store::FaultQuery;

/// Which faults are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct FaultsQuery {
    cursor: Option<String>,
    limit: Option<usize>,
    /// Only those that have not ended.
    active: bool,
    /// Only of this device.
    device: Option<String>,
    /// Only under the incident of this number, of whatever device.
    incident: Option<u64>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<FaultsQuery>,
) -> ApiResult<Page<Fault>> {
    let (before, limit) = (number_of_cursor(query.cursor.as_deref())?, page_limit(query.limit));
    let device = query.device.as_deref().map(device_id).transpose()?;
    let (incident, open) = (query.incident.map(IncidentId), query.active);
    let mut items = app
        .read(&person.scope, move |reader| {
            let device = device.as_ref();
            reader.faults(&FaultQuery { device, incident, open, before, ..FaultQuery::default() }, limit)
        })
        .await?;
    personal_data::reveal_faults(&app, &person, "faults", &mut items).await;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|fault| fault.id.0.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}
