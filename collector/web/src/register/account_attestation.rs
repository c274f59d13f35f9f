//! What a person vouches for of an account of an appliance, with files that show it; in the API. The page's form is the register's own (`accounts`).

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};

use super::accounts::REGISTER;
use super::scope_of;
use crate::api::{ApiResult, Page, device_id};
use crate::api_types::account_register::AttestedAccount;
use crate::api_types::all;
use crate::app::App;
use crate::incident::attachments::{FileQuery, as_download};
use crate::person::Person;
use crate::problem::Problem;
use crate::register::asset::AttestedQuery;
use ioc_engine::command::Command;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::{AccountAttestation, Reader};

/// What a person vouches for of an account of an appliance.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttestationBody {
    /// The appliance.
    device: String,
    /// The account; 1 to 100 characters.
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    administrator: bool,
    #[serde(default)]
    holder: String,
    /// When its password was changed; null where that is not known.
    #[serde(default)]
    password_at: Option<Timestamp>,
    /// It is not there any more.
    #[serde(default)]
    gone: bool,
    /// What was looked at, and where the evidence lies; 1 to 500 characters.
    note: String,
    /// Until when this holds; a moment of the next 400 days.
    valid_until: Timestamp,
}

pub(crate) async fn api_attest(
    State(app): State<App>,
    person: Person,
    Json(body): Json<AttestationBody>,
) -> Result<StatusCode, Problem> {
    let AttestationBody { device, name, role, administrator, holder, password_at, gone, note, valid_until } = body;
    let attestation = AccountAttestation {
        name,
        role,
        administrator,
        holder,
        password_at,
        gone,
        note,
        valid_until,
        by: String::new(),
        at: clock::now(),
    };
    let device = device_id(&device)?;
    app.carry_out(&person, Command::AttestAccount { device, attestation, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// Adds a file that shows what was vouched for last: the body is its content.
pub(crate) async fn api_add_file(
    State(app): State<App>,
    person: Person,
    Path((device, account)): Path<(String, String)>,
    Query(query): Query<FileQuery>,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let device = device_id(&device)?;
    let (name, content, actor) = (query.name, content.to_vec(), person.name.clone());
    app.carry_out(&person, Command::AddAccountEvidence { device, account, name, content, actor }).await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn api_attested(
    State(app): State<App>,
    person: Person,
    Query(asked): Query<AttestedQuery>,
) -> ApiResult<Page<AttestedAccount>> {
    let (device, before, limit) = asked.read()?;
    let scope = scope_of(&app, &person, REGISTER).await;
    let read = move |reader: &dyn Reader| reader.account_attestations_before(device.as_ref(), before, limit);
    let found = app.read(&scope, read).await?;
    let next_cursor = found.last().filter(|_| found.len() >= limit).map(|one| one.number.to_string());
    Ok(Json(Page { items: all(found), next_cursor }))
}

/// Gives a file back: always saved, never shown.
pub(crate) async fn api_file(
    State(app): State<App>,
    person: Person,
    Path((device, account, sha256)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let device = device_id(&device)?;
    let scope = scope_of(&app, &person, REGISTER).await;
    let found = app.read(&scope, move |reader| reader.account_evidence(&device, &account, &sha256)).await?;
    let (file, content) = found.ok_or_else(|| RefusalReason::no_file().not_found())?;
    Ok(as_download(&file.name, content))
}
