//! Two moments of a device, or two devices, side by side.

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;

use super::words::{self, ChangeLine};
use super::{DifferenceItem, PastItem, field_value, optional_moment, states_at, title_of};
use crate::api::{ApiResult, device_id};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::document_history::{ComparedDocument, PastState, compare};

/// Lines of one document on the page; the API has all.
const LINES_MAX: usize = 200;

/// A side: which device, when.
struct Side {
    id: DeviceId,
    name: String,
    at: Timestamp,
}

/// What differs in a document.
struct ComparedRow {
    title: String,
    /// What is known of it on each side: `known`, `unknown`, `lost`.
    left: &'static str,
    right: &'static str,
    lines: Vec<ChangeLine>,
    more: u64,
}

impl ComparedRow {
    /// Whether both sides are known, so that they can be held against each other.
    fn is_known(&self) -> bool {
        self.left == "known" && self.right == "known"
    }
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    page_context: PageContext,
    left: Side,
    right: Side,
    left_field: String,
    right_field: String,
    rows: Vec<ComparedRow>,
    /// What is the same on both sides.
    same: Vec<String>,
}

impl ComparePage {
    fn has_unknown(&self) -> bool {
        self.rows.iter().any(|row| !row.is_known())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    at: String,
    with: String,
    with_at: String,
}

async fn compared(
    app: &App,
    person: &Person,
    (left, left_at): (DeviceId, Timestamp),
    (right, right_at): (DeviceId, Timestamp),
) -> Result<(Side, Side, Vec<ComparedDocument>), Problem> {
    let (left_name, left_states) = states_at(app, person, &left, left_at).await?;
    let (right_name, right_states) = states_at(app, person, &right, right_at).await?;
    let left = Side { id: left, name: left_name, at: left_at };
    let right = Side { id: right, name: right_name, at: right_at };
    Ok((left, right, compare(left_states, right_states)))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(page_context)) };
    let (config, now) = (app.config(), page_context.now);
    let with = query.with.trim();
    let other = if with.is_empty() { Ok(id.clone()) } else { device_id(with) };
    let sides = other.and_then(|other| {
        // A day ago, where nobody said what to hold now against.
        let day_ago = if other == id { now.plus_millis(-86_400_000) } else { now };
        let left = optional_moment("at", &query.at, &config)?.unwrap_or(day_ago);
        Ok(((id, left), (other, optional_moment("with_at", &query.with_at, &config)?.unwrap_or(now))))
    });
    let found = match sides {
        Ok((left, right)) => compared(&app, &person, left, right).await,
        Err(problem) => Err(problem),
    };
    let (left, right, all) = match found {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let (mut rows, mut same) = (Vec::new(), Vec::new());
    for one in all {
        let title = title_of(&page_context, &one.name);
        if one.differences.as_ref().is_some_and(Vec::is_empty) {
            same.push(title);
            continue;
        }
        let lines = words::lines(&page_context, &one.name, one.differences.as_deref().unwrap_or_default());
        let more = lines.len().saturating_sub(LINES_MAX) as u64;
        let lines = lines.into_iter().take(LINES_MAX).collect();
        rows.push(ComparedRow { title, left: known(&one.left), right: known(&one.right), lines, more });
    }
    let (left_field, right_field) = (field_value(left.at, &config), field_value(right.at, &config));
    Ok(show(&ComparePage { page_context, left, right, left_field, right_field, rows, same }))
}

const fn known(state: &PastState) -> &'static str {
    match state {
        PastState::Known(_) => "known",
        PastState::Unknown => "unknown",
        PastState::Lost(_) => "lost",
    }
}

/// What is held against what.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CompareQuery {
    /// Of which moment; now where none is given.
    at: Option<Timestamp>,
    /// Against which device; itself where none is given.
    with: Option<String>,
    /// Against which moment; now where none is given.
    with_at: Option<Timestamp>,
}

/// A document, as it stood on both sides.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ComparedItem {
    left: PastItem,
    right: PastItem,
    /// What leads from left to right; none where one of them is not known.
    differences: Option<Vec<DifferenceItem>>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<CompareQuery>,
) -> ApiResult<Vec<ComparedItem>> {
    let (id, now) = (device_id(&id)?, clock::now());
    let with = query.with.as_deref().map(device_id).transpose()?.unwrap_or_else(|| id.clone());
    let (left, right) = ((id, query.at.unwrap_or(now)), (with, query.with_at.unwrap_or(now)));
    let (_, _, all) = compared(&app, &person, left, right).await?;
    let item = |one: ComparedDocument| ComparedItem {
        left: PastItem::new((one.name.clone(), one.left)),
        right: PastItem::new((one.name, one.right)),
        differences: one.differences.map(|all| all.iter().map(DifferenceItem::from).collect()),
    };
    Ok(Json(all.into_iter().map(item).collect()))
}
