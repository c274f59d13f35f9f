//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, group commit.
//!
//! What it writes and answers is in [`crate::sql`], which PostgreSQL shares. Here is what is SQLite's alone: its files ([`connection`],
//! [`migration`], [`lock`], [`commit_mark`], [`examine`], [`recover`]), folded history beside it, and the index of words, which is a file whatever
//! database the record is in.

mod backup;
mod commit_mark;
mod connection;
mod examine;
mod file;
mod fold_mark;
mod function;
mod head_file;
mod history_file;
mod lock;
mod migration;
mod pace;
mod recover;
mod row_copy;
mod search;
mod search_file;
mod search_index;
#[cfg(test)]
mod spoilt_log_tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::{Archive, Change, Reader, Store, StoreError, StoreLosses};
use crate::audit::AuditTip;
use crate::search::SearchIndex;
use crate::sql::commit::{Commit, WriterCache};
use crate::sql::newest::NewestByDevice;
use crate::sql::patience::Patience;
use crate::sql::reader_connection::{Database, SqlReader};
use crate::sql::touched::Touched;
use crate::sql::value::signed;
use crate::sql::{self, apply_all, clock};
pub(crate) use backup::{about_copy, copy, id, mark_copy, prove, settle_log, sums};
use commit_mark::{CommitCounter, LockedStore};
pub(crate) use connection::{give_back, give_back_memory};
use connection::{open_for_reading, prepare};
pub(crate) use file::FILES;
use file::{FILE, database};
pub(crate) use history_file::{open_archive, sync_history};
pub(crate) use lock::{lock as hold, put_aside, remove};
pub(crate) use migration::version;
pub(crate) use recover::recover;
pub(crate) use row_copy::{FilesOfRows, FilesToBe, tables};
pub(crate) use search::search;
pub(crate) use search_file::{SearchFile, SearchShared, of_step, step_record};
pub(crate) use search_index::SqliteSearchIndex;

/// The embedded store.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) cache: WriterCache,
    counter: CommitCounter,
    lost: StoreLosses,
    search: Arc<SearchShared>,
    /// Held while numbers are deleted, and while a legal hold is committed: neither happens within the other.
    hold_gate: Arc<Mutex<()>>,
}

impl SqliteStore {
    /// Opens or makes the store in `dir`, for this process alone. What is found to be lost does not keep it from opening: see
    /// [`Store::lost`].
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened, was written by a newer version, is used by another collector, or is gone while its
    /// commit mark is there.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::File { path: dir.to_owned(), source })?;
        let path = dir.join(FILE);
        let locked = LockedStore::begin(dir)?;
        let mut connection = Connection::open(&path).map_err(|source| database(&path, source))?;
        let lost = locked.compare(&connection)?;
        prepare(&connection).map_err(|source| database(&path, source))?;
        migration::migrate(&mut connection, &path)?;
        let (counter, lost) = locked.finish(&connection, &lost)?;
        let fault = |source| sql::database(&path, source);
        head_file::settle(dir, &connection).map_err(fault)?;
        // Made here, so that readers find it.
        open_archive(dir)?;
        fold_mark::settle(&connection, dir, counter.id())?;
        let folded = fold_mark::rows(&connection).map_err(|source| database(&path, source))?;
        let believed = clock::mark((&connection).into()).map_err(fault)?;
        let keeps_all = believed.is_some_and(|mark| mark.keeps_all());
        let patience = Patience::of(&mut connection).map_err(|source| database(&path, source))?;
        let touched = Touched::of(&connection, counter.next() - 1).map_err(|source| database(&path, source))?;
        let cache = WriterCache::read((&connection).into(), (patience, touched), folded, keeps_all).map_err(fault)?;
        let (search, hold_gate) = (Arc::default(), Arc::default());
        let mut store = Self { path, connection, cache, counter, lost, search, hold_gate };
        // What was in the log so far is put into its place: a log that is damaged later holds only what came later.
        // On a full disk that waits.
        if let Err(error) = store.close() {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
        give_back_memory(&store.connection);
        Ok(store)
    }

