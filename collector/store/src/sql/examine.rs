//! Looking the record over: its audit log, whichever database has it; and what else PostgreSQL does not say of itself. Pages and files are SQLite's
//! (`sqlite/examine.rs`); those of PostgreSQL are checked by its own means (`amcheck`, data checksums).

use super::audit::{COLUMNS, record};
use super::audit_head;
use super::reader_connection::SqlReader;
use super::value::{limit_of, signed};
use crate::StoreError;
use crate::audit_check::{AuditCheck, AuditFinding};
use crate::history;
use crate::sql::{self, Connection, params};

/// Most findings that are told.
const FINDINGS_MAX: usize = 20;
/// Records that are read at a time.
const RECORDS: usize = 1000;
/// Tables whose rows have a checksum within.
const SEALED: [(&str, &str); 4] = [
    ("rows of history", "main.sample"),
    ("watermarks of commits", "main.watermark_log"),
    ("chunks of history", "history.chunk"),
    ("pieces of history", "history.piece"),
];

/// The chain of the audit log from its first record, and its signed heads.
pub(crate) fn check_log(connection: Connection<'_>) -> sql::Result<Vec<AuditFinding>> {
    let sql = format!("{COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2");
    let keys = audit_head::keys(connection)?.into_iter().map(|key| (key.id, key.public)).collect();
    // The newest head before the first record: what is written meanwhile is behind it.
    let through = audit_head::newest(connection)?.map_or(0, |head| head.number);
    let (mut check, mut head) = (AuditCheck::new(keys), 0);
    loop {
        let after = check.number();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![signed(after), limit_of(RECORDS)], record)?;
        let page = rows.collect::<sql::Result<Vec<_>>>()?;
        let last = page.last().map_or(u64::MAX, |record| record.number);
        while head < last.min(through) {
            let heads = audit_head::between(connection, head, through, RECORDS)?;
            let Some(newest) = heads.last() else { break };
            head = newest.number;
            heads.into_iter().for_each(|head| check.head(head));
        }
        if page.is_empty() {
            return Ok(check.finish());
        }
        page.iter().for_each(|record| check.record(record));
    }
}

/// What is wrong with a record that PostgreSQL keeps; nothing when all is sound. `deep` reads every checksum.
pub(super) fn examine(reader: &SqlReader, deep: bool) -> Vec<String> {
    let mut findings: Vec<String> = match reader.connection().map(check_log) {
        Ok(Ok(found)) => found.iter().map(|finding| format!("audit: {finding}")).collect(),
        Ok(Err(error)) => vec![format!("audit: {error}")],
        Err(error) => return vec![error.to_string()],
    };
    for (name, table) in SEALED.iter().filter(|_| deep) {
        match damaged(reader, table) {
            Ok(0) => {}
            Ok(wrong) => findings.push(format!("{name}: {wrong} do not match their checksums")),
            Err(error) => findings.push(format!("{name}: {error}")),
        }
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

fn damaged(reader: &SqlReader, table: &str) -> Result<u64, StoreError> {
    let sql = format!("SELECT number, data FROM {table} WHERE number > ?1 ORDER BY number LIMIT ?2");
    let (mut after, mut wrong) = (i64::MIN, 0);
    loop {
        let page = reader.all(&sql, &[&after, &limit_of(RECORDS)], |row| {
            Ok((row.get::<_, i64>(0)?, history::is_whole(row.get_ref(1)?.as_blob().unwrap_or_default())))
        })?;
        let Some((last, _)) = page.last() else { return Ok(wrong) };
        after = *last;
        wrong += page.iter().filter(|(_, is_whole)| !is_whole).count() as u64;
    }
}
