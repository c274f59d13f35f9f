//! What a collector that stands by answers otherwise: who signs in is sent to the collector that decides, for a session is a commit; and while there is no store
//! that pages could be made of, because the database cannot be asked or has no site yet, why there is nothing else.
//!
//! Called by the collector's standby.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use ioc_common::language::Language;
use ioc_engine::health::Health;

use crate::i18n::Texts;
use crate::language::language_of;

/// Where people sign in.
const SIGN_IN: &str = "/login";

/// The same pages, but that whoever opens the one to sign in is sent to the same of the collector that decides, as long as it is known where that is.
pub fn with_sign_in_elsewhere(router: Router, health: Arc<Health>) -> Router {
    router.layer(axum::middleware::from_fn_with_state(health, sign_in_elsewhere))
}

async fn sign_in_elsewhere(State(health): State<Arc<Health>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let signs_in = path == SIGN_IN || path.starts_with("/login/");
    if signs_in
        && request.method() == Method::GET
        && let Some(pages) = health.lease.pages_elsewhere()
    {
        let there = request.uri().path_and_query().map_or(SIGN_IN, |there| there.as_str());
        return Redirect::to(&format!("{}{there}", pages.trim_end_matches('/'))).into_response();
    }
    next.run(request).await
}

/// What there is to answer by.
#[derive(Clone)]
struct Waiting {
    health: Arc<Health>,
    texts: Arc<Texts>,
    language: Language,
}

/// Answers that the process lives (`/healthz`), and to everything else why there is nothing else (503). `language` is that of the site.
pub fn router(health: Arc<Health>, language: Language) -> Router {
    let waiting = Waiting { health, texts: Arc::new(Texts::load()), language };
    Router::new().fallback(answer).with_state(waiting)
}

async fn answer(State(waiting): State<Waiting>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/healthz" {
        return "ok\n".into_response();
    }
    let why = waiting.health.lease.why_not();
    let why = why.unwrap_or_else(|| "this collector stands by, and the store cannot be read yet".to_owned());
    // What programs and the command line read names the place and the mend; people are told what to do.
    let text = if path == "/readyz" || path.starts_with("/api/") {
        why + "\n"
    } else {
        let language = language_of(request.headers(), waiting.language);
        format!("{}\n\n{why}\n", waiting.texts.get(language, "standby-without-store"))
    };
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}
