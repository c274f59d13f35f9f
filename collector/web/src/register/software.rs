//! The software register (article 9.1): products across machines, blanks as a work list that is filled in bulk; as a page, as files for
//! spreadsheets, in the API.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::Deserialize;

use super::file::{FILE_ROWS, Register, Table};
use super::{product_address, product_text};
use crate::api::{ApiResult, Page, page_limit};
use crate::api_types::all;
use crate::api_types::product::{Product as ProductItem, ProductCoverage as CoverageItem, ProductState as StateName};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, CommandError};
use ioc_store::template::percent_encoded;
use ioc_store::{ProductCoverage, ProductField, ProductQuery, ProductRow, ProductState};

/// Most products that are changed at once, as the engine has it.
const ALL_MAX: usize = 5000;
/// Longest search, characters.
const SEARCH_MAX_CHARS: usize = 100;
/// Managing owners to choose from.
const OWNERS_MAX: usize = 500;

/// What the list is asked for, as it stands in the address of the page and of its files.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct SoftwareAddress {
    /// Words to find in name, package and what people said.
    search: String,
    /// A state.
    state: String,
    /// A managing owner.
    owner: String,
    /// Only those of which something that must be known is not, where it is filled.
    blank: String,
    /// Those that are on no machine any more, too, where it is filled.
    gone: String,
    /// Which page, from 1; files are whole.
    page: String,
}

impl SoftwareAddress {
    fn page(&self) -> usize {
        self.page.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000)
    }

    /// What it means. What cannot be read says nothing.
    fn query(&self) -> ProductQuery {
        ProductQuery {
            search: self.search.chars().take(SEARCH_MAX_CHARS).collect(),
            state: ProductState::parse(&self.state),
            blank: !self.blank.is_empty(),
            owner: self.owner.clone(),
            gone: !self.gone.is_empty(),
            after: None,
            skip: (self.page() - 1) * ROWS,
            limit: ROWS,
        }
    }

    /// The same, written the shortest way; without the page.
    fn to_query_string(&self) -> String {
        let all = [
            ("search", &self.search),
            ("state", &self.state),
            ("owner", &self.owner),
            ("blank", &self.blank),
            ("gone", &self.gone),
        ];
        let filled = all.iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect::<Vec<_>>().join("&")
    }

    fn page_address(&self, page: usize) -> String {
        format!("/register/software?{}&page={page}", self.to_query_string())
    }

    fn file_address(&self, kind: &str) -> String {
        format!("/api/v1/software.{kind}?{}", self.to_query_string())
    }
}

#[derive(Template)]
#[template(path = "software-register.html")]
struct SoftwareRegisterPage {
    page_context: PageContext,
    address: SoftwareAddress,
    query: ProductQuery,
    rows: Vec<ProductRow>,
    total: u64,
    coverage: ProductCoverage,
    owners: Vec<String>,
    /// What was ticked and typed, and refused.
    ticked: Vec<String>,
    typed: BTreeMap<ProductField, String>,
    error: Option<String>,
}

impl SoftwareRegisterPage {
    fn is_plain(&self) -> bool {
        self.address.to_query_string().is_empty()
    }

    fn first(&self) -> usize {
        self.query.skip + 1
    }

    fn last(&self) -> usize {
        self.query.skip + self.rows.len()
    }

    fn has_next(&self) -> bool {
        (self.last() as u64) < self.total
    }

