//! Folded history in `history.db`. Commits are not synced one by one: rows are deleted from the main file only after
//! [`Archive::sync`], and folding them once more gives the same.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::file::{BUSY_MS, HISTORY, database};
use super::reader_connection::SqliteReader;
use super::value::signed;
use super::{archive_deletion, connection, fold_mark, named};
use crate::history::Tier;
use crate::history::chunk::Parts;
use crate::retention::{Cursor, DeletedNumbers, DeletedSlice};
use crate::{
    Archive, ArchiveChange, ChunkQuery, DamagedPart, HoldsAsked, OpenBlock, RemovedHistory, StoreError, StoredChunk,
    StoredChunks,
};

/// Version of the schema, kept as `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Size of a page; taken at the first start only.
const PAGE_BYTES: i64 = 8192;
/// What the log keeps of its size once its pages are in the file.
const LOG_BYTES: i64 = 4 * 1024 * 1024;
/// Page cache, KiB.
const CACHE_KIB: i64 = 8 * 1024;
/// Pages that are given back in one go.
const GIVE_BACK_PAGES: u32 = 128;

/// The writer of folded history.
#[derive(Debug)]
pub(super) struct SqliteArchive {
    path: PathBuf,
    connection: Connection,
    series: HashMap<String, u32>,
    devices: HashMap<DeviceId, i64>,
    /// Held while numbers are deleted, and while a legal hold is committed.
    hold_gate: Arc<Mutex<()>>,
}

impl SqliteArchive {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
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
            let schema =
                format!("BEGIN; {} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;", include_str!("history.sql"));
            connection.execute_batch(&schema).map_err(fault)?;
        }
        named::register(&connection).map_err(fault)?;
        connection::give_back_memory(&connection);
        Ok(Self { path, connection, series: HashMap::new(), devices: HashMap::new(), hold_gate: Arc::default() })
    }

    /// It deletes nothing while the store holds this, which commits legal holds.
    pub(super) fn behind(self, hold_gate: Arc<Mutex<()>>) -> Self {
        Self { hold_gate, ..self }
    }

    fn fault(&self, source: rusqlite::Error) -> StoreError {
        database(&self.path, source)
    }

    fn all<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut run = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params, &mut read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        run().map_err(|source| self.fault(source))
    }

    fn number_of(&self, device: &DeviceId) -> Result<i64, StoreError> {
        if let Some(known) = self.devices.get(device) {
            return Ok(*known);
        }
        let sql = "SELECT number FROM device WHERE id = ?1";
        Ok(self.all(sql, &[&device.as_str()], |row| row.get(0))?.pop().unwrap_or(-1))
    }

    fn make(&mut self, changes: &[ArchiveChange]) -> rusqlite::Result<()> {
        let (transaction, devices) = (self.connection.transaction()?, &mut self.devices);
        let mut learnt = Vec::new();
        let mut number_of = |device: &DeviceId| -> rusqlite::Result<i64> {
            if let Some(known) = devices.get(device) {
                return Ok(*known);
            }
            let sql = "INSERT INTO device (id, folded) VALUES (?1, 0) ON CONFLICT (id) DO UPDATE SET id = id RETURNING number";
            let number = transaction.prepare_cached(sql)?.query_row([device.as_str()], |row| row.get(0))?;
            learnt.push(device.clone());
            devices.insert(device.clone(), number);
            Ok(number)
        };
        let run = |sql: &str, params: &[&dyn ToSql]| transaction.prepare_cached(sql)?.execute(params);
        let mut apply = |change: &ArchiveChange| match change {
            ArchiveChange::Piece { device, chunk, data } => {
                run("INSERT INTO piece (device, chunk, data) VALUES (?1, ?2, ?3)", &[&number_of(device)?, chunk, data])
            }
            ArchiveChange::Chunk { device, chunk } => {
                let (device, tier) = (number_of(device)?, chunk.tier.number());
                // Deleted and appended, so that what is made together lies together.
                run(
                    "DELETE FROM chunk WHERE device = ?1 AND tier = ?2 AND chunk = ?3",
                    &[&device, &tier, &chunk.chunk],
                )?;
                let sql = "INSERT INTO chunk (device, tier, chunk, data) VALUES (?1, ?2, ?3, ?4)";
                run(sql, &[&device, &tier, &chunk.chunk, &chunk.data])
            }
            ArchiveChange::PiecesMerged { device, chunk } => {
                run("DELETE FROM piece WHERE device = ?1 AND chunk = ?2", &[&number_of(device)?, chunk])
            }
            ArchiveChange::Folded { device, row } => {
                let sql = "UPDATE device SET folded = max(folded, ?2) WHERE number = ?1";
                run(sql, &[&number_of(device)?, &signed(*row)])
            }
            ArchiveChange::AllFolded { row } => run("UPDATE state SET folded = max(folded, ?1)", &[&signed(*row)]),
            ArchiveChange::Damaged(DamagedPart { device, kind, start, data }) => {
                run("UPDATE unrecorded SET corrupt = corrupt + 1", &[])?;
                let (device, layout) = (device.as_ref().map(DeviceId::as_str), kind.layout().map(|id| signed(id.0)));
                let sql = "INSERT INTO damaged (device, part, start, layout, data) VALUES (?1, ?2, ?3, ?4, ?5)";
                run(sql, &[&device, &kind.name(), start, &layout, data])
            }
        };
        let made = changes.iter().try_for_each(|change| apply(change).map(|_| ()));
        let made = made.and_then(|()| transaction.commit());
        if made.is_err() {
            for device in learnt {
                self.devices.remove(&device);
            }
        }
        made
    }
}

