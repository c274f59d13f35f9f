//! The rpm database, read directly (article 9.1), in its three forms, and the headers in it: `rpmdb.sqlite` of current systems,
//! `Packages` of older ones (`berkeley`), `Packages.db` of SUSE (`ndb`). No process is started.
//!
//! Only what is needed of SQLite's file format is read: table b-trees with overflow pages (sqlite.org/fileformat2.html). A
//! database with pages waiting in its write-ahead log is read without them, which a later survey makes up for.

mod berkeley;
mod ndb;

use ioc_common::software::Item;

/// Most headers that are read.
const HEADERS_MAX: usize = 20_000;
/// Deepest b-tree.
const DEPTH_MAX: usize = 20;

/// Every package of a database, whichever its form.
///
/// # Errors
/// What is not of the expected form.
pub fn packages(file: &[u8]) -> Result<Vec<Item>, String> {
    if ndb::is_database(file) {
        return ndb::packages(file);
    }
    if berkeley::is_database(file) {
        return berkeley::packages(file);
    }
    let pager = Pager::new(file)?;
    let mut root = None;
    pager.walk(1, 0, &mut |payload| {
        // sqlite_schema: type, name, tbl_name, rootpage, sql.
        let columns = record(payload);
        if let [Value::Text(kind), Value::Text(name), _, Value::Integer(page), ..] = columns.as_slice()
            && *kind == "table"
            && *name == "Packages"
        {
            root = u32::try_from(*page).ok();
        }
        true
    })?;
    let root = root.ok_or("has no table Packages")?;
    let mut items = Vec::new();
    pager.walk(root, 0, &mut |payload| {
        if let [_, Value::Blob(header), ..] = record(payload).as_slice()
            && let Some(item) = header_item(header)
        {
            items.push(item);
        }
        items.len() < HEADERS_MAX
    })?;
    Ok(items)
}

struct Pager<'f> {
    file: &'f [u8],
    page: usize,
    usable: usize,
    /// How many pages may still be looked at: a broken file must not lead in circles.
    left: std::cell::Cell<usize>,
}

