//! What the collector keeps of one person, found and listed on request (Law 91/2025, article 12): as a page, in the API and as a table.
//!
//! Only administrators who may see personal data ask, and each time they do is in the audit log before anything is shown.

use std::collections::BTreeSet;

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_judge::duty::DutyPerson;

use crate::api::ApiResult;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::audit_action::AuditLogAction;
use ioc_store::person::{NAMES_MAX, PersonTrace, PersonTraceKind, PersonTraces};
use ioc_store::template::csv_field;
use ioc_store::{Right, audit};

/// Places of one kind on a page, and in an answer.
const PAGE_ROWS: usize = 50;
const API_ROWS: usize = 5000;
/// Longest name that is looked for, characters.
const NAME_MAX_CHARS: usize = 100;

/// Who is looked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct PersonQuery {
    /// The name that they sign in with, their own name as it stands with devices, or an account of theirs on machines.
    name: String,
}

/// Everything that was found.
struct Found {
    names: Vec<String>,
    traces: PersonTraces,
}

/// Looks for a person by the name that was given and by what account and duty plan call them beside it; keeps on record that it was done.
async fn look(app: &App, person: &Person, query: &PersonQuery, limit: usize) -> Result<Found, Problem> {
    if !(person.may(Right::Administer) && person.may(Right::Personal)) {
        return Err(Problem::forbidden("this is for administrators who may see personal data"));
    }
    let name = query.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_MAX_CHARS || name.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("name: allowed are 1 to {NAME_MAX_CHARS} characters in one line")));
    }
    let entry = audit::AuditEntry {
        at: clock::now(),
        actor: person.name.clone(),
        action: AuditLogAction::PersonalListed.as_str().to_owned(),
        subject: name.clone(),
        detail: "all that is kept of a person".to_owned(),
    };
    app.engine.record_access(entry).await?;
    let config = app.config();
    let planned: Vec<DutyPerson> =
        config.plan.people.iter().filter(|one| one.id == name || one.name == name).cloned().collect();
    let called: Vec<String> = planned.iter().flat_map(|one| [one.id.clone(), one.name.clone()]).collect();
    let mut found = app
        .read(&person.scope, move |reader| {
            let account = reader.account(&name)?.map(|account| account.full_name);
            let mut seen = BTreeSet::new();
            let all = std::iter::once(name).chain(account).chain(called);
            let names: Vec<String> =
                all.filter(|one| !one.is_empty() && seen.insert(one.clone())).take(NAMES_MAX).collect();
            let traces = reader.person(&names, limit)?;
            Ok(Found { names, traces })
        })
        .await?;
    // How they are reached stands in the plan, which is configuration.
    found.traces.traces.extend(planned.iter().map(|one| {
        PersonTrace {
            kind: PersonTraceKind::DutyPlan,
            at: None,
            subject: one.id.clone(),
            text: std::iter::once(one.name.clone())
                .chain(one.contacts.iter().map(|contact| format!("{} {}", contact.channel, contact.address)))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }));
    found.traces.traces.sort_by_key(|one| one.kind);
    Ok(found)
}

#[derive(Template)]
#[template(path = "person-data.html")]
struct PersonDataPage {
    page_context: PageContext,
    name: String,
    names: Vec<String>,
    /// By kind: what was found, and whether there is more.
    kinds: Vec<(PersonTraceKind, Vec<PersonTrace>, bool)>,
    error: Option<String>,
}

impl PersonDataPage {
    fn encoded(&self) -> String {
        ioc_store::template::percent_encoded(&self.name)
    }
}

/// The form, and what was found by it.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<PersonQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let name = query.name.trim().to_owned();
    if name.is_empty() {
        return Ok(show(&PersonDataPage { page_context, name, names: Vec::new(), kinds: Vec::new(), error: None }));
    }
    match look(&app, &person, &query, PAGE_ROWS).await {
        Ok(Found { names, traces }) => {
            let kinds = PersonTraceKind::ALL.into_iter().map(|kind| {
                let those = traces.traces.iter().filter(|one| one.kind == kind).cloned().collect();
                (kind, those, traces.cut.contains(&kind))
            });
            let kinds = kinds.filter(|(_, those, _): &(_, Vec<PersonTrace>, _)| !those.is_empty()).collect();
            Ok(show(&PersonDataPage { page_context, name, names, kinds, error: None }))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// Where a person appears.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct PersonData {
    /// The names by which they were looked for.
    names: Vec<String>,
    /// Where they appear, by kind, the newest of each first.
    places: Vec<PersonPlace>,
    /// Kinds of which there are more than 5,000: only the newest are listed.
    cut: Vec<&'static str>,
}

/// One place where a person appears.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct PersonPlace {
    /// What sort of place: `account`, `session`, `token`, `view`, `duty_plan`, `cover`, `handover`, `window`, `device`, `incident`, `step`,
    /// `notice`, `document`, `event`, `series`, `audit_by`, `audit_about`.
    kind: &'static str,
    /// When; none where that is not known.
    at: Option<Timestamp>,
    /// Which one: a device, an incident, the number of an audit record.
    subject: String,
    /// What stands there of them.
    text: String,
}

impl From<PersonTrace> for PersonPlace {
    fn from(inside: PersonTrace) -> Self {
        Self { kind: inside.kind.as_str(), at: inside.at, subject: inside.subject, text: inside.text }
    }
}

/// The same for programs.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PersonQuery>,
) -> ApiResult<PersonData> {
    let Found { names, traces } = look(&app, &person, &query, API_ROWS).await?;
    let cut = traces.cut.iter().map(|kind| kind.as_str()).collect();
    Ok(Json(PersonData { names, places: crate::api_types::all(traces.traces), cut }))
}

/// The same as a table for a spreadsheet.
pub(crate) async fn csv(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PersonQuery>,
) -> Result<Response, Problem> {
    let Found { traces, .. } = look(&app, &person, &query, API_ROWS).await?;
    // A mark at the beginning tells spreadsheets that this is UTF-8.
    let mut text = "\u{feff}kind,at,subject,text\r\n".to_owned();
    for one in traces.traces {
        let at = one.at.map(|at| at.to_string()).unwrap_or_default();
        let fields = [one.kind.as_str(), &at, &one.subject, &one.text];
        text += &fields.map(csv_field).join(",");
        text += "\r\n";
    }
    let disposition = "attachment; filename=\"person.csv\"";
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, text).into_response())
}
