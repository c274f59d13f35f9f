//! The collector is missed: for so long it has committed nothing that somebody must be told by another way (dead man's switch). This
//! host says so in its own log, and to an address that does not depend on the collector; sending is the surveyor's.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;

use ioc_common::backoff::retry_ms;
use ioc_common::random::entropy;

use crate::config::surveyor_path;

/// How long is waited between two tries: doubled from the first up to the last, with jitter.
const PAUSE_FIRST_MS: u64 = 20_000;
const PAUSE_LAST_MS: u64 = 600_000;
/// How long one try may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether the collector is missed, as it was last said.
#[derive(Debug, Default)]
pub(super) struct CollectorWatchdog {
    missed: bool,
}

impl CollectorWatchdog {
    /// What is to be said now that nothing was committed for `silent_ms`: true that it is missed, false that it is back.
    pub(super) fn judge(&mut self, silent_ms: u64, after_ms: u64) -> Option<bool> {
        let missed = silent_ms >= after_ms;
        (missed != self.missed).then(|| {
            self.missed = missed;
            missed
        })
    }

    /// When this is to be looked at again; a commit is looked at when it comes.
    pub(super) fn next_wake_ms(&self, last_commit_ms: u64, after_ms: u64) -> Option<u64> {
        (!self.missed).then_some(last_commit_ms.saturating_add(after_ms))
    }
}

/// Whether the collector is missed, as its address is to be told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CollectorState {
    pub(super) missed: bool,
    /// For how long it had committed nothing, seconds.
    pub(super) silent_s: u64,
}

/// What the address was told, as far as is known.
#[derive(Debug, Default)]
struct ReportedState {
    /// It took that the collector is missed.
    missed: bool,
    /// A try to say so had no good answer: it may have arrived all the same.
    unsure: bool,
}

impl ReportedState {
    /// What is to be said so that the address knows what is true now.
    fn due(&self, missed: bool) -> Option<bool> {
        let known = if missed { self.missed && !self.unsure } else { !self.missed && !self.unsure };
        (!known).then_some(missed)
    }

    fn tried(&mut self, missed: bool, taken: bool) {
        if taken {
            (self.missed, self.unsure) = (missed, false);
        } else if missed {
            self.unsure = true;
        }
    }
}

/// Has the surveyor tell the configured address what is true now, until it takes that. There is one of these: what is true no more is
/// not said, and nothing comes after what replaced it.
pub(super) async fn announce(config_path: Option<PathBuf>, mut state: watch::Receiver<CollectorState>) {
    let (mut told, mut tries) = (ReportedState::default(), 0);
    loop {
        let CollectorState { missed, silent_s } = *state.borrow_and_update();
        let Some(missed) = told.due(missed) else {
            tries = 0;
            if state.changed().await.is_err() {
                return;
            }
            continue;
        };
        let taken = match tokio::time::timeout(DEADLINE, notify_once(config_path.as_ref(), missed, silent_s)).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, missed, "could not tell whether the collector is missed; it is tried again");
                false
            }
            Err(_) => {
                tracing::warn!(missed, "could not tell in time whether the collector is missed; it is tried again");
                false
            }
        };
        told.tried(missed, taken);
        if taken {
            continue;
        }
        let pause = Duration::from_millis(retry_ms(tries, PAUSE_FIRST_MS, PAUSE_LAST_MS, entropy()));
        tries = tries.saturating_add(1);
        if let Ok(Err(_)) = tokio::time::timeout(pause, state.changed()).await {
            return;
        }
    }
}

async fn notify_once(config_path: Option<&PathBuf>, missed: bool, silent_s: u64) -> std::io::Result<()> {
    #[allow(clippy::disallowed_methods, reason = "our own program, with a deadline")]
    let mut command = Command::new(surveyor_path()?);
    command.arg("missed").arg("--seconds").arg(silent_s.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    if !missed {
        command.arg("--back");
    }
    if let Some(path) = config_path {
        command.arg("--config").arg(path);
    }
    let output = command.output().await?;
    if output.status.success() {
        return Ok(());
    }
    let why: String = String::from_utf8_lossy(&output.stderr).chars().take(300).collect();
    Err(std::io::Error::other(why.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_that_it_is_missed_and_once_that_it_is_back() {
        let mut missed = CollectorWatchdog::default();
        assert_eq!((missed.judge(899, 900), missed.next_wake_ms(100, 900)), (None, Some(1000)));
        assert_eq!((missed.judge(900, 900), missed.next_wake_ms(100, 900)), (Some(true), None));
        assert_eq!(missed.judge(5000, 900), None);
        assert_eq!(missed.judge(0, 900), Some(false));
        assert_eq!(missed.judge(0, 900), None);
    }

    #[test]
    fn the_address_is_told_what_is_true_and_nothing_that_it_never_heard_is_taken_back() {
        let mut told = ReportedState::default();
        assert_eq!(told.due(false), None, "nothing was missed");
        assert_eq!(told.due(true), Some(true));
        told.tried(true, false);
        assert_eq!(told.due(true), Some(true), "until it is taken");
        assert_eq!(told.due(false), Some(false), "it may have arrived");
        told.tried(false, false);
        assert_eq!(told.due(false), Some(false));
        told.tried(false, true);
        assert_eq!((told.due(false), told.due(true)), (None, Some(true)));
        told.tried(true, true);
        assert_eq!((told.due(true), told.due(false)), (None, Some(false)));
    }

    #[tokio::test]
    async fn what_is_true_no_more_before_it_was_said_is_not_said() {
        let (sender, receiver) = watch::channel(CollectorState { missed: true, silent_s: 900 });
        sender.send_replace(CollectorState::default());
        let announcing = tokio::spawn(announce(None, receiver));
        drop(sender);
        // It waits for news, and there will be none.
        tokio::time::timeout(Duration::from_secs(10), announcing)
            .await
            .expect("nothing was to be told")
            .expect("ended");
    }
}
