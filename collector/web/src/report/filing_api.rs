//! Filings in the API.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::api::{IssueBody, TextsBody};
use super::{day_of, everywhere, filing, filing_gathering};
use crate::api::ApiResult;
use crate::api_types::filing::{Filing, FilingFacts, FillRate};
use crate::api_types::report::Issued;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_common::clock;
use ioc_report::filing::filings;

pub(crate) async fn list(State(app): State<App>, person: Person) -> ApiResult<Vec<Filing>> {
    everywhere(&person)?;
    let today = day_of(&app, clock::now());
    let with = app.clone();
    let rows = app.read(&person.scope, move |reader| {
        let since = reader.audit_since()?.map(|at| day_of(&with, at));
        let config = with.config();
        let all = filings(filing_gathering::packs(&config, today), today, since);
        all.iter().map(|listed| filing::row_of(&with, reader, listed, today)).collect::<Result<Vec<_>, _>>()
    });
    Ok(Json(rows.await?.into_iter().map(Filing::from).collect()))
}

pub(crate) async fn facts(
    State(app): State<App>,
    person: Person,
    Path(address): Path<String>,
) -> ApiResult<FilingFacts> {
    let listed = filing::asked(&app, &person, &address).await?;
    let facts = filing_gathering::facts_now(&app, listed.clone()).await?;
    let today = day_of(&app, clock::now());
    let with = app.clone();
    let read = app.read(&person.scope, move |reader| {
        Ok((filing::row_of(&with, reader, &listed, today)?, filing::texts_of(reader, &listed.key)?))
    });
    let (row, texts) = read.await?;
    Ok(Json(FilingFacts::of(row.into(), &facts, texts)))
}

/// How much of a filing fills itself: figures alone, and no name of anybody.
pub(crate) async fn fill(State(app): State<App>, person: Person, Path(address): Path<String>) -> ApiResult<FillRate> {
    everywhere(&person)?;
    let listed = filing_gathering::find(&app, &address)?;
    let named = (listed.key.address(), listed.filing.title.clone());
    let key = listed.key.clone();
    let facts = filing_gathering::facts_now(&app, listed).await?;
    let texts = app.read(&person.scope, move |reader| filing::texts_of(reader, &key)).await?;
    Ok(Json(FillRate::of(named, &facts, &texts)))
}

pub(crate) async fn write(
    State(app): State<App>,
    person: Person,
    Path(address): Path<String>,
    Json(body): Json<TextsBody>,
) -> Result<StatusCode, Problem> {
    let listed = filing::asked(&app, &person, &address).await?;
    filing::write(&app, &person, &listed.key, body.texts).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gathers the facts anew and issues what they come to.
pub(crate) async fn issue(
    State(app): State<App>,
    person: Person,
    Path(address): Path<String>,
    Json(body): Json<IssueBody>,
) -> Result<(StatusCode, Json<Issued>), Problem> {
    let listed = filing::asked(&app, &person, &address).await?;
    let date = body.day()?;
    let facts = filing_gathering::facts_now(&app, listed.clone()).await?;
    let number = filing::issue(&app, &person, &listed, &facts, body.signer, date).await?;
    let found = app.read(&person.scope, move |reader| reader.issued_report(number)).await?;
    let issued = found.map(Issued::from).ok_or_else(|| Problem::not_found("it is not there any more"))?;
    Ok((StatusCode::CREATED, Json(issued)))
}
