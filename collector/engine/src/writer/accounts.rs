//! Accounts of people: the engine holds them all, decides what is meant for one, and changes only that. Attempts to sign in are counted
//! before a password is looked at.

use std::collections::{BTreeMap, HashMap};

use ioc_common::clock::{self, Timestamp};
use ioc_common::random::NoRandomness;

use super::{CommandResult, Engine, SessionRef};
use crate::account;
use crate::account::intent::{Actor, Intent, Origin};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::connection_limit::make_room;
use guesses::{CodeGuesses, GUESSES_MAX};
use ioc_store::Role;
use ioc_store::audit;
use ioc_store::totp::SecondFactor;
use ioc_store::{AccountRecord, Change, Reader, StoreError};
use moment::Moment;
use permit::IntentSessions;

mod guesses;
mod moment;
mod permit;

/// Failed attempts of one origin before it is locked out of an account.
const FAILURES_MAX: u32 = 5;
/// First lock, doubled with every further failure up to the last.
const LOCK_FIRST_MS: u64 = 60_000;
const LOCK_LAST_MS: u64 = 3_600_000;
/// Attempts of all strangers together on one account: so many at once, and one more after each of these spans. More only slows them.
const STRANGERS_MAX: u64 = 60;
const STRANGERS_MS: u64 = 10_000;
/// Most origins whose attempts are remembered; beyond that the oldest is forgotten.
const TRIES_MAX: usize = 10_000;
/// How long failures of an origin are remembered.
const REMEMBERED_MS: u64 = 24 * 3_600_000;
/// Failed attempts on one account that are written down one by one, within this; the next record says how many more there were.
const SAID_MAX: u32 = 10;
const SAID_MS: u64 = 600_000;
/// Wrong codes of the second factor within an hour after which a right one spares nobody from a lock.
const CODES_MAX: u32 = 20;
const HOUR_MS: u64 = 3_600_000;
/// Longest name in the audit log, characters.
const NAME_MAX_CHARS: usize = 60;

/// Attempts of one origin on one account.
#[derive(Debug, Clone, Copy, Default)]
struct Tries {
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

/// All accounts, as they are committed or about to be, and who has tried to get in. Locks go by the boot clock.
#[derive(Debug, Default)]
pub(super) struct AccountRegistry {
    known: BTreeMap<String, AccountRecord>,
    tries: HashMap<String, Tries>,
    /// Of all strangers on one account: how many are left, and since when.
    strangers: HashMap<String, (u64, u64)>,
    /// Wrong codes of the second factor on one account, from wherever: how many within which hour.
    wrong_codes: HashMap<String, (u32, u64)>,
    /// Those of strangers who showed the right password.
    guesses: CodeGuesses,
    /// By account that there is.
    logged: HashMap<String, FailureLog>,
}

/// Changes that follow.
type Changes = Vec<Change>;

impl AccountRegistry {
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let known = reader.accounts()?.into_iter().map(|account| (account.name.clone(), account)).collect();
        Ok(Self { known, ..Self::default() })
    }

    /// The clock was stepped, and that is followed: the store moves the same with [`Change::ClockStepped`].
    pub(super) fn shift(&mut self, by_ms: i64) {
        for account in self.known.values_mut() {
            account.locked_until = account.locked_until.map(|until| until.plus_millis(by_ms));
            if let Some(second) = &mut account.second_factor {
                second.shift(by_ms);
            }
        }
    }

    /// What attempts on an account from there are counted by.
    fn key(name: &str, from: &Origin) -> String {
        let origin = from.browser.as_ref().map_or_else(|| from.network.clone(), |browser| format!("browser {browser}"));
        account::session_digest(&format!("{name}\n{origin}"))
    }

