//! Records that were taken out for an investigation: who did it, and what, is in the audit log before the archive is there.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};

use crate::api::device_id;
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::audit_action::AuditLogAction;
use ioc_store::{audit, merkle};

/// Longest name of an incident, characters.
const INCIDENT_MAX_CHARS: usize = 20;

/// What was taken out.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportedRecords {
    /// SHA-256 of the archive's manifest, 64 hex digits.
    sha256: String,
    /// The period: from this moment on.
    from: Timestamp,
    /// And before this one.
    to: Timestamp,
    /// Of this device alone; null for all.
    device: Option<String>,
    /// Of this incident alone; null for all.
    incident: Option<String>,
}

/// Keeps on record that somebody takes records out.
pub(crate) async fn api_exported(
    State(app): State<App>,
    person: Person,
    Json(body): Json<ExportedRecords>,
) -> Result<StatusCode, Problem> {
    let ExportedRecords { sha256, from, to, device, incident } = body;
    if merkle::parse(&sha256).is_none() {
        return Err(Problem::invalid("sha256: allowed are 64 hex digits".to_owned()));
    }
    let device = device.as_deref().map(device_id).transpose()?;
    let incident = incident.unwrap_or_default();
    if incident.chars().count() > INCIDENT_MAX_CHARS || incident.chars().any(char::is_control) {
        return Err(Problem::invalid(format!("incident: allowed are {INCIDENT_MAX_CHARS} characters in one line")));
    }
    let subject = if incident.is_empty() { device.map(|id| id.to_string()).unwrap_or_default() } else { incident };
    let entry = audit::AuditEntry {
        at: clock::now(),
        actor: person.name.clone(),
        action: AuditLogAction::RecordsExported.as_str().to_owned(),
        subject,
        detail: format!("{from} to {to}, manifest {sha256}"),
    };
    app.engine.record_access(entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
