use ioc_common::codec::read_message;
use ioc_common::document::Json;
use ioc_common::report::{Body, Committed, Envelope, Position, Report, StateReport};

use super::super::time::tests::{Machine, Rig};
use super::super::{DownMessage, DownReceiver, EngineMessage, Entrance, NewConnection, down_channel};
use super::*;
use crate::command::Command;
use ioc_store::audit::AuditEntry;

fn note(action: &str) -> Command {
    let at = ioc_common::clock::now();
    let (actor, action) = ("lan".to_owned(), action.to_owned());
    Command::Note(AuditEntry { at, actor, action, subject: String::new(), detail: String::new() })
}

/// A minute has passed since the last head.
fn minute(rig: &mut Rig) {
    rig.engine.audit_heads.signed_ms = None;
    rig.engine.audit_heads.looked_ms = 0;
    rig.pass(10_000);
}

fn heads(rig: &Rig) -> Vec<AuditHead> {
    rig.reader.audit_heads(0, 100).expect("read")
}

#[test]
fn a_head_is_signed_when_the_log_grew_at_most_once_a_minute_and_at_the_end() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.pass(10_000);
    assert_eq!(heads(&rig), [], "there is nothing to sign");
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    assert_eq!(heads(&rig).iter().map(|head| head.number).collect::<Vec<_>>(), [1]);
    for _ in 0..3 {
        rig.command(note("test.done")).expect("kept");
        rig.pass(10_000);
    }
    assert_eq!(heads(&rig).len(), 1, "not before its time");
    minute(&mut rig);
    minute(&mut rig);
    assert_eq!(heads(&rig).iter().map(|head| head.number).collect::<Vec<_>>(), [1, 4], "and not without news");
    // At the end at once.
    rig.command(note("test.done")).expect("kept");
    rig.engine.keep_last_head();
    let all = heads(&rig);
    assert_eq!(all.len(), 3);
    let keys = rig.reader.audit_keys().expect("read");
    assert_eq!(keys.len(), 1);
    assert!(all.iter().all(|head| head.is_signed_by(&keys[0].public)));
    let authority = rig.engine.authority.pem().to_owned();
    assert_eq!(crate::pki::record_key::certified_key(&keys[0].certificate, &authority).as_ref(), Ok(&keys[0].public));
    assert_eq!(rig.reader.examine(true), [""; 0]);
    // The next run goes on with the same key.
    drop(rig);
    let mut rig = Rig::open(dir.path(), &machine);
    assert_eq!(rig.engine.audit_heads.newest(), all.last());
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    assert_eq!((heads(&rig).len(), rig.reader.audit_keys().expect("read").len()), (4, 1));
}

#[test]
fn heads_that_cannot_be_signed_for_an_hour_are_an_incident_until_they_can() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let pki = dir.path().join("pki");
    let away = dir.path().join("away");
    std::fs::rename(&pki, &away).expect("moved");
    rig.command(note("test.done")).expect("the log goes on");
    minute(&mut rig);
    let key = "audit-heads-not-signed";
    assert!(heads(&rig).is_empty() && !rig.engine.state.has_self_fault(key), "it may pass");
    let since = rig.engine.audit_heads.failing_since_ms.expect("it fails");
    rig.engine.audit_heads.failing_since_ms = Some(since - PATIENCE_MS);
    minute(&mut rig);
    assert!(rig.engine.state.has_self_fault(key));
    std::fs::rename(&away, &pki).expect("moved back");
    minute(&mut rig);
    assert!(!rig.engine.state.has_self_fault(key));
    assert!(!heads(&rig).is_empty());
}

/// A device on a connection, which says what it witnessed.
struct Witness {
    device: DeviceId,
    down: DownReceiver,
    seq: u64,
}

impl Witness {
    fn connect(rig: &mut Rig, name: &str, connection: u64) -> Self {
        rig.register(name);
        let device = DeviceId::new(name).expect("valid");
        rig.engine.allowlist.admit(device.clone(), "aa".to_owned());
        let (sender, down) = down_channel();
        let (peer, entrance) = (Some(([127, 0, 0, 1], 1).into()), Entrance::Certificate("aa".to_owned()));
        let opened = NewConnection { id: connection, device: device.clone(), entrance, keep_alive_s: 60, peer, sender };
        let opened = EngineMessage::Opened(opened);
        rig.engine.run_once(&mut vec![opened]);
        Self { device, down, seq: 0 }
    }

