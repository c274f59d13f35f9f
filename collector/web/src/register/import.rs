//! A table that is pasted into a register, of assets, of accounts or of software: first what it would change, row by row, or which cells are faulty; then all of it, or nothing;
//! and the imports that were made, each of which can be undone once. A workbook comes by the command line: what is packed is unpacked on the
//! machine of whoever brings it.

use std::collections::HashMap;
use std::future::Future;

use askama::Template;
use axum::Form;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde::{Deserialize, Serialize};

use ioc_common::encoding::sha256_hex;

use super::{REGISTER, accounts, asset_text, product_text, scope_of};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, multipart, page_context, reason_text, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_common::clock;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::inventory::account_table::{self, AccountPlan};
use ioc_engine::inventory::asset_table::{self, RowPlan};
use ioc_engine::inventory::pasted_table::CellFault;
use ioc_engine::inventory::product_table::{self, ProductPlan};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};
use ioc_store::{
    AccountField, AccountQuery, AssetField, AssetQuery, ImportRegister, ProductField, ProductQuery, Right, TableImport,
};

/// Largest table, bytes.
pub(crate) const TABLE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Rows of a table that are shown before it is taken in.
const ROWS_SHOWN: usize = 500;
/// Imports that are listed.
pub(super) const IMPORTS_MAX: usize = 20;

/// What a table would change.
pub(crate) struct Preview<P> {
    /// Takes it in.
    pub(super) command: Command,
    pub(super) plans: Vec<P>,
}

/// What the rows of a table are told from others by: what is shown is what is taken in.
fn digest_of<P: Serialize>(plans: &[P]) -> String {
    sha256_hex(serde_json::to_string(plans).unwrap_or_default().as_bytes())
}

/// A row of a table as it is shown before it is taken in.
pub(crate) struct PlannedLine {
    row: u64,
    what: String,
    is_new: bool,
    /// Column, what is written down now, what would be, in words.
    changes: Vec<(String, String, String)>,
}

/// What is read of a table: what it would change, or which cells are faulty.
pub(crate) type Read<P> = Result<Preview<P>, Vec<CellFault>>;

/// A register that tables are taken into.
pub(crate) trait Imported: Send + 'static {
    const REGISTER: ImportRegister;
    /// Where tables are brought.
    const PAGE: &'static str;
    /// Where programs see which were taken in.
    const API: &'static str;
    /// What it is called where somebody reads of people in it.
    const NAME: &'static str;

    /// What a row would change.
    type Plan: Serialize + Send;

    /// Reads a table and compares it with what is written down.
    fn preview(
        app: &App,
        person: &Person,
        text: &str,
    ) -> impl Future<Output = Result<Read<Self::Plan>, Problem>> + Send;

    /// Whether a row changes something.
    fn changes(plan: &Self::Plan) -> bool;

    /// A row in words.
    fn line(page_context: &PageContext, plan: &Self::Plan) -> PlannedLine;

    /// A column in words, by its heading or its name.
    fn column(page_context: &PageContext, heading: &str) -> String;
}

/// The asset register.
pub(crate) struct AssetTable;

impl Imported for AssetTable {
    const REGISTER: ImportRegister = ImportRegister::Assets;
    const PAGE: &'static str = "/register/assets/import";
    const API: &'static str = "/api/v1/assets/imports";
    const NAME: &'static str = REGISTER;

    type Plan = RowPlan;

    async fn preview(app: &App, person: &Person, text: &str) -> Result<Read<RowPlan>, Problem> {
        let rows = match asset_table::read(text) {
            Ok(rows) => rows,
            Err(faults) => return Ok(Err(faults)),
        };
        let scope = scope_of(app, person, REGISTER).await;
        let query = AssetQuery { limit: usize::MAX, ..AssetQuery::default() };
        let known = app.read(&scope, move |reader| reader.assets(&query)).await?;
        let known: HashMap<_, _> = known.into_iter().map(|asset| (asset.device.clone(), asset)).collect();
        let plans = asset_table::plan(&rows, &known);
        let command = Command::ImportAssets { rows, actor: person.name.clone() };
        Ok(plans.map(|plans| Preview { command, plans }))
    }

    fn changes(plan: &RowPlan) -> bool {
        plan.is_new || !plan.changes.is_empty()
    }

    fn line(page_context: &PageContext, plan: &RowPlan) -> PlannedLine {
        let change = |(field, old, new): &(AssetField, String, String)| {
            let shown = |text: &str| asset_text(page_context, *field, text);
            (page_context.name("asset-field", field.as_str()), shown(old), shown(new))
        };
        let changes = plan.changes.iter().map(change).collect();
        PlannedLine { row: plan.row, what: plan.device.clone(), is_new: plan.is_new, changes }
    }

    fn column(page_context: &PageContext, heading: &str) -> String {
        match AssetField::parse(heading) {
            Some(field) => page_context.name("asset-field", field.as_str()),
            None if heading == "device" => page_context.t("id"),
            None => heading.to_owned(),
        }
    }
}

