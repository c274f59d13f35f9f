//! What all pages share: how one is shown, refused or not found.

pub(crate) mod context;
pub(crate) mod multipart;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use fluent_bundle::FluentArgs;

use ioc_common::language::Language;
use ioc_judge::Refusal;

use crate::app::App;
use crate::i18n::Texts;
use crate::language::language_of;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{CommandError, MissingProof};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::template::percent_encoded;

/// Rows on one page.
pub(crate) const ROWS: usize = 100;

/// A page, or why there is none.
pub(crate) type PageResult = Result<Response, Failure>;

/// An error that is shown as a page, in the reader's language.
pub(crate) struct Failure(Box<PageContext>, StatusCode, String);

impl Failure {
    #[allow(clippy::needless_pass_by_value, reason = "whoever makes a page of a problem is done with it")]
    pub(crate) fn new(page_context: PageContext, problem: Problem) -> Self {
        let text = problem_text(&page_context, &problem);
        Self(Box::new(page_context), problem.status(), text)
    }

    /// What the page has a text for already.
    pub(crate) fn said(page_context: PageContext, status: StatusCode, text: String) -> Self {
        Self(Box::new(page_context), status, text)
    }

    pub(crate) fn not_found(page_context: PageContext) -> Self {
        let text = page_context.t("not-found");
        Self(Box::new(page_context), StatusCode::NOT_FOUND, text)
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page_context: PageContext,
    status: u16,
    detail: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self(page_context, status, detail) = self;
        let page = ErrorPage { page_context: *page_context, status: status.as_u16(), detail };
        (status, Html(page.render().unwrap_or_default())).into_response()
    }
}

pub(crate) fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => Problem::internal(error.to_string()).into_response(),
    }
}

/// A page with a form: again, and with the status of a conflict, when what was sent was refused.
pub(crate) fn show_again(page: &impl Template, refused: bool) -> Response {
    let status = if refused { StatusCode::CONFLICT } else { StatusCode::OK };
    (status, show(page)).into_response()
}

pub(crate) fn page_context(app: &App, person: &Person, headers: &HeaderMap) -> PageContext {
    PageContext::new(app, person.language, &person.name, headers.contains_key("x-fragment")).for_person(person)
}

pub(crate) async fn not_found(State(app): State<App>, headers: HeaderMap) -> Response {
    let language = language_of(&headers, app.config().language);
    let page_context = PageContext::new(&app, language, "", false);
    (StatusCode::NOT_FOUND, Failure::not_found(page_context)).into_response()
}

/// Paths that programs ask, which read English.
const OF_PROGRAMS: [&str; 8] =
    ["/api/", "/enrol/", "/install/", "/static/", "/metrics", "/healthz", "/readyz", "/live"];

/// What cannot be read of a form or an address is refused below every handler, in English and without a page: it is said on a page, in the
/// reader's language.
pub(crate) async fn refusals_as_pages(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let for_people = !OF_PROGRAMS.iter().any(|start| path.starts_with(start));
    let language = language_of(request.headers(), app.config().language);
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_plain = kind.is_some_and(|kind| kind.starts_with("text/plain"));
    if !for_people || !is_plain || !matches!(response.status().as_u16(), 400 | 405 | 413 | 415 | 422) {
        return response;
    }
    let page_context = PageContext::new(&app, language, "", false);
    let problem = Problem::new(response.status(), "what was sent cannot be read");
    Failure::new(page_context, problem).into_response()
}

/// A problem in the reader's language. One that programs alone are told in English is said by its kind to whoever reads another language.
pub(crate) fn problem_text(page_context: &PageContext, problem: &Problem) -> String {
    if let Some(error) = problem.error() {
        return refusal_text(page_context, error);
    }
    by_kind(page_context.texts(), page_context.language, problem)
}

fn by_kind(texts: &Texts, language: Language, problem: &Problem) -> String {
    match (language, problem.status().as_u16()) {
        (Language::English, _) => problem.detail().to_owned(),
        (Language::Vietnamese, code @ (403 | 404 | 409 | 422 | 429 | 503)) => {
            texts.get(language, &format!("refusal-other-{code}"))
        }
        (Language::Vietnamese, _) => texts.get(language, "refusal-other-other"),
    }
}

/// A refusal in the reader's language.
pub(crate) fn refusal_text(page_context: &PageContext, error: &CommandError) -> String {
    match error {
        CommandError::Refused(Refusal::Gate { field, article, .. }) => {
            format!("{} ({} {article})", page_context.name("gate", field), page_context.t("article"))
        }
        CommandError::Refused(Refusal::State { state, .. }) => {
            format!("{} {}", page_context.t("refused-state"), page_context.name("incident-state", state.as_str()))
        }
        CommandError::Refused(Refusal::Invalid { field, why }) => {
            let why = why.get(page_context.language);
            format!("{} {} ({why})", page_context.t("refused-field"), page_context.name("form", field))
        }
        CommandError::Refused(Refusal::Unknown(id)) => {
            page_context.t_with("refusal-incident-missing", "incident", id.to_string())
        }
        CommandError::Refused(Refusal::NoDevice(id)) => {
            page_context.t_with("refusal-device-missing", "device", id.to_string())
        }
        CommandError::Refused(Refusal::NoFault(id)) => {
            page_context.t_with("refusal-fault-missing", "fault", id.to_string())
        }
        CommandError::Refused(Refusal::Missing { which, .. }) => {
            page_context.t_with("refusal-thing-missing", "which", which.clone())
        }
        CommandError::Warned(warnings) | CommandError::Refused(Refusal::Warned(warnings)) => {
            let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.get(page_context.language)).collect();
            texts.join(" ")
        }
        CommandError::MissingProof(MissingProof::Stale) => page_context.t("refusal-proof-stale"),
        CommandError::MissingProof(MissingProof::NoSecondFactor) => page_context.t("second-factor-needed"),
        CommandError::MissingProof(MissingProof::SilentProvider) => page_context.t("second-factor-provider"),
        CommandError::TooMany { wait_s } => page_context.t_with("refusal-attempts-wait", "wait", wait_s.to_string()),
        CommandError::Explained(_, reason) => reason_text(page_context, reason),
        CommandError::Unavailable(why) => {
            tracing::warn!(%why, "what was asked for on a page was not done");
            page_context.t("refused-unavailable")
        }
    }
}