enum Value<'v> {
    Integer(i64),
    Text(&'v str),
    Blob(&'v [u8]),
    Other,
}

impl<'f> Pager<'f> {
    fn new(file: &'f [u8]) -> Result<Self, String> {
        if file.len() < 100 || !file.starts_with(b"SQLite format 3\0") {
            return Err("is no SQLite database".to_owned());
        }
        let page = match u16::from_be_bytes([file[16], file[17]]) {
            1 => 65_536,
            size if size.is_power_of_two() && size >= 512 => usize::from(size),
            _ => return Err("has an odd page size".to_owned()),
        };
        // No page belongs to two places of the trees; the schema's is looked at beside.
        let left = std::cell::Cell::new(file.len() / page + 1);
        Ok(Self { file, page, usable: page - usize::from(file[20]), left })
    }

    fn bytes(&self, number: u32) -> Result<&'f [u8], String> {
        let start = usize::try_from(number).ok().and_then(|n| n.checked_sub(1)?.checked_mul(self.page));
        let page = start.and_then(|start| self.file.get(start..start + self.page));
        page.ok_or_else(|| format!("page {number} is beyond its end"))
    }

    /// Gives the payload of every row below `number` to `take`, until it says no.
    fn walk(&self, number: u32, depth: usize, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<bool, String> {
        let left = self.left.get();
        if depth > DEPTH_MAX || left == 0 {
            return Err("is no tree: its pages lead in circles".to_owned());
        }
        self.left.set(left - 1);
        let page = self.bytes(number)?;
        let start = if number == 1 { 100 } else { 0 };
        let short = || format!("page {number} is cut");
        let two = |at: usize| page.get(at..at + 2).map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        let four = |at: usize| page.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let kind = *page.get(start).ok_or_else(short)?;
        let cells = two(start + 3).ok_or_else(short)?;
        let pointers = match kind {
            0x0d => start + 8,
            0x05 => start + 12,
            _ => return Err(format!("page {number} is of no table")),
        };
        for cell in 0..cells {
            let at = two(pointers + cell * 2).ok_or_else(short)?;
            if kind == 0x05 {
                if !self.walk(four(at).ok_or_else(short)?, depth + 1, take)? {
                    return Ok(false);
                }
                continue;
            }
            let (length, next) = varint(page, at).ok_or_else(short)?;
            let (_, next) = varint(page, next).ok_or_else(short)?;
            let payload = self.payload(page, next, usize::try_from(length).map_err(|_| short())?)?;
            if !take(&payload) {
                return Ok(false);
            }
        }
        if kind == 0x05 {
            return self.walk(four(start + 8).ok_or_else(short)?, depth + 1, take);
        }
        Ok(true)
    }

    /// A cell's payload with what lies on overflow pages.
    fn payload(&self, page: &'f [u8], at: usize, length: usize) -> Result<std::borrow::Cow<'f, [u8]>, String> {
        let cut = || "a row is cut".to_owned();
        let most = self.usable - 35;
        if length <= most {
            return page.get(at..at + length).map(Into::into).ok_or_else(cut);
        }
        if length > self.file.len() {
            return Err("a row is longer than the file".to_owned());
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (self.usable - 4);
        let local = if fitting <= most { fitting } else { least };
        let mut whole = page.get(at..at + local).ok_or_else(cut)?.to_vec();
        let pointer = |bytes: Option<&[u8]>| bytes.map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let mut next = pointer(page.get(at + local..at + local + 4)).ok_or_else(cut)?;
        while next != 0 && whole.len() < length {
            let page = self.bytes(next)?;
            let count = (length - whole.len()).min(self.usable - 4);
            whole.extend_from_slice(&page[4..4 + count]);
            next = pointer(page.get(..4)).ok_or_else(cut)?;
        }
        if whole.len() == length { Ok(whole.into()) } else { Err(cut()) }
    }
}

fn varint(bytes: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for place in 0..9 {
        let byte = *bytes.get(at)?;
        at += 1;
        if place == 8 {
            return Some((value << 8 | u64::from(byte), at));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some((value, at))
}

/// The columns of a record.
fn record(payload: &[u8]) -> Vec<Value<'_>> {
    let mut columns = Vec::new();
    let Some((header, mut at)) = varint(payload, 0) else { return columns };
    let Some(end) = usize::try_from(header).ok().filter(|end| *end <= payload.len()) else { return columns };
    let mut body = end;
    while at < end && columns.len() < 16 {
        let Some((kind, next)) = varint(payload, at) else { break };
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            _ => kind.saturating_sub(12) / 2,
        };
        let Some(length) = usize::try_from(length).ok().filter(|length| body.saturating_add(*length) <= payload.len())
        else {
            break;
        };
        let bytes = &payload[body..body + length];
        body += length;
        columns.push(match kind {
            1..=6 => Value::Integer(
                bytes.iter().fold(if bytes[0] & 0x80 == 0 { 0 } else { -1 }, |n, b| n << 8 | i64::from(*b)),
            ),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            kind if kind >= 12 && kind.is_multiple_of(2) => Value::Blob(bytes),
            kind if kind >= 13 => std::str::from_utf8(bytes).map_or(Value::Other, Value::Text),
            _ => Value::Other,
        });
    }
    columns
}

/// Reads a header of rpm: a table of tags and a store of values (rpm's format, version 4).
#[must_use]
pub fn header_item(header: &[u8]) -> Option<Item> {
    let four = |at: usize| header.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let index = usize::try_from(four(0)?).ok().filter(|count| *count < 100_000)?;
    let store = header.get(8 + index * 16..)?;
    let (mut name, mut version, mut release, mut arch) = (None, None, None, None);
    let (mut epoch, mut licence, mut vendor, mut packager, mut installed) = (None, None, None, None, None);
    for entry in 0..index {
        let at = 8 + entry * 16;
        let (tag, kind, offset) = (four(at)?, four(at + 4)?, usize::try_from(four(at + 8)?).ok()?);
        let text = || {
            let bytes = store.get(offset..)?;
            let end = bytes.iter().position(|b| *b == 0)?;
            matches!(kind, 6 | 8 | 9).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
        };
        let number = || {
            store.get(offset..offset + 4).filter(|_| kind == 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
        };
        match tag {
            1000 => name = text(),
            1001 => version = text(),
            1002 => release = text(),
            1003 => epoch = number(),
            1008 => installed = number(),
            1011 => vendor = text(),
            1014 => licence = text(),
            1015 => packager = text(),
            1022 => arch = text(),
            _ => {}
        }
    }
    let (name, version) = (name?, version?);
    // Keys of trust are kept as packages of this name; they are no software.
    if name == "gpg-pubkey" {
        return None;
    }
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    Some(Item {
        source: "rpm".to_owned(),
        name: arch.map_or(name.clone(), |arch| format!("{name}.{arch}")),
        version: format!("{epoch}{version}-{}", release.unwrap_or_default()),
        publisher: vendor.or(packager).unwrap_or_default(),
        licence: licence.unwrap_or_default(),
        place: String::new(),
        installed_on: installed.map(|at| crate::time_zone::date(i64::from(at))).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A header with these texts and numbers, as rpm writes it.
    pub(crate) fn header(texts: &[(u32, &str)], numbers: &[(u32, u32)]) -> Vec<u8> {
        let (mut index, mut store) = (Vec::new(), Vec::new());
        let mut entry = |tag: u32, kind: u32, offset: usize| {
            for value in [tag, kind, u32::try_from(offset).expect("short"), 1] {
                index.extend_from_slice(&value.to_be_bytes());
            }
        };
        for (tag, number) in numbers {
            entry(*tag, 4, store.len());
            store.extend_from_slice(&number.to_be_bytes());
        }
        for (tag, text) in texts {
            entry(*tag, 6, store.len());
            store.extend_from_slice(text.as_bytes());
            store.push(0);
        }
        let mut header = u32::try_from(texts.len() + numbers.len()).expect("short").to_be_bytes().to_vec();
        header.extend_from_slice(&u32::try_from(store.len()).expect("short").to_be_bytes());
        header.extend_from_slice(&index);
        header.extend_from_slice(&store);
        header
    }

    #[test]
    fn a_header_tells_all_columns() {
        let texts =
            [(1000, "bash"), (1001, "5.1.8"), (1002, "9.el9"), (1011, "Rocky"), (1014, "GPLv3+"), (1022, "x86_64")];
        let item = header_item(&header(&texts, &[(1003, 1), (1008, 1_795_485_600)])).expect("reads");
        assert_eq!((item.name.as_str(), item.version.as_str()), ("bash.x86_64", "1:5.1.8-9.el9"));
        assert_eq!((item.licence.as_str(), item.installed_on.as_str()), ("GPLv3+", "2026-11-24"));
        assert_eq!(header_item(&header(&[(1000, "gpg-pubkey"), (1001, "1")], &[])), None);
        assert!(packages(b"SQLite format 3\0").is_err() && packages(b"").is_err());
    }

    /// A `Packages.db` as rpm writes it: a page of slots, and a blob for each header.
    fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
        let mut file = b"RpmP".to_vec();
        for number in [0_u32, 1, 1, 9, 0, 0, 0] {
            file.extend_from_slice(&number.to_le_bytes());
        }
        let mut blobs = Vec::new();
        for slot in 0..(4096 - 32) / 16 {
            let (index, block) = match headers.get(slot) {
                Some(header) => {
                    let index = u32::try_from(slot + 1).expect("few");
                    let block = u32::try_from((4096 + blobs.len()) / 16).expect("few");
                    blobs.extend_from_slice(b"BlbS");
                    for number in [index, 1, u32::try_from(header.len()).expect("short")] {
                        blobs.extend_from_slice(&number.to_le_bytes());
                    }
                    blobs.extend_from_slice(header);
                    blobs.resize(blobs.len().next_multiple_of(16), 0);
                    (index, block)
                }
                None => (0, 0),
            };
            file.extend_from_slice(b"Slot");
            for number in [index, block, 0] {
                file.extend_from_slice(&number.to_le_bytes());
            }
        }
        [file, blobs].concat()
    }

    #[test]
    fn suse_keeps_headers_in_slots() {
        let one = |name: &str| header(&[(1000, name), (1001, "1.0"), (1002, "lp155.1")], &[]);
        let file = ndb(&[one("bash"), one("gpg-pubkey"), one("zypper")]);
        let items = packages(&file).expect("reads");
        assert_eq!(items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), ["bash", "zypper"]);
        for cut in [5, 100, 4096, file.len() - 40] {
            assert!(packages(&file[..cut]).is_err(), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_behind_a_head_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
            let mut ndb = b"RpmP\0\0\0\0\x01\0\0\0\x01\0\0\0".to_vec();
            ndb.extend_from_slice(&bytes);
            let _ = packages(&ndb);
            let mut berkeley = vec![0; 12];
            berkeley.extend_from_slice(&0x0006_1561_u32.to_le_bytes());
            berkeley.extend_from_slice(&[9, 0, 0, 0, 0, 2, 0, 0]);
            berkeley.resize(512, 0);
            berkeley.extend_from_slice(&bytes);
            let _ = packages(&berkeley);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let _ = header_item(&bytes);
            let mut file = b"SQLite format 3\0\x02\x00".to_vec();
            file.extend_from_slice(&bytes);
            let _ = packages(&file);
        }
    }
}
