//! What an archive holds, signed by the authority: files, tables, the moment that all of it is as of.

use std::collections::BTreeMap;

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_store::backup::{CopiedStore, TableSum};

use super::error::ArchiveFault;

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// The last two files of an archive.
pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const SIGNATURE: &str = "manifest.sig";
/// The authority's certificate.
pub(super) const AUTHORITY: &str = "pki/ca.pem";
/// What comes before a manifest when it is signed: no signature of anything else is one.
const SIGNED_AS: &[u8] = b"ioc-watch backup manifest 1\n";

/// What an archive holds.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// Version of the program that made it.
    pub product: String,
    /// Of which collector, as in the archive's name.
    pub collector: String,
    pub site: String,
    /// The moment that the store is as of.
    pub made_at: Timestamp,
    /// What the audit log says of it as `backup.started`, right before: it must be found in what is restored.
    pub sentinel: String,
    /// The store: which one, its commits, the end of its audit log.
    pub store: CopiedStore,
    /// Every file but the manifest and its signature.
    pub files: Vec<FileSum>,
    /// Every table.
    pub tables: Vec<TableSum>,
    /// Files that the configuration names and that are not in it, each with the reason.
    pub left_out: Vec<String>,
}

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Its path within the archive.
    pub path: String,
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// Where it came from, where that is not the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// What is signed for a manifest.
pub(super) fn to_sign(manifest: &[u8]) -> Vec<u8> {
    [SIGNED_AS, manifest].concat()
}

/// The SHA-256 of an authority's certificate, hex, as agents know it.
pub(super) fn fingerprint(pem: &[u8]) -> Result<String, ArchiveFault> {
    Ok(sha256_hex(&der(pem)?))
}

fn der(pem: &[u8]) -> Result<Vec<u8>, ArchiveFault> {
    let parsed = x509_parser::pem::parse_x509_pem(pem);
    parsed
        .map(|(_, pem)| pem.contents)
        .map_err(|_| ArchiveFault::Manifest("comes with no certificate of an authority".to_owned()))
}

/// Reads a manifest, which must be signed by the authority whose certificate lies beside it; by `expected`, where that is known.
pub(super) fn read(
    text: &[u8],
    signature: &[u8],
    authority: &[u8],
    expected: Option<&str>,
) -> Result<Manifest, ArchiveFault> {
    let certificate = der(authority)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
        .map_err(|_| ArchiveFault::Manifest("comes with no certificate of an authority".to_owned()))?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, parsed.public_key().subject_public_key.data.as_ref());
    key.verify(&to_sign(text), signature).map_err(|_| ArchiveFault::Signature)?;
    let found = sha256_hex(&certificate);
    if let Some(expected) = expected.filter(|expected| !expected.eq_ignore_ascii_case(&found)) {
        return Err(ArchiveFault::Authority { found, expected: expected.to_owned() });
    }
    // First what a newer one has, too.
    #[derive(Deserialize)]
    struct Version {
        format: u32,
        #[serde(default)]
        product: String,
    }
    let unread = |error: serde_json::Error| ArchiveFault::Manifest(format!("cannot be read: {error}"));
    let Version { format, product } = serde_json::from_slice(text).map_err(unread)?;
    if format > FORMAT {
        return Err(ArchiveFault::Newer { found: format, known: FORMAT, product });
    }
    serde_json::from_slice(text).map_err(unread)
}

impl Manifest {
    /// Holds what was found against what it says.
    pub(super) fn compare(&self, found: &[FileSum]) -> Result<(), ArchiveFault> {
        let mut left: BTreeMap<&str, &FileSum> = self.files.iter().map(|one| (one.path.as_str(), one)).collect();
        for one in found {
            let Some(said) = left.remove(one.path.as_str()) else { return Err(ArchiveFault::Extra(one.path.clone())) };
            if (said.bytes, &said.sha256) != (one.bytes, &one.sha256) {
                return Err(ArchiveFault::Differs(one.path.clone()));
            }
        }
        left.keys().next().map_or(Ok(()), |path| Err(ArchiveFault::Missing((*path).to_owned())))
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().fold(0, |sum, one| sum.saturating_add(one.rows))
    }

    /// Bytes of all files.
    #[must_use]
    pub fn plain_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, one| sum.saturating_add(one.bytes))
    }
}

/// What two sums of tables differ in; nothing when they are the same.
pub(super) fn different_tables(said: &[TableSum], found: &[TableSum]) -> Option<String> {
    let differ = said.iter().find_map(|one| {
        match found.iter().find(|other| (&other.file, &other.table) == (&one.file, &one.table)) {
            None => Some(format!("the table {} of {} is missing", one.table, one.file)),
            Some(other) if other.rows != one.rows => {
                Some(format!("the table {} of {} has {} rows and had {}", one.table, one.file, other.rows, one.rows))
            }
            Some(other) if other.sha256 != one.sha256 => {
                Some(format!("the table {} of {} has other contents", one.table, one.file))
            }
            Some(_) => None,
        }
    });
    differ.or_else(|| (said.len() != found.len()).then(|| "there are tables that were not".to_owned()))
}
