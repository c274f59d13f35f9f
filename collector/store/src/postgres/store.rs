//! A site's store in PostgreSQL: the nouns' SQL over sessions that somebody else makes, who knows addresses, secrets and the lease.
//!
//! One session writes. What a commit came to when its session ended before the answer is found out by its number in `watermark_log`: it is there, or it
//! is not. The index of words is a file of this collector's own, made of the record like SQLite's.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ioc_common::encoding::hex;
use ioc_common::random;

use crate::audit::AuditTip;
use crate::search::SearchIndex;
use crate::sql::archive::SqlArchive;
use crate::sql::commit::{Commit, WriterCache};
use crate::sql::patience::Patience;
use crate::sql::postgres::Session;
use crate::sql::reader_connection::{Database, SqlReader};
use crate::sql::touched::Touched;
use crate::sql::value::signed;
use crate::sql::{
    self, Connection, Error, OptionalExtension as _, Transaction, apply_all, clock, database, newest, sample,
};
use crate::sqlite::{SearchFile, SearchShared, SqliteSearchIndex};
use crate::{Archive, Change, Reader, Store, StoreError, StoreLosses};

/// Devices whose newest numbers are written elsewhere in one go, before rows are deleted.
const FREED_AT_ONCE: usize = 256;
/// Rows for which there is to be room before a commit, at least.
const ROOM_ROWS: i64 = 1 << 18;

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// The one writer of the record.
    Writer,
    /// Questions.
    Reader,
    /// The writer of folded history.
    History,
}

/// Makes a session with the site's schema, which is there.
pub(crate) type Connect = Arc<dyn Fn(Use) -> Result<Session, StoreError> + Send + Sync>;

/// A site's store in PostgreSQL.
pub(crate) struct PostgresStore {
    /// What the server is called in errors.
    place: PathBuf,
    /// Where the index of words is.
    dir: PathBuf,
    connect: Connect,
    session: Session,
    cache: WriterCache,
    /// How many commits it holds.
    commits: u64,
    /// Up to which row there is room.
    room: i64,
    lost: StoreLosses,
    search: Arc<SearchShared>,
    /// Held while numbers are deleted, and while a legal hold is committed: neither happens within the other.
    hold_gate: Arc<Mutex<()>>,
}

impl PostgresStore {
    /// Opens the store of a site whose schema is there. `dir` is a folder of this collector's, for the index of words.
    ///
    /// # Errors
    /// [`StoreError`] when the server cannot be reached, refuses, or holds what cannot be read.
    pub(crate) fn open(place: PathBuf, dir: PathBuf, connect: Connect) -> Result<Self, StoreError> {
        let session = connect(Use::Writer)?;
        let begun = begin(&session).and_then(|()| Ok((cache_of(&session)?, held(&session)?)));
        let (cache, (commits, lost)) = begun.map_err(|source| database(&place, source))?;
        let lost = StoreLosses { all: serde_json::from_str(&lost).unwrap_or_default(), fresh: false };
        let (search, hold_gate) = (Arc::default(), Arc::default());
        Ok(Self { place, dir, connect, session, cache, commits, room: 0, lost, search, hold_gate })
    }

    /// A session that is made anew by itself.
    fn session_that_lasts(&self, used: Use) -> Result<Session, StoreError> {
        let connect = Arc::clone(&self.connect);
        Ok((self.connect)(used)?.renewed_by(Box::new(move || connect(used))))
    }

    fn new_reader(&self) -> Result<SqlReader, StoreError> {
        let session = self.session_that_lasts(Use::Reader)?;
        let database = Database::Postgres(Box::new(session));
        let search = SearchFile::new(&self.dir, Arc::clone(&self.search));
        Ok(SqlReader::new(self.place.clone(), database, self.cache.newest.clone(), search))
    }

    fn fault(&self, source: Error) -> StoreError {
        database(&self.place, source)
    }

    /// Sees to it that the rows of a commit have a partition.
    fn make_room(&mut self) -> sql::Result<()> {
        let needed = self.cache.next_row() + ROOM_ROWS;
        if self.room < needed {
            let connection = Connection::from(&self.session);
            self.room = connection.query_row("SELECT make_sample_partitions(?1)", [needed], |row| row.get(0))?;
        }
        Ok(())
    }

    fn try_commit(&mut self, changes: &[Change]) -> sql::Result<()> {
        self.make_room()?;
        let commit = Commit::begin((&self.session).into(), &mut self.cache)?;
        commit.make(self.commits + 1, |commit| apply_all(commit, changes))
    }

    /// The session ended before it said what came of a commit: a new one is asked. Whether it is there.
    fn is_there(&mut self, number: u64) -> Result<bool, StoreError> {
        self.session = (self.connect)(Use::Writer)?;
        let asked = cache_of(&self.session).and_then(|cache| Ok((cache, held(&self.session)?.0)));
        let (mut cache, commits) = asked.map_err(|source| self.fault(source))?;
        // Readers of this process go on seeing what the writer knows.
        self.cache.newest.take_over(&cache.newest);
        cache.newest = self.cache.newest.clone();
        (self.cache, self.commits, self.room) = (cache, commits, 0);
        Ok(commits >= number)
    }
}

