//! What changed on a device and when: as a page, as a file for a spreadsheet, in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::reading::PROBES;

use super::words::{self, ChangeLine};
use super::{DifferenceItem, field_value, optional_moment, path_of, title_of};
use crate::api::{ApiResult, Page, device_id, page_limit};
use crate::api_types::names;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_store::document_history::{ChangeContent, ChangeCursor, ChangePage, ChangeQuery, DocumentChange, SOFTWARE};
use ioc_store::template::{csv_field, percent_encoded};

/// Changes on one page.
const ROWS: usize = 50;
/// Most changes in one file.
const FILE_ROWS_MAX: usize = 20_000;
/// Largest file, bytes, and how long its changes may be read, microseconds.
const FILE_BYTES_MAX: usize = 64 << 20;
const FILE_US: u64 = 10_000_000;
/// Changes that are read at a time for a file.
const FILE_PAGE: usize = 500;
/// Most lines of one change on the page; file and API have all.
const LINES_MAX: usize = 30;

/// A page of changes, what the person may see of them, and where the list goes on.
struct ChangesPart {
    device: String,
    changes: Vec<DocumentChange>,
    next: Option<ChangeCursor>,
}

/// Which changes.
struct Asked {
    name: Option<String>,
    from: Timestamp,
    to: Timestamp,
    after: Option<ChangeCursor>,
    limit: usize,
}

async fn read(app: &App, person: &Person, id: &DeviceId, asked: Asked) -> Result<ChangesPart, Problem> {
    let device = id.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&device)? else { return Ok(None) };
            let Asked { name, from, to, after, limit } = asked;
            let query = ChangeQuery { device: &device, name: name.as_deref(), from, to, after, limit };
            Ok(Some((record.info.name, reader.document_changes(&query)?)))
        })
        .await?;
    let Some((device, ChangePage { mut changes, next })) = found else {
        return Err(Problem::not_found(format!("there is no device {id}")));
    };
    if !personal_data::may_see(app, person, id, changes.iter().map(|one| one.name.as_str())).await {
        changes = changes.into_iter().filter_map(DocumentChange::without_personal).collect();
    }
    Ok(ChangesPart { device, changes, next })
}

fn cursor(text: &str) -> Result<Option<ChangeCursor>, Problem> {
    let refused = || Problem::invalid(format!("cursor: found {text:?}; allowed is what next_cursor gave"));
    if text.is_empty() { Ok(None) } else { ChangeCursor::parse(text).ok_or_else(refused).map(Some) }
}

/// A change as a row.
struct ChangeRow {
    at: Timestamp,
    /// The moment as a link has it.
    moment: String,
    title: String,
    /// `first`, `changed` or `lost`.
    kind: &'static str,
    why: String,
    lines: Vec<ChangeLine>,
    more: u64,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    page_context: PageContext,
    id: DeviceId,
    device: String,
    rows: Vec<ChangeRow>,
    /// Documents that can be chosen, with their titles.
    documents: Vec<(String, String)>,
    document: String,
    from: String,
    until: String,
    /// What the filters are, as a query.
    filter: String,
    next: Option<String>,
}

impl ChangesPage {
    fn is_chosen(&self, name: &str) -> bool {
        self.document == name
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    document: String,
    from: String,
    until: String,
    cursor: String,
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
    let config = app.config();
    let moments = optional_moment("from", &query.from, &config)
        .and_then(|from| Ok((from, optional_moment("until", &query.until, &config)?, cursor(&query.cursor)?)));
    let (from, until, after) = match moments {
        Ok(moments) => moments,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let asked = Asked {
        name: Some(query.document.clone()).filter(|name| !name.is_empty()),
        from: from.unwrap_or(Timestamp::from_millis(0)),
        to: until.unwrap_or(Timestamp::from_millis(i64::MAX)),
        after,
        limit: ROWS,
    };
    let ChangesPart { device, changes, next } = match read(&app, &person, &id, asked).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let surveys = PROBES.iter().filter(|probe| probe.every_s.is_some()).map(|probe| probe.name);
    let names = surveys.filter(|name| *name != SOFTWARE).chain([SOFTWARE, "probes", ioc_common::settings::DOCUMENT]);
    let documents = names.map(|name| (name.to_owned(), title_of(&page_context, name))).collect();
    let rows = changes.iter().map(|one| row_of(&page_context, one)).collect();
    let moment = |at: Option<Timestamp>| at.map(|at| field_value(at, &config)).unwrap_or_default();
    let (from_field, until_field) = (moment(from), moment(until));
    let exact = |name: &str, at: Option<Timestamp>| {
        at.map(|at| format!("&{name}={}", percent_encoded(&at.to_string()))).unwrap_or_default()
    };
    let filter =
        format!("document={}{}{}", percent_encoded(&query.document), exact("from", from), exact("until", until));
    Ok(show(&ChangesPage {
        page_context,
        id,
        device,
        rows,
        documents,
        document: query.document,
        from: from_field,
        until: until_field,
        filter,
        next: next.map(|next| percent_encoded(&next.to_string())),
    }))
}

fn row_of(page_context: &PageContext, change: &DocumentChange) -> ChangeRow {
    let (kind, why, differences) = match &change.content {
        ChangeContent::First => ("first", String::new(), &[][..]),
        ChangeContent::Lost(why) => ("lost", why.clone(), &[][..]),
        ChangeContent::Differences(all) => ("changed", String::new(), all.as_slice()),
    };
    let lines = words::lines(page_context, &change.name, differences);
    let more = lines.len().saturating_sub(LINES_MAX) as u64;
    ChangeRow {
        at: change.at,
        moment: percent_encoded(&change.at.to_string()),
        title: title_of(page_context, &change.name),
        kind,
        why,
        lines: lines.into_iter().take(LINES_MAX).collect(),
        more,
    }
}

/// Which changes are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChangesQuery {
    /// Of this document alone.
    document: Option<String>,
    /// From this moment on.
    from: Option<Timestamp>,
    /// Before this moment.
    until: Option<Timestamp>,
    cursor: Option<String>,
    limit: Option<usize>,
}

impl ChangesQuery {
    fn asked(self, limit: usize) -> Result<Asked, Problem> {
        Ok(Asked {
            // A list of documents that can be chosen has an empty name for all of them.
            name: self.document.filter(|name| !name.is_empty()),
            from: self.from.unwrap_or(Timestamp::from_millis(0)),
            to: self.until.unwrap_or(Timestamp::from_millis(i64::MAX)),
            after: cursor(self.cursor.as_deref().unwrap_or_default())?,
            limit,
        })
    }
}

names! {
    /// What is known of a change.
    ChangeKind {
        /// It is the first that is known of the document.
        First = "first",
        /// What differs from before.
        Changed = "changed",
        /// It is not known what changed.
        Lost = "lost",
    }
}

/// A change of a document.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ChangeItem {
    /// When the new version was made.
    at: Timestamp,
    document: String,
    /// Which of its versions began with it, from 1.
    number: u64,
    kind: ChangeKind,
    /// Why it is not known.
    why: Option<String>,
    differences: Vec<DifferenceItem>,
}

