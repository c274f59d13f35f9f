//! Devices that bring more than they may: a fault that is raised once and goes when they behave.

use super::*;
use crate::Text;

fn over_budget(scene: &mut Scene, what: &str) {
    scene.input(Input::OverBudget { device: &id(), what: Text::new(what, what) });
}

#[test]
fn a_device_beyond_its_budgets_is_a_fault_once_and_not_for_ever() {
    let mut scene = Scene::new();
    over_budget(&mut scene, "documents");
    scene.now_s = 60;
    over_budget(&mut scene, "documents");
    scene.now_s = 90;
    over_budget(&mut scene, "documents, events");
    // It goes on for a while; then it behaves.
    scene.until(400);
    over_budget(&mut scene, "documents, events");
    scene.until(999);
    scene.until(1001);
    scene.golden(
        "0 fault F-000001 device-over-budget raised under Some(1)
        0 incident INC-000001 open raised 1
        0 step 1.1 open: The device sends more than it may: documents. What is beyond is refused or slowed down.
        0 NOTICE INC-000001 opened Over budget
        90 fault F-000001 device-over-budget raised under Some(1)
        1000 fault F-000001 device-over-budget cleared under Some(1)
        1000 incident INC-000001 resolved raised 0
        1000 step 1.2 resolved: It has kept within its budgets for 10 minutes.
        1000 NOTICE INC-000001 resolved Over budget
        ",
    );
}

#[test]
fn what_is_refused_takes_its_place_and_is_a_sign_of_life() {
    let mut scene = Scene::new();
    scene.now_s = 5;
    scene.input(Input::Skipped { device: &id(), position: Position { epoch: 1, seq: 500 } });
    let device = scene.state.device(&id()).expect("known");
    assert_eq!((device.watermark.seq, device.last_heard), (500, Some(scene.now())));
    // A smaller place does not take it back.
    scene.input(Input::Skipped { device: &id(), position: Position { epoch: 1, seq: 7 } });
    assert_eq!(scene.state.device(&id()).expect("known").watermark.seq, 500);
}

#[test]
fn the_fault_goes_after_a_restart_too() {
    let mut scene = Scene::new();
    over_budget(&mut scene, "events");
    let fault = scene.effects.iter().find_map(|effect| match effect {
        Effect::Fault(fault) => Some(fault.clone()),
        _ => None,
    });
    let incidents = scene.effects.iter().rev().find_map(|effect| match effect {
        Effect::Incident(incident) => Some(incident.as_ref().clone()),
        _ => None,
    });
    let devices = vec![Device::new(DeviceInfo::new(id(), DeviceKind::Server, "DB 1"))];
    let snapshot = Snapshot {
        devices,
        faults: fault.into_iter().collect(),
        incidents: incidents.into_iter().collect(),
        ..Snapshot::default()
    };
    let (state, _) = State::restore(rules(), Arc::default(), TimeLimits::default(), snapshot, scene.now());
    scene.state = state;
    scene.log.clear();
    scene.until(601);
    assert!(scene.log.contains("600 fault F-000001 device-over-budget cleared"), "{}", scene.log);
}

#[test]
fn a_device_speaks_for_so_many_sensors_and_what_is_beyond_is_written_down_once() {
    let mut scene = Scene::new();
    let announced = |scene: &mut Scene, n: u32| scene.sensor(&format!("s{n}"), sensor_hello(&ALARM, Vec::new()));
    for n in 0..512 {
        assert!(matches!(announced(&mut scene, n), ReportVerdict::New { .. }), "{n}");
    }
    for n in 512..600 {
        assert_eq!(announced(&mut scene, n), ReportVerdict::Unannounced, "{n}");
    }
    let host = scene.state.device(&id()).expect("known");
    assert_eq!(host.children.len(), 512);
    assert_eq!(scene.state.devices().count(), 513, "nothing is kept of the others");
    assert_eq!(scene.log.matches("record sensor.refused").count(), 1, "{}", scene.log);
}
