//! Scenarios of several devices and of people: uplinks, windows, escalation, gates, flapping.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::config::Source;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_common::language::Language;
use ioc_common::report::{Body, Envelope, Position, Report};

use super::{hello, layout, rules};
use crate::duty::{Cover, Plan};
use crate::incident::PersonReport;
use crate::rule::document::Comparison;
use crate::{
    Action, Device, DeviceInfo, DeviceKind, Effect, Fault, FaultState, HostAnswer, Importance, Incident, IncidentState,
    Input, NewIncident, Notice, Occasion, Presence, Refusal, RuleSet, Scope, Severity, Snapshot, State, Text,
    TimeLimits, Window, WindowSchedule,
};

pub(super) const PLAN: &str = r#"
person = [
  { id = "lan", name = "Lan", contact = [{ channel = "sms", address = "1" }] },
  { id = "binh", name = "Binh", contact = [{ channel = "sms", address = "2" }] },
  { id = "chief", name = "Chief", contact = [{ channel = "mail", address = "c@x" }] },
  { id = "dept", name = "Department", contact = [{ channel = "mail", address = "d@x" }] },
]
[[rota]]
id = "duty"
layer = [{ people = ["lan", "binh"], start = "2026-11-02T07:00" }]
[[rota]]
id = "empty"
layer = [{ people = ["lan"], start = "2036-11-02T07:00" }]
[[policy]]
id = "default"
repeat = 1
step = [
  { after = "0s", to = ["rota:duty"] },
  { after = "2m", to = ["rota:empty"] },
  { after = "2m", to = ["person:binh"] },
  { after = "5m", to = ["person:chief"] },
]
[[route]]
policy = "default"
[regulator]
department = "DOST"
people = ["dept"]
"#;

pub(super) fn plan() -> Arc<Plan> {
    let source = Source::built_in("duty.toml", PLAN);
    let plan = Plan::parse(&source, &jiff::tz::TimeZone::UTC, Language::Vietnamese, &["sms", "mail"]);
    Arc::new(plan.unwrap_or_else(|e| panic!("{e}")))
}

/// What a store would keep, and a state over it.
pub(super) struct Fleet {
    pub(super) state: State,
    pub(super) now: Timestamp,
    plan: Arc<Plan>,
    positions: HashMap<DeviceId, u64>,
    pub(super) faults: BTreeMap<FaultId, Fault>,
    pub(super) incidents: BTreeMap<IncidentId, Incident>,
    windows: Vec<Window>,
    covers: Vec<Cover>,
    comparisons: Vec<(DeviceId, String, Comparison)>,
    pub(super) notices: Vec<(Timestamp, Notice)>,
    pub(super) asked: Vec<DeviceId>,
    /// What is said of each device, which the store keeps, too.
    infos: Vec<DeviceInfo>,
}

pub(super) fn start() -> Timestamp {
    "2026-11-25T00:00:00Z".parse().expect("a time")
}

pub(super) fn device(id: &str) -> DeviceId {
    DeviceId::new(id).expect("valid")
}

