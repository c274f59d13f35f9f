//! The file of folded history, `history.db`, as its writer opens it and makes it safe.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};

use super::connection::give_back_memory;
use super::file::{BUSY_MS, HISTORY, database};
use super::function;
use crate::StoreError;
use crate::sql;
use crate::sql::archive::SqlArchive;
use crate::sql::reader_connection::Database;

/// Version of the schema, kept as `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Size of a page; taken at the first start only.
const PAGE_BYTES: i64 = 8192;
/// What the log keeps of its size once its pages are in the file.
const LOG_BYTES: i64 = 4 * 1024 * 1024;
/// Page cache, KiB.
const CACHE_KIB: i64 = 8 * 1024;

/// The writer of the history in `dir`, which is made where there is none.
pub(crate) fn open_archive(dir: &Path) -> Result<SqlArchive, StoreError> {
    let path = dir.join(HISTORY);
    let fault = |source| database(&path, source);
    let connection = Connection::open(&path).map_err(fault)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).map_err(fault)?;
    connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(fault)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(fault)?;
    for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "NORMAL")] {
        connection.pragma_update(None, pragma, value).map_err(fault)?;
    }
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(fault)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(fault)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
    if found > SCHEMA_VERSION {
        return Err(StoreError::Newer { path, found, known: SCHEMA_VERSION });
    }
    if found == 0 {
        let schema = format!("BEGIN; {} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;", include_str!("history.sql"));
        connection.execute_batch(&schema).map_err(fault)?;
    }
    function::register_names(&connection).map_err(fault)?;
    give_back_memory(&connection);
    Ok(SqlArchive::new(path, Database::Sqlite(connection)))
}

/// Has all of it survive a power cut, `secure` among it.
pub(crate) fn sync_history(connection: &Connection, secure: impl FnOnce() -> sql::Result<()>) -> sql::Result<()> {
    // Emptied, so that a log that is damaged later takes nothing back that is in the file; busy readers may keep it until the next time.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let synced = secure();
    let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).optional();
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    synced?;
    checkpoint?;
    Ok(())
}
