//! How long records are kept, what holds them beyond that, and what is left of those that were deleted (article 6.3): the words of it.
//!
//! A class is a kind of records with one span. A legal hold keeps what it is about, whatever the spans say, until a named person ends it.
//! Records go only by [`crate::Change::Expired`], which deletes them and leaves the evidence in the same commit, or, for numbers, by
//! [`crate::Archive::delete_before`], which leaves it beside them until it stands in the store. How long each class is kept is the engine's.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use serde::Serialize;

use crate::history::Tier;

/// What an incident's hold keeps of its devices' events, faults and numbers before it was opened and after it was closed, milliseconds: a
/// day.
pub const AROUND_INCIDENT_MS: i64 = 86_400_000;
/// Records that are counted, at most, when it is told how many there are of a class, and that are looked at when it is counted how much a hold
/// keeps and how many will go: it is said to be "more than" or "at least" that.
pub const COUNTED_MAX: u64 = 200_000;
/// Records that are looked at, at most, to find the first ones that will go, behind as many as are held.
pub const LOOKED_MAX: u64 = 10 * COUNTED_MAX;
/// Longest reason, characters.
pub const REASON_MAX_CHARS: usize = 500;
/// Longest name of a person, characters.
pub const PERSON_MAX_CHARS: usize = 120;
/// Shortest name of a person that a hold can be on, characters: a hold keeps whatever names it.
pub const PERSON_MIN_CHARS: usize = 2;

/// A kind of records that is kept by one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordClass {
    /// Numbers as they were reported.
    NumbersRaw,
    /// Numbers summed up over five minutes.
    NumbersFiveMinutes,
    /// Numbers summed up over an hour.
    NumbersHour,
    /// Events of devices, and remarks on them.
    Events,
    /// Faults, as long as their incident is there, and as long as they are kept themselves.
    Faults,
    /// Incidents that are closed, with timeline, tickets and files.
    Incidents,
    /// Notices, and what became of them.
    Notices,
    /// The audit log: what people did, signing in included.
    Audit,
    /// Reports, filings, forms and minutes that were issued, what people wrote into those that are not yet, reviews of accounts, and inventory takings.
    Reports,
    /// What people attested, of backups, of machines without an agent and of accounts, with the files that show it.
    Attestations,
    /// Tables that were taken into the asset register, and what each changed.
    AssetImports,
    /// What surveys found on devices, and how it changed.
    Documents,
    /// Machines that asked to come in.
    Enrolments,
}

impl RecordClass {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 13] = [
        Self::NumbersRaw,
        Self::NumbersFiveMinutes,
        Self::NumbersHour,
        Self::Events,
        Self::Faults,
        Self::Incidents,
        Self::Notices,
        Self::Audit,
        Self::Reports,
        Self::Attestations,
        Self::AssetImports,
        Self::Documents,
        Self::Enrolments,
    ];

    /// Its name in the configuration, the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NumbersRaw => "numbers-raw",
            Self::NumbersFiveMinutes => "numbers-5m",
            Self::NumbersHour => "numbers-1h",
            Self::Events => "events",
            Self::Faults => "faults",
            Self::Incidents => "incidents",
            Self::Notices => "notices",
            Self::Audit => "audit",
            Self::Reports => "reports",
            Self::Attestations => "attestations",
            Self::AssetImports => "asset-imports",
            Self::Documents => "documents",
            Self::Enrolments => "enrolments",
        }
    }

    /// The class of a name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// The tier of history that it is, where it is numbers.
    #[must_use]
    pub const fn tier(self) -> Option<Tier> {
        match self {
            Self::NumbersRaw => Some(Tier::Raw),
            Self::NumbersFiveMinutes => Some(Tier::FiveMinutes),
            Self::NumbersHour => Some(Tier::Hour),
            Self::Events
            | Self::Faults
            | Self::Incidents
            | Self::Notices
            | Self::Audit
            | Self::Reports
            | Self::Attestations
            | Self::AssetImports
            | Self::Documents
            | Self::Enrolments => None,
        }
    }

    /// The class of a tier of history.
    #[must_use]
    pub const fn of_tier(tier: Tier) -> Self {
        match tier {
            Tier::Raw => Self::NumbersRaw,
            Tier::FiveMinutes => Self::NumbersFiveMinutes,
            Tier::Hour => Self::NumbersHour,
        }
    }
}

