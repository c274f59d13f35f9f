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
use ioc_common::language::Language;
use ioc_judge::duty::DutyPerson;

use crate::api::ApiResult;
use crate::app::App;
use crate::i18n::Texts;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::person::{NAMES_MAX, PersonTrace, PersonTraceKind, PersonTraces};
use ioc_store::template::csv_field;
use ioc_store::{Right, audit, audit_text};

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
        let english = "this is for administrators who may see personal data";
        return Err(RefusalReason::new("refusal-personal-data", [], english).forbidden().into());
    }
    let name = query.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > NAME_MAX_CHARS || name.chars().any(char::is_control) {
        return Err(Field::Name.line(1, NAME_MAX_CHARS).invalid().into());
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
            word: String::new(),
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
    kinds: Vec<(PersonTraceKind, Vec<PersonPlace>, bool)>,
    /// Up to which moment some kinds were looked through.
    ends: Vec<(PersonTraceKind, Timestamp)>,
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
        return Ok(show(&PersonDataPage {
            page_context,
            name,
            names: Vec::new(),
            kinds: Vec::new(),
            ends: Vec::new(),
            error: None,
        }));
    }
    match look(&app, &person, &query, PAGE_ROWS).await {
        Ok(Found { names, traces }) => {
            let said = |one: &PersonTrace| place(page_context.texts(), page_context.language, one);
            let kinds = PersonTraceKind::ALL.into_iter().map(|kind| {
                let those = traces.traces.iter().filter(|one| one.kind == kind).map(said).collect();
                (kind, those, traces.cut.contains(&kind))
            });
            let kinds = kinds.filter(|(_, those, _): &(_, Vec<PersonPlace>, _)| !those.is_empty()).collect();
            Ok(show(&PersonDataPage { page_context, name, names, kinds, ends: traces.ends, error: None }))
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
    /// Kinds that were not looked through to their beginning: what is older was not searched.
    ends: Vec<SearchEnd>,
}

/// How far back a kind was looked through.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SearchEnd {
    kind: &'static str,
    /// What happened before this moment was not searched.
    at: Timestamp,
}

/// One place where a person appears.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct PersonPlace {
    /// What sort of place: `account`, `session`, `token`, `view`, `duty_plan`, `cover`, `handover`, `window`, `device`, `incident`, `step`,
    /// `notice`, `document`, `change`, `event`, `series`, `audit_by`, `audit_about`.
    kind: &'static str,
    /// When; none where that is not known.
    at: Option<Timestamp>,
    /// Which one: a device, an incident, the number of an audit record.
    subject: String,
    /// What stands there of them.
    text: String,
}

/// A place in the words of whoever asks.
fn place(texts: &Texts, language: Language, one: &PersonTrace) -> PersonPlace {
    let words: Vec<String> = one.word.split_whitespace().map(|word| called(texts, language, one.kind, word)).collect();
    let all = [words.join(", "), one.text.clone()];
    let text = all.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
    PersonPlace { kind: one.kind.as_str(), at: one.at, subject: one.subject.clone(), text }
}

/// What the program's own word is called; the word itself where it has no text: events and documents of agents may have any name.
fn called(texts: &Texts, language: Language, kind: PersonTraceKind, word: &str) -> String {
    use PersonTraceKind as Kind;
    let family = match kind {
        Kind::AuditBy | Kind::AuditAbout => {
            // With its name, by which programs and the log know it.
            let text = audit_text::text_of(word);
            return text.map_or(word.to_owned(), |(vi, en)| format!("{} ({word})", language.choose(vi, en)));
        }
        Kind::Account if word == "disabled" => "person-word",
        Kind::Account => "role",
        Kind::Document | Kind::Change => "doc",
        Kind::Event => "event",
        Kind::Device => "person-word",
        Kind::Notice => "person-notice",
        Kind::Session
        | Kind::Token
        | Kind::View
        | Kind::DutyPlan
        | Kind::Cover
        | Kind::Handover
        | Kind::Report
        | Kind::Register
        | Kind::File
        | Kind::Hold
        | Kind::Enrolment
        | Kind::Window
        | Kind::Retention
        | Kind::Incident
        | Kind::Fault
        | Kind::Step
        | Kind::Series => return word.to_owned(),
    };
    let key = format!("{family}-{}", word.replace(['_', '.'], "-"));
    if texts.has(language, &key) { texts.get(language, &key) } else { word.to_owned() }
}

/// The same for programs.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(query): Query<PersonQuery>,
) -> ApiResult<PersonData> {
    let Found { names, traces } = look(&app, &person, &query, API_ROWS).await?;
    let cut = traces.cut.iter().map(|kind| kind.as_str()).collect();
    let places = traces.traces.iter().map(|one| place(&app.texts, person.language, one)).collect();
    let ends = traces.ends.iter().map(|(kind, at)| SearchEnd { kind: kind.as_str(), at: *at }).collect();
    Ok(Json(PersonData { names, places, cut, ends }))
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
    for one in traces.traces.iter().map(|one| place(&app.texts, person.language, one)) {
        let at = one.at.map(|at| at.to_string()).unwrap_or_default();
        let fields = [one.kind, &at, &one.subject, &one.text];
        text += &fields.map(csv_field).join(",");
        text += "\r\n";
    }
    // What was not looked through is said in the same file.
    for (kind, at) in &traces.ends {
        let said = app.texts.get(person.language, "person-data-not-older");
        text += &[kind.as_str(), &at.to_string(), "", &said].map(csv_field).join(",");
        text += "\r\n";
    }
    let disposition = "attachment; filename=\"person.csv\"";
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, text).into_response())
}
