//! Maintenance windows. What is over stays on record.

use ioc_common::clock::Timestamp;
use ioc_judge::Window;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json, required, signed};
use crate::StoreError;
use crate::sql::{self, params};

pub(super) fn put(commit: &Commit<'_>, window: &Window) -> sql::Result<()> {
    commit.run(
        "INSERT INTO \"window\" (id, gone, body) VALUES (?1, 0, ?2) ON CONFLICT (id) DO UPDATE SET gone = 0, body = ?2",
        params![signed(window.id), json(window)?],
    )?;
    Ok(())
}

pub(super) fn end(commit: &Commit<'_>, id: u64, at: Timestamp) -> sql::Result<()> {
    commit.run("UPDATE \"window\" SET gone = ?2 WHERE id = ?1", params![signed(id), at.as_millis()])?;
    Ok(())
}

pub(super) fn planned(reader: &SqlReader) -> Result<Vec<Window>, StoreError> {
    reader.all("SELECT body FROM \"window\" WHERE gone = 0 ORDER BY id", &[], |row| body(row, 0))
}

pub(super) fn over(reader: &SqlReader, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError> {
    let sql = "SELECT body, gone FROM \"window\" WHERE gone > 0 AND gone >= ?1 ORDER BY id";
    reader.all(sql, &[&since.as_millis()], |row| Ok((body(row, 0)?, required(row, 1)?)))
}
