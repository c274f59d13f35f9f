//! Legal holds: as records, and as what a query asks whether a record is held.
//!
//! Where it is not certain that a hold is not about a record, it is: what is kept too long can be deleted later.

use rusqlite::{Row, params};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};

use super::commit::Commit;
use super::reader_connection::SqliteReader;
use super::value::{moment, required, signed};
use crate::StoreError;
use crate::retention::{AROUND_INCIDENT_MS, Hold, HoldEnd, HoldTarget, NumbersHold, RecordClass};

const COLUMNS: &str = "SELECT number, kind, subject, incident, from_at, until_at, reason, at, who, ended_at, ended_by, end_reason FROM hold";

pub(super) fn put(commit: &Commit<'_>, hold: &Hold) -> rusqlite::Result<()> {
    let (device, incident) = match &hold.target {
        HoldTarget::Device(id) => (Some(commit.number(id)?), None),
        HoldTarget::Incident(id) => (None, Some(signed(id.0))),
        HoldTarget::Person(_) | HoldTarget::Class(_) | HoldTarget::Period => (None, None),
    };
    commit.run(
        "INSERT INTO hold (number, kind, subject, device, incident, from_at, until_at, reason, at, who) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            signed(hold.number),
            hold.target.kind(),
            hold.target.subject(),
            device,
            incident,
            hold.from.map(Timestamp::as_millis),
            hold.until.map(Timestamp::as_millis),
            hold.reason,
            hold.at.as_millis(),
            hold.by
        ],
    )?;
    Ok(())
}

pub(super) fn end(commit: &Commit<'_>, number: u64, end: &HoldEnd) -> rusqlite::Result<()> {
    let sql = "UPDATE hold SET ended_at = ?2, ended_by = ?3, end_reason = ?4 WHERE number = ?1 AND ended_at IS NULL";
    commit.run(sql, params![signed(number), end.at.as_millis(), end.by, end.reason])?;
    Ok(())
}

fn record(row: &Row<'_>) -> rusqlite::Result<Hold> {
    let (kind, subject): (String, String) = (row.get(1)?, row.get(2)?);
    let unknown = |why: String| rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, why.into());
    let target = match kind.as_str() {
        "incident" => HoldTarget::Incident(IncidentId(row.get::<_, i64>(3)?.unsigned_abs())),
        "device" => HoldTarget::Device(DeviceId::new(&subject).map_err(|error| unknown(error.to_string()))?),
        "person" => HoldTarget::Person(subject),
        "class" => {
            HoldTarget::Class(RecordClass::of(&subject).ok_or_else(|| unknown(format!("no class {subject:?}")))?)
        }
        "period" => HoldTarget::Period,
        other => return Err(unknown(format!("no kind of hold {other:?}"))),
    };
    let ended = match moment(row, 9)? {
        Some(at) => Some(HoldEnd { at, by: row.get(10)?, reason: row.get(11)? }),
        None => None,
    };
    Ok(Hold {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        target,
        from: moment(row, 4)?,
        until: moment(row, 5)?,
        reason: row.get(6)?,
        at: required(row, 7)?,
        by: row.get(8)?,
        ended,
    })
}

pub(super) fn list(reader: &SqliteReader) -> Result<Vec<Hold>, StoreError> {
    reader.all(&format!("{COLUMNS} ORDER BY ended_at IS NOT NULL, number DESC"), &[], record)
}

pub(super) fn find(reader: &SqliteReader, number: u64) -> Result<Option<Hold>, StoreError> {
    reader.one(&format!("{COLUMNS} WHERE number = ?1"), &[&signed(number)], record)
}

/// How a class's records are held: conditions on a record `r` and a hold `h`.
pub(super) struct HeldWhen {
    /// When a record began and ended.
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    /// Holds of these classes keep it.
    pub(super) classes: &'static str,
    /// It is of the device `h.device`.
    pub(super) device: &'static str,
    /// It belongs to the incident `h.incident`.
    pub(super) incident: &'static str,
    /// The number of its device, for what stands around an incident.
    pub(super) own_device: &'static str,
    /// It names the person `h.subject`.
    pub(super) person: &'static str,
}

