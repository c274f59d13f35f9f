//! The register of accounts (article 13): those that agents find on hosts, those of appliances that a person vouches for, and those of this
//! collector; what people say of each, what is to be done about it, and the reviews that a leader signs.
//!
//! What is found stays where it is (documents, accounts). The commits that take it keep a row for each account beside it, which lists are made of
//! ([`Reader::registered_accounts`](crate::Reader::registered_accounts)): pages read what they show, and are never behind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use crate::{AccountRecord, BackupEvidence, Role};

mod review;

pub use review::{AccountReview, ReviewLine, ReviewSignature, ReviewTally, review_digest};

/// A password is told of so many days before it is due, as the rule of hosts has it.
pub(crate) const DUE_DAYS: i64 = 15;
const DAY_MS: i64 = 86_400_000;
/// How the document of a signed review is called among reports: by this and the number of the review.
pub const ACCOUNT_REVIEW_REPORT: &str = "account-review.";

/// Most accounts in one review: a list that a person reads and signs, in one document.
pub const ACCOUNT_REVIEW_LINES_MAX: usize = 20_000;

/// Who tells of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountSource {
    /// It is one of this collector's own.
    Collector,
    /// The agent of its host.
    Agent,
    /// A person vouches for it: nothing can look at its appliance.
    Attested,
}

impl AccountSource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Collector, Self::Agent, Self::Attested];

    /// Its name in the store, the API and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Agent => "agent",
            Self::Attested => "attested",
        }
    }
}

/// What is to be done about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountFinding {
    /// Nobody has signed in with it for longer than the level allows.
    Idle,
    /// Its password is older than is allowed.
    PasswordOverdue,
    /// Its password is due within 15 days.
    PasswordDue,
    /// Nobody knows when its password was changed.
    PasswordUnknown,
    /// Anyone may sign in with it: it has no password.
    PasswordEmpty,
    /// Nobody knows who holds it.
    HolderUnknown,
    /// An administrator of this collector without a second factor.
    NoSecondFactor,
    /// The word of whoever vouched for it holds no longer.
    AttestationEnded,
}

impl AccountFinding {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::PasswordOverdue,
        Self::PasswordDue,
        Self::PasswordUnknown,
        Self::PasswordEmpty,
        Self::HolderUnknown,
        Self::NoSecondFactor,
        Self::AttestationEnded,
    ];

    /// Its name in the API, addresses and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::PasswordOverdue => "password_overdue",
            Self::PasswordDue => "password_due",
            Self::PasswordUnknown => "password_unknown",
            Self::PasswordEmpty => "password_empty",
            Self::HolderUnknown => "holder_unknown",
            Self::NoSecondFactor => "no_second_factor",
            Self::AttestationEnded => "attestation_ended",
        }
    }

    /// The finding of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|finding| finding.as_str() == text)
    }
}

/// What a review says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountVerdict {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is locked.
    Lock,
    /// It is taken out.
    Remove,
    /// It stays, and something of it changes: its password, its holder, its rights.
    Change,
}

impl AccountVerdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Keep, Self::Lock, Self::Remove, Self::Change];

    /// Its name in the store, the API and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Lock => "lock",
            Self::Remove => "remove",
            Self::Change => "change",
        }
    }

    /// The verdict of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == text)
    }

    /// What is proposed for an account with these findings.
    #[must_use]
    pub fn proposed(findings: &[AccountFinding]) -> Self {
        if findings.contains(&AccountFinding::Idle) || findings.contains(&AccountFinding::PasswordEmpty) {
            Self::Lock
        } else if findings.iter().any(|finding| *finding != AccountFinding::PasswordDue) {
            Self::Change
        } else {
            Self::Keep
        }
    }
}

/// What the laws in force ask of accounts; none where they give no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountLimits {
    /// After so many days without a sign-in an account is idle.
    pub idle_days: Option<u32>,
    /// The oldest password of an administrator, days.
    pub administrator_days: Option<u32>,
    /// The oldest password of anybody else, days.
    pub operator_days: Option<u32>,
    /// Accounts are reviewed every so many months.
    pub review_months: Option<u32>,
}

