use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;

use super::*;
use crate::Store as _;
use crate::audit::AuditKey;
use crate::audit_check::tests::{Signer, entry};
use crate::merkle::Frontier;
use crate::sqlite::file::FILE;
use crate::sqlite::{FILES, SqliteStore};
use crate::witness::{WitnessVerdict, compare as witnessed};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn key_of(signer: &Signer) -> AuditKey {
    let (id, public) = signer.keys().pop_first().expect("one");
    AuditKey { id, public, certificate: "PEM".to_owned(), at: at(1) }
}

fn grow(store: &mut SqliteStore, records: usize) {
    for number in 0..records {
        store.commit(&[Change::Audit(entry(&number.to_string()))]).expect("kept");
    }
}

/// Signs what is committed, as the engine does.
fn sign(store: &mut SqliteStore, signer: &Signer, at: Timestamp) -> AuditHead {
    let tip = store.audit_tip();
    let head = signer.sign(tip.number, &tip.hash, &tip.tree, at);
    let changes = [Change::AuditKey(key_of(signer)), Change::AuditHead { head: head.clone(), tree: tip.tree }];
    store.commit(&changes).expect("kept");
    head
}

/// Somebody who has the file writes into it.
fn tamper(dir: &Path, sql: &str) {
    let connection = Connection::open(dir.join(FILE)).expect("opens");
    connection.execute_batch(sql).expect("done");
}

const NO_TRIGGERS: &str =
    "DROP TRIGGER audit_no_delete; DROP TRIGGER audit_no_update; DROP TRIGGER audit_head_no_delete;";

fn audit_losses(store: &SqliteStore) -> Vec<String> {
    store.lost().all.iter().map(|text| text.en.clone()).collect()
}

#[test]
fn a_record_is_appended_and_nothing_else() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    let signer = Signer::new();
    grow(&mut store, 5);
    sign(&mut store, &signer, at(1));
    grow(&mut store, 1);
    drop(store);
    let connection = Connection::open(dir.path().join(FILE)).expect("opens");
    let row = |number: i64| format!("({number}, 1, 'x', 'x.x', '', '', 'h')");
    let into = "INTO audit (number, at, actor, action, subject, detail, hash) VALUES";
    for refused in [
        "UPDATE audit SET actor = 'x'".to_owned(),
        "DELETE FROM audit WHERE number = 6".to_owned(),
        format!("INSERT OR REPLACE {into} {}", row(3)),
        format!("INSERT OR REPLACE {into} {}", row(6)),
        format!("REPLACE {into} {}", row(1)),
        format!("INSERT OR IGNORE {into} {}", row(2)),
        format!("INSERT {into} {}", row(8)),
        format!("INSERT {into} {}", row(0)),
        format!("INSERT {into} {}", row(-1)),
        format!("INSERT {into} {} ON CONFLICT DO UPDATE SET actor = 'x'", row(4)),
        "UPDATE audit_head SET root = ''".to_owned(),
        "DELETE FROM audit_head".to_owned(),
        "INSERT OR REPLACE INTO audit_head VALUES (5, '', '', 1, '', '')".to_owned(),
        "INSERT INTO audit_head VALUES (4, '', '', 1, '', '')".to_owned(),
        "UPDATE audit_key SET public = x'00'".to_owned(),
        "DELETE FROM audit_key".to_owned(),
        "INSERT OR REPLACE INTO audit_key SELECT id, x'00', certificate, at FROM audit_key".to_owned(),
    ] {
        let error = connection.execute(&refused, []).expect_err(&refused).to_string();
        assert!(error.contains("append-only"), "{refused}: {error}");
    }
    connection.execute(&format!("INSERT {into} {}", row(7)), []).expect("the next one");
}

