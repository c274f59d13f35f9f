//! People's accounts: passwords, lock-out, sessions.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use ioc_common::clock::Timestamp;
use ioc_common::enrolment::hex;

use crate::audit;
use crate::pki::{self, PkiError};
use crate::store::{AccountRecord, SessionRecord};

/// How long a session lasts, milliseconds.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// Failed attempts before an account is locked.
const FAILURES_MAX: u32 = 5;
/// First lock, doubled with every further failure up to the last.
const LOCK_FIRST_MS: i64 = 60_000;
const LOCK_LAST_MS: i64 = 3_600_000;
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

/// A new account with this password. Slow on purpose: call it off the async threads.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_account(name: &str, role: &str, password: &str, now: Timestamp) -> Result<AccountRecord, PkiError> {
    Ok(AccountRecord {
        name: name.to_owned(),
        role: role.to_owned(),
        password: hash(password)?,
        password_at: now,
        failures: 0,
        locked_until: None,
    })
}

fn hash(password: &str) -> Result<String, PkiError> {
    let failed = |error: argon2::password_hash::Error| PkiError::Make(error.to_string());
    let salt = SaltString::encode_b64(&pki::secret::<16>()?).map_err(failed)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt).map_err(failed)?.to_string())
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
    /// Locked until then.
    Locked(Timestamp),
}

/// Checks a password. Takes as long for a name that does not exist. Slow on purpose: call it off the async threads.
///
/// # Errors
/// When the system gives no randomness.
pub fn sign_in(
    known: Option<AccountRecord>,
    name: &str,
    password: &str,
    peer: &str,
    now: Timestamp,
) -> Result<SignIn, PkiError> {
    if let Some(until) = known.as_ref().and_then(|account| account.locked_until)
        && until > now
    {
        return Ok(SignIn::Locked(until));
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let entry = |action: &str| audit::Entry {
        at: now,
        actor: shown.clone(),
        action: action.to_owned(),
        subject: shown.clone(),
        detail: format!("from {peer}"),
    };
    let stored = known.as_ref().map_or(NOBODY, |account| &account.password);
    let parsed = PasswordHash::new(stored).map_err(|error| PkiError::Make(error.to_string()))?;
    let right =
        password.len() <= PASSWORD_MAX_BYTES && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
    match known {
        Some(account) if right => {
            let cookie = URL_SAFE_NO_PAD.encode(pki::secret::<32>()?);
            let session = SessionRecord {
                digest: session_digest(&cookie),
                account: account.name.clone(),
                expires_at: now.plus_millis(SESSION_MS),
            };
            let account = AccountRecord { failures: 0, locked_until: None, ..account };
            Ok(SignIn::Welcome { cookie, session, account, entry: entry("account.signed_in") })
        }
        Some(mut account) => {
            account.failures += 1;
            if account.failures >= FAILURES_MAX {
                let lock = LOCK_FIRST_MS << (account.failures - FAILURES_MAX).min(10);
                account.locked_until = Some(now.plus_millis(lock.min(LOCK_LAST_MS)));
            }
            Ok(SignIn::Wrong { account: Some(account), entry: entry("account.sign_in_failed") })
        }
        None => Ok(SignIn::Wrong { account: None, entry: entry("account.sign_in_failed") }),
    }
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
        let mut account = new_account("admin", "administrator", "correct horse", now).expect("hashed");
        assert!(account.password.starts_with("$argon2id$"));
        let wrong = |account: &AccountRecord, now| {
            sign_in(Some(account.clone()), "admin", "battery", "here", now).expect("checked")
        };
        for round in 1..=5 {
            let SignIn::Wrong { account: Some(next), entry } = wrong(&account, now) else { panic!("round {round}") };
            assert_eq!(entry.action, "account.sign_in_failed");
            account = next;
        }
        assert!(matches!(wrong(&account, now), SignIn::Locked(until) if until == now.plus_millis(60_000)));
        let later = now.plus_millis(60_000);
        let SignIn::Welcome { cookie, session, account, .. } =
            sign_in(Some(account), "admin", "correct horse", "here", later).expect("checked")
        else {
            panic!("right password")
        };
        assert_eq!((session.digest, account.failures), (session_digest(&cookie), 0));
        assert!(matches!(sign_in(None, "nobody", "", "here", now), Ok(SignIn::Wrong { account: None, .. })));
        assert_ne!(new_password().expect("random"), new_password().expect("random"));
    }
}
