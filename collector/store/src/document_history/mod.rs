//! The history of documents: how a document stood, as differences from one version to the next; pure.
//!
//! A document is brought into a stable form first ([`stable`]): what changes though the machine does not is left out, and lists whose members
//! have keys are in the order of these. Two stable forms give a list of [`Difference`]s, which leads from one to the other both ways. The
//! store writes one row for each change (`sql/document_change.rs`, in the form of `row`); what the software list says goes the same way,
//! as the document [`SOFTWARE`]. What is deliberately absent: texts for people, which the pages make of a difference.

mod difference;
mod form;
pub(crate) mod row;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use ioc_common::audit_head;
use ioc_common::clock::Timestamp;
use ioc_common::document::{self, HIDDEN};
use ioc_common::id::DeviceId;
use ioc_common::software::Item;

pub use difference::{Difference, DoesNotFit, Segment, difference};
pub use form::{parse, stable};

/// The name under which the history has the software list.
pub const SOFTWARE: &str = "software";
/// Every so many changes the document before is kept whole, so that a way back is never longer, and damage ends there.
pub const WHOLE_EVERY: u64 = 64;
/// Most changes that are kept of one document: a month of one that changes every minute. What is older goes first.
pub const CHANGES_MAX: u64 = 50_000;
/// Most bytes of one change, packed. What a larger one leads back to is lost, and said to be.
pub const CHANGE_MAX_BYTES: usize = 1 << 20;

/// Whether changes of a document are kept. What a device witnessed of the audit log changes every minute and says nothing of the machine; a
/// document of this name beside the software list would be mixed up with it.
#[must_use]
pub fn is_kept(name: &str) -> bool {
    name != audit_head::DOCUMENT && name != SOFTWARE
}

/// A list of software as a document.
pub(crate) fn software_document(items: impl Iterator<Item = Item>) -> Value {
    let items: Vec<Value> = items.map(|item| software_member(&item)).collect();
    stable(SOFTWARE, &serde_json::json!({ "items": items }))
}

/// An item of it; what is empty is left out.
pub(crate) fn software_member(item: &Item) -> Value {
    let Item { source, name, version, publisher, licence, place, installed_on } = item;
    let fields = [
        ("source", source),
        ("name", name),
        ("version", version),
        ("publisher", publisher),
        ("licence", licence),
        ("place", place),
        ("installed_on", installed_on),
    ];
    let said = fields.into_iter().filter(|(name, text)| *name == "source" || *name == "name" || !text.is_empty());
    Value::Object(said.map(|(name, text)| (name.to_owned(), Value::String(text.clone()))).collect())
}

/// How a document stood at a moment.
#[derive(Debug, Clone, PartialEq)]
pub enum PastState {
    /// Nothing is known of that time: it had not come yet, or its history was forgotten.
    Unknown,
    /// It stood so.
    Known(PastDocument),
    /// It was known, and what leads back to it is damaged or was too large to be kept: why.
    Lost(String),
}

/// A document, as it stood at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct PastDocument {
    /// Since when it had stood so.
    pub since: Timestamp,
    /// Until when it stood so; none while it still does.
    pub until: Option<Timestamp>,
    /// What it said, without what its history leaves out.
    pub body: Value,
}

/// A change of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentChange {
    /// Which document.
    pub name: String,
    /// Which of its versions began with it, from 1.
    pub number: u64,
    /// When the new version was made, corrected.
    pub at: Timestamp,
    /// What changed.
    pub content: ChangeContent,
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub enum ChangeContent {
    /// It is the first that is known of it: nothing is known of the time before.
    First,
    /// It differs so from the version before.
    Differences(Vec<Difference>),
    /// It is not known what changed: why.
    Lost(String),
}

