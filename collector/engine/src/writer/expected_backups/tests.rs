use std::collections::BTreeMap;

use ioc_common::config::{Span, SpanWithin};
use ioc_judge::FaultState;
use ioc_store::{AssetField, EvidenceKind, FaultQuery, NewDevice};

use super::super::time::tests::{Machine, Rig, deps};
use super::*;
use crate::command::{AssetChange, Command};
use crate::config::Job;
use crate::refusal_reason::RefusalKind;

const HOUR_MS: i64 = 3_600_000;

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("valid")
}

fn nightly(source: BackupSource) -> BackupExpectation {
    BackupExpectation {
        source,
        every_ms: 24 * HOUR_MS,
        grace_ms: 2 * HOUR_MS,
        keep_days: 30,
        place: "NAS tầng 2".into(),
        copies: 2,
        media: 2,
        off_site: false,
        encrypted: true,
        note: String::new(),
        by: String::new(),
        since: Timestamp::MIN,
    }
}

fn expect(rig: &mut Rig, devices: &[&str], kind: BackupKind, expected: BackupExpectation) -> CommandResult {
    let devices = devices.iter().map(|one| id(one)).collect();
    rig.command(Command::ExpectBackup { devices, kind, expected, actor: "lan".into() })
}

fn attest(rig: &mut Rig, device: &str, kind: BackupKind, good: bool, valid_h: Option<i64>) -> CommandResult {
    let now = rig.engine.time.now();
    let valid_until = valid_h.map(|hours| now.plus_millis(hours * HOUR_MS));
    let (note, by) = ("băng số 7, biên bản 12".to_owned(), "someone else".to_owned());
    let attestation = BackupAttestation { made_at: now, good, valid_until, note, by, at: now };
    rig.command(Command::AttestBackup { device: id(device), kind, attestation, actor: "bình".into() })
}

/// State, device and Vietnamese title of each fault of a backup, the newest first.
fn faults(rig: &Rig) -> Vec<(FaultState, String, String)> {
    let faults = rig.reader.faults(&FaultQuery::default(), 20).expect("reads");
    let of_backups = faults.into_iter().filter(|fault| fault.rule.starts_with("backup/"));
    of_backups
        .map(|fault| (fault.state, fault.device.to_string(), fault.title.map(|title| title.vi).unwrap_or_default()))
        .collect()
}

fn states(rig: &Rig) -> Vec<BackupState> {
    let all = rig.reader.expected_backups(&ExpectedBackupQuery::default(), 99).expect("reads");
    all.into_iter().map(|one| one.state).collect()
}

#[test]
fn what_nobody_attests_in_time_is_a_fault_of_each_device_until_somebody_does() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    rig.register("srv-2");
    expect(&mut rig, &["srv-1", "srv-2"], BackupKind::Database, nightly(BackupSource::Attestation)).expect("stated");
    assert_eq!(rig.audit("backup.expected").len(), 2);
    assert_eq!(states(&rig), [BackupState::Unknown; 2]);
    attest(&mut rig, "srv-2", BackupKind::Database, true, None).expect("attested");
    rig.pass(25 * HOUR_MS);
    assert!(faults(&rig).is_empty(), "{:?}", faults(&rig));
    rig.pass(2 * HOUR_MS);
    let raised = |device: &str, what: &str| {
        (FaultState::Raised, device.to_owned(), format!("Sao lưu cơ sở dữ liệu {what} (Điều 7.1)"))
    };
    assert_eq!(faults(&rig), [raised("srv-2", "quá hạn"), raised("srv-1", "quá hạn")]);
    assert!(!rig.notices().is_empty(), "and people are told");
    // Over a restart it stands, once.
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    rig.pass(2 * HOUR_MS);
    assert_eq!(faults(&rig).len(), 2);
    attest(&mut rig, "srv-1", BackupKind::Database, true, Some(3)).expect("attested");
    assert_eq!(states(&rig), [BackupState::InOrder, BackupState::Overdue]);
    assert_eq!(faults(&rig)[1].0, FaultState::Cleared);
    // Whose word it is says the engine, not whoever asks.
    let kept = rig.reader.backup_attestations(&id("srv-1"), BackupKind::Database, 9).expect("reads");
    assert_eq!((kept.len(), kept[0].attestation.by.as_str()), (1, "bình"));
    // A word ends when it was said to, and one that says no is a failure.
    rig.pass(6 * HOUR_MS);
    assert_eq!(faults(&rig)[0], raised("srv-1", "quá hạn"));
    attest(&mut rig, "srv-2", BackupKind::Database, false, None).expect("attested");
    assert_eq!(states(&rig), [BackupState::Overdue, BackupState::Failed]);
    // What is withdrawn is no fault any more.
    let withdrawn = Command::WithdrawBackup { device: id("srv-2"), kind: BackupKind::Database, actor: "lan".into() };
    rig.command(withdrawn).expect("withdrawn");
    rig.command(Command::Revoke { device: id("srv-1"), actor: "lan".into() }).expect("revoked");
    assert!(faults(&rig).iter().all(|fault| fault.0 != FaultState::Raised), "{:?}", faults(&rig));
    assert!(states(&rig).is_empty());
}

