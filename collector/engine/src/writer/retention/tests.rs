//! Rules that wait, and clocks that jump.

use ioc_common::config::SpanWithin;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::DeviceId;
use ioc_store::retention::Cursor;

use super::super::time::tests::{Machine, Rig};
use super::*;
use crate::command::Command;
use crate::config::Config;

const DAY: i64 = 86_400_000;
const YEAR: i64 = 365 * DAY;

/// An engine with a device, and an event of it that happened so long before.
fn with_event(dir: &std::path::Path, machine: &Machine, age_ms: i64) -> Rig {
    let mut rig = Rig::open(dir, machine);
    rig.register("srv-1");
    let at = rig.engine.time.now().plus_millis(-age_ms);
    let (device, name) = (DeviceId::new("srv-1").expect("valid"), "login".to_owned());
    let event = Change::Event { device, at, name, text: String::new(), fields: "{}".to_owned() };
    rig.engine.batch.changes.push(event);
    rig.pass(10_000);
    rig.command(Command::AwaitCommit).expect("kept");
    rig
}

fn events(rig: &Rig) -> usize {
    rig.reader.events(&DeviceId::new("srv-1").expect("valid"), None, 99).expect("reads").len()
}

/// Asks for all events to be deleted that are past their time by whatever clock.
fn expire(rig: &mut Rig) -> CommandResult {
    let seen = rig.reader.past_records(RecordClass::Events, Timestamp::MAX, Cursor::default(), 99).expect("reads");
    let records = seen.into_iter().map(|one| (one.key, sha256_hex(one.line.as_bytes()))).collect();
    let (first_alone, exported) = (String::new(), String::new());
    rig.command(Command::Expire {
        class: RecordClass::Events,
        records,
        holds_seen: 0,
        commits_seen: 0,
        first_alone,
        exported,
    })
}

fn waits(rig: &Rig) -> Option<Timestamp> {
    let (told, now) = (rig.reader.retention_rules().expect("reads"), rig.engine.time.now());
    let engine = &rig.engine;
    let kept = engine.config.retention.waits_until(&told, RecordClass::Events, now);
    assert_eq!(kept, engine.config.retention.waits_until(&engine.retention_rules, RecordClass::Events, now));
    kept
}

fn begin(rig: &mut Rig, name: &str) -> CommandResult {
    let (reason, actor) = ("đã xem".to_owned(), "local:0".to_owned());
    rig.command(Command::BeginDeletion { class: RecordClass::Events, reason, name: name.to_owned(), actor })
}

/// The configuration with another rule of events.
fn ruled(rig: &Rig, keep: &str, end: ClassEnd) -> Box<Config> {
    let mut config = rig.engine.config.clone();
    for rule in config.retention.classes.iter_mut().filter(|rule| rule.class == RecordClass::Events) {
        (rule.keep, rule.end, rule.by) = (Some(keep.parse().expect("a span")), end, "An".to_owned());
    }
    Box::new(config)
}

#[test]
fn whoever_deletes_by_age_is_given_a_time_only_once_it_is_believed() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    rig.pass(10_000);
    let judged = |rig: &Rig| rig.health.judged_now().map(|at| at.millis_since(rig.engine.time.now()).abs() < 60_000);
    assert_eq!(judged(&rig), Some(true));
    for by_ms in [10 * YEAR, -5 * YEAR] {
        machine.step(by_ms);
        rig.pass(10_000);
        assert_eq!(judged(&rig), None, "{by_ms}");
        machine.step(-by_ms);
        rig.pass(10_000);
        assert_eq!(judged(&rig), Some(true));
    }
    // Before the engine has compared its clocks, and when they are in doubt from the start.
    assert_eq!(crate::health::Health::default().judged_now(), None);
    drop(rig);
    machine.pass(30 * DAY);
    machine.reboot();
    let mut rig = Rig::open(dir.path(), &machine);
    assert_ne!(judged(&rig), Some(true), "it was off for a month by its own clock");
    rig.pass(10_000);
    assert_eq!(judged(&rig), None);
}

#[test]
fn no_clock_that_jumps_deletes_anything_before_it_is_believed() {
    for by_ms in [10 * YEAR, -5 * YEAR] {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = with_event(dir.path(), &machine, 100 * DAY);
        rig.engine.config.retention.grace = SpanWithin(Span::secs(0));
        machine.step(by_ms);
        let refused = expire(&mut rig).expect_err("the clock is not believed");
        assert!(refused.to_string().contains("the clock is in doubt") && events(&rig) == 1, "{refused}");
        rig.pass(20_000);
        assert!(expire(&mut rig).is_err() && events(&rig) == 1);
        // Over a start, too.
        drop(rig);
        let mut rig = Rig::open(dir.path(), &machine);
        rig.engine.config.retention.grace = SpanWithin(Span::secs(0));
        assert!(expire(&mut rig).is_err() && events(&rig) == 1);
        // It comes back: the event is as old as it is.
        machine.step(-by_ms);
        rig.pass(20_000);
        expire(&mut rig).expect("the clock is believed");
        assert_eq!(events(&rig), 1, "{by_ms}");
        // Somebody says that it is right so.
        machine.step(by_ms);
        rig.pass(20_000);
        rig.command(Command::ConfirmClock { step_s: None, actor: "lan".into() }).expect("confirmed");
        expire(&mut rig).expect("the clock is believed");
        assert_eq!(events(&rig), usize::from(by_ms < 0), "{by_ms}");
    }
}

