//! The file of the search index, beside the store: rebuilt whenever it is damaged or gone, and in no backup.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use ioc_common::clock;

use super::file::BUSY_MS;
use crate::search::TOKEN_CHARS;

/// The file's name, and those that SQLite keeps beside it.
pub(super) const SEARCH_FILES: [&str; 3] = ["search.db", "search.db-wal", "search.db-shm"];
/// Version of its schema and of what is searched of a record, kept as `user_version`; another one is made anew.
pub(super) const SCHEMA_VERSION: i64 = 2;
/// Seconds of one part of the index: thirty days. Words of each part have a table of their own, so that no question reads far more than
/// it has to, and merging what is new touches nothing old.
const PART_S: i64 = 30 * 86_400;
/// A record's place is the second in which it happened and a number within it, this many bits.
pub(super) const PLACE_BITS: u32 = 8;
/// What happened earlier or later than this stands at its edge: 2015-01-01 and 2100-01-01.
const SECONDS: (i64, i64) = (1_420_070_400, 4_102_444_800);
/// Numbers of kinds fit into so many bits.
const KIND_BITS: u32 = 3;
/// A step is counted within its incident by so many bits.
const STEP_BITS: u32 = 20;

/// After so many operations of SQLite's a question looks whether its time is over. FTS5 does some for each page of words that it reads.
const OPERATIONS: i32 = 200;

const SCHEMA: &str = "
-- Which store it is of, how far its log was read, the hash of the last audit record that is in here, and by how many seconds a place lies
-- behind its second at most.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    store TEXT NOT NULL,
    log INTEGER NOT NULL,
    audit_hash TEXT NOT NULL,
    shift INTEGER NOT NULL
);
-- Up to which record of each kind all are in here.
CREATE TABLE mark (kind INTEGER PRIMARY KEY, record INTEGER NOT NULL);
-- Which record stands at which place: its number and kind.
CREATE TABLE item (place INTEGER PRIMARY KEY, source INTEGER NOT NULL);
-- Tables of words, and what changed in each since it was last put in order: records that came, records that went, and since when.
CREATE TABLE part (number INTEGER PRIMARY KEY, came INTEGER NOT NULL, gone INTEGER NOT NULL, since INTEGER NOT NULL);
";

/// What the index's writer and readers tell each other.
#[derive(Debug, Default)]
pub(crate) struct SearchShared {
    /// Counted up each time that the file is made anew.
    generation: AtomicU64,
    /// A reader found it damaged.
    damaged: AtomicBool,
}

impl SearchShared {
    pub(super) fn begin_anew(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn report_damage(&self) {
        self.damaged.store(true, Ordering::SeqCst);
    }

    pub(super) fn take_damage(&self) -> bool {
        self.damaged.swap(false, Ordering::SeqCst)
    }
}

/// A reader's way to the index.
#[derive(Debug)]
pub(crate) struct SearchFile {
    path: PathBuf,
    shared: Arc<SearchShared>,
    open: RefCell<Option<(u64, Connection)>>,
    /// When a question of SQLite is to end by itself, boot clock, microseconds.
    ends_us: Arc<AtomicU64>,
}

impl SearchFile {
    pub(crate) fn new(dir: &Path, shared: Arc<SearchShared>) -> Self {
        let ends_us = Arc::new(AtomicU64::new(u64::MAX));
        Self { path: dir.join(SEARCH_FILES[0]), shared, open: RefCell::new(None), ends_us }
    }

    /// Asks the index as it is at one moment. Where there is none, or it cannot be read, `ask` is given none.
    pub(super) fn ask<T>(
        &self,
        mut ask: impl FnMut(Option<&Connection>) -> Result<T, SearchFileError>,
    ) -> Result<T, SearchFileError> {
        let generation = self.shared.generation.load(Ordering::SeqCst);
        let mut open = self.open.borrow_mut();
        if open.as_ref().is_none_or(|(of, _)| *of != generation) {
            *open = self.connect().map(|connection| (generation, connection));
        }
        let Some((_, connection)) = open.as_ref() else { return ask(None) };
        let made = connection.execute_batch("BEGIN").map_err(SearchFileError::Index).and_then(|()| {
            let answer = ask(Some(connection));
            let _ = connection.execute_batch("ROLLBACK");
            answer
        });
        match made {
            Err(SearchFileError::Index(error)) => {
                tracing::warn!(path = %self.path.display(), %error, "the search index cannot be read; what is on record is looked through");
                if is_damage(&error) {
                    self.shared.report_damage();
                }
                *open = None;
                ask(None)
            }
            other => other,
        }
    }

    /// From now on, a question that takes longer than until then (boot clock, microseconds) is broken off, wherever it is: [`is_broken_off`].
    pub(super) fn end_at(&self, us: u64) {
        self.ends_us.store(us, Ordering::SeqCst);
    }

    fn connect(&self) -> Option<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags).ok()?;
        let ends_us = Arc::clone(&self.ends_us);
        let is_over = move || clock::boottime_us() > ends_us.load(Ordering::Relaxed);
        connection.progress_handler(OPERATIONS, Some(is_over)).ok()?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).ok()?;
        connection.set_prepared_statement_cache_capacity(128);
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).ok()?;
        (version == SCHEMA_VERSION).then_some(connection)
    }
}

