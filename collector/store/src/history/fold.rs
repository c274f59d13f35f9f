//! Folding: a device's rows become chunks and summaries. What is late joins the chunk where it belongs.

use std::collections::BTreeMap;

use super::chunk::{self, Summary};
use super::{Corrupt, Tier};

/// The series number under which a block's times are kept.
pub const TIMES: u32 = 0;

/// All series of one device over one chunk's span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// When, milliseconds since 1970, ascending.
    pub times: Vec<i64>,
    /// The numbers of each series at these times.
    pub series: BTreeMap<u32, Vec<Option<f64>>>,
}

/// A row that is to be folded: when it was taken, and what it says by series.
pub type CompactionRow = (i64, Vec<(u32, f64)>);

/// A chunk as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedChunk {
    /// How much time one value stands for.
    pub tier: Tier,
    /// When it begins, milliseconds since 1970.
    pub chunk: i64,
    /// The number that stands for the series; [`TIMES`] for the times of all.
    pub series: u32,
    /// The chunk, compressed.
    pub data: Vec<u8>,
}

/// Puts rows in the blocks where they belong. Of two of one moment the later to arrive counts.
#[must_use]
pub fn blocks(rows: impl IntoIterator<Item = CompactionRow>) -> BTreeMap<i64, Block> {
    let mut by_block: BTreeMap<i64, BTreeMap<i64, Vec<(u32, f64)>>> = BTreeMap::new();
    for (at, values) in rows {
        by_block.entry(Tier::Raw.chunk_of(at)).or_default().insert(at, values);
    }
    by_block.into_iter().map(|(start, rows)| (start, Block::of(rows))).collect()
}

impl Block {
    fn of(rows: BTreeMap<i64, Vec<(u32, f64)>>) -> Self {
        let count = rows.len();
        let mut block = Self { times: Vec::with_capacity(count), series: BTreeMap::new() };
        for (place, (at, values)) in rows.into_iter().enumerate() {
            block.times.push(at);
            for (series, value) in values {
                if let Some(slot) = block.series.entry(series).or_insert_with(|| vec![None; count]).get_mut(place) {
                    *slot = Some(value);
                }
            }
        }
        block
    }

    /// Reads a block from its chunks.
    ///
    /// # Errors
    /// [`Corrupt`] when one of them is, or when they do not fit together.
    pub fn unpack(start: i64, chunks: &[(u32, Vec<u8>)]) -> Result<Self, Corrupt> {
        let mut block = Self::default();
        for (series, data) in chunks {
            if *series == TIMES {
                block.times = chunk::decode_times(data)?.into_iter().map(|offset| start + i64::from(offset)).collect();
            } else {
                block.series.insert(*series, chunk::decode(data)?);
            }
        }
        if block.series.values().any(|values| values.len() != block.times.len()) {
            return Err(Corrupt);
        }
        Ok(block)
    }

    /// This block with another of the same span; of two rows of one moment the other's counts.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        if self.times.is_empty() {
            return other;
        }
        let rows = |block: Self| {
            let mut rows: BTreeMap<i64, Vec<(u32, f64)>> = block.times.iter().map(|at| (*at, Vec::new())).collect();
            for (series, values) in block.series {
                for (at, value) in block.times.iter().zip(values) {
                    if let (Some(row), Some(value)) = (rows.get_mut(at), value) {
                        row.push((series, value));
                    }
                }
            }
            rows
        };
        let mut all = rows(self);
        all.extend(rows(other));
        Self::of(all)
    }

    /// Packs it as chunks.
    #[must_use]
    pub fn pack(&self, start: i64) -> Vec<PackedChunk> {
        let offsets: Vec<u32> = self.times.iter().filter_map(|at| u32::try_from(at - start).ok()).collect();
        let raw = |series, data| PackedChunk { tier: Tier::Raw, chunk: start, series, data };
        let times = raw(TIMES, chunk::encode_times(&offsets));
        let series = self.series.iter().map(|(series, values)| raw(*series, chunk::encode(values)));
        std::iter::once(times).chain(series).collect()
    }

    /// What each of its series comes down to in each slot of a tier, by the slot's beginning.
    #[must_use]
    pub fn summaries(&self, tier: Tier) -> BTreeMap<u32, BTreeMap<i64, Summary>> {
        let mut all: BTreeMap<u32, BTreeMap<i64, Summary>> = BTreeMap::new();
        for (series, values) in &self.series {
            let slots = all.entry(*series).or_default();
            let known = self.times.iter().zip(values).filter_map(|(at, value)| value.map(|value| (*at, value)));
            for (at, value) in known {
                let one = Summary::of(value);
                slots
                    .entry(at - at.rem_euclid(tier.slot_ms()))
                    .and_modify(|sum: &mut Summary| *sum = sum.and(one))
                    .or_insert(one);
            }
        }
        all
    }
}

