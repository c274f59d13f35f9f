//! Reports in the API.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::civil::Date;
use serde::Deserialize;

use super::list::{quarters, row_of, texts_of};
use super::typed::TypedTexts;
use super::{day_of, edit, everywhere, file, gathering, issued, key_of, regulation};
use crate::api::{ApiResult, ListQuery, Page};
use crate::api_types::report::{Due, Issued, Report, ReportFacts, Reports, Settings};
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_common::clock;
use ioc_engine::command::Command;
use ioc_engine::writer::reports::no_day;
use ioc_report::draft;
use ioc_store::report::IssuedReport;
use ioc_store::{Reader, StoreError};

pub(crate) async fn list(State(app): State<App>, person: Person) -> ApiResult<Reports> {
    everywhere(&person)?;
    let today = day_of(&app, clock::now());
    let with = app.clone();
    let rows = app.read(&person.scope, move |reader| quarters(&with, reader, today)).await?;
    let due = super::list::calendar(&app, today).into_iter().map(Due::from).collect();
    Ok(Json(Reports { reports: rows.into_iter().map(Report::from).collect(), due }))
}

pub(crate) async fn facts(
    State(app): State<App>,
    person: Person,
    Path(report): Path<String>,
) -> ApiResult<ReportFacts> {
    everywhere(&person)?;
    let key = key_of(&report)?;
    let today = day_of(&app, clock::now());
    let facts = gathering::facts_now(&app, key).await?;
    let pack = regulation(&app, today)?;
    let with = app.clone();
    let (row, texts, settings) = app
        .read(&person.scope, move |reader| {
            Ok((row_of(&with, reader, key, today)?, texts_of(reader, key)?, reader.document_settings()?))
        })
        .await?;
    let document = draft::document(&facts, &texts, &pack, draft::office(&settings, 0), None);
    Ok(Json(ReportFacts::of(row.into(), &facts, texts, &document)))
}

/// Texts of a report, by key.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TextsBody {
    /// Each by the key that `missing` or `texts` of the report has; an empty one is forgotten. What is not named stays.
    pub(super) texts: BTreeMap<String, String>,
    /// Texts as whoever writes has seen them, likewise: refused where somebody wrote another one since. What is not named is not compared.
    #[serde(default)]
    pub(super) was: BTreeMap<String, String>,
}

impl From<TextsBody> for TypedTexts {
    fn from(body: TextsBody) -> Self {
        Self { texts: body.texts, was: body.was }
    }
}

pub(crate) async fn write(
    State(app): State<App>,
    person: Person,
    Path(report): Path<String>,
    Json(body): Json<TextsBody>,
) -> Result<StatusCode, Problem> {
    everywhere(&person)?;
    let key = key_of(&report)?;
    let TextsBody { texts, was } = body;
    let texts = texts.into_iter().collect();
    let command = Command::WriteReport { report: key.to_string(), texts, was, actor: person.name.clone() };
    app.carry_out(&person, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a report is issued.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IssueBody {
    /// Who of the settings signs, from 0.
    pub(super) signer: usize,
    /// The document's day, as year-month-day; left for a pen where there is none.
    date: Option<String>,
}

impl IssueBody {
    /// The document's day.
    pub(super) fn day(&self) -> Result<Option<Date>, Problem> {
        let date = self.date.as_ref().map(|text| text.parse::<Date>()).transpose();
        date.map_err(|_| no_day(self.date.as_deref().unwrap_or_default()).into())
    }

    /// Who signs, and the day.
    pub(super) fn read(&self) -> Result<(usize, Option<Date>), Problem> {
        Ok((self.signer, self.day()?))
    }
}

/// Gathers the facts anew and issues what they come to.
pub(crate) async fn issue(
    State(app): State<App>,
    person: Person,
    Path(report): Path<String>,
    Json(body): Json<IssueBody>,
) -> Result<(StatusCode, Json<Issued>), Problem> {
    everywhere(&person)?;
    let key = key_of(&report)?;
    let date = body.day()?;
    let facts = gathering::facts_now(&app, key).await?;
    let number = edit::issue(&app, &person, key, &facts, (body.signer, date), None).await?;
    Ok((StatusCode::CREATED, Json(one(&app, &person, number).await?)))
}

/// A version with what it was registered as before.
fn with_earlier(reader: &dyn Reader, issued: IssuedReport) -> Result<Issued, StoreError> {
    let mut all = reader.report_registrations(issued.number)?;
    all.pop();
    Ok(Issued::new(issued, all))
}

async fn one(app: &App, person: &Person, number: u64) -> Result<Issued, Problem> {
    everywhere(person)?;
    let read =
        move |reader: &dyn Reader| reader.issued_report(number)?.map(|issued| with_earlier(reader, issued)).transpose();
    app.read(&person.scope, read).await?.ok_or_else(|| issued::missing(number))
}

pub(crate) async fn issued_list(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<Issued>> {
    everywhere(&person)?;
    let (before, limit) = (query.before()?, query.limit());
    let read = move |reader: &dyn Reader| {
        let found = reader.issued_reports(None, before, limit)?;
        let next_cursor = found.last().filter(|_| found.len() == limit).map(|one| one.number.to_string());
        let items = found.into_iter().map(|one| with_earlier(reader, one)).collect::<Result<_, _>>()?;
        Ok(Page { items, next_cursor })
    };
    Ok(Json(app.read(&person.scope, read).await?))
}

pub(crate) async fn issued_one(State(app): State<App>, person: Person, Path(number): Path<u64>) -> ApiResult<Issued> {
    Ok(Json(one(&app, &person, number).await?))
}

pub(crate) async fn document(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Query(query): Query<issued::DocumentQuery>,
) -> Result<Response, Problem> {
    let (name, content) = issued::document(&app, &person, number, &query).await?;
    Ok(file::saved(&name, content))
}

/// Under which number and date a document was registered.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrationBody {
    /// The document's number, from 1.
    number: u32,
    /// Its date, as year-month-day.
    date: String,
    /// Why what was registered before is wrong: a named person corrects it. Empty for the first.
    #[serde(default)]
    reason: String,
    /// The number is meant, though another document of its kind has it in that year.
    #[serde(default)]
    all_the_same: bool,
}

pub(crate) async fn register(
    State(app): State<App>,
    person: Person,
    Path(number): Path<u64>,
    Json(body): Json<RegistrationBody>,
) -> ApiResult<Issued> {
    let RegistrationBody { number: asked, date, reason, all_the_same } = &body;
    let asked = issued::Registering { number: *asked, date, reason, seen: "", all_the_same: *all_the_same };
    issued::registered(&app, &person, number, asked).await?;
    Ok(Json(one(&app, &person, number).await?))
}

pub(crate) async fn settings(State(app): State<App>, person: Person) -> ApiResult<Settings> {
    everywhere(&person)?;
    Ok(Json(app.read(&person.scope, |reader| reader.document_settings()).await?.into()))
}

pub(crate) async fn set_settings(
    State(app): State<App>,
    person: Person,
    Json(body): Json<Settings>,
) -> Result<StatusCode, Problem> {
    let seen = body.version.clone();
    let command = Command::SetDocumentSettings { settings: Box::new(body.into()), seen, actor: person.name.clone() };
    app.carry_out(&person, command).await?;
    Ok(StatusCode::NO_CONTENT)
}