    /// Until when one may not try, milliseconds from now; and counts the try when one may.
    fn reserve(&mut self, name: &str, from: &Origin, at: Moment) -> Result<(), u64> {
        let key = Self::key(name, from);
        let locked = self.tries.get(&key).map_or(0, |tries| tries.locked_until_ms.saturating_sub(at.boot_ms));
        if locked > 0 {
            return Err(locked);
        }
        if from.browser.is_none() {
            self.take_strangers_place(name, !self.tries.contains_key(&key), at)?;
        }
        self.make_room(at);
        let tries = self.tries.entry(key).or_default();
        (tries.failures, tries.last_ms) = (tries.failures + 1, at.boot_ms);
        if tries.failures >= FAILURES_MAX {
            let lock = LOCK_FIRST_MS << (tries.failures - FAILURES_MAX).min(10);
            tries.locked_until_ms = at.boot_ms + lock.min(LOCK_LAST_MS);
        }
        Ok(())
    }

    fn take_strangers_place(&mut self, name: &str, is_new: bool, at: Moment) -> Result<(), u64> {
        if self.strangers.len() >= TRIES_MAX {
            // Whoever has all places again is as if never seen.
            self.strangers
                .retain(|_, (left, since)| *left + at.boot_ms.saturating_sub(*since) / STRANGERS_MS < STRANGERS_MAX);
            make_room(&mut self.strangers, TRIES_MAX, |(_, since)| *since);
        }
        let (left, since) = self.strangers.entry(account::session_digest(name)).or_insert((STRANGERS_MAX, at.boot_ms));
        let passed = at.boot_ms.saturating_sub(*since) / STRANGERS_MS;
        (*left, *since) = ((*left + passed).min(STRANGERS_MAX), *since + passed * STRANGERS_MS);
        // One that has not tried yet has a place all the same: strangers from everywhere slow each other, and nobody else.
        if *left == 0 && !is_new {
            return Err(STRANGERS_MS);
        }
        *left = left.saturating_sub(1);
        Ok(())
    }

    /// Wrong codes on an account within this hour, from wherever.
    fn wrong_codes(&self, name: &str, at: Moment) -> u32 {
        let hour = at.boot_ms / HOUR_MS;
        self.wrong_codes.get(name).filter(|(_, of)| *of == hour).map_or(0, |(count, _)| *count)
    }

    fn wrong_code(&mut self, name: &str, from: &Origin, at: Moment, changes: &mut Changes) {
        let count = self.wrong_codes(name, at).saturating_add(1);
        self.wrong_codes.insert(name.to_owned(), (count, at.boot_ms / HOUR_MS));
        if count == CODES_MAX {
            let detail = format!("{count} wrong codes within the hour, the last from {}", from.peer);
            changes.push(entry(at, name, AuditLogAction::AccountCodesGuessed, name, &detail));
        }
    }

    fn make_room(&mut self, at: Moment) {
        if self.tries.len() < TRIES_MAX {
            return;
        }
        self.tries.retain(|_, tries| at.boot_ms.saturating_sub(tries.last_ms) < REMEMBERED_MS);
        make_room(&mut self.tries, TRIES_MAX, |tries| tries.last_ms);
    }

    fn forgive(&mut self, name: &str, from: &Origin) {
        self.tries.remove(&Self::key(name, from));
    }

    fn get(&mut self, name: &str) -> Result<&mut AccountRecord, CommandError> {
        self.known.get_mut(name).ok_or_else(|| CommandError::NotFound(format!("there is no account {name:?}")))
    }

