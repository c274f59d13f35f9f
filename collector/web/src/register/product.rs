//! One product of the software register: what is known of it and who said so, and on which machines it is and was; as a page and in the API.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use super::product_text;
use crate::api::ApiResult;
use crate::api_types::all;
use crate::api_types::product::{Product as ProductItem, ProductOnDevice as OnDeviceItem};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::product_address;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, CommandError, SeenProduct};
use ioc_store::template::percent_encoded;
use ioc_store::{Inherited, ProductField, ProductOnDevice, ProductRow, ProductState};

/// Machines of one product on its page and in one answer.
const DEVICES_MAX: usize = 500;

/// Which product, and where its list of machines goes on.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ProductAddress {
    /// The product's key.
    key: String,
    /// Machines behind this identifier.
    after: String,
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage {
    page_context: PageContext,
    row: ProductRow,
    devices: Vec<ProductOnDevice>,
    next: Option<String>,
    typed: BTreeMap<ProductField, String>,
    error: Option<String>,
}

impl ProductPage {
    const fn all_fields(&self) -> [ProductField; 8] {
        ProductField::ALL
    }

    fn word(&self, field: &ProductField) -> String {
        self.page_context.name("product-field", field.as_str())
    }

    fn shown(&self, field: &ProductField) -> String {
        let text = match field {
            ProductField::State => self.row.product.state().as_str(),
            field => self.row.product.text(*field),
        };
        product_text(&self.page_context, *field, text)
    }

    fn is_blank(&self, field: &ProductField) -> bool {
        self.row.product.blanks.contains(field)
    }

    /// Where a value comes from, in a line.
    fn source(&self, field: &ProductField) -> String {
        let said = self.row.product.said.get(field);
        match said.map(|value| (value.by.as_deref().unwrap_or_default(), self.page_context.short(&value.at))) {
            Some(("", when)) => format!("{} · {when}", self.page_context.t("asset-by-person")),
            Some((who, when)) => format!("{who} · {when}"),
            None if self.row.product.found.contains_key(field) => self.page_context.t("product-by-catalogue"),
            None => String::new(),
        }
    }

    /// What people wrote down.
    fn chosen(&self, field: &ProductField) -> &str {
        self.row.product.written(*field)
    }

    /// What stands there by now, where something else was typed and refused.
    fn stands(&self, field: &ProductField) -> Option<String> {
        let typed = self.typed.get(field)?;
        (typed != self.chosen(field)).then(|| product_text(&self.page_context, *field, self.chosen(field)))
    }

    fn inherited_text(&self, one: &Inherited) -> String {
        product_text(&self.page_context, one.field, &one.value.text)
    }

    fn typed_or_chosen(&self, field: &ProductField) -> &str {
        self.typed.get(field).map_or_else(|| self.chosen(field), String::as_str)
    }

    fn is_state(&self, field: &ProductField) -> bool {
        *field == ProductField::State
    }

    fn is_day(&self, field: &ProductField) -> bool {
        *field == ProductField::SupportEnd
    }

    fn found(&self, field: &ProductField) -> &str {
        self.row.product.found.get(field).map_or("", String::as_str)
    }

    fn more_address(&self, after: &str) -> String {
        format!("{}&after={}", product_address(&self.row.product.key), percent_encoded(after))
    }

    fn action(&self) -> String {
        product_address(&self.row.product.key)
    }
}

async fn read(
    app: &App,
    person: &Person,
    address: ProductAddress,
) -> Result<Option<(ProductRow, Vec<ProductOnDevice>)>, Problem> {
    app.read(&person.scope, move |reader| {
        let Some(row) = reader.product(&address.key)? else { return Ok(None) };
        let uses = reader.product_uses(&address.key, &address.after, DEVICES_MAX)?;
        // What is on no machine within reach is not there.
        let is_seen = row.first_seen.is_some();
        Ok(Some((row, uses)).filter(|_| is_seen))
    })
    .await
}

fn next_of(devices: &[ProductOnDevice]) -> Option<String> {
    devices.last().filter(|_| devices.len() >= DEVICES_MAX).map(|last| last.device.to_string())
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    address: ProductAddress,
    (typed, error): (BTreeMap<ProductField, String>, Option<CommandError>),
) -> PageResult {
    match read(app, person, address).await {
        Ok(Some((row, devices))) => {
            let error = error.map(|error| refusal_text(&page_context, &error));
            let (refused, next) = (error.is_some(), next_of(&devices));
            Ok(show_again(&ProductPage { page_context, row, devices, next, typed, error }, refused))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<ProductAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, address, (BTreeMap::new(), None)).await
}

/// Says what is so of a product, by the page: of what the form sends, what is something else than it showed. A button beside a decision on software that
/// became part of it takes that (`take`, by its place) or says that it is not so here (`keep`).
pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<ProductAddress>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (mut typed, mut was) = (BTreeMap::new(), BTreeMap::new());
    let (mut keep, mut take) = (Vec::new(), None);
    for (name, text) in pairs {
        match (name.as_str(), ProductField::parse(&name)) {
            ("keep", _) => keep.extend(ProductField::parse(&text)),
            ("take", _) => take = text.parse::<usize>().ok(),
            (_, Some(field)) => drop(typed.insert(field, text)),
            (name, None) => {
                if let Some(field) = name.strip_prefix("was-").and_then(ProductField::parse) {
                    was.insert(field, text);
                }
            }
        }
    }
    // What somebody else wrote meanwhile stays, where nothing else was typed over it.
    typed.retain(|field, text| was.get(field) != Some(text));
    was.retain(|field, _| typed.contains_key(field));
    let done = async {
        let mut fields = typed.clone();
        if let Some(place) = take {
            let key = address.key.clone();
            let row = app.read(&person.scope, move |reader| reader.product(&key)).await.map_err(Problem::refused)?;
            let inherited = row.and_then(|row| row.product.inherited.into_iter().nth(place));
            fields.extend(inherited.map(|one| (one.field, one.value.text)));
        }
        let products = vec![SeenProduct { key: address.key.clone(), mark: String::new() }];
        let actor = person.name.clone();
        app.carry_out(&person, Command::ChangeProducts { products, fields, was, keep, actor }).await
    };
    match done.await {
        Ok(_) => Ok(Redirect::to(&product_address(&address.key)).into_response()),
        Err(error) => render(&app, &person, page_context, address, (typed, Some(error))).await,
    }
}

/// One product, with the machines that it is or was on.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ProductAnswer {
    #[serde(flatten)]
    product: ProductItem,
    /// At most 500 machines, by identifier; those behind the last with `after`.
    machines: Vec<OnDeviceItem>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(address): Query<ProductAddress>,
) -> ApiResult<ProductAnswer> {
    let missing = format!("key: there is no product {:?} in the register", address.key);
    let (row, devices) = read(&app, &person, address).await?.ok_or_else(|| Problem::not_found(missing))?;
    Ok(Json(ProductAnswer { product: row.into(), machines: all(devices) }))
}
