//! Accounts of people: the engine holds them all, decides what is meant for one, and changes only that. Who may is decided in `authorization.rs`, who
//! is locked out in `lock_out.rs`.

use std::collections::BTreeMap;

use ioc_common::clock::{self, Timestamp};
use ioc_common::random::NoRandomness;

use super::{CommandResult, Engine, SessionRef};
use crate::account;
use crate::account::intent::{Actor, Intent, Origin};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_reason::{RefusalReason, Word};
use authorization::IntentSessions;
use decision_time::DecisionTime;
use ioc_store::Role;
use ioc_store::audit;
use ioc_store::totp::SecondFactor;
use ioc_store::{AccountRecord, Change, Reader, StoreError};
use lock_out::LockOut;

mod authorization;
mod decision_time;
mod guesses;
mod lock_out;

/// Longest name in the audit log, characters.
const NAME_MAX_CHARS: usize = 60;

/// All accounts, as they are committed or about to be, and who has tried to get in.
#[derive(Debug, Default)]
pub(super) struct AccountRegistry {
    known: BTreeMap<String, AccountRecord>,
    lock_out: LockOut,
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

    fn get(&mut self, name: &str) -> Result<&mut AccountRecord, CommandError> {
        self.known.get_mut(name).ok_or_else(|| RefusalReason::no_account(name).not_found())
    }