#[test]
fn what_a_rule_waits_for_moves_with_the_clock() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = with_event(dir.path(), &machine, YEAR + 10 * DAY);
    let left = |rig: &Rig| waits(rig).expect("it waits").millis_since(rig.engine.time.now());
    let before = left(&rig);
    machine.step(10 * YEAR);
    rig.pass(10_000);
    rig.command(Command::ConfirmClock { step_s: None, actor: "lan".into() }).expect("confirmed");
    assert!((before - left(&rig) - 10_000).abs() < 1000, "no clock ends it: {before} {}", left(&rig));
}

#[test]
fn a_rule_that_is_new_or_takes_more_waits_and_a_person_ends_that() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    // As after an upgrade: the records are older than the rule.
    let mut rig = with_event(dir.path(), &machine, 3 * YEAR);
    let until = waits(&rig).expect("it is new");
    assert!((until.millis_since(rig.engine.time.now()) - 7 * DAY).abs() < 60_000, "{until}");
    let refused = expire(&mut rig).expect_err("it waits");
    assert!(refused.to_string().contains("waits until") && events(&rig) == 1, "{refused}");
    // A start makes it no longer, nor shorter.
    drop(rig);
    let mut rig = Rig::open(dir.path(), &machine);
    assert_eq!(waits(&rig), Some(until));
    // One that takes less waits no longer than the one before.
    let longer = ruled(&rig, "800d", ClassEnd::Export);
    rig.command(Command::Reload(longer)).expect("taken");
    assert_eq!(waits(&rig), Some(until));
    assert!(begin(&mut rig, "").is_err(), "nobody's name");
    begin(&mut rig, "Trần B").expect("begun");
    assert_eq!(waits(&rig), None);
    assert!(begin(&mut rig, "Trần B").is_err(), "it waits for nothing");
    assert!(rig.audit("retention.begun")[0].contains("Trần B"));
    // One that takes more waits anew: sooner, or without a file.
    for (keep, end) in [("700d", ClassEnd::Export), ("700d", ClassEnd::Delete)] {
        let shorter = ruled(&rig, keep, end);
        rig.command(Command::Reload(shorter)).expect("taken");
        assert!(waits(&rig).is_some_and(|at| at > rig.engine.time.now()), "{keep} {end:?}");
        assert!(expire(&mut rig).is_err() && events(&rig) == 1);
        begin(&mut rig, "Trần B").expect("begun");
    }
    // One that is longer does not.
    let longer = ruled(&rig, "900d", ClassEnd::Delete);
    rig.command(Command::Reload(longer)).expect("taken");
    assert_eq!(waits(&rig), None);
    expire(&mut rig).expect("deleted");
    assert_eq!(events(&rig), 0);
}

#[test]
fn what_will_be_deleted_is_a_fault_until_it_is_over() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = with_event(dir.path(), &machine, 3 * YEAR);
    let ahead = |count| DeletionAhead {
        class: RecordClass::Events,
        going: Counted { count, whole: false },
        at: Timestamp::from_millis(1_800_000_000_000),
    };
    rig.command(Command::DeletionsAhead(vec![])).expect("taken");
    assert!(rig.notices().is_empty());
    rig.command(Command::DeletionsAhead(vec![ahead(4711)])).expect("taken");
    let told = rig.notices();
    assert!(told.iter().any(|one| one.notice.contains("ít nhất 4711") && one.notice.contains("2027")), "{told:?}");
    assert!(rig.engine.state.has_self_fault(AHEAD));
    rig.command(Command::DeletionsAhead(vec![])).expect("taken");
    rig.command(Command::DeletionsAhead(vec![ahead(0)])).expect("taken");
    let told = rig.notices();
    let none = format!("none among the first {LOOKED_MAX}");
    assert!(
        told.iter().any(|one| one.notice.contains(&none)) && !told.iter().any(|one| one.notice.contains("unknown"))
    );
    rig.command(Command::DeletionsAhead(vec![])).expect("taken");
    assert!(!rig.engine.state.has_self_fault(AHEAD));
}
