//! The routes of the pages, and of what machines ask for beside the API; `tests/tests/visibility.rs` reads them here.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};

use ioc_common::enrolment::ENROL_PATH;

use crate::api::openapi;
use crate::app::App;
use crate::register::import::{AccountTable, AssetTable, SoftwareTable};
use crate::{
    account, administration, configuration, coverage, dashboard, device, display_wall, duty, enrolment, incident,
    install, jobs, language, live, maintenance, overview, quick_search, register, report, room, rule, search, sign_in,
    system_backups,
};

/// All of them.
pub(super) fn routes() -> Router<App> {
    [centre(), devices(), work(), people(), administration(), machines()].into_iter().fold(Router::new(), Router::merge)
}

/// The centre as a whole, and what all pages need.
fn centre() -> Router<App> {
    Router::new()
        .route("/", get(overview::page))
        .route("/rooms", get(room::power::page))
        .route("/plan", get(room::site_plan::page))
        .route(
            "/plan/floor",
            get(room::floor::page).post(room::floor::submit).layer(DefaultBodyLimit::max(room::floor::FORM_MAX_BYTES)),
        )
        .route(
            "/plan/floor/picture",
            get(room::floor::picture)
                .post(room::floor::upload)
                .layer(DefaultBodyLimit::max(room::floor::UPLOAD_MAX_BYTES)),
        )
        .route("/sensors", get(room::sensors::page))
        .route("/coverage/{area}", get(coverage::page))
        .route("/wall", get(display_wall::page))
        .route("/dashboards", get(dashboard::list).post(dashboard::form::make))
        .route("/dashboards/{number}", get(dashboard::view::page))
        .route("/dashboards/{number}/edit", get(dashboard::form::page).post(dashboard::form::save))
        .route("/dashboards/{number}/remove", post(dashboard::form::remove))
        .route("/language", post(language::choose))
        .route("/live", get(live::events))
}

/// Devices, and how they come in.
fn devices() -> Router<App> {
    Router::new()
        .route("/devices", get(device::list::page))
        .route("/devices.csv", get(register::file::csv::<device::list::ListAddress>))
        .route("/devices.xlsx", get(register::file::xlsx::<device::list::ListAddress>))
        .route("/devices/many", post(device::list::change_many))
        .route("/devices/views", post(device::list::save_view))
        .route("/devices/{id}", get(device::details::page))
        .route("/devices/{id}/history", get(device::history::page))
        .route("/devices/{id}/software", get(device::software::page))
        .route("/devices/{id}/software.csv", get(device::software::csv))
        .route("/devices/{id}/past", get(device::past::as_of::page))
        .route("/devices/{id}/changes", get(device::past::changes::page))
        .route("/devices/{id}/compare", get(device::past::compare::page))
        .route("/devices/{id}/remarks", post(device::events::remark))
        .route("/devices/{id}/label", get(device::labels::single))
        .route("/labels", get(device::labels::sheet))
        .route("/register/assets", get(register::assets::page))
        .route("/register/counts", get(register::count::list).post(register::count_form::open))
        .route("/register/counts/{number}", get(register::count::page).post(register::count_form::act))
        .route("/register/counts/{number}/finds", post(register::count_form::find))
        .route("/register/counts/{number}/close", post(register::count_form::close))
        .route("/register/counts/{number}/settle", post(register::count_form::settle))
        .route("/register/counts/{number}/minutes", get(register::count_form::print))
        .route("/register/counts/{number}/minutes.docx", get(register::count_form::docx))
        .route("/register/software", get(register::software::page).post(register::software::change))
        .route("/register/accounts", get(register::accounts::page).post(register::accounts::change))
        .route("/register/accounts/attestations", post(register::accounts::attest))
        .route("/register/accounts/reviews", get(register::account_review::list).post(register::account_review::open))
        .route(
            "/register/accounts/reviews/{number}",
            get(register::account_review::page).post(register::account_review::act),
        )
        .route("/register/accounts/reviews/{number}/docx", get(register::account_review::docx))
        .route("/register/accounts/reviews/{number}/print", get(register::account_review::print))
        .route("/register/software/product", get(register::product::page).post(register::product::change))
        .route(
            "/register/assets/import",
            get(register::import::page::<AssetTable>)
                .post(register::import::submit::<AssetTable>)
                .layer(DefaultBodyLimit::max(register::import::TABLE_MAX_BYTES)),
        )
        .route(
            "/register/assets/import/{number}/undo",
            get(register::undoing::page::<AssetTable>).post(register::undoing::undo::<AssetTable>),
        )
        .route(
            "/register/accounts/import",
            get(register::import::page::<AccountTable>)
                .post(register::import::submit::<AccountTable>)
                .layer(DefaultBodyLimit::max(register::import::TABLE_MAX_BYTES)),
        )
        .route(
            "/register/accounts/import/{number}/undo",
            get(register::undoing::page::<AccountTable>).post(register::undoing::undo::<AccountTable>),
        )
        .route(
            "/register/software/import",
            get(register::import::page::<SoftwareTable>)
                .post(register::import::submit::<SoftwareTable>)
                .layer(DefaultBodyLimit::max(register::import::TABLE_MAX_BYTES)),
        )
        .route(
            "/register/software/import/{number}/undo",
            get(register::undoing::page::<SoftwareTable>).post(register::undoing::undo::<SoftwareTable>),
        )
        .route("/register/assets/{id}", get(register::asset::page).post(register::asset::change))
        .route("/register/assets/{id}/attestations", post(register::asset::attest))
        .route(
            "/enrolment",
            get(enrolment::page).post(enrolment::act).layer(DefaultBodyLimit::max(enrolment::TABLE_MAX_BYTES)),
        )
        .route("/enrolment/add", get(enrolment::add))
        .route("/enrolment/arrived", get(enrolment::arrived))
}

