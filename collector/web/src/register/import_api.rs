//! Tables that are taken into registers, in the API: row by row what one changes, and which were taken in.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use super::import::{AccountTable, AssetTable, IMPORTS_MAX, Imported, Preview, SoftwareTable, of_import, undo_command};
use crate::api::ApiResult;
use crate::api_types::all;
use crate::api_types::asset::AssetField as FieldName;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Answer, CommandError};
use ioc_engine::inventory::account_table::AccountPlan;
use ioc_engine::inventory::asset_table::RowPlan;
use ioc_engine::inventory::product_table::ProductPlan;
use ioc_store::{AccountField, AssetField, ProductField, Reader, TableImport};

/// What a table would change in one column of one asset.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PlannedChange {
    field: FieldName,
    /// What is written down now.
    old: String,
    /// What would be.
    new: String,
}

/// What a row of a table would change.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PlannedRow {
    /// Row of the table, from 1; the headings are the first.
    row: u64,
    device: String,
    /// It would be registered.
    is_new: bool,
    changes: Vec<PlannedChange>,
}

impl From<RowPlan> for PlannedRow {
    fn from(inside: RowPlan) -> Self {
        let RowPlan { row, device, is_new, changes } = inside;
        let change = |(field, old, new): (AssetField, String, String)| PlannedChange { field: field.into(), old, new };
        Self { row, device, is_new, changes: changes.into_iter().map(change).collect() }
    }
}

/// What a table changes.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportAnswer {
    /// Rows that change something.
    rows: Vec<PlannedRow>,
    /// How many assets were changed; null when it was only looked at.
    changed: Option<usize>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ImportQuery {
    /// Only say what would be done.
    check: bool,
}

/// What a table would change in one column of one account.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PlannedAccountChange {
    /// `holder` or `note`.
    field: &'static str,
    /// What is known now.
    old: String,
    /// What would be written down.
    new: String,
}

/// What a row of a table would change of an account.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PlannedAccount {
    /// Row of the table, from 1; the headings are the first.
    row: u64,
    /// By what it is told from all others: device and name.
    key: String,
    changes: Vec<PlannedAccountChange>,
}

impl From<AccountPlan> for PlannedAccount {
    fn from(inside: AccountPlan) -> Self {
        let AccountPlan { row, key, changes } = inside;
        let change = |(field, old, new): (AccountField, String, String)| PlannedAccountChange {
            field: field.as_str(),
            old,
            new,
        };
        Self { row, key, changes: changes.into_iter().map(change).collect() }
    }
}

/// What a table would change in one column of one product.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PlannedProductChange {
    /// The column.
    field: &'static str,
    /// What is written down now.
    old: String,
    /// What would be.
    new: String,
}

/// What a row of a table would change of a product.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PlannedProduct {
    /// Row of the table, from 1; the headings are the first.
    row: u64,
    /// By what it is known.
    key: String,
    changes: Vec<PlannedProductChange>,
}

impl From<ProductPlan> for PlannedProduct {
    fn from(inside: ProductPlan) -> Self {
        let ProductPlan { row, key, changes } = inside;
        let change = |(field, old, new): (ProductField, String, String)| PlannedProductChange {
            field: field.as_str(),
            old,
            new,
        };
        Self { row, key, changes: changes.into_iter().map(change).collect() }
    }
}

/// What a table changes in the software register.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ProductImportAnswer {
    /// Rows that change something.
    rows: Vec<PlannedProduct>,
    /// How many products were changed; null when it was only looked at.
    changed: Option<usize>,
}

/// What a table changes in the register of accounts.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct AccountImportAnswer {
    /// Rows that change something.
    rows: Vec<PlannedAccount>,
    /// How many accounts were changed; null when it was only looked at.
    changed: Option<usize>,
}

/// Looks at a table, or takes it in: the rows that change something, and how many were changed.
async fn taken<R: Imported>(
    app: &App,
    person: &Person,
    check: bool,
    table: &str,
) -> Result<(Vec<R::Plan>, Option<usize>), Problem> {
    let found = R::preview(app, person, table).await?.map_err(|faults| {
        let lines = faults.iter().map(|one| format!("row {}, column {}: {}", one.row, one.column, one.fault));
        Problem::invalid(lines.collect::<Vec<_>>().join("\n"))
    })?;
    let Preview { command, plans } = found;
    let changed = if check {
        None
    } else {
        match app.carry_out(person, command).await? {
            Answer::Imported(changed) => Some(changed),
            _ => return Err(CommandError::unexpected_answer().into()),
        }
    };
    Ok((plans.into_iter().filter(|plan| R::changes(plan)).collect(), changed))
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ImportQuery>,
    table: String,
) -> ApiResult<ImportAnswer> {
    let (rows, changed) = taken::<AssetTable>(&app, &person, query.check, &table).await?;
    Ok(Json(ImportAnswer { rows: all(rows), changed }))
}

pub(crate) async fn api_accounts(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ImportQuery>,
    table: String,
) -> ApiResult<AccountImportAnswer> {
    let (rows, changed) = taken::<AccountTable>(&app, &person, query.check, &table).await?;
    Ok(Json(AccountImportAnswer { rows: all(rows), changed }))
}

pub(crate) async fn api_software(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ImportQuery>,
    table: String,
) -> ApiResult<ProductImportAnswer> {
    let (rows, changed) = taken::<SoftwareTable>(&app, &person, query.check, &table).await?;
    Ok(Json(ProductImportAnswer { rows: all(rows), changed }))
}

/// A table that was taken in.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportItem {
    /// Its number among those of all registers, from 1.
    number: u64,
    /// When it was taken in.
    at: Timestamp,
    /// By whom.
    by: String,
    /// How many rows of the register it changes.
    rows: u64,
    /// Of how many of them that, or putting it back, is still to be done.
    left: u64,
    /// When it was undone; null where it was not.
    undone_at: Option<Timestamp>,
}

impl From<TableImport> for ImportItem {
    fn from(one: TableImport) -> Self {
        Self {
            number: one.number,
            at: one.at,
            by: one.by,
            rows: one.count,
            left: one.left,
            undone_at: one.undone.map(|(at, _)| at),
        }
    }
}

/// Which part of the list is asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ImportsQuery {
    /// Only those before this number: the list goes on so behind its last.
    before: Option<u64>,
}

pub(crate) async fn api_list<R: Imported>(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ImportsQuery>,
) -> ApiResult<Vec<ImportItem>> {
    let read = move |reader: &dyn Reader| reader.table_imports(R::REGISTER, query.before, IMPORTS_MAX);
    Ok(Json(all(app.read(&person.scope, read).await?)))
}

pub(crate) async fn api_undo<R: Imported>(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, undo_command::<R>(&person, number)).await.map_err(of_import::<R>)?;
    Ok(StatusCode::NO_CONTENT)
}