/// Puts summaries into the slots of a chunk that is kept, or begins one.
///
/// # Errors
/// [`Corrupt`] when the chunk that is kept is no chunk of summaries.
pub fn merge(tier: Tier, start: i64, kept: Option<&[u8]>, new: &BTreeMap<i64, Summary>) -> Result<Vec<u8>, Corrupt> {
    let count = usize::try_from(tier.chunk_ms() / tier.slot_ms().max(1)).unwrap_or(0);
    let mut slots = kept.map(chunk::decode_summaries).transpose()?.unwrap_or_default();
    slots.resize(count, None);
    for (at, summary) in new {
        let place = usize::try_from((at - start) / tier.slot_ms().max(1)).ok();
        if let Some(slot) = place.and_then(|place| slots.get_mut(place)) {
            *slot = Some(*summary);
        }
    }
    Ok(chunk::encode_summaries(&slots))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn late_rows_join_where_they_belong_and_twice_is_once() {
        let row = |at: i64, value: f64| (at, vec![(1, value), (2, value * 2.0)]);
        let first = blocks([row(0, 1.0), row(2 * MINUTE, 3.0), row(5 * MINUTE, 9.0)]).remove(&0).expect("a block");
        let late = blocks([row(MINUTE, 2.0), row(5 * MINUTE, 9.0)]).remove(&0).expect("a block");
        let packed: Vec<(u32, Vec<u8>)> = first.pack(0).into_iter().map(|one| (one.series, one.data)).collect();
        let both = Block::unpack(0, &packed).expect("reads").with(late.clone()).with(late);
        assert_eq!(both.times, [0, MINUTE, 2 * MINUTE, 5 * MINUTE]);
        let sums = both.summaries(Tier::FiveMinutes);
        let slot = sums[&1][&0];
        assert_eq!((slot.min, slot.max, slot.mean, slot.last, slot.count), (1.0, 3.0, 2.0, 3.0, 3));
        let kept = merge(Tier::FiveMinutes, 0, None, &sums[&1]).expect("packs");
        let again = merge(Tier::FiveMinutes, 0, Some(&kept), &sums[&1]).expect("packs");
        assert_eq!(kept, again);
        let read = chunk::decode_summaries(&again).expect("reads");
        assert_eq!((read.len(), read.iter().flatten().count(), read[1].map(|one| one.last)), (288, 2, Some(9.0)));
    }

    #[test]
    fn a_series_that_comes_and_goes_keeps_its_holes() {
        let block =
            blocks([(0, vec![(1, 1.0)]), (10, vec![(2, 2.0)]), (20, vec![(1, 3.0)])]).remove(&0).expect("a block");
        assert_eq!(block.series[&1], [Some(1.0), None, Some(3.0)]);
        let packed: Vec<(u32, Vec<u8>)> = block.pack(0).into_iter().map(|one| (one.series, one.data)).collect();
        assert_eq!(Block::unpack(0, &packed), Ok(block));
    }
}
