//! Rules that wait, and clocks that jump.

use std::sync::Arc;

use ioc_common::config::SpanWithin;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::DeviceId;
use ioc_store::StoreLosses;
use ioc_store::retention::Cursor;

use super::super::time::tests::{FaultyStore, Machine, Rig, deps};
use super::*;
use crate::command::{Command, RestoreDeclaration};
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

/// The next of a row of numbers that only its seed decides.
fn next(random: &mut u64) -> u64 {
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *random >> 33
}

#[test]
fn whatever_a_clock_does_no_record_goes_before_its_time() {
    const STEPS: [i64; 12] =
        [700, -700, 2000, 60_000, -299_000, 3_600_000, -DAY, 6 * DAY, 40 * DAY, 300 * DAY, 10 * YEAR, -5 * YEAR];
    /// A clock that is ahead by so much when the collector's machine comes back is believed.
    const DOWNTIME: i64 = 7 * DAY;
    for seed in 0..20_u64 {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        // Its time is a year and a day: what is done below is believed to be at most nine weeks of it.
        let mut rig = with_event(dir.path(), &machine, 200 * DAY);
        let mut random = seed;
        let (mut true_age, mut reboots) = (200 * DAY, 0);
        let mut done = Vec::new();
        for _ in 0..16 {
            rig.engine.config.retention.grace = SpanWithin(Span::secs(0));
            let what = next(&mut random) % 8;
            let by_ms = STEPS[usize::try_from(next(&mut random)).expect("small") % STEPS.len()];
            done.push((what, by_ms));
            match what {
                0..=3 => machine.step(by_ms),
                // A start, with the machine off and its clock set meanwhile, or without.
                4 if reboots < 8 => {
                    drop(rig);
                    machine.step(by_ms);
                    machine.reboot();
                    reboots += 1;
                    rig = Rig::open(dir.path(), &machine);
                    rig.engine.config.retention.grace = SpanWithin(Span::secs(0));
                }
                5 => {
                    drop(rig);
                    rig = Rig::open(dir.path(), &machine);
                    rig.engine.config.retention.grace = SpanWithin(Span::secs(0));
                }
                _ => {
                    rig.pass(30_000);
                    true_age += 30_000;
                }
            }
            let _ = expire(&mut rig);
            assert_eq!(events(&rig), 1, "seed {seed}: {done:?}, {} days old", true_age / DAY);
        }
        assert!(true_age + reboots * DOWNTIME < 366 * DAY, "its time has not come");
        // It does go when it has, and a person says what the clock shows.
        machine.step(200 * DAY);
        rig.pass(20_000);
        let _ = rig.command(Command::ConfirmClock { step_s: None, actor: "lan".into() });
        let age_ms = rig.engine.time.now().millis_since(oldest(&rig));
        let _ = expire(&mut rig);
        assert_eq!(events(&rig), usize::from(age_ms < 366 * DAY), "seed {seed}: {} days old by now", age_ms / DAY);
    }
}

/// When the event happened, as the store has it: steps that are followed do not change it.
fn oldest(rig: &Rig) -> Timestamp {
    rig.reader.events(&DeviceId::new("srv-1").expect("valid"), None, 1).expect("reads")[0].at
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
fn a_store_that_was_restored_or_lost_commits_deletes_nothing_before_people_could_hold_it_again() {
    for restored in [true, false] {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = with_event(dir.path(), &machine, 3 * YEAR);
        begin(&mut rig, "Trần B").expect("begun");
        assert_eq!(waits(&rig), None, "what goes on would delete it");
        let at = rig.engine.time.now();
        drop(rig);
        let lost = StoreLosses { all: vec![Text::new("mất", "lost")], fresh: true };
        let mut deps = deps(dir.path(), &machine, |store| match restored {
            true => store,
            false => Box::new(FaultyStore { store, fails: Arc::default(), lost }),
        });
        deps.restored = restored.then(|| RestoreDeclaration {
            archive: "a.tar".to_owned(),
            sha256: "ab".repeat(32),
            backup_made_at: at.plus_millis(-DAY),
            commits: 7,
            audit_number: 3,
            at,
            actor: "local:0".to_owned(),
            reason: "disk replaced".to_owned(),
        });
        let mut rig = Rig::start(deps, &machine);
        rig.command(Command::AwaitCommit).expect("kept");
        let until = waits(&rig).expect("a hold of yesterday may not be here");
        assert!((until.millis_since(at) - 7 * DAY).abs() < 60_000, "{until}");
        let refused = expire(&mut rig).expect_err("it waits");
        assert!(refused.to_string().contains("waits until") && events(&rig) == 1, "{refused}");
        drop(rig);
        let mut rig = Rig::open(dir.path(), &machine);
        assert_eq!(waits(&rig), Some(until), "over a start, and no longer");
        begin(&mut rig, "Trần B").expect("a person has it begin");
        expire(&mut rig).expect("deleted");
        assert_eq!(events(&rig), 0);
    }
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
