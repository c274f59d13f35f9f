//! Rows become chunks and summaries, and are deleted once those survive a power cut.
//!
//! Rows of all devices are read in the order of their arrival, a window of them at a time, and are put down by device as pieces of
//! chunks. Once the four hours of a chunk are past, its pieces are merged into the whole one, which is summed up: each number is packed
//! twice and no chunk is opened again for a few rows. All of it is done in slices of some milliseconds, so that whoever calls can leave
//! pauses in between. It reads beside the engine and writes a file of its own. Ended at any moment, it is begun again and comes to the
//! same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{LayoutId, Series};

use crate::history::chunk::or_unknown;
use crate::history::fold::{HistoryBlock, Summaries};
use crate::history::{Tier, row};
use crate::retention::{Cursor, DeletedNumbers};
use crate::{Archive, ArchiveChange, DamagedPart, OpenBlock, PartKind, Reader, RemovedHistory, StoreError, StoredRow};

mod parallel;

/// Rows that are worth a window, and most rows of one. It bounds the memory, whatever came in late; with a usual row of 150 bytes a
/// window takes 24 MiB.
pub const WINDOW_ROWS: u64 = 100_000;
/// Most bytes of a window.
const WINDOW_BYTES: usize = 32 * 1024 * 1024;
/// Rows that are read in one slice, and packed in one.
const SLICE_ROWS: usize = 2048;
/// Chunks that are merged in one slice by each thread.
const SLICE_CHUNKS: usize = 2;
/// Bytes of changes that are written in one go: each transaction writes pages of indexes, too.
const WRITE_BYTES: usize = 1024 * 1024;
/// Chunks that are deleted in one slice.
const SLICE_DELETED: usize = 64;
/// What came within this last while waits for the next round.
const GRACE_MS: i64 = 10_000;
/// A chunk is merged this long after its end: what comes later is late.
const LATE_MS: i64 = 60_000;
/// Pieces of one chunk that are merged into one before the chunk is past.
pub(crate) const PIECES_MAX: u32 = 256;
/// Layouts and devices that are remembered.
const KNOWN_MAX: usize = 65_536;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionResult {
    /// Up to which row everything is folded.
    pub through: u64,
    /// How many rows were folded.
    pub rows: usize,
    /// What is gone.
    pub gone: RemovedHistory,
}

/// Whether there is more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionProgress {
    /// A slice is done; another follows.
    More,
    /// All of it is done.
    Done,
}

/// The number of the last row that is old enough to be folded at a moment; 0 when there is none.
///
/// # Errors
/// [`StoreError`] when the store is damaged or the disk fails.
pub fn due_row(reader: &dyn Reader, now: Timestamp) -> Result<u64, StoreError> {
    reader.last_row_before(now.plus_millis(-GRACE_MS))
}

/// The chunk that is past at a moment, so that what came for it can be merged, by its beginning.
#[must_use]
pub const fn past_chunk(now: Timestamp) -> i64 {
    Tier::Raw.chunk_of(now.as_millis() - LATE_MS) - Tier::Raw.chunk_ms()
}

/// Folds everything that was received until a little while ago, without a pause and for whoever keeps no record of it; deletes what is past its time where `forget` says so.
/// `keep_ms`: how long each tier is kept, milliseconds.
///
/// # Errors
/// [`StoreError`] when a file of the store is damaged, or the disk is full or failing; what was folded until then stays.
pub fn round(
    reader: &dyn Reader,
    archive: &mut dyn Archive,
    keep_ms: [i64; 3],
    now: Timestamp,
    forget: bool,
) -> Result<CompactionResult, StoreError> {
    let mut compactor = Compactor::new(reader, archive)?;
    let through = due_row(reader, now)?;
    while compactor.all_folded() < through {
        while compactor.gather(through)? == CompactionProgress::More {}
    }
    while compactor.merge(now)? == CompactionProgress::More {}
    while forget && compactor.delete(keep_ms, now)? == CompactionProgress::More {}
    compactor.archive.sync()?;
    let result = compactor.take_result()?;
    compactor.recorded(result)?;
    Ok(result)
}

/// Rows of a window, by device.
#[derive(Debug, Default)]
struct RowWindow {
    rows: BTreeMap<DeviceId, Vec<StoredRow>>,
    /// Up to which row it is read.
    read: u64,
    count: u64,
    bytes: usize,
    /// Rows of devices that nobody knows.
    strays: Vec<StoredRow>,
    /// Nothing more is read into it.
    full: bool,
}