/// The register of accounts.
pub(crate) struct AccountTable;

impl Imported for AccountTable {
    const REGISTER: ImportRegister = ImportRegister::Accounts;
    const PAGE: &'static str = "/register/accounts/import";
    const API: &'static str = "/api/v1/account-register/imports";
    const NAME: &'static str = accounts::REGISTER;

    type Plan = AccountPlan;

    async fn preview(app: &App, person: &Person, text: &str) -> Result<Read<AccountPlan>, Problem> {
        let rows = match account_table::read(text) {
            Ok(rows) => rows,
            Err(faults) => return Ok(Err(faults)),
        };
        let scope = scope_of(app, person, accounts::REGISTER).await;
        let (collector, now) = (person.may(Right::Audit), clock::now());
        let query = AccountQuery { collector, now, limit: usize::MAX, ..AccountQuery::default() };
        let known = app.read(&scope, move |reader| reader.registered_accounts(&query)).await?.rows;
        let known: HashMap<_, _> = known.into_iter().map(|(account, _)| (account.key(), account)).collect();
        let plans = account_table::plan(&rows, &known);
        let command = Command::ImportAccounts { rows, actor: person.name.clone() };
        Ok(plans.map(|plans| Preview { command, plans }))
    }

    fn changes(plan: &AccountPlan) -> bool {
        !plan.changes.is_empty()
    }

    fn line(page_context: &PageContext, plan: &AccountPlan) -> PlannedLine {
        let change = |(field, old, new): &(AccountField, String, String)| {
            (page_context.name("account-field", field.as_str()), old.clone(), new.clone())
        };
        let changes = plan.changes.iter().map(change).collect();
        PlannedLine { row: plan.row, what: plan.key.clone(), is_new: false, changes }
    }

    fn column(page_context: &PageContext, heading: &str) -> String {
        let field = AccountField::parse(heading);
        field.map_or_else(|| heading.to_owned(), |field| page_context.name("account-field", field.as_str()))
    }
}

/// The software register.
pub(crate) struct SoftwareTable;

/// All products that whoever asks may see, also what is gone everywhere.
pub(super) fn every_product() -> ProductQuery {
    ProductQuery { gone: true, limit: usize::MAX, ..ProductQuery::default() }
}

impl Imported for SoftwareTable {
    const REGISTER: ImportRegister = ImportRegister::Software;
    const PAGE: &'static str = "/register/software/import";
    const API: &'static str = "/api/v1/software/imports";
    const NAME: &'static str = "software register";

    type Plan = ProductPlan;

    async fn preview(app: &App, person: &Person, text: &str) -> Result<Read<ProductPlan>, Problem> {
        let rows = match product_table::read(text) {
            Ok(rows) => rows,
            Err(faults) => return Ok(Err(faults)),
        };
        let known = app.read(&person.scope, |reader| reader.products(&every_product())).await?;
        let known: HashMap<_, _> = known.into_iter().map(|row| (row.product.key.clone(), row.product)).collect();
        let plans = product_table::plan(&rows, &known);
        let command = Command::ImportProducts { rows, actor: person.name.clone() };
        Ok(plans.map(|plans| Preview { command, plans }))
    }

    fn changes(plan: &ProductPlan) -> bool {
        !plan.changes.is_empty()
    }

    fn line(page_context: &PageContext, plan: &ProductPlan) -> PlannedLine {
        let change = |(field, old, new): &(ProductField, String, String)| {
            let shown = |text: &str| product_text(page_context, *field, text);
            (page_context.name("product-field", field.as_str()), shown(old), shown(new))
        };
        let changes = plan.changes.iter().map(change).collect();
        PlannedLine { row: plan.row, what: plan.key.clone(), is_new: false, changes }
    }

    fn column(page_context: &PageContext, heading: &str) -> String {
        let field = ProductField::parse(heading);
        field.map_or_else(|| heading.to_owned(), |field| page_context.name("product-field", field.as_str()))
    }
}

/// What a table is called on its page: keys of texts.
pub(super) struct Words {
    title: &'static str,
    about: &'static str,
    hint: &'static str,
    undo_about: &'static str,
    /// So many rows.
    pub(super) count: &'static str,
    /// What a row is about.
    pub(super) what: &'static str,
    /// The register, and what it is called.
    register: (&'static str, &'static str),
}

pub(super) const fn words(register: ImportRegister) -> Words {
    match register {
        ImportRegister::Assets => Words {
            title: "import-title",
            about: "import-about",
            hint: "import-hint",
            undo_about: "import-undo-about",
            count: "import-rows",
            what: "col-device",
            register: ("/register/assets", "register-assets"),
        },
        ImportRegister::Accounts => Words {
            title: "import-accounts-title",
            about: "import-accounts-about",
            hint: "import-accounts-hint",
            undo_about: "import-accounts-undo-about",
            count: "import-accounts",
            what: "register-accounts-name",
            register: ("/register/accounts", "register-accounts"),
        },
        ImportRegister::Software => Words {
            title: "import-software-title",
            about: "import-software-about",
            hint: "import-software-hint",
            undo_about: "import-software-undo-about",
            count: "product-count",
            what: "product-key",
            register: ("/register/software", "register-software"),
        },
    }
}