#[test]
#[allow(clippy::too_many_lines, reason = "a line for each table; splitting it would hide that the list is whole")]
fn what_stays_on_record_is_not_replaced_either() {
    let dir = tempfile::tempdir().expect("directory");
    drop(SqliteStore::open(dir.path()).expect("opens"));
    let connection = Connection::open(dir.path().join(FILE)).expect("opens");
    let once = "INSERT INTO hold (number, kind, subject, reason, at, who) VALUES (1, 'period', '', 'CV 12', 1, 'lan'); \
                INSERT INTO deletion (number, at, class, first, last, count, digest, rule, exported, source) VALUES (1, 1, 'events', 1, 1, 7, 'd', '', '', 's'); \
                INSERT INTO issued_report (number, report, version, title, at, who, sha256, content, source) VALUES (1, 'clause', 1, 't', 1, 'lan', 'd', x'00', ''); \
                INSERT INTO configuration_version (part, number, body, at, who, why, sha256) VALUES ('site', 1, 'said', 1, 'lan', '', 'd'); \
                INSERT INTO report_registration (issued, place, number, date, who, at, sha256, kind, reason, copy) VALUES (1, 1, 7, 'd', 'lan', 1, 'd', 'BC', '', x'00'); \
                INSERT INTO account_review (number, opened_at, opened_by, count, signed_at) VALUES (1, 1, 'lan', 0, 1); \
                INSERT INTO backup_attestation (number, device, kind, body) VALUES (1, 1, 'image', 'said'); \
                INSERT INTO backup_evidence (attestation, sha256, file, content) VALUES (1, 'aa', 'said', x'00'); \
                INSERT INTO asset_attestation (number, device, area, good, valid_until, body) VALUES (1, 1, 'patches', 1, 50, 'said'); \
                INSERT INTO asset_evidence (attestation, sha256, file, content) VALUES (1, 'aa', 'said', x'00'); \
                INSERT INTO account_attestation (number, device, name, valid_until, body) VALUES (1, 1, 'admin', 50, 'said'); \
                INSERT INTO account_evidence (attestation, sha256, file, content) VALUES (1, 'aa', 'said', x'00')";
    connection.execute_batch(once).expect("kept");
    let kept = || {
        [
            "SELECT reason FROM hold",
            "SELECT count FROM deletion",
            "SELECT who FROM issued_report",
            "SELECT body FROM configuration_version",
            "SELECT number FROM report_registration",
            "SELECT signed_at FROM account_review",
            "SELECT body FROM backup_attestation",
            "SELECT file FROM backup_evidence",
            "SELECT body || good || area FROM asset_attestation",
            "SELECT body || name FROM account_attestation",
            "SELECT file FROM account_evidence",
            "SELECT file FROM asset_evidence",
        ]
        .map(|sql| {
            let rows = connection.prepare(sql).and_then(|mut all| {
                all.query_map([], |row| row.get::<_, rusqlite::types::Value>(0))?.collect::<rusqlite::Result<Vec<_>>>()
            });
            format!("{rows:?}")
        })
    };
    let before = kept();
    for (replaced, refused) in [
        ("hold (number, kind, subject, reason, at, who) VALUES (1, 'period', '', '', 1, 'x')", true),
        (
            "deletion (number, at, class, first, last, count, digest, rule, exported) VALUES (1, 1, 'events', 1, 1, 0, 'd', '', '')",
            true,
        ),
        (
            "deletion (number, at, class, first, last, count, digest, rule, exported, source) VALUES (9, 1, 'events', 1, 1, 0, 'd', '', '', 's')",
            false,
        ),
        (
            "issued_report (number, report, version, title, at, who, sha256, content, source) VALUES (1, 'x', 1, 't', 1, 'x', 'd', x'00', '')",
            true,
        ),
        (
            "issued_report (number, report, version, title, at, who, sha256, content, source) VALUES (9, 'clause', 1, 't', 1, 'x', 'd', x'00', '')",
            true,
        ),
        (
            "configuration_version (part, number, body, at, who, why, sha256) VALUES ('site', 1, 'x', 1, 'x', '', 'd')",
            true,
        ),
        (
            "report_registration (issued, place, number, date, who, at, sha256, kind, reason, copy) VALUES (1, 1, 8, 'd', 'x', 1, 'd', 'BC', '', x'00')",
            true,
        ),
        ("account_review (number, opened_at, opened_by, count) VALUES (1, 1, 'x', 0)", true),
        ("backup_attestation (number, device, kind, body) VALUES (1, 1, 'image', 'x')", true),
        ("backup_evidence (attestation, sha256, file, content) VALUES (1, 'aa', 'x', x'01')", false),
        (
            "asset_attestation (number, device, area, good, valid_until, body) VALUES (1, 1, 'patches', 0, 50, 'x')",
            true,
        ),
        ("account_attestation (number, device, name, valid_until, body) VALUES (1, 1, 'admin', 50, 'x')", true),
        ("account_evidence (attestation, sha256, file, content) VALUES (1, 'aa', 'x', x'01')", false),
        ("asset_evidence (attestation, sha256, file, content) VALUES (1, 'aa', 'x', x'01')", false),
    ] {
        let done = connection.execute(&format!("INSERT OR REPLACE INTO {replaced}"), []);
        assert_eq!(done.is_err(), refused, "{replaced}: {done:?}");
        assert_eq!(kept(), before, "{replaced}");
    }
    // What was attested is neither changed nor deleted; only that it holds may end earlier.
    for table in ["backup_attestation", "asset_attestation", "account_attestation"] {
        for changed in [format!("UPDATE {table} SET body = 'x'"), format!("DELETE FROM {table}")] {
            assert!(connection.execute(&changed, []).is_err(), "{changed}");
        }
    }
    for table in ["backup_evidence", "asset_evidence", "account_evidence"] {
        for changed in [format!("UPDATE {table} SET content = x'01'"), format!("DELETE FROM {table}")] {
            assert!(connection.execute(&changed, []).is_err(), "{changed}");
        }
    }
    for table in ["asset_attestation", "account_attestation"] {
        assert!(connection.execute(&format!("UPDATE {table} SET valid_until = 51"), []).is_err(), "{table}");
        assert_eq!(connection.execute(&format!("UPDATE {table} SET valid_until = 49"), []), Ok(1), "{table}");
    }
    assert_eq!(kept(), before);
}

