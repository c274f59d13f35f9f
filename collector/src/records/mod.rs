//! Records for an investigation (article 6.3): one archive of what is asked for, which proves itself without the collector.
//!
//! [`export`] asks the running collector over its API, so that whoever asks sees what they may see and the reading of personal data is
//! recorded. [`verify`] needs nothing but the archive. What stands in it, and how it is checked, is in `docs/records.md`;
//! `tests/peers/verify_records.py` is a second verifier, by that page alone.

pub mod export;
mod tar;
pub mod verify;

use serde::{Deserialize, Serialize};

use ioc_common::audit_head::AuditHead;

/// What the format is called; another one has another name.
const FORMAT: &str = "ioc-watch records 1";
/// Says what is in the archive.
const MANIFEST: &str = "manifest.json";
/// The signature of its bytes, base64.
const SIGNATURE: &str = "manifest.sig";
/// The certificate of the authority that certified the keys.
const AUTHORITY: &str = "ca.pem";
/// Audit records, each with its proof.
const AUDIT: &str = "audit.jsonl";
/// Incidents, whole.
const INCIDENTS: &str = "incidents.jsonl";

/// What is in an archive.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    format: String,
    /// When it was made, by the clock of the machine.
    made_at: String,
    /// What was asked for.
    from: String,
    to: String,
    device: Option<String>,
    incident: Option<String>,
    /// The head that proofs of audit records lead to.
    head: AuditHead,
    /// What was found wrong with the log when it was made, a line each.
    findings: Vec<String>,
    /// The key that signed this manifest.
    key: String,
    /// All files but this one and its signature.
    files: Vec<ListedFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ListedFile {
    name: String,
    bytes: u64,
    sha256: String,
}

/// What is signed of a manifest.
fn statement(manifest: &[u8]) -> String {
    format!("{FORMAT}\nsha256 {}\n", ioc_common::encoding::sha256_hex(manifest))
}

/// Whether it is the identifier of a key: 16 hex digits.
fn is_key(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where the certificate of a key lies.
fn key_file(id: &str) -> String {
    format!("keys/{id}.pem")
}
