//! What is newest of each device: its place in the order, when it was heard, its newest numbers.
//!
//! It is held in memory, where the writer changes it after each commit and every reader of this process sees it. In the store a commit
//! appends one row to `watermark_log` with what changed, whatever the number of devices: the table `live` is brought up behind it, a few
//! devices with each commit, and the log is deleted as far as that has come. So a report is written once, and not a page for each device.
//! At the start the table and what the log has above it are read back into memory.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use ioc_common::layout::LayoutId;
use ioc_common::report::Position;

use super::value::signed;
use crate::history::{self, Corrupt};
use crate::sql::{self, Connection, OptionalExtension as _, params};

/// Version of the form of a row of the log, its first byte.
const VERSION: u8 = 1;
/// `live` is brought up once the log holds so many entries for each device, and this many beside.
const ENTRIES_PER_DEVICE: usize = 32;
const ENTRIES_MIN: usize = 10_000;
/// Devices that a commit brings up, at least; more where more come in.
const DEVICES_AT_ONCE: usize = 64;
/// Rows of the log that a commit deletes.
const LOG_ROWS_AT_ONCE: i64 = 128;

/// What is newest of a device. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Newest {
    /// Everything up to here is committed.
    pub(super) position: Position,
    pub(super) last_heard: Option<i64>,
    /// When its newest sample was taken.
    pub(super) last_sample: Option<i64>,
    pub(super) clock_error_ms: Option<i64>,
    /// Its newest row of history; 0 before there is one.
    pub(super) row: i64,
    /// Its newest numbers.
    pub(super) latest: Option<Latest>,
}

/// The newest numbers of a device.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Latest {
    /// The row of history that holds them.
    pub(super) row: i64,
    pub(super) layout: LayoutId,
    /// Packed ([`history::pack`]).
    pub(super) data: Arc<[u8]>,
}

/// What is newest of every device, by the device's number.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewestByDevice(Arc<RwLock<HashMap<i64, Newest>>>);

impl NewestByDevice {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<i64, Newest>> {
        // A map of plain values is whole whatever happened to who held it.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is newest of a device.
    pub(super) fn get(&self, device: i64) -> Option<Newest> {
        self.read().get(&device).cloned()
    }

    /// Its newest row of history; 0 when it has none.
    pub(super) fn row(&self, device: i64) -> i64 {
        self.read().get(&device).map_or(0, |newest| newest.row)
    }

    pub(crate) fn last_heard(&self, device: i64) -> Option<i64> {
        self.read().get(&device).and_then(|newest| newest.last_heard)
    }

    /// The largest number of a row of history that any device has.
    pub(crate) fn largest_row(&self) -> i64 {
        self.read().values().map(|newest| newest.row).max().unwrap_or(0)
    }

    /// From now on it is what another one is: that was read anew.
    pub(crate) fn take_over(&self, other: &Self) {
        let all = std::mem::take(&mut *other.0.write().unwrap_or_else(PoisonError::into_inner));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Takes over what was committed.
    fn put(&self, changed: HashMap<i64, Newest>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(changed);
    }
}

/// How far the table `live` is behind the log.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    /// Devices whose row in `live` is not their newest state.
    stale: BTreeSet<i64>,
    /// Those that are being brought up, and the number of the commit from which on they are not.
    queue: VecDeque<i64>,
    from: u64,
    /// Rows of the log below this number are in `live`.
    done: u64,
    /// Rows of the log may be left below `done`.
    prunes: bool,
    /// Entries in the log since the last round began.
    entries: usize,
    /// No device whose row in `live` is old has its newest numbers in a row of history up to this one.
    freed: i64,
}

/// What a commit changes of what is newest.
#[derive(Debug, Default)]
pub(super) struct NewestChanges {
    devices: HashMap<i64, Newest>,
    /// Devices that this commit brings up.
    brought_up: usize,
    pruned: bool,
}

impl NewestChanges {
    /// What is newest of a device after this commit so far.
    fn entry(&mut self, known: &NewestByDevice, device: i64) -> &mut Newest {
        self.devices.entry(device).or_insert_with(|| known.get(device).unwrap_or_default())
    }

    /// The newest row of a device; 0 when it has none.
    pub(super) fn row(&self, known: &NewestByDevice, device: i64) -> i64 {
        self.devices.get(&device).map_or_else(|| known.row(device), |newest| newest.row)
    }

