//! People's accounts: passwords, lock-out, sessions.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_common::enrolment::hex;

use crate::audit;
use crate::hashing;
use crate::pki::{self, PkiError};
use crate::reach::Reach;
use crate::store::{AccountRecord, SessionRecord};

/// How long a session lasts, milliseconds.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// Failed attempts before an account is locked.
const FAILURES_MAX: u32 = 5;
/// First lock, doubled with every further failure up to the last.
const LOCK_FIRST_MS: i64 = 60_000;
const LOCK_LAST_MS: i64 = 3_600_000;
/// A password is changed after this (article 13.2: at least every 3 months).
const PASSWORD_LIFE_MS: i64 = 90 * 86_400_000;
/// Passwords that are remembered.
const EARLIER_MAX: usize = 5;
/// Shortest password.
const PASSWORD_MIN_BYTES: usize = 12;
/// What a token of the API begins with, so that a scanner of secrets knows it.
pub const TOKEN_PREFIX: &str = "iocw_";
/// Longest password that is looked at: hashing must not be a way to keep us busy.
const PASSWORD_MAX_BYTES: usize = 256;

/// A password of 20 letters and digits that are hard to confuse.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_password() -> Result<String, PkiError> {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let bytes: [u8; 20] = pki::secret()?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect())
}

/// What a person is there for. Who may do what stands in [`Role::may`] alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Repairs and maintains.
    Technician,
    /// Is on duty (*trực ban*).
    DutyOfficer,
    /// Is responsible, and reads the log.
    Leader,
    /// Reads everything, and changes nothing.
    Auditor,
    /// May do everything.
    Administrator,
}

/// What can be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Look at devices, incidents, the duty plan.
    View,
    /// See who has an account on a machine and who is signed in there (article 12: the least that is needed).
    Personal,
    /// Work on incidents.
    Handle,
    /// Plan maintenance.
    Plan,
    /// Write in the duty plan and its book, test contacts.
    Duty,
    /// Read the audit log.
    Audit,
    /// Devices, tokens, accounts: everything.
    Administer,
}

impl Right {
    /// Whether it concerns the whole, so that nobody who is limited to places has it.
    #[must_use]
    pub const fn is_of_the_whole(self) -> bool {
        matches!(self, Self::Audit | Self::Administer)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Personal => "personal",
            Self::Handle => "handle",
            Self::Plan => "plan",
            Self::Duty => "duty",
            Self::Audit => "audit",
            Self::Administer => "administer",
        }
    }

    /// Every right.
    pub const ALL: [Self; 7] =
        [Self::View, Self::Personal, Self::Handle, Self::Plan, Self::Duty, Self::Audit, Self::Administer];
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 6] =
        [Self::Viewer, Self::Technician, Self::DutyOfficer, Self::Leader, Self::Auditor, Self::Administrator];

    /// The name used in the API, the database and the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Technician => "technician",
            Self::DutyOfficer => "duty_officer",
            Self::Leader => "leader",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// The role with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether it may do nothing that the other may not.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        Right::ALL.into_iter().all(|right| !self.may(right) || other.may(right))
    }

    /// Whether it can be limited to places: what these two are there for concerns the whole.
    #[must_use]
    pub const fn can_be_limited(self) -> bool {
        !matches!(self, Self::Auditor | Self::Administrator)
    }

    /// Whether it may do this.
    #[must_use]
    pub const fn may(self, right: Right) -> bool {
        match right {
            Right::View => true,
            Right::Personal => !matches!(self, Self::Viewer),
            Right::Handle => !matches!(self, Self::Viewer | Self::Auditor),
            Right::Plan => matches!(self, Self::Technician | Self::DutyOfficer | Self::Administrator),
            Right::Duty => matches!(self, Self::DutyOfficer | Self::Leader | Self::Administrator),
            Right::Audit => matches!(self, Self::Leader | Self::Auditor | Self::Administrator),
            Right::Administer => matches!(self, Self::Administrator),
        }
    }
}

/// A new account with this password. Slow on purpose: call it off the async threads.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_account(name: &str, role: Role, password: &str, now: Timestamp) -> Result<AccountRecord, PkiError> {
    Ok(AccountRecord {
        name: name.to_owned(),
        full_name: String::new(),
        role,
        places: Vec::new(),
        password: hashing::hash(password)?,
        earlier: Vec::new(),
        password_at: now,
        must_change: false,
        disabled: false,
        failures: 0,
        locked_until: None,
        second: None,
    })
}

/// Why a name or a password cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The name.
    #[error("name: allowed are 2 to 40 characters of a-z 0-9 . _ -, the first a letter")]
    Name,
    /// Too short or too long.
    #[error("password: allowed are 12 to 256 bytes")]
    Length,
    /// It says who it belongs to.
    #[error("password: it must not contain the account's name")]
    Named,
    /// It was used before.
    #[error("password: it was used before; the last {EARLIER_MAX} are not taken again")]
    Again,
    /// The old one.
    #[error("password: the present one is wrong")]
    Wrong,
}