/// Who folds.
pub struct Compactor<'s> {
    reader: &'s dyn Reader,
    archive: &'s mut dyn Archive,
    threads: usize,
    layouts: HashMap<LayoutId, Option<Arc<[u32]>>>,
    devices: HashMap<u64, Option<DeviceId>>,
    window: RowWindow,
    all_folded: u64,
    /// Chunks of which there are pieces, and how many at most.
    open: BTreeMap<(i64, DeviceId), u32>,
    /// Changes that are not written yet, and the chunk that they are of where chunks are merged.
    changes: Vec<ArchiveChange>,
    bytes: usize,
    merging: Option<i64>,
    /// The tier from which what is past its time is deleted next, and where in it.
    deleting: usize,
    delete_after: Cursor,
    /// Rows that were folded since they were asked for.
    rows: usize,
    threads_us: u64,
}

impl<'s> Compactor<'s> {
    /// Goes on where the archive's writer ended.
    ///
    /// # Errors
    /// [`StoreError`] when the file of history is damaged or the disk fails.
    pub fn new(reader: &'s dyn Reader, archive: &'s mut dyn Archive) -> Result<Self, StoreError> {
        // What is there may not be on disk yet, and rows are deleted by it.
        archive.sync()?;
        let open = archive.open_blocks()?.into_iter().map(|block| (block, 1)).collect();
        let all_folded = archive.all_folded()?;
        Ok(Self {
            reader,
            archive,
            threads: 1,
            layouts: HashMap::new(),
            devices: HashMap::new(),
            window: RowWindow::default(),
            all_folded,
            open,
            changes: Vec::new(),
            bytes: 0,
            merging: None,
            deleting: 0,
            delete_after: Cursor::default(),
            rows: 0,
            threads_us: 0,
        })
    }

    /// How many threads pack from now on.
    pub fn use_threads(&mut self, threads: usize) {
        self.threads = threads.max(1);
    }

    /// Up to which row every device is folded.
    #[must_use]
    pub const fn all_folded(&self) -> u64 {
        self.all_folded
    }

    /// CPU time that threads of its own took since the last call, microseconds.
    pub fn take_threads_us(&mut self) -> u64 {
        std::mem::take(&mut self.threads_us)
    }

    /// What was done since the last call; what is gone, since it was [`Self::recorded`].
    ///
    /// # Errors
    /// [`StoreError`] when the file of history is damaged or the disk fails.
    pub fn take_result(&mut self) -> Result<CompactionResult, StoreError> {
        let gone = self.archive.unrecorded()?;
        Ok(CompactionResult { through: self.all_folded, rows: std::mem::take(&mut self.rows), gone })
    }

    /// The evidence of chunks that were deleted, as far as the store is not known to have it.
    ///
    /// # Errors
    /// [`StoreError`] when the file of history is damaged, or the disk is full or failing.
    pub fn deletions(&mut self) -> Result<Vec<DeletedNumbers>, StoreError> {
        self.archive.deletions()
    }

    /// The store has this evidence.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing; it is told again then.
    pub fn deletions_recorded(&mut self, keys: &[String]) -> Result<(), StoreError> {
        self.archive.deletions_recorded(keys)
    }

    /// What is gone stands in the audit log now.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing; it is told again then.
    pub fn recorded(&mut self, result: CompactionResult) -> Result<(), StoreError> {
        if result.gone == RemovedHistory::default() { Ok(()) } else { self.archive.recorded(result.gone) }
    }

    /// A slice of putting down a window of rows by device, up to a row at most.
    ///
    /// # Errors
    /// [`StoreError`] when a file of the store is damaged, or the disk is full or failing.
    pub fn gather(&mut self, through: u64) -> Result<CompactionProgress, StoreError> {
        self.turn_to(None)?;
        if !self.window.full {
            self.read_slice(through)?;
            return Ok(CompactionProgress::More);
        }
        if !self.window.rows.is_empty() {
            self.pack_slice()?;
            return Ok(CompactionProgress::More);
        }
        self.write()?;
        let window = std::mem::take(&mut self.window);
        let through = window.read.max(through.min(self.all_folded));
        if through > self.all_folded {
            let strays = window.strays.into_iter().map(|row| damaged_row(None, row));
            let changes: Vec<_> = strays.chain([ArchiveChange::AllFolded { row: through }]).collect();
            self.archive.write(&changes)?;
            self.archive.sync()?;
            self.all_folded = through;
        }
        if self.layouts.len() > KNOWN_MAX || self.devices.len() > KNOWN_MAX {
            self.layouts.clear();
            self.devices.clear();
        }
        Ok(CompactionProgress::Done)
    }

