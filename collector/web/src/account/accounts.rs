//! All accounts, for administrators; as a page and in the API.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};

use crate::api::ApiResult;
use crate::api_types::{access, names, or_empty};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::sign_in::confirm::{FormRefusal, change_account, redirect_to_confirm};
use ioc_engine::account::intent::Intent;
use ioc_engine::account::password_hashing::{self, HashRequester};
use ioc_engine::account::{self};
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::scope::{AccessScope, PLACES_MAX};
use ioc_store::template::one_line;
use ioc_store::{AccountRecord, Role};

/// Longest own name of a person, and longest label of a token.
pub(crate) const LINE_MAX_CHARS: usize = 100;
/// Longest name of a place, characters.
const PLACE_MAX_CHARS: usize = 200;

pub(crate) async fn find_account(app: &App, name: &str) -> Result<AccountRecord, Problem> {
    let asked = name.to_owned();
    let found = app.read(&AccessScope::EVERYWHERE, move |reader| reader.account(&asked)).await?;
    found.ok_or_else(|| RefusalReason::no_account(name).not_found().into())
}

/// Does something slow with passwords for someone who is signed in, on the hashing thread.
pub(crate) async fn on_hashing_thread<T: Send + 'static>(
    app: &App,
    person: &Person,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    Ok(app.hash_queue.run(HashRequester::Known(person.name.clone()), work).await?)
}

/// A password that its owner must change, and its hash.
async fn make_password(app: &App, person: &Person) -> Result<(String, String), Problem> {
    let password = account::new_password().map_err(|error| Problem::internal(error.to_string()))?;
    let text = password.clone();
    let hash = on_hashing_thread(app, person, move || password_hashing::hash(&text)).await?;
    let hash = hash.map_err(|error| Problem::internal(error.to_string()))?;
    Ok((password, hash))
}

/// A new account; what it gives back is its first password, which is shown once.
async fn create_account(app: &App, person: &Person, form: &NewAccountForm) -> Result<String, Problem> {
    account::check_name(&form.name)
        .map_err(|error| RefusalReason::new("refusal-account-name", [], error.to_string()).invalid())?;
    let role = required_role(form.role)?;
    let places = checked_places(&form.places)?;
    let (password, hash) = make_password(app, person).await?;
    let (name, full_name) = (form.name.clone(), one_line(&form.full_name, LINE_MAX_CHARS));
    change_account(app, person, Intent::Create { name, full_name, role, places, hash, actor: person.actor() }).await?;
    Ok(password)
}

/// A new password that its owner must change; every session of theirs ends.
async fn reset_password(app: &App, person: &Person, name: &str) -> Result<String, Problem> {
    let (password, hash) = make_password(app, person).await?;
    change_account(app, person, Intent::Reset { name: name.to_owned(), hash, actor: person.actor() }).await?;
    Ok(password)
}

/// Takes an account's second factor away: its owner has lost it.
async fn remove_second_factor(app: &App, person: &Person, name: &str) -> Result<(), Problem> {
    change_account(app, person, Intent::RemoveSecond { name: name.to_owned(), actor: person.actor() }).await?;
    Ok(())
}

/// The places that an account is limited to, checked.
fn checked_places(places: &[String]) -> Result<Vec<String>, Problem> {
    let mut places: Vec<String> = places.iter().map(|place| one_line(place, PLACE_MAX_CHARS)).collect();
    places.retain(|place| !place.is_empty());
    places.sort_unstable();
    places.dedup();
    if places.len() > PLACES_MAX {
        return Err(Field::Places.range(places.len(), 0, PLACES_MAX as u64).invalid().into());
    }
    Ok(places)
}

/// Another role, or the end of an account, or its return.
async fn alter(app: &App, person: &Person, name: &str, form: &ChangeForm) -> Result<(), Problem> {
    let role = form.role.map(Role::from);
    let full_name = form.full_name.as_deref().map(|text| one_line(text, LINE_MAX_CHARS));
    let places = form.places.as_deref().map(checked_places).transpose()?;
    let (name, disabled, actor) = (name.to_owned(), form.disabled, person.actor());
    change_account(app, person, Intent::Alter { name, full_name, role, places, disabled, actor }).await?;
    Ok(())
}

