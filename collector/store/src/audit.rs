//! The audit log: append-only, each record bound to the one before by a hash, so that a change or a gap shows
//! (article 6.3).

use ioc_common::clock::Timestamp;
use ioc_common::encoding::hex;
use serde::Serialize;

use crate::merkle::Frontier;

/// What is to be recorded in the audit log.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub at: Timestamp,
    /// Who: a person's account, `local:<uid>` for the command line, or empty for the collector itself.
    pub actor: String,
    /// What was done, as `noun.verb`.
    pub action: String,
    /// About what: a device, an incident, an account.
    pub subject: String,
    /// Details, with old and new value where something was changed.
    pub detail: String,
}

/// A record of the log.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Number, from 1, without a gap.
    pub number: u64,
    pub at: Timestamp,
    /// Who did it; empty for the collector itself.
    pub actor: String,
    /// What was done, as `noun.verb`.
    pub action: String,
    /// What it was done to; may be empty.
    pub subject: String,
    /// What belongs to it; may be empty.
    pub detail: String,
    /// SHA-256 over the record and the hash before it, in hex.
    pub hash: String,
}

/// Whether a record of this action may name people of machines, and who holds accounts there: whoever decides about accounts is held to what
/// they wrote, old and new, so that the log has it; who reads it is on record, too.
#[must_use]
pub fn names_people(action: &str) -> bool {
    action.starts_with("accounts.")
        || matches!(action, "config.changed" | "personal.listed" | "records.held" | "records.hold_ended")
}

/// A key that signs heads of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditKey {
    /// Which it is ([`ioc_common::audit_head::key_id`]).
    pub id: String,
    /// Its public half: an uncompressed point of P-256, 65 bytes.
    pub public: Vec<u8>,
    /// Its certificate by the collector's authority, PEM.
    pub certificate: String,
    /// When it was first used.
    pub at: Timestamp,
}

/// How many records are looked through for words at a time ([`crate::Reader::audit_before`]): each is read whole.
pub const LOOKED_THROUGH: u64 = 200_000;

/// Longest answer of a time stamping authority that is kept, bytes: it has its certificates with it.
pub const STAMP_MAX_BYTES: usize = 65_536;

/// What a time stamping authority said of a signed head (RFC 3161), checked before it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditStamp {
    /// Of the head of this record.
    pub number: u64,
    /// When the authority says that it was there.
    pub at: Timestamp,
    /// Who says so: the subject of the certificate that signed it.
    pub authority: String,
    /// The whole answer, DER, up to [`STAMP_MAX_BYTES`].
    pub reply: Vec<u8>,
}

/// Where the log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditTip {
    /// Number of the last record that is committed; 0 before the first.
    pub number: u64,
    /// Its hash, hex; [`GENESIS`] before the first.
    pub hash: String,
    /// The Merkle tree over the hashes of all records up to it.
    pub tree: Frontier,
}

/// The hash before the first record.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The record that follows `previous` (its hash, and its number).
#[must_use]
pub fn seal(previous: &str, number: u64, entry: &AuditEntry) -> AuditRecord {
    let AuditEntry { at, actor, action, subject, detail } = entry.clone();
    let hash = digest(previous, number, entry);
    AuditRecord { number, at, actor, action, subject, detail, hash }
}

/// Whether `record` follows the record with the hash `previous`.
#[must_use]
pub fn follows(previous: &str, record: &AuditRecord) -> bool {
    let entry = AuditEntry {
        at: record.at,
        actor: record.actor.clone(),
        action: record.action.clone(),
        subject: record.subject.clone(),
        detail: record.detail.clone(),
    };
    digest(previous, record.number, &entry) == record.hash
}

/// Every field with its length before it, so that no two records can read alike.
fn digest(previous: &str, number: u64, entry: &AuditEntry) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(b"ioc-watch audit 1\n");
    context.update(previous.as_bytes());
    context.update(&number.to_be_bytes());
    context.update(&entry.at.as_millis().to_be_bytes());
    for field in [&entry.actor, &entry.action, &entry.subject, &entry.detail] {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field.as_bytes());
    }
    hex(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_breaks_the_chain() {
        let entry = |detail: &str| AuditEntry {
            at: Timestamp::from_millis(5),
            actor: "lan".into(),
            action: "incident.acknowledged".into(),
            subject: "INC-000001".into(),
            detail: detail.into(),
        };
        let first = seal(GENESIS, 1, &entry("a"));
        let second = seal(&first.hash, 2, &entry("b"));
        assert!(follows(GENESIS, &first) && follows(&first.hash, &second));
        assert!(!follows(GENESIS, &second), "a record in between is missing");
        assert!(!follows(&first.hash, &AuditRecord { detail: "c".into(), ..second.clone() }));
        assert!(!follows(&first.hash, &AuditRecord { subject: "INC-000001b".into(), detail: String::new(), ..second }));
    }
}
