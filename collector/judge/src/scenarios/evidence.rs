//! What an incident says of where it came from (article 17.3).

use super::*;
use crate::{AuthenticityMark, Doubt, Evidence, Incident, InformationSource};

impl Scene {
    /// The incident of a rule, as it stands.
    fn of_rule(&self, rule: &str) -> Incident {
        let mut incidents = self.effects.iter().rev().filter_map(|effect| match effect {
            Effect::Incident(incident) if incident.rule == rule => Some((**incident).clone()),
            _ => None,
        });
        incidents.next().unwrap_or_else(|| panic!("no incident of {rule}:\n{}", self.log))
    }

    /// A disk that is full for longer than the rule waits, by a clock that is ahead by `ahead_s`.
    fn full_disk(&mut self, ahead_s: i64) {
        for at_s in [self.now_s, self.now_s + 30, self.now_s + 61] {
            self.until(at_s);
            self.report(sample(&[99.0]), 0, ahead_s);
        }
    }
}

#[test]
fn an_incident_keeps_what_was_known_of_its_source_when_it_was_opened() {
    let mut scene = Scene::new();
    scene.full_disk(120);
    let opened = scene.of_rule("disk-nearly-full");
    let wrong = Evidence { source: InformationSource::Agent, doubts: vec![Doubt::ClockWrong(120_000)] };
    assert_eq!(opened.evidence, wrong);
    assert_eq!(opened.authenticity(true).mark, AuthenticityMark::Unverified);
    // The clock is set right: what was opened by the wrong one stays so; what comes back by the right one is not.
    for used in [50.0, 50.0] {
        let at_s = scene.now_s + 10;
        scene.until(at_s);
        scene.report(sample(&[used]), 0, 0);
    }
    assert_eq!(scene.of_rule("disk-nearly-full").evidence, wrong);
    scene.full_disk(0);
    let back = scene.of_rule("disk-nearly-full");
    assert_eq!(back.evidence, Evidence::of(InformationSource::Agent), "{}", scene.log);
    // While its device is silent nobody knows whether it still is so; once it is over that says nothing any more.
    assert_eq!(back.authenticity(true).mark, AuthenticityMark::Verified);
    let silent = back.authenticity(false);
    assert_eq!((silent.mark, silent.doubts), (AuthenticityMark::Stale, vec![Doubt::NotReporting]));
    let over = Incident { state: crate::IncidentState::Resolved, ..back };
    assert_eq!(over.authenticity(false).mark, AuthenticityMark::Verified);
}

#[test]
fn what_the_collector_sees_itself_is_verified_and_a_sensors_word_is_not() {
    let mut scene = Scene::new();
    scene.sensor("ups-1", sensor_hello(&ALARM, Vec::new()));
    scene.sensor("ups-1", sensor_sample(&ALARM, &[1.0]));
    let alarm = scene.of_rule("sensor-alarm");
    assert_eq!(alarm.evidence, Evidence::of(InformationSource::Sensor));
    assert_eq!(alarm.authenticity(true).doubts, [Doubt::SensorProtocol]);
    // Lost reports are the collector's own finding, and speak against what the device says meanwhile.
    let at_s = scene.now_s + 10;
    scene.until(at_s);
    scene.seq += 70;
    scene.report(sample(&[1.0]), 0, 0);
    let lost = scene.of_rule("reports-lost");
    assert_eq!(lost.evidence, Evidence::of(InformationSource::Collector), "{}", scene.log);
    scene.full_disk(0);
    let doubts = scene.of_rule("disk-nearly-full").evidence.doubts;
    assert_eq!(doubts, [Doubt::ReportsLost]);
    // Silence of a device is what the collector hears.
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    let at_s = scene.now_s + 200;
    scene.until(at_s);
    let silent = scene.of_rule("device-silent");
    assert_eq!(silent.authenticity(false).mark, AuthenticityMark::Verified, "{}", scene.log);
}