#[test]
fn of_what_is_retired_no_backup_is_late_until_it_is_used_again() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let info =
        NewDevice { device: "srv-1".into(), kind: "server".into(), name: "srv-1".into(), ..NewDevice::default() };
    rig.command(Command::Register { info, actor: "lan".into() }).expect("registered");
    expect(&mut rig, &["srv-1"], BackupKind::Database, nightly(BackupSource::Attestation)).expect("stated");
    attest(&mut rig, "srv-1", BackupKind::Database, true, None).expect("attested");
    rig.pass(27 * HOUR_MS);
    assert_eq!(faults(&rig)[0].0, FaultState::Raised);
    let stands = |rig: &mut Rig, state: &str| {
        let fields = BTreeMap::from([(AssetField::State, state.to_owned())]);
        let change = AssetChange { device: id("srv-1"), fields, keep: Vec::new(), was: BTreeMap::new() };
        rig.command(Command::ChangeAssets { changes: vec![change], actor: "lan".into() }).expect("written");
    };
    stands(&mut rig, "retired");
    assert_eq!(faults(&rig)[0].0, FaultState::Cleared);
    rig.pass(27 * HOUR_MS);
    assert_eq!(faults(&rig).len(), 1, "it stays quiet");
    let due = ExpectedBackupQuery { states: vec![BackupState::Overdue], ..ExpectedBackupQuery::default() };
    assert!(
        rig.reader.expected_backups(&due, 9).expect("reads").is_empty(),
        "nor is it on the list of what is to be done"
    );
    stands(&mut rig, "in_use");
    assert_eq!(faults(&rig).iter().filter(|fault| fault.0 == FaultState::Raised).count(), 1);
}

#[test]
fn what_an_agent_surveys_is_seen_wherever_the_backup_is_of() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("nas-1");
    rig.register("srv-1");
    let probe = || BackupSource::Probe { device: Some(id("nas-1")), name: "srv-1-db".into() };
    expect(&mut rig, &["srv-1"], BackupKind::Database, nightly(probe())).expect("stated");
    let one = |rig: &Rig| rig.reader.expected_backups(&ExpectedBackupQuery::default(), 9).expect("reads").remove(0);
    assert!(one(&rig).seen.unknown.contains("has not surveyed"), "{:?}", one(&rig));
    let survey = |rig: &mut Rig, ok: Option<bool>, name: &str| {
        let now = rig.engine.time.now();
        let job = ioc_common::reading::Backup {
            name: name.into(),
            kind: "restic".into(),
            succeeded_at: (ok == Some(true)).then_some(now),
            ok,
            ..ioc_common::reading::Backup::default()
        };
        let body = serde_json::to_string(&Backups { jobs: vec![job] }).expect("writes");
        rig.engine.see_backup_survey(&id("nas-1"), &body, now);
        rig.command(Command::AwaitCommit).expect("kept");
    };
    survey(&mut rig, Some(true), "srv-1-db");
    assert_eq!(states(&rig), [BackupState::InOrder]);
    survey(&mut rig, Some(false), "srv-1-db");
    assert_eq!(states(&rig), [BackupState::Failed]);
    assert_eq!(faults(&rig)[0].1, "srv-1", "the fault is of whose backup it is");
    survey(&mut rig, Some(true), "srv-1-db");
    assert_eq!(faults(&rig)[0].0, FaultState::Cleared);
    // A survey that knows nothing of it takes nothing from what was seen, and is no good one.
    survey(&mut rig, Some(true), "another");
    assert!(one(&rig).seen.success.is_some() && one(&rig).state == BackupState::Unknown, "{:?}", one(&rig));
    rig.pass(27 * HOUR_MS);
    assert_eq!(states(&rig), [BackupState::Overdue]);
}

#[test]
fn a_job_that_is_late_is_said_once() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    let job = Job {
        name: "db".into(),
        title: "Sao lưu CSDL".into(),
        device: Some(id("srv-1")),
        every: SpanWithin(Span::secs(24 * 3600)),
        grace: SpanWithin(Span::secs(3600)),
        severity: Severity::Critical,
        advice: String::new(),
        token_file: "token".into(),
    };
    let mut config = rig.engine.config.clone();
    config.jobs = vec![job];
    let watched = config.clone();
    rig.command(Command::Reload(Box::new(config))).expect("taken");
    let from = |name: &str| BackupSource::Job(name.into());
    let refused = expect(&mut rig, &["srv-1"], BackupKind::Database, nightly(from("other")));
    assert!(
        matches!(&refused, Err(CommandError::Explained(RefusalKind::Invalid, why)) if why.english().contains("[[job]] other")),
        "{refused:?}"
    );
    expect(&mut rig, &["srv-1"], BackupKind::Database, nightly(from("db"))).expect("stated");
    let report = |rig: &mut Rig, failed| {
        let message = "xong".to_owned();
        rig.command(Command::JobReported { job: "db".into(), failed, message }).expect("kept");
    };
    report(&mut rig, false);
    assert_eq!(states(&rig), [BackupState::InOrder]);
    report(&mut rig, true);
    assert_eq!(states(&rig), [BackupState::Failed]);
    assert!(faults(&rig).is_empty(), "its job's fault says it: {:?}", faults(&rig));
    report(&mut rig, false);
    assert_eq!(states(&rig), [BackupState::InOrder]);
    rig.pass(30 * HOUR_MS);
    assert_eq!(states(&rig), [BackupState::Overdue]);
    assert!(faults(&rig).is_empty(), "{:?}", faults(&rig));
    // Nobody watches the job any more, and the backup is overdue all the same.
    let mut config = watched;
    config.jobs = Vec::new();
    rig.command(Command::Reload(Box::new(config))).expect("taken");
    assert_eq!(faults(&rig).len(), 1);
}

