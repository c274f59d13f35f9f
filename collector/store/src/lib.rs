//! The store: what is known, on disk. One interface in the domain's words ([`Store`], [`Reader`], [`Archive`]), one contract suite, and
//! SQLite behind it, which nothing outside of this crate names; PostgreSQL comes beside it. [`open`] gives the one of a directory.
//!
//! Everything that belongs together is one [`Store::commit`]: it is on disk when it returns, or it is not there at all.

mod account;
mod archive;
pub mod audit;
mod change;
mod clock;
pub mod collation;
#[cfg(test)]
mod contract;
pub mod coverage;
mod directory;
mod enrolment;
mod error;
pub mod history;
pub mod inventory;
mod new_device;
mod outbox;
pub mod place;
mod query;
mod reader;
mod role;
pub mod scope;
pub mod secret;
mod sqlite;
pub mod template;
mod ticket;
pub mod totp;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::layout::LayoutId;
use ioc_common::report::Position;
use ioc_judge::{DeviceInfo, Incident, Text, TimelineStep};

pub use account::{AccountRecord, SavedView, SessionRecord};
pub use archive::{
    Archive, ArchiveChange, ChunkQuery, DamagedPart, OpenBlock, PartKind, StoredChunk, StoredChunks, Unrecorded,
};
pub use change::Change;
pub use clock::ClockMark;
pub use directory::{RecoveredTable, examine, is_there, missing_store, open, put_aside, recover, size, version};
pub use enrolment::{ApprovalReason, Grant, RequestRecord, RequestState, TokenRecord};
pub use error::StoreError;
pub use new_device::NewDevice;
pub use outbox::{ChannelTally, Delivery, DeliveryState, OutboxEntry, PendingDelivery};
pub use query::{DeviceQuery, DeviceSort, DeviceState, FaultQuery, PlaceCount, RecordKind};
pub use reader::Reader;
pub use role::{Right, Role};
pub use ticket::{TicketQuery, TicketRecord};

/// Most certificates of one device that are good at a time: the newest.
pub const CERTIFICATES_MAX: usize = 6;

/// An entry of the duty book (*sổ trực*): what one shift leaves to the next.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    pub at: Timestamp,
    /// On which rota; may be empty.
    pub rota: String,
    /// The account that wrote it.
    pub who: String,
    /// 1 to 10 000 characters.
    pub text: String,
}

/// How many devices are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Enrolled and not revoked.
    pub devices: u64,
    /// Devices that are heard.
    pub live: u64,
    /// Not heard any more.
    pub silent: u64,
    /// Away by their own word, or never heard.
    pub other: u64,
    /// Faults that are raised now.
    pub faults: u64,
    /// Incidents that need someone.
    pub incidents: u64,
}

/// What was acknowledged once and is lost, as it was found when the store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreLosses {
    /// What nobody has confirmed yet.
    pub all: Vec<Text>,
    /// Some of it was found just now.
    pub fresh: bool,
}

/// The one writer.
pub trait Store: Send {
    /// Makes all of `changes` durable, in order, in one commit.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing, or a change is of a device that is not enrolled; nothing of it is kept
    /// then.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// What was found to be lost when it was opened, until a [`Change::LossConfirmed`] is committed.
    fn lost(&self) -> &StoreLosses;

    /// Puts everything in its place before the end: a log that is empty can lose nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing; what was committed is safe all the same.
    fn close(&mut self) -> Result<(), StoreError>;

    /// Deletes rows of history up to a number, which are folded, at most `limit` of them, and says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is read-only or failing; nothing is deleted then.
    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError>;

    /// The writer of folded history. There is one.
    ///
    /// # Errors
    /// [`StoreError`] when its file is damaged or not ours to write, or was written by a newer version.
    fn archive(&self) -> Result<Box<dyn Archive>, StoreError>;

    /// A reader of what is committed, independent of the writer.
    ///
    /// # Errors
    /// [`StoreError`] when the file is damaged, gone, or not ours to read.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentRecord {
    /// The document's name, such as `packages`.
    pub name: String,
    /// When it was made.
    pub at: Timestamp,
    /// What it says, JSON.
    pub body: String,
}

/// Something that happened on a device.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    /// Its number in the order in which events came.
    pub number: u64,
    pub at: Timestamp,
    /// What happened, as `noun.verb`.
    pub name: String,
    /// A sentence for people.
    pub text: String,
    /// Details by name.
    pub fields: BTreeMap<String, String>,
}

/// An incident with its timeline and its notices.
pub type WholeIncident = (Incident, Vec<TimelineStep>, Vec<OutboxEntry>);

/// One row of history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// Its number in the order of arrival.
    pub number: u64,
    /// Its place in the order.
    pub position: Position,
    /// When it was taken.
    pub at: Timestamp,
    /// Which series stands at which place.
    pub layout: LayoutId,
    /// The numbers by place of the layout; none where a value is not known.
    pub values: Vec<Option<f64>>,
}

/// A row of history as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its number in the order of arrival.
    pub number: u64,
    /// The number of its device.
    pub device: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// Its layout.
    pub layout: LayoutId,
    /// The numbers, packed ([`history::unpack`]).
    pub data: Vec<u8>,
}

/// Which numbers the rows of history of a store have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowNumbers {
    /// Which store it is: another one, even an empty one in its place, has another name.
    pub store: String,
    /// The number before the first row that is still a row; the last where none is.
    pub before: u64,
    /// The largest number that was ever given to a row, whether that is still there or not; 0 before the first. It is smaller than it was
    /// where the store lost its newest commits.
    pub last: u64,
}

/// A row of history, and whose it is.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub struct DeviceHistoryRow {
    pub device: Arc<DeviceInfo>,
    pub row: HistoryRow,
}
