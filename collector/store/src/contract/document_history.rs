//! The history of documents: how each stood at any moment, what changed, and what is forgotten of it.

use std::collections::BTreeMap;

use ioc_common::encoding::sha256_hex;
use ioc_common::software::reports;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::*;
use crate::document_history::{
    ChangeContent, ChangeCursor, ChangeQuery, PastState, SOFTWARE, compare, difference, stable,
};
use crate::retention::{Cursor, Expiry, RecordClass};

fn document(name: &str, ms: i64, body: &Value) -> Change {
    Change::Document { device: id(1), name: name.into(), at: at(ms), body: body.to_string() }
}

fn stood(reader: &dyn Reader, name: &str, ms: i64) -> PastState {
    let found = reader.documents_at(&id(1), Some(name), at(ms)).expect("reads");
    assert_eq!(found.len(), 1);
    found.into_iter().next().expect("one").1
}

/// What stood, when that is known.
fn known(reader: &dyn Reader, name: &str, ms: i64) -> Value {
    match stood(reader, name, ms) {
        PastState::Known(known) => known.body,
        other => panic!("{name} at {ms}: {other:?}"),
    }
}

fn changes(reader: &dyn Reader, name: Option<&str>) -> Vec<(String, i64, ChangeContent)> {
    let device = id(1);
    let query = ChangeQuery { device: &device, name, from: at(i64::MIN), to: at(i64::MAX), after: None, limit: 1000 };
    let all = reader.document_changes(&query).expect("reads").changes;
    all.into_iter().map(|one| (one.name, one.at.as_millis(), one.content)).collect()
}

/// Documents of any form: lists with keys, keys that are there twice, nested lists, texts, numbers, nothing.
fn any_document() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..9_i64).prop_map(Value::from),
        (-40..40_i64).prop_map(|half| Value::from(half as f64 / 2.0)),
        "[a-cđ]{0,3}".prop_map(Value::from),
    ];
    let member = ("[a-e]", plain.clone(), prop::collection::vec("[a-c]", 0..3))
        .prop_map(|(name, value, by)| json!({ "name": name, "value": value, "by": by }));
    let inside = prop_oneof![plain.clone(), prop::collection::vec(member, 0..6).prop_map(Value::from)];
    let fields = prop::collection::vec(("[a-d]{1,2}", inside.clone()), 0..6);
    let object = fields.prop_map(|all| Value::Object(all.into_iter().collect()));
    prop_oneof![6 => object, 2 => inside, 1 => prop::collection::vec(plain, 0..5).prop_map(Value::from)]
}

pub(super) fn every_version_of_a_document_can_be_had_again(open: Open<'_>, dir: &Path) {
    let mut runner = TestRunner::deterministic();
    let documents = any_document();
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let mut stood_at: BTreeMap<&str, Vec<(i64, Value)>> = BTreeMap::new();
    // Three times as many as between two that are kept whole, a few in each commit, over three openings.
    for part in 0..3_i64 {
        for commit in 0..20_i64 {
            let mut batch = Vec::new();
            for step in 0..5_i64 {
                let ms = 1000 + part * 1000 + commit * 10 + step;
                for name in ["accounts", "newer-than-this"] {
                    let body = documents.new_tree(&mut runner).expect("a document").current();
                    batch.push(document(name, ms, &body));
                    stood_at.entry(name).or_default().push((ms, body));
                }
            }
            store.commit(&batch).expect("commits");
        }
        drop(store);
        store = open(dir);
    }
    let reader = store.reader().expect("reads");
    for (name, all) in &stood_at {
        for (ms, body) in all {
            assert_eq!(known(reader.as_ref(), name, *ms), stable(name, body), "{name} at {ms}");
        }
        assert_eq!(stood(reader.as_ref(), name, 999), PastState::Unknown, "before it was known");
        // What the list of changes says leads from each version to the next.
        let mut from = Value::Null;
        for (_, ms, content) in changes(reader.as_ref(), Some(name)).into_iter().rev() {
            let to = known(reader.as_ref(), name, ms);
            match content {
                ChangeContent::First => from = to.clone(),
                ChangeContent::Differences(all) => {
                    for one in all {
                        one.apply(&mut from).unwrap_or_else(|error| panic!("{name} at {ms}: {error}"));
                    }
                }
                ChangeContent::Lost(why) => panic!("{why}"),
            }
            assert_eq!(from, to, "{name} at {ms}");
        }
    }
}

