//! How long a query of the writer's may take: what would hold up a commit is broken off, and what it was asked for counts as unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ioc_common::clock;

use super::{Connection, Result};

/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const LOOK_EVERY: i32 = 2000;
/// A query may take as long as it does.
const NO_END: u64 = u64::MAX;
/// How many times longer something may take where a server does it: a statement of a page or two is planned in some milliseconds there.
const SERVER_TIMES: u64 = 20;
/// Where PostgreSQL goes on behind a query that was broken off.
const BEFORE: &str = "before_question";

/// Until when the query that runs now may take.
#[derive(Debug, Clone)]
pub(crate) enum Patience {
    /// Boot clock, microseconds: SQLite asks whether it is over.
    Sqlite(Arc<AtomicU64>),
    /// The server knows.
    Postgres,
}

impl Patience {
    /// That of a connection of SQLite's, which it belongs to from now on.
    pub(crate) fn of(connection: &mut rusqlite::Connection) -> rusqlite::Result<Self> {
        let until_us = Arc::new(AtomicU64::new(NO_END));
        let looked_at = Arc::clone(&until_us);
        let is_over = move || {
            let until_us = looked_at.load(Relaxed);
            until_us != NO_END && clock::boottime_us() >= until_us
        };
        connection.progress_handler(LOOK_EVERY, Some(is_over))?;
        Ok(Self::Sqlite(until_us))
    }

    /// How long what may take so long in this process may take, microseconds: behind a way to a server, and planned by it, it takes more.
    pub(crate) const fn span_us(&self, us: u64) -> u64 {
        match self {
            Self::Sqlite(_) => us,
            Self::Postgres => us.saturating_mul(SERVER_TIMES),
        }
    }

    /// Asks for so long at most, microseconds: none when it was broken off. Only for what reads, in a transaction: a statement that writes would
    /// take its transaction with it.
    pub(crate) fn ask<T>(
        &self,
        connection: Connection<'_>,
        most_us: u64,
        ask: impl FnOnce() -> Result<T>,
    ) -> Result<Option<T>> {
        match self {
            Self::Sqlite(until_us) => {
                until_us.store(clock::boottime_us().saturating_add(most_us), Relaxed);
                let asked = ask();
                until_us.store(NO_END, Relaxed);
                unless_broken_off(asked)
            }
            Self::Postgres => {
                // The server counts milliseconds, and none of them for ever.
                let most_ms = most_us.div_ceil(1000).clamp(1, 1 << 31);
                connection.write_batch(&format!("SAVEPOINT {BEFORE}; SET LOCAL statement_timeout = {most_ms}"))?;
                let asked = unless_broken_off(ask())?;
                // It only read: what was set within goes with it, whatever came of it.
                connection.write_batch(&format!("ROLLBACK TO SAVEPOINT {BEFORE}; RELEASE SAVEPOINT {BEFORE}"))?;
                Ok(asked)
            }
        }
    }
}

fn unless_broken_off<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_broken_off() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_that_takes_too_long_is_broken_off_and_its_transaction_goes_on() {
        let mut connection = rusqlite::Connection::open_in_memory().expect("opens");
        let patience = Patience::of(&mut connection).expect("set");
        let connection = Connection::from(&connection);
        connection.execute_batch("CREATE TABLE kept (n INTEGER); BEGIN; INSERT INTO kept VALUES (7);").expect("begun");
        let endless = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        assert_eq!(patience.ask(connection, 1000, || count(endless)).expect("asked"), None);
        assert_eq!(patience.ask(connection, u64::MAX, || count("SELECT n FROM kept")).expect("asked"), Some(7));
        connection.execute_batch("COMMIT").expect("what was written before is kept");
        assert!(patience.ask(connection, 1000, || count("SELECT n FROM gone")).is_err(), "another error is one");
    }
}
