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

use ioc_common::clock::boottime_ms;

/// A timer of the boot clock, armed for the one moment at which something is due next.
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// When it rings, by the boot clock; none when it rang or was never set.
    set_ms: Option<u64>,
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
        Ok(Self { timer: AsyncFd::new(timer)?, set_ms: None })
    }

    /// Ends at `at_ms` of the boot clock, at once where that has passed. It may be dropped and asked again: the kernel is told only
    /// of another time than the one before, which is then forgotten.
    pub(super) async fn at(&mut self, at_ms: u64) {
        if self.set_ms != Some(at_ms) {
            // Zero would switch it off.
            let at_ms = at_ms.max(1);
            let at = Timespec {
                tv_sec: i64::try_from(at_ms / 1000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(at_ms % 1000).unwrap_or(0) * 1_000_000,
            };
            let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: at };
            if timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once).is_err() {
                return tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(boottime_ms()).max(1))).await;
            }
            self.set_ms = Some(at_ms);
        }
        while let Ok(mut ready) = self.timer.readable().await {
            let mut count = [0; 8];
            match ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?)) {
                Ok(_) => {
                    // It was told that all is read: without that the next wait would begin with one more read.
                    ready.clear_ready();
                    self.set_ms = None;
                    return;
                }
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_wakes_once_when_it_is_time_and_an_old_wish_is_forgotten() {
        let mut alarm = Alarm::new().expect("timer");
        let started = boottime_ms();
        alarm.at(started + 30).await;
        assert!(boottime_ms() >= started + 30, "too early");
        // Dropped before it was due, as the main loop does: the next one is not woken by it.
        let due = boottime_ms() + 20;
        assert!(tokio::time::timeout(Duration::from_millis(5), alarm.at(due)).await.is_err());
        let later = boottime_ms() + 80;
        alarm.at(later).await;
        assert!(boottime_ms() >= later, "woken by the wish before");
    }

    #[tokio::test]
    async fn the_same_wish_stands_however_often_it_is_dropped_and_rings_each_time_it_is_set() {
        let mut alarm = Alarm::new().expect("timer");
        for _ in 0..3 {
            let due = boottime_ms() + 40;
            for _ in 0..4 {
                assert!(tokio::time::timeout(Duration::from_millis(2), alarm.at(due)).await.is_err());
            }
            // It rang while nobody waited.
            #[allow(clippy::disallowed_methods, reason = "the runtime must not see it ring")]
            std::thread::sleep(Duration::from_millis(60));
            let rang = tokio::time::timeout(Duration::from_secs(5), alarm.at(due)).await;
            assert!(rang.is_ok() && boottime_ms() >= due);
        }
        // What has passed rings at once, also when it is the very time that rang last.
        let past = boottime_ms() - 10;
        for _ in 0..2 {
            assert!(tokio::time::timeout(Duration::from_secs(5), alarm.at(past)).await.is_ok());
        }
    }
}
