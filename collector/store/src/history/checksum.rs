//! The checksum of a row and of a chunk.

use std::fmt;

/// With its checksum behind it.
pub(crate) fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// What stands between version and checksum, when both are right.
pub(crate) fn without_checksum(bytes: &[u8], version: u8) -> Result<&[u8], Corrupt> {
    let (body, crc) = bytes.split_last_chunk::<4>().ok_or(Corrupt)?;
    if crc32fast::hash(body).to_le_bytes() != *crc {
        return Err(Corrupt);
    }
    body.strip_prefix(&[version]).ok_or(Corrupt)
}

/// Whether a row or a chunk is as it was written.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|version| without_checksum(bytes, *version).is_ok())
}

/// A row or a chunk that does not match its checksum or form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrupt;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not match its checksum")
    }
}

impl std::error::Error for Corrupt {}
