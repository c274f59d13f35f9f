//! What ties folded history to its store: an older or another `history.db` in its place would be believed without a word.
//!
//! Each time that history is made safe it takes a token, and the store, with the rows that it deletes for that, which token that was: a
//! history without it is an older copy. A history that goes further than the rows that were ever numbered stands beside an older store.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use ioc_judge::Text;

use super::connection as connections;
use super::file::{BUSY_MS, FILES, HISTORY, SHARED_MEMORY, aside_stamp, database, rename_synced};
use crate::StoreError;
use crate::sql::commit::WriterCache;
use crate::sql::{self, newest, sample};

/// Devices whose newest numbers are written elsewhere in one go, before rows are deleted.
const FREED_AT_ONCE: usize = 256;
/// Pages that are given back to the file system with each piece of rows that is deleted: what that takes is less than for the rows.
const GIVE_BACK_PAGES: u32 = 32;

/// Why a history is not the one of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It is another store's.
    Foreign,
    /// It lacks what rows were deleted for.
    Older,
    /// It goes up to this row, and the store has not numbered so many.
    Newer(i64),
}

impl Mismatch {
    pub(super) fn text(self) -> Text {
        match self {
            Self::Foreign => Text::new(
                "Tệp lịch sử số liệu «history.db» là của kho khác: nó được cất dưới tên «history.db.other-…», và các số liệu còn trong kho được gộp lại.",
                "The file of folded history, history.db, is another store's: it is kept as history.db.other-…, and rows that are still in this store are folded anew.",
            ),
            Self::Older => Text::new(
                "Tệp lịch sử số liệu «history.db» là bản cũ hơn kho, hoặc nhật ký ghi của nó hỏng: thiếu số liệu đã gộp sau đó; những gì còn trong kho được gộp lại.",
                "The file of folded history, history.db, is an older copy, or its write-ahead log is damaged: what was folded since is missing; rows that are still there are folded again.",
            ),
            Self::Newer(_) => Text::new(
                "Kho dữ liệu là bản cũ hơn tệp lịch sử số liệu «history.db»: những gì ghi vào kho sau bản đó không còn.",
                "The store is an older copy than the file of folded history, history.db: what was written into the store since is missing.",
            ),
        }
    }
}

/// What is wrong between a store and the history that is attached to it; nothing when they belong together.
pub(super) fn mismatch(connection: &Connection) -> rusqlite::Result<Option<Mismatch>> {
    if !has_table(connection, "main", "fold_mark")? || !has_table(connection, "history", "secured")? {
        return Ok(None);
    }
    let text = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).optional();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional();
    let (own, of) = (text("SELECT id FROM main.state")?, text("SELECT id FROM history.store")?);
    if own.zip(of).is_some_and(|(own, of)| own != of) {
        return Ok(Some(Mismatch::Foreign));
    }
    // The order matters where a collector is at work: history is ahead of the store's mark, and behind its rows.
    let token = text("SELECT token FROM main.fold_mark")?.unwrap_or_default();
    let sql = "SELECT count(*) FROM history.secured WHERE token = ?1";
    if !token.is_empty() && connection.query_row(sql, [&token], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(Some(Mismatch::Older));
    }
    let (mut folded, mut largest) = (0, 0);
    for sql in ["SELECT max(folded) FROM history.device", "SELECT folded FROM history.state"] {
        folded = folded.max(number(sql)?.flatten().unwrap_or(0));
    }
    for sql in
        ["SELECT max(number) FROM main.sample", "SELECT max(row) FROM main.live", "SELECT rows FROM main.fold_mark"]
    {
        largest = largest.max(number(sql)?.flatten().unwrap_or(0));
    }
    Ok((folded > largest).then_some(Mismatch::Newer(folded)))
}

/// Compares a store that is about to be opened with the history beside it. Another store's is moved out of the way.
pub(super) fn compare(connection: &Connection, dir: &Path) -> Result<Option<Mismatch>, StoreError> {
    // A history that cannot be read is said by whoever opens it.
    let found = with_history(connection, dir, mismatch).unwrap_or_else(|error| {
        tracing::warn!(%error, "whether history belongs to the store cannot be told");
        None
    });
    if found == Some(Mismatch::Foreign) {
        let other = format!("{HISTORY}.other-{}", aside_stamp());
        // Their endings stay, so that it can be opened with its log.
        let names = [HISTORY, FILES[3], SHARED_MEMORY[1]];
        rename_synced(dir, names.map(|name| (name, name.replacen(HISTORY, &other, 1))))?;
    }
    Ok(found)
}

