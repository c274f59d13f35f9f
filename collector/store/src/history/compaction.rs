//! Rows become chunks and summaries, and are deleted once those survive a power cut.
//!
//! It reads beside the engine and writes a file of its own. Ended at any moment, it is begun again and comes to the same.

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{LayoutId, Series};

use super::fold::{self, Block, CompactionRow, PackedChunk};
use super::{Tier, chunk};
use crate::{Archive, HistoryRow, Reader, StoreError};

/// Rows of one device that are folded in one go: bounds the memory, whatever came in late.
const ROWS_AT_ONCE: usize = 4000;
/// What came within this last while waits for the next round, so that most chunks are written once.
const GRACE_MS: i64 = 10_000;

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactionResult {
    /// Up to which row everything is folded.
    pub through: u64,
    /// How many rows were folded.
    pub rows: usize,
    /// How many rows could not be read and are lost.
    pub corrupt: usize,
    /// How many chunks were older than they must be kept, and were deleted.
    pub deleted: usize,
}

/// Folds everything that was received until a little while ago; deletes what is past its time where `forget` says so. `keep_ms`: how long each tier is kept, milliseconds.
///
/// # Errors
/// [`StoreError`] when something cannot be read or written; what was folded until then stays.
pub fn round(
    reader: &dyn Reader,
    archive: &mut dyn Archive,
    keep_ms: [i64; 3],
    now: Timestamp,
    forget: bool,
) -> Result<CompactionResult, StoreError> {
    let mut folded = CompactionResult {
        through: reader.last_row_before(now.plus_millis(-GRACE_MS))?,
        ..CompactionResult::default()
    };
    let mut layouts: HashMap<LayoutId, Option<Vec<u32>>> = HashMap::new();
    for device in reader.devices_with_rows()? {
        let mut after = archive.folded(&device)?;
        while after < folded.through {
            let (mut rows, mut corrupt) = reader.rows_to_fold(&device, after, ROWS_AT_ONCE)?;
            let full = rows.len() + corrupt.len() == ROWS_AT_ONCE;
            rows.retain(|row| row.number <= folded.through);
            corrupt.retain(|number| *number <= folded.through);
            // What cannot be read is passed over, and must not keep what comes after it from being folded.
            let Some(last) = rows.last().map(|row| row.number).max(corrupt.last().copied()) else { break };
            folded.rows += rows.len();
            folded.corrupt += corrupt.len();
            let rows = rows_of(rows, reader, archive, &mut layouts)?;
            fold_device(&device, rows, last, archive)?;
            after = last;
            if !full {
                break;
            }
        }
    }
    for (tier, keep_ms) in Tier::ALL.into_iter().zip(keep_ms).filter(|_| forget) {
        folded.deleted += archive.delete_before(tier, now.plus_millis(-keep_ms))?;
    }
    if folded.deleted > 0 || folded.through > 0 {
        archive.sync()?;
    }
    Ok(folded)
}

/// Rows with their series by number.
fn rows_of(
    rows: Vec<HistoryRow>,
    reader: &dyn Reader,
    archive: &mut dyn Archive,
    layouts: &mut HashMap<LayoutId, Option<Vec<u32>>>,
) -> Result<Vec<CompactionRow>, StoreError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        if let std::collections::hash_map::Entry::Vacant(place) = layouts.entry(row.layout) {
            let layout = reader.layout(row.layout)?;
            let names: Option<Vec<&str>> =
                layout.as_ref().map(|layout| layout.series().iter().map(Series::as_str).collect());
            place.insert(names.map(|names| archive.series(&names)).transpose()?);
        }
        let Some(Some(series)) = layouts.get(&row.layout) else { continue };
        let values = series.iter().zip(row.values).filter_map(|(series, value)| Some((*series, value?)));
        found.push((row.at.as_millis(), values.collect()));
    }
    Ok(found)
}

