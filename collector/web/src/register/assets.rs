//! The asset register (article 6.1): searched, filtered and paged by the store; as a page, as files for spreadsheets, in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_judge::DeviceKind;

use super::file::{FILE_ROWS, Listed, Table, page_number, query_string};
use super::{FieldsBody, REGISTER, asset_text, fields_of, scope_of};
use crate::api::{ApiResult, Page, device_id, page_limit};
use crate::api_types::asset::{Asset as AssetItem, AssetCoverage as CoverageItem, AssetState as StateName};
use crate::api_types::{all, names};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{AssetChange, Command};
use ioc_store::{Asset, AssetCoverage, AssetField, AssetQuery, AssetState, AssetWork};

/// Longest search, characters.
const SEARCH_MAX_CHARS: usize = 100;

/// What is to be done, by its name in addresses.
const WORK: [&str; 4] = ["", "blank", "contradiction", "unattested"];

fn work_of(name: &str, now: Timestamp) -> AssetWork {
    match name {
        "blank" => AssetWork::Blank,
        "contradiction" => AssetWork::Contradiction,
        "unattested" => AssetWork::Unattested(now),
        _ => AssetWork::Any,
    }
}

/// What the list is asked for, as it stands in the address of the page and of its files.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AssetsAddress {
    /// Words of any column but those of people.
    search: String,
    /// A kind of device.
    kind: String,
    /// A place.
    place: String,
    /// A state of use.
    state: String,
    /// What is to be done: `blank`, `contradiction` or `unattested`.
    work: String,
    /// Which page, from 1; files are whole.
    page: String,
}

impl AssetsAddress {
    fn page(&self) -> usize {
        page_number(&self.page)
    }

    /// What it means. What cannot be read says nothing.
    fn query(&self, now: Timestamp) -> AssetQuery {
        AssetQuery {
            search: self.search.chars().take(SEARCH_MAX_CHARS).collect(),
            kind: DeviceKind::parse(&self.kind),
            place: self.place.clone(),
            state: AssetState::parse(&self.state),
            work: work_of(&self.work, now),
            after: None,
            skip: (self.page() - 1) * ROWS,
            limit: ROWS,
        }
    }

    /// The same, written the shortest way; without the page.
    fn to_query_string(&self) -> String {
        query_string(&[
            ("search", &self.search),
            ("kind", &self.kind),
            ("place", &self.place),
            ("state", &self.state),
            ("work", &self.work),
        ])
    }

    /// The same for another work.
    fn with_work(&self, work: &str) -> String {
        let other = Self { work: work.to_owned(), ..self.clone() };
        format!("/register/assets?{}", other.to_query_string())
    }

    fn page_address(&self, page: usize) -> String {
        format!("/register/assets?{}&page={page}", self.to_query_string())
    }

    fn file_address(&self, kind: &str) -> String {
        format!("/api/v1/assets.{kind}?{}", self.to_query_string())
    }
}

#[derive(Template)]
#[template(path = "assets.html")]
struct AssetsPage {
    page_context: PageContext,
    address: AssetsAddress,
    query: AssetQuery,
    assets: Vec<Asset>,
    total: u64,
    coverage: AssetCoverage,
    places: Vec<String>,
}

impl AssetsPage {
    const fn works(&self) -> [&'static str; 4] {
        WORK
    }

    fn is_plain(&self) -> bool {
        self.address.to_query_string().is_empty()
    }

    fn first(&self) -> usize {
        self.query.skip + 1
    }

    fn last(&self) -> usize {
        self.query.skip + self.assets.len()
    }

    fn has_next(&self) -> bool {
        (self.last() as u64) < self.total
    }

    fn of(&self, count: &u64) -> String {
        format!("{count}/{}", self.coverage.assets)
    }

    fn text<'a>(asset: &'a Asset, field: &str) -> &'a str {
        AssetField::parse(field).map_or("", |field| asset.text(field))
    }

    fn fields(&self, fields: &[AssetField]) -> String {
        words_of(&self.page_context, fields)
    }
}

