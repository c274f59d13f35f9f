//! Rows of the register of accounts, how many there are of each kind, and reviews.

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store as inside;

use super::names;
use super::system_backup::Evidence;

names! {
    /// Who tells of an account.
    AccountSource is inside::AccountSource {
        /// It is one of this collector's own.
        Collector = "collector",
        /// The agent of its host.
        Agent = "agent",
        /// A person vouches for it.
        Attested = "attested",
    }
}

names! {
    /// What is to be done about an account.
    AccountFinding is inside::AccountFinding {
        /// Nobody has signed in with it for longer than the level allows.
        Idle = "idle",
        /// Its password is older than is allowed.
        PasswordOverdue = "password_overdue",
        /// Its password is due within 15 days.
        PasswordDue = "password_due",
        /// Nobody knows when its password was changed.
        PasswordUnknown = "password_unknown",
        /// It has no password.
        PasswordEmpty = "password_empty",
        /// Nobody knows who holds it.
        HolderUnknown = "holder_unknown",
        /// An administrator of this collector without a second factor.
        NoSecondFactor = "no_second_factor",
        /// The word of whoever vouched for it holds no longer.
        AttestationEnded = "attestation_ended",
    }
}

names! {
    /// What a review says of an account.
    AccountVerdict is inside::AccountVerdict {
        /// It stays as it is.
        Keep = "keep",
        /// It is locked.
        Lock = "lock",
        /// It is taken out.
        Remove = "remove",
        /// Something of it changes.
        Change = "change",
    }
}

/// An account of the register.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct RegisteredAccount {
    /// By what it is told from all others: its device and its name.
    key: String,
    /// On which device; null for this collector.
    device: Option<DeviceId>,
    device_name: String,
    place: String,
    /// What one signs in with; a number where that is not for who asks.
    name: String,
    source: AccountSource,
    /// When it was told of last.
    told_at: Timestamp,
    administrator: bool,
    /// Its role, or what makes it an administrator.
    role: String,
    /// Who holds it; empty where nobody has said it.
    holder: String,
    note: String,
    /// Nobody can sign in with its password; null where that is not known.
    locked: Option<bool>,
    /// Somebody is signed in with it.
    signed_in: bool,
    /// When somebody last signed in with it; null where no record says so, which is not never.
    last_sign_in_at: Option<Timestamp>,
    /// When its password was changed; null where nobody knows.
    password_at: Option<Timestamp>,
    /// When it ends by itself.
    expires_at: Option<Timestamp>,
    /// Whether it has a second factor; null where that is not known here.
    second_factor: Option<bool>,
    /// Until when the word of whoever vouched for it holds; null where nobody has to.
    valid_until: Option<Timestamp>,
    /// Files that show what was vouched for.
    files: Vec<Evidence>,
    /// Who wrote down who holds it, or vouched for it.
    said_by: Option<String>,
    said_at: Option<Timestamp>,
    /// What is to be done about it.
    findings: Vec<AccountFinding>,
}

impl From<(inside::RegisteredAccount, Vec<inside::AccountFinding>)> for RegisteredAccount {
    fn from((inside, findings): (inside::RegisteredAccount, Vec<inside::AccountFinding>)) -> Self {
        Self {
            key: inside.key(),
            device: inside.device,
            device_name: inside.device_name,
            place: inside.place,
            name: inside.name,
            source: inside.source.into(),
            told_at: inside.told_at,
            administrator: inside.administrator,
            role: inside.role,
            holder: inside.holder,
            note: inside.note,
            locked: inside.locked,
            signed_in: inside.signed_in,
            last_sign_in_at: inside.last_sign_in_at,
            password_at: inside.password_at,
            expires_at: inside.expires_at,
            second_factor: inside.second_factor,
            valid_until: inside.valid_until,
            files: super::all(inside.evidence),
            said_by: inside.said_by,
            said_at: inside.said_at,
            findings: super::all(findings),
        }
    }
}

/// What a person vouched for of an account of an appliance, at some time.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AttestedAccount {
    /// Its number among all of them; the cursor of the next page.
    number: u64,
    /// The appliance.
    device: DeviceId,
    /// The account.
    name: String,
    role: String,
    administrator: bool,
    holder: String,
    /// When its password was changed; null where that was not known.
    password_at: Option<Timestamp>,
    /// It was not there any more.
    gone: bool,
    note: String,
    valid_until: Timestamp,
    by: String,
    at: Timestamp,
    /// Files that show it.
    files: Vec<Evidence>,
}

