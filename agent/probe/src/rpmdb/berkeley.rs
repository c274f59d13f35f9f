//! `Packages` of RHEL, CentOS and Rocky 7 and 8: a hash database of Berkeley DB 4.8 to 5.3, read only as far as it is needed: pages of
//! the hash, and the chains of overflow pages that hold every header of more than a quarter of a page (`dbinc/db_page.h`).

use ioc_common::software::Item;

use super::{HEADERS_MAX, header_item};

/// Magic number of a hash database.
const MAGIC: u32 = 0x0006_1561;
/// Where items of a page begin.
const PAGE_HEADER: usize = 26;
/// Kinds of page.
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH: u8 = 13;
/// Kinds of item.
const KEYDATA: u8 = 1;
const OFFPAGE: u8 = 3;

/// Whether this is one.
pub(super) fn is_database(file: &[u8]) -> bool {
    PageReader::new(file).is_ok()
}

/// Every package.
pub(super) fn packages(file: &[u8]) -> Result<Vec<Item>, String> {
    let reader = PageReader::new(file)?;
    let mut items = Vec::new();
    for page in file.chunks_exact(reader.page).skip(1) {
        if !matches!(page[25], HASH | HASH_UNSORTED) {
            continue;
        }
        let count = usize::from(reader.two(page, 20).unwrap_or(0)).min(reader.page / 2);
        let offset = |number: usize| reader.two(page, PAGE_HEADER + number * 2).map(usize::from);
        // Keys and values take turns; a value's header is what is wanted.
        for value in (1..count).step_by(2) {
            let (Some(at), Some(end)) = (offset(value), offset(value - 1)) else {
                return Err("a page is cut".to_owned());
            };
            let header = match page.get(at) {
                Some(&KEYDATA) => page.get(at + 1..end).map(<[u8]>::to_vec),
                Some(&OFFPAGE) => Some(reader.chain(page, at)?),
                _ => None,
            };
            // The record of key 0 holds the highest number that was given, and is no header.
            items.extend(header.as_deref().and_then(header_item));
            if items.len() >= HEADERS_MAX {
                return Ok(items);
            }
        }
    }
    Ok(items)
}

struct PageReader<'f> {
    file: &'f [u8],
    page: usize,
    /// Written by a machine of the other byte order.
    big: bool,
}

impl<'f> PageReader<'f> {
    fn new(file: &'f [u8]) -> Result<Self, String> {
        let magic = file.get(12..16).map(|b| [b[0], b[1], b[2], b[3]]).ok_or("is too short")?;
        let big = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (MAGIC, _) => false,
            (_, MAGIC) => true,
            _ => return Err("is no hash of Berkeley DB".to_owned()),
        };
        let mut reader = Self { file, page: 0, big };
        let page = reader.four(file, 20).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        if !page.is_power_of_two() || !(512..=65_536).contains(&page) {
            return Err("has an odd page size".to_owned());
        }
        reader.page = page;
        Ok(reader)
    }

    fn two(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let pair = bytes.get(at..at + 2).map(|b| [b[0], b[1]])?;
        Some(if self.big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) })
    }

    fn four(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let four = bytes.get(at..at + 4).map(|b| [b[0], b[1], b[2], b[3]])?;
        Some(if self.big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) })
    }

    /// What lies on a chain of overflow pages that the item at `at` names.
    fn chain(&self, page: &[u8], at: usize) -> Result<Vec<u8>, String> {
        let cut = || "a chain of overflow pages is cut".to_owned();
        let mut next = self.four(page, at + 4).ok_or_else(cut)?;
        let length = self.four(page, at + 8).and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)?;
        if length > self.file.len() {
            return Err("a header is longer than the file".to_owned());
        }
        let mut whole = Vec::with_capacity(length);
        while next != 0 && whole.len() < length {
            let start = usize::try_from(next).ok().and_then(|next| next.checked_mul(self.page)).ok_or_else(cut)?;
            let page = self.file.get(start..start + self.page).ok_or_else(cut)?;
            let count = usize::from(self.two(page, 22).ok_or_else(cut)?);
            // A page that adds nothing would lead in circles.
            if page[25] != OVERFLOW || count == 0 {
                return Err(cut());
            }
            whole.extend_from_slice(page.get(PAGE_HEADER..PAGE_HEADER + count).ok_or_else(cut)?);
            next = self.four(page, 16).ok_or_else(cut)?;
        }
        if whole.len() == length { Ok(whole) } else { Err(cut()) }
    }
}
