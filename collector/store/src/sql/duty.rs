//! Who stands in on a rota, and the duty book.

use ioc_judge::duty::Cover;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json, limit_of, required, signed};
use crate::sql::{self, params};
use crate::{Handover, StoreError};

pub(super) fn put_cover(commit: &Commit<'_>, cover: &Cover) -> sql::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO cover (id, gone, body) VALUES (?1, FALSE, ?2)",
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

pub(super) fn handovers(reader: &SqlReader, limit: usize) -> Result<Vec<Handover>, StoreError> {
    let sql = "SELECT at, rota, who, text FROM handover ORDER BY number DESC LIMIT ?1";
    reader.all(sql, &[&limit_of(limit)], |row| {
        Ok(Handover { at: required(row, 0)?, rota: row.get(1)?, who: row.get(2)?, text: row.get(3)? })
    })
}