/// Which changes of a device's documents are asked for.
#[derive(Debug, Clone)]
pub struct ChangeQuery<'q> {
    /// Of which device.
    pub device: &'q DeviceId,
    /// Of this document alone.
    pub name: Option<&'q str>,
    /// From this moment on.
    pub from: Timestamp,
    /// Before this moment.
    pub to: Timestamp,
    /// Only those that come after this one in the list, which has the newest first.
    pub after: Option<ChangeCursor>,
    /// At most so many.
    pub limit: usize,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChangePage {
    /// The newest first; fewer than were asked for where they are large, or some are not for whoever asks.
    pub changes: Vec<DocumentChange>,
    /// Where it goes on; none at the end.
    pub next: Option<ChangeCursor>,
}

/// A place in a list of changes: its text is given out and taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCursor {
    /// When.
    pub at: Timestamp,
    /// Of which document.
    pub name: String,
    /// Which of its changes.
    pub number: u64,
}

impl ChangeCursor {
    /// Of a change.
    #[must_use]
    pub fn of(change: &DocumentChange) -> Self {
        Self { at: change.at, name: change.name.clone(), number: change.number }
    }

    /// As [`ToString`] gave it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let at = Timestamp::from_millis(parts.next()?.parse().ok()?);
        let number = parts.next()?.parse().ok()?;
        Some(Self { at, number, name: parts.next()?.to_owned() })
    }
}

impl std::fmt::Display for ChangeCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.at.as_millis(), self.number, self.name)
    }
}

impl PastState {
    /// Without what says who someone is, for whoever may not see it; none when all of it does.
    #[must_use]
    pub fn without_personal(self, name: &str) -> Option<Self> {
        match self {
            _ if document::is_of_people(name) => None,
            Self::Known(known) if document::has_personal(name) => {
                let body = parse(&document::without_personal(name, &known.body.to_string()));
                Some(Self::Known(PastDocument { body, ..known }))
            }
            other => Some(other),
        }
    }
}

impl DocumentChange {
    /// The same of a change.
    #[must_use]
    pub fn without_personal(mut self) -> Option<Self> {
        if document::is_of_people(&self.name) {
            return None;
        }
        if let ChangeContent::Differences(all) = &mut self.content {
            *all = all.iter().filter_map(|one| without_personal(&self.name, one)).collect();
        }
        Some(self)
    }
}

/// A document at two moments, or of two devices.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedDocument {
    /// Which document.
    pub name: String,
    /// How it stood on one side.
    pub left: PastState,
    /// How it stood on the other.
    pub right: PastState,
    /// What leads from left to right; none where one of them is not known.
    pub differences: Option<Vec<Difference>>,
}

/// Holds what stood at one moment, or on one device, against what stood at another, by name. What is known on one side alone is there, too.
#[must_use]
pub fn compare(left: Vec<(String, PastState)>, right: Vec<(String, PastState)>) -> Vec<ComparedDocument> {
    let mut both: BTreeMap<String, (PastState, PastState)> = BTreeMap::new();
    for (name, state) in left {
        both.insert(name, (state, PastState::Unknown));
    }
    for (name, state) in right {
        both.entry(name).or_insert((PastState::Unknown, PastState::Unknown)).1 = state;
    }
    let compared = both.into_iter().filter(|(_, sides)| *sides != (PastState::Unknown, PastState::Unknown));
    compared
        .map(|(name, (left, right))| {
            let differences = match (&left, &right) {
                (PastState::Known(left), PastState::Known(right)) => Some(difference(&name, &left.body, &right.body)),
                _ => None,
            };
            ComparedDocument { name, left, right, differences }
        })
        .collect()
}

/// A difference without what says who someone is, for whoever may not see it; none when all of it does.
#[must_use]
pub fn without_personal(name: &str, one: &Difference) -> Option<Difference> {
    if document::is_of_people(name) {
        return None;
    }
    let path = one.pattern();
    if !document::is_personal(name, &path) {
        return Some(one.clone());
    }
    let hide = |value: &Option<Value>| value.as_ref().map(|_| Value::String(HIDDEN.to_owned()));
    Some(Difference { path: one.path.clone(), index: one.index, old: hide(&one.old), new: hide(&one.new) })
}
