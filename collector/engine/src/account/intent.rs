//! What is meant to be done with accounts. The engine alone reads an account, decides, and changes what was meant: nobody writes back a
//! record that they read a while ago.

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

/// What is meant to be done with an account, which `name` is of. A `hash` is of a password (Argon2id, PHC string), a `code` of the second
/// factor; `actor` is the account that asks, `from` and `peer` are where from.
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
        peer: String,
    },
    /// Whoever has a session shows again who they are: password (by its hash) and code.
    Confirm {
        name: String,
        /// Digest of the session.
        session: String,
        /// The hash that their password matches.
        hash: String,
        /// Code of the second factor; empty when none was given.
        code: String,
        from: Origin,
    },
    /// Makes an account.
    Create {
        /// Name to sign in with.
        name: String,
        /// The person's own name.
        full_name: String,
        role: Role,
        /// Places that it is limited to.
        places: Vec<String>,
        /// Hash of its first password, which is to be changed at once.
        hash: String,
        actor: String,
    },
    /// Changes of an account; what is not given stays.
    Alter {
        name: String,
        /// The person's own name.
        full_name: Option<String>,
        role: Option<Role>,
        /// Places that it is limited to.
        places: Option<Vec<String>>,
        /// Whether it can be used.
        disabled: Option<bool>,
        actor: String,
    },
    /// A password that someone else chose; all sessions and tokens end.
    Reset { name: String, hash: String, actor: String },
    /// Takes an account's second factor away: its owner has lost it. All sessions and tokens end.
    RemoveSecond { name: String, actor: String },
    /// A password that its owner chose; all their other sessions and tokens end.
    ChoosePassword {
        name: String,
        /// The hash that the present password matches.
        present: String,
        /// Hash of the new one.
        hash: String,
        /// Digest of the session that goes on; empty for none.
        except: String,
    },
    /// One's own second factor: a new one, not confirmed.
    StartSecond { name: String },
    /// Its owner shows that they have it, and gets new codes to recover with.
    ConfirmSecond {
        name: String,
        /// Only new codes: it must be confirmed already.
        again: bool,
        code: String,
        from: Origin,
    },
    /// Its owner ends it.
    EndSecond { name: String, code: String, from: Origin },
    /// A token of the API.
    NewToken {
        name: String,
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
        name: String,
        digest: String,
        /// The audit record's action, as `noun.verb`.
        action: &'static str,
    },
}
