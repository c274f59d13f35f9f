//! Signing in and out, and who is asking.

use std::net::IpAddr;
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
use ioc_common::encoding::hex;

use super::App;
use super::pages::Failure;
use super::problem::Problem;
use super::rights;
use super::server::Peer;
use super::view::PageContext;
use ioc_engine::account;
use ioc_engine::account::hashing::Asker;
use ioc_engine::account::intent::{Actor, Intent, Origin};
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::connection_limit::ConnectionSlot;
use ioc_store::scope::AccessScope;
use ioc_store::secret;
use ioc_store::{Right, Role};

pub(super) const COOKIE: &str = "__Host-ioc";
const LANGUAGE_COOKIE: &str = "__Host-ioc-language";
/// What a browser is known by that has signed in before: its own number, and a mark for each account.
const KNOWN_COOKIE: &str = "__Host-ioc-known";
/// Most accounts that one browser is known by.
const KNOWN_MAX: usize = 8;
/// How long it is known, seconds.
const KNOWN_S: i64 = 180 * 86_400;

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
    pub(super) scope: AccessScope,
    /// Language to answer in.
    pub(super) language: String,
    /// The digest of their session; empty for the command line.
    pub(super) session: String,
    /// The organisation's identity provider says who they are.
    pub(super) federated: bool,
    /// An administrator who is to be told to set a second factor up: without one they change no account.
    pub(super) wants_second: bool,
}

impl Person {
    /// Whether a program asks with a token: it never changes how its owner comes in.
    pub(super) const fn is_token(&self) -> bool {
        self.token_role.is_some()
    }

    /// As whom they ask for changes of accounts.
    pub(super) fn actor(&self) -> Actor {
        if self.session.is_empty() {
            return Actor::Machine(self.name.clone());
        }
        Actor::Session { account: self.name.clone(), digest: self.session.clone() }
    }

    /// Whether they may do this, by their own role, by that of their token and by where they reach.
    pub(super) fn may(&self, right: Right) -> bool {
        let here = self.scope.is_everywhere() || !right.is_of_the_whole();
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
                scope: AccessScope::EVERYWHERE,
                language,
                session,
                federated: false,
                wants_second: false,
            });
        }
        let shown = credential_of(&parts.headers, &parts.uri);
        let is_token = shown.as_ref().is_some_and(|(_, kind)| *kind != CredentialKind::Cookie);
        let of_wall = shown.as_ref().is_some_and(|(_, kind)| *kind == CredentialKind::Address);
        // A program that shows a token is led by no browser.
        if !is_token && parts.method != axum::http::Method::GET && !same_origin(&parts.headers) {
            return Err(Problem::forbidden("this request comes from another site").into_response());
        }
        let Some((shown, _)) = shown else { return Err(sign_in_first(wants_page)) };
        let digest = account::session_digest(&shown);
        let now = clock::now();
        app.limits.take_session(&digest).map_err(|refused| *refused)?;
        let asked = digest.clone();
        let found = app.read(&AccessScope::EVERYWHERE, move |reader| {
            let Some(session) = reader.session(&asked)? else { return Ok(None) };
            Ok(reader.account(&session.account)?.map(|account| (session, account)))
        });
        let found = found.await.map_err(IntoResponse::into_response)?;
        // A session is no token, and a token no session.
        let found = found.filter(|(session, account)| {
            let kind = session.label.is_empty() != is_token && (!of_wall || session.role == Some(Role::Viewer));
            session.expires_at > now && !account.disabled && kind
        });
        app.limits.note_session(&digest, found.is_some());
        let Some((session, account)) = found else { return Err(sign_in_first(wants_page)) };
        if let Some(place) = parts.extensions.get::<Arc<ConnectionSlot>>() {
            place.prove(&digest);
        }
        let route = parts.extensions.get::<MatchedPath>().map_or(path.as_str(), MatchedPath::as_str);
        if account.is_due(now) && !session.federated && !rights::is_open_when_due(route) {
            if wants_page {
                return Err(Redirect::to("/account").into_response());
            }
            return Err(Problem::forbidden("the password is due; change it first: POST /api/v1/account/password")
                .into_response());
        }
        // Who is asked for a second factor by their role sets it up before anything else.
        let lacks = account.lacks_second(&app.config().second_for);
        if lacks && !session.federated && !rights::is_open_without_second(route) {
            if wants_page {
                return Err(Redirect::to("/account#second-factor").into_response());
            }
            let detail = "your role needs a second factor; set it up first, on the page /account or by POST /api/v1/account/second-factor";
            return Err(Problem::forbidden(detail).into_response());
        }
        let scope = account.scope();
        let (role, token_role) = (account.role, session.role);
        let federated = session.federated;
        // Where it is a duty, or the password comes first, the page of the account says so itself.
        let leads = role == Role::Administrator && !is_token && !federated;
        let wants_second = leads && !account.asks_for_code() && !lacks && !account.is_due(now);
        let name = account.name;
        let mut person = Self { name, role, token_role, scope, language, session: digest, federated, wants_second };
        if !person.may(Right::Personal) {
            person.scope = person.scope.without_names();
        }
        if person.may(rights::needed(&parts.method, route)) {
            return Ok(person);
        }
        if wants_page {
            let page_context = PageContext::new(app, &person.language, &person.name, false).of(&person);
            let detail = page_context.t("not-allowed");
            return Err(Failure::new(page_context, Problem::forbidden(detail)).into_response());
        }
        Err(Problem::forbidden("your role does not allow this").into_response())
    }
}

