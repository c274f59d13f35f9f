//! The software of a device (article 9.1): as a page, as a file for a spreadsheet, in the API.

use std::collections::HashMap;

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::software::{Item, LIST_MAX_ITEMS};

use crate::api::{ApiResult, ListQuery, Page, device_id};
use crate::api_types::all;
use crate::api_types::device::SoftwareItem;
use crate::app::App;
use crate::device::row::DeviceRow;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::template::csv_field;

/// Pieces of software on one page.
const SOFTWARE_ROWS: usize = 500;

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
pub(crate) struct SoftwareQuery {
    cursor: String,
}

/// The software list of a device (article 9.1).
pub(crate) async fn page(
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
                let items = reader.software(&id, &query.cursor, SOFTWARE_ROWS)?;
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
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The same as a file for a spreadsheet.
pub(crate) async fn csv(State(app): State<App>, person: Person, Path(id): Path<String>) -> Result<Response, Problem> {
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

/// The software of a device.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<SoftwareItem>> {
    let (id, limit) = (device_id(&id)?, query.limit());
    let after = query.cursor.unwrap_or_default();
    let items = app.read(&person.scope, move |reader| reader.software(&id, &after, limit)).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(Item::key);
    Ok(Json(Page { items: all(items), next_cursor }))
}
