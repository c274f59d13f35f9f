//! Rows of the outbox.

use rusqlite::Row;

use ioc_common::id::IncidentId;
use ioc_judge::Severity;

use super::read::{moment, required};
use crate::{DeliveryState, OutboxEntry, Waiting};

pub(super) const OUTBOX_COLUMNS: &str = "SELECT key, incident, channel, notice, created_at, attempts, next_attempt_at, state, last_error, \
     delivered_at, person, address, language, severity, step, unanswered FROM outbox";

/// What waits on a channel: the worst first, and of those the oldest.
pub(super) const WAITING: &str = "SELECT key, incident, step, severity, person, address, created_at, attempts, unanswered, \
     next_attempt_at FROM outbox WHERE state = 'waiting' AND channel = ?1 ORDER BY severity DESC, rowid LIMIT ?2";

pub(super) fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        key: row.get(0)?,
        incident: IncidentId(row.get::<_, i64>(1)?.unsigned_abs()),
        step: row.get(2)?,
        severity: severity_of(row.get(3)?),
        person: row.get(4)?,
        address: row.get(5)?,
        created_at: required(row, 6)?,
        attempts: row.get(7)?,
        unanswered: row.get(8)?,
        next_attempt_at: required(row, 9)?,
    })
}

pub(super) fn outbox_entry(row: &Row<'_>) -> rusqlite::Result<OutboxEntry> {
    let state: String = row.get(7)?;
    Ok(OutboxEntry {
        key: row.get(0)?,
        incident: IncidentId(row.get::<_, i64>(1)?.unsigned_abs()),
        channel: row.get(2)?,
        notice: row.get(3)?,
        created_at: required(row, 4)?,
        attempts: row.get(5)?,
        next_attempt_at: required(row, 6)?,
        state: match state.as_str() {
            "delivered" => DeliveryState::Delivered,
            "dead" => DeliveryState::Dead,
            _ => DeliveryState::Waiting,
        },
        last_error: row.get(8)?,
        delivered_at: moment(row, 9)?,
        person: row.get(10)?,
        address: row.get(11)?,
        language: row.get(12)?,
        severity: severity_of(row.get(13)?),
        step: row.get(14)?,
        unanswered: row.get(15)?,
    })
}

/// As a number the column holds: what is worse is more.
fn severity_of(number: i64) -> Severity {
    match number {
        0 => Severity::Info,
        1 => Severity::Warning,
        _ => Severity::Critical,
    }
}
