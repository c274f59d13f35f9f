//! What a chart or an export asks for: chunks and rows that are not folded yet, as one.

use std::collections::{BTreeMap, HashMap};

use ioc_common::layout::Layout;

use super::chunk::{self, Summary};
use super::{Corrupt, Tier};
use crate::store::{HistoryRow, StoredChunk};

/// A series as it was, by time: each moment or slot with what it comes down to.
pub type Line = BTreeMap<i64, Summary>;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// From when, milliseconds.
    pub from: i64,
    /// Until when, milliseconds; not included.
    pub until: i64,
    /// How fine.
    pub tier: Tier,
    /// Which series, by whole name.
    pub names: Vec<String>,
}

impl Wanted {
    fn covers(&self, at: i64) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// Puts chunks and rows together, by name.
    ///
    /// # Errors
    /// [`Corrupt`] when a chunk is.
    pub fn lines(
        &self,
        chunks: &[StoredChunk],
        rows: &[HistoryRow],
        layouts: &HashMap<u64, Layout>,
    ) -> Result<BTreeMap<String, Line>, Corrupt> {
        let mut lines: BTreeMap<String, Line> = self.names.iter().map(|name| (name.clone(), Line::new())).collect();
        let mut times: HashMap<i64, Vec<u32>> = HashMap::new();
        if self.tier == Tier::Raw {
            for one in chunks.iter().filter(|one| one.series.is_empty()) {
                times.insert(one.chunk, chunk::decode_times(&one.data)?);
            }
        }
        for one in chunks.iter().filter(|one| !one.series.is_empty()) {
            let Some(line) = lines.get_mut(&one.series) else { continue };
            if self.tier == Tier::Raw {
                let times = times.get(&one.chunk).ok_or(Corrupt)?;
                let values = chunk::decode(&one.data)?;
                let known = times
                    .iter()
                    .zip(values)
                    .filter_map(|(offset, value)| Some((one.chunk + i64::from(*offset), value?)));
                line.extend(known.filter(|(at, _)| self.covers(*at)).map(|(at, value)| (at, Summary::of(value))));
            } else {
                let slots = (one.chunk..).step_by(usize::try_from(self.tier.slot_ms()).unwrap_or(1));
                let known = slots.zip(chunk::decode_summaries(&one.data)?).filter_map(|(at, slot)| Some((at, slot?)));
                line.extend(known.filter(|(at, _)| self.covers(*at)));
            }
        }
        self.add_rows(rows, layouts, &mut lines);
        Ok(lines)
    }

    fn add_rows(&self, rows: &[HistoryRow], layouts: &HashMap<u64, Layout>, lines: &mut BTreeMap<String, Line>) {
        // Where each wanted series stands in each layout.
        let mut places: HashMap<u64, Vec<(String, usize)>> = HashMap::new();
        for (id, layout) in layouts {
            let named = layout.series().iter().enumerate().map(|(place, series)| (series.as_str(), place));
            let wanted =
                named.filter(|(name, _)| lines.contains_key(*name)).map(|(name, place)| (name.to_owned(), place));
            places.insert(*id, wanted.collect());
        }
        let slot_ms = self.tier.slot_ms();
        let mut in_order: Vec<&HistoryRow> = rows.iter().filter(|row| self.covers(row.at.as_millis())).collect();
        in_order.sort_by_key(|row| row.at);
        for row in in_order {
            let at = row.at.as_millis();
            let slot = if slot_ms == 0 { at } else { at - at.rem_euclid(slot_ms) };
            for (name, place) in places.get(&row.layout.0).into_iter().flatten() {
                let (Some(Some(value)), Some(line)) = (row.values.get(*place), lines.get_mut(name)) else { continue };
                let one = Summary::of(*value);
                if slot_ms == 0 {
                    line.insert(slot, one);
                } else {
                    line.entry(slot).and_modify(|sum| *sum = sum.and(one)).or_insert(one);
                }
            }
        }
    }
}

/// A line with at most `most` points over a span: neighbours are put together, and a hole stays a hole.
#[must_use]
pub fn thinned(line: &Line, from: i64, until: i64, most: usize) -> Line {
    let step = (until - from) / i64::try_from(most.max(1)).unwrap_or(1);
    if step <= 0 || line.len() <= most {
        return line.clone();
    }
    let mut thin = Line::new();
    for (at, summary) in line {
        let slot = from + (at - from).div_euclid(step) * step;
        thin.entry(slot).and_modify(|sum: &mut Summary| *sum = sum.and(*summary)).or_insert(*summary);
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::fold;
    use ioc_common::clock::Timestamp;
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
        let block = fold::blocks([(60_000, vec![(1, 1.0)]), (120_000, vec![(1, 3.0)])]).remove(&0).expect("a block");
        let stored = |packed: fold::Packed| StoredChunk {
            chunk: packed.chunk,
            series: if packed.series == fold::TIMES { String::new() } else { "load.1".into() },
            data: packed.data,
        };
        let raw: Vec<StoredChunk> = block.pack(0).into_iter().map(stored).collect();
        let rows = [row(9, 180_000, 5.0), row(10, 30_000, 0.0), row(11, 900_000_000, 7.0)];
        let layouts = HashMap::from([(layout.id().0, layout.clone())]);
        let mut wanted = Wanted { from: 0, until: 900_000, tier: Tier::Raw, names: vec!["load.1".into()] };
        let lines = wanted.lines(&raw, &rows, &layouts).expect("reads");
        let found: Vec<(i64, f64)> = lines["load.1"].iter().map(|(at, one)| (*at, one.last)).collect();
        assert_eq!(found, [(30_000, 0.0), (60_000, 1.0), (120_000, 3.0), (180_000, 5.0)]);
        wanted.tier = Tier::FiveMinutes;
        let sums = block.summaries(Tier::FiveMinutes);
        let data = fold::merge(Tier::FiveMinutes, 0, None, &sums[&1]).expect("packs");
        let five = [StoredChunk { chunk: 0, series: "load.1".into(), data }];
        let lines = wanted.lines(&five, &rows, &layouts).expect("reads");
        let slot = lines["load.1"][&0];
        assert_eq!((slot.min, slot.max, slot.mean, slot.count), (0.0, 5.0, 2.25, 4));
        assert_eq!(thinned(&lines["load.1"], 0, 900_000, 2), lines["load.1"]);
    }
}
