//! Which record: of an incident, a shift, a piece of maintenance or a drill; as addresses and issued versions have it.

use std::fmt;
use std::str::FromStr;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;

/// Longest name of a rota in a key, characters.
const ROTA_MAX_CHARS: usize = 60;

/// A record of one thing: `incident-record.12`, `shift.noc.1790000000000`, `maintenance.7`, `restore.1790000000000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKey {
    /// What happened in an incident (10.2c), by its number.
    Incident(u64),
    /// A shift that is handed over.
    Shift {
        /// Its rota, as [`rota_key`] has it.
        rota: String,
        /// When it begins.
        from: Timestamp,
    },
    /// Maintenance work (11), by the number of its window.
    Maintenance(u64),
    /// A drill of restoring a backup (7), by when it was held.
    Restore(Timestamp),
}

/// Why a text is no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "record: found {0:?}; allowed are incident-record, maintenance, shift and restore with what they are of, such as incident-record.12"
)]
pub struct RecordKeyError(pub String);

/// A rota as keys have it, which know small letters, digits and few signs: its own name, or a digest of it.
#[must_use]
pub fn rota_key(id: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if !id.is_empty() && id.chars().count() <= ROTA_MAX_CHARS && id.chars().all(plain) {
        return id.to_owned();
    }
    sha256_hex(id.as_bytes()).chars().take(16).collect()
}

impl RecordKey {
    /// What the keys of each sort begin with.
    pub const BEGINS: [&str; 4] = ["incident-record.", "shift.", "maintenance.", "restore."];

    /// Whether a report of the record is one of these.
    #[must_use]
    pub fn is_record(report: &str) -> bool {
        Self::BEGINS.iter().any(|begin| report.starts_with(begin))
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [incident, shift, maintenance, restore] = Self::BEGINS;
        match self {
            Self::Incident(number) => write!(out, "{incident}{number}"),
            Self::Shift { rota, from } => write!(out, "{shift}{rota}.{}", from.as_millis()),
            Self::Maintenance(number) => write!(out, "{maintenance}{number}"),
            Self::Restore(at) => write!(out, "{restore}{}", at.as_millis()),
        }
    }
}

impl FromStr for RecordKey {
    type Err = RecordKeyError;

    fn from_str(text: &str) -> Result<Self, RecordKeyError> {
        let none = || RecordKeyError(text.to_owned());
        let [incident, shift, maintenance, restore] = Self::BEGINS;
        let number = |text: &str| text.parse::<u64>().map_err(|_| none());
        let moment = |text: &str| {
            let millis = text.parse::<i64>().ok().filter(|millis| *millis >= 0);
            millis.map(Timestamp::from_millis).ok_or_else(none)
        };
        let key = if let Some(rest) = text.strip_prefix(incident) {
            Self::Incident(number(rest)?)
        } else if let Some(rest) = text.strip_prefix(maintenance) {
            Self::Maintenance(number(rest)?)
        } else if let Some(rest) = text.strip_prefix(restore) {
            Self::Restore(moment(rest)?)
        } else {
            let (rota, from) = text.strip_prefix(shift).and_then(|rest| rest.rsplit_once('.')).ok_or_else(none)?;
            Self::Shift { rota: rota.to_owned(), from: moment(from)? }
        };
        // One record has one key: 007 is none.
        if key.to_string() == text { Ok(key) } else { Err(none()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_key_and_no_other_text_is_one() {
        let at = Timestamp::from_millis(1_790_000_000_000);
        for key in [
            RecordKey::Incident(12),
            RecordKey::Maintenance(7),
            RecordKey::Restore(at),
            RecordKey::Shift { rota: rota_key("noc"), from: at },
            RecordKey::Shift { rota: rota_key("Trực ban 24/7"), from: at },
        ] {
            let text = key.to_string();
            assert_eq!(text.parse(), Ok(key));
            assert!(RecordKey::is_record(&text));
            assert!(text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c)), "{text}");
        }
        assert_ne!(rota_key("Trực"), rota_key("Truc"));
        for odd in
            ["", "incident-record.", "incident-record.012", "incident.12", "shift.noc", "restore.-5", "clause.1.2"]
        {
            assert!(odd.parse::<RecordKey>().is_err(), "{odd}");
        }
    }
}