/// An account of the register.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredAccount {
    /// On which device; none for this collector.
    pub device: Option<DeviceId>,
    pub device_name: String,
    pub place: String,
    /// What one signs in with.
    pub name: String,
    pub source: AccountSource,
    /// When it was told of last.
    pub told_at: Timestamp,
    pub administrator: bool,
    /// Its role, or what makes it an administrator.
    pub role: String,
    /// Who holds it; empty where nobody has said it.
    pub holder: String,
    pub note: String,
    /// Nobody can sign in with its password; none where that is not known.
    pub locked: Option<bool>,
    pub empty_password: bool,
    pub signed_in: bool,
    /// When somebody last signed in with it; none where no record says so.
    pub last_sign_in_at: Option<Timestamp>,
    pub password_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether it has a second factor; none where that is not known here.
    pub second_factor: Option<bool>,
    /// Until when the word of whoever vouched for it holds.
    pub valid_until: Option<Timestamp>,
    /// Files that show what was vouched for.
    #[serde(default)]
    pub evidence: Vec<BackupEvidence>,
    /// Who wrote down who holds it, or vouched for it, and when.
    pub said_by: Option<String>,
    pub said_at: Option<Timestamp>,
}

impl RegisteredAccount {
    /// One that a person vouches for, on a device with its name and place.
    #[must_use]
    pub fn attested(
        (device, device_name, place): (DeviceId, String, String),
        word: AccountAttestation,
        evidence: Vec<BackupEvidence>,
    ) -> Self {
        Self {
            device: Some(device),
            device_name,
            place,
            name: word.name,
            source: AccountSource::Attested,
            told_at: word.at,
            administrator: word.administrator,
            role: word.role,
            holder: word.holder,
            note: word.note,
            locked: None,
            empty_password: false,
            signed_in: false,
            last_sign_in_at: None,
            password_at: word.password_at,
            expires_at: None,
            second_factor: None,
            valid_until: Some(word.valid_until),
            evidence,
            said_by: Some(word.by),
            said_at: Some(word.at),
        }
    }

    /// One of this collector.
    #[must_use]
    pub fn of_collector(account: AccountRecord, now: Timestamp) -> Self {
        let second_factor = Some(account.asks_for_code());
        Self {
            device: None,
            device_name: String::new(),
            place: account.places.join("; "),
            name: account.name,
            source: AccountSource::Collector,
            told_at: now,
            administrator: account.role == Role::Administrator,
            role: account.role.as_str().to_owned(),
            holder: account.full_name,
            note: String::new(),
            locked: Some(account.disabled),
            empty_password: false,
            signed_in: false,
            last_sign_in_at: account.last_sign_in_at,
            password_at: Some(account.password_at),
            expires_at: None,
            second_factor,
            valid_until: None,
            evidence: Vec::new(),
            said_by: None,
            said_at: None,
        }
    }

    /// Takes over what a person says of it; who holds it stays where they say nothing of that.
    pub fn take_word(&mut self, word: &AccountWord) {
        if !word.holder.is_empty() {
            self.holder.clone_from(&word.holder);
        }
        self.note.clone_from(&word.note);
        (self.said_by, self.said_at) = (Some(word.by.clone()), Some(word.at));
    }

    /// By what it is told from all others: its device and its name.
    #[must_use]
    pub fn key(&self) -> String {
        account_key(self.device.as_ref(), &self.name)
    }

