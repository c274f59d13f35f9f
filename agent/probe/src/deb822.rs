//! The stanzas of dpkg's status and of apt's package lists (deb822(5)), read one at a time.

use std::io::{BufRead, Read as _};

/// Longest line that is looked at; longer ones are descriptions.
const LINE_MAX_BYTES: usize = 64 * 1024;

/// The fields of a stanza that are looked at.
#[derive(Debug, Default)]
pub(super) struct Stanza {
    pub(super) package: String,
    pub(super) version: String,
    pub(super) architecture: String,
    pub(super) status: String,
    pub(super) maintainer: String,
    /// The source package where it is named otherwise, with its version in brackets where that differs.
    pub(super) source: String,
    /// On how many machines of a hundred it is to be installed by now, as a number; empty where on all.
    pub(super) phased: String,
}

/// Reads deb822 stanzas, giving each to `take`. Only one stanza is in memory at a time.
pub(super) fn stanzas(mut input: impl BufRead, mut take: impl FnMut(&Stanza)) -> std::io::Result<()> {
    let mut stanza = Stanza::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut input).take(LINE_MAX_BYTES as u64).read_until(b'\n', &mut line)?;
        let text = line.trim_ascii_end();
        if text.is_empty() {
            if !stanza.package.is_empty() {
                take(&stanza);
            }
            stanza = Stanza::default();
            if read == 0 {
                return Ok(());
            }
            continue;
        }
        // Most lines begin with other letters; looking at the first one saves the search for the colon.
        let field = match text[0] {
            b'P' => text
                .strip_prefix(b"Package: ")
                .map(|value| (&mut stanza.package, value))
                .or_else(|| text.strip_prefix(b"Phased-Update-Percentage: ").map(|value| (&mut stanza.phased, value))),
            b'V' => text.strip_prefix(b"Version: ").map(|value| (&mut stanza.version, value)),
            b'A' => text.strip_prefix(b"Architecture: ").map(|value| (&mut stanza.architecture, value)),
            b'M' => text.strip_prefix(b"Maintainer: ").map(|value| (&mut stanza.maintainer, value)),
            b'S' => text
                .strip_prefix(b"Status: ")
                .map(|value| (&mut stanza.status, value))
                .or_else(|| text.strip_prefix(b"Source: ").map(|value| (&mut stanza.source, value))),
            _ => None,
        };
        if let Some((field, value)) = field {
            *field = String::from_utf8_lossy(value).into_owned();
        }
    }
}

impl Stanza {
    /// Whether dpkg has put it on the disk, wholly or in part: apt takes all but removed packages for installed.
    pub(super) fn is_unpacked(&self) -> bool {
        let state = self.status.split(' ').nth(2);
        !self.version.is_empty() && state.is_some_and(|state| !matches!(state, "not-installed" | "config-files"))
    }

    /// The source package and its version.
    pub(super) fn source(&self) -> (&str, &str) {
        match self.source.split_once(" (") {
            Some((name, version)) => (name, version.trim_end_matches(')')),
            None if self.source.is_empty() => (&self.package, &self.version),
            None => (&self.source, &self.version),
        }
    }
}
