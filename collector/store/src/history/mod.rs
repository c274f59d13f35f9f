//! History: what every number was, and when.
//!
//! A report's numbers are one row in its commit ([`row`]). Soon rows are gathered by device into pieces, and once four hours are past their
//! pieces are merged into one chunk ([`chunk`]) and summed up by five minutes and by the hour ([`fold`]); [`crate::compaction`] does that. Each
//! series of a chunk is packed by itself ([`column`]), as small whole numbers (`ints`) on the grid of what agents report (`grid`).
//! Whoever asks gets the tiers, the pieces and the rows as one ([`crate::chart`]). Pure: the store keeps what this makes.

mod checksum;
pub mod chunk;
mod column;
pub mod fold;
mod grid;
mod ints;
pub mod row;
mod tier;

pub use checksum::{Corrupt, is_whole};
pub(crate) use checksum::{with_checksum, without_checksum};
pub use row::{pack, pack_body, unpack};
pub use tier::Tier;