/// Folds rows of one device into what is kept of it.
///
/// # Errors
/// [`StoreError`] when the archive cannot be read or written.
pub fn fold_device(
    device: &DeviceId,
    rows: Vec<CompactionRow>,
    last: u64,
    archive: &mut dyn Archive,
) -> Result<(), StoreError> {
    let mut packed: Vec<PackedChunk> = Vec::new();
    // Of each coarser tier what is to be put into which chunk, by series.
    let mut summaries: BTreeMap<(Tier, i64), BTreeMap<u32, BTreeMap<i64, chunk::Summary>>> = BTreeMap::new();
    for (start, new) in fold::blocks(rows) {
        let kept = archive.chunks(device, Tier::Raw, start)?;
        let kept = Block::unpack(start, &kept).unwrap_or_else(|error| {
            tracing::error!(%device, start, %error, "a block of history cannot be read; it begins anew");
            Block::default()
        });
        let block = kept.with(new);
        packed.extend(block.pack(start));
        for tier in [Tier::FiveMinutes, Tier::Hour] {
            let chunk = summaries.entry((tier, tier.chunk_of(start))).or_default();
            for (series, slots) in block.summaries(tier) {
                chunk.entry(series).or_default().extend(slots);
            }
        }
    }
    for ((tier, start), series) in summaries {
        let kept: HashMap<u32, Vec<u8>> = archive.chunks(device, tier, start)?.into_iter().collect();
        for (series, slots) in series {
            let kept = kept.get(&series).map(Vec::as_slice);
            let data = fold::merge(tier, start, kept, &slots).or_else(|error| {
                tracing::error!(%device, start, %error, "a chunk of history cannot be read; it begins anew");
                fold::merge(tier, start, None, &slots)
            });
            packed.extend(data.map(|data| PackedChunk { tier, chunk: start, series, data }));
        }
    }
    archive.put_chunks(device, &packed, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history;
    use crate::{Change, ChunkQuery};
    use ioc_common::clock;
    use ioc_common::layout::Layout;
    use ioc_common::report::Position;
    use ioc_judge::{DeviceInfo, DeviceKind};

    const YEAR: [i64; 3] = [366 * 86_400_000; 3];

    #[test]
    fn nothing_is_deleted_while_the_clock_is_in_doubt() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut store = crate::open(dir.path()).expect("opens");
        let (device, now) = (DeviceId::new("srv-1").expect("valid"), clock::now());
        let info = DeviceInfo::new(device.clone(), DeviceKind::Server, "Srv 1");
        store.commit(&[Change::Device { info, at: now }]).expect("commits");
        let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
        let series = archive.series(&["load.1"]).expect("numbers");
        fold_device(&device, vec![(now.as_millis(), vec![(series[0], 1.0)])], 1, archive.as_mut()).expect("folds");
        let later = now.plus_millis(2 * 365 * 86_400_000);
        let mut fold = |forget| round(reader.as_ref(), archive.as_mut(), YEAR, later, forget).expect("folds").deleted;
        assert_eq!(fold(false), 0, "nobody knows whether it is two years old");
        assert!(fold(true) > 0, "once that is confirmed it is past its time");
    }

    #[test]
    fn what_cannot_be_read_keeps_nothing_else_from_being_folded() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut store = crate::open(dir.path()).expect("opens");
        let (device, now) = (DeviceId::new("srv-1").expect("valid"), clock::now());
        let layout = Layout::new(vec![Series::new("load.1", "")]).expect("allowed");
        let info = DeviceInfo::new(device.clone(), DeviceKind::Server, "Srv 1");
        let mut changes = vec![Change::Device { info, at: now }, Change::Layout(layout.clone())];
        for seq in 1..=6 {
            let at = now.plus_millis(seq - 60_000);
            // Four of them are not what was written, the last among them.
            let row = if matches!(seq, 1 | 2 | 4 | 6) { vec![7; 9] } else { history::pack(&[Some(seq as f64)]) };
            let position = Position { epoch: 1, seq: seq.unsigned_abs() };
            let (device, layout) = (device.clone(), layout.id());
            changes.push(Change::Sample { device: device.clone(), position, at, layout, row, newest: true });
            changes.push(Change::Watermark {
                device,
                position,
                last_heard: Some(at),
                last_sample: Some(at),
                clock_error_ms: None,
            });
        }
        store.commit(&changes).expect("commits");
        let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
        let mut fold = |now| round(reader.as_ref(), archive.as_mut(), YEAR, now, true).expect("folds");
        assert_eq!(fold(now), CompactionResult::default(), "what has just come waits");
        let folded = fold(now.plus_millis(60_000));
        assert_eq!(folded, CompactionResult { through: 6, rows: 2, corrupt: 4, deleted: 0 });
        let again = fold(now.plus_millis(60_000));
        assert_eq!(again, CompactionResult { through: 6, ..CompactionResult::default() }, "twice is once");
        let (tier, from, until) = (Tier::Raw, now.plus_millis(-60_000), now);
        let query = ChunkQuery { device: &device, tier, from, until, names: &["load.1".to_owned()] };
        let chunks = reader.chunks(&query).expect("reads");
        let kept =
            chunks.iter().filter(|one| !one.series.is_empty()).flat_map(|one| chunk::decode(&one.data).expect("whole"));
        assert_eq!(kept.flatten().collect::<Vec<f64>>(), [3.0, 5.0]);
    }
}
