//! What is due and when to wake next. Pure: time comes in as milliseconds of the boot clock.

/// A day between two whole hellos.
const HELLO_MS: u64 = 86_400_000;

/// Whether a sample and a hello are due now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DueTasks {
    /// Take a sample.
    pub sample: bool,
    /// Send the facts again.
    pub hello: bool,
}

/// When samples are taken: every `interval_ms`, at an offset of the device's own, so that a fleet that was started together
/// does not report together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    interval_ms: u64,
    next_sample_ms: u64,
    next_hello_ms: u64,
}

impl Schedule {
    /// The first sample is due at once, the next ones on the device's own beat. `offset` may be any number, such as a hash.
    #[must_use]
    pub const fn new(now_ms: u64, interval_ms: u64, offset: u64) -> Self {
        let interval_ms = if interval_ms == 0 { 1 } else { interval_ms };
        let beat = offset % interval_ms;
        // The first beat that is at least half an interval away, so that the first two samples do not coincide.
        let mut next = now_ms - now_ms % interval_ms + beat;
        while next < now_ms + interval_ms / 2 {
            next += interval_ms;
        }
        Self { interval_ms, next_sample_ms: next, next_hello_ms: now_ms + HELLO_MS }
    }

    /// What is due at `now_ms`. Beats that were missed (the machine slept) are skipped, not made up for.
    pub const fn due(&mut self, now_ms: u64) -> DueTasks {
        let due = DueTasks { sample: now_ms >= self.next_sample_ms, hello: now_ms >= self.next_hello_ms };
        if due.sample {
            let missed = (now_ms - self.next_sample_ms) / self.interval_ms;
            self.next_sample_ms += (missed + 1) * self.interval_ms;
        }
        if due.hello {
            self.next_hello_ms = now_ms + HELLO_MS;
        }
        due
    }

    /// When the next sample is due.
    #[must_use]
    pub const fn next_sample_ms(&self) -> u64 {
        self.next_sample_ms
    }

    /// When the next whole hello is due.
    #[must_use]
    pub const fn next_hello_ms(&self) -> u64 {
        self.next_hello_ms
    }

    /// When something is due next.
    #[must_use]
    pub const fn next_wake_ms(&self) -> u64 {
        if self.next_sample_ms < self.next_hello_ms { self.next_sample_ms } else { self.next_hello_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missed_beats_are_skipped() {
        let mut schedule = Schedule::new(100_000, 10_000, 3);
        assert_eq!(schedule.next_wake_ms(), 110_003);
        assert!(!schedule.due(110_002).sample && schedule.due(110_003).sample);
        assert!(schedule.due(155_000).sample);
        assert_eq!(schedule.next_wake_ms(), 160_003);
    }

    proptest! {
        #[test]
        fn every_wake_finds_something_due_and_moves_on(start in 0_u64..1 << 40, interval in 1_u64..100_000, offset in any::<u64>()) {
            let mut schedule = Schedule::new(start, interval, offset);
            let mut at = start;
            for _ in 0..20 {
                let wake = schedule.next_wake_ms();
                prop_assert!(wake >= at && wake - at <= interval * 2);
                let due = schedule.due(wake);
                prop_assert!(due.sample || due.hello);
                at = wake;
                prop_assert!(schedule.next_wake_ms() > wake);
            }
        }
    }
}
