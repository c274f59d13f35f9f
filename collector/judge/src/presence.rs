//! Whether a device is heard: live, away by its own word, suspect, silent.
//!
//! A link that breaks makes a device *suspect* after half its keep-alive, one on which nothing comes any more shortly before one and
//! a half of it; the collector then asks the host itself (a second probe), since an agent that is gone is not a host that is down;
//! then it is *silent*. All of it, answer included, is over one and a half keep-alives after the last packet. A goodbye makes a
//! device *away* until its return deadline, which is no outage.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::report::GoodbyeReason;

/// Whether a device is heard, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Presence {
    /// Enrolled, not yet heard.
    NeverSeen,
    /// It is heard.
    Live {
        /// Since when without a break.
        since: Timestamp,
    },
    /// Said goodbye and means to return.
    Away {
        /// When it said goodbye.
        since: Timestamp,
        /// By when it means to be back.
        until: Timestamp,
        /// Why it left, by its own word.
        reason: GoodbyeReason,
    },
    /// The link is broken; it may come back within `until`.
    Suspect {
        /// When the link broke.
        since: Timestamp,
        /// When it will be judged.
        until: Timestamp,
        /// The host itself has been asked.
        probing: bool,
    },
    /// Not heard any more.
    Silent {
        /// When the link broke.
        since: Timestamp,
        /// What the second probe found.
        host: HostAnswer,
    },
}

/// Presence in one word, without since when and why.
#[allow(missing_docs, reason = "the names are the glossary's")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PresenceState {
    NeverSeen,
    Live,
    Away,
    Suspect,
    HostDown,
    Silent,
}

impl PresenceState {
    /// From a device that is still to be heard to one that is heard no more.
    pub const ALL: [Self; 6] = [Self::NeverSeen, Self::Live, Self::Away, Self::Suspect, Self::HostDown, Self::Silent];

    /// The name used in the API, on pages and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NeverSeen => "never_seen",
            Self::Live => "live",
            Self::Away => "away",
            Self::Suspect => "suspect",
            Self::HostDown => "host_down",
            Self::Silent => "silent",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl Presence {
    /// The state that is shown: a device whose link broke just now counts as live until its host is asked.
    #[must_use]
    pub const fn state(self) -> PresenceState {
        match self {
            Self::NeverSeen => PresenceState::NeverSeen,
            Self::Live { .. } | Self::Suspect { probing: false, .. } => PresenceState::Live,
            Self::Away { .. } => PresenceState::Away,
            Self::Suspect { probing: true, .. } => PresenceState::Suspect,
            Self::Silent { host: HostAnswer::No, .. } => PresenceState::HostDown,
            Self::Silent { host: HostAnswer::Yes | HostAnswer::Unknown, .. } => PresenceState::Silent,
        }
    }

    /// The name of its [state](Self::state).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.state().as_str()
    }

    /// Since when, where that is known.
    #[must_use]
    pub const fn since(self) -> Option<Timestamp> {
        match self {
            Self::NeverSeen => None,
            Self::Live { since }
            | Self::Away { since, .. }
            | Self::Suspect { since, .. }
            | Self::Silent { since, .. } => Some(since),
        }
    }

    /// When this must be looked at again.
    pub(crate) const fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::Away { until, .. } | Self::Suspect { until, .. } => Some(until),
            Self::NeverSeen | Self::Live { .. } | Self::Silent { .. } => None,
        }
    }
}

/// What the host itself answered when its agent was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostAnswer {
    /// The host answers: the agent is lost, not the machine.
    Yes,
    /// The host does not answer either.
    No,
    /// It could not be asked.
    Unknown,
}

/// How long a broken link may take to come back before the host is asked: half the keep-alive, at least 2 s and at most 60 s. A link
/// that broke late has less: [`silent_after_ms`] goes before it.
#[must_use]
pub const fn grace_ms(keep_alive_s: u16) -> i64 {
    let half = keep_alive_s as i64 * 500;
    if half < 2000 {
        2000
    } else if half > 60_000 {
        60_000
    } else {
        half
    }
}

/// By when a device must be called silent, counted from its last packet: one and a half keep-alives, less what a commit may take.
#[must_use]
pub const fn silent_after_ms(keep_alive_s: u16) -> i64 {
    keep_alive_s as i64 * 1500 - COMMIT_MS
}

/// How long nothing may come on a link before its host is asked, counted from the last packet: as late as the answer allows, but
/// longer than the keep-alive, after which a ping may still be on its way.
#[must_use]
pub const fn quiet_after_ms(keep_alive_s: u16) -> i64 {
    let latest = silent_after_ms(keep_alive_s) - HOST_PROBE_MS;
    let earliest = keep_alive_s as i64 * 1100;
    if latest < earliest { earliest } else { latest }
}

/// How long the second probe may take.
pub const HOST_PROBE_MS: i64 = 1750;
/// What it may take until what was judged can be seen.
const COMMIT_MS: i64 = 250;
