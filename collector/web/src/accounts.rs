//! All accounts, for administrators.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};

use super::App;
use super::api::Answered;
use super::auth::Person;
use super::confirm::{meant, or_confirm};
use super::pages::{Failure, Paged, chrome, show_again};
use super::problem::Problem;
use super::view::Chrome;
use ioc_engine::account;
use ioc_engine::account::hashing::{self, Asker};
use ioc_engine::account::intent::Intent;
use ioc_store::AccountRecord;
use ioc_store::Role;
use ioc_store::scope::{AccessScope, PLACES_MAX};
use ioc_store::template::one_line;

/// Longest own name of a person, and longest label of a token.
pub(super) const LINE_MAX_CHARS: usize = 100;

/// Longest name of a place, characters.
const PLACE_MAX_CHARS: usize = 200;

pub(super) async fn known(app: &App, name: &str) -> Result<AccountRecord, Problem> {
    let asked = name.to_owned();
    let found = app.read(&AccessScope::EVERYWHERE, move |reader| reader.account(&asked)).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no account {name:?}")))
}

/// Does something slow with passwords for someone who is signed in, on the hashing thread.
pub(super) async fn slowly<T: Send + 'static>(
    app: &App,
    person: &Person,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    Ok(app.hashing.run(Asker::Known(person.name.clone()), work).await?)
}

/// A password that its owner must change, and its hash.
async fn fresh(app: &App, person: &Person) -> Result<(String, String), Problem> {
    let password = account::new_password().map_err(|error| Problem::internal(error.to_string()))?;
    let text = password.clone();
    let hash = slowly(app, person, move || hashing::hash(&text)).await?;
    let hash = hash.map_err(|error| Problem::internal(error.to_string()))?;
    Ok((password, hash))
}

/// A new account; what it gives back is its first password, which is shown once.
async fn make(app: &App, person: &Person, form: &AccountForm) -> Result<String, Problem> {
    account::check_name(&form.name).map_err(|error| Problem::invalid(error.to_string()))?;
    let role = role_of(&form.role)?;
    let places = places_of(&form.places)?;
    let (password, hash) = fresh(app, person).await?;
    let (name, full_name) = (form.name.clone(), one_line(&form.full_name, LINE_MAX_CHARS));
    meant(app, person, Intent::Create { name, full_name, role, places, hash, actor: person.name.clone() }).await?;
    Ok(password)
}

/// A new password that its owner must change; every session of theirs ends.
async fn reset(app: &App, person: &Person, name: &str) -> Result<String, Problem> {
    let (password, hash) = fresh(app, person).await?;
    meant(app, person, Intent::Reset { name: name.to_owned(), hash, actor: person.name.clone() }).await?;
    Ok(password)
}

/// Takes an account's second factor away: its owner has lost it.
async fn remove_second(app: &App, person: &Person, name: &str) -> Result<(), Problem> {
    meant(app, person, Intent::RemoveSecond { name: name.to_owned(), actor: person.name.clone() }).await?;
    Ok(())
}

/// The places that an account is limited to, checked.
fn places_of(given: &[String]) -> Result<Vec<String>, Problem> {
    let mut places: Vec<String> = given.iter().map(|place| one_line(place, PLACE_MAX_CHARS)).collect();
    places.retain(|place| !place.is_empty());
    places.sort_unstable();
    places.dedup();
    if places.len() > PLACES_MAX {
        return Err(Problem::invalid(format!("places: found {}; allowed are {PLACES_MAX}", places.len())));
    }
    Ok(places)
}

/// Another role, or the end of an account, or its return.
async fn alter(app: &App, person: &Person, name: &str, form: &ChangeForm) -> Result<(), Problem> {
    let role = form.role.as_deref().map(role_of).transpose()?;
    let full_name = form.full_name.as_deref().map(|text| one_line(text, LINE_MAX_CHARS));
    let places = form.places.as_deref().map(places_of).transpose()?;
    let (name, disabled, actor) = (name.to_owned(), form.disabled, person.name.clone());
    meant(app, person, Intent::Alter { name, full_name, role, places, disabled, actor }).await?;
    Ok(())
}

pub(super) fn role_of(text: &str) -> Result<Role, Problem> {
    let names = Role::ALL.map(Role::as_str).join(", ");
    Role::parse(text).ok_or_else(|| Problem::invalid(format!("role: found {text:?}; allowed are {names}")))
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AccountForm {
    name: String,
    full_name: String,
    role: String,
    /// Places that it is limited to, with what is below them; none for everywhere.
    places: Vec<String>,
}

#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ChangeForm {
    full_name: Option<String>,
    role: Option<String>,
    /// Places that it is limited to from now on; an empty list for everywhere.
    places: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// A new account, as the page's form has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AddForm {
    name: String,
    full_name: String,
    role: String,
    places: String,
}

