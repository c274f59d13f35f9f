//! Storms: what fails together is one incident and one notice, and what does not is not.

use ioc_common::id::{DeviceId, IncidentId};

use super::fleet::{Fleet, device, no_plan, plan, start};
use crate::authenticity::InformationSource;
use crate::incident::Refusal;
use crate::storm::Common;
use crate::{
    Action, Alert, DeviceInfo, DeviceKind, HostAnswer, Importance, IncidentState, Input, Occasion, Scope, Severity,
    Text, Window, WindowSchedule,
};

const ROOMS: [&str; 4] = ["Phòng 1", "Phòng 2", "Phòng 3", "Phòng 4"];

fn info(number: usize, place: &str) -> DeviceInfo {
    let id = device(&format!("d-{number}"));
    DeviceInfo { place: place.into(), ..DeviceInfo::new(id, DeviceKind::Server, format!("D {number}")) }
}

/// So many devices in four rooms, all of them heard.
fn centre(count: usize) -> Fleet {
    let mut fleet = Fleet::new(plan());
    for number in 0..count {
        let info = info(number, ROOMS[number % ROOMS.len()]);
        fleet.enrol(info.clone());
        fleet.connect(&info.id);
    }
    fleet
}

fn lose(fleet: &mut Fleet, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        let id = device(&format!("d-{number}"));
        fleet.input(Input::LinkBroken { device: &id, quiet_ms: 0 }).expect("allowed");
    }
}

/// Another system says that a device has a fault.
fn alert(fleet: &mut Fleet, number: usize, name: &str, severity: Severity, firing: bool) {
    let alert = Alert {
        source: InformationSource::Alert,
        device: device(&format!("d-{number}")),
        name: name.into(),
        fingerprint: format!("{name}-{number}"),
        severity,
        title: Text::new(format!("{name} trên D {number}"), format!("{name} on D {number}")),
        reason: Text::new("Có lỗi.", "It is bad."),
        since: fleet.now,
        firing,
        over: Text::new("Hết.", "Over."),
        matter: None,
    };
    fleet.input(Input::Alert(alert)).expect("allowed");
}

fn told(fleet: &Fleet) -> Vec<(i64, &'static str, u64)> {
    fleet.told().into_iter().map(|(at, what, incident, _)| (at, what, incident)).collect()
}

fn common(fleet: &Fleet, incident: u64) -> Vec<&'static str> {
    let storm = fleet.incidents[&IncidentId(incident)].progress.storm.as_ref().expect("a storm");
    storm.common.iter().map(Common::as_str).collect()
}

#[test]
fn four_hundred_and_eighty_devices_that_fall_silent_at_once_are_one_incident_and_two_notices() {
    let mut fleet = centre(480);
    lose(&mut fleet, 0..480);
    fleet.pass(120_000);
    assert_eq!(fleet.active(), [1]);
    let incident = fleet.incidents[&IncidentId(1)].clone();
    assert_eq!((incident.device.as_ref(), incident.raised, incident.progress.affected), (None, 480, 480));
    assert_eq!(common(&fleet, 1), ["rule"], "they stand in four rooms");
    assert_eq!(incident.title.vi, "Mất liên lạc: 480 thiết bị");
    // The first is told at once; whoever comes with it waits, and all of them are one notice.
    let seen = told(&fleet);
    assert_eq!(
        seen.iter().map(|(_, what, of)| (*what, *of)).collect::<Vec<_>>(),
        [("opened", 1), ("storm", 1)],
        "{seen:?}"
    );
    assert!(seen[1].0 - seen[0].0 <= 20, "{seen:?}");
    let (_, storm) = &fleet.notices[1];
    assert!(storm.storm && storm.affected == 480 && storm.device.is_some(), "{storm:?}");
    assert!(storm.reason.vi.contains("480 thiết bị") && storm.reason.vi.contains("Nặng nhất: Mất liên lạc"));
    assert_eq!(storm.to.iter().map(|to| to.person.as_str()).collect::<Vec<_>>(), ["binh"]);
    // What was opened beside the first is joined to it, and every fault stands under it.
    let joined = fleet.incidents.values().filter(|one| one.record.merged_into == Some(IncidentId(1)));
    assert!(joined.count() < 5 && fleet.faults.values().all(|fault| fault.incident == Some(IncidentId(1))));
    // Taken once, all of it is taken; it ends with its last device.
    fleet.act(1, Action::Acknowledge { note: String::new() }).expect("allowed");
    for number in 0..480 {
        assert_eq!(fleet.active(), [1], "{number}");
        fleet.connect(&device(&format!("d-{number}")));
    }
    assert!(fleet.active().is_empty());
    assert_eq!(told(&fleet).len(), 3, "{:?}", told(&fleet));
    let close = Action::Close { course: "A switch.".into(), remedy: String::new() };
    assert!(matches!(fleet.act(1, close), Err(Refusal::Gate { article: "10.2c", .. })), "the gates are the group's");
}

