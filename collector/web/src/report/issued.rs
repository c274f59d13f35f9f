//! A version of a report that was issued: who issued it, its digest, its number once a person has registered it; the document as it was kept.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use jiff::civil::Date;
use serde::Deserialize;

use super::file::{self, PartQuery};
use super::{everywhere, filing};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_document::model::Document;
use ioc_document::wording;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::refusal_reason::RefusalKind;
use ioc_engine::writer::reports::{no_day, no_issued_report, no_registration_number};
use ioc_report::draft::IssuedSource;
use ioc_report::filing::FilingKey;
use ioc_store::ACCOUNT_REVIEW_REPORT;
use ioc_store::inventory_count::COUNT_REPORT;
use ioc_store::report::{IssuedPart, IssuedReport};

#[derive(Template)]
#[template(path = "report-issued.html")]
struct IssuedPage {
    page_context: PageContext,
    issued: IssuedReport,
    /// What was typed and refused.
    typed: RegistrationForm,
    error: Option<String>,
}

impl IssuedPage {
    /// What it is a version of.
    fn whole_text(&self) -> String {
        if self.issued.report.starts_with(ACCOUNT_REVIEW_REPORT) {
            self.page_context.t("register-accounts-review")
        } else if self.issued.report.starts_with(COUNT_REPORT) {
            self.page_context.t("counts-one")
        } else {
            self.page_context.t("reports-this-period")
        }
    }

    /// The page of what it is a version of: a review of accounts, the form of an incident, or a report's.
    fn whole_address(&self) -> String {
        let report = &self.issued.report;
        if let Some(number) = report.strip_prefix(ACCOUNT_REVIEW_REPORT) {
            return format!("/register/accounts/reviews/{number}");
        }
        if let Some(number) = report.strip_prefix(COUNT_REPORT) {
            return format!("/register/counts/{number}");
        }
        let form = report.strip_prefix(INCIDENT_FORM).and_then(|rest| rest.split_once('.'));
        form.map_or_else(
            || format!("/reports/{report}"),
            |(incident, clock)| format!("/incidents/{incident}/forms/{clock}"),
        )
    }

    /// The number as it is printed, and its day.
    fn registered(&self) -> Option<(String, String)> {
        let registration = self.issued.registration.as_ref()?;
        let day = registration.date.parse::<Date>().map_or_else(|_| registration.date.clone(), wording::short_date);
        Some((wording::registered(Some(registration.number)), day))
    }
}

/// There is no version of this number.
pub(super) fn missing(number: u64) -> Problem {
    Problem::explained(RefusalKind::NotFound, no_issued_report(number))
}

/// Begins the key of an incident's form.
const INCIDENT_FORM: &str = "incident.";

/// Whether a document names people: a review names who holds which account, minutes a commission, the form of an incident who reports it and whom to ask. That
/// it is seen is on record.
fn names_people(report: &str) -> bool {
    [ACCOUNT_REVIEW_REPORT, COUNT_REPORT, INCIDENT_FORM].iter().any(|of| report.starts_with(of))
}

/// What was issued under a number, and the document that it is.
async fn kept(app: &App, person: &Person, number: u64) -> Result<IssuedReport, Problem> {
    everywhere(person)?;
    let found = app.read(&person.scope, move |reader| reader.issued_report(number)).await?;
    let found = found.ok_or_else(|| missing(number))?;
    let of_people = names_people(&found.report);
    if of_people && !personal_data::record_list_access(app, person, &found.report).await {
        return Err(super::refusals::not_recorded());
    }
    Ok(found)
}

/// A filing names people: that it is read is on record.
async fn read_on_record(app: &App, person: &Person, issued: &IssuedReport) -> Result<(), Problem> {
    if FilingKey::is_filing(&issued.report) { filing::on_record(app, person).await } else { Ok(()) }
}

async fn source(app: &App, person: &Person, number: u64) -> Result<IssuedSource, Problem> {
    let found = app.read(&person.scope, move |reader| reader.issued_content(number, IssuedPart::Source)).await?;
    let bytes = found.ok_or_else(|| missing(number))?;
    serde_json::from_slice(&bytes).map_err(|error| Problem::internal(format!("issued report {number}: {error}")))
}

