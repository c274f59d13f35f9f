//! A table that was taken into a register, with all that it did; in the API.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use ioc_common::id::DeviceId;

use super::import::Imported;
use super::import_api::ImportItem;
use super::scope_of;
use crate::api::ApiResult;
use crate::api_types::all;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::{ImportedAccount, ImportedAsset, ImportedProduct, ImportedRow};

/// What a table did to one column of one row.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportedChange {
    /// The column.
    field: &'static str,
    /// What was written down before.
    old: String,
    /// What is since.
    new: String,
}

/// What a table did to one row of its register.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportedLine {
    /// On which device; null for an account of this collector, and for a product.
    device: Option<DeviceId>,
    /// The account; null in the registers of assets and of software.
    name: Option<String>,
    /// The product's key; null in the registers of assets and of accounts.
    product: Option<String>,
    /// It was registered by this.
    is_new: bool,
    changes: Vec<ImportedChange>,
}

impl From<ImportedRow> for ImportedLine {
    fn from(inside: ImportedRow) -> Self {
        let change = |field, old, new| ImportedChange { field, old, new };
        match inside {
            ImportedRow::Asset(ImportedAsset { device, is_new, changes }) => {
                let changes = changes.into_iter().map(|(field, old, new)| change(field.as_str(), old, new)).collect();
                Self { device: Some(device), name: None, product: None, is_new, changes }
            }
            ImportedRow::Account(ImportedAccount { device, name, changes }) => {
                let changes = changes.into_iter().map(|(field, old, new)| change(field.as_str(), old, new)).collect();
                Self { device, name: Some(name), product: None, is_new: false, changes }
            }
            ImportedRow::Product(ImportedProduct { key, changes }) => {
                let changes = changes.into_iter().map(|(field, old, new)| change(field.as_str(), old, new)).collect();
                Self { device: None, name: None, product: Some(key), is_new: false, changes }
            }
        }
    }
}

/// A table that was taken in, with all that it did.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportWhole {
    #[serde(flatten)]
    import: ImportItem,
    /// Who undid it; null where nobody did.
    undone_by: Option<String>,
    /// What it did, in the order of its rows.
    lines: Vec<ImportedLine>,
}

pub(crate) async fn api_one<R: Imported>(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
) -> ApiResult<ImportWhole> {
    let scope = scope_of(&app, &person, R::NAME).await;
    let found = app.read(&scope, move |reader| reader.table_import(number)).await?;
    let mut import = found
        .filter(|one| one.register == R::REGISTER)
        .ok_or_else(|| Problem::not_found(format!("there is no import {number} into this register")))?;
    let lines = all(std::mem::take(&mut import.rows));
    let undone_by = import.undone.as_ref().map(|(_, by)| by.clone());
    Ok(Json(ImportWhole { import: import.into(), undone_by, lines }))
}