    /// A row of history was appended; it holds the newest numbers where they are given.
    pub(super) fn appended(
        &mut self,
        known: &NewestByDevice,
        device: i64,
        row: i64,
        latest: Option<(LayoutId, &[u8])>,
    ) {
        let newest = self.entry(known, device);
        newest.row = row;
        if let Some((layout, data)) = latest {
            newest.latest = Some(Latest { row, layout, data: data.into() });
        }
    }

    pub(super) fn set(
        &mut self,
        known: &NewestByDevice,
        device: i64,
        position: Position,
        (last_heard, last_sample): (Option<i64>, Option<i64>),
        clock_error_ms: Option<i64>,
    ) {
        let newest = self.entry(known, device);
        (newest.position, newest.last_heard, newest.last_sample) = (position, last_heard, last_sample);
        newest.clock_error_ms = clock_error_ms;
    }

    /// Writes the commit's row of the log, and brings up what is behind.
    pub(super) fn write(
        &mut self,
        connection: Connection<'_>,
        number: u64,
        (first_row, received): (i64, i64),
        known: &NewestByDevice,
        lag: &Lag,
    ) -> sql::Result<()> {
        let data = encode(self.devices.iter().map(|(device, newest)| (*device, newest)), first_row, received);
        let sql = "INSERT INTO watermark_log (number, data) VALUES (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![signed(number), data])?;
        let most = DEVICES_AT_ONCE.max(self.devices.len() / 4);
        for device in lag.queue.iter().take(most) {
            let newest = self.devices.get(device).cloned().or_else(|| known.get(*device)).unwrap_or_default();
            bring_up(connection, *device, &newest)?;
            self.brought_up += 1;
        }
        if lag.prunes {
            let sql = "DELETE FROM watermark_log WHERE number IN \
                       (SELECT number FROM watermark_log WHERE number < ?1 ORDER BY number LIMIT ?2)";
            let deleted = connection.prepare_cached(sql)?.execute(params![signed(lag.done), LOG_ROWS_AT_ONCE])?;
            self.pruned = i64::try_from(deleted).unwrap_or(0) < LOG_ROWS_AT_ONCE;
        }
        Ok(())
    }

    /// The commit is on disk: what it changed is known from now on.
    pub(super) fn committed(self, known: &NewestByDevice, lag: &mut Lag, next_number: u64) {
        lag.entries += self.devices.len();
        // One that is brought up in the same commit is up to date.
        let done: Vec<i64> = lag.queue.drain(..self.brought_up.min(lag.queue.len())).collect();
        let done_now: BTreeSet<i64> = done.into_iter().collect();
        lag.stale.extend(self.devices.keys().filter(|device| !done_now.contains(device)));
        for device in &done_now {
            lag.stale.remove(device);
        }
        if self.pruned {
            lag.prunes = false;
        }
        known.put(self.devices);
        if self.brought_up > 0 && lag.queue.is_empty() {
            (lag.done, lag.prunes) = (lag.from, true);
        }
        let devices = known.read().len();
        if lag.queue.is_empty() && !lag.prunes && lag.entries > ENTRIES_MIN + ENTRIES_PER_DEVICE * devices {
            lag.begin(next_number);
        }
    }
}

impl Lag {
    /// A round begins: everything that is behind now is brought up, a few devices with each commit.
    fn begin(&mut self, next_number: u64) {
        self.queue = self.stale.iter().copied().collect();
        (self.from, self.entries) = (next_number, 0);
        if self.queue.is_empty() {
            (self.done, self.prunes) = (self.from, true);
        }
    }
}

/// Brings up devices whose newest numbers lie in a row of history up to `through`, which is about to be deleted: at most `most` of them.
pub(crate) fn free_rows(
    connection: Connection<'_>,
    known: &NewestByDevice,
    lag: &Lag,
    (through, most): (i64, usize),
) -> sql::Result<BroughtUp> {
    if through <= lag.freed {
        return Ok(BroughtUp { devices: Vec::new(), through, all: true });
    }
    let behind: Vec<(i64, Newest)> = {
        let all = known.read();
        let found = lag.stale.iter().filter_map(|device| Some((*device, all.get(device)?)));
        let found = found.filter(|(_, newest)| newest.latest.as_ref().is_some_and(|latest| latest.row <= through));
        found.take(most + 1).map(|(device, newest)| (device, newest.clone())).collect()
    };
    for (device, newest) in behind.iter().take(most) {
        bring_up(connection, *device, newest)?;
    }
    let all = behind.len() <= most;
    Ok(BroughtUp { devices: behind.into_iter().take(most).map(|(device, _)| device).collect(), through, all })
}

/// Devices that were brought up so that rows of history can be deleted.
pub(crate) struct BroughtUp {
    devices: Vec<i64>,
    through: i64,
    /// None is left that needs a row.
    pub(crate) all: bool,
}

impl BroughtUp {
    /// It is on disk.
    pub(crate) fn committed(self, lag: &mut Lag) {
        for device in &self.devices {
            lag.stale.remove(device);
        }
        // Those that waited in the queue are brought up again, which does no harm.
        if self.all {
            lag.freed = lag.freed.max(self.through);
        }
    }
}

fn bring_up(connection: Connection<'_>, device: i64, newest: &Newest) -> sql::Result<()> {
    let latest = newest.latest.as_ref();
    let sql = "INSERT OR REPLACE INTO live (device, epoch, seq, last_heard, last_sample, clock_error_ms, row, latest_row, layout, latest) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    connection.prepare_cached(sql)?.execute(params![
        device,
        signed(newest.position.epoch),
        signed(newest.position.seq),
        newest.last_heard,
        newest.last_sample,
        newest.clock_error_ms,
        newest.row,
        latest.map(|latest| latest.row),
        latest.map(|latest| signed(latest.layout.0)),
        latest.map(|latest| &*latest.data),
    ])?;
    Ok(())
}