/// How a session or a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CredentialKind {
    /// By a browser.
    Cookie,
    /// A token, by a program.
    Bearer,
    /// A token, by a screen on the wall, which can show it in the address alone.
    Address,
}

/// The session or token that is shown, and how.
pub(super) fn credential_of(headers: &HeaderMap, uri: &Uri) -> Option<(String, CredentialKind)> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let on_wall = bearer.is_none() && matches!(uri.path(), "/wall" | "/live");
    let in_address = uri
        .query()
        .filter(|_| on_wall)
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")))
        .map(|token| (token, CredentialKind::Address));
    let token = bearer.map(|token| (token, CredentialKind::Bearer)).or(in_address);
    let token = token.filter(|(token, _)| token.starts_with(account::TOKEN_PREFIX));
    let token = token.map(|(token, kind)| (token.to_owned(), kind));
    token.or_else(|| cookie(headers, COOKIE).map(|cookie| (cookie, CredentialKind::Cookie)))
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
    /// A code is needed, too: the hash that the password matches.
    NeedsCode(String),
}

/// From where someone tries to sign in, and whether their browser has signed in to this account before.
pub(super) fn origin_of(app: &App, peer: &Peer, headers: &HeaderMap, name: &str) -> Origin {
    let network = match peer {
        // One subscriber has 64 bits of an IPv6 network to choose from.
        Peer::Remote(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        other => other.to_string(),
    };
    let shown = cookie(headers, KNOWN_COOKIE).unwrap_or_default();
    let browser = shown.split_once('.').filter(|(browser, marks)| {
        let mark = app.links.known(browser, name);
        !browser.is_empty() && marks.split('.').any(|one| secret::is_same(&mark, one))
    });
    Origin { peer: peer.to_string(), network, browser: browser.map(|(browser, _)| browser.to_owned()) }
}

/// What a browser is given to be known by later, beside what it has for other accounts.
fn known_cookie(app: &App, headers: &HeaderMap, name: &str) -> Option<String> {
    let shown = cookie(headers, KNOWN_COOKIE).unwrap_or_default();
    let (browser, marks) = shown.split_once('.').unwrap_or_default();
    let is_id = browser.len() == 32 && browser.bytes().all(|byte| byte.is_ascii_hexdigit());
    let browser = if is_id { browser.to_owned() } else { hex(&ioc_common::random::secret::<16>().ok()?) };
    let mark = app.links.known(&browser, name);
    let mut all = vec![mark.as_str()];
    all.extend(
        marks.split('.').filter(|other| is_id && other.len() == mark.len() && *other != mark).take(KNOWN_MAX - 1),
    );
    Some(set_cookie(KNOWN_COOKIE, &format!("{browser}.{}", all.join(".")), KNOWN_S))
}

/// What the engine refuses is told to whoever signs in: the same for every account, there or not.
pub(super) fn refused(error: CommandError) -> Problem {
    match error {
        CommandError::Forbidden(why) => Problem::unauthorized(why),
        error => error.into(),
    }
}

/// As whom someone who signs in waits for a hash.
fn asker_of(peer: &Peer, from: &Origin) -> Asker {
    match (&from.browser, peer) {
        (Some(browser), _) => Asker::Known(format!("browser {browser}")),
        (None, Peer::Remote(address)) => Asker::Stranger(*address),
        (None, Peer::Local(_)) => Asker::Known(peer.to_string()),
    }
}

/// Has an attempt counted and the password looked at: gives the hash that it matches.
pub(super) async fn show_password(
    app: &App,
    name: &str,
    password: String,
    code: &str,
    from: &Origin,
    asker: Asker,
) -> Result<String, Problem> {
    let person = |intent| app.engine.account_command(Command::Account(Box::new(intent)));
    let (name, from) = (name.to_owned(), from.clone());
    let attempt = Intent::Attempt { name: name.clone(), code: code.to_owned(), from: from.clone() };
    let Answer::Hash(hash) = person(attempt).await.map_err(refused)? else {
        return Err(Problem::internal("sign-in failed"));
    };
    let asked = hash.clone();
    match app.hashing.run(asker, move || account::verify(&asked, &password)).await {
        Ok(true) => Ok(hash),
        Ok(false) => {
            person(Intent::Wrong { name, from }).await.map_err(refused)?;
            Err(Problem::unauthorized("name, password or code is wrong"))
        }
        Err(busy) => {
            let _ = person(Intent::Unseen { name, from }).await;
            Err(busy.into())
        }
    }
}

/// Checks credentials and keeps what follows.
async fn try_sign_in(
    app: &App,
    peer: Peer,
    headers: &HeaderMap,
    credentials: Credentials,
) -> Result<SignedIn, Problem> {
    let Credentials { name, password, code } = credentials;
    let from = origin_of(app, &peer, headers, &name);
    app.limits.sign_in(&peer, from.browser.as_deref())?;
    let hash = show_password(app, &name, password, &code, &from, asker_of(&peer, &from)).await?;
    sign_in(app, Intent::Proved { name, hash, code, from }).await
}

/// Asks the engine to let someone in.
pub(super) async fn sign_in(app: &App, intent: Intent) -> Result<SignedIn, Problem> {
    let hash = if let Intent::Proved { hash, .. } = &intent { hash.clone() } else { String::new() };
    match app.engine.account_command(Command::Account(Box::new(intent))).await.map_err(refused)? {
        Answer::Secret(cookie) => Ok(SignedIn::Cookie(cookie)),
        Answer::NeedsCode => Ok(SignedIn::NeedsCode(hash)),
        _ => Err(Problem::internal("sign-in failed")),
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
/// What a sign-in that waits for its code is sealed for.
const PENDING_SIGN_IN: &str = "sign-in code";

/// Has the browser keep whose password was right, by which hash, and whose code is still to come: sealed, so that nothing has to be kept
/// here. It is bound to the password, so that another one ends it.
fn awaiting_second_factor(app: &App, name: &str, hash: &str) -> Result<String, Problem> {
    let until_ms = clock::boottime_ms() + CODE_MS;
    app.seal.close(PENDING_SIGN_IN, &[name, hash], until_ms).map_err(|error| Problem::internal(error.to_string()))
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page_context: PageContext,
    error: Option<String>,
    /// The password was right; what the browser holds while the code is asked for.
    pending_sign_in: Option<String>,
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
    pending_sign_in: Option<String>,
) -> Response {
    let language = language_of(headers, &app.config().language);
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page_context = PageContext::new(app, &language, "", false);
    let error = problem.map(|problem| match (problem.status(), &pending_sign_in) {
        (StatusCode::UNAUTHORIZED, None) => page_context.t("login-wrong"),
        (StatusCode::UNAUTHORIZED, Some(_)) => page_context.t("login-code-wrong"),
        (StatusCode::TOO_MANY_REQUESTS, _) => page_context.t("login-locked"),
        _ => format!("{} {}", page_context.t("login-foreign"), problem.detail()),
    });
    let provider = app.config().oidc.as_ref().map(|oidc| oidc.name.clone());
    let page = LoginPage { page_context, error, pending_sign_in, provider };
    (status, Html(page.render().unwrap_or_default())).into_response()
}

fn signed_in(app: &App, headers: &HeaderMap, name: &str, cookie: &str) -> Response {
    with_cookies(app, headers, name, cookie, Redirect::to("/").into_response())
}

/// A session's cookie, and the one that the browser is known by.
fn with_cookies(app: &App, headers: &HeaderMap, name: &str, cookie: &str, mut response: Response) -> Response {
    let session = set_cookie(COOKIE, cookie, account::SESSION_MS / 1000);
    for one in std::iter::once(session).chain(known_cookie(app, headers, name)) {
        if let Ok(one) = header::HeaderValue::from_str(&one) {
            response.headers_mut().append(header::SET_COOKIE, one);
        }
    }
    response
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
    match try_sign_in(&app, peer, &headers, credentials).await {
        Ok(SignedIn::Cookie(cookie)) => signed_in(&app, &headers, &name, &cookie),
        Ok(SignedIn::NeedsCode(hash)) => match awaiting_second_factor(&app, &name, &hash) {
            Ok(pending_sign_in) => render_login(&app, &headers, None, Some(pending_sign_in)),
            Err(problem) => render_login(&app, &headers, Some(problem), None),
        },
        Err(problem) => render_login(&app, &headers, Some(problem), None),
    }
}

#[derive(Deserialize)]
pub(super) struct CodeForm {
    pending_sign_in: String,
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
    let Some([name, hash]) = app.seal.open(PENDING_SIGN_IN, &form.pending_sign_in, clock::boottime_ms()) else {
        return Redirect::to("/login").into_response();
    };
    let from = origin_of(&app, &peer, &headers, &name);
    if let Err(problem) = app.limits.sign_in(&peer, from.browser.as_deref()) {
        return render_login(&app, &headers, Some(problem), Some(form.pending_sign_in));
    }
    let tried = async {
        // Counted like a password before it is looked at.
        let attempt = Intent::Attempt { name: name.clone(), code: form.code.clone(), from: from.clone() };
        app.engine.account_command(Command::Account(Box::new(attempt))).await.map_err(refused)?;
        sign_in(&app, Intent::Proved { name: name.clone(), hash, code: form.code, from: from.clone() }).await
    };
    match tried.await {
        Ok(SignedIn::Cookie(cookie)) => {
            app.seal.spend(&form.pending_sign_in);
            signed_in(&app, &headers, &name, &cookie)
        }
        Ok(SignedIn::NeedsCode(_)) => render_login(&app, &headers, None, Some(form.pending_sign_in)),
        Err(problem) => render_login(&app, &headers, Some(problem), Some(form.pending_sign_in)),
    }
}

pub(super) async fn logout(State(app): State<App>, person: Person, headers: HeaderMap) -> Response {
    end_session(&app, &person, &headers).await;
    ([(header::SET_COOKIE, set_cookie(COOKIE, "", 0))], Redirect::to("/login")).into_response()
}

async fn end_session(app: &App, person: &Person, headers: &HeaderMap) {
    if let Some(cookie) = cookie(headers, COOKIE) {
        let digest = account::session_digest(&cookie);
        let intent = Intent::EndSession { actor: person.actor(), digest, action: AuditLogAction::AccountSignedOut };
        let _ = app.engine.account_command(Command::Account(Box::new(intent))).await;
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
    let name = credentials.name.clone();
    let SignedIn::Cookie(cookie) = try_sign_in(&app, peer, &headers, credentials).await? else {
        return Err(Problem::unauthorized("code: this account has a second factor; give its code, too"));
    };
    Ok(with_cookies(&app, &headers, &name, &cookie, StatusCode::NO_CONTENT.into_response()))
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