#[test]
fn ten_thousand_at_once_are_one_incident_and_one_notice_too() {
    let mut fleet = centre(10_000);
    lose(&mut fleet, 0..10_000);
    fleet.pass(60_000);
    assert_eq!(fleet.active(), [1]);
    let told = fleet.notices.iter().filter(|(_, one)| one.occasion == Occasion::Storm).count();
    assert_eq!(told, 1, "{:?}", self::told(&fleet));
}

#[test]
fn a_rack_that_loses_its_power_is_one_incident_whatever_the_faults() {
    let mut fleet = Fleet::new(plan());
    for number in 0..8 {
        let place = if number < 6 { "Phòng 1/Tủ 3" } else { "Phòng 2/Tủ 1" };
        let tags = vec!["power:B".to_owned()];
        let importance = if number == 4 { Importance::High } else { Importance::Normal };
        let info = DeviceInfo { tags, importance, ..info(number, place) };
        fleet.enrol(info.clone());
        fleet.connect(&info.id);
    }
    alert(&mut fleet, 0, "ups/OnBattery", Severity::Critical, true);
    alert(&mut fleet, 1, "pdu/Outlet", Severity::Warning, true);
    lose(&mut fleet, 2..6);
    fleet.pass(60_000);
    assert_eq!(fleet.active(), [1]);
    assert_eq!(common(&fleet, 1), ["power", "rack", "room"]);
    let incident = &fleet.incidents[&IncidentId(1)];
    assert_eq!(incident.title.vi, "Nhiều lỗi cùng lúc: 6 thiết bị tại Phòng 1/Tủ 3, nguồn B");
    assert!(incident.advice.vi.starts_with("Kiểm tra nguồn điện B trước"), "{}", incident.advice.vi);
    assert_eq!((incident.severity, incident.priority.as_str()), (Severity::Critical, "P1"), "by the worst");
    let storm = fleet.notices.iter().rev().find(|(_, one)| one.occasion == Occasion::Storm).expect("told");
    assert_eq!(storm.1.device.as_ref().map(|info| info.id.as_str()), Some("d-4"), "the worst is named");
    // The same feed in another room, a moment later: it is part of it, and the place is said no more.
    alert(&mut fleet, 6, "pdu/Outlet", Severity::Warning, true);
    assert_eq!(common(&fleet, 1), ["power"]);
    assert_eq!(fleet.incidents[&IncidentId(1)].title.vi, "Nhiều lỗi cùng lúc: 7 thiết bị, nguồn B");
}

#[test]
fn a_room_that_is_too_hot_is_one_incident_and_what_is_worse_in_it_is_told_at_once() {
    let mut fleet = Fleet::new(plan());
    for number in 0..12 {
        let info = info(number, if number < 10 { "Phòng 1/Tủ 1" } else { "Phòng 2" });
        fleet.enrol(info.clone());
        fleet.connect(&info.id);
    }
    for number in 0..8 {
        alert(&mut fleet, number, "env/TooHot", Severity::Warning, true);
        fleet.pass(1000);
    }
    fleet.pass(20_000);
    assert_eq!(fleet.active(), [1]);
    assert_eq!(told(&fleet).iter().map(|(_, what, _)| *what).collect::<Vec<_>>(), ["opened", "storm"]);
    // Smoke in it: another kind, and worse.
    alert(&mut fleet, 9, "env/Smoke", Severity::Critical, true);
    let last = told(&fleet).pop().expect("told");
    fleet.pass(6000);
    let (at, notice) = fleet.notices.last().expect("told").clone();
    assert!(at.millis_since(fleet.now) >= -6000, "{last:?}");
    assert_eq!((notice.occasion, notice.severity, notice.incident.0), (Occasion::Storm, Severity::Critical, 1));
    assert!(notice.reason.en.contains("The worst: Smoke"), "{}", notice.reason.en);
    assert_eq!(notice.device.map(|info| info.id), Some(device("d-9")));
    // Neither another room nor what was said before is told with it.
    alert(&mut fleet, 10, "env/Door", Severity::Warning, true);
    fleet.pass(60_000);
    assert_eq!(fleet.active().len(), 2);
    assert_eq!(told(&fleet).last().map(|(_, what, of)| (*what, *of != 1)), Some(("opened", true)));
}

