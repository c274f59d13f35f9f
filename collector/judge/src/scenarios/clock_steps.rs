//! The clock is stepped at every state: the same happens after the same real time as without it.

use super::fleet::{Fleet, device, no_plan};
use super::*;
use crate::duty::Plan;
use crate::{HostAnswer, Scope, Window, WindowSchedule};
use ioc_common::language::Language;

const PLAN: &str = r#"
person = [
  { id = "lan", name = "Lan", contact = [{ channel = "sms", address = "1" }] },
  { id = "binh", name = "Binh", contact = [{ channel = "sms", address = "2" }] },
]
[[policy]]
id = "default"
repeat = 2
step = [
  { after = "0s", to = ["person:lan"] },
  { after = "2m", to = ["person:binh"] },
  { after = "5m", to = ["person:lan"] },
]
[[route]]
policy = "default"
"#;

const SECOND: i64 = 1000;
const DAY: i64 = 86_400 * SECOND;
const STEPS_MS: [i64; 7] = [SECOND, 60 * SECOND, 120 * SECOND, 3600 * SECOND, DAY, 365 * DAY, 3652 * DAY];

/// What happens in a run, by real seconds.
enum Event {
    Used(f64),
    /// The device brings more than it may.
    OverBudget,
    /// Reports that never come.
    Missing,
    Acknowledge,
    Lost,
    Back,
    Goodbye,
}

/// What goes by time: a device beyond its budgets, reports that are lost, and one incident: pending, raised, escalating, overdue, taken, cleared, back, flapping, settling,
/// suspect, silent, away, and too late.
fn script() -> Vec<(i64, Event)> {
    let mut all = vec![
        (0, Event::Used(80.0)),
        (60, Event::Used(95.0)),
        (600, Event::OverBudget),
        (800, Event::Missing),
        (1300, Event::Acknowledge),
        (1400, Event::Used(80.0)),
        (1500, Event::Used(95.0)),
        (1700, Event::Lost),
        (1800, Event::Back),
        (1900, Event::Goodbye),
        (2400, Event::Back),
    ];
    // It comes and goes until it flaps, and settles.
    for turn in 0..4 {
        all.push((2500 + turn * 200, Event::Used(80.0)));
        all.push((2600 + turn * 200, Event::Used(95.0)));
    }
    all.push((3300, Event::Used(80.0)));
    // It is silent for good, and nobody takes it.
    all.push((5000, Event::Lost));
    all
}

struct Run {
    state: State,
    real_ms: i64,
    stepped_ms: i64,
    seq: u64,
    log: Vec<(i64, String)>,
}

impl Run {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(START_MS + self.real_ms + self.stepped_ms)
    }

    fn input(&mut self, input: Input<'_>) {
        let mut out = Vec::new();
        let now = self.now();
        self.state.step(input, now, &mut out).unwrap_or_else(|e| panic!("{e}"));
        self.log.extend(out.iter().filter_map(|effect| Some((self.real_ms, shown(&self.state, effect)?))));
    }

    /// The device's own clock is not stepped.
    fn report(&mut self, body: Body) {
        self.seq += 1;
        let envelope = Envelope {
            device: id(),
            about: None,
            position: Position { epoch: 1, seq: self.seq },
            boot: "boot".into(),
            taken_at: Timestamp::from_millis(START_MS + self.real_ms),
            age_ms: Some(0),
            lost: None,
        };
        self.input(Input::Report(&Report { envelope, body }));
    }

    /// Wakes as asked until a moment.
    fn until(&mut self, real_ms: i64) {
        while let Some(wake) = self.state.next_wake() {
            let wake_ms = wake.as_millis() - START_MS - self.stepped_ms;
            if wake_ms > real_ms {
                break;
            }
            self.real_ms = wake_ms.max(self.real_ms);
            self.input(Input::Wake);
        }
        self.real_ms = real_ms;
    }

    fn step_clock(&mut self, by_ms: i64) {
        self.stepped_ms += by_ms;
        let now = self.now();
        self.state.shift(by_ms, now, &mut Vec::new());
    }
}