    /// Carries out what is meant, where it may be. Every intent stands here by itself: a new one is answered only once it has a line.
    fn decide(
        &mut self,
        intent: Intent,
        sessions: &IntentSessions,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        self.permit(&intent, sessions, at)?;
        match intent {
            Intent::Attempt { name, code, from } => self.attempt(&name, &code, &from, at, changes),
            Intent::Unseen { name, from } => {
                self.forgive_one(&name, &from);
                Ok(Answer::Done)
            }
            Intent::Wrong { name, from } => {
                self.record_failure(&name, &from, at, changes);
                Ok(Answer::Done)
            }
            Intent::Proved { name, hash, code, from } => {
                if !self.prove(&name, &hash, &code, &from, at, changes)? {
                    return Ok(Answer::NeedsCode);
                }
                self.let_in(&name, &from.peer, None, self.has_second(&name), at, changes)
            }
            Intent::Federated { name, proved_at, second_factor, peer } => {
                self.federated(&name, proved_at, second_factor, &peer, at, changes)
            }
            Intent::Confirm { actor, hash, code, from } => self.confirm(&actor, &hash, &code, &from, at, changes),
            Intent::Create { name, full_name, role, places, hash, actor } => {
                let made = account::with_hash(&name, role, hash, at.now);
                let made = AccountRecord { full_name, places, must_change: true, ..made };
                self.create(made, actor.name(), at, changes)
            }
            Intent::Alter { name, full_name, role, places, disabled, actor } => {
                self.alter(&name, AccountChange { full_name, role, places, disabled }, actor.name(), at, changes)
            }
            Intent::Reset { name, hash, actor } => self.reset(&name, hash, actor.name(), at, changes),
            Intent::RemoveSecond { name, actor } => {
                self.get(&name)?.second_factor = None;
                changes.push(entry(at, actor.name(), AuditLogAction::AccountSecondRemoved, &name, ""));
                self.keep_and_end(&name, "", "second factor removed", actor.name(), at, changes)
            }
            Intent::ChoosePassword { actor, present, hash } => {
                self.choose_password(&actor, &present, hash, at, changes)
            }
            Intent::StartSecond { actor } => self.start_second(actor.name(), at, changes),
            Intent::ConfirmSecond { actor, again, code, from } => {
                self.confirm_second(actor.name(), again, &code, &from, at, changes)
            }
            Intent::EndSecond { actor, code, from } => self.end_second(actor.name(), &code, &from, at, changes),
            Intent::NewToken { actor, label, role, life_ms, peer } => {
                let name = actor.name();
                let owner = self.get(name)?;
                if owner.disabled || !role.is_within(owner.role) {
                    let role = role.as_str();
                    return Err(CommandError::Invalid(format!("role: {role} may do what you may not; choose another")));
                }
                let (token, record) = account::new_token(name, &label, role, &peer, at.now, life_ms)?;
                let detail = format!("{label}, {}, until {}", role.as_str(), record.expires_at);
                changes.push(entry(at, name, AuditLogAction::AccountTokenCreated, name, &detail));
                changes.push(Change::Session(record));
                Ok(Answer::Secret(token))
            }
            Intent::EndSession { actor, digest, action } => {
                changes.push(Change::SessionEnded { digest });
                changes.push(entry(at, actor.name(), action, actor.name(), ""));
                Ok(Answer::Done)
            }
        }
    }

    /// Someone is about to show a password: what it is to be compared with, where they may try.
    fn attempt(&mut self, name: &str, code: &str, from: &Origin, at: Moment, changes: &mut Changes) -> CommandResult {
        let known = self.known.get(name);
        // A right code is no guess; it is used up only when the password is right, too.
        let second = known.and_then(|account| account.second_factor.clone()).filter(|second| second.confirmed);
        let has_second = second.is_some();
        let right = second.is_some_and(|mut second| at.take(&mut second, code));
        if has_second && !right && !code.is_empty() {
            self.wrong_code(name, from, at, changes);
        }
        if has_second && !code.is_empty() {
            self.takes_codes(name, from, at)?;
        }
        // Codes that are guessed by the dozen, by somebody who may know the password, spare nobody any more.
        let guessed = from.browser.is_none() && self.guesses.are_many(name, at.boot_ms);
        let exempt = right && !guessed && self.wrong_codes(name, at) < CODES_MAX;
        if !exempt {
            self.reserve(name, from, at).map_err(locked)?;
        }
        let known = self.known.get(name);
        Ok(Answer::Hash(known.map_or_else(|| account::NOBODY.to_owned(), |account| account.password.clone())))
    }

