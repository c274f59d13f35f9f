//! The store: what is known, on disk. One interface in the domain's words, one contract suite, one implementation so far
//! ([`sqlite`]); PostgreSQL comes beside it.
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
mod enrolment;
pub mod history;
pub mod inventory;
mod new_device;
mod outbox;
pub mod place;
mod query;
mod role;
pub mod scope;
pub mod sqlite;
pub mod template;
mod ticket;
pub mod totp;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::report::Position;
use ioc_common::software::Item;
use ioc_judge::duty::Cover;
use ioc_judge::{DeviceInfo, Fault, Incident, Snapshot, Text, TimelineStep, Window};

use crate::inventory::DeviceRecord;
use crate::scope::Reach;
pub use account::{AccountRecord, SavedView, SessionRecord};
pub use archive::{Archive, ChunkQuery, StoredChunk};
pub use change::Change;
pub use clock::ClockMark;
pub use enrolment::{Grant, Reason, RequestRecord, RequestState, TokenRecord};
pub use new_device::NewDevice;
pub use outbox::{ChannelTally, Delivery, DeliveryState, OutboxEntry, Waiting};
pub use query::{DeviceQuery, DeviceSort, DeviceState, FaultQuery, Kept, PlaceCount};
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

/// Reads what is committed.
pub trait Reader: Send {
    /// From now on it shows only devices within reach, what belongs to them, and incidents of them or of the centre as a whole.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn limit(&mut self, reach: &Reach) -> Result<(), StoreError>;

    /// Everything the judge needs to take up where it left off; resolved incidents since `resolved_since`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn snapshot(&self, resolved_since: Timestamp) -> Result<Snapshot, StoreError>;

    /// What was last believed of the time; none in a new store.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn clock(&self) -> Result<Option<ClockMark>, StoreError>;

    /// Devices that match, a page of them.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceRecord>, StoreError>;

    /// How many devices match, whatever the page.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn devices_count(&self, query: &DeviceQuery) -> Result<u64, StoreError>;

    /// Places where devices stand, sorted as people read.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn places(&self) -> Result<Vec<String>, StoreError>;

    /// How many devices stand where, in which state.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn places_by_state(&self) -> Result<Vec<PlaceCount>, StoreError>;

    /// How many machines stand where: servers, workstations, display controllers.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn machines_by_place(&self) -> Result<BTreeMap<String, u64>, StoreError>;

    /// The lists of devices that a person keeps.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn views(&self, account: &str) -> Result<Vec<SavedView>, StoreError>;

    /// One device.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn device(&self, id: &DeviceId) -> Result<Option<DeviceRecord>, StoreError>;

    /// The last hello of a device, JSON.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn hello(&self, id: &DeviceId) -> Result<Option<String>, StoreError>;

    /// What surveys of a device found, by name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn documents(&self, id: &DeviceId) -> Result<Vec<DocumentRecord>, StoreError>;

    /// How many bytes what surveys of a device found has, by name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn document_sizes(&self, id: &DeviceId) -> Result<BTreeMap<String, u32>, StoreError>;

    /// How much of a kind is kept of a device, counted up to `most`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn kept(&self, id: &DeviceId, kind: Kept, most: u64) -> Result<u64, StoreError>;

    /// What happened on a device, newest first, before the event of a number.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn events(&self, id: &DeviceId, before: Option<u64>, limit: usize) -> Result<Vec<EventRecord>, StoreError>;

    /// The identifier of the whole software list that is kept of a device, and since when; none before one is whole.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn software_list(&self, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError>;

    /// The software of a device in the order of its keys, after a key.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn software(&self, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError>;

    /// A layout.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn layout(&self, id: LayoutId) -> Result<Option<Layout>, StoreError>;

    /// Faults, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn faults(&self, query: &FaultQuery<'_>, limit: usize) -> Result<Vec<Fault>, StoreError>;

    /// Incidents, newest first: only active ones or all, before a number.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn incidents(
        &self,
        device: Option<&DeviceId>,
        active: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError>;

    /// One incident with its timeline and its notices.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn incident(&self, id: IncidentId) -> Result<Option<WholeIncident>, StoreError>;

    /// What waits on one channel, due or not: the worst first, and of those the oldest.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn outbox_waiting(&self, channel: &str, limit: usize) -> Result<Vec<Waiting>, StoreError>;

    /// The channels on which something waits, in use or not.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn outbox_channels(&self) -> Result<Vec<String>, StoreError>;

    /// Notices that were given up, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn outbox_dead(&self, limit: usize) -> Result<Vec<OutboxEntry>, StoreError>;

    /// An entry of the outbox by its key.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn outbox_entry(&self, key: &str) -> Result<Option<OutboxEntry>, StoreError>;

    /// What became of the last notice to each person on each channel, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn contacts(&self) -> Result<Vec<OutboxEntry>, StoreError>;

    /// Tickets of incidents.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn tickets(&self, query: &TicketQuery<'_>, limit: usize) -> Result<Vec<TicketRecord>, StoreError>;

    /// The content of a file of an incident.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn attachment(&self, incident: IncidentId, sha256: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Maintenance windows that are planned or open, by number.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn windows(&self) -> Result<Vec<Window>, StoreError>;

    /// Maintenance windows that are over since a moment, each with when that was.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn windows_over(&self, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError>;

