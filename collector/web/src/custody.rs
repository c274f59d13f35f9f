//! The state of the store: what was lost, what a look at it found, and a person's word that they know.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use super::App;
use super::api_types::{Text, all};
use super::auth::Person;
use super::incidents::refused;
use super::pages::{Failure, page_context};
use super::problem::Problem;
use ioc_common::clock::Timestamp;
use ioc_engine::command::Command;

/// How the store stands.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct StoreStatus {
    /// Why it cannot be written now; null while it can.
    trouble: Option<String>,
    /// What was acknowledged once and is lost, until a person confirms it.
    lost: Vec<Text>,
    /// When it was looked over last; null before the first look after a start.
    examined_at: Option<Timestamp>,
    /// What is wrong with it, a line each.
    findings: Vec<String>,
}

pub(super) async fn status(State(app): State<App>, _: Person) -> Json<StoreStatus> {
    let examined = app.health.examined();
    Json(StoreStatus {
        trouble: app.health.trouble(),
        lost: all(app.health.missing()),
        examined_at: examined.as_ref().map(|examined| examined.at),
        findings: examined.map(|examined| examined.findings).unwrap_or_default(),
    })
}

/// A person knows what is lost.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Confirmation {
    /// What was done about it, or why nothing is to be done: 1 to 500 characters in one line.
    reason: String,
}

/// Confirms what was lost: the collector calls itself ready again.
pub(super) async fn confirm(
    State(app): State<App>,
    person: Person,
    Json(body): Json<Confirmation>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::ConfirmLoss { reason: body.reason, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same from the page *Administration*.
pub(super) async fn confirm_form(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(body): Form<Confirmation>,
) -> Response {
    let command = Command::ConfirmLoss { reason: body.reason, actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Redirect::to("/admin").into_response(),
        Err(error) => {
            let page_context = page_context(&app, &person, &headers);
            let why = refused(&page_context, &error);
            (StatusCode::CONFLICT, Failure::new(page_context, Problem::forbidden(why))).into_response()
        }
    }
}