    /// The identity provider says who it is.
    fn federated(
        &mut self,
        name: &str,
        proved_at: Option<Timestamp>,
        second_factor: bool,
        peer: &str,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        let shown: String = name.chars().filter(|letter| !letter.is_control()).take(NAME_MAX_CHARS).collect();
        if self.known.get(name).is_none_or(|account| account.disabled) {
            let why = format!("there is no account {shown:?} here; ask an administrator");
            return Err(CommandError::Forbidden(why));
        }
        // The provider may have let a browser through that signed in there long ago; where it does not say, nobody knows.
        let proved_at = proved_at.unwrap_or(Timestamp::MIN).min(at.now);
        self.let_in(name, peer, Some(proved_at), second_factor, at, changes)
    }

    /// Whoever has a session shows again who they are.
    fn confirm(
        &mut self,
        actor: &Actor,
        hash: &str,
        code: &str,
        from: &Origin,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        let name = actor.name();
        if !self.prove(name, hash, code, from, at, changes)? {
            return Ok(Answer::NeedsCode);
        }
        let (digest, second_factor) = (actor.session().unwrap_or_default().to_owned(), self.has_second(name));
        changes.push(Change::SessionConfirmed { digest, at: at.now, second_factor });
        changes.push(entry(at, name, AuditLogAction::AccountConfirmed, name, &format!("from {}", from.peer)));
        Ok(Answer::Done)
    }

    fn create(&mut self, made: AccountRecord, actor: &str, at: Moment, changes: &mut Changes) -> CommandResult {
        let name = &made.name;
        if self.known.contains_key(name) {
            return Err(CommandError::Conflict(format!("name: there is an account {name:?} already")));
        }
        check_places(made.role, &made.places)?;
        let detail = shown(made.role, false, &made.places, "");
        changes.push(entry(at, actor, AuditLogAction::AccountCreated, name, &detail));
        self.keep(made, changes);
        Ok(Answer::Done)
    }

    fn reset(&mut self, name: &str, hash: String, actor: &str, at: Moment, changes: &mut Changes) -> CommandResult {
        if name == actor {
            let why = "this is your own account; choose a new password on its page";
            return Err(CommandError::Conflict(why.to_owned()));
        }
        let known = self.get(name)?;
        account::set_password(known, hash, at.now);
        known.must_change = true;
        self.guesses.forget(name);
        changes.push(entry(at, actor, AuditLogAction::AccountPasswordReset, name, ""));
        self.keep_and_end(name, "", "password reset", actor, at, changes)
    }

    fn choose_password(
        &mut self,
        actor: &Actor,
        present: &str,
        hash: String,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        let (name, except) = (actor.name(), actor.session().unwrap_or_default());
        let known = self.get(name)?;
        if known.password != present || known.disabled {
            return Err(CommandError::Conflict("the account was changed meanwhile; begin again".to_owned()));
        }
        account::set_password(known, hash, at.now);
        self.guesses.forget(name);
        changes.push(entry(at, name, AuditLogAction::AccountPasswordChanged, name, ""));
        self.keep_and_end(name, except, "password changed", name, at, changes)
    }

    /// Whether the password still is the account's and the code is right, where one is needed. False when none was given.
    fn prove(
        &mut self,
        name: &str,
        hash: &str,
        code: &str,
        from: &Origin,
        at: Moment,
        changes: &mut Changes,
    ) -> Result<bool, CommandError> {
        let wrong = || CommandError::Forbidden(WRONG.to_owned());
        // Disabled, or given another password, while it was being looked at.
        let usable = |account: &&mut AccountRecord| !account.disabled && account.password == hash;
        let Some(account) = self.known.get_mut(name).filter(usable) else {
            self.record_failure(name, from, at, changes);
            return Err(wrong());
        };
        if !account.asks_for_code() {
            self.forgive(name, from);
            return Ok(true);
        }
        if code.is_empty() {
            // The password is right; the code is counted by itself when it comes.
            self.forgive_one(name, from);
            return Ok(false);
        }
        self.takes_codes(name, from, at)?;
        let second = self.get(name)?.second_factor.as_mut();
        if !second.is_some_and(|second| at.take(second, code)) {
            self.record_guess(name, from, at, changes);
            self.record_failure(name, from, at, changes);
            return Err(wrong());
        }
        self.forgive(name, from);
        Ok(true)
    }

