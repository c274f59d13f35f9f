//! Signing in by password and code, and signing out; as a page and in the API.

use std::net::IpAddr;

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;

use ioc_common::clock;
use ioc_common::encoding::hex;

use crate::app::App;
use crate::cookie::{SESSION_COOKIE, cookie, set_cookie};
use crate::language::language_of;
use crate::page::context::PageContext;
use crate::page::problem_text;
use crate::person::Person;
use crate::problem::Problem;
use crate::server::Peer;
use crate::sign_in::authentication::same_origin;
use crate::sign_in::way_back;
use ioc_engine::account;
use ioc_engine::account::intent::{Intent, Origin};
use ioc_engine::account::password_hashing::HashRequester;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason};
use ioc_store::secret;
use ioc_store::template::percent_encoded;

/// What a browser is known by that has signed in before: its own number, and a mark for each account.
const KNOWN_COOKIE: &str = "__Host-ioc-known";
/// Most accounts that one browser is known by.
const KNOWN_MAX: usize = 8;
/// How long it is known, seconds.
const KNOWN_S: i64 = 180 * 86_400;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct Credentials {
    name: String,
    password: String,
    /// A code of the second factor.
    #[serde(default)]
    code: String,
}

/// What credentials are good for.
pub(crate) enum SignInOutcome {
    /// They are in: the secret of their session, for their browser to keep.
    Cookie(String),
    /// A code is needed, too: the hash that the password matches.
    NeedsCode(String),
}

