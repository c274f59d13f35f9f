//! Links that nobody closes: by when a device is called silent, however its link went.

use super::*;
use crate::presence::{quiet_after_ms, silent_after_ms};

fn state(scene: &Scene) -> &'static str {
    scene.state.device(&id()).expect("known").presence.as_str()
}

#[test]
fn nothing_is_heard_for_one_and_a_half_keep_alives_at_most() {
    for keep_alive_s in [5, 10, 30, 60, 300, 600] {
        let (asked, silent) = (quiet_after_ms(keep_alive_s), silent_after_ms(keep_alive_s));
        let keep_alive_ms = i64::from(keep_alive_s) * 1000;
        assert!(asked > keep_alive_ms, "a ping may come at {keep_alive_s} s");
        assert!(asked + crate::presence::HOST_PROBE_MS <= silent && silent < keep_alive_ms * 3 / 2);
    }
    // Nobody answers, neither agent nor host.
    let mut scene = Scene::new();
    scene.now_s = 13;
    assert_eq!(quiet_after_ms(10), 13_000);
    scene.input(Input::LinkIdle { device: &id(), quiet_ms: 13_000 });
    assert_eq!(state(&scene), "suspect");
    scene.until(15);
    assert_eq!(state(&scene), "silent");
    // The link is closed after that; it says nothing new.
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 15_000 });
    scene.until(60);
    assert_eq!(scene.log.matches("presence silent").count(), 1, "{}", scene.log);
}

#[test]
fn a_host_that_answers_or_not_is_told_at_once() {
    for (answer, told) in [(HostAnswer::No, "host_down"), (HostAnswer::Yes, "silent")] {
        let mut scene = Scene::new();
        scene.now_s = 13;
        scene.input(Input::LinkIdle { device: &id(), quiet_ms: 13_000 });
        scene.input(Input::HostProbed { device: &id(), answer });
        assert_eq!(state(&scene), told);
        // A packet after all: the fault is cleared.
        scene.input(Input::LinkAlive { device: &id() });
        assert_eq!(state(&scene), "live");
        assert!(scene.log.contains("cleared"), "{}", scene.log);
    }
}

#[test]
fn a_link_that_breaks_late_has_less_time_to_come_back() {
    // Broken early: half a keep-alive, as ever.
    let mut scene = Scene::new();
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 1000 });
    scene.until(4);
    assert_eq!(state(&scene), "live");
    scene.until(8);
    assert_eq!(state(&scene), "silent");
    // Broken nine seconds after its last packet.
    let mut scene = Scene::new();
    scene.now_s = 9;
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 9000 });
    assert_eq!(state(&scene), "live");
    scene.until(13);
    assert_eq!(state(&scene), "suspect");
    scene.until(15);
    assert_eq!(state(&scene), "silent");
}

#[test]
fn a_packet_in_time_makes_nothing_of_it() {
    let mut scene = Scene::new();
    scene.now_s = 13;
    scene.input(Input::LinkIdle { device: &id(), quiet_ms: 13_000 });
    scene.input(Input::LinkAlive { device: &id() });
    scene.until(60);
    assert_eq!(state(&scene), "live");
    assert!(!scene.log.contains("fault"), "{}", scene.log);
}

#[test]
fn nobody_waits_for_the_longer_keep_alive_of_an_uplink() {
    let gateway = DeviceId::new("gateway").expect("valid");
    let expected = [(HostAnswer::No, gateway.clone()), (HostAnswer::Yes, id())];
    for (answer, raised_on) in expected {
        let mut scene = Scene::new();
        scene.input(Input::Enrolled(DeviceInfo::new(gateway.clone(), DeviceKind::Server, "Gateway")));
        let uplink = Some(gateway.clone());
        scene.input(Input::Enrolled(DeviceInfo { uplink, ..DeviceInfo::new(id(), DeviceKind::Server, "DB 1") }));
        scene.input(Input::Connected { device: &gateway, keep_alive_s: 600 });
        scene.input(Input::LinkBroken { device: &gateway, quiet_ms: 0 });
        // Its link broke as the gateway's did, with a keep-alive of 10 s.
        scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
        scene.until(6);
        scene.effects.clear();
        scene.input(Input::HostProbed { device: &id(), answer: HostAnswer::No });
        let asked = |effect: &Effect| matches!(effect, Effect::ProbeHost(one) if *one == gateway);
        assert!(scene.effects.iter().any(asked), "the gateway is asked at once: {:?}", scene.effects);
        scene.input(Input::HostProbed { device: &gateway, answer });
        assert_eq!(state(&scene), "host_down");
        let incident = scene.state.incident(ioc_common::id::IncidentId(1)).expect("opened");
        assert_eq!(incident.device, Some(raised_on));
    }
    // Nor where it cannot be asked.
    let mut scene = Scene::new();
    scene.input(Input::Enrolled(DeviceInfo::new(gateway.clone(), DeviceKind::Server, "Gateway")));
    let uplink = Some(gateway.clone());
    scene.input(Input::Enrolled(DeviceInfo { uplink, ..DeviceInfo::new(id(), DeviceKind::Server, "DB 1") }));
    scene.input(Input::Connected { device: &gateway, keep_alive_s: 600 });
    scene.input(Input::LinkBroken { device: &gateway, quiet_ms: 0 });
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(30);
    assert_eq!(state(&scene), "silent", "{}", scene.log);
}
