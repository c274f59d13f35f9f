//! The store that lies in a directory: opened, or looked after while no collector runs. Which one it is, is decided here.

use std::path::Path;
use std::sync::Arc;

use crate::backup::{CopiedStore, Pause, ProofPace, TableSum};
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

/// Removes the files of a store that was copied elsewhere, with what lies beside them and speaks of it.
///
/// # Errors
/// [`StoreError`] when a collector uses it, or a file cannot be removed.
pub fn remove(dir: &Path) -> Result<(), StoreError> {
    sqlite::remove(dir)
}

/// Copies the store in a directory as it is at one moment, whoever writes it, into the empty directory `to`. `pause` is told how many bytes
/// were copied since, and may wait.
///
/// # Errors
/// [`StoreError`] when it cannot be read, there is no room, or `pause` ends it.
pub fn copy(dir: &Path, to: &Path, pause: Pause<'_>) -> Result<CopiedStore, StoreError> {
    sqlite::copy(dir, to, pause)
}

/// Which store lies in a directory, hex, as it is called in its backups; nothing where none does or it cannot be read.
#[must_use]
pub fn id(dir: &Path) -> Option<String> {
    sqlite::id(dir)
}

/// Keeps everybody from writing the store in a directory, as long as what is given lives. The store itself is not touched.
///
/// # Errors
/// [`StoreError::Held`] when a collector uses it.
pub fn hold(dir: &Path) -> Result<std::fs::File, StoreError> {
    sqlite::hold(dir)
}

/// Says beside a copy that it is whole, once that was compared: opened without this it is said to be unproven.
///
/// # Errors
/// [`StoreError::File`] when that cannot be written.
pub fn mark_copy(dir: &Path, copied: &CopiedStore) -> Result<(), StoreError> {
    sqlite::mark_copy(dir, copied)
}

/// Sums up every table of a copy.
///
/// # Errors
/// [`StoreError`] when it cannot be read, was written by a newer version, or `pause` ends it.
pub fn sums(dir: &Path, pause: Pause<'_>) -> Result<Vec<TableSum>, StoreError> {
    sqlite::sums(dir, pause)
}

/// Proves a store that was restored into a directory and that nobody writes: sums up every table, and looks at every page, checksum and text and
/// at the chain of the audit log. Gives the sums and what is wrong, a line each.
///
/// # Errors
/// [`StoreError`] when it cannot be read, was written by a newer version, or `pace` ends it.
pub fn prove(dir: &Path, pace: &Arc<dyn ProofPace>) -> Result<(Vec<TableSum>, Vec<String>), StoreError> {
    sqlite::prove(dir, pace)
}

/// Puts into its place what the log of an open store kept while it was copied, so that no commit has to.
///
/// # Errors
/// [`StoreError`] when it cannot be opened or written; nothing is lost by that.
pub fn settle_log(dir: &Path) -> Result<(), StoreError> {
    sqlite::settle_log(dir)
}

/// The files of a copy: what happens, and folded history.
pub const FILES: [&str; 2] = [sqlite::FILES[0], sqlite::FILES[2]];

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