pub(super) fn moments_go_by_what_came_last_whatever_the_clock_did(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let port = |ms, ports: &[u16]| document("ports", ms, &json!({ "ports": ports }));
    // Two in one millisecond, then one of a clock that went back, then one behind all.
    store.commit(&[port(50, &[22]), port(50, &[22, 80])]).expect("commits");
    store.commit(&[port(30, &[443])]).expect("commits");
    store.commit(&[port(90, &[8443])]).expect("commits");
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    let ports = |ms| known(reader.as_ref(), "ports", ms)["ports"].clone();
    assert_eq!(stood(reader.as_ref(), "ports", 29), PastState::Unknown, "unknown is not empty");
    assert_eq!((ports(30), ports(50), ports(89)), (json!([443]), json!([443]), json!([443])), "what came last by then");
    assert_eq!((ports(90), ports(i64::MAX)), (json!([8443]), json!([8443])));
    let all = changes(reader.as_ref(), None);
    assert_eq!(all.iter().map(|(_, ms, _)| *ms).collect::<Vec<_>>(), [90, 50, 50, 30], "none of them is left out");
    let PastState::Known(last) = stood(reader.as_ref(), "ports", 60) else { panic!("it is known") };
    assert_eq!((last.since, last.until), (at(30), Some(at(90))));
    // What never came, and a device that is not there.
    assert_eq!(stood(reader.as_ref(), "raid", 90), PastState::Unknown);
    assert!(reader.documents_at(&id(9), None, at(90)).expect("reads").is_empty());
    // Two moments of one device.
    let of = |ms| reader.documents_at(&id(1), None, at(ms)).expect("reads");
    let compared = compare(of(60), of(90));
    assert_eq!(compared.len(), 1);
    assert_eq!(compared[0].differences.as_ref().map(Vec::len), Some(1));
    assert_eq!(compare(of(10), of(90))[0].differences, None, "unknown is no difference");
}

pub(super) fn what_changes_by_itself_makes_no_change(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let patches = |ms: i64, held: &[&str]| {
        let body = json!({ "manager": "apt", "refreshed_at": format!("2026-11-{ms:02}T00:00:00Z"), "held": held });
        document("patches", ms, &body)
    };
    let witness = |ms: i64| document(ioc_common::audit_head::DOCUMENT, ms, &json!({ "number": ms }));
    let sorted = |ms, body: Value| document("accounts", ms, &body);
    let (lan, minh) = (json!({ "name": "lan" }), json!({ "name": "minh" }));
    store.commit(&[patches(1, &[]), witness(1), sorted(1, json!({ "accounts": [&lan, &minh] }))]).expect("commits");
    store.commit(&[patches(2, &[]), witness(2), sorted(2, json!({ "accounts": [&minh, &lan] }))]).expect("commits");
    store.commit(&[patches(3, &[]), witness(3), document("raid", 3, &json!({}))]).expect("commits");
    store.commit(&[patches(4, &["linux"]), document("raid", 4, &json!({}))]).expect("commits");
    let reader = store.reader().expect("reads");
    let all: Vec<_> = changes(reader.as_ref(), None).into_iter().map(|(name, ms, _)| (name, ms)).collect();
    let of = |name: &str, ms| (name.to_owned(), ms);
    assert_eq!(all, [of("patches", 4), of("raid", 3), of("accounts", 1), of("patches", 1)]);
    assert_eq!(known(reader.as_ref(), "patches", 3), json!({ "manager": "apt", "held": [] }));
    // The newest of each stands as it came.
    let newest = reader.documents(&id(1)).expect("reads");
    assert!(newest.iter().any(|one| one.name == "patches" && one.at == at(4) && one.body.contains("2026-11-04")));
    assert!(newest.iter().any(|one| one.name == "raid" && one.at == at(4)), "it was looked at again");
}

