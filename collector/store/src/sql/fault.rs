//! Faults.

use ioc_common::clock::Timestamp;
use ioc_judge::Fault;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, rank, signed};
use crate::sql::{self, ToSql, params};
use crate::{FaultQuery, RuleFaults, StoreError};

pub(super) fn put(commit: &Commit<'_>, fault: &Fault) -> sql::Result<()> {
    let number = commit.number(&fault.device)?;
    let ended = (!fault.state.is_open()).then(|| fault.cleared_at.unwrap_or(fault.raised_at));
    commit.run(
        "INSERT INTO fault (id, device, state, severity, body, open, incident, ended_at, raised_at, rule) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET state = ?3, severity = ?4, body = ?5, \
         open = ?6, incident = ?7, ended_at = ?8, raised_at = ?9, rule = ?10",
        params![
            signed(fault.id.0),
            number,
            fault.state.as_str(),
            rank(fault.severity),
            json(fault)?,
            fault.state.is_open(),
            fault.incident.map(|incident| signed(incident.0)),
            ended.map(Timestamp::as_millis),
            fault.raised_at.as_millis(),
            fault.rule
        ],
    )?;
    fault.incident.map_or(Ok(()), |incident| super::incident::put_device(commit, signed(incident.0), number))
}

pub(super) fn list(reader: &SqlReader, query: &FaultQuery<'_>, limit: usize) -> Result<Vec<Fault>, StoreError> {
    let mut sql = "SELECT body FROM fault WHERE id < ?1".to_owned();
    if let Some(number) = query.device.map(|id| reader.number(id)).transpose()? {
        sql += &format!(" AND device = {number}");
    }
    if let Some(incident) = query.incident {
        sql += &format!(" AND incident = {}", signed(incident.0));
    }
    if query.open {
        sql += " AND open";
    }
    if let Some((from, until)) = query.during {
        let (from, until) = (from.as_millis(), until.as_millis());
        sql += &format!(" AND raised_at < {until} AND (open OR ended_at >= {from})");
    }
    let (before, limit) = (below(query.before), limit_of(limit));
    let mut params: Vec<&dyn ToSql> = vec![&before, &limit];
    if !query.rules.is_empty() {
        let places: Vec<String> = (0..query.rules.len()).map(|place| format!("?{}", place + 3)).collect();
        sql += &format!(" AND rule IN ({})", places.join(", "));
        params.extend(query.rules.iter().map(|rule| rule as &dyn ToSql));
    }
    sql += " ORDER BY id DESC LIMIT ?2";
    reader.all(&sql, &params, |row| Ok(reader.fault_as_shown(body(row, 0)?)))
}

/// How often each rule raised since a moment, and what became of it. A rule that never did is not there.
pub(super) fn by_rule(reader: &SqlReader, since: Timestamp) -> Result<Vec<RuleFaults>, StoreError> {
    let taken = "json_extract(i.body, '$.acknowledged_at') IS NOT NULL";
    let sql = format!(
        "SELECT f.rule, SUM(CASE WHEN f.raised_at >= ?1 THEN 1 ELSE 0 END), COUNT(DISTINCT CASE WHEN f.open THEN f.device END), \
         MAX(f.raised_at), COUNT(DISTINCT i.id), COUNT(DISTINCT CASE WHEN {taken} THEN i.id END), \
         COUNT(DISTINCT CASE WHEN NOT i.active AND NOT ({taken}) THEN i.id END) \
         FROM fault f LEFT JOIN incident i ON i.id = f.incident WHERE f.raised_at >= ?1 OR f.open GROUP BY f.rule ORDER BY f.rule"
    );
    reader.all(&sql, params![since.as_millis()], |row| {
        Ok(RuleFaults {
            rule: row.get(0)?,
            raised: row.get::<_, i64>(1)?.unsigned_abs(),
            devices: row.get::<_, i64>(2)?.unsigned_abs(),
            last: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
            incidents: row.get::<_, i64>(4)?.unsigned_abs(),
            taken: row.get::<_, i64>(5)?.unsigned_abs(),
            ignored: row.get::<_, i64>(6)?.unsigned_abs(),
        })
    })
}
