//! Steps of the clock: what is kept goes by elapsed time, and moves with it.
//!
//! What was written down stays as it is: the audit log, timelines, events, history. Rows of history that wait to be folded go by the
//! time at which they were received, so each step says from which row on the new clock was in use.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json};
use super::{enrolment, job, retention};
use crate::sql::{self, Connection, OptionalExtension as _, params};
use crate::totp;
use crate::{ClockMark, RequestRecord, StoreError, TokenRecord};

const DAY_MS: i64 = 86_400_000;
/// A notice that was never tried and waits for longer waits for the end of someone's quiet hours, milliseconds.
const PUT_OFF_MAX_MS: i64 = 60_000;

pub(super) fn put_mark(commit: &mut Commit<'_>, mark: &ClockMark) -> sql::Result<()> {
    commit.keeps_all = mark.keeps_all();
    commit.run("INSERT OR REPLACE INTO clock (id, body) VALUES (1, ?1)", params![json(mark)?])?;
    Ok(())
}

/// Moves what is due by a step. `now` is the time after it.
pub(super) fn step(commit: &Commit<'_>, now: Timestamp, by_ms: i64) -> sql::Result<()> {
    let now_ms = now.as_millis();
    let sql = "INSERT INTO clock_step (at, by_ms, row) VALUES (?1, ?2, ?3)";
    commit.run(sql, params![now_ms, by_ms, commit.next_row])?;
    // Quiet hours are a matter of the calendar: their end is the same hour, on the next day that has it.
    commit.run(
        "UPDATE outbox SET created_at = created_at + ?1, next_attempt_at = CASE \
         WHEN attempts = 0 AND next_attempt_at - ?2 > ?3 THEN ?4 + ((next_attempt_at - ?4) % ?5 + ?5) % ?5 \
         ELSE next_attempt_at + ?1 END WHERE state = 'waiting'",
        params![by_ms, now_ms.saturating_sub(by_ms), PUT_OFF_MAX_MS, now_ms, DAY_MS],
    )?;
    commit.run("UPDATE ticket SET next_at = next_at + ?1 WHERE due", [by_ms])?;
    commit.run(
        "UPDATE session SET created_at = created_at + ?1, expires_at = expires_at + ?1, confirmed_at = confirmed_at + ?1",
        [by_ms],
    )?;
    commit.run("UPDATE account SET locked_until = locked_until + ?1 WHERE locked_until IS NOT NULL", [by_ms])?;
    let steps = totp::steps_of(by_ms);
    commit.run(
        "UPDATE account SET second_factor = json_set(second_factor, '$.last_step', CAST(json_extract(second_factor, '$.last_step') AS BIGINT) + ?1) \
         WHERE CAST(json_extract(second_factor, '$.last_step') AS BIGINT) > 0",
        [steps],
    )?;
    job::step(commit, by_ms)?;
    retention::step(commit, by_ms)?;
    move_tokens(commit, by_ms)?;
    move_requests(commit, by_ms)
}

/// Enrolment tokens that can be used are good for as long as they were.
fn move_tokens(commit: &Commit<'_>, by_ms: i64) -> sql::Result<()> {
    let mut statement = commit.transaction.prepare_cached("SELECT body FROM token WHERE ended_at IS NULL")?;
    let tokens = statement.query_map([], |row| body::<TokenRecord>(row, 0))?;
    let tokens = tokens.collect::<sql::Result<Vec<TokenRecord>>>()?;
    for mut token in tokens {
        token.created_at = token.created_at.plus_millis(by_ms);
        token.expires_at = token.expires_at.plus_millis(by_ms);
        let values = params![token.digest, json(&token)?, token.created_at.as_millis()];
        commit.run("UPDATE token SET body = ?2, created_at = ?3 WHERE digest = ?1", values)?;
    }
    Ok(())
}

/// Machines that wait have waited for as long as they have.
fn move_requests(commit: &Commit<'_>, by_ms: i64) -> sql::Result<()> {
    let mut statement = commit.transaction.prepare_cached("SELECT body FROM request")?;
    let requests = statement.query_map([], |row| body::<RequestRecord>(row, 0))?;
    let requests = requests.collect::<sql::Result<Vec<RequestRecord>>>()?;
    for mut request in requests {
        request.at = request.at.plus_millis(by_ms);
        request.seen_at = request.seen_at.plus_millis(by_ms);
        enrolment::put_request(commit, &request)?;
    }
    Ok(())
}

/// What was last believed of the time, JSON.
const MARK: &str = "SELECT body FROM clock WHERE id = 1";

/// What was last believed of the time.
pub(crate) fn mark(connection: Connection<'_>) -> sql::Result<Option<ClockMark>> {
    connection.query_row(MARK, [], |row| body(row, 0)).optional()
}

pub(super) fn believed(reader: &SqlReader) -> Result<Option<ClockMark>, StoreError> {
    reader.one(MARK, &[], |row| body(row, 0))
}