/// Incidents, duty and maintenance.
fn work() -> Router<App> {
    Router::new()
        .route("/incidents", get(incident::list::page))
        .route("/incidents/actions", get(incident::list::page).post(incident::many::act))
        .route("/incidents/statistics", get(incident::statistics::page))
        .route("/incidents/new", get(incident::open::page).post(incident::open::open))
        .route("/incidents/{id}/members", post(incident::many::take_out))
        .route("/incidents/{id}", get(incident::details::page).post(incident::details::act))
        .route("/a/{link}", get(incident::acknowledge::page).post(incident::acknowledge::acknowledge))
        .route("/duty", get(duty::page))
        .route("/duty/calendar", get(duty::calendar::page))
        .route("/duty/who", get(duty::who::page))
        .route("/duty/plan", get(duty::plan::page))
        .route("/duty/plan/versions", get(duty::edit::versions::page))
        .route("/duty/plan/{kind}", get(duty::edit::page).post(duty::edit::submit))
        .route("/duty/turns", get(duty::turns::page).post(duty::turns::ask))
        .route("/duty/turns/{number}/answer", post(duty::turns::answer))
        .route("/duty/turns/{number}/withdraw", post(duty::turns::withdraw))
        .route("/duty/answer/{link}", get(duty::turns::link_page).post(duty::turns::link_answer))
        .route("/duty/shifts", get(duty::handover::page).post(duty::handover::submit))
        .route("/duty/feeds", get(duty::feeds::page).post(duty::feeds::make))
        .route("/duty/feeds/{digest}/end", post(duty::feeds::end))
        .route("/duty/ical/{token}", get(duty::feeds::calendar))
        .route("/duty/covers", post(duty::cover))
        .route("/duty/swap", post(duty::swap))
        .route("/duty/covers/{id}/remove", post(duty::remove_cover))
        .route("/duty/book", post(duty::hand_over))
        .route("/duty/test/{person}", post(duty::test_contact))
        .route("/duty/contacts", post(duty::contacts::check))
        .route("/duty/resend", post(duty::resend))
        .route("/maintenance", get(maintenance::page).post(maintenance::plan))
        .route("/jobs", get(jobs::page))
        .route("/rules", get(rule::list::page))
        .route("/rules/new", get(rule::new::page).post(rule::new::make))
        .route("/rules/{id}", get(rule::details::page).post(rule::details::change))
        .route("/system-backups", get(system_backups::page).post(system_backups::expect))
        .route("/system-backups/attest", post(system_backups::attest))
        .route("/system-backups/withdraw", post(system_backups::withdraw))
        .route("/search", get(search::page))
        .route("/find", get(quick_search::page))
        .merge(reports())
        .route("/maintenance/{id}/end", post(maintenance::end))
}

