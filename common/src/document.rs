//! Documents of `up/state`: what a survey found, sent on change and whole once a day.
//!
//! On the wire a document is a name and JSON. The collector keeps it as it came, so that an agent may be newer than its
//! collector; the reading types of [`crate::reading`] are its typed form.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::reading::Sink;

/// Longest name of a document, in bytes.
pub const NAME_MAX_BYTES: usize = 32;

/// What of documents says who someone is (article 12): the document, and where in it, by how its path begins. The one place that
/// says so; metrics whose subject is an account ([`crate::metric::Metric::is_personal`]) are the other kind of it.
pub const PERSONAL: [(&str, &str); 3] =
    [("accounts", "/"), ("sessions", "/"), ("certificates", "/certificates/*/subject")];

/// Events that tell of people, by how their names begin.
pub const PERSONAL_EVENTS: [&str; 3] = ["login.", "account.", "session."];

/// Whether what stands at `path` of a document says who someone is. Doubt counts: a path above it holds it, too.
#[must_use]
pub fn is_personal(document: &str, path: &str) -> bool {
    let holds = |of: &str| path.starts_with(of) || of.starts_with(path);
    PERSONAL.iter().any(|(name, of)| *name == document && holds(of))
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
    let paths = PERSONAL.iter().filter(|(name, path)| *name == document && *path != "/");
    let mut shown = if is_of_people(document) { Value::Null } else { serde_json::from_str(body).unwrap_or_default() };
    for (_, path) in paths {
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
    PERSONAL.iter().any(|(name, of)| *name == document && *of == "/")
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

    /// The text.
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

/// What a survey found: a document, and the numbers in it that rules judge.
///
/// A document holds moments, not ages, so that it stays the same while the machine does; ages are computed for `now`.
pub trait Findings: Serialize + DeserializeOwned {
    /// The document's name, which is the probe's.
    const NAME: &'static str;

    /// Gives the numbers as they are at `now` to `sink`.
    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink);
}

/// Days from `then` to `now`, to a tenth; negative when `then` lies ahead.
#[must_use]
pub fn days(now: Timestamp, then: Timestamp) -> f64 {
    (now.millis_since(then) as f64 / 8_640_000.0).round() / 10.0
}

/// 1 for yes, 0 for no, NaN for unknown: how a state is put into a number.
#[must_use]
pub fn flag(state: Option<bool>) -> f64 {
    state.map_or(f64::NAN, |yes| f64::from(u8::from(yes)))
}

/// How often each survey is made where nothing changes, seconds, by name. The agent is held to it.
pub const SURVEYS_EVERY_S: [(&str, u64); 17] = [
    ("patches", 86_400),
    ("antivirus", 900),
    ("software", 86_400),
    ("accounts", 21_600),
    ("sessions", 600),
    ("protection", 1800),
    ("smart", 1800),
    ("raid", 1800),
    ("displays", 3600),
    ("services", 300),
    ("time", 1800),
    ("ipmi", 600),
    ("mce", 900),
    ("gpu", 300),
    ("reach", 60),
    ("certificates", 21_600),
    ("backups", 3600),
];

/// How often the survey of this name is made, seconds; none where it is no survey, but a probe of every sample.
#[must_use]
pub fn survey_every_s(name: &str) -> Option<u64> {
    SURVEYS_EVERY_S.iter().find(|(its, _)| *its == name).map(|(_, every_s)| *every_s)
}

/// The probe or survey that a metric comes from; the first part of its name where that is the probe's own.
#[must_use]
pub fn probe_of(metric: &str) -> &str {
    let first = metric.split('.').next().unwrap_or_default();
    match (first, metric) {
        (_, "cpu.machine_checks" | "cpu.deferred_errors") => "mce",
        (_, "memory.corrected_errors" | "memory.uncorrected_errors") => "edac",
        (_, "net.bond_missing" | "net.full_duplex") => "link",
        ("patch" | "os", _) => "patches",
        ("av", _) => "antivirus",
        ("account", _) => "accounts",
        ("session", _) => "sessions",
        ("protect", _) => "protection",
        ("display", _) => "displays",
        ("service", _) => "services",
        ("cert", _) => "certificates",
        ("backup", _) => "backups",
        ("fs", _) => "filesystem",
        ("net", _) => "network",
        ("sensor", _) => "sensors",
        ("battery", _) => "power",
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_says_who_someone_is_is_hidden_wherever_it_stands() {
        for (document, path) in PERSONAL {
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
    fn a_metric_comes_from_a_probe() {
        for (metric, probe) in [
            ("patch.security", "patches"),
            ("cpu.machine_checks", "mce"),
            ("cpu.used_pct", "cpu"),
            ("raid.errors", "raid"),
        ] {
            assert_eq!(probe_of(metric), probe, "{metric}");
        }
        assert_eq!((survey_every_s("reach"), survey_every_s("cpu")), (Some(60), None));
    }

    #[test]
    fn names_ages_and_flags() {
        assert!(is_name("patches") && is_name("a-1") && !is_name("") && !is_name("A") && !is_name(&"x".repeat(33)));
        let day = 86_400_000;
        assert!((days(Timestamp::from_millis(3 * day), Timestamp::from_millis(day / 2)) - 2.5).abs() < 1e-9);
        assert!(flag(None).is_nan() && (flag(Some(true)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn json_is_kept_as_it_came() {
        let json: Json = serde_json::from_str(r#"{"b":1,"a":[2,  3]}"#).expect("reads");
        assert_eq!(serde_json::to_string(&json).expect("writes"), r#"{"b":1,"a":[2,  3]}"#);
    }
}