fn with_number(mut document: Document, number: u32, date: Date) -> Document {
    (document.head.number, document.head.date) = (Some(number), Some(date));
    document
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    number: u64,
    (typed, error): (RegistrationForm, Option<String>),
) -> PageResult {
    match kept(app, person, number).await {
        Ok(issued) => {
            let refused = error.is_some();
            Ok(show_again(&IssuedPage { page_context, issued, typed, error }, refused))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, number, (RegistrationForm::default(), None)).await
}

/// Under which number and date a document was registered.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct RegistrationForm {
    /// The document's number, from 1.
    number: String,
    /// Its date, as year-month-day.
    date: String,
}

/// Writes down the number and date of an issued report; the copy with both is made of what was issued.
pub(super) async fn registered(
    app: &App,
    person: &Person,
    number: u64,
    (registered, date): (u32, &str),
) -> Result<(), CommandError> {
    everywhere(person).map_err(Problem::refused)?;
    let day: Date = date.trim().parse().map_err(|_| no_day(date.trim()))?;
    let source = source(app, person, number).await.map_err(Problem::refused)?;
    let content = file::bytes(&with_number(source.document, registered, day)).map_err(Problem::refused)?;
    let (date, actor) = (day.to_string(), person.name.clone());
    app.carry_out(person, Command::RegisterReport { number, registered, date, content, actor }).await.map(drop)
}

pub(crate) async fn register(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Form(form): Form<RegistrationForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let asked = form.number.trim().parse().map_err(|_| no_registration_number(form.number.trim()));
    let done = match asked {
        Ok(asked) => registered(&app, &person, number, (asked, &form.date)).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/reports/issued/{number}")).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(&app, &person, page_context, number, (form, Some(text))).await
        }
    }
}

/// The document as it is kept, with its name: with its number once it is registered, or as it was issued.
pub(super) async fn document(
    app: &App,
    person: &Person,
    number: u64,
    as_issued: bool,
) -> Result<(String, Vec<u8>), Problem> {
    let issued = kept(app, person, number).await?;
    read_on_record(app, person, &issued).await?;
    let part = if issued.registration.is_some() && !as_issued { IssuedPart::Registered } else { IssuedPart::Issued };
    let found = app.read(&person.scope, move |reader| reader.issued_content(number, part)).await?;
    let content = found.ok_or_else(|| missing(number))?;
    let mark = if part == IssuedPart::Registered { "-co-so" } else { "" };
    Ok((format!("{}-v{}{mark}.docx", issued.report.replace('/', "-"), issued.version), content))
}

/// Which of the two is wanted.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct DocumentQuery {
    /// As it was issued, without a number, though it is registered since.
    pub(super) as_issued: bool,
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(query): Query<DocumentQuery>,
) -> PageResult {
    match document(&app, &person, number, query.as_issued).await {
        Ok((name, content)) => Ok(file::saved(&name, content)),
        Err(problem) => Err(Failure::new(page_context(&app, &person, &headers), problem)),
    }
}

/// The same as a page that is read and printed.
pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let shown = async {
        let issued = kept(&app, &person, number).await?;
        read_on_record(&app, &person, &issued).await?;
        let document = source(&app, &person, number).await?.document;
        let registration = issued.registration.and_then(|one| Some((one.number, one.date.parse::<Date>().ok()?)));
        Ok::<_, Problem>(match registration {
            Some((number, date)) => with_number(document, number, date),
            None => document,
        })
    };
    match shown.await {
        Ok(document) => Ok(file::page(&document, &part)),
        Err(problem) => Err(Failure::new(page_context(&app, &person, &headers), problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_people_is_read_on_record() {
        for report in ["incident.12.first-notice", "inventory.3", &format!("{ACCOUNT_REVIEW_REPORT}2")] {
            assert!(names_people(report), "{report}");
        }
        assert!(!names_people("clause.2026-10-01.2026-12-31"));
    }
}
