//! Takes records into the search index, behind the commits: in turns, each one transaction of the index's own file.
//!
//! New records of a kind are those behind its mark. What changes or goes of records that were there before is in the store's `search_log`,
//! which triggers write, so that no deletion can forget it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use ioc_common::clock;

use super::connection::give_back_memory;
use super::file::database;
use super::search_file::{
    IndexState, SCHEMA_VERSION, SEARCH_FILES, SearchShared, clamped, free_place, is_damage, make_part,
    open_for_writing, part_of, place_of, remove, second_of, second_of_place, source_of, state,
};
use crate::StoreError;
use crate::search::{SearchIndex, SearchKind, SearchProgress, terms_of};
use crate::sql::reader_connection::SqlReader;
use crate::sql::search_record::{after, audit_hash, changes, find, last, log_span, store_id};

/// A part of which records went is put in order after so long, milliseconds: until then their words may lie in the file, and are not
/// found.
const GONE_MAX_MS: i64 = 86_400_000;
/// A part that is past is put in order once so many records came.
const CAME_MAX: i64 = 1000;
/// Pages that are merged in one turn.
const MERGE_PAGES: i64 = 400;
/// What a table of words keeps in memory before it writes, bytes.
const HASH_BYTES: i64 = 8 * 1024 * 1024;

/// The writer of the index.
#[derive(Debug)]
pub(crate) struct SqliteSearchIndex {
    dir: PathBuf,
    reader: SqlReader,
    shared: Arc<SearchShared>,
    /// None before the first turn, and after the file was found damaged.
    open: Option<Connection>,
}

/// What is taken in.
struct Item {
    second: i64,
    source: i64,
    terms: String,
}

/// What one turn does.
#[derive(Default)]
struct Turn {
    /// Records whose words go, each with the second in which it happened.
    gone: Vec<(i64, i64)>,
    items: Vec<Item>,
    marks: BTreeMap<i64, i64>,
    log: i64,
    audit_hash: Option<String>,
    more: bool,
}

impl SqliteSearchIndex {
    pub(crate) fn new(dir: &Path, reader: SqlReader, shared: Arc<SearchShared>) -> Self {
        Self { dir: dir.to_owned(), reader, shared, open: None }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(SEARCH_FILES[0])
    }

    fn fault(&self, source: rusqlite::Error) -> StoreError {
        database(&self.path(), source)
    }

    /// The index of this store, made anew where it is damaged, another's, or does not go with what is in the store.
    fn opened(&mut self) -> Result<Connection, StoreError> {
        if self.shared.take_damage() {
            self.open = None;
            self.begin_anew("a reader found it damaged")?;
        }
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let id = store_id(&self.reader)?;
        match open_for_writing(&self.path(), &id) {
            Ok(connection) => match self.mismatch(&connection, &id) {
                Ok(None) => return Ok(connection),
                Ok(Some(why)) => {
                    drop(connection);
                    self.begin_anew(&why)?;
                }
                Err(TurnFault::Index(error)) if is_damage(&error) => {
                    drop(connection);
                    self.begin_anew(&error.to_string())?;
                }
                // What passes makes nothing anew: it is looked at again.
                Err(TurnFault::Index(error)) => return Err(self.fault(error)),
                Err(TurnFault::Store(error)) => return Err(*error),
                Err(TurnFault::Overrun) => {
                    drop(connection);
                    self.begin_anew(OVERRUN)?;
                }
            },
            Err(error) if is_damage(&error) => self.begin_anew(&error.to_string())?,
            Err(error) => return Err(self.fault(error)),
        }
        open_for_writing(&self.path(), &id).map_err(|error| self.fault(error))
    }

    fn begin_anew(&self, why: &str) -> Result<(), StoreError> {
        tracing::warn!(why, "the search index is made anew");
        remove(&self.dir).map_err(|source| StoreError::File { path: self.path(), source })?;
        self.shared.begin_anew();
        Ok(())
    }

