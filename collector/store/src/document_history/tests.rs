//! Differences of real documents: what they say, and what they cost.

use serde_json::{Map, json};

use super::row::{ChangeRow, RowPlace, open, seal};
use super::*;
use ioc_common::reading::PROBES;

/// The documents of the machines that are kept as texts, by machine and name.
fn real_documents() -> Vec<(String, String, Value)> {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/machines");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("machines") {
        let path = entry.expect("entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some(machine) = name.strip_suffix(".golden.json") else { continue };
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("read")).expect("JSON");
        let surveys = golden["surveys"].as_object().cloned().unwrap_or_else(Map::new);
        for (survey, said) in surveys {
            if said["document"].is_object() {
                found.push((machine.to_owned(), survey, said["document"].clone()));
            }
        }
    }
    assert!(found.len() > 20, "{} documents", found.len());
    found
}

/// The document with something small changed in it, at each place.
fn small_changes(document: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (field, value) in document.as_object().into_iter().flatten() {
        let mut with = |new: Value| {
            let mut changed = document.clone();
            changed[field] = new;
            all.push(changed);
        };
        match value {
            Value::Bool(is) => with(json!(!is)),
            Value::Number(_) => with(json!(4711)),
            Value::String(text) => with(json!(format!("{text}2"))),
            Value::Array(members) => {
                for place in 0..members.len() {
                    let mut less = members.clone();
                    less.remove(place);
                    with(Value::Array(less));
                }
            }
            _ => {}
        }
    }
    all
}

#[test]
fn a_change_of_a_real_document_costs_few_bytes_and_leads_both_ways() {
    let mut costs = Vec::new();
    for (machine, name, document) in real_documents() {
        let old = stable(&name, &document);
        assert_eq!(stable(&name, &old), old, "{machine}/{name}: what is stable stays so");
        for changed in small_changes(&document) {
            let new = stable(&name, &changed);
            let differences = difference(&name, &old, &new);
            let (mut there, mut back) = (old.clone(), new.clone());
            assert!(differences.iter().all(|one| one.apply(&mut there).is_ok()) && there == new, "{machine}/{name}");
            let reversed = differences.iter().rev().map(|one| one.clone().reversed());
            assert!(reversed.into_iter().all(|one| one.apply(&mut back).is_ok()) && back == old, "{machine}/{name}");
            if differences.is_empty() {
                continue;
            }
            let place = RowPlace { device: 1, name: &name, number: 7, at_ms: 1_790_000_000_000, depth: 1 };
            let row = ChangeRow { differences: Some(differences), ..ChangeRow::FIRST };
            let bytes = seal(place, &row).bytes;
            assert_eq!(open(place, &bytes), Some(row));
            assert_eq!(open(RowPlace { number: 8, ..place }, &bytes), None, "a row of another place is damaged");
            costs.push(bytes.len());
        }
    }
    costs.sort_unstable();
    let (median, most) = (costs[costs.len() / 2], costs[costs.len() - 1]);
    assert!(median < 250 && most < 2000, "{} changes: {median} bytes in the middle, at most {most}", costs.len());
}

#[test]
fn what_is_declared_of_documents_is_there() {
    for (machine, name, document) in real_documents() {
        let Some(probe) = PROBES.iter().find(|probe| probe.name == name) else { panic!("{machine}/{name}") };
        for (path, fields) in probe.member_keys {
            let Some(members) = document.pointer(path).and_then(Value::as_array) else {
                panic!("{machine}/{name}: no list at {path}");
            };
            let lacks = members.iter().find(|one| fields.iter().any(|field| one.get(*field).is_none()));
            assert!(lacks.is_none(), "{machine}/{name}{path}: {lacks:?} lacks one of {fields:?}");
        }
        let text = stable(&name, &document).to_string();
        for path in probe.volatile_paths {
            let last = path.rsplit('/').next().unwrap_or_default();
            let only = probe.volatile_paths.iter().filter(|other| other.ends_with(&format!("/{last}"))).count() == 1;
            let elsewhere = name == "smart";
            assert!(!only || elsewhere || !text.contains(&format!("\"{last}\":")), "{machine}/{name}: {path} is left");
        }
    }
}

#[test]
fn a_difference_is_told_by_what_it_is_about() {
    let old = stable("accounts", &json!({ "accounts": [{ "name": "minh", "by": [] }, { "name": "lan", "by": [] }] }));
    let new = stable(
        "accounts",
        &json!({ "accounts": [{ "name": "lan", "by": [] }, { "name": "minh", "by": ["group sudo"] }, { "name": "tú" }] }),
    );
    let all = difference("accounts", &old, &new);
    let told: Vec<String> = all.iter().map(|one| serde_json::to_string(one).expect("JSON")).collect();
    assert_eq!(
        told,
        [
            r#"{"p":["accounts",{"name":"minh"},"by"],"i":0,"o":[],"n":["group sudo"]}"#,
            r#"{"p":["accounts",{"name":"tú"}],"n":{"name":"tú"}}"#,
        ]
    );
    assert_eq!(all[0].pattern(), "/accounts/*/by");
    assert_eq!(serde_json::from_str::<Difference>(r#"{"p":["a"],"o":null}"#).expect("read").old, Some(Value::Null));
    // A document that is not as the difference says is no document of this history.
    assert_eq!(all[1].apply(&mut new.clone()), Err(DoesNotFit));
    assert_eq!(all[0].apply(&mut Value::Null), Err(DoesNotFit));
}

#[test]
fn what_says_who_someone_is_is_left_out_of_differences() {
    let one = |name: &str, old: Value, new: Value| {
        let all = difference(name, &stable(name, &old), &stable(name, &new));
        all.iter().map(|one| without_personal(name, one)).collect::<Vec<_>>()
    };
    assert_eq!(one("accounts", json!({ "people": 1 }), json!({ "people": 2 })), [None]);
    let of =
        |subject: &str, until: &str| json!({ "certificates": [{ "path": "/a", "subject": subject, "until": until }] });
    let told = one("certificates", of("CN=Lan", "2026"), of("CN=Minh", "2027"));
    let text = serde_json::to_string(&told).expect("JSON");
    assert!(!text.contains("Lan") && !text.contains("Minh") && text.contains("2027"), "{text}");
    let added = one("certificates", json!({ "certificates": [] }), of("CN=Lan", "2026"));
    assert!(!serde_json::to_string(&added).expect("JSON").contains("Lan"));
}