/// Reports, what the centre says of itself in them, and documents of one thing.
fn reports() -> Router<App> {
    Router::new()
        .route("/reports", get(report::list::page))
        .route("/reports/settings", get(report::settings::page).post(report::settings::change))
        .route(
            "/reports/{report}",
            get(report::edit::page).post(report::edit::act).layer(DefaultBodyLimit::max(report::edit::TEXTS_MAX_BYTES)),
        )
        .route(
            "/reports/filings/{filing}",
            get(report::filing::page)
                .post(report::filing::act)
                .layer(DefaultBodyLimit::max(report::edit::TEXTS_MAX_BYTES)),
        )
        .route("/reports/filings/{filing}/docx", get(report::filing::docx))
        .route("/reports/filings/{filing}/print", get(report::filing::print))
        .route("/incidents/{id}/record", get(report::record::incident_print))
        .route("/incidents/{id}/record.docx", get(report::record::incident_docx))
        .route(
            "/incidents/{id}/forms/{clock}",
            get(report::notice::page)
                .post(report::notice::act)
                .layer(DefaultBodyLimit::max(report::edit::TEXTS_MAX_BYTES)),
        )
        .route("/incidents/{id}/forms/{clock}/print", get(report::notice::print))
        .route("/incidents/{id}/forms/{clock}/docx", get(report::notice::docx))
        .route("/duty/handover", get(report::record::shift_print))
        .route("/duty/handover.docx", get(report::record::shift_docx))
        .route("/maintenance/{id}/record", get(report::record::maintenance_print))
        .route("/maintenance/{id}/record.docx", get(report::record::maintenance_docx))
        .route("/admin/backups/certificate", get(report::record::restore_print))
        .route("/admin/backups/certificate.docx", get(report::record::restore_docx))
        .route("/reports/records/{record}", get(report::record_version::page).post(report::record_version::act))
        .route("/reports/records/{record}/print", get(report::record_version::print))
        .route("/duty/handover/versions", get(report::record_version::of_shift))
        .route("/admin/backups/certificate/versions", get(report::record_version::of_restore))
        .route("/reports/{report}/docx", get(report::edit::docx))
        .route("/reports/{report}/print", get(report::edit::print))
        .route("/reports/issued/{number}", get(report::issued::page).post(report::issued::register))
        .route("/reports/issued/{number}/docx", get(report::issued::docx))
        .route("/reports/issued/{number}/print", get(report::issued::print))
}

/// Accounts, and signing in.
fn people() -> Router<App> {
    Router::new()
        .route("/accounts", get(account::accounts::page).post(account::accounts::add))
        .route("/accounts/{name}", post(account::accounts::change))
        .route("/people", get(account::personal_data_of::page))
        .route("/account", get(account::my_account::page))
        .route("/account/password", post(account::my_account::password))
        .route("/account/confirm", get(sign_in::confirm::page).post(sign_in::confirm::submit))
        .route("/account/second-factor", post(account::my_account::second_factor))
        .route("/account/tokens", post(account::my_account::token))
        .route("/account/sessions/{digest}/end", post(account::my_account::end_session))
        .route("/login", get(sign_in::password::login_page).post(sign_in::password::login))
        .route("/login/code", post(sign_in::password::login_code))
        .route("/login/oidc", get(sign_in::sso::begin))
        .route("/login/oidc/back", get(sign_in::sso::callback))
        .route("/logout", post(sign_in::password::logout))
}