    /// Why an index does not go with the store.
    ///
    /// # Errors
    /// Where one of both cannot be read now.
    fn mismatch(&self, connection: &Connection, id: &str) -> Result<Option<String>, TurnFault> {
        let why = |text: &str| Ok(Some(text.to_owned()));
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version != SCHEMA_VERSION {
            return why("it is of another version");
        }
        let whole: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if whole != "ok" {
            return Ok(Some(whole));
        }
        let state = state(connection)?;
        let (of, hash): (String, String) =
            connection.query_row("SELECT store, audit_hash FROM state", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if of != id {
            return why("it is another store's");
        }
        if state.log > log_span(&self.reader)?.1 {
            return why("it does not follow from what the store says has changed");
        }
        self.is_followed(&state)?;
        let mark = mark_of(&state, SearchKind::Audit);
        let found = audit_hash(&self.reader, mark)?;
        if mark > 0 && found.is_none_or(|found| found != hash) {
            return why("it is ahead of the store, or of another copy");
        }
        Ok(None)
    }

    /// The store still says all that changed since the index last asked: what is gone from that ring is known to nobody, and would stay in the
    /// index as it was.
    fn is_followed(&self, state: &IndexState) -> Result<(), TurnFault> {
        let (first, _) = log_span(&self.reader)?;
        if state.log >= 0 && first > state.log + 1 { Err(TurnFault::Overrun) } else { Ok(()) }
    }

    /// What is to be done next.
    fn gather(&self, state: &IndexState, most: usize) -> Result<Turn, TurnFault> {
        let mut turn = Turn { log: state.log.max(0), ..Turn::default() };
        if state.log < 0 {
            // All that is there is taken in as it is from now on.
            turn.log = log_span(&self.reader)?.1;
        }
        let mut marks = BTreeMap::new();
        for kind in SearchKind::ALL {
            // Numbers are given again where the newest record went.
            marks.insert(kind.number(), mark_of(state, kind).min(last(&self.reader, kind)?));
        }
        let mut again = BTreeMap::new();
        if state.log >= 0 {
            let changed = changes(&self.reader, state.log, most)?;
            // Asked behind it: the ring may have gone on meanwhile.
            self.is_followed(state)?;
            turn.more |= changed.len() == most;
            for (number, kind, record, second) in changed {
                turn.log = turn.log.max(number);
                let source = source_of(kind.number(), record);
                turn.gone.push((source, clamped(second)));
                again.insert(source, (kind, record));
            }
        }
        for (source, (kind, record)) in again {
            if marks.get(&kind.number()).is_some_and(|mark| record <= *mark) {
                self.item(kind, record, source, &mut turn)?;
            }
        }
        for kind in SearchKind::ALL {
            let mark = marks.entry(kind.number()).or_default();
            let records = after(&self.reader, kind, *mark, most, false)?;
            turn.more |= records.len() == most;
            for record in records {
                self.item(kind, record, source_of(kind.number(), record), &mut turn)?;
                *mark = record;
            }
        }
        let audit = marks.get(&SearchKind::Audit.number()).copied().unwrap_or_default();
        if audit != mark_of(state, SearchKind::Audit) {
            turn.audit_hash = audit_hash(&self.reader, audit)?;
        }
        marks.retain(|kind, mark| usize::try_from(*kind).ok().and_then(|kind| state.marks.get(kind)) != Some(&*mark));
        turn.marks = marks;
        Ok(turn)
    }

    fn item(&self, kind: SearchKind, record: i64, source: i64, turn: &mut Turn) -> Result<(), StoreError> {
        if let Some((record, device)) = find(&self.reader, kind, record)? {
            let terms = terms_of(&record, &record.document(), device);
            turn.items.push(Item { second: second_of(record.at().as_millis()), source, terms });
        }
        Ok(())
    }
}

fn mark_of(state: &IndexState, kind: SearchKind) -> i64 {
    usize::try_from(kind.number()).ok().and_then(|kind| state.marks.get(kind)).copied().unwrap_or(0)
}

/// Why a turn ended.
enum TurnFault {
    /// The index cannot be read or written; damaged, it is made anew.
    Index(rusqlite::Error),
    /// The record cannot be read.
    Store(Box<StoreError>),
    /// More changed than the store remembers; the index is made anew.
    Overrun,
}

/// What is said of that.
const OVERRUN: &str = "more has changed since then than the store remembers";

impl From<rusqlite::Error> for TurnFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Index(error)
    }
}

