//! Who may take an incident, and when.

use super::*;

#[test]
fn only_an_open_incident_can_be_acknowledged() {
    let mut scene = Scene::new();
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(30);
    let ack = |scene: &mut Scene, number| {
        let incident = ioc_common::id::IncidentId(number);
        let now = scene.now();
        let mut out = Vec::new();
        let action = Action::Acknowledge { note: String::new() };
        scene.state.step(Input::Act { incident, who: "Lan", action }, now, &mut out).map(|_| out)
    };
    assert!(ack(&mut scene, 1).is_ok());
    assert!(ack(&mut scene, 1).expect_err("twice").to_string().contains("acknowledged"));
    assert!(ack(&mut scene, 9).expect_err("unknown").to_string().contains("INC-000009"));
}
