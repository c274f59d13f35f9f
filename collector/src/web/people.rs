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
use super::pages::{Failure, Paged, chrome, show_again};
use super::problem::Problem;
use super::view::Chrome;
use crate::account::{self, Role};
use crate::audit;
use crate::command::Command;
use crate::hashing::Asker;
use crate::reach::{PLACES_MAX, Reach};
use crate::store::AccountRecord;
use crate::written::one_line;

/// Longest own name of a person, and longest label of a token.
pub(super) const LINE_MAX_CHARS: usize = 100;

/// Longest name of a place, characters.
const PLACE_MAX_CHARS: usize = 200;

pub(super) fn entry(actor: &Person, action: &str, subject: &str, detail: &str) -> audit::Entry {
    audit::Entry {
        at: clock::now(),
        actor: actor.name.clone(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    }
}

pub(super) async fn known(app: &App, name: &str) -> Result<AccountRecord, Problem> {
    let asked = name.to_owned();
    let found = app.read(&Reach::EVERYWHERE, move |reader| reader.account(&asked)).await?;
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

/// An account as new, with a password that its owner must change.
async fn fresh(app: &App, person: &Person, name: &str, role: Role) -> Result<(String, AccountRecord), Problem> {
    let internal = |error: crate::pki::PkiError| Problem::internal(error.to_string());
    let password = account::new_password().map_err(internal)?;
    let (name, text) = (name.to_owned(), password.clone());
    let made = slowly(app, person, move || account::new_account(&name, role, &text, clock::now())).await?;
    let made = made.map_err(internal)?;
    Ok((password, AccountRecord { must_change: true, ..made }))
}

/// Ends all sessions and tokens of an account, but for one session.
pub(super) async fn end_sessions(app: &App, person: &Person, name: &str, but: &str, why: &str) -> Result<(), Problem> {
    let (account, but) = (name.to_owned(), but.to_owned());
    let entry = entry(person, "account.sessions_ended", name, why);
    app.engine.command(Command::EndSessions { account, but, entry }).await?;
    Ok(())
}

/// A new account; what it gives back is its first password, which is shown once.
async fn make(app: &App, person: &Person, form: &AccountForm) -> Result<String, Problem> {
    account::check_name(&form.name).map_err(|error| Problem::invalid(error.to_string()))?;
    let role = role_of(&form.role)?;
    let asked = form.name.clone();
    if app.read(&person.reach, move |reader| reader.account(&asked)).await?.is_some() {
        return Err(Problem::conflict(format!("name: there is an account {:?} already", form.name)));
    }
    let places = places_of(&form.places, role)?;
    let (password, made) = fresh(app, person, &form.name, role).await?;
    let detail = shown(role, false, &places, "");
    let record = AccountRecord { full_name: one_line(&form.full_name, LINE_MAX_CHARS), places, ..made };
    let entry = entry(person, "account.created", &form.name, &detail);
    app.engine.command(Command::SaveAccount(record, entry)).await?;
    Ok(password)
}

/// A new password that its owner must change; every session of theirs ends.
async fn reset(app: &App, person: &Person, name: &str) -> Result<String, Problem> {
    if name == person.name {
        return Err(Problem::conflict("this is your own account; choose a new password on its page".to_owned()));
    }
    let before = known(app, name).await?;
    let (password, made) = fresh(app, person, name, before.role).await?;
    let mut earlier = before.earlier;
    earlier.insert(0, before.password);
    let (full_name, places, disabled, second) = (before.full_name, before.places, before.disabled, before.second);
    let record = AccountRecord { full_name, places, disabled, second, earlier, ..made };
    app.engine.command(Command::SaveAccount(record, entry(person, "account.password_reset", name, ""))).await?;
    end_sessions(app, person, name, "", "password reset").await?;
    Ok(password)
}

/// Takes an account's second factor away: its owner has lost it.
async fn remove_second(app: &App, person: &Person, name: &str) -> Result<(), Problem> {
    let record = AccountRecord { second: None, ..known(app, name).await? };
    app.engine.command(Command::SaveAccount(record, entry(person, "account.second_removed", name, ""))).await?;
    end_sessions(app, person, name, "", "second factor removed").await
}

/// An account as it stands in the audit log.
fn shown(role: Role, disabled: bool, places: &[String], full_name: &str) -> String {
    let disabled = if disabled { " disabled" } else { "" };
    let places = if places.is_empty() { String::new() } else { format!(" [{}]", places.join("; ")) };
    let role = role.as_str();
    format!("{role}{disabled}{places} {full_name}").trim_end().to_owned()
}

/// The places that an account is limited to, checked.
fn places_of(given: &[String], role: Role) -> Result<Vec<String>, Problem> {
    let mut places: Vec<String> = given.iter().map(|place| one_line(place, PLACE_MAX_CHARS)).collect();
    places.retain(|place| !place.is_empty());
    places.sort_unstable();
    places.dedup();
    if places.len() > PLACES_MAX {
        return Err(Problem::invalid(format!("places: found {}; allowed are {PLACES_MAX}", places.len())));
    }
    if !places.is_empty() && !role.can_be_limited() {
        let role = role.as_str();
        return Err(Problem::invalid(format!(
            "places: an {role} reaches everywhere; leave them empty, or choose another role"
        )));
    }
    Ok(places)
}

/// Another role, or the end of an account, or its return.
async fn alter(app: &App, person: &Person, name: &str, form: &ChangeForm) -> Result<(), Problem> {
    let before = known(app, name).await?;
    let role = form.role.as_deref().map(role_of).transpose()?.unwrap_or(before.role);
    let disabled = form.disabled.unwrap_or(before.disabled);
    let full_name =
        form.full_name.as_deref().map_or_else(|| before.full_name.clone(), |text| one_line(text, LINE_MAX_CHARS));
    let loses = before.role == Role::Administrator && !before.disabled && (role != Role::Administrator || disabled);
    if loses {
        let all = app.read(&person.reach, |reader| reader.accounts()).await?;
        let left = all.iter().filter(|one| one.role == Role::Administrator && !one.disabled && one.name != name);
        if left.count() == 0 {
            return Err(Problem::conflict("this is the last administrator; make another one first".to_owned()));
        }
    }
    let places = places_of(form.places.as_ref().unwrap_or(&before.places), role)?;
    let was = shown(before.role, before.disabled, &before.places, &before.full_name);
    let detail = format!("{was} -> {}", shown(role, disabled, &places, &full_name));
    let ends = disabled || role != before.role || places != before.places;
    let record = AccountRecord { role, disabled, full_name, places, ..before };
    app.engine.command(Command::SaveAccount(record, entry(person, "account.changed", name, &detail))).await?;
    if ends {
        end_sessions(app, person, name, "", "account changed").await?;
    }
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
    match app.read(&chrome.reach, |reader| Ok((reader.accounts()?, reader.places()?))).await {
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
    let accounts = app.read(&person.reach, |reader| reader.accounts()).await?;
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