impl From<StoreError> for TurnFault {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl SearchIndex for SqliteSearchIndex {
    fn turn(&mut self, most: usize) -> Result<SearchProgress, StoreError> {
        let mut connection = self.opened()?;
        let now_ms = clock::now().as_millis();
        let made = state(&connection).map_err(TurnFault::Index).and_then(|state| {
            let turn = self.gather(&state, most)?;
            let records = turn.items.len() as u64 + turn.gone.len() as u64;
            let mut more = turn.more;
            if records > 0 || !turn.marks.is_empty() || turn.log != state.log {
                write(&mut connection, turn, state.shift, now_ms).map_err(TurnFault::Index)?;
            } else {
                more |= put_in_order(&connection, now_ms).map_err(TurnFault::Index)?;
            }
            Ok(SearchProgress { records, more })
        });
        match made {
            Ok(progress) => {
                if progress.records == 0 && !progress.more {
                    // Pages that were read for what came before.
                    self.reader.give_back_pages();
                    give_back_memory(&connection);
                }
                self.open = Some(connection);
                Ok(progress)
            }
            Err(TurnFault::Store(error)) => {
                self.open = Some(connection);
                Err(*error)
            }
            Err(TurnFault::Index(error)) if is_damage(&error) => {
                drop(connection);
                self.begin_anew(&error.to_string())?;
                Ok(SearchProgress { records: 0, more: true })
            }
            Err(TurnFault::Overrun) => {
                drop(connection);
                self.begin_anew(OVERRUN)?;
                Ok(SearchProgress { records: 0, more: true })
            }
            Err(TurnFault::Index(error)) => {
                // It passes, or is looked at anew when the file is opened again.
                Err(self.fault(error))
            }
        }
    }