/// What a text of a report is called, by its key (`ioc_report::draft`).
pub(crate) fn report_text_name(page_context: &PageContext, key: &str) -> String {
    let article = |number: &str| format!("{} {number}", page_context.t("article"));
    match key.split('/').collect::<Vec<_>>()[..] {
        ["overview"] => page_context.t("reports-overview"),
        ["outlook"] => page_context.t("reports-outlook"),
        [number, "text"] => article(number),
        [number, "gap", _, "who"] => format!("{}, {}", article(number), page_context.t("reports-who")),
        [number, "gap", _, "by"] => format!("{}, {}", article(number), page_context.t("reports-by")),
        _ => key.to_owned(),
    }
}

/// Why something is refused, in the reader's language.
pub(crate) fn reason_text(page_context: &PageContext, reason: &RefusalReason) -> String {
    let named = |family: &str, name: &str| page_context.name(family, name);
    said(
        page_context.texts(),
        page_context.language,
        reason,
        (&named, &|key: &str| report_text_name(page_context, key)),
    )
}

/// The word of a name in a family.
type NameOf<'a> = &'a dyn Fn(&str, &str) -> String;
/// What a text of a report is called.
type TextOf<'a> = &'a dyn Fn(&str) -> String;

/// The text of a reason, with the words of names and of a report's texts.
fn said(
    texts: &Texts,
    language: Language,
    reason: &RefusalReason,
    (named, report_text): (NameOf<'_>, TextOf<'_>),
) -> String {
    let words = |word: &Word| match word {
        Word::Text(text) => text.clone(),
        Word::Count(number) => number.to_string(),
        Word::ReportTexts(keys) => keys.iter().map(|key| report_text(key)).collect::<Vec<_>>().join("; "),
        Word::Named { family, names } => names.iter().map(|name| named(family, name)).collect::<Vec<_>>().join(", "),
    };
    let mut args = FluentArgs::new();
    for (name, word) in &reason.args {
        match word {
            Word::Count(number) => args.set(*name, *number),
            word => args.set(*name, words(word)),
        }
    }
    let text = texts.with(language, reason.key, &args);
    let field = reason.within.as_deref().map(words);
    let before = field.into_iter().chain(Some(reason.place.clone()).filter(|place| !place.is_empty()));
    before.fold(text, |text, before| format!("{before}: {text}"))
}

/// Where the page of a product of the software register is: its key may hold what cannot stand in a path.
pub(crate) fn product_address(key: &str) -> String {
    format!("/register/software/product?key={}", percent_encoded(key))
}

#[cfg(test)]
mod tests {
    use ioc_engine::command::CommandError;
    use ioc_engine::refusal_field::Field;

    use super::*;

    #[test]
    fn what_programs_alone_are_told_in_english_is_said_by_its_kind() {
        let texts = Texts::load();
        for status in [400, 401, 403, 404, 409, 422, 429, 500, 503] {
            let status = StatusCode::from_u16(status).expect("a status");
            let problem = Problem::new(status, "something odd: it broke");
            let vietnamese = by_kind(&texts, Language::Vietnamese, &problem);
            assert!(!vietnamese.contains("odd") && !vietnamese.contains("refusal-"), "{status}: {vietnamese}");
            assert_eq!(by_kind(&texts, Language::English, &problem), "something odd: it broke");
        }
    }

    #[test]
    fn a_refusal_says_what_it_names_in_the_readers_words_and_its_place() {
        let texts = Texts::load();
        let vietnamese = |reason: &RefusalReason| {
            let language = Language::Vietnamese;
            let named = |family: &str, name: &str| texts.get(language, &format!("{family}-{}", name.replace('_', "-")));
            said(&texts, language, reason, (&named, &str::to_owned))
        };
        assert_eq!(
            vietnamese(&Field::Kind.allowed("x", "server, switch")),
            "Loại: nhận được x; cho phép server, switch."
        );
        assert_eq!(vietnamese(&Field::Uses.number("a b")), "Số lần dùng: nhận được a b; chỉ nhận một số.");
        assert_eq!(
            vietnamese(&Field::KeepDays.range(0, 1, 9).of("srv-1")),
            "srv-1: Số ngày giữ: nhận được 0; cho phép 1 đến 9."
        );
        let wrong = ioc_engine::inventory::device::device_id("a b").expect_err("no identifier").into_reason();
        assert!(vietnamese(&wrong).starts_with("Mã thiết bị «a b» không dùng được"), "{wrong}");
        let slow = CommandError::not_yet();
        assert!(slow.is_not_yet());
        assert!(vietnamese(&slow.into_reason()).contains("có thể vẫn đang được làm"));
    }
}
