//! The languages in which people read what the programs say.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A language of pages and notices, by its code of ISO 639-1 in configuration, cookies and the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Language {
    /// What the site speaks.
    #[default]
    #[serde(rename = "vi")]
    Vietnamese,
    /// For whoever does not read Vietnamese.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// Vietnamese first.
    pub const ALL: [Self; 2] = [Self::Vietnamese, Self::English];

    /// The code: `vi` or `en`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vietnamese => "vi",
            Self::English => "en",
        }
    }

    /// The language of a code; none where there is no such.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == code)
    }

    /// All codes, for errors: `vi, en`.
    #[must_use]
    pub fn codes() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }

    /// Of something that is there in both languages, what is in this one.
    pub fn choose<T>(self, vietnamese: T, english: T) -> T {
        match self {
            Self::Vietnamese => vietnamese,
            Self::English => english,
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_written_by_its_code_everywhere() {
        for language in Language::ALL {
            let code = language.as_str();
            assert_eq!(Language::from_code(code), Some(language));
            assert_eq!(serde_json::to_string(&language).expect("written"), format!("{code:?}"));
            assert_eq!(serde_json::from_str::<Language>(&format!("{code:?}")).expect("read"), language);
        }
        assert!(Language::from_code("fr").is_none() && Language::from_code("").is_none());
        assert!(serde_json::from_str::<Language>("\"fr\"").is_err());
        assert_eq!(Language::codes(), "vi, en");
    }
}
