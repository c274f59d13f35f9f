//! Search over what is on record: the audit log, events, faults, incidents and notices. Pure, but for the two interfaces.
//!
//! An index says which records may match; whether one does, and whether whoever asks may see it, is decided by the record itself. So an
//! index that is behind, damaged or gone never shows too much, and what it does not hold yet is looked through.

mod document;
mod query;
mod terms;
mod words;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use crate::StoreError;
pub use document::{FoundNotice, FoundRecord, SearchDocument};
pub use query::{TYPED_MAX_CHARS, WordsQuery};
pub(crate) use terms::{TOKEN_CHARS, expression, names_article, terms_of};
pub use words::{Word, folded, words};

/// Most records of one page.
pub const PAGE_MAX: usize = 500;

/// A kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SearchKind {
    /// A record of the audit log.
    Audit,
    /// Something that happened on a device.
    Event,
    /// A fault.
    Fault,
    /// An incident, with what people wrote down about it.
    Incident,
    /// A step of an incident's timeline; comments are such.
    Step,
    /// A notice on one channel.
    Notice,
}

impl SearchKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Audit, Self::Event, Self::Fault, Self::Incident, Self::Step, Self::Notice];

    /// The name used in addresses and in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Event => "event",
            Self::Fault => "fault",
            Self::Incident => "incident",
            Self::Step => "step",
            Self::Notice => "notice",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The number by which the store keeps it (`search_log` in its schema).
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Audit => 1,
            Self::Event => 2,
            Self::Fault => 3,
            Self::Incident => 4,
            Self::Step => 5,
            Self::Notice => 6,
        }
    }

    pub(crate) fn of_number(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

/// What is looked for. Everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchQuery {
    /// Words.
    pub words: WordsQuery,
    /// Only of these kinds; whoever asks may see all of them. None: nothing is found.
    pub kinds: Vec<SearchKind>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// And before this one.
    pub until: Option<Timestamp>,
    /// Done by this account; by anybody where it is empty.
    pub actor: String,
    /// On this device.
    pub device: Option<DeviceId>,
    /// About this article of the regulation, or a part of it; about any where it is empty.
    pub article: String,
    /// Texts that name people are looked through, too: for who may see names, when it is on record that they do.
    pub personal: bool,
    /// Below this place: the next page.
    pub before: Option<u64>,
    /// At most this many, up to [`PAGE_MAX`].
    pub limit: usize,
}

/// A record that is what was looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// Its place among all records, by time: what is newer has a larger one.
    pub place: u64,
    /// Some of its texts name people.
    pub is_personal: bool,
    /// The record, as whoever asks may see it; names stand apart in it until they are opened.
    pub record: FoundRecord,
}

/// What was found, the newest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchPage {
    /// At most as many as were asked for.
    pub hits: Vec<SearchHit>,
    /// The place below which it goes on; none where there is no more.
    pub next: Option<u64>,
    /// It ended because it took long, having looked back to this moment.
    pub reached: Option<Timestamp>,
    /// Older records that are not in the index yet, and were not looked through; about so many.
    pub not_indexed: u64,
}

/// How far an index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchProgress {
    /// Records that were taken in, or taken out.
    pub records: u64,
    /// There is more to do at once.
    pub more: bool,
}

/// The writer of the index, behind the commits. There is one.
pub trait SearchIndex: Send {
    /// Takes in what came and takes out what is gone, at most so many of each kind, in one commit of its own. An index that is damaged, or
    /// another store's, is begun anew.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full or failing, or the store cannot be read; what was taken in stays.
    fn turn(&mut self, most: usize) -> Result<SearchProgress, StoreError>;

    /// How many records it holds, and how many bytes that takes.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    fn size(&self) -> Result<(u64, u64), StoreError>;
}
