//! Scenarios with simulated time, as golden text: what went in, and every effect that came out.

mod acknowledge;
mod alerts;
mod budgets;
mod clock_steps;
mod deadlines;
mod documents;
mod evidence;
mod fleet;
mod foretold;
mod identity_collision;
mod link_idle;
mod losses;
mod measures;
mod simulation;
mod storms;

use std::fmt::Write as _;
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::config::Source;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::report::{
    Body, Envelope, Facts, Goodbye, GoodbyeReason, Hello, Losses, Position, Report, Sample, SensorFacts, StateReport,
    StateText,
};
use proptest::prelude::*;

use crate::{
    Action, Device, DeviceInfo, DeviceKind, Effect, HostAnswer, Input, Occasion, ReportVerdict, RuleSet, Snapshot,
    State, TimeLimits,
};

const RULES: &str = r#"
[[rule]]
id = "device-silent"
kind = "silent"
severity = "critical"
title = { vi = "Mất liên lạc", en = "Device silent" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "device-over-budget"
kind = "budget"
severity = "warning"
title = { vi = "Quá mức", en = "Over budget" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "disk-nearly-full"
kind = "threshold"
severity = "warning"
metric = "fs.used_pct"
raise = { above = 90 }
clear = { below = 85 }
for = "1m"
title = { vi = "Đĩa sắp đầy", en = "Disk nearly full" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "clock-wrong"
kind = "threshold"
severity = "info"
metric = "clock.error"
raise = { above = 60 }
clear = { below = 10 }
title = { vi = "Đồng hồ sai", en = "Clock wrong" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "reports-lost"
kind = "threshold"
severity = "warning"
metric = "reports.lost"
raise = { above = 60 }
clear = { below = 1 }
title = { vi = "Mất báo cáo", en = "Reports lost" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "sensor-alarm"
kind = "threshold"
severity = "critical"
metric = "sensor.alarm"
raise = { above = 0.5 }
clear = { below = 0.5 }
title = { vi = "Báo động", en = "Alarm" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "warming"
kind = "rate"
severity = "warning"
metric = "env.temperature"
raise = { above = 3 }
clear = { below = 1 }
within = "10m"
title = { vi = "Nóng nhanh", en = "Warming" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "frozen"
kind = "stuck"
severity = "warning"
metric = "env.temperature"
for = "1h"
title = { vi = "Treo", en = "Frozen" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "administrator-changed"
kind = "change"
severity = "warning"
document = "accounts"
path = "/accounts/*?administrator/name"
title = { vi = "Quản trị thay đổi", en = "Administrators changed" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "port-unapproved"
kind = "approved"
severity = "warning"
document = "protection"
path = "/listening/*/port"
approved = ["tcp/22"]
title = { vi = "Cổng lạ", en = "Port not approved" }
advice = { vi = "x", en = "x" }
"#;

const START_MS: i64 = 1_795_485_600_000;

struct Scene {
    state: State,
    now_s: i64,
    seq: u64,
    log: String,
    effects: Vec<Effect>,
}

fn id() -> DeviceId {
    DeviceId::new("srv-01").expect("valid")
}

fn layout(mounts: &[&str]) -> Layout {
    let mut series = vec![Series::new("load.1", "")];
    series.extend(mounts.iter().map(|mount| Series::new("fs.used_pct", mount)));
    Layout::new(series).expect("allowed")
}

fn rules() -> Arc<RuleSet> {
    Arc::new(RuleSet::parse(&Source::built_in("rules.toml", RULES)).unwrap_or_else(|e| panic!("{e}")))
}

fn hello(boot: &str, mounts: &[&str]) -> Body {
    Body::Hello(Box::new(Hello {
        agent_version: "0.1.0".into(),
        boot_id: boot.into(),
        run: boot.into(),
        fingerprint: "f".into(),
        interval_s: 10,
        keep_alive_s: 10,
        facts: Facts::default(),
        probes: Vec::new(),
        layout: layout(mounts),
        losses: Losses::default(),
        former: Vec::new(),
        sensor: None,
    }))
}

fn sample(used: &[f64]) -> Body {
    let mounts: Vec<&str> = ["/", "/var"].into_iter().take(used.len()).collect();
    let v = std::iter::once(Some(0.5)).chain(used.iter().copied().map(Some)).collect();
    Body::Sample(Sample { layout: layout(&mounts).id(), v })
}

impl Scene {
    fn new() -> Self {
        let (state, _) =
            State::restore(rules(), Arc::default(), TimeLimits::default(), Snapshot::default(), Timestamp::default());
        let mut scene = Self { state, now_s: 0, seq: 0, log: String::new(), effects: Vec::new() };
        scene.input(Input::Enrolled(DeviceInfo::new(id(), DeviceKind::Server, "DB 1")));
        scene.input(Input::Connected { device: &id(), keep_alive_s: 10 });
        scene.report(hello("boot-a", &["/"]), 0, 0);
        scene.log.clear();
        scene
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START_MS + self.now_s * 1000)
    }

    fn input(&mut self, input: Input<'_>) -> ReportVerdict {
        let mut out = Vec::new();
        let now = self.now();
        let verdict = self.state.step(input, now, &mut out).unwrap_or_else(|e| panic!("{e}"));
        for effect in &out {
            let line = match effect {
                Effect::Presence(device) => {
                    let device = self.state.device(device).expect("known");
                    let of = device.info.parent.as_ref().map_or(String::new(), |_| format!("{} ", device.info.id));
                    format!("presence {of}{}", device.presence.as_str())
                }
                Effect::Announced(info) => format!("announced {} {}", info.id, info.place),
                Effect::Quarantined(device) => format!("quarantined {device}"),
                Effect::Removed(device) => format!("removed {device}"),
                Effect::Fault(f) => {
                    format!("fault {} {} {} under {:?}", f.id, f.rule, f.state.as_str(), f.incident.map(|i| i.0))
                }
                Effect::Incident(i) => format!("incident {} {} raised {}", i.id, i.state.as_str(), i.raised),
                Effect::Step(s) => format!("step {}.{} {}: {}", s.incident.0, s.number, s.state.as_str(), s.note.en),
                Effect::Notice(n) => format!("NOTICE {} {} {}", n.incident, n.occasion.as_str(), n.title.en),
                Effect::Window(window) => format!("window {}", window.title),
                Effect::WindowEnded(id) => format!("window {id} gone"),
                Effect::Comparison { device, rule, comparison } => {
                    format!("list {device} {rule}: {:?}", comparison.found)
                }
                Effect::Cover(cover) => format!("cover {} {}", cover.rota, cover.person),
                Effect::CoverEnded(id) => format!("cover {id} gone"),
                Effect::ProbeHost(_) => "probe host".to_owned(),
                Effect::ReportsLost(device, loss) => {
                    format!("lost {device} {:?} {}..{}", losses::named(loss), loss.after, loss.before)
                }
                // Beside what it is about.
                Effect::LossLedger(_) => continue,
                Effect::Ask(_, ask) => format!("ask {ask:?}"),
                Effect::Record { action, .. } => format!("record {}", action.as_str()),
            };
            let _ = writeln!(self.log, "{:>5} {line}", self.now_s);
        }
        self.effects.extend(out);
        verdict
    }

    /// Moves on to `at_s`, waking as asked on the way.
    fn until(&mut self, at_s: i64) {
        while let Some(wake) = self.state.next_wake() {
            let wake_s = (wake.as_millis() - START_MS + 999).div_euclid(1000);
            if wake_s > at_s {
                break;
            }
            self.now_s = wake_s.max(self.now_s);
            self.input(Input::Wake);
        }
        self.now_s = at_s;
    }

    /// A report that was taken `age_s` ago, by a clock that is ahead by `ahead_s`.
    fn report(&mut self, body: Body, age_s: i64, ahead_s: i64) -> ReportVerdict {
        self.seq += 1;
        self.report_at(Position { epoch: 1, seq: self.seq }, body, age_s, ahead_s)
    }

    fn report_at(&mut self, position: Position, body: Body, age_s: i64, ahead_s: i64) -> ReportVerdict {
        self.report_about(None, position, body, age_s, ahead_s)
    }

    fn sensor(&mut self, name: &str, body: Body) -> ReportVerdict {
        self.seq += 1;
        self.report_about(Some(name), Position { epoch: 1, seq: self.seq }, body, 0, 0)
    }

    fn report_about(
        &mut self,
        about: Option<&str>,
        position: Position,
        body: Body,
        age_s: i64,
        ahead_s: i64,
    ) -> ReportVerdict {
        let envelope = Envelope {
            device: id(),
            about: about.map(|name| name.parse().expect("a name")),
            position,
            boot: "boot".into(),
            taken_at: self.now().plus_millis((ahead_s - age_s) * 1000),
            age_ms: Some(u64::try_from(age_s * 1000).expect("not negative")),
            lost: None,
        };
        self.input(Input::Report(&Report { envelope, body }))
    }

    fn golden(&self, expected: &str) {
        let expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let found: Vec<&str> = self.log.lines().map(str::trim).collect();
        assert_eq!(found, expected, "\n{}", self.log);
    }
}

fn sensor_hello(series: &[(&str, &str)], texts: Vec<StateText>) -> Body {
    let layout = Layout::new(series.iter().map(|(metric, subject)| Series::new(metric, subject)).collect());
    let Body::Hello(mut hello) = hello("boot-a", &[]) else { unreachable!() };
    hello.layout = layout.expect("allowed");
    let room = "P.101".to_owned();
    hello.sensor =
        Some(SensorFacts { kind: "ups".into(), title: "UPS 1".into(), room, texts, ..SensorFacts::default() });
    Body::Hello(hello)
}

fn sensor_sample(series: &[(&str, &str)], v: &[f64]) -> Body {
    let layout = Layout::new(series.iter().map(|(metric, subject)| Series::new(metric, subject)).collect());
    Body::Sample(Sample { layout: layout.expect("allowed").id(), v: v.iter().copied().map(Some).collect() })
}

const ALARM: [(&str, &str); 1] = [("sensor.alarm", "battery")];

#[test]
fn a_sensor_is_announced_judged_in_its_own_words_and_missed() {
    let mut scene = Scene::new();
    // Nothing is kept of what was never announced, and its host is asked, once.
    for _ in 0..3 {
        assert_eq!(scene.sensor("ups-1", sensor_sample(&ALARM, &[0.0])), ReportVerdict::Unannounced);
    }
    let texts =
        vec![StateText {
            series: "sensor.alarm|battery".into(), vi: "Hỏng ắc quy".into(), en: "Battery bad".into()
        }];
    scene.sensor("ups-1", sensor_hello(&ALARM, texts));
    scene.sensor("ups-1", sensor_sample(&ALARM, &[1.0]));
    scene.now_s = 10;
    scene.sensor("ups-1", sensor_sample(&ALARM, &[0.0]));
    // The host goes on, but not about the sensor.
    for at_s in [20, 60, 80] {
        scene.until(at_s);
        scene.report(sample(&[1.0]), 0, 0);
    }
    scene.golden(
        "0 ask Hello
        0 announced srv-01.ups-1 P.101
        0 record sensor.announced
        0 presence srv-01.ups-1 live
        0 fault F-000001 sensor-alarm raised under None
        0 fault F-000001 sensor-alarm raised under Some(1)
        0 incident INC-000001 open raised 1
        0 step 1.1 open: The device reports: Battery bad.
        0 NOTICE INC-000001 opened Alarm
        10 fault F-000001 sensor-alarm cleared under Some(1)
        10 incident INC-000001 resolved raised 0
        10 step 1.2 resolved: Back to normal.
        10 NOTICE INC-000001 resolved Alarm
        80 presence srv-01.ups-1 silent
        80 fault F-000002 device-silent raised under Some(2)
        80 incident INC-000002 open raised 1
        80 step 2.1 open: Its host goes on reporting but says nothing of this device any more: it may have been taken out of the configuration.
        80 NOTICE INC-000002 opened Device silent",
    );
}

#[test]
fn one_host_that_falls_silent_is_one_incident_and_its_sensors_are_held_until_heard() {
    let mut scene = Scene::new();
    scene.sensor("ups-1", sensor_hello(&ALARM, Vec::new()));
    scene.sensor("ups-1", sensor_sample(&ALARM, &[0.0]));
    scene.log.clear();
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(60);
    scene.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    scene.report(sample(&[1.0]), 0, 0);
    // The host is back; the sensor is not, and nobody is paged for it before it has had its time.
    scene.now_s = 100;
    scene.report(sample(&[1.0]), 0, 0);
    scene.sensor("ups-1", sensor_sample(&ALARM, &[0.0]));
    scene.now_s = 130;
    scene.report(sample(&[1.0]), 0, 0);
    let mut out = Vec::new();
    scene.state.step(Input::Removed(&id()), scene.now(), &mut out).expect("allowed");
    assert_eq!(out, [Effect::Removed(DeviceId::new("srv-01.ups-1").expect("valid"))]);
    scene.golden(
        "0 presence live
        5 presence suspect
        5 probe host
        7 presence silent
        7 fault F-000001 device-silent raised under Some(1)
        7 incident INC-000001 open raised 1
        7 step 1.1 open: The agent is lost; the host could not be asked.
        7 NOTICE INC-000001 opened Device silent
        7 presence srv-01.ups-1 silent
        60 presence live
        60 fault F-000001 device-silent cleared under Some(1)
        60 incident INC-000001 resolved raised 0
        60 step 1.2 resolved: The device is heard again.
        60 NOTICE INC-000001 resolved Device silent
        100 presence srv-01.ups-1 live",
    );
}

#[test]
fn a_limit_must_be_crossed_for_its_time_and_is_cleared_by_the_other_limit() {
    let mut scene = Scene::new();
    for (at, used) in
        [(0, 80.0), (10, 91.0), (40, 89.0), (50, 91.0), (100, 92.0), (110, 93.0), (120, 87.0), (130, 84.0)]
    {
        scene.until(at);
        scene.report(sample(&[used]), 0, 0);
    }
    scene.golden(
        "110 fault F-000001 disk-nearly-full raised under None
         110 fault F-000001 disk-nearly-full raised under Some(1)
         110 incident INC-000001 open raised 1
         110 step 1.1 open: Space used (/): 93 %, above 90 % for 1 minute.
         110 NOTICE INC-000001 opened Disk nearly full
         130 fault F-000001 disk-nearly-full cleared under Some(1)
         130 incident INC-000001 resolved raised 0
         130 step 1.2 resolved: Back to normal: 84 %.
         130 NOTICE INC-000001 resolved Disk nearly full",
    );
}

#[test]
fn a_fault_that_returns_reopens_its_incident_and_a_second_disk_joins_it() {
    let mut scene = Scene::new();
    scene.report(hello("boot-a", &["/", "/var"]), 0, 0);
    for (at, used) in
        [(0, [91.0, 50.0]), (60, [91.0, 50.0]), (70, [80.0, 50.0]), (80, [91.0, 95.0]), (140, [91.0, 95.0])]
    {
        scene.until(at);
        scene.report(sample(&used), 0, 0);
    }
    let incidents: Vec<&str> = scene.log.lines().filter(|line| line.contains("incident")).map(str::trim).collect();
    assert_eq!(
        incidents,
        [
            "60 incident INC-000001 open raised 1",
            "70 incident INC-000001 resolved raised 0",
            "140 incident INC-000001 reopened raised 1",
            "140 incident INC-000001 reopened raised 2"
        ]
    );
    assert_eq!(scene.log.matches("NOTICE").count(), 3, "opened, resolved, reopened once\n{}", scene.log);
    // After the reopening time it would be a new one.
    scene.until(150);
    scene.report(sample(&[10.0, 10.0]), 0, 0);
    scene.until(150 + 1801);
    scene.report(sample(&[91.0, 10.0]), 0, 0);
    scene.until(150 + 1801 + 60);
    scene.report(sample(&[91.0, 10.0]), 0, 0);
    assert!(scene.log.contains("INC-000002 open"), "{}", scene.log);
}

#[test]
fn a_broken_link_is_probed_then_silent_then_heard_again() {
    let mut scene = Scene::new();
    scene.until(100);
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(106);
    scene.input(Input::HostProbed { device: &id(), answer: HostAnswer::Yes });
    scene.until(200);
    scene.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    scene.report(sample(&[10.0]), 0, 0);
    scene.golden(
        "100 presence live
         105 presence suspect
         105 probe host
         106 presence silent
         106 fault F-000001 device-silent raised under Some(1)
         106 incident INC-000001 open raised 1
         106 step 1.1 open: The agent is lost but the host answers: the agent has stopped or is blocked.
         106 NOTICE INC-000001 opened Device silent
         200 presence live
         200 fault F-000001 device-silent cleared under Some(1)
         200 incident INC-000001 resolved raised 0
         200 step 1.2 resolved: The device is heard again.
         200 NOTICE INC-000001 resolved Device silent",
    );
}

#[test]
fn a_host_that_cannot_be_asked_is_silent_all_the_same_and_a_quick_return_is_nothing() {
    let mut scene = Scene::new();
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(3);
    scene.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    scene.until(60);
    assert!(!scene.log.contains("silent"), "{}", scene.log);
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(68);
    assert!(scene.log.contains("67 presence silent") && scene.log.contains("could not be asked"), "{}", scene.log);
}

#[test]
fn a_goodbye_is_no_outage_until_its_deadline() {
    let mut scene = Scene::new();
    scene.report(Body::Goodbye(Goodbye { reason: GoodbyeReason::Stop, return_within_s: 120 }), 0, 0);
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(119);
    scene.golden("0 presence away");
    scene.until(125);
    assert!(scene.log.contains("120 probe host") && scene.log.contains("NOTICE"), "{}", scene.log);

    let mut back = Scene::new();
    back.report(Body::Goodbye(Goodbye { reason: GoodbyeReason::Shutdown, return_within_s: 120 }), 0, 0);
    back.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    back.until(90);
    back.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    back.report_at(Position { epoch: 2, seq: 1 }, hello("boot-b", &["/"]), 0, 0);
    back.until(600);
    back.golden("0 presence away\n90 presence live\n90 record device.rebooted");
}

#[test]
fn what_came_and_went_in_a_backlog_is_past_and_what_is_still_bad_is_told() {
    let mut scene = Scene::new();
    scene.until(7200);
    for (age, used) in [(3000, 95.0), (2940, 95.0), (2880, 10.0), (600, 95.0), (540, 95.0), (480, 95.0)] {
        scene.report(sample(&[used]), age, 0);
    }
    scene.golden(
        "7200 fault F-000001 disk-nearly-full raised under None
         7200 fault F-000001 disk-nearly-full past under None
         7200 fault F-000002 disk-nearly-full raised under None",
    );
    scene.report(sample(&[95.0]), 0, 0);
    assert_eq!(scene.log.matches("NOTICE").count(), 1, "{}", scene.log);
}

#[test]
fn a_resend_changes_nothing_and_an_unknown_layout_is_asked_for_once() {
    let mut scene = Scene::new();
    let first = scene.report(sample(&[50.0]), 0, 0);
    assert!(matches!(first, ReportVerdict::New { .. }));
    let again = scene.report_at(Position { epoch: 1, seq: scene.seq }, sample(&[99.0]), 0, 0);
    assert_eq!(again, ReportVerdict::Duplicate);
    scene.report(sample(&[50.0, 60.0]), 0, 0);
    scene.report(sample(&[50.0, 60.0]), 0, 0);
    scene.golden("0 ask Hello");
    scene.report(Body::State(StateReport::Layout(layout(&["/", "/var"]))), 0, 0);
    scene.report(sample(&[50.0, 99.0]), 0, 0);
    scene.until(60);
    scene.report(sample(&[50.0, 99.0]), 0, 0);
    assert!(scene.log.contains("raised"), "{}", scene.log);
}

#[test]
fn a_wrong_clock_is_a_fault_and_does_not_decide_history() {
    let mut scene = Scene::new();
    scene.until(1000);
    let verdict = scene.report(sample(&[50.0]), 0, -20 * 365 * 86_400);
    assert_eq!(verdict, ReportVerdict::New { at: scene.now(), kept_at: scene.now() });
    let small = scene.report(sample(&[50.0]), 0, 30);
    assert_eq!(
        small,
        ReportVerdict::New { at: scene.now().plus_millis(30_000), kept_at: scene.now().plus_millis(30_000) },
        "a small error is the device's own word"
    );
    scene.report(sample(&[50.0]), 0, 0);
    scene.golden(
        "1000 fault F-000001 clock-wrong raised under None
         1000 fault F-000001 clock-wrong past under None",
    );
}

#[test]
fn a_series_that_vanishes_takes_its_fault_along() {
    let mut scene = Scene::new();
    scene.report(sample(&[95.0]), 0, 0);
    scene.until(60);
    scene.report(sample(&[95.0]), 0, 0);
    scene.report(Body::State(StateReport::Layout(layout(&["/var"]))), 0, 0);
    assert!(scene.log.contains("60 incident INC-000001 resolved"), "{}", scene.log);
}

fn restart(scene: &Scene) -> (State, Vec<Effect>) {
    let mut snapshot = Snapshot::default();
    for effect in &scene.effects {
        match effect {
            Effect::Fault(fault) => {
                snapshot.faults.retain(|one| one.id != fault.id);
                snapshot.last_fault = snapshot.last_fault.max(fault.id.0);
                if fault.state.is_open() {
                    snapshot.faults.push(fault.clone());
                }
            }
            Effect::Incident(incident) => {
                snapshot.incidents.retain(|one| one.id != incident.id);
                snapshot.last_incident = snapshot.last_incident.max(incident.id.0);
                snapshot.incidents.push(incident.as_ref().clone());
            }
            _ => {}
        }
    }
    let device = scene.state.device(&id()).expect("known");
    snapshot.devices.push(Device { series_states: Vec::new(), bindings: Arc::from([]), ..device.clone() });
    State::restore(rules(), Arc::default(), TimeLimits::default(), snapshot, scene.now())
}

#[test]
fn a_restart_forgets_no_fault_and_opens_no_incident_twice() {
    let mut scene = Scene::new();
    scene.report(sample(&[95.0]), 0, 0);
    scene.until(60);
    scene.report(sample(&[95.0]), 0, 0);
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(80);
    let (state, effects) = restart(&scene);
    assert!(effects.is_empty(), "{effects:?}");
    scene.state = state;
    scene.log.clear();
    scene.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    scene.report(sample(&[95.0]), 0, 0);
    assert!(!scene.log.contains("opened"), "{}", scene.log);
    scene.report(sample(&[10.0]), 0, 0);
    assert_eq!(scene.log.matches("resolved raised 0").count(), 2, "silence and disk both end\n{}", scene.log);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens in whatever order: every fault has a reason, notices of an incident alternate between bad and good,
    /// and restarting in between changes neither.
    #[test]
    fn notices_are_paired_and_reasons_given(script in prop::collection::vec((0_u8..7, 0_i64..90, 0.0_f64..100.0), 1..60)) {
        let mut scene = Scene::new();
        for (what, wait, used) in script {
            scene.until(scene.now_s + wait);
            match what {
                0 => { scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 }); }
                1 => { scene.input(Input::Connected { device: &id(), keep_alive_s: 10 }); }
                2 => { scene.input(Input::HostProbed { device: &id(), answer: HostAnswer::No }); }
                3 => {
                    let (state, effects) = restart(&scene);
                    scene.state = state;
                    scene.effects.extend(effects);
                }
                4 => { scene.report(sample(&[used]), 600, 0); }
                _ => { scene.report(sample(&[used]), 0, 0); }
            }
        }
        let mut bad = std::collections::HashMap::new();
        for effect in &scene.effects {
            match effect {
                Effect::Fault(fault) => prop_assert!(!fault.reason.en.is_empty() && !fault.reason.vi.is_empty()),
                // Said again while it is bad, and only then.
                Effect::Notice(notice) if matches!(notice.occasion, Occasion::Overdue | Occasion::Escalated) => {
                    prop_assert!(bad.get(&notice.incident) == Some(&true), "{}", scene.log);
                }
                Effect::Notice(notice) => {
                    let was = bad.insert(notice.incident, notice.occasion != Occasion::Resolved).unwrap_or(false);
                    prop_assert_ne!(was, notice.occasion != Occasion::Resolved, "{}", scene.log);
                }
                _ => {}
            }
        }
    }
}
