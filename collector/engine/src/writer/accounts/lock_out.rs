//! Who is locked out of an account, and for how long. An attempt is counted before a password or a code is looked at. Each origin has attempts
//! of its own on each account; all strangers together are slowed, never shut out. Locks go by the boot clock: no step of the time opens or
//! lengthens one.

use std::collections::HashMap;

use super::guesses::{CodeGuesses, GUESSES_MAX, HOUR_MS, LOCK_FIRST_MS, LOCK_LAST_MS};
use super::{Changes, DecisionTime, entry};
use crate::account;
use crate::account::intent::Origin;
use crate::audit_action::AuditLogAction;
use crate::command::CommandError;
use crate::connection_limit::make_room;
use ioc_store::{AccountRecord, Change};

/// Failed attempts of one origin before it is locked out of an account.
const FAILURES_MAX: u32 = 5;
/// Attempts of all unknown browsers together on one account: so many at once, and one more after each span below. More attempts have to wait.
const STRANGERS_MAX: u64 = 60;
pub(super) const STRANGERS_MS: u64 = 10_000;
/// Most origins whose attempts are remembered; beyond that the oldest is forgotten.
pub(super) const ORIGINS_MAX: usize = 10_000;
/// How long failures of an origin are remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;
/// Failed attempts on one account that get a record of their own in the audit log, within the span below. The next record says how many
/// more there were.
pub(super) const FAILURES_LOGGED_MAX: u32 = 10;
pub(super) const FAILURES_LOGGED_WITHIN_MS: u64 = 600_000;
/// Wrong codes of the second factor within an hour after which a right one spares nobody from a lock.
pub(super) const WRONG_CODES_MAX: u32 = 20;

/// Attempts of one origin on one account.
#[derive(Debug, Clone, Copy, Default)]
struct Attempts {
    failures: u32,
    locked_until_ms: u64,
    last_ms: u64,
}

/// What was written down of failed attempts on one account.
#[derive(Debug, Clone, Copy, Default)]
struct FailureLog {
    since_ms: u64,
    records: u32,
    left_out: u64,
}

/// Who has tried to get in, and where. Names that there are not are counted like those that there are.
#[derive(Debug, Default)]
pub(super) struct LockOut {
    /// By account and origin ([`LockOut::key`]).
    attempts: HashMap<String, Attempts>,
    /// Of all strangers on one account: how many are left, and since when.
    strangers: HashMap<String, (u64, u64)>,
    /// Wrong codes of the second factor on one account, from wherever: how many within which hour.
    wrong_codes: HashMap<String, (u32, u64)>,
    /// Those of strangers who showed the right password.
    guesses: CodeGuesses,
    /// By account that there is.
    logged: HashMap<String, FailureLog>,
}

impl LockOut {
    /// What attempts on an account from there are counted by.
    fn key(name: &str, from: &Origin) -> String {
        let origin = from.browser.as_ref().map_or_else(|| from.network.clone(), |browser| format!("browser {browser}"));
        account::session_digest(&format!("{name}\n{origin}"))
    }

    /// Counts an attempt, where one may try.
    ///
    /// # Errors
    /// [`CommandError::TooMany`] with how long to wait.
    pub(super) fn reserve(&mut self, name: &str, from: &Origin, at: DecisionTime) -> Result<(), CommandError> {
        let key = Self::key(name, from);
        let left_ms = self.attempts.get(&key).map_or(0, |attempts| attempts.locked_until_ms.saturating_sub(at.boot_ms));
        if left_ms > 0 {
            return Err(locked(left_ms));
        }
        if from.browser.is_none() {
            self.take_strangers_place(name, !self.attempts.contains_key(&key), at)?;
        }
        self.make_room(at);
        let attempts = self.attempts.entry(key).or_default();
        (attempts.failures, attempts.last_ms) = (attempts.failures + 1, at.boot_ms);
        if attempts.failures >= FAILURES_MAX {
            let lock = LOCK_FIRST_MS << (attempts.failures - FAILURES_MAX).min(10);
            attempts.locked_until_ms = at.boot_ms + lock.min(LOCK_LAST_MS);
        }
        Ok(())
    }

    fn take_strangers_place(&mut self, name: &str, is_new: bool, at: DecisionTime) -> Result<(), CommandError> {
        if self.strangers.len() >= ORIGINS_MAX {
            // Whoever has all places again is as if never seen.
            self.strangers
                .retain(|_, (left, since)| *left + at.boot_ms.saturating_sub(*since) / STRANGERS_MS < STRANGERS_MAX);
            make_room(&mut self.strangers, ORIGINS_MAX, |(_, since)| *since);
        }
        let (left, since) = self.strangers.entry(account::session_digest(name)).or_insert((STRANGERS_MAX, at.boot_ms));
        let passed = at.boot_ms.saturating_sub(*since) / STRANGERS_MS;
        (*left, *since) = ((*left + passed).min(STRANGERS_MAX), *since + passed * STRANGERS_MS);
        // One that has not tried yet has a place all the same: strangers from everywhere slow each other, and nobody else.
        if *left == 0 && !is_new {
            return Err(locked(STRANGERS_MS));
        }
        *left = left.saturating_sub(1);
        Ok(())
    }

