//! The list of faults, in the API.

use axum::Json;
use axum::extract::{Query, State};

use crate::api::{ApiResult, ListQuery, Page};
use crate::api_types::all;
use crate::api_types::incident::Fault;
use crate::app::App;
use crate::person::Person;
use crate::personal_data;
use ioc_store::FaultQuery;

pub(crate) async fn api(
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
    personal_data::reveal_faults(&app, &person, "faults", &mut items).await;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|fault| fault.id.0.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}
