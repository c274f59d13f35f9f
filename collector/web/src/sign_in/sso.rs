//! Signing in by the organisation's identity provider: out to it, and back.

use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};

use crate::app::App;
use crate::cookie::{SESSION_COOKIE, cookie, cookie_with_same_site, set_cookie};
use crate::language::language_of;
use crate::oidc::{self, Attempt};
use crate::page::context::PageContext;
use crate::problem::Problem;
use crate::rate_limit;
use crate::server::Peer;
use crate::sign_in::confirm::allowed_next;
use crate::sign_in::password::{LoginQuery, render_login};
use crate::sign_in::way_back;
use ioc_engine::account;
use ioc_engine::account::intent::Intent;
use ioc_engine::command::{Answer, Command};
use ioc_engine::config::Oidc;
use ioc_engine::refusal_reason::{RefusalReason, Word};

/// What binds an attempt to the browser that began it. It comes back from another site, so that it cannot be strict.
const STATE_COOKIE: &str = "__Host-ioc-oidc";
/// How long signing in there may take, milliseconds.
const ATTEMPT_MS: u64 = 600_000;
/// What an attempt is sealed for.
const ATTEMPT: &str = "oidc";

pub(crate) fn now_ms() -> u64 {
    clock::boottime_ms()
}

fn secret() -> Result<String, Problem> {
    ioc_common::random::secret_text().map_err(|error| Problem::internal(error.to_string()))
}

/// The cookie that holds an attempt, sealed: nothing of it is kept here, so that no stranger can fill a place of others.
fn state_cookie(state: &str, seconds: u64) -> String {
    cookie_with_same_site(STATE_COOKIE, state, "Lax", i64::try_from(seconds).unwrap_or(0))
}

/// Seals an attempt, and the page that it leads to. What is asked of the provider stands in an address that can be changed; what its answer
/// must hold stands here.
fn seal_attempt(app: &App, attempt: &Attempt, next: &str) -> Result<String, Problem> {
    let Attempt { state, nonce, verifier, reauthenticate_since } = attempt;
    let again = reauthenticate_since.map(|at| at.as_millis().to_string()).unwrap_or_default();
    let sealed = app.seal.close(ATTEMPT, &[state, nonce, verifier, &again, next], now_ms() + ATTEMPT_MS);
    sealed.map_err(|error| Problem::internal(error.to_string()))
}

fn open_attempt(app: &App, sealed: &str) -> Option<(Attempt, String)> {
    let [state, nonce, verifier, again, next] = app.seal.open(ATTEMPT, sealed, now_ms())?;
    let reauthenticate_since = if again.is_empty() { None } else { Some(Timestamp::from_millis(again.parse().ok()?)) };
    Some((Attempt { state, nonce, verifier, reauthenticate_since }, next))
}

fn configured_provider(app: &App) -> Result<Oidc, Problem> {
    app.config().oidc.clone().ok_or_else(|| {
        RefusalReason::new("refusal-provider-none", [], "no identity provider is configured").not_found().into()
    })
}