    /// Carries out what is meant, where it may be. Every intent stands here by itself: a new one is answered only once it has a line.
    fn decide(
        &mut self,
        intent: Intent,
        sessions: &IntentSessions,
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        self.authorize(&intent, sessions, at)?;
        match intent {
            Intent::Attempt { name, code, from } => self.attempt(&name, &code, &from, at, changes),
            Intent::Unseen { name, from } => {
                self.lock_out.forgive_one(&name, &from);
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
                    let english = format!("role: {role} may do what you may not; choose another");
                    let args = [("role", Word::named("role", role))];
                    return Err(RefusalReason::new("refusal-role-beyond", args, english).invalid());
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
    fn attempt(
        &mut self,
        name: &str,
        code: &str,
        from: &Origin,
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        let known = self.known.get(name);
        // A right code is no guess; it is used up only when the password is right, too.
        let second = known.and_then(|account| account.second_factor.clone()).filter(|second| second.confirmed);
        let has_second = second.is_some();
        let right = second.is_some_and(|mut second| at.take(&mut second, code));
        if has_second && !right && !code.is_empty() {
            self.lock_out.wrong_code(name, from, at, changes);
        }
        if has_second && !code.is_empty() {
            self.lock_out.takes_codes(name, from, at)?;
        }
        if !(right && self.lock_out.spares_right_code(name, from, at)) {
            self.lock_out.reserve(name, from, at)?;
        }
        let known = self.known.get(name);
        Ok(Answer::Hash(known.map_or_else(|| account::UNMATCHABLE_HASH.to_owned(), |account| account.password.clone())))
    }

    /// The identity provider says who it is.
    fn federated(
        &mut self,
        name: &str,
        proved_at: Option<Timestamp>,
        second_factor: bool,
        peer: &str,
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        let shown: String = name.chars().filter(|letter| !letter.is_control()).take(NAME_MAX_CHARS).collect();
        if self.known.get(name).is_none_or(|account| account.disabled) {
            let english = format!("there is no account {shown:?} here; ask an administrator");
            let args = [("name", Word::text(shown))];
            return Err(RefusalReason::new("refusal-account-not-here", args, english).forbidden());
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
        at: DecisionTime,
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

    fn create(&mut self, made: AccountRecord, actor: &str, at: DecisionTime, changes: &mut Changes) -> CommandResult {
        let name = &made.name;
        if self.known.contains_key(name) {
            let english = format!("name: there is an account {name:?} already");
            let args = [("name", Word::text(name.as_str()))];
            return Err(RefusalReason::new("refusal-account-there", args, english).conflict());
        }
        check_places(made.role, &made.places)?;
        let detail = shown(made.role, false, &made.places, "");
        changes.push(entry(at, actor, AuditLogAction::AccountCreated, name, &detail));
        self.keep(made, changes);
        Ok(Answer::Done)
    }

    fn reset(
        &mut self,
        name: &str,
        hash: String,
        actor: &str,
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        if name == actor {
            let english = "this is your own account; choose a new password on its page";
            return Err(RefusalReason::new("refusal-own-account", [], english).conflict());
        }
        let known = self.get(name)?;
        account::set_password(known, hash, at.now);
        known.must_change = true;
        self.lock_out.forget_guesses(name);
        changes.push(entry(at, actor, AuditLogAction::AccountPasswordReset, name, ""));
        self.keep_and_end(name, "", "password reset", actor, at, changes)
    }

    fn choose_password(
        &mut self,
        actor: &Actor,
        present: &str,
        hash: String,
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        let (name, except) = (actor.name(), actor.session().unwrap_or_default());
        let known = self.get(name)?;
        if known.password != present || known.disabled {
            let english = "the account was changed meanwhile; begin again";
            return Err(RefusalReason::new("refusal-account-changed", [], english).conflict());
        }
        account::set_password(known, hash, at.now);
        self.lock_out.forget_guesses(name);
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
        at: DecisionTime,
        changes: &mut Changes,
    ) -> Result<bool, CommandError> {
        let wrong = || RefusalReason::sign_in_wrong().forbidden();
        // Disabled, or given another password, while it was being looked at.
        let usable = |account: &&mut AccountRecord| !account.disabled && account.password == hash;
        let Some(account) = self.known.get_mut(name).filter(usable) else {
            self.record_failure(name, from, at, changes);
            return Err(wrong());
        };
        if !account.asks_for_code() {
            self.lock_out.forgive(name, from);
            return Ok(true);
        }
        if code.is_empty() {
            // The password is right; the code is counted by itself when it comes.
            self.lock_out.forgive_one(name, from);
            return Ok(false);
        }
        self.lock_out.takes_codes(name, from, at)?;
        let second = self.get(name)?.second_factor.as_mut();
        if !second.is_some_and(|second| at.take(second, code)) {
            self.lock_out.record_guess(name, from, at, changes);
            self.record_failure(name, from, at, changes);
            return Err(wrong());
        }
        self.lock_out.forgive(name, from);
        Ok(true)
    }

    /// A wrong password or code. A name that there is not has been counted already, and nothing is written down of it.
    fn record_failure(&mut self, name: &str, from: &Origin, at: DecisionTime, changes: &mut Changes) {
        if let Some(account) = self.known.get_mut(name) {
            self.lock_out.record_failure(account, from, at, changes);
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
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        let (cookie, session) = account::new_session(name, peer, federated, second_factor, at.now)?;
        let by =
            if federated.is_some() { format!("from {peer} by the identity provider") } else { format!("from {peer}") };
        changes.push(Change::Session(session));
        changes.push(entry(at, name, AuditLogAction::AccountSignedIn, name, &by));
        let account = self.get(name)?;
        (account.failures, account.locked_until) = (0, None);
        account.last_sign_in_at = Some(at.now);
        self.keep_same(name, changes);
        Ok(Answer::Secret(cookie))
    }

    fn alter(
        &mut self,
        name: &str,
        to: AccountChange,
        actor: &str,
        at: DecisionTime,
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
            let english = "this is the last administrator; make another one first";
            return Err(RefusalReason::new("refusal-last-administrator", [], english).conflict());
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

    fn start_second(&mut self, name: &str, at: DecisionTime, changes: &mut Changes) -> CommandResult {
        let known = self.get(name)?;
        if known.asks_for_code() {
            let english = "there is a second factor already; end it first";
            return Err(RefusalReason::new("refusal-second-there", [], english).conflict());
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
        at: DecisionTime,
        changes: &mut Changes,
    ) -> CommandResult {
        let confirmed = self.second_of(name)?.confirmed;
        if again && !confirmed {
            let english = "the second factor is not confirmed yet";
            return Err(RefusalReason::new("refusal-second-unconfirmed", [], english).conflict());
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
        at: DecisionTime,
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
        let none = || RefusalReason::new("refusal-second-missing", [], "there is no second factor").conflict();
        self.get(name)?.second_factor.as_mut().ok_or_else(none)
    }

    /// A code of one's own second factor, shown in a session: guesses count as they do at the door.
    fn take_code(&mut self, name: &str, code: &str, from: &Origin, at: DecisionTime) -> Result<(), CommandError> {
        self.lock_out.reserve(name, from, at)?;
        let second = self.get(name)?.second_factor.as_mut();
        if !second.is_some_and(|second| at.take(second, code)) {
            let english = "code: it is wrong, or was used; wait for the next one";
            return Err(RefusalReason::new("refusal-code-wrong", [], english).invalid());
        }
        self.lock_out.forgive(name, from);
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
        at: DecisionTime,
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

impl From<NoRandomness> for CommandError {
    /// The system gives no randomness.
    fn from(error: NoRandomness) -> Self {
        Self::Unavailable(error.to_string())
    }
}

fn check_places(role: Role, places: &[String]) -> Result<(), CommandError> {
    if !places.is_empty() && !role.can_be_limited() {
        let role = role.as_str();
        let english = format!("places: an {role} reaches everywhere; leave them empty, or choose another role");
        let args = [("role", Word::named("role", role))];
        return Err(RefusalReason::new("refusal-places-everywhere", args, english).invalid());
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

fn entry(at: DecisionTime, actor: &str, action: AuditLogAction, subject: &str, detail: &str) -> Change {
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
        let found = authorization::session_now(self.reader.as_ref(), digest, &self.batch.changes);
        let found = found.map_err(CommandError::unread)?;
        self.accounts.standing(found.as_ref(), (account, digest), now).map(drop)
    }

    /// Whether who asks may sign as a leader.
    pub(super) fn check_signature(&self, actor: &Actor, now: Timestamp) -> Result<(), CommandError> {
        let digest = actor.session().unwrap_or_default();
        let found = authorization::session_now(self.reader.as_ref(), digest, &self.batch.changes);
        let found = found.map_err(CommandError::unread)?;
        self.accounts.authorize_signature(actor, found.as_ref(), now)
    }

    /// Accounts that can be used, as they stand now.
    pub(super) fn active_accounts(&self) -> impl Iterator<Item = &AccountRecord> {
        self.accounts.known.values().filter(|account| !account.disabled)
    }

    /// Has the accounts decide, and keeps what follows.
    pub(super) fn person(&mut self, intent: Intent, now: Timestamp) -> CommandResult {
        let sessions = IntentSessions::of(&intent, self.reader.as_ref(), &self.batch.changes);
        let sessions = sessions.map_err(CommandError::unread)?;
        let at = DecisionTime { now, boot_ms: clock::boottime_ms(), wall: clock::wall() };
        // What a refusal leaves behind, such as a failed attempt, is kept, too.
        self.accounts.decide(intent, &sessions, at, &mut self.batch.changes)
    }
}

#[cfg(test)]
mod tests;
