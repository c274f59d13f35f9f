//! Tables that people take into registers, as they are kept.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, moment, required, signed, word};
use crate::sql::{self, Row, params};
use crate::{ImportRegister, StoreError, TableImport};

pub(super) fn put(commit: &Commit<'_>, import: &TableImport) -> sql::Result<()> {
    let TableImport { number, register, at, by, undone: _, count, left, rows } = import;
    commit.run(
        "INSERT INTO table_import (number, register, at, who, count, left_over, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![signed(*number), register.as_str(), at.as_millis(), by, signed(*count), signed(*left), json(rows)?],
    )?;
    Ok(())
}

pub(super) fn undo(commit: &Commit<'_>, number: u64, at: Timestamp, by: &str) -> sql::Result<()> {
    commit.run(
        "UPDATE table_import SET undone_at = ?2, undone_by = ?3, left_over = count WHERE number = ?1",
        params![signed(number), at.as_millis(), by],
    )?;
    Ok(())
}

pub(super) fn put_left(commit: &Commit<'_>, number: u64, left: u64) -> sql::Result<()> {
    commit.run("UPDATE table_import SET left_over = ?2 WHERE number = ?1", params![signed(number), signed(left)])?;
    Ok(())
}

const IMPORT: &str = "SELECT number, at, who, undone_at, undone_by, count, left_over, register";

/// The newest imports first, without what they did.
pub(super) fn list(
    reader: &SqlReader,
    register: ImportRegister,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<TableImport>, StoreError> {
    let sql =
        format!("{IMPORT}, '[]' FROM table_import WHERE register = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3");
    let found = reader.all(&sql, &[&register.as_str(), &below(before), &limit_of(limit)], import_of)?;
    Ok(found.into_iter().map(|one| reader.import_as_shown(one)).collect())
}

pub(super) fn one(reader: &SqlReader, number: u64) -> Result<Option<TableImport>, StoreError> {
    let sql = format!("{IMPORT}, body FROM table_import WHERE number = ?1");
    Ok(reader.one(&sql, &[&signed(number)], import_of)?.map(|one| reader.import_as_shown(one)))
}

/// The number of the last import into any register; 0 before the first.
pub(super) fn last(reader: &SqlReader) -> Result<u64, StoreError> {
    let found = reader.one("SELECT coalesce(max(number), 0) FROM table_import", &[], |row| row.get::<_, i64>(0))?;
    Ok(found.unwrap_or(0).unsigned_abs())
}

/// The import, or its undoing, that is not done yet.
pub(super) fn unfinished(reader: &SqlReader) -> Result<Option<TableImport>, StoreError> {
    let sql = format!("{IMPORT}, body FROM table_import WHERE left_over > 0 ORDER BY number LIMIT 1");
    reader.one(&sql, &[], import_of)
}

fn import_of(row: &Row<'_>) -> sql::Result<TableImport> {
    let undone = moment(row, 3)?.zip(row.get::<_, Option<String>>(4)?);
    Ok(TableImport {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        register: word(row, 7, || "a table that was taken in".to_owned())?,
        at: required(row, 1)?,
        by: row.get(2)?,
        undone,
        count: row.get::<_, i64>(5)?.unsigned_abs(),
        left: row.get::<_, i64>(6)?.unsigned_abs(),
        rows: body(row, 8)?,
    })
}