    /// Refuses a stranger's code, right or wrong, while too many were guessed with the right password.
    fn takes_codes(&self, name: &str, from: &Origin, at: Moment) -> Result<(), CommandError> {
        match self.guesses.locked_for_ms(name, at.boot_ms) {
            wait_ms if wait_ms > 0 && from.browser.is_none() => Err(locked(wait_ms)),
            _ => Ok(()),
        }
    }

    /// The password was right and the code wrong: a known browser has attempts of its own, all others are counted together.
    fn record_guess(&mut self, name: &str, from: &Origin, at: Moment, changes: &mut Changes) {
        if from.browser.is_none() && self.guesses.count(name, at.boot_ms) == GUESSES_MAX {
            tracing::warn!(account = name, from = from.peer, "somebody knows the password and guesses codes");
            let detail = format!("{GUESSES_MAX} wrong codes with the right password, the last from {}", from.peer);
            changes.push(entry(at, name, AuditLogAction::AccountPasswordKnown, name, &detail));
        }
    }

    /// Whether a code is asked for beside the password.
    fn has_second(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(AccountRecord::asks_for_code)
    }

    /// A session. `federated` is when they showed who they are, where that was to the identity provider; `second_factor` where that was by
    /// a second factor, too.
    fn let_in(
        &mut self,
        name: &str,
        peer: &str,
        federated: Option<Timestamp>,
        second_factor: bool,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        let (cookie, session) = account::new_session(name, peer, federated, second_factor, at.now)?;
        let by =
            if federated.is_some() { format!("from {peer} by the identity provider") } else { format!("from {peer}") };
        changes.push(Change::Session(session));
        changes.push(entry(at, name, AuditLogAction::AccountSignedIn, name, &by));
        let account = self.get(name)?;
        (account.failures, account.locked_until) = (0, None);
        self.keep_same(name, changes);
        Ok(Answer::Secret(cookie))
    }

    /// One attempt is taken back: nothing was guessed.
    fn forgive_one(&mut self, name: &str, from: &Origin) {
        let key = Self::key(name, from);
        if let Some(tries) = self.tries.get_mut(&key) {
            tries.failures = tries.failures.saturating_sub(1);
            tries.locked_until_ms = 0;
            if tries.failures == 0 {
                self.tries.remove(&key);
            }
        }
    }

    /// A wrong password or code. It was counted when it was tried; what is written down is for whoever looks at accounts.
    fn record_failure(&mut self, name: &str, from: &Origin, at: Moment, changes: &mut Changes) {
        let locked_ms = self.tries.get(&Self::key(name, from)).map_or(0, |tries| tries.locked_until_ms);
        let Some(account) = self.known.get_mut(name) else { return };
        account.failures = account.failures.saturating_add(1);
        let left = locked_ms.saturating_sub(at.boot_ms);
        if left > 0 {
            account.locked_until = Some(at.now.plus_millis(i64::try_from(left).unwrap_or(0)));
        }
        let logged = self.logged.entry(name.to_owned()).or_default();
        if at.boot_ms.saturating_sub(logged.since_ms) >= SAID_MS {
            (logged.since_ms, logged.records) = (at.boot_ms, 0);
        }
        if logged.records < SAID_MAX {
            logged.records += 1;
            let more = match std::mem::take(&mut logged.left_out) {
                0 => String::new(),
                count => format!(", after {count} more that are not written down one by one"),
            };
            changes.push(entry(
                at,
                name,
                AuditLogAction::AccountSignInFailed,
                name,
                &format!("from {}{more}", from.peer),
            ));
        } else {
            logged.left_out += 1;
        }
        self.keep_same(name, changes);
    }

