//! Runs the probes and makes a sample of what they read, with a layout that changes only when the machine does.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ioc_common::layout::{Layout, LayoutId, SERIES_MAX_BYTES, Series};
use ioc_common::reading::{Own, Reading as _, Sink};
use ioc_common::report::{ProbeReport, Sample};

use crate::probe::{self, Context, Outcome, Probe};

/// Runs the probes.
pub struct Sampler {
    probes: Vec<Slot>,
    collect: Collect,
    layout: Option<Layout>,
    buffer: Vec<u8>,
    last_ms: Option<u64>,
    /// Which probe runs, for whoever wonders why it takes so long.
    current: Arc<AtomicUsize>,
}

struct Slot {
    probe: Box<dyn Probe>,
    outcome: Outcome,
    /// The names it last gave, to keep their places with nulls when it cannot be read.
    names: Vec<Series>,
}

/// What one run of the probes gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The numbers.
    pub sample: Sample,
    /// The layout, when it is not the one of the sample before.
    pub new_layout: Option<Layout>,
    /// Whether a probe's outcome changed.
    pub outcomes_changed: bool,
}

impl Sampler {
    /// Reads the machine under `root` with every probe but those named in `forbidden`.
    #[must_use]
    pub fn new(root: &Path, forbidden: &[String]) -> Self {
        let probes = probe::all(root)
            .into_iter()
            .filter(|probe| !forbidden.iter().any(|name| name == probe.name()))
            .map(|probe| Slot {
                probe,
                outcome: Outcome::Unknown { why: "not yet read".to_owned() },
                names: Vec::new(),
            })
            .collect();
        Self {
            probes,
            collect: Collect::default(),
            layout: None,
            buffer: Vec::new(),
            last_ms: None,
            current: Arc::default(),
        }
    }

    /// Runs every probe once. `now_ms` is the boot clock; `own` is the agent's own cost.
    pub fn take(&mut self, now_ms: u64, own: &Own) -> Taken {
        let elapsed_s = self.last_ms.map(|last| now_ms.saturating_sub(last) as f64 / 1000.0).filter(|s| *s > 0.0);
        self.last_ms = Some(now_ms);
        let mut outcomes_changed = false;
        self.collect.start();
        for (number, slot) in self.probes.iter_mut().enumerate() {
            self.current.store(number, Ordering::Relaxed);
            let start = self.collect.at;
            let mut context = Context { elapsed_s, buffer: &mut self.buffer };
            let outcome = slot.probe.read(&mut context, &mut self.collect);
            if matches!(outcome, Outcome::Unknown { .. }) && self.collect.at == start {
                for name in &slot.names {
                    self.collect.put_name(name);
                }
            }
            outcomes_changed |= outcome != slot.outcome;
            slot.outcome = outcome;
            let given = &self.collect.series[start..self.collect.at];
            if slot.names != given {
                slot.names = given.to_vec();
            }
        }
        own.emit(&mut self.collect);
        let changed = self.collect.end() || self.layout.is_none();
        let new_layout = if changed { self.relayout() } else { None };
        let layout = self.layout.as_ref().map_or(LayoutId(0), Layout::id);
        let sample = Sample { layout, v: std::mem::take(&mut self.collect.values) };
        Taken { sample, new_layout, outcomes_changed }
    }

    fn relayout(&mut self) -> Option<Layout> {
        let layout = match Layout::new(self.collect.series.clone()) {
            Ok(layout) => layout,
            Err(fault) => {
                // Two series of one name (an oddity of this machine): the later ones are left out rather than everything.
                tracing::warn!(%fault, "left out series");
                let mut seen = std::collections::HashSet::new();
                let keep: Vec<bool> = self
                    .collect
                    .series
                    .iter()
                    .map(|s| seen.insert(s.as_str().to_owned()) && seen.len() <= ioc_common::layout::LAYOUT_MAX_SERIES)
                    .collect();
                let mut kept = keep.iter();
                self.collect.values.retain(|_| *kept.next().unwrap_or(&false));
                let mut kept = keep.iter();
                self.collect.series.retain(|_| *kept.next().unwrap_or(&false));
                Layout::new(self.collect.series.clone()).ok()?
            }
        };
        if self.layout.as_ref().is_some_and(|old| old.id() == layout.id()) {
            return None;
        }
        self.layout = Some(layout.clone());
        Some(layout)
    }

