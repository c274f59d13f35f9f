//! A long look at the store in the background gives way: it works for a little while and then asks how to go on, so that whoever commits finds a
//! core and the disk, whatever it reads.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use ioc_common::clock;

use super::connection::open_for_reading;
use super::file::database;
use crate::StoreError;

/// Steps of SQLite's machine, or pages of a check, between two looks at the clock.
const LOOK_EVERY: i32 = 100;
/// How long it works at a time, microseconds, and then rests.
const WORK_US: u64 = 2000;
const REST: Duration = Duration::from_micros(WORK_US);

/// A connection that only reads, and gives way in all that it does: it rests for as long as it works.
pub(super) fn giving_way(path: &Path) -> Result<Connection, StoreError> {
    asking(path, |_| {
        std::thread::sleep(REST);
        true
    })
}

/// A connection that only reads, and asks after each little while of work, with the steps of it, whether to go on: whoever is asked may wait.
pub(super) fn asking(path: &Path, goes_on: impl FnMut(u64) -> bool + Send + 'static) -> Result<Connection, StoreError> {
    let mut connection = open_for_reading(path)?;
    ask_after(&mut connection, WORK_US, goes_on).map_err(|source| database(path, source))?;
    Ok(connection)
}

/// Has it ask whenever it has worked for so long, microseconds.
fn ask_after(
    connection: &mut Connection,
    work_us: u64,
    mut goes_on: impl FnMut(u64) -> bool + Send + 'static,
) -> rusqlite::Result<()> {
    let (mut since_us, mut steps) = (clock::boottime_us(), 0);
    let look = move || {
        steps += LOOK_EVERY.unsigned_abs() as u64;
        if clock::boottime_us().saturating_sub(since_us) < work_us {
            return false;
        }
        let ends = !goes_on(std::mem::take(&mut steps));
        since_us = clock::boottime_us();
        ends
    };
    connection.progress_handler(LOOK_EVERY, Some(look))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_check_of_every_page_gives_way_and_ends_as_it_did() {
        let mut connection = Connection::open_in_memory().expect("opens");
        let fill = "CREATE TABLE kept (n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX by_text ON kept (text); \
                    WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 5000) \
                    INSERT INTO kept SELECT n, hex(randomblob(100)) FROM c";
        connection.execute_batch(fill).expect("filled");
        let rests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&rests);
        ask_after(&mut connection, 0, move |steps| {
            assert!(steps >= 100, "{steps}");
            counted.fetch_add(1, Relaxed);
            true
        })
        .expect("set");
        for (pragma, least) in [("integrity_check", 100), ("quick_check", 10)] {
            rests.store(0, Relaxed);
            let found: String =
                connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).expect("checked");
            assert_eq!(found, "ok");
            assert!(rests.load(Relaxed) >= least, "{pragma} rested {} times", rests.load(Relaxed));
        }
        ask_after(&mut connection, 0, |_| false).expect("set");
        let broken_off = connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert!(broken_off.as_deref() != Ok("ok"), "it ends where it is told to: {broken_off:?}");
    }
}
