//! The same with many incidents: take them, give them to someone, say that they are mended, remark. One command each, so that rights, places and gates
//! are those of each incident, each stands in the audit log, and one that is refused leaves the others done.

use std::collections::{BTreeSet, HashMap};

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use futures_util::StreamExt as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use ioc_common::id::IncidentId;
use ioc_judge::Action;

use crate::api::ApiResult;
use crate::api_types;
use crate::app::App;
use crate::incident::details;
use crate::incident::list::{IncidentsQuery, ManyResult, render};
use crate::page::{PageResult, page_context, refusal_text};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};

/// Incidents of one request.
const INCIDENTS_MAX: usize = 200;
/// Commands that are under way at once: they come into the same commits.
const AT_ONCE: usize = 32;

/// What is done, and to which incidents.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct ManyActions {
    /// Their numbers, 200 at most.
    incidents: Vec<IncidentId>,
    /// `acknowledge`, `assign`, `resolve` or `comment`, with its fields as for one incident.
    #[serde(flatten)]
    action: api_types::action::Action,
}

/// What became of it with each incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ManyResults {
    /// In the order of the request.
    results: Vec<OneResult>,
}

/// What became of it with one incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct OneResult {
    /// Its number.
    incident: IncidentId,
    /// As the status of the request for it alone: 204, 403, 404, 409, 422.
    status: u16,
    /// Why it was refused; none when it was done.
    detail: Option<String>,
}

/// What can be done with many: what each incident asks its own words for cannot.
fn checked(action: Action) -> Result<Action, CommandError> {
    match action {
        Action::Acknowledge { .. } | Action::Assign { .. } | Action::Resolve { .. } | Action::Comment { .. } => {
            Ok(action)
        }
        other => {
            let english =
                format!("action: found {}; allowed for many are acknowledge, assign, resolve, comment", other.as_str());
            let args = [("action", Word::text(other.as_str().to_owned()))];
            Err(RefusalReason::new("refusal-many-action", args, english).invalid())
        }
    }
}

/// Does it with each, in this order; what is named twice is done once.
async fn each(
    app: &App,
    person: &Person,
    incidents: Vec<IncidentId>,
    action: &Action,
) -> Result<Vec<(IncidentId, Result<(), CommandError>)>, CommandError> {
    let mut seen = BTreeSet::new();
    let incidents: Vec<IncidentId> = incidents.into_iter().filter(|id| seen.insert(*id)).collect();
    if incidents.is_empty() || incidents.len() > INCIDENTS_MAX {
        let english = format!("incidents: found {}; allowed are 1 to {INCIDENTS_MAX}", incidents.len());
        let args = [("found", Word::count(incidents.len())), ("most", Word::count(INCIDENTS_MAX))];
        return Err(RefusalReason::new("refusal-many-incidents", args, english).invalid());
    }
    let done = stream::iter(incidents).map(|incident| async move {
        let command = Command::Act { incident, action: action.clone(), actor: person.name.clone() };
        (incident, app.carry_out(person, command).await.map(|_| ()))
    });
    Ok(done.buffered(AT_ONCE).collect().await)
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Json(asked): Json<ManyActions>,
) -> ApiResult<ManyResults> {
    let action = checked(asked.action.into())?;
    let done = each(&app, &person, asked.incidents, &action).await?;
    let result = |(incident, done): (IncidentId, Result<(), CommandError>)| match done {
        Ok(()) => OneResult { incident, status: 204, detail: None },
        Err(error) => {
            let problem = Problem::from(error);
            OneResult { incident, status: problem.status().as_u16(), detail: Some(problem.detail().to_owned()) }
        }
    };
    Ok(Json(ManyResults { results: done.into_iter().map(result).collect() }))
}

/// Does what the form of the list asks, and shows the list again with what became of each.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<IncidentsQuery>,
    Form(form): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let ticked = form.iter().filter(|(key, _)| key == "incident").filter_map(|(_, value)| value.parse().ok());
    let ticked: Vec<IncidentId> = ticked.map(IncidentId).collect();
    let fields = form.iter().filter(|(key, _)| key != "incident").map(|(key, value)| (key.clone(), json!(value)));
    let action = serde_json::from_value::<api_types::action::Action>(Value::Object(fields.collect()))
        .map_err(|error| RefusalReason::new("refusal-form", [], error.to_string()).invalid())
        .and_then(|action| checked(action.into()));
    let done = match action {
        Ok(action) => each(&app, &person, ticked.clone(), &action).await,
        Err(error) => Err(error),
    };
    let result = match done {
        Ok(done) => {
            let (done, refused): (Vec<_>, Vec<_>) = done.into_iter().partition(|(_, result)| result.is_ok());
            if refused.is_empty() {
                let back = format!("/incidents?done={}&{}", done.len(), query.address());
                return Ok(Redirect::to(&back).into_response());
            }
            let why = |(id, result): (IncidentId, Result<(), CommandError>)| {
                (id, result.err().map(|error| refusal_text(&page_context, &error)).unwrap_or_default())
            };
            let (done, refused) = (done.len() as u64, refused.into_iter().map(why).collect());
            ManyResult { done, refused, form, whole: None }
        }
        // Nothing was done: what was ticked and typed stays.
        Err(error) => {
            let refused = ticked.into_iter().map(|id| (id, String::new())).collect();
            ManyResult { done: 0, refused, form, whole: Some(refusal_text(&page_context, &error)) }
        }
    };
    render(&app, page_context, &person, query, Some(result)).await
}

/// Takes faults out of an incident of many devices: each gets an incident of its own, for one reason.
pub(crate) async fn take_out(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<u64>,
    Form(form): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let note = form.iter().find(|(key, _)| key == "note").map(|(_, value)| value.clone()).unwrap_or_default();
    let faults = form.iter().filter(|(key, _)| key == "fault").filter_map(|(_, value)| value.parse::<u64>().ok());
    let faults: BTreeSet<u64> = faults.take(INCIDENTS_MAX).collect();
    let mut refused = None;
    if faults.is_empty() {
        refused = Some(page_context.t("members-none"));
    }
    for fault in faults {
        let action = Action::Split { fault, note: note.clone() };
        let command = Command::Act { incident: IncidentId(id), action, actor: person.name.clone() };
        if let Err(error) = app.carry_out(&person, command).await {
            refused = Some(refusal_text(&page_context, &error));
            break;
        }
    }
    match refused {
        None => Ok(Redirect::to(&format!("/incidents/{id}")).into_response()),
        Some(why) => {
            let typed = HashMap::from([("members_note".to_owned(), note)]);
            details::render(&app, (page_context, &person), id, None, Some((why, typed))).await
        }
    }
}
