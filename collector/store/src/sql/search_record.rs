//! Records as they are searched: read one by one, as far as the reader's scope reaches; and which there are.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{Incident, Notice, TimelineStep};

use super::audit;
use super::reader_connection::SqlReader;
use super::value::{limit_of, required};
use crate::search::{FoundNotice, FoundRecord, SearchKind};
use crate::sql::{self, Row};
use crate::sqlite::{of_step, step_record};
use crate::{DeliveryState, EventRecord, StoreError};

const EVENT: &str = "SELECT e.number, e.at, e.name, e.text, e.fields, d.id, d.number FROM event e \
     JOIN device d ON d.number = e.device WHERE e.number = ?1";
const FAULT: &str = "SELECT f.body, f.device, (SELECT json_extract(i.body, '$.article') FROM main.incident i WHERE i.id = f.incident) \
     FROM fault f WHERE f.id = ?1";
const INCIDENT: &str = "SELECT body, device FROM incident WHERE id = ?1";
const STEP: &str = "SELECT s.body, i.device, i.body FROM main.step s JOIN incident i ON i.id = s.incident \
     WHERE s.incident = ?1 AND s.number = ?2";
/// A notice whose incident is out of reach is, too; one that is about none is everybody's.
const NOTICE: &str = "SELECT o.incident, o.channel, o.person, o.state, o.created_at, o.notice, i.device FROM main.outbox o \
     LEFT JOIN incident i ON i.id = o.incident WHERE o.number = ?1 AND (o.incident = 0 OR i.id IS NOT NULL OR ?2)";

/// A record, and the number of its device: none where it is not there, out of reach, or cannot be read.
pub(crate) fn find(
    reader: &SqlReader,
    kind: SearchKind,
    record: i64,
) -> Result<Option<(FoundRecord, i64)>, StoreError> {
    let found = match kind {
        SearchKind::Audit if reader.limited => None,
        SearchKind::Audit => {
            let sql = format!("{} WHERE number = ?1", audit::COLUMNS);
            reader.one(&sql, &[&record], audit::record)?.map(|one| (FoundRecord::Audit(one), 0))
        }
        SearchKind::Event => reader.one(EVENT, &[&record], event)?.flatten(),
        SearchKind::Fault => reader.one(FAULT, &[&record], fault)?.flatten(),
        SearchKind::Incident => reader.one(INCIDENT, &[&record], incident)?.flatten(),
        SearchKind::Step => {
            let (of, number) = of_step(record);
            reader.one(STEP, &[&of, &number], step)?.flatten()
        }
        SearchKind::Notice => reader.one(NOTICE, &[&record, &!reader.limited], notice)?.flatten(),
    };
    Ok(found)
}

/// A text of JSON; none where it is damaged, which the nightly look says.
fn parsed<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> sql::Result<Option<T>> {
    Ok(row.get_ref(column)?.as_str().ok().and_then(|text| serde_json::from_str(text).ok()))
}

fn number(row: &Row<'_>, column: usize) -> sql::Result<i64> {
    Ok(row.get::<_, Option<i64>>(column)?.unwrap_or(0))
}

type Found = sql::Result<Option<(FoundRecord, i64)>>;

fn event(row: &Row<'_>) -> Found {
    let Ok(device) = DeviceId::new(row.get_ref(5)?.as_str()?) else { return Ok(None) };
    let Some(fields) = parsed(row, 4)? else { return Ok(None) };
    let event = EventRecord {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: required(row, 1)?,
        name: row.get(2)?,
        text: row.get(3)?,
        fields,
    };
    Ok(Some((FoundRecord::Event { device, event }, number(row, 6)?)))
}

fn fault(row: &Row<'_>) -> Found {
    let Some(fault) = parsed(row, 0)? else { return Ok(None) };
    let article = row.get::<_, Option<String>>(2)?.unwrap_or_default();
    Ok(Some((FoundRecord::Fault { fault: Box::new(fault), article }, number(row, 1)?)))
}

fn incident(row: &Row<'_>) -> Found {
    let Some(incident) = parsed(row, 0)? else { return Ok(None) };
    Ok(Some((FoundRecord::Incident(Box::new(incident)), number(row, 1)?)))
}

fn step(row: &Row<'_>) -> Found {
    let (Some(step), Some(of)) = (parsed::<TimelineStep>(row, 0)?, parsed::<Incident>(row, 2)?) else {
        return Ok(None);
    };
    let Incident { device, title, article, .. } = of;
    Ok(Some((FoundRecord::Step { step, device, title, article }, number(row, 1)?)))
}

