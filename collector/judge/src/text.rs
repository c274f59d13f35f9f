//! A text in both languages.

use serde::{Deserialize, Serialize};

/// A text in Vietnamese and English. Vietnamese comes first everywhere.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Vietnamese.
    pub vi: String,
    /// English.
    pub en: String,
}

impl Text {
    /// A text from its two halves.
    #[must_use]
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into() }
    }

    /// The text in `language`: English for `en`, else Vietnamese.
    #[must_use]
    pub fn get(&self, language: &str) -> &str {
        if language == "en" { &self.en } else { &self.vi }
    }
}
