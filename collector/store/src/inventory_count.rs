//! Inventory takings (*kiểm kê*, article 6.1): a person opens a count of a place or of all, people walk around and tick each asset, and its minutes keep what was
//! found beside what the register says.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::document::HIDDEN;
use ioc_common::id::DeviceId;

/// Before the number of a taking, in the key of its minutes among issued reports.
pub const COUNT_REPORT: &str = "inventory.";
/// Most members of a commission.
pub const MEMBERS_MAX: usize = 20;
/// Most things of one count that are not in the register: more are a register that was never made.
pub const FINDS_MAX: usize = 500;

/// What was found of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TickState {
    /// It is where the register says.
    Found,
    /// It is there, and its label is not on it or cannot be read.
    LabelMissing,
    /// It is somewhere else.
    Elsewhere,
    /// It was looked for and is not there.
    NotFound,
}

impl TickState {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Found, Self::LabelMissing, Self::Elsewhere, Self::NotFound];

    /// Its name in the store, the API and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::LabelMissing => "label_missing",
            Self::Elsewhere => "elsewhere",
            Self::NotFound => "not_found",
        }
    }

    /// The state of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What somebody ticked of an asset; the newest of a count and a device counts.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    pub device: DeviceId,
    pub state: TickState,
    /// Where it is, where that is not where the register says; may be empty.
    pub place: String,
    pub remark: String,
    /// The account that ticked it.
    pub by: String,
    pub at: Timestamp,
}

/// Something that was found and is not in the register.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// Its number within the count, from 1.
    pub number: u32,
    /// What it is.
    pub what: String,
    /// The label on it; empty where there is none.
    pub label: String,
    pub serial: String,
    /// Where it is.
    pub place: String,
    pub remark: String,
    /// The account that wrote it down.
    pub by: String,
    pub at: Timestamp,
    /// What became of it; none while that is work.
    pub settled: Option<FindSettled>,
}

/// What became of something that was not in the register.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindSettled {
    pub at: Timestamp,
    /// The account that says so.
    pub by: String,
    pub remark: String,
}

/// A member of the commission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// A person's name.
    pub name: String,
    /// What they are, such as *Trưởng phòng, tổ trưởng*.
    pub title: String,
}

/// How a count was closed.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountClosing {
    pub at: Timestamp,
    /// The account that closed it.
    pub by: String,
    pub members: Vec<Member>,
    pub remark: String,
    /// The number of the minutes among issued reports.
    pub minutes: u64,
    /// How many assets the register had there.
    pub assets: u64,
    /// How many were found in each way, in the order of [`TickState::ALL`]; the rest nobody ticked.
    pub ticked: [u64; 4],
    /// How many things were found that are not in the register.
    #[serde(default)]
    pub finds: u64,
}

/// An inventory taking.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryCount {
    /// Its number, from 1.
    pub number: u64,
    /// The place that is counted, with what is below it; empty for all.
    pub place: String,
    pub opened_at: Timestamp,
    /// The account that opened it.
    pub opened_by: String,
    /// None while it is open.
    pub closed: Option<CountClosing>,
}

impl InventoryCount {
    /// Takes out who was in the commission, and who opened and closed it (article 12).
    pub fn hide_people(&mut self) {
        self.opened_by.clear();
        if let Some(closed) = &mut self.closed {
            closed.by.clear();
        }
        for member in self.closed.iter_mut().flat_map(|closed| &mut closed.members) {
            HIDDEN.clone_into(&mut member.name);
        }
    }
}
