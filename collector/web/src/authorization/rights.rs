//! Which right each route needs: one table over all of them; a route that stands in no line is for administrators.

use axum::http::Method;

use ioc_store::Right;

/// Routes that change something, and what they need.
const CHANGES: &[(&str, Right)] = &[
    ("/incidents/new", Right::Handle),
    ("/incidents/actions", Right::Handle),
    ("/api/v1/incidents/actions", Right::Handle),
    ("/incidents/{id}", Right::Handle),
    ("/incidents/{id}/members", Right::Handle),
    ("/api/v1/incidents", Right::Handle),
    ("/devices/{id}/remarks", Right::Handle),
    ("/api/v1/devices/{id}/remarks", Right::Handle),
    ("/api/v1/incidents/{id}/actions", Right::Handle),
    ("/api/v1/incidents/{id}/files", Right::Handle),
    ("/incidents/{id}/forms/{clock}", Right::Report),
    ("/api/v1/incidents/{id}/forms/{clock}/texts", Right::Report),
    ("/api/v1/incidents/{id}/forms/{clock}/issue", Right::Report),
    ("/register/counts", Right::Report),
    ("/register/counts/{number}", Right::Handle),
    ("/register/counts/{number}/finds", Right::Handle),
    ("/register/counts/{number}/close", Right::Report),
    ("/register/counts/{number}/settle", Right::Report),
    ("/api/v1/inventory-counts", Right::Report),
    ("/api/v1/inventory-counts/{number}/ticks", Right::Handle),
    ("/api/v1/inventory-counts/{number}/finds", Right::Handle),
    ("/api/v1/inventory-counts/{number}/finds/{find}/settled", Right::Report),
    ("/api/v1/inventory-counts/{number}/close", Right::Report),
    ("/api/v1/inventory-counts/settled", Right::Report),
    ("/maintenance", Right::Plan),
    ("/maintenance/{id}/end", Right::Plan),
    ("/system-backups/attest", Right::Handle),
    ("/api/v1/system-backups/{device}/{kind}/attestations", Right::Handle),
    ("/api/v1/system-backups/{device}/{kind}/files", Right::Handle),
    ("/register/assets/{id}/attestations", Right::Handle),
    ("/api/v1/assets/{id}/attestations", Right::Handle),
    ("/api/v1/windows", Right::Plan),
    ("/api/v1/windows/{id}", Right::Plan),
    // Of one's own turns and calendars: the engine looks whose they are.
    ("/duty/turns", Right::View),
    ("/duty/turns/{number}/answer", Right::View),
    ("/duty/turns/{number}/withdraw", Right::View),
    ("/duty/feeds", Right::View),
    ("/duty/feeds/{digest}/end", Right::View),
    ("/api/v1/duty/turns", Right::View),
    ("/api/v1/duty/turns/{number}/answer", Right::View),
    ("/api/v1/duty/turns/{number}/withdraw", Right::View),
    ("/api/v1/duty/feeds", Right::View),
    ("/api/v1/duty/feeds/{digest}", Right::View),
    ("/plan/floor", Right::Plan),
    ("/plan/floor/picture", Right::Plan),
    ("/api/v1/floor-plan", Right::Plan),
    ("/api/v1/floor-plan/picture", Right::Plan),
    ("/duty/covers", Right::Duty),
    ("/duty/covers/{id}/remove", Right::Duty),
    ("/duty/swap", Right::Duty),
    ("/api/v1/duty/swaps", Right::Duty),
    ("/duty/book", Right::Duty),
    ("/duty/shifts", Right::Duty),
    ("/api/v1/duty/shifts", Right::Duty),
    ("/duty/test/{person}", Right::Duty),
    ("/duty/contacts", Right::Duty),
    ("/api/v1/duty/contacts", Right::Duty),
    ("/duty/resend", Right::Duty),
    ("/api/v1/duty/covers", Right::Duty),
    ("/api/v1/duty/covers/{id}", Right::Duty),
    ("/register/accounts/attestations", Right::Handle),
    ("/api/v1/account-register/attestations", Right::Handle),
    ("/api/v1/account-register/{device}/{account}/files", Right::Handle),
    ("/api/v1/assets/{id}/attestations/{area}/files", Right::Handle),
    ("/register/accounts/reviews", Right::Report),
    ("/register/accounts/reviews/{number}", Right::Report),
    ("/api/v1/account-reviews", Right::Report),
    ("/api/v1/account-reviews/{number}/lines", Right::Report),
    ("/api/v1/account-reviews/{number}/signature", Right::Report),
    ("/reports/settings", Right::Report),
    ("/reports/{report}", Right::Report),
    ("/reports/issued/{number}", Right::Report),
    ("/reports/filings/{filing}", Right::Report),
    ("/reports/records/{record}", Right::Report),
    ("/api/v1/filings/{filing}/texts", Right::Report),
    ("/api/v1/filings/{filing}/issue", Right::Report),
    ("/api/v1/reports/{report}/texts", Right::Report),
    ("/api/v1/reports/{report}/issue", Right::Report),
    ("/api/v1/issued-reports/{number}/registration", Right::Report),
    ("/api/v1/record-documents/{record}/issue", Right::Report),
    ("/api/v1/report-settings", Right::Report),
    // It changes nothing but the log, which says it.
    ("/api/v1/records/exports", Right::Audit),
    // What a rule would have said changes nothing.
    ("/api/v1/devices/{id}/replay", Right::View),
    // One's own.
    ("/dashboards", Right::View),
    ("/dashboards/{number}/edit", Right::View),
    ("/dashboards/{number}/remove", Right::View),
    ("/api/v1/dashboards", Right::View),
    ("/api/v1/dashboards/{number}", Right::View),
    ("/devices/views", Right::View),
    ("/logout", Right::View),
    ("/api/v1/session", Right::View),
    ("/account/password", Right::View),
    ("/account/sessions/{digest}/end", Right::View),
    ("/account/tokens", Right::View),
    ("/account/confirm", Right::View),
    ("/api/v1/session/confirm", Right::View),
    ("/account/second-factor", Right::View),
    ("/api/v1/account/second-factor", Right::View),
    ("/api/v1/account/password", Right::View),
    ("/api/v1/account/tokens", Right::View),
];
/// Routes that only read, for everyone who has an account.
const VIEWS: &[&str] = &[
    "/",
    "/rooms",
    "/plan",
    "/plan/floor",
    "/plan/floor/picture",
    "/api/v1/floor-plan",
    "/sensors",
    "/coverage/{area}",
    "/wall",
    "/dashboards",
    "/dashboards/{number}",
    "/dashboards/{number}/edit",
    "/api/v1/dashboards",
    "/api/v1/dashboards/{number}",
    "/live",
    "/devices",
    "/devices.csv",
    "/devices.xlsx",
    "/devices/{id}",
    "/devices/{id}/history",
    "/devices/{id}/software",
    "/devices/{id}/software.csv",
    "/devices/{id}/past",
    "/devices/{id}/changes",
    "/devices/{id}/compare",
    "/devices/{id}/label",
    "/labels",
    "/register/assets",
    "/register/accounts",
    "/register/counts",
    "/register/counts/{number}",
    "/register/counts/{number}/minutes",
    "/register/counts/{number}/minutes.docx",
    "/api/v1/inventory-counts",
    "/api/v1/inventory-counts/{number}",
    "/register/software",
    "/register/software/product",
    "/register/assets/{id}",
    "/incidents",
    "/incidents/actions",
    "/incidents/statistics",
    "/incidents/{id}",
    "/incidents/{id}/record",
    "/incidents/{id}/record.docx",
    "/duty",
    "/duty/calendar",
    "/duty/who",
    "/duty/plan",
    "/duty/turns",
    "/duty/feeds",
    "/maintenance",
    "/maintenance/{id}/record",
    "/maintenance/{id}/record.docx",
    "/jobs",
    "/rules",
    "/rules/{id}",
    "/system-backups",
    "/search",
    "/find",
    "/account",
    "/account/confirm",
    "/api",
    "/metrics",
    "/metrics/devices",
    "/api/v1/authenticity",
    "/api/v1/devices",
    "/api/v1/devices/{id}",
    "/api/v1/devices/{id}/documents",
    "/api/v1/devices/{id}/documents/as-of",
    "/api/v1/devices/{id}/documents/changes",
    "/api/v1/devices/{id}/documents/changes.csv",
    "/api/v1/devices/{id}/documents/compare",
    "/api/v1/devices/{id}/events",
    "/api/v1/devices/{id}/software",
    "/api/v1/devices/{id}/history",
    "/api/v1/devices/{id}/history.csv",
    "/api/v1/devices/{id}/chart",
    "/api/v1/software",
    "/api/v1/software.csv",
    "/api/v1/software.xlsx",
    "/api/v1/software.cdx.json",
    "/api/v1/software/coverage",
    "/api/v1/software/product",
    "/api/v1/devices/{id}/software.cdx.json",
    "/api/v1/account-register",
    "/api/v1/account-register.csv",
    "/api/v1/account-register.xlsx",
    "/api/v1/account-register/attestations",
    "/api/v1/account-register/coverage",
    "/api/v1/assets",
    "/api/v1/assets.csv",
    "/api/v1/assets.xlsx",
    "/api/v1/assets/coverage",
    "/api/v1/assets/attestations",
    "/api/v1/assets/{id}",
    "/api/v1/rooms",
    "/api/v1/faults",
    "/api/v1/incidents",
    "/api/v1/incidents.csv",
    "/api/v1/deadlines",
    "/api/v1/incidents/{id}",
    "/api/v1/incidents/{id}/files/{sha256}",
    "/api/v1/windows",
    "/api/v1/heartbeats",
    "/api/v1/rules",
    "/api/v1/rules/{id}",
    "/api/v1/system-backups",
    "/api/v1/system-backups/coverage",
    "/api/v1/system-backups/unstated",
    "/api/v1/system-backups/{device}/{kind}/attestations",
    "/api/v1/system-backups/attestations",
    "/api/v1/duty",
    "/api/v1/duty/calendar",
    "/api/v1/duty/who",
    "/api/v1/duty/turns",
    "/api/v1/duty/feeds",
    "/api/v1/search",
    "/api/v1/search.csv",
    "/api/v1/clock",
    "/api/v1/openapi.json",
];
/// Routes that only read, and are not for everyone.
const READS: &[(&str, Right)] = &[
    ("/rules/new", Right::Administer),
    ("/api/v1/audit", Right::Audit),
    ("/api/v1/audit/heads", Right::Audit),
    ("/api/v1/audit/keys", Right::Audit),
    ("/api/v1/audit/stamps", Right::Audit),
    ("/api/v1/audit/witnesses", Right::Audit),
    ("/audit", Right::Audit),
    ("/admin/records", Right::Audit),
    ("/api/v1/records/retention", Right::Audit),
    ("/api/v1/records/holds", Right::Audit),
    ("/api/v1/records/deletions", Right::Audit),
    ("/api/v1/records/duty-book", Right::Audit),
    ("/api/v1/records/stand-ins", Right::Audit),
    ("/api/v1/records/windows", Right::Audit),
    ("/api/v1/records/inventory-counts", Right::Audit),
    ("/register/accounts/reviews", Right::Audit),
    ("/register/accounts/reviews/{number}", Right::Audit),
    ("/register/accounts/reviews/{number}/docx", Right::Audit),
    ("/register/accounts/reviews/{number}/print", Right::Audit),
    ("/api/v1/account-register/{device}/{account}/files/{sha256}", Right::Personal),
    ("/api/v1/assets/{id}/attestations/{area}/files/{sha256}", Right::Personal),
    ("/api/v1/system-backups/{device}/{kind}/files/{sha256}", Right::Personal),
    ("/api/v1/account-reviews", Right::Audit),
    ("/api/v1/account-reviews/{number}", Right::Audit),
    ("/reports", Right::Audit),
    ("/reports/settings", Right::Audit),
    ("/reports/{report}", Right::Audit),
    ("/reports/{report}/docx", Right::Audit),
    ("/reports/{report}/print", Right::Audit),
    ("/reports/filings/{filing}", Right::Audit),
    ("/reports/records/{record}", Right::Audit),
    ("/reports/records/{record}/print", Right::Audit),
    ("/duty/handover/versions", Right::Audit),
    ("/admin/backups/certificate/versions", Right::Audit),
    ("/reports/filings/{filing}/docx", Right::Audit),
    ("/reports/filings/{filing}/print", Right::Audit),
    ("/api/v1/filings", Right::Audit),
    ("/api/v1/filings/{filing}", Right::Audit),
    ("/api/v1/filings/{filing}/fill", Right::Audit),
    ("/reports/issued/{number}", Right::Audit),
    ("/reports/issued/{number}/docx", Right::Audit),
    ("/reports/issued/{number}/print", Right::Audit),
    ("/api/v1/reports", Right::Audit),
    ("/api/v1/reports/{report}", Right::Audit),
    ("/api/v1/issued-reports", Right::Audit),
    ("/api/v1/issued-reports/{number}", Right::Audit),
    ("/api/v1/issued-reports/{number}/document", Right::Audit),
    ("/api/v1/report-settings", Right::Audit),
    ("/incidents/{id}/forms/{clock}", Right::Audit),
    ("/incidents/{id}/forms/{clock}/docx", Right::Audit),
    ("/incidents/{id}/forms/{clock}/print", Right::Audit),
    ("/api/v1/incidents/{id}/forms/{clock}", Right::Audit),
    ("/duty/plan/versions", Right::Administer),
    ("/duty/plan/{kind}", Right::Administer),
    ("/duty/handover", Right::Duty),
    ("/duty/shifts", Right::Duty),
    ("/api/v1/duty/shifts", Right::Duty),
    ("/duty/handover.docx", Right::Duty),
    ("/admin/backups/certificate", Right::Administer),
    ("/admin/backups/certificate.docx", Right::Administer),
    ("/admin", Right::Administer),
    ("/api/v1/store", Right::Administer),
    ("/api/v1/backups", Right::Administer),
    ("/accounts", Right::Administer),
    ("/people", Right::Administer),
    ("/api/v1/people", Right::Administer),
    ("/api/v1/people.csv", Right::Administer),
    ("/enrolment", Right::Administer),
    ("/enrolment/add", Right::Administer),
    ("/enrolment/arrived", Right::Administer),
    ("/register/assets/import", Right::Administer),
    ("/api/v1/assets/imports", Right::Administer),
    ("/api/v1/assets/imports/{number}", Right::Administer),
    ("/register/assets/import/{number}/undo", Right::Administer),
    ("/api/v1/assets/imports/{number}/undo", Right::Administer),
    ("/register/accounts/import", Right::Administer),
    ("/register/software/import", Right::Administer),
    ("/register/software/import/{number}/undo", Right::Administer),
    ("/api/v1/software/imports", Right::Administer),
    ("/api/v1/software/imports/{number}", Right::Administer),
    ("/api/v1/software/imports/{number}/undo", Right::Administer),
    ("/api/v1/account-register/imports", Right::Administer),
    ("/api/v1/account-register/imports/{number}", Right::Administer),
    ("/register/accounts/import/{number}/undo", Right::Administer),
    ("/api/v1/account-register/imports/{number}/undo", Right::Administer),
    ("/settings", Right::Administer),
    ("/configuration", Right::Administer),
    ("/configuration/{part}", Right::Administer),
    ("/configuration/{part}/form", Right::Administer),
    ("/api/v1/configuration", Right::Administer),
    ("/api/v1/configuration/{part}", Right::Administer),
    ("/api/v1/configuration/{part}/versions", Right::Administer),
    ("/api/v1/configuration/{part}/versions/{number}", Right::Administer),
    ("/api/v1/settings", Right::Administer),
    ("/api/v1/tokens", Right::Administer),
    ("/api/v1/enrolments", Right::Administer),
    ("/api/v1/accounts", Right::Administer),
    ("/incidents/new", Right::Handle),
];

