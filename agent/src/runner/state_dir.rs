//! Whether the agent's own directory can be written. An agent whose disk takes nothing runs all the same, says so, and tries again.

use crate::identity::IdentityError;

/// Between two tries, milliseconds.
const AGAIN_MS: u64 = 60_000;

/// The state directory, as far as it was tried.
#[derive(Debug)]
pub(super) struct StateDir {
    failure: Option<String>,
    next_ms: u64,
}

impl StateDir {
    /// After the epoch was to be kept.
    pub(super) fn new(kept: Result<(), IdentityError>, now_ms: u64) -> Self {
        let failure = kept.err().map(|error| error.to_string());
        if let Some(why) = &failure {
            tracing::error!(why, "the agent's own directory cannot be written; it reports without");
        }
        Self { failure, next_ms: now_ms + AGAIN_MS }
    }

    /// Why it cannot be written, while it cannot.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Tries again when it is time, while there is a failure: nothing is written in the steady state.
    pub(super) fn try_again(&mut self, now_ms: u64, keep: impl FnOnce() -> Result<(), IdentityError>) {
        if self.failure.is_none() || now_ms < self.next_ms {
            return;
        }
        self.next_ms = now_ms + AGAIN_MS;
        self.failure = keep().err().map(|error| error.to_string());
        if self.failure.is_none() {
            tracing::info!("the agent's own directory can be written again");
        }
    }

    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        self.failure.as_ref().map(|_| self.next_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Result<(), IdentityError> {
        Err(IdentityError::File { path: "epoch".into(), source: std::io::ErrorKind::StorageFull.into() })
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_each_minute_until_it_can() {
        let mut dir = StateDir::new(refused(), 1000);
        assert!(dir.failure().is_some_and(|why| why.contains("epoch")) && dir.next_wake_ms() == Some(1000 + AGAIN_MS));
        let mut tries = 0;
        let mut again = |dir: &mut StateDir, now_ms, result: fn() -> Result<(), IdentityError>| {
            dir.try_again(now_ms, || {
                tries += 1;
                result()
            });
            tries
        };
        assert_eq!(again(&mut dir, 1000 + AGAIN_MS - 1, || Ok(())), 0, "not before its time");
        assert_eq!(again(&mut dir, 1000 + AGAIN_MS, refused), 1);
        assert_eq!(dir.next_wake_ms(), Some(1000 + 2 * AGAIN_MS));
        assert_eq!(again(&mut dir, 1000 + 2 * AGAIN_MS, || Ok(())), 2);
        assert_eq!((dir.failure(), dir.next_wake_ms()), (None, None));
        assert_eq!(again(&mut dir, u64::MAX, refused), 2, "nothing is written in the steady state");
        assert_eq!(StateDir::new(Ok(()), 0).next_wake_ms(), None);
    }
}