fn shown(state: &State, effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Presence(device) => format!("presence {}", state.device(device)?.presence.as_str()),
        // How far the device's clock is away changes with ours, by right.
        Effect::Fault(fault) if fault.rule == "clock-wrong" => return None,
        Effect::Fault(fault) => format!("fault {} {}", fault.rule, fault.state.as_str()),
        Effect::Incident(one) => format!("incident {} {} raised {}", one.id, one.state.as_str(), one.raised),
        Effect::Step(step) => format!("step {}.{} {}", step.incident.0, step.state.as_str(), step.note.en),
        Effect::Notice(notice) => format!("NOTICE {} {}", notice.incident, notice.occasion.as_str()),
        Effect::ProbeHost(_) => "probe".to_owned(),
        _ => return None,
    })
}

/// Runs the script; at `at_s` the clock is stepped.
fn run(step: Option<(i64, i64)>) -> Vec<(i64, String)> {
    let source = Source::built_in("duty.toml", PLAN);
    let plan = Plan::parse(&source, &jiff::tz::TimeZone::UTC, Language::Vietnamese, &["sms"])
        .unwrap_or_else(|e| panic!("{e}"));
    let start = Timestamp::from_millis(START_MS);
    let (state, _) = State::restore(rules(), Arc::new(plan), TimeLimits::default(), Snapshot::default(), start);
    let mut run = Run { state, real_ms: 0, stepped_ms: 0, seq: 0, log: Vec::new() };
    run.input(Input::Enrolled(DeviceInfo::new(id(), DeviceKind::Server, "DB 1")));
    run.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    run.report(hello("boot-a", &["/"]));
    let (mut used, mut here, mut script, mut step) = (80.0, true, script().into_iter().peekable(), step);
    for second in 0..7200_i64 {
        if let Some((at_s, by_ms)) = step
            && second >= at_s
        {
            run.until(at_s * 1000 + 500);
            run.step_clock(by_ms);
            step = None;
            continue;
        }
        let due = script.next_if(|(at_s, _)| *at_s <= second);
        if due.is_none() && (second % 10 != 0 || !here) {
            continue;
        }
        run.until(second * 1000);
        match due.map(|(_, event)| event) {
            Some(Event::Used(now)) => used = now,
            Some(Event::OverBudget) => {
                run.input(Input::OverBudget { device: &id(), what: crate::Text::new("x", "x") });
            }
            Some(Event::Missing) => run.seq += 100,
            Some(Event::Acknowledge) => {
                let (incident, action) = (ioc_common::id::IncidentId(1), Action::Acknowledge { note: String::new() });
                run.input(Input::Act { incident, who: "lan", action });
            }
            Some(Event::Lost) => {
                here = false;
                run.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
            }
            Some(Event::Back) => {
                here = true;
                run.input(Input::Connected { device: &id(), keep_alive_s: 10 });
            }
            Some(Event::Goodbye) => {
                here = false;
                run.report(Body::Goodbye(Goodbye { reason: GoodbyeReason::Stop, return_within_s: 300 }));
                run.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
            }
            None => {}
        }
        if here {
            run.report(sample(&[used]));
        }
    }
    run.until(40_000 * 1000);
    run.log
}

#[test]
fn after_a_step_at_any_state_the_same_happens_after_the_same_time() {
    let expected = run(None);
    for word in [
        "over-budget cleared",
        "reports-lost raised",
        "escalated",
        "deadline",
        "reopened",
        "flapping",
        "presence silent",
        "presence away",
        "resolved",
    ] {
        assert!(expected.iter().any(|(_, line)| line.contains(word)), "{word} is not tried: {expected:#?}");
    }
    // Seconds at which something is pending, due or held, and some between.
    let states = [
        3, 65, 118, 122, 250, 700, 850, 1250, 1350, 1410, 1520, 1701, 1705, 1707, 1750, 1950, 2195, 2300, 2650, 3050,
        3400, 4000, 5001, 5006, 5400, 7000,
    ];
    for at_s in states {
        for by_ms in STEPS_MS.into_iter().flat_map(|by_ms| [by_ms, -by_ms]) {
            let found = run(Some((at_s, by_ms)));
            let differs = expected.iter().zip(&found).find(|(expected, found)| expected != found);
            assert!(
                differs.is_none() && expected.len() == found.len(),
                "a step by {} s at {at_s} s: {differs:?}, {} and {} lines",
                by_ms / 1000,
                expected.len(),
                found.len()
            );
        }
    }
}