/// Reads what is newest back: the table, and what the log has above it.
pub(super) fn restore(connection: Connection<'_>) -> sql::Result<(NewestByDevice, Lag)> {
    let sql =
        "SELECT device, epoch, seq, last_heard, last_sample, clock_error_ms, row, latest_row, layout, latest FROM live";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        let number = |column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let latest =
            match (row.get::<_, Option<i64>>(7)?, row.get::<_, Option<i64>>(8)?, row.get::<_, Option<Vec<u8>>>(9)?) {
                (Some(row), Some(layout), Some(data)) => {
                    Some(Latest { row, layout: LayoutId(layout.unsigned_abs()), data: data.into() })
                }
                _ => None,
            };
        let newest = Newest {
            position: Position { epoch: number(1)?, seq: number(2)? },
            last_heard: row.get(3)?,
            last_sample: row.get(4)?,
            clock_error_ms: row.get(5)?,
            row: row.get(6)?,
            latest,
        };
        Ok((row.get(0)?, newest))
    })?;
    let mut all: HashMap<i64, Newest> = rows.collect::<sql::Result<_>>()?;
    let mut lag = Lag::default();
    // Rows of history whose numbers are to be read, by device.
    let mut latest: HashMap<i64, i64> = HashMap::new();
    let mut statement = connection.prepare_cached("SELECT number, data FROM watermark_log ORDER BY number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let Ok(entries) = decode(row.get_ref(1)?.as_blob()?) else {
            tracing::error!(
                commit = number,
                "what was newest at a commit does not match its checksum; what came before it is taken"
            );
            continue;
        };
        lag.entries += entries.len();
        for Entry { device, newest, latest_row } in entries {
            lag.stale.insert(device);
            let known = all.entry(device).or_default();
            // The table may be newer than what is left of a log that is damaged.
            if newest.position < known.position {
                continue;
            }
            *known = Newest { latest: known.latest.take(), ..newest };
            if latest_row > 0 {
                latest.insert(device, latest_row);
            }
        }
    }
    let mut statement = connection.prepare_cached("SELECT layout, data FROM sample WHERE number = ?1")?;
    for (device, row) in latest {
        let Some(known) = all.get_mut(&device).filter(|known| known.latest.as_ref().is_none_or(|have| have.row != row))
        else {
            continue;
        };
        let found = statement.query_row([row], |found| Ok((found.get::<_, i64>(0)?, found.get::<_, Vec<u8>>(1)?)));
        if let Some((layout, data)) = found.optional()? {
            known.latest = Some(Latest { row, layout: LayoutId(layout.unsigned_abs()), data: data.into() });
        }
    }
    Ok((NewestByDevice(Arc::new(RwLock::new(all))), lag))
}

/// A device's part of a row of the log.
#[derive(Debug, PartialEq)]
struct Entry {
    device: i64,
    /// Without its numbers, which are in the row of history.
    newest: Newest,
    /// Which row holds its newest numbers; 0 when there is none.
    latest_row: i64,
}

