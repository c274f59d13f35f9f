//! Versions of the documents of one thing (an incident, a shift, maintenance, a drill): issued as reports are, with number, digest and who issued them. A page
//! each shows the document as it stands and what was issued of it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use serde::Deserialize;

use super::record::{self, ShiftQuery};
use super::refusals::{no_agency, no_signer};
use super::{everywhere, file, no_document};
use crate::api_types::report::Issued;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_common::clock;
use ioc_common::id::IncidentId;
use ioc_document::model::{Document, Kind};
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::RefusalReason;
use ioc_report::draft::IssuedSource;
use ioc_report::record::RecordKey;
use ioc_store::report::{DocumentSettings, IssuedReport};

/// Versions that are listed.
const VERSIONS_MAX: usize = 50;
/// Longest title of a version, characters: a document says the rest.
const TITLE_MAX_CHARS: usize = 400;

/// A record as it stands.
struct Made {
    document: Document,
    /// Tells what somebody has seen from what was written since; empty where nothing is.
    seen: String,
}

impl Made {
    /// What it is called in lists: `Biên bản sự cố số 12: …`.
    fn title(&self) -> String {
        let plain = self.document.summary.chars().filter(|c| !c.is_control()).take(TITLE_MAX_CHARS);
        let summary = plain.collect::<String>().trim().to_owned();
        let mut letters = summary.chars();
        match (&self.document.kind, letters.next()) {
            (Kind::Minutes, Some(first)) => format!("Biên bản {}{}", first.to_lowercase(), letters.as_str()),
            _ => summary,
        }
    }
}

/// Which record an address means.
fn key_of(record: &str) -> Result<RecordKey, Problem> {
    let none = |error: ioc_report::record::RecordKeyError| no_document("report-refused-address", [], error.to_string());
    record.parse().map_err(none)
}

/// The record as it stands, in the words of a signer.
async fn made(app: &App, person: &Person, key: &RecordKey, signer: usize) -> Result<Made, Problem> {
    everywhere(person)?;
    let of = |document| Made { document, seen: String::new() };
    match key {
        RecordKey::Incident(id) => {
            let (document, steps) = record::incident(app, person, (*id, signer)).await?;
            Ok(Made { document, seen: steps.to_string() })
        }
        RecordKey::Shift { rota, from } => Ok(of(record::shift(app, person, (rota.clone(), *from, signer)).await?)),
        RecordKey::Maintenance(id) => Ok(of(record::maintenance(app, person, (*id, signer)).await?)),
        RecordKey::Restore(at) => {
            let (document, held) = record::restore(app, person, signer).await?;
            if held == *at {
                return Ok(of(document));
            }
            let english = "only the last restore drill can be issued anew; what was issued of earlier ones is kept";
            Err(no_document("report-refused-old-drill", [], english))
        }
    }
}

#[derive(Template)]
#[template(path = "report-record.html")]
struct RecordPage {
    page_context: PageContext,
    key: RecordKey,
    /// None where the thing cannot be read any more; what was issued of it stays.
    title: Option<String>,
    seen: String,
    settings: DocumentSettings,
    versions: Vec<IssuedReport>,
    error: Option<String>,
}

impl RecordPage {
    /// What it is called.
    fn kind(&self) -> String {
        self.page_context.t(match self.key {
            RecordKey::Incident(_) => "record-incident",
            RecordKey::Shift { .. } => "record-handover",
            RecordKey::Maintenance(_) => "record-maintenance",
            RecordKey::Restore(_) => "record-restore",
        })
    }