#[test]
fn a_bad_update_on_three_hundred_machines_is_one_incident_and_told_again_only_when_it_has_grown_tenfold() {
    let mut fleet = centre(300);
    for number in 0..300 {
        alert(&mut fleet, number, "edr/SignaturesBroken", Severity::Warning, true);
        fleet.pass(1000);
        if number == 40 {
            fleet.act(1, Action::Acknowledge { note: String::new() }).expect("allowed");
        }
    }
    fleet.pass(60_000);
    assert_eq!(fleet.active(), [1]);
    let affected: Vec<u32> = fleet.notices.iter().map(|(_, one)| one.affected).collect();
    let occasions: Vec<&str> = told(&fleet).iter().map(|(_, what, _)| *what).collect();
    assert_eq!(occasions[..2], ["opened", "storm"], "{occasions:?}");
    assert!(occasions.len() == 3 && occasions[2] == "storm", "{occasions:?} {affected:?}");
    assert!(affected[2] >= affected[1] * 10, "{affected:?}");
    // A fault that is over and comes back soon is part of it, and nobody is told.
    alert(&mut fleet, 7, "edr/SignaturesBroken", Severity::Warning, false);
    fleet.pass(600_000);
    alert(&mut fleet, 7, "edr/SignaturesBroken", Severity::Warning, true);
    assert_eq!((fleet.active(), told(&fleet).len()), (vec![1], 3));
    // One that comes back when it has been over for long is a matter of its own.
    alert(&mut fleet, 8, "edr/SignaturesBroken", Severity::Warning, false);
    fleet.pass(3_600_000);
    alert(&mut fleet, 8, "edr/SignaturesBroken", Severity::Warning, true);
    assert_eq!(fleet.active().len(), 2);
}

#[test]
fn what_has_nothing_in_common_or_does_not_come_together_is_no_storm() {
    // Different rules in different places.
    let mut apart = centre(4);
    for number in 0..4 {
        alert(&mut apart, number, &format!("x/Fault{number}"), Severity::Warning, true);
    }
    assert_eq!((apart.active(), told(&apart).len()), (vec![1, 2, 3, 4], 4), "each is told at once");
    // The same device, many times.
    let mut same = centre(1);
    for kind in 0..8 {
        alert(&mut same, 0, &format!("x/Fault{kind}"), Severity::Warning, true);
    }
    assert_eq!((same.active().len(), told(&same).len()), (8, 8));
    // A trickle over hours.
    let mut slow = centre(40);
    for number in 0..40 {
        lose(&mut slow, [number]);
        slow.pass(300_000);
    }
    assert_eq!(slow.active().len(), 40);
    assert!(slow.notices.iter().all(|(_, one)| one.occasion != Occasion::Storm));
    // A few together: each has an incident of its own, and is told within the time that notices are held.
    let mut few = centre(4);
    for number in 0..4 {
        alert(&mut few, number, "x/Fault", Severity::Warning, true);
    }
    assert_eq!(told(&few), [(0, "opened", 1)], "the others wait for company");
    few.pass(20_000);
    assert_eq!(told(&few), [(0, "opened", 1), (20, "opened", 2), (20, "opened", 3), (20, "opened", 4)]);
    few.pass(600_000);
    // What is over while it is held is told nevertheless.
    for number in 0..3 {
        alert(&mut few, number, "x/Other", Severity::Warning, true);
    }
    alert(&mut few, 1, "x/Other", Severity::Warning, false);
    let of_second: Vec<&str> = told(&few).iter().filter(|(.., of)| *of == 6).map(|(_, what, _)| *what).collect();
    assert_eq!(of_second, ["opened", "resolved"]);
}

