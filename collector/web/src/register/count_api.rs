//! Inventory takings in the API.

use std::mem::take;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::count::{Row, TAKINGS, counting, is_within};
use super::count_form::{
    CloseBody, CountedState, FindBody, OpenBody, SettleBody, SettleFindBody, TickBody, closed, found, opened, settled,
    settled_find, ticked,
};
use super::scope_of;
use crate::api::{ApiResult, ListQuery, Page};
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use crate::report::everywhere;
use ioc_store::inventory_count::{Find, InventoryCount, Tick};
use ioc_store::{Reader, StoreError};

/// Takings of one answer that has all that was ticked: a taking has as many ticks as there are machines.
const RECORDS_MAX: usize = 4;

/// An inventory taking.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CountItem {
    /// Its number, from 1.
    number: u64,
    /// The place, with what is below it; empty for all.
    place: String,
    /// When it was opened.
    opened_at: Timestamp,
    /// Who opened it.
    opened_by: String,
    /// None while it is open.
    closed_at: Option<Timestamp>,
    /// The number of its minutes among issued reports; none while it is open.
    minutes: Option<u64>,
}

impl From<InventoryCount> for CountItem {
    fn from(inside: InventoryCount) -> Self {
        Self {
            number: inside.number,
            place: inside.place,
            opened_at: inside.opened_at,
            opened_by: inside.opened_by,
            closed_at: inside.closed.as_ref().map(|closed| closed.at),
            minutes: inside.closed.map(|closed| closed.minutes),
        }
    }
}

/// An asset of a taking.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CountedItem {
    /// Which device.
    device: DeviceId,
    /// What it is called.
    name: String,
    /// Its label.
    label: String,
    /// Where the register says that it is.
    place: String,
    /// What was found; none while nobody has ticked it.
    state: Option<CountedState>,
    /// Where it is, for `elsewhere`.
    found_at: String,
    /// What else was said.
    remark: String,
    /// Who ticked it; empty where nobody has.
    by: String,
    /// When it was ticked: what the next tick of it says as `seen`.
    at: Option<Timestamp>,
    /// It is work still: nobody has said what became of it.
    unsettled: bool,
}

/// A taking with its assets.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CountDetails {
    #[serde(flatten)]
    count: CountItem,
    /// How many the register has there.
    assets: usize,
    /// How many nobody has ticked.
    left: usize,
    /// What was ticked by now: what closing it says as `seen`.
    seen: String,
    /// Its assets, by place.
    items: Vec<CountedItem>,
    /// What was found and is not in the register.
    finds: Vec<FindItem>,
}

/// Something that was found and is not in the register.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FindItem {
    /// Its number within the taking, from 1.
    number: u32,
    /// What it is.
    what: String,
    /// The label on it; empty where there is none.
    label: String,
    serial: String,
    /// Where it is.
    place: String,
    remark: String,
    /// Who wrote it down.
    by: String,
    at: Timestamp,
    /// When it was said what became of it; null while that is work.
    settled_at: Option<Timestamp>,
    /// What became of it.
    settled: String,
}

impl From<Find> for FindItem {
    fn from(inside: Find) -> Self {
        let Find { number, what, label, serial, place, remark, by, at, settled } = inside;
        let settled_at = settled.as_ref().map(|settled| settled.at);
        let settled = settled.map(|settled| settled.remark).unwrap_or_default();
        Self { number, what, label, serial, place, remark, by, at, settled_at, settled }
    }
}

pub(crate) async fn api_list(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<CountItem>> {
    let (before, limit) = (query.before()?, query.limit());
    let scope = scope_of(&app, &person, TAKINGS).await;
    let mut found = app.read(&scope, move |reader| reader.inventory_counts(false, before, limit)).await?;
    let next_cursor = found.last().filter(|_| found.len() == limit).map(|one| one.number.to_string());
    found.retain(|count| is_within(&person, count));
    Ok(Json(Page { items: found.into_iter().map(CountItem::from).collect(), next_cursor }))
}

pub(crate) async fn api(State(app): State<App>, person: Person, Path(number): Path<u64>) -> ApiResult<CountDetails> {
    let counting = counting(&app, &person, number, "").await?;
    let (seen, assets) = (counting.seen(), counting.rows.len());
    let left = counting.rows.iter().filter(|row| row.tick.is_none()).count();
    let item = |row: Row| CountedItem {
        name: row.name(),
        label: row.label().to_owned(),
        place: row.place().to_owned(),
        found_at: row.found_at().to_owned(),
        remark: row.remark().to_owned(),
        state: row.tick.as_ref().map(|tick| tick.state.into()),
        by: row.tick.as_ref().map(|tick| tick.by.clone()).unwrap_or_default(),
        at: row.tick.as_ref().map(|tick| tick.at),
        unsettled: row.unsettled,
        device: row.asset.device,
    };
    let items = counting.rows.into_iter().map(item).collect();
    let finds = counting.finds.into_iter().map(FindItem::from).collect();
    Ok(Json(CountDetails { count: counting.count.into(), assets, left, seen, items, finds }))
}

/// The number of a taking.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CountOpened {
    /// Its number.
    number: u64,
}

