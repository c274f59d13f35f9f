//! People's accounts: passwords, sessions, tokens. Who is locked out is decided where attempts are counted (`writer/accounts/lock_out.rs`).

pub mod acknowledge_link;
pub mod intent;
pub mod password_hashing;

use crate::pki::PkiError;
use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::random::{self, NoRandomness};

use ioc_store::{AccountRecord, Role, SessionRecord};

/// How long a session lasts, milliseconds.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// For so long after its owner showed who they are, by password and second factor, a session may change accounts, milliseconds.
pub const FRESH_MS: i64 = 15 * 60_000;
/// Passwords that are remembered.
const EARLIER_MAX: usize = 5;
/// Shortest password that can be chosen, bytes.
const PASSWORD_MIN_BYTES: usize = 12;
/// What a token of the API begins with, so that a scanner of secrets knows it.
pub const TOKEN_PREFIX: &str = "iocw_";
/// Longest password that is looked at: hashing must not be a way to keep us busy.
const PASSWORD_MAX_BYTES: usize = 256;

/// A password of 20 letters and digits that are hard to confuse.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_password() -> Result<String, NoRandomness> {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let bytes: [u8; 20] = random::secret()?;
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect())
}

/// A new account with this password. Slow on purpose: call it off the async threads.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_account(name: &str, role: Role, password: &str, now: Timestamp) -> Result<AccountRecord, PkiError> {
    Ok(with_hash(name, role, password_hashing::hash(password)?, now))
}

/// The same with the hash of its password.
#[must_use]
pub fn with_hash(name: &str, role: Role, hash: String, now: Timestamp) -> AccountRecord {
    AccountRecord {
        name: name.to_owned(),
        full_name: String::new(),
        role,
        places: Vec::new(),
        password: hash,
        earlier: Vec::new(),
        password_at: now,
        must_change: false,
        disabled: false,
        failures: 0,
        locked_until: None,
        second_factor: None,
        last_sign_in_at: None,
    }
}

/// Gives an account another password, by its hash; the one before is not taken again.
pub fn set_password(account: &mut AccountRecord, hash: String, now: Timestamp) {
    let before = std::mem::replace(&mut account.password, hash);
    account.earlier.insert(0, before);
    account.earlier.truncate(EARLIER_MAX);
    (account.password_at, account.must_change) = (now, false);
    (account.failures, account.locked_until) = (0, None);
}

/// Why a name or a password cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The name has other characters than are allowed, or too many.
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
    /// The present password, which must be shown for a new one, is wrong.
    #[error("password: the present one is wrong")]
    Wrong,
}

/// Checks the name of an account.
///
/// # Errors
/// [`CredentialError::Name`] for other characters, or another length, than its text says.
pub fn check_name(name: &str) -> Result<(), CredentialError> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    if first && (2..=40).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(())
    } else {
        Err(CredentialError::Name)
    }
}

/// Whether a password that its owner chose can be taken, and whether they know the present one. Slow on purpose: call it off the async
/// threads.
///
/// # Errors
/// [`CredentialError`] when it is too weak, or was used before.
pub fn check_change(account: &AccountRecord, present: &str, new: &str) -> Result<(), CredentialError> {
    if !verify(&account.password, present) {
        return Err(CredentialError::Wrong);
    }
    if new.len() < PASSWORD_MIN_BYTES || new.len() > PASSWORD_MAX_BYTES {
        return Err(CredentialError::Length);
    }
    if new.to_lowercase().contains(&account.name) {
        return Err(CredentialError::Named);
    }
    if verify(&account.password, new) || account.earlier.iter().any(|hash| verify(hash, new)) {
        return Err(CredentialError::Again);
    }
    Ok(())
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
) -> Result<(String, SessionRecord), NoRandomness> {
    let token = format!("{TOKEN_PREFIX}{}", random::secret_text()?);
    let session = SessionRecord {
        digest: session_digest(&token),
        account: account.to_owned(),
        label: label.to_owned(),
        role: Some(role),
        federated: false,
        peer: peer.to_owned(),
        created_at: now,
        expires_at: now.plus_millis(life_ms),
        confirmed_at: now,
        // A token has shown nothing.
        second_factor: false,
    };
    Ok((token, session))
}

/// Whether a password matches a hash. Slow on purpose: call it off the async threads.
#[must_use]
pub fn verify(hash: &str, password: &str) -> bool {
    password.len() <= PASSWORD_MAX_BYTES && password_hashing::matches(hash, password)
}

/// A session: its cookie, and what is kept of it. `federated` where the organisation's identity provider says who it is, and is when they
/// showed it that; others show it now. `second_factor` where that was by a second factor, too.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_session(
    account: &str,
    peer: &str,
    federated: Option<Timestamp>,
    second_factor: bool,
    now: Timestamp,
) -> Result<(String, SessionRecord), NoRandomness> {
    let cookie = random::secret_text()?;
    let session = SessionRecord {
        digest: session_digest(&cookie),
        account: account.to_owned(),
        label: String::new(),
        role: None,
        federated: federated.is_some(),
        peer: peer.to_owned(),
        created_at: now,
        expires_at: now.plus_millis(SESSION_MS),
        confirmed_at: federated.unwrap_or(now),
        second_factor,
    };
    Ok((cookie, session))
}

/// A hash that no password matches. It is checked for names that do not exist, so that the answer takes as long as for those that do.
pub const UNMATCHABLE_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What is kept of a session's cookie.
#[must_use]
pub fn session_digest(cookie: &str) -> String {
    sha256_hex(cookie.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_chosen() {
        let now = Timestamp::from_millis(1_000_000);
        let mut account = new_account("admin", Role::Administrator, "correct horse", now).expect("hashed");
        assert!(account.password.starts_with("$argon2id$") && verify(&account.password, "correct horse"));
        assert!(!verify(UNMATCHABLE_HASH, "") && !verify(UNMATCHABLE_HASH, "correct horse"));
        let check = |account: &AccountRecord, present: &str, new: &str| check_change(account, present, new);
        assert_eq!(check(&account, "battery", "a new long password"), Err(CredentialError::Wrong));
        assert_eq!(check(&account, "correct horse", "short"), Err(CredentialError::Length));
        assert_eq!(check(&account, "correct horse", "I am the Admin, I am"), Err(CredentialError::Named));
        assert_eq!(check(&account, "correct horse", "correct horse"), Err(CredentialError::Again));
        assert_eq!(check(&account, "correct horse", "battery staple"), Ok(()));
        set_password(&mut account, password_hashing::hash("battery staple").expect("hashed"), now);
        assert_eq!(
            check(&account, "battery staple", "correct horse"),
            Err(CredentialError::Again),
            "not even after another"
        );
        let due = |ms| account.is_due(now.plus_millis(ms));
        assert!(!due(AccountRecord::PASSWORD_LIFE_MS) && due(AccountRecord::PASSWORD_LIFE_MS + 1));
        assert!(check_name("lan.nt").is_ok() && check_name("Lan").is_err() && check_name("a").is_err());
        assert_ne!(new_password().expect("random"), new_password().expect("random"));
    }
}
