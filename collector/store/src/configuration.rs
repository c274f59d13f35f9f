//! The configuration that is set on pages, by API and on the command line: its parts, and each text that one was given, as a version that stays.
//!
//! What a part says is TOML in the very form that a file has; it is read and checked by the engine, which knows what stands in a file beside it.

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;

/// Longest reason for a change, characters.
pub const WHY_MAX_CHARS: usize = 500;

/// A part of the configuration: what is changed, kept and brought back as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Name of the site, its agencies, language and time zone: `[site]`.
    Site,
    /// People, rotas, escalation, routes: the form of `config/duty.toml`.
    Duty,
    /// The rules: the form of `config/rules.toml`.
    Rules,
    /// Channels for notices: `[[channel]]`.
    Channels,
    /// Ticket systems: `[[ticket]]`.
    Tickets,
    /// Systems whose alerts are taken in: `[[source]]`.
    Sources,
    /// Jobs on other systems that report their success: `[[job]]`.
    Jobs,
    /// Settings for groups of agents: `[[settings]]`.
    AgentGroups,
    /// How long records are kept: the form of `config/retention.toml`.
    Retention,
    /// What must be written down of each asset: `[register]`.
    Register,
    /// Which packages make which software: the form of `config/software.toml`.
    Software,
    /// Laws and level: `[legal]`.
    Legal,
    /// The collector's own backups: `[backup]`.
    Backup,
    /// Who stamps the audit log: `[timestamp]`.
    Timestamps,
    /// Identity provider, and who needs a second factor: `[oidc]`, `[people]`.
    Identity,
    /// What is told to Prometheus, and remote write: `[prometheus]`, `[remote_write]`.
    Metrics,
    /// Which profile reads which plain MQTT sensor: `[[values]]`.
    Sensors,
    /// Who misses us: `[heartbeat]`.
    Heartbeat,
}

impl Part {
    /// All of them, in the order of pages and exports.
    pub const ALL: [Self; 18] = [
        Self::Site,
        Self::Duty,
        Self::Channels,
        Self::Rules,
        Self::Tickets,
        Self::Sources,
        Self::Jobs,
        Self::AgentGroups,
        Self::Sensors,
        Self::Register,
        Self::Software,
        Self::Legal,
        Self::Identity,
        Self::Retention,
        Self::Backup,
        Self::Timestamps,
        Self::Metrics,
        Self::Heartbeat,
    ];

    /// Its name in the store, the API, addresses and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Duty => "duty",
            Self::Rules => "rules",
            Self::Channels => "channels",
            Self::Tickets => "tickets",
            Self::Sources => "sources",
            Self::Jobs => "jobs",
            Self::AgentGroups => "agent-groups",
            Self::Retention => "retention",
            Self::Register => "register",
            Self::Software => "software",
            Self::Legal => "legal",
            Self::Backup => "backup",
            Self::Timestamps => "timestamps",
            Self::Identity => "identity",
            Self::Metrics => "metrics",
            Self::Sensors => "sensors",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// The part of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == name)
    }
}

/// A text that a part was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationVersion {
    /// Of which part.
    pub part: Part,
    /// From 1 within the part.
    pub number: u64,
    /// What it says, TOML; none where the part was given back to its file, or to what it is without one.
    pub text: Option<String>,
    /// When it was saved.
    pub at: Timestamp,
    /// Who saved it: the name of an account.
    pub who: String,
    /// Why.
    pub why: String,
}

impl ConfigurationVersion {
    /// SHA-256 of the text, hex; of nothing where there is none. It stands beside the text, so that one that was damaged on disk is not taken.
    #[must_use]
    pub fn digest(text: Option<&str>) -> String {
        sha256_hex(text.unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_part_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = Part::ALL.into_iter().map(Part::as_str).collect();
        assert_eq!(names.len(), Part::ALL.len());
        assert!(Part::ALL.into_iter().all(|part| Part::parse(part.as_str()) == Some(part)));
        assert_eq!(Part::parse("paths"), None);
    }
}
