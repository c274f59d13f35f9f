//! Which filing: by its name in the law pack, and the year where it is made once a year.

use std::fmt;
use std::str::FromStr;

/// Years that a filing can be of.
const YEARS: std::ops::Range<i16> = 2000..2200;
/// What reports begin with in the record that are filings.
const ROOM: &str = "filings/";
/// The dossier, as packs name it.
pub(super) const DOSSIER_ID: &str = "level-dossier";

/// A filing: `level-dossier`, `form-08.2026`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilingKey {
    id: String,
    year: Option<i16>,
}

/// Why a text is no filing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "filing: found {0:?}; allowed are the name of a filing of the law pack in force, and a year behind a full stop where it is made once a year; \
     mend: write for example level-dossier or form-08.2026"
)]
pub struct FilingKeyError(pub String);

impl FilingKey {
    /// The filing of a name, of a year where it is made once a year.
    #[must_use]
    pub fn new(id: &str, year: Option<i16>) -> Self {
        Self { id: id.to_owned(), year }
    }

    /// The security-level dossier.
    #[must_use]
    pub fn dossier() -> Self {
        Self::new(DOSSIER_ID, None)
    }

    /// Its name in the pack.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The year that it is of.
    #[must_use]
    pub const fn year(&self) -> Option<i16> {
        self.year
    }

    /// The one of the year before; none where it is not of a year.
    #[must_use]
    pub fn before(&self) -> Option<Self> {
        self.year.map(|year| Self { id: self.id.clone(), year: Some(year - 1) })
    }

    /// As its address has it, behind the room of filings.
    #[must_use]
    pub fn address(&self) -> String {
        self.year.map_or_else(|| self.id.clone(), |year| format!("{}.{year}", self.id))
    }

    /// Whether a report of the record is a filing.
    #[must_use]
    pub fn is_filing(report: &str) -> bool {
        report.starts_with(ROOM)
    }
}

impl fmt::Display for FilingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ROOM}{}", self.address())
    }
}

impl FromStr for FilingKey {
    type Err = FilingKeyError;

    /// Reads an address.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || FilingKeyError(text.chars().take(60).collect());
        let (id, year) = match text.split_once('.') {
            None => (text, None),
            Some((id, year)) => {
                let read = year.parse().ok().filter(|read| year.len() == 4 && YEARS.contains(read));
                (id, Some(read.ok_or_else(wrong)?))
            }
        };
        let plain = |one: char| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-';
        if id.is_empty() || id.len() > 40 || !id.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Self::new(id, year))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written() {
        for text in ["level-dossier", "form-08.2026"] {
            let key: FilingKey = text.parse().expect("good");
            assert_eq!((key.address().as_str(), key.to_string()), (text, format!("filings/{text}")));
        }
        let form: FilingKey = "form-08.2026".parse().expect("good");
        assert_eq!(
            (form.year(), form.before().map(|key| key.address())),
            (Some(2026), Some("form-08.2025".to_owned()))
        );
        assert_eq!(FilingKey::dossier().before(), None);
        for wrong in ["", "Form", "form-08.26", "form-08.1999", "form-08.2026.1", "a/b", "form-08.+202"] {
            let refused = wrong.parse::<FilingKey>().expect_err(wrong).to_string();
            assert!(refused.contains("level-dossier"), "{refused}");
        }
        assert!(FilingKey::is_filing("filings/level-dossier") && !FilingKey::is_filing("clause.2026-01-01.2026-03-31"));
    }
}