    /// The layout of the last sample.
    #[must_use]
    pub const fn layout(&self) -> Option<&Layout> {
        self.layout.as_ref()
    }

    /// The number of the probe that runs, kept up to date while [`Self::take`] runs.
    #[must_use]
    pub fn current(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.current)
    }

    /// The probes' names, by number.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        self.probes.iter().map(|slot| slot.probe.name()).collect()
    }

    /// Each probe's outcome at the last sample.
    #[must_use]
    pub fn outcomes(&self) -> Vec<ProbeReport> {
        self.probes
            .iter()
            .map(|slot| ProbeReport { probe: slot.probe.name().to_owned(), outcome: slot.outcome.clone() })
            .collect()
    }
}

/// Collects numbers, comparing each name with the one that stood there last time, so that nothing is allocated while the
/// layout stays the same.
#[derive(Debug, Default)]
struct Collect {
    series: Vec<Series>,
    values: Vec<Option<f64>>,
    at: usize,
    changed: bool,
}

impl Collect {
    fn start(&mut self) {
        self.values = Vec::with_capacity(self.series.len());
        self.at = 0;
        self.changed = false;
    }

    fn put_name(&mut self, name: &Series) {
        if self.series.get(self.at) != Some(name) {
            self.changed = true;
            self.series.truncate(self.at);
            self.series.push(name.clone());
        }
        self.values.push(None);
        self.at += 1;
    }

    fn end(&mut self) -> bool {
        if self.series.len() > self.at {
            self.series.truncate(self.at);
            self.changed = true;
        }
        self.changed
    }
}

impl Sink for Collect {
    fn put(&mut self, metric: &'static str, subject: &str, value: f64) {
        if metric.len() + subject.len() >= SERIES_MAX_BYTES || subject.chars().any(char::is_control) {
            return;
        }
        if !self.series.get(self.at).is_some_and(|series| series.is(metric, subject)) {
            self.changed = true;
            self.series.truncate(self.at);
            self.series.push(Series::new(metric, subject));
        }
        self.values.push(value.is_finite().then_some(value));
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::metric;

    struct Fickle {
        calls: u32,
    }

    impl Probe for Fickle {
        fn name(&self) -> &'static str {
            "fickle"
        }
        fn read(&mut self, _: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
            self.calls += 1;
            if self.calls == 2 {
                return Outcome::Unknown { why: "gone for a moment".to_owned() };
            }
            sink.put("load.1", "", 1.0);
            if self.calls >= 4 {
                sink.put("load.5", "", f64::NAN);
            }
            Outcome::Read
        }
    }

    #[test]
    fn a_probe_that_fails_keeps_its_places_with_nulls() {
        let mut sampler = Sampler::new(Path::new("/nonexistent"), &[]);
        sampler.probes = vec![Slot { probe: Box::new(Fickle { calls: 0 }), outcome: Outcome::Read, names: Vec::new() }];
        let own = Own::default();
        let first = sampler.take(1000, &own);
        assert!(first.new_layout.is_some() && first.sample.v[0] == Some(1.0));
        let second = sampler.take(2000, &own);
        assert!(second.new_layout.is_none() && second.outcomes_changed && second.sample.v[0].is_none());
        assert_eq!(second.sample.layout, first.sample.layout);
        assert!(sampler.take(3000, &own).new_layout.is_none());
        let fourth = sampler.take(4000, &own);
        assert!(fourth.new_layout.is_some_and(|layout| layout.series().len() == fourth.sample.v.len()));
        assert_eq!(fourth.sample.v[1], None, "NaN becomes null");
    }

    #[test]
    fn this_machine_is_read_within_the_catalogue() {
        let mut sampler = Sampler::new(Path::new("/"), &[]);
        sampler.take(1000, &Own::default());
        std::thread::sleep(std::time::Duration::from_millis(50));
        let taken = sampler.take(1050, &Own::default());
        let layout = sampler.layout().expect("taken");
        assert!(layout.series().len() >= 40, "{} series", layout.series().len());
        for (series, value) in layout.series().iter().zip(&taken.sample.v) {
            let metric =
                metric::find(series.metric()).unwrap_or_else(|| panic!("{} not in catalogue", series.as_str()));
            if let Some(value) = value {
                assert!(metric.plausible(*value), "{} = {value}", series.as_str());
            }
        }
        for report in sampler.outcomes() {
            assert!(!matches!(report.outcome, Outcome::Unknown { .. }), "{report:?}");
        }
    }
}
