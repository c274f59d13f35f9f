//! The difference of two documents in their stable forms: by fields, by members of lists by their keys, and by parts of other lists.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::form::{key_of, key_text, member_fields, tells_apart};

/// A step into a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    /// The field of an object.
    Field(String),
    /// The member of a list whose fields are these.
    Member(Map<String, Value>),
}

/// What differs at one place. `old` and `new` are none where nothing is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Where.
    #[serde(rename = "p")]
    pub path: Vec<Segment>,
    /// Of a list without keys: from which place on. `old` and `new` are the parts that differ.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// What was there.
    #[serde(rename = "o", default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// What is there.
    #[serde(rename = "n", default, deserialize_with = "there", skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// `null` is a value.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// A difference is not one of this document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit;

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a difference does not fit what it is to be applied to")
    }
}

impl std::error::Error for DoesNotFit {}

/// What leads from one stable form of a document to another.
#[must_use]
pub fn difference(name: &str, old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    Walk { name, found: &mut found }.compare("", &mut Vec::new(), old, new);
    found
}

struct Walk<'w> {
    name: &'w str,
    found: &'w mut Vec<Difference>,
}

impl Walk<'_> {
    fn compare(&mut self, pattern: &str, path: &mut Vec<Segment>, old: &Value, new: &Value) {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                for (field, was) in old {
                    path.push(Segment::Field(field.clone()));
                    match new.get(field) {
                        Some(is) => self.compare(&format!("{pattern}/{field}"), path, was, is),
                        None => self.note(path, None, Some(was.clone()), None),
                    }
                    path.pop();
                }
                for (field, is) in new.iter().filter(|(field, _)| !old.contains_key(*field)) {
                    path.push(Segment::Field(field.clone()));
                    self.note(path, None, None, Some(is.clone()));
                    path.pop();
                }
            }
            (Value::Array(old), Value::Array(new)) => self.compare_lists(pattern, path, old, new),
            _ if old == new => {}
            _ => self.note(path, None, Some(old.clone()), Some(new.clone())),
        }
    }

    fn compare_lists(&mut self, pattern: &str, path: &mut Vec<Segment>, old: &[Value], new: &[Value]) {
        let fields = member_fields(self.name, pattern, old).or_else(|| member_fields(self.name, pattern, new));
        let both = |fields: &&[&str]| tells_apart(old, fields) && tells_apart(new, fields);
        let Some(fields) = fields.filter(both).filter(|fields| in_order(old, fields) && in_order(new, fields)) else {
            return self.compare_parts(path, old, new);
        };
        let by_key = |members: &'_ [Value]| -> std::collections::BTreeMap<String, usize> {
            members.iter().enumerate().map(|(place, member)| (key_text(member, fields), place)).collect()
        };
        let (places, below) = (by_key(new), format!("{pattern}/*"));
        for was in old {
            let Some(key) = key_of(was, fields) else { continue };
            path.push(Segment::Member(key));
            match places.get(&key_text(was, fields)).and_then(|place| new.get(*place)) {
                Some(is) => self.compare(&below, path, was, is),
                None => self.note(path, None, Some(was.clone()), None),
            }
            path.pop();
        }
        let known = by_key(old);
        for is in new.iter().filter(|is| !known.contains_key(&key_text(is, fields))) {
            let Some(key) = key_of(is, fields) else { continue };
            path.push(Segment::Member(key));
            self.note(path, None, None, Some(is.clone()));
            path.pop();
        }
    }

    /// Lists whose members have no keys: what lies between what both begin and end with.
    fn compare_parts(&mut self, path: &[Segment], old: &[Value], new: &[Value]) {
        if old == new {
            return;
        }
        let before = old.iter().zip(new).take_while(|(was, is)| was == is).count();
        let (old, new) = (&old[before..], &new[before..]);
        let behind = old.iter().rev().zip(new.iter().rev()).take_while(|(was, is)| was == is).count();
        let part = |of: &[Value]| Some(Value::Array(of[..of.len() - behind].to_vec()));
        self.note(path, Some(before), part(old), part(new));
    }

    fn note(&mut self, path: &[Segment], index: Option<usize>, old: Option<Value>, new: Option<Value>) {
        self.found.push(Difference { path: path.to_vec(), index, old, new });
    }
}

