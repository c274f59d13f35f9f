//! How fast a backup and a drill read and write: within their share, so that commits never wait for them, faster while none does, and never on when
//! the collector stops.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ioc_common::clock;
use ioc_store::backup::ProofPace;

/// It runs ahead by no more than this, microseconds.
const AHEAD_MAX_US: u64 = 20_000;
/// The longest sleep: the word to stop is heard in between.
const NAP: Duration = Duration::from_millis(200);
/// Between two looks at how long commits took, microseconds.
const LOOK_US: u64 = 250_000;
/// A look at pages rests for as long as it worked, where commits take their time.
const REST: Duration = Duration::from_millis(2);
/// A commit that takes longer than this, milliseconds, has work beside it slow down at once. Devices wait for a tenth of a second at most.
pub(super) const SLOW_COMMIT_MS: u64 = 30;

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

/// How many commits were slow so far.
type SlowCommits = Box<dyn Fn() -> u64 + Send + Sync>;

/// How fast it may go, which follows commits: faster by a quarter at each look that sees none that was slow, and back to what is always allowed
/// at the first that is.
struct Allowed {
    /// Bytes a second that are always allowed, and that are while commits are quick.
    least: u64,
    peak: u64,
    now: u64,
    looked_us: u64,
    slow: u64,
}

impl Allowed {
    /// Bytes a second from now on.
    fn look(&mut self, now_us: u64, slow: impl FnOnce() -> u64) -> u64 {
        if now_us.saturating_sub(self.looked_us) >= LOOK_US {
            let slow = slow();
            self.now = if slow > self.slow { self.least } else { (self.now + self.now / 4).min(self.peak) };
            (self.looked_us, self.slow) = (now_us, slow);
        }
        self.now
    }
}

struct State {
    allowed: Allowed,
    /// When what was passed so far is due, boot clock, microseconds.
    due_us: u64,
}

/// Holds work to a number of bytes a second, and counts how far it has come.
pub(super) struct Pace {
    state: Mutex<State>,
    slow: SlowCommits,
    passed: AtomicU64,
    all: AtomicU64,
    stop: Arc<AtomicBool>,
}

impl Pace {
    /// `max_mib_per_s` is always allowed, `peak_mib_per_s` as long as `slow` does not rise: how many commits were slow so far.
    pub(super) fn new(
        (max_mib_per_s, peak_mib_per_s): (u64, u64),
        slow: impl Fn() -> u64 + Send + Sync + 'static,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let least = max_mib_per_s.max(1) << 20;
        let peak = least.max(peak_mib_per_s << 20);
        let allowed = Allowed { least, peak, now: least, looked_us: clock::boottime_us(), slow: slow() };
        Self {
            state: Mutex::new(State { allowed, due_us: 0 }),
            slow: Box::new(slow),
            passed: AtomicU64::new(0),
            all: AtomicU64::new(0),
            stop: Arc::clone(stop),
        }
    }

    /// As fast as it goes.
    pub(super) fn unbounded() -> Arc<Self> {
        Arc::new(Self::new((UNBOUNDED_MIB, UNBOUNDED_MIB), || 0, &Arc::default()))
    }

    /// About so many bytes will have been passed in the end.
    pub(super) fn expect(&self, bytes: u64) {
        self.all.store(bytes, Relaxed);
    }

    /// How many bytes were passed so far, and of how many; neither before the work knows.
    pub(super) fn progress(&self) -> (u64, u64) {
        let all = self.all.load(Relaxed);
        (self.passed.load(Relaxed).min(all), all)
    }

    /// So many bytes more. Waits while it is ahead of its pace.
    ///
    /// # Errors
    /// When the collector stops.
    pub(super) fn pass(&self, bytes: u64) -> io::Result<()> {
        self.passed.fetch_add(bytes, Relaxed);
        let until_us = {
            let State { allowed, due_us } = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now_us = clock::boottime_us();
            // What was not used before is not made up for.
            *due_us = (*due_us).max(now_us) + bytes.saturating_mul(1_000_000) / allowed.look(now_us, &self.slow);
            due_us.saturating_sub(AHEAD_MAX_US)
        };
        loop {
            self.goes_on()?;
            let left = Duration::from_micros(until_us.saturating_sub(clock::boottime_us()));
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(NAP));
        }
    }

    fn goes_on(&self) -> io::Result<()> {
        if self.stop.load(Relaxed) { Err(io::Error::other(Stop)) } else { Ok(()) }
    }
}

impl ProofPace for Pace {
    fn summed(&self, bytes: u64) -> io::Result<()> {
        self.pass(bytes)
    }

    /// What was looked at counts, but waits for nothing of what is read beside it: it rests as long as it worked, unless commits are quick.
    fn looked(&self, bytes: u64) -> io::Result<()> {
        self.passed.fetch_add(bytes, Relaxed);
        let rests = {
            let State { allowed, .. } = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let now = allowed.look(clock::boottime_us(), &self.slow);
            now == allowed.least && now < UNBOUNDED_MIB << 20
        };
        if rests {
            std::thread::sleep(REST);
        }
        self.goes_on()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_held_to_its_pace_and_ends_when_it_is_to() {
        let stop = Arc::new(AtomicBool::new(false));
        let pace = Pace::new((10, 10), || 0, &stop);
        pace.expect(1_000_000);
        let before_us = clock::boottime_us();
        for _ in 0..20 {
            pace.pass(100 * 1024).expect("goes on");
        }
        // Two megabytes at ten a second, less what it may be ahead.
        assert!(clock::boottime_us() - before_us >= 170_000);
        assert_eq!(pace.progress(), (1_000_000, 1_000_000), "never beyond its end");
        stop.store(true, Relaxed);
        assert!(pace.pass(1).is_err_and(|error| is_stop(&error)));
        assert!(!is_stop(&io::Error::other("x")));
    }

    #[test]
    fn it_goes_faster_while_commits_are_quick_and_gives_way_at_the_first_that_is_slow() {
        let mut allowed = Allowed { least: 20, peak: 400, now: 20, looked_us: 0, slow: 3 };
        let seconds = |s: u64| s * 1_000_000;
        assert_eq!(allowed.look(LOOK_US - 1, || panic!("too early")), 20);
        let faster: Vec<u64> = (1..=16).map(|second| allowed.look(seconds(second), || 3)).collect();
        assert!(faster[0] == 25 && faster.is_sorted() && faster[15] == 400, "{faster:?}");
        assert_eq!(allowed.look(seconds(17), || 4), 20, "one was slow");
        assert_eq!(allowed.look(seconds(18), || 4), 25, "and none since");
        let mut bound = Allowed { least: 20, peak: 20, now: 20, looked_us: 0, slow: 0 };
        assert_eq!(bound.look(seconds(9), || 0), 20, "never beyond what is allowed at most");
    }

    #[test]
    fn a_look_at_pages_rests_only_beside_slow_commits_and_hears_the_end() {
        let stop = Arc::new(AtomicBool::new(false));
        let (bounded, alone) = (Pace::new((10, 10), || 0, &stop), Pace::unbounded());
        let took_us = |pace: &Pace| {
            let before_us = clock::boottime_us();
            (0..20).for_each(|_| pace.looked(1).expect("goes on"));
            clock::boottime_us() - before_us
        };
        assert!(took_us(&bounded) >= 40_000);
        assert!(took_us(&alone) < 40_000);
        stop.store(true, Relaxed);
        assert!(bounded.looked(1).is_err_and(|error| is_stop(&error)));
    }
}
