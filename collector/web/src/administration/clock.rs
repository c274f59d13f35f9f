//! The machine's clock: what is wrong with it, and a person's word that it is right; as a form and in the API.

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};

use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::Command;

/// The machine's clock.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ClockAnswer {
    /// The time by which the collector goes.
    now: Timestamp,
    /// What the machine's clock shows.
    wall: Timestamp,
    /// By how much it was stepped, seconds with sign, while that is not followed.
    step_s: Option<i64>,
    /// By how much it was ahead at the start, seconds, while nobody confirmed it.
    doubt_s: Option<i64>,
    /// Nothing is deleted by its age meanwhile.
    deletion_suspended: bool,
}

pub(crate) async fn api(State(app): State<App>, _: Person) -> Json<ClockAnswer> {
    let state = app.health.clock();
    let seconds = |ms: Option<i64>| ms.map(|ms| ms / 1000);
    Json(ClockAnswer {
        now: clock::now(),
        wall: clock::wall(),
        step_s: seconds(state.step_ms),
        doubt_s: seconds(state.doubt_ms),
        deletion_suspended: state.unconfirmed_ms().is_some(),
    })
}

/// Which step is confirmed.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConfirmForm {
    /// The step as it was shown, seconds with sign: another one is not confirmed. Whatever it is where this is left out.
    step_s: Option<i64>,
}

pub(crate) async fn api_confirm(
    State(app): State<App>,
    person: Person,
    Json(form): Json<ConfirmForm>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::ConfirmClock { step_s: form.step_s, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn confirm(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<ConfirmForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let command = Command::ConfirmClock { step_s: form.step_s, actor: person.name.clone() };
    match app.carry_out(&person, command).await {
        Ok(_) => Ok(Redirect::to("/admin").into_response()),
        Err(error) => Err(Failure::new(page_context, error.into())),
    }
}

impl PageContext {
    /// What an administrator confirms: the step, seconds.
    pub(crate) fn clock_step_s(&self) -> Option<i64> {
        self.health().clock().unconfirmed_ms().map(|by_ms| by_ms / 1000)
    }

    /// What the machine's clock shows.
    pub(crate) fn clock_wall(&self) -> String {
        self.local(&clock::wall())
    }
}