/// Takes the history beside an open store for its own, from here on: what does not fit was told.
pub(super) fn settle(connection: &Connection, dir: &Path, store: &str) -> Result<(), StoreError> {
    let settled = with_history(connection, dir, |connection| {
        connection.execute("INSERT OR IGNORE INTO history.store (one, id) VALUES (1, ?1)", [store])?;
        match mismatch(connection)? {
            None => Ok(()),
            Some(Mismatch::Foreign | Mismatch::Older) => {
                connection.execute("UPDATE main.fold_mark SET token = ''", []).map(drop)
            }
            // Numbers of rows go on above it, or they would be taken for folded.
            Some(Mismatch::Newer(folded)) => {
                connection.execute("UPDATE main.fold_mark SET rows = ?1", [folded]).map(drop)
            }
        }
    });
    settled.map_err(|source| database(&dir.join(HISTORY), source))
}

/// Up to which row numbers are taken by what a history holds.
pub(super) fn rows(connection: &Connection) -> rusqlite::Result<i64> {
    Ok(connection.query_row("SELECT rows FROM fold_mark", [], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// The token of the history in `dir` up to which it is safe.
fn newest_token(dir: &Path) -> Result<Option<String>, StoreError> {
    let path = dir.join(HISTORY);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = Connection::open_with_flags(&path, flags).and_then(|history| {
        history.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        let sql = "SELECT token FROM secured ORDER BY number DESC LIMIT 1";
        history.query_row(sql, [], |row| row.get(0)).optional()
    });
    read.map_err(|source| database(&path, source))
}

/// Deletes rows that are folded, up to one, and keeps which history holds them; says how many.
pub(super) fn forget_rows(
    connection: &mut Connection,
    store: &Path,
    cache: &mut WriterCache,
    (through, limit): (i64, i64),
) -> Result<usize, StoreError> {
    let token = newest_token(store.parent().unwrap_or(Path::new(".")))?;
    // Rows that come back by a power cut are deleted once more: whatever commits next need not wait for the disk here.
    cache.waits_for_disk = false;
    connections::wait_for_disk(connection, false).map_err(|source| database(store, source))?;
    let mut forget = || {
        let transaction = connection.transaction()?;
        // Rows that hold the newest numbers of a device are read at the next start, unless those stand elsewhere.
        let rows = sql::Connection::from(&*transaction);
        let freed = newest::free_rows(rows, &cache.newest, &cache.lag, (through, FREED_AT_ONCE))?;
        let gone = if freed.all {
            sample::forget(rows, through, limit, token.as_deref())?
        } else {
            usize::try_from(limit).unwrap_or(0)
        };
        transaction.commit()?;
        freed.committed(&mut cache.lag);
        connections::give_back(connection, GIVE_BACK_PAGES)?;
        Ok(gone)
    };
    let gone = forget();
    connections::wait_for_disk(connection, true).map_err(|source| database(store, source))?;
    cache.waits_for_disk = true;
    gone.map_err(|source| database(store, source))
}

fn with_history<T>(
    connection: &Connection,
    dir: &Path,
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute("ATTACH DATABASE ?1 AS history", [dir.join(HISTORY).to_string_lossy()])?;
    let answer = ask(connection);
    connection.execute("DETACH DATABASE history", [])?;
    answer
}

fn has_table(connection: &Connection, schema: &str, name: &str) -> rusqlite::Result<bool> {
    let sql = format!("SELECT count(*) FROM {schema}.sqlite_master WHERE type = 'table' AND name = ?1");
    connection.query_row(&sql, [name], |row| row.get::<_, i64>(0).map(|count| count > 0))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ioc_common::clock;
    use ioc_common::id::DeviceId;
    use ioc_common::layout::{Layout, Series};
    use ioc_common::report::Position;
    use ioc_judge::{DeviceInfo, DeviceKind};

    use super::*;
    use crate::compaction;
    use crate::history::fold::HistoryBlock;
    use crate::history::{self, Tier, chunk};
    use crate::sqlite::SqliteStore;
    use crate::sqlite::file::MARK_FILE;
    use crate::{Change, ChunkQuery, Store as _};

    const YEAR: [i64; 3] = [366 * 86_400_000; 3];

    fn device() -> DeviceId {
        DeviceId::new("srv-1").expect("valid")
    }

    fn layout() -> Layout {
        Layout::new(vec![Series::new("load.1", "")]).expect("allowed")
    }

    fn new(dir: &Path) -> SqliteStore {
        let mut store = SqliteStore::open(dir).expect("opens");
        let info = DeviceInfo::new(device(), DeviceKind::Server, "Srv 1");
        store.commit(&[Change::Device { info, at: clock::now() }, Change::Layout(layout())]).expect("commits");
        store
    }

    /// Keeps a sample with this number as its value.
    fn sample(store: &mut SqliteStore, number: u32) {
        // Each at a moment of its own, however fast the disk is.
        let at = clock::now().plus_millis(i64::from(number));
        let position = Position { epoch: 1, seq: u64::from(number) };
        let row = history::pack(&[Some(f64::from(number))]);
        let sample = Change::Sample { device: device(), position, at, layout: layout().id(), row, newest: true };
        let watermark = Change::Watermark {
            device: device(),
            position,
            last_heard: Some(at),
            last_sample: Some(at),
            clock_error_ms: None,
        };
        store.commit(&[sample, watermark]).expect("commits");
    }

    /// Folds all rows, and deletes them when `forget`.
    fn fold(store: &mut SqliteStore, forget: bool) {
        let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
        let now = clock::now().plus_millis(60_000);
        let folded = compaction::round(reader.as_ref(), archive.as_mut(), YEAR, now, true).expect("folds");
        if forget {
            store.forget_rows(folded.through, 1000).expect("deletes");
        }
    }

    fn values(store: &SqliteStore) -> Vec<f64> {
        let now = clock::now();
        let (from, until) = (now.plus_millis(-3_600_000), now.plus_millis(60_000));
        let device = device();
        let query = ChunkQuery { device: &device, tier: Tier::Raw, from, until, names: &["load.1".to_owned()] };
        let chunks = store.reader().expect("reads").chunks(&query).expect("reads");
        let block = |one: &crate::StoredChunk| HistoryBlock::unpack(one.chunk, &one.data).expect("whole").series;
        let all = chunks.chunks.iter().flat_map(|one| block(one).into_values().flatten());
        all.filter_map(chunk::known).collect()
    }

    /// The files of a store that is closed, by the beginning of their names.
    fn files(dir: &Path, beginning: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = std::fs::read_dir(dir).expect("listed").flatten().map(|entry| entry.path());
        let named =
            entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning)));
        named.map(|path| (path.clone(), std::fs::read(&path).expect("read"))).collect()
    }

    fn put_back(dir: &Path, beginning: &str, copy: &[(PathBuf, Vec<u8>)]) {
        for (path, _) in files(dir, beginning) {
            std::fs::remove_file(path).expect("removed");
        }
        for (path, bytes) in copy {
            std::fs::write(dir.join(path.file_name().expect("named")), bytes).expect("written");
        }
    }

    fn lost(store: &SqliteStore) -> String {
        store.lost().all.iter().map(|one| one.en.clone()).collect()
    }

    #[test]
    fn an_older_copy_of_history_is_seen_and_what_is_left_is_folded_again() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = new(dir.path());
        sample(&mut store, 1);
        fold(&mut store, true);
        drop(store);
        let copy = files(dir.path(), "history.db");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        assert_eq!(lost(&store), "");
        sample(&mut store, 2);
        fold(&mut store, true);
        // Folded, and not yet deleted.
        sample(&mut store, 3);
        fold(&mut store, false);
        assert_eq!(values(&store), [1.0, 2.0, 3.0]);
        drop(store);
        put_back(dir.path(), "history.db", &copy);
        let found = SqliteStore::examine(dir.path(), false).expect("read").concat();
        assert!(found.contains("history.db") && found.contains("older copy"), "{found}");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        assert!(store.lost().fresh && lost(&store).contains("older copy"), "{:?}", store.lost());
        fold(&mut store, true);
        assert_eq!(values(&store), [1.0, 3.0], "what the store still had is folded again");
        drop(store);
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        assert!(!store.lost().fresh && store.lost().all.len() == 1, "said until it is confirmed, and not again");
        store.commit(&[Change::LossConfirmed]).expect("kept");
        drop(store);
        assert_eq!(lost(&SqliteStore::open(dir.path()).expect("opens")), "");
        assert_eq!(SqliteStore::examine(dir.path(), true).expect("read"), Vec::<String>::new());
    }

    #[test]
    fn an_older_store_beside_its_history_is_seen_and_its_new_rows_are_not_taken_for_folded() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = new(dir.path());
        sample(&mut store, 1);
        store.close().expect("closed");
        drop(store);
        // Its commit mark, too: only history tells.
        let (copy, mark) = (files(dir.path(), "ioc-watch.db"), files(dir.path(), MARK_FILE));
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        for number in 2..6 {
            sample(&mut store, number);
        }
        fold(&mut store, true);
        drop(store);
        put_back(dir.path(), "ioc-watch.db", &copy);
        put_back(dir.path(), MARK_FILE, &mark);
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        assert!(lost(&store).contains("store is an older copy"), "{:?}", store.lost());
        sample(&mut store, 6);
        fold(&mut store, true);
        assert_eq!(values(&store), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        drop(store);
        assert!(!SqliteStore::open(dir.path()).expect("opens").lost().fresh);
    }

    #[test]
    fn history_of_another_store_is_put_aside_and_said() {
        let (dir, other) = (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
        let mut store = new(other.path());
        sample(&mut store, 9);
        fold(&mut store, true);
        drop(store);
        let mut store = new(dir.path());
        sample(&mut store, 1);
        drop(store);
        put_back(dir.path(), "history.db", &files(other.path(), "history.db"));
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        assert!(lost(&store).contains("another store's"), "{:?}", store.lost());
        fold(&mut store, true);
        assert_eq!(values(&store), [1.0]);
        assert_eq!(files(dir.path(), "history.db.other-").len(), 1, "it is kept");
        drop(store);
        assert!(!SqliteStore::open(dir.path()).expect("opens").lost().fresh);
    }
}
