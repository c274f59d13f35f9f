//! The forms of serious incidents: notices that the law asks for, each filled from its incident, with texts of people that are remembered, as a draft and
//! issued as a report. It is written down with the incident when and how it was sent.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use axum::{Form, Json};
use jiff::civil::Date;
use serde::Serialize;

use super::api::{IssueBody, TextsBody};
use super::everywhere;
use super::file::{self, PartQuery, why_not};
use super::refusals::{no_agency, no_signer, texts_missing};
use super::typed::{TypedTexts, others};
use crate::api::ApiResult;
use crate::api_types::report::Issued;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_common::clock::{self, Timestamp};
use ioc_common::id::{DeviceId, IncidentId};
use ioc_document::model::Document;
use ioc_document::report::notice::{NoticeText, TEXTS};
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};
use ioc_engine::writer::form_key;
use ioc_engine::writer::reports::no_day;
use ioc_judge::DeviceInfo;
use ioc_judge::deadline::LegalClock;
use ioc_report::draft::{self, IssuedSource, Texts};
use ioc_report::record::{self, NoticeFacts};
use ioc_store::report::{DocumentSettings, IssuedReport};
use ioc_store::{FaultQuery, Reader, Right, StoreError, WholeIncident};

/// Versions of one form on its page, and faults whose devices it names.
const VERSIONS_MAX: usize = 20;
const FAULTS_MAX: usize = 200;
/// Devices that a notice names; a crowd is told by its number.
const DEVICES_MAX: usize = 20;
/// What the page's form asks for, beside the texts.
const DO: &str = "do";
const SIGNER: &str = "signer";
const DATE: &str = "date";
const SEEN: &str = "seen_step";
const COPY: &str = "copy";

/// What a form is made of.
struct NoticeForm {
    key: String,
    whole: WholeIncident,
    clock: LegalClock,
    devices: Vec<DeviceInfo>,
    names: BTreeMap<String, String>,
    settings: DocumentSettings,
    texts: Texts,
    /// What the record or another form of the incident says, where nothing is written.
    offered: Texts,
    versions: Vec<IssuedReport>,
    now: Timestamp,
}

fn texts_of(reader: &dyn Reader, key: &str) -> Result<Texts, StoreError> {
    Ok(reader.report_texts(key)?.into_iter().map(|text| (text.key, text.text)).collect())
}

/// The devices that an incident is about.
fn devices_of(reader: &dyn Reader, whole: &WholeIncident) -> Result<Vec<DeviceInfo>, StoreError> {
    let incident = &whole.0;
    let faults = reader.faults(&FaultQuery { incident: Some(incident.id), ..FaultQuery::default() }, FAULTS_MAX)?;
    let ids: BTreeSet<DeviceId> = faults.into_iter().map(|fault| fault.device).collect();
    let first = incident.device.clone();
    let rest = ids.into_iter().filter(|id| Some(id) != first.as_ref());
    let mut found = Vec::new();
    for id in first.iter().cloned().chain(rest).take(DEVICES_MAX) {
        found.extend(reader.device(&id)?.map(|record| record.info));
    }
    Ok(found)
}

fn read(reader: &dyn Reader, id: IncidentId, clock: &str, now: Timestamp) -> Result<Option<NoticeForm>, StoreError> {
    let Some(whole) = reader.incident(id)? else { return Ok(None) };
    let serious = whole.0.record.serious.as_ref();
    let found = serious.and_then(|serious| serious.clocks.iter().find(|one| one.term.id == clock));
    let Some(found) = found.filter(|one| !one.term.form.is_empty()).cloned() else { return Ok(None) };
    let others = serious.map(|serious| serious.clocks.as_slice()).unwrap_or_default();
    let (key, devices) = (form_key(id, clock), devices_of(reader, &whole)?);
    // What was written last for another form of the incident goes before what the record knows.
    let mut offered = record::offered(&whole, &devices);
    for other in others.iter().filter(|other| other.term.id != clock) {
        offered.extend(texts_of(reader, &form_key(id, &other.term.id))?);
    }
    let accounts = reader.accounts()?.into_iter().filter(|account| !account.full_name.is_empty());
    Ok(Some(NoticeForm {
        texts: texts_of(reader, &key)?,
        versions: reader.issued_reports(Some(&key), None, VERSIONS_MAX)?,
        settings: reader.document_settings()?,
        names: accounts.map(|account| (account.name, account.full_name)).collect(),
        clock: found,
        key,
        whole,
        devices,
        offered,
        now,
    }))
}

/// The form of a deadline, for who may see it.
async fn form_of(app: &App, person: &Person, (id, clock): (u64, &str)) -> Result<NoticeForm, Problem> {
    everywhere(person)?;
    let (of, now) = (clock.to_owned(), clock::now());
    let found = app.read(&person.scope, move |reader| read(reader, IncidentId(id), &of, now)).await?;
    let mut form = found.ok_or_else(|| {
        let english = format!("incident {id} has no form {clock:?}; mend: mark it serious, or see its deadlines");
        Problem::explained(RefusalKind::NotFound, RefusalReason::new("report-refused-no-form", [], english))
    })?;
    personal_data::reveal_incident(app, person, &mut form.whole.0, &mut form.whole.1, &mut []).await;
    if !person.may(Right::Personal) {
        form.names.clear();
    }
    Ok(form)
}

