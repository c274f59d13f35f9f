//! An account as a person was shown it, so that nothing is written over unseen.

use ioc_common::clock::Timestamp;

/// An account that somebody was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenAccount {
    /// Its key ([`ioc_store::account_key`]).
    pub key: String,
    /// When somebody had last said who holds it, as it was shown: refused where somebody has said it since. None where that does not matter.
    pub said_at: Option<Option<Timestamp>>,
}

impl SeenAccount {
    /// As a form sends it back: milliseconds, or nothing, and the key behind a space.
    #[must_use]
    pub fn written(&self) -> String {
        let at = self.said_at.flatten().map(|at| at.as_millis().to_string()).unwrap_or_default();
        format!("{at} {}", self.key)
    }

    /// What a form sent.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let (at, key) = text.split_once(' ').unwrap_or(("", text));
        Self { key: key.to_owned(), said_at: Some(at.parse().ok().map(Timestamp::from_millis)) }
    }
}
