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
pub use archive::{Archive, ArchiveChange, ChunkQuery, OpenBlock, StoredChunk, StoredChunks};
pub use change::Change;
pub use clock::ClockMark;
pub use directory::{RecoveredTable, gone, is_there, look, open, put_aside, recover, size, version};
pub use enrolment::{Grant, Reason, RequestRecord, RequestState, TokenRecord};
pub use error::StoreError;
pub use new_device::NewDevice;
pub use outbox::{ChannelTally, Delivery, DeliveryState, OutboxEntry, Waiting};
pub use query::{DeviceQuery, DeviceSort, DeviceState, FaultQuery, PlaceCount, RecordKind};
pub use reader::Reader;
pub use role::{Right, Role};
pub use ticket::{TicketQuery, TicketRecord};

/// Most certificates of one device that are good at a time: the newest.
pub const CERTIFICATES_MAX: usize = 6;

/// An entry of the duty book (*sổ trực*): what one shift leaves to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// When.
    pub at: Timestamp,
    /// On which rota; may be empty.
    pub rota: String,
    /// By whom.
    pub who: String,
    /// What.
    pub text: String,
}

/// How many devices are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Enrolled and not revoked.
    pub devices: u64,
    /// Heard.
    pub live: u64,
    /// Not heard any more.
    pub silent: u64,
    /// Away by their own word, or never heard.
    pub other: u64,
    /// Faults raised now.
    pub faults: u64,
    /// Incidents that need someone.
    pub incidents: u64,
}

/// What was acknowledged once and is not there any more, as it was found when the store was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lost {
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
    /// [`StoreError`] when nothing of it was kept.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// What was found to be lost when it was opened, until a [`Change::LossConfirmed`] is committed.
    fn lost(&self) -> &Lost;

    /// Puts everything in its place before the end: a log that is empty can lose nothing.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written; what was committed is safe all the same.
    fn close(&mut self) -> Result<(), StoreError>;

    /// Deletes rows of history up to a number, which are folded, at most `limit` of them, and says how many.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError>;

    /// The writer of folded history. There is one.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened, or was written by a newer version.
    fn archive(&self) -> Result<Box<dyn Archive>, StoreError>;

    /// A reader of what is committed, independent of the writer.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;
}

/// What a survey found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentRecord {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub at: Timestamp,
    /// What it says, JSON.
    pub body: String,
}

/// Something that happened on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRecord {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What, as `noun.verb`.
    pub name: String,
    /// For a person.
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
    /// Its layout.
    pub layout: LayoutId,
    /// The numbers.
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

/// A row of history, and whose it is.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The device.
    pub device: Arc<DeviceInfo>,
    /// The row.
    pub row: HistoryRow,
}