/// What is administered, and the description of the API.
fn administration() -> Router<App> {
    Router::new()
        .route("/api", get(openapi::page))
        .route("/admin", get(administration::collector::page))
        .route("/admin/store", post(administration::store::confirm))
        .route("/admin/backups", post(administration::backups::ask))
        .route("/admin/records", get(administration::retention::page))
        .route("/admin/records/classes/{class}/begin", post(administration::retention::begin))
        .route("/admin/records/holds", post(administration::retention::set))
        .route("/admin/records/holds/{number}/end", post(administration::retention::end))
        .route("/admin/clock", post(administration::clock::confirm))
        .route("/settings", get(device::agent_settings::page))
        .route("/configuration", get(configuration::page::list))
        .route("/configuration/{part}/form", get(configuration::form_page::page).post(configuration::form_page::change))
        .route(
            "/configuration/{part}",
            get(configuration::page::part)
                .post(configuration::page::change)
                .layer(DefaultBodyLimit::max(configuration::api::TEXTS_MAX_BYTES)),
        )
        .route("/audit", get(administration::audit::page))
}

/// What machines ask for, and the static files.
fn machines() -> Router<App> {
    Router::new()
        .route(ENROL_PATH, post(enrolment::enrol))
        .route("/install/agent", get(install::agent))
        .route("/install/packages/{name}", get(install::package))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(administration::readiness::ready))
        .route("/metrics", get(administration::metrics::collector))
        .route("/metrics/devices", get(administration::metrics::fleet))
        .route("/static/app.css", get(async || asset("text/css; charset=utf-8", include_str!("../../static/app.css"))))
        .route(
            "/static/app.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("../../static/app.js"))),
        )
        .route(
            "/static/pages.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("../../static/pages.js"))),
        )
        .route("/static/sw.js", get(service_worker))
        .route(
            "/static/manifest.webmanifest",
            get(async || asset("application/manifest+json", include_str!("../../static/manifest.webmanifest"))),
        )
        .route("/static/icon-192.png", get(async || picture(include_bytes!("../../static/icon-192.png"))))
        .route("/static/icon-512.png", get(async || picture(include_bytes!("../../static/icon-512.png"))))
        .route("/static/icon-maskable.png", get(async || picture(include_bytes!("../../static/icon-maskable.png"))))
        .route(
            "/static/charts.js",
            get(async || asset("text/javascript; charset=utf-8", include_str!("../../static/charts.js"))),
        )
        // What other people wrote lies under its release and the beginning of its digest: a browser asks for it once.
        .route(
            "/static/uplot-1.6.32-19c8d4c6ad88.js",
            get(async || {
                let headers = [
                    (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
                    (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
                ];
                (headers, include_str!("../../static/uplot/uplot-1.6.32.js"))
            }),
        )
        .route("/static/document.css", get(report::file::style_sheet))
        .route("/favicon.ico", get(async || asset("image/svg+xml", include_str!("../../static/icon.svg"))))
}

/// The service worker, which may look after every page: it says that there is no network where there is none.
async fn service_worker() -> impl IntoResponse {
    let allowed = [("service-worker-allowed", "/")];
    (allowed, asset("text/javascript; charset=utf-8", include_str!("../../static/sw.js")))
}

fn picture(bytes: &'static [u8]) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/png"), (header::CACHE_CONTROL, "public, max-age=86400")], bytes)
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=300")], text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_charts_library_is_the_one_that_was_looked_at() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let read = |path: &str| std::fs::read(here.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let library = read("static/uplot/uplot-1.6.32.js");
        let digest = ring::digest::digest(&ring::digest::SHA256, &library);
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(String::from_utf8_lossy(&read("static/uplot/SHA256SUMS")), format!("{digest}  uplot-1.6.32.js\n"));
        // Its address changes with it: browsers keep it for a year.
        let address = format!("/static/uplot-1.6.32-{}.js", &digest[..12]);
        for path in ["src/router/pages.rs", "templates/chart-head.html"] {
            assert!(String::from_utf8_lossy(&read(path)).contains(&format!("\"{address}\"")), "{path}");
        }
        assert!(String::from_utf8_lossy(&read("static/uplot/LICENSE")).starts_with("The MIT License"));
    }
}
