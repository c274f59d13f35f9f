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
use ioc_engine::writer::reports::{NUMBER_TAKEN, no_day, no_issued_report, no_registration_number};
use ioc_report::draft::IssuedSource;
use ioc_report::filing::FilingKey;
use ioc_report::record::RecordKey;
use ioc_store::ACCOUNT_REVIEW_REPORT;
use ioc_store::inventory_count::COUNT_REPORT;
use ioc_store::report::{IssuedPart, IssuedReport, Registration};

#[derive(Template)]
#[template(path = "report-issued.html")]
struct IssuedPage {
    page_context: PageContext,
    issued: IssuedReport,
    /// What was registered before, and was wrong; in its order.
    earlier: Vec<Registration>,
    /// What was typed and refused.
    typed: RegistrationForm,
    error: Option<String>,
    /// It was refused for its number, which another document has: whoever means it says so.
    number_taken: bool,
}

impl IssuedPage {
    /// What it is a version of.
    fn whole_text(&self) -> String {
        if self.issued.report.starts_with(ACCOUNT_REVIEW_REPORT) {
            self.page_context.t("register-accounts-review")
        } else if self.issued.report.starts_with(COUNT_REPORT) {
            self.page_context.t("counts-one")
        } else if RecordKey::is_record(&self.issued.report) {
            self.page_context.t("record-whole")
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
        if RecordKey::is_record(report) {
            return format!("/reports/records/{report}");
        }
        let form = report.strip_prefix(INCIDENT_FORM).and_then(|rest| rest.split_once('.'));
        form.map_or_else(
            || format!("/reports/{report}"),
            |(incident, clock)| format!("/incidents/{incident}/forms/{clock}"),
        )
    }

    /// The number as it is printed, and its day.
    fn registered(registration: &Registration) -> String {
        let day = registration.date.parse::<Date>().map_or_else(|_| registration.date.clone(), wording::short_date);
        format!("{} · {day}", wording::registered(Some(registration.number)))
    }

    /// Why the one behind it took its place.
    fn why(&self, place: &usize) -> String {
        let next = self.earlier.get(place + 1).or(self.issued.registration.as_ref());
        next.map(|next| next.reason.clone()).unwrap_or_default()
    }

    /// Number and date as they are shown here.
    fn seen(&self) -> String {
        self.issued.registration.as_ref().map(Registration::as_seen).unwrap_or_default()
    }

    /// What stands in the form: what was typed, or what is to be corrected.
    fn number(&self) -> String {
        let now = || self.issued.registration.as_ref().map(|one| one.number.to_string()).unwrap_or_default();
        if self.error.is_some() { self.typed.number.clone() } else { now() }
    }

    fn date(&self) -> String {
        let now = || self.issued.registration.as_ref().map(|one| one.date.clone()).unwrap_or_default();
        if self.error.is_some() { self.typed.date.clone() } else { now() }
    }
}

/// There is no version of this number.
pub(super) fn missing(number: u64) -> Problem {
    Problem::explained(RefusalKind::NotFound, no_issued_report(number))
}

/// Begins the key of an incident's form.
const INCIDENT_FORM: &str = "incident.";

/// Whether a document names people: a review names who holds which account, minutes a commission, the form of an incident who reports it and whom to ask, a
/// record who acted and who was on duty. That it is seen is on record.
fn names_people(report: &str) -> bool {
    [ACCOUNT_REVIEW_REPORT, COUNT_REPORT, INCIDENT_FORM].iter().any(|of| report.starts_with(of))
        || RecordKey::is_record(report)
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

/// What an issued report was registered as before: all but the last.
pub(super) async fn earlier(app: &App, person: &Person, number: u64) -> Result<Vec<Registration>, Problem> {
    let mut all = app.read(&person.scope, move |reader| reader.report_registrations(number)).await?;
    all.pop();
    Ok(all)
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    number: u64,
    (typed, error): (RegistrationForm, Option<CommandError>),
) -> PageResult {
    let read = async { Ok::<_, Problem>((kept(app, person, number).await?, earlier(app, person, number).await?)) };
    match read.await {
        Ok((issued, earlier)) => {
            let refused = error.is_some();
            let number_taken = matches!(&error, Some(CommandError::Explained(_, reason)) if reason.key == NUMBER_TAKEN);
            let error = error.map(|error| refusal_text(&page_context, &error));
            let page = IssuedPage { page_context, issued, earlier, typed, error, number_taken };
            Ok(show_again(&page, refused))
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
    /// Why what was registered before is wrong.
    reason: String,
    /// Number and date as they were shown.
    seen: String,
    /// The number is meant, though another document has it.
    all_the_same: Option<String>,
}

/// How a document is to be registered.
pub(super) struct Registering<'r> {
    pub(super) number: u32,
    /// As year-month-day.
    pub(super) date: &'r str,
    pub(super) reason: &'r str,
    /// Number and date as they were shown; empty where nobody says so.
    pub(super) seen: &'r str,
    pub(super) all_the_same: bool,
}

/// Writes down the number and date of an issued report, or corrects them; the copy with both is made of what was issued.
pub(super) async fn registered(
    app: &App,
    person: &Person,
    number: u64,
    asked: Registering<'_>,
) -> Result<(), CommandError> {
    everywhere(person).map_err(Problem::refused)?;
    let Registering { number: registered, date, reason, seen, all_the_same } = asked;
    let day: Date = date.trim().parse().map_err(|_| no_day(date.trim()))?;
    let source = source(app, person, number).await.map_err(Problem::refused)?;
    let kind = source.document.kind.abbreviation().unwrap_or_default().to_owned();
    let content = file::bytes(&with_number(source.document, registered, day)).map_err(Problem::refused)?;
    let (date, reason, seen, actor) = (day.to_string(), reason.to_owned(), seen.to_owned(), person.name.clone());
    let command =
        Command::RegisterReport { number, registered, date, kind, content, reason, seen, all_the_same, actor };
    app.carry_out(person, command).await.map(drop)
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
        Ok(asked) => {
            let all_the_same = form.all_the_same.is_some();
            let RegistrationForm { date, reason, seen, .. } = &form;
            let asked = Registering { number: asked, date, reason, seen, all_the_same };
            registered(&app, &person, number, asked).await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/reports/issued/{number}")).into_response()),
        Err(error) => render(&app, &person, page_context, number, (form, Some(error))).await,
    }
}

/// The document as it is kept, with its name: with its number once it is registered, or as it was issued.
pub(super) async fn document(
    app: &App,
    person: &Person,
    number: u64,
    wanted: &DocumentQuery,
) -> Result<(String, Vec<u8>), Problem> {
    let issued = kept(app, person, number).await?;
    read_on_record(app, person, &issued).await?;
    let part = match wanted {
        DocumentQuery { as_issued: true, .. } => IssuedPart::Issued,
        DocumentQuery { registration: Some(place), .. } => IssuedPart::RegisteredAs(*place),
        DocumentQuery { .. } if issued.registration.is_some() => IssuedPart::Registered,
        DocumentQuery { .. } => IssuedPart::Issued,
    };
    let found = app.read(&person.scope, move |reader| reader.issued_content(number, part)).await?;
    let content = found.ok_or_else(|| missing(number))?;
    let mark = match part {
        IssuedPart::Registered => "-co-so".to_owned(),
        IssuedPart::RegisteredAs(place) => format!("-so-ghi-lan-{place}"),
        IssuedPart::Issued | IssuedPart::Source => String::new(),
    };
    Ok((format!("{}-v{}{mark}.docx", issued.report.replace('/', "-"), issued.version), content))
}

/// Which of the two is wanted.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct DocumentQuery {
    /// As it was issued, without a number, though it is registered since.
    pub(super) as_issued: bool,
    /// As it was registered then, from 1, though that was corrected since.
    pub(super) registration: Option<u32>,
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(query): Query<DocumentQuery>,
) -> PageResult {
    match document(&app, &person, number, &query).await {
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
        for report in [
            "incident.12.first-notice",
            "incident-record.12",
            "shift.noc.5",
            "inventory.3",
            &format!("{ACCOUNT_REVIEW_REPORT}2"),
        ] {
            assert!(names_people(report), "{report}");
        }
        assert!(!names_people("clause.2026-10-01.2026-12-31"));
    }
}
