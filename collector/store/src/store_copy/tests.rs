use std::path::Path;

use ioc_common::clock::{self, Timestamp};

use super::*;
use crate::audit::AuditEntry;
use crate::postgres::{PostgresSettings, scratch};
use crate::{Change, Handover, Store};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + ms)
}

fn audited(action: &str) -> Change {
    let entry = AuditEntry {
        at: at(1),
        actor: "lan".into(),
        action: action.into(),
        subject: "máy chủ".into(),
        detail: "chép".into(),
    };
    Change::Audit(entry)
}

fn handover(text: &str) -> Change {
    Change::Handover(Handover { at: at(0), rota: "ca".into(), who: "lan".into(), text: text.into(), shift: None })
}

/// Holds the lease of a site.
fn holding(settings: &PostgresSettings) -> Candidate {
    let candidate = Candidate::start(settings, "chép", "").expect("starts");
    let until = clock::boottime_ms() + 60_000;
    while !candidate.holds() {
        assert!(clock::boottime_ms() < until, "{:?}", *candidate.view().borrow());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    candidate
}

fn texts(store: &dyn Store) -> Vec<String> {
    let all = store.reader().and_then(|reader| reader.handovers(100)).expect("reads");
    all.into_iter().map(|one| one.text).collect()
}

fn filled(dir: &Path) {
    let mut store = crate::open(dir).expect("opens");
    store.commit(&[handover("một"), audited("sign_in")]).expect("commits");
    store.commit(&[handover("hai"), audited("sign_out")]).expect("commits");
    store.close().expect("closes");
}

#[test]
fn a_store_goes_into_postgresql_and_back_and_is_the_same() {
    let (one, other, beside) = (tempfile::tempdir(), tempfile::tempdir(), tempfile::tempdir());
    let (one, other, beside) = (one.expect("a folder"), other.expect("a folder"), beside.expect("a folder"));
    filled(one.path());
    let candidate = holding(&scratch::settings());
    let mut told = (0, 0);
    let there = copy_into_postgres(one.path(), &candidate, &mut |done, all| told = (done, all)).expect("copied");
    assert!(told.0 == told.1 && told.0 >= 2 * there.iter().map(|table| table.rows).sum::<u64>(), "{told:?}");
    let rows = |name: &str| there.iter().find(|table| table.table == name).map(|table| table.rows);
    assert_eq!(
        (rows("handover"), rows("audit"), rows("state"), rows("history.state")),
        (Some(2), Some(2), Some(1), Some(1))
    );
    // It goes on where it was: numbers, chain and commits.
    let mut store = candidate.open(beside.path()).expect("opens");
    assert_eq!(texts(store.as_ref()).len(), 2);
    assert_eq!(store.audit_tip().number, 2);
    store.commit(&[handover("ba"), audited("sign_in")]).expect("goes on");
    drop(store);
    assert!(
        copy_into_postgres(one.path(), &candidate, &mut |_, _| {})
            .is_err_and(|error| error.to_string().contains("not empty"))
    );
    let back = copy_into_files(&candidate, other.path(), &mut |_, _| {}).expect("copied back");
    assert_eq!(back.len(), there.len());
    candidate.release();
    let mut store = crate::open(other.path()).expect("opens");
    assert!(store.lost().all.is_empty(), "it is whole: {:?}", store.lost());
    assert_eq!(texts(store.as_ref()), ["ba", "hai", "một"]);
    assert_eq!(follow_audit(store.reader().expect("reads").as_ref(), other.path()).expect("follows").0, 3);
    store.commit(&[handover("bốn"), audited("sign_out")]).expect("goes on");
    drop(store);
    let left: Vec<_> = std::fs::read_dir(other.path()).expect("listed").flatten().map(|one| one.file_name()).collect();
    assert!(!left.iter().any(|name| name == "store-copy"), "{left:?}");
}

#[test]
fn nothing_is_copied_over_a_store_or_out_of_none() {
    let (one, empty) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    filled(one.path());
    let settings = scratch::settings();
    let candidate = holding(&settings);
    let refused = copy_into_postgres(empty.path(), &candidate, &mut |_, _| {}).expect_err("there is none").to_string();
    assert!(refused.contains("the store is gone"), "{refused}");
    let refused = copy_into_files(&candidate, empty.path(), &mut |_, _| {}).expect_err("there is none").to_string();
    assert!(refused.contains("the store is gone"), "{refused}");
    copy_into_postgres(one.path(), &candidate, &mut |_, _| {}).expect("copied");
    let refused = copy_into_files(&candidate, one.path(), &mut |_, _| {}).expect_err("there is one").to_string();
    assert!(refused.contains("there is a store already") && refused.contains("mend"), "{refused}");
    assert_eq!(texts(crate::open(one.path()).expect("opens").as_ref()).len(), 2, "it is as it was");
}

#[test]
fn what_was_copied_without_the_lease_is_not_there() {
    let one = tempfile::tempdir().expect("a folder");
    filled(one.path());
    let (link, settings) = scratch::site();
    let candidate = holding(&settings);
    let over = "UPDATE lease SET until = clock_timestamp() - interval '1 ms'";
    let mut is_over = false;
    let fenced = copy_into_postgres(one.path(), &candidate, &mut |done, all| {
        if done == all && !std::mem::replace(&mut is_over, true) {
            link.batch(over).expect("its time passes");
        }
    });
    assert!(fenced.is_err_and(|error| error.to_string().contains("lease")), "fenced");
    let left = link.row("SELECT count(*) FROM handover", &[]).and_then(|row| link.get::<i64>(&row, 0));
    assert_eq!(left.expect("asked"), 0);
}

#[test]
fn a_site_is_backed_up_as_of_one_moment_while_it_is_written_and_tried_in_a_scratch_site() {
    let (to, beside, other) = (tempfile::tempdir(), tempfile::tempdir(), tempfile::tempdir());
    let (to, beside, other) = (to.expect("a folder"), beside.expect("a folder"), other.expect("a folder"));
    let (link, settings) = scratch::site();
    let candidate = holding(&settings);
    let mut store = candidate.open(beside.path()).expect("opens");
    let long = "dài".repeat(100_000);
    store.commit(&[handover("một"), handover(&long), audited("sign_in")]).expect("commits");
    let mut pauses = 0;
    let copied = back_up_postgres(&settings, to.path(), &mut |bytes| {
        pauses += u64::from(bytes > 0);
        store.commit(&[handover("sau"), audited("sign_out")]).expect("nobody waits for a backup");
        Ok(())
    });
    let copied = copied.expect("copied");
    assert!(pauses >= 2, "when it was written, and when it was compared: {pauses}");
    assert_eq!((copied.commits, copied.audit_number), (1, 1), "what came meanwhile is not in it");
    assert_eq!(crate::postgres::site_id(&settings).expect("asked"), Some(copied.id.clone()), "it is the same store");
    assert!(crate::postgres::site_bytes(&settings).expect("asked") > long.len() as u64 / 100);
    let copy = crate::open(to.path()).expect("opens");
    assert!(copy.lost().all.is_empty() && texts(copy.as_ref()).len() == 2, "{:?}", copy.lost());
    drop(copy);
    let mut found = 0;
    let tried = try_in_postgres(to.path(), &settings, other.path(), &mut |_| Ok(()), |reader| {
        found = reader.handovers(100)?.len();
        Ok(())
    });
    let tried = tried.expect("restored for a trial");
    assert_eq!((found, tried.iter().find(|one| one.table == "handover").map(|one| one.rows)), (2, Some(2)));
    let left = link.row("SELECT count(*) FROM pg_namespace WHERE nspname LIKE current_schema() || '\\_trial%'", &[]);
    assert_eq!(left.and_then(|row| link.get::<i64>(&row, 0)).expect("asked"), 0);
    // Broken off, nothing of it is there, neither here nor there.
    let third = tempfile::tempdir().expect("a folder");
    let ended = back_up_postgres(&settings, third.path(), &mut |_| Err(std::io::Error::other("told to stop")));
    assert!(ended.is_err_and(|error| error.to_string().contains("told to stop")));
    assert!(!third.path().join("ioc-watch.db").exists() && !third.path().join("store-copy").exists());
    drop(store);
    candidate.release();
}