impl NoticeForm {
    fn document(&self, app: &App, signer: usize, date: Option<Date>) -> Document {
        let config = app.config();
        let facts = NoticeFacts {
            whole: &self.whole,
            clock: &self.clock,
            devices: &self.devices,
            names: &self.names,
            texts: &self.texts,
            zone: &config.timezone,
            now: self.now,
        };
        record::notice(&facts, draft::office(&self.settings, signer), date)
    }

    fn missing(&self, app: &App) -> Vec<String> {
        self.document(app, 0, None).blanks().into_iter().map(|blank| blank.key.clone()).collect()
    }
}

#[derive(Template)]
#[template(path = "incident-form.html")]
struct FormPage {
    page_context: PageContext,
    form: NoticeForm,
    missing: Vec<String>,
    error: Option<String>,
    /// What was typed when it was refused.
    typed: Texts,
}

impl FormPage {
    fn may_write(&self) -> bool {
        self.page_context.may_report()
    }

    fn asked(&self) -> &'static [NoticeText] {
        &TEXTS
    }

    fn was(&self, key: &str) -> &str {
        self.form.texts.get(key).map_or("", String::as_str)
    }

    fn text(&self, key: &str) -> &str {
        self.typed.get(key).map_or_else(|| self.was(key), String::as_str)
    }

    /// What somebody else wrote by now of what was typed and refused.
    fn others(&self) -> Vec<(&str, &str)> {
        others(&self.typed, |key| self.was(key))
    }

    /// What may be taken over, where nothing is written.
    fn offered(&self, key: &str) -> Option<&str> {
        let empty = self.text(key).trim().is_empty();
        self.form.offered.get(key).map(String::as_str).filter(|text| empty && !text.trim().is_empty())
    }

    fn left(&self) -> (bool, String) {
        let left = self.form.clock.due.at.millis_since(self.page_context.now);
        (left < 0, self.page_context.duration(left.abs()))
    }

    fn address(&self) -> String {
        format!("/incidents/{}/forms/{}", self.form.whole.0.id.0, self.form.clock.term.id)
    }

    fn ready(&self) -> bool {
        self.missing.is_empty()
    }
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    of: (u64, &str),
    refused: Option<(String, Texts)>,
) -> PageResult {
    match form_of(app, person, of).await {
        Ok(form) => {
            let again = refused.is_some();
            let (error, typed) = refused.map_or((None, Texts::new()), |(error, typed)| (Some(error), typed));
            let missing = form.missing(app);
            Ok(show_again(&FormPage { page_context, form, missing, error, typed }, again))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path((id, clock)): Path<(u64, String)>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, (id, &clock), None).await
}

/// Writes texts, or issues what was seen: by the page.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path((id, clock)): Path<(u64, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let mut fields: BTreeMap<String, String> = pairs.into_iter().collect();
    let mut take = |name: &str| fields.remove(name).unwrap_or_default();
    let (wish, signer, date, seen, copy) = (take(DO), take(SIGNER), take(DATE), take(SEEN), take(COPY));
    // What somebody else wrote meanwhile stays, where nothing else was typed over it.
    let TypedTexts { mut texts, was } = TypedTexts::of(fields);
    texts.retain(|name, _| TEXTS.iter().any(|one| one.key == name));
    let of = (id, clock.as_str());
    let done = match wish.as_str() {
        "issue" if !texts.is_empty() => Err(RefusalReason::new(
            "report-refused-unsaved",
            [],
            "what was typed is not saved yet, and would not be in the document; mend: save it, then issue",
        )
        .conflict()),
        "issue" => issue_seen(&app, &person, of, (&signer, &date, &seen)).await.map(Some),
        _ => write(&app, &person, of, TypedTexts { texts: texts.clone(), was }, &copy).await.map(|()| None),
    };
    match done {
        Ok(Some(number)) => Ok(Redirect::to(&format!("/reports/issued/{number}")).into_response()),
        Ok(None) => Ok(Redirect::to(&format!("/incidents/{id}/forms/{clock}")).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, &person, page_context, of, Some((text, texts))).await
        }
    }
}

