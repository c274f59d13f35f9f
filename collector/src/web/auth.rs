//! Signing in and out, and who is asking.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::Json;
use axum::extract::{Extension, FromRequestParts, MatchedPath, OriginalUri, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use ioc_common::clock;

use super::App;
use super::pages::Failure;
use super::problem::Problem;
use super::rights;
use super::server::Peer;
use super::view::Chrome;
use crate::account::{self, Right, Role, SignIn};
use crate::audit;
use crate::command::Command;
use crate::crowd::Place;
use crate::hashing::Asker;
use crate::pki::PkiError;
use crate::reach::Reach;

pub(super) const COOKIE: &str = "__Host-ioc";
const LANGUAGE_COOKIE: &str = "__Host-ioc-language";

/// Who is asking: a signed-in person, a program with a token, or the command line on this machine. Whoever may not ask for this
/// route is refused here, before anything is done ([`rights`]).
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// Account name, or `local:<uid>`.
    pub(super) name: String,
    /// What they are there for.
    pub(super) role: Role,
    /// The role of the token that is shown, which may be less.
    token_role: Option<Role>,
    /// Where they may look and act.
    pub(super) reach: Reach,
    /// Language to answer in.
    pub(super) language: String,
    /// The digest of their session; empty for the command line.
    pub(super) session: String,
}

impl Person {
    /// Whether a program asks with a token: it never changes how its owner comes in.
    pub(super) const fn is_token(&self) -> bool {
        self.token_role.is_some()
    }

    /// Whether they may do this, by their own role, by that of their token and by where they reach.
    pub(super) fn may(&self, right: Right) -> bool {
        let here = self.reach.is_everywhere() || !right.is_of_the_whole();
        here && self.role.may(right) && self.token_role.is_none_or(|role| role.may(right))
    }
}

impl FromRequestParts<App> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        // Below a nested router the path has lost its beginning.
        let path = parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.path(), |uri| uri.path()).to_owned();
        let wants_page = !path.starts_with("/api/") && !path.starts_with("/metrics") && path != "/live";
        let language = language_of(&parts.headers, &app.config().language);
        if let Some(Peer::Local(uid)) = parts.extensions.get::<Peer>() {
            let (name, session) = (format!("local:{uid}"), String::new());
            return Ok(Self {
                name,
                role: Role::Administrator,
                token_role: None,
                reach: Reach::EVERYWHERE,
                language,
                session,
            });
        }
        let shown = shown(&parts.headers, &parts.uri);
        let is_token = shown.as_ref().is_some_and(|(_, way)| *way != Way::Cookie);
        let of_wall = shown.as_ref().is_some_and(|(_, way)| *way == Way::Address);
        // A program that shows a token is led by no browser.
        if !is_token && parts.method != axum::http::Method::GET && !same_origin(&parts.headers) {
            return Err(Problem::forbidden("this request comes from another site").into_response());
        }
        let Some((shown, _)) = shown else { return Err(sign_in_first(wants_page)) };
        let digest = account::session_digest(&shown);
        let now = clock::now();
        app.limits.before(&digest).map_err(|refused| *refused)?;
        let asked = digest.clone();
        let found = app.read(&Reach::EVERYWHERE, move |reader| {
            let Some(session) = reader.session(&asked)? else { return Ok(None) };
            Ok(reader.account(&session.account)?.map(|account| (session, account)))
        });
        let found = found.await.map_err(IntoResponse::into_response)?;
        // A session is no token, and a token no session.
        let found = found.filter(|(session, account)| {
            let kind = session.label.is_empty() != is_token && (!of_wall || session.role == Some(Role::Viewer));
            session.expires_at > now && !account.disabled && kind
        });
        app.limits.after(&digest, found.is_some());
        let Some((session, account)) = found else { return Err(sign_in_first(wants_page)) };
        if let Some(place) = parts.extensions.get::<Arc<Place>>() {
            place.prove(&digest);
        }
        let route = parts.extensions.get::<MatchedPath>().map_or(path.as_str(), MatchedPath::as_str);
        if account.is_due(now) && !session.foreign && !rights::is_open_when_due(route) {
            if wants_page {
                return Err(Redirect::to("/account").into_response());
            }
            return Err(Problem::forbidden("the password is due; change it first: POST /api/v1/account/password")
                .into_response());
        }
        // Who is asked for a second factor by their role sets it up before anything else.
        let lacks = account.lacks_second(&app.config().second_for);
        if lacks && !session.foreign && !rights::is_open_without_second(route) {
            if wants_page {
                return Err(Redirect::to("/account#second").into_response());
            }
            let detail = "your role needs a second factor; set it up first, on the page /account or by POST /api/v1/account/second";
            return Err(Problem::forbidden(detail).into_response());
        }
        let reach = account.reach();
        let (role, token_role) = (account.role, session.role);
        let person = Self { name: account.name, role, token_role, reach, language, session: digest };
        if person.may(rights::needed(&parts.method, route)) {
            return Ok(person);
        }
        if wants_page {
            let chrome = Chrome::new(app, &person.language, &person.name, false).of(&person);
            let detail = chrome.t("not-allowed");
            return Err(Failure::new(chrome, Problem::forbidden(detail)).into_response());
        }
        Err(Problem::forbidden("your role does not allow this").into_response())
    }
}

