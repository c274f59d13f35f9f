//! Documents of `up/state`: what a survey found, sent on change and whole once a day.
//!
//! On the wire a document is a name and JSON. The collector keeps it as it came, so that an agent may be newer than its
//! collector; the reading types of [`crate::reading`] are its typed form, and say what of it is about people.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::reading::{self, PROBES};

/// Longest name of a document, in bytes.
pub const NAME_MAX_BYTES: usize = 32;

/// Where a document says who someone is (article 12), by how paths begin. Its reading says so; metrics whose subject is an account
/// ([`crate::metric::Metric::is_personal`]) are the other kind of it.
fn personal_paths(document: &str) -> &'static [&'static str] {
    reading::probe(document).map_or(&[], |probe| probe.personal_paths)
}

/// Whether an event tells of people, by how its name begins.
#[must_use]
pub fn is_event_of_people(name: &str) -> bool {
    PROBES.iter().flat_map(|probe| probe.personal_events).any(|start| name.starts_with(start))
}

/// Fields of events of people that say nothing of them.
const EVENT_FIELDS_SHOWN: [&str; 3] = ["count", "malware", "product"];

/// The text and the fields of an event of people without what says who someone is: the text is made anew from what is left.
#[must_use]
pub fn event_without_personal(mut fields: BTreeMap<String, String>) -> (String, BTreeMap<String, String>) {
    fields.retain(|name, _| EVENT_FIELDS_SHOWN.contains(&name.as_str()));
    let text: Vec<String> = fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
    (text.join(", "), fields)
}

/// Whether what stands at `path` of a document says who someone is. Doubt counts: a path above it holds it, too.
#[must_use]
pub fn is_personal(document: &str, path: &str) -> bool {
    let holds = |of: &str| path.starts_with(of) || of.starts_with(path);
    personal_paths(document).iter().any(|of| holds(of))
}

/// What stands in the place of what says who someone is, for whoever may not see it.
pub const HIDDEN: &str = "…";

/// Whether anything of a document says who someone is.
#[must_use]
pub fn has_personal(document: &str) -> bool {
    is_personal(document, "/")
}

/// A document without what in it says who someone is. Nothing of it is shown where that cannot be told apart.
#[must_use]
pub fn without_personal(document: &str, body: &str) -> String {
    let paths = personal_paths(document).iter().filter(|path| **path != "/");
    let mut shown = if is_of_people(document) { Value::Null } else { serde_json::from_str(body).unwrap_or_default() };
    for path in paths {
        hide(&mut shown, &path.split('/').skip(1).collect::<Vec<_>>());
    }
    shown.to_string()
}

fn hide(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([], value) => *value = Value::String(HIDDEN.to_owned()),
        (["*", rest @ ..], Value::Array(all)) => all.iter_mut().for_each(|one| hide(one, rest)),
        (["*", rest @ ..], Value::Object(all)) => all.values_mut().for_each(|one| hide(one, rest)),
        ([name, rest @ ..], Value::Object(all)) => {
            if let Some(one) = all.get_mut(*name) {
                hide(one, rest);
            }
        }
        _ => {}
    }
}

/// Whether a document is about people as a whole.
#[must_use]
pub fn is_of_people(document: &str) -> bool {
    personal_paths(document).contains(&"/")
}

/// JSON, kept as it came.
#[derive(Debug, Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The JSON of `value`.
    ///
    /// # Errors
    /// When it cannot be written, as with a map whose keys are no texts.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// The JSON, byte for byte as it came.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Reads it as `T`.
    ///
    /// # Errors
    /// When it is not of that form.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}

/// Whether `name` may name a document: 1 to 32 characters of `a-z 0-9 -`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty() && name.len() <= NAME_MAX_BYTES && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_says_who_someone_is_is_hidden_wherever_it_stands() {
        let all: Vec<_> =
            PROBES.iter().flat_map(|one| one.personal_paths.iter().map(|path| (one.name, *path))).collect();
        let known = [
            ("accounts", "/"),
            ("sessions", "/"),
            ("certificates", "/certificates/*/subject"),
            ("antivirus", "/products/*/detections/*/file"),
        ];
        assert!(known.iter().all(|one| all.contains(one)), "{all:?}");
        for (document, path) in all {
            // A document that has a mark at this path, below lists of two.
            let mark = || Value::String("Nguyễn Lan".to_owned());
            let body =
                path.split('/').skip(1).collect::<Vec<_>>().into_iter().rev().fold(mark(), |inside, part| match part {
                    "" => inside,
                    "*" => Value::Array(vec![inside.clone(), inside]),
                    name => serde_json::json!({ name: inside, "other": 5 }),
                });
            assert!(has_personal(document), "{document}");
            let shown = without_personal(document, &body.to_string());
            assert!(!shown.contains("Lan"), "{document}{path}: {shown}");
            assert_eq!(is_of_people(document), shown == "null", "{document}: the rest of it is shown");
        }
        assert!(!has_personal("ports"));
        assert_eq!(without_personal("certificates", "{ not JSON, with a name"), "null");
        let other = r#"{"certificates":[{"subject":"a","days":5}]}"#;
        assert!(without_personal("certificates", other).contains(r#""days":5"#));
    }

    #[test]
    fn names_of_documents_and_events_of_people() {
        assert!(is_name("patches") && is_name("a-1") && !is_name("") && !is_name("A") && !is_name(&"x".repeat(33)));
        assert!(PROBES.iter().all(|probe| is_name(probe.name)));
        assert!(["login.burst", "account.new", "session.open", "malware.found"].into_iter().all(is_event_of_people));
        assert!(!is_event_of_people("usb.attached"));
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let found = [field("malware", "EICAR"), field("file", "/home/lan/cv.doc"), field("product", "clamav")].into();
        let (text, fields) = event_without_personal(found);
        assert_eq!((text.as_str(), fields.len()), ("malware EICAR, product clamav", 2));
    }

    #[test]
    fn json_is_kept_as_it_came() {
        let json: Json = serde_json::from_str(r#"{"b":1,"a":[2,  3]}"#).expect("reads");
        assert_eq!(serde_json::to_string(&json).expect("writes"), r#"{"b":1,"a":[2,  3]}"#);
    }
}
