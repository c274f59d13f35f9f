//! Runs the sampling probes and makes a sample of what they read, with a layout that changes only when the machine does.
//!
//! The probes lie in slots that several runs may share ([`Probes`]): one that hangs keeps its own slot and nothing else, so that
//! the next run reads all others.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ioc_common::layout::{Layout, LayoutId, SERIES_MAX_BYTES, Series};
use ioc_common::reading::{AgentUsage, Sink};
use ioc_common::report::{Event, ProbeReport, Sample};

use ioc_probe::{DeviceEvents, Probe, ProbeOutcome, SampleContext};

/// The probes, shared by the run that is under way and one that may hang.
pub struct Probes {
    /// Below it lies the machine that they read.
    root: PathBuf,
    slots: Vec<ProbeSlot>,
    /// Raised when a run is given up; the run that hangs sees it and ends.
    generation: AtomicU64,
    /// Which probe runs, for whoever wonders why it takes so long.
    current: AtomicUsize,
}

struct ProbeSlot {
    name: &'static str,
    /// None while a run has it that does not come back.
    probe: Mutex<Option<Box<dyn Probe>>>,
    /// The names it last gave, to keep their places with nulls when it cannot be read.
    names: Mutex<Vec<Series>>,
}

impl ProbeSlot {
    fn new((name, probe): (&'static str, Box<dyn Probe>)) -> Self {
        Self { name, probe: Mutex::new(Some(probe)), names: Mutex::default() }
    }
}

/// What a mutex guards, whoever panicked with it: a probe that failed is asked again.
fn hold<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Probes {
    /// The probes of the machine under `root`, but for those named in `forbidden`.
    #[must_use]
    pub fn new(root: &Path, forbidden: &[String]) -> Arc<Self> {
        let slots = ioc_probe::sampled_probes(root)
            .into_iter()
            .filter(|(name, _)| !forbidden.iter().any(|forbidden| forbidden == name))
            .map(ProbeSlot::new)
            .collect();
        Arc::new(Self { root: root.to_owned(), slots, generation: AtomicU64::new(0), current: AtomicUsize::new(0) })
    }

    /// These probes, whatever machine they read.
    #[cfg(test)]
    pub(crate) fn of(list: Vec<(&'static str, Box<dyn Probe>)>) -> Arc<Self> {
        let slots = list.into_iter().map(ProbeSlot::new).collect();
        Arc::new(Self { root: PathBuf::from("/"), slots, generation: AtomicU64::new(0), current: AtomicUsize::new(0) })
    }

    /// Gives up the run that is under way, and says at which probe it hangs.
    pub fn give_up(&self) -> &'static str {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.slots.get(self.current.load(Ordering::SeqCst)).map_or("?", |slot| slot.name)
    }
}

/// Makes samples: reads the probes that are due, and puts their numbers into an order that stays while the machine does not change.
pub struct Sampler {
    probes: Arc<Probes>,
    generation: u64,
    outcomes: Vec<ProbeOutcome>,
    collect: SampleBuilder,
    layout: Option<Layout>,
    device_events: DeviceEvents,
    buffer: Vec<u8>,
    last_ms: Option<u64>,
}

/// A number of a survey: metric, subject, value.
pub type Number = (&'static str, String, f64);

/// What one run of the probes gave.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenSample {
    /// One value for each series of the layout, none where it is not known.
    pub sample: Sample,
    /// The layout, when it is not the one of the sample before.
    pub new_layout: Option<Layout>,
    /// Whether a probe's outcome changed.
    pub outcomes_changed: bool,
    /// What happened since the last sample.
    pub events: Vec<Event>,
    /// How often the kernel had told of devices before this sample was taken; none where nobody counts.
    pub device_events: Option<u64>,
}

impl Sampler {
    /// Reads with these probes.
    #[must_use]
    pub fn new(probes: Arc<Probes>) -> Self {
        let count = probes.slots.len();
        Self {
            generation: probes.generation.load(Ordering::SeqCst),
            device_events: DeviceEvents::new(&probes.root),
            probes,
            outcomes: vec![ProbeOutcome::Unknown { why: "not yet read".to_owned() }; count],
            collect: SampleBuilder::default(),
            layout: None,
            buffer: Vec::new(),
            last_ms: None,
        }
    }

