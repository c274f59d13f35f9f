//! Who may change accounts: a session that was opened by password and second factor, shown lately. It is decided here, on what is committed
//! or about to be, so that what ended a session or took a right away a moment ago holds already.
//!
//! An account without a second factor can do one thing towards it, which is to set it up, with its password shown lately. The command line
//! on this machine is asked for nothing: whoever reaches it has the store, too.

use ioc_common::clock::Timestamp;

use super::super::pending;
use super::{AccountRegistry, DecisionTime};
use crate::account;
use crate::account::intent::{Actor, Intent};
use crate::command::{CommandError, MissingProof};
use crate::refusal_reason::RefusalReason;
use ioc_store::{AccountRecord, Change, Reader, Role, SessionRecord, StoreError};

/// The sessions that something is about.
#[derive(Debug, Default)]
pub(super) struct IntentSessions {
    /// Of who asks.
    asking: Option<SessionRecord>,
    /// What is to be ended: a session, or a token.
    ended: Option<SessionRecord>,
}

impl IntentSessions {
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub(super) fn of(intent: &Intent, reader: &dyn Reader, changes: &[Change]) -> Result<Self, StoreError> {
        let find = |digest: &str| session_now(reader, digest, changes);
        let asking = intent.actor().and_then(Actor::session).map(find).transpose()?.flatten();
        let ended = if let Intent::EndSession { digest, .. } = intent { find(digest)? } else { None };
        Ok(Self { asking, ended })
    }
}

/// A session as it is now, with what this commit does to it.
pub(super) fn session_now(
    reader: &dyn Reader,
    digest: &str,
    changes: &[Change],
) -> Result<Option<SessionRecord>, StoreError> {
    Ok(pending::session_after(reader.session(digest)?, digest, changes))
}

#[cfg(test)]
impl IntentSessions {
    pub(super) const fn of_both(asking: Option<SessionRecord>, ended: Option<SessionRecord>) -> Self {
        Self { asking, ended }
    }

    pub(super) fn asking(session: SessionRecord) -> Self {
        Self::of_both(Some(session), None)
    }
}

/// What has to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RequiredProof {
    /// That one is signed in; the rest is shown beside it, or nothing is given by it.
    Session,
    /// Who one is, lately.
    Fresh,
    /// The same by a second factor, too.
    Second,
    /// The same, by an administrator.
    Administrator,
}

/// What has to be shown for this. What is new has to say it here before anything compiles.
fn required_proof(intent: &Intent, account: &AccountRecord, ended: Option<&SessionRecord>) -> RequiredProof {
    let own_second = |without| if account.asks_for_code() { RequiredProof::Second } else { without };
    match intent {
        Intent::Create { .. } | Intent::Alter { .. } | Intent::Reset { .. } | Intent::RemoveSecond { .. } => {
            RequiredProof::Administrator
        }
        Intent::NewToken { .. } => RequiredProof::Second,
        Intent::EndSession { .. } if ended.is_some_and(|one| !one.label.is_empty()) => RequiredProof::Second,
        Intent::StartSecond { .. } | Intent::ConfirmSecond { .. } => own_second(RequiredProof::Fresh),
        // The present password is shown beside the new one; what was never confirmed is put away.
        Intent::ChoosePassword { .. } | Intent::EndSecond { .. } => own_second(RequiredProof::Session),
        Intent::EndSession { .. }
        | Intent::Confirm { .. }
        | Intent::Attempt { .. }
        | Intent::Unseen { .. }
        | Intent::Wrong { .. }
        | Intent::Proved { .. }
        | Intent::Federated { .. } => RequiredProof::Session,
    }
}

impl AccountRegistry {
    /// The session of this digest, and the account of this name whose it is, as long as both stand.
    pub(super) fn standing<'s>(
        &self,
        session: Option<&'s SessionRecord>,
        (name, digest): (&str, &str),
        now: Timestamp,
    ) -> Result<(&'s SessionRecord, &AccountRecord), CommandError> {
        let session = session.filter(|one| one.account == name && one.digest == digest && one.expires_at > now);
        let account = self.known.get(name).filter(|account| !account.disabled);
        let ended =
            || RefusalReason::new("refusal-session-ended", [], "this session has ended; sign in again").forbidden();
        session.zip(account).ok_or_else(ended)
    }

    /// Whether who asks may sign as a leader: signed in here or at the identity provider, with a second factor that was shown lately. A token never
    /// does, and neither does whoever sits at the machine: a signature is a person's own.
    pub(super) fn authorize_signature(
        &self,
        actor: &Actor,
        session: Option<&SessionRecord>,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let Actor::Session { account: name, digest } = actor else {
            let english = "a leader signs on the page, in person; the command line cannot";
            return Err(RefusalReason::new("register-refused-sign-in-person", [], english).forbidden());
        };
        let (session, account) = self.standing(session, (name, digest), now)?;
        if !session.label.is_empty() {
            let english = "a token cannot sign; a leader signs on the page, in person";
            return Err(RefusalReason::new("register-refused-sign-in-person", [], english).forbidden());
        }
        if account.role != Role::Leader {
            let english = "a review of accounts is signed by a leader; your role is another one";
            return Err(RefusalReason::new("register-refused-sign-leader", [], english).forbidden());
        }
        Ok(showed_second(session, account, now)?)
    }

    /// Whether who asks may have this done.
    pub(super) fn authorize(
        &self,
        intent: &Intent,
        sessions: &IntentSessions,
        at: DecisionTime,
    ) -> Result<(), CommandError> {
        let Some(actor) = intent.actor() else { return Ok(()) };
        if let Intent::EndSession { digest, .. } = intent
            && sessions.ended.as_ref().is_none_or(|one| one.account != actor.name())
        {
            let english = format!("you have no session or token {digest:?}");
            return Err(RefusalReason::new("refusal-session-missing", [], english).not_found());
        }
        let Actor::Session { account: name, digest } = actor else { return Ok(()) };
        let (session, account) = self.standing(sessions.asking.as_ref(), (name, digest), at.now)?;
        if !session.label.is_empty() {
            return Err(RefusalReason::token_changes().forbidden());
        }
        let required_proof = required_proof(intent, account, sessions.ended.as_ref());
        if required_proof == RequiredProof::Administrator && account.role != Role::Administrator {
            return Err(RefusalReason::role().forbidden());
        }
        match required_proof {
            RequiredProof::Session => Ok(()),
            RequiredProof::Fresh if is_fresh(session, at.now) => Ok(()),
            RequiredProof::Fresh => Err(MissingProof::Stale.into()),
            RequiredProof::Second | RequiredProof::Administrator => Ok(showed_second(session, account, at.now)?),
        }
    }
}

/// Whether its owner showed lately who they are.
fn is_fresh(session: &SessionRecord, now: Timestamp) -> bool {
    (0..account::FRESH_MS).contains(&now.millis_since(session.confirmed_at))
}

/// Whether they did so by a second factor; what is missing of it otherwise.
fn showed_second(session: &SessionRecord, account: &AccountRecord, now: Timestamp) -> Result<(), MissingProof> {
    match (session.second_factor, session.federated) {
        (false, true) => Err(MissingProof::SilentProvider),
        (_, false) if !account.asks_for_code() => Err(MissingProof::NoSecondFactor),
        (true, _) if is_fresh(session, now) => Ok(()),
        _ => Err(MissingProof::Stale),
    }
}
