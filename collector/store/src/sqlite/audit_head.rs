//! Signed heads of the audit log, the keys that signed them, and the Merkle tree over the log's records.
//!
//! The newest head stands in a small file beside the store, too. A database from which the last records were taken is as sound as one that
//! never had them; the file knows that they were there. It is written after the commit that holds the head, so it is never ahead of the
//! store, and one that is gone or damaged says nothing.

use std::io::{self, Write as _};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use ioc_common::audit_head::AuditHead;
use ioc_common::file::replace;
use ioc_judge::Text;

use super::audit;
use super::commit::Commit;
use super::file::HEAD_FILE;
use super::reader_connection::SqliteReader;
use super::value::{limit_of, required, signed};
use crate::audit::{AuditKey, AuditRecord};
use crate::merkle::Frontier;
use crate::{Change, StoreError};

/// First word of the file, so that another format is another word.
const FILE_HEADER: &str = "ioc-watch-audit-head-1";
const COLUMNS: &str = "SELECT number, hash, root, at, key, signature FROM audit_head";

pub(super) fn put_key(commit: &Commit<'_>, key: &AuditKey) -> rusqlite::Result<()> {
    commit.run(
        "INSERT INTO audit_key (id, public, certificate, at) SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS (SELECT 1 FROM audit_key WHERE id = ?1)",
        params![key.id, key.public, key.certificate, key.at.as_millis()],
    )?;
    Ok(())
}