    /// Whether somebody may still sign in with it.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.locked != Some(true) && self.expires_at.is_none_or(|ends| ends > now)
    }

    /// For how many whole days nobody has signed in with it; none where no record says so. An account of this collector that was never signed in with
    /// has been idle since its password was set: here every sign-in is on record.
    #[must_use]
    pub fn idle_days(&self, now: Timestamp) -> Option<i64> {
        if self.signed_in {
            return Some(0);
        }
        let since = match self.source {
            AccountSource::Collector => self.last_sign_in_at.max(self.password_at),
            AccountSource::Agent | AccountSource::Attested => self.last_sign_in_at,
        };
        since.map(|at| now.millis_since(at).max(0) / DAY_MS)
    }

    /// How many days ago its password was changed; none where nobody knows.
    #[must_use]
    pub fn password_days(&self, now: Timestamp) -> Option<i64> {
        self.password_at.map(|at| now.millis_since(at).max(0) / DAY_MS)
    }

    /// What is to be done about it.
    #[must_use]
    pub fn findings(&self, limits: &AccountLimits, now: Timestamp) -> Vec<AccountFinding> {
        let mut found = Vec::new();
        if self.valid_until.is_some_and(|until| until <= now) {
            found.push(AccountFinding::AttestationEnded);
        }
        if !self.is_usable(now) {
            return found;
        }
        if let (Some(most), Some(days)) = (limits.idle_days, self.idle_days(now))
            && days > i64::from(most)
        {
            found.push(AccountFinding::Idle);
        }
        let most = if self.administrator { limits.administrator_days } else { limits.operator_days };
        match (self.empty_password, self.password_days(now), most.map(i64::from)) {
            (true, ..) => found.push(AccountFinding::PasswordEmpty),
            (false, None, _) => found.push(AccountFinding::PasswordUnknown),
            (false, Some(days), Some(most)) if days > most => found.push(AccountFinding::PasswordOverdue),
            (false, Some(days), Some(most)) if days > most - DUE_DAYS => found.push(AccountFinding::PasswordDue),
            (false, Some(_), _) => {}
        }
        if self.holder.is_empty() {
            found.push(AccountFinding::HolderUnknown);
        }
        if self.source == AccountSource::Collector && self.administrator && self.second_factor == Some(false) {
            found.push(AccountFinding::NoSecondFactor);
        }
        found.sort_unstable();
        found
    }

    /// Leaves out who it is and who holds it, for whoever may not see people: which is which is told by a number.
    pub(crate) fn hide_people(&mut self, number: usize) {
        self.name = format!("#{number}");
        for text in [&mut self.holder, &mut self.note].into_iter().chain(&mut self.said_by) {
            if !text.is_empty() {
                "…".clone_into(text);
            }
        }
        self.evidence.clear();
        // Files and groups of sudo are often called as people are.
        if self.source == AccountSource::Agent {
            self.role.clear();
        }
    }
}

/// By what an account is told from all others; one of this collector has no device.
#[must_use]
pub fn account_key(device: Option<&DeviceId>, name: &str) -> String {
    format!("{}/{name}", device.map_or("", DeviceId::as_str))
}

/// The device and the name that a key says; nothing where it says none.
#[must_use]
pub fn account_of_key(key: &str) -> Option<(Option<DeviceId>, &str)> {
    let (device, name) = key.split_once('/')?;
    if name.is_empty() {
        return None;
    }
    if device.is_empty() { Some((None, name)) } else { Some((Some(DeviceId::new(device).ok()?), name)) }
}

/// What people write down of an account that is found by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountField {
    /// Who holds it.
    Holder,
    /// What there is to say besides.
    Note,
}

impl AccountField {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 2] = [Self::Holder, Self::Note];

    /// Its name in the store, the API and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holder => "holder",
            Self::Note => "note",
        }
    }

    /// The field of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == text)
    }

    /// What stands in it.
    #[must_use]
    pub fn of(self, account: &RegisteredAccount) -> &str {
        match self {
            Self::Holder => &account.holder,
            Self::Note => &account.note,
        }
    }
}

/// A row of a table that people bring: what it says of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRow {
    /// Row of the table, from 1; the headings are the first.
    pub row: u64,
    /// Which account ([`account_key`]).
    pub key: String,
    /// What it says, checked.
    pub fields: BTreeMap<AccountField, String>,
}

