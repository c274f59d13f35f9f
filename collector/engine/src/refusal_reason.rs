//! Why something is refused, in words that people read in their language: the pages have a text for each key, with its place and its mend, in
//! Vietnamese and English. For programs, the command line and the log it is English.

use std::fmt;

use serde::{Serialize, Serializer};

/// What stands in such a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// As it is.
    Text(String),
    /// A number.
    Count(u64),
    /// Texts of a report, by their keys.
    ReportTexts(Vec<String>),
    /// Names of one family, which have texts of their own: `asset-field` and `serial`.
    Named {
        /// The family.
        family: &'static str,
        /// Its names.
        names: Vec<String>,
    },
}

impl Word {
    /// A text as it is.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number.
    #[must_use]
    pub fn count(number: usize) -> Self {
        Self::Count(number as u64)
    }

    /// One name of a family.
    pub fn named(family: &'static str, name: impl Into<String>) -> Self {
        Self::Named { family, names: vec![name.into()] }
    }

    /// Names of a family, in their order.
    pub fn all<'n>(family: &'static str, names: impl IntoIterator<Item = &'n str>) -> Self {
        Self::Named { family, names: names.into_iter().map(str::to_owned).collect() }
    }
}

/// What sort of refusal it is: as what programs see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// What was asked for does not exist.
    NotFound,
    /// It cannot be done now.
    Conflict,
    /// The request is faulty.
    Invalid,
    /// Whoever asks may not.
    Forbidden,
    /// Something that it needs is not there now.
    Unavailable,
}

/// Why something is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalReason {
    /// The key of its text.
    pub key: &'static str,
    /// What stands in that.
    pub args: Vec<(&'static str, Word)>,
    /// Of which of several it is, such as a device; empty where there is but one.
    pub place: String,
    english: String,
}

impl RefusalReason {
    /// A reason, and the same in English.
    pub fn new<const N: usize>(key: &'static str, args: [(&'static str, Word); N], english: impl Into<String>) -> Self {
        Self { key, args: args.into(), place: String::new(), english: english.into() }
    }

    /// The same of one of several.
    #[must_use]
    pub fn of(self, place: &str) -> Self {
        Self { english: format!("{place}: {}", self.english), place: place.to_owned(), ..self }
    }

    /// For programs.
    #[must_use]
    pub fn english(&self) -> &str {
        &self.english
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.english)
    }
}

impl Serialize for RefusalReason {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&self.english)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What people reach on the pages of registers and reports, below the crate.
    const ROOMS: [&str; 6] = [
        "src/inventory/asset.rs",
        "src/inventory/asset_table.rs",
        "src/writer/assets.rs",
        "src/writer/assets/import.rs",
        "src/writer/reports.rs",
        "src/writer/software_register.rs",
    ];

    #[test]
    fn no_room_of_registers_and_reports_refuses_in_english_alone() {
        for room in ROOMS {
            let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(room)).expect("reads");
            for (number, line) in text.lines().enumerate() {
                let bare = ["Invalid(", "Conflict(", "Forbidden("]
                    .iter()
                    .any(|kind| line.contains(&format!("CommandError::{kind}")));
                assert!(
                    !bare,
                    "{room}:{}: {line}; write a RefusalReason, whose text is in collector/web/locales",
                    number + 1
                );
            }
        }
    }
}
