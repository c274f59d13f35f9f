//! The software register (article 9.1): products across machines, blanks as a work list that is filled in bulk; as a page, as files for
//! spreadsheets, in the API.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::Deserialize;

use super::file::{FILE_ROWS, Listed, Table, page_number, query_string};
use super::product_text;
use crate::api::{ApiResult, Page, page_limit};
use crate::api_types::all;
use crate::api_types::product::{Product as ProductItem, ProductCoverage as CoverageItem, ProductState as StateName};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::product_address;
use crate::page::{Failure, PageResult, ROWS, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, CommandError, SeenProduct};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::{MARK_CHARS, ProductCoverage, ProductField, ProductMark, ProductQuery, ProductRow, ProductState};

/// Most products that are changed at once, as the engine has it.
const ALL_MAX: usize = ioc_engine::writer::software_register::CHANGES_MAX;
/// Names of products in one refusal.
const NAMES_MAX: usize = 5;
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
        page_number(&self.page)
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
        query_string(&[
            ("search", &self.search),
            ("state", &self.state),
            ("owner", &self.owner),
            ("blank", &self.blank),
            ("gone", &self.gone),
        ])
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
    /// By what all of it is told from what stands there later; empty where it is more than may be changed at once.
    shown: String,
    /// What was ticked and typed, and refused.
    ticked: Vec<String>,
    all: bool,
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

    /// What a tick sends: which product, as it is shown.
    fn seen(row: &ProductRow) -> String {
        format!("{} {}", row.product.mark(), row.product.key)
    }

    fn has_work(row: &ProductRow) -> bool {
        !row.product.inherited.is_empty()
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
    all: bool,
    typed: BTreeMap<ProductField, String>,
    error: Option<CommandError>,
}

/// All that an address means, whatever its page: one more than may be changed at once.
fn all_of(address: &SoftwareAddress) -> ProductQuery {
    ProductQuery { skip: 0, limit: ALL_MAX + 1, ..address.query() }
}

/// By what all of them are told from what stands there later.
fn marks_of(marks: &[ProductMark]) -> String {
    marks.iter().map(|one| one.mark.as_str()).collect()
}

