//! The main loop's one alarm, on a timer of the kernel's own.
//!
//! tokio's timers move long waits down a wheel of levels and wake the thread at each of them; for a loop that wakes every few
//! seconds that trebles its wake-ups. A timerfd wakes it once.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// The alarm.
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// An alarm that is not set. It counts the time a machine sleeps, as the agent's clock does.
    ///
    /// # Errors
    /// When the kernel gives no timer.
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe for types that lie about their descriptor; an OwnedFd cannot"
        )]
        Ok(Self { timer: AsyncFd::new(timer)? })
    }

    /// Ends after `wait` from now. Setting it anew forgets what was set before.
    pub(super) async fn after(&self, wait: Duration) {
        let at =
            Timespec { tv_sec: i64::try_from(wait.as_secs()).unwrap_or(60), tv_nsec: i64::from(wait.subsec_nanos()) };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).is_err() {
            return tokio::time::sleep(wait).await;
        }
        while let Ok(mut ready) = self.timer.readable().await {
            let mut count = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?)) {
                Ok(_) => return,
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::clock::boottime_ms;

    #[tokio::test]
    async fn it_wakes_once_when_it_is_time_and_an_old_wish_is_forgotten() {
        let alarm = Alarm::new().expect("timer");
        let started = boottime_ms();
        alarm.after(Duration::from_millis(30)).await;
        assert!(boottime_ms() - started >= 29, "too early");
        // Dropped before it was due, as the main loop does: the next one is not woken by it.
        let dropped = tokio::time::timeout(Duration::from_millis(5), alarm.after(Duration::from_millis(20))).await;
        assert!(dropped.is_err());
        let started = boottime_ms();
        alarm.after(Duration::from_millis(80)).await;
        assert!(boottime_ms() - started >= 79, "woken by the wish before");
    }
}
