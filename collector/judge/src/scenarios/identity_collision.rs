//! One identity on two machines, and what only looks like it.

use super::*;
use crate::Text;

/// What an agent does that finds that another one was here: it takes a higher epoch and says hello.
fn come(scene: &mut Scene, epoch: u64, boot: &str) {
    scene.input(Input::Connected { device: &id(), keep_alive_s: 10 });
    scene.report_at(Position { epoch, seq: 1 }, hello(boot, &["/"]), 0, 0);
}

#[test]
fn two_machines_that_take_turns_are_kept_out_until_one_is_enrolled_anew() {
    let mut scene = Scene::new();
    for (epoch, boot) in [(2, "boot-b"), (3, "boot-a")] {
        come(&mut scene, epoch, boot);
    }
    assert!(!scene.state.is_quarantined(&id()), "a restored snapshot does as much");
    scene.now_s = 5;
    come(&mut scene, 4, "boot-b");
    assert!(scene.state.is_quarantined(&id()));
    come(&mut scene, 5, "boot-a");
    scene.input(Input::LinkBroken { device: &id(), quiet_ms: 0 });
    scene.until(60);
    // The collector starts anew: it still is so.
    let faults = scene
        .effects
        .iter()
        .rev()
        .filter_map(|effect| match effect {
            Effect::Fault(fault) if fault.rule == crate::IDENTITY_COLLISION => Some(fault.clone()),
            _ => None,
        })
        .take(1);
    let devices = vec![Device::new(DeviceInfo::new(id(), DeviceKind::Server, "DB 1"))];
    let snapshot = Snapshot { devices, faults: faults.collect(), ..Snapshot::default() };
    let (restored, _) = State::restore(rules(), Arc::default(), TimeLimits::default(), snapshot, scene.now());
    assert!(restored.is_quarantined(&id()));
    let why = Text::new("Đã đăng ký lại.", "It was enrolled anew.");
    scene.input(Input::Released { device: &id(), why });
    assert!(!scene.state.is_quarantined(&id()));
    // It has its time to come back; then its silence is told like any other's.
    scene.until(200);
    come(&mut scene, 6, "boot-a");
    scene.golden(
        "0 record device.rebooted
        0 record device.rebooted
        5 record device.rebooted
        5 quarantined srv-01
        5 fault F-000001 identity-collision raised under Some(1)
        5 incident INC-000001 open raised 1
        5 step 1.1 open: Two running machines take turns reporting under one identity (runs boot-b and boot-a, host name \"\"). Both are kept out.
        5 NOTICE INC-000001 opened Identity on two machines
        5 presence live
        10 presence suspect
        10 probe host
        12 presence silent
        60 fault F-000001 identity-collision cleared under Some(1)
        60 incident INC-000001 resolved raised 0
        60 step 1.2 resolved: It was enrolled anew.
        60 NOTICE INC-000001 resolved Identity on two machines
        60 presence live
        180 presence suspect
        180 probe host
        182 presence silent
        182 fault F-000002 device-silent raised under Some(2)
        182 incident INC-000002 open raised 1
        182 step 2.1 open: The agent is lost; the host could not be asked.
        182 NOTICE INC-000002 opened Device silent
        200 presence live
        200 fault F-000002 device-silent cleared under Some(2)
        200 incident INC-000002 resolved raised 0
        200 step 2.2 resolved: The device is heard again.
        200 NOTICE INC-000002 resolved Device silent
        200 record device.rebooted",
    );
}

#[test]
fn a_machine_that_reboots_or_goes_back_to_a_snapshot_once_is_one_machine() {
    let mut scene = Scene::new();
    for (epoch, boot) in [(2, "boot-b"), (3, "boot-b"), (4, "boot-a"), (5, "boot-c"), (6, "boot-d"), (7, "boot-c")] {
        come(&mut scene, epoch, boot);
    }
    assert!(!scene.state.is_quarantined(&id()));
}
