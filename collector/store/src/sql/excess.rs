//! What is beyond its number and waits for its turn to go (`number_limit`): each commit hands it on to the next one.

use ioc_common::id::DeviceId;

use crate::document_history::CHANGES_MAX;
use crate::retention::RecordClass;

/// What has more records than are kept, and how far it was gone through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) of: ExcessOf,
    /// Behind which record to go on: its time, and its key.
    pub(super) after: Option<(i64, i64)>,
}

/// Of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExcessOf {
    /// Events of a device beyond its newest.
    Events { device: i64, id: DeviceId, keep: u64 },
    /// Changes of a device's document beyond its newest.
    Document { device: i64, name: String },
    /// Machines that have not asked since a moment.
    Requests { before_ms: i64 },
}

impl ExcessOf {
    /// Whether it is about the same.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Events { device: one, .. }, Self::Events { device: other, .. }) => one == other,
            (Self::Requests { .. }, Self::Requests { .. }) => true,
            _ => self == other,
        }
    }

    pub(super) const fn class(&self) -> RecordClass {
        match self {
            Self::Events { .. } => RecordClass::Events,
            Self::Document { .. } => RecordClass::Documents,
            Self::Requests { .. } => RecordClass::Enrolments,
        }
    }

    pub(super) fn rule(&self) -> String {
        match self {
            Self::Events { id, keep, .. } => format!("a device keeps its newest {keep} events; {id} had more"),
            Self::Document { name, .. } => {
                format!("a document keeps its newest {CHANGES_MAX} changes; {name} had more")
            }
            Self::Requests { .. } => "a machine that has not asked for a week waits no more".to_owned(),
        }
    }
}
