//! A sampling probe that is read only every few samples: what it read stands in the samples between. What comes with a driver and is not
//! there is looked for yet more seldom.

use ioc_common::reading::Sink;

use super::{Hotplug, Probe, ProbeOutcome, SampleContext};

/// Reads `probe` every so many samples.
pub(super) struct EveryN {
    probe: Box<dyn Probe>,
    every_n: u32,
    /// Whether a driver may have come; none where what is read comes without one.
    hotplug: Option<Hotplug>,
    samples: u32,
    elapsed_s: Option<f64>,
    last_values: Vec<(&'static str, String, f64)>,
    outcome: ProbeOutcome,
}

impl EveryN {
    /// Reads `probe` at the first sample and then every `every_n` samples. One whose subject `comes_with_driver` and is not there is read
    /// at such a sample only if devices came or went since, and at every sixth of them in any case.
    pub(super) fn new(probe: Box<dyn Probe>, every_n: u32, comes_with_driver: bool) -> Self {
        let outcome = ProbeOutcome::Unknown { why: "not yet read".to_owned() };
        let hotplug = comes_with_driver.then(Hotplug::default);
        Self { probe, every_n: every_n.max(1), hotplug, samples: 0, elapsed_s: None, last_values: Vec::new(), outcome }
    }

    /// Whether it is read at this sample.
    fn is_due(&mut self, device_events: Option<u64>) -> bool {
        let turn = self.samples.is_multiple_of(self.every_n);
        self.samples = self.samples.wrapping_add(1);
        if !turn {
            return false;
        }
        let may_be_there = self.hotplug.as_mut().is_none_or(|hotplug| hotplug.may_have_changed(device_events));
        may_be_there || !matches!(self.outcome, ProbeOutcome::Absent { .. })
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
        if self.is_due(context.device_events) {
            let mut keep = ValueKeeper { last_values: &mut self.last_values, at: 0 };
            let mut inner = SampleContext {
                elapsed_s: self.elapsed_s,
                device_events: context.device_events,
                buffer: context.buffer,
                events: context.events,
            };
            self.outcome = self.probe.read(&mut inner, &mut keep);
            let end = keep.at;
            self.last_values.truncate(end);
            self.elapsed_s = None;
        }
        for (metric, subject, value) in &self.last_values {
            sink.put(metric, subject, *value);
        }
        self.outcome.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Numbers;

    /// Counts how often it is read; what it reads is not there before the fifth time.
    struct Driver(u32);

    impl Probe for Driver {
        fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
            self.0 += 1;
            sink.put("load.1", "", f64::from(self.0));
            if self.0 < 5 { ProbeOutcome::Absent { why: "no driver".to_owned() } } else { ProbeOutcome::Read }
        }
    }

    #[test]
    fn what_comes_with_a_driver_is_looked_for_when_devices_came_and_seldom_otherwise() {
        let reads = |with_driver: bool, counts: &[u64]| -> Vec<f64> {
            let mut probe = EveryN::new(Box::new(Driver(0)), 2, with_driver);
            let (mut buffer, mut events) = (Vec::new(), Vec::new());
            let mut read = |count: u64| {
                let mut numbers = Numbers::default();
                let device_events = Some(count);
                let mut context =
                    SampleContext { elapsed_s: None, device_events, buffer: &mut buffer, events: &mut events };
                probe.read(&mut context, &mut numbers);
                numbers.0[0].2
            };
            counts.iter().map(|count| read(*count)).collect()
        };
        // At every second sample whatever becomes of devices, or once, with what came at the sample between, and at the sixth time.
        assert_eq!(reads(false, &[7; 7]), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]);
        let counts = [7, 7, 7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10];
        let seen = reads(true, &counts);
        assert_eq!(seen[..14], [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
        // Once it is there it is read as any other.
        assert_eq!(seen[14..], [4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 6.0, 6.0]);
    }
}
