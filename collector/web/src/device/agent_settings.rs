//! Settings that groups of agents are given, and how each machine stands with them; as a page and in the API.

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use ioc_common::id::DeviceId;
use ioc_common::settings::{DOCUMENT, SettingsOutcome};
use ioc_judge::{DeviceInfo, Scope};

use crate::api::{ApiResult, ListQuery, Page};
use crate::api_types;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::tone::Tone;
use ioc_engine::config::{AssignedSettings, Group, SettingsState};
use ioc_store::DocumentRecord;

/// Machines on the page whose settings are not in use; the API has all.
const ROWS: usize = 500;

/// How one machine stands with its settings.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct SettingsItem {
    device: DeviceId,
    name: String,
    /// The groups it belongs to.
    groups: Vec<String>,
    /// What it is given.
    settings: Value,
    state: api_types::device::SettingsState,
    /// Its own last word.
    reported: SettingsOutcome,
}

impl SettingsItem {
    fn new(info: DeviceInfo, given: AssignedSettings, reported: SettingsOutcome) -> Self {
        Self {
            state: given.state(&reported).into(),
            settings: serde_json::from_str(&given.settings).unwrap_or_default(),
            groups: given.groups,
            reported,
            device: info.id,
            name: info.name,
        }
    }
}

/// What a device said last of its settings.
fn reported_of(document: Option<&str>) -> SettingsOutcome {
    document.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// How a device stands with its settings, by what it reported: for its page. None where it is given none.
pub(crate) fn state_of(
    info: &DeviceInfo,
    groups: &[Group],
    documents: &[DocumentRecord],
) -> Option<(SettingsState, String)> {
    let reported =
        reported_of(documents.iter().find(|record| record.name == DOCUMENT).map(|record| record.body.as_str()));
    let state = AssignedSettings::to(info, groups).state(&reported);
    (state != SettingsState::None && info.parent.is_none()).then_some((state, reported.why))
}

#[derive(Template)]
#[template(path = "agent-settings.html")]
struct AgentSettingsPage {
    page_context: PageContext,
    groups: Vec<Group>,
    /// How many stand how.
    counts: Vec<(SettingsState, u64)>,
    open: Vec<(SettingsState, SettingsItem)>,
}

impl AgentSettingsPage {
    fn scope_text(&self, group: &Group) -> String {
        if group.scope == Scope::default() {
            self.page_context.t("settings-everyone")
        } else {
            self.page_context.scope_text(&group.scope)
        }
    }

    /// What a group says, a line for each thing.
    fn lines(&self, group: &Group) -> Vec<String> {
        let settings = &group.settings;
        let mut lines = Vec::new();
        lines.extend(
            settings.interval.map(|every| format!("{}: {}", self.page_context.t("settings-interval"), every.0)),
        );
        lines.extend(settings.every.iter().map(|(name, every)| format!("{}: {}", name, every.0)));
        if !settings.forbid.is_empty() {
            lines.push(format!("{}: {}", self.page_context.t("settings-forbid"), settings.forbid.join(", ")));
        }
        lines.extend(settings.endpoint.iter().map(|one| format!("{}: {}", one.name, one.address)));
        lines
    }

    const fn tone(state: &SettingsState) -> Tone {
        match state {
            SettingsState::Applied => Tone::Good,
            SettingsState::Refused => Tone::Bad,
            SettingsState::Waiting => Tone::Warning,
            SettingsState::None => Tone::Away,
        }
    }
}

/// The groups, and the machines whose settings are not in use.
pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let groups = app.config().settings.clone();
    match app.read(&person.scope, |reader| reader.settings()).await {
        Ok(all) => {
            let mut counts =
                [SettingsState::Applied, SettingsState::Waiting, SettingsState::Refused].map(|state| (state, 0_u64));
            let mut open = Vec::new();
            for (info, reported) in all {
                let (given, reported) = (AssignedSettings::to(&info, &groups), reported_of(reported.as_deref()));
                let state = given.state(&reported);
                if let Some((_, count)) = counts.iter_mut().find(|(counted, _)| *counted == state) {
                    *count += 1;
                }
                if matches!(state, SettingsState::Waiting | SettingsState::Refused) && open.len() < ROWS {
                    open.push((state, SettingsItem::new(info, given, reported)));
                }
            }
            Ok(show(&AgentSettingsPage { page_context, groups, counts: counts.into(), open }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// How each machine stands with its settings, by identifier.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<SettingsItem>> {
    let groups = app.config().settings.clone();
    let limit = query.limit();
    let all = app.read(&person.scope, |reader| reader.settings()).await?;
    let after = |info: &DeviceInfo| query.cursor.as_deref().is_none_or(|cursor| info.id.as_str() > cursor);
    let items = all.into_iter().filter(|(info, _)| after(info)).take(limit);
    let item = |(info, reported): (DeviceInfo, Option<String>)| {
        let given = AssignedSettings::to(&info, &groups);
        SettingsItem::new(info, given, reported_of(reported.as_deref()))
    };
    let items: Vec<SettingsItem> = items.map(item).collect();
    let next_cursor = items.last().filter(|_| items.len() == limit).map(|item| item.device.to_string());
    Ok(Json(Page { items, next_cursor }))
}
