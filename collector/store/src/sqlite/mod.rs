//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, group commit.
//!
//! [`apply`] says which noun writes a change, [`reader`] which noun answers a question; the SQL of a noun, both ways, is in its own file.
//! The rest keeps the files: [`connection`], [`migration`], [`lock`], [`commit_mark`], [`examine`], [`recover`].

mod account;
mod account_register;
mod apply;
mod archive;
mod archive_deletion;
mod asset;
mod audit;
mod audit_head;
mod audit_stamp;
mod audit_tree;
mod backup;
mod certificate;
mod clock;
mod commit;
mod commit_mark;
mod connection;
mod coverage;
mod device;
mod document;
mod document_change;
mod document_expiry;
mod duty;
mod enrolment;
mod event;
mod examine;
mod excess;
mod expected_backup;
mod fault;
mod file;
mod fold_mark;
mod hold;
mod incident;
mod job;
mod lock;
mod maintenance;
mod migration;
mod named;
mod newest;
mod number_limit;
mod outbox;
mod pace;
mod patience;
mod person;
mod product;
mod reader;
mod reader_connection;
mod record_class;
mod recover;
mod redaction;
mod report;
mod retention;
mod sample;
mod scope;
mod search;
mod search_file;
mod search_index;
mod search_record;
mod snapshot;
mod software;
mod table_import;
mod ticket;
mod value;
mod value_marks;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::{Archive, Change, Reader, Store, StoreError, StoreLosses};
use crate::audit::AuditTip;
use crate::search::SearchIndex;
use archive::SqliteArchive;
pub(crate) use backup::{copy, id, mark_copy, settle_log, sums};
use commit::{Commit, WriterCache};
use commit_mark::{CommitCounter, LockedStore};
use connection::{open_for_reading, prepare};
pub(crate) use file::FILES;
use file::{FILE, database};
pub(crate) use lock::{lock as hold, put_aside};
pub(crate) use migration::version;
use reader_connection::SqliteReader;
pub(crate) use recover::recover;
use search_file::{SearchFile, SearchShared};
use search_index::SqliteSearchIndex;
use value::signed;

/// The embedded store.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    path: PathBuf,
    connection: Connection,
    cache: WriterCache,
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
        audit_head::settle(dir, &connection).map_err(|source| database(&path, source))?;
        // Made here, so that readers find it.
        SqliteArchive::open(dir)?;
        fold_mark::settle(&connection, dir, counter.id())?;
        let folded = fold_mark::rows(&connection).map_err(|source| database(&path, source))?;
        let believed = clock::mark(&connection).map_err(|source| database(&path, source))?;
        let keeps_all = believed.is_some_and(|mark| mark.keeps_all());
        let cache = WriterCache::read(&mut connection, folded, keeps_all).map_err(|source| database(&path, source))?;
        let (search, hold_gate) = (Arc::default(), Arc::default());
        let mut store = Self { path, connection, cache, counter, lost, search, hold_gate };
        // What was in the log so far is put into its place: a log that is damaged later holds only what came later.
        // On a full disk that waits.
        if let Err(error) = store.close() {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
        Ok(store)
    }

    fn new_reader(&self) -> Result<SqliteReader, StoreError> {
        let newest = self.cache.newest.clone();
        let connection = open_for_reading(&self.path)?;
        let search = SearchFile::new(self.path.parent().unwrap_or(Path::new(".")), Arc::clone(&self.search));
        let reader = SqliteReader::new(self.path.clone(), connection, newest, search);
        reader.map_err(|source| database(&self.path, source))
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

    /// The same thorough look, giving way to whoever commits.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub(crate) fn examine_beside(dir: &Path) -> Result<Vec<String>, StoreError> {
        Ok(examine::examine(&pace::giving_way(&dir.join(FILE))?, true))
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
        let commit = Commit::begin(&mut self.connection, &mut self.cache);
        let made =
            commit.and_then(|commit| commit.make(self.counter.next(), |commit| apply::apply_all(commit, changes)));
        made.map_err(|source| database(&self.path, source))?;
        self.counter.committed();
        audit_head::write_newest(self.path.parent().unwrap_or(Path::new(".")), changes);
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
        Ok(Box::new(SqliteArchive::open(dir)?.behind(Arc::clone(&self.hold_gate))))
    }

    fn search_index(&self) -> Result<Box<dyn SearchIndex>, StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        Ok(Box::new(SqliteSearchIndex::new(dir, self.new_reader()?, Arc::clone(&self.search))))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(self.new_reader()?))
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