    fn text<'a>(row: &'a ProductRow, field: &str) -> &'a str {
        ProductField::parse(field).map_or("", |field| row.product.text(field))
    }

    fn is_blank(row: &ProductRow, field: &str) -> bool {
        ProductField::parse(field).is_some_and(|field| row.product.blanks.contains(&field))
    }

    /// Whether a person wrote it: what is only known from the catalogue or the packages stands there paler.
    fn is_written(row: &ProductRow, field: &str) -> bool {
        ProductField::parse(field).is_some_and(|field| row.product.said.contains_key(&field))
    }

    /// How many are in a state, by its place in [`ProductState::ALL`].
    fn state_count(&self, place: usize) -> u64 {
        self.coverage.states.get(place).copied().unwrap_or_default()
    }

    fn has_forbidden(&self) -> bool {
        self.state_count(2) > 0
    }

    fn typed(&self, field: &str) -> &str {
        ProductField::parse(field).and_then(|field| self.typed.get(&field)).map_or("", String::as_str)
    }

    fn is_ticked(&self, row: &ProductRow) -> bool {
        self.ticked.contains(&row.product.key)
    }

    fn address_of(row: &ProductRow) -> String {
        product_address(&row.product.key)
    }

    /// Up to three versions, and how many more.
    fn versions(row: &ProductRow) -> String {
        let shown = row.versions.iter().rev().take(3).cloned().collect::<Vec<_>>().join(", ");
        let more = row.versions.len().saturating_sub(3);
        if more > 0 { format!("{shown} +{more}") } else { shown }
    }
}

/// What was ticked and typed, and why it was refused.
#[derive(Default)]
struct Refused {
    ticked: Vec<String>,
    typed: BTreeMap<ProductField, String>,
    error: Option<CommandError>,
}

async fn render(app: &App, page_context: PageContext, address: SoftwareAddress, refused: Refused) -> PageResult {
    let query = address.query();
    let asked = query.clone();
    let found = app.read(&page_context.scope, move |reader| {
        let (rows, total) = (reader.products(&asked)?, reader.products_count(&asked)?);
        Ok((rows, total, reader.product_coverage()?, reader.product_owners(OWNERS_MAX)?))
    });
    match found.await {
        Ok((rows, total, coverage, owners)) => {
            let Refused { ticked, typed, error } = refused;
            let error = error.map(|error| refusal_text(&page_context, &error));
            let refused = error.is_some();
            let page = SoftwareRegisterPage {
                page_context,
                address,
                query,
                rows,
                total,
                coverage,
                owners,
                ticked,
                typed,
                error,
            };
            Ok(show_again(&page, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<SoftwareAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, address, Refused::default()).await
}

/// Says what is so of the products that were ticked, or of all that the address means: of what is filled in, and nothing else.
pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<SoftwareAddress>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (mut keys, mut fields, mut all) = (Vec::new(), BTreeMap::new(), false);
    for (name, text) in pairs {
        match (name.as_str(), ProductField::parse(&name)) {
            ("key", _) => keys.push(text),
            ("all", _) => all = true,
            (_, Some(field)) if !text.trim().is_empty() => drop(fields.insert(field, text)),
            _ => {}
        }
    }
    if all {
        // One more than may be changed at once is refused by the engine, with how many may.
        let query = ProductQuery { skip: 0, limit: ALL_MAX + 1, ..address.query() };
        match app.read(&page_context.scope, move |reader| reader.products(&query)).await {
            Ok(rows) => keys = rows.into_iter().map(|row| row.product.key).collect(),
            Err(problem) => return Err(Failure::new(page_context, problem)),
        }
    }
    let command = Command::ChangeProducts { keys: keys.clone(), fields: fields.clone(), actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to(&address.page_address(address.page())).into_response()),
        Err(error) => {
            let refused = Refused { ticked: keys, typed: fields, error: Some(error) };
            render(&app, page_context, address, refused).await
        }
    }
}

/// The register as a table, the seven columns of article 9.1 first: what an address means, all of it.
async fn table(app: &App, person: &Person, headers: &HeaderMap, address: &SoftwareAddress) -> Result<Table, Problem> {
    let page_context = page_context(app, person, headers);
    let query = ProductQuery { skip: 0, limit: FILE_ROWS, ..address.query() };
    let rows = app.read(&person.scope, move |reader| reader.products(&query)).await?;
    let word = |field: ProductField| page_context.name("product-field", field.as_str());
    let first = [ProductField::Purpose, ProductField::Scope, ProductField::Owner, ProductField::Licence];
    let rest = [ProductField::State, ProductField::SupportEnd, ProductField::LicenceCount, ProductField::Note];
    let mut headings = vec![(page_context.t("product-name"), 28)];
    headings.extend(first.map(|field| (word(field), 24)));
    headings.push((page_context.t("product-versions"), 24));
    headings.push((page_context.t("product-kept"), 16));
    headings.extend(rest.map(|field| (word(field), 16)));
    headings.extend(["product-first-seen", "product-last-seen", "product-key"].map(|key| (page_context.t(key), 18)));
    let row = |row: ProductRow| {
        let of = |field: ProductField| {
            let text =
                if field == ProductField::State { row.product.state().as_str() } else { row.product.text(field) };
            product_text(&page_context, field, text)
        };
        let mut cells = vec![row.product.name.clone()];
        cells.extend(first.map(of));
        cells.push(row.versions.join(", "));
        cells.push(page_context.count("product-devices", row.devices));
        cells.extend(rest.map(of));
        cells
            .extend([row.first_seen, row.last_seen].map(|at| at.map(|at| page_context.short(&at)).unwrap_or_default()));
        cells.push(row.product.key.clone());
        cells
    };
    Ok(Table { name: page_context.t("register-software"), headings, rows: rows.into_iter().map(row).collect() })
}

impl Register for SoftwareAddress {
    const FILE: &'static str = "software";

    async fn table(&self, app: &App, person: &Person, headers: &HeaderMap) -> Result<Table, Problem> {
        table(app, person, headers, self).await
    }
}

/// Which products are asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ProductsQuery {
    /// Words to find in name, package and what people said.
    search: String,
    /// Only in this state.
    state: Option<StateName>,
    /// Only of this managing owner.
    owner: String,
    /// Only those of which something that must be known is not.
    blank: bool,
    /// Those that are on no machine any more, too.
    gone: bool,
    cursor: Option<String>,
    limit: Option<usize>,
}

