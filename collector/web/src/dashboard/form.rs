//! How a dashboard is made and changed: one form with a part for each panel and one that is empty, which needs no script.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect};

use ioc_common::id::DeviceId;
use ioc_common::metric;

use super::api::command_of;
use super::{find, may_change, may_write};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Answer, Command};
use ioc_store::dashboard::{Dashboard, PANELS_MAX, Panel, PanelKind};
use ioc_store::{Reader, Right, Role, place};

/// A panel as it stands in the form.
#[derive(Default)]
struct PanelFields {
    kind: String,
    title: String,
    devices: String,
    metric: String,
    room: String,
    width: String,
}

impl PanelFields {
    fn of(panel: &Panel) -> Self {
        Self {
            kind: panel.kind.as_str().to_owned(),
            title: panel.title.clone(),
            devices: panel.devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            metric: panel.metric.clone(),
            room: panel.room.clone(),
            width: panel.width.to_string(),
        }
    }

    fn is_kind(&self, kind: &PanelKind) -> bool {
        self.kind == kind.as_str()
    }

    fn is_width(&self, width: &str) -> bool {
        self.width == width || (self.width.is_empty() && width == "1")
    }

    /// The panel that it means; none where no kind is chosen.
    fn panel(&self) -> Result<Option<Panel>, Problem> {
        let Some(kind) = PanelKind::parse(&self.kind) else { return Ok(None) };
        let names = self.devices.split([',', ' ', ';']).map(str::trim).filter(|name| !name.is_empty());
        let devices = names.map(crate::api::device_id).collect::<Result<Vec<DeviceId>, _>>()?;
        let (title, metric, room) = (self.title.clone(), self.metric.trim().to_owned(), self.room.clone());
        Ok(Some(Panel { kind, title, devices, metric, room, width: self.width.parse().unwrap_or(1) }))
    }
}

#[derive(Template)]
#[template(path = "dashboard-edit.html")]
struct EditPage {
    page_context: PageContext,
    number: u64,
    /// The version that was seen.
    version: String,
    name: String,
    roles: Vec<String>,
    panels: Vec<PanelFields>,
    /// Metrics that can be named, with what they say.
    metrics: Vec<(&'static str, &'static str)>,
    rooms: Vec<String>,
    error: Option<String>,
    /// What somebody else saved meanwhile.
    other: Option<Dashboard>,
}

impl EditPage {
    fn has_role(&self, role: &Role) -> bool {
        self.roles.iter().any(|one| one == role.as_str())
    }
}

fn metrics_of(page_context: &PageContext) -> Vec<(&'static str, &'static str)> {
    let all = metric::CATALOGUE.iter().filter(|one| !one.is_personal());
    all.map(|one| (one.name, one.about(page_context.language))).collect()
}

async fn rooms_of(app: &App, person: &Person) -> Result<Vec<String>, Problem> {
    let read = |reader: &dyn Reader| {
        let places = reader.places()?;
        let mut rooms: Vec<String> = places.iter().map(|one| place::parts(one).0.to_owned()).collect();
        rooms.dedup();
        rooms.retain(|room| !room.is_empty());
        Ok(rooms)
    };
    app.read(&person.scope, read).await
}

/// Makes one that is empty, and opens its form.
pub(crate) async fn make(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let refuse = |problem| Failure::new(page_context(&app, &person, &headers), problem);
    may_write(&person).map_err(refuse)?;
    let name = form.get("name").cloned().unwrap_or_default();
    match app.carry_out(&person, command_of((0, 0), (name, Vec::new(), Vec::new()), &person)).await {
        Ok(Answer::Dashboard(number)) => Ok(Redirect::to(&format!("/dashboards/{number}/edit")).into_response()),
        Ok(other) => Err(refuse(Problem::internal(format!("{other:?}")))),
        Err(error) => Err(refuse(error.into())),
    }
}

