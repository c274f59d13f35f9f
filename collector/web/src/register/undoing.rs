//! Undoing a table that was taken into a register: first what would be put back, and what stays because somebody changed it since; then that, and nothing else.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::sha256_hex;
use ioc_judge::Presence;

use super::import::{Imported, Words, every_product, of_import, undo_command, words};
use super::{asset_text, product_text, scope_of};
use crate::api::ApiResult;
use crate::api_types::all;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::CommandError;
use ioc_engine::inventory::undoing::{self, UndoneColumn};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::inventory::DeviceRecord;
use ioc_store::{
    AccountQuery, AssetField, AssetQuery, ImportRegister, ImportedRow, ProductField, Reader, Right, StoreError,
    TableImport, account_key,
};

/// Rows that are shown before an import is undone.
const ROWS_SHOWN: usize = 500;

/// What becomes of one column of a row.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct UndoneChange {
    /// The column.
    field: &'static str,
    /// What the import wrote there.
    brought: String,
    /// What stands there now.
    now: String,
    /// What is put back; null where what stands there now stays.
    back: Option<String>,
}

impl UndoneChange {
    fn of<F>(column: UndoneColumn<F>, name: impl Fn(&F) -> &'static str) -> Self {
        let UndoneColumn { field, brought, now, back } = column;
        Self { field: name(&field), brought, now, back }
    }
}

/// What becomes of one row of the register.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct UndoneRow {
    /// Its device, its account with the device before it, or its product's key.
    what: String,
    /// It was registered by this import, and is taken out: it never reported, and nobody said anything of it since.
    taken_out: bool,
    /// It is not in the register any more: there is nothing to put back.
    is_gone: bool,
    changes: Vec<UndoneChange>,
}

impl UndoneRow {
    /// Something of it stays as somebody changed it since.
    fn keeps(&self) -> bool {
        !self.taken_out && self.changes.iter().any(|change| change.back.is_none())
    }

    fn puts_back(&self) -> bool {
        !self.taken_out && self.changes.iter().any(|change| change.back.is_some())
    }
}

fn of_assets(reader: &dyn Reader, rows: Vec<ImportedRow>, now: Timestamp) -> Result<Vec<UndoneRow>, StoreError> {
    let known = reader.assets(&AssetQuery { limit: usize::MAX, ..AssetQuery::default() })?;
    let known: HashMap<_, _> = known.into_iter().map(|asset| (asset.device.clone(), asset)).collect();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let ImportedRow::Asset(one) = row else { continue };
        let what = one.device.to_string();
        let Some(asset) = known.get(&one.device) else {
            all.push(UndoneRow { what, taken_out: false, is_gone: true, changes: Vec::new() });
            continue;
        };
        let unheard = |found: Option<DeviceRecord>| found.is_some_and(|device| device.presence == Presence::NeverSeen);
        let taken_out = one.is_new
            && undoing::is_as_brought(&one, asset)
            && unheard(reader.device(&one.device)?)
            && !undoing::is_answered_for(reader, &one.device, now)?;
        let columns = undoing::of_asset(&one, asset).into_iter();
        let changes = columns.map(|column| UndoneChange::of(column, |field| field.as_str())).collect();
        all.push(UndoneRow { what, taken_out, is_gone: false, changes });
    }
    Ok(all)
}

fn of_accounts(
    reader: &dyn Reader,
    rows: Vec<ImportedRow>,
    query: &AccountQuery,
) -> Result<Vec<UndoneRow>, StoreError> {
    let known = reader.registered_accounts(query)?.rows;
    let known: HashMap<_, _> = known.into_iter().map(|(account, _)| (account.key(), account)).collect();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let ImportedRow::Account(one) = row else { continue };
        let what = account_key(one.device.as_ref(), &one.name);
        let account = known.get(&what);
        let columns = account.map(|account| undoing::of_account(&one, account)).unwrap_or_default().into_iter();
        let changes = columns.map(|column| UndoneChange::of(column, |field| field.as_str())).collect();
        all.push(UndoneRow { what, taken_out: false, is_gone: account.is_none(), changes });
    }
    Ok(all)
}

fn of_products(reader: &dyn Reader, rows: Vec<ImportedRow>) -> Result<Vec<UndoneRow>, StoreError> {
    let known = reader.products(&every_product())?;
    let known: HashMap<_, _> = known.into_iter().map(|row| (row.product.key.clone(), row.product)).collect();
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let ImportedRow::Product(one) = row else { continue };
        let product = known.get(&one.key);
        let columns = product.map(|product| undoing::of_product(&one, product)).unwrap_or_default().into_iter();
        let changes = columns.map(|column| UndoneChange::of(column, |field| field.as_str())).collect();
        all.push(UndoneRow { what: one.key, taken_out: false, is_gone: product.is_none(), changes });
    }
    Ok(all)
}

