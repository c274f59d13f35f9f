//! What the store gives and takes that belongs to no larger noun: records as they are kept, and numbers about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::layout::LayoutId;
use ioc_common::report::Position;
use ioc_judge::{DeviceInfo, Incident, Text, TimelineStep};

use crate::outbox::OutboxEntry;

/// Most certificates of one device that are good at a time: the newest.
pub const CERTIFICATES_MAX: usize = 6;

/// How many devices are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Enrolled and neither revoked nor retired by the asset register.
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
    /// Says which of the numbers is of which series.
    pub layout: LayoutId,
    /// The numbers, packed ([`crate::history::unpack`]).
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

/// What became of a table that was recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredTable {
    /// The table's name in the database.
    pub table: String,
    /// Rows that are in the new store.
    pub rows: u64,
    /// Places that could not be read; each may have held many rows.
    pub damaged: u64,
}
