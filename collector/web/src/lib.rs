//! Pages and API over HTTPS, and the same API over the control socket.

mod accounts;
mod acknowledge;
mod admin;
mod agent_settings;
mod api;
mod api_types;
mod auth;
mod authorization;
mod charts;
mod clock;
mod confirm;
mod coverage_detail;
mod custody;
mod document;
mod duty;
mod enrolment;
mod event_text;
mod exposition;
mod fleet;
mod i18n;
mod incidents;
mod labels;
mod live;
mod maintenance;
mod my_account;
mod oidc;
mod openapi;
mod pages;
mod personal_data;
mod problem;
mod qr;
mod rate_limit;
mod request_body;
mod rights;
mod rooms;
mod seal;
pub mod server;
mod site_plan;
mod sso;
mod tone;
mod video_wall;
mod view;
mod wall;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::sync::{Semaphore, watch};

use ioc_common::clock::{self as time, Timestamp};
use ioc_common::enrolment::ENROL_PATH;

use crate::seal::Seal;
use api_types::access::AuditRecord;
use api_types::action::Action;
use api_types::device::{DeviceItem, NewDevice, SoftwareItem};
use api_types::enrolment::{RequestRecord, TokenRecord};
use api_types::incident::{EventRecord, Fault, Incident};
use api_types::maintenance::Window;
use api_types::power::Room;
use api_types::replay::Replay;
use authorization::EngineGateway;
use ioc_engine::account::acknowledge_link::AcknowledgeLinks;
use ioc_engine::account::hashing::Hashing;
use ioc_engine::config::Config;
use ioc_engine::connection_limit::PerKeyLimit;
use ioc_engine::health::Health;
use ioc_engine::log_pace::LogPace;
use ioc_engine::pki::PkiError;
use ioc_engine::writer::{EngineHandle, FILE_MAX_BYTES};
use ioc_store::coverage::CoverageFacts;
use ioc_store::scope::AccessScope;
use ioc_store::{Counts, Reader, StoreError};
use openapi::DescribedRouter;
use problem::Problem;

/// Largest request body.
const BODY_MAX_BYTES: usize = 64 * 1024;

/// Largest set of rules that is tried.
const RULES_MAX_BYTES: usize = 1024 * 1024;
/// Largest body with another system's alerts.
const ALERTS_MAX_BYTES: usize = 1024 * 1024;

/// How old what is said of coverage may be, milliseconds.
const COVERAGE_MS: i64 = 5000;

/// Live pages of one session, such as of one token on several walls, and of all.
const LIVE_PER_SESSION_MAX: usize = 32;
const LIVE_MAX: usize = 1000;

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    engine: EngineGateway,
    health: Arc<Health>,
    config: watch::Receiver<Arc<Config>>,
    readers: Arc<Readers>,
    /// The same for people who do not reach everywhere.
    limited: Arc<Readers>,
    texts: Arc<i18n::Texts>,
    /// All that is hashed goes through this.
    hashing: Hashing,
    accesses: Arc<personal_data::RecentAccesses>,
    links: Arc<AcknowledgeLinks>,
    /// What browsers keep of a sign-in that is not finished.
    seal: Arc<Seal>,
    /// What the identity provider said of itself.
    provider: Arc<sso::ProviderCache>,
    /// Live pages that are open, by session.
    live: Arc<PerKeyLimit>,
    /// What strangers cause to be written down.
    paced: Arc<LogPace>,
    limits: Arc<rate_limit::RateLimiter>,
    covered: Arc<Mutex<Option<(Timestamp, CoverageFacts)>>>,
    /// When it started.
    since: Timestamp,
}

/// A few readers that handlers take turns with.
struct Readers {
    idle: Mutex<Vec<Box<dyn Reader>>>,
    places: Semaphore,
}

impl Readers {
    fn new(readers: Vec<Box<dyn Reader>>) -> Arc<Self> {
        let places = Semaphore::new(readers.len());
        Arc::new(Self { idle: Mutex::new(readers), places })
    }
}

impl App {
    /// Pages and API over these readers.
    ///
    /// # Errors
    /// When the system gives no randomness, or no thread.
    pub fn new(
        engine: EngineHandle,
        health: Arc<Health>,
        config: watch::Receiver<Arc<Config>>,
        readers: Vec<Box<dyn Reader>>,
        limited: Vec<Box<dyn Reader>>,
        links: Arc<AcknowledgeLinks>,
    ) -> Result<Self, PkiError> {
        let started = Hashing::start();
        Ok(Self {
            engine: EngineGateway::new(engine),
            health,
            config,
            readers: Readers::new(readers),
            limited: Readers::new(limited),
            texts: Arc::new(i18n::Texts::load()),
            hashing: started.map_err(|error| PkiError::Make(format!("the hashing thread: {error}")))?,
            accesses: Arc::default(),
            links,
            seal: Arc::new(Seal::new()?),
            provider: Arc::default(),
            live: PerKeyLimit::new(LIVE_PER_SESSION_MAX, LIVE_MAX),
            paced: Arc::default(),
            covered: Arc::default(),
            limits: Arc::default(),
            since: time::now(),
        })
    }