fn redirect_uri(app: &App) -> String {
    format!("{}/login/oidc/back", app.config().web_url)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BeginQuery {
    /// The page that asks them to show again who they are.
    again: Option<String>,
    /// The page that they were on when they were asked to sign in.
    next: String,
}

/// Sends the browser to the provider.
pub(crate) async fn begin(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Query(query): Query<BeginQuery>,
) -> Response {
    let begun = async {
        app.limits.take_sign_in(&peer, None)?;
        let config = configured_provider(&app)?;
        let provider = app.provider.get(&config).await?;
        let next = query
            .again
            .as_deref()
            .map_or_else(|| way_back::allowed(&query.next).to_owned(), |again| allowed_next(again).to_owned());
        let reauthenticate_since = query.again.as_ref().map(|_| clock::now());
        let attempt = Attempt { state: secret()?, nonce: secret()?, verifier: secret()?, reauthenticate_since };
        let address = oidc::authorization_url(&config, &provider, &attempt, &redirect_uri(&app));
        Ok((address, seal_attempt(&app, &attempt, &next)?))
    };
    match begun.await {
        Ok((address, sealed)) => {
            let kept = state_cookie(&sealed, ATTEMPT_MS / 1000);
            ([(header::SET_COOKIE, kept)], Redirect::to(&address)).into_response()
        }
        Err(problem) => render_login(&app, &headers, Some(problem), None, &LoginQuery::default()),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CallbackQuery {
    code: String,
    state: String,
    error: String,
}

/// The browser comes back, with a code or a refusal.
pub(crate) async fn callback(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Response {
    match finish(&app, &peer, &headers, query).await {
        Ok((value, next)) => {
            // Whoever is sent on from another site brings no strict cookie: the way in leads over a page of our own.
            let next = next.replace('&', "&amp;");
            let page_context = PageContext::new(&app, language_of(&headers, app.config().language), "", false);
            let page = format!(
                "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url={next}\"><title>IOC Watch</title><a href=\"{next}\">{}</a>",
                page_context.t("overview")
            );
            let forget = state_cookie("", 0);
            let session = set_cookie(SESSION_COOKIE, &value, account::SESSION_MS / 1000);
            let mut response = (StatusCode::OK, Html(page)).into_response();
            for one in [forget, session] {
                if let Ok(one) = header::HeaderValue::from_str(&one) {
                    response.headers_mut().append(header::SET_COOKIE, one);
                }
            }
            response
        }
        Err(problem) => render_login(&app, &headers, Some(problem), None, &LoginQuery::default()),
    }
}

/// Checks who comes back, and gives the cookie of their session and the page to lead to.
async fn finish(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    query: CallbackQuery,
) -> Result<(String, String), Problem> {
    app.limits.take_sign_in(peer, None)?;
    let config = configured_provider(app)?;
    let now = clock::now();
    if !query.error.is_empty() {
        let why: String = query.error.chars().filter(|letter| !letter.is_control()).take(100).collect();
        let english = format!("the identity provider refused: {why}");
        return Err(RefusalReason::new("refusal-provider-refused", [("why", Word::text(why))], english)
            .forbidden()
            .into());
    }
    // Whoever has not begun it does not end it either.
    let sealed = cookie(headers, STATE_COOKIE).unwrap_or_default();
    let opened =
        open_attempt(app, &sealed).filter(|(attempt, _)| ioc_store::secret::is_same(&attempt.state, &query.state));
    let Some((attempt, next)) = opened else {
        let english = "this sign-in was not begun here, or took too long; begin again";
        return Err(RefusalReason::new("refusal-sign-in-late", [], english).forbidden().into());
    };
    let provider = app.provider.get(&config).await?;
    let verified =
        oidc::redeem(&config, &provider, &attempt, &query.code, &redirect_uri(app), now).await.map_err(|error| {
            if let Some(left_out) = app.log_limit.allows("identity provider", peer.address(), now_ms()) {
                tracing::warn!(%error, %peer, left_out, "sign-in by the identity provider");
            }
            app.health.count_refused("identity provider");
            Problem::from(error.reason().forbidden())
        })?;
    app.seal.spend(&sealed);
    let oidc::VerifiedIdentity { name, authenticated_at, second_factor } = verified;
    let intent = Intent::Federated { name, proved_at: authenticated_at, second_factor, peer: peer.to_string() };
    match app.engine.account_command(Command::Account(Box::new(intent))).await? {
        Answer::Secret(cookie) => {
            // Both ways, out and back: however many people of one office sign in behind one address, they do not shut each other out.
            for _way in 0..2 {
                app.limits.refund(rate_limit::SIGN_IN, peer);
            }
            Ok((cookie, next))
        }
        _ => Err(Problem::internal("sign-in failed")),
    }
}