/// What a legal hold is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldTarget {
    /// An incident with all that belongs to it, and what its devices said from a day before it to a day after it.
    Incident(IncidentId),
    /// Everything of a device.
    Device(DeviceId),
    /// Whatever names a person: an account here or on a machine.
    Person(String),
    /// Everything of a class.
    Class(RecordClass),
    /// Everything of a period.
    Period,
}

impl HoldTarget {
    /// Its kind, as in the API and the database.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Incident(_) => "incident",
            Self::Device(_) => "device",
            Self::Person(_) => "person",
            Self::Class(_) => "class",
            Self::Period => "period",
        }
    }

    /// What of that kind; empty for a period.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Incident(id) => id.to_string(),
            Self::Device(id) => id.to_string(),
            Self::Person(name) => name.clone(),
            Self::Class(class) => class.as_str().to_owned(),
            Self::Period => String::new(),
        }
    }
}

/// A legal hold: what it is on is not deleted before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its number, from 1.
    pub number: u64,
    /// What it is on.
    pub target: HoldTarget,
    /// Only what lasted until this moment or longer; none for no bound.
    pub from: Option<Timestamp>,
    /// Only what began by this moment; none for no bound.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// When it was set, and by whom.
    pub at: Timestamp,
    /// Who set it.
    pub by: String,
    /// When, by whom and why it was ended; none while it holds.
    pub ended: Option<HoldEnd>,
}

/// How a hold ended.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldEnd {
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
}

/// What a hold keeps of numbers, for whoever deletes those: a device's or everyone's, in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumbersHold {
    /// Of one tier alone.
    pub tier: Option<Tier>,
    /// Of one device alone.
    pub device: Option<DeviceId>,
    /// Only chunks that have a series about this person.
    pub person: Option<String>,
    /// What ends after this moment, milliseconds.
    pub from_ms: i64,
    /// What begins by this moment, milliseconds.
    pub until_ms: i64,
}

impl NumbersHold {
    /// Whether it keeps a chunk of a device, which begins then. `names` says whether one of its series is about a person.
    #[must_use]
    pub fn keeps(&self, tier: Tier, device: &str, chunk_ms: i64, names: &mut dyn FnMut(&str) -> bool) -> bool {
        self.tier.is_none_or(|of| of == tier)
            && self.device.as_ref().is_none_or(|of| of.as_str() == device)
            && chunk_ms.saturating_add(tier.chunk_ms()) > self.from_ms
            && chunk_ms <= self.until_ms
            && self.person.as_deref().is_none_or(names)
    }
}

/// A number that was counted up to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// So many.
    pub count: u64,
    /// It was counted to the end; else there may be more.
    pub whole: bool,
}

/// How much there is of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassSize {
    /// How many records, or chunks of numbers, counted up to [`COUNTED_MAX`].
    pub count: Counted,
    /// The moment of the oldest.
    pub oldest: Option<Timestamp>,
}

/// What was counted of some records of a class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CountedSlice {
    /// So many were looked at.
    pub seen: u64,
    /// Behind which record to go on; none at the end.
    pub next: Option<i64>,
    /// How many are held.
    pub held: u64,
    /// How many are past their time and would go.
    pub going: u64,
    /// How many each hold in force keeps, by its number.
    pub by_hold: Vec<(u64, u64)>,
}

/// A record that is past its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRecord {
    /// What identifies it in its class.
    pub key: i64,
    /// The record as evidence and exports have it, JSON in one line; empty for one that stays.
    pub line: String,
    /// It stays: a legal hold keeps it, or it belongs to what is kept.
    pub stays: bool,
    /// Where to go on behind it.
    pub cursor: Cursor,
}