/// Columns by their words, in a line.
fn words_of(page_context: &PageContext, fields: &[AssetField]) -> String {
    let words = fields.iter().map(|field| page_context.name("asset-field", field.as_str()));
    words.collect::<Vec<_>>().join(", ")
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<AssetsAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let query = address.query(page_context.now);
    let scope = scope_of(&app, &person, REGISTER).await;
    let (asked, is_plain) = (query.clone(), address.to_query_string().is_empty());
    let found = app.read(&scope, move |reader| {
        let coverage = reader.asset_coverage()?;
        // All of them are counted there already.
        let total = if is_plain { coverage.assets } else { reader.assets_count(&asked)? };
        Ok((reader.assets(&asked)?, total, coverage, reader.places()?))
    });
    match found.await {
        Ok((assets, total, coverage, places)) => {
            Ok(show(&AssetsPage { page_context, address, query, assets, total, coverage, places }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

impl Listed for AssetsAddress {
    const FILE: &'static str = "assets";

    async fn table(self, app: &App, person: &Person, headers: &HeaderMap) -> Result<Table, Problem> {
        let page_context = page_context(app, person, headers);
        let query = AssetQuery { skip: 0, limit: FILE_ROWS, ..self.query(page_context.now) };
        let scope = scope_of(app, person, REGISTER).await;
        let assets = app.read(&scope, move |reader| reader.assets(&query)).await?;
        let fields = AssetField::ALL.into_iter();
        let mut headings = vec![(page_context.t("id"), 16)];
        headings.extend(fields.map(|field| (page_context.name("asset-field", field.as_str()), 18)));
        headings.push((page_context.t("assets-col-blank"), 30));
        headings.push((page_context.t("assets-col-contradiction"), 30));
        let row = |asset: Asset| {
            let fields = AssetField::ALL.into_iter();
            let state = asset.state().as_str();
            let text = |field| if field == AssetField::State { state } else { asset.text(field) };
            let cells = fields.map(|field| asset_text(&page_context, field, text(field)));
            let mut row: Vec<String> = std::iter::once(asset.device.to_string()).chain(cells).collect();
            row.extend([&asset.blanks, &asset.contradictions].map(|fields| words_of(&page_context, fields)));
            row
        };
        Ok(Table { name: page_context.t("register-assets"), headings, rows: assets.into_iter().map(row).collect() })
    }
}

names! {
    /// What is to be done in the register.
    WorkName {
        /// Something that must be written down is not.
        Blank = "blank",
        /// The agent says something else than what is written down.
        Contradiction = "contradiction",
        /// Nobody's word holds that a machine without an agent is protected.
        Unattested = "unattested",
    }
}

/// Which rows are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct AssetsQuery {
    /// Words of any column but those of people.
    search: String,
    /// Only in this state.
    state: Option<StateName>,
    /// Only those with which this is to be done.
    work: Option<WorkName>,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn api_list(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<AssetsQuery>,
) -> ApiResult<Page<AssetItem>> {
    let limit = page_limit(asked.limit);
    let work = match asked.work {
        None => AssetWork::Any,
        Some(WorkName::Blank) => AssetWork::Blank,
        Some(WorkName::Contradiction) => AssetWork::Contradiction,
        Some(WorkName::Unattested) => AssetWork::Unattested(app.judged_now()),
    };
    let query = AssetQuery {
        search: asked.search.chars().take(SEARCH_MAX_CHARS).collect(),
        state: asked.state.map(AssetState::from),
        work,
        after: Some(asked.cursor.unwrap_or_default()),
        limit,
        ..AssetQuery::default()
    };
    let scope = scope_of(&app, &person, REGISTER).await;
    let found = app.read(&scope, move |reader| reader.assets(&query)).await?;
    let next_cursor = found.last().filter(|_| found.len() >= limit).map(|last| last.device.to_string());
    Ok(Json(Page { items: all(found), next_cursor }))
}

pub(crate) async fn api_coverage(State(app): State<App>, person: Person) -> ApiResult<CoverageItem> {
    Ok(Json(app.read(&person.scope, |reader| reader.asset_coverage()).await?.into()))
}

/// What is written down of several assets.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangesBody {
    /// 1 to 2,000: all of them, or none.
    assets: Vec<OneChange>,
}

/// What is written down of one of them.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneChange {
    device: String,
    /// Only these columns, by their names; an empty text takes out what stands there.
    fields: FieldsBody,
}

/// Writes down what is so of several assets: all of it, or nothing.
pub(crate) async fn api_change_many(
    State(app): State<App>,
    person: Person,
    Json(body): Json<ChangesBody>,
) -> Result<StatusCode, Problem> {
    let change = |one: OneChange| {
        let device = device_id(&one.device)?;
        let fields = fields_of(one.fields).map_err(Problem::invalid)?;
        Ok::<_, Problem>(AssetChange { device, fields, keep: Vec::new(), was: Default::default() })
    };
    let changes = body.assets.into_iter().map(change).collect::<Result<Vec<_>, _>>()?;
    app.carry_out(&person, Command::ChangeAssets { changes, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_asked_and_nothing_more() {
        let address = AssetsAddress {
            search: "máy 1&2".into(),
            state: "spare".into(),
            work: "blank".into(),
            page: "3".into(),
            ..AssetsAddress::default()
        };
        assert_eq!(address.to_query_string(), "search=m%C3%A1y%201%262&state=spare&work=blank");
        let query = address.query(Timestamp::MIN);
        assert_eq!((query.state, query.work, query.skip), (Some(AssetState::Spare), AssetWork::Blank, 200));
        let nonsense =
            AssetsAddress { state: "x".into(), work: "x".into(), page: "x".into(), ..AssetsAddress::default() };
        let query = nonsense.query(Timestamp::MIN);
        assert_eq!((query.state, query.work, query.skip), (None, AssetWork::Any, 0));
    }
}