#[test]
fn a_window_ends_by_the_calendar_and_what_is_held_is_told_then() {
    for by_ms in [3600 * SECOND, DAY, 3652 * DAY, -DAY] {
        let mut scene = Scene::new();
        let (from, until) = (scene.now(), scene.now().plus_millis(1800 * SECOND));
        let scope = Scope { devices: vec![id().to_string()], ..Scope::default() };
        let window = Window {
            id: 0,
            title: "patching".into(),
            scope,
            when: WindowSchedule::Once { from, until },
            freeze: false,
            who: "lan".into(),
            overruled: Vec::new(),
        };
        scene.input(Input::PlanWindow { window, overrule: true });
        scene.report(sample(&[95.0]), 0, 0);
        for at_s in [40, 70] {
            scene.until(at_s);
            scene.report(sample(&[95.0]), 0, 0);
        }
        assert!(!scene.log.contains("NOTICE"), "held: {}", scene.log);
        let mut out = Vec::new();
        let stepped = scene.now().plus_millis(by_ms);
        scene.state.shift(by_ms, stepped, &mut out);
        assert!(scene.state.next_wake().is_some_and(|wake| wake <= stepped), "windows are looked at at once");
        out.clear();
        scene.state.step(Input::Wake, stepped, &mut out).expect("allowed");
        assert!(out.iter().any(|one| matches!(one, Effect::Notice(_))), "the window is over: {out:?}");
    }
}

#[test]
fn what_agrees_with_the_machine_against_us_is_kept_under_its_own_time() {
    let mut scene = Scene::new();
    let hour = 3600;
    // The machine's clock was set forward by an hour, and the device's clock agrees with it.
    scene.state.set_wall_ahead(Some(hour * SECOND));
    let verdict = scene.report(sample(&[10.0]), 0, hour);
    let (at, kept_at) = (scene.now(), scene.now().plus_millis(hour * SECOND));
    assert_eq!(verdict, ReportVerdict::New { at, kept_at }, "judged now, kept under what two clocks say");
    let verdict = scene.report(sample(&[10.0]), 0, 0);
    assert_eq!(verdict, ReportVerdict::New { at, kept_at: at }, "one that agrees with us is as ever");
    let verdict = scene.report(sample(&[10.0]), 0, -7 * hour);
    assert_eq!(verdict, ReportVerdict::New { at, kept_at: at }, "a clock that is wrong anyhow");
}

#[test]
fn a_clock_that_is_minutes_behind_makes_no_backlog_of_what_is_live() {
    let mut scene = Scene::new();
    for at_s in [0, 60] {
        scene.until(at_s);
        scene.report(sample(&[95.0]), 0, -200);
    }
    assert!(scene.log.contains("NOTICE"), "{}", scene.log);
}

#[test]
fn what_is_known_of_a_device_and_its_incident_is_as_old_as_it_was() {
    for by_ms in STEPS_MS.into_iter().flat_map(|by_ms| [by_ms, -by_ms]) {
        let mut scene = Scene::new();
        for at_s in [0, 60] {
            scene.until(at_s);
            scene.report(sample(&[95.0]), 0, 0);
        }
        let moments = |scene: &Scene| {
            let incident = scene.state.incident(ioc_common::id::IncidentId(1)).expect("opened");
            let heard = scene.state.device(&id()).and_then(|device| device.last_heard).expect("heard");
            [heard, incident.opened_at]
        };
        let before = moments(&scene);
        scene.state.shift(by_ms, scene.now().plus_millis(by_ms), &mut Vec::new());
        assert_eq!(moments(&scene), before.map(|at| at.plus_millis(by_ms)), "{by_ms}");
    }
}

