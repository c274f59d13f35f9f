//! Notices on their way to people.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_common::language::Language;
use ioc_judge::Severity;

/// A notice for one channel.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// Idempotency key: incident, step, channel.
    pub key: String,
    pub incident: IncidentId,
    /// Channel by its name in the configuration.
    pub channel: String,
    /// For whom; empty when it is for everyone on the channel.
    pub person: String,
    /// Their address on the channel.
    pub address: String,
    /// Their language; both, the site's first, where it is for everyone.
    pub language: Option<Language>,
    /// The notice, as JSON.
    pub notice: String,
    /// How bad what it tells of is: what a channel's pace does not let through spills from the least.
    pub severity: Severity,
    /// The step of the incident: on one channel, notices to one address go in this order.
    pub step: u32,
    /// When it was decided.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Attempts that were handed over whole and never answered: each may have been a copy.
    pub unanswered: u32,
    /// When to try next.
    pub next_attempt_at: Timestamp,
    pub state: DeliveryState,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
}

impl OutboxEntry {
    /// A notice for everyone on a channel, to be tried at once.
    #[must_use]
    pub fn new(key: String, incident: IncidentId, channel: &str, notice: &str, now: Timestamp) -> Self {
        Self {
            key,
            incident,
            channel: channel.to_owned(),
            person: String::new(),
            address: String::new(),
            language: None,
            notice: notice.to_owned(),
            severity: Severity::Info,
            step: 0,
            created_at: now,
            attempts: 0,
            unanswered: 0,
            next_attempt_at: now,
            state: DeliveryState::Waiting,
            last_error: None,
            delivered_at: None,
        }
    }
}

/// What orders a channel's queue: an entry that waits, without what it says.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingDelivery {
    /// The entry's key.
    pub key: String,
    pub incident: IncidentId,
    /// The step of the incident.
    pub step: u32,
    pub severity: Severity,
    /// For whom; empty when it is for everyone on the channel.
    pub person: String,
    /// Their address on the channel.
    pub address: String,
    /// When it was decided.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// Attempts that were never answered.
    pub unanswered: u32,
    /// When to try next.
    pub next_attempt_at: Timestamp,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryState {
    /// It is to be tried, now or later.
    Waiting,
    /// The other side took it.
    Delivered,
    /// It was given up, and is not tried any more.
    Dead,
}

impl DeliveryState {
    /// In the order in which a notice comes by them; the last two are ends.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// The name used in the API and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// What became of an attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The outbox entry's key.
    pub key: String,
    /// When it was tried.
    pub at: Timestamp,
    /// Where it stands now.
    pub state: DeliveryState,
    /// How often it was tried, this time included.
    pub attempts: u32,
    /// Attempts that were never answered.
    pub unanswered: u32,
    /// When to try next.
    pub next_attempt_at: Timestamp,
    /// Why it failed; none where it did not.
    pub error: Option<String>,
}

/// What became of the notices of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelTally {
    /// The channel's name.
    pub channel: String,
    /// How many wait.
    pub waiting: u64,
    /// They were given up.
    pub dead: u64,
    /// How many were delivered.
    pub delivered: u64,
    /// When the last one was.
    pub last_at: Option<Timestamp>,
}