    /// Says now and then how much of what strangers do was not written down.
    pub fn paced(&self) -> Arc<LogPace> {
        Arc::clone(&self.paced)
    }

    /// Reads from the store, off the async threads: what this scope shows of it.
    async fn read<T, F>(&self, scope: &AccessScope, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let gone = || Problem::internal("no reader of the store");
        let readers = Arc::clone(if scope.is_everywhere() { &self.readers } else { &self.limited });
        let all = Arc::clone(&readers);
        let _place = all.places.acquire().await.map_err(|_| gone())?;
        let mut reader = readers.idle.lock().ok().and_then(|mut idle| idle.pop()).ok_or_else(gone)?;
        let scope = scope.clone();
        let task = tokio::task::spawn_blocking(move || {
            let result = reader.limit(&scope).and_then(|()| read(reader.as_ref()));
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

    /// What coverage is made of, at most this old: it goes over the whole fleet, and everyone who watches asks for it.
    fn coverage(
        &self,
        scope: &AccessScope,
        reader: &dyn Reader,
        counts: Counts,
        now: Timestamp,
    ) -> Result<CoverageFacts, StoreError> {
        if !scope.is_everywhere() {
            return reader.coverage();
        }
        // Who reports is counted by whoever asks, so that a page never says two things of it.
        let with_counts = |facts: CoverageFacts| CoverageFacts { devices: counts.devices, live: counts.live, ..facts };
        if let Ok(kept) = self.covered.lock()
            && let Some((at, facts)) = kept.as_ref()
            && (0..COVERAGE_MS).contains(&now.millis_since(*at))
        {
            return Ok(with_counts(facts.clone()));
        }
        let facts = reader.coverage()?;
        if let Ok(mut kept) = self.covered.lock() {
            *kept = Some((now, facts.clone()));
        }
        Ok(with_counts(facts))
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.borrow())
    }

    /// All that is answered: pages, API, enrolment, health and the static files.
    pub fn router(self) -> Router {
        let (api, docs) = api().finish();
        Router::new()
            .nest(openapi::BASE, api)
            .route("/api", get(openapi::page))
            .route("/", get(fleet::overview))
            .route("/devices", get(fleet::devices))
            .route("/devices/views", post(fleet::save_view))
            .route("/devices/{id}", get(pages::device))
            .route("/devices/{id}/history", get(charts::page))
            .route("/devices/{id}/software", get(pages::software))
            .route("/devices/{id}/software.csv", get(pages::software_csv))
            .route("/devices/{id}/remarks", post(api::remark_form))
            .route("/devices/{id}/label", get(labels::single))
            .route("/labels", get(labels::sheet))
            .route(
                "/enrolment",
                get(enrolment::page).post(enrolment::act).layer(DefaultBodyLimit::max(enrolment::TABLE_MAX_BYTES)),
            )
            .route("/rooms", get(rooms::page))
            .route("/plan", get(site_plan::page))
            .route("/sensors", get(site_plan::sensors))
            .route("/coverage/{area}", get(coverage_detail::page))
            .route("/wall", get(wall::page))
            .route("/incidents", get(incidents::list))
            .route("/incidents/new", get(incidents::new).post(incidents::open))
            .route("/incidents/{id}", get(incidents::page).post(incidents::act))
            .route("/a/{link}", get(acknowledge::page).post(acknowledge::take))
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
            .route("/admin/store", post(custody::confirm_form))
            .route("/admin/clock", post(clock::confirm))
            .route("/settings", get(agent_settings::page))
            .route("/audit", get(admin::log))
            .route("/people", get(accounts::page).post(accounts::add))
            .route("/people/{name}", post(accounts::change))
            .route("/account", get(my_account::page))
            .route("/account/password", post(my_account::password))
            .route("/account/confirm", get(confirm::page).post(confirm::press))
            .route("/account/second-factor", post(my_account::second))
            .route("/account/tokens", post(my_account::token))
            .route("/account/sessions/{digest}/end", post(my_account::end_session))
            .route("/login", get(auth::login_page).post(auth::login))
            .route("/login/code", post(auth::login_code))
            .route("/login/oidc", get(sso::out))
            .route("/login/oidc/back", get(sso::back))
            .route("/logout", post(auth::logout))
            .route("/language", post(auth::language))
            .route("/live", get(live::live))
            .route(ENROL_PATH, post(enrolment::enrol))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(api::ready))
            .route("/metrics", get(api::metrics))
            .route("/metrics/devices", get(exposition::fleet))
            .route("/static/app.css", get(async || asset("text/css; charset=utf-8", include_str!("../static/app.css"))))
            .route(
                "/static/app.js",
                get(async || asset("text/javascript; charset=utf-8", include_str!("../static/app.js"))),
            )
            .route("/favicon.ico", get(async || asset("image/svg+xml", include_str!("../static/icon.svg"))))
            .fallback(pages::not_found)
            .layer(axum::Extension(docs))
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .layer(axum::middleware::from_fn_with_state(self.clone(), rate_limit::limit_unauthenticated))
            .layer(axum::middleware::map_response(guard))
            .with_state(self)
    }
}

/// The API, each route with what it takes and gives.
fn api() -> DescribedRouter {
    let mut all = DescribedRouter::new();
    devices_api(&mut all);
    incidents_api(&mut all);
    people_api(&mut all);
    all
}

fn devices_api(all: &mut DescribedRouter) {
    all.get("/devices", api::devices, "Devices, a page of them")
        .query::<api::ListQuery>()
        .answers::<api::Page<DeviceItem>>(200);
    all.post("/devices", api::register, "Registers a device without an agent").body::<NewDevice>().done(201);
    all.post_large(
        "/devices/import",
        enrolment::api_import,
        enrolment::TABLE_MAX_BYTES,
        "Takes a table of assets in: all of it, or nothing",
    )
    .query::<enrolment::ImportQuery>()
    .raw_body("text/csv")
    .answers::<enrolment::ImportResult>(200);
    all.get("/devices/{id}", api::device, "A device with its newest values, hello and open faults")
        .answers::<api::DeviceDetails>(200);
    all.put(
        "/devices/{id}",
        api::describe,
        "Changes what is said of a device; what is not given is empty from then on",
    )
    .body::<NewDevice>()
    .done(204);
    all.patch("/devices/{id}", api::amend, "Changes only what is given of what is said of a device")
        .body::<NewDevice>()
        .done(204);
    all.get("/devices/{id}/documents", api::documents, "What surveys found, each whole")
        .answers::<Vec<api::DocumentItem>>(200);
    all.get("/devices/{id}/events", api::events, "What happened on a device, newest first")
        .query::<api::ListQuery>()
        .answers::<api::Page<EventRecord>>(200);
    all.post("/devices/{id}/remarks", api::remark, "Writes something down about a device, among what happened there")
        .body::<api::RemarkBody>()
        .done(201);
    all.get("/devices/{id}/software", api::software, "Its software, a page of it")
        .query::<api::ListQuery>()
        .answers::<api::Page<SoftwareItem>>(200);
    all.get("/devices/{id}/history", charts::api, "Its numbers over time")
        .query::<charts::HistoryQuery>()
        .answers::<charts::History>(200);
    all.get("/devices/{id}/history.csv", charts::csv, "The same as CSV")
        .query::<charts::HistoryQuery>()
        .file("text/csv");
    all.post_large("/devices/{id}/replay", api::replay, RULES_MAX_BYTES, "What a rule would have said of its history")
        .body::<api::ReplayBody>()
        .answers::<Replay>(200);
    all.post("/devices/{id}/revoke", api::revoke, "Takes its right to report, and drops its link").done(204);
    all.get(
        "/store",
        custody::status,
        "How the store stands: whether it can be written, what it lost, what a look at it found",
    )
    .answers::<custody::StoreStatus>(200);
    all.post(
        "/store/confirm",
        custody::confirm,
        "Confirms what the store lost, so that the collector calls itself ready again",
    )
    .body::<custody::Confirmation>()
    .done(204);
    all.post("/devices/{id}/release", api::release, "Lets it report again whose identity was found on two machines")
        .done(204);
    all.get("/settings", agent_settings::api, "What agents are given to set, and how each stands with it")
        .query::<api::ListQuery>()
        .answers::<api::Page<agent_settings::SettingsItem>>(200);
    all.get("/rooms", rooms::api, "The power of each room").answers::<Vec<Room>>(200);
    all.get("/tokens", enrolment::api_tokens, "Enrolment tokens, newest first, without their secrets")
        .query::<api::ListQuery>()
        .answers::<api::Page<TokenRecord>>(200);
    all.post("/tokens", enrolment::api_new, "A new enrolment token, shown once")
        .body::<enrolment::TokenBody>()
        .answers::<enrolment::NewTokenAnswer>(201);
    all.delete("/tokens/{digest}", enrolment::api_end, "Ends an enrolment token").done(204);
    all.get("/enrolments", enrolment::api_requests, "Machines that wait to be let in")
        .answers::<Vec<RequestRecord>>(200);
    all.post("/enrolments/{id}", enrolment::api_decide, "Lets a machine in, or refuses it")
        .body::<enrolment::ApprovalDecision>()
        .done(204);
}

fn incidents_api(all: &mut DescribedRouter) {
    all.get("/faults", api::faults, "Faults, newest first").query::<api::ListQuery>().answers::<api::Page<Fault>>(200);
    all.get("/incidents", api::incidents, "Incidents, newest first")
        .query::<api::ListQuery>()
        .answers::<api::Page<Incident>>(200);
    all.post("/incidents", incidents::api_open, "Opens an incident by hand")
        .body::<incidents::OpenForm>()
        .answers::<incidents::OpenedIncident>(201);
    all.get("/incidents/{id}", api::incident, "An incident with timeline, notices and tickets")
        .answers::<api::IncidentDetails>(200);
    all.post("/incidents/{id}/actions", incidents::api_act, "Does something with an incident")
        .body::<Action>()
        .done(204);
    all.post_large("/incidents/{id}/files", incidents::attach, FILE_MAX_BYTES, "Adds a file: the body is its content")
        .query::<incidents::FileQuery>()
        .raw_body("application/octet-stream")
        .done(201);
    all.get("/incidents/{id}/files/{sha256}", incidents::file, "Gives a file back").file("application/octet-stream");
    all.post_large(
        "/alerts/{source}",
        incidents::alerts,
        ALERTS_MAX_BYTES,
        "Takes in what another system says: Alertmanager's webhook, with that source's own token",
    )
    .body::<incidents::AlertsBody>()
    .done(204);
    all.get("/windows", maintenance::api_list, "Maintenance windows").answers::<Vec<Window>>(200);
    all.post("/windows", maintenance::api_plan, "Plans one").body::<maintenance::WindowBody>().done(201);
    all.delete("/windows/{id}", maintenance::api_end, "Ends one").done(204);
    all.get("/duty", duty::api, "Who is on duty, the next shifts, and gaps").answers::<duty::DutyAnswer>(200);
    all.post("/duty/covers", duty::api_cover, "Someone stands in").body::<duty::CoverBody>().done(201);
    all.post("/duty/swaps", duty::api_swap, "Two shifts change hands, both or neither")
        .body::<duty::SwapForm>()
        .done(201);
    all.delete("/duty/covers/{id}", duty::api_uncover, "Nobody stands in any more").done(204);
}

fn people_api(all: &mut DescribedRouter) {
    all.post("/session", auth::api_sign_in, "Signs in: sets a cookie").body::<auth::Credentials>().done(204);
    all.delete("/session", auth::api_sign_out, "Signs out").done(204);
    all.post("/session/confirm", confirm::api, "Shows again who one is, before accounts are changed")
        .body::<confirm::ConfirmForm>()
        .done(204);
    all.get("/audit", api::audit, "The audit log in order, each record with its hash")
        .query::<api::AuditQuery>()
        .answers::<api::Page<AuditRecord>>(200);
    all.get("/accounts", accounts::api_list, "All accounts").answers::<Vec<accounts::AccountItem>>(200);
    all.post("/accounts", accounts::api_add, "A new account; its first password is shown once")
        .body::<accounts::AccountForm>()
        .answers::<accounts::NewPassword>(201);
    all.patch("/accounts/{name}", accounts::api_change, "Changes an account").body::<accounts::ChangeForm>().done(204);
    all.post("/accounts/{name}/reset", accounts::api_reset, "A new password, shown once")
        .answers::<accounts::NewPassword>(200);
    all.delete(
        "/accounts/{name}/second-factor",
        accounts::api_remove_second,
        "Takes an account's second factor away: its owner has lost it",
    )
    .done(204);
    all.post("/account/password", my_account::api_password, "Changes one's own password")
        .body::<my_account::PasswordForm>()
        .done(204);
    all.post(
        "/account/second-factor",
        my_account::api_second,
        "One's own second factor: start, confirm, recovery, off",
    )
    .body::<my_account::SecondForm>()
    .answers::<my_account::SecondAnswer>(200);
    all.post("/account/tokens", my_account::api_token, "A token of one's own, shown once")
        .body::<my_account::TokenForm>()
        .answers::<my_account::NewApiToken>(201);
    all.get("/clock", clock::api, "The machine's clock beside the time by which the collector goes")
        .answers::<clock::ClockAnswer>(200);
    all.post(
        "/clock/confirm",
        clock::api_confirm,
        "A person says that the machine's clock is right after a step of it",
    )
    .body::<clock::ConfirmForm>()
    .done(204);
    all.get("/openapi.json", openapi::openapi, "This description").object(200);
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
