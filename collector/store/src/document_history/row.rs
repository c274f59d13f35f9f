//! What a row of the history holds, as bytes: JSON, packed where that is worth it, with a checksum over all that the row says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CHANGE_MAX_BYTES, Difference};

/// As it is.
const PLAIN: u8 = 1;
/// Packed by LZ4.
const PACKED: u8 = 2;
/// Below it nothing is gained.
const PACK_MIN_BYTES: usize = 400;
/// Most bytes that are unpacked: what [`CHANGE_MAX_BYTES`] can hold, packed well.
const UNPACKED_MAX_BYTES: usize = 64 << 20;

/// What a change says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct ChangeRow {
    /// What differs, from the version before to its own.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub(crate) differences: Option<Vec<Difference>>,
    /// The version before, whole.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(crate) whole: Option<Value>,
    /// It was this many bytes, and is not kept.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(crate) too_large: Option<usize>,
}

impl ChangeRow {
    /// Nothing is known of the time before.
    pub(crate) const FIRST: Self = Self { differences: None, whole: None, too_large: None };
}

/// What else a row says: its checksum is over that, too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlace<'r> {
    pub(crate) device: i64,
    pub(crate) name: &'r str,
    pub(crate) number: u64,
    pub(crate) at_ms: i64,
    pub(crate) depth: i64,
}

impl RowPlace<'_> {
    fn checksum(&self, bytes: &[u8]) -> [u8; 4] {
        let mut crc = crc32fast::Hasher::new();
        crc.update(&self.device.to_le_bytes());
        crc.update(self.name.as_bytes());
        crc.update(&self.number.to_le_bytes());
        crc.update(&self.at_ms.to_le_bytes());
        crc.update(&self.depth.to_le_bytes());
        crc.update(bytes);
        crc.finalize().to_le_bytes()
    }
}

/// The bytes of a row.
pub(crate) struct SealedRow {
    pub(crate) bytes: Vec<u8>,
    /// It has the version before whole.
    pub(crate) has_whole: bool,
}

/// Makes the bytes of a row. One that is too large says so and nothing else.
pub(crate) fn seal(place: RowPlace<'_>, row: &ChangeRow) -> SealedRow {
    let plain = serde_json::to_vec(row).unwrap_or_default();
    let mut bytes = if plain.len() < PACK_MIN_BYTES {
        [&[PLAIN], plain.as_slice()].concat()
    } else {
        [&[PACKED], lz4_flex::block::compress_prepend_size(&plain).as_slice()].concat()
    };
    if (bytes.len() > CHANGE_MAX_BYTES || plain.len() > UNPACKED_MAX_BYTES) && row.too_large.is_none() {
        return seal(place, &ChangeRow { too_large: Some(plain.len()), ..ChangeRow::FIRST });
    }
    bytes.extend_from_slice(&place.checksum(&bytes));
    SealedRow { bytes, has_whole: row.whole.is_some() }
}

/// What a row says; none when it is damaged.
pub(crate) fn open(place: RowPlace<'_>, bytes: &[u8]) -> Option<ChangeRow> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if place.checksum(body) != *crc {
        return None;
    }
    let (version, body) = body.split_first()?;
    match *version {
        PLAIN => serde_json::from_slice(body).ok(),
        PACKED => {
            let (size, _) = lz4_flex::block::uncompressed_size(body).ok()?;
            let plain = (size <= UNPACKED_MAX_BYTES).then(|| lz4_flex::block::decompress_size_prepended(body))?;
            serde_json::from_slice(&plain.ok()?).ok()
        }
        _ => None,
    }
}