    fn size(&self) -> Result<(u64, u64), StoreError> {
        let bytes =
            SEARCH_FILES.iter().filter_map(|name| self.dir.join(name).metadata().ok()).map(|one| one.len()).sum();
        let Some(connection) = &self.open else { return Ok((0, bytes)) };
        let count = connection.query_row("SELECT count(*) FROM item", [], |row| row.get::<_, i64>(0));
        Ok((count.map_err(|error| self.fault(error))?.unsigned_abs(), bytes))
    }
}

/// Writes a turn.
fn write(connection: &mut Connection, mut turn: Turn, mut shift: i64, now_ms: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut parts: HashMap<i64, (i64, i64)> = HashMap::new();
    for (source, second) in &turn.gone {
        if let Some(place) = place_of(&transaction, *source, *second, shift)? {
            let part = part_of(place);
            transaction.prepare_cached("DELETE FROM item WHERE place = ?1")?.execute([place])?;
            transaction.prepare_cached(&format!("DELETE FROM words_{part} WHERE rowid = ?1"))?.execute([place])?;
            parts.entry(part).or_default().1 += 1;
        }
    }
    // A table of words takes them in the order of their places.
    turn.items.sort_unstable_by_key(|item| (item.second, item.source));
    let mut last_place = -1;
    for item in &turn.items {
        let place = free_place(&transaction, &mut last_place, item.second)?;
        shift = shift.max(second_of_place(place) - item.second);
        let part = part_of(place);
        if !parts.contains_key(&part) {
            ensure_part(&transaction, part)?;
        }
        parts.entry(part).or_default().0 += 1;
        transaction
            .prepare_cached("INSERT INTO item (place, source) VALUES (?1, ?2)")?
            .execute([place, item.source])?;
        transaction
            .prepare_cached(&format!("INSERT INTO words_{part} (rowid, words) VALUES (?1, ?2)"))?
            .execute(params![place, item.terms])?;
    }
    for (part, (came, gone)) in parts {
        let sql = "UPDATE part SET came = came + ?2, gone = gone + ?3, since = CASE WHEN gone = 0 AND ?3 > 0 THEN ?4 ELSE since END \
                   WHERE number = ?1";
        transaction.prepare_cached(sql)?.execute([part, came, gone, now_ms])?;
    }
    for (kind, mark) in &turn.marks {
        let sql = "INSERT INTO mark (kind, record) VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET record = ?2";
        transaction.prepare_cached(sql)?.execute([kind, mark])?;
    }
    transaction.execute("UPDATE state SET log = ?1, shift = ?2", [turn.log, shift])?;
    if let Some(hash) = turn.audit_hash {
        transaction.execute("UPDATE state SET audit_hash = ?1", [hash])?;
    }
    transaction.commit()
}

fn ensure_part(transaction: &Transaction<'_>, part: i64) -> rusqlite::Result<()> {
    let known = transaction.prepare_cached("SELECT 1 FROM part WHERE number = ?1")?.exists([part])?;
    if !known {
        make_part(transaction, part)?;
        let sql = format!("INSERT INTO words_{part} (words_{part}, rank) VALUES ('hashsize', ?1)");
        transaction.execute(&sql, [HASH_BYTES])?;
    }
    Ok(())
}

/// Merges a piece of a part that needs it: of what went nothing is left in the file then, and what is past is read fastest. Whether there is
/// more to do.
fn put_in_order(connection: &Connection, now_ms: i64) -> rusqlite::Result<bool> {
    let sql = "SELECT number FROM part WHERE (gone > 0 AND since <= ?1) \
               OR (came >= ?2 AND number < (SELECT max(number) FROM part)) ORDER BY number LIMIT 1";
    let due =
        connection.prepare_cached(sql)?.query_map([now_ms - GONE_MAX_MS, CAME_MAX], |row| row.get::<_, i64>(0))?.next();
    let Some(part) = due.transpose()? else { return Ok(false) };
    let before = connection.total_changes();
    let sql = format!("INSERT INTO words_{part} (words_{part}, rank) VALUES ('merge', ?1)");
    connection.prepare_cached(&sql)?.execute([-MERGE_PAGES])?;
    // As SQLite's documentation says how one knows that there is nothing left to merge.
    if connection.total_changes() - before < 2 {
        connection.execute("UPDATE part SET came = 0, gone = 0 WHERE number = ?1", [part])?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::AuditEntry;
    use crate::search::{SearchQuery, WordsQuery};
    use crate::sqlite::SqliteStore;
    use crate::{Change, Store};

    fn write_down(store: &mut SqliteStore, count: i64, from: i64) {
        let entry = |n: i64| AuditEntry {
            at: clock::Timestamp::from_millis(1_790_000_000_000 + n * 60_000),
            actor: "lan".into(),
            action: "device.described".into(),
            subject: String::new(),
            detail: format!("đĩa cứng số {n}"),
        };
        let all: Vec<Change> = (from..from + count).map(|n| Change::Audit(entry(n))).collect();
        store.commit(&all).expect("commits");
    }

    fn found(store: &SqliteStore) -> usize {
        let query = SearchQuery {
            words: WordsQuery::parse("đĩa cứng"),
            kinds: SearchKind::ALL.to_vec(),
            limit: 500,
            ..SearchQuery::default()
        };
        let (reader, mut query, mut count) = (store.reader().expect("reads"), query, 0);
        loop {
            let page = reader.search(&query).expect("answers");
            (query.before, count) = (page.next, count + page.hits.len());
            // On a slow machine an answer ends early, and goes on.
            if query.before.is_none() {
                return count;
            }
        }
    }

    fn take_in(store: &SqliteStore) -> u64 {
        let mut index = store.search_index().expect("opens");
        let mut records = 0;
        loop {
            let progress = index.turn(100).expect("taken in");
            records += progress.records;
            if !progress.more {
                return records;
            }
        }
    }

    #[test]
    fn an_index_that_is_damaged_or_anothers_is_made_anew_and_nothing_is_missed_meanwhile() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        write_down(&mut store, 300, 1);
        assert_eq!((take_in(&store), found(&store)), (300, 300));
        let path = dir.path().join(SEARCH_FILES[0]);
        let settled = || {
            let connection = Connection::open(&path).expect("opens");
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("settled");
            drop(connection);
            std::fs::read(&path).expect("read")
        };
        let whole = settled();
        // Any page of it: garbage where its content was.
        for page in 0..whole.len() / 4096 {
            remove(dir.path()).expect("removed");
            let mut bytes = whole.clone();
            bytes.get_mut(page * 4096..(page + 1) * 4096).expect("a page").fill(0x5a);
            std::fs::write(&path, bytes).expect("written");
            assert_eq!(found(&store), 300, "page {page}: what cannot be read is looked through");
            take_in(&store);
            assert_eq!(found(&store), 300, "page {page}");
        }
        remove(dir.path()).expect("removed");
        assert_eq!((take_in(&store), found(&store)), (300, 300), "one that is gone");

        // Another store's, and one that is ahead of an older copy of the store.
        let other = tempfile::tempdir().expect("directory");
        let mut another = SqliteStore::open(other.path()).expect("opens");
        write_down(&mut another, 20, 1);
        std::fs::write(other.path().join(SEARCH_FILES[0]), settled()).expect("copied");
        assert_eq!((take_in(&another), found(&another)), (20, 20));
    }

    fn found_words(store: &SqliteStore, words: &str) -> usize {
        let query = SearchQuery {
            words: WordsQuery::parse(words),
            kinds: SearchKind::ALL.to_vec(),
            limit: 500,
            ..SearchQuery::default()
        };
        store.reader().expect("reads").search(&query).expect("answers").hits.len()
    }

    const ONE_EVENT: &str = "INSERT INTO device (number, id, info, search, kind, place, name_key, place_key, computer, enrolled_at) \
         VALUES (1, 'd-1', '{}', '', 'server', '', x'', x'', 1, 1); \
         INSERT INTO event (device, at, name, text, fields) VALUES (1, 1790000000000, 'x', 'before', '{}')";

    #[test]
    fn more_changes_than_the_store_remembers_make_a_running_index_anew() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        store.connection.execute_batch(ONE_EVENT).expect("written");
        let mut index = store.search_index().expect("opens");
        let mut settle = || while index.turn(5000).expect("taken in").more {};
        settle();
        assert_eq!(found_words(&store, "before"), 1);
        // It goes, and the ring forgets that it did; another one stands behind it.
        let flood = "DELETE FROM event; INSERT INTO search_log (kind, record, second) WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200010) SELECT 2, 999999999, 0 FROM n";
        store.connection.execute_batch(flood).expect("flooded");
        settle();
        assert_eq!(index.size().expect("counted").0, 0, "nothing of what went is left in it");
    }