    /// Who stands in on a rota, by number.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn covers(&self) -> Result<Vec<Cover>, StoreError>;

    /// The duty book, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn handovers(&self, limit: usize) -> Result<Vec<Handover>, StoreError>;

    /// How many are in which state.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn counts(&self) -> Result<Counts, StoreError>;

    /// What coverage is made of.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn coverage(&self) -> Result<coverage::Facts, StoreError>;

    /// Computers by the numbers that [`Self::coverage`] gives, by name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn machines_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Result<Vec<DeviceInfo>, StoreError>;

    /// Machines that are heard, or should be, and have no document of this name, by name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn machines_without(&self, document: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError>;

    /// What became of notices, by channel.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn deliveries(&self) -> Result<Vec<ChannelTally>, StoreError>;

    /// The newest certificate of each device: whose, and when it ends; the soonest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn certificates(&self, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError>;

    /// Audit records, the newest first, below a number, with these words in them.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn audit_before(&self, before: Option<u64>, search: &str, limit: usize) -> Result<Vec<audit::Record>, StoreError>;

    /// A token by the digest of its secret.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreError>;

    /// Enrolment tokens, the newest first, after the one of a digest.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<TokenRecord>, StoreError>;

    /// A machine that asked to come in.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError>;

    /// Machines that wait for a person, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn requests(&self) -> Result<Vec<RequestRecord>, StoreError>;

    /// Whether a device was ever given a certificate.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn is_enrolled(&self, device: &DeviceId) -> Result<bool, StoreError>;

    /// Every device with a certificate, and what it said last of its settings ([`ioc_common::settings::Outcome`], JSON).
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn settings(&self) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError>;

    /// The certificates by which devices may connect: whose, and their serial numbers, hex.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn serials(&self) -> Result<Vec<(DeviceId, String)>, StoreError>;

    /// An account.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn account(&self, name: &str) -> Result<Option<AccountRecord>, StoreError>;

    /// All accounts, by name.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError>;

    /// Sessions and tokens of an account that have not ended, the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn sessions(&self, account: &str) -> Result<Vec<SessionRecord>, StoreError>;

    /// A session by the digest of its cookie.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn session(&self, digest: &str) -> Result<Option<SessionRecord>, StoreError>;

    /// Audit records after a number, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn audit(&self, after: u64, limit: usize) -> Result<Vec<audit::Record>, StoreError>;

    /// Rows of one device's history that are still rows, after a number, in the order of their arrival. Corrupt rows are errors.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn rows(&self, device: &DeviceId, after: u64) -> Result<Vec<HistoryRow>, StoreError>;

    /// The newest of these rows, as many as have no more than `most_bytes` as they are stored, and one more.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn newest_rows(&self, device: &DeviceId, after: u64, most_bytes: u64) -> Result<Vec<HistoryRow>, StoreError>;

    /// The rows after a number, at most `limit`, with the numbers of those that are corrupt instead of an error: folding goes on without
    /// them.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn rows_to_fold(
        &self,
        device: &DeviceId,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<HistoryRow>, Vec<u64>), StoreError>;

    /// Rows of all devices after a number, in the order of their arrival; those that are corrupt are left out.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn rows_after(&self, after: u64, limit: usize) -> Result<Vec<Arrived>, StoreError>;

    /// The number of the newest row; 0 when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn last_row(&self) -> Result<u64, StoreError>;

    /// The number of the last row that was received before a moment; 0 when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn last_row_before(&self, received: Timestamp) -> Result<u64, StoreError>;

    /// Devices that have rows, those that were revoked, too.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn devices_with_rows(&self) -> Result<Vec<DeviceId>, StoreError>;

    /// Up to which row a device is folded.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError>;

    /// What is wrong with the store, a line each; nothing when it is sound. `deep` compares indexes with tables and reads every
    /// checksum, which takes as long as reading everything does.
    fn examine(&self, deep: bool) -> Vec<String>;

    /// Folded history.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn chunks(&self, query: &ChunkQuery<'_>) -> Result<Vec<StoredChunk>, StoreError>;
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

/// A row of history, and whose it is.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The device.
    pub device: Arc<DeviceInfo>,
    /// The row.
    pub row: HistoryRow,
}

/// The store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
        /// The disk is full or read-only: it may pass.
        no_room: bool,
    },
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What is stored cannot be read.
    #[error("{}: {what} cannot be read: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// Another process writes it.
    #[error("{}: another collector ({holder}) uses this directory; mend: stop it, or give this one a directory of its own (paths.data)", path.display())]
    Held {
        /// The lock.
        path: PathBuf,
        /// Its process, as it wrote it down.
        holder: String,
    },
    /// It was there, and is not any more.
    #[error(
        "{}: the store is gone, and beside it lies what belongs to it; mend: restore it from a copy (docs/operate.md); only if there is \
         none, begin a new one: ioc-collector prepare --anew store",
        path.display()
    )]
    Gone {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error("{}: its version is {found}; this program reads up to {known}: install the newer version again", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
}

impl StoreError {
    /// Whether the disk is full (or read-only), so that it may pass.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Database { no_room, .. } => *no_room,
            Self::File { source, .. } => matches!(source.kind(), std::io::ErrorKind::StorageFull),
            _ => false,
        }
    }
}
