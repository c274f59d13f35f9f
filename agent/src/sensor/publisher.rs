//! What is known of each sensor, and when the agent is told: at every interval, and at once when a state changes. Pure but for the
//! writer it is given.

use std::collections::BTreeMap;
use std::io::Write;

use ioc_common::id::SensorName;
use ioc_common::layout::{LAYOUT_MAX_SERIES, Layout, Series};
use ioc_common::reading::brief;
use ioc_common::report::{Facts, ProbeOutcome};

use super::settings::SensorIdentity;
use super::{Announcement, SensorChange, SensorUpdate};

/// A value older than this many polls is not known any more.
const STALE_POLLS: u64 = 3;
/// What every sensor tells of how it is read.
const READER_METRICS: [&str; 4] = ["sensor.up", "sensor.answer_time", "sensor.errors", "sensor.out_of_range"];
/// Metrics whose every change is told at once: states, not levels.
const STATES: [&str; 19] = [
    "contact.alarm",
    "cooling.alarms",
    "cooling.on",
    "projector.errors",
    "projector.power",
    "sensor.alarm",
    "sensor.up",
    "ups.alarm",
    "ups.bypass",
    "ups.forced_shutdown",
    "ups.linked",
    "ups.low_battery",
    "ups.no_battery",
    "ups.off",
    "ups.on_battery",
    "ups.overload",
    "ups.replace_battery",
    "ups.says",
    "ups.test_failed",
];

/// The answer of a device to one poll.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Poll {
    /// Metric, subject, value; none where the device does not tell.
    pub numbers: Vec<(&'static str, String, Option<f64>)>,
    /// What the device says of itself; empty texts are not known.
    pub machine: Facts,
    /// Values beyond what can be believed.
    pub out_of_range: u32,
    /// How long it took to answer, milliseconds.
    pub answer_ms: f64,
    /// Metrics whose subjects are said while they hold: what this poll does not name is 0, not unknown.
    pub zero_unless_named: &'static [&'static str],
}

struct SensorState {
    about: SensorIdentity,
    every_ms: u64,
    series: Vec<Series>,
    values: Vec<Option<f64>>,
    machine: Facts,
    outcome: ProbeOutcome,
    polled_ms: Option<u64>,
    errors: u64,
    out_of_range: u32,
    answer_ms: Option<f64>,
    announced: bool,
    /// What was last published, in the order of the series.
    published: Vec<Option<f64>>,
}

/// What is known of each sensor; `W` takes the lines for the agent.
pub struct Publisher<W: Write> {
    out: W,
    interval_s: u32,
    states: BTreeMap<SensorName, SensorState>,
}

impl<W: Write> Publisher<W> {
    /// A publisher that writes to `out`, every `interval_s` seconds.
    pub fn new(out: W, interval_s: u32) -> Self {
        Self { out, interval_s, states: BTreeMap::new() }
    }

    /// A sensor that will be polled every `every_ms`, and what it is expected to give.
    pub fn register(&mut self, about: &SensorIdentity, every_ms: u64, expected: &[(&str, &str)]) {
        let series = READER_METRICS.iter().map(|metric| Series::new(metric, ""));
        let series: Vec<Series> =
            series.chain(expected.iter().map(|(metric, subject)| Series::new(metric, subject))).collect();
        let entry = SensorState {
            about: about.clone(),
            every_ms,
            values: vec![None; series.len()],
            series,
            machine: Facts::default(),
            outcome: ProbeOutcome::Unknown { why: "not yet read".to_owned() },
            polled_ms: None,
            errors: 0,
            out_of_range: 0,
            answer_ms: None,
            announced: false,
            published: Vec::new(),
        };
        self.states.insert(about.name.clone(), entry);
    }