/// Which of both files an answer failed by.
#[derive(Debug)]
pub(super) enum SearchFileError {
    /// The index: it is done without.
    Index(rusqlite::Error),
    /// The store.
    Store(crate::StoreError),
}

impl From<crate::StoreError> for SearchFileError {
    fn from(error: crate::StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for SearchFileError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error)
    }
}

/// Whether a question ended because its time was over.
pub(super) fn is_broken_off(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// Whether the file's content is why, so that making it anew mends it.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown)
        }
        // Tables that are not there, rows that hold something else.
        rusqlite::Error::SqlInputError { .. }
        | rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

/// Opens the file to write it, or makes it for the store of an id.
pub(super) fn open_for_writing(path: &Path, store: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A power cut takes back what came last, marks and words alike; it is taken in again.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
    connection.set_prepared_statement_cache_capacity(128);
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        let made = format!("BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;");
        connection.execute_batch(&made)?;
        connection
            .execute("INSERT INTO state (one, store, log, audit_hash, shift) VALUES (1, ?1, -1, '', 0)", [store])?;
    }
    Ok(connection)
}

/// Removes the index of a directory: it is made anew.
pub(super) fn remove(dir: &Path) -> std::io::Result<()> {
    for name in SEARCH_FILES {
        match std::fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Makes the table of words of a part.
pub(super) fn make_part(connection: &Connection, part: i64) -> rusqlite::Result<()> {
    let sql = format!(
        "CREATE VIRTUAL TABLE words_{part} USING fts5(words, content='', contentless_delete=1, detail=none, \
         tokenize=\"ascii tokenchars '{TOKEN_CHARS}'\")"
    );
    connection.execute_batch(&sql)?;
    connection.execute("INSERT INTO part (number, came, gone, since) VALUES (?1, 0, 0, 0)", [part])?;
    Ok(())
}

/// What the index holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct IndexState {
    /// How far the store's log was read; -1 before anything was.
    pub(super) log: i64,
    /// By how many seconds a place lies behind its second at most.
    pub(super) shift: i64,
    /// Up to which record of each kind all are in, by the kind's number.
    pub(super) marks: [i64; 8],
}

pub(super) fn state(connection: &Connection) -> rusqlite::Result<IndexState> {
    let (log, shift) = connection
        .prepare_cached("SELECT log, shift FROM state")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut state = IndexState { log, shift, marks: [0; 8] };
    let mut statement = connection.prepare_cached("SELECT kind, record FROM mark")?;
    for row in statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))? {
        let (kind, record) = row?;
        if let Some(mark) = usize::try_from(kind).ok().and_then(|kind| state.marks.get_mut(kind)) {
            *mark = record;
        }
    }
    Ok(state)
}

/// The second at which something stands that happened then.
pub(super) fn second_of(at_ms: i64) -> i64 {
    clamped(at_ms / 1000)
}

pub(super) fn clamped(second: i64) -> i64 {
    second.clamp(SECONDS.0, SECONDS.1)
}

/// The first place of a second.
pub(super) const fn first_place(second: i64) -> i64 {
    second << PLACE_BITS
}

/// The second of a place.
pub(super) const fn second_of_place(place: i64) -> i64 {
    place >> PLACE_BITS
}

/// The part in which a place lies, and where that begins.
pub(super) const fn part_of(place: i64) -> i64 {
    second_of_place(place) / PART_S
}

pub(super) const fn part_begin(part: i64) -> i64 {
    first_place(part * PART_S)
}

/// A record by its number and kind in one.
pub(super) const fn source_of(kind: i64, record: i64) -> i64 {
    record << KIND_BITS | kind
}

/// Number of its kind, and of the record.
pub(super) const fn of_source(source: i64) -> (i64, i64) {
    (source & ((1 << KIND_BITS) - 1), source >> KIND_BITS)
}

/// A step by its incident and its number within that.
pub(crate) const fn step_record(incident: i64, number: i64) -> i64 {
    incident << STEP_BITS | number
}

pub(crate) const fn of_step(record: i64) -> (i64, i64) {
    (record >> STEP_BITS, record & ((1 << STEP_BITS) - 1))
}

/// The first place at or behind a second that nothing stands at, and behind the `last` one that was given: seconds come in their order.
pub(super) fn free_place(connection: &Connection, last: &mut i64, second: i64) -> rusqlite::Result<i64> {
    let mut place = first_place(second).max(*last + 1);
    let mut statement = connection.prepare_cached("SELECT place FROM item WHERE place >= ?1 ORDER BY place")?;
    let mut rows = statement.query([place])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? != place {
            break;
        }
        place += 1;
    }
    *last = place;
    Ok(place)
}

/// The place of a record that happened in a second.
pub(super) fn place_of(connection: &Connection, source: i64, second: i64, shift: i64) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT place, source FROM item WHERE place >= ?1 AND place < ?2")?;
    let mut rows = statement.query([first_place(second), first_place(second + shift + 1)])?;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(1)? == source {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}
