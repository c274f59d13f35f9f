//! How often a refusal is logged: whoever sends much nonsense must not fill the journal with it. Everything is counted all the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines of one reason …
const LINES_MAX: u32 = 20;
/// … within this.
const WITHIN: Duration = Duration::from_secs(60);

/// Lines logged, by reason. Reasons are our own, so there are few.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<BTreeMap<&'static str, Logged>>);

#[derive(Debug)]
struct Logged {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Pace {
    /// Whether a line of this reason may be logged, and how many were left out before it.
    pub(super) fn allows(&self, reason: &'static str, now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let logged = all.entry(reason).or_insert(Logged { since: now, lines: 0, left_out: 0 });
        if now.duration_since(logged.since) >= WITHIN {
            (logged.since, logged.lines) = (now, 0);
        }
        if logged.lines == LINES_MAX {
            logged.left_out += 1;
            return None;
        }
        logged.lines += 1;
        Some(std::mem::take(&mut logged.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_some_lines_a_minute_and_says_how_many_it_left_out() {
        let (pace, start) = (Pace::default(), Instant::now());
        let allowed = (0..1000).filter(|_| pace.allows("packet", start).is_some()).count();
        assert_eq!(allowed, 20);
        assert_eq!(pace.allows("topic", start), Some(0), "another reason has its own lines");
        assert_eq!(pace.allows("packet", start + WITHIN), Some(980));
        assert_eq!(pace.allows("packet", start + WITHIN), Some(0));
    }
}