/// Places as a form has them: after semicolons.
fn split(places: &str) -> Vec<String> {
    places.split(';').map(|place| place.trim().to_owned()).filter(|place| !place.is_empty()).collect()
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    chrome: Chrome,
    accounts: Vec<AccountRecord>,
    /// Where devices stand, to choose from.
    places: Vec<String>,
    roles: [&'static str; 6],
    form: AccountForm,
    error: Option<String>,
    /// Whose password was made, and the password: shown once.
    made: Option<(String, String)>,
}

impl PeoplePage {
    fn is_locked(&self, account: &AccountRecord) -> bool {
        account.locked_until.is_some_and(|until| until > self.chrome.now)
    }

    fn is_due(&self, account: &AccountRecord) -> bool {
        account.is_due(self.chrome.now)
    }

    fn days_left(&self, account: &AccountRecord) -> i64 {
        account.days_left(self.chrome.now)
    }
}

async fn show_people(
    app: &App,
    chrome: Chrome,
    form: AccountForm,
    error: Option<Problem>,
    made: Option<(String, String)>,
) -> Paged {
    let error = match error.map(|problem| or_confirm(problem, "/people")) {
        Some(Ok(elsewhere)) => return Ok(elsewhere),
        Some(Err(problem)) => Some(problem),
        None => None,
    };
    match app.read(&chrome.scope, |reader| Ok((reader.accounts()?, reader.places()?))).await {
        Ok((accounts, places)) => {
            let refused = error.is_some();
            let error = error.map(|problem| problem.detail().to_owned());
            let roles = Role::ALL.map(Role::as_str);
            Ok(show_again(&PeoplePage { chrome, accounts, places, roles, form, error, made }, refused))
        }
        Err(problem) => Err(Failure::new(chrome, problem)),
    }
}

pub(super) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> Paged {
    show_people(&app, chrome(&app, &person, &headers), AccountForm::default(), None, None).await
}

pub(super) async fn add(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<AddForm>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let AddForm { name, full_name, role, places } = form;
    let form = AccountForm { name, full_name, role, places: split(&places) };
    match make(&app, &person, &form).await {
        Ok(password) => show_people(&app, chrome, AccountForm::default(), None, Some((form.name, password))).await,
        Err(problem) => show_people(&app, chrome, form, Some(problem), None).await,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct DoForm {
    r#do: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    places: String,
}

pub(super) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(name): Path<String>,
    Form(form): Form<DoForm>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let change = match form.r#do.as_str() {
        "reset" => {
            return match reset(&app, &person, &name).await {
                Ok(password) => show_people(&app, chrome, AccountForm::default(), None, Some((name, password))).await,
                Err(problem) => show_people(&app, chrome, AccountForm::default(), Some(problem), None).await,
            };
        }
        "second-off" => {
            return match remove_second(&app, &person, &name).await {
                Ok(()) => Ok(Redirect::to("/people").into_response()),
                Err(problem) => show_people(&app, chrome, AccountForm::default(), Some(problem), None).await,
            };
        }
        "disable" => ChangeForm { disabled: Some(true), ..ChangeForm::default() },
        "enable" => ChangeForm { disabled: Some(false), ..ChangeForm::default() },
        _ => ChangeForm { role: Some(form.role), places: Some(split(&form.places)), ..ChangeForm::default() },
    };
    match alter(&app, &person, &name, &change).await {
        Ok(()) => Ok(Redirect::to("/people").into_response()),
        Err(problem) => show_people(&app, chrome, AccountForm::default(), Some(problem), None).await,
    }
}

/// An account as administrators see it.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct AccountItem {
    name: String,
    full_name: String,
    role: Role,
    /// Places that it is limited to; none for everywhere.
    places: Vec<String>,
    disabled: bool,
    password_at: Timestamp,
    /// It has a second factor.
    second: bool,
    password_due: bool,
    locked_until: Option<Timestamp>,
}

/// A password that was made.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct NewPassword {
    name: String,
    /// Shown once.
    password: String,
}

pub(super) async fn api_list(State(app): State<App>, person: Person) -> Answered<Vec<AccountItem>> {
    let accounts = app.read(&person.scope, |reader| reader.accounts()).await?;
    let now = clock::now();
    let shown = accounts.into_iter().map(|one| AccountItem {
        second: one.asks_for_code(),
        password_due: one.is_due(now),
        name: one.name,
        full_name: one.full_name,
        role: one.role,
        places: one.places,
        disabled: one.disabled,
        password_at: one.password_at,
        locked_until: one.locked_until,
    });
    Ok(Json(shown.collect()))
}

pub(super) async fn api_add(
    State(app): State<App>,
    person: Person,
    Json(form): Json<AccountForm>,
) -> Result<(StatusCode, Json<NewPassword>), Problem> {
    let password = make(&app, &person, &form).await?;
    Ok((StatusCode::CREATED, Json(NewPassword { name: form.name, password })))
}

pub(super) async fn api_change(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
    Json(form): Json<ChangeForm>,
) -> Result<StatusCode, Problem> {
    alter(&app, &person, &name, &form).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn api_reset(
    State(app): State<App>,
    person: Person,
    Path(name): Path<String>,
) -> Answered<NewPassword> {
    let password = reset(&app, &person, &name).await?;
    Ok(Json(NewPassword { name, password }))
}