/// A row of the log: when it was made and the number of the commit's first row of history, then each device with what differs from those.
fn encode<'n>(entries: impl Iterator<Item = (i64, &'n Newest)>, first_row: i64, received: i64) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    history::row::signed_varint(&mut bytes, received);
    history::row::signed_varint(&mut bytes, first_row);
    for (device, newest) in entries {
        let times = [newest.last_heard, newest.last_sample, newest.clock_error_ms];
        let latest_row = newest.latest.as_ref().map_or(0, |latest| latest.row);
        let mut flags =
            times.iter().enumerate().fold(0, |flags, (place, time)| flags | u8::from(time.is_some()) << place);
        flags |= u8::from(latest_row > 0) << 3 | u8::from(latest_row == newest.row) << 4;
        history::row::varint(&mut bytes, device.unsigned_abs());
        bytes.push(flags);
        history::row::varint(&mut bytes, newest.position.epoch);
        history::row::varint(&mut bytes, newest.position.seq);
        let [heard, sample, error] = times;
        for number in [heard.map(|at| at.wrapping_sub(received)), sample.map(|at| at.wrapping_sub(received)), error]
            .into_iter()
            .flatten()
        {
            history::row::signed_varint(&mut bytes, number);
        }
        history::row::signed_varint(&mut bytes, newest.row.wrapping_sub(first_row));
        if latest_row > 0 && latest_row != newest.row {
            history::row::signed_varint(&mut bytes, latest_row.wrapping_sub(first_row));
        }
    }
    history::with_checksum(bytes)
}

