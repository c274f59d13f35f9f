//! The newest signed head of the audit log in a small file beside the store.
//!
//! A database from which the last records were taken is as sound as one that never had them; the file knows that they were there. It is
//! written after the commit that holds the head, so it is never ahead of the store, and one that is gone or damaged says nothing.

use std::io::{self, Write as _};
use std::path::Path;

use rusqlite::Connection;

use ioc_common::audit_head::AuditHead;
use ioc_common::file::replace;
use ioc_judge::Text;

use super::file::HEAD_FILE;
use crate::Change;
use crate::sql::{self, audit_head};

/// First word of the file, so that another format is another word.
const FILE_HEADER: &str = "ioc-watch-audit-head-1";

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
pub(super) fn settle(dir: &Path, connection: &Connection) -> sql::Result<()> {
    // One whose record is gone was told just now.
    let newest = audit_head::newest_in_log(connection.into())?;
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