#[test]
fn a_log_that_lost_its_end_is_stamped_from_where_it_goes_on() {
    let dir = tempfile::tempdir().expect("directory");
    let (signer, mut store) = (Signer::new(), SqliteStore::open(dir.path()).expect("opens"));
    let stamp = |number: u64| {
        let (authority, reply) = ("TSA".to_owned(), vec![1]);
        Change::AuditStamp(crate::audit::AuditStamp { number, at: at(1), authority, reply })
    };
    let numbers = |store: &SqliteStore| {
        let reader = store.reader().expect("reads");
        let [last, in_log] = [reader.last_audit_stamp(), reader.last_audit_stamp_in_log()];
        [last, in_log].map(|stamp| stamp.expect("reads").map_or(0, |stamp| stamp.number))
    };
    grow(&mut store, 3);
    sign(&mut store, &signer, at(1));
    store.commit(&[stamp(3)]).expect("kept");
    grow(&mut store, 7);
    sign(&mut store, &signer, at(2));
    store.commit(&[stamp(10)]).expect("kept");
    assert_eq!(numbers(&store), [10, 10]);
    drop(store);
    tamper(dir.path(), &format!("{NO_TRIGGERS} DELETE FROM audit WHERE number > 5;"));
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    assert_eq!(numbers(&store), [10, 3], "what is stamped of the log that is there");
    grow(&mut store, 2);
    let head = sign(&mut store, &signer, at(3));
    store.commit(&[stamp(head.number)]).expect("kept");
    assert_eq!(numbers(&store), [10, head.number]);
}

