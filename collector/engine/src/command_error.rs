//! Why a command of a person is refused: by a reason that has its text in both languages, by the judge, or by what is missing of who asks. There is no refusal in
//! one language alone; only what the store or the system says is a text, and that is for the log.

use ioc_judge::{Refusal, Warning};

use crate::refusal_reason::{RefusalKind, RefusalReason, Word};

/// How long whoever asks for something waits for the commit, seconds.
pub(crate) const ANSWER_WAIT_S: u64 = 20;
/// The text of what was not answered in time.
const NOT_YET: &str = "refusal-not-yet";

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The judge refuses it, in both languages.
    #[error("{0}")]
    Refused(Refusal),
    /// It can be done by someone who says that they mean it all the same.
    #[error("{}", .0.iter().map(|warning| warning.text.en.as_str()).collect::<Vec<_>>().join(" "))]
    Warned(Vec<Warning>),
    /// Whoever asks has to show more of who they are before accounts are changed.
    #[error(transparent)]
    MissingProof(#[from] MissingProof),
    /// More attempts to sign in, or to confirm by a code, than are allowed.
    #[error("too many attempts; try again in {wait_s} s")]
    TooMany {
        /// How long to wait, seconds.
        wait_s: u64,
    },
    /// The engine is stopping, or the store cannot be read or written. What is said of it is for the log and for programs; pages say that it failed.
    #[error("{0}")]
    Unavailable(String),
    /// For a reason that people read in their language.
    #[error("{1}")]
    Explained(RefusalKind, Box<RefusalReason>),
}

impl CommandError {
    /// The store cannot be read.
    pub fn unread(error: impl std::fmt::Display) -> Self {
        Self::Unavailable(error.to_string())
    }

    /// The engine answered another question: a fault of this program. What it said is told nobody: a code may stand in it.
    #[must_use]
    pub fn unexpected_answer() -> Self {
        Self::Unavailable("the engine gave an answer that is none to this command".to_owned())
    }

    /// It was not answered in time: it may be carried out all the same.
    #[must_use]
    pub fn not_yet() -> Self {
        let english = format!(
            "not answered within {ANSWER_WAIT_S} s: it may be carried out all the same; look before you ask again, and see /readyz"
        );
        RefusalReason::new(NOT_YET, [("seconds", Word::Count(ANSWER_WAIT_S))], english).refuse(RefusalKind::Unavailable)
    }

    /// This collector stands by: `holder`, whose pages are at `pages`, decides, or nobody is known to.
    #[must_use]
    pub fn stands_by(holder: &str, pages: &str) -> Self {
        let (key, english) = if holder.is_empty() {
            let english =
                "this collector stands by, and changes nothing; who decides for the site is not known now: see /readyz";
            ("refusal-stands-by-alone", english.to_owned())
        } else {
            let english = format!(
                "this collector stands by, and changes nothing: {holder} holds the lease of the site; ask there: {pages}"
            );
            ("refusal-stands-by", english)
        };
        let known = [("holder", Word::text(holder)), ("pages", Word::text(pages))];
        let mut reason = RefusalReason::new(key, [], english);
        reason.args.extend(known.into_iter().filter(|_| !holder.is_empty()));
        reason.refuse(RefusalKind::Unavailable)
    }

    /// Whether it may be carried out all the same.
    #[must_use]
    pub fn is_not_yet(&self) -> bool {
        matches!(self, Self::Explained(_, reason) if reason.key == NOT_YET)
    }

    /// What sort of refusal it is, for one that has its reason.
    #[must_use]
    pub const fn kind(&self) -> Option<RefusalKind> {
        match self {
            Self::Explained(kind, _) => Some(*kind),
            _ => None,
        }
    }

    /// Which refusal it is, for one that has its reason.
    #[must_use]
    pub fn reason_key(&self) -> Option<&'static str> {
        match self {
            Self::Explained(_, reason) => Some(reason.key),
            _ => None,
        }
    }

    /// Its reason, as part of another refusal such as that of a row of a table.
    #[must_use]
    pub fn into_reason(self) -> RefusalReason {
        match self {
            Self::Explained(_, reason) => *reason,
            other => RefusalReason::new("refusal-part", [], other.to_string()),
        }
    }
}

impl RefusalReason {
    /// A command is refused for it.
    #[must_use]
    pub fn refuse(self, kind: RefusalKind) -> CommandError {
        CommandError::Explained(kind, Box::new(self))
    }

    /// The request is faulty.
    #[must_use]
    pub fn invalid(self) -> CommandError {
        self.refuse(RefusalKind::Invalid)
    }

    /// It cannot be done now.
    #[must_use]
    pub fn conflict(self) -> CommandError {
        self.refuse(RefusalKind::Conflict)
    }

    /// What was asked for does not exist.
    #[must_use]
    pub fn not_found(self) -> CommandError {
        self.refuse(RefusalKind::NotFound)
    }

    /// Whoever asks may not.
    #[must_use]
    pub fn forbidden(self) -> CommandError {
        self.refuse(RefusalKind::Forbidden)
    }
}

/// What is not shown of who asks for a change of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MissingProof {
    /// It was too long ago, or by the password alone.
    #[error(
        "show again who you are, by password and second factor, within the last 15 minutes: POST /api/v1/session/confirm, then ask again"
    )]
    Stale,
    /// Their account has no second factor.
    #[error(
        "accounts and tokens are changed only by who has a second factor, and your account has none: set it up on the page \
         /account#second-factor or by POST /api/v1/account/second-factor, show it by POST /api/v1/session/confirm, then ask again"
    )]
    NoSecondFactor,
    /// They came in by the identity provider, which did not say that it asked for one.
    #[error(
        "accounts and tokens are changed only by who showed a second factor, and the identity provider did not say that it asked for one: \
         its token must have \"mfa\" or methods of two kinds in amr, or an acr that stands in [oidc] second_factor_acr; where it asks everyone, \
         always, set [oidc] second_factor_always = true; or sign in here, by password and second factor"
    )]
    SilentProvider,
}