impl Fleet {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        let (state, _) =
            State::restore(rules(), Arc::clone(&plan), TimeLimits::default(), Snapshot::default(), start());
        Self {
            state,
            now: start(),
            plan,
            positions: HashMap::new(),
            faults: BTreeMap::new(),
            incidents: BTreeMap::new(),
            windows: Vec::new(),
            covers: Vec::new(),
            comparisons: Vec::new(),
            notices: Vec::new(),
            asked: Vec::new(),
            infos: Vec::new(),
        }
    }

    pub(super) fn enrol(&mut self, info: DeviceInfo) {
        self.infos.retain(|one| one.id != info.id);
        self.infos.push(info.clone());
        self.input(Input::Enrolled(info)).expect("allowed");
    }

    /// Devices `d-0` and so on behind an uplink without an agent.
    pub(super) fn behind_switch(count: usize, plan: Arc<Plan>) -> Self {
        let mut fleet = Self::new(plan);
        fleet.enrol(DeviceInfo::new(device("sw-1"), DeviceKind::Other, "Switch 1"));
        for number in 0..count {
            let id = device(&format!("d-{number}"));
            let uplink = Some(device("sw-1"));
            fleet
                .enrol(DeviceInfo { uplink, ..DeviceInfo::new(id.clone(), DeviceKind::Server, format!("D {number}")) });
            fleet.connect(&id);
        }
        fleet
    }

    pub(super) fn connect(&mut self, id: &DeviceId) {
        self.input(Input::Connected { device: id, keep_alive_s: 30 }).expect("allowed");
        self.report(id, hello("boot-a", &["/"]));
    }

    pub(super) fn input(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        let mut out = Vec::new();
        let result = self.state.step(input, self.now, &mut out);
        for effect in out {
            self.keep(effect);
        }
        result.map(|_| ())
    }

    fn keep(&mut self, effect: Effect) {
        match effect {
            Effect::Fault(fault) => {
                assert!(!fault.reason.vi.is_empty() && !fault.reason.en.is_empty(), "{fault:?}");
                self.faults.insert(fault.id, fault);
            }
            Effect::Incident(incident) => {
                self.incidents.insert(incident.id, *incident);
            }
            Effect::Window(window) => self.windows.push(window),
            Effect::WindowEnded(id) => self.windows.retain(|one| one.id != id),
            Effect::Comparison { device, rule, comparison } => {
                self.comparisons.retain(|(of, one, _)| *of != device || *one != rule);
                self.comparisons.push((device, rule, comparison));
            }
            Effect::Cover(cover) => self.covers.push(cover),
            Effect::CoverEnded(id) => self.covers.retain(|one| one.id != id),
            Effect::Notice(notice) => self.notices.push((self.now, *notice)),
            Effect::ProbeHost(id) => self.asked.push(id),
            _ => {}
        }
    }

    pub(super) fn report(&mut self, id: &DeviceId, body: Body) {
        let seq = self.positions.entry(id.clone()).or_default();
        *seq += 1;
        let envelope = Envelope {
            device: id.clone(),
            about: None,
            position: Position { epoch: 1, seq: *seq },
            boot: "boot".into(),
            taken_at: self.now,
            age_ms: Some(0),
            lost: None,
        };
        self.input(Input::Report(&Report { envelope, body })).expect("allowed");
    }

    pub(super) fn sample(&mut self, id: &DeviceId, used: f64) {
        let v = vec![Some(0.5), Some(used)];
        self.report(id, Body::Sample(ioc_common::report::Sample { layout: layout(&["/"]).id(), v }));
    }

    /// Moves on, waking as asked on the way.
    pub(super) fn pass(&mut self, ms: i64) {
        let until = self.now.plus_millis(ms);
        while let Some(wake) = self.state.next_wake().filter(|wake| *wake <= until) {
            self.now = self.now.max(wake);
            self.input(Input::Wake).expect("allowed");
        }
        self.now = until;
    }

    pub(super) fn act(&mut self, incident: u64, action: Action) -> Result<(), Refusal> {
        self.input(Input::Act { incident: IncidentId(incident), who: "lan", action })
    }

    /// Stops the collector and starts it again from what was kept.
    pub(super) fn replace_rules(&mut self, rules: RuleSet) {
        let mut out = Vec::new();
        self.state.replace_rules(Arc::new(rules), self.now, &mut out);
        for effect in out {
            self.keep(effect);
        }
    }

    pub(super) fn restart(&mut self) {
        let devices = self.infos.iter().filter_map(|info| {
            let known = self.state.device(&info.id)?;
            let mut device = Device::new(info.clone());
            (device.presence, device.watermark, device.layout) =
                (known.presence, known.watermark, known.layout.clone());
            (device.last_heard, device.last_sample) = (known.last_heard, known.last_sample);
            (device.boot_id, device.fingerprint) = (known.boot_id.clone(), known.fingerprint.clone());
            (device.interval_s, device.keep_alive_s) = (known.interval_s, known.keep_alive_s);
            Some(device)
        });
        let recent = |incident: &&Incident| {
            let over = incident.resolved_at.is_some_and(|at| self.now.millis_since(at) > 1_800_000);
            incident.state.is_active() || !over || incident.record.next_deadline().is_some()
        };
        let snapshot = Snapshot {
            devices: devices.collect(),
            faults: self.faults.values().filter(|fault| fault.state.is_open()).cloned().collect(),
            incidents: self.incidents.values().filter(recent).cloned().collect(),
            last_fault: self.faults.keys().last().map_or(0, |id| id.0),
            last_incident: self.incidents.keys().last().map_or(0, |id| id.0),
            windows: self.windows.clone(),
            last_window: self.windows.iter().map(|one| one.id).max().unwrap_or(0),
            covers: self.covers.clone(),
            comparisons: self.comparisons.clone(),
            last_cover: self.covers.iter().map(|one| one.id).max().unwrap_or(0),
        };
        let (state, effects) =
            State::restore(rules(), Arc::clone(&self.plan), TimeLimits::default(), snapshot, self.now);
        self.state = state;
        for effect in effects {
            self.keep(effect);
        }
    }

    /// The clock is stepped, and what was kept goes with it.
    pub(super) fn step_clock(&mut self, by_ms: i64) {
        self.now = self.now.plus_millis(by_ms);
        let mut out = Vec::new();
        self.state.shift(by_ms, self.now, &mut out);
        for effect in out {
            self.keep(effect);
        }
    }

    pub(super) fn told(&self) -> Vec<(i64, &'static str, u64, Vec<&str>)> {
        let line =
            |(at, notice): &(Timestamp, Notice)| (at.millis_since(start()) / 1000, notice.occasion, notice.incident.0);
        self.notices
            .iter()
            .map(|one| {
                let (at, occasion, incident) = line(one);
                (at, occasion.as_str(), incident, one.1.to.iter().map(|to| to.person.as_str()).collect())
            })
            .collect()
    }

    pub(super) fn active(&self) -> Vec<u64> {
        self.incidents.values().filter(|one| one.state.is_active()).map(|one| one.id.0).collect()
    }
}