    /// Adds changes, and writes all that there are when they are many.
    fn add(&mut self, changes: Vec<ArchiveChange>) -> Result<(), StoreError> {
        for change in changes {
            self.bytes += match &change {
                ArchiveChange::Piece { data, .. } => data.len(),
                ArchiveChange::Chunk { chunk, .. } => chunk.data.len(),
                ArchiveChange::Damaged(part) => part.data.len(),
                ArchiveChange::PiecesMerged { .. } | ArchiveChange::Folded { .. } | ArchiveChange::AllFolded { .. } => {
                    0
                }
            };
            self.changes.push(change);
        }
        if self.bytes >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Writes all changes that there are.
    fn write(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        if changes.is_empty() { Ok(()) } else { self.archive.write(&changes) }
    }

    /// What is read from now on is of this chunk, or none: what is not written yet must not be missing there.
    fn turn_to(&mut self, chunk: Option<i64>) -> Result<(), StoreError> {
        if self.merging != chunk {
            self.write()?;
            self.merging = chunk;
        }
        Ok(())
    }

    fn read_slice(&mut self, through: u64) -> Result<(), StoreError> {
        let from = self.window.read.max(self.all_folded);
        let rows = self.reader.rows_to_fold(from, through, SLICE_ROWS)?;
        let last = rows.last().map(|row| row.number);
        for row in rows {
            self.window.count += 1;
            self.window.bytes += row.data.len() + size_of::<StoredRow>();
            match self.device_of(row.device)? {
                Some(device) => self.window.rows.entry(device).or_default().push(row),
                None => self.window.strays.push(row),
            }
        }
        // Numbers that nobody has, because their rows are deleted, are passed over.
        self.window.read = last.unwrap_or(through).max(from);
        self.window.full = last.is_none_or(|last| last >= through)
            || self.window.count >= WINDOW_ROWS
            || self.window.bytes >= WINDOW_BYTES;
        Ok(())
    }

    fn device_of(&mut self, number: u64) -> Result<Option<DeviceId>, StoreError> {
        if let Some(known) = self.devices.get(&number) {
            return Ok(known.clone());
        }
        let device = self.reader.device_of(number)?;
        self.devices.insert(number, device.clone());
        Ok(device)
    }

    /// The numbers of a layout's series; none when it is not known.
    fn series_of(&mut self, layout: LayoutId) -> Result<Option<Arc<[u32]>>, StoreError> {
        if let Some(known) = self.layouts.get(&layout) {
            return Ok(known.clone());
        }
        let found = self.reader.layout(layout)?;
        let names = found.as_ref().map(|layout| layout.series().iter().map(Series::as_str).collect::<Vec<&str>>());
        let numbers = names.map(|names| self.archive.series(&names)).transpose()?.map(Arc::from);
        self.layouts.insert(layout, numbers.clone());
        Ok(numbers)
    }

    /// Packs rows of some devices as pieces.
    fn pack_slice(&mut self) -> Result<(), StoreError> {
        let (mut some, mut count) = (Vec::new(), 0);
        while let Some((device, mut rows)) = self.window.rows.pop_first() {
            // What was put down before it was ended is not put down twice.
            let folded = self.archive.folded(&device)?;
            rows.retain(|row| row.number > folded);
            let Some(last) = rows.last().map(|row| row.number) else { continue };
            let mut series: HashMap<LayoutId, Arc<[u32]>> = HashMap::new();
            for row in &rows {
                if !series.contains_key(&row.layout)
                    && let Some(numbers) = self.series_of(row.layout)?
                {
                    series.insert(row.layout, numbers);
                }
            }
            count += rows.len();
            some.push(DeviceRows { device, rows, series, last });
            if count >= SLICE_ROWS * self.threads {
                break;
            }
        }
        let pack = |one: &DeviceRows| {
            let (blocks, damaged) = blocks_of(&one.rows, &one.series);
            (blocks.into_iter().map(|(start, block)| (start, block.pack(start).data)).collect::<Vec<_>>(), damaged)
        };
        let (packed, used_us) = parallel::map(self.threads, &some, &pack);
        self.threads_us += used_us;
        let (mut changes, mut opened) = (Vec::new(), Vec::new());
        for (DeviceRows { device, rows, last: row, .. }, (pieces, damaged)) in some.into_iter().zip(packed) {
            self.rows += rows.len() - damaged.len();
            let damaged = rows.into_iter().filter(|row| damaged.contains(&row.number));
            changes.extend(damaged.map(|row| damaged_row(Some(&device), row)));
            for (chunk, data) in pieces {
                opened.push((chunk, device.clone()));
                changes.push(ArchiveChange::Piece { device: device.clone(), chunk, data });
            }
            changes.push(ArchiveChange::Folded { device, row });
        }
        for block in opened {
            *self.open.entry(block).or_default() += 1;
        }
        self.add(changes)
    }

    /// Whether chunks are past and wait to be merged, or to be written.
    #[must_use]
    pub fn has_past(&self, now: Timestamp) -> bool {
        !self.changes.is_empty() || self.open.first_key_value().is_some_and(|((chunk, _), _)| *chunk <= past_chunk(now))
    }

    /// A slice of merging pieces: of chunks that are past, and of those that have too many.
    ///
    /// # Errors
    /// [`StoreError`] when a file of the store is damaged, or the disk is full or failing.
    pub fn merge(&mut self, now: Timestamp) -> Result<CompactionProgress, StoreError> {
        let past = past_chunk(now);
        let crowded = |(_, count): &(&(i64, DeviceId), &u32)| **count > PIECES_MAX;
        let Some(first) = self.open.iter().find(|(block, count)| block.0 <= past || crowded(&(block, count))) else {
            self.write()?;
            return Ok(CompactionProgress::Done);
        };
        let start = first.0.0;
        // Of one chunk's span at a time: a day of an hour's summaries is changed by one thread.
        let is_past = start <= past;
        self.turn_to(Some(start))?;
        let due = self.open.iter().filter(|one| one.0.0 == start && (is_past || crowded(one)));
        let some: Vec<DeviceId> = due.take(SLICE_CHUNKS * self.threads).map(|(block, _)| block.1.clone()).collect();
        let mut all = Vec::with_capacity(some.len());
        for device in some {
            let block = self.archive.block(&device, start)?;
            let mut summaries = [None, None];
            if is_past {
                let [five, hour] = [Tier::FiveMinutes, Tier::Hour];
                summaries = [five, hour].map(|tier| Some((tier, tier.chunk_of(start))));
            }
            let mut kept = Vec::new();
            for (tier, chunk) in summaries.into_iter().flatten() {
                kept.push((tier, chunk, self.archive.chunk(&device, tier, chunk)?));
            }
            all.push((device, block, kept));
        }
        let merge =
            |(device, block, kept): &(DeviceId, OpenBlock, Vec<KeptSummary>)| merged(device, start, block, kept);
        let (changes, used_us) = parallel::map(self.threads, &all, &merge);
        self.threads_us += used_us;
        self.add(changes.concat())?;
        for (device, ..) in all {
            let block = (start, device);
            if is_past {
                self.open.remove(&block);
            } else {
                self.open.insert(block, 1);
            }
        }
        Ok(CompactionProgress::More)
    }

    /// A slice of deleting what is past its time, and of giving the room back. `keep_ms`: how long each tier is kept, milliseconds.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing.
    pub fn delete(&mut self, keep_ms: [i64; 3], now: Timestamp) -> Result<CompactionProgress, StoreError> {
        let Some((tier, keep_ms)) = Tier::ALL.into_iter().zip(keep_ms).nth(self.deleting) else {
            if self.archive.give_back()? {
                return Ok(CompactionProgress::More);
            }
            self.deleting = 0;
            return Ok(CompactionProgress::Done);
        };
        // Asked anew for each slice, within its deletion.
        let (reader, place) = (self.reader, (self.delete_after, SLICE_DELETED));
        let slice =
            self.archive.delete_before(tier, now.plus_millis(-keep_ms), &mut || reader.numbers_holds(), place)?;
        self.delete_after = slice.cursor;
        if slice.seen < SLICE_DELETED {
            self.deleting += 1;
            self.delete_after = Cursor::default();
        }
        Ok(CompactionProgress::More)
    }
}

/// Rows of a device, and the numbers of the series in their layouts.
struct DeviceRows {
    device: DeviceId,
    rows: Vec<StoredRow>,
    series: HashMap<LayoutId, Arc<[u32]>>,
    last: u64,
}

/// A chunk of summaries that is kept, if it is: its tier and beginning.
type KeptSummary = (Tier, i64, Option<Vec<u8>>);

/// A row that is put aside as it is.
fn damaged_row(device: Option<&DeviceId>, row: StoredRow) -> ArchiveChange {
    let (kind, start) = (PartKind::Row(row.layout), row.at.as_millis());
    ArchiveChange::Damaged(DamagedPart { device: device.cloned(), kind, start, data: row.data })
}

/// Rows of one device as blocks by their beginnings, and the numbers of those rows that cannot be read.
fn blocks_of(
    rows: &[StoredRow],
    series: &HashMap<LayoutId, Arc<[u32]>>,
) -> (BTreeMap<i64, HistoryBlock>, HashSet<u64>) {
    let mut by_block: BTreeMap<i64, Vec<&StoredRow>> = BTreeMap::new();
    for row in rows {
        by_block.entry(Tier::Raw.chunk_of(row.at.as_millis())).or_default().push(row);
    }
    let (mut damaged, mut values) = (HashSet::new(), Vec::new());
    let blocks = by_block.into_iter().map(|(start, rows)| {
        let mut block = HistoryBlock::at(rows.iter().map(|row| row.at.as_millis()).collect());
        let mut columns: Vec<Vec<f64>> = Vec::new();
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut whole = vec![true; rows.len()];
        // Rows follow each other in one layout: where its series stand among the columns.
        let mut current: Option<(LayoutId, Vec<usize>)> = None;
        for (at, row) in rows.iter().enumerate() {
            let numbers = series.get(&row.layout).filter(|_| row::unpack_into(&row.data, &mut values).is_ok());
            let Some(numbers) = numbers else {
                damaged.insert(row.number);
                whole[at] = false;
                continue;
            };
            let known = current.as_ref().is_some_and(|(layout, _)| *layout == row.layout);
            if !known {
                let mut place = |number: &u32| {
                    *places.entry(*number).or_insert_with(|| {
                        columns.push(vec![or_unknown(None); rows.len()]);
                        columns.len() - 1
                    })
                };
                current = Some((row.layout, numbers.iter().map(&mut place).collect()));
            }
            let Some((_, to)) = &current else { continue };
            for (place, value) in to.iter().zip(&values) {
                columns[*place][at] = or_unknown(*value);
            }
        }
        block.series =
            places.into_iter().map(|(number, place)| (number, std::mem::take(&mut columns[place]))).collect();
        (start, block.only(&whole).in_order())
    });
    let blocks: BTreeMap<i64, HistoryBlock> = blocks.filter(|(_, block)| !block.times.is_empty()).collect();
    (blocks, damaged)
}

/// What a chunk's pieces come to: one piece, or the whole chunk where its summaries are asked for; what of it cannot be read is put aside.
fn merged(device: &DeviceId, start: i64, block: &OpenBlock, kept: &[KeptSummary]) -> Vec<ArchiveChange> {
    let mut changes = vec![ArchiveChange::PiecesMerged { device: device.clone(), chunk: start }];
    let put_aside = |kind: PartKind, start: i64, data: &[u8]| {
        tracing::error!(%device, start, part = kind.name(), "a part of history cannot be read; it is put aside and begins anew");
        let device = Some(device.clone());
        ArchiveChange::Damaged(DamagedPart { device, kind, start, data: data.to_vec() })
    };
    let whole = if kept.is_empty() { None } else { block.whole.as_ref() };
    let whole = whole.map(|data| (PartKind::Chunk(Tier::Raw), data));
    let mut parts = Vec::with_capacity(block.pieces.len() + 1);
    for (kind, data) in whole.into_iter().chain(block.pieces.iter().map(|data| (PartKind::Piece, data))) {
        match HistoryBlock::unpack(start, data) {
            Ok(part) => parts.push(part),
            Err(_) => changes.push(put_aside(kind, start, data)),
        }
    }
    let all = HistoryBlock::joined(parts);
    if all.times.is_empty() {
        return changes;
    }
    let packed = all.pack(start);
    if kept.is_empty() {
        changes.push(ArchiveChange::Piece { device: device.clone(), chunk: start, data: packed.data });
        return changes;
    }
    changes.push(ArchiveChange::Chunk { device: device.clone(), chunk: packed });
    let five = all.summaries(Tier::FiveMinutes, start);
    for (tier, chunk, kept) in kept {
        let slots = |ms: i64| usize::try_from(ms / tier.slot_ms().max(1)).unwrap_or(0);
        let together = usize::try_from(tier.slot_ms() / Tier::FiveMinutes.slot_ms()).unwrap_or(1);
        let mut summaries = Summaries::default();
        if let Some(data) = kept {
            match Summaries::unpack(data) {
                Ok(kept) => summaries = kept,
                Err(_) => changes.push(put_aside(PartKind::Chunk(*tier), *chunk, data)),
            }
        }
        summaries.put(&five.coarser(together), slots(start - chunk), slots(tier.chunk_ms()));
        changes.push(ArchiveChange::Chunk { device: device.clone(), chunk: summaries.pack(*tier, *chunk) });
    }
    changes
}