    fn alter(
        &mut self,
        name: &str,
        to: AccountChange,
        actor: &str,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        let before = self.get(name)?.clone();
        let AccountChange { full_name, role, places, disabled } = to;
        let mut after = before.clone();
        after.full_name = full_name.unwrap_or(after.full_name);
        after.role = role.unwrap_or(after.role);
        after.places = places.unwrap_or(after.places);
        after.disabled = disabled.unwrap_or(after.disabled);
        check_places(after.role, &after.places)?;
        let leads = |account: &AccountRecord| account.role == Role::Administrator && !account.disabled;
        if leads(&before) && !leads(&after) && !self.known.values().any(|one| leads(one) && one.name != name) {
            let why = "this is the last administrator; make another one first";
            return Err(CommandError::Conflict(why.to_owned()));
        }
        let was = shown(before.role, before.disabled, &before.places, &before.full_name);
        let detail = format!("{was} -> {}", shown(after.role, after.disabled, &after.places, &after.full_name));
        changes.push(entry(at, actor, AuditLogAction::AccountChanged, name, &detail));
        let ends = after.disabled || after.role != before.role || after.places != before.places;
        self.known.insert(name.to_owned(), after);
        if ends {
            return self.keep_and_end(name, "", "account changed", actor, at, changes);
        }
        self.keep_same(name, changes);
        Ok(Answer::Done)
    }

    fn start_second(&mut self, name: &str, at: Moment, changes: &mut Changes) -> CommandResult {
        let known = self.get(name)?;
        if known.asks_for_code() {
            return Err(CommandError::Conflict("there is a second factor already; end it first".to_owned()));
        }
        let made = SecondFactor::new()?;
        known.second_factor = Some(made.clone());
        changes.push(entry(at, name, AuditLogAction::AccountSecondStarted, name, ""));
        self.keep_same(name, changes);
        Ok(Answer::Second(made))
    }

    fn confirm_second(
        &mut self,
        name: &str,
        again: bool,
        code: &str,
        from: &Origin,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        let confirmed = self.second_of(name)?.confirmed;
        if again && !confirmed {
            return Err(CommandError::Conflict("the second factor is not confirmed yet".to_owned()));
        }
        self.take_code(name, code, from, at)?;
        let second = self.second_of(name)?;
        second.confirmed = true;
        let codes = second.renew_recovery()?;
        changes.push(entry(at, name, AuditLogAction::AccountSecondCodesMade, name, ""));
        self.keep_same(name, changes);
        Ok(Answer::Codes(codes))
    }

    fn end_second(
        &mut self,
        name: &str,
        code: &str,
        from: &Origin,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        if self.second_of(name)?.confirmed {
            self.take_code(name, code, from, at)?;
        }
        self.get(name)?.second_factor = None;
        changes.push(Change::SecondFactorEnded { account: name.to_owned() });
        changes.push(entry(at, name, AuditLogAction::AccountSecondRemoved, name, ""));
        self.keep_same(name, changes);
        Ok(Answer::Done)
    }

    /// An account's second factor, confirmed or not.
    fn second_of(&mut self, name: &str) -> Result<&mut SecondFactor, CommandError> {
        let none = || CommandError::Conflict("there is no second factor".to_owned());
        self.get(name)?.second_factor.as_mut().ok_or_else(none)
    }

    /// A code of one's own second factor, shown in a session: guesses count as they do at the door.
    fn take_code(&mut self, name: &str, code: &str, from: &Origin, at: Moment) -> Result<(), CommandError> {
        self.reserve(name, from, at).map_err(locked)?;
        let second = self.get(name)?.second_factor.as_mut();
        if !second.is_some_and(|second| at.take(second, code)) {
            return Err(CommandError::Invalid("code: it is wrong, or was used; wait for the next one".to_owned()));
        }
        self.forgive(name, from);
        Ok(())
    }