#[derive(Template)]
#[template(path = "register-import.html")]
struct ImportPage {
    page_context: PageContext,
    /// Where tables are brought.
    address: &'static str,
    /// What it is called.
    words: Words,
    /// New rows are taken in, too.
    registers: bool,
    table: String,
    /// What it is told from others by; empty where nothing is to be taken in.
    digest: String,
    /// How many rows change something; new devices are among them.
    changing: u64,
    registering: u64,
    /// The first of them.
    lines: Vec<PlannedLine>,
    /// Row, column and what is wrong.
    faults: Vec<(u64, String, String)>,
    imports: Vec<TableImport>,
    /// Other than was shown before.
    changed: bool,
    error: Option<String>,
}

/// What is on the page beside the list of imports.
struct Shown<P> {
    table: String,
    plans: Option<Vec<P>>,
    faults: Vec<CellFault>,
    changed: bool,
    error: Option<CommandError>,
}

impl<P> Default for Shown<P> {
    fn default() -> Self {
        Self { table: String::new(), plans: None, faults: Vec::new(), changed: false, error: None }
    }
}

async fn render<R: Imported>(app: &App, page_context: PageContext, what: Shown<R::Plan>) -> PageResult {
    match app.read(&page_context.scope, |reader| reader.table_imports(R::REGISTER, None, IMPORTS_MAX)).await {
        Ok(imports) => {
            let Shown { table, plans, faults, changed, error } = what;
            let digest = plans.as_deref().map(digest_of).unwrap_or_default();
            let plans = plans.unwrap_or_default();
            let changing: Vec<&R::Plan> = plans.iter().filter(|plan| R::changes(plan)).collect();
            let line = |plan: &&R::Plan| R::line(&page_context, plan);
            let registering = changing.iter().filter(|plan| line(plan).is_new).count() as u64;
            let lines = changing.iter().take(ROWS_SHOWN).map(line).collect();
            let changing = changing.len() as u64;
            let error = error.map(|error| refusal_text(&page_context, &error));
            let refused = error.is_some() || !faults.is_empty();
            let fault = |one: &CellFault| {
                (one.row, R::column(&page_context, &one.column), reason_text(&page_context, &one.fault))
            };
            let faults = faults.iter().map(fault).collect();
            let (address, words, registers) = (R::PAGE, words(R::REGISTER), R::REGISTER == ImportRegister::Assets);
            let page = ImportPage {
                page_context,
                address,
                words,
                registers,
                table,
                digest,
                changing,
                registering,
                lines,
                faults,
                imports,
                changed,
                error,
            };
            Ok(show_again(&page, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page<R: Imported>(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render::<R>(&app, page_context, Shown::default()).await
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

pub(crate) async fn submit<R: Imported>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    request: Request,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let form = match form_of(request).await {
        Ok(form) => form,
        Err(reason) => {
            let error = Some(reason.invalid());
            return render::<R>(&app, page_context, Shown { error, ..Shown::default() }).await;
        }
    };
    let found = match R::preview(&app, &person, &form.table).await {
        Ok(found) => found,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let found = match found {
        Ok(found) => found,
        Err(faults) => {
            return render::<R>(&app, page_context, Shown { table: form.table, faults, ..Shown::default() }).await;
        }
    };
    let Preview { command, plans } = found;
    if form.digest != digest_of(&plans) {
        let changed = !form.digest.is_empty();
        let shown = Shown { table: form.table, plans: Some(plans), changed, ..Shown::default() };
        return render::<R>(&app, page_context, shown).await;
    }
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to(R::PAGE).into_response()),
        // It is not to be sent again, so that it is not offered again.
        Err(error) if error.is_not_yet() => {
            render::<R>(&app, page_context, Shown { error: Some(of_import::<R>(error)), ..Shown::default() }).await
        }
        Err(error) => {
            let shown = Shown { table: form.table, plans: Some(plans), error: Some(error), ..Shown::default() };
            render::<R>(&app, page_context, shown).await
        }
    }
}

/// A table that is not written in time is written all the same: where to look.
pub(super) fn of_import<R: Imported>(error: CommandError) -> CommandError {
    if !error.is_not_yet() {
        return error;
    }
    let english =
        format!("the table is not written yet, and goes on; look at GET {}, and do not send it again", R::API);
    RefusalReason::new("register-refused-import-goes-on", [], english).refuse(RefusalKind::Unavailable)
}

pub(super) fn undo_command<R: Imported>(person: &Person, number: u64) -> Command {
    Command::UndoImport { register: R::REGISTER, number, actor: person.name.clone() }
}