fn notice(row: &Row<'_>) -> Found {
    let Some(notice) = parsed::<Notice>(row, 5)? else { return Ok(None) };
    let state: String = row.get(3)?;
    let found = FoundNotice {
        incident: IncidentId(row.get::<_, i64>(0)?.unsigned_abs()),
        channel: row.get(1)?,
        person: row.get(2)?,
        state: DeliveryState::ALL.into_iter().find(|one| one.as_str() == state),
        created_at: Timestamp::from_millis(row.get(4)?),
        notice,
    };
    Ok(Some((FoundRecord::Notice(Box::new(found)), number(row, 6)?)))
}

/// The records of a kind behind a number, at most so many: the first of them, or the newest.
pub(crate) fn after(
    reader: &SqlReader,
    kind: SearchKind,
    after: i64,
    limit: usize,
    newest: bool,
) -> Result<Vec<i64>, StoreError> {
    let order = if newest { "DESC" } else { "ASC" };
    let limit = limit_of(limit);
    if kind == SearchKind::Step {
        let (of, number) = of_step(after);
        let sql = format!(
            "SELECT incident, number FROM main.step WHERE (incident, number) > (?1, ?2) ORDER BY incident {order}, number {order} LIMIT ?3"
        );
        return reader.all(&sql, &[&of, &number, &limit], |row| Ok(step_record(row.get(0)?, row.get(1)?)));
    }
    let (table, column) = table_of(kind);
    let sql = format!("SELECT {column} FROM main.{table} WHERE {column} > ?1 ORDER BY {column} {order} LIMIT ?2");
    reader.all(&sql, &[&after, &limit], |row| row.get(0))
}

/// The largest number of a kind; 0 where there is no record of it.
pub(crate) fn last(reader: &SqlReader, kind: SearchKind) -> Result<i64, StoreError> {
    if kind == SearchKind::Step {
        let sql = "SELECT incident, number FROM main.step ORDER BY incident DESC, number DESC LIMIT 1";
        return Ok(reader.one(sql, &[], |row| Ok(step_record(row.get(0)?, row.get(1)?)))?.unwrap_or(0));
    }
    let (table, column) = table_of(kind);
    let sql = format!("SELECT coalesce(max({column}), 0) FROM main.{table}");
    Ok(reader.one(&sql, &[], |row| row.get(0))?.unwrap_or(0))
}

const fn table_of(kind: SearchKind) -> (&'static str, &'static str) {
    match kind {
        SearchKind::Audit => ("audit", "number"),
        SearchKind::Event => ("event", "number"),
        SearchKind::Fault => ("fault", "id"),
        SearchKind::Incident => ("incident", "id"),
        SearchKind::Step => ("step", "number"),
        SearchKind::Notice => ("outbox", "number"),
    }
}

/// What changed of records that were there before, behind a number of the log: that number, the record's kind and number, and the second in
/// which it happened until then.
pub(crate) fn changes(
    reader: &SqlReader,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, SearchKind, i64, i64)>, StoreError> {
    let sql = "SELECT number, kind, record, second FROM main.search_log WHERE number > ?1 ORDER BY number LIMIT ?2";
    let all = reader.all(sql, &[&after, &limit_of(limit)], |row| {
        Ok((row.get(0)?, SearchKind::of_number(row.get(1)?), row.get(2)?, row.get::<_, Option<i64>>(3)?.unwrap_or(0)))
    })?;
    Ok(all.into_iter().filter_map(|(number, kind, record, second)| Some((number, kind?, record, second))).collect())
}

/// The first and the last number of the log.
pub(crate) fn log_span(reader: &SqlReader) -> Result<(i64, i64), StoreError> {
    let sql = "SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM main.search_log";
    Ok(reader.one(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?.unwrap_or((0, 0)))
}

/// The hash of a record of the audit log.
pub(crate) fn audit_hash(reader: &SqlReader, number: i64) -> Result<Option<String>, StoreError> {
    reader.one("SELECT hash FROM main.audit WHERE number = ?1", &[&number], |row| row.get(0))
}

/// Which store it is.
pub(crate) fn store_id(reader: &SqlReader) -> Result<String, StoreError> {
    Ok(reader.one("SELECT id FROM main.state", &[], |row| row.get(0))?.unwrap_or_default())
}
