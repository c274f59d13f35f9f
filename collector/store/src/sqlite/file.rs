//! The files that are the store, and what is said when one of them cannot be used.

use std::path::Path;

use crate::StoreError;

/// How long a lock that another process holds (a backup) is waited for.
pub(super) const BUSY_MS: u64 = 10_000;

/// The store's file.
pub(super) const FILE: &str = "ioc-watch.db";
/// Everything that is the store: what happens, and folded history, each with its write-ahead log.
pub(crate) const FILES: [&str; 4] = [FILE, "ioc-watch.db-wal", HISTORY, "history.db-wal"];
/// The file's name, beside the main one.
pub(super) const HISTORY: &str = "history.db";

/// What the database said of a file.
pub(super) fn database(path: &Path, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DiskFull, ReadOnly, SystemIoFailure};
    let no_room = source.sqlite_error_code().is_some_and(|code| matches!(code, DiskFull | ReadOnly | SystemIoFailure));
    StoreError::Database { path: path.to_owned(), source: Box::new(source), no_room }
}
