//! Who is asking, by session, token or control socket; and what strangers pay before anything is looked up.

use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use ioc_common::clock;

use crate::app::App;
use crate::authorization::rights;
use crate::cookie::{SESSION_COOKIE, cookie};
use crate::language::language_of;
use crate::page::Failure;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::problem::Problem;
use crate::rate_limit::{REQUESTS, ValidToken, now_ms};
use crate::server::Peer;
use crate::sign_in::way_back;
use ioc_engine::account;
use ioc_engine::connection_limit::ConnectionSlot;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::scope::AccessScope;
use ioc_store::{Right, Role};

impl FromRequestParts<App> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        // Below a nested router the path has lost its beginning.
        let path = parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.path(), |uri| uri.path()).to_owned();
        let wants_page = !path.starts_with("/api/") && !path.starts_with("/metrics") && path != "/live";
        let language = language_of(&parts.headers, app.config().language);
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
                path,
                second_factor_advised: false,
            });
        }
        let shown = credential_of(&parts.headers, &parts.uri);
        let is_token = shown.as_ref().is_some_and(|(_, kind)| *kind != CredentialKind::Cookie);
        let by_address = shown.as_ref().is_some_and(|(_, kind)| *kind == CredentialKind::Address);
        // A program that shows a token is led by no browser.
        if !is_token && parts.method != axum::http::Method::GET && !same_origin(&parts.headers) {
            let problem = Problem::other_site();
            if wants_page {
                let page_context = PageContext::new(app, language, "", false);
                return Err(Failure::new(page_context, problem).into_response());
            }
            return Err(problem.into_response());
        }
        let Some((shown, _)) = shown else { return Err(sign_in_required(wants_page, parts, false)) };
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
            let kind = session.label.is_empty() != is_token && (!by_address || session.role == Some(Role::Viewer));
            session.expires_at > now && !account.disabled && kind
        });
        app.limits.note_session(&digest, found.is_some());
        let Some((session, account)) = found else { return Err(sign_in_required(wants_page, parts, !is_token)) };
        if let Some(place) = parts.extensions.get::<Arc<ConnectionSlot>>() {
            place.prove(&digest);
        }
        let route = parts.extensions.get::<MatchedPath>().map_or(path.as_str(), MatchedPath::as_str).to_owned();
        let route = route.as_str();
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
        let second_factor_advised = leads && !account.asks_for_code() && !lacks && !account.is_due(now);
        let name = account.name;
        let mut person =
            Self { name, role, token_role, scope, language, session: digest, federated, path, second_factor_advised };
        if !person.may(Right::Personal) {
            person.scope = person.scope.without_names();
        }
        if person.may(rights::needed(&parts.method, route)) {
            return Ok(person);
        }
        if wants_page {
            let page_context = PageContext::new(app, person.language, &person.name, false).for_person(&person);
            let detail = page_context.t("not-allowed");
            return Err(Failure::said(page_context, StatusCode::FORBIDDEN, detail).into_response());
        }
        Err(Problem::from(RefusalReason::role().forbidden()).into_response())
    }
}

/// How a session or a token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// By a browser.
    Cookie,
    /// A token, by a program.
    Bearer,
    /// A token, by a screen on the wall, which can show it in the address alone.
    Address,
}

/// The session or token that is shown, and how.
pub(crate) fn credential_of(headers: &HeaderMap, uri: &Uri) -> Option<(String, CredentialKind)> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    let may_by_address = bearer.is_none() && matches!(uri.path(), "/wall" | "/live");
    let in_address = uri
        .query()
        .filter(|_| may_by_address)
        .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")))
        .map(|token| (token, CredentialKind::Address));
    let token = bearer.map(|token| (token, CredentialKind::Bearer)).or(in_address);
    let token = token.filter(|(token, _)| token.starts_with(account::TOKEN_PREFIX));
    let token = token.map(|(token, kind)| (token.to_owned(), kind));
    token.or_else(|| cookie(headers, SESSION_COOKIE).map(|cookie| (cookie, CredentialKind::Cookie)))
}

/// Asks to sign in: a person by the page for it, from which they come back to where they were.
fn sign_in_required(wants_page: bool, parts: &Parts, ended: bool) -> Response {
    if wants_page {
        return Redirect::to(&way_back::login_address(&parts.method, &parts.uri, &parts.headers, ended))
            .into_response();
    }
    Problem::unauthorized("sign in first: POST /api/v1/session, or show a token").into_response()
}

/// A page of another site cannot act here: browsers say where a request comes from. Programs say neither and have no cookie
/// that another site could use.
pub(crate) fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            text("host").is_some_and(|host| origin.split_once("://").is_some_and(|(_, rest)| rest == host))
        }
        (None, None) => true,
    }
}

/// Nothing is looked up for these, or they are counted in their own way: a person can always see the page to sign in.
fn is_exempt(path: &str) -> bool {
    path.starts_with("/static/")
        || matches!(path, "/favicon.ico" | "/healthz" | "/login" | "/login/code" | "/api/v1/session")
}

/// Has strangers pay for what they ask, by their address, before anything is looked up.
pub(crate) async fn limit_unauthenticated(State(app): State<App>, request: Request, next: Next) -> Response {
    let peer = match request.extensions().get::<Peer>() {
        Some(Peer::Remote(address)) if !is_exempt(request.uri().path()) => *address,
        _ => return next.run(request).await,
    };
    let digest = credential_of(request.headers(), request.uri()).map(|(shown, _)| account::session_digest(&shown));
    let known = || digest.as_ref().is_some_and(|digest| app.limits.is_known_session(digest));
    if known() {
        return next.run(request).await;
    }
    if let Err(refused) = app.limits.take(REQUESTS, peer, now_ms()) {
        return *refused;
    }
    let response = next.run(request).await;
    if response.extensions().get::<ValidToken>().is_some() || known() {
        app.limits.give_back(REQUESTS, peer);
    }
    response
}
