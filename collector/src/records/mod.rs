//! Records for an investigation (article 6.3): one archive of what is asked for, which proves itself without the collector.
//!
//! [`export`] asks the running collector over its API, so that whoever asks sees what they may see and the reading of personal data is
//! recorded. [`stamps`] are what an authority outside says of when it was there. [`kept`] says how long records stay, and what holds them.
//! [`verify`] needs nothing but the archive. What stands in it, and how it is checked, is in `docs/records.md`;
//! `tests/peers/verify_records.py` is a second verifier, by that page alone.

mod attestations;
pub mod export;
pub mod kept;
mod numbers;
mod operations;
mod parts;
mod registers;
pub mod stamps;
pub mod verify;

pub use parts::Wanted;
use serde::{Deserialize, Serialize};

use crate::tar;
use ioc_common::audit_head::AuditHead;

/// What the format is called; another one has another name.
const FORMAT: &str = "ioc-watch records 1";
/// Says what is in the archive.
const MANIFEST: &str = "manifest.json";
/// The signature of its bytes, base64.
const SIGNATURE: &str = "manifest.sig";
/// What people attested of backups of other systems.
const ATTESTATIONS: &str = "attestations.jsonl";
/// What people said of accounts.
const ACCOUNTS: &str = "accounts.jsonl";
/// Documents that were issued.
const ISSUED: &str = "issued-reports.jsonl";
/// What people attested of machines without an agent.
const ASSET_ATTESTATIONS: &str = "asset-attestations.jsonl";
/// What people vouched for of accounts of appliances.
const ACCOUNT_ATTESTATIONS: &str = "account-attestations.jsonl";
/// What a time stamping authority said of the manifest's bytes (RFC 3161), where one was asked.
const STAMP: &str = "manifest.tsr";
/// What it said of heads of the log, a line each; its answers lie in `stamps/`.
const STAMPS: &str = "stamps.jsonl";
/// The certificates by which they are checked.
const STAMP_AUTHORITY: &str = "stamp-ca.pem";
/// The certificate of the authority that certified the keys.
const AUTHORITY: &str = "ca.pem";
/// Audit records, each with its proof.
const AUDIT: &str = "audit.jsonl";
/// Numbers of devices, where they are asked for.
const NUMBERS: &str = "numbers.jsonl";
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

/// Largest file of an archive of records, bytes: 8 GiB.
const PART_MAX_BYTES: u64 = 0o777_7777_7777;

/// Whether an archive of records may have such a file. Every one is held to that: when it is made, when it is put into an archive, and when
/// it is read.
fn is_part(name: &str, bytes: u64) -> bool {
    tar::is_plain(name) && !name.contains(['@', '+']) && bytes <= PART_MAX_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::TarWriter;

    #[test]
    fn a_name_is_a_path_below_and_nothing_else() {
        for name in ["manifest.json", "keys/0123456789abcdef.pem", "files/INC-000012/aa", "a..b"] {
            assert!(is_part(name, 0), "{name}");
        }
        let long = "x".repeat(101);
        for name in
            ["", "/etc/passwd", "../a", "a/../b", "a/..", "./a", "a//b", "a/", "a\\b", "a\0b", "máy", "a b", &long]
        {
            assert!(!is_part(name, 0), "{name}");
            assert!(TarWriter::new(Vec::new(), 0).append(name, 0, &mut std::io::empty()).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_is_no_larger_than_its_bound() {
        assert!(is_part("a", PART_MAX_BYTES) && !is_part("a", PART_MAX_BYTES + 1) && !is_part("a@b", 0));
    }
}