pub(super) fn no_plan() -> Arc<Plan> {
    Arc::default()
}

#[test]
fn one_uplink_that_is_down_is_one_incident_and_its_children_are_held_until_heard_again() {
    let mut fleet = Fleet::behind_switch(4, no_plan());
    for number in 0..4 {
        fleet.input(Input::LinkBroken { device: &device(&format!("d-{number}")), quiet_ms: 0 }).expect("allowed");
    }
    fleet.pass(15_000);
    for number in 0..4 {
        let id = device(&format!("d-{number}"));
        fleet.input(Input::HostProbed { device: &id, answer: HostAnswer::No }).expect("allowed");
    }
    assert_eq!(fleet.asked.iter().filter(|id| id.as_str() == "sw-1").count(), 1, "asked once: {:?}", fleet.asked);
    assert!(fleet.notices.is_empty(), "nobody is told before the uplink has had its say");
    fleet.input(Input::HostProbed { device: &device("sw-1"), answer: HostAnswer::No }).expect("allowed");
    assert_eq!(fleet.told().len(), 1, "{:?}", fleet.told());
    let incident = &fleet.incidents[&IncidentId(1)];
    assert_eq!((incident.device.as_ref().map(DeviceId::as_str), incident.raised), (Some("sw-1"), 5));
    // A fifth that is lost later is listed, too.
    fleet.pass(60_000);
    // It comes back: three at once, the fourth never.
    for number in 0..3 {
        fleet.connect(&device(&format!("d-{number}")));
    }
    assert_eq!(fleet.state.device(&device("sw-1")).expect("known").presence, Presence::NeverSeen);
    assert_eq!(fleet.told().len(), 1, "the fourth is held: {:?}", fleet.told());
    fleet.pass(110_000);
    assert_eq!(fleet.told().len(), 1, "{:?}", fleet.told());
    fleet.pass(60_000);
    let told = fleet.told();
    let seen: Vec<(&str, u64)> = told.iter().map(|(_, occasion, incident, _)| (*occasion, *incident)).collect();
    assert_eq!(seen, [("opened", 1), ("resolved", 1), ("opened", 2)], "{told:?}");
    assert_eq!(fleet.incidents[&IncidentId(2)].device.as_ref().map(DeviceId::as_str), Some("d-3"));
    // Who sees the uplink's incident may not reach what is behind it.
    let of_uplink = fleet.notices.iter().filter(|(_, notice)| notice.incident == IncidentId(1));
    let reasons: Vec<&str> = of_uplink.flat_map(|(_, notice)| [&*notice.reason.vi, &*notice.reason.en]).collect();
    assert!(reasons.iter().any(|one| one.contains("an incident of its own")), "{reasons:?}");
    assert!(reasons.iter().all(|one| !one.contains("D 3")), "{reasons:?}");
    fleet.connect(&device("d-3"));
    assert!(fleet.active().is_empty());
}

