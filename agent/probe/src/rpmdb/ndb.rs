//! `Packages.db` of SUSE: rpm's own "ndb" (`lib/backend/ndb/rpmpkg.c`): pages of slots, each of which names a blob that is a header.

use ioc_common::software::Item;

use super::{HEADERS_MAX, header_item};

/// Bytes of a page of slots, of a slot, and of the blocks that offsets count.
const PAGE: usize = 4096;
const SLOT: usize = 16;
const BLOCK: usize = 16;
/// Bytes before the first slot, and before a blob's data.
const HEAD: usize = 32;
const BLOB_HEAD: usize = 16;

/// Whether this is one.
pub(super) fn is_database(file: &[u8]) -> bool {
    file.starts_with(b"RpmP")
}

/// Every package.
pub(super) fn packages(file: &[u8]) -> Result<Vec<Item>, String> {
    let four = |at: usize| {
        let bytes = file.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        bytes.and_then(|number| usize::try_from(number).ok())
    };
    if four(4) != Some(0) {
        return Err("has a version that is not known".to_owned());
    }
    let pages = four(12).ok_or("is too short")?;
    let slots = file.get(HEAD..pages.saturating_mul(PAGE)).ok_or("its pages of slots are cut")?;
    let mut items = Vec::new();
    for (number, slot) in slots.chunks_exact(SLOT).enumerate() {
        let at = HEAD + number * SLOT;
        if !slot.starts_with(b"Slot") {
            return Err(format!("slot {number} is none"));
        }
        let (index, block) = (four(at + 4).unwrap_or(0), four(at + 8).unwrap_or(0));
        if index == 0 || block == 0 {
            continue;
        }
        let blob = block.saturating_mul(BLOCK);
        let whole = file.get(blob..blob.saturating_add(4)) == Some(b"BlbS") && four(blob + 4) == Some(index);
        let length = four(blob.saturating_add(12)).filter(|_| whole);
        let header = length.and_then(|length| file.get(blob + BLOB_HEAD..(blob + BLOB_HEAD).checked_add(length)?));
        items.extend(header_item(header.ok_or_else(|| format!("package {index} is cut"))?));
        if items.len() >= HEADERS_MAX {
            break;
        }
    }
    Ok(items)
}
