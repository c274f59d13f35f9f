//! Reports that never came: what is missed in their order, what devices tell, and how both come together.

use super::*;
use crate::Loss;
use ioc_common::report::EarlierRun;

/// Why reports are lost, as it is written.
pub(super) fn named(loss: &Loss) -> Vec<(&'static str, u64)> {
    loss.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect()
}

fn at(epoch: u64, seq: u64) -> Position {
    Position { epoch, seq }
}

/// A hello that tells of losses and of earlier runs.
fn telling(losses: Losses, former: &[(u64, u64, bool)]) -> Body {
    let Body::Hello(mut hello) = hello("boot-a", &["/"]) else { unreachable!() };
    hello.losses = losses;
    hello.former =
        former.iter().map(|(epoch, seq, clean)| EarlierRun { epoch: *epoch, seq: *seq, clean: *clean }).collect();
    Body::Hello(hello)
}

/// A sample that says what was lost before it.
fn sample_after(scene: &mut Scene, position: Position, lost: Losses, age_s: i64) {
    let envelope = Envelope {
        device: id(),
        about: None,
        position,
        boot: "boot".into(),
        taken_at: scene.now().plus_millis(-age_s * 1000),
        age_ms: Some(u64::try_from(age_s * 1000).expect("not negative")),
        lost: Some(lost),
    };
    scene.input(Input::Report(&Report { envelope, body: sample(&[1.0]) }));
}

fn lost(scene: &Scene) -> Vec<Vec<(&'static str, u64)>> {
    scene
        .effects
        .iter()
        .filter_map(|effect| if let Effect::ReportsLost(_, loss) = effect { Some(named(loss)) } else { None })
        .collect()
}

#[test]
fn a_gap_in_the_order_is_found_by_the_collector_itself_once() {
    let mut scene = Scene::new();
    for seq in [2, 3, 4, 4, 9, 9, 7, 10] {
        scene.report_at(at(1, seq), sample(&[1.0]), 0, 0);
    }
    assert!(lost(&scene).len() == 1 && lost(&scene)[0] == [("unknown", 4)], "{:?}", lost(&scene));
    assert_eq!(scene.state.device(&id()).expect("known").losses.total(), 4);
}

#[test]
fn what_a_device_tells_gives_the_reason_and_is_not_counted_twice() {
    let mut scene = Scene::new();
    scene.report_at(at(1, 1), sample(&[1.0]), 900, 0);
    let thinned = Losses { samples_thinned: 3, corrupt: 1, ..Losses::default() };
    // Every second one of a backlog: told with the first gap, which is only one of them.
    for seq in [3, 5, 7] {
        sample_after(&mut scene, at(1, seq), thinned, 600);
    }
    sample_after(&mut scene, at(1, 9), thinned, 600);
    scene.report_at(at(1, 10), telling(thinned, &[]), 0, 0);
    assert_eq!(lost(&scene), [vec![("samples_thinned", 3), ("corrupt", 1)]]);
    // Told by the hello alone, before anything is missed; and missed before anybody told.
    scene.report_at(at(1, 11), telling(Losses { failing: 9, ..thinned }, &[]), 600, 0);
    scene.report_at(at(1, 21), sample(&[1.0]), 600, 0);
    scene.report_at(at(1, 24), sample(&[1.0]), 600, 0);
    scene.report_at(at(1, 25), telling(Losses { failing: 12, ..thinned }, &[]), 600, 0);
    assert_eq!(lost(&scene)[1..], [vec![("failing", 9)], vec![("unknown", 2)], vec![("failing", 1)]]);
    // Counters that begin anew are those of a state that was lost.
    scene.report_at(at(2, 1), telling(Losses { corrupt: 1, ..Losses::default() }, &[]), 0, 0);
    assert_eq!(lost(&scene)[4..], [vec![("corrupt", 1)]]);
}

#[test]
fn a_hello_that_was_written_before_a_loss_is_no_news_after_it() {
    let mut scene = Scene::new();
    let told = |corrupt, made| Losses { corrupt, made, ..Losses::default() };
    sample_after(&mut scene, at(1, 4), told(2, 5), 600);
    scene.report_at(at(2, 1), telling(Losses::default(), &[]), 0, 0);
    scene.report_at(at(2, 2), telling(told(1, 5), &[]), 0, 0);
    scene.report_at(at(2, 3), telling(told(2, 5), &[]), 0, 0);
    assert_eq!(lost(&scene), [vec![("corrupt", 2)]]);
    scene.report_at(at(2, 4), telling(told(3, 6), &[]), 0, 0);
    assert_eq!(lost(&scene)[1..], [vec![("corrupt", 3)]], "another beginning");
}

