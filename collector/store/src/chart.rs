//! What a chart or an export asks for: chunks and rows that are not folded yet, as one.

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;

use crate::history::chunk::{Parts, Summary};
use crate::history::{Corrupt, Tier};
use crate::{ChunkQuery, HistoryRow, Reader, StoreError, StoredChunks};

/// Most bytes of rows that are read for a chart, the newest. A machine as others brings a thirtieth of it between two foldings.
pub const ROWS_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads lines of a device: what is folded and what is not, as one.
///
/// # Errors
/// [`StoreError`] when a chunk or row of the device is damaged, or the store is gone.
pub fn read(
    reader: &dyn Reader,
    device: &DeviceId,
    wanted: &ChartQuery,
) -> Result<BTreeMap<String, ChartLine>, StoreError> {
    let query = ChunkQuery {
        device,
        tier: wanted.tier,
        from: Timestamp::from_millis(wanted.from),
        until: Timestamp::from_millis(wanted.until),
        names: &wanted.names,
    };
    // Rows first: what becomes a chunk meanwhile is left out of them again, so that nothing is missing and nothing there twice.
    let mut rows = reader.newest_rows(device, reader.folded(device)?, ROWS_MAX_BYTES)?;
    let chunks = reader.chunks(&query)?;
    rows.retain(|row| row.number > chunks.folded);
    let layouts = layouts_of(&rows, reader)?;
    wanted.lines(&chunks, &rows, &layouts).map_err(|error| StoreError::Content {
        path: "history.db".into(),
        what: "a chunk of history",
        why: error.to_string(),
    })
}

/// The layouts of rows, each read once.
///
/// # Errors
/// [`StoreError`] when one of them is damaged, or the store is gone.
pub fn layouts_of(rows: &[HistoryRow], reader: &dyn Reader) -> Result<HashMap<u64, Layout>, StoreError> {
    let mut layouts = HashMap::new();
    for row in rows {
        if !layouts.contains_key(&row.layout.0)
            && let Some(layout) = reader.layout(row.layout)?
        {
            layouts.insert(row.layout.0, layout);
        }
    }
    Ok(layouts)
}

/// A series as it was, by time: each moment or slot, milliseconds, with what it comes down to.
pub type ChartLine = Vec<(i64, Summary)>;

/// Which lines of a device to read, and how fine.
#[derive(Debug, Clone)]
pub struct ChartQuery {
    /// When it begins, milliseconds since 1970.
    pub from: i64,
    /// Until when, milliseconds; not included.
    pub until: i64,
    /// How much time one value stands for.
    pub tier: Tier,
    /// Which series, by whole name.
    pub names: Vec<String>,
    /// At most about so many points a series: neighbours are put together as they are read; 0 for all.
    pub most: usize,
}

