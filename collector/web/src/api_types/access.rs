//! Accounts, and the log of what was done.

use serde::Serialize;

use ioc_common::clock::Timestamp;

use super::names;

names! {
    /// What a person is there for.
    Role is ioc_store::Role {
        /// Sees, and changes nothing.
        Viewer = "viewer",
        /// Repairs and maintains.
        Technician = "technician",
        /// Is on duty (*trực ban*).
        DutyOfficer = "duty_officer",
        /// Is responsible, and reads the log.
        Leader = "leader",
        /// Reads everything, and changes nothing.
        Auditor = "auditor",
        /// May do everything.
        Administrator = "administrator",
    }
}

/// A record of the audit log.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AuditRecord {
    /// Number, from 1, without a gap.
    pub(crate) number: u64,
    /// When it was done, on the collector's clock.
    at: Timestamp,
    /// Account, device or task that did it.
    actor: String,
    /// What was done, as `noun.verb`.
    action: String,
    /// What it was done to: a device, an incident, an account; may be empty.
    subject: String,
    /// Particulars, in words; may be empty.
    detail: String,
    /// SHA-256 over the record and the hash before it, in hex.
    hash: String,
}

impl From<ioc_store::audit::AuditRecord> for AuditRecord {
    fn from(inside: ioc_store::audit::AuditRecord) -> Self {
        Self {
            number: inside.number,
            at: inside.at,
            actor: inside.actor,
            action: inside.action,
            subject: inside.subject,
            detail: inside.detail,
            hash: inside.hash,
        }
    }
}

/// A signed head of the audit log: what stood in it up to one record (docs/records.md).
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AuditHead {
    /// Number of the last record that it speaks of.
    pub(crate) number: u64,
    /// The hash of that record, hex.
    hash: String,
    /// The Merkle root over the hashes of all records up to it (RFC 6962), hex.
    root: String,
    /// When it was signed, on the collector's clock.
    at: Timestamp,
    /// Which key signed it.
    key: String,
    /// ECDSA P-256 with SHA-256 over the text that docs/records.md gives, ASN.1, base64.
    signature: String,
}

impl From<ioc_common::audit_head::AuditHead> for AuditHead {
    fn from(inside: ioc_common::audit_head::AuditHead) -> Self {
        let ioc_common::audit_head::AuditHead { number, hash, root, at, key, signature } = inside;
        Self { number, hash, root, at, key, signature }
    }
}

/// What a time stamping authority said of a signed head (RFC 3161).
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AuditStamp {
    /// The number of the head's record.
    pub(crate) number: u64,
    /// When the authority says that it was there.
    pub(crate) at: Timestamp,
    /// Who says so: the subject of the certificate that signed it.
    pub(crate) authority: String,
    /// The whole answer, DER in base64: of the text that docs/records.md gives.
    pub(crate) reply: String,
    /// The head that it is of; null where that is gone.
    pub(crate) head: Option<AuditHead>,
}

/// A key that signs heads of the audit log.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AuditKey {
    /// Which key it is: the first digits of the SHA-256 over its public half.
    id: String,
    /// Its certificate, PEM.
    certificate: String,
    /// When it was first used.
    at: Timestamp,
}

impl From<ioc_store::audit::AuditKey> for AuditKey {
    fn from(inside: ioc_store::audit::AuditKey) -> Self {
        Self { id: inside.id, certificate: inside.certificate, at: inside.at }
    }
}

names! {
    /// What is to be done with one's own second factor.
    SecondFactorAction {
        /// Set it up: its secret is shown.
        Start = "start",
        /// Show by a code that one has it.
        Confirm = "confirm",
        /// New codes to recover with.
        Recovery = "recovery",
        /// Take it away.
        Off = "off",
    }
}
