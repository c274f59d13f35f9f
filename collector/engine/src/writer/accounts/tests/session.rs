//! What is asked for by a session that has ended meanwhile, and what the time of an answer tells.

use tokio::sync::oneshot;

use super::super::super::EngineMessage;
use super::super::super::time::tests::{Machine, Rig};
use super::*;
use crate::command::Command;
use ioc_store::{SavedView, SessionRecord};

fn rig(dir: &std::path::Path) -> Rig {
    let mut rig = Rig::open(dir, &Machine::new());
    rig.engine.accounts = accounts(&[("lan", Role::Administrator)]);
    let known: Vec<Change> = rig.engine.accounts.known.values().cloned().map(Change::Account).collect();
    rig.engine.batch.changes.extend(known);
    rig
}

#[test]
fn a_command_of_a_session_that_has_ended_meanwhile_does_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let ask = |rig: &mut Rig, digest: &str| {
        let (sender, mut receiver) = oneshot::channel();
        let view = SavedView { account: "lan".into(), name: "x".into(), query: "y".into() };
        let session = SessionRef { account: "lan".into(), digest: digest.into() };
        let command = Box::new(Command::SaveView(view));
        rig.engine.run_once(&mut vec![EngineMessage::SessionCommand(session, command, sender)]);
        receiver.try_recv().expect("answered").map(|_| ())
    };
    let ended =
        Err(RefusalReason::new("refusal-session-ended", [], "this session has ended; sign in again").forbidden());
    assert_eq!(ask(&mut rig, "s"), ended, "there is no such session");
    let now = rig.engine.time.now();
    let (_, session) = account::new_session("lan", "::1", None, false, now).expect("random");
    for digest in ["s", "t"] {
        let session = SessionRecord { digest: digest.to_owned(), ..session.clone() };
        rig.engine.batch.changes.push(Change::Session(session));
    }
    assert_eq!(ask(&mut rig, "s"), Ok(()));
    // What ends it may be in the same commit.
    rig.engine.batch.changes.push(Change::SessionsEnded { account: "lan".into(), except: "t".into() });
    assert_eq!(ask(&mut rig, "s"), ended);
    assert_eq!(ask(&mut rig, "t"), Ok(()));
    rig.engine.accounts.known.get_mut("lan").expect("known").disabled = true;
    assert_eq!(ask(&mut rig, "t"), ended, "and so does whatever disables the account");
}

#[test]
fn how_long_a_wrong_password_takes_tells_of_no_name_whether_it_exists() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    for name in ["lan", "nobody"] {
        let wrong = Intent::Wrong { name: name.into(), from: from("10.0.0.1") };
        let (sender, mut receiver) = oneshot::channel();
        let now = rig.engine.time.now();
        rig.engine.take(EngineMessage::Command(Box::new(Command::Account(Box::new(wrong))), sender), now);
        assert_eq!(receiver.try_recv().map(|answer| answer.is_ok()), Ok(true), "{name}: before anything is written");
    }
    assert_eq!(rig.engine.accounts.known["lan"].failures, 1, "it is counted all the same");
}
