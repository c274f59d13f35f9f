//! Legal holds: as records, and as what a query asks whether a record is held.
//!
//! Where it is not certain that a hold is not about a record, it is: what is kept too long can be deleted later.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{moment, required, signed};
use crate::StoreError;
use crate::retention::{AROUND_INCIDENT_MS, Hold, HoldEnd, HoldTarget, NumbersHold, RecordClass};
use crate::sql::{self, Row, Type, params};

const COLUMNS: &str = "SELECT number, kind, subject, incident, from_at, until_at, reason, at, who, ended_at, ended_by, end_reason FROM hold";

pub(super) fn put(commit: &Commit<'_>, hold: &Hold) -> sql::Result<()> {
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

/// Whether what a hold is on is known without the commit that sets it.
pub(super) fn is_on_known(commit: &Commit<'_>, hold: &Hold) -> bool {
    match &hold.target {
        HoldTarget::Device(id) => commit.knows(id),
        HoldTarget::Incident(_) | HoldTarget::Person(_) | HoldTarget::Class(_) | HoldTarget::Period => true,
    }
}

/// Whether a hold is in force that is newer than this one.
pub(super) fn is_newer_than(commit: &Commit<'_>, number: i64) -> sql::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM hold WHERE ended_at IS NULL AND number > ?1)";
    commit.transaction.prepare_cached(sql)?.query_row([number], |row| row.get(0))
}

pub(super) fn end(commit: &Commit<'_>, number: u64, end: &HoldEnd) -> sql::Result<()> {
    let sql = "UPDATE hold SET ended_at = ?2, ended_by = ?3, end_reason = ?4 WHERE number = ?1 AND ended_at IS NULL";
    commit.run(sql, params![signed(number), end.at.as_millis(), end.by, end.reason])?;
    Ok(())
}

fn record(row: &Row<'_>) -> sql::Result<Hold> {
    let (kind, subject): (String, String) = (row.get(1)?, row.get(2)?);
    let unknown = |why: String| sql::Error::FromSqlConversionFailure(1, Type::Text, why.into());
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

pub(super) fn list(reader: &SqlReader) -> Result<Vec<Hold>, StoreError> {
    reader.all(&format!("{COLUMNS} ORDER BY ended_at IS NOT NULL, number DESC"), &[], record)
}

/// How records of a table are held: conditions on a record, for which `@` stands, and a hold `h`.
#[derive(Clone, Copy)]
pub(super) struct HeldWhen {
    /// When a record began and ended.
    pub(super) first: &'static str,
    pub(super) last: &'static str,
    /// Holds of these classes keep it.
    pub(super) classes: &'static str,
    /// It is of the device `h.device`.
    pub(super) device: &'static str,
    /// The number of the incident that it is, or is of.
    pub(super) incident: &'static str,
    /// The number of its device, for what stands around an incident.
    pub(super) own_device: &'static str,
    /// It names the person `h.subject`.
    pub(super) person: &'static str,
    /// Whatever holds one of these holds it, too.
    pub(super) with: &'static [HeldWith],
}

/// A record that a record is held with.
pub(super) struct HeldWith {
    /// The table it is in.
    pub(super) table: &'static str,
    /// Which of that table: a condition on it, for which `#` stands, and the record, for which `@` stands.
    pub(super) which: &'static str,
    pub(super) held: &'static HeldWhen,
}

/// The incidents that were joined to one another, and so to this one, whether they are still there or not: a fault that was moved is found by
/// each of them.
pub(super) fn family(incident: &str) -> String {
    format!(
        "(WITH RECURSIVE kin (id) AS (SELECT {incident} UNION SELECT CASE WHEN l.incident = kin.id THEN l.joined_to ELSE l.incident END \
         FROM kin JOIN incident_joined l ON l.incident = kin.id OR l.joined_to = kin.id) SELECT id FROM kin)"
    )
}

impl HeldWhen {
    /// The condition that the record of an alias is held by the hold `h`. What kind of hold is not known here holds everything.
    pub(super) fn by_hold(&self, alias: &str) -> String {
        let mut any = vec![self.by_itself(alias)];
        for (place, HeldWith { table, which, held }) in self.with.iter().enumerate() {
            let own = format!("w{place}");
            let which = which.replace('#', &own).replace('@', alias);
            any.push(format!("EXISTS (SELECT 1 FROM {table} {own} WHERE {which} AND {})", held.by_itself(&own)));
        }
        format!("({})", any.join(" OR "))
    }

    fn by_itself(&self, alias: &str) -> String {
        let of = |condition: &str| {
            let whole = condition.replace("KIN", &family("@.id")).replace("FAMILY", &family("@.incident"));
            whole.replace('@', alias)
        };
        let (first, last, own_device) = (of(self.first), of(self.last), of(self.own_device));
        let (classes, device, incident, person) = (self.classes, of(self.device), of(self.incident), of(self.person));
        let kin = family("h.incident");
        let around = format!(
            "({own_device} IN (SELECT hd.device FROM incident_device hd WHERE hd.incident IN {kin}) \
             AND EXISTS (SELECT 1 FROM incident hi WHERE hi.id IN {kin} \
             AND {first} <= coalesce(hi.closed_at, 9000000000000000000) + {AROUND_INCIDENT_MS} \
             AND {last} >= hi.opened_at - {AROUND_INCIDENT_MS}))"
        );
        format!(
            "((h.from_at IS NULL OR {last} >= h.from_at) AND (h.until_at IS NULL OR {first} <= h.until_at) \
             AND CASE h.kind WHEN 'period' THEN TRUE WHEN 'class' THEN h.subject IN ({classes}) WHEN 'device' THEN {device} \
             WHEN 'incident' THEN ({incident} IN {kin} OR {around}) WHEN 'person' THEN {person} ELSE TRUE END)"
        )
    }

    /// The condition that the record of an alias is held by one of the holds in force.
    pub(super) fn sql(&self, alias: &str) -> String {
        format!("EXISTS (SELECT 1 FROM hold h WHERE h.ended_at IS NULL AND {})", self.by_hold(alias))
    }
}

/// What each hold in force keeps of numbers, by its number.
pub(super) fn on_numbers(reader: &SqlReader) -> Result<Vec<(u64, NumbersHold)>, StoreError> {
    let mut all = Vec::new();
    for hold in list(reader)?.into_iter().filter(|hold| hold.ended.is_none()) {
        let base = NumbersHold {
            tier: None,
            device: None,
            person: None,
            from_ms: hold.from.map_or(i64::MIN, Timestamp::as_millis),
            until_ms: hold.until.map_or(i64::MAX, Timestamp::as_millis),
        };
        let mut keeps = |one| all.push((hold.number, one));
        match hold.target {
            HoldTarget::Period => keeps(base),
            HoldTarget::Device(id) => keeps(NumbersHold { device: Some(id), ..base }),
            HoldTarget::Person(name) => keeps(NumbersHold { person: Some(name), ..base }),
            HoldTarget::Class(class) => {
                class.tier().into_iter().for_each(|tier| keeps(NumbersHold { tier: Some(tier), ..base.clone() }));
            }
            HoldTarget::Incident(id) => around_incident(reader, id, &base)?.into_iter().for_each(keeps),
        }
    }
    Ok(all)
}

/// The numbers of the devices of an incident and of those that were joined with it, from a day before to a day after each.
fn around_incident(reader: &SqlReader, id: IncidentId, base: &NumbersHold) -> Result<Vec<NumbersHold>, StoreError> {
    let kin = family("CAST(?1 AS BIGINT)");
    let sql = format!(
        "SELECT d.id, i.opened_at, i.closed_at FROM incident i JOIN device d ON d.number IN \
         (SELECT p.device FROM incident_device p WHERE p.incident IN {kin}) \
         WHERE i.id IN {kin}"
    );
    let devices = reader.all(&sql, &[&signed(id.0)], |row| {
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
