//! Folded history: with SQLite in `history.db`, whose commits are not synced one by one (rows are deleted from the main file only after
//! [`Archive::sync`], and folding them once more gives the same), with PostgreSQL in a schema of its own.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use ioc_common::id::DeviceId;

use super::archive_deletion;
use super::reader_connection::Database;
use super::value::signed;
use crate::history::Tier;
use crate::retention::{Cursor, DeletedNumbers, DeletedSlice};
use crate::sql::{self, Connection, Row, ToSql, Transaction, database, params};
use crate::sqlite;
use crate::{Archive, ArchiveChange, DamagedPart, HoldsAsked, OpenBlock, RemovedHistory, StoreError};

/// Pages that are given back in one go.
const GIVE_BACK_PAGES: u32 = 128;
/// How many tokens a history remembers: months of them where much comes in, else years.
const TOKENS_MAX: i64 = 65_536;

/// The writer of folded history.
#[derive(Debug)]
pub(crate) struct SqlArchive {
    path: PathBuf,
    database: Database,
    series: HashMap<String, u32>,
    devices: HashMap<DeviceId, i64>,
    /// Held while numbers are deleted, and while a legal hold is committed.
    hold_gate: Arc<Mutex<()>>,
}

impl SqlArchive {
    /// `path` is its file, or what its server is called in errors.
    pub(crate) fn new(path: PathBuf, database: Database) -> Self {
        Self { path, database, series: HashMap::new(), devices: HashMap::new(), hold_gate: Arc::default() }
    }

    /// It deletes nothing while the store holds this, which commits legal holds.
    pub(crate) fn behind(self, hold_gate: Arc<Mutex<()>>) -> Self {
        Self { hold_gate, ..self }
    }

    fn connection(&self) -> Connection<'_> {
        self.database.connection()
    }

    fn fault(&self, source: sql::Error) -> StoreError {
        database(&self.path, source)
    }

    fn all<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> sql::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut run = || {
            let mut statement = self.connection().prepare_cached(sql)?;
            let rows = statement.query_map(params, &mut read)?;
            rows.collect::<sql::Result<Vec<T>>>()
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

    fn make(&mut self, changes: &[ArchiveChange]) -> sql::Result<()> {
        let (transaction, devices) = (Transaction::begin(self.database.connection())?, &mut self.devices);
        let mut learnt = Vec::new();
        let mut number_of = |device: &DeviceId| -> sql::Result<i64> {
            if let Some(known) = devices.get(device) {
                return Ok(*known);
            }
            let sql = "INSERT INTO device (id, folded) VALUES (?1, 0) ON CONFLICT (id) DO UPDATE SET id = device.id RETURNING number";
            let number = transaction.prepare_cached(sql)?.query_row([device.as_str()], |row| row.get(0))?;
            learnt.push(device.clone());
            devices.insert(device.clone(), number);
            Ok(number)
        };
        let run = |sql: &str, params: &[&dyn ToSql]| transaction.write(sql, params);
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
        let made = changes.iter().try_for_each(&mut apply);
        let made = made.and_then(|()| transaction.commit());
        if made.is_err() {
            for device in learnt {
                self.devices.remove(&device);
            }
        }
        made
    }
}

impl Archive for SqlArchive {
    fn series(&mut self, names: &[&str]) -> Result<Vec<u32>, StoreError> {
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            if let Some(known) = self.series.get(*name) {
                numbers.push(*known);
                continue;
            }
            let number = self
                .connection()
                .query_row(
                    "INSERT INTO series (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = series.name RETURNING number",
                    [name],
                    |row| row.get(0),
                )
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
        let number = |row: &Row<'_>, column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let read = |row: &Row<'_>| Ok(RemovedHistory { deleted: number(row, 0)?, corrupt: number(row, 1)? });
        Ok(self.all("SELECT deleted, corrupt FROM unrecorded", &[], read)?.pop().unwrap_or_default())
    }

    fn recorded(&mut self, done: RemovedHistory) -> Result<(), StoreError> {
        let sql = "UPDATE unrecorded SET deleted = max(deleted - ?1, 0), corrupt = max(corrupt - ?2, 0)";
        let written = self.connection().execute(sql, params![signed(done.deleted), signed(done.corrupt)]);
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
        let deleted = archive_deletion::delete(self.connection(), (tier, last), &holds, (after, limit));
        deleted.map_err(|source| database(&self.path, source))
    }

    fn deletions(&mut self) -> Result<Vec<DeletedNumbers>, StoreError> {
        archive_deletion::untold(self.connection()).map_err(|source| database(&self.path, source))
    }

    fn deletions_recorded(&mut self, keys: &[String]) -> Result<(), StoreError> {
        archive_deletion::recorded(self.connection(), keys).map_err(|source| self.fault(source))
    }

    fn give_back(&mut self) -> Result<bool, StoreError> {
        match &self.database {
            Database::Sqlite(connection) => {
                sqlite::give_back(connection, GIVE_BACK_PAGES).map_err(|source| self.fault(source.into()))
            }
            // It takes the room for what comes.
            Database::Postgres(_) => Ok(false),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = match &self.database {
            Database::Sqlite(connection) => sqlite::sync_history(connection, || secure(connection.into())),
            // What is committed is on its disk.
            Database::Postgres(session) => secure((&**session).into()),
        };
        synced.map_err(|source| self.fault(source))
    }
}

/// Gives a history that is made safe its next token.
fn secure(history: Connection<'_>) -> sql::Result<()> {
    let random: [u8; 8] =
        ioc_common::random::secret().map_err(|error| sql::Error::ToSqlConversionFailure(error.to_string().into()))?;
    history.write("INSERT INTO secured (token) VALUES (?1)", [hex(&random)])?;
    let sql = "DELETE FROM secured WHERE number <= (SELECT max(number) FROM secured) - ?1";
    history.write(sql, [TOKENS_MAX])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store as _;
    use crate::compaction::{CompactionProgress, Compactor};
    use crate::history::fold::HistoryBlock;
    use crate::retention::NumbersHold;
    use crate::sqlite::{SqliteStore, open_archive};
    use ioc_common::layout::LayoutId;

    #[test]
    fn what_is_damaged_is_put_aside_and_the_rest_is_merged() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let (reader, mut archive) = (store.reader().expect("reads"), open_archive(dir.path()).expect("opens"));
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
        let mut archive = open_archive(dir.path()).expect("opens");
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
        let connection = rusqlite::Connection::open(dir.path().join("history.db")).expect("opens");
        let gone = |holds: &[NumbersHold]| {
            let transaction = Transaction::begin((&connection).into()).expect("begins");
            let gone = archive_deletion::delete_damaged(*transaction, holds, 2).expect("deletes");
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
