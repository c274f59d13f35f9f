//! Tells systemd that the agent lives, as seldom as it asks for: each word wakes the manager of the whole machine.

/// systemd's watchdog, where the unit has one (`WatchdogSec=`).
pub(super) struct SystemdWatchdog {
    /// Half of what systemd waits for, and when that is next due; none without a watchdog.
    due: Option<(u64, u64)>,
}

impl SystemdWatchdog {
    pub(super) fn new() -> Self {
        let half = sd_notify::watchdog_enabled().and_then(|every| u64::try_from(every.as_millis() / 2).ok());
        Self { due: half.map(|half_ms| (half_ms, 0)) }
    }

    /// Says it when half of the time is over, or would be before the agent is awake again anyway (`awake_ms`): to say it a little
    /// earlier costs less than a wake-up of its own.
    pub(super) fn feed(&mut self, now_ms: u64, awake_ms: u64) {
        if let Some((half_ms, next_ms)) = &mut self.due
            && is_due(now_ms, *next_ms, awake_ms, *half_ms)
        {
            *next_ms = now_ms + *half_ms;
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }

    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        self.due.map(|(_, next_ms)| next_ms)
    }
}

/// Whether the word that is due at `next_ms` is said at `now_ms`, the next wake-up being at `awake_ms`.
const fn is_due(now_ms: u64, next_ms: u64, awake_ms: u64, half_ms: u64) -> bool {
    now_ms >= next_ms || next_ms < awake_ms && next_ms - now_ms <= half_ms / 2
}

#[cfg(test)]
mod tests {
    use super::is_due;

    #[test]
    fn it_is_said_with_a_beat_and_never_twice_as_often_as_asked() {
        // Beats of 10 s, a word each 30 s: with the third beat, though that comes a little before the time.
        assert!(!is_due(10_000, 30_003, 20_000, 30_000) && !is_due(20_000, 30_003, 30_000, 30_000));
        assert!(is_due(29_999, 30_003, 39_999, 30_000));
        // A beat that is far away is not waited for, and does not make the word come at each turn.
        assert!(!is_due(10_000, 40_000, 600_000, 30_000) && is_due(25_000, 40_000, 600_000, 30_000));
        assert!(is_due(40_000, 40_000, 41_000, 30_000));
    }
}
