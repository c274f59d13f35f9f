//! One's own account: password, second factor, sessions, API tokens; as a page and in the API.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use crate::account::accounts::{LINE_MAX_CHARS, find_account, on_hashing_thread};
use crate::api::ApiResult;
use crate::api_types::access::{self, SecondFactorAction};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::qr::{Code, code_of};
use crate::server::Peer;
use crate::sign_in::confirm::{FormRefusal, change_account, redirect_to_confirm};
use crate::sign_in::password::origin_of;
use ioc_engine::account::intent::Intent;
use ioc_engine::account::{self, CredentialError, password_hashing};
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::command::{Answer, CommandError};
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::template::one_line;
use ioc_store::totp::SecondFactor;
use ioc_store::{AccountRecord, Role, SessionRecord};

/// How long a token of the API may live, days.
const TOKEN_DAYS_MAX: i64 = 366;

/// A password that its owner chose. All their other sessions end.
async fn change_password(
    app: &App,
    person: &Person,
    form: PasswordForm,
) -> Result<Result<(), CredentialError>, Problem> {
    app.limits.take_account(&person.name)?;
    let before = find_account(app, &person.name).await?;
    let present = before.password.clone();
    let PasswordForm { present: shown, new } = form;
    let changed = on_hashing_thread(app, person, move || {
        account::check_change(&before, &shown, &new).map(|()| password_hashing::hash(&new))
    })
    .await?;
    let hash = match changed {
        Ok(hash) => hash.map_err(|error| Problem::internal(error.to_string()))?,
        Err(why) => return Ok(Err(why)),
    };
    change_account(app, person, Intent::ChoosePassword { actor: person.actor(), present, hash }).await?;
    Ok(Ok(()))
}

/// A token of the API; what it gives back is shown once.
async fn make_token(app: &App, person: &Person, peer: &Peer, form: &TokenForm) -> Result<String, Problem> {
    let label = one_line(&form.label, LINE_MAX_CHARS);
    if label.is_empty() {
        let english = "label: found none; say what the token is for";
        return Err(RefusalReason::new("refusal-token-label", [], english).invalid().into());
    }
    let role = form.role.into();
    if !(1..=TOKEN_DAYS_MAX).contains(&form.days) {
        return Err(Field::Days.range(form.days, 1, TOKEN_DAYS_MAX.unsigned_abs()).invalid().into());
    }
    // It is for someone: the command line has no account that a token could belong to.
    let (actor, life_ms, peer) = (person.actor(), form.days * 86_400_000, peer.to_string());
    match change_account(app, person, Intent::NewToken { actor, label, role, life_ms, peer }).await? {
        Answer::Secret(token) => Ok(token),
        _ => Err(Problem::internal("no token was made")),
    }
}

#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordForm {
    present: String,
    new: String,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenForm {
    label: String,
    role: access::Role,
    days: i64,
}

#[derive(Template)]
#[template(path = "my-account.html")]
struct MyAccountPage {
    page_context: PageContext,
    account: AccountRecord,
    sessions: Vec<SessionRecord>,
    /// The person must set a second factor up before anything else.
    lacks_second_factor: bool,
    roles: Vec<&'static str>,
    /// Tokens need a second factor, which there is not.
    without_second_factor: bool,
    /// The session that this page is shown in.
    current_session: String,
    error: Option<FormRefusal>,
    /// What was done.
    done: Option<&'static str>,
    /// A token that was made: shown once.
    token: Option<String>,
    /// Codes to recover with: shown once.
    recovery: Vec<String>,
    /// What an authenticator app reads, while a second factor is set up.
    code: Option<Code>,
}

impl MyAccountPage {
    fn is_due(&self) -> bool {
        self.account.is_due(self.page_context.now)
    }

    fn days_left(&self) -> i64 {
        self.account.days_left(self.page_context.now)
    }

    /// The second factor that is set up, in letters.
    fn secret(&self) -> String {
        self.account.second_factor.as_ref().map(SecondFactor::shown).unwrap_or_default()
    }

    /// Codes to recover with that are left.
    fn recovery_left(&self) -> u64 {
        self.account.second_factor.as_ref().map_or(0, |second| second.left() as u64)
    }

    fn is_valid(&self, until: &Timestamp) -> bool {
        *until > self.page_context.now
    }
}

/// What a person's own page says beside what it always shows.
#[derive(Default)]
struct Feedback {
    error: Option<FormRefusal>,
    done: Option<&'static str>,
    token: Option<String>,
    recovery: Vec<String>,
}

