//! What all pages share: how one is shown, refused or not found.

pub(crate) mod context;
pub(crate) mod multipart;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use fluent_bundle::FluentArgs;

use ioc_judge::Refusal;

use crate::app::App;
use crate::language::language_of;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::CommandError;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::template::percent_encoded;

/// Rows on one page.
pub(crate) const ROWS: usize = 100;

/// A page, or why there is none.
pub(crate) type PageResult = Result<Response, Failure>;

/// An error that is shown as a page.
pub(crate) struct Failure(PageContext, Problem);

impl Failure {
    pub(crate) const fn new(page_context: PageContext, problem: Problem) -> Self {
        Self(page_context, problem)
    }

    pub(crate) fn not_found(page_context: PageContext) -> Self {
        let detail = page_context.t("not-found");
        Self(page_context, Problem::not_found(detail))
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
        let Self(page_context, problem) = self;
        let status = problem.status();
        let detail = problem.reason().map(|reason| reason_text(&page_context, reason));
        let detail = detail.unwrap_or_else(|| problem.detail().to_owned());
        let page = ErrorPage { page_context, status: status.as_u16(), detail };
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
            format!("{} {} ({why})", page_context.t("refused-field"), page_context.word("form", field))
        }
        CommandError::Warned(warnings) => {
            let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.get(page_context.language)).collect();
            texts.join(" ")
        }
        CommandError::Explained(_, reason) => reason_text(page_context, reason),
        CommandError::Unavailable(why) => page_context.t_with("refused-unavailable", "why", why.clone()),
        other => other.to_string(),
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
    let mut args = FluentArgs::new();
    for (name, word) in &reason.args {
        match word {
            Word::Text(text) => args.set(*name, text.clone()),
            Word::Count(number) => args.set(*name, *number),
            Word::ReportTexts(keys) => {
                let names: Vec<String> = keys.iter().map(|key| report_text_name(page_context, key)).collect();
                args.set(*name, names.join("; "));
            }
            Word::Named { family, names } => {
                let names: Vec<String> = names.iter().map(|name| page_context.name(family, name)).collect();
                args.set(*name, names.join(", "));
            }
        }
    }
    let text = page_context.texts().with(page_context.language, reason.key, &args);
    if reason.place.is_empty() { text } else { format!("{}: {text}", reason.place) }
}

/// Where the page of a product of the software register is: its key may hold what cannot stand in a path.
pub(crate) fn product_address(key: &str) -> String {
    format!("/register/software/product?key={}", percent_encoded(key))
}
