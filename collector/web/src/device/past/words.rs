//! What differs, in words that a technician reads. What has no words of its own is told by its field and its values.

use std::collections::BTreeSet;

use fluent_bundle::FluentArgs;
use serde_json::{Map, Value};

use crate::device::documents::text_of;
use crate::page::context::PageContext;
use ioc_store::document_history::{Difference, SOFTWARE, Segment};

/// Longest text of one value on a page, in characters.
const VALUE_MAX: usize = 160;

/// A line of a change.
pub(super) struct ChangeLine {
    /// `added`, `removed` or `changed`.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// What differs in a document, a line for each fact.
pub(super) fn lines(page_context: &PageContext, name: &str, all: &[Difference]) -> Vec<ChangeLine> {
    let words = Words { page_context, name };
    all.iter().flat_map(|one| words.of(one)).collect()
}

struct Words<'w> {
    page_context: &'w PageContext,
    name: &'w str,
}

impl Words<'_> {
    fn of(&self, one: &Difference) -> Vec<ChangeLine> {
        if one.index.is_some() {
            return self.of_list(one);
        }
        let own = self.own_words(one);
        let line = own.unwrap_or_else(|| match (&one.old, &one.new) {
            (None, Some(new)) => ("added", self.plain("change-added", one, None, Some(new))),
            (Some(old), None) => ("removed", self.plain("change-removed", one, Some(old), None)),
            (old, new) => ("changed", self.plain("change-changed", one, old.as_ref(), new.as_ref())),
        });
        vec![ChangeLine { kind: line.0, text: line.1 }]
    }

    /// Parts of a list without keys: what came in, and what went.
    fn of_list(&self, one: &Difference) -> Vec<ChangeLine> {
        let texts = |value: &Option<Value>| -> Vec<String> {
            let members = value.as_ref().and_then(Value::as_array).into_iter().flatten();
            members.map(|member| self.value(member)).collect()
        };
        let (old, new) = (texts(&one.old), texts(&one.new));
        let (was, is): (BTreeSet<&String>, BTreeSet<&String>) = (old.iter().collect(), new.iter().collect());
        if was == is {
            let text = self.text("change-order", &[("where", self.place(&one.path))]);
            return vec![ChangeLine { kind: "changed", text }];
        }
        let gone = old.iter().filter(|text| !is.contains(text)).map(|text| ("removed", text));
        let come = new.iter().filter(|text| !was.contains(text)).map(|text| ("added", text));
        gone.chain(come).map(|(kind, text)| self.of_member(one, kind, text)).collect()
    }

    fn of_member(&self, one: &Difference, kind: &'static str, text: &str) -> ChangeLine {
        let group = text.strip_prefix("group ");
        let key = match (self.name, kind, group) {
            ("accounts", "added", Some(_)) if field(one) == Some("by") => "change-account-group-in",
            ("accounts", _, Some(_)) if field(one) == Some("by") => "change-account-group-out",
            (_, "added", _) => "change-list-in",
            _ => "change-list-out",
        };
        let value = group.filter(|_| key.starts_with("change-account")).unwrap_or(text);
        let args = [("who", member(one)), ("where", self.place(&one.path)), ("value", value.to_owned())];
        ChangeLine { kind, text: self.text(key, &args) }
    }

    /// What is worth words of its own: who may do what, what listens, what is installed.
    fn own_words(&self, one: &Difference) -> Option<(&'static str, String)> {
        let pattern = one.pattern();
        let flag = |value: &Option<Value>| value.as_ref().and_then(Value::as_bool);
        let text = |key: &str| self.text(key, &[("who", member(one))]);
        match (self.name, pattern.as_str()) {
            ("accounts", "/accounts/*") if one.old.is_none() => {
                let administrator = one.new.as_ref().and_then(|new| new.get("administrator")?.as_bool());
                let key = if administrator == Some(true) { "change-account-in-admin" } else { "change-account-in" };
                Some(("added", text(key)))
            }
            ("accounts", "/accounts/*") => Some(("removed", text("change-account-out"))),
            ("accounts", "/accounts/*/administrator") => {
                let may = flag(&one.new)?;
                let (kind, key) =
                    if may { ("added", "change-account-admin") } else { ("removed", "change-account-no-admin") };
                Some((kind, text(key)))
            }
            ("accounts", "/accounts/*/changed_at") => Some(("changed", text("change-account-password"))),
            ("protection", "/listening/*") => {
                let (kind, key, port) = match (&one.old, &one.new) {
                    (None, Some(new)) => ("added", "change-port-in", new),
                    (Some(old), _) => ("removed", "change-port-out", old),
                    (None, None) => return None,
                };
                let part = |field: &str| port.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                let args = [("port", part("port")), ("address", part("address")), ("program", part("program"))];
                Some((kind, self.text(key, &args)))
            }
            (SOFTWARE, "/items/*" | "/items/*/version") => self.of_software(one),
            _ => None,
        }
    }

    fn of_software(&self, one: &Difference) -> Option<(&'static str, String)> {
        let version = |value: &Option<Value>| match value {
            Some(Value::String(text)) => Some(text.clone()),
            Some(item) => Some(item.get("version").and_then(Value::as_str).unwrap_or_default().to_owned()),
            None => None,
        };
        let key = one.path.iter().rev().find_map(|segment| match segment {
            Segment::Member(key) => Some(key),
            Segment::Field(_) => None,
        })?;
        let name = key.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kind, key, old, new) = match (version(&one.old), version(&one.new)) {
            (None, Some(new)) => ("added", "change-software-in", String::new(), new),
            (Some(old), None) => ("removed", "change-software-out", old, String::new()),
            (Some(old), Some(new)) => ("changed", "change-software-version", old, new),
            (None, None) => return None,
        };
        Some((kind, self.text(key, &[("name", name), ("old", old), ("new", new)])))
    }

    fn plain(&self, key: &str, one: &Difference, old: Option<&Value>, new: Option<&Value>) -> String {
        let value = |value: Option<&Value>| value.map(|value| self.value(value)).unwrap_or_default();
        self.text(key, &[("where", self.place(&one.path)), ("old", value(old)), ("new", value(new))])
    }

    fn text(&self, key: &str, values: &[(&'static str, String)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, value.clone());
        }
        self.page_context.texts().with(self.page_context.language, key, &args)
    }

    /// Where: the words of the fields, and what members are called.
    fn place(&self, path: &[Segment]) -> String {
        let part = |segment: &Segment| match segment {
            Segment::Field(field) => self.page_context.word("field", field),
            Segment::Member(key) => called(key),
        };
        let parts: Vec<String> = path.iter().map(part).filter(|text| !text.is_empty()).collect();
        if parts.is_empty() { self.page_context.word("doc", self.name) } else { parts.join(" › ") }
    }

    /// A value, cut where it is long. What is empty is said to be.
    fn value(&self, value: &Value) -> String {
        let text = match value {
            Value::Null => self.page_context.t("change-unknown"),
            other => text_of(self.page_context, other),
        };
        match text.char_indices().nth(VALUE_MAX) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None if text.is_empty() => self.page_context.t("change-empty"),
            None => text,
        }
    }
}

/// The last field of where a difference is.
fn field(one: &Difference) -> Option<&str> {
    one.path.iter().rev().find_map(|segment| match segment {
        Segment::Field(name) => Some(name.as_str()),
        Segment::Member(_) => None,
    })
}

/// What the member is called in which a difference is.
fn member(one: &Difference) -> String {
    let key = one.path.iter().rev().find_map(|segment| match segment {
        Segment::Member(key) => Some(key),
        Segment::Field(_) => None,
    });
    key.map(called).unwrap_or_default()
}

/// A member by its key.
fn called(key: &Map<String, Value>) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    key.values().map(text).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}