/// The page again, with why nothing was done.
fn refused(problem: &Problem, page_context: &PageContext) -> Feedback {
    Feedback { error: Some(FormRefusal::of(problem, page_context, "/account")), ..Feedback::default() }
}

async fn show_account(app: &App, person: &Person, mut page_context: PageContext, feedback: Feedback) -> PageResult {
    let name = person.name.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(account) = reader.account(&name)? else { return Ok(None) };
            Ok(Some((account, reader.sessions(&name)?)))
        })
        .await;
    match found {
        Ok(Some((account, sessions))) => {
            let Feedback { error, done, token, recovery } = feedback;
            let code = account.second_factor.as_ref().filter(|second| !second.confirmed);
            let code = code.and_then(|second| code_of(&second.uri(&page_context.site, &account.name)));
            let refused = error.is_some();
            // It may have been set up by this very request; and what was refused for want of one says so itself.
            let says_so = error.as_ref().is_some_and(|refusal| refusal.remedy.is_some());
            page_context.second_factor_advised &= !account.asks_for_code() && !says_so;
            // A token gets what its owner has, or less.
            let roles = Role::ALL.into_iter().filter(|role| role.is_within(account.role));
            let roles = roles.map(Role::as_str).collect();
            let current_session = person.session.clone();
            let without_second_factor = !person.federated && !account.asks_for_code();
            let lacks_second_factor = account.lacks_second(&app.config().second_for);
            let page = MyAccountPage {
                page_context,
                account,
                sessions,
                lacks_second_factor,
                roles,
                without_second_factor,
                current_session,
                error,
                done,
                token,
                recovery,
                code,
            };
            Ok(show_again(&page, refused))
        }
        Ok(None) => Err(Failure::not_found(page_context)),
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    show_account(&app, &person, page_context, Feedback::default()).await
}

fn refusal_of(page_context: &PageContext, why: CredentialError) -> String {
    page_context.t(match why {
        CredentialError::Name => "password-name",
        CredentialError::Length => "password-length",
        CredentialError::Named => "password-named",
        CredentialError::Again => "password-again",
        CredentialError::Wrong => "password-wrong",
    })
}

pub(crate) async fn password(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let feedback = match change_password(&app, &person, form).await {
        Ok(Ok(())) => Feedback { done: Some("password-changed"), ..Feedback::default() },
        Ok(Err(refusal)) => {
            Feedback { error: Some(FormRefusal::new(refusal_of(&page_context, refusal))), ..Feedback::default() }
        }
        Err(problem) => match redirect_to_confirm(problem, "/account") {
            Ok(elsewhere) => return Ok(elsewhere),
            Err(problem) => refused(&problem, &page_context),
        },
    };
    show_account(&app, &person, page_context, feedback).await
}

pub(crate) async fn token(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<TokenForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let feedback = match make_token(&app, &person, &peer, &form).await {
        Ok(token) => Feedback { token: Some(token), ..Feedback::default() },
        Err(problem) => match redirect_to_confirm(problem, "/account") {
            Ok(elsewhere) => return Ok(elsewhere),
            Err(problem) => refused(&problem, &page_context),
        },
    };
    show_account(&app, &person, page_context, feedback).await
}

/// What is to be done with one's own second factor.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecondFactorForm {
    action: SecondFactorAction,
    #[serde(default)]
    code: String,
}

/// What came of it.
enum SecondFactorOutcome {
    /// It is set up: its owner has to show that they have it.
    Started(SecondFactor),
    /// These codes to recover with are shown once.
    Codes(Vec<String>),
    /// It is gone.
    Off,
}

/// What the engine's answer says of it. That it is gone is said only where the engine said that it is done.
fn second_factor_outcome(answer: Answer) -> Result<SecondFactorOutcome, Problem> {
    match answer {
        Answer::Second(second) => Ok(SecondFactorOutcome::Started(second)),
        Answer::Codes(codes) => Ok(SecondFactorOutcome::Codes(codes)),
        Answer::Done => Ok(SecondFactorOutcome::Off),
        _ => Err(CommandError::unexpected_answer().into()),
    }
}