fn in_order(members: &[Value], fields: &[&str]) -> bool {
    members.is_sorted_by_key(|member| key_text(member, fields))
}

impl Difference {
    /// Where, as paths of documents are written: `/accounts/*/by`.
    #[must_use]
    pub fn pattern(&self) -> String {
        let mut text = String::new();
        for segment in &self.path {
            text.push('/');
            text.push_str(match segment {
                Segment::Field(name) => name,
                Segment::Member(_) => "*",
            });
        }
        if text.is_empty() { "/".to_owned() } else { text }
    }

    /// The same the other way round.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { old: self.new, new: self.old, ..self }
    }

    /// Leads a document from `old` to `new`.
    ///
    /// # Errors
    /// When the document is not as `old` says; it is then in part changed.
    pub fn apply(&self, document: &mut Value) -> Result<(), DoesNotFit> {
        if let Some(index) = self.index {
            let Value::Array(list) = self.path.iter().try_fold(document, step).ok_or(DoesNotFit)? else {
                return Err(DoesNotFit);
            };
            let (Some(Value::Array(old)), Some(Value::Array(new))) = (&self.old, &self.new) else {
                return Err(DoesNotFit);
            };
            let end = index.checked_add(old.len()).ok_or(DoesNotFit)?;
            if list.get(index..end) != Some(old.as_slice()) {
                return Err(DoesNotFit);
            }
            list.splice(index..end, new.iter().cloned());
            return Ok(());
        }
        let Some((last, before)) = self.path.split_last() else {
            let fits = self.old.as_ref() == Some(&*document);
            *document = self.new.clone().filter(|_| fits).ok_or(DoesNotFit)?;
            return Ok(());
        };
        match (last, before.iter().try_fold(document, step).ok_or(DoesNotFit)?) {
            (Segment::Field(name), Value::Object(fields)) => self.apply_to_field(name, fields),
            (Segment::Member(key), Value::Array(members)) => self.apply_to_member(key, members),
            _ => Err(DoesNotFit),
        }
    }

    fn apply_to_field(&self, name: &str, fields: &mut Map<String, Value>) -> Result<(), DoesNotFit> {
        if fields.get(name) != self.old.as_ref() {
            return Err(DoesNotFit);
        }
        match &self.new {
            Some(new) => drop(fields.insert(name.to_owned(), new.clone())),
            None => drop(fields.shift_remove(name)),
        }
        Ok(())
    }

    fn apply_to_member(&self, key: &Map<String, Value>, members: &mut Vec<Value>) -> Result<(), DoesNotFit> {
        let place = members.iter().position(|member| is_member(member, key));
        if place.and_then(|place| members.get(place)) != self.old.as_ref() {
            return Err(DoesNotFit);
        }
        let fields: Vec<&str> = key.keys().map(String::as_str).collect();
        match (place, &self.new) {
            (None, Some(new)) => {
                let text = key_text(new, &fields);
                let place = members.partition_point(|member| key_text(member, &fields) < text);
                members.insert(place, new.clone());
            }
            (Some(place), None) => drop(members.remove(place)),
            (Some(place), Some(new)) => members[place] = new.clone(),
            (None, None) => return Err(DoesNotFit),
        }
        Ok(())
    }
}

fn is_member(member: &Value, key: &Map<String, Value>) -> bool {
    key.iter().all(|(field, value)| member.get(field) == Some(value))
}

fn step<'v>(inside: &'v mut Value, segment: &Segment) -> Option<&'v mut Value> {
    match (segment, inside) {
        (Segment::Field(name), Value::Object(fields)) => fields.get_mut(name),
        (Segment::Member(key), Value::Array(members)) => members.iter_mut().find(|member| is_member(member, key)),
        _ => None,
    }
}
