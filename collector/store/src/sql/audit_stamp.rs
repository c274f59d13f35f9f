//! What a time stamping authority said of signed heads (RFC 3161): kept beside them for good.

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{limit_of, required, signed};
use crate::StoreError;
use crate::audit::AuditStamp;
use crate::sql::{self, Row, params};

const COLUMNS: &str = "SELECT number, at, authority, reply FROM audit_stamp";

pub(super) fn put(commit: &Commit<'_>, stamp: &AuditStamp) -> sql::Result<()> {
    commit.run(
        "INSERT INTO audit_stamp (number, at, authority, reply) SELECT ?1, ?2, ?3, ?4 \
         WHERE NOT EXISTS (SELECT 1 FROM audit_stamp WHERE number = ?1)",
        params![signed(stamp.number), stamp.at.as_millis(), stamp.authority, stamp.reply],
    )?;
    Ok(())
}

fn stamp(row: &Row<'_>) -> sql::Result<AuditStamp> {
    Ok(AuditStamp {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: required(row, 1)?,
        authority: row.get(2)?,
        reply: row.get(3)?,
    })
}

pub(super) fn after(reader: &SqlReader, after: u64, limit: usize) -> Result<Vec<AuditStamp>, StoreError> {
    let sql = format!("{COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2");
    reader.all(&sql, &[&signed(after), &limit_of(limit)], stamp)
}

pub(super) fn last(reader: &SqlReader) -> Result<Option<AuditStamp>, StoreError> {
    reader.one(&format!("{COLUMNS} ORDER BY number DESC LIMIT 1"), &[], stamp)
}

/// Of the newest stamped head whose record is in the log.
pub(super) fn last_in_log(reader: &SqlReader) -> Result<Option<AuditStamp>, StoreError> {
    let sql = format!(
        "{COLUMNS} s WHERE EXISTS (SELECT 1 FROM audit_head h JOIN audit a ON a.number = h.number AND a.hash = h.hash \
         WHERE h.number = s.number) ORDER BY number DESC LIMIT 1"
    );
    reader.one(&sql, &[], stamp)
}
