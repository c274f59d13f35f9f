//! Which backups are expected of devices, how they stand, and what people attest of them.

use super::*;
use crate::{
    BackupAttestation, BackupCoverage, BackupEvidence, BackupExpectation, BackupKind, BackupSeen, BackupSource,
    BackupState, EvidenceKind, ExpectedBackup, ExpectedBackupQuery,
};

fn backup(n: u32, kind: BackupKind, state: BackupState, copies: u8) -> ExpectedBackup {
    let expected = BackupExpectation {
        source: BackupSource::Probe { device: Some(id(9)), name: "đêm".into() },
        every_ms: 86_400_000,
        grace_ms: 3_600_000,
        keep_days: 30,
        place: "NAS tầng 2".into(),
        copies,
        media: 2,
        off_site: true,
        encrypted: false,
        note: String::new(),
        by: "lan".into(),
        since: at(1),
    };
    let seen = BackupSeen { success: Some(at(7)), detail: "tốt".into(), ..BackupSeen::default() };
    ExpectedBackup { device: id(n), kind, expected, seen, state }
}

pub(super) fn expected_backups(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let places = ["Tầng 1", "Tầng 1", "Tầng 2", "Tầng 2", "Tầng 2"];
    let devices = places.into_iter().zip(1..).map(|(place, n)| {
        let info = DeviceInfo { place: place.to_owned(), ..info(n) };
        Change::Device { info, at: at(0) }
    });
    store.commit(&devices.collect::<Vec<_>>()).expect("enrolled");
    let all = [
        backup(1, BackupKind::Database, BackupState::InOrder, 3),
        backup(1, BackupKind::Files, BackupState::Overdue, 3),
        backup(2, BackupKind::Unneeded, BackupState::Unneeded, 1),
        backup(3, BackupKind::Image, BackupState::InOrder, 2),
        backup(4, BackupKind::Image, BackupState::InOrder, 3),
    ];
    store.commit(&all.clone().map(Change::ExpectedBackup)).expect("kept");
    let said = |note: &str, good| BackupAttestation {
        made_at: at(3),
        good,
        valid_until: Some(at(50)),
        note: note.to_owned(),
        by: "bình".into(),
        at: at(4),
    };
    let attested =
        |note: &str| Change::BackupAttested { device: id(4), kind: BackupKind::Image, attestation: said(note, true) };
    store.commit(&[attested("biên bản 1"), attested("biên bản 2")]).expect("kept");
    drop(store);
    let mut store = open(dir);
    let mut reader = store.reader().expect("reads");
    let any = ExpectedBackupQuery::default();
    assert_eq!(reader.expected_backups(&any, 99).expect("reads"), all, "by device and kind");
    let ask = |query: ExpectedBackupQuery, limit| {
        let found = reader.expected_backups(&query, limit).expect("reads");
        found.into_iter().map(|one| format!("{} {}", one.device, one.kind.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(ask(any.clone(), 2), ["d-001 database", "d-001 files"]);
    let after = Some((id(1), BackupKind::Files));
    assert_eq!(ask(ExpectedBackupQuery { after, ..any.clone() }, 1), ["d-002 unneeded"]);
    let states = vec![BackupState::Overdue, BackupState::Failed];
    assert_eq!(ask(ExpectedBackupQuery { states, ..any.clone() }, 9), ["d-001 files"]);
    assert_eq!(ask(ExpectedBackupQuery { short_of_copies: true, ..any.clone() }, 9), ["d-003 image"]);
    assert_eq!(ask(ExpectedBackupQuery { device: Some(id(3)), ..any.clone() }, 9), ["d-003 image"]);
    let notes = reader.backup_attestations(&id(4), BackupKind::Image, 9).expect("reads");
    let notes: Vec<_> = notes.into_iter().map(|one| one.attestation).collect();
    assert_eq!(notes, [said("biên bản 2", true), said("biên bản 1", true)], "the newest first");
    evidence(store.as_mut());
    let unstated = |reader: &dyn Reader| {
        let all = reader.without_expected_backup("", 9).expect("reads");
        all.into_iter().map(|info| info.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(unstated(reader.as_ref()), ["d-005"]);
    let counted =
        BackupCoverage { devices: 5, stated: 4, unneeded: 1, in_order: 2, copies_met: 2, states: [0, 1, 0, 3, 1] };
    assert_eq!(reader.backup_coverage().expect("reads"), counted);
    // What is revoked is not asked for any more, and what is withdrawn is unstated again.
    let gone = Change::ExpectedBackupGone { device: id(4), kind: BackupKind::Image };
    store.commit(&[Change::Revoked { device: id(1), at: at(9) }, gone]).expect("kept");
    assert_eq!(unstated(reader.as_ref()), ["d-004", "d-005"]);
    let counted = reader.backup_coverage().expect("reads");
    assert_eq!((counted.devices, counted.stated, counted.in_order), (4, 2, 1));
    // Each sees their own places.
    reader.limit(&AccessScope::of(&["Tầng 1".to_owned()])).expect("limited");
    assert_eq!(reader.backup_coverage().expect("reads").devices, 1);
    let seen = reader.expected_backups(&any, 9).expect("reads");
    assert_eq!(seen.iter().map(|one| one.device.to_string()).collect::<Vec<_>>(), ["d-002"]);
    assert!(unstated(reader.as_ref()).is_empty());
    assert!(reader.backup_attestations(&id(4), BackupKind::Image, 9).expect("reads").is_empty());
    assert_eq!(reader.backup_evidence(&id(4), BackupKind::Image, "aa").expect("reads"), None);
    every_word_stays(store.as_mut());
}

/// Files that show what was attested last; each once.
fn evidence(store: &mut dyn Store) {
    let file = |name: &str, sha256: &str| BackupEvidence {
        name: name.into(),
        sha256: sha256.into(),
        bytes: 3,
        kind: EvidenceKind::Pdf,
        who: "bình".into(),
        at: at(5),
    };
    let put = |of: u32, file: BackupEvidence| Change::BackupEvidence {
        device: id(of),
        kind: BackupKind::Image,
        file,
        content: b"abc".to_vec(),
    };
    let (one, two) = (file("biên bản.pdf", "aa"), file("ảnh.png", "bb"));
    // Of a backup of which nobody said anything there is nothing to show.
    store.commit(&[put(4, one.clone()), put(4, one.clone()), put(4, two.clone()), put(3, two.clone())]).expect("kept");
    let reader = store.reader().expect("reads");
    let all = reader.backup_attestations(&id(4), BackupKind::Image, 9).expect("reads");
    assert_eq!(all.iter().map(|one| one.files.len()).collect::<Vec<_>>(), [2, 0], "with the newest");
    assert_eq!(all[0].files, [one.clone(), two]);
    let found = reader.backup_evidence(&id(4), BackupKind::Image, "aa").expect("reads");
    assert_eq!(found, Some((one, b"abc".to_vec())));
    assert_eq!(reader.backup_evidence(&id(4), BackupKind::Files, "aa").expect("reads"), None);
    assert_eq!(reader.backup_evidence(&id(3), BackupKind::Image, "bb").expect("reads"), None);
    // Whoever asks what is kept of a person is told of the files that they added.
    let traces = reader.person(&["bình".to_owned()], 9).expect("reads").traces;
    let files = traces.iter().filter(|one| one.kind == crate::person::PersonTraceKind::File);
    let mut files: Vec<_> = files.map(|one| format!("{} {}", one.subject, one.text)).collect();
    files.sort();
    assert_eq!(files, ["d-004 biên bản.pdf", "d-004 ảnh.png"]);
}

/// What was said once is on record, whether the backup is expected still or the machine there.
fn every_word_stays(store: &mut dyn Store) {
    let withdrawn = Change::ExpectedBackupGone { device: id(4), kind: BackupKind::Image };
    store.commit(&[withdrawn, Change::Revoked { device: id(4), at: at(70) }]).expect("kept");
    let mut reader = store.reader().expect("reads");
    let list = |device: Option<u32>, before, limit| {
        let all = reader.backup_attestations_before(device.map(id).as_ref(), before, limit).expect("reads");
        all.into_iter()
            .map(|(of, kind, one)| (of, kind, one.attestation.note, one.attestation.by, one.files.len(), one.number))
            .collect::<Vec<_>>()
    };
    let all = list(None, None, 9);
    let line =
        |note: &str, files, number| (id(4), BackupKind::Image, note.to_owned(), "bình".to_owned(), files, number);
    assert_eq!(all, [line("biên bản 2", 2, all[0].5), line("biên bản 1", 0, all[1].5)]);
    assert_eq!(list(Some(4), Some(all[0].5), 9), all[1..]);
    assert_eq!((list(None, None, 1).len(), list(Some(3), None, 9).len()), (1, 0));
    // Who said it is for who may see people.
    reader.limit(&AccessScope::EVERYWHERE.without_names()).expect("limited");
    let sealed = reader.backup_attestations_before(None, None, 9).expect("reads");
    let sealed =
        format!("{sealed:?} {:?}", reader.expected_backups(&ExpectedBackupQuery::default(), 9).expect("reads"));
    assert!(!sealed.contains("bình") && !sealed.contains("lan"), "{sealed}");
}