#[test]
fn what_is_remembered_of_a_series_is_as_long_ago_after_a_step_as_before() {
    const RULES: &str = r#"
[[rule]]
id = "rate"
kind = "rate"
severity = "warning"
metric = "fs.used_pct"
within = "10m"
raise = { above = 8 }
clear = { below = 2 }
title = { vi = "x", en = "x" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "stuck"
kind = "stuck"
severity = "warning"
metric = "load.1"
for = "10m"
title = { vi = "x", en = "x" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "forecast"
kind = "forecast"
severity = "warning"
metric = "fs.used_pct"
within = "30m"
ahead = "1h"
raise = { above = 98 }
clear = { below = 95 }
title = { vi = "x", en = "x" }
advice = { vi = "x", en = "x" }
"#;
    let run = |step: Option<(i64, i64)>| {
        let rules = RuleSet::parse(&Source::built_in("rules.toml", RULES)).unwrap_or_else(|e| panic!("{e}"));
        let start = Timestamp::from_millis(START_MS);
        let (rules, plan, limits) = (Arc::new(rules), Arc::default(), TimeLimits::default());
        let (state, _) = State::restore(rules, plan, limits, Snapshot::default(), start);
        let mut run = Run { state, real_ms: 0, stepped_ms: 0, seq: 0, log: Vec::new() };
        run.input(Input::Enrolled(DeviceInfo::new(id(), DeviceKind::Server, "DB 1")));
        run.input(Input::Connected { device: &id(), keep_alive_s: 10 });
        run.report(hello("boot-a", &["/"]));
        // Half a percent in a minute up to 42 %, a leap to 64 %, where it stands, and two percent in a minute. The load never moves.
        for second in (0..3600).step_by(10) {
            if let Some((_, by_ms)) = step.filter(|(at_s, _)| *at_s == second) {
                run.until(second * 1000 - 500);
                run.step_clock(by_ms);
            }
            run.until(second * 1000);
            let used = match second {
                0..1500 => 30.0 + second as f64 / 120.0,
                1500..2400 => 64.0,
                _ => 64.0 + (second - 2400) as f64 / 30.0,
            };
            run.report(sample(&[used]));
        }
        run.log.retain(|(_, line)| line.starts_with("fault"));
        run.log
    };
    let expected = run(None);
    for rule in ["rate", "stuck", "forecast"] {
        assert!(expected.iter().any(|(_, line)| line.contains(rule)), "{rule}: {expected:#?}");
    }
    for at_s in (30..3600).step_by(370) {
        for by_ms in STEPS_MS.into_iter().flat_map(|by_ms| [by_ms, -by_ms]) {
            assert_eq!(run(Some((at_s, by_ms))), expected, "a step by {} s at {at_s} s", by_ms / 1000);
        }
    }
}

#[test]
fn an_uplink_that_cannot_be_asked_is_waited_for_as_long_as_without_a_step() {
    let run = |by_ms: i64| {
        let mut fleet = Fleet::behind_switch(4, no_plan());
        let devices: Vec<DeviceId> = (0..4).map(|number| device(&format!("d-{number}"))).collect();
        for device in &devices {
            fleet.input(Input::LinkBroken { device, quiet_ms: 0 }).expect("allowed");
        }
        fleet.pass(15_000);
        for device in &devices {
            fleet.input(Input::HostProbed { device, answer: HostAnswer::No }).expect("allowed");
        }
        assert!(fleet.asked.contains(&device("sw-1")) && fleet.notices.is_empty());
        fleet.input(Input::HostProbed { device: &device("sw-1"), answer: HostAnswer::Unknown }).expect("allowed");
        fleet.pass(5000);
        assert!(fleet.notices.is_empty(), "it is counted still");
        fleet.now = fleet.now.plus_millis(by_ms);
        fleet.state.shift(by_ms, fleet.now, &mut Vec::new());
        let after = (0..120).find(|_| {
            fleet.pass(1000);
            !fleet.notices.is_empty()
        });
        (after, fleet.notices.len(), fleet.incidents.values().map(|one| one.raised).collect::<Vec<_>>())
    };
    let expected = run(0);
    assert_eq!((expected.1, &expected.2), (1, &vec![5]), "{expected:?}");
    for by_ms in STEPS_MS.into_iter().flat_map(|by_ms| [by_ms, -by_ms]) {
        assert_eq!(run(by_ms), expected, "a step by {} s", by_ms / 1000);
    }
}