/// Checks the name of an account.
///
/// # Errors
/// [`NotTaken::Name`].
pub fn check_name(name: &str) -> Result<(), NotTaken> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if first && (2..=40).contains(&name.len()) && name.bytes().all(allowed) { Ok(()) } else { Err(NotTaken::Name) }
}

/// Gives an account a password that its owner chose. Slow on purpose: call it off the async threads.
///
/// # Errors
/// [`NotTaken`] when it is too weak, or was used before; that the system gives no randomness.
pub fn change_password(
    mut account: AccountRecord,
    present: &str,
    new: &str,
    now: Timestamp,
) -> Result<Result<AccountRecord, NotTaken>, PkiError> {
    let is = hashing::matches;
    if present.len() > PASSWORD_MAX_BYTES || !is(&account.password, present) {
        return Ok(Err(NotTaken::Wrong));
    }
    if new.len() < PASSWORD_MIN_BYTES || new.len() > PASSWORD_MAX_BYTES {
        return Ok(Err(NotTaken::Length));
    }
    if new.to_lowercase().contains(&account.name) {
        return Ok(Err(NotTaken::Named));
    }
    if is(&account.password, new) || account.earlier.iter().any(|hash| is(hash, new)) {
        return Ok(Err(NotTaken::Again));
    }
    let before = std::mem::replace(&mut account.password, hashing::hash(new)?);
    account.earlier.insert(0, before);
    account.earlier.truncate(EARLIER_MAX);
    (account.password_at, account.must_change) = (now, false);
    (account.failures, account.locked_until) = (0, None);
    Ok(Ok(account))
}

impl AccountRecord {
    /// Where it may look and act.
    #[must_use]
    pub fn reach(&self) -> Reach {
        Reach::of(&self.places)
    }

    /// Whether its role is one of these that need a second factor, and it has none.
    #[must_use]
    pub fn lacks_second(&self, needed: &[Role]) -> bool {
        needed.contains(&self.role) && !self.asks_for_code()
    }

    /// Whether a code is needed beside the password.
    #[must_use]
    pub fn asks_for_code(&self) -> bool {
        self.second.as_ref().is_some_and(|second| second.confirmed)
    }

    /// Whether its password must be changed before anything else (article 13.2).
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.must_change || now.millis_since(self.password_at) > PASSWORD_LIFE_MS
    }

    /// Days until its password must be changed; negative when that has passed.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (PASSWORD_LIFE_MS - now.millis_since(self.password_at)).div_euclid(86_400_000)
    }
}

/// A token of the API: what is shown once, and what is kept.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_token(
    account: &str,
    label: &str,
    role: Role,
    peer: &str,
    now: Timestamp,
    life_ms: i64,
) -> Result<(String, SessionRecord), PkiError> {
    let token = format!("{TOKEN_PREFIX}{}", pki::secret_text()?);
    let session = SessionRecord {
        digest: session_digest(&token),
        account: account.to_owned(),
        label: label.to_owned(),
        role: Some(role),
        foreign: false,
        peer: peer.to_owned(),
        created_at: now,
        expires_at: now.plus_millis(life_ms),
    };
    Ok((token, session))
}

/// What became of an attempt to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignIn {
    /// Right: the cookie, what is kept, the account and the audit record.
    Welcome {
        /// What the browser keeps.
        cookie: String,
        /// What is kept of it.
        session: SessionRecord,
        /// The account, its failures forgotten.
        account: AccountRecord,
        /// Audit record.
        entry: audit::Entry,
    },
    /// Wrong: the account as it now is, when there is one, and the audit record.
    Wrong {
        /// The account.
        account: Option<AccountRecord>,
        /// Audit record.
        entry: audit::Entry,
    },
    /// The password is right; a code of the second factor is needed, too.
    NeedsCode,
    /// Locked until then.
    Locked(Timestamp),
}

/// Checks a password, and a code where the account has a second factor. Takes as long for a name that does not exist. Slow on
/// purpose: call it off the async threads.
///
/// # Errors
/// When the system gives no randomness.
pub fn sign_in(
    known: Option<AccountRecord>,
    name: &str,
    password: &str,
    code: &str,
    peer: &str,
    now: Timestamp,
) -> Result<SignIn, PkiError> {
    if let Some(until) = known.as_ref().and_then(|account| account.locked_until)
        && until > now
    {
        return Ok(SignIn::Locked(until));
    }
    let stored = known.as_ref().map_or(NOBODY, |account| &account.password);
    let right = password.len() <= PASSWORD_MAX_BYTES && hashing::matches(stored, password);
    match known {
        Some(account) if right && !account.disabled => match account.asks_for_code() {
            true if code.is_empty() => Ok(SignIn::NeedsCode),
            true => second_step(account, code, peer, now),
            false => welcome(account, peer, false, now),
        },
        Some(account) => Ok(failed(account, peer, now)),
        None => {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            Ok(SignIn::Wrong { account: None, entry: entry(&shown, "account.sign_in_failed", peer, now) })
        }
    }
}