    #[test]
    fn what_cannot_be_read_for_a_while_makes_nothing_anew() {
        use std::os::unix::fs::MetadataExt as _;
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        write_down(&mut store, 30, 1);
        assert_eq!(take_in(&store), 30);
        let file = || std::fs::metadata(dir.path().join(SEARCH_FILES[0])).expect("there").ino();
        let before = file();
        store.connection.execute_batch("ALTER TABLE search_log RENAME TO elsewhere").expect("renamed");
        let mut index = store.search_index().expect("opens");
        assert!(matches!(index.turn(10), Err(StoreError::Database { .. })));
        store.connection.execute_batch("ALTER TABLE elsewhere RENAME TO search_log").expect("renamed");
        assert_eq!((take_in(&store), file(), found(&store)), (0, before, 30));
    }

    #[test]
    fn the_number_of_a_notice_is_never_given_twice() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let put = |key: &str| {
            let sql = "INSERT INTO outbox (key, incident, channel, person, address, language, notice, severity, step, created_at, attempts, \
                       unanswered, next_attempt_at, state) VALUES (?1, 0, 'mail', '', '', 'vi', '{}', 1, 1, 1, 0, 0, 0, 'delivered')";
            store.connection.execute(sql, [key]).expect("put");
            store.connection.last_insert_rowid()
        };
        let (first, second) = (put("a"), put("b"));
        store.connection.execute("DELETE FROM outbox WHERE key = 'b'", []).expect("deleted");
        store.connection.execute_batch("VACUUM").expect("put in order");
        let number = |key: &str| {
            let sql = "SELECT number FROM outbox WHERE key = ?1";
            store.connection.query_row(sql, [key], |row| row.get::<_, i64>(0)).expect("there")
        };
        assert!(put("c") > second && number("a") == first);
    }

    #[test]
    fn of_what_went_nothing_is_left_in_the_file_once_it_is_put_in_order() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        write_down(&mut store, 50, 1);
        store.connection.execute_batch(
            "INSERT INTO device (number, id, info, search, kind, place, name_key, place_key, computer, enrolled_at) \
             VALUES (1, 'd-1', '{}', '', 'server', '', x'', x'', 1, 1); \
             INSERT INTO event (device, at, name, text, fields) VALUES (1, 1790000000000, 'x', 'quetzalcoatlus', '{}')",
        )
        .expect("written");
        take_in(&store);
        store.connection.execute_batch("DELETE FROM event").expect("deleted");
        take_in(&store);
        let connection = open_for_writing(&dir.path().join(SEARCH_FILES[0]), "").expect("opens");
        let later = clock::now().as_millis() + 2 * GONE_MAX_MS;
        while put_in_order(&connection, later).expect("merged") {}
        connection.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").expect("settled");
        drop(connection);
        let bytes = std::fs::read(dir.path().join(SEARCH_FILES[0])).expect("read");
        assert!(!bytes.windows(9).any(|piece| piece == b"quetzalco"), "its words are gone");
        assert_eq!(found(&store), 50);
    }
}