impl HeldWhen {
    /// The condition that a record is held by one of the holds in force, or by the one of a number. What kind of hold is not known here holds
    /// everything.
    pub(super) fn sql(&self, only: Option<u64>) -> String {
        let Self { first, last, classes, device, incident, own_device, person } = self;
        let only = only.map_or(String::new(), |number| format!(" AND h.number = {}", signed(number)));
        let around = format!(
            "EXISTS (SELECT 1 FROM incident hi WHERE hi.id = h.incident \
             AND {first} <= coalesce(hi.closed_at, 9000000000000000000) + {AROUND_INCIDENT_MS} \
             AND {last} >= hi.opened_at - {AROUND_INCIDENT_MS} AND (hi.device = {own_device} \
             OR EXISTS (SELECT 1 FROM fault hf WHERE hf.incident = hi.id AND hf.device = {own_device})))"
        );
        format!(
            "EXISTS (SELECT 1 FROM hold h WHERE h.ended_at IS NULL{only} \
             AND (h.from_at IS NULL OR {last} >= h.from_at) AND (h.until_at IS NULL OR {first} <= h.until_at) \
             AND CASE h.kind WHEN 'period' THEN 1 WHEN 'class' THEN h.subject IN ({classes}) WHEN 'device' THEN {device} \
             WHEN 'incident' THEN ({incident} OR {around}) WHEN 'person' THEN {person} ELSE 1 END)"
        )
    }
}

/// What holds keep of numbers; of the one of a number alone where it is given.
pub(super) fn on_numbers(reader: &SqliteReader, only: Option<u64>) -> Result<Vec<NumbersHold>, StoreError> {
    let mut all = Vec::new();
    for hold in list(reader)? {
        if hold.ended.is_some() || only.is_some_and(|number| hold.number != number) {
            continue;
        }
        let base = NumbersHold {
            tier: None,
            device: None,
            person: None,
            from_ms: hold.from.map_or(i64::MIN, Timestamp::as_millis),
            until_ms: hold.until.map_or(i64::MAX, Timestamp::as_millis),
        };
        match hold.target {
            HoldTarget::Period => all.push(base),
            HoldTarget::Device(id) => all.push(NumbersHold { device: Some(id), ..base }),
            HoldTarget::Person(name) => all.push(NumbersHold { person: Some(name), ..base }),
            HoldTarget::Class(class) => {
                all.extend(class.tier().map(|tier| NumbersHold { tier: Some(tier), ..base }));
            }
            HoldTarget::Incident(id) => all.extend(around_incident(reader, id, &base)?),
        }
    }
    Ok(all)
}

/// The numbers of an incident's devices, from a day before it to a day after it.
fn around_incident(reader: &SqliteReader, id: IncidentId, base: &NumbersHold) -> Result<Vec<NumbersHold>, StoreError> {
    let sql = "SELECT d.id, i.opened_at, i.closed_at FROM incident i JOIN device d ON d.number = i.device \
               OR d.number IN (SELECT f.device FROM fault f WHERE f.incident = i.id) WHERE i.id = ?1";
    let devices = reader.all(sql, &[&signed(id.0)], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
    })?;
    let held = devices.into_iter().filter_map(|(device, opened, closed)| {
        let until = closed.map_or(i64::MAX, |at| at.saturating_add(AROUND_INCIDENT_MS));
        Some(NumbersHold {
            device: Some(DeviceId::new(&device).ok()?),
            from_ms: base.from_ms.max(opened.saturating_sub(AROUND_INCIDENT_MS)),
            until_ms: base.until_ms.min(until),
            ..base.clone()
        })
    });
    Ok(held.collect())
}
