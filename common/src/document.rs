//! Documents of `up/state`: what a survey found, sent on change and whole once a day.
//!
//! On the wire a document is a name and JSON. The collector keeps it as it came, so that an agent may be newer than its
//! collector; the reading types of [`crate::reading`] are its typed form.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::reading::Sink;

/// Longest name of a document, in bytes.
pub const NAME_MAX_BYTES: usize = 32;

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

#[cfg(test)]
mod tests {
    use super::*;

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
