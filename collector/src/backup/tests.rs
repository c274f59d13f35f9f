use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lz4_flex::frame::FrameEncoder;

use ioc_common::clock;
use ioc_common::encoding::hex;
use ioc_engine::backup::BackupRecord;
use ioc_engine::config::Config;
use ioc_engine::pki::Authority;

use super::age::OpenKey;
use super::archive::{self, Packed, Source, Terms};
use super::catalogue::Catalogue;
use super::error::{ArchiveFault, BackupError};
use super::make::{self, Making};
use super::manifest::{self, Manifest};
use super::pace::Pace;
use super::restore;
use crate::tar::TarWriter;

/// A data directory with keys and a store, and a directory for backups that are not sealed.
struct Place {
    dir: tempfile::TempDir,
    config: Config,
    authority: Authority,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::create_dir(dir.path().join("b")).expect("made");
        let (data, to) = (dir.path().join("data"), dir.path().join("b"));
        let text = format!(
            "[paths]\ndata = {data:?}\nruntime = {data:?}\n[backup]\ndirectory = {to:?}\nunsealed_with_every_key_readable = true\n"
        );
        let config = crate::config::tests::parse(&text).unwrap_or_else(|e| panic!("{e}"));
        let (authority, store, _) = crate::first_start::prepare(&config, None).expect("first start");
        drop(store);
        std::fs::write(data.join("link.key"), [7; 32]).expect("written");
        Self { dir, config, authority }
    }

    fn back_up(&self) -> BackupRecord {
        let pace = Pace::unbounded();
        let making = Making {
            config: &self.config,
            config_path: None,
            plan: self.config.backup.as_ref().expect("on"),
            authority: &self.authority,
            pace: &pace,
            sentinel: "abc",
            running: false,
        };
        make::make(&making).expect("made")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("b").join(name)
    }

    fn fingerprint(&self) -> String {
        hex(&self.authority.fingerprint())
    }

    /// Unpacks and compares an archive in a new directory.
    fn unpack(&self, path: &Path, to: &str) -> Result<Manifest, BackupError> {
        let to = self.dir.path().join(to);
        std::fs::create_dir(&to).expect("made");
        let file = File::open(path).expect("opens");
        let (expected, pace) = (self.fingerprint(), Pace::unbounded());
        let terms = Terms { expected: Some(&expected), ..terms(&pace) };
        restore::unpack(file, "x", &terms, &to, |_| Ok(())).map(|read| read.manifest)
    }

    /// The archive that these files and this manifest make, signed anew where it is to be, and what is said of it.
    fn said(&self, number: usize, files: &[Packed], manifest: &Manifest, sign: Option<&Authority>) -> BackupError {
        let original = serde_json::to_vec_pretty(manifest).expect("text");
        let signature = sign.map(|authority| authority.sign(&manifest::to_sign(&original)).expect("signed"));
        let path = self.path(&format!("made-{number}"));
        let pace = Pace::unbounded();
        archive::write(&path, &self.path("part"), None, files, &pace, 0, |_| {
            Ok((original, signature.unwrap_or_default()))
        })
        .expect("written");
        self.unpack(&path, &format!("to-{number}")).expect_err("refused")
    }
}

/// What takes an archive that is not sealed, whoever signed it.
fn terms(pace: &Arc<Pace>) -> Terms<'_> {
    Terms { key: None, must_be_sealed: false, expected: None, most_bytes: None, pace }
}

/// The files of an unpacked archive.
fn files(dir: &Path, manifest: &Manifest) -> Vec<Packed> {
    let packed = |path: &String| Packed { path: path.clone(), source: Source::File(dir.join(path)), from: None };
    manifest.files.iter().map(|one| packed(&one.path)).collect()
}