#[test]
fn five_thousand_devices_behind_an_uplink_that_cannot_be_asked_are_one_incident_and_one_notice() {
    let mut fleet = Fleet::behind_switch(5000, no_plan());
    for number in 0..5000 {
        // Links break as their keep-alives run out, over half a minute.
        fleet.pass(6);
        fleet.input(Input::LinkBroken { device: &device(&format!("d-{number}")), quiet_ms: 0 }).expect("allowed");
    }
    fleet.pass(120_000);
    let told = fleet.told();
    assert_eq!(told.len(), 1, "{:?}", &told[..told.len().min(5)]);
    let incident = &fleet.incidents[&IncidentId(1)];
    assert_eq!((fleet.incidents.len(), incident.raised), (1, 5001));
    assert!(incident.reason.en.contains("were lost at once"), "{}", incident.reason.en);
    fleet.restart();
    fleet.pass(600_000);
    assert_eq!(fleet.told().len(), 1, "a restart tells nothing anew");
    for number in 0..5000 {
        fleet.connect(&device(&format!("d-{number}")));
    }
    assert!(fleet.active().is_empty());
    let resolved = fleet.told().iter().filter(|(_, occasion, ..)| *occasion == "resolved").count();
    assert_eq!((fleet.incidents.len(), resolved), (1, 1));
}

#[test]
fn a_device_alone_behind_a_living_uplink_has_an_incident_of_its_own() {
    let mut fleet = Fleet::behind_switch(4, no_plan());
    let id = device("d-1");
    fleet.input(Input::LinkBroken { device: &id, quiet_ms: 0 }).expect("allowed");
    fleet.pass(15_000);
    fleet.input(Input::HostProbed { device: &id, answer: HostAnswer::No }).expect("allowed");
    fleet.input(Input::HostProbed { device: &device("sw-1"), answer: HostAnswer::Yes }).expect("allowed");
    assert_eq!(fleet.incidents[&IncidentId(1)].device, Some(id));
}

#[test]
fn a_fault_that_comes_and_goes_flaps_with_one_notice_and_is_resolved_when_it_has_settled() {
    let mut fleet = Fleet::behind_switch(1, no_plan());
    let id = device("d-0");
    for _ in 0..10 {
        for used in [95.0, 95.0, 10.0] {
            fleet.pass(60_000);
            fleet.sample(&id, used);
        }
    }
    let seen: Vec<&str> = fleet.told().iter().map(|(_, occasion, ..)| *occasion).collect();
    assert_eq!(seen, ["opened", "resolved", "reopened", "resolved", "reopened", "resolved", "flapping"]);
    assert!(fleet.faults.values().any(|fault| fault.reason.en.contains("93") || fault.state == FaultState::Cleared));
    for _ in 0..16 {
        fleet.pass(60_000);
        fleet.sample(&id, 10.0);
    }
    assert_eq!(fleet.told().last().map(|(_, occasion, ..)| *occasion), Some("resolved"));
    assert!(fleet.active().is_empty());
}