    /// A sampler that goes on where one hangs that was given up: the same probes but for the one that is not back.
    #[must_use]
    pub fn successor(probes: &Arc<Probes>, outcomes: Vec<ProbeOutcome>, layout: Option<Layout>) -> Self {
        Self { outcomes, layout, ..Self::new(Arc::clone(probes)) }
    }

    /// Runs every probe once. `now_ms` is the boot clock; `own` is the agent's own cost; `more` are the numbers of surveys. None
    /// when this run was given up meanwhile.
    pub fn take(&mut self, now_ms: u64, own: &AgentUsage, more: &[Number]) -> Option<TakenSample> {
        let elapsed_s = self.last_ms.map(|last| now_ms.saturating_sub(last) as f64 / 1000.0).filter(|s| *s > 0.0);
        self.last_ms = Some(now_ms);
        let mut outcomes_changed = false;
        let mut events = Vec::new();
        let device_events = self.device_events.count(&mut self.buffer);
        self.collect.start();
        let probes = Arc::clone(&self.probes);
        for (number, slot) in probes.slots.iter().enumerate() {
            probes.current.store(number, Ordering::SeqCst);
            let start = self.collect.at;
            let lent = hold(&slot.probe).take();
            let outcome = match lent {
                Some(mut probe) => {
                    let mut context =
                        SampleContext { elapsed_s, device_events, buffer: &mut self.buffer, events: &mut events };
                    let collect = &mut self.collect;
                    let read = std::panic::AssertUnwindSafe(|| probe.read(&mut context, collect));
                    let outcome = std::panic::catch_unwind(read);
                    *hold(&slot.probe) = Some(probe);
                    outcome.unwrap_or_else(|_| {
                        self.collect.back_to(start);
                        ProbeOutcome::Unknown { why: "failed; the agent's log names the place".to_owned() }
                    })
                }
                None => ProbeOutcome::Unknown { why: "does not answer; the other probes go on without it".to_owned() },
            };
            if probes.generation.load(Ordering::SeqCst) != self.generation {
                return None;
            }
            let mut names = hold(&slot.names);
            if matches!(outcome, ProbeOutcome::Unknown { .. }) && self.collect.at == start {
                for name in names.iter() {
                    self.collect.put_name(name);
                }
            }
            outcomes_changed |= outcome != self.outcomes[number];
            self.outcomes[number] = outcome;
            let given = &self.collect.series[start..self.collect.at];
            if *names != given {
                *names = given.to_vec();
            }
        }
        own.emit(&mut self.collect);
        for (metric, subject, value) in more {
            self.collect.put(metric, subject, *value);
        }
        let changed = self.collect.end() || self.layout.is_none();
        let new_layout = if changed { self.relayout() } else { None };
        let layout = self.layout.as_ref().map_or(LayoutId(0), Layout::id);
        let sample = Sample { layout, v: std::mem::take(&mut self.collect.values) };
        Some(TakenSample { sample, new_layout, outcomes_changed, events, device_events })
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

    /// Each probe's outcome at the last sample.
    #[must_use]
    pub fn outcomes(&self) -> Vec<ProbeReport> {
        let pairs = self.probes.slots.iter().zip(&self.outcomes);
        pairs.map(|(slot, outcome)| ProbeReport { probe: slot.name.to_owned(), outcome: outcome.clone() }).collect()
    }
}

/// Collects numbers, comparing each name with the one that stood there last time, so that nothing is allocated while the
/// layout stays the same.
#[derive(Debug, Default)]
struct SampleBuilder {
    series: Vec<Series>,
    values: Vec<Option<f64>>,
    at: usize,
    changed: bool,
}

impl SampleBuilder {
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

    /// Takes back what was given since the place `at`.
    fn back_to(&mut self, at: usize) {
        self.values.truncate(at);
        self.at = at;
    }

    fn end(&mut self) -> bool {
        if self.series.len() > self.at {
            self.series.truncate(self.at);
            self.changed = true;
        }
        self.changed
    }
}

impl Sink for SampleBuilder {
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
mod tests;