fn required_role(role: Option<access::Role>) -> Result<Role, Problem> {
    let none = || {
        let roles = Role::ALL.map(Role::as_str);
        let english = format!("role: found none; allowed are {}", roles.join(", "));
        RefusalReason::new("refusal-role-none", [("allowed", Word::all("role", roles))], english).invalid().into()
    };
    role.map(Role::from).ok_or_else(none)
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NewAccountForm {
    name: String,
    full_name: String,
    #[serde(with = "or_empty")]
    #[schemars(with = "access::Role")]
    role: Option<access::Role>,
    /// Places that it is limited to, with what is below them; none for everywhere.
    places: Vec<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ChangeForm {
    full_name: Option<String>,
    role: Option<access::Role>,
    /// Places that it is limited to from now on; an empty list for everywhere.
    places: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// A new account, as the page's form has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AddForm {
    name: String,
    full_name: String,
    #[serde(deserialize_with = "or_empty::deserialize")]
    role: Option<access::Role>,
    places: String,
}

/// Places as a form has them: after semicolons.
fn split_places(places: &str) -> Vec<String> {
    places.split(';').map(|place| place.trim().to_owned()).filter(|place| !place.is_empty()).collect()
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    page_context: PageContext,
    accounts: Vec<AccountRecord>,
    /// Where devices stand, to choose from.
    places: Vec<String>,
    roles: [&'static str; 6],
    form: NewAccountForm,
    error: Option<FormRefusal>,
    /// Whose password was made, and the password: shown once.
    new_password: Option<(String, String)>,
}

impl AccountsPage {
    fn is_locked(&self, account: &AccountRecord) -> bool {
        account.locked_until.is_some_and(|until| until > self.page_context.now)
    }

    fn is_chosen(&self, role: &str) -> bool {
        self.form.role.map(Role::from).is_some_and(|chosen| chosen.as_str() == role)
    }

    fn is_due(&self, account: &AccountRecord) -> bool {
        account.is_due(self.page_context.now)
    }

    fn days_left(&self, account: &AccountRecord) -> i64 {
        account.days_left(self.page_context.now)
    }
}

async fn show_accounts(
    app: &App,
    mut page_context: PageContext,
    form: NewAccountForm,
    error: Option<Problem>,
    new_password: Option<(String, String)>,
) -> PageResult {
    let error = match error.map(|problem| redirect_to_confirm(problem, "/accounts")) {
        Some(Ok(elsewhere)) => return Ok(elsewhere),
        Some(Err(problem)) => Some(problem),
        None => None,
    };
    match app.read(&page_context.scope, |reader| Ok((reader.accounts()?, reader.places()?))).await {
        Ok((accounts, places)) => {
            let refused = error.is_some();
            let error = error.map(|problem| FormRefusal::of(&problem, &page_context, "/accounts"));
            // What was refused for want of a second factor says so itself.
            page_context.second_factor_advised &= error.as_ref().is_none_or(|refusal| refusal.remedy.is_none());
            let roles = Role::ALL.map(Role::as_str);
            Ok(show_again(&AccountsPage { page_context, accounts, places, roles, form, error, new_password }, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    show_accounts(&app, page_context(&app, &person, &headers), NewAccountForm::default(), None, None).await
}

pub(crate) async fn add(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<AddForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let AddForm { name, full_name, role, places } = form;
    let form = NewAccountForm { name, full_name, role, places: split_places(&places) };
    match create_account(&app, &person, &form).await {
        Ok(password) => {
            show_accounts(&app, page_context, NewAccountForm::default(), None, Some((form.name, password))).await
        }
        Err(problem) => show_accounts(&app, page_context, form, Some(problem), None).await,
    }
}

names! {
    /// What the page does with an account.
    AccountAction {
        Reset = "reset",
        RemoveSecondFactor = "remove-second-factor",
        Disable = "disable",
        Enable = "enable",
        Alter = "role",
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct AccountActionForm {
    action: AccountAction,
    #[serde(default, deserialize_with = "or_empty::deserialize")]
    role: Option<access::Role>,
    #[serde(default)]
    places: String,
}

pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(form): Form<AccountActionForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let change = match form.action {
        AccountAction::Reset => {
            return match reset_password(&app, &person, &name).await {
                Ok(password) => {
                    show_accounts(&app, page_context, NewAccountForm::default(), None, Some((name, password))).await
                }
                Err(problem) => show_accounts(&app, page_context, NewAccountForm::default(), Some(problem), None).await,
            };
        }
        AccountAction::RemoveSecondFactor => {
            return match remove_second_factor(&app, &person, &name).await {
                Ok(()) => Ok(Redirect::to("/accounts").into_response()),
                Err(problem) => show_accounts(&app, page_context, NewAccountForm::default(), Some(problem), None).await,
            };
        }
        AccountAction::Disable => ChangeForm { disabled: Some(true), ..ChangeForm::default() },
        AccountAction::Enable => ChangeForm { disabled: Some(false), ..ChangeForm::default() },
        AccountAction::Alter => {
            ChangeForm { role: form.role, places: Some(split_places(&form.places)), ..ChangeForm::default() }
        }
    };
    match alter(&app, &person, &name, &change).await {
        Ok(()) => Ok(Redirect::to("/accounts").into_response()),
        Err(problem) => show_accounts(&app, page_context, NewAccountForm::default(), Some(problem), None).await,
    }
}

/// An account as administrators see it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct AccountItem {
    name: String,
    full_name: String,
    role: access::Role,
    /// Places that it is limited to; none for everywhere.
    places: Vec<String>,
    disabled: bool,
    password_at: Timestamp,
    /// It has a second factor.
    second_factor: bool,
    password_due: bool,
    locked_until: Option<Timestamp>,
}

/// A password that was made.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct NewPassword {
    name: String,
    /// Shown once.
    password: String,
}

pub(crate) async fn api_list(State(app): State<App>, person: Person) -> ApiResult<Vec<AccountItem>> {
    let accounts = app.read(&person.scope, |reader| reader.accounts()).await?;
    let now = clock::now();
    let shown = accounts.into_iter().map(|one| AccountItem {
        second_factor: one.asks_for_code(),
        password_due: one.is_due(now),
        name: one.name,
        full_name: one.full_name,
        role: one.role.into(),
        places: one.places,
        disabled: one.disabled,
        password_at: one.password_at,
        locked_until: one.locked_until,
    });
    Ok(Json(shown.collect()))
}

pub(crate) async fn api_add(
    State(app): State<App>,
    person: Person,
    Json(form): Json<NewAccountForm>,
) -> Result<(StatusCode, Json<NewPassword>), Problem> {
    let password = create_account(&app, &person, &form).await?;
    Ok((StatusCode::CREATED, Json(NewPassword { name: form.name, password })))
}

pub(crate) async fn api_change(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
    Json(form): Json<ChangeForm>,
) -> Result<StatusCode, Problem> {
    alter(&app, &person, &name, &form).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_remove_second_factor(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    remove_second_factor(&app, &person, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_reset(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> ApiResult<NewPassword> {
    let password = reset_password(&app, &person, &name).await?;
    Ok(Json(NewPassword { name, password }))
}
