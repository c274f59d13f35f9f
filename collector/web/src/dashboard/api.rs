//! Dashboards in the API.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use super::{find, may_write, seen};
use crate::api::{ApiResult, device_id};
use crate::api_types::{access, names};
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Answer, Command};
use ioc_store::dashboard::{Dashboard, Panel};
use ioc_store::{Reader, Right, dashboard, place};

names! {
    /// What a panel shows.
    PanelKind is dashboard::PanelKind {
        /// A metric of devices over time.
        Chart = "chart",
        /// The newest number of a device.
        Number = "number",
        /// How devices are.
        State = "state",
        /// How all is in a room.
        Room = "room",
        /// The video wall that a device drives.
        VideoWall = "video_wall",
        /// Incidents that are not over.
        Incidents = "incidents",
    }
}

/// A panel of a dashboard.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PanelItem {
    kind: PanelKind,
    /// What stands above it; empty for what it is of.
    #[serde(default)]
    title: String,
    /// The devices that it is of, 12 at most.
    #[serde(default)]
    devices: Vec<String>,
    /// The metric of a chart, or the series of a number.
    #[serde(default)]
    metric: String,
    /// The room of a panel of a room.
    #[serde(default)]
    room: String,
    /// Quarters of the page, 1 to 4.
    #[serde(default = "one")]
    width: u8,
}

const fn one() -> u8 {
    1
}

/// A dashboard.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DashboardItem {
    number: u64,
    /// Counts up whenever it is saved.
    version: u64,
    name: String,
    /// The account that keeps it.
    owner: String,
    /// The roles that see it, too.
    roles: Vec<access::Role>,
    panels: Vec<PanelItem>,
    /// Who saved it last, and when.
    by: String,
    at: Timestamp,
}

impl From<Dashboard> for DashboardItem {
    fn from(inside: Dashboard) -> Self {
        let panel = |one: Panel| PanelItem {
            kind: one.kind.into(),
            title: one.title,
            devices: one.devices.iter().map(ToString::to_string).collect(),
            metric: one.metric,
            room: one.room,
            width: one.width,
        };
        Self {
            number: inside.number,
            version: inside.version,
            name: inside.name,
            owner: inside.owner,
            roles: inside.roles.into_iter().map(access::Role::from).collect(),
            panels: inside.panels.into_iter().map(panel).collect(),
            by: inside.by,
            at: inside.at,
        }
    }
}

/// A dashboard as somebody wants it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DashboardBody {
    name: String,
    /// The roles that see it, too; kept to oneself without.
    #[serde(default)]
    roles: Vec<access::Role>,
    #[serde(default)]
    panels: Vec<PanelItem>,
    /// The version that whoever asks has seen; refused where another one stands by now. Not needed for a new one.
    #[serde(default)]
    version: u64,
}

impl DashboardBody {
    fn into_command(self, number: u64, person: &Person) -> Result<Command, Problem> {
        let panel = |one: PanelItem| {
            let devices = one.devices.iter().map(|id| device_id(id)).collect::<Result<_, _>>()?;
            let (title, metric, room, width) = (one.title, one.metric, one.room, one.width);
            Ok(Panel { kind: one.kind.into(), title, devices, metric, room, width })
        };
        let panels = self.panels.into_iter().map(panel).collect::<Result<_, Problem>>()?;
        let roles = self.roles.into_iter().map(Into::into).collect();
        Ok(command_of((number, self.version), (self.name, roles, panels), person))
    }
}

/// What a person asks for, who is known to be them.
pub(super) fn command_of(
    (number, version): (u64, u64),
    (name, roles, panels): (String, Vec<ioc_store::Role>, Vec<Panel>),
    person: &Person,
) -> Command {
    let (owner, by) = (String::new(), String::new());
    let dashboard = Dashboard { number, version, name, owner, roles, panels, by, at: Timestamp::MIN };
    let administers = person.may(Right::Administer);
    Command::SaveDashboard { dashboard: Box::new(dashboard), administers, actor: person.name.clone() }
}

/// The number of what was saved.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DashboardSaved {
    number: u64,
}

/// Dashboards without the devices and rooms that are beyond the reach of whoever asks.
async fn within_reach(app: &App, person: &Person, mut all: Vec<Dashboard>) -> Result<Vec<Dashboard>, Problem> {
    if person.scope.is_everywhere() {
        return Ok(all);
    }
    let read = move |reader: &dyn Reader| {
        let places = reader.places()?;
        for panel in all.iter_mut().flat_map(|one| &mut one.panels) {
            let mut reached = Vec::new();
            for id in std::mem::take(&mut panel.devices) {
                reached.extend(reader.device(&id)?.map(|_| id));
            }
            panel.devices = reached;
            if !places.iter().any(|one| place::parts(one).0 == panel.room) {
                panel.room.clear();
            }
        }
        Ok(all)
    };
    app.read(&person.scope, read).await
}

pub(crate) async fn list(State(app): State<App>, person: Person) -> ApiResult<Vec<DashboardItem>> {
    let found = seen(&app, &person).await?;
    Ok(Json(within_reach(&app, &person, found).await?.into_iter().map(DashboardItem::from).collect()))
}

pub(crate) async fn single(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
) -> ApiResult<DashboardItem> {
    let found = find(&app, &person, number).await?;
    let mut found = within_reach(&app, &person, vec![found]).await?;
    found.pop().map(|one| Json(one.into())).ok_or_else(|| Problem::not_found(format!("there is no dashboard {number}")))
}

pub(crate) async fn make(
    State(app): State<App>,
    person: Person,
    Json(body): Json<DashboardBody>,
) -> Result<(StatusCode, Json<DashboardSaved>), Problem> {
    may_write(&person)?;
    let command = DashboardBody { version: 0, ..body }.into_command(0, &person)?;
    match app.carry_out(&person, command).await? {
        Answer::Dashboard(number) => Ok((StatusCode::CREATED, Json(DashboardSaved { number }))),
        other => Err(Problem::internal(format!("{other:?}"))),
    }
}

pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(body): Json<DashboardBody>,
) -> Result<StatusCode, Problem> {
    may_write(&person)?;
    // What is not shown to somebody is not there for them.
    find(&app, &person, number).await?;
    app.carry_out(&person, body.into_command(number, &person)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which version was seen.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionQuery {
    version: u64,
}

pub(crate) async fn remove(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Query(query): Query<VersionQuery>,
) -> Result<StatusCode, Problem> {
    may_write(&person)?;
    find(&app, &person, number).await?;
    let (version, administers, actor) = (query.version, person.may(Right::Administer), person.name.clone());
    app.carry_out(&person, Command::RemoveDashboard { number, version, administers, actor }).await?;
    Ok(StatusCode::NO_CONTENT)
}
