//! The one type for a moment in time. [`crate::clock`] reads the clock and hands it on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment: milliseconds since 1970-01-01T00:00:00Z. On the wire an RFC 3339 time in UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The smallest moment that can be written as RFC 3339 (year 1).
    pub const MIN: Self = Self(-62_135_596_800_000);
    /// The largest moment that can be written as RFC 3339 (end of year 9998).
    pub const MAX: Self = Self(253_370_764_799_999);

    /// A moment from milliseconds since the epoch, held within [`Self::MIN`] and [`Self::MAX`].
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 {
            Self::MIN
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This moment plus `millis` (may be negative), held within the range.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.0.saturating_add(millis))
    }

    /// This moment plus whole seconds, held within the range.
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        let millis = secs.saturating_mul(1000);
        self.plus_millis(if millis > i64::MAX as u64 { i64::MAX } else { millis as i64 })
    }

    /// Milliseconds from `earlier` to this moment; negative when `earlier` is later.
    #[must_use]
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| TimeError { found: text.chars().take(80).collect() })?;
        Ok(Self::from_millis(moment.as_millisecond()))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC, milliseconds" })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time, such as 2026-11-24T03:00:00.000Z")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// A text that is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}; allowed is an RFC 3339 time, such as 2026-11-24T03:00:00.000Z")]
pub struct TimeError {
    /// What stood there, cut to 80 characters.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_form_is_utc_with_milliseconds() {
        let moment = Timestamp::from_millis(1_795_485_600_120);
        assert_eq!(moment.to_string(), "2026-11-24T02:00:00.120Z");
        assert_eq!("2026-11-24T09:00:00.12+07:00".parse(), Ok(moment));
    }

    proptest! {
        #[test]
        fn text_and_back(millis in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let moment = Timestamp::from_millis(millis);
            prop_assert_eq!(moment.to_string().parse::<Timestamp>(), Ok(moment));
        }
    }
}
