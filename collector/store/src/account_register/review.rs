//! Reviews of all accounts: a line for each as it stood, with what becomes of it, and what a leader signs.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;

use super::{AccountFinding, AccountVerdict, RegisteredAccount};

/// An account in a review: as it stood when the review was opened, and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewLine {
    /// The account as it stood.
    pub account: RegisteredAccount,
    /// What was to be done about it then.
    pub findings: Vec<AccountFinding>,
    /// What becomes of it.
    pub verdict: AccountVerdict,
    /// Why.
    pub reason: String,
    /// Who wrote that, and when; none where it is as it was proposed.
    pub said: Option<(String, Timestamp)>,
}

impl ReviewLine {
    /// A line with what is proposed.
    #[must_use]
    pub fn proposed(account: RegisteredAccount, findings: Vec<AccountFinding>) -> Self {
        let verdict = AccountVerdict::proposed(&findings);
        Self { account, findings, verdict, reason: String::new(), said: None }
    }

    /// Whether a reason must be given and is not: whatever is not kept has one.
    #[must_use]
    pub fn lacks_reason(&self) -> bool {
        self.verdict != AccountVerdict::Keep && self.reason.trim().is_empty()
    }
}

/// By what the lines of a review are known again: SHA-256 over them as JSON, hex.
#[must_use]
pub fn review_digest(lines: &[ReviewLine]) -> String {
    // Nothing in them can fail to be written.
    sha256_hex(&serde_json::to_vec(lines).unwrap_or_default())
}

/// A review of all accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReview {
    /// Its number, from 1.
    pub number: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Who opened it.
    pub opened_by: String,
    /// How many accounts it is about.
    pub count: u64,
    /// What is said of how many of them.
    pub tally: ReviewTally,
    /// How a leader signed it; none while it is open.
    pub signature: Option<ReviewSignature>,
}

/// What is said of how many accounts of a review, kept with it as it is written into: nobody reads all of its lines to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReviewTally {
    /// How many stay as they are, are locked, are taken out and change.
    pub verdicts: [u64; 4],
    /// How many are not kept and have no reason yet.
    pub without_reason: u64,
    /// How often somebody wrote into it: what was seen at one number is what stands there at the same.
    pub written: u64,
}

impl ReviewTally {
    fn place(verdict: AccountVerdict) -> usize {
        AccountVerdict::ALL.iter().position(|one| *one == verdict).unwrap_or_default()
    }

    /// How many have this verdict.
    #[must_use]
    pub fn of(&self, verdict: AccountVerdict) -> u64 {
        self.verdicts[Self::place(verdict)]
    }

    /// One line more.
    pub fn add(&mut self, line: &ReviewLine) {
        self.verdicts[Self::place(line.verdict)] += 1;
        self.without_reason += u64::from(line.lacks_reason());
    }

    /// What stood in a line is written over.
    pub(crate) fn replace(&mut self, was: &ReviewLine, is: &ReviewLine) {
        let place = Self::place(was.verdict);
        self.verdicts[place] = self.verdicts[place].saturating_sub(1);
        self.without_reason = self.without_reason.saturating_sub(u64::from(was.lacks_reason()));
        self.add(is);
        self.written += 1;
    }
}

/// A leader's signature under a review, which is never changed from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewSignature {
    /// When it was signed.
    pub at: Timestamp,
    /// Who signed it.
    pub by: String,
    /// SHA-256 over its lines as JSON, hex.
    pub sha256: String,
    /// The number of its document among all reports that were issued.
    pub issued: u64,
}