#[test]
fn a_start_finds_the_tree_again_whatever_became_of_what_was_kept_of_it() {
    let dir = tempfile::tempdir().expect("directory");
    let signer = Signer::new();
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    assert_eq!(store.audit_tip().number, 0);
    for round in 0..3 {
        grow(&mut store, 7);
        sign(&mut store, &signer, at(round));
        grow(&mut store, 2);
        let tip = store.audit_tip();
        assert_eq!((tip.number, tip.tree.size()), (9 * (round.unsigned_abs() + 1), tip.number));
        drop(store);
        match round {
            0 => {}
            1 => tamper(dir.path(), "UPDATE audit_tree SET peaks = x'00112233'"),
            _ => tamper(dir.path(), "DELETE FROM audit_tree"),
        }
        store = SqliteStore::open(dir.path()).expect("opens");
        assert_eq!(store.audit_tip(), tip);
        assert_eq!(audit_losses(&store), [""; 0]);
    }
    // A commit that fails adds nothing.
    let tip = store.audit_tip();
    let unknown = Change::Revoked { device: ioc_common::id::DeviceId::new("srv-9").expect("valid"), at: at(1) };
    let _ = store.commit(&[
        Change::Audit(entry("x")),
        unknown.clone(),
        Change::AuditHead { head: signer.sign(1, "", &Frontier::default(), at(1)), tree: Frontier::default() },
    ]);
    assert_eq!(store.audit_tip(), tip);
    assert!(SqliteStore::examine(dir.path(), true).expect("read").is_empty());
}

#[test]
fn a_log_that_was_cut_or_rewritten_is_told_at_the_next_start() {
    for (sql, told) in [
        (
            "DELETE FROM audit WHERE number > 12; DELETE FROM audit_head WHERE number > 12",
            "it ends with record 12, and record 20",
        ),
        ("DELETE FROM audit WHERE number > 19", "it ends with record 19"),
        ("DELETE FROM audit_head WHERE number > 12", "Signed heads of the audit log are missing"),
        ("UPDATE audit SET hash = 'x' WHERE number = 20", "record 20 is another"),
    ] {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let signer = Signer::new();
        grow(&mut store, 10);
        sign(&mut store, &signer, at(1));
        grow(&mut store, 10);
        let newest = sign(&mut store, &signer, at(2));
        store.close().expect("closed");
        drop(store);
        tamper(dir.path(), &format!("{NO_TRIGGERS} {sql}"));
        let store = SqliteStore::open(dir.path()).expect("opens");
        assert!(audit_losses(&store).iter().any(|one| one.contains(told)), "{sql}: {:?}", store.lost());
        assert!(store.lost().fresh);
        // Whoever saw it before knows.
        let reader = store.reader().expect("reads");
        let verdict = witnessed(&*reader, &signer.keys(), &newest).expect("read");
        let lost_heads_only = told.starts_with("Signed heads");
        assert_eq!(verdict.is_disagreement(), !lost_heads_only, "{sql}: {verdict:?}");
        drop((reader, store));
        let store = SqliteStore::open(dir.path()).expect("opens");
        assert!(!store.lost().fresh, "it is found once");
    }
}

#[test]
fn the_file_beside_the_store_gives_no_false_alarm() {
    let dir = tempfile::tempdir().expect("directory");
    let file = dir.path().join(HEAD_FILE);
    let signer = Signer::new();
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    assert!(!file.exists());
    grow(&mut store, 10);
    let first = sign(&mut store, &signer, at(5_000));
    assert_eq!(read(dir.path()), Some(first));
    grow(&mut store, 10);
    // The clock was set back meanwhile.
    let newest = sign(&mut store, &signer, at(1_000));
    drop(store);
    let whole = std::fs::read(&file).expect("read");
    for spoilt in [None, Some(Vec::new()), Some(whole[..whole.len() / 2].to_vec()), Some(b"nonsense\n".to_vec())] {
        match spoilt {
            None => std::fs::remove_file(&file).expect("removed"),
            Some(bytes) => std::fs::write(&file, bytes).expect("written"),
        }
        let store = SqliteStore::open(dir.path()).expect("opens");
        assert_eq!(audit_losses(&store), [""; 0]);
        assert_eq!(read(dir.path()), Some(newest.clone()), "it is there again");
    }
    // In another directory, where the store is begun anew.
    crate::sqlite::put_aside(dir.path(), &[]).expect("put aside");
    assert!(!file.exists());
    assert_eq!(audit_losses(&SqliteStore::open(dir.path()).expect("opens")), [""; 0]);
}