pub(super) fn software_has_a_history_too(open: Open<'_>, dir: &Path) {
    let item = |name: &str, version: &str| Item {
        source: "dpkg".into(),
        name: name.into(),
        version: version.into(),
        ..Item::default()
    };
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let software = |ms: i64, report: Software| Change::Software { device: id(1), at: at(ms), report };
    let old: Vec<Item> = (0..500).map(|n| item(&format!("p{n:03}"), "1")).collect();
    for report in reports(None, old.clone()) {
        store.commit(&[software(10, report)]).expect("commits");
    }
    let mut changed = old.clone();
    changed[5].version = "2".into();
    changed.remove(7);
    store.commit(&[software(20, reports(Some(&old), changed.clone()).remove(0))]).expect("commits");
    // A release upgrade: whole, in parts, one of them before a restart; a list that never becomes whole lies between.
    let given_up: Vec<Item> = (0..600).map(|n| item(&format!("q{n:03}"), "9")).collect();
    store.commit(&[software(30, reports(None, given_up).remove(0))]).expect("commits");
    let new: Vec<Item> = (100..700).map(|n| item(&format!("p{n:03}"), "3")).collect();
    let mut parts = reports(None, new.clone()).into_iter();
    store.commit(&[software(40, parts.next().expect("two parts"))]).expect("commits");
    drop(store);
    let mut store = open(dir);
    let list = |reader: &dyn Reader, ms| match stood(reader, SOFTWARE, ms) {
        PastState::Known(known) => known.body["items"].as_array().expect("a list").clone(),
        other => panic!("{ms}: {other:?}"),
    };
    let reader = store.reader().expect("reads");
    assert_eq!(list(reader.as_ref(), 40).len(), 499, "half a list changes nothing");
    store.commit(&[software(40, parts.next().expect("two parts"))]).expect("commits");
    let versions = |items: &[Value]| {
        let text = |one: &Value, field: &str| one[field].as_str().unwrap_or_default().to_owned();
        items.iter().map(|one| (text(one, "name"), text(one, "version"))).collect::<Vec<_>>()
    };
    let of = |items: &[Item]| items.iter().map(|one| (one.name.clone(), one.version.clone())).collect::<Vec<_>>();
    for (ms, items) in [(10, &old), (19, &old), (20, &changed), (39, &changed), (40, &new), (99, &new)] {
        assert_eq!(versions(&list(reader.as_ref(), ms)), of(items), "at {ms}");
    }
    assert_eq!(stood(reader.as_ref(), SOFTWARE, 9), PastState::Unknown);
    // The same list once more is no change; one that was thrown away leaves what stood before.
    for report in reports(None, new.clone()) {
        store.commit(&[software(50, report)]).expect("commits");
    }
    assert_eq!(changes(reader.as_ref(), Some(SOFTWARE)).len(), 3);
    let (small, later) = ([item("a", "1")], clock_now().plus_millis(60_000).as_millis());
    store.commit(&[Change::SoftwareCleared { device: id(1) }]).expect("commits");
    assert_eq!(stood(reader.as_ref(), SOFTWARE, later - 1), PastState::Unknown, "nobody knows what is there now");
    store.commit(&[software(later, reports(None, small.to_vec()).remove(0))]).expect("commits");
    assert_eq!(versions(&list(reader.as_ref(), 50)), of(&new));
    assert_eq!(versions(&list(reader.as_ref(), later)), of(&small));
}

fn clock_now() -> Timestamp {
    ioc_common::clock::now()
}

