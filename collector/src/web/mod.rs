//! Pages and API over HTTPS, and the same API over the control socket.

mod admin;
mod api;
mod auth;
mod charts;
mod code;
mod document;
mod duty;
mod enrolment;
mod exposition;
mod fleet;
mod i18n;
mod incidents;
mod labels;
mod live;
mod maintenance;
mod pages;
mod people;
mod personal;
mod problem;
mod rights;
mod rooms;
pub mod server;
mod taking;
mod view;
mod wall;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};

use ioc_common::clock::{self, Timestamp};
use ioc_common::enrolment::ENROL_PATH;

use crate::config::Config;
use crate::engine::{FILE_MAX_BYTES, Handle};
use crate::health::Health;
use crate::link::Links;
use crate::store::{Reader, StoreError};
use problem::Problem;

/// Largest request body.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// Largest set of rules that is tried.
const RULES_MAX_BYTES: usize = 1024 * 1024;
/// Largest body with another system's alerts.
const ALERTS_MAX_BYTES: usize = 1024 * 1024;

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    engine: Handle,
    health: Arc<Health>,
    config: watch::Receiver<Arc<Config>>,
    readers: Arc<Readers>,
    texts: Arc<i18n::Texts>,
    hashing: Arc<Semaphore>,
    said: Arc<personal::Said>,
    links: Arc<Links>,
    half_in: Arc<auth::HalfIn>,
    /// When it started.
    since: Timestamp,
}

/// A few readers that handlers take turns with.
struct Readers {
    idle: Mutex<Vec<Box<dyn Reader>>>,
    places: Semaphore,
}

impl App {
    /// Pages and API over these readers.
    #[must_use]
    pub fn new(
        engine: Handle,
        health: Arc<Health>,
        config: watch::Receiver<Arc<Config>>,
        readers: Vec<Box<dyn Reader>>,
        links: Arc<Links>,
    ) -> Self {
        let places = Semaphore::new(readers.len());
        Self {
            engine,
            health,
            config,
            readers: Arc::new(Readers { idle: Mutex::new(readers), places }),
            texts: Arc::new(i18n::Texts::load()),
            // Each hash takes 19 MiB and tens of milliseconds: never many at once.
            hashing: Arc::new(Semaphore::new(2)),
            said: Arc::default(),
            links,
            half_in: Arc::default(),
            since: clock::now(),
        }
    }

    /// Reads from the store, off the async threads.
    async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || Problem::internal("no reader of the store");
        let _place = self.readers.places.acquire().await.map_err(|_| gone())?;
        let reader = self.readers.idle.lock().ok().and_then(|mut idle| idle.pop()).ok_or_else(gone)?;
        let readers = Arc::clone(&self.readers);
        let task = tokio::task::spawn_blocking(move || {
            let result = read(reader.as_ref());
            if let Ok(mut idle) = readers.idle.lock() {
                idle.push(reader);
            }
            result
        });
        match task.await {
            Ok(result) => result.map_err(|error| {
                tracing::error!(%error, "the store cannot be read");
                Problem::internal("the store cannot be read; the log of the collector says why")
            }),
            Err(_) => Err(gone()),
        }
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// Every route.
    pub fn router(self) -> Router {
        Router::new()
            .nest("/api/v1", api())
            .route("/", get(fleet::overview))
            .route("/devices", get(fleet::devices))
            .route("/devices/views", post(fleet::save_view))
            .route("/devices/{id}", get(pages::device))
            .route("/devices/{id}/history", get(charts::page))
            .route("/devices/{id}/software", get(pages::software))
            .route("/devices/{id}/software.csv", get(pages::software_csv))
            .route("/devices/{id}/label", get(labels::single))
            .route("/labels", get(labels::sheet))
            .route(
                "/enrolment",
                get(enrolment::page).post(enrolment::act).layer(DefaultBodyLimit::max(enrolment::TABLE_MAX_BYTES)),
            )
            .route("/rooms", get(rooms::page))
            .route("/wall", get(wall::page))
            .route("/incidents", get(incidents::list))
            .route("/incidents/new", get(incidents::new).post(incidents::open))
            .route("/incidents/{id}", get(incidents::page).post(incidents::act))
            .route("/a/{link}", get(taking::page).post(taking::take))
            .route("/duty", get(duty::page))
            .route("/duty/covers", post(duty::cover))
            .route("/duty/swap", post(duty::swap))
            .route("/duty/covers/{id}/remove", post(duty::uncover))
            .route("/duty/book", post(duty::hand_over))
            .route("/duty/test/{person}", post(duty::test))
            .route("/duty/resend", post(duty::resend))
            .route("/maintenance", get(maintenance::page).post(maintenance::plan))
            .route("/maintenance/{id}/end", post(maintenance::end))
            .route("/admin", get(admin::page))
            .route("/audit", get(admin::log))
            .route("/people", get(people::page).post(people::add))
            .route("/people/{name}", post(people::change))
            .route("/account", get(people::own))
            .route("/account/password", post(people::password))
            .route("/account/second", post(people::second))
            .route("/account/tokens", post(people::token))
            .route("/account/sessions/{digest}/end", post(people::end_session))
            .route("/login", get(auth::login_page).post(auth::login))
            .route("/login/code", post(auth::login_code))
            .route("/logout", post(auth::logout))
            .route("/language", post(auth::language))
            .route("/live", get(live::live))
            .route(ENROL_PATH, post(enrolment::enrol))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(api::ready))
            .route("/metrics", get(api::metrics))
            .route("/metrics/devices", get(exposition::fleet))
            .route(
                "/static/app.css",
                get(async || asset("text/css; charset=utf-8", include_str!("../../static/app.css"))),
            )
            .route(
                "/static/app.js",
                get(async || asset("text/javascript; charset=utf-8", include_str!("../../static/app.js"))),
            )
            .route("/favicon.ico", get(async || asset("image/svg+xml", include_str!("../../static/icon.svg"))))
            .fallback(pages::not_found)
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .layer(axum::middleware::map_response(guard))
            .with_state(self)
    }
}

