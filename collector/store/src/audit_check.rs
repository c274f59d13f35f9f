//! Whether an audit log is what was signed: every record follows the one before it, and every signed head finds the log that it speaks of.
//!
//! Records and heads are handed in, in their order; whoever reads them from a store, over the API or out of an archive does it by the same
//! rules. What lies behind the last head, at most a minute of records, is held only by its chain.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;

use crate::audit::{self, AuditRecord};
use crate::merkle::{Frontier, MISSING, parse};

/// Most findings that are told.
const FINDINGS_MAX: usize = 20;
/// Most missing records in one place for which the tree goes on: what is more is nonsense in a number.
pub(crate) const GAP_MAX: u64 = 100_000_000;

/// What is wrong with a log, and where.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFinding {
    /// These are not there, the first and the last of them.
    Missing { first: u64, last: u64 },
    /// It stands behind one with a larger number, or with the same.
    Order { number: u64, after: u64 },
    /// It is not what its hash says, or does not follow the one before it.
    Changed { number: u64 },
    /// Up to a head the log is another than the one that was signed. Up to `agreed` it is that one.
    Rewritten { head: u64, at: Timestamp, agreed: u64 },
    /// From this record on, written then, the log was never signed.
    Unsigned { first: u64, at: Timestamp },
    /// The end is cut off. What is left was signed up to `agreed`; behind it, it may have been written anew.
    Cut { last: u64, head: u64, at: Timestamp, agreed: u64 },
    /// A head by a key that is not known here.
    UnknownKey { head: u64, key: String },
    /// A head that its key did not sign.
    Forged { head: u64 },
    /// A head cannot be read.
    Unreadable { what: String },
}

impl AuditFinding {
    /// The number of the first record that it is about.
    #[must_use]
    pub const fn record(&self) -> u64 {
        match self {
            Self::Missing { first, .. } | Self::Unsigned { first, .. } => *first,
            Self::Order { number, .. } | Self::Changed { number } => *number,
            Self::Rewritten { agreed, .. } | Self::Cut { agreed, .. } => *agreed + 1,
            Self::UnknownKey { head, .. } | Self::Forged { head } => *head,
            Self::Unreadable { .. } => 0,
        }
    }

    /// Its kind, for programs.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "missing",
            Self::Order { .. } => "order",
            Self::Changed { .. } => "changed",
            Self::Rewritten { .. } => "rewritten",
            Self::Unsigned { .. } => "unsigned",
            Self::Cut { .. } => "cut",
            Self::UnknownKey { .. } => "unknown_key",
            Self::Forged { .. } => "forged",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

impl fmt::Display for AuditFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { first, last } if first == last => write!(f, "record {first} is missing"),
            Self::Missing { first, last } => write!(f, "records {first} to {last} are missing"),
            Self::Order { number, after } => write!(f, "record {number} stands behind record {after}"),
            Self::Changed { number } => write!(f, "record {number} was changed"),
            Self::Rewritten { head, at, agreed } => write!(
                f,
                "among records {} to {head} some were changed, inserted, removed or moved: the log up to record {head} is not the one that was \
                 signed at {at} (up to record {agreed} it is)",
                agreed + 1
            ),
            Self::Unsigned { first, at } => write!(
                f,
                "from record {first} on, which was written at {at}, no head was signed, though one is every minute: signed heads are missing, \
                 or none could be signed"
            ),
            Self::Cut { last, head, at, agreed } => write!(
                f,
                "the end is cut off: the log ends with record {last}, and record {head} was there when it was signed at {at} (up to record \
                 {agreed} it is the log that was signed)"
            ),
            Self::UnknownKey { head, key } => {
                write!(f, "the head of record {head} was signed by the key {key}, which is not known here")
            }
            Self::Forged { head } => write!(f, "the head of record {head} was not signed by the key that it names"),
            Self::Unreadable { what } => write!(f, "{what}"),
        }
    }
}

/// A check under way.
#[derive(Debug)]
pub struct AuditCheck {
    keys: BTreeMap<String, Vec<u8>>,
    heads: VecDeque<AuditHead>,
    previous: String,
    number: u64,
    /// None once a gap is too large.
    tree: Option<Frontier>,
    /// The newest head that agreed, and whether one since then did not.
    newest: Option<AuditHead>,
    rewritten: bool,
    /// How many heads agreed.
    matched: u64,
    findings: Vec<AuditFinding>,
    found: usize,
}

