//! Who would be told, as it is foretold, is who is told: the same plan under a running judge, minute by minute.

use jiff::tz::TimeZone;

use ioc_common::language::Language;

use super::*;
use crate::duty::foretold::{Misfit, foretell};
use crate::duty::{Cover, Plan};
use crate::{NewIncident, Severity, Text};

const PLAN: &str = r#"
person = [
  { id = "lan", name = "Lan", contact = [{ channel = "sms", address = "1", min_severity = "critical" }, { channel = "mail", address = "l@x" }],
    quiet = { from = "22:00", until = "06:00" } },
  { id = "binh", name = "Binh", contact = [{ channel = "sms", address = "2" }] },
  { id = "chief", name = "Chief", contact = [{ channel = "mail", address = "c@x", min_severity = "critical" }] },
]
[[rota]]
id = "duty"
layer = [{ people = ["lan", "binh"], start = "2026-11-02T02:00", turn_days = 1 }]
[[rota]]
id = "empty"
layer = [{ people = ["lan"], start = "2036-11-02T07:00" }]
[[policy]]
id = "first-empty"
step = [{ after = "0s", to = ["rota:empty"] }, { after = "10m", to = ["rota:duty"] }]
[[policy]]
id = "long"
repeat = 1
step = [
  { after = "1m", to = ["rota:duty"] },
  { after = "20m", to = ["rota:empty"] },
  { after = "40m", to = ["leader", "rota:duty"] },
  { after = "5m", to = ["person:chief"] },
]
[[route]]
policy = "first-empty"
min_severity = "critical"
scope = { kinds = ["ups"] }
[[route]]
policy = "first-empty"
min_severity = "critical"
scope = { tags = ["core"] }
[[route]]
policy = "long"
"#;

fn plan() -> Plan {
    let read =
        Plan::parse(&Source::built_in("duty.toml", PLAN), &TimeZone::UTC, Language::Vietnamese, &["sms", "mail"]);
    read.unwrap_or_else(|e| panic!("{e}"))
}

/// A moment, and every way by which somebody was told at it.
type Told = Vec<(i64, Vec<String>)>;

/// What the judge does once an incident is opened by hand and nobody takes it.
fn really(plan: &Plan, covers: &[Cover], device: &DeviceInfo, severity: Severity, begin: Timestamp) -> Told {
    let mut scene = Scene::new();
    scene.state.replace_plan(Arc::new(plan.clone()));
    scene.now_s = (begin.as_millis() - START_MS) / 1000;
    scene.input(Input::Enrolled(device.clone()));
    scene.input(Input::AddCovers(covers.to_vec()));
    let [title, reason, advice] = [(); 3].map(|()| Text::new("x", "x"));
    let incident = NewIncident { device: Some(id()), severity, title, reason, advice, report: None };
    scene.effects.clear();
    scene.input(Input::Open { who: "lan", incident });
    let Some(about) = scene.effects.iter().find_map(|effect| match effect {
        Effect::Incident(incident) => Some(incident.id),
        _ => None,
    }) else {
        panic!("no incident was opened")
    };
    let mut told = Told::new();
    let end = scene.now_s + 6 * 3600;
    loop {
        let at = scene.now();
        for effect in std::mem::take(&mut scene.effects) {
            let Effect::Notice(notice) = effect else { continue };
            let by_plan = matches!(notice.occasion, Occasion::Opened | Occasion::Escalated);
            let mut ways: Vec<String> =
                notice.to.iter().map(|to| format!("{} {} {:?}", to.person, to.address, to.not_before)).collect();
            if notice.incident == about && by_plan && !ways.is_empty() {
                ways.sort();
                told.push((at.as_millis(), ways));
            }
        }
        match scene.state.next_wake() {
            Some(wake) if wake <= Timestamp::from_millis(START_MS + end * 1000) => {
                scene.now_s = ((wake.as_millis() - START_MS + 999).div_euclid(1000)).max(scene.now_s);
                scene.input(Input::Wake);
            }
            _ => return told,
        }
    }
}

