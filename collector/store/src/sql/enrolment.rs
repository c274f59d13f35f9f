//! How machines come in: enrolment tokens, and requests that wait for a person's word.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::number_limit;
use super::reader_connection::SqlReader;
use super::value::{body, json, limit_of, moment};
use crate::sql::{self, OptionalExtension as _, Row, params};
use crate::{RequestRecord, RequestState, StoreError, TokenRecord};

const TOKEN_COLUMNS: &str = "SELECT body, uses, used_at, ended_at FROM token";

pub(super) fn put_token(commit: &Commit<'_>, token: &TokenRecord) -> sql::Result<()> {
    commit.run(
        "INSERT INTO token (digest, body, created_at, uses) VALUES (?1, ?2, ?3, 0)",
        params![token.digest, json(token)?, token.created_at.as_millis()],
    )?;
    Ok(())
}

pub(super) fn use_token(commit: &Commit<'_>, digest: &str, at: Timestamp) -> sql::Result<()> {
    let sql = "UPDATE token SET uses = uses + 1, used_at = ?2 WHERE digest = ?1";
    commit.run(sql, params![digest, at.as_millis()])?;
    Ok(())
}

pub(super) fn end_token(commit: &Commit<'_>, digest: &str, at: Timestamp) -> sql::Result<()> {
    let sql = "UPDATE token SET ended_at = ?2 WHERE digest = ?1 AND ended_at IS NULL";
    commit.run(sql, params![digest, at.as_millis()])?;
    Ok(())
}

pub(super) fn put_request(commit: &Commit<'_>, request: &RequestRecord) -> sql::Result<()> {
    let waiting = request.state == RequestState::Waiting;
    let (at, seen_at) = (request.at.as_millis(), request.seen_at.as_millis());
    commit.run(
        "INSERT OR REPLACE INTO request (id, at, seen_at, waiting, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![request.id, at, seen_at, waiting, json(request)?],
    )?;
    Ok(())
}

pub(super) fn see_request(commit: &Commit<'_>, id: &str, at: Timestamp) -> sql::Result<()> {
    // One that a legal hold kept after it waited no more waits again.
    let sql = "UPDATE request SET seen_at = ?2, waiting = TRUE, body = json_set(body, '$.seen_at', ?3) \
               WHERE id = ?1 AND json_extract(body, '$.state') = 'waiting'";
    commit.run(sql, params![id, at.as_millis(), at.to_string()])?;
    Ok(())
}

/// It has come in. Its record stays until it goes as others do, under a name of its own: whoever asks with the same key asks anew.
pub(super) fn finish_request(commit: &Commit<'_>, id: &str) -> sql::Result<()> {
    let sql = "SELECT body FROM request WHERE id = ?1";
    let known =
        commit.transaction.prepare_cached(sql)?.query_row([id], |row| body::<RequestRecord>(row, 0)).optional()?;
    let Some(known) = known else { return Ok(()) };
    let newest: Option<i64> = commit.transaction.query_row("SELECT max(rowid) FROM request", [], |row| row.get(0))?;
    let own = format!("{id}/{}", newest.unwrap_or(0) + 1);
    let done = RequestRecord { id: own, state: RequestState::Enrolled, ..known };
    put_request(commit, &done)?;
    commit.run("DELETE FROM request WHERE id = ?1", [id])?;
    Ok(())
}

/// What has not asked since then goes. What is held stays, and waits no more.
pub(super) fn prune_requests(commit: &mut Commit<'_>, before: Timestamp, delete: bool) -> sql::Result<()> {
    if commit.keeps_all {
        return Ok(());
    }
    let before_ms = before.as_millis();
    if delete {
        number_limit::of_requests(commit, before_ms);
    }
    commit.run("UPDATE request SET waiting = FALSE WHERE waiting AND seen_at < ?1", [before_ms])?;
    Ok(())
}

fn token_record(row: &Row<'_>) -> sql::Result<TokenRecord> {
    let written: TokenRecord = body(row, 0)?;
    Ok(TokenRecord { uses: row.get(1)?, used_at: moment(row, 2)?, ended_at: moment(row, 3)?, ..written })
}

pub(super) fn token(reader: &SqlReader, digest: &str) -> Result<Option<TokenRecord>, StoreError> {
    reader.one(&format!("{TOKEN_COLUMNS} WHERE digest = ?1"), &[&digest], token_record)
}

pub(super) fn tokens(reader: &SqlReader, after: Option<&str>, limit: usize) -> Result<Vec<TokenRecord>, StoreError> {
    let after_it = "((created_at, digest) < (SELECT created_at, digest FROM token WHERE digest = ?2) OR ?2 IS NULL)";
    let sql = format!("{TOKEN_COLUMNS} WHERE {after_it} ORDER BY created_at DESC, digest DESC LIMIT ?1");
    reader.all(&sql, &[&limit_of(limit), &after], token_record)
}

pub(super) fn request(reader: &SqlReader, id: &str) -> Result<Option<RequestRecord>, StoreError> {
    reader.one("SELECT body FROM request WHERE id = ?1", &[&id], |row| body(row, 0))
}

pub(super) fn requests(reader: &SqlReader) -> Result<Vec<RequestRecord>, StoreError> {
    reader.all("SELECT body FROM request WHERE waiting ORDER BY at, id", &[], |row| body(row, 0))
}

pub(super) fn requests_of(reader: &SqlReader, device: &DeviceId) -> Result<Vec<RequestRecord>, StoreError> {
    let sql = "SELECT body FROM request WHERE json_extract(body, '$.info.id') = ?1 ORDER BY at, id";
    reader.all(sql, &[&device.as_str()], |row| body(row, 0))
}
