//! The store that lies in a directory: opened, or looked after while no collector runs. Which one it is, is decided here.

use std::path::Path;

use crate::record::RecoveredTable;
use crate::sqlite::{self, SqliteStore};
use crate::{Store, StoreError};

/// Opens or makes the store in a directory, for this process alone. What is found to be lost does not keep it from opening: see
/// [`Store::lost`].
///
/// # Errors
/// [`StoreError`] when it is damaged or not ours to write, was written by a newer version, is used by another collector, or is gone while its
/// commit mark is there.
pub fn open(dir: &Path) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(SqliteStore::open(dir)?))
}

/// Whether there is a store in a directory, sound or not: a file without tables is none.
#[must_use]
pub fn is_there(dir: &Path) -> bool {
    SqliteStore::is_there(dir)
}

/// The version of the store in a directory, if it can be read. Nothing is changed.
///
/// # Errors
/// [`StoreError`] when it is damaged or not ours to read, or was written by a newer version.
pub fn version(dir: &Path) -> Result<i64, StoreError> {
    sqlite::version(dir)
}

/// Looks over the store in a directory, whoever writes it, and says what is wrong, a line each. `deep` reads every checksum, which takes as
/// long as reading everything does.
///
/// # Errors
/// [`StoreError`] when it is gone or not ours to read. What is damaged is a line.
pub fn examine(dir: &Path, deep: bool) -> Result<Vec<String>, StoreError> {
    SqliteStore::examine(dir, deep)
}

/// Makes a new store in a directory out of what can be read of a damaged one, which is kept beside it.
///
/// # Errors
/// [`StoreError`] when a collector uses it, or the new one cannot be written; nothing is changed then.
pub fn recover(dir: &Path) -> Result<Vec<RecoveredTable>, StoreError> {
    sqlite::recover(dir)
}

/// Renames what is left of a store that cannot be used, so that a new one can be made in its place; with it the files `beside` it that speak
/// of it.
///
/// # Errors
/// [`StoreError`] when another collector uses it, or a file cannot be renamed.
pub fn put_aside(dir: &Path, beside: &[&str]) -> Result<(), StoreError> {
    sqlite::put_aside(dir, beside)
}

/// How many bytes the store in a directory takes.
#[must_use]
pub fn size(dir: &Path) -> u64 {
    sqlite::FILES.iter().filter_map(|name| dir.join(name).metadata().ok()).map(|about| about.len()).sum()
}

/// Says that a store which should be in a directory is not there.
#[must_use]
pub fn missing_store(dir: &Path) -> StoreError {
    StoreError::Gone { path: dir.join(sqlite::FILES[0]) }
}
