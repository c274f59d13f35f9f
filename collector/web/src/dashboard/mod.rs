//! Dashboards that people put together: the list of them, one of them ([`view`]), how it is changed ([`form`]), all of it in the API ([`api`]).
//!
//! A dashboard says what is shown; whoever looks at it sees of that only what is within their own reach.

pub(crate) mod api;
pub(crate) mod form;
pub(crate) mod view;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;

use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::dashboard::Dashboard;
use ioc_store::{Right, Role};

/// As which role a person looks: a token may have less than its owner.
fn role_of(person: &Person) -> Role {
    person.token_role.unwrap_or(person.role)
}

/// A token that only looks, as a screen on the wall shows it in its address, changes nothing of its owner's either.
fn may_write(person: &Person) -> Result<(), Problem> {
    if person.token_role == Some(Role::Viewer) {
        return Err(RefusalReason::role().forbidden().into());
    }
    Ok(())
}

/// Whether they may change it.
fn may_change(person: &Person, dashboard: &Dashboard) -> bool {
    dashboard.owner == person.name || person.may(Right::Administer)
}

/// Dashboards that a person sees, by name: their own, those that are shared with their role, and for who administers all.
pub(crate) async fn seen(app: &App, person: &Person) -> Result<Vec<Dashboard>, Problem> {
    let (name, role, all) = (person.name.clone(), role_of(person), person.may(Right::Administer));
    let read = move |reader: &dyn ioc_store::Reader| {
        let mut found = reader.dashboards()?;
        found.retain(|one| all || one.is_for(&name, role));
        Ok(found)
    };
    app.read(&person.scope, read).await
}

/// One of them.
async fn find(app: &App, person: &Person, number: u64) -> Result<Dashboard, Problem> {
    let found = seen(app, person).await?.into_iter().find(|one| one.number == number);
    found.ok_or_else(|| Problem::not_found(format!("there is no dashboard {number}")))
}

#[derive(Template)]
#[template(path = "dashboards.html")]
struct DashboardsPage {
    page_context: PageContext,
    /// Each, and whether the reader may change it.
    all: Vec<(Dashboard, bool)>,
}

impl DashboardsPage {
    /// With whom it is shared, in words.
    fn shared_with(&self, dashboard: &Dashboard) -> String {
        if dashboard.roles.is_empty() {
            return self.page_context.t("dashboard-own");
        }
        let names = dashboard.roles.iter().map(|role| self.page_context.name("role", role.as_str()));
        names.collect::<Vec<_>>().join(", ")
    }

    /// All of them after each other on the wall.
    fn rotation(&self) -> String {
        let numbers: Vec<String> = self.all.iter().map(|(one, _)| one.number.to_string()).collect();
        format!("/wall?board={}&every=30", numbers.join(","))
    }
}

/// All that a person sees.
pub(crate) async fn list(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match seen(&app, &person).await {
        Ok(all) => {
            let with_right = |one: Dashboard| {
                let may = may_change(&person, &one);
                (one, may)
            };
            let all = all.into_iter().map(with_right).collect();
            Ok(show(&DashboardsPage { page_context, all }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}