    fn report(&mut self, rig: &mut Rig, connection: u64, name: &str, doc: &Witnessed) {
        self.seq += 1;
        let envelope = Envelope {
            device: self.device.clone(),
            about: None,
            position: Position { epoch: 1, seq: self.seq },
            boot: "boot".into(),
            taken_at: ioc_common::clock::now(),
            age_ms: Some(0),
            lost: None,
        };
        let doc = Json::of(doc).expect("JSON");
        let body = Body::State(StateReport::Document { name: name.to_owned(), doc });
        let report = Ok(Box::new(Report { envelope, body }));
        let device = self.device.clone();
        let message = EngineMessage::Report { connection, device, packet: None, bytes: 300, packed: None, report };
        rig.engine.run_once(&mut vec![message]);
    }

    /// The heads that it was given since it was last asked.
    fn given(&mut self) -> Vec<AuditHead> {
        let mut all = Vec::new();
        while let Ok(down) = self.down.try_recv() {
            if let DownMessage::Committed { payload, .. } = *down {
                all.extend(read_message::<Committed>(&payload).expect("read").head);
            }
        }
        all
    }
}

#[test]
fn a_device_that_keeps_heads_is_given_them_and_no_other() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    let (mut old, mut new) = (Witness::connect(&mut rig, "srv-1", 1), Witness::connect(&mut rig, "srv-2", 2));
    old.report(&mut rig, 1, "ports", &Witnessed::default());
    assert_eq!(old.given(), [], "it never said that it keeps any");
    new.report(&mut rig, 2, audit_document(), &Witnessed::default());
    let newest = heads(&rig).pop().expect("signed");
    assert_eq!(new.given(), std::slice::from_ref(&newest));
    new.report(&mut rig, 2, "ports", &Witnessed::default());
    assert_eq!(new.given(), [], "it has it");
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    new.report(&mut rig, 2, "ports", &Witnessed::default());
    assert_eq!(new.given(), [], "not within the same minute");
    assert!(heads(&rig).len() >= 2);
    // What it says stands in the store, and agrees.
    new.report(&mut rig, 2, audit_document(), &Witnessed { head: Some(newest) });
    let said = rig.reader.audit_witnesses("", 10).expect("read");
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].0, new.device);
    assert!(!rig.engine.state.has_self_fault(REWRITTEN_KEY));
}

fn audit_document() -> &'static str {
    ioc_common::audit_head::DOCUMENT
}

#[test]
fn a_log_that_is_not_the_one_a_device_witnessed_is_a_critical_incident() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    let mut witness = Witness::connect(&mut rig, "srv-1", 1);
    let newest = heads(&rig).pop().expect("signed");
    let mut lost = newest.clone();
    (lost.number, lost.hash) = (500, "7".repeat(64));
    witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(lost.clone()) });
    assert!(!rig.engine.state.has_self_fault(REWRITTEN_KEY), "nobody signed that");
    // The collector's own key, of a log that had more in it.
    let signed =
        |rig: &Rig, head: AuditHead| rig.engine.audit_heads.key.as_ref().expect("made").sign(head).expect("signed");
    let lost = signed(&rig, lost);
    witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(lost.clone()) });
    assert!(rig.engine.state.has_self_fault(REWRITTEN_KEY));
    let told = rig.audit("audit.witness_disagrees");
    assert!(
        told.len() == 1 && told[0].contains("record 500") && told[0].contains("the log here ends with"),
        "{told:?}"
    );
    assert!(rig.notices().iter().any(|one| one.notice.contains("srv-1") && one.notice.contains("critical")));
    witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(lost) });
    assert_eq!(rig.audit("audit.witness_disagrees").len(), 1, "once for each device");
    // A second one, of a record that is there.
    let mut other = Witness::connect(&mut rig, "srv-2", 2);
    let differs = signed(&rig, AuditHead { hash: "7".repeat(64), ..newest.clone() });
    other.report(&mut rig, 2, audit_document(), &Witnessed { head: Some(differs) });
    let told = rig.audit("audit.witness_disagrees");
    assert!(told.len() == 2 && told[1].contains("the log here is another one"), "{told:?}");
    // One that says now this and now that fills no log: one record for each device and day.
    for number in 600..610 {
        let lost = signed(&rig, AuditHead { number, hash: "7".repeat(64), ..newest.clone() });
        witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(newest.clone()) });
        witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(lost) });
    }
    assert_eq!(rig.audit("audit.witness_disagrees").len(), 2);
    let told_ms = rig.engine.audit_heads.disagreeing[&witness.device];
    rig.engine.boot_ms = told_ms + TELL_EVERY_MS;
    let lost = signed(&rig, AuditHead { number: 700, hash: "7".repeat(64), ..newest.clone() });
    rig.engine.witnessed(
        &witness.device,
        &serde_json::to_string(&Witnessed { head: Some(lost) }).expect("JSON"),
        newest.at,
    );
    assert!(rig.engine.commit());
    assert_eq!(rig.audit("audit.witness_disagrees").len(), 3, "the day after");
    // Nonsense is none.
    other.report(&mut rig, 2, audit_document(), &Witnessed { head: Some(AuditHead { number: 0, ..newest }) });
    assert_eq!(rig.audit("audit.witness_disagrees").len(), 3);
}

