//! Changing accounts: the one door for it, and showing again who one is before going through.
//!
//! The engine says who gets through. A token never does: whoever finds one must not be able to make an account, or to lock one out. A
//! session that was left open must not either, nor one that was opened by a password alone: whoever changes accounts, or makes a key of
//! their own, has shown their password and a code of their second factor within the last quarter of an hour.

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;

use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{PageResult, page_context, problem_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::server::Peer;
use crate::sign_in::password::{self, check_password, origin_of};
use ioc_engine::account::intent::Intent;
use ioc_engine::account::password_hashing::HashRequester;
use ioc_engine::command::{Answer, Command, CommandError, MissingProof};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::scope::AccessScope;

/// Has done what a person means to do with an account.
pub(crate) async fn change_account(app: &App, person: &Person, intent: Intent) -> Result<Answer, Problem> {
    if person.is_token() {
        return Err(RefusalReason::token_changes().forbidden().into());
    }
    Ok(app.engine.account_command(Command::Account(Box::new(intent))).await?)
}

/// Who one is, shown again.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConfirmForm {
    password: String,
    /// A code of the second factor, where there is one.
    #[serde(default)]
    code: String,
    /// Where the page leads to.
    #[serde(default)]
    #[schemars(skip)]
    next: String,
}

async fn confirm(
    app: &App,
    person: &Person,
    peer: Peer,
    headers: &HeaderMap,
    form: ConfirmForm,
) -> Result<(), Problem> {
    if person.is_token() {
        let reason = RefusalReason::new("refusal-token-shows", [], "a token cannot show who you are; sign in");
        return Err(reason.forbidden().into());
    }
    if person.federated {
        let at = "/login/oidc?again=/account";
        let english = format!("the identity provider says who you are; sign in there again: {at}");
        return Err(RefusalReason::new("refusal-provider-again", [("at", Word::text(at))], english).conflict().into());
    }
    if person.session.is_empty() {
        return Ok(());
    }
    app.limits.take_account(&person.name)?;
    let ConfirmForm { password, code, .. } = form;
    let (name, actor) = (person.name.clone(), person.actor());
    let from = origin_of(app, &peer, headers, &name);
    let hash = check_password(app, &name, password, &code, &from, HashRequester::Known(name.clone())).await?;
    match app.engine.account_command(Command::Account(Box::new(Intent::Confirm { actor, hash, code, from }))).await {
        Ok(Answer::NeedsCode) => Err(Problem::needs_code()),
        Ok(Answer::Done) => Ok(()),
        Ok(_) => Err(CommandError::unexpected_answer().into()),
        Err(error) => Err(password::sign_in_refusal(error)),
    }
}

pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(form): Json<ConfirmForm>,
) -> Result<StatusCode, Problem> {
    confirm(&app, &person, peer, &headers, form).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    page_context: PageContext,
    next: &'static str,
    needs_code: bool,
    federated: bool,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct NextQuery {
    next: String,
}

/// A page of ours, and nowhere else.
pub(crate) fn allowed_next(text: &str) -> &'static str {
    ["/accounts", "/account", "/register/accounts/reviews"]
        .into_iter()
        .find(|allowed| *allowed == text)
        .unwrap_or("/account")
}

async fn show(app: &App, person: &Person, page_context: PageContext, next: &str, error: Option<String>) -> PageResult {
    let name = person.name.clone();
    let known = app.read(&AccessScope::EVERYWHERE, move |reader| reader.account(&name)).await;
    let needs_code = known.ok().flatten().is_some_and(|account| account.asks_for_code());
    let refused = error.is_some();
    let page = ConfirmPage { page_context, next: allowed_next(next), needs_code, federated: person.federated, error };
    Ok(show_again(&page, refused))
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<NextQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    show(&app, &person, page_context, &query.next, None).await
}

pub(crate) async fn submit(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<ConfirmForm>,
) -> PageResult {
    let next = allowed_next(&form.next);
    match confirm(&app, &person, peer, &headers, form).await {
        Ok(()) => Ok(Redirect::to(next).into_response()),
        Err(problem) => {
            let page_context = page_context(&app, &person, &headers);
            let text = match problem.status() {
                StatusCode::UNAUTHORIZED => page_context.t("confirm-wrong"),
                StatusCode::TOO_MANY_REQUESTS => page_context.t("login-locked"),
                _ => problem_text(&page_context, &problem),
            };
            show(&app, &person, page_context, next, Some(text)).await
        }
    }
}

/// Where a page sends someone who has to show again who they are; otherwise the problem as it is.
pub(crate) fn redirect_to_confirm(problem: Problem, next: &str) -> Result<Response, Problem> {
    if problem.missing_proof() == Some(MissingProof::Stale) {
        return Ok(Redirect::to(&format!("/account/confirm?next={next}")).into_response());
    }
    Err(problem)
}

/// Why a change was refused, as a page says it.
pub(crate) struct FormRefusal {
    pub(crate) text: String,
    /// Where that can be mended, and what the link there is called.
    pub(crate) remedy: Option<(String, String)>,
}

impl FormRefusal {
    pub(crate) const fn new(text: String) -> Self {
        Self { text, remedy: None }
    }

    /// What has to be shown is said in the reader's language, with the way to it; `next` is the page that they are on.
    pub(crate) fn of(problem: &Problem, page_context: &PageContext, next: &str) -> Self {
        let t = |key: &str| page_context.t(key);
        match problem.missing_proof() {
            Some(MissingProof::NoSecondFactor) => {
                let remedy = ("/account#second-factor".to_owned(), t("second-factor-start-link"));
                Self { text: t("second-factor-needed"), remedy: Some(remedy) }
            }
            Some(MissingProof::SilentProvider) => {
                let remedy = (format!("/login/oidc?again={}", allowed_next(next)), t("confirm-federated"));
                Self { text: t("second-factor-provider"), remedy: Some(remedy) }
            }
            Some(MissingProof::Stale) | None => Self::new(problem_text(page_context, problem)),
        }
    }
}
