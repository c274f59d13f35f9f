//! The audit log; as a page and in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;

use crate::api::{ApiResult, Page, number_of_cursor, page_limit};
use crate::api_types::access::AuditRecord;
use crate::api_types::all;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show};
use crate::person::Person;
use ioc_store::audit;
use ioc_store::template::percent_encoded;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LogQuery {
    search: String,
    before: Option<u64>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct LogPage {
    page_context: PageContext,
    records: Vec<audit::AuditRecord>,
    search: String,
    next: Option<u64>,
}

impl LogPage {
    fn older(&self, before: &u64) -> String {
        format!("/audit?search={}&before={before}", percent_encoded(&self.search))
    }
}

/// The audit log, the newest first.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<LogQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let search: String = query.search.chars().take(100).collect();
    let asked = search.clone();
    match app.read(&person.scope, move |reader| reader.audit_before(query.before, &asked, ROWS)).await {
        Ok(records) => {
            let next = records.last().filter(|_| records.len() == ROWS).map(|record| record.number);
            Ok(show(&LogPage { page_context, records, search, next }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AuditQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<AuditQuery>,
) -> ApiResult<Page<AuditRecord>> {
    let (after, limit) = (number_of_cursor(query.cursor.as_deref())?.unwrap_or(0), page_limit(query.limit));
    let items = app.read(&person.scope, move |reader| reader.audit(after, limit)).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|record| record.number.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}