/// How a session or a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a browser.
    Cookie,
    /// A token, by a program.
    Bearer,
    /// A token, by a screen on the wall, which can show it in the address alone.
    Address,
}

/// The session or token that is shown, and how.
pub(super) fn shown(headers: &HeaderMap, uri: &Uri) -> Option<(String, Way)> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let on_wall = bearer.is_none() && matches!(uri.path(), "/wall" | "/live");
    let in_address = uri
        .query()
        .filter(|_| on_wall)
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")))
        .map(|token| (token, Way::Address));
    let token = bearer.map(|token| (token, Way::Bearer)).or(in_address);
    let token = token.filter(|(token, _)| token.starts_with(account::TOKEN_PREFIX));
    let token = token.map(|(token, way)| (token.to_owned(), way));
    token.or_else(|| cookie(headers, COOKIE).map(|cookie| (cookie, Way::Cookie)))
}

fn sign_in_first(wants_page: bool) -> Response {
    if wants_page {
        return Redirect::to("/login").into_response();
    }
    Problem::unauthorized("sign in first: POST /api/v1/session, or show a token").into_response()
}

pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// A page of another site cannot act here: browsers say where a request comes from. Programs say neither and have no cookie
/// that another site could use.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            text("host").is_some_and(|host| origin.split_once("://").is_some_and(|(_, rest)| rest == host))
        }
        (None, None) => true,
    }
}

pub(super) fn language_of(headers: &HeaderMap, default: &str) -> String {
    match cookie(headers, LANGUAGE_COOKIE).as_deref() {
        Some("vi") => "vi".to_owned(),
        Some("en") => "en".to_owned(),
        _ => default.to_owned(),
    }
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(super) struct Credentials {
    name: String,
    password: String,
    /// A code of the second factor.
    #[serde(default)]
    code: String,
}

/// What credentials are good for.
pub(super) enum SignedIn {
    /// The cookie.
    Cookie(String),
    /// A code is needed, too.
    NeedsCode,
}

/// Checks credentials and keeps what follows.
async fn try_sign_in(app: &App, peer: Peer, credentials: Credentials) -> Result<SignedIn, Problem> {
    let Credentials { name, password, code } = credentials;
    app.limits.sign_in(&peer, None)?;
    let asked = name.clone();
    let known = app.read(&Reach::EVERYWHERE, move |reader| reader.account(&asked)).await?;
    let asker = match peer {
        Peer::Remote(address) => Asker::Stranger(address),
        Peer::Local(_) => Asker::Known(peer.to_string()),
    };
    let outcome = app
        .hashing
        .run(asker, move || account::sign_in(known, &name, &password, &code, &peer.to_string(), clock::now()))
        .await?;
    keep(app, outcome).await
}

/// Keeps what follows from an attempt.
pub(super) async fn keep(app: &App, outcome: Result<SignIn, PkiError>) -> Result<SignedIn, Problem> {
    let wrong = || Problem::unauthorized("name, password or code is wrong");
    match outcome.map_err(|error| Problem::internal(error.to_string()))? {
        SignIn::Welcome { cookie, session, account, entry } => {
            app.engine.command(Command::SignedIn(account, session, entry)).await?;
            Ok(SignedIn::Cookie(cookie))
        }
        SignIn::Wrong { account: Some(account), entry } => {
            app.engine.command(Command::SaveAccount(account, entry)).await?;
            Err(wrong())
        }
        SignIn::Wrong { account: None, .. } => Err(wrong()),
        SignIn::NeedsCode => Ok(SignedIn::NeedsCode),
        SignIn::Locked(until) => Err(Problem::too_many(format!("too many failed attempts; locked until {until}"))),
    }
}

pub(super) fn set_cookie(name: &str, value: &str, seconds: i64) -> String {
    cookie_text(name, value, "Strict", seconds)
}

/// The same for one that other sites may bring along, or not (`same_site`).
pub(super) fn cookie_text(name: &str, value: &str, same_site: &str, seconds: i64) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}")
}

