//! The registers that the regulation asks for: assets (article 6.1), software (9.1) and accounts (13). Each is a list with what is to be done in it, one row of it, an API and
//! files for spreadsheets.

pub(crate) mod account_attestation;
pub(crate) mod account_review;
pub(crate) mod accounts;
pub(crate) mod asset;
pub(crate) mod assets;
pub(crate) mod count;
pub(crate) mod count_api;
pub(crate) mod count_form;
pub(crate) mod cyclonedx;
pub(crate) mod device_list;
pub(crate) mod file;
pub(crate) mod import;
pub(crate) mod import_api;
pub(crate) mod imported;
pub(crate) mod product;
pub(crate) mod software;
pub(crate) mod undoing;

use std::collections::BTreeMap;

use crate::app::App;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::personal_data;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::scope::AccessScope;
use ioc_store::{AssetField, ProductField};

/// What the asset register is called in the record of who saw it.
const REGISTER: &str = "asset register";

/// With whose eyes a register is read that names people (article 12): that they are seen is on record, or they are not.
pub(crate) async fn scope_of(app: &App, person: &Person, register: &str) -> AccessScope {
    let scope = person.scope.clone();
    if scope.sees_names() && !personal_data::record_list_access(app, person, register).await {
        return scope.without_names();
    }
    scope
}

/// Columns by their names.
type FieldsBody = BTreeMap<String, String>;

/// Columns by what they are.
fn fields_of(fields: FieldsBody) -> Result<BTreeMap<AssetField, String>, String> {
    let field = |(name, text): (String, String)| match AssetField::parse(&name) {
        Some(field) => Ok((field, text)),
        None => {
            let names = AssetField::ALL.map(AssetField::as_str).join(", ");
            Err(format!("fields: found column {name:?}; allowed are {names}"))
        }
    };
    fields.into_iter().map(field).collect()
}

/// A device that an address names is none.
fn no_such_device(id: &str) -> RefusalReason {
    RefusalReason::new("refusal-device-missing", [("device", Word::text(id))], format!("there is no device {id}"))
}

/// A day as people write it; what is no day stays as it is.
fn day_text(text: &str) -> String {
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [year, month, day] => format!("{day}/{month}/{year}"),
        _ => text.to_owned(),
    }
}

/// What a column of the asset register holds, in words.
fn asset_text(page_context: &PageContext, field: AssetField, text: &str) -> String {
    match field {
        _ if text.is_empty() => String::new(),
        AssetField::Kind => page_context.name("kind", text),
        AssetField::State => page_context.name("asset-state", text),
        AssetField::Importance => page_context.name("asset-importance", text),
        field if field.is_day() => day_text(text),
        _ => text.to_owned(),
    }
}

/// What a column of the software register holds, in words.
fn product_text(page_context: &PageContext, field: ProductField, text: &str) -> String {
    match field {
        ProductField::State if !text.is_empty() => page_context.name("product-state", text),
        ProductField::SupportEnd => day_text(text),
        _ => text.to_owned(),
    }
}
