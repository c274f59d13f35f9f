//! Signed heads of the audit log, the keys that signed them, and the Merkle tree over the log's records.
//!
//! SQLite's files have the newest head beside them, too (`sqlite/head_file.rs`).

use ioc_common::audit_head::AuditHead;

use super::audit;
use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{limit_of, required, signed};
use crate::StoreError;
use crate::audit::{AuditKey, AuditRecord};
use crate::merkle::Frontier;
use crate::sql::{self, Connection, OptionalExtension as _, Row, params};

const COLUMNS: &str = "SELECT number, hash, root, at, key, signature FROM audit_head";

pub(super) fn put_key(commit: &Commit<'_>, key: &AuditKey) -> sql::Result<()> {
    commit.run(
        "INSERT INTO audit_key (id, public, certificate, at) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM audit_key WHERE id = ?1)",
        params![key.id, key.public, key.certificate, key.at.as_millis()],
    )?;
    Ok(())
}

/// Keeps a head, and the tree that it is the root of, so that the next start need not read all records.
pub(super) fn put(commit: &Commit<'_>, head: &AuditHead, tree: &Frontier) -> sql::Result<()> {
    commit.run(
        "INSERT INTO audit_head (number, hash, root, at, key, signature) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![signed(head.number), head.hash, head.root, head.at.as_millis(), head.key, head.signature],
    )?;
    commit.run(
        "INSERT OR REPLACE INTO audit_tree (one, size, peaks) VALUES (1, ?1, ?2)",
        params![signed(tree.size()), tree.to_bytes()],
    )?;
    Ok(())
}

fn head(row: &Row<'_>) -> sql::Result<AuditHead> {
    Ok(AuditHead {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        hash: row.get(1)?,
        root: row.get(2)?,
        at: required(row, 3)?,
        key: row.get(4)?,
        signature: row.get(5)?,
    })
}

fn key(row: &Row<'_>) -> sql::Result<AuditKey> {
    Ok(AuditKey { id: row.get(0)?, public: row.get(1)?, certificate: row.get(2)?, at: required(row, 3)? })
}

const KEYS: &str = "SELECT id, public, certificate, at FROM audit_key ORDER BY at, id";

pub(crate) fn newest(connection: Connection<'_>) -> sql::Result<Option<AuditHead>> {
    connection.query_row(&format!("{COLUMNS} ORDER BY number DESC LIMIT 1"), [], head).optional()
}

/// Heads after a number and up to another, in their order.
pub(crate) fn between(
    connection: Connection<'_>,
    after: u64,
    through: u64,
    limit: usize,
) -> sql::Result<Vec<AuditHead>> {
    let sql = format!("{COLUMNS} WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let through = i64::try_from(through).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![signed(after), through, limit_of(limit)], head)?;
    rows.collect()
}

pub(crate) fn keys(connection: Connection<'_>) -> sql::Result<Vec<AuditKey>> {
    let mut statement = connection.prepare_cached(KEYS)?;
    let rows = statement.query_map([], key)?;
    rows.collect()
}

pub(super) fn after(reader: &SqlReader, after: u64, limit: usize) -> Result<Vec<AuditHead>, StoreError> {
    let sql = format!("{COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2");
    reader.all(&sql, &[&signed(after), &limit_of(limit)], head)
}

pub(super) fn find(reader: &SqlReader, number: u64) -> Result<Option<AuditHead>, StoreError> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    reader.one(&format!("{COLUMNS} WHERE number = ?1"), &[&number], head)
}

pub(super) fn last(reader: &SqlReader) -> Result<Option<AuditHead>, StoreError> {
    reader.one(&format!("{COLUMNS} ORDER BY number DESC LIMIT 1"), &[], head)
}

/// Of the newest head whose record is there.
const NEWEST_IN_LOG: &str =
    "h WHERE EXISTS (SELECT 1 FROM audit a WHERE a.number = h.number AND a.hash = h.hash) ORDER BY number DESC LIMIT 1";

pub(super) fn last_in_log(reader: &SqlReader) -> Result<Option<AuditHead>, StoreError> {
    reader.one(&format!("{COLUMNS} {NEWEST_IN_LOG}"), &[], head)
}

pub(super) fn all_keys(reader: &SqlReader) -> Result<Vec<AuditKey>, StoreError> {
    reader.all(KEYS, &[], key)
}

/// Records that declare that a copy was put in the store's place, or that it was begun anew; by an index of their own.
pub(super) fn restores(reader: &SqlReader) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("{} WHERE action IN ('store.restored', 'store.made_anew') ORDER BY number", audit::COLUMNS);
    reader.all(&sql, &[], audit::record)
}

/// The newest head whose record is there.
pub(crate) fn newest_in_log(connection: Connection<'_>) -> sql::Result<Option<AuditHead>> {
    connection.query_row(&format!("{COLUMNS} {NEWEST_IN_LOG}"), [], head).optional()
}