/// How long a code may take, milliseconds.
const CODE_MS: u64 = 300_000;
/// What the ticket of such a sign-in is sealed for.
const CODE_TICKET: &str = "sign-in code";

/// Has the browser keep whose password was right and whose code is still to come: sealed, so that nothing has to be kept here. It is bound to
/// the password, so that another one ends it.
async fn half_in(app: &App, name: &str) -> Result<String, Problem> {
    let known = super::people::known(app, name).await?;
    let until_ms = clock::boottime_us() / 1000 + CODE_MS;
    let parts = [name, &account::session_digest(&known.password)];
    app.seal.close(CODE_TICKET, &parts, until_ms).map_err(|error| Problem::internal(error.to_string()))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    chrome: Chrome,
    error: Option<String>,
    /// The password was right; what the browser holds while the code is asked for.
    ticket: Option<String>,
    /// What the organisation's identity provider is called, where there is one.
    provider: Option<String>,
}

pub(super) async fn login_page(State(app): State<App>, headers: HeaderMap) -> Response {
    render_login(&app, &headers, None, None)
}

/// The page again, with what was refused.
pub(super) fn render_login(
    app: &App,
    headers: &HeaderMap,
    problem: Option<Problem>,
    ticket: Option<String>,
) -> Response {
    let language = language_of(headers, &app.config().language);
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let chrome = Chrome::new(app, &language, "", false);
    let error = problem.map(|problem| match (problem.status(), &ticket) {
        (StatusCode::UNAUTHORIZED, None) => chrome.t("login-wrong"),
        (StatusCode::UNAUTHORIZED, Some(_)) => chrome.t("login-code-wrong"),
        (StatusCode::TOO_MANY_REQUESTS, _) => chrome.t("login-locked"),
        _ => format!("{} {}", chrome.t("login-foreign"), problem.detail()),
    });
    let provider = app.config().oidc.as_ref().map(|oidc| oidc.name.clone());
    let page = LoginPage { chrome, error, ticket, provider };
    (status, Html(page.render().unwrap_or_default())).into_response()
}

