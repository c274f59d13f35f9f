//! How connections are opened: the writer's, and those that only read.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::file::{BUSY_MS, HISTORY, database};
use super::function;
use crate::StoreError;

/// Page cache of the writer, KiB: rows are appended, and what is read for it lies in the system's cache.
const CACHE_KIB: i64 = 2 * 1024;
/// Page cache of a reader, KiB, of each of its two files. There are many of them, and what one holds is worth nothing after the next commit.
const READER_CACHE_KIB: i64 = 512;

/// Pages of the write-ahead log after which a commit puts them into their places.
const CHECKPOINT_PAGES: u32 = 4000;
/// Room that deletions leave is given back to the file system beyond this, bytes, and beyond a quarter of the file: what is less is soon
/// taken by what comes.
const SPARE_BYTES: i64 = 16 * 1024 * 1024;
const SPARE_SHARE: i64 = 4;

/// Whether a file has more room to spare than is soon taken.
fn has_spare_room(connection: &Connection) -> rusqlite::Result<bool> {
    let number = |name| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let (free, all) = (number("freelist_count")?, number("page_count")?);
    Ok(free > SPARE_BYTES / number("page_size")?.max(1) && free > all / SPARE_SHARE)
}

/// Gives back some pages where there is room to spare; whether there is more.
pub(crate) fn give_back(connection: &Connection, pages: u32) -> rusqlite::Result<bool> {
    if !has_spare_room(connection)? {
        return Ok(false);
    }
    connection.execute_batch(&format!("PRAGMA incremental_vacuum({pages})"))?;
    has_spare_room(connection)
}

/// Gives back pages that were read or made, as at a start, where nearly all of the schema is.
pub(crate) fn give_back_memory(connection: &Connection) {
    if let Err(error) = connection.execute_batch("PRAGMA shrink_memory") {
        tracing::debug!(%error, "pages of a file stay in memory");
    }
}

/// From now on a commit waits for the disk, and puts pages into their places when there are many; or it does neither, and leaves both to
/// the next one that does.
pub(super) fn wait_for_disk(connection: &Connection, waits: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", if waits { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "wal_autocheckpoint", if waits { CHECKPOINT_PAGES } else { 0 })
}

/// What the writer's connection is told.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    // A store that is made anew can give room back; it says so before anything is in it.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // FULL syncs the log at every commit: what was acknowledged survives a power cut.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    connection.set_prepared_statement_cache_capacity(64);
    function::register(connection)
}

/// A connection that only reads, with folded history beside the store.
pub(super) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let fault = |source| database(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(fault)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).map_err(fault)?;
    // What a reader keeps for itself leaves no file behind.
    connection.pragma_update(None, "temp_store", "MEMORY").map_err(fault)?;
    let history = path.with_file_name(HISTORY);
    connection
        .execute("ATTACH DATABASE ?1 AS history", [history.to_string_lossy()])
        .map_err(|source| database(&history, source))?;
    function::register(&connection).map_err(fault)?;
    for schema in ["main", "history"] {
        connection.pragma_update(Some(schema), "cache_size", -READER_CACHE_KIB).map_err(fault)?;
    }
    Ok(connection)
}
