//! Folding: a device's rows become chunks and summaries. What is late joins the chunk where it belongs.

use std::collections::BTreeMap;

use super::checksum::Corrupt;
use super::chunk::{self, Parts, Summary};
use super::column::UNKNOWN;
use super::tier::Tier;

/// All series of one device over one chunk's span.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistoryBlock {
    /// When, milliseconds since 1970, ascending.
    pub times: Vec<i64>,
    /// The numbers of each series at these times; *not a number* where none is known.
    pub series: BTreeMap<u32, Vec<f64>>,
}

/// A chunk as the store keeps it.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedChunk {
    pub tier: Tier,
    /// Its beginning.
    pub chunk: i64,
    /// What it holds.
    pub data: Vec<u8>,
}

impl HistoryBlock {
    /// A block of `count` samples, of which nothing is known but when they were taken.
    #[must_use]
    pub const fn at(times: Vec<i64>) -> Self {
        Self { times, series: BTreeMap::new() }
    }

    /// The numbers of a series, which are to be put in their places.
    pub fn values_of(&mut self, series: u32) -> &mut [f64] {
        let count = self.times.len();
        self.series.entry(series).or_insert_with(|| vec![UNKNOWN; count])
    }

    /// Reads a block from its chunk.
    ///
    /// # Errors
    /// [`Corrupt`] when it is not as it was written.
    pub fn unpack(start: i64, chunk: &[u8]) -> Result<Self, Corrupt> {
        let parts = Parts::of(chunk)?;
        let mut times = parts.times()?;
        let series = parts.values(times.len(), |_| true)?.into_iter().collect();
        times.iter_mut().for_each(|at| *at = at.wrapping_add(start));
        if times.is_sorted_by(|one, next| one < next) { Ok(Self { times, series }) } else { Err(Corrupt) }
    }

    /// One block of several of the same span, in the order in which they came; of two rows of one moment the later counts.
    #[must_use]
    pub fn joined(mut blocks: Vec<Self>) -> Self {
        blocks.retain(|block| !block.times.is_empty());
        if blocks.len() < 2 {
            return blocks.pop().unwrap_or_default();
        }
        let count = blocks.iter().map(|block| block.times.len()).sum();
        let mut all = Self::at(Vec::with_capacity(count));
        for block in blocks {
            let from = all.times.len();
            all.times.extend(block.times);
            for (series, values) in block.series {
                let column = all.series.entry(series).or_insert_with(|| Vec::with_capacity(count));
                column.resize(from, UNKNOWN);
                column.extend(values);
            }
        }
        all.series.values_mut().for_each(|column| column.resize(count, UNKNOWN));
        all.in_order()
    }

    /// With its times ascending; of two rows of one moment the one that stands later counts.
    #[must_use]
    pub fn in_order(self) -> Self {
        if self.times.is_sorted_by(|one, next| one < next) {
            return self;
        }
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        order.sort_by_key(|place| self.times.get(*place));
        order.reverse();
        order.dedup_by_key(|place| self.times.get(*place));
        order.reverse();
        let times = order.iter().filter_map(|place| self.times.get(*place)).copied().collect();
        let moved =
            |values: Vec<f64>| order.iter().map(|place| values.get(*place).copied().unwrap_or(UNKNOWN)).collect();
        Self { times, series: self.series.into_iter().map(|(series, values)| (series, moved(values))).collect() }
    }

    /// Only the samples at these places.
    #[must_use]
    pub fn only(mut self, kept: &[bool]) -> Self {
        if kept.iter().all(|kept| *kept) {
            return self;
        }
        let mut places = kept.iter();
        self.times.retain(|_| places.next().is_some_and(|kept| *kept));
        for values in self.series.values_mut() {
            let mut places = kept.iter();
            values.retain(|_| places.next().is_some_and(|kept| *kept));
        }
        self
    }

    /// Packs it as a chunk.
    #[must_use]
    pub fn pack(&self, start: i64) -> PackedChunk {
        let times: Vec<i64> = self.times.iter().map(|at| at - start).collect();
        let series = self.series.iter().map(|(series, values)| (*series, values.as_slice()));
        PackedChunk { tier: Tier::Raw, chunk: start, data: chunk::pack(&times, series) }
    }

    /// What each of its series comes down to in each slot of a tier, from the slot of its beginning on.
    #[must_use]
    pub fn summaries(&self, tier: Tier, start: i64) -> Summaries {
        let slots = usize::try_from(Tier::Raw.chunk_ms() / tier.slot_ms().max(1)).unwrap_or(0);
        // Where each slot begins among the times.
        let begins = |slot: usize| start.saturating_add(i64::try_from(slot).unwrap_or(0) * tier.slot_ms());
        let bounds: Vec<usize> = (0..=slots).map(|slot| self.times.partition_point(|at| *at < begins(slot))).collect();
        let of = |values: &Vec<f64>| {
            let slot = |bounds: &[usize]| values.get(bounds[0]..bounds[1]).map_or(Summary::NONE, summary);
            bounds.windows(2).map(slot).collect()
        };
        Summaries { series: self.series.iter().map(|(series, values)| (*series, of(values))).collect() }
    }
}

