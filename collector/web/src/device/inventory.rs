//! What people say of a device, and whether it may report: registering, describing, revoking, releasing; in the API.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use crate::api::device_id;
use crate::api_types::device::NewDevice;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::Command;

/// What is said of a device, from the fields that were given.
pub(crate) fn device_of(fields: serde_json::Map<String, Value>) -> Result<ioc_store::NewDevice, Problem> {
    // Read as a body of its own, so that an error names its field.
    let text = Value::Object(fields).to_string();
    let read = Json::<NewDevice>::from_bytes(text.as_bytes());
    read.map(|Json(device)| device.into()).map_err(|error| Problem::invalid(error.body_text()))
}

/// Registers a device without an agent.
pub(crate) async fn api_register(
    State(app): State<App>,
    person: Person,
    Json(info): Json<NewDevice>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::Register { info: info.into(), actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// Changes what people say of a device: what is not given is empty from now on.
pub(crate) async fn api_describe(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(mut info): Json<NewDevice>,
) -> Result<StatusCode, Problem> {
    info.device = device_id(&id)?.to_string();
    let info = info.into();
    app.carry_out(&person, Command::Describe { info, fields: None, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes only what is given: what somebody else changed meanwhile stays.
pub(crate) async fn api_amend(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
    Json(changes): Json<serde_json::Map<String, Value>>,
) -> Result<StatusCode, Problem> {
    let fields = changes.keys().filter(|field| *field != "device").cloned().collect();
    let mut info = device_of(changes)?;
    info.device = device_id(&id)?.to_string();
    app.carry_out(&person, Command::Describe { info, fields: Some(fields), actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn api_revoke(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    app.carry_out(&person, Command::Revoke { device, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a device report again whose identity was found on two machines.
pub(crate) async fn api_release(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let device = device_id(&id)?;
    app.carry_out(&person, Command::Release { device, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