fn foretold(plan: &Plan, covers: &[Cover], device: &DeviceInfo, severity: Severity, begin: Timestamp) -> Told {
    let mut told = Told::new();
    for step in foretell(plan, covers, Some(device), severity, begin).steps.iter().filter(|step| step.is_reached()) {
        let people = step.targets.iter().flat_map(|target| &target.people);
        let mut ways: Vec<String> = people
            .flat_map(|person| &person.ways)
            .map(|way| format!("{} {} {:?}", way.person, way.address, way.not_before))
            .collect();
        ways.sort();
        ways.dedup();
        told.push((step.at.as_millis(), ways));
    }
    told
}

#[test]
fn who_is_foretold_to_be_told_is_told_then_and_so() {
    let plan = plan();
    // Monday 30 November, an hour and a half before the hand-over at 02:00.
    let begin: Timestamp = "2026-11-30T00:30:00Z".parse().expect("a time");
    let cover = Cover {
        id: 0,
        rota: "empty".to_owned(),
        person: "binh".to_owned(),
        from: begin,
        until: begin.plus_millis(8 * 3_600_000),
        who: "chief".to_owned(),
        note: String::new(),
    };
    let device = |tags: &[&str]| DeviceInfo {
        leader: "Chief".to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..DeviceInfo::new(id(), DeviceKind::Server, "DB 1")
    };
    let mut seen = 0;
    for severity in [Severity::Warning, Severity::Critical] {
        for tags in [&["core"][..], &[]] {
            for covers in [&[][..], std::slice::from_ref(&cover)] {
                for minutes in [0, 70, 89, 300] {
                    let (device, at) = (device(tags), begin.plus_millis(minutes * 60_000));
                    let told = foretold(&plan, covers, &device, severity, at);
                    seen += told.len();
                    assert_eq!(told, really(&plan, covers, &device, severity, at), "{severity:?} {tags:?} {at}");
                }
            }
        }
    }
    assert!(seen > 40, "{seen} steps");
}

#[test]
fn it_is_said_which_route_fits_and_why_those_before_it_do_not() {
    let plan = plan();
    let at: Timestamp = "2026-11-30T23:30:00Z".parse().expect("a time");
    let server = DeviceInfo::new(id(), DeviceKind::Server, "DB 1");
    let found = foretell(&plan, &[], Some(&server), Severity::Critical, at);
    assert_eq!(found.passed, [(0, Misfit::Kind), (1, Misfit::Tag)]);
    assert_eq!((found.route, found.policy.as_deref()), (Some(2), Some("long")));
    let warned = foretell(&plan, &[], Some(&server), Severity::Warning, at);
    assert_eq!(warned.passed, [(0, Misfit::Severity), (1, Misfit::Severity)]);
    // Lan is on duty until two, and her quiet hours hold the mail back until six; her SMS is for what is critical.
    let lan = &warned.steps[0].targets[0].people[0];
    assert_eq!((lan.person.as_str(), lan.ways.len(), lan.unused.len()), ("lan", 1, 1), "{lan:?}");
    let late = foretell(&plan, &[], Some(&server), Severity::Warning, at.plus_millis(3 * 3_600_000));
    let binh = &late.steps[0].targets[0].people[0];
    assert_eq!((binh.person.as_str(), binh.ways.len(), binh.unused.len()), ("binh", 1, 0), "{binh:?}");
    assert_eq!(lan.unused[0].channel, "sms", "{lan:?}");
    assert_eq!(lan.ways[0].not_before.map(|at| at.to_string()).as_deref(), Some("2026-12-01T06:00:00.000Z"));
    let info = foretell(&plan, &[], Some(&server), Severity::Info, at);
    assert!(info.route.is_none() && info.steps.is_empty() && info.passed.len() == 3, "{info:?}");
}
