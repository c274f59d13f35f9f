//! Who may take an incident, and when.

use ioc_common::id::IncidentId;

use super::fleet::{Fleet, device, plan};
use super::*;

#[test]
fn only_an_open_incident_can_be_acknowledged() {
    let mut scene = Scene::new();
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(30);
    let ack = |scene: &mut Scene, number| {
        let incident = IncidentId(number);
        let now = scene.now();
        let mut out = Vec::new();
        let action = Action::Acknowledge { note: String::new() };
        scene.state.step(Input::Act { incident, who: "Lan", action }, now, &mut out).map(|_| out)
    };
    assert!(ack(&mut scene, 1).is_ok());
    assert!(ack(&mut scene, 1).expect_err("twice").to_string().contains("acknowledged"));
    assert!(ack(&mut scene, 9).expect_err("unknown").to_string().contains("INC-000009"));
}

#[test]
fn whoever_is_given_an_incident_is_told_and_whoever_cannot_be_told_is_named() {
    let mut fleet = Fleet::behind_switch(1, plan());
    fleet.input(Input::LinkBroken { device: &device("d-0"), quiet_ms: 0 }).expect("allowed");
    fleet.pass(60_000);
    let assign = |fleet: &mut Fleet, person: &str| {
        fleet.act(1, Action::Assign { unit: "Tổ hạ tầng".into(), person: person.into() }).expect("allowed");
        fleet.incidents[&IncidentId(1)].record.person.clone()
    };
    let told = |fleet: &Fleet| fleet.told().into_iter().filter(|(_, what, ..)| *what == "assigned").count();
    assert_eq!((assign(&mut fleet, "chief"), told(&fleet)), ("Chief".to_owned(), 1), "by key or by name");
    let (_, notice) = fleet.notices.last().expect("told");
    assert_eq!(notice.to.iter().map(|to| to.person.as_str()).collect::<Vec<_>>(), ["chief"]);
    assert!(notice.reason.en.contains("Assigned to Tổ hạ tầng, Chief") && !notice.to_all, "{notice:?}");
    // Whoever takes it upon themselves need not be told, and whoever is in no plan cannot be.
    assert_eq!((assign(&mut fleet, "Lan"), told(&fleet)), ("Lan".to_owned(), 1));
    assert_eq!((assign(&mut fleet, "Thợ điện"), told(&fleet)), ("Thợ điện".to_owned(), 1));
    // Whoever was told is told of the end.
    fleet.connect(&device("d-0"));
    let (_, occasion, _, to) = fleet.told().pop().expect("one");
    assert_eq!((occasion, to), ("resolved", vec!["binh", "chief"]));
}
