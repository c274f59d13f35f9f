//! Records that were taken out for an investigation: who did it, and what, is in the audit log before the archive is there; and what is on record
//! that pages show only as far as it still counts: the duty book, who stood in, maintenance windows that are over.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};

use super::backups::everywhere;
use crate::api::{ApiResult, ListQuery, Page, device_id};
use crate::api_types::maintenance::{Cover, Window};
use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::audit_action::AuditLogAction;
use ioc_store::{Reader, audit, merkle};

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

/// An entry of the duty book.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct DutyBookEntry {
    /// Its number, from 1.
    number: u64,
    /// When it was written.
    at: Timestamp,
    /// On which rota; may be empty.
    rota: String,
    /// Who wrote it.
    who: String,
    /// What was handed over.
    text: String,
    /// The shift that is handed over or taken over by this entry; none for a remark.
    #[serde(skip_serializing_if = "Option::is_none")]
    shift: Option<crate::duty::handover::SignedShiftItem>,
}

pub(crate) async fn api_duty_book(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<DutyBookEntry>> {
    everywhere(&person)?;
    let (before, limit) = (query.before()?, query.limit());
    let found = app.read(&person.scope, move |reader| reader.duty_book(before, limit)).await?;
    let next_cursor = found.last().filter(|_| found.len() == limit).map(|(number, _)| number.to_string());
    let items = found.into_iter().map(|(number, entry)| DutyBookEntry {
        number,
        at: entry.at,
        rota: entry.rota,
        who: entry.who,
        text: entry.text,
        shift: entry.shift.map(|shift| (*shift).into()),
    });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

/// Somebody who stands or stood in on a rota.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct StandIn {
    #[serde(flatten)]
    cover: Cover,
    /// It was taken back; when is in the audit log (`cover.removed`).
    withdrawn: bool,
}

pub(crate) async fn api_stand_ins(
    State(app): State<App>,
    person: Person,
    Query(query): Query<ListQuery>,
) -> ApiResult<Page<StandIn>> {
    everywhere(&person)?;
    let (before, limit) = (query.before()?, query.limit());
    let found = app.read(&person.scope, move |reader| reader.all_covers(before, limit)).await?;
    let next_cursor = found.last().filter(|_| found.len() == limit).map(|(cover, _)| cover.id.to_string());
    let items = found.into_iter().map(|(cover, withdrawn)| StandIn { cover: cover.into(), withdrawn });
    Ok(Json(Page { items: items.collect(), next_cursor }))
}

/// A maintenance window that is planned, open or over.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct RecordedWindow {
    #[serde(flatten)]
    window: Window,
    /// When it was over or taken out of the plan; null while it is in it.
    over_at: Option<Timestamp>,
}

pub(crate) async fn api_windows(State(app): State<App>, person: Person) -> ApiResult<Vec<RecordedWindow>> {
    everywhere(&person)?;
    let read = |reader: &dyn Reader| Ok((reader.windows()?, reader.windows_over(Timestamp::MIN)?));
    let (planned, over) = app.read(&person.scope, read).await?;
    let all = planned.into_iter().map(|window| (window, None));
    let all = all.chain(over.into_iter().map(|(window, at)| (window, Some(at))));
    Ok(Json(all.map(|(window, over_at)| RecordedWindow { window: window.into(), over_at }).collect()))
}
