//! The audit log; as a page and in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::api::{ApiResult, ListQuery, Page, number_of_cursor, page_limit};
use crate::api_types::access::{AuditHead, AuditKey, AuditRecord, AuditStamp};
use crate::api_types::all;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_common::audit_head::Witnessed;
use ioc_common::clock::Timestamp;
use ioc_common::language::Language;
use ioc_store::template::percent_encoded;
use ioc_store::{Reader, StoreError, audit, audit_text, witness};

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
    stamped: Stamped,
    search: String,
    next: Option<u64>,
    /// Records before this one were not looked through for these words.
    looked_to: Option<u64>,
}

/// What an authority outside said of the log.
struct Stamped {
    /// Of the newest head that it was asked about, of the log that is there.
    newest: Option<audit::AuditStamp>,
    /// How many records the newest signed head is ahead of that.
    behind: u64,
    /// The record that was stamped last, where the log has lost it.
    lost: Option<u64>,
}

impl Stamped {
    fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let (newest, last) = (reader.last_audit_stamp_in_log()?, reader.last_audit_stamp()?);
        let head = reader.last_audit_head_in_log()?.map_or(0, |head| head.number);
        let number = newest.as_ref().map_or(0, |stamp| stamp.number);
        let lost = last.map(|stamp| stamp.number).filter(|last| *last > number);
        Ok(Self { behind: head.saturating_sub(number), newest, lost })
    }
}