#[test]
fn a_restore_that_was_declared_is_no_incident() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    let mut witness = Witness::connect(&mut rig, "srv-1", 1);
    let newest = heads(&rig).pop().expect("signed");
    let key = rig.engine.audit_heads.key.as_ref().expect("made");
    let at = ioc_common::clock::now();
    let lost = key.sign(AuditHead { number: newest.number + 5, at, ..newest }).expect("signed");
    rig.command(Command::Note(AuditEntry {
        at: at.plus_millis(60_000),
        actor: "lan".to_owned(),
        action: "store.restored".to_owned(),
        subject: "ioc-watch.db".to_owned(),
        detail: "the disk broke; copy of 02:00".to_owned(),
    }))
    .expect("kept");
    // Devices that were registered wrote no record; the declaration stands right behind the copy.
    witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(lost.clone()) });
    assert!(!rig.engine.state.has_self_fault(REWRITTEN_KEY));
    assert!(rig.audit("audit.witness_disagrees").is_empty());
    // What is lost since is said, as far as a witness knows, and again only by one who knows of more.
    let mut other = Witness::connect(&mut rig, "srv-2", 2);
    other.report(&mut rig, 2, audit_document(), &Witnessed { head: Some(lost.clone()) });
    let told = rig.audit("store.restored_lost");
    let ends = format!("the copy ended with record {}: at least 5 records are not here", lost.number - 5);
    assert!(told.len() == 1 && told[0].contains("srv-1") && told[0].contains(&ends), "{told:?}");
    let more = rig.engine.audit_heads.key.as_ref().expect("made");
    let more = more.sign(AuditHead { number: lost.number + 2, ..lost }).expect("signed");
    other.report(&mut rig, 2, audit_document(), &Witnessed { head: Some(more) });
    let told = rig.audit("store.restored_lost");
    assert!(told.len() == 2 && told[1].contains("at least 7 records"), "{told:?}");
}

#[test]
fn a_key_that_a_device_names_and_nobody_knows_is_no_incident() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.command(note("test.done")).expect("kept");
    minute(&mut rig);
    let mut witness = Witness::connect(&mut rig, "srv-1", 1);
    let invented = AuditHead { key: "0123456789abcdef".to_owned(), number: 500, ..heads(&rig).pop().expect("signed") };
    witness.report(&mut rig, 1, audit_document(), &Witnessed { head: Some(invented) });
    assert!(!rig.engine.state.has_self_fault(REWRITTEN_KEY));
    assert!(rig.audit("audit.witness_disagrees").is_empty());
}

#[test]
fn a_log_whose_end_is_gone_is_signed_again_and_no_device_is_given_a_head_that_is_not_of_it() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    for _ in 0..3 {
        rig.command(note("test.done")).expect("kept");
        minute(&mut rig);
    }
    let newest = heads(&rig).pop().expect("signed");
    rig.command(note("test.done")).expect("kept");
    // A head of another log, as a store has it whose end was cut off, or that was saved out of a damaged one.
    let (tip, key) = (rig.engine.store.audit_tip(), rig.engine.audit_heads.key.as_ref().expect("made"));
    assert!(tip.number > newest.number);
    let gone = AuditHead { number: tip.number, hash: "7".repeat(64), ..newest.clone() };
    let gone = key.sign(gone).expect("signed");
    rig.engine.store.commit(&[Change::AuditHead { head: gone.clone(), tree: tip.tree }]).expect("kept");
    drop(rig);
    let mut rig = Rig::open(dir.path(), &machine);
    assert_eq!(rig.engine.audit_heads.newest(), Some(&newest));
    let mut witness = Witness::connect(&mut rig, "srv-1", 1);
    witness.report(&mut rig, 1, audit_document(), &Witnessed::default());
    assert!(!witness.given().contains(&gone));
    for _ in 0..2 {
        rig.command(note("test.done")).expect("kept");
        minute(&mut rig);
    }
    let all = heads(&rig);
    assert!(all.contains(&gone), "what is gone stays told");
    assert!(all.last().is_some_and(|last| last.number > gone.number), "and the log is signed again: {all:?}");
    assert_eq!(rig.engine.audit_heads.newest(), all.last());
    let told = rig.reader.examine(false);
    assert!(told.len() == 1 && told[0].contains("is not the one that was signed"), "{told:?}");
}
