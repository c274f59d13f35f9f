//! The collector is missed: for so long it has committed nothing that somebody must be told by another way (dead man's switch). This
//! host says so in its own log, and to an address that does not depend on the collector; sending is the surveyor's.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use ioc_common::backoff::retry_ms;
use ioc_common::random::entropy;

use crate::config::surveyor_path;

/// How often the address is tried, and how long is waited in between: doubled from the first up to the last, with jitter.
const TRIES: u32 = 5;
const PAUSE_FIRST_MS: u64 = 20_000;
const PAUSE_LAST_MS: u64 = 60_000;
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

/// Has the surveyor tell the configured address; tries again when it cannot.
pub(super) async fn notify(config_path: Option<PathBuf>, missed: bool, silent_s: u64) {
    for tried in 0..TRIES {
        match tokio::time::timeout(DEADLINE, notify_once(config_path.as_ref(), missed, silent_s)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::warn!(%error, "could not tell that the collector is missed"),
            Err(_) => tracing::warn!("could not tell in time that the collector is missed"),
        }
        if tried + 1 < TRIES {
            let pause_ms = retry_ms(tried, PAUSE_FIRST_MS, PAUSE_LAST_MS, entropy());
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
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
}