#[test]
fn what_somebody_has_taken_before_the_storm_was_seen_stays_theirs() {
    let mut fleet = centre(8);
    for number in 0..3 {
        alert(&mut fleet, number, "x/Fault", Severity::Critical, true);
    }
    fleet.act(2, Action::Acknowledge { note: String::new() }).expect("allowed");
    for number in 3..8 {
        alert(&mut fleet, number, "x/Fault", Severity::Critical, true);
    }
    assert_eq!(fleet.active(), [1, 2]);
    assert_eq!((fleet.incidents[&IncidentId(1)].raised, fleet.incidents[&IncidentId(2)].raised), (7, 1));
}

#[test]
fn a_critical_fault_of_another_kind_waits_for_nobody() {
    let mut fleet = Fleet::new(plan());
    for number in 0..3 {
        fleet.enrol(info(number, "Phòng 1"));
    }
    alert(&mut fleet, 0, "x/Disk", Severity::Warning, true);
    alert(&mut fleet, 1, "x/Smoke", Severity::Critical, true);
    assert_eq!(told(&fleet), [(0, "opened", 1), (0, "opened", 2)]);
    alert(&mut fleet, 2, "x/Disk", Severity::Warning, true);
    assert_eq!(told(&fleet).len(), 2, "the third is like the first, and waits");
}

#[test]
fn a_storm_goes_on_over_a_restart_and_over_steps_of_the_clock() {
    for by_ms in [0, 86_400_000, -86_400_000] {
        let mut fleet = centre(60);
        for number in 0..3 {
            alert(&mut fleet, number, "x/Fault", Severity::Critical, true);
        }
        // Before there are enough, and again when it stands.
        fleet.restart();
        fleet.step_clock(by_ms);
        for number in 3..30 {
            alert(&mut fleet, number, "x/Fault", Severity::Critical, true);
        }
        fleet.restart();
        fleet.step_clock(-by_ms);
        for number in 30..60 {
            alert(&mut fleet, number, "x/Fault", Severity::Critical, true);
        }
        fleet.pass(20_000);
        fleet.restart();
        assert_eq!(fleet.active(), [1], "{by_ms}");
        assert_eq!(fleet.incidents[&IncidentId(1)].raised, 60);
        let seen: Vec<&str> = told(&fleet).iter().map(|(_, what, _)| *what).collect();
        assert_eq!(seen, ["opened", "storm"], "{by_ms}");
        assert_eq!(fleet.notices[1].1.affected, 60);
        for number in 0..60 {
            alert(&mut fleet, number, "x/Fault", Severity::Critical, false);
        }
        assert!(fleet.active().is_empty());
        // What fails after it is another matter.
        alert(&mut fleet, 1, "x/Fault", Severity::Critical, true);
        assert_eq!(fleet.active().len(), 1);
        assert!(fleet.active()[0] != 1);
    }
}

#[test]
fn what_is_worked_on_joins_at_the_end_of_its_window_and_who_is_retired_leaves() {
    let mut fleet = centre(12);
    let scope = Scope { devices: vec!["d-0".into(), "d-1".into()], ..Scope::default() };
    let when = WindowSchedule::Once { from: start(), until: start().plus_millis(3_600_000) };
    let title = "patch".to_owned();
    let window = Window { id: 0, title, scope, when, freeze: false, who: "lan".into(), overruled: Vec::new() };
    fleet.input(Input::PlanWindow { window, overrule: false }).expect("allowed");
    lose(&mut fleet, 0..12);
    fleet.pass(120_000);
    assert_eq!((fleet.active(), fleet.incidents[&IncidentId(1)].raised), (vec![1], 10), "two are worked on");
    fleet.pass(3_600_000);
    assert_eq!((fleet.active(), fleet.incidents[&IncidentId(1)].raised), (vec![1], 12), "they failed with the others");
    let told_before = told(&fleet).iter().filter(|(_, what, _)| *what == "opened").count();
    assert_eq!(told_before, 1, "{:?}", told(&fleet));
    for number in 0..12 {
        assert_eq!(fleet.active(), [1]);
        fleet.input(Input::Removed(&device(&format!("d-{number}")))).expect("allowed");
    }
    assert_eq!(fleet.incidents[&IncidentId(1)].state, IncidentState::Resolved);
}

