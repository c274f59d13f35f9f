//! Who is asking, and what they may do.

use ioc_common::language::Language;
use ioc_engine::account::intent::Actor;
use ioc_store::scope::AccessScope;
use ioc_store::{Right, Role};

/// Who is asking: a signed-in person, a program with a token, or the command line on this machine. Whoever may not ask for a route is
/// refused before its handler has one (`sign_in::authentication`).
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// Account name, or `local:<uid>`.
    pub(crate) name: String,
    /// What they are there for.
    pub(crate) role: Role,
    /// The role of the token that is shown, which may be less.
    pub(crate) token_role: Option<Role>,
    /// Where they may look and act.
    pub(crate) scope: AccessScope,
    /// Language to answer in.
    pub(crate) language: Language,
    /// The digest of their session; empty for the command line.
    pub(crate) session: String,
    /// The organisation's identity provider says who they are.
    pub(crate) federated: bool,
    /// The path of the page that they ask for.
    pub(crate) path: String,
    /// An administrator who is to be told to set a second factor up: without one they change no account.
    pub(crate) second_factor_advised: bool,
}

impl Person {
    /// Whether a program asks with a token: it never changes how its owner comes in.
    pub(crate) const fn is_token(&self) -> bool {
        self.token_role.is_some()
    }

    /// As whom they ask for changes of accounts.
    pub(crate) fn actor(&self) -> Actor {
        if self.session.is_empty() {
            return Actor::Machine(self.name.clone());
        }
        Actor::Session { account: self.name.clone(), digest: self.session.clone() }
    }

    /// Whether they may do this, by their own role, by that of their token and by where they reach.
    pub(crate) fn may(&self, right: Right) -> bool {
        let here = self.scope.is_everywhere() || !right.is_of_the_whole();
        here && self.role.may(right) && self.token_role.is_none_or(|role| role.may(right))
    }
}