#[test]
fn wherever_a_collector_is_killed_its_heads_are_not_ahead_of_its_log() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    let signer = Signer::new();
    // What lies on the disk at every moment between two writes: the store, and beside it the file of this commit or of one before.
    let read = |name: &str| std::fs::read(dir.path().join(name)).ok();
    let mut files: Vec<Option<Vec<u8>>> = Vec::new();
    for round in 0..8 {
        grow(&mut store, 3);
        if round % 2 == 0 {
            sign(&mut store, &signer, at(round));
        }
        files.push(read(HEAD_FILE));
        let now: BTreeMap<&str, Vec<u8>> =
            FILES.into_iter().chain(["commit-mark"]).filter_map(|name| Some((name, read(name)?))).collect();
        for file in files.iter().rev().take(3).chain([&None]) {
            let killed = tempfile::tempdir().expect("directory");
            for (name, content) in &now {
                std::fs::write(killed.path().join(name), content).expect("written");
            }
            if let Some(content) = file {
                std::fs::write(killed.path().join(HEAD_FILE), content).expect("written");
            }
            let opened = SqliteStore::open(killed.path()).expect("opens");
            assert_eq!(audit_losses(&opened), [""; 0], "round {round}");
            assert_eq!(opened.audit_tip(), store.audit_tip());
            drop(opened);
            assert_eq!(SqliteStore::examine(killed.path(), false).expect("read"), [""; 0]);
        }
    }
}

#[test]
fn a_restore_that_was_declared_explains_what_witnesses_saw_and_nothing_else() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    let signer = Signer::new();
    grow(&mut store, 10);
    let early = sign(&mut store, &signer, at(100));
    // Of the log that was lost: more records, and others.
    let mut lost = store.audit_tip();
    let mut heads = Vec::new();
    for number in 11..=20 {
        lost.tree.push(&[7; 32]);
        heads.push(signer.sign(number, &"7".repeat(64), &lost.tree, at(200)));
    }
    let verdict = |store: &SqliteStore, head: &AuditHead| {
        witnessed(&*store.reader().expect("reads"), &signer.keys(), head).expect("read")
    };
    assert_eq!(verdict(&store, &early), WitnessVerdict::Agrees);
    assert!(heads.iter().all(|head| verdict(&store, head) == WitnessVerdict::Missing { last: 10 }));
    let mut declared = entry("from a copy of yesterday");
    (declared.action, declared.at) = ("store.restored".to_owned(), at(300));
    store.commit(&[Change::Audit(declared)]).expect("kept");
    assert!(heads.iter().all(|head| verdict(&store, head) == WitnessVerdict::Restored { declared: 11 }));
    assert_eq!(verdict(&store, &early), WitnessVerdict::Agrees);
    // Signed after the declaration, or of a record before it: nobody has said why.
    assert_eq!(
        verdict(&store, &signer.sign(12, &"7".repeat(64), &lost.tree, at(400))),
        WitnessVerdict::Missing { last: 11 }
    );
    assert_eq!(verdict(&store, &signer.sign(9, &"7".repeat(64), &lost.tree, at(50))), WitnessVerdict::Differs);
    grow(&mut store, 5);
    assert_eq!(verdict(&store, &heads[1]), WitnessVerdict::Restored { declared: 11 });
    // One that was begun anew holds nothing of the log before, whatever its numbers are.
    let mut anew = entry("on the command line");
    (anew.action, anew.at) = ("store.made_anew".to_owned(), at(60));
    store.commit(&[Change::Audit(anew)]).expect("kept");
    let old = signer.sign(9, &"7".repeat(64), &lost.tree, at(50));
    // It begins with that; in the middle of a log it excuses nothing.
    assert_eq!(verdict(&store, &old), WitnessVerdict::Differs);
    let begun = tempfile::tempdir().expect("directory");
    let mut fresh = SqliteStore::open(begun.path()).expect("opens");
    let mut anew = entry("on the command line");
    (anew.action, anew.at) = ("store.made_anew".to_owned(), at(60));
    fresh.commit(&[Change::Audit(entry("the first account")), Change::Audit(anew)]).expect("kept");
    grow(&mut fresh, 20);
    assert_eq!(verdict(&fresh, &old), WitnessVerdict::Restored { declared: 2 });
    let later = signer.sign(9, &"7".repeat(64), &lost.tree, at(70));
    assert_eq!(verdict(&fresh, &later), WitnessVerdict::Differs, "signed after it was begun");
    // Of a key that is not known, and one that nobody signed.
    let stranger = Signer::new().sign(10, &early.hash, &lost.tree, at(500));
    assert_eq!(verdict(&store, &stranger), WitnessVerdict::UnknownKey);
    let forged = AuditHead { number: 999, at: at(500), ..early };
    assert_eq!(verdict(&store, &forged), WitnessVerdict::Forged);
}