#[test]
fn what_was_bad_when_a_device_fell_silent_is_unknown_until_it_is_heard() {
    let mut fleet = Fleet::behind_switch(1, no_plan());
    let id = device("d-0");
    fleet.sample(&id, 95.0);
    fleet.pass(60_000);
    fleet.sample(&id, 95.0);
    fleet.input(Input::LinkBroken { device: &id, quiet_ms: 0 }).expect("allowed");
    fleet.pass(60_000);
    assert_eq!(fleet.faults[&FaultId(1)].state, FaultState::Unknown);
    fleet.restart();
    fleet.connect(&id);
    fleet.sample(&id, 95.0);
    assert_eq!(fleet.faults[&FaultId(1)].state, FaultState::Raised);
    assert!(fleet.incidents[&IncidentId(1)].state.is_active());
}

#[test]
fn an_escalation_goes_on_until_someone_takes_it_and_says_which_step_reached_nobody() {
    let mut fleet = Fleet::behind_switch(1, plan());
    fleet.input(Input::LinkBroken { device: &device("d-0"), quiet_ms: 0 }).expect("allowed");
    fleet.pass(400_000);
    fleet.restart();
    fleet.pass(3_000_000);
    let pages: Vec<(i64, &str, String)> = fleet
        .told()
        .into_iter()
        .map(|(at, occasion, _, to)| (at, occasion, to.join(",")))
        .filter(|(_, occasion, _)| *occasion != "overdue")
        .collect();
    let opened = pages[0].0;
    let seen: Vec<(i64, &str, &str)> = pages.iter().map(|(at, what, to)| (at - opened, *what, to.as_str())).collect();
    // The empty rota is skipped at once; the second round waits as long as the last step.
    assert_eq!(
        seen,
        [
            (0, "opened", "binh"),
            (120, "escalated", "binh"),
            (420, "escalated", "chief"),
            (720, "escalated", "binh"),
            (840, "escalated", "binh"),
            (1140, "escalated", "chief"),
        ],
        "{pages:?}"
    );
    // The last one also goes to everyone.
    let last = fleet.notices.iter().rev().find(|(_, one)| one.occasion == Occasion::Escalated).expect("one");
    assert!(last.1.to_all && !fleet.notices[1].1.to_all);

    let mut taken = Fleet::behind_switch(1, plan());
    taken.input(Input::LinkBroken { device: &device("d-0"), quiet_ms: 0 }).expect("allowed");
    taken.pass(60_000);
    taken.act(1, Action::Acknowledge { note: String::new() }).expect("allowed");
    taken.pass(3_600_000);
    assert!(taken.told().iter().all(|(_, occasion, ..)| *occasion != "escalated"), "{:?}", taken.told());
    taken.connect(&device("d-0"));
    let (_, occasion, _, to) = taken.told().pop().expect("one");
    assert_eq!((occasion, to), ("resolved", vec!["binh"]), "whoever was told is told of the end");
}

#[test]
fn the_responsible_leader_is_told_of_a_broken_device_at_once() {
    let mut fleet = Fleet::new(plan());
    let text = super::RULES.replacen("severity = \"critical\"", "severity = \"critical\"\narticle = \"6.2\"", 1);
    let rules = RuleSet::parse(&Source::built_in("rules.toml", &text)).expect("parses");
    fleet.state.replace_rules(Arc::new(rules), start(), &mut Vec::new());
    let id = device("d-0");
    fleet.enrol(DeviceInfo { leader: "Chief".into(), ..DeviceInfo::new(id.clone(), DeviceKind::Server, "D") });
    fleet.connect(&id);
    fleet.input(Input::LinkBroken { device: &id, quiet_ms: 0 }).expect("allowed");
    fleet.pass(30_000);
    assert_eq!(fleet.told()[0].3, ["binh", "chief"]);
}

