//! Files that are added to an incident, and given back; in the API.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use ioc_common::id::IncidentId;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::Command;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::template::percent_encoded;

#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub(crate) struct FileQuery {
    pub(crate) name: String,
}

/// Adds a file: the body is its content.
pub(crate) async fn attach(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
    Query(query): Query<FileQuery>,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let (incident, name, content) = (IncidentId(id), query.name, content.to_vec());
    app.carry_out(&person, Command::Attach { incident, name, content, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

/// Gives a file back. It is always saved, never shown: what people upload must not run here.
pub(crate) async fn file(
    State(app): State<App>,
    person: Person,
    Path((id, sha256)): Path<(u64, String)>,
) -> Result<Response, Problem> {
    let missing = || Problem::from(RefusalReason::no_file().not_found());
    let found = app
        .read(&person.scope, move |reader| {
            let Some((incident, ..)) = reader.incident(IncidentId(id))? else { return Ok(None) };
            let named = incident.record.attachments.iter().find(|one| one.sha256 == sha256).map(|one| one.name.clone());
            let content = reader.attachment(IncidentId(id), &sha256)?;
            Ok(named.zip(content))
        })
        .await?;
    let (name, content) = found.ok_or_else(missing)?;
    Ok(as_download(&name, content))
}

/// A file that somebody uploaded, to be saved under its name: it must not run here, whatever it is.
pub(crate) fn as_download(name: &str, content: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{}", percent_encoded(name))),
    ];
    (headers, content).into_response()
}