/// What numbers come down to.
fn summary(values: &[f64]) -> Summary {
    let (mut min, mut max, mut sum, mut last, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0, 0_u32);
    for &value in values {
        if value.is_nan() {
            continue;
        }
        min = if value < min { value } else { min };
        max = if value > max { value } else { max };
        sum += value;
        last = value;
        count += 1;
    }
    if count == 0 {
        return Summary::NONE;
    }
    Summary { min, max, mean: (sum / f64::from(count)).max(min).min(max), last, count }
}

/// Summaries of each series of a device by slots; of no samples where nothing was reported.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summaries {
    /// By the number of the series.
    pub series: BTreeMap<u32, Vec<Summary>>,
}

impl Summaries {
    /// Reads summaries from their chunk.
    ///
    /// # Errors
    /// [`Corrupt`] when it is not as it was written.
    pub fn unpack(chunk: &[u8]) -> Result<Self, Corrupt> {
        Ok(Self { series: Parts::of(chunk)?.summaries(|_| true)?.into_iter().collect() })
    }

    /// So many slots of these as one.
    #[must_use]
    pub fn coarser(&self, together: usize) -> Self {
        let one = |some: &[Summary]| some.iter().fold(Summary::NONE, |all, one| all.and(*one));
        let of = |slots: &Vec<Summary>| slots.chunks(together.max(1)).map(one).collect();
        Self { series: self.series.iter().map(|(series, slots)| (*series, of(slots))).collect() }
    }

    /// Puts newer summaries in the place of those that are there, from a slot on, in a chunk of `count` slots. Where the newer have
    /// nothing, what is there stays.
    pub fn put(&mut self, newer: &Self, from: usize, count: usize) {
        for (series, slots) in &newer.series {
            let mine = self.series.entry(*series).or_default();
            mine.resize(count, Summary::NONE);
            for (mine, new) in mine.iter_mut().skip(from).zip(slots) {
                if new.count > 0 {
                    *mine = *new;
                }
            }
        }
        self.series.values_mut().for_each(|slots| slots.resize(count, Summary::NONE));
    }

    /// Packs them as a chunk.
    #[must_use]
    pub fn pack(&self, tier: Tier, start: i64) -> PackedChunk {
        let series: Vec<(u32, &[Summary])> =
            self.series.iter().map(|(series, slots)| (*series, slots.as_slice())).collect();
        PackedChunk { tier, chunk: start, data: chunk::pack_summaries(&series) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::chunk::known;

    const MINUTE: i64 = 60_000;

    fn block(rows: &[(i64, &[(u32, f64)])]) -> HistoryBlock {
        let mut block = HistoryBlock::at(rows.iter().map(|(at, _)| *at).collect());
        for (place, (_, values)) in rows.iter().enumerate() {
            for (series, value) in *values {
                block.values_of(*series)[place] = *value;
            }
        }
        block.in_order()
    }

    #[test]
    fn late_rows_join_where_they_belong_and_twice_is_once() {
        let row = |value: f64| [(1, value), (2, value * 2.0)];
        let first = block(&[(0, &row(1.0)), (2 * MINUTE, &row(3.0)), (5 * MINUTE, &row(9.0))]);
        let late = block(&[(MINUTE, &row(2.0)), (5 * MINUTE, &row(9.0))]);
        let kept = HistoryBlock::unpack(0, &first.pack(0).data).expect("reads");
        let both = HistoryBlock::joined(vec![kept, late.clone(), late]);
        assert_eq!(both.times, [0, MINUTE, 2 * MINUTE, 5 * MINUTE]);
        let sums = both.summaries(Tier::FiveMinutes, 0);
        let slot = sums.series[&1][0];
        assert_eq!((slot.min, slot.max, slot.mean, slot.last, slot.count), (1.0, 3.0, 2.0, 3.0, 3));
        let mut kept = Summaries::default();
        kept.put(&sums, 0, 48);
        let once = kept.pack(Tier::FiveMinutes, 0);
        let mut again = Summaries::unpack(&once.data).expect("reads");
        again.put(&sums, 0, 48);
        assert_eq!(again.pack(Tier::FiveMinutes, 0), once);
        let read = &Summaries::unpack(&once.data).expect("reads").series[&1];
        assert_eq!((read.len(), read.iter().filter(|one| one.count > 0).count(), read[1].last), (48, 2, 9.0));
        let hours = sums.coarser(12);
        assert_eq!((hours.series[&1].len(), hours.series[&1][0].count, hours.series[&1][0].max), (4, 4, 9.0));
    }

    #[test]
    fn a_series_that_comes_and_goes_keeps_its_holes() {
        let block = block(&[(0, &[(1, 1.0)]), (10, &[(2, 2.0)]), (20, &[(1, 3.0)])]);
        let values = |block: &HistoryBlock| block.series[&1].iter().map(|one| known(*one)).collect::<Vec<_>>();
        assert_eq!(values(&block), [Some(1.0), None, Some(3.0)]);
        let back = HistoryBlock::unpack(0, &block.pack(0).data).expect("reads");
        assert_eq!((back.times.clone(), values(&back)), (block.times.clone(), values(&block)));
        // A row that comes again says all that is known of its moment.
        let joined = HistoryBlock::joined(vec![block, self::block(&[(20, &[(2, 4.0)])])]);
        assert_eq!(values(&joined), [Some(1.0), None, None]);
    }
}
