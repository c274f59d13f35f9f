//! Coming in by the organisation's identity provider: out to it, and back.

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use ioc_common::clock;

use super::App;
use super::auth::{COOKIE, cookie, cookie_text, language_of, render_login, set_cookie};
use super::limits;
use super::problem::Problem;
use super::server::Peer;
use super::view::Chrome;
use crate::account;
use crate::command::{Answer, Command};
use crate::config::Oidc;
use crate::oidc::{self, Attempt};
use crate::people::Intent;

/// What binds an attempt to the browser that began it. It comes back from another site, so that it cannot be strict.
const STATE_COOKIE: &str = "__Host-ioc-oidc";
/// How long signing in there may take, milliseconds.
const ATTEMPT_MS: i64 = 600_000;
fn secret() -> Result<String, Problem> {
    crate::pki::secret_text().map_err(|error| Problem::internal(error.to_string()))
}

/// The cookie that holds an attempt's state.
fn state_cookie(state: &str, seconds: i64) -> String {
    cookie_text(STATE_COOKIE, state, "Lax", seconds)
}

fn configured(app: &App) -> Result<Oidc, Problem> {
    app.config().oidc.clone().ok_or_else(|| Problem::not_found("no identity provider is configured"))
}

fn back_of(app: &App) -> String {
    format!("{}/login/oidc/back", app.config().web_url)
}

/// Sends the browser to the provider.
pub(super) async fn out(State(app): State<App>, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    let begun = async {
        let now = clock::now();
        if app.limits.take(&format!("sign-in {peer}"), limits::SIGN_IN, now).is_err() {
            return Err(Problem::too_many("too many attempts from this address; wait a minute"));
        }
        let config = configured(&app)?;
        let provider = oidc::discover(&config).await.map_err(|error| {
            tracing::warn!(%error, "sign-in by the identity provider");
            Problem::unavailable(error.to_string())
        })?;
        let attempt = Attempt { state: secret()?, nonce: secret()?, verifier: secret()? };
        let address = oidc::address(&config, &provider, &attempt, &back_of(&app));
        let state = attempt.state.clone();
        app.attempts.begin(state.clone(), (attempt, provider), now, ATTEMPT_MS)?;
        Ok((address, state))
    };
    match begun.await {
        Ok((address, state)) => {
            let kept = state_cookie(&state, ATTEMPT_MS / 1000);
            ([(header::SET_COOKIE, kept)], Redirect::to(&address)).into_response()
        }
        Err(problem) => render_login(&app, &headers, Some(problem), None),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct BackQuery {
    code: String,
    state: String,
    error: String,
}

/// The browser comes back, with a code or a refusal.
pub(super) async fn back(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Query(query): Query<BackQuery>,
) -> Response {
    match come_back(&app, &peer, &headers, query).await {
        Ok(value) => {
            // Whoever is sent on from another site brings no strict cookie: the way in leads over a page of our own.
            let chrome = Chrome::new(&app, &language_of(&headers, &app.config().language), "", false);
            let page = format!(
                "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=/\"><title>IOC Watch</title><a href=\"/\">{}</a>",
                chrome.t("overview")
            );
            let forget = state_cookie("", 0);
            let session = set_cookie(COOKIE, &value, account::SESSION_MS / 1000);
            let mut response = (StatusCode::OK, Html(page)).into_response();
            for one in [forget, session] {
                if let Ok(one) = header::HeaderValue::from_str(&one) {
                    response.headers_mut().append(header::SET_COOKIE, one);
                }
            }
            response
        }
        Err(problem) => render_login(&app, &headers, Some(problem), None),
    }
}

/// Checks who comes back, and gives the cookie of their session.
async fn come_back(app: &App, peer: &Peer, headers: &HeaderMap, query: BackQuery) -> Result<String, Problem> {
    let config = configured(app)?;
    let now = clock::now();
    if !query.error.is_empty() {
        let why: String = query.error.chars().filter(|letter| !letter.is_control()).take(100).collect();
        return Err(Problem::forbidden(format!("the identity provider refused: {why}")));
    }
    let own = cookie(headers, STATE_COOKIE).is_some_and(|kept| !kept.is_empty() && kept == query.state);
    // Whoever has not begun it does not end it either.
    let attempt = if own { app.attempts.take(&query.state, now) } else { None };
    let Some((attempt, provider)) = attempt else {
        return Err(Problem::forbidden("this sign-in was not begun here, or took too long; begin again"));
    };
    let name = oidc::redeem(&config, &provider, &attempt, &query.code, &back_of(app), now).await.map_err(|error| {
        tracing::warn!(%error, %peer, "sign-in by the identity provider");
        app.health.refuse("identity provider");
        Problem::forbidden(error.to_string())
    })?;
    let intent = Intent::Foreign { name, peer: peer.to_string() };
    match app.engine.of_accounts(Command::Person(Box::new(intent))).await? {
        Answer::Secret(cookie) => Ok(cookie),
        _ => Err(Problem::internal("sign-in failed")),
    }
}
