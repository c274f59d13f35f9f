//! Damage in the history of documents, and what a row costs.

use rusqlite::Connection;
use serde_json::json;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceInfo, DeviceKind};

use crate::document_history::{ChangeContent, ChangeQuery, PastState, WHOLE_EVERY};
use crate::sqlite::{FILES, SqliteStore};
use crate::{Change, Reader, Store as _};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn device() -> DeviceId {
    DeviceId::new("d-1").expect("valid")
}

fn put(ms: i64, body: &serde_json::Value) -> Change {
    Change::Document { device: device(), name: "ports".into(), at: at(ms), body: body.to_string() }
}

fn begin(dir: &std::path::Path) -> SqliteStore {
    let mut store = SqliteStore::open(dir).expect("opens");
    let info = DeviceInfo::new(device(), DeviceKind::Server, "Máy chủ".to_owned());
    store.commit(&[Change::Device { info, at: at(0) }]).expect("enrolled");
    store
}

fn stood(reader: &dyn Reader, ms: i64) -> PastState {
    reader.documents_at(&device(), Some("ports"), at(ms)).expect("reads").remove(0).1
}

#[test]
fn a_damaged_row_is_said_and_loses_only_what_lies_behind_it() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = begin(dir.path());
    let whole = i64::try_from(WHOLE_EVERY).expect("small");
    let last = 3 * whole;
    for n in 1..=last {
        store.commit(&[put(n, &json!({ "n": n, "same": "x".repeat(600) }))]).expect("kept");
    }
    let harm = |sql: &str| {
        let connection = Connection::open(dir.path().join(FILES[0])).expect("opens");
        assert_eq!(connection.execute(sql, []).expect("harmed"), 1, "{sql}");
    };
    // One between, and one that has a version whole.
    let (between, kept_whole) = (last - 10, whole + 1);
    harm(&format!("UPDATE document_change SET data = zeroblob(9) WHERE number = {between}"));
    let reader = store.reader().expect("reads");
    let lost = |ms| matches!(stood(reader.as_ref(), ms), PastState::Lost(why) if why.contains("damaged"));
    let known = |ms| matches!(stood(reader.as_ref(), ms), PastState::Known(known) if known.body["n"] == json!(ms));
    let end = 2 * whole;
    assert!((between..=last).all(known), "what came after it is known");
    assert!((end + 1..between).all(lost), "what it leads back to is not");
    assert!((1..=end).all(known), "but what another row has whole");
    harm(&format!("UPDATE document_change SET at = at + 1 WHERE number = {kept_whole}"));
    assert!((1..whole).all(lost) && (kept_whole + 2..=end).all(known), "{kept_whole}");
    // It is said in the list, too, and by who looks the store over.
    let asked = device();
    let query = ChangeQuery { device: &asked, name: None, from: at(0), to: at(999), after: None, limit: 999 };
    let all = reader.document_changes(&query).expect("reads").changes;
    let unknown: Vec<u64> =
        all.iter().filter(|one| matches!(one.content, ChangeContent::Lost(_))).map(|one| one.number).collect();
    assert_eq!(unknown, [between.unsigned_abs(), kept_whole.unsigned_abs()]);
    let findings = SqliteStore::examine(dir.path(), true).expect("read");
    assert_eq!(findings, ["changes of documents: 2 do not match their checksums"]);
    // The next change goes on from there.
    store.commit(&[put(last + 1, &json!({ "n": last + 1 }))]).expect("kept");
    assert!(known(last + 1) && known(last));
}

#[test]
fn a_document_that_did_not_change_costs_no_row_and_a_small_change_few_bytes() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = begin(dir.path());
    let ports: Vec<_> = (1..200).map(|port| json!({ "id": port, "program": "sshd" })).collect();
    let mut body = json!({ "ports": ports });
    store.commit(&[put(1, &body)]).expect("kept");
    let size = || -> (i64, i64) {
        let connection = Connection::open(dir.path().join(FILES[0])).expect("opens");
        let sql = "SELECT count(*), sum(octet_length(data)) FROM document_change";
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("counted")
    };
    let before = size();
    for ms in 2..50 {
        store.commit(&[put(ms, &body)]).expect("kept");
    }
    assert_eq!(size(), before);
    body["ports"][7]["program"] = json!("eve");
    store.commit(&[put(50, &body)]).expect("kept");
    assert_eq!(size().0, 2);
    assert!(size().1 - before.1 < 120, "{:?}", size());
    // What is as large as that is kept whole, and still not beyond its bound.
    let noise = |seed: u64| {
        let mut state = seed;
        let number = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            json!(state)
        };
        json!({ "n": std::iter::repeat_with(number).take(100_000).collect::<Vec<_>>() })
    };
    store.commit(&[put(51, &noise(1))]).expect("kept");
    store.commit(&[put(52, &noise(2))]).expect("kept");
    assert!(matches!(stood(store.reader().expect("reads").as_ref(), 50), PastState::Known(_)));
    assert!(
        matches!(stood(store.reader().expect("reads").as_ref(), 51), PastState::Lost(why) if why.contains("bytes"))
    );
    assert!(matches!(stood(store.reader().expect("reads").as_ref(), 52), PastState::Known(_)));
}

/// Numbers that nothing packs.
fn noise(seed: u64, count: usize) -> serde_json::Value {
    let mut state = seed;
    let number = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        json!(state)
    };
    json!(std::iter::repeat_with(number).take(count).collect::<Vec<_>>())
}

#[test]
fn a_document_that_is_too_large_to_be_kept_whole_keeps_every_change_and_is_tried_whole_seldom() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = begin(dir.path());
    let large = noise(1, 100_000);
    let last = 2 * i64::try_from(WHOLE_EVERY).expect("small") + 3;
    // In few commits, so that it takes seconds.
    for from in (1..=last).step_by(10) {
        let all: Vec<Change> =
            (from..last.min(from + 9) + 1).map(|n| put(n, &json!({ "n": n, "large": large }))).collect();
        store.commit(&all).expect("kept");
    }
    let reader = store.reader().expect("reads");
    let asked = device();
    let query = ChangeQuery { device: &asked, name: None, from: at(0), to: at(999), after: None, limit: 999 };
    let changes = reader.document_changes(&query).expect("reads").changes;
    let lost = changes.iter().filter(|one| matches!(one.content, ChangeContent::Lost(_))).count();
    assert_eq!((changes.len() as i64, lost), (last, 0));
    let known = |ms| matches!(stood(reader.as_ref(), ms), PastState::Known(known) if known.body["n"] == json!(ms));
    assert!([1, last / 2, last].into_iter().all(known));
}

#[test]
fn a_page_of_large_changes_has_fewer_of_them_and_goes_on() {
    let dir = tempfile::tempdir().expect("directory");
    let mut store = begin(dir.path());
    let last = 12;
    for n in 1..=last {
        store.commit(&[put(n, &json!({ "n": n, "other": noise(n.unsigned_abs(), 20_000) }))]).expect("kept");
    }
    let reader = store.reader().expect("reads");
    let asked = device();
    let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let query = ChangeQuery { device: &asked, name: None, from: at(0), to: at(999), after, limit: 500 };
        let page = reader.document_changes(&query).expect("reads");
        assert!(!page.changes.is_empty() && page.changes.len() < 12, "{}", page.changes.len());
        seen.extend(page.changes.iter().map(|one| one.number));
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=last.unsigned_abs()).rev().collect::<Vec<_>>());
    assert!(pages > 2, "{pages}");
}
