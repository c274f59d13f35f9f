//! History: what every number was, and when.
//!
//! A report's numbers are one row in its commit ([`row`]). Soon rows are gathered by device into pieces, and once four hours are past their
//! pieces are merged into one chunk ([`chunk`]) and summed up by five minutes and by the hour ([`fold`]); [`compaction`] does that. Each
//! series of a chunk is packed by itself ([`column`]), as small whole numbers (`ints`) on the grid of what agents report (`grid`).
//! Whoever asks gets the tiers, the pieces and the rows as one ([`chart`]). Pure but for [`chart::read`] and [`compaction`], which ask
//! the store; the store keeps what this makes.

pub mod chart;
pub mod chunk;
mod column;
pub mod compaction;
pub mod fold;
mod grid;
mod ints;
pub mod row;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use row::{pack, pack_body, unpack};

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

/// With its checksum behind it.
pub(crate) fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// What stands between version and checksum, when both are right.
pub(crate) fn proven(bytes: &[u8], version: u8) -> Result<&[u8], Corrupt> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Corrupt)?;
    if crc32fast::hash(body).to_le_bytes() != *crc {
        return Err(Corrupt);
    }
    body.strip_prefix(&[version]).ok_or(Corrupt)
}

/// Whether a row or a chunk is as it was written.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|version| proven(bytes, *version).is_ok())
}

/// A row or a chunk that does not match its checksum or form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not match its checksum")
    }
}

impl std::error::Error for Corrupt {}
