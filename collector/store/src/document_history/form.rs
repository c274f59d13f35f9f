//! The stable form of a document, and what tells the members of its lists from each other.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use ioc_common::reading;

use super::SOFTWARE;

/// What tells members of a list that nobody declared, tried in this order: documents of agents that are newer than this collector.
const GUESSED: &[&[&str]] = &[&["name"], &["id"], &["device"], &["path"], &["unit"], &["probe"], &["key"]];
/// What tells pieces of software from each other (`ioc_common::software::Item::key`).
const SOFTWARE_KEYS: &[&str] = &["source", "name"];

/// What a document says. What is no JSON is a text.
#[must_use]
pub fn parse(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))
}

/// A document without what changes though the machine does not, its lists in the order of their keys.
#[must_use]
pub fn stable(name: &str, document: &Value) -> Value {
    let volatile = reading::probe(name).map_or(&[][..], |probe| probe.volatile_paths);
    stable_at(name, volatile, "", document)
}

fn stable_at(name: &str, volatile: &[&str], path: &str, value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(field, inside)| {
                let path = format!("{path}/{field}");
                (!volatile.contains(&path.as_str())).then(|| (field.clone(), stable_at(name, volatile, &path, inside)))
            });
            Value::Object(kept.collect())
        }
        Value::Array(members) => {
            let below = format!("{path}/*");
            let mut members: Vec<Value> =
                members.iter().map(|member| stable_at(name, volatile, &below, member)).collect();
            if let Some(fields) = member_fields(name, path, &members) {
                members.sort_by_cached_key(|member| key_text(member, fields));
            }
            Value::Array(members)
        }
        other => other.clone(),
    }
}

/// The fields that tell every member of a list from every other; none when nothing does, or when there is none.
pub(super) fn member_fields(name: &str, path: &str, members: &[Value]) -> Option<&'static [&'static str]> {
    if members.is_empty() {
        return None;
    }
    let declared = reading::probe(name).map_or(&[][..], |probe| probe.member_keys);
    let declared = declared.iter().filter(|(of, _)| *of == path).map(|(_, fields)| *fields);
    let software = (name == SOFTWARE && path == "/items").then_some(SOFTWARE_KEYS);
    software.into_iter().chain(declared).chain(GUESSED.iter().copied()).find(|fields| tells_apart(members, fields))
}

/// Whether these fields tell every member from every other.
pub(super) fn tells_apart(members: &[Value], fields: &[&str]) -> bool {
    let mut seen = BTreeSet::new();
    let key = |member: &Value| key_of(member, fields).is_some();
    members.iter().all(|member| key(member) && seen.insert(key_text(member, fields)))
}

/// The key of a member; none where it lacks one of the fields, or has more than a plain value there.
pub(super) fn key_of(member: &Value, fields: &[&str]) -> Option<Map<String, Value>> {
    let plain = |field: &&str| {
        let value = member.get(*field)?;
        (!value.is_object() && !value.is_array()).then(|| ((*field).to_owned(), value.clone()))
    };
    fields.iter().map(plain).collect()
}

/// What members are sorted by.
pub(super) fn key_text(member: &Value, fields: &[&str]) -> String {
    let texts = fields.iter().map(|field| member.get(*field).unwrap_or(&Value::Null).to_string());
    texts.collect::<Vec<_>>().join("\u{1f}")
}
