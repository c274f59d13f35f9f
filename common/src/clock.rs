//! The sole reader of the clock, and the one type for a moment in time.
//!
//! Everything that decides takes a [`Timestamp`] as an argument; only the outermost loops call [`now`].

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::keeper::{ClockReading, believed};

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

/// The time, now: the wall clock, unless [`hold`] has this program go by what it believes.
#[must_use]
pub fn now() -> Timestamp {
    match HELD.load(Relaxed) {
        FREE => wall(),
        offset_ms => believed(offset_ms, reading()),
    }
}

/// From now on [`now`] is the wall clock only while that stands so far ahead of the boot clock, and the boot clock plus this offset where
/// it was stepped: milliseconds ([`crate::keeper::Keeper`]). For the one program that decides what becomes of a step.
pub fn hold(offset_ms: i64) {
    HELD.store(offset_ms.max(FREE + 1), Relaxed);
}

/// Both clocks, now.
#[must_use]
pub fn reading() -> ClockReading {
    ClockReading { wall: wall(), boot_ms: boottime_ms() }
}

/// What the boot clock shows as a moment: for what is over after a while, whatever is done to the wall clock. It means nothing beside
/// a time of day, and nothing after a reboot.
#[must_use]
pub fn steady() -> Timestamp {
    Timestamp::from_millis(i64::try_from(boottime_ms()).unwrap_or(i64::MAX))
}

/// The offset that is believed.
static HELD: AtomicI64 = AtomicI64::new(FREE);
/// No offset is held.
const FREE: i64 = i64::MIN;

/// The wall clock itself, whatever is believed of it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    match since {
        Ok(elapsed) => Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)),
        Err(before) => Timestamp::from_millis(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
    }
}

/// Milliseconds since the machine booted, suspend included; never steps back, whatever is done to the wall clock.
#[must_use]
pub fn boottime_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The same in microseconds, to measure how long something took.
#[must_use]
pub fn boottime_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// CPU time this thread has used, in microseconds.
#[must_use]
pub fn thread_cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// CPU time this process has used, all threads, in microseconds.
#[must_use]
pub fn process_cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
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