    /// The page of what it is of, and what that is called.
    fn thing(&self) -> (String, String) {
        match self.key {
            RecordKey::Incident(id) => (format!("/incidents/{id}"), IncidentId(id).to_string()),
            RecordKey::Shift { .. } => ("/duty".to_owned(), self.page_context.t("duty")),
            RecordKey::Maintenance(_) => ("/maintenance".to_owned(), self.page_context.t("maintenance")),
            RecordKey::Restore(_) => ("/admin".to_owned(), self.page_context.t("backups")),
        }
    }
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    key: RecordKey,
    error: Option<CommandError>,
) -> PageResult {
    let text = key.to_string();
    let read = app.read(&person.scope, move |reader| {
        Ok((reader.document_settings()?, reader.issued_reports(Some(&text), None, VERSIONS_MAX)?))
    });
    let (stands, read) = (made(app, person, &key, 0).await, read.await);
    match (stands, read) {
        (Ok(made), Ok((settings, versions))) => {
            let refused = error.is_some();
            let error = error.map(|error| refusal_text(&page_context, &error));
            let (title, seen) = (Some(made.title()), made.seen);
            Ok(show_again(&RecordPage { page_context, key, title, seen, settings, versions, error }, refused))
        }
        // What it was made of is gone, and what was issued is kept.
        (Err(_), Ok((settings, versions))) if !versions.is_empty() => {
            let (title, seen, error) = (None, String::new(), error.map(|error| refusal_text(&page_context, &error)));
            let refused = error.is_some();
            Ok(show_again(&RecordPage { page_context, key, title, seen, settings, versions, error }, refused))
        }
        (Err(problem), _) | (_, Err(problem)) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(record): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match key_of(&record).and_then(|key| everywhere(&person).map(|()| key)) {
        Ok(key) => render(&app, &person, page_context, key, None).await,
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

/// The way to the record of the shift that is asked for: which one that is changes with the hour.
pub(crate) async fn of_shift(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<ShiftQuery>,
) -> PageResult {
    match record::shift_key(&app, &person, asked).await {
        Ok(key) => Ok(Redirect::to(&format!("/reports/records/{key}")).into_response()),
        Err(problem) => Err(Failure::new(page_context(&app, &person, &headers), problem)),
    }
}

/// The way to the record of the last drill.
pub(crate) async fn of_restore(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    match record::restore(&app, &person, 0).await {
        Ok((_, held)) => {
            let key = RecordKey::Restore(held);
            Ok(Redirect::to(&format!("/reports/records/{key}")).into_response())
        }
        Err(problem) => Err(Failure::new(page_context(&app, &person, &headers), problem)),
    }
}

/// Who signs a record, and what was seen of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RecordForm {
    /// Which of the signers of settings, from 0.
    signer: String,
    seen: String,
}

async fn issue(app: &App, person: &Person, key: &RecordKey, form: &RecordForm) -> Result<u64, CommandError> {
    let signer = match form.signer.trim() {
        "" => 0,
        text => text.parse::<usize>().map_err(|_| no_signer())?,
    };
    let settings = app.read(&person.scope, |reader| reader.document_settings()).await.map_err(Problem::refused)?;
    if settings.agency.is_empty() || settings.signers.is_empty() {
        return Err(no_agency());
    }
    if signer >= settings.signers.len() {
        return Err(no_signer());
    }
    let report = key.to_string();
    if !personal_data::record_list_access(app, person, &report).await {
        return Err(super::refusals::not_recorded().refused());
    }
    let made = made(app, person, key, signer).await.map_err(Problem::refused)?;
    if made.seen != form.seen.trim() {
        let english = "the incident went on since; look at the record, then issue it";
        return Err(RefusalReason::new("report-refused-incident-since", [], english).conflict());
    }
    let content = file::bytes(&made.document).map_err(Problem::refused)?;
    let title = made.title();
    let source = IssuedSource { document: made.document, articles: Vec::new(), gathered_at: clock::now() };
    let source = serde_json::to_string(&source).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let command = Command::IssueReport { report, title, content, source, actor: person.name.clone() };
    match app.carry_out(person, command).await? {
        Answer::Report(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

/// Issues a version of it.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(record): Path<String>,
    Form(form): Form<RecordForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let key = match key_of(&record) {
        Ok(key) => key,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    match issue(&app, &person, &key, &form).await {
        Ok(number) => Ok(Redirect::to(&format!("/reports/issued/{number}")).into_response()),
        Err(error) => render(&app, &person, page_context, key, Some(error)).await,
    }
}

/// Who signs a record, in the API.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RecordBody {
    /// Which of the signers of settings, from 0.
    signer: usize,
}

/// Issues a version of it as it stands now.
pub(crate) async fn api_issue(
    State(app): State<App>,
    person: Person,
    Path(record): Path<String>,
    Json(body): Json<RecordBody>,
) -> Result<(StatusCode, Json<Issued>), Problem> {
    let key = key_of(&record)?;
    let seen = made(&app, &person, &key, 0).await?.seen;
    let form = RecordForm { signer: body.signer.to_string(), seen };
    let number = issue(&app, &person, &key, &form).await?;
    let found = app.read(&person.scope, move |reader| reader.issued_report(number)).await?;
    let issued = found.map(Issued::from).ok_or_else(|| Problem::internal("the record that was issued is not there"))?;
    Ok((StatusCode::CREATED, Json(issued)))
}

/// The document as it stands, as a page that is read and printed.
pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(record): Path<String>,
    Query(part): Query<file::PartQuery>,
) -> PageResult {
    let made = async { made(&app, &person, &key_of(&record)?, 0).await };
    file::printed(made.await.map(|made| made.document), &part, file::why_not(&app, &person, &headers))
}
