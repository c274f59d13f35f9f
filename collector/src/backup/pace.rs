//! How fast a backup reads and writes: within its share, so that commits never wait for it, and never on when the collector stops.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ioc_common::clock;

/// It runs ahead by no more than this, microseconds.
const AHEAD_MAX_US: u64 = 20_000;
/// The longest sleep: the word to stop is heard in between.
const NAP: Duration = Duration::from_millis(200);

/// MiB a second that no disk has.
const UNBOUNDED_MIB: u64 = 1 << 30;

/// The collector stops.
#[derive(Debug, thiserror::Error)]
#[error("the collector stops")]
struct Stop;

/// Whether an error is the word to stop.
pub(super) fn is_stop(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Stop>()).is_some()
}

/// Holds work to a number of bytes a second.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes a second.
    max: u64,
    /// When what was passed so far is due, boot clock, microseconds.
    due_us: Mutex<u64>,
    passed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Pace {
    pub(super) fn new(max_mib_per_s: u64, stop: &Arc<AtomicBool>) -> Self {
        Self { max: max_mib_per_s.max(1) << 20, due_us: Mutex::new(0), passed: Arc::default(), stop: Arc::clone(stop) }
    }

    /// As fast as it goes.
    pub(super) fn unbounded() -> Self {
        Self::new(UNBOUNDED_MIB, &Arc::default())
    }

    /// Whether others work beside it.
    pub(super) const fn is_bounded(&self) -> bool {
        self.max < UNBOUNDED_MIB << 20
    }

    /// How many bytes were passed so far, shared.
    pub(super) fn passed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.passed)
    }

    /// So many bytes more. Waits while it is ahead of its pace.
    ///
    /// # Errors
    /// When the collector stops.
    pub(super) fn pass(&self, bytes: u64) -> io::Result<()> {
        self.passed.fetch_add(bytes, Relaxed);
        let until_us = {
            let mut due_us = self.due_us.lock().unwrap_or_else(PoisonError::into_inner);
            // What was not used before is not made up for.
            *due_us = (*due_us).max(clock::boottime_us()) + bytes * 1_000_000 / self.max;
            due_us.saturating_sub(AHEAD_MAX_US)
        };
        loop {
            if self.stop.load(Relaxed) {
                return Err(io::Error::other(Stop));
            }
            let left = Duration::from_micros(until_us.saturating_sub(clock::boottime_us()));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(NAP));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_held_to_its_pace_and_ends_when_it_is_to() {
        let stop = Arc::new(AtomicBool::new(false));
        let pace = Pace::new(10, &stop);
        let before_us = clock::boottime_us();
        for _ in 0..20 {
            pace.pass(100 * 1024).expect("goes on");
        }
        // Two megabytes at ten a second, less what it may be ahead.
        assert!(clock::boottime_us() - before_us >= 170_000);
        assert_eq!(pace.passed().load(Relaxed), 20 * 100 * 1024);
        stop.store(true, Relaxed);
        assert!(pace.pass(1).is_err_and(|error| is_stop(&error)));
        assert!(!is_stop(&io::Error::other("x")));
    }
}