/// A member of the commission.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct MemberItem {
    name: String,
    /// What they are.
    title: String,
}

/// What somebody ticked of an asset.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct TickItem {
    device: DeviceId,
    state: CountedState,
    /// Where it is, for `elsewhere`.
    found_at: String,
    remark: String,
    /// Who ticked it.
    by: String,
    at: Timestamp,
}

impl From<Tick> for TickItem {
    fn from(inside: Tick) -> Self {
        let Tick { device, state, place: found_at, remark, by, at } = inside;
        Self { device, state: state.into(), found_at, remark, by, at }
    }
}

/// A taking as it is on record.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CountRecord {
    #[serde(flatten)]
    count: CountItem,
    /// Who closed it; empty while it is open.
    closed_by: String,
    /// Who was in the commission.
    members: Vec<MemberItem>,
    remark: String,
    /// What was ticked, of machines that were taken out since, too.
    ticks: Vec<TickItem>,
    /// What was found and is not in the register.
    finds: Vec<FindItem>,
}

/// Takings as they are on record, whatever became of the register since.
pub(crate) async fn api_records(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<CountRecord>> {
    everywhere(&person)?;
    let (before, limit) = (query.before()?, query.limit().min(RECORDS_MAX));
    let scope = scope_of(&app, &person, TAKINGS).await;
    let read = move |reader: &dyn Reader| {
        let counts = reader.inventory_counts(false, before, limit)?;
        let whole = |count: InventoryCount| {
            let (ticks, finds) = (reader.all_inventory_ticks(count.number)?, reader.inventory_finds(count.number)?);
            Ok((count, ticks, finds))
        };
        counts.into_iter().map(whole).collect::<Result<Vec<_>, StoreError>>()
    };
    let found = app.read(&scope, read).await?;
    let next_cursor = found.last().filter(|_| found.len() == limit).map(|(count, ..)| count.number.to_string());
    let items = found.into_iter().map(|(mut count, ticks, finds)| {
        let closed = count.closed.as_mut();
        let (closed_by, remark, members) = closed.map_or_else(Default::default, |closed| {
            (take(&mut closed.by), take(&mut closed.remark), take(&mut closed.members))
        });
        CountRecord {
            count: count.into(),
            closed_by,
            members: members.into_iter().map(|one| MemberItem { name: one.name, title: one.title }).collect(),
            remark,
            ticks: ticks.into_iter().map(TickItem::from).collect(),
            finds: finds.into_iter().map(FindItem::from).collect(),
        }
    });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

pub(crate) async fn api_open(
    State(app): State<App>,
    person: Person,
    Json(body): Json<OpenBody>,
) -> Result<(StatusCode, Json<CountOpened>), Problem> {
    let number = opened(&app, &person, body.place).await?;
    Ok((StatusCode::CREATED, Json(CountOpened { number })))
}

pub(crate) async fn api_tick(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(body): Json<TickBody>,
) -> Result<StatusCode, Problem> {
    ticked(&app, &person, number, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_find(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(body): Json<FindBody>,
) -> Result<StatusCode, Problem> {
    found(&app, &person, number, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_settle_find(
    State(app): State<App>,
    person: Person,
    Path(of): Path<(u64, u32)>,
    Json(body): Json<SettleFindBody>,
) -> Result<StatusCode, Problem> {
    settled_find(&app, &person, of, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The minutes of a taking that was closed.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct CountClosed {
    /// Their number among issued reports.
    minutes: u64,
}

pub(crate) async fn api_close(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(body): Json<CloseBody>,
) -> ApiResult<CountClosed> {
    Ok(Json(CountClosed { minutes: closed(&app, &person, number, &body).await? }))
}

pub(crate) async fn api_settle(
    State(app): State<App>,
    person: Person,
    Json(body): Json<SettleBody>,
) -> Result<StatusCode, Problem> {
    settled(&app, &person, body).await?;
    Ok(StatusCode::NO_CONTENT)
}