impl From<DocumentChange> for ChangeItem {
    fn from(change: DocumentChange) -> Self {
        let (kind, why, differences) = match &change.content {
            ChangeContent::First => (ChangeKind::First, None, Vec::new()),
            ChangeContent::Lost(why) => (ChangeKind::Lost, Some(why.clone()), Vec::new()),
            ChangeContent::Differences(all) => {
                (ChangeKind::Changed, None, all.iter().map(DifferenceItem::from).collect())
            }
        };
        Self { at: change.at, document: change.name, number: change.number, kind, why, differences }
    }
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> ApiResult<Page<ChangeItem>> {
    let (id, limit) = (device_id(&id)?, page_limit(query.limit));
    let part = read(&app, &person, &id, query.asked(limit)?).await?;
    let items = part.changes.into_iter().map(ChangeItem::from).collect();
    Ok(Json(Page { items, next_cursor: part.next.map(|next| next.to_string()) }))
}

/// A line for each difference. Where there is more than a file takes, its name says so.
pub(crate) async fn csv(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<ChangesQuery>,
) -> Result<Response, Problem> {
    let page_context = page_context(&app, &person, &headers);
    let id = device_id(&id)?;
    // A mark at the beginning tells spreadsheets that this is UTF-8.
    let mut text = "\u{feff}at,document,number,kind,path,old,new,what\r\n".to_owned();
    let line = |text: &mut String, change: &DocumentChange, kind: &str, [path, old, new, what]: [&str; 4]| {
        let (at, number) = (change.at.to_string(), change.number.to_string());
        let fields = [at.as_str(), &change.name, &number, kind, path, old, new, what];
        *text += &fields.map(csv_field).join(",");
        *text += "\r\n";
    };
    let (mut asked, mut left) = (query.asked(FILE_PAGE)?, FILE_ROWS_MAX);
    let ends_us = clock::boottime_us() + FILE_US;
    let is_cut = loop {
        let again = |after, limit| Asked { name: asked.name.clone(), from: asked.from, to: asked.to, after, limit };
        let part = read(&app, &person, &id, again(asked.after.clone(), FILE_PAGE.min(left))).await?;
        left -= part.changes.len().min(left);
        for change in &part.changes {
            match &change.content {
                ChangeContent::First => line(&mut text, change, "first", ["", "", "", &page_context.t("change-first")]),
                ChangeContent::Lost(why) => line(&mut text, change, "lost", ["", "", "", why]),
                ChangeContent::Differences(all) => {
                    for one in all {
                        let what = words::lines(&page_context, &change.name, std::slice::from_ref(one));
                        let what = what.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("; ");
                        let value = |value: &Option<serde_json::Value>| match value {
                            Some(serde_json::Value::String(text)) => text.clone(),
                            Some(other) => other.to_string(),
                            None => String::new(),
                        };
                        line(&mut text, change, "changed", [&path_of(one), &value(&one.old), &value(&one.new), &what]);
                    }
                }
            }
        }
        let Some(next) = part.next else { break false };
        if left == 0 || text.len() > FILE_BYTES_MAX || clock::boottime_us() > ends_us {
            break true;
        }
        asked.after = Some(next);
    };
    let cut = if is_cut { "-newest" } else { "" };
    let name = format!("attachment; filename=\"changes{cut}-{id}.csv\"");
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, text).into_response())
}