/// An import, and what undoing it would do as things stand.
async fn found<R: Imported>(app: &App, person: &Person, number: u64) -> Result<(TableImport, Vec<UndoneRow>), Problem> {
    let scope = scope_of(app, person, R::NAME).await;
    let (collector, now) = (person.may(Right::Audit), clock::now());
    let query = AccountQuery { collector, now, limit: usize::MAX, ..AccountQuery::default() };
    let found = app.read(&scope, move |reader| {
        let Some(mut import) = reader.table_import(number)?.filter(|one| one.register == R::REGISTER) else {
            return Ok(None);
        };
        let rows = std::mem::take(&mut import.rows);
        let rows = match R::REGISTER {
            ImportRegister::Assets => of_assets(reader, rows, now)?,
            ImportRegister::Accounts => of_accounts(reader, rows, &query)?,
            ImportRegister::Software => of_products(reader, rows)?,
        };
        Ok(Some((import, rows)))
    });
    found.await?.ok_or_else(|| {
        let english = format!("there is no import {number}");
        RefusalReason::new("register-refused-no-import", [("number", Word::Count(number))], english).not_found().into()
    })
}

/// What is shown is what is done.
fn digest_of(rows: &[UndoneRow]) -> String {
    sha256_hex(serde_json::to_string(rows).unwrap_or_default().as_bytes())
}

/// A row in words.
struct ShownRow {
    what: String,
    taken_out: bool,
    is_gone: bool,
    /// Column, what the import wrote, what stands there now, what is put back.
    changes: Vec<(String, String, String, Option<String>)>,
}

#[derive(Template)]
#[template(path = "register-import-undo.html")]
struct UndoPage {
    page_context: PageContext,
    /// Where tables are brought.
    address: &'static str,
    words: Words,
    /// Rows of it may be taken out again.
    registers: bool,
    import: TableImport,
    rows: Vec<ShownRow>,
    /// How many rows are put back, keep something, are taken out and are gone already.
    back: u64,
    keep: u64,
    out: u64,
    gone: u64,
    digest: String,
    /// Other than was shown before.
    changed: bool,
    error: Option<String>,
}

impl UndoPage {
    const fn all(&self) -> u64 {
        self.import.count
    }
}

fn shown<R: Imported>(page_context: &PageContext, row: &UndoneRow) -> ShownRow {
    let text = |name: &str, text: &str| {
        match R::REGISTER {
            ImportRegister::Assets => AssetField::parse(name).map(|field| asset_text(page_context, field, text)),
            ImportRegister::Software => ProductField::parse(name).map(|field| product_text(page_context, field, text)),
            ImportRegister::Accounts => None,
        }
        .unwrap_or_else(|| text.to_owned())
    };
    let change = |one: &UndoneChange| {
        let back = one.back.as_deref().map(|back| text(one.field, back));
        (R::column(page_context, one.field), text(one.field, &one.brought), text(one.field, &one.now), back)
    };
    let UndoneRow { what, taken_out, is_gone, changes } = row;
    let changes = if *taken_out { Vec::new() } else { changes.iter().map(change).collect() };
    ShownRow { what: what.clone(), taken_out: *taken_out, is_gone: *is_gone, changes }
}

async fn render<R: Imported>(
    app: &App,
    person: &Person,
    page_context: PageContext,
    number: u64,
    (changed, error): (bool, Option<CommandError>),
) -> PageResult {
    let (import, mut found) = match found::<R>(app, person, number).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let digest = digest_of(&found);
    let count = |is: fn(&UndoneRow) -> bool| found.iter().filter(|row| is(row)).count() as u64;
    let (back, keep) = (count(UndoneRow::puts_back), count(UndoneRow::keeps));
    let (out, gone) = (count(|row| row.taken_out), count(|row| row.is_gone));
    // What stays otherwise than it was brought is what somebody wants to know.
    found.sort_by_key(|row| !row.keeps());
    let rows = found.iter().take(ROWS_SHOWN).map(|row| shown::<R>(&page_context, row)).collect();
    let error = error.map(|error| refusal_text(&page_context, &error));
    let (address, words, registers) = (R::PAGE, words(R::REGISTER), R::REGISTER == ImportRegister::Assets);
    let again = changed || error.is_some();
    let page = UndoPage {
        page_context,
        address,
        words,
        registers,
        import,
        rows,
        back,
        keep,
        out,
        gone,
        digest,
        changed,
        error,
    };
    Ok(show_again(&page, again))
}

pub(crate) async fn page<R: Imported>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render::<R>(&app, &person, page_context, number, (false, None)).await
}

/// What was shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct UndoForm {
    digest: String,
}

pub(crate) async fn undo<R: Imported>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<UndoForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (import, rows) = match found::<R>(&app, &person, number).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    if import.undone.is_none() && form.digest != digest_of(&rows) {
        return render::<R>(&app, &person, page_context, number, (true, None)).await;
    }
    match app.carry_out(&person, undo_command::<R>(&person, number)).await {
        Ok(_) => Ok(Redirect::to(R::PAGE).into_response()),
        Err(error) => {
            let error = Some(of_import::<R>(error));
            render::<R>(&app, &person, page_context, number, (false, error)).await
        }
    }
}

/// What undoing an import would do.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct UndoingAnswer {
    /// Row by row, in the order of its table.
    rows: Vec<UndoneRow>,
}

pub(crate) async fn api<R: Imported>(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
) -> ApiResult<UndoingAnswer> {
    let (_, rows) = found::<R>(&app, &person, number).await?;
    Ok(Json(UndoingAnswer { rows: all(rows) }))
}
