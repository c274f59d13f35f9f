//! Everyone's own account: password, second factor, sessions, tokens of the API.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use super::App;
use super::accounts::{LINE_MAX_CHARS, known, role_of, slowly};
use super::api::Answered;
use super::auth::{Person, origin_of};
use super::confirm::{meant, or_confirm};
use super::pages::{Failure, Paged, chrome, show_again};
use super::problem::Problem;
use super::qr::{Code, code_of};
use super::server::Peer;
use super::view::Chrome;
use ioc_engine::account::hashing;
use ioc_engine::account::intent::Intent;
use ioc_engine::account::{self, NotTaken};
use ioc_engine::command::Answer;
use ioc_store::Role;
use ioc_store::template::one_line;
use ioc_store::totp::SecondFactor;
use ioc_store::{AccountRecord, SessionRecord};

/// How long a token of the API may live, days.
const TOKEN_DAYS_MAX: i64 = 366;

/// A password that its owner chose. All their other sessions end.
async fn choose(app: &App, person: &Person, form: PasswordForm) -> Result<Result<(), NotTaken>, Problem> {
    app.limits.own(&person.name)?;
    let before = known(app, &person.name).await?;
    let present = before.password.clone();
    let PasswordForm { present: shown, new } = form;
    let changed =
        slowly(app, person, move || account::check_change(&before, &shown, &new).map(|()| hashing::hash(&new))).await?;
    let hash = match changed {
        Ok(hash) => hash.map_err(|error| Problem::internal(error.to_string()))?,
        Err(why) => return Ok(Err(why)),
    };
    let (name, except) = (person.name.clone(), person.session.clone());
    meant(app, person, Intent::ChoosePassword { name, present, hash, except }).await?;
    Ok(Ok(()))
}

/// A token of the API; what it gives back is shown once.
async fn make_token(app: &App, person: &Person, peer: &Peer, form: &TokenForm) -> Result<String, Problem> {
    let label = one_line(&form.label, LINE_MAX_CHARS);
    if label.is_empty() {
        return Err(Problem::invalid("label: found none; say what the token is for".to_owned()));
    }
    let role = role_of(&form.role)?;
    if !(1..=TOKEN_DAYS_MAX).contains(&form.days) {
        return Err(Problem::invalid(format!("days: found {}; allowed are 1 to {TOKEN_DAYS_MAX}", form.days)));
    }
    // It is for someone: the command line has no account that a token could belong to.
    let (name, life_ms, peer) = (person.name.clone(), form.days * 86_400_000, peer.to_string());
    match meant(app, person, Intent::NewToken { name, label, role, life_ms, peer }).await? {
        Answer::Secret(token) => Ok(token),
        _ => Err(Problem::internal("no token was made")),
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordForm {
    present: String,
    new: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenForm {
    label: String,
    role: String,
    days: i64,
}

#[derive(Template)]
#[template(path = "account.html")]
struct OwnPage {
    chrome: Chrome,
    account: AccountRecord,
    sessions: Vec<SessionRecord>,
    /// The person must set a second factor up before anything else.
    lacks_second: bool,
    roles: Vec<&'static str>,
    /// The session that this page is shown in.
    here: String,
    error: Option<String>,
    /// What was done.
    done: Option<&'static str>,
    /// A token that was made: shown once.
    token: Option<String>,
    /// Codes to recover with: shown once.
    recovery: Vec<String>,
    /// What an authenticator app reads, while a second factor is set up.
    code: Option<Code>,
}

impl OwnPage {
    fn is_due(&self) -> bool {
        self.account.is_due(self.chrome.now)
    }

    fn days_left(&self) -> i64 {
        self.account.days_left(self.chrome.now)
    }

    /// The second factor that is set up, in letters.
    fn secret(&self) -> String {
        self.account.second_factor.as_ref().map(SecondFactor::shown).unwrap_or_default()
    }

    /// Codes to recover with that are left.
    fn recovery_left(&self) -> u64 {
        self.account.second_factor.as_ref().map_or(0, |second| second.left() as u64)
    }

    fn lives(&self, until: &Timestamp) -> bool {
        *until > self.chrome.now
    }
}

/// What a person's own page says beside what it always shows.
#[derive(Default)]
struct Said {
    error: Option<String>,
    done: Option<&'static str>,
    token: Option<String>,
    recovery: Vec<String>,
}

async fn show_own(app: &App, person: &Person, chrome: Chrome, said: Said) -> Paged {
    let name = person.name.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(account) = reader.account(&name)? else { return Ok(None) };
            Ok(Some((account, reader.sessions(&name)?)))
        })
        .await;
    match found {
        Ok(Some((account, sessions))) => {
            let Said { error, done, token, recovery } = said;
            let code = account.second_factor.as_ref().filter(|second| !second.confirmed);
            let code = code.and_then(|second| code_of(&second.uri(&chrome.site, &account.name)));
            let refused = error.is_some();
            // A token gets what its owner has, or less.
            let roles = Role::ALL.into_iter().filter(|role| role.is_within(account.role));
            let roles = roles.map(Role::as_str).collect();
            let here = person.session.clone();
            let lacks_second = account.lacks_second(&app.config().second_for);
            let page =
                OwnPage { chrome, account, sessions, lacks_second, roles, here, error, done, token, recovery, code };
            Ok(show_again(&page, refused))
        }
        Ok(None) => Err(Failure::not_found(chrome)),
        Err(problem) => Err(Failure::new(chrome, problem)),
    }
}

pub(super) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    show_own(&app, &person, chrome, Said::default()).await
}

