//! What is answered while there is no store that pages could be made of: a collector that stands by, and whose database cannot be asked or has no site yet.
//!
//! Called by the collector's standby. Deliberately absent: everything that needs a session, which lies in the store.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use ioc_common::language::Language;
use ioc_engine::health::Health;

use crate::i18n::Texts;
use crate::language::language_of;

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
