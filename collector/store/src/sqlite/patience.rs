//! How long a query of the writer's may take: what would hold up a commit is broken off, and what it was asked for counts as unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rusqlite::{Connection, ErrorCode};

use ioc_common::clock;

/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const LOOK_EVERY: i32 = 2000;
/// A query may take as long as it does.
const NO_END: u64 = u64::MAX;

/// Until when the query that runs now may take, boot clock, microseconds.
#[derive(Debug, Clone)]
pub(super) struct Patience(Arc<AtomicU64>);

impl Patience {
    /// That of a connection, which it belongs to from now on.
    pub(super) fn of(connection: &mut Connection) -> rusqlite::Result<Self> {
        let until_us = Arc::new(AtomicU64::new(NO_END));
        let looked_at = Arc::clone(&until_us);
        let is_over = move || {
            let until_us = looked_at.load(Relaxed);
            until_us != NO_END && clock::boottime_us() >= until_us
        };
        connection.progress_handler(LOOK_EVERY, Some(is_over))?;
        Ok(Self(until_us))
    }

    /// Asks for so long at most, microseconds: none when it was broken off. Only for what reads: a statement that writes would take its
    /// transaction with it.
    pub(super) fn ask<T>(
        &self,
        most_us: u64,
        ask: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.0.store(clock::boottime_us().saturating_add(most_us), Relaxed);
        let asked = ask();
        self.0.store(NO_END, Relaxed);
        match asked {
            Ok(answer) => Ok(Some(answer)),
            Err(rusqlite::Error::SqliteFailure(why, _)) if why.code == ErrorCode::OperationInterrupted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_takes_too_long_is_broken_off_and_its_transaction_goes_on() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let patience = Patience::of(&mut connection).expect("set");
        connection.execute_batch("CREATE TABLE kept (n INTEGER); BEGIN; INSERT INTO kept VALUES (7);").expect("begun");
        let endless = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        assert_eq!(patience.ask(1000, || count(endless)).expect("asked"), None);
        assert_eq!(patience.ask(u64::MAX, || count("SELECT n FROM kept")).expect("asked"), Some(7));
        connection.execute_batch("COMMIT").expect("what was written before is kept");
        assert!(patience.ask(1000, || count("SELECT n FROM gone")).is_err(), "another error is one");
    }
}