pub(crate) async fn api_list(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<ProductsQuery>,
) -> ApiResult<Page<ProductItem>> {
    let limit = page_limit(asked.limit);
    let query = ProductQuery {
        search: asked.search.chars().take(SEARCH_MAX_CHARS).collect(),
        state: asked.state.map(ProductState::from),
        blank: asked.blank,
        owner: asked.owner,
        gone: asked.gone,
        after: Some(asked.cursor.unwrap_or_default()),
        skip: 0,
        limit,
    };
    let found = app.read(&person.scope, move |reader| reader.products(&query)).await?;
    let next_cursor = found.last().filter(|_| found.len() >= limit).map(|last| last.product.key.clone());
    Ok(Json(Page { items: all(found), next_cursor }))
}

pub(crate) async fn api_coverage(State(app): State<App>, person: Person) -> ApiResult<CoverageItem> {
    Ok(Json(app.read(&person.scope, |reader| reader.product_coverage()).await?.into()))
}

/// What is so of products.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductsBody {
    /// 1 to 5,000 keys: all of them, or none.
    keys: Vec<String>,
    /// Only these columns, by their names; an empty text takes out what stands there.
    fields: BTreeMap<String, String>,
}

pub(crate) async fn api_change(
    State(app): State<App>,
    person: Person,
    Json(body): Json<ProductsBody>,
) -> Result<StatusCode, Problem> {
    let field = |(name, text): (String, String)| match ProductField::parse(&name) {
        Some(field) => Ok((field, text)),
        None => {
            let names = ProductField::ALL.map(ProductField::as_str).join(", ");
            Err(Problem::invalid(format!("fields: found column {name:?}; allowed are {names}")))
        }
    };
    let fields = body.fields.into_iter().map(field).collect::<Result<BTreeMap<_, _>, _>>()?;
    app.carry_out(&person, Command::ChangeProducts { keys: body.keys, fields, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_asked_and_nothing_more() {
        let address = SoftwareAddress {
            search: "libre 1&2".into(),
            state: "nonsense".into(),
            blank: "1".into(),
            page: "2".into(),
            ..SoftwareAddress::default()
        };
        assert_eq!(address.to_query_string(), "search=libre%201%262&state=nonsense&blank=1");
        let query = address.query();
        assert_eq!((query.state, query.blank, query.skip), (None, true, 100));
    }
}