fn window(title: &str, hours: (i64, i64), scope: Scope, freeze: bool) -> Window {
    let at = |hour: i64| start().plus_millis(hour * 3_600_000);
    let when = WindowSchedule::Once { from: at(hours.0), until: at(hours.1) };
    Window { id: 0, title: title.into(), scope, when, freeze, who: "lan".into(), overruled: Vec::new() }
}

#[test]
fn a_window_holds_notices_and_what_is_still_bad_at_its_end_is_told() {
    let mut fleet = Fleet::behind_switch(3, no_plan());
    let scope = Scope { devices: vec!["sw-1".into()], ..Scope::default() };
    fleet
        .input(Input::PlanWindow { window: window("new switch", (0, 2), scope, false), overrule: false })
        .expect("allowed");
    fleet.sample(&device("d-0"), 95.0);
    fleet.pass(60_000);
    fleet.sample(&device("d-0"), 95.0);
    fleet.input(Input::LinkBroken { device: &device("d-1"), quiet_ms: 0 }).expect("allowed");
    fleet.pass(3_600_000);
    fleet.restart();
    assert!(fleet.notices.is_empty() && fleet.incidents.is_empty(), "{:?}", fleet.told());
    assert_eq!(fleet.faults.values().filter(|fault| fault.state.is_open()).count(), 2, "both are logged");
    for id in ["d-0", "d-2"] {
        fleet.connect(&device(id));
    }
    fleet.sample(&device("d-0"), 95.0);
    fleet.pass(3_600_000);
    let told: Vec<(i64, &str)> = fleet.told().iter().map(|(at, what, ..)| (*at / 60, *what)).collect();
    assert_eq!(told, [(120, "opened"), (120, "opened")], "at the end of the window, not before");
}

#[test]
fn what_is_behind_an_uplink_in_a_window_is_one_incident_at_its_end_and_nobody_waits_for_what_is_gone() {
    let mut fleet = Fleet::behind_switch(4, no_plan());
    let scope = Scope { devices: vec!["sw-1".into()], ..Scope::default() };
    fleet
        .input(Input::PlanWindow { window: window("new switch", (0, 2), scope, false), overrule: false })
        .expect("allowed");
    for number in 0..4 {
        fleet.input(Input::LinkBroken { device: &device(&format!("d-{number}")), quiet_ms: 0 }).expect("allowed");
    }
    fleet.pass(3_600_000);
    assert!(fleet.notices.is_empty());
    fleet.pass(3_700_000);
    assert_eq!(fleet.active().len(), 1, "{:?}", fleet.told());
    assert_eq!(fleet.incidents[&IncidentId(1)].raised, 5, "the rest is listed in it");

    let mut gone = Fleet::behind_switch(1, no_plan());
    gone.input(Input::LinkBroken { device: &device("d-0"), quiet_ms: 0 }).expect("allowed");
    gone.pass(18_000);
    gone.input(Input::Removed(&device("sw-1"))).expect("allowed");
    assert_eq!(gone.incidents[&IncidentId(1)].device, Some(device("d-0")), "it waits for nobody");
}

