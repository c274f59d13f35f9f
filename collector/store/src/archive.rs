//! History that was folded: chunks in a file of their own, so that ingest never waits for them.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::StoreError;
use crate::history::Tier;
use crate::history::fold::PackedChunk;

/// A chunk of one series; of the times of all series when its name is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// When it begins, milliseconds since 1970.
    pub chunk: i64,
    /// Which series, by whole name.
    pub series: String,
    /// What it holds, packed.
    pub data: Vec<u8>,
}

/// Which chunks to read.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Copy)]
pub struct ChunkQuery<'a> {
    pub device: &'a DeviceId,
    /// How much time one value stands for.
    pub tier: Tier,
    /// Those that hold something from this moment on.
    pub from: Timestamp,
    /// Those that begin before this moment.
    pub until: Timestamp,
    /// Only these series, and the times; all when there are none.
    pub names: &'a [String],
}

/// The one writer of folded history.
pub trait Archive: Send {
    /// The numbers that stand for these series, in order; new ones get one.
    ///
    /// # Errors
    /// [`StoreError`] when the disk takes no new number: it is full, read-only or failing.
    fn series(&mut self, names: &[&str]) -> Result<Vec<u32>, StoreError>;

    /// Up to which row a device is folded.
    ///
    /// # Errors
    /// [`StoreError`] when the archive is damaged there.
    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError>;

    /// What is kept of a device in the chunks that begin at this moment, by series.
    ///
    /// # Errors
    /// [`StoreError`] when the archive is damaged there.
    fn chunks(&self, device: &DeviceId, tier: Tier, chunk: i64) -> Result<Vec<(u32, Vec<u8>)>, StoreError>;

    /// Keeps chunks, each in the place of what was kept under its name, and up to which row the device is folded with them.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing; nothing of it is kept then.
    fn put_chunks(&mut self, device: &DeviceId, chunks: &[PackedChunk], folded: u64) -> Result<(), StoreError>;

    /// Deletes a tier's chunks that end before a moment, and says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is read-only or failing; nothing is deleted then.
    fn delete_before(&mut self, tier: Tier, before: Timestamp) -> Result<usize, StoreError>;

    /// Has everything that is kept survive a power cut; only then may its rows be deleted.
    ///
    /// # Errors
    /// [`StoreError`] when the disk did not say so.
    fn sync(&mut self) -> Result<(), StoreError>;
}
