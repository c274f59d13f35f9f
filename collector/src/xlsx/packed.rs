//! What a packed file unpacks to, counted before anybody believes what it says of itself.

use std::io::{Cursor, Read as _};

use super::unreadable;

/// Most bytes that all parts together unpack to: twenty thousand rows of twenty columns take a third of it.
const UNPACKED_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Most parts: a workbook has a few for each of its sheets.
const PARTS_MAX: usize = 2_000;
/// The shortest text of a list of texts, bytes.
const TEXT_MIN_BYTES: usize = b"<si/>".len();

/// How many texts a list of them says it has, as often as it says so.
fn counts(part: &[u8]) -> impl Iterator<Item = usize> + '_ {
    const NAME: &[u8] = b"uniqueCount";
    let places = part.windows(NAME.len()).enumerate().filter(|(_, name)| *name == NAME);
    places.map(|(at, _)| {
        let rest = part[at + NAME.len()..]
            .iter()
            .skip_while(|byte| matches!(byte, b' ' | b'=' | b'"' | b'\'' | b'\t' | b'\n' | b'\r'));
        let digits = rest.take_while(|byte| byte.is_ascii_digit());
        digits.fold(0_usize, |all, digit| all.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
    })
}

/// Unpacks everything once and keeps nothing.
///
/// # Errors
/// It is no packed file, or what it holds is too much to be read; with the mend.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    check_within(bytes, UNPACKED_MAX_BYTES)
}

/// The same, for parts that together unpack to at most so many bytes.
pub(super) fn check_within(bytes: &[u8], most_bytes: u64) -> Result<(), String> {
    let mut parts = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
    let too_much = || {
        let most = most_bytes >> 20;
        format!("it unpacks to more than {most} MiB; mend: copy the table alone into a new workbook, or save it as CSV")
    };
    if parts.len() > PARTS_MAX {
        return Err(format!(
            "it has {} parts; mend: copy the table alone into a new workbook, or save it as CSV",
            parts.len()
        ));
    }
    let mut left = most_bytes;
    for number in 0..parts.len() {
        let part = parts.by_index(number).map_err(|error| unreadable(&error))?;
        let name = part.name().map_err(|error| unreadable(&error))?.to_ascii_lowercase();
        // What it says of its size is not believed.
        let mut part = part.take(left + 1);
        let read = if name.ends_with("sharedstrings.xml") {
            let mut content = Vec::new();
            let read = part.read_to_end(&mut content).map_err(|error| unreadable(&error))? as u64;
            // Its reader makes room for as many as it says.
            if counts(&content).any(|count| count > content.len() / TEXT_MIN_BYTES) {
                return Err(unreadable(&"it says it has more texts than it has"));
            }
            read
        } else {
            std::io::copy(&mut part, &mut std::io::sink()).map_err(|error| unreadable(&error))?
        };
        left = left.checked_sub(read).ok_or_else(too_much)?;
    }
    Ok(())
}