fn decode(row: &[u8]) -> Result<Vec<Entry>, Corrupt> {
    let mut rest = history::without_checksum(row, VERSION)?;
    let received = history::row::read_signed_varint(&mut rest)?;
    let first_row = history::row::read_signed_varint(&mut rest)?;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let device = history::row::read_varint(&mut rest)?.cast_signed();
        let (&flags, tail) = rest.split_first().ok_or(Corrupt)?;
        rest = tail;
        let position =
            Position { epoch: history::row::read_varint(&mut rest)?, seq: history::row::read_varint(&mut rest)? };
        let mut number = |place: u8, base: i64| {
            let there = flags >> place & 1 == 1;
            there
                .then(|| history::row::read_signed_varint(&mut rest).map(|number| number.wrapping_add(base)))
                .transpose()
        };
        let (last_heard, last_sample, clock_error_ms) = (number(0, received)?, number(1, received)?, number(2, 0)?);
        let row = history::row::read_signed_varint(&mut rest)?.wrapping_add(first_row);
        let latest_row = match flags >> 3 & 3 {
            0 => 0,
            1 => history::row::read_signed_varint(&mut rest)?.wrapping_add(first_row),
            _ => row,
        };
        let newest = Newest { position, last_heard, last_sample, clock_error_ms, row, latest: None };
        entries.push(Entry { device, newest, latest_row });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::SqliteStore;
    use crate::{Change, Store};
    use ioc_common::clock::Timestamp;
    use ioc_common::id::DeviceId;
    use ioc_judge::{DeviceInfo, DeviceKind};
    use proptest::prelude::*;

    fn id(n: u64) -> DeviceId {
        DeviceId::new(&format!("d-{n:03}")).expect("valid")
    }

    fn report(n: u64, seq: u64, newest: bool) -> [Change; 2] {
        let position = Position { epoch: 9, seq };
        let at = Timestamp::from_millis(1_000_000 + seq.cast_signed());
        let row = history::pack(&[Some(seq as f64)]);
        [
            Change::Sample { device: id(n), position, at, layout: LayoutId(7), row, newest },
            Change::Watermark {
                device: id(n),
                position,
                last_heard: Some(at),
                last_sample: Some(at),
                clock_error_ms: n.is_multiple_of(2).then_some(-5),
            },
        ]
    }

    fn opened(dir: &std::path::Path, devices: u64) -> SqliteStore {
        let mut store = SqliteStore::open(dir).expect("opens");
        for n in 0..devices {
            let info = DeviceInfo::new(id(n), DeviceKind::Server, format!("Máy chủ {n}"));
            store.commit(&[Change::Device { info, at: Timestamp::from_millis(1) }]).expect("commits");
        }
        store
    }

    fn count(store: &SqliteStore, table: &str) -> i64 {
        store.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("counted")
    }

    /// What a store that is opened anew knows is what the one before knew.
    fn assert_known_again(dir: &std::path::Path, store: SqliteStore) -> SqliteStore {
        let before = store.cache.newest.read().clone();
        drop(store);
        let store = SqliteStore::open(dir).expect("opens");
        assert_eq!(*store.cache.newest.read(), before);
        store
    }

    proptest! {
        #[test]
        fn what_a_commit_logs_comes_back(
            all in prop::collection::vec((0_i64..1 << 40, any::<(u64, u64)>(), any::<(Option<i64>, Option<i64>, Option<i64>)>(), 0_i64..1 << 50, 0_i64..1 << 50), 0..20),
            first_row in 1_i64..1 << 50, received in any::<i64>(),
        ) {
            let entries: Vec<Entry> = all.into_iter().map(|(device, (epoch, seq), (last_heard, last_sample, clock_error_ms), row, latest_row)| {
                let position = Position { epoch, seq };
                Entry { device, newest: Newest { position, last_heard, last_sample, clock_error_ms, row, latest: None }, latest_row }
            }).collect();
            let full: Vec<(i64, Newest)> = entries.iter().map(|entry| {
                let latest = Latest { row: entry.latest_row, layout: LayoutId(1), data: Arc::from([]) };
                (entry.device, Newest { latest: (entry.latest_row > 0).then_some(latest), ..entry.newest.clone() })
            }).collect();
            let packed = encode(full.iter().map(|(device, newest)| (*device, newest)), first_row, received);
            prop_assert_eq!(decode(&packed), Ok(entries));
        }
    }

    #[test]
    fn a_usual_entry_takes_few_bytes() {
        let newest = Newest {
            position: Position { epoch: 1_790_000_000, seq: 40_000 },
            last_heard: Some(1_790_000_000_000),
            last_sample: Some(1_789_999_999_990),
            clock_error_ms: Some(12),
            row: 5_000_010,
            latest: Some(Latest { row: 5_000_010, layout: LayoutId(1), data: Arc::from([]) }),
        };
        let packed = encode(std::iter::repeat_n((900, &newest), 50), 5_000_000, 1_790_000_000_003);
        assert!(packed.len() < 50 * 18, "{}", packed.len());
    }

    #[test]
    fn what_is_newest_is_known_again_wherever_the_table_stands() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = opened(dir.path(), 200);
        let mut logged = 0;
        // Through two rounds, with a start in the middle of them.
        for seq in 1..=200_u64 {
            let changes: Vec<Change> =
                (0..200).filter(|n| n % 7 != seq % 7).flat_map(|n| report(n, seq, n % 5 > 0 || seq < 3)).collect();
            store.commit(&changes).expect("commits");
            logged = logged.max(count(&store, "watermark_log"));
            if seq % 29 == 0 {
                store = assert_known_again(dir.path(), store);
            }
        }
        assert!(count(&store, "live") > 0, "the table was brought up");
        assert!(count(&store, "watermark_log") < logged, "and the log deleted behind it");
        drop(assert_known_again(dir.path(), store));
    }

    #[test]
    fn the_newest_numbers_outlive_their_row_of_history() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = opened(dir.path(), 300);
        for n in 0..300 {
            store.commit(&report(n, n + 1, true)).expect("commits");
        }
        let through = u64::MAX >> 1;
        let mut rounds = 0;
        while store.forget_rows(through, 1000).expect("deleted") == 1000 {
            rounds += 1;
            assert!(rounds < 10, "it comes to its end");
        }
        assert_eq!(count(&store, "sample"), 0);
        let store = assert_known_again(dir.path(), store);
        let device = store.reader().expect("reads").device(&id(299)).expect("reads").expect("there");
        assert_eq!((device.latest, device.watermark.seq), (vec![Some(300.0)], 300));
    }

    #[test]
    fn a_commit_that_failed_changes_nothing_that_readers_see() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = opened(dir.path(), 2);
        store.commit(&report(1, 1, true)).expect("commits");
        let before = store.cache.newest.read().clone();
        let mut changes = report(1, 2, true).to_vec();
        changes.extend(report(77, 1, true));
        store.commit(&changes).expect_err("there is no such device");
        assert_eq!(*store.cache.newest.read(), before);
        drop(assert_known_again(dir.path(), store));
    }
}
