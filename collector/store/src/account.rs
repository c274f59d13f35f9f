//! Who may come in: people's accounts, their sessions and tokens; and what they keep for themselves.

use ioc_common::clock::Timestamp;

use crate::role::Role;
use crate::scope::AccessScope;
use crate::totp::SecondFactor;

/// A person's account.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Name to sign in with.
    pub name: String,
    /// The person's own name.
    pub full_name: String,
    pub role: Role,
    /// Places that it is limited to, with what is below them; none when it reaches everywhere.
    pub places: Vec<String>,
    /// Argon2id hash, PHC string.
    pub password: String,
    /// Those before it, the newest first: none of them is taken again.
    pub earlier: Vec<String>,
    /// When the password was set (article 13.2).
    pub password_at: Timestamp,
    /// Someone else chose the password: it must be changed at the first sign-in.
    pub must_change: bool,
    /// The account cannot be used.
    pub disabled: bool,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// Until when whoever failed last is locked out: for whoever looks at accounts, the engine has its own count.
    pub locked_until: Option<Timestamp>,
    /// What is asked for beside the password; none where it is not set up.
    pub second_factor: Option<SecondFactor>,
    /// When somebody last signed in with it; none before the first time.
    pub last_sign_in_at: Option<Timestamp>,
}

/// A signed-in session, or a token of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 over the cookie or the token, hex.
    pub digest: String,
    /// The name of the account.
    pub account: String,
    /// What a token is for; empty for a session.
    pub label: String,
    /// The role of a token, where that is less than its owner's.
    pub role: Option<Role>,
    /// Whoever has it signed in at the organisation's identity provider: its password and second factor count, not ours.
    pub federated: bool,
    /// From where it was made.
    pub peer: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When its owner last showed who they are.
    pub confirmed_at: Timestamp,
    /// Whether they showed a second factor then: a code of ours, or what the identity provider says.
    pub second_factor: bool,
}

/// A list of devices that a person keeps for themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SavedView {
    /// The name of the account that keeps it.
    pub account: String,
    /// What they call it.
    pub name: String,
    /// The query of the page's address.
    pub query: String,
}

impl AccountRecord {
    /// A password is changed after this, milliseconds (article 13.2: at least every 3 months).
    pub const PASSWORD_LIFE_MS: i64 = 90 * 86_400_000;

    /// Where it may look and act.
    #[must_use]
    pub fn scope(&self) -> AccessScope {
        AccessScope::of(&self.places)
    }

    /// Whether its role is one of these that need a second factor, and it has none.
    #[must_use]
    pub fn lacks_second(&self, needed: &[Role]) -> bool {
        needed.contains(&self.role) && !self.asks_for_code()
    }

    /// Whether a code is needed beside the password.
    #[must_use]
    pub fn asks_for_code(&self) -> bool {
        self.second_factor.as_ref().is_some_and(|second| second.confirmed)
    }

    /// Whether its password must be changed before anything else (article 13.2).
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.must_change || now.millis_since(self.password_at) > Self::PASSWORD_LIFE_MS
    }

    /// Days until its password must be changed; negative when that has passed.
    #[must_use]
    pub fn days_left(&self, now: Timestamp) -> i64 {
        (Self::PASSWORD_LIFE_MS - now.millis_since(self.password_at)).div_euclid(86_400_000)
    }
}