impl From<inside::AttestedAccount> for AttestedAccount {
    fn from(inside: inside::AttestedAccount) -> Self {
        let inside::AttestedAccount { number, device, attestation, files } = inside;
        let inside::AccountAttestation {
            name,
            role,
            administrator,
            holder,
            password_at,
            gone,
            note,
            valid_until,
            by,
            at,
        } = attestation;
        let files = super::all(files);
        Self { number, device, name, role, administrator, holder, password_at, gone, note, valid_until, by, at, files }
    }
}

/// How many accounts there are within reach, and what is to be done about how many.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AccountCoverage {
    accounts: u64,
    administrators: u64,
    /// How many may still be used.
    usable: u64,
    /// Of how many of these nobody knows when they were last signed in with.
    sign_in_unknown: u64,
    idle: u64,
    password_overdue: u64,
    password_due: u64,
    password_unknown: u64,
    password_empty: u64,
    holder_unknown: u64,
    no_second_factor: u64,
    attestation_ended: u64,
    /// Hosts whose survey of accounts could not be read.
    unread_hosts: u64,
    /// After so many days without a sign-in an account is idle; null where the law in force gives no number.
    idle_days: Option<u32>,
    /// The oldest password of an administrator, days.
    administrator_password_days: Option<u32>,
    /// The oldest password of anybody else, days.
    operator_password_days: Option<u32>,
    /// Accounts are reviewed every so many months.
    review_months: Option<u32>,
    /// The day on which the next review is due; null where the law gives no number, or there is no record yet.
    review_due: Option<String>,
}

impl AccountCoverage {
    pub(crate) fn new(tally: &inside::AccountTally, limits: inside::AccountLimits, review_due: Option<String>) -> Self {
        use inside::AccountFinding as Finding;
        Self {
            accounts: tally.accounts,
            administrators: tally.administrators,
            usable: tally.usable,
            sign_in_unknown: tally.sign_in_unknown,
            idle: tally.of(Finding::Idle),
            password_overdue: tally.of(Finding::PasswordOverdue),
            password_due: tally.of(Finding::PasswordDue),
            password_unknown: tally.of(Finding::PasswordUnknown),
            password_empty: tally.of(Finding::PasswordEmpty),
            holder_unknown: tally.of(Finding::HolderUnknown),
            no_second_factor: tally.of(Finding::NoSecondFactor),
            attestation_ended: tally.of(Finding::AttestationEnded),
            unread_hosts: tally.unread,
            idle_days: limits.idle_days,
            administrator_password_days: limits.administrator_days,
            operator_password_days: limits.operator_days,
            review_months: limits.review_months,
            review_due,
        }
    }
}

/// A leader's signature under a review.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ReviewSignature {
    at: Timestamp,
    /// Who signed it; empty where it is not for who asks.
    by: String,
    /// SHA-256 over its lines as they were signed, hex.
    sha256: String,
    /// The number of its document among all reports that were issued.
    issued: u64,
}

/// A review of all accounts.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct AccountReview {
    /// Its number, from 1.
    number: u64,
    opened_at: Timestamp,
    /// Who opened it; empty where it is not for who asks.
    opened_by: String,
    /// How many accounts it is about.
    accounts: u64,
    /// How a leader signed it; null while it is open.
    signature: Option<ReviewSignature>,
}

impl From<inside::AccountReview> for AccountReview {
    fn from(inside: inside::AccountReview) -> Self {
        let inside::AccountReview { number, opened_at, opened_by, count, tally: _, signature } = inside;
        let signature = signature.map(|one| {
            let inside::ReviewSignature { at, by, sha256, issued } = one;
            ReviewSignature { at, by, sha256, issued }
        });
        Self { number, opened_at, opened_by, accounts: count, signature }
    }
}

/// An account in a review.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct ReviewLine {
    /// Its place, from 1.
    line: u32,
    /// The account as it stood when the review was opened, with what was to be done about it then.
    account: RegisteredAccount,
    /// What becomes of it: what is proposed until somebody says otherwise.
    verdict: AccountVerdict,
    /// Why.
    reason: String,
    /// Who wrote that; null where it is as it was proposed.
    by: Option<String>,
    at: Option<Timestamp>,
}

impl From<(u32, inside::ReviewLine)> for ReviewLine {
    fn from((line, inside): (u32, inside::ReviewLine)) -> Self {
        let inside::ReviewLine { account, findings, verdict, reason, said } = inside;
        let (by, at) = said.unzip();
        Self { line, account: (account, findings).into(), verdict: verdict.into(), reason, by, at }
    }
}