/// What a person says of an account that is found by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AccountWord {
    /// Who holds it; empty where nobody says so.
    pub holder: String,
    /// What there is to say besides.
    pub note: String,
    /// Who wrote that down.
    pub by: String,
    /// When they wrote it down.
    pub at: Timestamp,
}

/// What a person vouches for of an account of an appliance that nothing can look at.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountAttestation {
    pub name: String,
    pub role: String,
    pub administrator: bool,
    pub holder: String,
    /// When its password was changed; none where that is not known.
    pub password_at: Option<Timestamp>,
    /// It is not there any more.
    pub gone: bool,
    /// What was looked at, and where the evidence lies.
    pub note: String,
    /// Until when this holds.
    pub valid_until: Timestamp,
    pub by: String,
    pub at: Timestamp,
}

/// What a person vouched for of an account, at some time, with the files that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedAccount {
    /// Its number among all of them: what was vouched for later has a larger one.
    pub number: u64,
    /// The appliance.
    pub device: DeviceId,
    /// What was said.
    pub attestation: AccountAttestation,
    /// Files that show it.
    pub files: Vec<BackupEvidence>,
}

impl AttestedAccount {
    /// Leaves out who it is, who holds it and who said so, for whoever may not see people.
    pub(crate) fn hide_people(&mut self) {
        self.attestation.name = format!("#{}", self.number);
        for text in [&mut self.attestation.holder, &mut self.attestation.note, &mut self.attestation.by] {
            text.clear();
        }
        self.files.clear();
    }
}

/// Which accounts to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountQuery {
    /// Words to find in name, role, holder, device and place.
    pub search: String,
    /// Only those on this device.
    pub device: Option<DeviceId>,
    /// Only those of this holder.
    pub holder: String,
    /// Only administrators.
    pub administrator: bool,
    /// Only those with something to be done.
    pub due: bool,
    /// Only those of which this is to be done.
    pub finding: Option<AccountFinding>,
    /// Those of this collector, too.
    pub collector: bool,
    /// What the laws in force ask.
    pub limits: AccountLimits,
    /// What time it is.
    pub now: Timestamp,
    /// By key, behind this one, instead of by device and name: for programs.
    pub after: Option<String>,
    /// Pass over this many.
    pub skip: usize,
    /// At most this many.
    pub limit: usize,
}

/// How many accounts there are within reach, whatever a list is asked for.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountTally {
    pub accounts: u64,
    pub administrators: u64,
    /// How many are known by each finding, in the order of [`AccountFinding::ALL`].
    pub findings: [u64; 8],
    /// Of how many that may be used nobody knows when they were last signed in with.
    pub sign_in_unknown: u64,
    /// How many may still be used.
    pub usable: u64,
    /// Hosts whose survey of accounts could not be read.
    pub unread: u64,
}

impl AccountTally {
    /// Of how many this is to be done.
    #[must_use]
    pub fn of(&self, finding: AccountFinding) -> u64 {
        let place = AccountFinding::ALL.iter().position(|one| *one == finding);
        place.and_then(|place| self.findings.get(place)).copied().unwrap_or_default()
    }

    pub(crate) fn count(&mut self, account: &RegisteredAccount, findings: &[AccountFinding], now: Timestamp) {
        self.accounts += 1;
        self.administrators += u64::from(account.administrator);
        if account.is_usable(now) {
            self.usable += 1;
            self.sign_in_unknown += u64::from(account.idle_days(now).is_none());
        }
        for (one, count) in AccountFinding::ALL.iter().zip(&mut self.findings) {
            *count += u64::from(findings.contains(one));
        }
    }
}

/// A page of the register.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountPage {
    /// Each with what is to be done about it.
    pub rows: Vec<(RegisteredAccount, Vec<AccountFinding>)>,
    /// How many the query means in all.
    pub total: u64,
    /// All that are within reach.
    pub tally: AccountTally,
    /// Who holds accounts, as people read.
    pub holders: Vec<String>,
}

#[cfg(test)]
mod tests;
