//! What a rule would have said: history of one device through a rule, every decision with its reason.
//!
//! Called by `ioc-collector rule test` and by the preview of a rule. It is the judge itself that decides, over a state of its own, with each report's time as the
//! present. Deliberately absent: incidents and notices, which belong to what happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, LayoutId, Series};
use ioc_common::report::{Body, Envelope, Facts, Hello, Losses, Position, Report, Sample, StateReport};
use ioc_judge::{DeviceInfo, Effect, Fault, FaultState, Input, RuleSet, Snapshot, State, Text, TimeLimits};

use ioc_store::chart;
use ioc_store::history::fold::HistoryBlock;
use ioc_store::history::{Tier, chunk};
use ioc_store::{ChunkQuery, HistoryRow, Reader, StoreError, StoredChunks};

/// How much folded history is read in one go, milliseconds.
const STRETCH_MS: i64 = 24 * 3_600_000;

/// What the rule decided at one moment of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// The moment of the row that it was decided by.
    pub at: Timestamp,
    /// The series, by its whole name.
    pub series: String,
    /// What became of the fault.
    pub state: FaultState,
    /// The value that decided.
    pub value: Option<f64>,
    /// The reason, as a notice would give it.
    pub reason: Text,
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replay {
    /// How many reports were judged.
    pub reports: usize,
    /// When the first of them was taken.
    pub from: Option<Timestamp>,
    /// When the last of them was taken.
    pub until: Option<Timestamp>,
    /// What was decided, in order.
    pub decisions: Vec<Decision>,
}

/// Blocks by their beginnings, each with the names of its series. A chunk that is corrupt is a hole.
fn blocks(stored: &StoredChunks) -> Vec<(Vec<&str>, HistoryBlock)> {
    let mut parts: BTreeMap<i64, Vec<HistoryBlock>> = BTreeMap::new();
    for one in &stored.chunks {
        parts.entry(one.chunk).or_default().extend(HistoryBlock::unpack(one.chunk, &one.data));
    }
    let named = |parts: Vec<HistoryBlock>| {
        let mut block = HistoryBlock::joined(parts);
        block.series.retain(|number, _| stored.names.contains_key(number));
        (block.series.keys().filter_map(|number| stored.names.get(number)).map(String::as_str).collect(), block)
    };
    parts.into_values().map(named).collect()
}

/// Judges the rows of one device, the oldest first, one at a time: a month of history does not fit into memory.
pub struct Replayer {
    state: State,
    device: DeviceId,
    interval_s: u32,
    current: Option<LayoutId>,
    seq: u64,
    /// Series that are read of what is folded; all when there are none.
    names: Vec<String>,
    replay: Replay,
}

impl Replayer {
    /// A judge of `info` by `rules`, which knows nothing yet.
    #[must_use]
    pub fn new(rules: RuleSet, info: DeviceInfo, interval_s: u32) -> Self {
        let start = Timestamp::default();
        let (mut state, _) =
            State::restore(Arc::new(rules), Arc::default(), TimeLimits::default(), Snapshot::default(), start);
        let device = info.id.clone();
        // In a replay a sensor speaks for itself.
        let own = DeviceInfo { parent: None, uplink: None, ..info };
        let _ = state.step(Input::Enrolled(own), start, &mut Vec::new());
        let replay = Replay { reports: 0, from: None, until: None, decisions: Vec::new() };
        Self { state, device, interval_s, current: None, seq: 0, names: Vec::new(), replay }
    }

    /// Reads only these series of what is folded: those that the rules look at.
    #[must_use]
    pub fn of_series(self, names: Vec<String>) -> Self {
        Self { names, ..self }
    }

    /// Judges what is kept of the device between two moments: what is folded, and then what is not.
    ///
    /// # Errors
    /// [`StoreError`] when a row or layout of the device is damaged, or the store is gone. A damaged chunk is a hole.
    pub fn read(&mut self, reader: &dyn Reader, from: Timestamp, until: Timestamp) -> Result<(), StoreError> {
        let device = self.device.clone();
        let (mut start, mut last, mut folded) = (from, None, 0);
        // Rows first, so that none is missing that becomes a chunk meanwhile.
        let mut rows = reader.newest_rows(&device, reader.folded(&device)?, chart::ROWS_MAX_BYTES)?;
        while start < until {
            let end = start.plus_millis(STRETCH_MS).min(until);
            let query = ChunkQuery { device: &device, tier: Tier::Raw, from: start, until: end, names: &self.names };
            let stored = reader.chunks(&query)?;
            folded = stored.folded;
            for (names, block) in blocks(&stored) {
                let series = names.into_iter().map(|name| Series::new(name, "")).collect();
                let Ok(layout) = Layout::new(series) else { continue };
                for (place, at) in block.times.iter().enumerate() {
                    let at = Timestamp::from_millis(*at);
                    // A chunk may begin before its stretch, and be read with the one before, too.
                    if at < start || at >= end || last.is_some_and(|last| at <= last) {
                        continue;
                    }
                    last = Some(at);
                    let values =
                        block.series.values().map(|values| values.get(place).and_then(|value| chunk::known(*value)));
                    let (position, values) = (Position::default(), values.collect());
                    self.push(HistoryRow { number: 0, position, at, layout: layout.id(), values }, &layout);
                }
            }
            start = end;
        }
        rows.retain(|row| row.number > folded);
        rows.retain(|row| row.at >= from && row.at < until && last.is_none_or(|last| row.at > last));
        rows.sort_by_key(|row| row.at);
        let layouts = chart::layouts_of(&rows, reader)?;
        for row in rows {
            if let Some(layout) = layouts.get(&row.layout.0) {
                self.push(row, layout);
            }
        }
        Ok(())
    }

