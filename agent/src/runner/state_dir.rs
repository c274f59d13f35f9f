//! Whether the agent's own directory can be written. An agent whose disk takes nothing runs all the same, says so, and tries again.

use crate::identity::IdentityError;

/// Between two tries, milliseconds.
const AGAIN_MS: u64 = 60_000;

/// The state directory, as far as it was tried.
#[derive(Debug)]
pub(super) struct StateDir {
    trouble: Option<String>,
    next_ms: u64,
}

impl StateDir {
    /// After the epoch was to be kept.
    pub(super) fn new(kept: Result<(), IdentityError>, now_ms: u64) -> Self {
        let trouble = kept.err().map(|error| error.to_string());
        if let Some(why) = &trouble {
            tracing::error!(why, "the agent's own directory cannot be written; it reports without");
        }
        Self { trouble, next_ms: now_ms + AGAIN_MS }
    }

    /// Why it cannot be written, while it cannot.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Tries again when it is time, while there is trouble: nothing is written in the steady state.
    pub(super) fn try_again(&mut self, now_ms: u64, keep: impl FnOnce() -> Result<(), IdentityError>) {
        if self.trouble.is_none() || now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms + AGAIN_MS;
        self.trouble = keep().err().map(|error| error.to_string());
        if self.trouble.is_none() {
            tracing::info!("the agent's own directory can be written again");
        }
    }

    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        self.trouble.as_ref().map(|_| self.next_ms)
    }
}