/// Keeps a head, and the tree that it is the root of, so that the next start need not read all records.
pub(super) fn put(commit: &Commit<'_>, head: &AuditHead, tree: &Frontier) -> rusqlite::Result<()> {
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

fn head(row: &Row<'_>) -> rusqlite::Result<AuditHead> {
    Ok(AuditHead {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        hash: row.get(1)?,
        root: row.get(2)?,
        at: required(row, 3)?,
        key: row.get(4)?,
        signature: row.get(5)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<AuditKey> {
    Ok(AuditKey { id: row.get(0)?, public: row.get(1)?, certificate: row.get(2)?, at: required(row, 3)? })
}

const KEYS: &str = "SELECT id, public, certificate, at FROM audit_key ORDER BY at, id";

pub(super) fn newest(connection: &Connection) -> rusqlite::Result<Option<AuditHead>> {
    connection.query_row(&format!("{COLUMNS} ORDER BY number DESC LIMIT 1"), [], head).optional()
}

/// Heads after a number and up to another, in their order.
pub(super) fn between(
    connection: &Connection,
    after: u64,
    through: u64,
    limit: usize,
) -> rusqlite::Result<Vec<AuditHead>> {
    let sql = format!("{COLUMNS} WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let through = i64::try_from(through).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![signed(after), through, limit_of(limit)], head)?;
    rows.collect()
}

pub(super) fn keys(connection: &Connection) -> rusqlite::Result<Vec<AuditKey>> {
    let mut statement = connection.prepare_cached(KEYS)?;
    let rows = statement.query_map([], key)?;
    rows.collect()
}

pub(super) fn after(reader: &SqliteReader, after: u64, limit: usize) -> Result<Vec<AuditHead>, StoreError> {
    let sql = format!("{COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2");
    reader.all(&sql, &[&signed(after), &limit_of(limit)], head)
}

pub(super) fn find(reader: &SqliteReader, number: u64) -> Result<Option<AuditHead>, StoreError> {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    reader.one(&format!("{COLUMNS} WHERE number = ?1"), &[&number], head)
}

pub(super) fn last(reader: &SqliteReader) -> Result<Option<AuditHead>, StoreError> {
    reader.one(&format!("{COLUMNS} ORDER BY number DESC LIMIT 1"), &[], head)
}

/// Of the newest head whose record is there.
const NEWEST_IN_LOG: &str =
    "h WHERE EXISTS (SELECT 1 FROM audit a WHERE a.number = h.number AND a.hash = h.hash) ORDER BY number DESC LIMIT 1";

pub(super) fn last_in_log(reader: &SqliteReader) -> Result<Option<AuditHead>, StoreError> {
    reader.one(&format!("{COLUMNS} {NEWEST_IN_LOG}"), &[], head)
}

pub(super) fn all_keys(reader: &SqliteReader) -> Result<Vec<AuditKey>, StoreError> {
    reader.all(KEYS, &[], key)
}

/// Records that declare that a copy was put in the store's place, or that it was begun anew; by an index of their own.
pub(super) fn restores(reader: &SqliteReader) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("{} WHERE action IN ('store.restored', 'store.made_anew') ORDER BY number", audit::COLUMNS);
    reader.all(&sql, &[], audit::record)
}

/// Writes the newest head of these changes, which are committed, beside the store.
pub(super) fn write_newest(dir: &Path, changes: &[Change]) {
    let heads = changes.iter().rev().find_map(|change| match change {
        Change::AuditHead { head, .. } => Some(head),
        _ => None,
    });
    if let Some(head) = heads {
        write(dir, head);
    }
}

/// Brings the file to what the store holds: it may be gone, or speak of what is lost and told.
pub(super) fn settle(dir: &Path, connection: &Connection) -> rusqlite::Result<()> {
    // One whose record is gone was told just now.
    let newest = connection.query_row(&format!("{COLUMNS} {NEWEST_IN_LOG}"), [], head).optional()?;
    if newest == read(dir) {
        return Ok(());
    }
    let path = dir.join(HEAD_FILE);
    if newest.is_some() && !path.exists() {
        // A copy that was restored has none; nor has a store whose end somebody cut, and with it all that knew of it.
        tracing::warn!(file = %path.display(), "there is no signed head beside the store, so that nothing shows whether the end of the audit log is missing; after a restore that is as it should be");
    }
    match newest {
        Some(head) => write(dir, &head),
        None => drop(std::fs::remove_file(dir.join(HEAD_FILE))),
    }
    Ok(())
}

fn write(dir: &Path, head: &AuditHead) {
    let path = dir.join(HEAD_FILE);
    let body = serde_json::to_string(head).unwrap_or_default();
    let line = format!("{FILE_HEADER} {:08x} {body}\n", crc32fast::hash(body.as_bytes()));
    if let Err(error) = replace(&path, 0o600, |file| file.write_all(line.as_bytes())) {
        tracing::warn!(file = %path.display(), %error, "the newest signed head of the audit log cannot be kept beside the store");
    }
}

/// The head that stands beside the store; none where the file is gone or cannot be read: a power cut may leave it empty.
fn read(dir: &Path) -> Option<AuditHead> {
    let path = dir.join(HEAD_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(file = %path.display(), %error, "the signed head beside the store cannot be read");
            }
            return None;
        }
    };
    let parsed = text.trim_end().strip_prefix(FILE_HEADER).and_then(|rest| {
        let (checksum, body) = rest.trim_start().split_once(' ')?;
        let right = u32::from_str_radix(checksum, 16).ok()? == crc32fast::hash(body.as_bytes());
        serde_json::from_str(body).ok().filter(|_| right)
    });
    if parsed.is_none() {
        tracing::warn!(file = %path.display(), "the signed head beside the store is damaged; it says nothing");
    }
    parsed
}

/// Compares the log with the head that stands beside it, before anything is written. What is to be said where it is shorter or another.
pub(super) fn compare(connection: &Connection, dir: &Path) -> rusqlite::Result<Option<Text>> {
    let Some(known) = read(dir) else { return Ok(None) };
    let number = i64::try_from(known.number).unwrap_or(i64::MAX);
    let there = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN ('audit', 'audit_head')";
    if connection.query_row(there, [], |row| row.get::<_, i64>(0))? < 2 {
        return Ok(None);
    }
    let sql = "SELECT coalesce(max(number), 0), (SELECT hash FROM audit WHERE number = ?1), (SELECT root FROM audit_head WHERE number = ?1) FROM audit";
    let (last, hash, root) = connection.query_row(sql, [number], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let (head, at) = (known.number, known.at);
    Ok(match (hash, root) {
        (Some(hash), Some(root)) if hash == known.hash && root == known.root => None,
        (Some(hash), None) if hash == known.hash => Some(Text::new(
            format!(
                "Nhật ký kiểm toán mất các đầu mục đã ký: bản ghi {head} đã được ký lúc {at}, nay không còn chữ ký đó."
            ),
            format!(
                "Signed heads of the audit log are missing: record {head} was signed at {at}, and the signature is gone."
            ),
        )),
        (None, _) if last < number => Some(Text::new(
            format!(
                "Nhật ký kiểm toán bị cắt phần cuối: chỉ còn đến bản ghi {last}, trong khi bản ghi {head} đã có lúc ký ({at})."
            ),
            format!(
                "The end of the audit log is cut off: it ends with record {last}, and record {head} was there when it was signed at {at}."
            ),
        )),
        _ => Some(Text::new(
            format!("Nhật ký kiểm toán không còn là nhật ký đã ký: bản ghi {head} khác với bản đã ký lúc {at}."),
            format!("The audit log is not the one that was signed: record {head} is another than the one of {at}."),
        )),
    })
}

#[cfg(test)]
mod tests;