/// One that the person may change.
async fn mine(app: &App, person: &Person, number: u64) -> Result<Dashboard, Problem> {
    may_write(person)?;
    let found = find(app, person, number).await?;
    if may_change(person, &found) {
        return Ok(found);
    }
    Err(ioc_engine::refusal_reason::RefusalReason::role().forbidden().into())
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let found = async { Ok((mine(&app, &person, number).await?, rooms_of(&app, &person).await?)) };
    match found.await {
        Ok((dashboard, rooms)) => {
            let metrics = metrics_of(&page_context);
            let mut panels: Vec<PanelFields> = dashboard.panels.iter().map(PanelFields::of).collect();
            panels.extend((panels.len() < PANELS_MAX).then(PanelFields::default));
            let roles = dashboard.roles.iter().map(|role| role.as_str().to_owned()).collect();
            let (version, name) = (dashboard.version.to_string(), dashboard.name);
            let (error, other) = (None, None);
            let page = EditPage { page_context, number, version, name, roles, panels, metrics, rooms, error, other };
            Ok(show_again(&page, false))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The panels of a form in the order that was written beside them.
fn fields_of(form: &BTreeMap<String, String>) -> Vec<PanelFields> {
    let text = |name: &str, place: usize| form.get(&format!("{name}-{place}")).cloned().unwrap_or_default();
    let mut placed: Vec<(f64, PanelFields)> = Vec::new();
    for place in 0..=PANELS_MAX {
        if !form.contains_key(&format!("kind-{place}")) || !text("drop", place).is_empty() {
            continue;
        }
        // Halves are allowed: between two others.
        let order = text("order", place).replace(',', ".").parse().unwrap_or(place as f64 + 1.0);
        placed.push((
            order,
            PanelFields {
                kind: text("kind", place),
                title: text("title", place),
                devices: text("devices", place),
                metric: text("metric", place),
                room: text("room", place),
                width: text("width", place),
            },
        ));
    }
    placed.sort_by(|one, next| one.0.total_cmp(&next.0));
    placed.into_iter().map(|(_, fields)| fields).collect()
}

pub(crate) async fn save(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let fields = fields_of(&form);
    let text = |name: &str| form.get(name).cloned().unwrap_or_default();
    let roles: Vec<Role> =
        Role::ALL.into_iter().filter(|role| form.contains_key(&format!("role-{}", role.as_str()))).collect();
    let done = async {
        mine(&app, &person, number).await?;
        let panels = fields.iter().filter_map(|one| one.panel().transpose()).collect::<Result<Vec<_>, _>>()?;
        let seen = (number, text("version").parse().unwrap_or(0));
        let command = command_of(seen, (text("name"), roles.clone(), panels), &person);
        app.carry_out(&person, command).await.map_err(Problem::from)
    };
    match done.await {
        Ok(_) if text("action") == "more" => {
            Ok(Redirect::to(&format!("/dashboards/{number}/edit#panel-new")).into_response())
        }
        Ok(_) => Ok(Redirect::to(&format!("/dashboards/{number}")).into_response()),
        Err(problem) => {
            let error = problem.error().map(|error| refusal_text(&page_context, error));
            let error = error.unwrap_or_else(|| crate::page::problem_text(&page_context, &problem));
            let rooms = match rooms_of(&app, &person).await {
                Ok(rooms) => rooms,
                Err(problem) => return Err(Failure::new(page_context, problem)),
            };
            let metrics = metrics_of(&page_context);
            let roles = roles.iter().map(|role| role.as_str().to_owned()).collect();
            // Whoever has seen what somebody else saved may save in its place.
            let other = mine(&app, &person, number).await.ok();
            let other = other.filter(|one| one.version.to_string() != text("version"));
            let version = other.as_ref().map_or_else(|| text("version"), |one| one.version.to_string());
            let (name, panels, error) = (text("name"), fields, Some(error));
            let page = EditPage { page_context, number, version, name, roles, panels, metrics, rooms, error, other };
            Ok(show_again(&page, true))
        }
    }
}

/// Takes it out, in the version that was seen.
pub(crate) async fn remove(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<BTreeMap<String, String>>,
) -> PageResult {
    let refuse = |problem| Failure::new(page_context(&app, &person, &headers), problem);
    mine(&app, &person, number).await.map_err(refuse)?;
    let version = form.get("version").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (administers, actor) = (person.may(Right::Administer), person.name.clone());
    let command = Command::RemoveDashboard { number, version, administers, actor };
    app.carry_out(&person, command).await.map_err(|error| refuse(error.into()))?;
    Ok(Redirect::to("/dashboards").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_stand_in_the_order_that_was_written() {
        let form = [
            ("kind-0", "chart"),
            ("order-0", "2"),
            ("devices-0", "srv-1, srv-2"),
            ("kind-1", "incidents"),
            ("order-1", "1,5"),
            ("kind-2", "state"),
            ("drop-2", "1"),
            ("kind-3", ""),
        ];
        let form = form.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let fields = fields_of(&form);
        assert_eq!(fields.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["incidents", "chart", ""]);
        let panel = fields[1].panel().expect("reads").expect("a panel");
        assert_eq!((panel.devices.len(), panel.width), (2, 1));
        assert!(fields[2].panel().expect("reads").is_none());
        assert!(
            PanelFields { devices: "srv 1".into(), kind: "state".into(), ..PanelFields::default() }.panel().is_ok()
        );
        assert!(PanelFields { devices: "máy".into(), kind: "state".into(), ..PanelFields::default() }.panel().is_err());
    }
}
