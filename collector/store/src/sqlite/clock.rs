//! Steps of the clock: what is kept goes by elapsed time, and moves with it.
//!
//! What was written down stays as it is: the audit log, timelines, events, history. Rows of history that wait to be folded go by the
//! time at which they were received, so each step says from which row on the new clock was in use.

use rusqlite::{Connection, OptionalExtension as _, params};

use ioc_common::clock::Timestamp;

use super::read::{self, SqliteReader};
use super::{Pending, json};
use crate::totp;
use crate::{ClockMark, StoreError, TokenRecord};

const DAY_MS: i64 = 86_400_000;
/// A notice that was never tried and waits for longer waits for the end of someone's quiet hours, milliseconds.
const PUT_OFF_MAX_MS: i64 = 60_000;

impl Pending<'_> {
    /// Deletes what is older than a moment, unless the clock is in doubt.
    pub(super) fn prune(&self, sql: &str, before_ms: i64) -> rusqlite::Result<usize> {
        if self.keeps_all { Ok(0) } else { self.run(sql, [before_ms]) }
    }

    pub(super) fn mark_clock(&mut self, mark: &ClockMark) -> rusqlite::Result<()> {
        self.keeps_all = mark.keeps_all();
        self.run("INSERT OR REPLACE INTO clock (id, body) VALUES (1, ?1)", params![json(mark)?])?;
        Ok(())
    }

    /// Moves what is due by a step. `now` is the time after it.
    pub(super) fn step_clock(&mut self, now: Timestamp, by_ms: i64) -> rusqlite::Result<()> {
        let now_ms = now.as_millis();
        let sql = "INSERT INTO clock_step (at, by_ms, row) VALUES (?1, ?2, ?3)";
        self.run(sql, params![now_ms, by_ms, self.next_row])?;
        // Quiet hours are a matter of the calendar: their end is the same hour, on the next day that has it.
        self.run(
            "UPDATE outbox SET created_at = created_at + ?1, next_attempt_at = CASE \
             WHEN attempts = 0 AND next_attempt_at - ?2 > ?3 THEN ?4 + ((next_attempt_at - ?4) % ?5 + ?5) % ?5 \
             ELSE next_attempt_at + ?1 END WHERE state = 'waiting'",
            params![by_ms, now_ms.saturating_sub(by_ms), PUT_OFF_MAX_MS, now_ms, DAY_MS],
        )?;
        self.run("UPDATE ticket SET next_at = next_at + ?1 WHERE due", [by_ms])?;
        self.run(
            "UPDATE session SET created_at = created_at + ?1, expires_at = expires_at + ?1, confirmed_at = confirmed_at + ?1",
            [by_ms],
        )?;
        self.run("UPDATE request SET at = at + ?1, seen_at = seen_at + ?1", [by_ms])?;
        self.run("UPDATE account SET locked_until = locked_until + ?1 WHERE locked_until IS NOT NULL", [by_ms])?;
        let steps = totp::steps_of(by_ms);
        self.run(
            "UPDATE account SET second = json_set(second, '$.last_step', json_extract(second, '$.last_step') + ?1) \
             WHERE json_extract(second, '$.last_step') > 0",
            [steps],
        )?;
        self.move_tokens(by_ms)
    }

    /// Enrolment tokens that can be used are good for as long as they were.
    fn move_tokens(&self, by_ms: i64) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare("SELECT body FROM token WHERE ended_at IS NULL")?;
        let tokens = statement.query_map([], |row| read::body::<TokenRecord>(row, 0))?;
        let tokens = tokens.collect::<rusqlite::Result<Vec<TokenRecord>>>()?;
        for mut token in tokens {
            token.created_at = token.created_at.plus_millis(by_ms);
            token.expires_at = token.expires_at.plus_millis(by_ms);
            let values = params![token.digest, json(&token)?, token.created_at.as_millis()];
            self.run("UPDATE token SET body = ?2, created_at = ?3 WHERE digest = ?1", values)?;
        }
        Ok(())
    }
}

/// What was last believed of the time, JSON.
pub(super) const MARK: &str = "SELECT body FROM clock WHERE id = 1";

/// What was last believed of the time.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<Option<ClockMark>> {
    connection.query_row(MARK, [], |row| read::body(row, 0)).optional()
}

impl SqliteReader {
    /// The number of the last row that was received before a moment; 0 when there is none.
    pub(super) fn row_before(&self, received: Timestamp) -> Result<u64, StoreError> {
        // Rows are numbered as they are received, so half of them is left after each look.
        let bounds = self.one("SELECT min(number), max(number) FROM sample", &[], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        })?;
        let Some((Some(first), Some(last))) = bounds else { return Ok(0) };
        let steps = "SELECT row, by_ms FROM clock_step";
        let steps = self.all(steps, &[], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        // What was received before a step was received by another clock.
        let moved = |number: i64| steps.iter().filter(|(row, _)| number < *row).map(|(_, by_ms)| by_ms).sum::<i64>();
        let (mut before, mut beyond) = (first - 1, last + 1);
        while before + 1 < beyond {
            let middle = before + (beyond - before) / 2;
            let sql = "SELECT number, received FROM sample WHERE number >= ?1 ORDER BY number LIMIT 1";
            let found = self.one(sql, &[&middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            match found {
                Some((number, at)) if at.saturating_add(moved(number)) < received.as_millis() => before = number,
                _ => beyond = middle,
            }
        }
        Ok(if before < first { 0 } else { before.unsigned_abs() })
    }
}