impl LogPage {
    /// What was done, in words; its name alone where there are none.
    fn called(&self, one: &audit::AuditRecord) -> &'static str {
        let called = audit_text::text_of(&one.action);
        called.map_or("", |(vi, en)| match self.page_context.language {
            Language::Vietnamese => vi,
            Language::English => en,
        })
    }

    /// That the log lost what was stamped of it, up to this record.
    fn lost(&self, stamped: &u64) -> String {
        self.page_context.count("audit-stamped-lost", *stamped)
    }

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
    let found = app.read(&person.scope, move |reader| {
        let newest = reader.audit_before(query.before, "", 1)?.first().map_or(0, |record| record.number);
        Ok((reader.audit_before(query.before, &asked, ROWS)?, newest, Stamped::read(reader)?))
    });
    let found = match found.await {
        Ok(found) => readable(&app, &person, &found.0).await.map(|()| found),
        Err(problem) => Err(problem),
    };
    match found {
        Ok((records, newest, stamped)) => {
            let next = records.last().filter(|_| records.len() == ROWS).map(|record| record.number);
            // So many are looked through for words at a time; whoever wants goes on below them.
            let below = newest.checked_sub(audit::LOOKED_THROUGH).filter(|left| *left > 0 && !search.trim().is_empty());
            let looked_to = below.filter(|_| next.is_none()).map(|left| left + 1);
            let next = next.or(looked_to);
            Ok(show(&LogPage { page_context, records, stamped, search, next, looked_to }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Records that name people of machines are read by who may see them, and that is on record first. The log is never shown with gaps in it: its
/// hashes would prove nothing.
async fn readable(app: &App, person: &Person, records: &[audit::AuditRecord]) -> Result<(), Problem> {
    if !records.iter().any(|one| audit::names_people(&one.action))
        || personal_data::may_read(app, person, "audit log", "accounts of machines").await
    {
        return Ok(());
    }
    Err(Problem::unavailable("records here name people, and who reads them cannot be recorded; try again"))
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
    readable(&app, &person, &items).await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|record| record.number.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

/// Signed heads, in the order of their records.
pub(crate) async fn heads(
    State(app): State<App>,
    person: Person,
    Query(query): Query<HeadsQuery>,
) -> ApiResult<Page<AuditHead>> {
    let (after, limit) = (number_of_cursor(query.cursor.as_deref())?.unwrap_or(0), page_limit(query.limit));
    let newest = query.newest;
    let items = app.read(&person.scope, move |reader| {
        if newest { Ok(reader.last_audit_head()?.into_iter().collect()) } else { reader.audit_heads(after, limit) }
    });
    let items: Vec<ioc_common::audit_head::AuditHead> = items.await?;
    let next_cursor = items.last().filter(|_| !newest && items.len() == limit).map(|head| head.number.to_string());
    Ok(Json(Page { items: all(items), next_cursor }))
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct HeadsQuery {
    cursor: Option<String>,
    limit: Option<usize>,
    /// The newest alone.
    newest: bool,
}

/// What a time stamping authority said of signed heads, in the order of their records.
pub(crate) async fn stamps(
    State(app): State<App>,
    person: Person,
    Query(query): Query<HeadsQuery>,
) -> ApiResult<Page<AuditStamp>> {
    let (after, limit) = (number_of_cursor(query.cursor.as_deref())?.unwrap_or(0), page_limit(query.limit));
    let newest = query.newest;
    let found = app.read(&person.scope, move |reader| {
        let found = if newest {
            // Where the log lost its end: that of what is there, and that of what is lost.
            let (there, last) = (reader.last_audit_stamp_in_log()?, reader.last_audit_stamp()?);
            let lost = last.filter(|last| there.as_ref().is_none_or(|there| there.number != last.number));
            there.into_iter().chain(lost).collect()
        } else {
            reader.audit_stamps(after, limit)?
        };
        let with_head = |stamp: audit::AuditStamp| {
            let audit::AuditStamp { number, at, authority, reply } = stamp;
            let head = reader.audit_head(number)?.map(AuditHead::from);
            Ok(AuditStamp { number, at, authority, reply: STANDARD.encode(reply), head })
        };
        found.into_iter().map(with_head).collect::<Result<Vec<_>, StoreError>>()
    });
    let items: Vec<AuditStamp> = found.await?;
    let next_cursor = items.last().filter(|_| !newest && items.len() == limit).map(|stamp| stamp.number.to_string());
    Ok(Json(Page { items, next_cursor }))
}

/// The keys that signed them.
pub(crate) async fn keys(State(app): State<App>, person: Person) -> ApiResult<Vec<AuditKey>> {
    let keys = app.read(&person.scope, |reader| reader.audit_keys()).await?;
    Ok(Json(all(keys)))
}

/// What a device witnessed of the log last.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct WitnessItem {
    device: String,
    /// When it said so.
    at: Timestamp,
    /// The head that it kept; null before its first.
    head: Option<AuditHead>,
    /// How that stands to the log here: `agrees`, `restored` (a restore was declared), `missing` (the log ends before it), `differs`,
    /// `unknown_key`, `forged`; null where there is no head.
    verdict: Option<&'static str>,
}

/// What each device that keeps heads witnessed last, and whether the log here is the one that it saw.
pub(crate) async fn witnesses(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<WitnessItem>> {
    let limit = query.limit();
    let after = query.cursor.unwrap_or_default();
    let found = app.read(&person.scope, move |reader| {
        let known = reader.audit_keys()?.into_iter().map(|key| (key.id, key.public)).collect();
        let said = reader.audit_witnesses(&after, limit)?;
        let judged = said.into_iter().map(|(device, at, text)| {
            let head = serde_json::from_str::<Witnessed>(&text).ok().and_then(|said| said.head);
            let head = head.filter(ioc_common::audit_head::AuditHead::is_well_formed);
            let verdict = head.as_ref().map(|head| witness::compare(reader, &known, head)).transpose()?;
            let verdict = verdict.map(|verdict| verdict.as_str());
            Ok(WitnessItem { device: device.to_string(), at, head: head.map(AuditHead::from), verdict })
        });
        judged.collect::<Result<Vec<_>, StoreError>>()
    });
    let items = found.await?;
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|item| item.device.clone());
    Ok(Json(Page { items, next_cursor }))
}