    fn keep(&mut self, account: AccountRecord, changes: &mut Changes) {
        changes.push(Change::Account(account.clone()));
        self.known.insert(account.name.clone(), account);
    }

    /// Has what is known of an account written.
    fn keep_same(&self, name: &str, changes: &mut Changes) {
        changes.extend(self.known.get(name).cloned().map(Change::Account));
    }

    /// The same, and ends all its sessions and tokens but for one session.
    fn keep_and_end(
        &mut self,
        name: &str,
        except: &str,
        why: &str,
        actor: &str,
        at: Moment,
        changes: &mut Changes,
    ) -> CommandResult {
        self.keep_same(name, changes);
        changes.push(Change::SessionsEnded { account: name.to_owned(), except: except.to_owned() });
        changes.push(entry(at, actor, AuditLogAction::AccountSessionsEnded, name, why));
        Ok(Answer::Done)
    }
}

/// What is to be other than before.
struct AccountChange {
    full_name: Option<String>,
    role: Option<Role>,
    places: Option<Vec<String>>,
    disabled: Option<bool>,
}

/// The same for whoever does not come in, whatever is wrong.
const WRONG: &str = "name, password or code is wrong";

impl From<NoRandomness> for CommandError {
    /// The system gives no randomness.
    fn from(error: NoRandomness) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn locked(wait_ms: u64) -> CommandError {
    CommandError::TooMany { wait_s: wait_ms.div_ceil(1000).max(1) }
}

fn check_places(role: Role, places: &[String]) -> Result<(), CommandError> {
    if !places.is_empty() && !role.can_be_limited() {
        let role = role.as_str();
        let why = format!("places: an {role} reaches everywhere; leave them empty, or choose another role");
        return Err(CommandError::Invalid(why));
    }
    Ok(())
}

/// An account as it stands in the audit log.
fn shown(role: Role, disabled: bool, places: &[String], full_name: &str) -> String {
    let disabled = if disabled { " disabled" } else { "" };
    let places = if places.is_empty() { String::new() } else { format!(" [{}]", places.join("; ")) };
    let role = role.as_str();
    format!("{role}{disabled}{places} {full_name}").trim_end().to_owned()
}

fn entry(at: Moment, actor: &str, action: AuditLogAction, subject: &str, detail: &str) -> Change {
    let (actor, action) = (actor.to_owned(), action.as_str().to_owned());
    Change::Audit(audit::AuditEntry {
        at: at.now,
        actor,
        action,
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    })
}

impl Engine {
    /// Whether a session still is what it was when its rights were looked at: whatever takes a right away ends it.
    pub(super) fn check_session(&self, session: &SessionRef, now: Timestamp) -> Result<(), CommandError> {
        let SessionRef { account, digest } = session;
        let found = permit::session_now(self.reader.as_ref(), digest, &self.batch.changes);
        let found = found.map_err(|error| CommandError::Unavailable(error.to_string()))?;
        self.accounts.standing(found.as_ref(), (account, digest), now).map(drop)
    }

    /// Has the accounts decide, and keeps what follows.
    pub(super) fn person(&mut self, intent: Intent, now: Timestamp) -> CommandResult {
        let sessions = IntentSessions::of(&intent, self.reader.as_ref(), &self.batch.changes);
        let sessions = sessions.map_err(|error| CommandError::Unavailable(error.to_string()))?;
        let at = Moment { now, boot_ms: clock::boottime_ms(), wall: clock::wall() };
        // What a refusal leaves behind, such as a failed attempt, is kept, too.
        self.accounts.decide(intent, &sessions, at, &mut self.batch.changes)
    }
}

#[cfg(test)]
mod tests;
