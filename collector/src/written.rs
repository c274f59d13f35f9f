//! Text as people and other systems write it, made fit for where it goes.

use std::fmt::Write as _;

/// One line of at most `most` characters, without what no line holds.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Percent-encoded: everything but the unreserved characters of RFC 3986.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
