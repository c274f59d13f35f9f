//! Maintenance windows. What is over stays on record.

use rusqlite::params;

use ioc_common::clock::Timestamp;
use ioc_judge::Window;

use super::commit::Commit;
use super::reader_connection::SqliteReader;
use super::value::{body, json, required, signed};
use crate::StoreError;

pub(super) fn put(commit: &Commit<'_>, window: &Window) -> rusqlite::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO window (id, gone, body) VALUES (?1, 0, ?2)",
        params![signed(window.id), json(window)?],
    )?;
    Ok(())
}

pub(super) fn end(commit: &Commit<'_>, id: u64, at: Timestamp) -> rusqlite::Result<()> {
    commit.run("UPDATE window SET gone = ?2 WHERE id = ?1", params![signed(id), at.as_millis()])?;
    Ok(())
}

pub(super) fn planned(reader: &SqliteReader) -> Result<Vec<Window>, StoreError> {
    reader.all("SELECT body FROM window WHERE NOT gone ORDER BY id", &[], |row| body(row, 0))
}

pub(super) fn over(reader: &SqliteReader, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError> {
    let sql = "SELECT body, gone FROM window WHERE gone > 0 AND gone >= ?1 ORDER BY id";
    reader.all(sql, &[&since.as_millis()], |row| Ok((body(row, 0)?, required(row, 1)?)))
}
