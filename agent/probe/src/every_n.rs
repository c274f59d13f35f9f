//! A sampling probe that is read only every few samples: what it read stands in the samples between.

use ioc_common::reading::Sink;

use super::{Probe, ProbeOutcome, SampleContext};

/// Reads `probe` every so many samples.
pub(super) struct EveryN {
    probe: Box<dyn Probe>,
    every_n: u32,
    samples: u32,
    elapsed_s: Option<f64>,
    last_values: Vec<(&'static str, String, f64)>,
    outcome: ProbeOutcome,
}

impl EveryN {
    /// Reads `probe` at the first sample and then every `every_n` samples.
    pub(super) fn new(probe: Box<dyn Probe>, every_n: u32) -> Self {
        let outcome = ProbeOutcome::Unknown { why: "not yet read".to_owned() };
        Self { probe, every_n: every_n.max(1), samples: 0, elapsed_s: None, last_values: Vec::new(), outcome }
    }
}

/// Keeps what is given, writing over what stood there so that nothing is allocated while names stay.
struct ValueKeeper<'k> {
    last_values: &'k mut Vec<(&'static str, String, f64)>,
    at: usize,
}

impl Sink for ValueKeeper<'_> {
    fn put(&mut self, metric: &'static str, subject: &str, value: f64) {
        match self.last_values.get_mut(self.at) {
            Some((name, about, last_values)) if *name == metric && about == subject => *last_values = value,
            _ => {
                self.last_values.truncate(self.at);
                self.last_values.push((metric, subject.to_owned(), value));
            }
        }
        self.at += 1;
    }
}

impl Probe for EveryN {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        // Rates are over the time since this probe was last read.
        self.elapsed_s = match (self.elapsed_s, context.elapsed_s) {
            (Some(before), Some(now)) => Some(before + now),
            (None, now) => now,
            (before, None) => before,
        };
        if self.samples.is_multiple_of(self.every_n) {
            let mut keep = ValueKeeper { last_values: &mut self.last_values, at: 0 };
            let mut inner = SampleContext { elapsed_s: self.elapsed_s, buffer: context.buffer, events: context.events };
            self.outcome = self.probe.read(&mut inner, &mut keep);
            let end = keep.at;
            self.last_values.truncate(end);
            self.elapsed_s = None;
        }
        self.samples = self.samples.wrapping_add(1);
        for (metric, subject, value) in &self.last_values {
            sink.put(metric, subject, *value);
        }
        self.outcome.clone()
    }
}