impl Archive for SqliteArchive {
    fn series(&mut self, names: &[&str]) -> Result<Vec<u32>, StoreError> {
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            if let Some(known) = self.series.get(*name) {
                numbers.push(*known);
                continue;
            }
            let number = self
                .connection
                .prepare_cached("INSERT INTO series (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING number")
                .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
                .map_err(|source| self.fault(source))?;
            self.series.insert((*name).to_owned(), number);
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn all_folded(&self) -> Result<u64, StoreError> {
        let found = self.all("SELECT folded FROM state", &[], |row| row.get::<_, i64>(0))?.pop();
        Ok(found.unwrap_or(0).unsigned_abs())
    }

    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError> {
        let sql = "SELECT folded FROM device WHERE id = ?1";
        let found = self.all(sql, &[&device.as_str()], |row| row.get::<_, i64>(0))?.pop();
        Ok(found.unwrap_or(0).unsigned_abs())
    }

    fn open_blocks(&self) -> Result<Vec<(i64, DeviceId)>, StoreError> {
        let sql = "SELECT p.chunk, d.id FROM (SELECT DISTINCT device, chunk FROM piece) p JOIN device d ON d.number = p.device";
        let all = self.all(sql, &[], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        Ok(all.into_iter().filter_map(|(chunk, id)| Some((chunk, DeviceId::new(&id).ok()?))).collect())
    }

    fn block(&self, device: &DeviceId, chunk: i64) -> Result<OpenBlock, StoreError> {
        let sql = "SELECT data FROM piece WHERE device = ?1 AND chunk = ?2 ORDER BY number";
        let pieces = self.all(sql, &[&self.number_of(device)?, &chunk], |row| row.get(0))?;
        Ok(OpenBlock { whole: self.chunk(device, Tier::Raw, chunk)?, pieces })
    }

    fn chunk(&self, device: &DeviceId, tier: Tier, chunk: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT data FROM chunk WHERE device = ?1 AND tier = ?2 AND chunk = ?3";
        Ok(self.all(sql, &[&self.number_of(device)?, &tier.number(), &chunk], |row| row.get(0))?.pop())
    }

    fn unrecorded(&self) -> Result<RemovedHistory, StoreError> {
        let number = |row: &Row<'_>, column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let read = |row: &Row<'_>| Ok(RemovedHistory { deleted: number(row, 0)?, corrupt: number(row, 1)? });
        Ok(self.all("SELECT deleted, corrupt FROM unrecorded", &[], read)?.pop().unwrap_or_default())
    }

    fn recorded(&mut self, done: RemovedHistory) -> Result<(), StoreError> {
        let sql = "UPDATE unrecorded SET deleted = max(deleted - ?1, 0), corrupt = max(corrupt - ?2, 0)";
        let written = self.connection.execute(sql, params![signed(done.deleted), signed(done.corrupt)]);
        written.map(drop).map_err(|source| self.fault(source))
    }

    fn write(&mut self, changes: &[ArchiveChange]) -> Result<(), StoreError> {
        self.make(changes).map_err(|source| database(&self.path, source))
    }

    fn delete_before(
        &mut self,
        tier: Tier,
        before: Timestamp,
        holds: HoldsAsked<'_>,
        (after, limit): (Cursor, usize),
    ) -> Result<DeletedSlice, StoreError> {
        let gate = Arc::clone(&self.hold_gate);
        let _no_hold_is_set = gate.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = holds()?;
        let last = before.as_millis() - tier.chunk_ms();
        let deleted = archive_deletion::delete(&mut self.connection, (tier, last), &holds, (after, limit));
        deleted.map_err(|source| database(&self.path, source))
    }

    fn deletions(&mut self) -> Result<Vec<DeletedNumbers>, StoreError> {
        archive_deletion::untold(&mut self.connection).map_err(|source| database(&self.path, source))
    }

    fn deletions_recorded(&mut self, keys: &[String]) -> Result<(), StoreError> {
        archive_deletion::recorded(&self.connection, keys).map_err(|source| self.fault(source))
    }

    fn give_back(&mut self) -> Result<bool, StoreError> {
        connection::give_back(&self.connection, GIVE_BACK_PAGES).map_err(|source| self.fault(source))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        // Emptied, so that a log that is damaged later takes nothing back that is in the file; busy readers may keep it until the next time.
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(|source| self.fault(source))?;
        let synced = fold_mark::secure(&self.connection);
        let checkpoint =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).optional();
        self.connection.pragma_update(None, "synchronous", "NORMAL").map_err(|source| self.fault(source))?;
        synced.and(checkpoint.map(drop)).map_err(|source| self.fault(source))
    }
}

pub(super) fn folded(reader: &SqliteReader, device: &DeviceId) -> Result<u64, StoreError> {
    let sql = "SELECT folded FROM history.device WHERE id = ?1";
    let folded = reader.one(sql, &[&device.as_str()], |row| row.get::<_, i64>(0))?;
    Ok(folded.unwrap_or(0).unsigned_abs())
}

pub(super) fn chunks(reader: &SqliteReader, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError> {
    // Pieces become whole chunks at any moment: all of it is read as it was at one.
    let mut all = reader.in_transaction(|| chunks_now(reader, query))?;
    all.names = names(reader, &all.chunks, query.names)?;
    Ok(all)
}

fn chunks_now(reader: &SqliteReader, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError> {
    let (raw, tier, until) = (Tier::Raw, query.tier, query.until.as_millis());
    let device =
        reader.one("SELECT number, folded FROM history.device WHERE id = ?1", &[&query.device.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    let Some((device, folded)) = device else { return Ok(StoredChunks::default()) };
    let sql = "SELECT chunk, data FROM history.chunk WHERE device = ?1 AND tier = ?2 AND chunk >= ?3 AND chunk < ?4 ORDER BY chunk";
    let whole = |row: &Row<'_>| Ok(StoredChunk { tier, chunk: row.get(0)?, data: row.get(1)? });
    let mut chunks =
        reader.all(sql, &[&device, &tier.number(), &tier.chunk_of(query.from.as_millis()), &until], whole)?;
    let sql =
        "SELECT chunk, data FROM history.piece WHERE device = ?1 AND chunk >= ?2 AND chunk < ?3 ORDER BY chunk, number";
    let piece = |row: &Row<'_>| Ok(StoredChunk { tier: raw, chunk: row.get(0)?, data: row.get(1)? });
    chunks.extend(reader.all(sql, &[&device, &raw.chunk_of(query.from.as_millis()), &until], piece)?);
    Ok(StoredChunks { chunks, names: HashMap::new(), folded: folded.unsigned_abs() })
}

/// The names of the series in these chunks, or of those that are asked for.
fn names(reader: &SqliteReader, chunks: &[StoredChunk], wanted: &[String]) -> Result<HashMap<u32, String>, StoreError> {
    let mut names = HashMap::new();
    if wanted.is_empty() {
        let parts = chunks.iter().filter_map(|one| Parts::of(&one.data).ok());
        let numbers: BTreeSet<u32> = parts.flat_map(|parts| parts.numbers().collect::<Vec<u32>>()).collect();
        for number in numbers {
            let name = reader.one("SELECT name FROM history.series WHERE number = ?1", &[&number], |row| row.get(0))?;
            names.extend(name.map(|name| (number, name)));
        }
    }
    for name in wanted {
        let number = reader.one("SELECT number FROM history.series WHERE name = ?1", &[name], |row| row.get(0))?;
        names.extend(number.map(|number| (number, name.clone())));
    }
    Ok(reader.names_as_shown(names))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store as _;
    use crate::compaction::{CompactionProgress, Compactor};
    use crate::history::fold::HistoryBlock;
    use crate::retention::NumbersHold;
    use crate::sqlite::SqliteStore;
    use ioc_common::layout::LayoutId;

    #[test]
    fn what_is_damaged_is_put_aside_and_the_rest_is_merged() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let (reader, mut archive) = (store.reader().expect("reads"), SqliteArchive::open(dir.path()).expect("opens"));
        let (device, number) = (DeviceId::new("srv-1").expect("valid"), archive.series(&["load.1"]).expect("kept")[0]);
        let mut block = HistoryBlock::at(vec![1_000]);
        block.series = [(number, vec![2.5])].into();
        let piece = |data: Vec<u8>| ArchiveChange::Piece { device: device.clone(), chunk: 0, data };
        let mut torn = block.pack(0).data;
        *torn.last_mut().expect("not empty") ^= 1;
        let stray = DamagedPart { device: None, kind: crate::PartKind::Row(LayoutId(7)), start: 5, data: vec![9] };
        let changes = [piece(torn.clone()), piece(block.pack(0).data), ArchiveChange::Damaged(stray)];
        archive.write(&changes).expect("written");
        {
            let mut compactor = Compactor::new(reader.as_ref(), &mut archive).expect("begins");
            let later = Timestamp::from_millis(2 * 86_400_000);
            while compactor.merge(later).expect("merges") == CompactionProgress::More {}
            assert_eq!(compactor.take_result().expect("reads").gone.corrupt, 2);
        }
        let whole = archive.chunk(&device, Tier::Raw, 0).expect("reads").expect("there");
        assert_eq!(HistoryBlock::unpack(0, &whole).expect("whole").times, [1_000]);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        type Found = (Option<String>, String, i64, Option<i64>, Vec<u8>);
        let found: Vec<Found> =
            archive.all("SELECT device, part, start, layout, data FROM damaged", &[], read).expect("reads");
        assert_eq!(
            found,
            [
                (None, "row".to_owned(), 5, Some(7), vec![9]),
                (Some("srv-1".to_owned()), "piece".to_owned(), 0, None, torn)
            ]
        );
    }

    #[test]
    fn what_is_damaged_and_too_much_goes_with_evidence_and_not_when_it_may_be_held() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let id = |name: &str| DeviceId::new(name).expect("valid");
        let part = |device: Option<&str>, start: i64| {
            let kind = crate::PartKind::Row(LayoutId(7));
            ArchiveChange::Damaged(DamagedPart { device: device.map(id), kind, start, data: vec![9] })
        };
        let mut archive = SqliteArchive::open(dir.path()).expect("opens");
        let all = [
            part(Some("srv-1"), 10),
            part(Some("srv-2"), 20),
            part(None, 30),
            part(Some("srv-2"), 5_000_000_000),
            part(Some("srv-2"), 50),
            part(Some("srv-2"), 60),
        ];
        archive.write(&all).expect("written");
        let any = || NumbersHold { tier: None, device: None, person: None, from_ms: i64::MIN, until_ms: i64::MAX };
        let mut connection = Connection::open(dir.path().join("history.db")).expect("opens");
        let mut gone = |holds: &[NumbersHold]| {
            let transaction = connection.transaction().expect("begins");
            let gone = archive_deletion::delete_damaged(&transaction, holds, 2).expect("deletes");
            gone.into_iter().map(|part| part.2).collect::<Vec<_>>()
        };
        // The newest two stay; of the others those that may be meant.
        assert_eq!(gone(&[]), [5_000_000_000, 30, 20, 10]);
        assert_eq!(gone(&[NumbersHold { device: Some(id("srv-1")), ..any() }]), [5_000_000_000, 20]);
        assert_eq!(gone(&[NumbersHold { from_ms: 4_999_999_999, ..any() }]), [30, 20, 10]);
        assert!(gone(&[NumbersHold { person: Some("lan".into()), ..any() }]).is_empty());
        drop(connection);
        // Those that are kept are many more: nothing goes, and there is nothing to tell.
        let place = (Cursor::default(), 9);
        archive.delete_before(Tier::Raw, Timestamp::MAX, &mut || Ok(Vec::new()), place).expect("deletes");
        assert!(archive.deletions().expect("reads").is_empty());
        drop(store);
    }
}
