//! What the API publishes: types of its own, a file for each subject, made from those of the judge, the engine and the store. What
//! these keep inside can change without the API noticing; what is not named here is not published.

pub(crate) mod access;
pub(crate) mod account_register;
pub(crate) mod action;
pub(crate) mod asset;
pub(crate) mod authenticity;
pub(crate) mod deadline;
pub(crate) mod device;
pub(crate) mod enrolment;
pub(crate) mod filing;
pub(crate) mod incident;
pub(crate) mod maintenance;
pub(crate) mod power;
pub(crate) mod product;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod system_backup;

use serde::Serialize;

/// An enum of the API by its names; `is` makes it from one of the inside, and turns it into that. A word that is none of its names is
/// refused with those that are.
macro_rules! names {
    ($(#[$about:meta])* $name:ident { $($(#[$says:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
        pub(crate) enum $name {
            $($(#[$says])* #[serde(rename = $text)] $variant),+
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(from)?;
                match text.as_str() {
                    $($text => Ok(Self::$variant),)+
                    _ => Err($crate::api_types::none_of(&text, &[$($text),+])),
                }
            }
        }
    };
    (
        $(#[$about:meta])*
        $name:ident is $inside:ty { $($(#[$says:meta])* $variant:ident = $text:literal),+ $(,)? }
    ) => {
        $crate::api_types::names! { $(#[$about])* $name { $($(#[$says])* $variant = $text),+ } }

        impl From<$inside> for $name {
            fn from(inside: $inside) -> Self {
                type Inside = $inside;
                match inside { $(Inside::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $inside {
            fn from(published: $name) -> Self {
                match published { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}
pub(crate) use names;

/// Most characters of a refused word that are repeated.
const FOUND_MAX_CHARS: usize = 100;

/// Refuses a word that is none of these.
pub(crate) fn none_of<E: serde::de::Error>(found: &str, allowed: &[&str]) -> E {
    let found: String = found.chars().take(FOUND_MAX_CHARS).collect();
    E::custom(format_args!("found {found:?}; allowed are {}", allowed.join(", ")))
}

/// A name, or an empty text, which says nothing, as a field that is left out.
pub(crate) mod or_empty {
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::de::value::StringDeserializer;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
        match String::deserialize(from)? {
            text if text.is_empty() => Ok(None),
            text => T::deserialize(StringDeserializer::new(text)).map(Some),
        }
    }

    pub(crate) fn serialize<S: Serializer, T: Serialize>(name: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        match name {
            Some(name) => name.serialize(to),
            None => to.serialize_str(""),
        }
    }

    pub(crate) fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<T>(), { "const": "" }] })
    }
}

/// All of a list, as it is published.
pub(crate) fn all<T: From<I>, I>(items: Vec<I>) -> Vec<T> {
    items.into_iter().map(T::from).collect()
}

names! {
    /// How bad a fault is.
    Severity is ioc_judge::Severity {
        /// Worth knowing; opens no incident.
        Info = "info",
        /// Someone must look at it.
        Warning = "warning",
        /// Someone must act now.
        Critical = "critical",
    }
}

/// A text in Vietnamese and English. Vietnamese comes first everywhere.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Text {
    /// In Vietnamese.
    pub(crate) vi: String,
    /// In English.
    pub(crate) en: String,
}

impl From<ioc_judge::Text> for Text {
    /// What everyone may read of it: the names of people are in it only where it was opened for who asks.
    fn from(inside: ioc_judge::Text) -> Self {
        Self { vi: inside.vi, en: inside.en }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::{Value, from_value, json};

    #[derive(Debug, Deserialize, Serialize)]
    struct Asked {
        #[serde(default, with = "or_empty")]
        severity: Option<Severity>,
    }

    #[test]
    fn a_word_that_is_no_name_is_refused_with_those_that_are() {
        let asked = |value: Value| from_value::<Asked>(value).map(|asked| asked.severity);
        assert_eq!(asked(json!({ "severity": "critical" })).ok(), Some(Some(Severity::Critical)));
        for nothing in [json!({}), json!({ "severity": "" })] {
            assert_eq!(asked(nothing).ok(), Some(None));
        }
        let refused = asked(json!({ "severity": "Bad" })).expect_err("no such severity").to_string();
        assert_eq!(refused, "found \"Bad\"; allowed are info, warning, critical");
    }
}
