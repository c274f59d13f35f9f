//! Integrity checks of the store: a quick one after each start, and a full one every day, so that damage is found before the data is needed.
//!
//! The time of the last full check is kept in a file beside the store, so that a collector that is restarted every day makes one, too.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::panics::caught;
use ioc_common::clock::{self, Timestamp};
use ioc_common::file::replace_durably;
use ioc_engine::command::Command;
use ioc_engine::writer::EngineHandle;
use ioc_store::Reader;

/// From a start to the quick check, milliseconds.
const QUICK_CHECK_AFTER_MS: u64 = 60_000;
/// From the quick check to a full one that is due, milliseconds: a collector that is restarted several times does not read a large store
/// each time. Also from a check that failed to the next one.
const FULL_CHECK_PAUSE_MS: u64 = 3_600_000;
/// Between two full checks, milliseconds.
const FULL_CHECK_EVERY_MS: u64 = 86_400_000;
/// The longest sleep: the timer does not count while the machine is suspended, the boot clock does.
const SLEEP_MAX_MS: u64 = 60_000;
/// The file with the time of the last full check.
const LAST_CHECK_FILE: &str = "integrity-check.last";

/// Checks until the engine ends. Nothing waits for it: readers do not hold up the writer. `data` is the store's directory, and `has_log` says whether the
/// store's files are there, with a write-ahead log beside them.
pub async fn run(engine: EngineHandle, reader: Box<dyn Reader>, (data, has_log): (PathBuf, bool)) {
    let path = data.join(LAST_CHECK_FILE);
    let mut reader = Some(reader);
    let (mut due_ms, mut full) = (clock::boottime_ms() + QUICK_CHECK_AFTER_MS, false);
    loop {
        sleep_until(due_ms).await;
        let Some(taken) = reader.take() else { return };
        let data = data.clone();
        let task = tokio::task::spawn_blocking(move || {
            let found = caught(|| taken.examine(full));
            // What the log kept for as long as it was looked at would be put into its place by the next commit.
            if full
                && has_log
                && let Err(error) = ioc_store::settle_log(&data)
            {
                tracing::warn!(%error, "the write-ahead log is left to the next commits");
            }
            (taken, found)
        });
        let (taken, found) = match task.await {
            Ok(done) => done,
            // The collector ends.
            Err(error) => return tracing::debug!(%error, "a look at the store was broken off"),
        };
        reader = Some(taken);
        let (findings, looked) = findings_of(found);
        let kept = engine.command(Command::RecordIntegrityCheck { findings, full }).await;
        if let Err(error) = &kept {
            tracing::warn!(%error, full, "what a look at the store found could not be kept; it is looked at again");
        }
        let done = looked && kept.is_ok();
        if done && full {
            write_last(&path, clock::now()).await;
        }
        let wait_ms = wait_ms(full, done, read_last(&path), clock::now());
        (due_ms, full) = (clock::boottime_ms() + wait_ms, true);
    }
}

/// The findings of a check, and whether it was completed. A panic is a finding: a store that cannot be read is not sound.
fn findings_of(found: Result<Vec<String>, String>) -> (Vec<String>, bool) {
    match found {
        Ok(findings) => (findings, true),
        Err(panic) => (vec![format!("the store could not be looked at: {panic}")], false),
    }
}

/// From a check to the next full one, milliseconds. One that was not completed, or whose result was not committed, is repeated soon.
fn wait_ms(full: bool, done: bool, last: Option<Timestamp>, now: Timestamp) -> u64 {
    match (done, full) {
        (false, _) => FULL_CHECK_PAUSE_MS,
        (true, true) => FULL_CHECK_EVERY_MS,
        (true, false) => full_wait_ms(last, now),
    }
}

/// Sleeps until the boot clock shows so much.
async fn sleep_until(boot_ms: u64) {
    loop {
        let left_ms = boot_ms.saturating_sub(clock::boottime_ms());
        if left_ms == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left_ms.min(SLEEP_MAX_MS))).await;
    }
}

/// From the quick check to the first full one after a start, milliseconds: it is due a day after the last one. Where that time is missing,
/// in the future or past, it follows after a pause.
fn full_wait_ms(last: Option<Timestamp>, now: Timestamp) -> u64 {
    let age_ms = last.and_then(|last| u64::try_from(now.millis_since(last)).ok());
    age_ms.map_or(FULL_CHECK_PAUSE_MS, |age_ms| FULL_CHECK_EVERY_MS.saturating_sub(age_ms).max(FULL_CHECK_PAUSE_MS))
}

/// When the last full check was. If the file cannot be read, the next check only comes earlier.
fn read_last(path: &Path) -> Option<Timestamp> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "when the store was last looked over cannot be read");
            return None;
        }
    };
    let parsed = text.trim().parse();
    parsed
        .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "when the store was last looked over"))
        .ok()
}

async fn write_last(path: &Path, at: Timestamp) {
    let own = path.to_owned();
    let write = move || replace_durably(&own, 0o600, |file| writeln!(file, "{at}"));
    let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "when the store was last looked over cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_collector_that_is_started_every_day_has_a_thorough_look_every_day() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join(LAST_CHECK_FILE);
        let start: Timestamp = "2026-11-28T02:00:00Z".parse().expect("time");
        let hour = |hours: u64| start.plus_secs(hours * 3600);
        // Started every 20 hours, as a machine that is off at night.
        let mut looks = Vec::new();
        for begin in (0..200).step_by(20) {
            let wait_ms = full_wait_ms(read_last(&path), hour(begin));
            assert!(wait_ms >= FULL_CHECK_PAUSE_MS, "never at once");
            let at = begin + wait_ms.div_ceil(3_600_000);
            if at < begin + 20 {
                write_last(&path, hour(at)).await;
                looks.push(at);
            }
        }
        assert_eq!(looks[0], 1);
        assert!(looks.windows(2).all(|two| (24..=44).contains(&(two[1] - two[0]))), "{looks:?}");
    }

    #[test]
    fn a_look_that_panics_is_a_finding_and_is_made_again_soon() {
        let found = caught(|| -> Vec<String> { panic!("page {}", 7) });
        assert_eq!(findings_of(found), (vec!["the store could not be looked at: page 7".to_owned()], false));
        assert_eq!(findings_of(Ok(Vec::new())), (Vec::new(), true));
        let now: Timestamp = "2026-11-28T02:00:00Z".parse().expect("time");
        for full in [false, true] {
            assert_eq!(wait_ms(full, false, Some(now), now), FULL_CHECK_PAUSE_MS, "broken off, or not kept");
            assert_eq!(wait_ms(full, true, Some(now), now), FULL_CHECK_EVERY_MS);
        }
        assert_eq!(wait_ms(false, true, None, now), FULL_CHECK_PAUSE_MS);
    }

    #[test]
    fn a_moment_that_says_nothing_makes_the_look_due_after_a_rest() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join(LAST_CHECK_FILE);
        let now: Timestamp = "2026-11-28T02:00:00Z".parse().expect("time");
        assert_eq!(read_last(&path), None);
        for text in ["", "half", "2026-11-29T02:00:00Z", "2025-01-01T00:00:00Z"] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(full_wait_ms(read_last(&path), now), FULL_CHECK_PAUSE_MS, "{text:?}");
        }
        std::fs::write(&path, "2026-11-27T14:00:00Z\n").expect("written");
        assert_eq!(full_wait_ms(read_last(&path), now), 12 * 3_600_000);
    }
}