#[test]
fn whatever_is_changed_in_an_archive_is_refused_by_name() {
    let place = Place::new();
    let note = |text: &str| std::fs::write(place.config.data.join("integrity-check.last"), text).expect("written");
    note("2026-11-27T02:00:00Z");
    let first = place.back_up();
    note("2026-11-28T02:00:00Z");
    let second = place.back_up();
    assert!(second.number == first.number + 1 && second.archive != first.archive);
    let manifest = place.unpack(&place.path(&first.archive), "one").expect("whole");
    let other = place.unpack(&place.path(&second.archive), "two").expect("whole");
    let dir = place.dir.path().join("one");
    let signer = Some(&place.authority);
    let fault = |error: BackupError| match error {
        BackupError::Archive { fault, .. } => fault,
        other => panic!("{other}"),
    };
    let all = || files(&dir, &manifest);

    let without: Vec<Packed> = all().into_iter().filter(|one| one.path != "link.key").collect();
    assert_eq!(fault(place.said(1, &without, &manifest, signer)), ArchiveFault::Missing("link.key".to_owned()));
    let mut more = all();
    more.push(Packed { path: "extra".to_owned(), source: Source::Bytes(vec![1]), from: None });
    assert_eq!(fault(place.said(2, &more, &manifest, signer)), ArchiveFault::Extra("extra".to_owned()));
    let mut twice = all();
    twice.push(Packed { path: "again/link.key".to_owned(), source: Source::Bytes(vec![1]), from: None });
    assert!(matches!(fault(place.said(3, &twice, &manifest, signer)), ArchiveFault::Extra(_)));
    let mut changed = all();
    for one in changed.iter_mut().filter(|one| one.path == "link.key") {
        one.source = Source::Bytes(vec![8; 32]);
    }
    assert_eq!(fault(place.said(4, &changed, &manifest, signer)), ArchiveFault::Differs("link.key".to_owned()));

    // A manifest that is not this one's: changed, unsigned, another backup's, another authority's, a newer program's.
    let mut lying = manifest.clone();
    lying.tables[0].rows += 1;
    let path = place.path("lying");
    let old =
        place.authority.sign(&manifest::to_sign(&serde_json::to_vec_pretty(&manifest).expect("text"))).expect("signed");
    let text = serde_json::to_vec_pretty(&lying).expect("text");
    archive::write(&path, &place.path("part"), None, &all(), &Pace::unbounded(), 0, |_| Ok((text, old)))
        .expect("written");
    assert_eq!(fault(place.unpack(&path, "lied").expect_err("refused")), ArchiveFault::Signature);
    assert_eq!(fault(place.said(5, &all(), &manifest, None)), ArchiveFault::Signature);
    assert!(matches!(fault(place.said(6, &all(), &other, signer)), ArchiveFault::Differs(_)), "swapped");
    let stranger = Place::new();
    assert_eq!(fault(place.said(7, &all(), &manifest, Some(&stranger.authority))), ArchiveFault::Signature);
    let theirs = stranger.back_up();
    let foreign = place.unpack(&stranger.path(&theirs.archive), "foreign").expect_err("refused");
    assert!(matches!(fault(foreign), ArchiveFault::Authority { .. }));
    let newer = Manifest { format: 2, product: "9.0.0".to_owned(), ..manifest.clone() };
    assert!(fault(place.said(8, &all(), &newer, signer)).to_string().contains("9.0.0"));

    // Signed as it must be, and not what the tables hold.
    let lied = place.said(9, &all(), &lying, signer).to_string();
    assert!(lied.contains("rows and had") && lied.contains(&lying.tables[0].table), "{lied}");
    let mut other_contents = manifest.clone();
    let audit = other_contents.tables.iter_mut().find(|one| one.table == "audit").expect("a table");
    audit.sha256 = "0".repeat(64);
    assert!(
        place
            .said(10, &all(), &other_contents, signer)
            .to_string()
            .contains("audit of ioc-watch.db has other contents")
    );
}

#[test]
fn an_archive_has_what_a_collector_needs_and_nothing_that_it_must_not_have() {
    let place = Place::new();
    let record = place.back_up();
    let manifest = place.unpack(&place.path(&record.archive), "one").expect("whole");
    let names: Vec<&str> = manifest.files.iter().map(|one| one.path.as_str()).collect();
    for name in ["ioc-watch.db", "history.db", "pki/ca.key.pem", "pki/ca.pem", "link.key"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("first-password") || name.contains("commit-mark")), "{names:?}");
    assert!(record.plain_bytes > manifest.plain_bytes(), "the manifest besides");
    let one = place.dir.path().join("one");
    let restored = Config { data: one, ..place.config.clone() };
    let (authority, store, password) = crate::first_start::prepare(&restored, None).expect("starts");
    assert_eq!((hex(&authority.fingerprint()), password), (place.fingerprint(), None));
    assert!(store.lost().all.is_empty());
}

#[test]
fn a_restore_never_mixes_and_leaves_a_declaration() {
    let place = Place::new();
    let record = place.back_up();
    let path = place.path(&record.archive);
    let to = place.dir.path().join("new");
    let restore = |to: &Path, path: &Path| {
        let pace = Pace::unbounded();
        restore::restore(File::open(path).expect("opens"), &record.archive, &terms(&pace), to, ("lan", "the disk died"))
    };
    std::fs::create_dir(&to).expect("made");
    std::fs::write(to.join("mine"), "x").expect("written");
    assert!(matches!(restore(&to, &path), Err(BackupError::NotEmpty(_))));
    assert_eq!(std::fs::read(to.join("mine")).expect("kept"), b"x");
    std::fs::remove_file(to.join("mine")).expect("removed");
    let mut bytes = std::fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = place.path("damaged");
    std::fs::write(&damaged, bytes).expect("written");
    assert!(restore(&to, &damaged).is_err());
    assert_eq!(std::fs::read_dir(&to).expect("there").count(), 0, "half a store is none");
    restore(&to, &path).expect("restored");
    let told: ioc_engine::command::RestoreDeclaration =
        serde_json::from_slice(&std::fs::read(to.join("restored.json")).expect("declared")).expect("read");
    assert_eq!(
        (told.archive.as_str(), told.actor.as_str(), told.reason.as_str()),
        (record.archive.as_str(), "lan", "the disk died")
    );
    assert!(told.commits == record.commits && told.at >= record.made_at && clock::now() >= told.at);
}

