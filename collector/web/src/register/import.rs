//! A table that is pasted into the asset register: first what it would change, row by row, or which cells are faulty; then all of it, or nothing;
//! and the imports that were made, each of which can be undone once. A workbook comes by the command line: what is packed is unpacked on the
//! machine of whoever brings it.

use std::collections::HashMap;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::encoding::sha256_hex;

use super::{REGISTER, asset_text, scope_of};
use crate::api::ApiResult;
use crate::api_types::asset::AssetField as FieldName;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, multipart, page_context, reason_text, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_common::clock::Timestamp;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::inventory::asset_table::{self, CellFault, RowPlan};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};
use ioc_store::{AssetField, AssetImport, AssetQuery, AssetRow};

/// Largest table, bytes.
pub(crate) const TABLE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Rows of a table that are shown before it is taken in.
const ROWS_SHOWN: usize = 500;
/// Imports that are listed.
const IMPORTS_MAX: usize = 20;

/// What a table would change.
struct Preview {
    rows: Vec<AssetRow>,
    plans: Vec<RowPlan>,
}

impl Preview {
    /// What is told from others by: what is shown is what is taken in.
    fn digest(&self) -> String {
        sha256_hex(serde_json::to_string(&self.plans).unwrap_or_default().as_bytes())
    }
}

/// Reads a table and compares it with what is written down.
async fn preview(app: &App, person: &Person, text: &str) -> Result<Result<Preview, Vec<CellFault>>, Problem> {
    let rows = match asset_table::read(text) {
        Ok(rows) => rows,
        Err(faults) => return Ok(Err(faults)),
    };
    let scope = scope_of(app, person, REGISTER).await;
    let query = AssetQuery { limit: usize::MAX, ..AssetQuery::default() };
    let known = app.read(&scope, move |reader| reader.assets(&query)).await?;
    let known: HashMap<_, _> = known.into_iter().map(|asset| (asset.device.clone(), asset)).collect();
    Ok(asset_table::plan(&rows, &known).map(|plans| Preview { rows, plans }))
}

#[derive(Template)]
#[template(path = "assets-import.html")]
struct ImportPage {
    page_context: PageContext,
    table: String,
    /// What it is told from others by; empty where nothing is to be taken in.
    digest: String,
    plans: Vec<RowPlan>,
    faults: Vec<CellFault>,
    imports: Vec<AssetImport>,
    /// Other than was shown before.
    changed: bool,
    error: Option<String>,
}

impl ImportPage {
    fn word(&self, field: &AssetField) -> String {
        self.page_context.name("asset-field", field.as_str())
    }

    /// A column of the table, which its heading names, or one that the table lacks.
    fn column(&self, fault: &CellFault) -> String {
        match AssetField::parse(&fault.column) {
            Some(field) => self.word(&field),
            None if fault.column == "device" => self.page_context.t("id"),
            None => fault.column.clone(),
        }
    }

    fn fault(&self, fault: &CellFault) -> String {
        reason_text(&self.page_context, &fault.fault)
    }

    fn shown(&self, field: &AssetField, text: &str) -> String {
        asset_text(&self.page_context, *field, text)
    }

    /// How many rows change something; new devices are among them.
    fn changing(&self) -> u64 {
        self.plans.iter().filter(|plan| plan.is_new || !plan.changes.is_empty()).count() as u64
    }

    fn registering(&self) -> u64 {
        self.plans.iter().filter(|plan| plan.is_new).count() as u64
    }

    fn first_rows(&self) -> Vec<&RowPlan> {
        let changing = self.plans.iter().filter(|plan| plan.is_new || !plan.changes.is_empty());
        changing.take(ROWS_SHOWN).collect()
    }
}

/// What is on the page beside the list of imports.
#[derive(Default)]
struct Shown {
    table: String,
    preview: Option<Preview>,
    faults: Vec<CellFault>,
    changed: bool,
    error: Option<CommandError>,
}