#[test]
fn a_window_is_warned_of_where_a_partner_is_down_or_an_event_is_on() {
    let mut fleet = Fleet::new(no_plan());
    for id in ["a", "b"] {
        let info = DeviceInfo { redundancy: "db".into(), ..DeviceInfo::new(device(id), DeviceKind::Server, id) };
        fleet.enrol(info);
        fleet.connect(&device(id));
    }
    let only = |id: &str| Scope { devices: vec![id.to_owned()], ..Scope::default() };
    let plan = |fleet: &mut Fleet, window, overrule| fleet.input(Input::PlanWindow { window, overrule });
    plan(&mut fleet, window("patch a", (1, 2), only("a"), false), false).expect("nothing speaks against it");
    let both =
        plan(&mut fleet, window("patch b", (1, 3), only("b"), false), false).expect_err("its partner is worked on");
    assert!(matches!(&both, Refusal::Warned(why) if why[0].text.en.contains("partner a")), "{both}");
    let Refusal::Warned(warnings) = &both else { panic!("{both}") };
    assert!(!warnings[0].unnamed.en.contains("partner a") && warnings[0].names.len() == 2, "{warnings:?}");
    let again = plan(&mut fleet, window("wipe", (1, 3), only("a"), false), false).expect_err("it is worked on then");
    let Refusal::Warned(warnings) = &again else { panic!("{again}") };
    assert!(warnings[0].text.en.contains("patch a") && !warnings[0].unnamed.en.contains("patch a"), "{warnings:?}");
    assert!(warnings[0].unnamed.en.contains("another window ("), "with its time: {warnings:?}");
    plan(&mut fleet, window("patch b", (1, 3), only("b"), false), true).expect("overruled");
    plan(&mut fleet, window("congress", (4, 9), Scope::default(), true), false).expect("a freeze");
    let frozen = plan(&mut fleet, window("patch a", (5, 6), only("a"), false), false).expect_err("an event is on");
    assert!(frozen.to_string().contains("congress"), "{frozen}");
    fleet.input(Input::LinkBroken { device: &device("b"), quiet_ms: 0 }).expect("allowed");
    fleet.pass(60_000);
    let down = plan(&mut fleet, window("patch a", (10, 11), only("a"), false), false).expect_err("its partner is down");
    assert!(down.to_string().contains("partner b"), "{down}");
    let none = plan(&mut fleet, window("x", (10, 11), only("z"), false), false).expect_err("nobody");
    assert!(none.to_string().contains("no device"), "{none}");
}

#[test]
fn no_repair_without_backup_and_safety_and_no_closing_without_course_remedy_and_confirmation() {
    let mut fleet = Fleet::behind_switch(1, plan());
    fleet.input(Input::LinkBroken { device: &device("d-0"), quiet_ms: 0 }).expect("allowed");
    fleet.pass(60_000);
    let repair = |backup: &str, no_backup: &str, safety: &str| Action::Repair {
        backup: backup.into(),
        no_backup: no_backup.into(),
        safety: safety.into(),
    };
    for (action, article) in [(repair("", "", "off"), "10.2a"), (repair("tape 7", "", " "), "10.2b")] {
        let refused = fleet.act(1, action).expect_err("the gate is shut");
        assert!(matches!(refused, Refusal::Gate { article: found, .. } if found == article), "{refused}");
    }
    assert_eq!(fleet.incidents[&IncidentId(1)].state, IncidentState::Open, "nothing has changed");
    fleet.act(1, repair("tape 7", "", "power is off")).expect("allowed");
    assert_eq!(fleet.incidents[&IncidentId(1)].acknowledged_by.as_deref(), Some("lan"));
    fleet.act(1, Action::Regulator { department: String::new() }).expect("allowed");
    let (_, occasion, _, to) = fleet.told().pop().expect("one");
    assert_eq!((occasion, to), ("regulator", vec!["dept"]));
    let close = || Action::Close { course: "A fuse blew.".into(), remedy: "A new fuse.".into() };
    assert!(fleet.act(1, close()).is_err(), "it is not resolved");
    assert!(fleet.act(1, Action::Resolve { note: String::new() }).is_err(), "the device is not heard");
    fleet.connect(&device("d-0"));
    let empty = fleet.act(1, Action::Close { course: "x".into(), remedy: String::new() }).expect_err("no remedy");
    assert!(empty.to_string().contains("10.2c"), "{empty}");
    let unconfirmed = fleet.act(1, close()).expect_err("not confirmed");
    assert!(unconfirmed.to_string().contains("17.4"), "{unconfirmed}");
    assert!(fleet.act(1, Action::RegulatorConfirmed).is_err(), "in this order");
    for action in [
        Action::RegulatorReceived,
        Action::RegulatorResult { result: "mended".into() },
        Action::RegulatorConfirmed,
        close(),
    ] {
        fleet.act(1, action).expect("allowed");
    }
    assert_eq!(fleet.incidents[&IncidentId(1)].state, IncidentState::Closed);
    // What was closed and comes back is a new one.
    fleet.input(Input::LinkBroken { device: &device("d-0"), quiet_ms: 0 }).expect("allowed");
    fleet.pass(60_000);
    assert_eq!(fleet.active(), [2]);
}