    /// Takes what a poll gave, and tells at once what cannot wait.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn record_poll(&mut self, name: &SensorName, poll: Poll, now_ms: u64) -> std::io::Result<()> {
        let Some(entry) = self.states.get_mut(name) else { return Ok(()) };
        let first = entry.polled_ms.is_none();
        let mut grown = false;
        for (series, value) in entry.series.iter().zip(&mut entry.values) {
            *value = poll.zero_unless_named.contains(&series.metric()).then_some(0.0);
        }
        for (metric, subject, value) in poll.numbers {
            let place = entry.series.iter().position(|series| series.is(metric, &subject)).or_else(|| {
                if entry.series.len() >= LAYOUT_MAX_SERIES || metric.len() + subject.len() > 190 {
                    return None;
                }
                entry.series.push(Series::new(metric, &subject));
                entry.values.push(None);
                grown = true;
                Some(entry.series.len() - 1)
            });
            if let Some(place) = place {
                // A meter's count is kept to the last digit; of all else nobody can tell more than this.
                let shown = if metric == "electric.energy" { |value| value } else { brief };
                entry.values[place] = value.filter(|value| value.is_finite()).map(shown);
            }
        }
        let machine_changed = poll.machine != Facts::default() && poll.machine != entry.machine;
        if machine_changed {
            entry.machine = poll.machine;
        }
        entry.polled_ms = Some(now_ms);
        entry.answer_ms = Some(poll.answer_ms);
        entry.out_of_range = poll.out_of_range;
        let outcome_changed = entry.outcome != ProbeOutcome::Read;
        entry.outcome = ProbeOutcome::Read;
        if !entry.announced || grown || machine_changed {
            self.announce(name)?;
        } else if outcome_changed {
            self.publish(name, SensorChange::ProbeOutcome(ProbeOutcome::Read))?;
        }
        self.publish_if_state_changed(name, now_ms, first || outcome_changed)
    }

    /// Takes note of a poll that failed. Only where nobody answered (`silent`) the sensor is unknown.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn record_failure(&mut self, name: &SensorName, why: &str, silent: bool, now_ms: u64) -> std::io::Result<()> {
        let Some(entry) = self.states.get_mut(name) else { return Ok(()) };
        entry.errors += 1;
        if !silent {
            // One answer that went wrong says nothing yet; what was read before holds for a while.
            return Ok(());
        }
        let outcome = ProbeOutcome::Unknown { why: why.to_owned() };
        let changed = entry.outcome != outcome;
        let went_down = entry.outcome == ProbeOutcome::Read || !entry.announced;
        entry.outcome = outcome.clone();
        entry.values.fill(None);
        entry.answer_ms = None;
        entry.polled_ms = None;
        if !entry.announced {
            self.announce(name)?;
        } else if changed {
            self.publish(name, SensorChange::ProbeOutcome(outcome))?;
        }
        self.publish_if_state_changed(name, now_ms, went_down)
    }

    /// Tells every sensor's numbers: called at each interval.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub fn tick(&mut self, now_ms: u64) -> std::io::Result<()> {
        let names: Vec<SensorName> =
            self.states.iter().filter(|(_, entry)| entry.announced).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.publish_values(&name, now_ms)?;
        }
        Ok(())
    }

    /// What is known of a sensor now, in the order of its series.
    fn current_values(entry: &SensorState, now_ms: u64) -> Vec<Option<f64>> {
        let up = entry.outcome == ProbeOutcome::Read;
        let limit = (entry.every_ms * STALE_POLLS).max(15_000);
        let fresh = entry.polled_ms.is_some_and(|at| now_ms.saturating_sub(at) <= limit);
        let own = [
            Some(f64::from(u8::from(up && fresh))),
            entry.answer_ms.map(brief),
            Some(entry.errors as f64),
            Some(f64::from(entry.out_of_range)),
        ];
        let rest = entry.values.iter().skip(READER_METRICS.len()).map(|value| value.filter(|_| fresh));
        own.into_iter().chain(rest).collect()
    }

    fn publish_if_state_changed(&mut self, name: &SensorName, now_ms: u64, anyway: bool) -> std::io::Result<()> {
        let Some(entry) = self.states.get(name) else { return Ok(()) };
        let now = Self::current_values(entry, now_ms);
        let changed = entry.series.iter().enumerate().any(|(place, series)| {
            STATES.contains(&series.metric()) && entry.published.get(place).copied().flatten() != now[place]
        });
        if anyway || changed { self.publish_values(name, now_ms) } else { Ok(()) }
    }

    fn publish_values(&mut self, name: &SensorName, now_ms: u64) -> std::io::Result<()> {
        let Some(entry) = self.states.get_mut(name) else { return Ok(()) };
        let now = Self::current_values(entry, now_ms);
        entry.published.clone_from(&now);
        self.publish(name, SensorChange::Values(now))
    }

    fn announce(&mut self, name: &SensorName) -> std::io::Result<()> {
        let Some(entry) = self.states.get_mut(name) else { return Ok(()) };
        entry.announced = true;
        let Ok(layout) = Layout::new(entry.series.clone()) else { return Ok(()) };
        let announcement = Announcement {
            facts: entry.about.facts.clone(),
            machine: entry.machine.clone(),
            interval_s: self.interval_s,
            layout,
            outcome: entry.outcome.clone(),
        };
        self.publish(name, SensorChange::Announce(Box::new(announcement)))
    }

    fn publish(&mut self, name: &SensorName, change: SensorChange) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.out, &SensorUpdate { sensor: name.clone(), change })?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::report::SensorFacts;

    fn publisher() -> (Publisher<Vec<u8>>, SensorName) {
        let mut publisher = Publisher::new(Vec::new(), 10);
        let name: SensorName = "ups-1".parse().expect("a name");
        let about = SensorIdentity { name: name.clone(), facts: SensorFacts::default() };
        publisher.register(&about, 1000, &[("ups.charge", ""), ("ups.on_battery", "")]);
        (publisher, name)
    }

    fn poll(charge: f64, on_battery: f64) -> Poll {
        let numbers =
            vec![("ups.charge", String::new(), Some(charge)), ("ups.on_battery", String::new(), Some(on_battery))];
        Poll { numbers, answer_ms: 2.0, ..Poll::default() }
    }

    fn published(publisher: &mut Publisher<Vec<u8>>) -> Vec<SensorChange> {
        let lines = std::mem::take(&mut publisher.out);
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice::<SensorUpdate>(line).expect("reads").change).collect()
    }

    #[test]
    fn levels_wait_for_the_interval_and_states_do_not() {
        let (mut publisher, name) = publisher();
        publisher.tick(0).expect("writes");
        assert!(published(&mut publisher).is_empty(), "nothing is known yet");
        publisher.record_poll(&name, poll(90.0, 0.0), 1000).expect("writes");
        let changes = published(&mut publisher);
        assert!(matches!(changes[0], SensorChange::Announce(_)));
        assert_eq!(
            changes[1],
            SensorChange::Values(vec![Some(1.0), Some(2.0), Some(0.0), Some(0.0), Some(90.0), Some(0.0)])
        );
        publisher.record_poll(&name, poll(80.0, 0.0), 2000).expect("writes");
        assert!(published(&mut publisher).is_empty(), "a level waits");
        publisher.record_poll(&name, poll(79.0, 1.0), 3000).expect("writes");
        assert_eq!(published(&mut publisher).len(), 1, "power lost is told at once");
        publisher.tick(10_000).expect("writes");
        assert_eq!(published(&mut publisher).len(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_never_a_guess() {
        let (mut publisher, name) = publisher();
        publisher.record_poll(&name, poll(90.0, 1.0), 1000).expect("writes");
        published(&mut publisher);
        publisher.record_failure(&name, "timed out", false, 2000).expect("writes");
        assert!(published(&mut publisher).is_empty(), "once is no news");
        publisher.record_failure(&name, "timed out", true, 3000).expect("writes");
        let changes = published(&mut publisher);
        assert!(matches!(&changes[0], SensorChange::ProbeOutcome(ProbeOutcome::Unknown { why }) if why == "timed out"));
        assert_eq!(
            changes[1],
            SensorChange::Values(vec![Some(0.0), None, Some(2.0), Some(0.0), None, None]),
            "lost is not on battery"
        );
        publisher.record_failure(&name, "timed out", true, 4000).expect("writes");
        assert!(published(&mut publisher).is_empty());
        publisher.record_poll(&name, poll(91.0, 0.0), 5000).expect("writes");
        assert!(matches!(published(&mut publisher)[0], SensorChange::ProbeOutcome(ProbeOutcome::Read)));
        // Nobody polls any more: what was read grows old.
        publisher.tick(60_000).expect("writes");
        let SensorChange::Values(values) = &published(&mut publisher)[0] else { panic!("values") };
        assert_eq!((values[0], values[4]), (Some(0.0), None));
    }

    #[test]
    fn a_series_that_appears_makes_a_new_layout() {
        let (mut publisher, name) = publisher();
        publisher.record_poll(&name, poll(90.0, 0.0), 1000).expect("writes");
        published(&mut publisher);
        let mut more = poll(90.0, 0.0);
        more.numbers.push(("ups.load", String::new(), Some(12.0)));
        publisher.record_poll(&name, more, 2000).expect("writes");
        let changes = published(&mut publisher);
        assert!(matches!(&changes[0], SensorChange::Announce(announced) if announced.layout.series().len() == 7));
    }
}