/// A place in the order in which records that are past their time are looked through; it begins with the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64, pub i64, pub i64);

impl Default for Cursor {
    fn default() -> Self {
        Self(i64::MIN, i64::MIN, i64::MIN)
    }
}

/// Records that are to be deleted, and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// Of which class.
    pub class: RecordClass,
    /// They are past their time when they ended before this moment.
    pub before: Timestamp,
    /// Which, each with the SHA-256 of its line, hex: one that has changed since is left, and what follows it.
    pub records: Vec<(i64, String)>,
    /// The newest hold that whoever chose them had seen, before they looked: where one in force is newer, nothing of this is deleted.
    pub holds_seen: u64,
    /// How many commits whoever chose them had seen, before they looked: a record that takes too long to read once more in a commit goes by what was
    /// read then, if nothing was written to it since.
    pub commits_seen: u64,
    /// The digest of the evidence if the first of them goes alone, hex: the SHA-256 of its line with its line feed.
    pub first_alone: String,
    /// When this is, for the evidence.
    pub at: Timestamp,
    /// The rule in force, in words, with who changed it last.
    pub rule: String,
    /// The file that they were exported to; empty for none.
    pub exported: String,
}

/// What is left of records that were deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deletion {
    /// Its number, from 1.
    pub number: u64,
    /// When they were deleted.
    pub at: Timestamp,
    /// Of which class.
    #[serde(serialize_with = "name_of")]
    pub class: RecordClass,
    /// The moment of the oldest, and of the newest.
    pub first: Timestamp,
    /// The newest.
    pub last: Timestamp,
    /// How many records, or chunks of numbers.
    pub count: u64,
    /// The digest over them, hex: SHA-256 over their lines, each with its line feed; for numbers as docs/records.md says.
    pub digest: String,
    /// The rule that was in force, with who changed it last.
    pub rule: String,
    /// The file that they were exported to before; empty for none.
    pub exported: String,
}

fn name_of<S: serde::Serializer>(class: &RecordClass, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.as_str())
}

impl Deletion {
    /// What the audit log says of it.
    #[must_use]
    pub fn detail(&self) -> String {
        let Self { count, first, last, digest, rule, exported, number, .. } = self;
        let exported = if exported.is_empty() { String::new() } else { format!(", exported to {exported}") };
        format!("deletion {number}: {count} records from {first} to {last}, digest {digest}, rule: {rule}{exported}")
    }
}

/// Numbers that were deleted, until the store has the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletedNumbers {
    /// What identifies it: never given twice, in any history.
    pub key: String,
    /// Of which tier.
    pub tier: Tier,
    /// The beginning of the oldest chunk, and of the newest.
    pub first: Timestamp,
    /// The newest.
    pub last: Timestamp,
    /// How many chunks.
    pub count: u64,
    /// The digest over them, hex.
    pub digest: String,
}

/// A slice of deleting numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletedSlice {
    /// How many chunks were deleted.
    pub deleted: usize,
    /// How many were looked at; fewer than asked for when there are no more.
    pub seen: usize,
    /// Where to go on behind them.
    pub cursor: Cursor,
}

/// The rule of a class, as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRule {
    /// Of which class.
    pub class: RecordClass,
    /// How long, in words that are compared: another text is another rule.
    pub text: String,
    /// How long, milliseconds; none for good.
    pub keep_ms: Option<i64>,
    /// What goes is written to a file first.
    pub exports: bool,
    /// Who says so, as the configuration names them; empty for the default.
    pub by: String,
    /// Why, where it is shorter than the floor.
    pub reason: String,
    /// Since when it is in force.
    pub since: Timestamp,
    /// Since when it has to wait before it deletes anything, as one that is new or shorter does; none where it need not, or a person had it begin.
    pub grace_from: Option<Timestamp>,
}
