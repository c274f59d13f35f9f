//! What is meant to be done with accounts. The engine alone reads an account, decides, and changes what was meant: nobody writes back a
//! record that they read a while ago.

use crate::audit_action::AuditLogAction;
use ioc_common::clock::Timestamp;
use ioc_store::Role;

/// Where an attempt to sign in comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The address, for the audit log.
    pub peer: String,
    /// What attempts are counted by: an IPv4 address, or an IPv6 network of 64 bits.
    pub network: String,
    /// The browser, where it has signed in to this account before: attempts of strangers do not count against it.
    pub browser: Option<String>,
}

/// Who means to change accounts. The engine looks itself at what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// The command line on this machine, which only root and the service's user reach: `local:<uid>`. It is the way out for those who lost
    /// password and second factor.
    Machine(String),
    /// Whoever has this session.
    Session {
        /// Whose it says it is.
        account: String,
        /// The digest of its secret, hex.
        digest: String,
    },
}

impl Actor {
    /// What it is called in the audit log.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Machine(name) | Self::Session { account: name, .. } => name,
        }
    }

    /// The digest of its session; none for the command line.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match self {
            Self::Machine(_) => None,
            Self::Session { digest, .. } => Some(digest),
        }
    }
}

/// What is meant to be done with an account. A `hash` is of a password (Argon2id, PHC string), a `code` of the second factor; `actor` is who
/// asks, `from` and `peer` are where from.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone)]
pub enum Intent {
    /// Someone is about to show a password: it is counted before it is looked at.
    Attempt {
        name: String,
        /// Code of the second factor, where one is given; a right one is no guess.
        code: String,
        from: Origin,
    },
    /// The password was not looked at after all: there is no room for one more.
    Unseen { name: String, from: Origin },
    /// The password was wrong.
    Wrong {
        /// Account, as it was given.
        name: String,
        from: Origin,
    },
    /// The password matches this hash: lets them in if it still is the account's.
    Proved {
        name: String,
        hash: String,
        /// Code of the second factor; empty when none was given.
        code: String,
        from: Origin,
    },
    /// The organisation's identity provider says who it is.
    Federated {
        name: String,
        /// When they showed the provider who they are, where it says so.
        proved_at: Option<Timestamp>,
        /// Whether the provider asked for a second factor, as far as it says so, or the configuration does.
        second_factor: bool,
        peer: String,
    },
    /// Whoever has a session shows again who they are: password (by its hash) and code.
    Confirm {
        actor: Actor,
        /// The hash that their password matches.
        hash: String,
        /// Code of the second factor; empty when none was given.
        code: String,
        from: Origin,
    },
    /// A new account.
    Create {
        /// Name to sign in with.
        name: String,
        full_name: String,
        role: Role,
        /// Places that it is limited to.
        places: Vec<String>,
        /// Hash of its first password, which is to be changed at once.
        hash: String,
        actor: Actor,
    },
    /// Changes of an account; what is not given stays.
    Alter {
        name: String,
        full_name: Option<String>,
        role: Option<Role>,
        /// Places that it is limited to.
        places: Option<Vec<String>>,
        /// Whether it can be used.
        disabled: Option<bool>,
        actor: Actor,
    },
    /// A password that someone else chose; all sessions and tokens end.
    Reset { name: String, hash: String, actor: Actor },
    /// Takes an account's second factor away: its owner has lost it. All sessions and tokens end.
    RemoveSecond { name: String, actor: Actor },
    /// A password that its owner chose; all their other sessions and tokens end.
    ChoosePassword {
        /// Whose; their session goes on.
        actor: Actor,
        /// The hash that the present password matches.
        present: String,
        /// Hash of the new one.
        hash: String,
    },
    /// One's own second factor: a new one, not confirmed.
    StartSecond { actor: Actor },
    /// Its owner shows that they have it, and gets new codes to recover with.
    ConfirmSecond {
        actor: Actor,
        /// Only new codes: it must be confirmed already.
        again: bool,
        code: String,
        from: Origin,
    },
    /// Its owner ends it.
    EndSecond { actor: Actor, code: String, from: Origin },
    /// A token of the API.
    NewToken {
        actor: Actor,
        /// What it is for.
        label: String,
        /// At most the owner's own.
        role: Role,
        /// How long it lives, milliseconds.
        life_ms: i64,
        peer: String,
    },
    /// Ends one of one's own sessions or tokens.
    EndSession {
        actor: Actor,
        digest: String,
        /// What the audit log calls it.
        action: AuditLogAction,
    },
}

impl Intent {
    /// Who asks, where that is somebody who has come in.
    #[must_use]
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Attempt { .. }
            | Self::Unseen { .. }
            | Self::Wrong { .. }
            | Self::Proved { .. }
            | Self::Federated { .. } => None,
            Self::Confirm { actor, .. }
            | Self::Create { actor, .. }
            | Self::Alter { actor, .. }
            | Self::Reset { actor, .. }
            | Self::RemoveSecond { actor, .. }
            | Self::ChoosePassword { actor, .. }
            | Self::StartSecond { actor }
            | Self::ConfirmSecond { actor, .. }
            | Self::EndSecond { actor, .. }
            | Self::NewToken { actor, .. }
            | Self::EndSession { actor, .. } => Some(actor),
        }
    }
}
