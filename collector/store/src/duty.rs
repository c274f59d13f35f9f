//! What is kept beside the duty plan: calendars that people have subscribed to, and turns that people ask each other to take.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::language::Language;
use ioc_judge::duty::Cover;

use crate::StoreError;

/// Most calendars of one account that are in use at a time.
pub const FEEDS_MAX: usize = 10;

/// A calendar that somebody has subscribed to: whoever has its token reads that one calendar, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DutyFeed {
    /// SHA-256 of its token, hex; the token itself is nowhere.
    pub digest: String,
    /// The account that made it: it ends with that.
    pub account: String,
    /// Whose calendar: `person:…` or `rota:…`, by key of the duty plan.
    pub subject: String,
    /// In which language its texts are.
    pub language: Language,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was ended; none while it is in use.
    pub ended_at: Option<Timestamp>,
}

/// What became of a turn that somebody was asked to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedTurnState {
    /// Nobody has answered.
    Asked,
    /// Agreed: the calendar is changed.
    Agreed,
    /// Declined.
    Declined,
    /// Taken back by whoever asked.
    Withdrawn,
    /// Its time came before anybody answered.
    Lapsed,
}

impl RequestedTurnState {
    /// The name used in the API, and for the texts of pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Agreed => "agreed",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Lapsed => "lapsed",
        }
    }
}

/// Somebody on duty asks somebody else to stand in, or to swap two turns. The calendar changes only when the other agrees.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedTurn {
    /// Its number, from 1.
    pub number: u64,
    pub at: Timestamp,
    /// Who asks: a person's key in the duty plan.
    pub asker: String,
    /// Who is asked.
    pub asked: String,
    /// What is written down once it is agreed: one entry, or two for a swap.
    pub covers: Vec<Cover>,
    /// From whom each is taken.
    pub instead_of: Vec<String>,
    /// Why; may be empty.
    pub note: String,
    pub state: RequestedTurnState,
    /// When it was answered or ended.
    pub ended_at: Option<Timestamp>,
    /// Who did: an account or a person's key; empty for the collector.
    pub ended_by: String,
    /// What they said; may be empty.
    pub answer: String,
}

impl RequestedTurn {
    /// Whether it still waits for an answer that can be given.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == RequestedTurnState::Asked && self.covers.iter().all(|cover| now < cover.until)
    }
}

/// Most of what happened on a shift that is listed: of more it is said how many.
pub const SHIFT_EVENTS_MAX: usize = 300;

/// Which side of a hand-over somebody signs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftSide {
    /// Who hands over.
    Given,
    /// Who takes over.
    Taken,
}

impl ShiftSide {
    /// The name used in the API and in forms.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Taken => "taken",
        }
    }
}

/// What sort of thing happened on a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftEventKind {
    /// An incident was opened.
    Opened,
    /// An incident was taken.
    Taken,
    /// An incident was resolved.
    Resolved,
    /// A rule that is switched off, for all or for some.
    Silenced,
    /// A maintenance window.
    Maintenance,
    /// Something was set or changed by people.
    Changed,
}

impl ShiftEventKind {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 6] =
        [Self::Opened, Self::Taken, Self::Resolved, Self::Silenced, Self::Maintenance, Self::Changed];

    /// The name used in the API, and for the texts of pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Taken => "taken",
            Self::Resolved => "resolved",
            Self::Silenced => "silenced",
            Self::Maintenance => "maintenance",
            Self::Changed => "changed",
        }
    }
}

/// Something that happened on a shift, as the record says.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftEvent {
    pub kind: ShiftEventKind,
    pub at: Timestamp,
    /// Until when, for what lasts and has an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The incident's number, or the window's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// What, in Vietnamese and English; names of people are in neither.
    pub vi: String,
    pub en: String,
    /// The account that did it; empty for what nobody did.
    #[serde(default)]
    pub who: String,
}

/// What happened on a shift, and what of it is still open: as it was found at a moment.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShiftAccount {
    /// At most [`SHIFT_EVENTS_MAX`], the oldest first.
    pub events: Vec<ShiftEvent>,
    /// So many more happened than are listed.
    pub more: u64,
    /// Not all incidents were looked through: there may be more.
    pub cut: bool,
    /// Incidents that are open, by number, the oldest first; at most [`SHIFT_EVENTS_MAX`].
    pub open: Vec<u64>,
    /// So many more are open than are listed.
    pub more_open: u64,
}

impl ShiftAccount {
    /// How many of one sort are listed.
    #[must_use]
    pub fn count(&self, kind: ShiftEventKind) -> u64 {
        self.events.iter().filter(|one| one.kind == kind).count() as u64
    }
}

/// A shift that somebody signed for: an entry of the duty book says who, when and what they said.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedShift {
    /// The rota's key in the duty plan.
    pub rota: String,
    pub from: Timestamp,
    pub until: Timestamp,
    pub side: ShiftSide,
    /// What whoever signed is called, as it was then.
    pub name: String,
    /// The duty plan has them on that shift; unknown where it does not say whose accounts its people have.
    pub planned: Option<bool>,
    /// What the shift was by then.
    pub account: ShiftAccount,
}

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
    /// The shift that is handed over, or taken over, by this entry; none for a remark.
    pub shift: Option<Box<SignedShift>>,
}

/// A way to reach a person, and whether a code that was sent by it came back: then it is theirs and works.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCheck {
    /// A person's key in the duty plan.
    pub person: String,
    pub channel: String,
    pub address: String,
    /// SHA-256 of the code with what it was sent for, hex; the code itself is in the notice alone.
    pub digest: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Wrong codes since.
    pub wrong: u32,
    /// When the right one came; none before.
    pub verified_at: Option<Timestamp>,
    /// Who sent the code, or gave it back.
    pub by: String,
}

/// Reads what is kept beside the duty plan.
///
/// # Errors
/// As for [`Reader`](crate::Reader), of which it is a part.
pub trait DutyReader {
    /// Who stood in, does or will, but for those who ended before `since`: the newest `limit` entries, by number. One that was taken back ends there.
    fn covers_since(&self, since: Timestamp, limit: usize) -> Result<Vec<Cover>, StoreError>;

    /// Calendars that an account has subscribed to and that are in use, the newest first.
    fn duty_feeds(&self, account: &str) -> Result<Vec<DutyFeed>, StoreError>;

    /// The calendar of a token, in use or not, by its digest.
    fn duty_feed(&self, digest: &str) -> Result<Option<DutyFeed>, StoreError>;

    /// Turns that people asked each other to take, the newest first.
    fn requested_turns(&self, limit: usize) -> Result<Vec<RequestedTurn>, StoreError>;

    /// What is known of ways to reach people, by person.
    fn contact_checks(&self) -> Result<Vec<ContactCheck>, StoreError>;

    /// Entries of the duty book by which shifts are handed over or taken over, of one rota by its key or of all: the newest first.
    fn signed_shifts(&self, rota: Option<&str>, limit: usize) -> Result<Vec<Handover>, StoreError>;

    /// One of them, by number.
    fn requested_turn(&self, number: u64) -> Result<Option<RequestedTurn>, StoreError>;
}
