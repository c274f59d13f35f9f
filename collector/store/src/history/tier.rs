//! How finely history is kept.

use serde::{Deserialize, Serialize};

/// How finely something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// As it was reported.
    #[serde(rename = "raw")]
    Raw,
    /// Five minutes as one.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour as one.
    #[serde(rename = "1h")]
    Hour,
}

impl Tier {
    /// Every tier, the finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::FiveMinutes, Self::Hour];

    /// The number that stands for it in the store.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::FiveMinutes => 1,
            Self::Hour => 2,
        }
    }

    /// What one chunk spans, milliseconds. Each span divides the next, and all are counted from midnight UTC.
    #[must_use]
    pub const fn chunk_ms(self) -> i64 {
        match self {
            Self::Raw | Self::FiveMinutes => 4 * 3_600_000,
            Self::Hour => 24 * 3_600_000,
        }
    }

    /// What one summary spans, milliseconds; 0 where nothing is summed up.
    #[must_use]
    pub const fn slot_ms(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::FiveMinutes => 300_000,
            Self::Hour => 3_600_000,
        }
    }

    /// The chunk that a moment falls into, by its beginning.
    #[must_use]
    pub const fn chunk_of(self, at_ms: i64) -> i64 {
        at_ms - at_ms.rem_euclid(self.chunk_ms())
    }

    /// The tier for a chart over this span: fine enough to see, coarse enough to be read at once.
    #[must_use]
    pub const fn for_span(span_ms: i64) -> Self {
        /// 26 hours: a day, and what it is compared with.
        const RAW_MAX_MS: i64 = 26 * 3_600_000;
        /// 40 days: a month, and what it is compared with.
        const FIVE_MINUTES_MAX_MS: i64 = 40 * 24 * 3_600_000;
        if span_ms <= RAW_MAX_MS {
            Self::Raw
        } else if span_ms <= FIVE_MINUTES_MAX_MS {
            Self::FiveMinutes
        } else {
            Self::Hour
        }
    }
}