#[test]
fn a_member_is_taken_out_with_a_reason_and_stays_out() {
    let mut fleet = centre(8);
    for number in 0..8 {
        alert(&mut fleet, number, "x/Fault", Severity::Warning, true);
    }
    fleet.pass(30_000);
    assert_eq!(fleet.active(), [1]);
    let last_of = |fleet: &Fleet, number: usize| {
        fleet.faults.values().rev().find(|one| one.device == device(&format!("d-{number}"))).expect("one").clone()
    };
    let fault = last_of(&fleet, 0).id.0;
    let refused = fleet.act(1, Action::Split { fault, note: " ".into() }).expect_err("no reason");
    assert!(matches!(refused, Refusal::Invalid { field: "note", .. }), "{refused}");
    fleet.act(1, Action::Split { fault, note: "its own disk".into() }).expect("allowed");
    let own = last_of(&fleet, 0).incident.expect("one");
    assert_eq!((fleet.active(), fleet.incidents[&IncidentId(1)].raised), (vec![1, own.0], 7));
    assert_eq!(fleet.incidents[&own].device, Some(device("d-0")));
    // It ends and comes back: that is its own incident's, and not the storm's.
    alert(&mut fleet, 0, "x/Fault", Severity::Warning, false);
    alert(&mut fleet, 0, "x/Fault", Severity::Warning, true);
    assert_eq!(last_of(&fleet, 0).incident, Some(own));
    let refused = fleet.act(1, Action::Merge { into: own.0 }).expect_err("the many are not joined to the one");
    assert!(matches!(refused, Refusal::Invalid { field: "into", .. }), "{refused}");
    fleet.act(own.0, Action::Merge { into: 1 }).expect("the one is joined to the many");
    assert_eq!(fleet.incidents[&IncidentId(1)].raised, 8);
    assert!(fleet.incidents[&IncidentId(1)].progress.joined.is_empty(), "the faults tell it");
}

#[test]
fn whoever_answers_for_a_device_of_it_is_told_of_it_too() {
    let text = super::fleet::PLAN.replacen("to = [\"rota:duty\"]", "to = [\"rota:duty\", \"officer\"]", 1);
    let source = ioc_common::config::Source::built_in("duty.toml", &text);
    let channels = ["sms", "mail"];
    let zone = jiff::tz::TimeZone::UTC;
    let plan = crate::duty::Plan::parse(&source, &zone, ioc_common::language::Language::Vietnamese, &channels);
    let mut fleet = Fleet::new(std::sync::Arc::new(plan.unwrap_or_else(|e| panic!("{e}"))));
    for number in 0..8 {
        let officer = if number == 6 { "Chief".to_owned() } else { String::new() };
        fleet.enrol(DeviceInfo { officer, ..info(number, "Phòng 1") });
    }
    for number in 0..8 {
        alert(&mut fleet, number, "x/Fault", Severity::Critical, true);
    }
    fleet.pass(20_000);
    let storm = fleet.told().into_iter().find(|(_, what, ..)| *what == "storm").expect("told");
    assert_eq!(storm.3, ["binh", "chief"]);
}

#[test]
fn a_storm_behind_an_uplink_is_the_uplinks_incident() {
    let mut fleet = Fleet::behind_switch(6, no_plan());
    lose(&mut fleet, 0..6);
    fleet.pass(15_000);
    for number in 0..6 {
        let id: DeviceId = device(&format!("d-{number}"));
        fleet.input(Input::HostProbed { device: &id, answer: HostAnswer::No }).expect("allowed");
    }
    fleet.input(Input::HostProbed { device: &device("sw-1"), answer: HostAnswer::No }).expect("allowed");
    fleet.pass(60_000);
    let incident = &fleet.incidents[&IncidentId(1)];
    assert_eq!((fleet.incidents.len(), incident.device.as_ref()), (1, Some(&device("sw-1"))));
    assert!(incident.progress.storm.is_none() && told(&fleet).len() == 1, "{:?}", told(&fleet));
}