impl AuditCheck {
    /// Begins before the first record, with the public keys of those who sign, by identifier.
    #[must_use]
    pub fn new(keys: BTreeMap<String, Vec<u8>>) -> Self {
        Self {
            keys,
            heads: VecDeque::new(),
            previous: audit::GENESIS.to_owned(),
            number: 0,
            tree: Some(Frontier::default()),
            newest: None,
            rewritten: false,
            matched: 0,
            findings: Vec::new(),
            found: 0,
        }
    }

    /// The number of the last record that was taken.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The hash of the last record that was taken.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.previous
    }

    /// How many heads found the log that they speak of, and the number of the last record of the newest of them.
    #[must_use]
    pub fn agreed(&self) -> (u64, u64) {
        (self.matched, self.newest.as_ref().map_or(0, |head| head.number))
    }

    /// The newest head that found the log that it speaks of.
    #[must_use]
    pub const fn newest(&self) -> Option<&AuditHead> {
        self.newest.as_ref()
    }

    /// The number of the last head that was handed in and not yet held against the log.
    #[must_use]
    pub fn last_head(&self) -> Option<u64> {
        self.heads.back().map(|head| head.number)
    }

    /// Takes a head, before the records that it speaks of. They come in the order of their numbers.
    pub fn head(&mut self, head: AuditHead) {
        let known = self.keys.get(&head.key).map(|public| head.is_signed_by(public));
        match known {
            Some(true) => self.heads.push_back(head),
            Some(false) => self.find(AuditFinding::Forged { head: head.number }),
            None => self.find(AuditFinding::UnknownKey { head: head.number, key: head.key }),
        }
    }

    /// Takes the next record.
    pub fn record(&mut self, record: &AuditRecord) {
        let expected = self.number + 1;
        if record.number < expected {
            return self.find(AuditFinding::Order { number: record.number, after: self.number });
        }
        if record.number > expected {
            self.find(AuditFinding::Missing { first: expected, last: record.number - 1 });
            if record.number - expected > GAP_MAX {
                self.tree = None;
            }
            if let Some(tree) = &mut self.tree {
                (expected..record.number).for_each(|_| tree.push(&MISSING));
            }
            // Which one it follows is gone: it is held only by what comes after it.
        } else if !audit::follows(&self.previous, record) {
            self.find(AuditFinding::Changed { number: record.number });
        }
        self.number = record.number;
        self.previous.clone_from(&record.hash);
        match parse(&record.hash) {
            Some(hash) => self.tree.iter_mut().for_each(|tree| tree.push(&hash)),
            None => self.tree = None,
        }
        while self.heads.front().is_some_and(|head| head.number <= self.number) {
            if let Some(head) = self.heads.pop_front() {
                self.compare(&head);
            }
        }
    }

    /// All records were taken: what is wrong, the first of it.
    #[must_use]
    pub fn finish(mut self) -> Vec<AuditFinding> {
        if let Some(head) = self.heads.pop_back() {
            let agreed = self.agreed().1;
            self.find(AuditFinding::Cut { last: self.number, head: head.number, at: head.at, agreed });
        }
        self.findings
    }

    /// How many findings there were so far, those that are not told, too.
    #[must_use]
    pub const fn found(&self) -> usize {
        self.found
    }

    fn compare(&mut self, head: &AuditHead) {
        // One in a gap has no record to be held against; the gap is said.
        if head.number != self.number {
            return;
        }
        let root = self.tree.as_ref().map(|tree| hex(&tree.root()));
        if head.hash == self.previous && root.as_ref() == Some(&head.root) {
            (self.newest, self.matched, self.rewritten) = (Some(head.clone()), self.matched + 1, false);
        } else if !std::mem::replace(&mut self.rewritten, true) {
            // Told once, until another agrees: a log that was saved out of a damaged store is signed again as it is.
            let agreed = self.newest.as_ref().map_or(0, |head| head.number);
            self.find(AuditFinding::Rewritten { head: head.number, at: head.at, agreed });
        }
    }

    fn find(&mut self, finding: AuditFinding) {
        self.found += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