#[test]
fn a_drill_certifies_what_it_found() {
    let place = Place::new();
    let plan = place.config.backup.clone().expect("on");
    let pace = Pace::unbounded();
    let none = super::drill::drill(&place.config, &plan, None, &pace);
    assert!(matches!(none, Err(BackupError::NoArchive(_))));
    let sealing = ioc_engine::config::Sealing::Recipients(vec!["age1x".to_owned()], None);
    let closed = ioc_engine::config::BackupPlan { sealing, ..plan.clone() };
    let none = super::drill::drill(&place.config, &closed, None, &pace);
    assert!(matches!(none, Err(BackupError::NothingOpens)), "no certificate of what was never tried");
    // The sentinel is in the manifest, and nobody wrote it into the log.
    let record = place.back_up();
    let (name, drill) = super::drill::drill(&place.config, &plan, Some(&place.fingerprint()), &pace).expect("held");
    assert!(drill.failure.as_deref().is_some_and(|why| why.contains("sentinel")), "{drill:?}");
    assert!(drill.archive == record.archive && drill.tables > 30 && drill.checks.len() == 5, "{drill:?}");
    let text = std::fs::read_to_string(place.path(&name.replace(".json", ".txt"))).expect("certified");
    assert!(text.contains("FAILED") && text.contains("KHÔNG ĐẠT") && text.contains(&record.sha256), "{text}");
    let mut store = ioc_store::open(&place.config.data).expect("opens");
    let action = ioc_engine::audit_action::AuditLogAction::BackupStarted;
    store.commit(&[ioc_store::Change::Audit(super::task::entry("", action, "", "abc"))]).expect("kept");
    drop(store);
    place.back_up();
    let (_, drill) = super::drill::drill(&place.config, &plan, Some(&place.fingerprint()), &pace).expect("held");
    assert_eq!(drill.failure, None);
    assert!(!place.config.data.join("backup.staging").exists());
    let (words, is_good) = super::standing(&place.config, clock::now());
    assert!(is_good && words.contains("restored for a trial"), "{words}");
    let (words, is_good) = super::standing(&place.config, clock::now().plus_millis(2 * 86_400_000));
    assert!(!is_good && words.contains("last good backup"), "{words}");
}

#[test]
fn what_is_not_sealed_or_is_more_than_was_said_is_refused_by_name() {
    let place = Place::new();
    let record = place.back_up();
    let path = place.path(&record.archive);
    let (pace, key) = (Pace::unbounded(), OpenKey::Passphrase("a passphrase that is long enough".to_owned()));
    let read = |terms: &Terms<'_>, into: Option<&Path>| match archive::read(
        File::open(&path).expect("opens"),
        "x",
        terms,
        into,
    ) {
        Ok(_) => None,
        Err(BackupError::Archive { fault, .. }) => Some(fault),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(read(&terms(&pace), None), None);
    assert_eq!(read(&Terms { must_be_sealed: true, ..terms(&pace) }, None), Some(ArchiveFault::Unsealed));
    assert_eq!(read(&Terms { key: Some(&key), ..terms(&pace) }, None), Some(ArchiveFault::Unsealed));
    assert_eq!(read(&Terms { most_bytes: Some(record.plain_bytes), ..terms(&pace) }, None), None);
    let to = place.dir.path().join("to");
    std::fs::create_dir(&to).expect("made");
    let less = read(&Terms { most_bytes: Some(record.plain_bytes - 1), ..terms(&pace) }, Some(&to));
    assert!(matches!(less, Some(ArchiveFault::TooMuch(_))), "{less:?}");
    // It is as it was made, and the disk is too small: nobody is to think that it is damaged.
    for (said, needed) in [(Some(record.plain_bytes), record.plain_bytes), (None, 1)] {
        let (terms, to) = (Terms { most_bytes: said, ..terms(&pace) }, tempfile::tempdir().expect("directory"));
        let small = archive::read_within(File::open(&path).expect("opens"), "x", &terms, Some((to.path(), 1000)));
        let error = small.err().expect("refused");
        let BackupError::NoRoom { path, needed_mib, .. } = &error else { panic!("{error}") };
        assert!(path == to.path() && *needed_mib >= needed >> 20, "{error}");
    }
    // Few bytes, and more files than any archive has.
    let many: Vec<Packed> = (0..501)
        .map(|number| Packed { path: format!("f{number}"), source: Source::Bytes(Vec::new()), from: None })
        .collect();
    let written = archive::write(&place.path("many"), &place.path("part"), None, &many, &pace, 0, |_| unreachable!());
    assert!(written.is_err_and(|error| error.to_string().contains("501 files")));
    let mut tar = TarWriter::new(FrameEncoder::new(Vec::new()), 0);
    for one in &many {
        tar.append(&one.path, 0, &mut std::io::empty()).expect("appended");
    }
    std::fs::write(place.path("many"), tar.finish().expect("ended").finish().expect("packed")).expect("written");
    let refused = place.unpack(&place.path("many"), "many").expect_err("refused").to_string();
    assert!(refused.contains("more than 500 files"), "{refused}");
}