/// Checks a code of the second factor, when the password was right.
///
/// # Errors
/// When the system gives no randomness.
pub fn second_step(mut account: AccountRecord, code: &str, peer: &str, now: Timestamp) -> Result<SignIn, PkiError> {
    if let Some(until) = account.locked_until.filter(|until| *until > now) {
        return Ok(SignIn::Locked(until));
    }
    let taken = account.second.as_mut().and_then(|second| second.take(code, now));
    if taken.is_none() || account.disabled {
        Ok(failed(account, peer, now))
    } else {
        welcome(account, peer, false, now)
    }
}

fn entry(name: &str, action: &str, peer: &str, at: Timestamp) -> audit::Entry {
    let (actor, subject) = (name.to_owned(), name.to_owned());
    audit::Entry { at, actor, action: action.to_owned(), subject, detail: format!("from {peer}") }
}

/// Lets someone in; `foreign` where the organisation's identity provider says who it is.
///
/// # Errors
/// When the system gives no randomness.
pub fn welcome(account: AccountRecord, peer: &str, foreign: bool, now: Timestamp) -> Result<SignIn, PkiError> {
    let cookie = pki::secret_text()?;
    let session = SessionRecord {
        digest: session_digest(&cookie),
        account: account.name.clone(),
        label: String::new(),
        role: None,
        foreign,
        peer: peer.to_owned(),
        created_at: now,
        expires_at: now.plus_millis(SESSION_MS),
    };
    let by = if foreign { format!("{peer} by the identity provider") } else { peer.to_owned() };
    let entry = entry(&account.name, "account.signed_in", &by, now);
    let account = AccountRecord { failures: 0, locked_until: None, ..account };
    Ok(SignIn::Welcome { cookie, session, account, entry })
}

fn failed(mut account: AccountRecord, peer: &str, now: Timestamp) -> SignIn {
    account.failures += 1;
    if account.failures >= FAILURES_MAX {
        let lock = LOCK_FIRST_MS << (account.failures - FAILURES_MAX).min(10);
        account.locked_until = Some(now.plus_millis(lock.min(LOCK_LAST_MS)));
    }
    let entry = entry(&account.name, "account.sign_in_failed", peer, now);
    SignIn::Wrong { account: Some(account), entry }
}

/// A hash that no password matches, for names that do not exist.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is kept of a session's cookie.
#[must_use]
pub fn session_digest(cookie: &str) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, cookie.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_wrong_and_locked() {
        let now = Timestamp::from_millis(1_000_000);
        let mut account = new_account("admin", Role::Administrator, "correct horse", now).expect("hashed");
        assert!(account.password.starts_with("$argon2id$"));
        let wrong = |account: &AccountRecord, now| {
            sign_in(Some(account.clone()), "admin", "battery", "", "here", now).expect("checked")
        };
        for round in 1..=5 {
            let SignIn::Wrong { account: Some(next), entry } = wrong(&account, now) else { panic!("round {round}") };
            assert_eq!(entry.action, "account.sign_in_failed");
            account = next;
        }
        assert!(matches!(wrong(&account, now), SignIn::Locked(until) if until == now.plus_millis(60_000)));
        let later = now.plus_millis(60_000);
        let SignIn::Welcome { cookie, session, account, .. } =
            sign_in(Some(account), "admin", "correct horse", "", "here", later).expect("checked")
        else {
            panic!("right password")
        };
        assert_eq!((session.digest, account.failures), (session_digest(&cookie), 0));
        assert!(matches!(sign_in(None, "nobody", "", "", "here", now), Ok(SignIn::Wrong { account: None, .. })));
        let disabled = AccountRecord { disabled: true, ..account.clone() };
        assert!(matches!(
            sign_in(Some(disabled), "admin", "correct horse", "", "here", later),
            Ok(SignIn::Wrong { .. })
        ));

        let change = |account: &AccountRecord, present: &str, new: &str| {
            change_password(account.clone(), present, new, later).expect("random")
        };
        assert_eq!(change(&account, "battery", "a new long password"), Err(NotTaken::Wrong));
        assert_eq!(change(&account, "correct horse", "short"), Err(NotTaken::Length));
        assert_eq!(change(&account, "correct horse", "I am the Admin, I am"), Err(NotTaken::Named));
        assert_eq!(change(&account, "correct horse", "correct horse"), Err(NotTaken::Again));
        let next = change(&account, "correct horse", "battery staple").expect("taken");
        assert_eq!(change(&next, "battery staple", "correct horse"), Err(NotTaken::Again), "not even after another");
        assert!(
            !next.is_due(later.plus_millis(PASSWORD_LIFE_MS)) && next.is_due(later.plus_millis(PASSWORD_LIFE_MS + 1))
        );
        assert!(check_name("lan.nt").is_ok() && check_name("Lan").is_err() && check_name("a").is_err());
        assert_ne!(new_password().expect("random"), new_password().expect("random"));
    }
}