fn come_in(cookie: &str) -> Response {
    let cookie = set_cookie(COOKIE, cookie, account::SESSION_MS / 1000);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

pub(super) async fn login(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Response {
    if !same_origin(&headers) {
        return Problem::forbidden("this request comes from another site").into_response();
    }
    let name = credentials.name.clone();
    match try_sign_in(&app, peer, credentials).await {
        Ok(SignedIn::Cookie(cookie)) => come_in(&cookie),
        Ok(SignedIn::NeedsCode) => match half_in(&app, &name).await {
            Ok(ticket) => render_login(&app, &headers, None, Some(ticket)),
            Err(problem) => render_login(&app, &headers, Some(problem), None),
        },
        Err(problem) => render_login(&app, &headers, Some(problem), None),
    }
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    ticket: String,
    code: String,
}

/// The code that was still to come.
pub(super) async fn login_code(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Response {
    if !same_origin(&headers) {
        return Problem::forbidden("this request comes from another site").into_response();
    }
    if let Err(problem) = app.limits.sign_in(&peer, None) {
        return render_login(&app, &headers, Some(problem), Some(form.ticket));
    }
    let Some([name, password]) = app.seal.open(CODE_TICKET, &form.ticket, clock::boottime_us() / 1000) else {
        return Redirect::to("/login").into_response();
    };
    let tried = async {
        let known = super::people::known(&app, &name).await?;
        if account::session_digest(&known.password) != password {
            return Err(Problem::unauthorized("the password was changed meanwhile; begin again"));
        }
        keep(&app, account::second_step(known, &form.code, &peer.to_string(), clock::now())).await
    };
    match tried.await {
        Ok(SignedIn::Cookie(cookie)) => {
            app.seal.spend(&form.ticket);
            come_in(&cookie)
        }
        Ok(SignedIn::NeedsCode) => render_login(&app, &headers, None, Some(form.ticket)),
        Err(problem) => render_login(&app, &headers, Some(problem), Some(form.ticket)),
    }
}

pub(super) async fn logout(State(app): State<App>, person: Person, headers: HeaderMap) -> Response {
    end_session(&app, &person, &headers).await;
    ([(header::SET_COOKIE, set_cookie(COOKIE, "", 0))], Redirect::to("/login")).into_response()
}

async fn end_session(app: &App, person: &Person, headers: &HeaderMap) {
    if let Some(cookie) = cookie(headers, COOKIE) {
        let entry = audit::Entry {
            at: clock::now(),
            actor: person.name.clone(),
            action: "account.signed_out".to_owned(),
            subject: person.name.clone(),
            detail: String::new(),
        };
        let digest = account::session_digest(&cookie);
        let _ = app.engine.command(Command::SignedOut { digest, entry }).await;
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct LanguageForm {
    language: String,
}

/// The page that shows what a form was sent to: where only a form goes, it stands on the page above.
fn page_of(path: &str) -> &str {
    let forms = ["/duty", "/people", "/account", "/maintenance", "/login"];
    let above = forms.into_iter().find(|page| path.strip_prefix(page).is_some_and(|rest| rest.starts_with('/')));
    let path = path.strip_suffix("/remarks").unwrap_or(path);
    above.unwrap_or(if path == "/devices/views" { "/devices" } else { path })
}

pub(super) async fn language(headers: HeaderMap, Form(form): Form<LanguageForm>) -> Response {
    let language = if form.language == "en" { "en" } else { "vi" };
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // Back to the page of ours that it was pressed on, and to nowhere else.
    let from = text(header::REFERER).and_then(|from| from.parse::<Uri>().ok());
    let from = from.filter(|from| from.authority().map(axum::http::uri::Authority::as_str) == text(header::HOST));
    let from = from.as_ref().and_then(|from| from.path_and_query()).map(axum::http::uri::PathAndQuery::as_str);
    let back = from.filter(|path| path.starts_with('/') && !path.starts_with("//")).map_or("/", page_of);
    ([(header::SET_COOKIE, set_cookie(LANGUAGE_COOKIE, language, 31_536_000))], Redirect::to(back)).into_response()
}

pub(super) async fn api_sign_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Result<Response, Problem> {
    if !same_origin(&headers) {
        return Err(Problem::forbidden("this request comes from another site"));
    }
    let SignedIn::Cookie(cookie) = try_sign_in(&app, peer, credentials).await? else {
        return Err(Problem::unauthorized("code: this account has a second factor; give its code, too"));
    };
    let cookie = set_cookie(COOKIE, &cookie, account::SESSION_MS / 1000);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

pub(super) async fn api_sign_out(State(app): State<App>, person: Person, headers: HeaderMap) -> Response {
    end_session(&app, &person, &headers).await;
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(COOKIE, "", 0))]).into_response()
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn the_other_language_leads_back_to_a_page() {
        for (from, back) in [
            ("/incidents/7?x=1", "/incidents/7?x=1"),
            ("/duty/covers", "/duty"),
            ("/devices/views", "/devices"),
            ("/devices/srv-01/remarks", "/devices/srv-01"),
            ("/devices/srv-01", "/devices/srv-01"),
            ("/login/code", "/login"),
        ] {
            assert_eq!(page_of(from), back);
        }
    }
}