    pub(crate) fn new_reader(&self) -> SqlReader {
        let search = SearchFile::new(self.path.parent().unwrap_or(Path::new(".")), Arc::clone(&self.search));
        SqlReader::of_file(self.path.clone(), self.cache.newest.clone(), search)
    }

    /// Whether there is a store in `dir`, sound or not: a file without tables is none.
    #[must_use]
    pub(crate) fn is_there(dir: &Path) -> bool {
        dir.join(FILE).exists() && !matches!(version(dir), Ok(0))
    }

    /// Looks over the store in `dir`, whoever writes it, and says what is wrong, a line each. `deep` reads every checksum.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub(crate) fn examine(dir: &Path, deep: bool) -> Result<Vec<String>, StoreError> {
        Ok(examine::examine(&open_for_reading(&dir.join(FILE))?, deep))
    }
}

/// A connection for a reader of the store whose file this is.
pub(crate) fn connection_of_reader(path: &Path, newest: &NewestByDevice) -> Result<Database, StoreError> {
    let connection = open_for_reading(path)?;
    function::register_last_heard(&connection, newest.clone()).map_err(|source| database(path, source))?;
    Ok(Database::Sqlite(connection))
}

/// How many commits the store whose file this is has behind it.
pub(crate) fn commits(connection: &Connection, path: &Path) -> Result<u64, StoreError> {
    let held = commit_mark::held(connection).map_err(|source| database(path, source))?;
    Ok(held.map_or(0, |(_, commits)| commits))
}

/// Looks over the store whose file this is on a connection of its own, which gives way to whoever commits.
pub(crate) fn examine_path(path: &Path, deep: bool) -> Vec<String> {
    match pace::giving_way(path) {
        Ok(connection) => examine::examine(&connection, deep),
        Err(error) => vec![error.to_string()],
    }
}

impl Store for SqliteStore {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        // Deleting rows does not wait for the disk; where it could not be told to wait again, nothing is acknowledged.
        if !self.cache.waits_for_disk {
            connection::wait_for_disk(&self.connection, true).map_err(|source| database(&self.path, source))?;
            self.cache.waits_for_disk = true;
        }
        let gate = Arc::clone(&self.hold_gate);
        let sets_hold = changes.iter().any(|change| matches!(change, Change::Hold(_)));
        let _no_numbers_go = sets_hold.then(|| gate.lock().unwrap_or_else(PoisonError::into_inner));
        let commit = Commit::begin((&self.connection).into(), &mut self.cache);
        let made = commit.and_then(|commit| commit.make(self.counter.next(), |commit| apply_all(commit, changes)));
        made.map_err(|source| sql::database(&self.path, source))?;
        self.counter.committed();
        head_file::write_newest(self.path.parent().unwrap_or(Path::new(".")), changes);
        Ok(())
    }

    fn audit_tip(&self) -> AuditTip {
        self.cache.audit_tip()
    }

    fn lost(&self) -> &StoreLosses {
        &self.lost
    }

    fn close(&mut self) -> Result<(), StoreError> {
        // Readers may still hold a part of the log; what is left of it is read at the next start.
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.counter.sync();
        emptied.map_err(|source| database(&self.path, source))
    }

    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        fold_mark::forget_rows(&mut self.connection, &self.path, &mut self.cache, (signed(through), limit))
    }

    fn archive(&self) -> Result<Box<dyn Archive>, StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        Ok(Box::new(open_archive(dir)?.behind(Arc::clone(&self.hold_gate))))
    }

    fn search_index(&self) -> Result<Box<dyn SearchIndex>, StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        Ok(Box::new(SqliteSearchIndex::new(dir, self.new_reader(), Arc::clone(&self.search))))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(self.new_reader()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_keeps_the_contract() {
        crate::contract::check(|dir| Box::new(SqliteStore::open(dir).expect("opens")));
    }
}
