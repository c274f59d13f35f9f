//! Incidents on their way to ticket systems.

use ioc_common::id::IncidentId;
use ioc_judge::IncidentState;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{limit_of, required, signed, word};
use crate::sql::{self, Row, params};
use crate::{StoreError, TicketQuery, TicketRecord};

pub(super) fn mark_due(commit: &Commit<'_>, system: &str, incident: IncidentId) -> sql::Result<()> {
    commit.run(
        "INSERT INTO ticket (system, incident, ticket, step, pushed, seen, attempts, next_at, due, open) \
     VALUES (?1, ?2, '', 0, 'open', '', 0, 0, TRUE, TRUE) ON CONFLICT (system, incident) DO UPDATE SET due = TRUE, open = TRUE",
        params![system, signed(incident.0)],
    )?;
    Ok(())
}

pub(super) fn update(commit: &Commit<'_>, record: &TicketRecord) -> sql::Result<()> {
    commit.run(
        "UPDATE ticket SET ticket = ?3, step = ?4, pushed = ?5, seen = ?6, attempts = ?7, next_at = ?8, error = ?9, \
     due = CAST(?9 AS TEXT) IS NOT NULL OR ?4 < (SELECT max(number) FROM step WHERE incident = ?2), \
     open = coalesce((SELECT json_extract(body, '$.state') <> 'closed' FROM incident WHERE id = ?2), FALSE) \
     WHERE system = ?1 AND incident = ?2",
        params![
            record.system,
            signed(record.incident.0),
            record.ticket,
            record.step,
            record.state.map_or("", IncidentState::as_str),
            record.seen,
            record.attempts,
            record.next_at.as_millis(),
            record.error
        ],
    )?;
    Ok(())
}

fn record(row: &Row<'_>) -> sql::Result<TicketRecord> {
    let system: String = row.get(0)?;
    let incident = IncidentId(row.get::<_, i64>(1)?.unsigned_abs());
    Ok(TicketRecord {
        // An empty text stands for none.
        state: match row.get_ref(4)?.as_str()? {
            "" => None,
            _ => Some(word(row, 4, || format!("the ticket of {incident} in {system}"))?),
        },
        system,
        incident,
        ticket: row.get(2)?,
        step: row.get(3)?,
        seen: row.get(5)?,
        attempts: row.get(6)?,
        next_at: required(row, 7)?,
        error: row.get(8)?,
    })
}

pub(super) fn list(reader: &SqlReader, query: &TicketQuery<'_>, limit: usize) -> Result<Vec<TicketRecord>, StoreError> {
    let columns = "SELECT system, incident, ticket, step, pushed, seen, attempts, next_at, error FROM ticket";
    let limit = limit_of(limit);
    match query {
        TicketQuery::Due { system, now } => {
            // Nothing waits for longer than eight hours but by a clock that was set back.
            let sql = format!(
                "{columns} WHERE due AND system = ?1 AND (next_at <= ?2 OR next_at > ?2 + 28800000) \
                 ORDER BY next_at, incident LIMIT ?3"
            );
            reader.all(&sql, &[system, &now.as_millis(), &limit], record)
        }
        TicketQuery::Open { system } => {
            let sql = format!("{columns} WHERE open AND system = ?1 AND ticket <> '' ORDER BY incident LIMIT ?2");
            reader.all(&sql, &[system, &limit], record)
        }
        TicketQuery::Of(incident) => {
            let sql = format!("{columns} WHERE incident = ?1 ORDER BY system LIMIT ?2");
            reader.all(&sql, &[&signed(incident.0), &limit], record)
        }
    }
}