async fn render(app: &App, page_context: PageContext, what: Shown) -> PageResult {
    match app.read(&page_context.scope, |reader| reader.asset_imports(IMPORTS_MAX)).await {
        Ok(imports) => {
            let Shown { table, preview, faults, changed, error } = what;
            let digest = preview.as_ref().map(Preview::digest).unwrap_or_default();
            let plans = preview.map(|preview| preview.plans).unwrap_or_default();
            let error = error.map(|error| refusal_text(&page_context, &error));
            let refused = error.is_some() || !faults.is_empty();
            let page = ImportPage { page_context, table, digest, plans, faults, imports, changed, error };
            Ok(show_again(&page, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, Shown::default()).await
}

/// A table that is looked at, or taken in as it was shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ImportForm {
    table: String,
    /// What was shown of it; it is only looked at without.
    digest: String,
}

fn unreadable(why: &str) -> RefusalReason {
    RefusalReason::new("register-refused-unreadable", [], why)
}

/// The text of a file that somebody brings.
fn text_of(content: &[u8]) -> Result<String, RefusalReason> {
    if content.starts_with(b"PK") {
        let english = "the file is a workbook; save it as CSV UTF-8, or paste its cells";
        return Err(RefusalReason::new("register-refused-workbook", [], english));
    }
    let text = match content {
        // What spreadsheets call Unicode text.
        [0xff, 0xfe, rest @ ..] => {
            let units = rest.chunks_exact(2).filter_map(|pair| pair.try_into().ok().map(u16::from_le_bytes));
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        content => std::str::from_utf8(content).ok().map(str::to_owned),
    };
    text.ok_or_else(|| {
        let english = "the file is no text in UTF-8; save it as CSV UTF-8, or paste its cells";
        RefusalReason::new("register-refused-encoding", [], english)
    })
}

/// The form, whichever way it is sent: with a file, or without.
async fn form_of(request: Request) -> Result<ImportForm, RefusalReason> {
    let Some(boundary) = multipart::boundary(request.headers()) else {
        let form = Form::<ImportForm>::from_request(request, &()).await;
        return form.map(|Form(form)| form).map_err(|error| unreadable(&error.body_text()));
    };
    let body = Bytes::from_request(request, &()).await.map_err(|error| {
        let english = format!("{}; at most {TABLE_MAX_BYTES} bytes are taken", error.body_text());
        RefusalReason::new("register-refused-large", [("most", Word::count(TABLE_MAX_BYTES / 1_048_576))], english)
    })?;
    let fields =
        multipart::fields(&body, &boundary).ok_or_else(|| unreadable("the form is not whole; send it again"))?;
    let mut form = ImportForm::default();
    for field in fields {
        match field.name.as_str() {
            "digest" => form.digest = text_of(field.content)?,
            "table" if form.table.is_empty() => form.table = text_of(field.content)?,
            // A file that was chosen goes before what stands in the field.
            "file" if !field.content.is_empty() => form.table = text_of(field.content)?,
            _ => {}
        }
    }
    Ok(form)
}

pub(crate) async fn submit(State(app): State<App>, person: Person, headers: HeaderMap, request: Request) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let form = match form_of(request).await {
        Ok(form) => form,
        Err(reason) => {
            return render(&app, page_context, Shown { error: Some(reason.invalid()), ..Shown::default() }).await;
        }
    };
    let found = match preview(&app, &person, &form.table).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let found = match found {
        Ok(found) => found,
        Err(faults) => {
            return render(&app, page_context, Shown { table: form.table, faults, ..Shown::default() }).await;
        }
    };
    if form.digest != found.digest() {
        let changed = !form.digest.is_empty();
        let shown = Shown { table: form.table, preview: Some(found), changed, ..Shown::default() };
        return render(&app, page_context, shown).await;
    }
    let command = Command::ImportAssets { rows: found.rows.clone(), actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to("/register/assets/import").into_response()),
        // It is not to be sent again, so that it is not offered again.
        Err(error) if error.is_not_yet() => {
            render(&app, page_context, Shown { error: Some(of_import(error)), ..Shown::default() }).await
        }
        Err(error) => {
            let shown = Shown { table: form.table, preview: Some(found), error: Some(error), ..Shown::default() };
            render(&app, page_context, shown).await
        }
    }
}

/// A table that is not written in time is written all the same: where to look.
fn of_import(error: CommandError) -> CommandError {
    if !error.is_not_yet() {
        return error;
    }
    let english =
        "the table is not written yet, and goes on; look at GET /api/v1/assets/imports, and do not send it again";
    RefusalReason::new("register-refused-import-goes-on", [], english).refuse(RefusalKind::Unavailable)
}

pub(crate) async fn undo(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match app.carry_out(&person, Command::UndoAssetImport { number, actor: person.name.clone() }).await {
        Ok(_) => Ok(Redirect::to("/register/assets/import").into_response()),
        Err(error) => render(&app, page_context, Shown { error: Some(of_import(error)), ..Shown::default() }).await,
    }
}

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

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ImportQuery>,
    table: String,
) -> ApiResult<ImportAnswer> {
    let found = preview(&app, &person, &table).await?.map_err(|faults| {
        let lines = faults.iter().map(|one| format!("row {}, column {}: {}", one.row, one.column, one.fault));
        let count = [("count", Word::count(faults.len()))];
        RefusalReason::new("register-refused-table", count, lines.collect::<Vec<_>>().join("\n")).invalid()
    })?;
    let Preview { rows, plans } = found;
    let changed = if query.check {
        None
    } else {
        let command = Command::ImportAssets { rows, actor: person.name.clone() };
        match app.carry_out(&person, command).await.map_err(of_import)? {
            Answer::Imported(changed) => Some(changed),
            _ => return Err(Problem::internal("unexpected answer")),
        }
    };
    let rows = plans.into_iter().filter(|plan| plan.is_new || !plan.changes.is_empty());
    Ok(Json(ImportAnswer { rows: rows.map(PlannedRow::from).collect(), changed }))
}

/// A table that was taken in.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ImportItem {
    /// Its number, from 1.
    number: u64,
    /// When it was taken in.
    at: Timestamp,
    /// By whom.
    by: String,
    /// How many assets it changes.
    assets: u64,
    /// Of how many of them that, or putting it back, is still to be done.
    left: u64,
    /// When it was undone; null where it was not.
    undone_at: Option<Timestamp>,
}

pub(crate) async fn api_list(State(app): State<App>, person: Person) -> ApiResult<Vec<ImportItem>> {
    let found = app.read(&person.scope, |reader| reader.asset_imports(IMPORTS_MAX)).await?;
    let item = |one: AssetImport| ImportItem {
        number: one.number,
        at: one.at,
        by: one.by,
        assets: one.count,
        left: one.left,
        undone_at: one.undone.map(|(at, _)| at),
    };
    Ok(Json(found.into_iter().map(item).collect()))
}

pub(crate) async fn api_undo(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
) -> Result<StatusCode, Problem> {
    let command = Command::UndoAssetImport { number, actor: person.name.clone() };
    app.carry_out(&person, command).await.map_err(of_import)?;
    Ok(StatusCode::NO_CONTENT)
}
