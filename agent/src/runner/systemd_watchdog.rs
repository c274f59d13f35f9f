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

    /// Says it when half of the time is over.
    pub(super) fn feed(&mut self, now_ms: u64) {
        if let Some((half_ms, next_ms)) = &mut self.due
            && now_ms >= *next_ms
        {
            *next_ms = now_ms + *half_ms;
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }

    pub(super) fn next_wake_ms(&self) -> Option<u64> {
        self.due.map(|(_, next_ms)| next_ms)
    }
}
