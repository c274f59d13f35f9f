//! What becomes of damage and of losses: told, written down, and not taken back by a start or a quick look.

use std::path::Path;
use std::sync::Arc;

use super::super::time::tests::{FaultyStore, Machine, Rig};
use super::*;
use crate::command::{Command, CommandError};
use crate::refusal_reason::RefusalKind;
use ioc_store::StoreLosses;

fn look(rig: &mut Rig, findings: &[&str], full: bool) {
    let findings = findings.iter().map(|one| (*one).to_owned()).collect();
    rig.command(Command::RecordIntegrityCheck { findings, full }).expect("kept");
}

/// What is said of the store: of how many incidents people are told, and how many lines the page has.
fn said(rig: &Rig) -> (usize, usize) {
    let told = rig.notices().iter().filter(|one| one.notice.contains("The store is damaged")).count();
    (told, rig.health.integrity_check().map_or(0, |examined| examined.findings.len()))
}

#[test]
fn damage_that_a_look_finds_is_a_fault_until_a_thorough_look_finds_none() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    look(&mut rig, &[], false);
    assert_eq!(said(&rig), (0, 0), "sound");
    look(&mut rig, &["ioc-watch.db: page 7 is never used", "audit: record 3 is missing"], true);
    assert_eq!(said(&rig), (1, 2), "the duty officer is told, and so is the page");
    assert!(rig.engine.state.has_self_fault("store-damaged"));
    let records = rig.audit("store.examined");
    assert!(records.iter().any(|one| one.contains("2 findings") && one.contains("record 3 is missing")), "{records:?}");
    look(&mut rig, &[], false);
    assert_eq!(said(&rig), (1, 2), "a quick look does not see all of it");
    drop(rig);
    let mut rig = Rig::open(dir.path(), &machine);
    assert!(rig.engine.state.has_self_fault("store-damaged") && said(&rig).1 == 1, "a start makes nothing sound");
    look(&mut rig, &[], true);
    assert_eq!(said(&rig).1, 0);
    assert!(!rig.engine.state.has_self_fault("store-damaged"));
}

#[test]
fn what_was_lost_is_told_until_a_person_says_why_nothing_more_is_to_be_done() {
    let open = |dir: &Path, machine: &Machine, fresh| {
        let lost = StoreLosses { all: vec![Text::new("Mất 3 lần ghi.", "3 commits are missing.")], fresh };
        Rig::open_with(dir, machine, |store| Box::new(FaultyStore { store, fails: Arc::default(), lost }))
    };
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = open(dir.path(), &machine, true);
    rig.pass(10_000);
    assert_eq!(rig.health.store_losses().len(), 1, "it is not ready");
    assert!(rig.engine.state.has_self_fault("store-lost"));
    assert!(rig.notices().iter().any(|one| one.notice.contains("3 commits are missing")));
    drop(rig);
    let mut rig = open(dir.path(), &machine, false);
    rig.pass(10_000);
    assert_eq!(
        (rig.health.store_losses().len(), rig.audit("store.loss_found").len()),
        (1, 1),
        "it is written down once"
    );
    let mut confirm = |reason: &str| rig.command(Command::ConfirmLoss { reason: reason.into(), actor: "lan".into() });
    for reason in ["", "  ", "two\nlines", &"x".repeat(501)] {
        assert!(matches!(confirm(reason), Err(CommandError::Explained(RefusalKind::Invalid, _))), "{reason:?}");
    }
    confirm("disk replaced").expect("confirmed");
    assert!(matches!(confirm("again"), Err(CommandError::Explained(RefusalKind::Conflict, _))));
    assert!(rig.health.store_losses().is_empty() && !rig.engine.state.has_self_fault("store-lost"));
    assert_eq!(rig.audit("store.loss_confirmed"), ["disk replaced"]);
}

#[test]
fn a_nearly_full_disk_is_an_incident_until_there_is_room() {
    const GIB: u64 = 1024 * 1024 * 1024;
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let open = || {
        let mut rig = Rig::open(dir.path(), &machine);
        // The real disk is not looked at.
        rig.engine.disk_seen_ms = u64::MAX;
        rig
    };
    let mut rig = open();
    let told = |rig: &Rig| rig.notices().iter().filter(|one| one.notice.contains("disk is nearly full")).count();
    let room = |rig: &mut Rig, free: u64, all: u64| {
        let now = rig.engine.time.now();
        rig.engine.take_disk_room(free, all, now);
        (rig.engine.state.has_self_fault(DISK_NEARLY_FULL), rig.engine.budgets.scarce)
    };
    assert_eq!(room(&mut rig, 2 * GIB, 1000 * GIB), (false, false), "a small part of a large disk is much");
    assert_eq!(room(&mut rig, GIB / 2, 4 * GIB), (false, false), "half of a small disk is left");
    assert_eq!(room(&mut rig, GIB - 1, 1000 * GIB), (true, true));
    assert_eq!(room(&mut rig, GIB / 2, 1000 * GIB), (true, true), "once");
    assert_eq!(room(&mut rig, GIB + 1, 1000 * GIB), (true, true), "a little more is not enough");
    rig.pass(10_000);
    assert_eq!(told(&rig), 1);
    drop(rig);
    let mut rig = open();
    assert_eq!(room(&mut rig, GIB + 1, 1000 * GIB), (true, true), "a start does not forget it");
    rig.pass(10_000);
    assert_eq!(told(&rig), 1, "and tells nobody again");
}
