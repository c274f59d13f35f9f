//! The state of the store: what it lost, what a look at it found, and a person's word that they know; as a form and in the API.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use crate::api_types::{Text, all};
use crate::app::App;
use crate::page::{Failure, page_context, refusal_text};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::Command;

/// How the store stands.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct StoreStatus {
    /// Why it cannot be written now; null while it can.
    write_error: Option<String>,
    /// What was acknowledged once and is lost, until a person confirms it.
    lost: Vec<Text>,
    /// When it was looked over last; null before the first look after a start.
    examined_at: Option<Timestamp>,
    /// What is wrong with it, a line each.
    findings: Vec<String>,
}

pub(crate) async fn api(State(app): State<App>, _: Person) -> Json<StoreStatus> {
    let check = app.health.integrity_check();
    Json(StoreStatus {
        write_error: app.health.store_write_error(),
        lost: all(app.health.store_losses()),
        examined_at: check.as_ref().map(|check| check.at),
        findings: check.map(|check| check.findings).unwrap_or_default(),
    })
}

/// A person knows what is lost.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    /// What was done about it, or why nothing is to be done: 1 to 500 characters in one line.
    reason: String,
}

/// Confirms what was lost: the collector calls itself ready again.
pub(crate) async fn api_confirm(
    State(app): State<App>,
    person: Person,
    Json(body): Json<Confirmation>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::ConfirmLoss { reason: body.reason, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same from the page *Administration*.
pub(crate) async fn confirm(
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
            let why = refusal_text(&page_context, &error);
            Failure::said(page_context, StatusCode::CONFLICT, why).into_response()
        }
    }
}