#[test]
fn what_contradicts_what_is_stated_is_refused() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    rig.register("cam-1");
    let none = || BackupExpectation { note: "không lưu gì".into(), ..nightly(BackupSource::Attestation) };
    expect(&mut rig, &["cam-1", "srv-1"], BackupKind::Unneeded, none()).expect("stated");
    rig.pass(60 * HOUR_MS);
    assert!(faults(&rig).is_empty());
    // One that is expected after all takes the place of that.
    expect(&mut rig, &["srv-1"], BackupKind::Files, nightly(BackupSource::Attestation)).expect("stated");
    assert_eq!(states(&rig), [BackupState::Unneeded, BackupState::Unknown]);
    let refused = |result: CommandResult| result.expect_err("refused").to_string();
    assert!(refused(expect(&mut rig, &["srv-1"], BackupKind::Unneeded, none())).contains("withdraw these first"));
    let unknown = expect(&mut rig, &["srv-1", "srv-9"], BackupKind::Image, nightly(BackupSource::Attestation));
    assert!(refused(unknown).contains("no device srv-9"));
    assert_eq!(states(&rig).len(), 2, "all of them, or none");
    assert!(refused(expect(&mut rig, &[], BackupKind::Image, none())).contains("devices: found 0"));
    assert!(refused(attest(&mut rig, "cam-1", BackupKind::Unneeded, true, None)).contains("nothing can look"));
    assert!(refused(attest(&mut rig, "cam-1", BackupKind::Image, true, None)).contains("state it first"));
}

#[test]
fn what_is_attested_can_be_shown_by_files_each_once_and_within_bounds() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    rig.register("srv-1");
    expect(&mut rig, &["srv-1"], BackupKind::Database, nightly(BackupSource::Attestation)).expect("stated");
    let add = |rig: &mut Rig, name: &str, content: &[u8]| {
        let (name, content, actor) = (name.to_owned(), content.to_vec(), "bình".to_owned());
        let kind = BackupKind::Database;
        rig.command(Command::AddBackupEvidence { device: id("srv-1"), kind, name, content, actor })
    };
    let refused = add(&mut rig, "a.pdf", b"%PDF-1.7").expect_err("nobody said anything yet");
    assert!(refused.to_string().contains("attest it first"), "{refused}");
    attest(&mut rig, "srv-1", BackupKind::Database, true, None).expect("attested");
    add(&mut rig, "../biên bản.pdf", b"%PDF-1.7").expect("added");
    add(&mut rig, "again.pdf", b"%PDF-1.7").expect("it is there");
    for (content, said) in [(&b""[..], "1 to"), (&vec![0; 2 * 1024 * 1024 + 1], "1 to")] {
        assert!(add(&mut rig, "x", content).expect_err("refused").to_string().contains(said));
    }
    for n in 1..10_u8 {
        add(&mut rig, "x.txt", &[b'a' + n]).expect("added");
    }
    assert!(add(&mut rig, "x.txt", b"one more").expect_err("refused").to_string().contains("10 files"));
    let said = rig.reader.backup_attestations(&id("srv-1"), BackupKind::Database, 9).expect("reads");
    let files = &said[0].files;
    assert_eq!((said.len(), files.len()), (1, 10));
    let pdf = files.iter().find(|file| file.kind == EvidenceKind::Pdf).expect("there");
    assert_eq!((pdf.name.as_str(), pdf.who.as_str(), pdf.bytes), ("biên bản.pdf", "bình", 8));
    assert_eq!(rig.audit("backup.evidence_added").len(), 10);
    // What is said next is shown by files of its own.
    attest(&mut rig, "srv-1", BackupKind::Database, true, None).expect("attested");
    add(&mut rig, "x.txt", b"one more").expect("added");
    let said = rig.reader.backup_attestations(&id("srv-1"), BackupKind::Database, 9).expect("reads");
    assert_eq!(said.iter().map(|one| one.files.len()).collect::<Vec<_>>(), [1, 10]);
}
