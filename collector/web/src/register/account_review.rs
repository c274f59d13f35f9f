//! Reviews of accounts (article 13): opened, written into account by account, signed by a leader with a second factor, and kept from then on; each as a
//! document. They are of the whole centre.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::{Form, Json};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};

use super::accounts::{findings_of, limits_of, password_of, review_due, role_of, sign_in_of, system_of};
use super::scope_of;
use crate::api::ApiResult;
use crate::api_types::account_register::{
    AccountReview as ReviewItem, AccountVerdict as VerdictName, ReviewLine as LineItem,
};
use crate::api_types::all;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, ROWS, page_context, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::report::file::{self, PartQuery, why_not};
use crate::report::{day_of, everywhere};
use crate::sign_in::confirm::{FormRefusal, redirect_to_confirm};
use ioc_document::model::Document;
use ioc_document::wording;
use ioc_engine::command::{Answer, Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_report::draft::{self, IssuedSource};
use ioc_report::record;
use ioc_store::{ACCOUNT_REVIEW_LINES_MAX, AccountReview, AccountVerdict, ReviewLine, Role, review_digest};
use jiff::ToSpan as _;

/// What reviews are called in the record of who saw them.
const REVIEWS: &str = "account reviews";
/// Reviews on their page.
const REVIEWS_MAX: usize = 50;
/// All lines of a review.
const ALL_LINES: (u32, usize) = (0, ACCOUNT_REVIEW_LINES_MAX);
/// Where a page sends someone who has to show again who they are.
const BACK: &str = "/register/accounts/reviews";

#[derive(Template)]
#[template(path = "account-reviews.html")]
struct ReviewsPage {
    page_context: PageContext,
    reviews: Vec<AccountReview>,
    due: Option<Date>,
    late: bool,
    error: Option<FormRefusal>,
}

impl ReviewsPage {
    /// One is open: another cannot be opened.
    fn has_open(&self) -> bool {
        self.reviews.iter().any(|review| review.signature.is_none())
    }

    fn due_day(&self) -> Option<String> {
        self.due.map(wording::short_date)
    }
}

/// The way to where somebody shows again who they are; otherwise the refusal as a page says it.
fn elsewhere(error: CommandError, page_context: &PageContext) -> Result<Response, FormRefusal> {
    redirect_to_confirm(Problem::from(error), BACK).map_err(|problem| FormRefusal::of(&problem, page_context, BACK))
}

async fn render_list(app: &App, person: &Person, page_context: PageContext, error: Option<CommandError>) -> PageResult {
    if let Err(problem) = everywhere(person) {
        return Err(Failure::new(page_context, problem));
    }
    let error = match error.map(|error| elsewhere(error, &page_context)) {
        Some(Ok(elsewhere)) => return Ok(elsewhere),
        Some(Err(refusal)) => Some(refusal),
        None => None,
    };
    let (limits, today, with) = (limits_of(app, page_context.now), day_of(app, page_context.now), app.clone());
    let scope = scope_of(app, person, REVIEWS).await;
    let found = app.read(&scope, move |reader| {
        Ok((reader.account_reviews(None, REVIEWS_MAX)?, review_due(&with, reader, limits)?))
    });
    match found.await {
        Ok((reviews, due)) => {
            let late = due.is_some_and(|due| due < today);
            let again = error.is_some();
            Ok(show_again(&ReviewsPage { page_context, reviews, due, late, error }, again))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn list(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render_list(&app, &person, page_context, None).await
}

async fn opened(app: &App, person: &Person) -> Result<u64, CommandError> {
    match app.carry_out(person, Command::OpenAccountReview { actor: person.name.clone() }).await? {
        Answer::AccountReview(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

pub(crate) async fn open(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match opened(&app, &person).await {
        Ok(number) => Ok(Redirect::to(&format!("{BACK}/{number}")).into_response()),
        Err(error) => render_list(&app, &person, page_context, Some(error)).await,
    }
}

/// Which part of a review is shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ReviewAddress {
    /// Which page of its accounts, from 1.
    page: String,
}

impl ReviewAddress {
    fn page(&self) -> usize {
        self.page.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000)
    }
}

#[derive(Template)]
#[template(path = "account-review.html")]
struct ReviewPage {
    page_context: PageContext,
    review: AccountReview,
    /// Lines of this page.
    lines: Vec<ReviewLine>,
    page: usize,
    /// What was typed and refused, by line.
    typed: BTreeMap<u32, (AccountVerdict, String)>,
    /// Who asks is a leader, in a session of their own.
    may_sign: bool,
    error: Option<FormRefusal>,
}

impl ReviewPage {
    /// Lines of this page, from 1.
    fn shown(&self) -> Vec<(u32, &ReviewLine)> {
        (first_line(self.page)..).zip(&self.lines).collect()
    }

    const fn has_previous(&self) -> bool {
        self.page > 1
    }

    const fn previous(&self) -> usize {
        self.page - 1
    }

    const fn next(&self) -> usize {
        self.page + 1
    }

    fn has_next(&self) -> bool {
        ((self.page * ROWS) as u64) < self.review.count
    }

    fn is_open(&self) -> bool {
        self.review.signature.is_none()
    }

    fn may_write(&self) -> bool {
        self.is_open() && self.page_context.may_report()
    }

    fn count(&self, verdict: &AccountVerdict) -> u64 {
        self.review.tally.of(*verdict)
    }

    const fn without_reason(&self) -> u64 {
        self.review.tally.without_reason
    }

    fn verdict(&self, number: &u32, line: &ReviewLine) -> AccountVerdict {
        self.typed.get(number).map_or(line.verdict, |(verdict, _)| *verdict)
    }

    fn reason<'a>(&'a self, number: &u32, line: &'a ReviewLine) -> &'a str {
        self.typed.get(number).map_or(line.reason.as_str(), |(_, reason)| reason)
    }

    /// Something else was typed and refused than stands there now.
    fn is_other(&self, number: &u32, line: &ReviewLine) -> bool {
        self.typed.get(number).is_some_and(|(verdict, reason)| (*verdict, reason) != (line.verdict, &line.reason))
    }

    fn system(&self, line: &ReviewLine) -> String {
        system_of(&self.page_context, &line.account)
    }

    fn role(&self, line: &ReviewLine) -> String {
        role_of(&self.page_context, &line.account)
    }

    fn sign_in(&self, line: &ReviewLine) -> String {
        sign_in_of(&self.page_context, &line.account)
    }

    fn password(&self, line: &ReviewLine) -> String {
        password_of(&self.page_context, &line.account)
    }

    fn findings(&self, line: &ReviewLine) -> String {
        findings_of(&self.page_context, &line.findings)
    }
}

/// The first line of a page, from 1.
fn first_line(page: usize) -> u32 {
    u32::try_from((page - 1) * ROWS + 1).unwrap_or(u32::MAX)
}

/// A review with the lines behind one, at most so many.
async fn read(
    app: &App,
    person: &Person,
    number: u64,
    (after, most): (u32, usize),
) -> Result<(AccountReview, Vec<ReviewLine>), Problem> {
    everywhere(person)?;
    let scope = scope_of(app, person, REVIEWS).await;
    let found = app.read(&scope, move |reader| {
        let Some(review) = reader.account_review(number)? else { return Ok(None) };
        Ok(Some((review, reader.account_review_lines(number, after, most)?)))
    });
    found.await?.ok_or_else(|| RefusalReason::no_review(number).not_found().into())
}

async fn render(
    app: &App,
    person: &Person,
    page_context: PageContext,
    (number, page): (u64, usize),
    typed: BTreeMap<u32, (AccountVerdict, String)>,
    error: Option<CommandError>,
) -> PageResult {
    let error = match error.map(|error| elsewhere(error, &page_context)) {
        Some(Ok(elsewhere)) => return Ok(elsewhere),
        Some(Err(refusal)) => Some(refusal),
        None => None,
    };
    match read(app, person, number, (first_line(page) - 1, ROWS)).await {
        Ok((review, lines)) => {
            let may_sign = person.role == Role::Leader && !person.is_token() && !person.session.is_empty();
            let again = error.is_some();
            Ok(show_again(&ReviewPage { page_context, review, lines, page, typed, may_sign, error }, again))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(address): Query<ReviewAddress>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, &person, page_context, (number, address.page()), BTreeMap::new(), None).await
}

/// What is said of lines, by number.
type SaidByLine = BTreeMap<u32, (AccountVerdict, String)>;

/// What a form says of the lines of a page.
#[derive(Debug, Default)]
struct ReviewForm {
    wish: String,
    seen: String,
    /// As it was typed, and as it stood when the form was shown.
    is: BTreeMap<u32, (String, String)>,
    was: BTreeMap<u32, (String, String)>,
}

impl ReviewForm {
    fn of(pairs: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, text) in pairs {
            let (was, field) = name.strip_prefix("was-").map_or((false, name.as_str()), |field| (true, field));
            match (field, field.split_once('-').and_then(|(what, line)| Some((what, line.parse::<u32>().ok()?)))) {
                ("do", _) => form.wish = text,
                ("seen", _) => form.seen = text,
                (_, Some((what, line))) => {
                    let side = if was { &mut form.was } else { &mut form.is };
                    let said = side.entry(line).or_default();
                    match what {
                        "verdict" => said.0 = text,
                        "reason" => said.1 = text.trim().to_owned(),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        form
    }

    /// What was shown.
    fn shown(&self) -> SaidByLine {
        let read = |(line, (verdict, reason)): (&u32, &(String, String))| {
            Some((*line, (AccountVerdict::parse(verdict)?, reason.clone())))
        };
        self.was.iter().filter_map(read).collect()
    }

    /// What was typed over what was shown: what somebody else wrote meanwhile stays, where nothing else was typed over it.
    fn typed(&self) -> Result<BTreeMap<u32, (AccountVerdict, String)>, CommandError> {
        let changed = self.is.iter().filter(|(line, said)| self.was.get(*line) != Some(*said));
        let read = |(line, (verdict, reason)): (&u32, &(String, String))| match AccountVerdict::parse(verdict) {
            Some(verdict) => Ok((*line, (verdict, reason.clone()))),
            None => {
                let names = AccountVerdict::ALL.map(AccountVerdict::as_str).join(", ");
                let english = format!("verdict: found {verdict:?}; allowed are {names}");
                Err(RefusalReason::new("register-refused-verdict", [("found", Word::text(verdict))], english).invalid())
            }
        };
        changed.map(read).collect()
    }
}

/// Writes into a review what was typed, or signs it, by the page.
pub(crate) async fn act(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(address): Query<ReviewAddress>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let form = ReviewForm::of(pairs);
    let typed = form.typed();
    let done = match (&typed, form.wish.as_str()) {
        (Err(error), _) => Err(error.clone()),
        (Ok(typed), "sign") if !typed.is_empty() => Err(RefusalReason::new(
            "register-refused-unsaved",
            [],
            "what was typed is not saved yet, and would not be signed; mend: save it, then sign",
        )
        .conflict()),
        (Ok(_), "sign") => sign(&app, &person, number, Seen::Written(&form.seen)).await.map(Some),
        (Ok(typed), _) => write(&app, &person, number, (typed.clone(), form.shown())).await.map(|()| None),
    };
    match done {
        Ok(Some(issued)) => Ok(Redirect::to(&format!("/reports/issued/{issued}")).into_response()),
        Ok(None) => Ok(Redirect::to(&format!("{BACK}/{number}?page={}", address.page())).into_response()),
        Err(error) => {
            let typed = typed.unwrap_or_default();
            render(&app, &person, page_context, (number, address.page()), typed, Some(error)).await
        }
    }
}

async fn write(
    app: &App,
    person: &Person,
    review: u64,
    (lines, was): (SaidByLine, SaidByLine),
) -> Result<(), CommandError> {
    let lines = lines.into_iter().map(|(line, (verdict, reason))| (line, verdict, reason)).collect();
    let command = Command::WriteAccountReview { review, lines, was, actor: person.name.clone() };
    app.carry_out(person, command).await.map(drop)
}

/// The document of a review: signed by somebody now, as it was signed, or a draft.
async fn document(
    app: &App,
    person: &Person,
    number: u64,
    signed_by: Option<&str>,
) -> Result<(Document, String, u64), Problem> {
    let (review, lines) = read(app, person, number, ALL_LINES).await?;
    let now = clock::now();
    let (limits, zone) = (limits_of(app, now), app.config().timezone.clone());
    let names: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| Some(line.said.as_ref()?.0.clone()))
        .chain([review.opened_by.clone(), person.name.clone()])
        .chain(review.signature.iter().map(|signature| signature.by.clone()))
        .collect();
    let read = app.read(&person.scope, move |reader| {
        let accounts = reader.accounts()?.into_iter().filter(|account| names.contains(&account.name));
        let names: BTreeMap<String, String> = accounts.map(|account| (account.name, account.full_name)).collect();
        Ok((names, reader.document_settings()?))
    });
    let (names, settings) = read.await?;
    let digest = review_digest(&lines);
    let kept = review.signature.as_ref().map(|one| (one.by.as_str(), one.at, one.sha256.as_str()));
    let signing = kept.or_else(|| signed_by.map(|by| (by, now, digest.as_str())));
    let next = |at: Timestamp| {
        let months = i64::from(limits.review_months?);
        day_of(app, at).checked_add(months.months()).ok()
    };
    let next_due = signing.and_then(|(_, at, _)| next(at));
    let office = draft::office(&settings, 0);
    let made = record::account_review((&review, &lines), signing, &names, (&limits, next_due), office, &zone);
    Ok((made, digest, review.tally.written))
}

/// What a leader has seen of a review.
#[derive(Debug, Clone, Copy)]
enum Seen<'a> {
    /// All of its lines, by their digest.
    Digest(&'a str),
    /// Its pages, as they stood when it had been written into so often.
    Written(&'a str),
}

/// A leader signs what they have seen: the document is made of it, and issued.
async fn sign(app: &App, person: &Person, review: u64, seen: Seen<'_>) -> Result<u64, CommandError> {
    let made = document(app, person, review, Some(&person.name)).await.map_err(Problem::refused)?;
    let (document, digest, written) = made;
    let is_seen = match seen {
        Seen::Digest(seen) => digest == seen,
        Seen::Written(seen) => written.to_string() == seen,
    };
    if !is_seen {
        return Err(RefusalReason::review_since().conflict());
    }
    let content = file::bytes(&document).map_err(Problem::refused)?;
    let source = IssuedSource { document, articles: Vec::new(), gathered_at: clock::now() };
    let source = serde_json::to_string(&source).map_err(|error| CommandError::Unavailable(error.to_string()))?;
    // Whoever decides looks at it once more.
    let (seen, actor) = (digest, person.actor());
    match app.carry_out(person, Command::SignAccountReview { review, seen, content, source, actor }).await? {
        Answer::Report(number) => Ok(number),
        _ => Err(CommandError::unexpected_answer()),
    }
}

pub(crate) async fn print(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
    Query(part): Query<PartQuery>,
) -> PageResult {
    let made = document(&app, &person, number, None).await.map(|(document, ..)| document);
    file::printed(made, &part, why_not(&app, &person, &headers))
}

pub(crate) async fn docx(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(number): Path<u64>,
) -> PageResult {
    let made = document(&app, &person, number, None).await;
    let made = made.map(|(document, ..)| (format!("bien-ban-ra-soat-tai-khoan-{number}"), document));
    file::downloaded(made, why_not(&app, &person, &headers))
}

/// Which part of a list is asked for.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct ReviewsQuery {
    /// Only those before this number: the list goes on so behind its last.
    before: Option<u64>,
}

pub(crate) async fn api_list(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ReviewsQuery>,
) -> ApiResult<Vec<ReviewItem>> {
    everywhere(&person)?;
    let scope = scope_of(&app, &person, REVIEWS).await;
    let found = app.read(&scope, move |reader| reader.account_reviews(query.before, REVIEWS_MAX)).await?;
    Ok(Json(all(found)))
}

/// A review that was opened.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct OpenedReview {
    number: u64,
}

pub(crate) async fn api_open(
    State(app): State<App>,
    person: Person,
) -> Result<(StatusCode, Json<OpenedReview>), Problem> {
    let number = opened(&app, &person).await?;
    Ok((StatusCode::CREATED, Json(OpenedReview { number })))
}

/// A review with its accounts.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct ReviewAnswer {
    #[serde(flatten)]
    review: ReviewItem,
    lines: Vec<LineItem>,
    /// SHA-256 over the lines as they stand, hex: it is given when the review is signed.
    digest: String,
}

pub(crate) async fn api(State(app): State<App>, person: Person, Path(number): Path<u64>) -> ApiResult<ReviewAnswer> {
    let (review, lines) = read(&app, &person, number, ALL_LINES).await?;
    let digest = review_digest(&lines);
    let lines = (1_u32..).zip(lines).map(LineItem::from).collect();
    Ok(Json(ReviewAnswer { review: review.into(), lines, digest }))
}

/// What becomes of an account.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SaidLine {
    /// Its place, from 1.
    line: u32,
    verdict: VerdictName,
    /// Why: up to 500 characters; must be given where it is not kept.
    #[serde(default)]
    reason: String,
}

/// What becomes of accounts.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinesBody {
    /// All of these, or none.
    lines: Vec<SaidLine>,
}

pub(crate) async fn api_write(
    State(app): State<App>,
    person: Person,
    Path(review): Path<u64>,
    Json(body): Json<LinesBody>,
) -> Result<StatusCode, Problem> {
    let lines = body.lines.into_iter().map(|said| (said.line, said.verdict.into(), said.reason)).collect();
    let was = BTreeMap::new();
    app.carry_out(&person, Command::WriteAccountReview { review, lines, was, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a leader signs.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignBody {
    /// The digest of the lines as they were seen.
    digest: String,
}

/// The document of a review that was signed.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct SignedReview {
    /// Its number among all reports that were issued.
    issued: u64,
}

pub(crate) async fn api_sign(
    State(app): State<App>,
    person: Person,
    Path(review): Path<u64>,
    Json(body): Json<SignBody>,
) -> Result<(StatusCode, Json<SignedReview>), Problem> {
    let issued = sign(&app, &person, review, Seen::Digest(&body.digest)).await?;
    Ok((StatusCode::CREATED, Json(SignedReview { issued })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_typed_over_what_was_shown_is_written() {
        let pairs =
            |all: &[(&str, &str)]| all.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let form = ReviewForm::of(pairs(&[
            ("do", "save"),
            ("seen", "ab"),
            ("verdict-1", "keep"),
            ("reason-1", ""),
            ("was-verdict-1", "keep"),
            ("was-reason-1", ""),
            ("verdict-2", "lock"),
            ("reason-2", " nghỉ việc "),
            ("was-verdict-2", "lock"),
            ("was-reason-2", ""),
            ("verdict-x", "lock"),
        ]));
        assert_eq!((form.wish.as_str(), form.seen.as_str()), ("save", "ab"));
        let typed = form.typed().expect("reads");
        assert_eq!(typed, [(2, (AccountVerdict::Lock, "nghỉ việc".to_owned()))].into());
        let odd = ReviewForm::of(pairs(&[("verdict-1", "burn"), ("reason-1", "")]));
        assert!(odd.typed().expect_err("no verdict").to_string().contains("keep, lock, remove, change"));
    }
}
