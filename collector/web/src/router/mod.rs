//! All that is answered, and what every answer says to the browser.

mod api;
mod api_registers;
mod pages;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::api::openapi::{self, Describe, DescribedRouter};
use crate::app::App;
use crate::page;
use crate::sign_in::authentication;

/// Largest request body.
const BODY_MAX_BYTES: usize = 64 * 1024;

impl App {
    /// All that is answered: pages, API, enrolment, health and the static files.
    pub fn router(self) -> Router {
        let api = api::routes(DescribedRouter::plain()).finish();
        let describe = Describe(|| api::routes(DescribedRouter::described()).docs());
        Router::new()
            .nest(openapi::BASE, api)
            .merge(pages::routes())
            .fallback(page::not_found)
            .layer(axum::Extension(describe))
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .layer(axum::middleware::from_fn_with_state(self.clone(), authentication::limit_unauthenticated))
            .layer(axum::middleware::from_fn_with_state(self.clone(), page::refusals_as_pages))
            .layer(axum::middleware::map_response(guard))
            .with_state(self)
    }
}

/// What every answer says to the browser: nothing from elsewhere, no framing, no guessing.
async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; manifest-src 'self'; \
                  form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