/// What a request to a route needs.
pub(crate) fn needed(method: &Method, route: &str) -> Right {
    let find = |table: &[(&str, Right)]| table.iter().find(|(path, _)| *path == route).map(|(_, right)| *right);
    if method == Method::GET || method == Method::HEAD {
        let everyones = || if VIEWS.contains(&route) { Right::View } else { Right::Administer };
        find(READS).unwrap_or_else(everyones)
    } else {
        find(CHANGES).unwrap_or(Right::Administer)
    }
}

/// Where a person whose password is due may still go, with what that asks for; the event stream says nothing but that something has changed.
pub(crate) fn is_open_when_due(route: &str) -> bool {
    matches!(
        route,
        "/live"
            | "/account"
            | "/account/password"
            | "/api/v1/account/password"
            | "/account/confirm"
            | "/api/v1/session/confirm"
            | "/logout"
            | "/api/v1/session"
    )
}

/// Where a person whose role needs a second factor may go before they have one.
pub(crate) fn is_open_without_second(route: &str) -> bool {
    is_open_when_due(route) || matches!(route, "/account/second-factor" | "/api/v1/account/second-factor")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_store::Role;

    #[test]
    fn what_stands_in_no_line_is_for_administrators() {
        assert_eq!(needed(&Method::POST, "/api/v1/devices/{id}/revoke"), Right::Administer);
        assert_eq!(needed(&Method::DELETE, "/something/new"), Right::Administer);
        assert_eq!(needed(&Method::GET, "/devices/{id}"), Right::View);
        assert_eq!(needed(&Method::GET, "/something/new"), Right::Administer);
        let may = |role: Role, method: &Method, route: &str| role.may(needed(method, route));
        assert!(
            may(Role::Technician, &Method::POST, "/incidents/{id}")
                && may(Role::Technician, &Method::POST, "/maintenance")
        );
        assert!(
            !may(Role::Viewer, &Method::POST, "/incidents/{id}") && !may(Role::Auditor, &Method::POST, "/duty/book")
        );
        assert!(
            may(Role::Auditor, &Method::GET, "/api/v1/audit") && !may(Role::DutyOfficer, &Method::GET, "/api/v1/audit")
        );
    }

    #[test]
    fn every_route_that_reads_stands_in_one_line() {
        // What needs no account: signing in, links out of notices, how the collector is, what browsers draw with.
        const OPEN: &[&str] = &[
            "/a/{link}",
            "/duty/answer/{link}",
            "/duty/ical/{token}",
            "/login",
            "/login/oidc",
            "/login/oidc/back",
            "/healthz",
            "/readyz",
            "/install/agent",
            "/install/packages/{name}",
            "/static/app.css",
            "/static/app.js",
            "/static/pages.js",
            "/static/sw.js",
            "/static/manifest.webmanifest",
            "/static/icon-192.png",
            "/static/icon-512.png",
            "/static/icon-maskable.png",
            "/static/charts.js",
            "/static/uplot-1.6.32-19c8d4c6ad88.js",
            "/static/document.css",
            "/favicon.ico",
        ];
        let source = |file: &str| {
            let path = format!("{}/src/router/{file}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let mut routes = Vec::new();
        for part in source("pages.rs").split(".route(").skip(1) {
            let path = part.split('"').nth(1).unwrap_or_default();
            if part.contains("get(") {
                routes.push(path.to_owned());
            }
        }
        let api = ["api.rs", "api_registers.rs"].map(source).concat();
        for part in api.split("all.get").skip(1) {
            routes.push(format!("/api/v1{}", part.split('"').nth(1).unwrap_or_default()));
        }
        assert!(routes.len() > 50, "{routes:?}");
        for route in &routes {
            let lines = VIEWS.iter().filter(|one| **one == *route).count()
                + READS.iter().filter(|(one, _)| one == route).count()
                + OPEN.iter().filter(|one| **one == *route).count();
            assert_eq!(lines, 1, "{route}: it stands in one line of VIEWS, READS or of what is open");
        }
        let known = VIEWS.iter().copied().chain(READS.iter().map(|(one, _)| *one));
        let gone: Vec<&str> = known.filter(|one| !routes.iter().any(|route| route == one)).collect();
        assert!(gone.is_empty(), "no such routes: {gone:?}");
    }
}
