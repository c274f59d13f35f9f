//! Why something is refused, in words that people read in their language: the pages have a text for each key, with its place and its mend, in
//! Vietnamese and English. For programs, the command line and the log it is English.

use std::fmt;

use ioc_common::id::{DeviceId, IdError};
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
    /// In which field, where the text names none.
    pub within: Option<Box<Word>>,
    english: String,
}

impl RefusalReason {
    /// A reason, and the same in English.
    pub fn new<const N: usize>(key: &'static str, args: [(&'static str, Word); N], english: impl Into<String>) -> Self {
        Self { key, args: args.into(), place: String::new(), within: None, english: english.into() }
    }

    /// The same of one of several.
    #[must_use]
    pub fn of(self, place: &str) -> Self {
        Self { english: format!("{place}: {}", self.english), place: place.to_owned(), ..self }
    }

    /// The same in a field, by its name in the API and its word.
    #[must_use]
    pub fn within(self, field: &str, word: Word) -> Self {
        Self { english: format!("{field}: {}", self.english), within: Some(Box::new(word)), ..self }
    }

    /// There is no such device.
    #[must_use]
    pub fn no_device(device: &DeviceId) -> Self {
        let english = format!("there is no device {device}");
        Self::new("refusal-device-missing", [("device", Word::text(device.as_str()))], english)
    }

    /// The role of whoever asks does not allow it.
    #[must_use]
    pub fn role() -> Self {
        Self::new("refusal-role", [], "your role does not allow this")
    }

    /// It is of the whole centre, and whoever asks is limited to places.
    #[must_use]
    pub fn whole_centre() -> Self {
        let english = "this is about the whole centre, and your account is limited to places";
        Self::new("refusal-whole-centre", [], english)
    }

    /// Whoever does not come in is told the same, whatever is wrong.
    #[must_use]
    pub fn sign_in_wrong() -> Self {
        Self::new("refusal-sign-in-wrong", [], "name, password or code is wrong")
    }

    /// There is no such account.
    #[must_use]
    pub fn no_account(name: &str) -> Self {
        let english = format!("there is no account {name:?}");
        Self::new("refusal-account-missing", [("name", Word::text(name))], english)
    }

    /// A token changes no accounts.
    #[must_use]
    pub fn token_changes() -> Self {
        let english = "a token cannot change accounts, passwords, second factors or tokens; sign in";
        Self::new("refusal-token-changes", [], english)
    }

    /// No machine waits as this.
    #[must_use]
    pub fn no_request(id: &str) -> Self {
        Self::new("refusal-request-missing", [("id", Word::text(id))], format!("no machine waits as {id}"))
    }

    /// There is no such review of accounts.
    #[must_use]
    pub fn no_review(number: u64) -> Self {
        let english = format!("there is no review of accounts {number}");
        Self::new("register-refused-no-review", [("number", Word::Count(number))], english)
    }

    /// A review is not as whoever signs it has seen it.
    #[must_use]
    pub fn review_since() -> Self {
        let english = "somebody wrote into it since; look at it again, then sign";
        Self::new("register-refused-review-since", [], english)
    }

    /// There is no such file.
    #[must_use]
    pub fn no_file() -> Self {
        Self::new("refusal-no-file", [], "there is no such file")
    }

    /// What is no place to go on from in a list.
    #[must_use]
    pub fn cursor(found: &str) -> Self {
        let english = format!("cursor: found {found:?}; allowed is what next_cursor gave");
        Self::new("refusal-cursor", [("found", Word::text(found))], english)
    }

    /// What is no identifier of a device.
    #[must_use]
    pub fn no_device_id(error: &IdError) -> Self {
        Self::new("refusal-device-id", [("found", Word::text(error.found.as_str()))], error.to_string())
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
    #[test]
    fn no_refusal_of_a_command_is_a_text_in_one_language() {
        let source = include_str!("command_error.rs");
        let (_, rest) = source.split_once("pub enum CommandError {").expect("the errors of commands");
        let (variants, _) = rest.split_once("\n}").expect("their end");
        // What the store or the system says is for the log, and pages say that it failed.
        assert_eq!(
            variants.matches("String").count(),
            1,
            "write a RefusalReason, whose text is in collector/web/locales"
        );
        assert!(variants.contains("Unavailable(String)"), "{variants}");
    }
}
