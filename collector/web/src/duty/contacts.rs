//! A code that is sent to a contact of the duty plan and given back: it is theirs and works. On the duty page, and in the API.

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{CoverForm, carry_out};
use crate::app::App;
use crate::page::{PageResult, page_context};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::Command;

/// Which contact; with its code once that has come.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CheckForm {
    /// Whose, by key of the plan.
    person: String,
    channel: String,
    address: String,
    /// The code; one is sent without.
    code: String,
}

impl CheckForm {
    fn command(self, asker: &Person) -> Command {
        let Self { person, channel, address, code } = self;
        let actor = asker.name.clone();
        if code.trim().is_empty() {
            return Command::SendContactCode { person, channel, address, actor };
        }
        Command::VerifyContact { person, channel, address, code, actor }
    }
}

pub(crate) async fn check(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<CheckForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let command = form.command(&person);
    carry_out(&app, (page_context, &person), CoverForm::default(), Ok(command)).await
}

pub(crate) async fn api_check(
    State(app): State<App>,
    person: Person,
    Json(form): Json<CheckForm>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, form.command(&person)).await?;
    Ok(StatusCode::NO_CONTENT)
}