pub(super) fn what_is_forgotten_leaves_what_stood_then(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let body = |n: i64| json!({ "n": n, "same": "x".repeat(40) });
    for n in 0..150 {
        store.commit(&[document("a", n * 10, &body(n)), document("b", n * 10 + 5, &body(n))]).expect("commits");
    }
    // At 1002, a stood since 1000 and b since 995: what leads to the time before goes.
    for turn in 1.. {
        let reader = store.reader().expect("reads");
        let seen = reader.past_records(RecordClass::Documents, at(1002), Cursor::default(), 60).expect("reads");
        assert!(seen.len() <= 60 && turn < 200 && seen.iter().all(|one| !one.stays));
        if seen.is_empty() {
            break;
        }
        let records = seen.iter().map(|one| (one.key, sha256_hex(one.line.as_bytes()))).collect();
        let (class, before, rule) = (RecordClass::Documents, at(1002), "kept 1d".to_owned());
        let (first_alone, exported) = (String::new(), String::new());
        let expiry =
            Expiry { class, before, records, holds_seen: 0, commits_seen: 0, first_alone, at: before, rule, exported };
        store.commit(&[Change::Expired(expiry)]).expect("commits");
    }
    let evidence = store.reader().expect("reads").deletions(None, 1000).expect("reads");
    assert_eq!(evidence.iter().map(|one| one.count).sum::<u64>(), 100 + 99);
    drop(store);
    let store = open(dir);
    let reader = store.reader().expect("reads");
    for ms in 1002..1500 {
        assert_eq!(known(reader.as_ref(), "a", ms), body(ms / 10), "{ms}");
        assert_eq!(known(reader.as_ref(), "b", ms), body((ms - 5) / 10), "{ms}");
    }
    assert_eq!(stood(reader.as_ref(), "a", 999), PastState::Unknown, "forgotten is not empty");
    assert_eq!(changes(reader.as_ref(), Some("a")).last().map(|one| one.2.clone()), Some(ChangeContent::First));
}

pub(super) fn changes_come_by_pages_and_only_of_what_is_within_reach(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    for n in 0..30 {
        let accounts = json!({ "accounts": [{ "name": format!("p{n}"), "administrator": n % 2 == 0 }] });
        let certificates = json!({ "certificates": [{ "path": "/etc/a.pem", "subject": format!("CN=p{n}") }] });
        // All of a commit, and of two, are of one moment.
        store
            .commit(&[document("accounts", n / 2, &accounts), document("certificates", n / 2, &certificates)])
            .expect("commits");
    }
    let mut reader = store.reader().expect("reads");
    let device = id(1);
    let mut query =
        ChangeQuery { device: &device, name: None, from: at(2), to: at(10), after: None, limit: usize::MAX };
    let whole = reader.document_changes(&query).expect("reads").changes;
    assert_eq!(whole.len(), 8 * 4);
    (query.limit, query.after) = (5, None);
    let mut paged = Vec::new();
    loop {
        let page = reader.document_changes(&query).expect("reads").changes;
        let Some(last) = page.last() else { break };
        let text = ChangeCursor::of(last).to_string();
        query.after = ChangeCursor::parse(&text);
        assert_eq!(query.after, Some(ChangeCursor::of(last)));
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    assert!(ChangeCursor::parse("nonsense").is_none());
    // Who may not see people sees that a certificate changed, not whom it names, and nothing of accounts.
    query.after = None;
    reader.limit(&AccessScope::EVERYWHERE.without_names()).expect("limited");
    let page = reader.document_changes(&query).expect("reads").changes;
    assert_eq!(page.len(), 5, "a page is whole");
    assert!(!format!("{page:?}").contains("CN=p") && page.iter().all(|one| one.name == "certificates"), "{page:?}");
    let shown = reader.documents_at(&id(1), None, at(5)).expect("reads");
    assert!(!format!("{shown:?}").contains("CN=p") && shown.len() == 1, "{shown:?}");
    // Another place.
    let mut reader = store.reader().expect("reads");
    reader.limit(&AccessScope::of(&["Tầng 9".to_owned()])).expect("limited");
    assert!(reader.document_changes(&query).expect("reads").changes.is_empty());
    assert!(reader.documents_at(&id(1), None, at(5)).expect("reads").is_empty());
    assert!(difference("accounts", &Value::Null, &Value::Null).is_empty());
}