#[test]
fn what_a_killed_one_left_behind_goes_before_room_is_asked_for() {
    let place = Place::new();
    let staging = place.config.data.join("backup.staging");
    let catalogue = Catalogue::new(&place.dir.path().join("b"), &place.config);
    let leave = || {
        std::fs::create_dir(&staging).expect("made");
        std::fs::write(staging.join("ioc-watch.db"), "x").expect("written");
        std::fs::write(catalogue.part(), "x").expect("written");
    };
    leave();
    place.back_up();
    assert!(!staging.exists() && !catalogue.part().exists());
    leave();
    make::clear(&place.config.data, Some(&catalogue)).expect("removed");
    assert!(!staging.exists() && !catalogue.part().exists());
    make::clear(&place.config.data, Some(&catalogue)).expect("nothing is there");
}

#[test]
fn a_declaration_stands_before_the_store_is_said_to_be_whole() {
    let place = Place::new();
    let record = place.back_up();
    let to = place.dir.path().join("to");
    std::fs::create_dir(&to).expect("made");
    let file = File::open(place.path(&record.archive)).expect("opens");
    let pace = Pace::unbounded();
    let cut = restore::unpack(file, "x", &terms(&pace), &to, |_| Err(BackupError::BrokenOff));
    assert!(matches!(cut, Err(BackupError::BrokenOff)));
    let store = ioc_store::open(&to).expect("opens");
    assert_eq!(store.lost().all.len(), 1, "unproven");
}

#[test]
fn a_note_that_says_something_else_fails_the_drill_and_another_stores_archive_is_not_looked_at() {
    let place = Place::new();
    let mut store = ioc_store::open(&place.config.data).expect("opens");
    let action = ioc_engine::audit_action::AuditLogAction::BackupStarted;
    store.commit(&[ioc_store::Change::Audit(super::task::entry("", action, "", "abc"))]).expect("kept");
    drop(store);
    let record = place.back_up();
    let catalogue = Catalogue::new(&place.dir.path().join("b"), &place.config);
    let plan = place.config.backup.clone().expect("on");
    let pace = Pace::unbounded();
    let drilled = || super::drill::drill(&place.config, &plan, Some(&place.fingerprint()), &pace);
    assert_eq!(drilled().expect("held").1.failure, None);
    let commits = record.commits + 1;
    catalogue.note(&BackupRecord { commits, ..record.clone() }).expect("noted");
    let (_, drill) = drilled().expect("held");
    assert!(drill.failure.as_deref().is_some_and(|why| why.contains("number of commits")), "{drill:?}");
    catalogue.note(&BackupRecord { store: "other".to_owned(), ..record.clone() }).expect("noted");
    assert!(matches!(drilled(), Err(BackupError::NoArchive(_))), "none of its own");
    assert!(!super::standing(&place.config, clock::now()).1);
    // A number that none comes behind.
    catalogue.note(&BackupRecord { number: u64::MAX, ..record }).expect("noted");
    assert!(catalogue.next_number().is_err_and(|error| error.to_string().contains("none comes behind it")));
}

#[test]
fn a_drill_of_the_stopped_collector_keeps_it_from_starting() {
    let place = Place::new();
    let held = ioc_store::hold(&place.config.data).expect("held");
    assert!(matches!(ioc_store::open(&place.config.data), Err(ioc_store::StoreError::Held { .. })));
    drop(held);
    drop(ioc_store::open(&place.config.data).expect("opens"));
    let _store = ioc_store::open(&place.config.data).expect("opens");
    assert!(ioc_store::hold(&place.config.data).is_err(), "it runs");
}