/// Drops the partitions of rows that lie at or below a number, and keeps up to where they went; whether any did. The one in which the last of these rows
/// lies stays: rows are still counted on in it.
fn drop_partitions(connection: Connection<'_>, through: i64, token: Option<&str>) -> sql::Result<bool> {
    let sql = "SELECT max(number) FROM sample WHERE number <= ?1";
    let largest: Option<i64> = connection.query_row(sql, [through], |row| row.get(0))?;
    let Some(largest) = largest else { return Ok(false) };
    let gone = connection.query_row("SELECT drop_sample_partitions(?1)", [largest], |row| row.get::<_, i64>(0))?;
    if gone > 0 {
        sample::forgotten(connection, token, largest)?;
    }
    Ok(gone > 0)
}

/// What every start sees to.
fn begin(session: &Session) -> sql::Result<()> {
    session.batch_as_it_is(include_str!("functions.sql"))?;
    let random: [u8; 8] = random::secret().map_err(|error| Error::ToSqlConversionFailure(error.to_string().into()))?;
    let connection = Connection::from(session);
    connection.execute("INSERT OR IGNORE INTO state (one, id, commits, lost) VALUES (1, ?1, 0, '')", [hex(&random)])?;
    connection.execute("INSERT OR IGNORE INTO history.store (one, id) SELECT 1, id FROM state", [])?;
    Ok(())
}

/// How many commits it holds, and what was found to be lost.
fn held(session: &Session) -> sql::Result<(u64, String)> {
    // Every commit leaves a row in the log; the newest is never deleted.
    let sql = "SELECT max(commits, coalesce((SELECT max(number) FROM watermark_log), 0)), lost FROM state";
    Connection::from(session).query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))
}

pub(super) fn cache_of(session: &Session) -> sql::Result<WriterCache> {
    let connection = Connection::from(session);
    let folded = connection.query_row("SELECT rows FROM fold_mark", [], |row| row.get(0)).optional()?.unwrap_or(0);
    let keeps_all = clock::mark(connection)?.is_some_and(|mark| mark.keeps_all());
    WriterCache::read(connection, (Patience::Postgres, Touched::by_statements(held(session)?.0)), folded, keeps_all)
}

impl Store for PostgresStore {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let gate = Arc::clone(&self.hold_gate);
        let sets_hold = changes.iter().any(|change| matches!(change, Change::Hold(_)));
        let _no_numbers_go = sets_hold.then(|| gate.lock().unwrap_or_else(PoisonError::into_inner));
        let number = self.commits + 1;
        match self.try_commit(changes) {
            Ok(()) => self.commits = number,
            Err(error) if self.session.is_closed() => {
                if !self.is_there(number)? {
                    return Err(self.fault(error));
                }
            }
            Err(error) => return Err(self.fault(error)),
        }
        Ok(())
    }

    fn audit_tip(&self) -> AuditTip {
        self.cache.audit_tip()
    }

    fn lost(&self) -> &StoreLosses {
        &self.lost
    }

    fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError> {
        let connection = Connection::from(&self.session);
        let forget = || {
            let sql = "SELECT token FROM history.secured ORDER BY number DESC LIMIT 1";
            let token: Option<String> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
            let transaction = Transaction::begin(connection)?;
            let (known, lag) = (&self.cache.newest, &self.cache.lag);
            let freed = newest::free_rows(*transaction, known, lag, (signed(through), FREED_AT_ONCE))?;
            let most = i64::try_from(limit).unwrap_or(i64::MAX);
            let gone = if freed.all {
                // Where a partition went there may be more.
                if drop_partitions(*transaction, signed(through), token.as_deref())? {
                    limit
                } else {
                    sample::forget(*transaction, signed(through), most, token.as_deref())?
                }
            } else {
                limit
            };
            transaction.commit()?;
            Ok((freed, gone))
        };
        let (freed, gone) = forget().map_err(|source| self.fault(source))?;
        freed.committed(&mut self.cache.lag);
        Ok(gone)
    }

    fn archive(&self) -> Result<Box<dyn Archive>, StoreError> {
        let session = self.session_that_lasts(Use::History)?;
        session.look_into_history().map_err(|source| self.fault(source))?;
        let archive = SqlArchive::new(self.place.clone(), Database::Postgres(Box::new(session)));
        Ok(Box::new(archive.behind(Arc::clone(&self.hold_gate))))
    }

    fn search_index(&self) -> Result<Box<dyn SearchIndex>, StoreError> {
        Ok(Box::new(SqliteSearchIndex::new(&self.dir, self.new_reader()?, Arc::clone(&self.search))))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(self.new_reader()?))
    }
}
