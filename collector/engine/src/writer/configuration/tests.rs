//! Parts that are set, two who set them at once, and what stays of it after a restart.

use super::super::time::tests::{Machine, Rig};
use super::*;
use crate::command::Command;

fn set(rig: &mut Rig, changes: Vec<PartChange>, reason: &str) -> CommandResult {
    rig.command(Command::SetConfiguration { changes, reason: reason.to_owned(), actor: "lan".to_owned() })
}

fn change(part: Part, text: &str, version: u64) -> PartChange {
    PartChange { part, text: Some(text.to_owned()), version }
}

fn reason_key(refused: &CommandError) -> &'static str {
    match refused {
        CommandError::Explained(_, reason) => reason.key,
        other => panic!("{other}"),
    }
}

const SITE: &str = "[site]\nname = \"Trung tâm\"\n";

#[test]
fn a_part_that_is_set_is_in_force_from_the_commit_on_and_in_the_log_with_old_and_new() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let heard = rig.engine.configs.subscribe();
    set(&mut rig, vec![change(Part::Site, SITE, 0)], "tên mới").expect("taken");
    assert_eq!(heard.borrow().site_name, "Trung tâm");
    let kept = rig.reader.configuration_versions(Part::Site, None, 9).expect("reads");
    assert_eq!((kept.len(), kept[0].number, kept[0].who.as_str(), kept[0].why.as_str()), (1, 1, "lan", "tên mới"));
    let log = rig.reader.audit_before(None, "", 9).expect("reads");
    let record = log.iter().find(|one| one.action == "config.changed").expect("there");
    assert!(record.subject == "site" && record.detail.contains("-name = \"IOC\""), "{record:?}");
    assert!(record.detail.contains("+name = \"Trung tâm\"") && record.detail.contains("tên mới"), "{record:?}");
    // The same again is no version.
    set(&mut rig, vec![change(Part::Site, SITE, 1)], "lại").expect("taken");
    assert_eq!(rig.reader.configuration_versions(Part::Site, None, 9).expect("reads").len(), 1);
    // What is given back is as it is shipped.
    let back = PartChange { part: Part::Site, text: None, version: 1 };
    set(&mut rig, vec![back], "bỏ").expect("taken");
    assert_eq!(heard.borrow().site_name, "IOC");
}

#[test]
fn who_has_seen_another_version_is_refused_and_nothing_of_several_parts_is_kept() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    set(&mut rig, vec![change(Part::Site, SITE, 0)], "một").expect("taken");
    let both = vec![change(Part::Legal, "[legal]\nlevel = 2\n", 0), change(Part::Site, "[site]\n", 0)];
    let refused = set(&mut rig, both, "hai").expect_err("seen another");
    assert_eq!(reason_key(&refused), CHANGED_SINCE);
    assert!(refused.to_string().contains("version 1 by now, saved by lan"), "{refused}");
    let faulty =
        vec![change(Part::Legal, "[legal]\nlevel = 2\n", 0), change(Part::Site, "[site]\ntimezone = \"x\"\n", 1)];
    let refused = set(&mut rig, faulty, "ba").expect_err("no such zone");
    assert!(refused.to_string().contains("site:2:12") && refused.to_string().contains("mend"), "{refused}");
    let twice = vec![change(Part::Legal, "[legal]\nlevel = 2\n", 0), change(Part::Legal, "[legal]\nlevel = 1\n", 0)];
    assert_eq!(reason_key(&set(&mut rig, twice, "bốn").expect_err("twice")), "refusal-configuration-twice");
    assert!(set(&mut rig, vec![change(Part::Legal, "", 0)], " ").is_err(), "a reason is asked for");
    // The configuration of these tests has its channels in a file.
    let held = set(&mut rig, vec![change(Part::Channels, "", 0)], "năm").expect_err("held");
    assert_eq!(reason_key(&held), "refusal-configuration-held");
    assert_eq!(rig.reader.configuration().expect("reads").len(), 1);
}

#[test]
fn what_was_set_stays_when_the_files_are_read_again() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let file = rig.engine.config.clone();
    set(&mut rig, vec![change(Part::Site, SITE, 0)], "một").expect("taken");
    rig.command(Command::Reload(Box::new(file))).expect("taken");
    assert_eq!(rig.engine.config.site_name, "Trung tâm");
    assert_eq!(rig.engine.config.stored().len(), 1);
}