/// Writes texts; `copy` is the key of one that is taken over from what is offered.
async fn write(
    app: &App,
    person: &Person,
    of: (u64, &str),
    TypedTexts { mut texts, was }: TypedTexts,
    copy: &str,
) -> Result<(), CommandError> {
    let mut form = form_of(app, person, of).await.map_err(Problem::refused)?;
    if let Some(text) = form.offered.remove(copy) {
        texts.insert(copy.to_owned(), text);
    }
    if let Some(other) = texts.keys().find(|key| TEXTS.iter().all(|one| one.key != key.as_str())) {
        let allowed = TEXTS.map(|one| one.key).join(", ");
        let english = format!("texts: found {other:?}; allowed are {allowed}");
        let args = [("found", Word::text(other)), ("allowed", Word::text(allowed))];
        return Err(RefusalReason::new("report-refused-text-unknown", args, english).invalid());
    }
    if texts.is_empty() {
        return Ok(());
    }
    let texts = texts.into_iter().collect();
    let command = Command::WriteReport { report: form.key, texts, was, actor: person.name.clone() };
    app.carry_out(person, command).await.map(drop)
}

/// Issues what whoever asks has seen: what happened with the incident since is seen first.
async fn issue_seen(
    app: &App,
    person: &Person,
    of: (u64, &str),
    (signer, date, seen): (&str, &str, &str),
) -> Result<u64, CommandError> {
    let signer = match signer.trim() {
        "" => 0,
        text => text.parse().map_err(|_| no_signer())?,
    };
    let date = match date.trim() {
        "" => None,
        text => Some(text.parse::<Date>().map_err(|_| no_day(text))?),
    };
    issue(app, person, of, (signer, date, Some(seen))).await
}

async fn issue(
    app: &App,
    person: &Person,
    of: (u64, &str),
    (signer, date, seen): (usize, Option<Date>, Option<&str>),
) -> Result<u64, CommandError> {
    let form = form_of(app, person, of).await.map_err(Problem::refused)?;
    if seen.is_some_and(|seen| seen != form.whole.0.steps.to_string()) {
        let english = "the incident went on since; look at the form, then issue";
        return Err(RefusalReason::new("report-refused-incident-since", [], english).conflict());
    }
    if form.settings.agency.is_empty() || form.settings.signers.is_empty() {
        return Err(no_agency());
    }
    if signer >= form.settings.signers.len() {
        return Err(no_signer());
    }
    let missing = form.missing(app);
    if !missing.is_empty() {
        return Err(texts_missing(missing.iter().map(ToString::to_string).collect()));
    }
    let document = form.document(app, signer, date);
    let content = file::bytes(&document).map_err(Problem::refused)?;
    let source = IssuedSource { document, articles: Vec::new(), gathered_at: form.now };
    let source = serde_json::to_string(&source).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    let title = format!("{} ({})", form.clock.term.what(), form.whole.0.id);
    let command = Command::IssueReport { report: form.key, title, content, source, actor: person.name.clone() };
    match app.carry_out(person, command).await? {
        Answer::Report(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path((id, clock)): Path<(u64, String)>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = form_of(&app, &person, (id, &clock)).await.map(|form| form.document(&app, 0, None));
    file::printed(made, &part, why_not(&app, &person, &headers))
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path((id, clock)): Path<(u64, String)>,
) -> PageResult {
    let made = form_of(&app, &person, (id, &clock)).await;
    let made = made.map(|form| (format!("{}-du-thao", form.key), form.document(&app, 0, None)));
    file::downloaded(made, why_not(&app, &person, &headers))
}

/// The form of a deadline of a serious incident.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FormState {
    /// What it is called.
    title: String,
    /// By when it is due.
    due_at: Timestamp,
    /// What people wrote, by key.
    texts: BTreeMap<String, String>,
    /// What the record or another form of the incident says, where nothing is written.
    offered: BTreeMap<String, String>,
    /// Keys of texts that are missing.
    missing: Vec<String>,
    /// Versions that were issued, the newest first.
    issued: Vec<Issued>,
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path((id, clock)): Path<(u64, String)>,
) -> ApiResult<FormState> {
    let form = form_of(&app, &person, (id, &clock)).await?;
    Ok(Json(FormState {
        missing: form.missing(&app),
        title: form.clock.term.what().to_owned(),
        due_at: form.clock.due.at,
        texts: form.texts,
        offered: form.offered,
        issued: form.versions.into_iter().map(Issued::from).collect(),
    }))
}

pub(crate) async fn api_write(
    State(app): State<App>,
    person: Person,
    Path((id, clock)): Path<(u64, String)>,
    Json(body): Json<TextsBody>,
) -> Result<StatusCode, Problem> {
    write(&app, &person, (id, &clock), body.into(), "").await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_issue(
    State(app): State<App>,
    person: Person,
    Path((id, clock)): Path<(u64, String)>,
    Json(body): Json<IssueBody>,
) -> Result<(StatusCode, Json<Issued>), Problem> {
    let (signer, date) = body.read()?;
    let number = issue(&app, &person, (id, &clock), (signer, date, None)).await?;
    let found = app.read(&person.scope, move |reader| reader.issued_report(number)).await?;
    let issued = found.map(Issued::from).ok_or_else(|| Problem::internal("the report that was issued is not there"))?;
    Ok((StatusCode::CREATED, Json(issued)))
}