fn why(chrome: &Chrome, why: NotTaken) -> String {
    chrome.t(match why {
        NotTaken::Name => "password-name",
        NotTaken::Length => "password-length",
        NotTaken::Named => "password-named",
        NotTaken::Again => "password-again",
        NotTaken::Wrong => "password-wrong",
    })
}

pub(super) async fn password(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let said = match choose(&app, &person, form).await {
        Ok(Ok(())) => Said { done: Some("password-changed"), ..Said::default() },
        Ok(Err(refusal)) => Said { error: Some(why(&chrome, refusal)), ..Said::default() },
        Err(problem) => match or_confirm(problem, "/account") {
            Ok(elsewhere) => return Ok(elsewhere),
            Err(problem) => Said { error: Some(problem.detail().to_owned()), ..Said::default() },
        },
    };
    show_own(&app, &person, chrome, said).await
}

pub(super) async fn token(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<TokenForm>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let said = match make_token(&app, &person, &peer, &form).await {
        Ok(token) => Said { token: Some(token), ..Said::default() },
        Err(problem) => match or_confirm(problem, "/account") {
            Ok(elsewhere) => return Ok(elsewhere),
            Err(problem) => Said { error: Some(problem.detail().to_owned()), ..Said::default() },
        },
    };
    show_own(&app, &person, chrome, said).await
}

/// What is to be done with one's own second factor.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondForm {
    r#do: String,
    #[serde(default)]
    code: String,
}

/// What came of it.
enum SecondDone {
    /// It is set up: its owner has to show that they have it.
    Started(SecondFactor),
    /// These codes to recover with are shown once.
    Codes(Vec<String>),
    /// It is gone.
    Off,
}

async fn change_second(
    app: &App,
    person: &Person,
    peer: &Peer,
    headers: &HeaderMap,
    form: &SecondForm,
) -> Result<SecondDone, Problem> {
    app.limits.own(&person.name)?;
    let (name, code) = (person.name.clone(), form.code.clone());
    let from = origin_of(app, peer, headers, &name);
    let intent = match form.r#do.as_str() {
        "start" => Intent::StartSecond { name },
        "confirm" => Intent::ConfirmSecond { name, again: false, code, from },
        "recovery" => Intent::ConfirmSecond { name, again: true, code, from },
        "off" => Intent::EndSecond { name, code, from },
        other => {
            return Err(Problem::invalid(format!("do: found {other:?}; allowed are start, confirm, recovery, off")));
        }
    };
    Ok(match meant(app, person, intent).await? {
        Answer::Second(second) => SecondDone::Started(second),
        Answer::Codes(codes) => SecondDone::Codes(codes),
        _ => SecondDone::Off,
    })
}

pub(super) async fn second(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<SecondForm>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let said = match change_second(&app, &person, &peer, &headers, &form).await {
        Ok(SecondDone::Started(_)) => Said::default(),
        Ok(SecondDone::Codes(recovery)) => Said { done: Some("second-done"), recovery, ..Said::default() },
        Ok(SecondDone::Off) => Said { done: Some("second-gone"), ..Said::default() },
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            Said { error: Some(chrome.t("login-code-wrong")), ..Said::default() }
        }
        Err(problem) => match or_confirm(problem, "/account") {
            Ok(elsewhere) => return Ok(elsewhere),
            Err(problem) => Said { error: Some(problem.detail().to_owned()), ..Said::default() },
        },
    };
    show_own(&app, &person, chrome, said).await
}

/// What came of a change of one's second factor; what does not belong to it is left out.
#[derive(Default, Serialize, schemars::JsonSchema)]
pub(super) struct SecondAnswer {
    /// For an authenticator app, in letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// The same as an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    /// Codes to recover with, shown once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovery: Vec<String>,
}

pub(super) async fn api_second(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(form): Json<SecondForm>,
) -> Answered<SecondAnswer> {
    let site = app.config().site_name.clone();
    Ok(Json(match change_second(&app, &person, &peer, &headers, &form).await? {
        SecondDone::Started(second) => SecondAnswer {
            uri: Some(second.uri(&site, &person.name)),
            secret: Some(second.shown()),
            ..SecondAnswer::default()
        },
        SecondDone::Codes(recovery) => SecondAnswer { recovery, ..SecondAnswer::default() },
        SecondDone::Off => SecondAnswer::default(),
    }))
}

/// Ends one of one's own sessions or tokens.
pub(super) async fn end_session(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(digest): Path<String>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let asked = digest.clone();
    match app.read(&person.scope, move |reader| reader.session(&asked)).await {
        Ok(Some(session)) if session.account == person.name => {
            let intent = Intent::EndSession { name: person.name.clone(), digest, action: "account.session_ended" };
            match meant(&app, &person, intent).await {
                Ok(_) => Ok(Redirect::to("/account").into_response()),
                Err(problem) => Err(Failure::new(chrome, problem)),
            }
        }
        Ok(_) => Err(Failure::not_found(chrome)),
        Err(problem) => Err(Failure::new(chrome, problem)),
    }
}

pub(super) async fn api_password(
    State(app): State<App>,
    person: Person,
    Json(form): Json<PasswordForm>,
) -> Result<StatusCode, Problem> {
    match choose(&app, &person, form).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(why) => Err(Problem::invalid(why.to_string())),
    }
}

/// A token of the API that was made.
#[derive(Serialize, schemars::JsonSchema)]
pub(super) struct NewApiToken {
    /// Shown once.
    token: String,
}

pub(super) async fn api_token(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    Json(form): Json<TokenForm>,
) -> Result<(StatusCode, Json<NewApiToken>), Problem> {
    let token = make_token(&app, &person, &peer, &form).await?;
    Ok((StatusCode::CREATED, Json(NewApiToken { token })))
}
