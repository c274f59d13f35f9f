//! History that was folded: chunks in a file of their own, so that ingest never waits for them.

use std::collections::HashMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::LayoutId;

use super::StoreError;
use crate::history::Tier;
use crate::history::fold::PackedChunk;
use crate::retention::{Cursor, DeletedNumbers, DeletedSlice, NumbersHold};

/// A chunk of one device: all its series over a while, packed ([`crate::history::chunk::Parts`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    /// How fine. What is not summed up yet is there as it was reported, whatever was asked for.
    pub tier: Tier,
    /// Its beginning, milliseconds.
    pub chunk: i64,
    /// What it holds, packed.
    pub data: Vec<u8>,
}

/// What is folded of a device, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredChunks {
    /// Its chunks by their beginnings; of several with one beginning the later was folded later. Beside the tier that was asked for,
    /// the pieces that are not part of a whole chunk yet.
    pub chunks: Vec<StoredChunk>,
    /// The names of their series by number, those that may be shown and were asked for.
    pub names: HashMap<u32, String>,
    /// Up to which row the device is folded.
    pub folded: u64,
}

/// Which chunks to read.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, Copy)]
pub struct ChunkQuery<'a> {
    /// Of which device.
    pub device: &'a DeviceId,
    pub tier: Tier,
    /// Those that hold something from this moment on.
    pub from: Timestamp,
    /// Those that begin before this moment.
    pub until: Timestamp,
    /// Only the names of these series; all when there are none.
    pub names: &'a [String],
}

/// A span of four hours of one device, as far as it is folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenBlock {
    /// The whole chunk, when there is one.
    pub whole: Option<Vec<u8>>,
    /// What was folded since, in order.
    pub pieces: Vec<Vec<u8>>,
}

/// What is gone from history, and must stand in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemovedHistory {
    /// Chunks that were older than they must be kept.
    pub deleted: u64,
    /// Rows and chunks that could not be read.
    pub corrupt: u64,
}

/// A change of what is folded, of a device.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveChange {
    /// Rows of a device became a piece of a chunk.
    Piece {
        device: DeviceId,
        /// The beginning of the chunk, milliseconds.
        chunk: i64,
        /// What it holds, packed.
        data: Vec<u8>,
    },
    /// A chunk, in the place of what was there.
    Chunk { device: DeviceId, chunk: PackedChunk },
    /// All pieces of a chunk are in the whole one.
    PiecesMerged {
        device: DeviceId,
        /// The beginning of the chunk, milliseconds.
        chunk: i64,
    },
    /// A device is folded up to this row.
    Folded {
        device: DeviceId,
        /// The number of the row.
        row: u64,
    },
    /// Something is not as it was written: it is left out, counted, and put aside as it is.
    Damaged(DamagedPart),
    /// Every device is folded up to this row.
    AllFolded {
        /// The number of the row.
        row: u64,
    },
}

/// What of history is not as it was written. It is kept for whoever wants to save something of it by hand, and is never read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedPart {
    /// Whose; nobody's where the row names a device that is not known.
    pub device: Option<DeviceId>,
    /// What it was.
    pub kind: PartKind,
    /// When its row was reported or its chunk begins, milliseconds.
    pub start: i64,
    /// What was found.
    pub data: Vec<u8>,
}

/// A part of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// A report's numbers, in this layout.
    Row(LayoutId),
    /// A piece of a chunk as reported.
    Piece,
    /// A whole chunk.
    Chunk(Tier),
}

impl PartKind {
    /// Its name in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Row(_) => "row",
            Self::Piece => "piece",
            Self::Chunk(Tier::Raw) => "chunk",
            Self::Chunk(Tier::FiveMinutes) => "chunk-5m",
            Self::Chunk(Tier::Hour) => "chunk-1h",
        }
    }

    /// The layout that its numbers were reported in, where it is a row.
    #[must_use]
    pub const fn layout(self) -> Option<LayoutId> {
        match self {
            Self::Row(layout) => Some(layout),
            Self::Piece | Self::Chunk(_) => None,
        }
    }
}

/// Says which holds on numbers are in force.
pub type HoldsAsked<'a> = &'a mut dyn FnMut() -> Result<Vec<NumbersHold>, StoreError>;

/// The one writer of folded history.
///
/// # Errors
/// Each of these says [`StoreError`] when the file of history is damaged, or the disk is full, read-only or failing; what was kept until then
/// stays.
pub trait Archive: Send {
    /// The numbers that stand for these series, in order.
    fn series(&mut self, names: &[&str]) -> Result<Vec<u32>, StoreError>;

    /// Up to which row every device is folded.
    fn all_folded(&self) -> Result<u64, StoreError>;

    /// Up to which row a device is folded.
    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError>;

    /// Of which chunks there are pieces: their beginnings, and whose.
    fn open_blocks(&self) -> Result<Vec<(i64, DeviceId)>, StoreError>;

    /// A chunk as reported of a device, and its pieces.
    fn block(&self, device: &DeviceId, chunk: i64) -> Result<OpenBlock, StoreError>;

    /// A whole chunk of a device, by its tier and beginning.
    fn chunk(&self, device: &DeviceId, tier: Tier, chunk: i64) -> Result<Option<Vec<u8>>, StoreError>;

    /// What was deleted and what could not be read since [`Self::recorded`].
    fn unrecorded(&self) -> Result<RemovedHistory, StoreError>;

    /// So much of it stands in the audit log now. Where that is not kept, it is told again.
    fn recorded(&mut self, done: RemovedHistory) -> Result<(), StoreError>;

    /// Makes changes, all of them or none. A power cut may take back the newest until [`Self::sync`].
    fn write(&mut self, changes: &[ArchiveChange]) -> Result<(), StoreError>;

    /// Looks at chunks of a tier that end before a moment, behind a place and at most `limit` of them, and deletes those that nothing holds.
    /// What it deletes is told by [`Self::deletions`] until the store has it. `holds` is asked within it: no hold is set from then on until it
    /// returns.
    fn delete_before(
        &mut self,
        tier: Tier,
        before: Timestamp,
        holds: HoldsAsked<'_>,
        range: (Cursor, usize),
    ) -> Result<DeletedSlice, StoreError>;

    /// What was deleted since it was last told that the store has it, one for each tier; it begins anew with what is deleted later.
    fn deletions(&mut self) -> Result<Vec<DeletedNumbers>, StoreError>;

    /// The store has these.
    fn deletions_recorded(&mut self, keys: &[String]) -> Result<(), StoreError>;

    /// Gives a little of the room that deletions left back to the file system; whether there is more to give.
    fn give_back(&mut self) -> Result<bool, StoreError>;

    /// Has everything that was written survive a power cut; only then may rows be deleted.
    fn sync(&mut self) -> Result<(), StoreError>;
}
