//! Scenarios of numbers: where one is going, where one is missing, what is different where.

use std::sync::Arc;

use ioc_common::config::Source;
use ioc_common::report::Body;

use super::fleet::{Fleet, device, no_plan, start};
use super::{Scene, layout, sensor_hello, sensor_sample};
use crate::{DeviceInfo, DeviceKind};

#[test]
fn a_disk_that_is_going_to_be_full_is_told_before_it_is() {
    let mut fleet = Fleet::behind_switch(1, no_plan());
    let rules = r#"
[[rule]]
id = "disk-full-soon"
kind = "forecast"
severity = "warning"
metric = "fs.used_pct"
within = "6h"
ahead = "1d"
raise = { above = 98 }
clear = { below = 95 }
title = { vi = "Sắp đầy", en = "Full soon" }
advice = { vi = "x", en = "x" }
[[rule]]
id = "unknown"
kind = "missing"
severity = "warning"
metric = "load.1"
for = "15m"
title = { vi = "Không rõ", en = "Unknown" }
advice = { vi = "x", en = "x" }
[[override]]
rule = "disk-full-soon"
why = "an archive is full by design"
scope = { tags = ["archive"] }
off = true
"#;
    let rules = crate::RuleSet::parse(&Source::built_in("rules.toml", rules)).unwrap_or_else(|e| panic!("{e}"));
    fleet.state.replace_rules(Arc::new(rules), start(), &mut Vec::new());
    let archive = device("archive");
    let info = DeviceInfo { tags: vec!["archive".into()], ..DeviceInfo::new(archive.clone(), DeviceKind::Server, "A") };
    fleet.enrol(info);
    fleet.connect(&archive);
    // One percent an hour from 70 %: a day ahead lies 24 above, so 98 is in sight at 74 %, after four hours.
    let mut told_at = None;
    for minute in (0..480).step_by(5) {
        fleet.pass(300_000);
        for id in [&device("d-0"), &archive] {
            fleet.sample(id, 70.0 + f64::from(minute) / 60.0);
        }
        told_at = told_at.or(fleet.notices.first().map(|_| minute));
    }
    assert!((230..260).contains(&told_at.expect("told")), "{told_at:?}");
    let opened = fleet.told().iter().filter(|(_, what, ..)| *what == "opened").count();
    assert_eq!(opened, 1, "not of the archive: {:?}", fleet.told());
    assert!(fleet.notices[0].1.reason.en.contains("it will be above 98 % in 1 day"), "{:?}", fleet.notices[0].1.reason);
    // It stands still: after some hours the line does not lead there any more.
    for _ in 0..96 {
        fleet.pass(300_000);
        fleet.sample(&device("d-0"), 78.0);
    }
    assert!(fleet.active().is_empty());

    // A number that is not known for a quarter of an hour is a fault of its own kind.
    for _ in 0..20 {
        fleet.pass(60_000);
        let v = vec![None, Some(70.0)];
        let layout = layout(&["/"]).id();
        fleet.report(&device("d-0"), Body::Sample(ioc_common::report::Sample { layout, v }));
    }
    let last = &fleet.notices.last().expect("told").1;
    assert!(last.rule == "unknown" && last.reason.en.contains("has not been known for 15 minutes"), "{last:?}");
    fleet.sample(&device("d-0"), 70.0);
    assert!(fleet.active().is_empty());
}

#[test]
fn a_value_that_rises_fast_and_one_that_never_moves_are_faults() {
    let warm = [("env.temperature", "")];
    let mut scene = Scene::new();
    scene.sensor("room", sensor_hello(&warm, Vec::new()));
    scene.log.clear();
    // One degree in five minutes is slow, three and a half in ten are not.
    for (at_s, value) in [(0, 22.0), (300, 23.0), (400, 24.0), (500, 25.5), (600, 25.6), (1200, 25.7), (1300, 25.6)] {
        scene.now_s = at_s;
        scene.sensor("room", sensor_sample(&warm, &[value]));
    }
    let raised = scene.log.lines().filter(|line| line.contains("warming raised")).count();
    assert!(raised >= 1 && scene.log.contains("500 fault F-000001 warming"), "{}", scene.log);
    assert!(scene.log.contains("rose by 3.5 °C within 10 minutes"), "{}", scene.log);
    assert!(scene.log.contains("1200 fault F-000001 warming cleared"), "{}", scene.log);
    scene.log.clear();
    for at_s in (1310..1310 + 3700).step_by(50) {
        scene.now_s = at_s;
        scene.sensor("room", sensor_sample(&warm, &[25.6]));
    }
    assert!(scene.log.contains("frozen raised") && scene.log.contains("has not changed for 1 hour"), "{}", scene.log);
    scene.now_s += 50;
    scene.sensor("room", sensor_sample(&warm, &[25.7]));
    assert!(scene.log.contains("frozen cleared"), "{}", scene.log);
}