    /// Judges one row.
    pub fn push(&mut self, row: HistoryRow, layout: &Layout) {
        self.replay.reports += 1;
        self.replay.from = self.replay.from.or(Some(row.at));
        self.replay.until = Some(row.at);
        let mut out = Vec::new();
        if self.current.is_none() {
            let hello = Body::Hello(Box::new(Hello {
                agent_version: String::new(),
                run: String::new(),
                boot_id: String::new(),
                fingerprint: String::new(),
                interval_s: self.interval_s,
                keep_alive_s: 30,
                facts: Facts::default(),
                probes: Vec::new(),
                layout: layout.clone(),
                losses: Losses::default(),
                former: Vec::new(),
                sensor: None,
            }));
            self.report(hello, row.at, &mut out);
        } else if self.current != Some(row.layout) {
            self.report(Body::State(StateReport::Layout(layout.clone())), row.at, &mut out);
        }
        self.current = Some(row.layout);
        self.report(Body::Sample(Sample { layout: row.layout, v: row.values }), row.at, &mut out);
        for effect in out {
            let Effect::Fault(fault) = effect else { continue };
            let Fault { series, state, value, reason, .. } = fault;
            let decision = Decision { at: row.at, series, state, value, reason };
            // A fault is reported again when its incident opens; that is no new decision.
            if self.replay.decisions.last() != Some(&decision) && self.replay.decisions.len() < DECISIONS_MAX {
                self.replay.decisions.push(decision);
            }
        }
    }

    fn report(&mut self, body: Body, at: Timestamp, out: &mut Vec<Effect>) {
        self.seq += 1;
        let envelope = Envelope {
            device: self.device.clone(),
            about: None,
            position: Position { epoch: 1, seq: self.seq },
            boot: String::new(),
            taken_at: at,
            age_ms: None,
            lost: None,
        };
        let _ = self.state.step(Input::Report(&Report { envelope, body }), at, out);
    }

    /// What came of it.
    #[must_use]
    pub fn finish(self) -> Replay {
        self.replay
    }
}

/// Most decisions that are kept.
const DECISIONS_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;
    use ioc_common::layout::Series;
    use ioc_judge::DeviceKind;

    #[test]
    fn history_is_judged_as_it_would_have_been() {
        let rules = crate::config::DEFAULT_RULES;
        let rules = RuleSet::parse(&Source::built_in("rules.toml", rules)).unwrap_or_else(|e| panic!("{e}"));
        let rules = rules.only("disk-nearly-full").expect("a shipped rule");
        let layout = Layout::new(vec![Series::new("fs.used_pct", "/")]).expect("allowed");
        let start: Timestamp = "2026-11-24T00:00:00Z".parse().expect("a time");
        let row = |minute: u64, used: f64| HistoryRow {
            number: minute + 1,
            position: Position { epoch: 1, seq: minute + 1 },
            at: start.plus_secs(minute * 60),
            layout: layout.id(),
            values: vec![Some(used)],
        };
        let used = |minute: u64| if (10..30).contains(&minute) { 93.0 } else { 40.0 };
        let rows: Vec<HistoryRow> = (0..60).map(|minute| row(minute, used(minute))).collect();
        let info = DeviceInfo::new(DeviceId::new("srv-01").expect("valid"), DeviceKind::Server, "x");
        let mut replayer = Replayer::new(rules, info, 60);
        for row in rows.clone() {
            replayer.push(row, &layout);
        }
        let replay = replayer.finish();
        let seen: Vec<(i64, &str)> =
            replay.decisions.iter().map(|one| (one.at.millis_since(start) / 60_000, one.state.as_str())).collect();
        assert_eq!(seen, [(15, "raised"), (30, "cleared")], "five minutes beyond the limit, and back");
        assert!(replay.decisions[0].reason.en.contains("above 90 % for 5 minutes"), "{:?}", replay.decisions[0]);
        assert_eq!((replay.reports, replay.until), (60, Some(rows[59].at)));
    }
}
