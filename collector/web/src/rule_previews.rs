//! What rules would have raised, as people tried them: what is kept of that for their pages.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::Text;

use crate::report_drafts::Gathered;

/// What is tried: whoever asks, since everyone sees what is within their places alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PreviewKey {
    pub(crate) person: String,
    pub(crate) rule: String,
    pub(crate) days: u32,
    /// The text of the rules as it would be.
    pub(crate) text: String,
}

/// How often a rule would have raised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Raised {
    pub(crate) faults: u64,
    pub(crate) devices: u64,
}

/// One device of those of which most would have been raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceRaised {
    pub(crate) device: DeviceId,
    pub(crate) name: String,
    /// As the rule is.
    pub(crate) before: u64,
    /// As it would be.
    pub(crate) after: u64,
}

/// A fault that would have been raised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WouldRaise {
    pub(crate) at: Timestamp,
    pub(crate) device: DeviceId,
    pub(crate) reason: Text,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PreviewResult {
    /// When it was begun.
    pub(crate) at: Timestamp,
    /// Devices that the rule is for, and those of them that were judged.
    pub(crate) all: u64,
    pub(crate) judged: u64,
    /// Reports that were judged.
    pub(crate) reports: u64,
    pub(crate) before: Raised,
    pub(crate) after: Raised,
    pub(crate) worst: Vec<DeviceRaised>,
    pub(crate) newest: Vec<WouldRaise>,
}

impl Gathered for PreviewResult {
    fn at(&self) -> Timestamp {
        self.at
    }
}
