//! Who stands in on a rota, and the duty book.

use ioc_judge::duty::Cover;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, required, signed};
use crate::sql::{self, params};
use crate::{Handover, StoreError};

pub(super) fn put_cover(commit: &Commit<'_>, cover: &Cover) -> sql::Result<()> {
    commit.run(
        "INSERT INTO cover (id, gone, body) VALUES (?1, FALSE, ?2) ON CONFLICT (id) DO UPDATE SET gone = FALSE, body = ?2",
        params![signed(cover.id), json(cover)?],
    )?;
    Ok(())
}

pub(super) fn end_cover(commit: &Commit<'_>, id: u64) -> sql::Result<()> {
    commit.run("UPDATE cover SET gone = TRUE WHERE id = ?1", params![signed(id)])?;
    Ok(())
}

pub(super) fn put_handover(commit: &Commit<'_>, entry: &Handover) -> sql::Result<()> {
    commit.run(
        "INSERT INTO handover (at, rota, who, text) VALUES (?1, ?2, ?3, ?4)",
        params![entry.at.as_millis(), entry.rota, entry.who, entry.text],
    )?;
    Ok(())
}

pub(super) fn covers(reader: &SqlReader) -> Result<Vec<Cover>, StoreError> {
    reader.all("SELECT body FROM cover WHERE NOT gone ORDER BY id", &[], |row| body(row, 0))
}

/// The newest first; what was taken back, too.
pub(super) fn all_covers(
    reader: &SqlReader,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(Cover, bool)>, StoreError> {
    let sql = "SELECT body, gone FROM cover WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    reader.all(sql, &[&below(before), &limit_of(limit)], |row| Ok((body(row, 0)?, row.get(1)?)))
}

/// The newest first, each with its number.
pub(super) fn book(reader: &SqlReader, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Handover)>, StoreError> {
    let sql = "SELECT at, rota, who, text, number FROM handover WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    reader.all(sql, &[&below(before), &limit_of(limit)], |row| {
        let entry = Handover { at: required(row, 0)?, rota: row.get(1)?, who: row.get(2)?, text: row.get(3)? };
        Ok((row.get::<_, i64>(4)?.unsigned_abs(), entry))
    })
}
