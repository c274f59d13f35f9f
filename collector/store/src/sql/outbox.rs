//! Notices on their way to people.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_common::language::Language;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{limit_of, moment, rank, required, severity, signed, word};
use crate::sql::{self, Row, params};
use crate::{ChannelTally, DeliveredNotice, Delivery, DeliveryState, OutboxEntry, PendingDelivery, StoreError};

pub(super) const COLUMNS: &str = "SELECT key, incident, channel, notice, created_at, attempts, next_attempt_at, state, last_error, \
     delivered_at, person, address, language, severity, step, unanswered FROM outbox";

/// What waits on a channel: the worst first, and of those the oldest. What another channel carries, too, comes last: on a channel that is
/// dead for a day it would stand before all that is new, and that would reach neither of both. Its key is the beginning of the other's.
const WAITING: &str = "SELECT key, incident, step, severity, person, address, created_at, attempts, unanswered, next_attempt_at \
     FROM outbox AS own WHERE state = 'waiting' AND channel = ?1 ORDER BY EXISTS (SELECT 1 FROM outbox AS other \
     WHERE other.key > own.key || '-via-' AND other.key < own.key || '-via.'), severity DESC, number LIMIT ?2";

pub(super) fn put(commit: &Commit<'_>, entry: &OutboxEntry) -> sql::Result<()> {
    commit.run(
        "INSERT OR IGNORE INTO outbox (key, incident, channel, person, address, language, notice, created_at, \
         attempts, next_attempt_at, state, severity, step, unanswered) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            entry.key,
            signed(entry.incident.0),
            entry.channel,
            entry.person,
            entry.address,
            entry.language.map_or("", Language::as_str),
            entry.notice,
            entry.created_at.as_millis(),
            entry.attempts,
            entry.next_attempt_at.as_millis(),
            entry.state.as_str(),
            rank(entry.severity),
            entry.step,
            entry.unanswered
        ],
    )?;
    Ok(())
}

/// How long before its delivery a notice may have been made, milliseconds: it is tried for a day, and quiet hours hold it.
const MADE_BEFORE_MS: i64 = 3 * 86_400_000;

pub(super) fn delivered_to_people(
    reader: &SqlReader,
    (from, until): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<DeliveredNotice>, StoreError> {
    let (made_from, from, until) = (from.plus_millis(-MADE_BEFORE_MS).as_millis(), from.as_millis(), until.as_millis());
    let sql = format!(
        "SELECT person, incident, delivered_at FROM outbox WHERE created_at >= {made_from} AND created_at < {until} AND person <> '' \
         AND delivered_at >= {from} AND delivered_at < {until} LIMIT ?1"
    );
    reader.all(&sql, &[&limit_of(limit)], |row| {
        let incident = IncidentId(row.get::<_, i64>(1)?.unsigned_abs());
        Ok(DeliveredNotice { person: row.get(0)?, incident, at: required(row, 2)? })
    })
}

pub(super) fn record_delivery(commit: &Commit<'_>, delivery: &Delivery) -> sql::Result<()> {
    let delivered = (delivery.state == DeliveryState::Delivered).then(|| delivery.at.as_millis());
    commit.run(
        "UPDATE outbox SET state = ?2, attempts = ?3, next_attempt_at = ?4, last_error = ?5, delivered_at = ?6, \
         unanswered = ?7 WHERE key = ?1",
        params![
            delivery.key,
            delivery.state.as_str(),
            delivery.attempts,
            delivery.next_attempt_at.as_millis(),
            delivery.error,
            delivered,
            delivery.unanswered
        ],
    )?;
    Ok(())
}

fn waiting_entry(row: &Row<'_>) -> sql::Result<PendingDelivery> {
    let key: String = row.get(0)?;
    Ok(PendingDelivery {
        severity: severity(row, 3, || format!("the notice {key}"))?,
        key,
        incident: IncidentId(row.get::<_, i64>(1)?.unsigned_abs()),
        step: row.get(2)?,
        person: row.get(4)?,
        address: row.get(5)?,
        created_at: required(row, 6)?,
        attempts: row.get(7)?,
        unanswered: row.get(8)?,
        next_attempt_at: required(row, 9)?,
    })
}

pub(super) fn entry(row: &Row<'_>) -> sql::Result<OutboxEntry> {
    let key: String = row.get(0)?;
    Ok(OutboxEntry {
        state: word(row, 7, || format!("the notice {key}"))?,
        // An empty text stands for none.
        language: match row.get_ref(12)?.as_str()? {
            "" => None,
            _ => Some(word(row, 12, || format!("the notice {key}"))?),
        },
        severity: severity(row, 13, || format!("the notice {key}"))?,
        key,
        incident: IncidentId(row.get::<_, i64>(1)?.unsigned_abs()),
        channel: row.get(2)?,
        notice: row.get(3)?,
        created_at: required(row, 4)?,
        attempts: row.get(5)?,
        next_attempt_at: required(row, 6)?,
        last_error: row.get(8)?,
        delivered_at: moment(row, 9)?,
        person: row.get(10)?,
        address: row.get(11)?,
        step: row.get(14)?,
        unanswered: row.get(15)?,
    })
}

pub(super) fn waiting(reader: &SqlReader, channel: &str, limit: usize) -> Result<Vec<PendingDelivery>, StoreError> {
    reader.all(WAITING, &[&channel, &limit_of(limit)], waiting_entry)
}

pub(super) fn channels(reader: &SqlReader) -> Result<Vec<String>, StoreError> {
    reader.all("SELECT DISTINCT channel FROM outbox WHERE state = 'waiting'", &[], |row| row.get(0))
}

pub(super) fn dead(reader: &SqlReader, limit: usize) -> Result<Vec<OutboxEntry>, StoreError> {
    let sql = format!("{COLUMNS} WHERE state = 'dead' ORDER BY created_at DESC LIMIT ?1");
    reader.all(&sql, &[&limit_of(limit)], entry)
}

pub(super) fn find(reader: &SqlReader, key: &str) -> Result<Option<OutboxEntry>, StoreError> {
    reader.one(&format!("{COLUMNS} WHERE key = ?1"), &[&key], entry)
}

pub(super) fn contacts(reader: &SqlReader) -> Result<Vec<OutboxEntry>, StoreError> {
    // The newest of each person and channel. With SQLite the row that holds the largest moment gives the other columns.
    let largest = COLUMNS.replace("created_at,", "max(created_at),");
    let sqlite =
        format!("{largest} WHERE person <> '' GROUP BY person, channel ORDER BY max(created_at) DESC LIMIT 2000");
    let first = COLUMNS.replacen("SELECT", "SELECT DISTINCT ON (person, channel)", 1);
    let postgres = format!(
        "SELECT * FROM ({first} WHERE person <> '' ORDER BY person, channel, created_at DESC, number DESC) AS newest \
         ORDER BY created_at DESC LIMIT 2000"
    );
    reader.all(reader.connection()?.text(&sqlite, &postgres), &[], entry)
}

pub(super) fn tally(reader: &SqlReader) -> Result<Vec<ChannelTally>, StoreError> {
    let sql = "SELECT channel, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'dead'), \
               count(*) FILTER (WHERE state = 'delivered'), max(delivered_at) FROM outbox GROUP BY channel";
    reader.all(sql, &[], |row| {
        let count = |column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let (waiting, dead, delivered) = (count(1)?, count(2)?, count(3)?);
        Ok(ChannelTally { channel: row.get(0)?, waiting, dead, delivered, last_at: moment(row, 4)? })
    })
}