    fn make_room(&mut self, at: DecisionTime) {
        if self.attempts.len() < ORIGINS_MAX {
            return;
        }
        self.attempts.retain(|_, attempts| at.boot_ms.saturating_sub(attempts.last_ms) < REMEMBERED_MS);
        make_room(&mut self.attempts, ORIGINS_MAX, |attempts| attempts.last_ms);
    }

    /// Somebody signed in from there: their earlier failures were no guessing.
    pub(super) fn forgive(&mut self, name: &str, from: &Origin) {
        self.attempts.remove(&Self::key(name, from));
    }

    /// Takes one attempt back: it was no guess.
    pub(super) fn forgive_one(&mut self, name: &str, from: &Origin) {
        let key = Self::key(name, from);
        if let Some(attempts) = self.attempts.get_mut(&key) {
            attempts.failures = attempts.failures.saturating_sub(1);
            attempts.locked_until_ms = 0;
            if attempts.failures == 0 {
                self.attempts.remove(&key);
            }
        }
    }

    /// A wrong password or code. It was counted when it was tried; what is written down is for whoever looks at accounts.
    pub(super) fn record_failure(
        &mut self,
        account: &mut AccountRecord,
        from: &Origin,
        at: DecisionTime,
        changes: &mut Changes,
    ) {
        let name = &account.name;
        let locked_ms = self.attempts.get(&Self::key(name, from)).map_or(0, |attempts| attempts.locked_until_ms);
        account.failures = account.failures.saturating_add(1);
        let left = locked_ms.saturating_sub(at.boot_ms);
        if left > 0 {
            account.locked_until = Some(at.now.plus_millis(i64::try_from(left).unwrap_or(0)));
        }
        let logged = self.logged.entry(name.clone()).or_default();
        if at.boot_ms.saturating_sub(logged.since_ms) >= FAILURES_LOGGED_WITHIN_MS {
            (logged.since_ms, logged.records) = (at.boot_ms, 0);
        }
        if logged.records < FAILURES_LOGGED_MAX {
            logged.records += 1;
            let more = match std::mem::take(&mut logged.left_out) {
                0 => String::new(),
                count => format!(", after {count} more that are not written down one by one"),
            };
            let detail = format!("from {}{more}", from.peer);
            changes.push(entry(at, name, AuditLogAction::AccountSignInFailed, name, &detail));
        } else {
            logged.left_out += 1;
        }
        changes.push(Change::Account(account.clone()));
    }

    /// Whether a right code spares this attempt from being counted. Codes that are guessed by the dozen, by somebody who may know the password,
    /// spare nobody any more.
    pub(super) fn spares_right_code(&self, name: &str, from: &Origin, at: DecisionTime) -> bool {
        let guessed = from.browser.is_none() && self.guesses.are_many(name, at.boot_ms);
        !guessed && self.wrong_codes(name, at) < WRONG_CODES_MAX
    }

    /// Wrong codes on an account within this hour, from wherever.
    fn wrong_codes(&self, name: &str, at: DecisionTime) -> u32 {
        let hour = at.boot_ms / HOUR_MS;
        self.wrong_codes.get(name).filter(|(_, of)| *of == hour).map_or(0, |(count, _)| *count)
    }

    /// Counts a wrong code, whatever the password was.
    pub(super) fn wrong_code(&mut self, name: &str, from: &Origin, at: DecisionTime, changes: &mut Changes) {
        let count = self.wrong_codes(name, at).saturating_add(1);
        self.wrong_codes.insert(name.to_owned(), (count, at.boot_ms / HOUR_MS));
        if count == WRONG_CODES_MAX {
            let detail = format!("{count} wrong codes within the hour, the last from {}", from.peer);
            changes.push(entry(at, name, AuditLogAction::AccountCodesGuessed, name, &detail));
        }
    }

    /// Refuses a stranger's code, right or wrong, while too many were guessed with the right password.
    ///
    /// # Errors
    /// [`CommandError::TooMany`] with how long to wait.
    pub(super) fn takes_codes(&self, name: &str, from: &Origin, at: DecisionTime) -> Result<(), CommandError> {
        match self.guesses.locked_for_ms(name, at.boot_ms) {
            wait_ms if wait_ms > 0 && from.browser.is_none() => Err(locked(wait_ms)),
            _ => Ok(()),
        }
    }

    /// The password was right and the code wrong: a known browser has attempts of its own, all others are counted together.
    pub(super) fn record_guess(&mut self, name: &str, from: &Origin, at: DecisionTime, changes: &mut Changes) {
        if from.browser.is_none() && self.guesses.count(name, at.boot_ms) == GUESSES_MAX {
            tracing::warn!(account = name, from = from.peer, "somebody knows the password and guesses codes");
            let detail = format!("{GUESSES_MAX} wrong codes with the right password, the last from {}", from.peer);
            changes.push(entry(at, name, AuditLogAction::AccountPasswordKnown, name, &detail));
        }
    }

    /// The password is another one: whoever guessed codes does not know it.
    pub(super) fn forget_guesses(&mut self, name: &str) {
        self.guesses.forget(name);
    }
}

fn locked(wait_ms: u64) -> CommandError {
    CommandError::TooMany { wait_s: wait_ms.div_ceil(1000).max(1) }
}

#[cfg(test)]
impl LockOut {
    /// How many origins are remembered, and of how many accounts the strangers.
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.attempts.len(), self.strangers.len())
    }

    pub(super) fn guesses(&self) -> &CodeGuesses {
        &self.guesses
    }
}
