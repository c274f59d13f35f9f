//! Which right each route needs: one table over all of them; a route that stands in no line is for administrators.

use axum::http::Method;

use ioc_store::Right;

/// Routes that change something, and what they need.
const CHANGES: &[(&str, Right)] = &[
    ("/incidents/new", Right::Handle),
    ("/incidents/{id}", Right::Handle),
    ("/api/v1/incidents", Right::Handle),
    ("/devices/{id}/remarks", Right::Handle),
    ("/api/v1/devices/{id}/remarks", Right::Handle),
    ("/api/v1/incidents/{id}/actions", Right::Handle),
    ("/api/v1/incidents/{id}/files", Right::Handle),
    ("/maintenance", Right::Plan),
    ("/maintenance/{id}/end", Right::Plan),
    ("/api/v1/windows", Right::Plan),
    ("/api/v1/windows/{id}", Right::Plan),
    ("/duty/covers", Right::Duty),
    ("/duty/covers/{id}/remove", Right::Duty),
    ("/duty/swap", Right::Duty),
    ("/api/v1/duty/swaps", Right::Duty),
    ("/duty/book", Right::Duty),
    ("/duty/test/{person}", Right::Duty),
    ("/duty/resend", Right::Duty),
    ("/api/v1/duty/covers", Right::Duty),
    ("/api/v1/duty/covers/{id}", Right::Duty),
    // What a rule would have said changes nothing.
    ("/api/v1/devices/{id}/replay", Right::View),
    // One's own.
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
/// Routes that only read, and are not for everyone.
const READS: &[(&str, Right)] = &[
    ("/api/v1/audit", Right::Audit),
    ("/audit", Right::Audit),
    ("/admin", Right::Administer),
    ("/api/v1/store", Right::Administer),
    ("/accounts", Right::Administer),
    ("/enrolment", Right::Administer),
    ("/settings", Right::Administer),
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
        find(READS).unwrap_or(Right::View)
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
}