/// From where someone tries to sign in, and whether their browser has signed in to this account before.
pub(crate) fn origin_of(app: &App, peer: &Peer, headers: &HeaderMap, name: &str) -> Origin {
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
pub(crate) fn sign_in_refusal(error: CommandError) -> Problem {
    match error {
        error if error.kind() == Some(RefusalKind::Forbidden) => {
            Problem::from(error).with_status(StatusCode::UNAUTHORIZED)
        }
        error => error.into(),
    }
}

/// As whom someone who signs in waits for a hash.
fn hash_requester(peer: &Peer, from: &Origin) -> HashRequester {
    match (&from.browser, peer) {
        (Some(browser), _) => HashRequester::Known(format!("browser {browser}")),
        (None, Peer::Remote(address)) => HashRequester::Stranger(*address),
        (None, Peer::Local(_)) => HashRequester::Known(peer.to_string()),
    }
}

/// Has an attempt counted and the password looked at: gives the hash that it matches.
pub(crate) async fn check_password(
    app: &App,
    name: &str,
    password: String,
    code: &str,
    from: &Origin,
    requester: HashRequester,
) -> Result<String, Problem> {
    let person = |intent| app.engine.account_command(Command::Account(Box::new(intent)));
    let (name, from) = (name.to_owned(), from.clone());
    let attempt = Intent::Attempt { name: name.clone(), code: code.to_owned(), from: from.clone() };
    let Answer::Hash(hash) = person(attempt).await.map_err(sign_in_refusal)? else {
        return Err(Problem::internal("sign-in failed"));
    };
    let asked = hash.clone();
    match app.hash_queue.run(requester, move || account::verify(&asked, &password)).await {
        Ok(true) => Ok(hash),
        Ok(false) => {
            person(Intent::Wrong { name, from }).await.map_err(sign_in_refusal)?;
            Err(Problem::unknown_person(RefusalReason::sign_in_wrong()))
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
) -> Result<SignInOutcome, Problem> {
    let Credentials { name, password, code } = credentials;
    let from = origin_of(app, &peer, headers, &name);
    app.limits.take_sign_in(&peer, from.browser.as_deref())?;
    let hash = check_password(app, &name, password, &code, &from, hash_requester(&peer, &from)).await?;
    sign_in(app, Intent::Proved { name, hash, code, from }).await
}

/// Asks the engine to let someone in.
pub(crate) async fn sign_in(app: &App, intent: Intent) -> Result<SignInOutcome, Problem> {
    let hash = if let Intent::Proved { hash, .. } = &intent { hash.clone() } else { String::new() };
    match app.engine.account_command(Command::Account(Box::new(intent))).await.map_err(sign_in_refusal)? {
        Answer::Secret(cookie) => Ok(SignInOutcome::Cookie(cookie)),
        Answer::NeedsCode => Ok(SignInOutcome::NeedsCode(hash)),
        _ => Err(Problem::internal("sign-in failed")),
    }
}

/// How long a code may take, milliseconds.
const CODE_MS: u64 = 300_000;
/// What a sign-in that waits for its code is sealed for.
const PENDING_SIGN_IN: &str = "sign-in code";

/// Has the browser keep whose password was right, by which hash, and whose code is still to come: sealed, so that nothing has to be kept
/// here. It is bound to the password, so that another one ends it.
fn seal_pending_sign_in(app: &App, name: &str, hash: &str) -> Result<String, Problem> {
    let until_ms = clock::boottime_ms() + CODE_MS;
    app.seal.close(PENDING_SIGN_IN, &[name, hash], until_ms).map_err(|error| Problem::internal(error.to_string()))
}

/// What the page to sign in is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LoginQuery {
    /// The page that they were on, or wanted to see.
    next: String,
    /// Their session has ended.
    ended: String,
}

impl LoginQuery {
    /// Back to this page.
    fn back_to(next: &str) -> Self {
        Self { next: next.to_owned(), ended: String::new() }
    }

    /// The page to go back to.
    fn page(&self) -> &str {
        way_back::allowed(&self.next)
    }
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page_context: PageContext,
    /// The page that they go back to.
    next: String,
    /// Where the identity provider is asked, and comes back to that page.
    provider_address: String,
    /// Their session has ended, which they are told.
    ended: bool,
    error: Option<String>,
    /// The password was right; what the browser holds while the code is asked for.
    pending_sign_in: Option<String>,
    /// What the organisation's identity provider is called, where there is one.
    provider: Option<String>,
}

pub(crate) async fn login_page(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<LoginQuery>,
) -> Response {
    render_login(&app, &headers, None, None, &query)
}

/// The page again, with what was refused.
pub(crate) fn render_login(
    app: &App,
    headers: &HeaderMap,
    problem: Option<Problem>,
    pending_sign_in: Option<String>,
    query: &LoginQuery,
) -> Response {
    let language = language_of(headers, app.config().language);
    let status = problem.as_ref().map_or(StatusCode::OK, Problem::status);
    let page_context = PageContext::new(app, language, "", false);
    let error = problem.map(|problem| match (problem.status(), &pending_sign_in) {
        (StatusCode::UNAUTHORIZED, None) => page_context.t("login-wrong"),
        (StatusCode::UNAUTHORIZED, Some(_)) => page_context.t("login-code-wrong"),
        (StatusCode::TOO_MANY_REQUESTS, _) => page_context.t("login-locked"),
        _ => format!("{} {}", page_context.t("login-foreign"), problem_text(&page_context, &problem)),
    });
    let provider = app.config().oidc.as_ref().map(|oidc| oidc.name.clone());
    let next = query.page().to_owned();
    let ended = !query.ended.is_empty() && error.is_none();
    let provider_address = format!("/login/oidc?next={}", percent_encoded(&next));
    let page = LoginPage { page_context, next, provider_address, ended, error, pending_sign_in, provider };
    (status, Html(page.render().unwrap_or_default())).into_response()
}

fn signed_in_response(app: &App, headers: &HeaderMap, name: &str, cookie: &str, query: &LoginQuery) -> Response {
    with_cookies(app, headers, name, cookie, Redirect::to(query.page()).into_response())
}

/// A session's cookie, and the one that the browser is known by.
fn with_cookies(app: &App, headers: &HeaderMap, name: &str, cookie: &str, mut response: Response) -> Response {
    let session = set_cookie(SESSION_COOKIE, cookie, account::SESSION_MS / 1000);
    for one in std::iter::once(session).chain(known_cookie(app, headers, name)) {
        if let Ok(one) = header::HeaderValue::from_str(&one) {
            response.headers_mut().append(header::SET_COOKIE, one);
        }
    }
    response
}

pub(crate) async fn login(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let LoginForm { name, password, code, next } = form;
    let back = LoginQuery::back_to(&next);
    if !same_origin(&headers) {
        return render_login(&app, &headers, Some(Problem::other_site()), None, &back);
    }
    let credentials = Credentials { name: name.clone(), password, code };
    match try_sign_in(&app, peer, &headers, credentials).await {
        Ok(SignInOutcome::Cookie(cookie)) => signed_in_response(&app, &headers, &name, &cookie, &back),
        Ok(SignInOutcome::NeedsCode(hash)) => match seal_pending_sign_in(&app, &name, &hash) {
            Ok(pending_sign_in) => render_login(&app, &headers, None, Some(pending_sign_in), &back),
            Err(problem) => render_login(&app, &headers, Some(problem), None, &back),
        },
        Err(problem) => render_login(&app, &headers, Some(problem), None, &back),
    }
}

/// What the page's first form sends.
#[derive(Deserialize)]
pub(crate) struct LoginForm {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub(crate) struct CodeForm {
    pending_sign_in: String,
    code: String,
    #[serde(default)]
    next: String,
}

/// The code that was still to come.
pub(crate) async fn login_code(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<CodeForm>,
) -> Response {
    let back = LoginQuery::back_to(&form.next);
    if !same_origin(&headers) {
        return render_login(&app, &headers, Some(Problem::other_site()), None, &back);
    }
    let Some([name, hash]) = app.seal.open(PENDING_SIGN_IN, &form.pending_sign_in, clock::boottime_ms()) else {
        return Redirect::to("/login").into_response();
    };
    let from = origin_of(&app, &peer, &headers, &name);
    if let Err(problem) = app.limits.take_sign_in(&peer, from.browser.as_deref()) {
        return render_login(&app, &headers, Some(problem), Some(form.pending_sign_in), &back);
    }
    let tried = async {
        // Counted like a password before it is looked at.
        let attempt = Intent::Attempt { name: name.clone(), code: form.code.clone(), from: from.clone() };
        app.engine.account_command(Command::Account(Box::new(attempt))).await.map_err(sign_in_refusal)?;
        sign_in(&app, Intent::Proved { name: name.clone(), hash, code: form.code, from: from.clone() }).await
    };
    match tried.await {
        Ok(SignInOutcome::Cookie(cookie)) => {
            app.seal.spend(&form.pending_sign_in);
            signed_in_response(&app, &headers, &name, &cookie, &back)
        }
        Ok(SignInOutcome::NeedsCode(_)) => render_login(&app, &headers, None, Some(form.pending_sign_in), &back),
        Err(problem) => render_login(&app, &headers, Some(problem), Some(form.pending_sign_in), &back),
    }
}

pub(crate) async fn logout(State(app): State<App>, person: Person, headers: HeaderMap) -> Response {
    end_session(&app, &person, &headers).await;
    ([(header::SET_COOKIE, set_cookie(SESSION_COOKIE, "", 0))], Redirect::to("/login")).into_response()
}

async fn end_session(app: &App, person: &Person, headers: &HeaderMap) {
    if let Some(cookie) = cookie(headers, SESSION_COOKIE) {
        let digest = account::session_digest(&cookie);
        let intent = Intent::EndSession { actor: person.actor(), digest, action: AuditLogAction::AccountSignedOut };
        let _ = app.engine.account_command(Command::Account(Box::new(intent))).await;
    }
}

pub(crate) async fn api_sign_in(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Result<Response, Problem> {
    if !same_origin(&headers) {
        return Err(Problem::other_site());
    }
    let name = credentials.name.clone();
    let SignInOutcome::Cookie(cookie) = try_sign_in(&app, peer, &headers, credentials).await? else {
        return Err(Problem::needs_code());
    };
    Ok(with_cookies(&app, &headers, &name, &cookie, StatusCode::NO_CONTENT.into_response()))
}

pub(crate) async fn api_sign_out(State(app): State<App>, person: Person, headers: HeaderMap) -> Response {
    end_session(&app, &person, &headers).await;
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, set_cookie(SESSION_COOKIE, "", 0))]).into_response()
}