#[test]
fn what_was_reported_by_telephone_must_be_verified_before_it_is_closed() {
    let mut fleet = Fleet::behind_switch(1, plan());
    let report = PersonReport {
        reporter: "Ông Tâm".into(),
        way: "0296 1".into(),
        verified: String::new(),
        verified_by: String::new(),
        verified_at: None,
    };
    let manual = NewIncident {
        device: None,
        severity: Severity::Critical,
        title: Text::new("Khói ở phòng máy", "Smoke"),
        reason: Text::new("Nghe báo", "By telephone"),
        advice: Text::default(),
        report: Some(report),
    };
    fleet.input(Input::Open { who: "lan", incident: manual }).expect("allowed");
    assert_eq!(fleet.told()[0].3, ["binh"]);
    fleet.act(1, Action::Resolve { note: "False alarm".into() }).expect("allowed");
    let close = || Action::Close { course: "A kettle.".into(), remedy: "None.".into() };
    assert!(fleet.act(1, close()).expect_err("not verified").to_string().contains("17.3"));
    fleet.act(1, Action::Verify { how: "called back".into() }).expect("allowed");
    fleet.act(1, close()).expect("allowed");
}

#[test]
fn incidents_are_joined_and_taken_apart() {
    let mut fleet = Fleet::behind_switch(2, no_plan());
    for id in ["d-0", "d-1"] {
        fleet.sample(&device(id), 95.0);
        fleet.pass(60_000);
        fleet.sample(&device(id), 95.0);
    }
    fleet.act(2, Action::Merge { into: 1 }).expect("allowed");
    assert_eq!((fleet.active(), fleet.incidents[&IncidentId(1)].raised), (vec![1], 2));
    assert_eq!(fleet.incidents[&IncidentId(2)].record.merged_into, Some(IncidentId(1)));
    fleet.restart();
    for id in ["d-0", "d-1"] {
        fleet.connect(&device(id));
    }
    fleet.sample(&device("d-0"), 10.0);
    assert_eq!(fleet.active(), [1], "the other is still bad");
    fleet.sample(&device("d-0"), 95.0);
    fleet.pass(60_000);
    fleet.sample(&device("d-0"), 95.0);
    fleet.act(1, Action::Split { fault: 2, note: String::new() }).expect("allowed");
    assert_eq!(fleet.active(), [1, 3]);
    fleet.sample(&device("d-1"), 10.0);
    assert_eq!(fleet.active(), [1]);
    assert!(fleet.act(1, Action::Merge { into: 1 }).is_err());
}

#[test]
fn the_priority_comes_from_severity_and_importance_and_a_deadline_is_said_once() {
    let mut fleet = Fleet::new(no_plan());
    let id = device("core");
    let info = DeviceInfo { importance: Importance::High, ..DeviceInfo::new(id.clone(), DeviceKind::Server, "Core") };
    fleet.enrol(info);
    fleet.connect(&id);
    fleet.input(Input::LinkBroken { device: &id, quiet_ms: 0 }).expect("allowed");
    fleet.pass(86_400_000);
    let incident = &fleet.incidents[&IncidentId(1)];
    assert_eq!(incident.priority.as_str(), "P1");
    let overdue: Vec<i64> =
        fleet.told().iter().filter(|(_, what, ..)| *what == "overdue").map(|(at, ..)| *at / 60).collect();
    assert_eq!(overdue, [5, 240], "to take it within 5 minutes, to resolve it within 4 hours");
}