async fn change_second_factor(
    app: &App,
    person: &Person,
    peer: &Peer,
    headers: &HeaderMap,
    form: &SecondFactorForm,
) -> Result<SecondFactorOutcome, Problem> {
    app.limits.take_account(&person.name)?;
    let (actor, code) = (person.actor(), form.code.clone());
    let from = origin_of(app, peer, headers, &person.name);
    let intent = match form.action {
        SecondFactorAction::Start => Intent::StartSecond { actor },
        SecondFactorAction::Confirm => Intent::ConfirmSecond { actor, again: false, code, from },
        SecondFactorAction::Recovery => Intent::ConfirmSecond { actor, again: true, code, from },
        SecondFactorAction::Off => Intent::EndSecond { actor, code, from },
    };
    second_factor_outcome(change_account(app, person, intent).await?)
}

pub(crate) async fn second_factor(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<SecondFactorForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let feedback = match change_second_factor(&app, &person, &peer, &headers, &form).await {
        Ok(SecondFactorOutcome::Started(_)) => Feedback::default(),
        Ok(SecondFactorOutcome::Codes(recovery)) => {
            Feedback { done: Some("second-factor-done"), recovery, ..Feedback::default() }
        }
        Ok(SecondFactorOutcome::Off) => Feedback { done: Some("second-factor-gone"), ..Feedback::default() },
        Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            let error = Some(FormRefusal::new(page_context.t("login-code-wrong")));
            Feedback { error, ..Feedback::default() }
        }
        Err(problem) => match redirect_to_confirm(problem, "/account") {
            Ok(elsewhere) => return Ok(elsewhere),
            Err(problem) => refused(&problem, &page_context),
        },
    };
    show_account(&app, &person, page_context, feedback).await
}

/// What came of a change of one's second factor; what does not belong to it is left out.
#[derive(Default, Serialize, schemars::JsonSchema)]
pub(crate) struct SecondFactorAnswer {
    /// For an authenticator app, in letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// The same as an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    /// Codes to recover with, shown once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovery: Vec<String>,
}

pub(crate) async fn api_second_factor(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Json(form): Json<SecondFactorForm>,
) -> ApiResult<SecondFactorAnswer> {
    let site = app.config().site_name.clone();
    Ok(Json(match change_second_factor(&app, &person, &peer, &headers, &form).await? {
        SecondFactorOutcome::Started(second) => SecondFactorAnswer {
            uri: Some(second.uri(&site, &person.name)),
            secret: Some(second.shown()),
            ..SecondFactorAnswer::default()
        },
        SecondFactorOutcome::Codes(recovery) => SecondFactorAnswer { recovery, ..SecondFactorAnswer::default() },
        SecondFactorOutcome::Off => SecondFactorAnswer::default(),
    }))
}

/// Ends one of one's own sessions or tokens.
pub(crate) async fn end_session(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(digest): Path<String>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let intent = Intent::EndSession { actor: person.actor(), digest, action: AuditLogAction::AccountSessionEnded };
    match change_account(&app, &person, intent).await.map_err(|problem| redirect_to_confirm(problem, "/account")) {
        Ok(_) => Ok(Redirect::to("/account").into_response()),
        Err(Ok(elsewhere)) => Ok(elsewhere),
        Err(Err(problem)) if problem.status() == StatusCode::NOT_FOUND => Err(Failure::not_found(page_context)),
        Err(Err(problem)) => {
            let feedback = refused(&problem, &page_context);
            show_account(&app, &person, page_context, feedback).await
        }
    }
}

pub(crate) async fn api_password(
    State(app): State<App>,
    person: Person,
    Json(form): Json<PasswordForm>,
) -> Result<StatusCode, Problem> {
    match change_password(&app, &person, form).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(why) => Err(Problem::invalid(why.to_string())),
    }
}

/// A token of the API that was made.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct NewApiToken {
    /// Shown once.
    token: String,
}

pub(crate) async fn api_token(
    State(app): State<App>,
    person: Person,
    Extension(peer): Extension<Peer>,
    Json(form): Json<TokenForm>,
) -> Result<(StatusCode, Json<NewApiToken>), Problem> {
    let token = make_token(&app, &person, &peer, &form).await?;
    Ok((StatusCode::CREATED, Json(NewApiToken { token })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_factor_is_gone_only_where_the_engine_says_that_it_is_done() {
        assert!(matches!(second_factor_outcome(Answer::Done), Ok(SecondFactorOutcome::Off)));
        assert!(matches!(second_factor_outcome(Answer::Codes(Vec::new())), Ok(SecondFactorOutcome::Codes(_))));
        for other in [Answer::NeedsCode, Answer::Secret("x".to_owned()), Answer::Imported(1)] {
            let refused = second_factor_outcome(other).err().map(|problem| problem.status());
            assert_eq!(refused, Some(StatusCode::SERVICE_UNAVAILABLE));
        }
    }
}