#[test]
fn the_end_of_an_epoch_is_told_by_the_next_ones_hello() {
    let mut scene = Scene::new();
    scene.report_at(at(5, 1), telling(Losses::default(), &[(3, 70, true)]), 0, 0);
    assert_eq!(lost(&scene), [vec![("unknown", 70)]], "an epoch of which nothing came");
    scene.effects.clear();
    scene.report_at(at(5, 2), sample(&[1.0]), 0, 0);
    // A run that ended by itself, whole; and one that was cut off, which is said quietly.
    scene.report_at(at(6, 1), telling(Losses::default(), &[(5, 2, true)]), 0, 0);
    assert!(lost(&scene).is_empty());
    scene.report_at(at(7, 1), telling(Losses::default(), &[(5, 2, true), (6, 0, false)]), 0, 0);
    assert_eq!(lost(&scene), [vec![("cut_off", 0)]]);
    // A tail that never came, and a whole epoch of which nothing did; the hello comes late, and again.
    scene.report_at(at(9, 2), sample(&[1.0]), 0, 0);
    for seq in [3, 4] {
        scene.report_at(at(9, seq), telling(Losses::default(), &[(6, 0, false), (7, 11, true), (8, 5, true)]), 0, 0);
    }
    assert_eq!(lost(&scene)[1..], [vec![("unknown", 1)], vec![("unknown", 15)]]);
}

#[test]
fn what_the_collector_refused_is_missed_for_that_reason() {
    let mut scene = Scene::new();
    scene.report_at(at(1, 1), sample(&[1.0]), 0, 0);
    scene.state.refused(&id(), at(1, 2));
    scene.state.refused(&id(), at(1, 2));
    scene.report_at(at(1, 4), sample(&[1.0]), 0, 0);
    assert_eq!(lost(&scene), [vec![("refused", 1), ("unknown", 1)]]);
}

#[test]
fn many_lost_reports_are_a_fault_for_a_day_and_a_few_are_not() {
    let mut scene = Scene::new();
    scene.report_at(at(1, 1), hello("boot-a", &["/"]), 0, 0);
    scene.report_at(at(1, 10), sample(&[1.0]), 0, 0);
    let raised = |scene: &Scene| {
        scene
            .effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Fault(fault) if fault.rule == "reports-lost"))
            .count()
    };
    assert_eq!(raised(&scene), 0, "a few are an event, no more");
    scene.report_at(at(1, 90), sample(&[1.0]), 0, 0);
    assert!(scene.log.contains("fault F-000001 reports-lost raised"), "{}", scene.log);
    let (mut hours, mut seq) = (0, 90);
    while !scene.log.contains("reports-lost cleared") && hours < 30 {
        hours += 1;
        seq += 1;
        scene.now_s = hours * 3600;
        scene.report_at(at(1, seq), sample(&[1.0]), 0, 0);
    }
    assert_eq!(hours, 24, "{}", scene.log);
}

#[test]
fn a_collector_that_starts_anew_goes_on_with_what_it_knew() {
    let mut scene = Scene::new();
    scene.report_at(at(1, 1), telling(Losses { corrupt: 2, ..Losses::default() }, &[]), 0, 0);
    let mut kept = Device::new(scene.state.device(&id()).expect("known").info.clone());
    let known = scene.state.device(&id()).expect("known");
    let text = serde_json::to_string(&known.losses).expect("writes");
    (kept.losses, kept.watermark) = (serde_json::from_str(&text).expect("reads"), known.watermark);
    let snapshot = Snapshot { devices: vec![kept], ..Snapshot::default() };
    scene.state = State::restore(rules(), Arc::default(), TimeLimits::default(), snapshot, scene.now()).0;
    scene.report_at(at(1, 2), telling(Losses { corrupt: 2, ..Losses::default() }, &[]), 0, 0);
    assert_eq!(lost(&scene), [vec![("corrupt", 2)]]);
}

#[test]
fn losses_are_of_the_last_day_whatever_the_clock_is_set_to() {
    let day = 86_400_000;
    for by_ms in [-30 * day, -day, -1000, 1000, 2 * day, 3652 * day] {
        let mut ledger = crate::LossLedger::default();
        let lost = Timestamp::from_millis(START_MS);
        ledger.reconcile(None, 3, 0, lost);
        assert!(ledger.shift(by_ms), "there is something to keep");
        let stepped = lost.plus_millis(by_ms);
        let after = |hours: i64| ledger.recent(stepped.plus_millis(hours * 3_600_000))[0];
        assert_eq!([after(0), after(22), after(25)], [3, 3, 0], "{by_ms}");
    }
}