async fn render(app: &App, page_context: PageContext, address: SoftwareAddress, refused: Refused) -> PageResult {
    let query = address.query();
    // Only whoever may change them has to be held to what they were shown.
    let (asked, whole) = (query.clone(), page_context.may_administer().then(|| all_of(&address)));
    let found = app.read(&page_context.scope, move |reader| {
        let (rows, total) = (reader.products(&asked)?, reader.products_count(&asked)?);
        let marks = whole.map(|whole| reader.product_marks(&whole)).transpose()?.unwrap_or_default();
        Ok((rows, total, marks, reader.product_coverage()?, reader.product_owners(OWNERS_MAX)?))
    });
    match found.await {
        Ok((rows, total, marks, coverage, owners)) => {
            let Refused { ticked, all, typed, error } = refused;
            let error = error.map(|error| refusal_text(&page_context, &error));
            let refused = error.is_some();
            let shown = if marks.len() > ALL_MAX { String::new() } else { marks_of(&marks) };
            let page = SoftwareRegisterPage {
                page_context,
                address,
                query,
                rows,
                total,
                coverage,
                owners,
                shown,
                ticked,
                all,
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

/// All that an address means, where that is what was shown.
fn as_shown(shown: &str, marks: Vec<ProductMark>) -> Result<Vec<SeenProduct>, CommandError> {
    if marks.len() > ALL_MAX {
        let english = format!("all: found more than {ALL_MAX} products; filter the list first");
        return Err(
            RefusalReason::new("register-refused-all-many", [("most", Word::count(ALL_MAX))], english).invalid()
        );
    }
    if shown == marks_of(&marks) {
        return Ok(marks.into_iter().map(|one| SeenProduct { key: one.key, mark: one.mark }).collect());
    }
    let before: BTreeSet<&str> =
        (0..shown.len()).step_by(MARK_CHARS).filter_map(|at| shown.get(at..at + MARK_CHARS)).collect();
    let changed: Vec<&str> =
        marks.iter().filter(|one| !before.contains(one.mark.as_str())).map(|one| one.name.as_str()).collect();
    let (was, is) = (shown.len() / MARK_CHARS, marks.len());
    let names = changed.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = changed.len().saturating_sub(NAMES_MAX);
    let english =
        format!("all: {was} products were shown and there are {is} now; new or changed since: {names} (+{more})");
    let args = [
        ("was", Word::count(was)),
        ("is", Word::count(is)),
        ("changed", Word::count(changed.len())),
        ("names", Word::text(names)),
    ];
    Err(RefusalReason::new("register-refused-all-changed", args, english).conflict())
}

/// Says what is so of the products that were ticked, or of all that the address means, as they were shown: of what is filled in, and nothing else.
pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<SoftwareAddress>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (mut ticked, mut fields, mut all, mut shown) = (Vec::new(), BTreeMap::new(), false, String::new());
    for (name, text) in pairs {
        match (name.as_str(), ProductField::parse(&name)) {
            ("key", _) => {
                let (mark, key) = text.split_once(' ').unwrap_or(("", &text));
                ticked.push(SeenProduct { key: key.to_owned(), mark: mark.to_owned() });
            }
            ("all", _) => all = true,
            ("shown", _) => shown = text,
            (_, Some(field)) if !text.trim().is_empty() => drop(fields.insert(field, text)),
            _ => {}
        }
    }
    let keys = ticked.iter().map(|one| one.key.clone()).collect();
    let done = async {
        let products = if all {
            let query = all_of(&address);
            let marks = app.read(&page_context.scope, move |reader| reader.product_marks(&query)).await;
            as_shown(&shown, marks.map_err(Problem::refused)?)?
        } else {
            ticked
        };
        let (fields, was, actor) = (fields.clone(), BTreeMap::new(), person.name.clone());
        app.carry_out(&person, Command::ChangeProducts { products, fields, was, keep: Vec::new(), actor }).await
    };
    match done.await {
        Ok(_) => Ok(Redirect::to(&address.page_address(address.page())).into_response()),
        Err(error) => {
            let refused = Refused { ticked: keys, all, typed: fields, error: Some(error) };
            render(&app, page_context, address, refused).await
        }
    }
}

impl Listed for SoftwareAddress {
    const FILE: &'static str = "software";

    /// The seven columns of article 9.1 first.
    async fn table(self, app: &App, person: &Person, headers: &HeaderMap) -> Result<Table, Problem> {
        let page_context = page_context(app, person, headers);
        let query = ProductQuery { skip: 0, limit: FILE_ROWS, ..self.query() };
        let rows = app.read(&person.scope, move |reader| reader.products(&query)).await?;
        let word = |field: ProductField| page_context.name("product-field", field.as_str());
        let first = [ProductField::Purpose, ProductField::Scope, ProductField::Owner, ProductField::Licence];
        let rest = [ProductField::State, ProductField::SupportEnd, ProductField::LicenceCount, ProductField::Note];
        let mut headings = vec![(page_context.t("product-name"), 28)];
        headings.extend(first.map(|field| (word(field), 24)));
        headings.push((page_context.t("product-versions"), 24));
        headings.push((page_context.t("product-kept"), 16));
        headings.extend(rest.map(|field| (word(field), 16)));
        headings
            .extend(["product-first-seen", "product-last-seen", "product-key"].map(|key| (page_context.t(key), 18)));
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
            let seen = [row.first_seen, row.last_seen];
            cells.extend(seen.map(|at| at.map(|at| page_context.short(&at)).unwrap_or_default()));
            cells.push(row.product.key.clone());
            cells
        };
        Ok(Table { name: page_context.t("register-software"), headings, rows: rows.into_iter().map(row).collect() })
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
    let products = body.keys.into_iter().map(|key| SeenProduct { key, mark: String::new() }).collect();
    let (was, actor) = (BTreeMap::new(), person.name.clone());
    app.carry_out(&person, Command::ChangeProducts { products, fields, was, keep: Vec::new(), actor }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_means_what_was_shown() {
        let mark = |key: &str, mark: &str| ProductMark { key: key.into(), name: key.to_uppercase(), mark: mark.into() };
        let (a, b, changed) = (mark("a", "111111"), mark("b", "222222"), mark("b", "333333"));
        let shown = marks_of(&[a.clone(), b.clone()]);
        let all = as_shown(&shown, vec![a.clone(), b.clone()]).expect("as it was shown");
        assert_eq!(all.iter().map(|one| one.key.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let refused = |marks: Vec<ProductMark>| as_shown(&shown, marks).expect_err("something else").to_string();
        assert!(refused(vec![a.clone(), changed]).contains("since: B (+0)"));
        assert!(refused(vec![a.clone(), b, mark("c", "444444")]).contains("there are 3 now; new or changed since: C"));
        assert!(refused(vec![a.clone()]).contains("2 products were shown and there are 1 now"));
        as_shown("", vec![a]).expect_err("nobody was shown anything");
    }

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
