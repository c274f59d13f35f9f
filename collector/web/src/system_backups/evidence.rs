//! Files that show what a person attested of a backup: added to what was said last, and given back; in the API.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::form;
use crate::app::App;
use crate::incident::attachments::{FileQuery, as_download};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_engine::command::Command;
use ioc_engine::refusal_reason::RefusalReason;

/// Adds a file: the body is its content.
pub(crate) async fn api_add(
    State(app): State<App>,
    person: Person,
    Path((device, kind)): Path<(String, String)>,
    Query(query): Query<FileQuery>,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let (device, kind) = form::of(&device, &kind)?;
    let (name, content, actor) = (query.name, content.to_vec(), person.name.clone());
    app.carry_out(&person, Command::AddBackupEvidence { device, kind, name, content, actor }).await?;
    Ok(StatusCode::CREATED)
}

/// Gives a file back: always saved, never shown. Minutes and screenshots name people, so that it is on record who reads them.
pub(crate) async fn api_file(
    State(app): State<App>,
    person: Person,
    Path((device, kind, sha256)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let (device, kind) = form::of(&device, &kind)?;
    if !personal_data::may_read(&app, &person, device.as_str(), "evidence of backups").await {
        return Err(Problem::forbidden("who reads this cannot be recorded; try again"));
    }
    let found = app.read(&person.scope, move |reader| reader.backup_evidence(&device, kind, &sha256)).await?;
    let (file, content) = found.ok_or_else(|| RefusalReason::no_file().not_found())?;
    Ok(as_download(&file.name, content))
}