/// The API's routes, below `/api/v1`.
fn api() -> Router<App> {
    Router::new()
        .route("/session", post(auth::api_sign_in).delete(auth::api_sign_out))
        .route("/devices/{id}", get(api::device).put(api::describe))
        .route("/devices/{id}/documents", get(api::documents))
        .route("/devices/{id}/events", get(api::events))
        .route("/devices/{id}/software", get(api::software))
        .route("/devices/{id}/history", get(charts::api))
        .route("/devices/{id}/history.csv", get(charts::csv))
        .route("/devices/{id}/replay", post(api::replay).layer(DefaultBodyLimit::max(RULES_MAX_BYTES)))
        .route("/devices/{id}/revoke", post(api::revoke))
        .route("/rooms", get(rooms::api))
        .route("/faults", get(api::faults))
        .route("/incidents", get(api::incidents).post(incidents::api_open))
        .route("/incidents/{id}", get(api::incident))
        .route("/incidents/{id}/actions", post(incidents::api_act))
        .route("/incidents/{id}/files", post(incidents::attach).layer(DefaultBodyLimit::max(FILE_MAX_BYTES)))
        .route("/incidents/{id}/files/{sha256}", get(incidents::file))
        .route("/alerts/{source}", post(incidents::alerts).layer(DefaultBodyLimit::max(ALERTS_MAX_BYTES)))
        .route("/windows", get(maintenance::api_list).post(maintenance::api_plan))
        .route("/windows/{id}", axum::routing::delete(maintenance::api_end))
        .route("/duty", get(duty::api))
        .route("/duty/covers", post(duty::api_cover))
        .route("/duty/swaps", post(duty::api_swap))
        .route("/duty/covers/{id}", axum::routing::delete(duty::api_uncover))
        .route("/devices", get(api::devices).post(api::register))
        .route("/devices/import", post(enrolment::api_import).layer(DefaultBodyLimit::max(enrolment::TABLE_MAX_BYTES)))
        .route("/tokens", get(enrolment::api_tokens).post(enrolment::api_new))
        .route("/tokens/{digest}", axum::routing::delete(enrolment::api_end))
        .route("/enrolments", get(enrolment::api_requests))
        .route("/enrolments/{id}", post(enrolment::api_decide))
        .route("/audit", get(api::audit))
        .route("/accounts", get(people::api_list).post(people::api_add))
        .route("/accounts/{name}", axum::routing::patch(people::api_change))
        .route("/accounts/{name}/reset", post(people::api_reset))
        .route("/account/password", post(people::api_password))
        .route("/account/second", post(people::api_second))
        .route("/account/tokens", post(people::api_token))
        .fallback(async || Problem::not_found("there is no such resource"))
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], text)
}

/// What every answer says to the browser: nothing from elsewhere, no framing, no guessing.
async fn guard(mut response: axum::response::Response) -> axum::response::Response {
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
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
