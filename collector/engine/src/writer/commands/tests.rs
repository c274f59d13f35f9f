//! What several people ask for at once: each is decided on what is there by then, not on what whoever asked had seen.

use tokio::sync::oneshot;

use super::super::EngineMessage;
use super::super::time::tests::{Machine, Rig};
use super::*;
use crate::refusal_reason::RefusalKind;

/// Carries out all of these in one commit, and says which of them were done.
fn at_once(rig: &mut Rig, commands: Vec<Command>) -> Vec<Result<Answer, CommandError>> {
    let (mut messages, mut answers) = (Vec::new(), Vec::new());
    for command in commands {
        let (sender, receiver) = oneshot::channel();
        messages.push(EngineMessage::Command(Box::new(command), sender));
        answers.push(receiver);
    }
    rig.engine.run_once(&mut messages);
    answers.into_iter().map(|mut answer| answer.try_recv().expect("answered")).collect()
}

fn rig(dir: &std::path::Path) -> Rig {
    Rig::open(dir, &Machine::new())
}

#[test]
fn nobody_keeps_more_lists_than_allowed_however_many_are_asked_for_at_once() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let view = |name: &str, query: &str| {
        let (account, name, query) = ("lan".to_owned(), name.to_owned(), query.to_owned());
        Command::SaveView(SavedView { account, name, query })
    };
    let many = (0..VIEWS_MAX + 30).map(|n| view(&format!("list {n}"), "kind=server")).collect();
    let kept = at_once(&mut rig, many).iter().filter(|answer| answer.is_ok()).count();
    assert_eq!((kept, rig.reader.views("lan").expect("reads").len()), (VIEWS_MAX, VIEWS_MAX));
    let refused = rig.command(view("one more", "kind=server"));
    assert!(matches!(refused, Err(CommandError::Explained(RefusalKind::Conflict, _))), "{refused:?}");
    rig.command(view("list 3", "kind=ups")).expect("another query under a name that is there");
    let other = SavedView { account: "minh".to_owned(), name: "x".to_owned(), query: "y".to_owned() };
    rig.command(Command::SaveView(other)).expect("another's are not counted");
    // One goes, and one comes.
    let both = at_once(&mut rig, vec![view("list 3", ""), view("one more", "kind=ups"), view("two more", "kind=ups")]);
    assert_eq!(both.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(rig.reader.views("lan").expect("reads").len(), VIEWS_MAX);
}

#[test]
fn two_who_describe_different_things_of_a_device_undo_nothing() {
    let dir = tempfile::tempdir().expect("directory");
    let mut rig = rig(dir.path());
    let device = |fill: fn(&mut NewDevice)| {
        let mut new = NewDevice { device: "srv-1".to_owned(), ..NewDevice::default() };
        fill(&mut new);
        new
    };
    let info = device(|new| {
        (new.name, new.kind, new.label) = ("Máy chủ".to_owned(), "server".to_owned(), "TS-1".to_owned());
    });
    rig.command(Command::Register { info, actor: "lan".to_owned() }).expect("registered");
    let says = |fields: &[&str], fill: fn(&mut NewDevice)| Command::Describe {
        info: device(fill),
        fields: Some(fields.iter().map(|field| (*field).to_owned()).collect()),
        actor: "lan".to_owned(),
    };
    let both = at_once(
        &mut rig,
        vec![
            says(&["place"], |new| new.place = "Tầng 2".to_owned()),
            says(&["officer"], |new| new.officer = "lan".to_owned()),
        ],
    );
    assert!(both.iter().all(Result::is_ok), "{both:?}");
    let id = DeviceId::new("srv-1").expect("valid");
    let kept = rig.reader.device(&id).expect("reads").expect("kept").info;
    assert_eq!((kept.place.as_str(), kept.officer.as_str(), kept.label.as_str()), ("Tầng 2", "lan", "TS-1"));
    // Only one of two makes it.
    let info = || NewDevice {
        device: "srv-2".to_owned(),
        name: "x".to_owned(),
        kind: "server".to_owned(),
        ..NewDevice::default()
    };
    let made = at_once(&mut rig, (0..2).map(|_| Command::Register { info: info(), actor: "lan".to_owned() }).collect());
    assert_eq!(made.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn whoever_has_a_handle_learns_that_the_engine_has_ended() {
    let dir = tempfile::tempdir().expect("directory");
    let Rig { engine, health, .. } = rig(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("runtime");
    let (handle, thread) = super::super::begin(engine).expect("starts");
    runtime.block_on(async {
        handle.command(Command::Delivered(Vec::new())).await.expect("it answers");
        assert!(!handle.is_gone() && health.stuck_for_ms().is_none());
        handle.send(EngineMessage::Stop).await;
        tokio::time::timeout(std::time::Duration::from_secs(20), handle.gone()).await.expect("it is told");
        assert!(handle.is_gone());
        assert!(handle.command(Command::Delivered(Vec::new())).await.is_err(), "an error, and at once");
    });
    thread.join().expect("ends");
}
