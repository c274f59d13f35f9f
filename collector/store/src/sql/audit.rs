//! The audit log: each record holds the hash of the one before it.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, limit_of, required, signed};
use crate::StoreError;
use crate::audit::{self, AuditEntry, AuditRecord};
use crate::audit_text::actions_whose;
use crate::merkle::{MISSING, parse};
use crate::search::{WordsQuery, words as split};
use crate::sql::{self, Row, ToSql, params};

pub(super) const COLUMNS: &str = "SELECT number, at, actor, action, subject, detail, hash FROM audit";

pub(super) fn append(commit: &mut Commit<'_>, entry: &AuditEntry) -> sql::Result<()> {
    let (number, previous) = &commit.last_audit;
    let record = audit::seal(previous, number + 1, entry);
    commit.run(
        "INSERT INTO audit (number, at, actor, action, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            signed(record.number),
            record.at.as_millis(),
            record.actor,
            record.action,
            record.subject,
            record.detail,
            record.hash
        ],
    )?;
    commit.audit_tree.push(&parse(&record.hash).unwrap_or(MISSING));
    commit.last_audit = (record.number, record.hash);
    Ok(())
}

pub(super) fn record(row: &Row<'_>) -> sql::Result<AuditRecord> {
    Ok(AuditRecord {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: required(row, 1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        detail: row.get(5)?,
        hash: row.get(6)?,
    })
}

pub(super) fn after(reader: &SqlReader, after: u64, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("{COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2");
    reader.all(&sql, &[&signed(after), &limit_of(limit)], record)
}

pub(super) fn tally(
    reader: &SqlReader,
    from: Timestamp,
    until: Timestamp,
) -> Result<BTreeMap<String, u64>, StoreError> {
    let sql = "SELECT action, count(*) FROM audit WHERE at >= ?1 AND at < ?2 GROUP BY action";
    let count = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
    Ok(reader.all(sql, &[&from.as_millis(), &until.as_millis()], count)?.into_iter().collect())
}

pub(super) fn of(
    reader: &SqlReader,
    action: &str,
    (from, until): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("{COLUMNS} WHERE at >= ?1 AND at < ?2 AND action = ?3 ORDER BY at, number LIMIT ?4");
    reader.all(&sql, &[&from.as_millis(), &until.as_millis(), &action, &limit_of(limit)], record)
}

pub(super) fn since(reader: &SqlReader) -> Result<Option<Timestamp>, StoreError> {
    reader.one("SELECT at FROM audit ORDER BY number LIMIT 1", &[], |row| required(row, 0))
}

pub(super) fn before(
    reader: &SqlReader,
    number: Option<u64>,
    search: &str,
    limit: usize,
) -> Result<Vec<AuditRecord>, StoreError> {
    let words: Vec<String> = search.split_whitespace().take(8).map(str::to_lowercase).collect();
    let mut sql = format!("{COLUMNS} WHERE number < ?1");
    for (word, place) in words.iter().zip(3..) {
        let of = "lower(actor || ' ' || action || ' ' || subject || ' ' || detail)";
        // Or as pages call what was done. Names of actions are the program's own.
        let asked = WordsQuery::parse(word.trim_start_matches('-'));
        let is_called = |vi: &str, en: &str| !asked.is_empty() && asked.matches(&[split(vi), split(en)]);
        // No action is called nothing: PostgreSQL wants a list that is not empty.
        let called = std::iter::once("").chain(actions_whose(is_called));
        let called: Vec<String> = called.map(|action| format!("'{action}'")).collect();
        sql += &format!(" AND (instr({of}, ?{place}) > 0 OR action IN ({}))", called.join(", "));
    }
    if !words.is_empty() {
        let looked = audit::LOOKED_THROUGH;
        sql += &format!(" AND number > (SELECT coalesce(max(number), 0) FROM audit WHERE number < ?1) - {looked}");
    }
    sql += " ORDER BY number DESC LIMIT ?2";
    let (below, limit) = (below(number), limit_of(limit));
    let mut params: Vec<&dyn ToSql> = vec![&below, &limit];
    params.extend(words.iter().map(|word| word as &dyn ToSql));
    reader.all(&sql, &params, record)
}