#[test]
fn a_log_whose_end_is_gone_is_signed_again_and_what_is_gone_stays_told() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    let signer = Signer::new();
    grow(&mut store, 10);
    let first = sign(&mut store, &signer, at(1));
    grow(&mut store, 10);
    let gone = sign(&mut store, &signer, at(2));
    store.close().expect("closed");
    drop(store);
    tamper(dir.path(), &format!("{NO_TRIGGERS} DELETE FROM audit WHERE number > 12"));
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    let newest = |store: &SqliteStore| store.reader().expect("reads").last_audit_head_in_log().expect("read");
    assert_eq!(newest(&store), Some(first));
    assert_eq!((store.audit_tip().number, store.audit_tip().tree.size()), (12, 12));
    grow(&mut store, 1);
    let again = sign(&mut store, &signer, at(3));
    assert_eq!((again.number, newest(&store)), (13, Some(again)));
    assert_eq!(store.reader().expect("reads").last_audit_head().expect("read"), Some(gone));
    let told = |dir: &Path| SqliteStore::examine(dir, false).expect("read");
    let cut = told(dir.path());
    assert!(cut.len() == 1 && cut[0].contains("ends with record 13, and record 20"), "{cut:?}");
    // No head takes the place of the one whose record is gone.
    grow(&mut store, 7);
    let tip = store.audit_tip();
    let taken = signer.sign(tip.number, &tip.hash, &tip.tree, at(4));
    assert!(store.commit(&[Change::AuditHead { head: taken, tree: tip.tree }]).is_err());
    grow(&mut store, 5);
    let last = sign(&mut store, &signer, at(5));
    assert_eq!(newest(&store), Some(last));
    let rewritten = told(dir.path());
    assert!(rewritten.len() == 1 && rewritten[0].contains("up to record 13 it is"), "{rewritten:?}");
    let tip = store.audit_tip();
    drop(store);
    assert_eq!(SqliteStore::open(dir.path()).expect("opens").audit_tip(), tip, "what was kept of the tree fits");
}

#[test]
fn a_number_that_is_nonsense_does_not_hold_up_a_start() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    grow(&mut store, 3);
    drop(store);
    let row = "INSERT INTO audit VALUES (9000000000000000000, 1, '', '', '', '', '')";
    tamper(dir.path(), &format!("DROP TRIGGER audit_in_order; {row}"));
    let store = SqliteStore::open(dir.path()).expect("opens");
    let tip = store.audit_tip();
    assert_eq!((tip.number, tip.tree.size()), (9_000_000_000_000_000_000, 3));
}

#[test]
fn a_log_that_is_cut_with_its_heads_while_it_is_used_is_found_by_the_file_beside_it() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = SqliteStore::open(dir.path()).expect("opens");
    let signer = Signer::new();
    grow(&mut store, 10);
    sign(&mut store, &signer, at(1));
    grow(&mut store, 10);
    sign(&mut store, &signer, at(2));
    let reader = store.reader().expect("reads");
    assert_eq!(reader.examine(false), [""; 0]);
    let cut = "DELETE FROM audit WHERE number > 12; DELETE FROM audit_head WHERE number > 12";
    tamper(dir.path(), &format!("{NO_TRIGGERS} {cut}"));
    for told in [reader.examine(false), SqliteStore::examine(dir.path(), false).expect("read")] {
        assert!(told.len() == 1 && told[0].contains("it ends with record 12, and record 20"), "{told:?}");
    }
    // Nothing beside it says nothing: a copy that was restored is like that.
    std::fs::remove_file(dir.path().join(HEAD_FILE)).expect("removed");
    assert_eq!(reader.examine(false), [""; 0]);
}