impl ChartQuery {
    fn covers(&self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// The slot that a moment falls into, by its beginning; the moment itself where nothing is summed up.
    const fn slot_of(&self, at: i64) -> i64 {
        let slot_ms = self.tier.slot_ms();
        if slot_ms == 0 { at } else { at - at.rem_euclid(slot_ms) }
    }

    /// What one point spans, milliseconds; 0 where each stays by itself.
    fn step(&self) -> i64 {
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        if most == 0 { 0 } else { ((self.until - self.from) / most).max(0) }
    }

    /// Adds what is known of a moment to a line, or to its last point when both are of one.
    fn add(&self, line: &mut ChartLine, step: i64, at: i64, one: Summary) {
        let place = if step > 0 { self.from + (at - self.from) / step * step } else { at };
        match line.last_mut() {
            Some((last, sum)) if (step > 0 || self.tier != Tier::Raw) && *last == place => *sum = sum.and(one),
            _ => line.push((place, one)),
        }
    }

    /// Adds values in the order of their times. What falls into one point is summed up first, with one division for all of it.
    fn add_values(&self, line: &mut ChartLine, step: i64, values: impl Iterator<Item = (i64, f64)>) {
        if step == 0 {
            line.extend(values.map(|(at, value)| (at, Summary::of(value))));
            return;
        }
        let close = |line: &mut ChartLine, open: Option<(i64, Summary, f64)>| {
            if let Some((at, one, sum)) = open {
                self.add(line, step, at, Summary { mean: sum / f64::from(one.count.max(1)), ..one });
            }
        };
        let (mut end, mut open) = (i64::MIN, None::<(i64, Summary, f64)>);
        for (at, value) in values {
            match &mut open {
                Some((_, one, sum)) if at < end => {
                    one.min = one.min.min(value);
                    one.max = one.max.max(value);
                    one.last = value;
                    one.count += 1;
                    *sum += value;
                }
                _ => {
                    close(line, open.take());
                    end = self.from + ((at - self.from) / step + 1) * step;
                    open = Some((at, Summary::of(value), value));
                }
            }
        }
        close(line, open);
    }

    /// Puts chunks and rows together, by name.
    ///
    /// # Errors
    /// [`Corrupt`] when a chunk is.
    pub fn lines(
        &self,
        chunks: &StoredChunks,
        rows: &[HistoryRow],
        layouts: &HashMap<u64, Layout>,
    ) -> Result<BTreeMap<String, ChartLine>, Corrupt> {
        let mut lines: BTreeMap<String, ChartLine> =
            self.names.iter().map(|name| (name.clone(), ChartLine::new())).collect();
        let step = self.step();
        let names: HashMap<u32, &String> = chunks
            .names
            .iter()
            .filter(|(_, name)| lines.contains_key(*name))
            .map(|(number, name)| (*number, name))
            .collect();
        let is_wanted = |number| names.contains_key(&number);
        for one in &chunks.chunks {
            let parts = Parts::of(&one.data)?;
            if one.tier == Tier::Raw {
                let mut times = parts.times()?;
                times.iter_mut().for_each(|at| *at = at.wrapping_add(one.chunk));
                for (number, values) in parts.values(times.len(), is_wanted)? {
                    let Some(line) = names.get(&number).and_then(|name| lines.get_mut(*name)) else { continue };
                    let known = times.iter().zip(values).filter(|(at, value)| !value.is_nan() && self.covers(**at));
                    let known = known.map(|(at, value)| (*at, value));
                    if self.tier == Tier::Raw {
                        self.add_values(line, step, known);
                    } else {
                        known.for_each(|(at, value)| self.add(line, step, self.slot_of(at), Summary::of(value)));
                    }
                }
                continue;
            }
            for (number, slots) in parts.summaries(is_wanted)? {
                let Some(line) = names.get(&number).and_then(|name| lines.get_mut(*name)) else { continue };
                let times = (one.chunk..).step_by(usize::try_from(self.tier.slot_ms()).unwrap_or(1));
                for (at, slot) in times.zip(slots).filter(|(at, slot)| slot.count > 0 && self.covers(*at)) {
                    self.add(line, step, at, slot);
                }
            }
        }
        self.add_rows(rows, layouts, &mut lines);
        Ok(lines)
    }

    fn add_rows(&self, rows: &[HistoryRow], layouts: &HashMap<u64, Layout>, lines: &mut BTreeMap<String, ChartLine>) {
        // Where each wanted series stands in each layout.
        let mut places: HashMap<u64, Vec<(String, usize)>> = HashMap::new();
        for (id, layout) in layouts {
            let named = layout.series().iter().enumerate().map(|(place, series)| (series.as_str(), place));
            let wanted =
                named.filter(|(name, _)| lines.contains_key(*name)).map(|(name, place)| (name.to_owned(), place));
            places.insert(*id, wanted.collect());
        }
        let (slot_ms, step) = (self.tier.slot_ms(), self.step());
        let mut in_order: Vec<&HistoryRow> = rows.iter().filter(|row| self.covers(row.at.as_millis())).collect();
        in_order.sort_by_key(|row| row.at);
        for row in in_order {
            let slot = self.slot_of(row.at.as_millis());
            for (name, place) in places.get(&row.layout.0).into_iter().flatten() {
                if let (Some(Some(value)), Some(line)) = (row.values.get(*place), lines.get_mut(name)) {
                    self.add(line, step, slot, Summary::of(*value));
                }
            }
        }
        for line in lines.values_mut() {
            // Chunks come in order, and rows mostly do; what is of one moment or slot is one.
            if !line.is_sorted_by(|one, next| one.0 < next.0) {
                line.sort_by_key(|(at, _)| *at);
                line.dedup_by(|next, kept| {
                    let same = next.0 == kept.0;
                    if same {
                        kept.1 = if slot_ms == 0 && step == 0 { next.1 } else { kept.1.and(next.1) };
                    }
                    same
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoredChunk;
    use crate::history::fold::{HistoryBlock, PackedChunk};
    use ioc_common::layout::Series;
    use ioc_common::report::Position;

    #[test]
    fn folded_and_not_yet_folded_are_one() {
        let layout = Layout::new(vec![Series::new("load.1", ""), Series::new("fs.used_pct", "/")]).expect("allowed");
        let row = |number: u64, at: i64, value: f64| HistoryRow {
            number,
            position: Position::default(),
            at: Timestamp::from_millis(at),
            layout: layout.id(),
            values: vec![Some(value), None],
        };
        let mut block = HistoryBlock::at(vec![60_000, 120_000]);
        block.values_of(1).copy_from_slice(&[1.0, 3.0]);
        let stored = |packed: PackedChunk| StoredChunks {
            chunks: vec![StoredChunk { tier: packed.tier, chunk: packed.chunk, data: packed.data }],
            names: HashMap::from([(1, "load.1".to_owned())]),
            folded: 0,
        };
        let raw = stored(block.pack(0));
        let rows = [row(9, 180_000, 5.0), row(10, 30_000, 0.0), row(11, 900_000_000, 7.0)];
        let layouts = HashMap::from([(layout.id().0, layout.clone())]);
        let mut wanted = ChartQuery { from: 0, until: 900_000, tier: Tier::Raw, names: vec!["load.1".into()], most: 0 };
        let lines = wanted.lines(&raw, &rows, &layouts).expect("reads");
        let found: Vec<(i64, f64)> = lines["load.1"].iter().map(|(at, one)| (*at, one.last)).collect();
        assert_eq!(found, [(30_000, 0.0), (60_000, 1.0), (120_000, 3.0), (180_000, 5.0)]);
        wanted.tier = Tier::FiveMinutes;
        // What is not summed up yet is summed up as it is read.
        for five in [stored(block.summaries(Tier::FiveMinutes, 0).pack(Tier::FiveMinutes, 0)), raw.clone()] {
            let lines = wanted.lines(&five, &rows, &layouts).expect("reads");
            let slot = lines["load.1"][0].1;
            assert_eq!((slot.min, slot.max, slot.mean, slot.count), (0.0, 5.0, 2.25, 4));
        }
        (wanted.tier, wanted.most) = (Tier::Raw, 2);
        let lines = wanted.lines(&raw, &rows, &layouts).expect("reads");
        let thin: Vec<(i64, u32, f64)> = lines["load.1"].iter().map(|(at, one)| (*at, one.count, one.max)).collect();
        assert_eq!(thin, [(0, 4, 5.0)], "late rows join the point where they belong");
    }
}
