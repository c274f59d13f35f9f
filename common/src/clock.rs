//! The sole reader of the clock.
//!
//! Everything that decides takes a [`Timestamp`] as an argument; only the outermost loops call [`now`].

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

pub use crate::timestamp::{TimeError, Timestamp};
use crate::trusted_clock::{ClockReading, believed};

/// The time, now: the wall clock, unless [`hold`] has this program go by what it believes.
#[must_use]
pub fn now() -> Timestamp {
    match HELD.load(Relaxed) {
        FREE => wall(),
        offset_ms => believed(offset_ms, reading()),
    }
}

/// From now on [`now`] is the wall clock only while that stands so far ahead of the boot clock, and the boot clock plus this offset where
/// it was stepped: milliseconds ([`crate::trusted_clock::TrustedClock`]). For the one program that decides what becomes of a step.
pub fn hold(offset_ms: i64) {
    HELD.store(offset_ms.max(FREE + 1), Relaxed);
}

/// Both clocks, now.
#[must_use]
pub fn reading() -> ClockReading {
    ClockReading { wall: wall(), boot_ms: boottime_ms() }
}

/// What the boot clock shows as a moment: for what is over after a while, whatever is done to the wall clock. It means nothing beside
/// a time of day, and nothing after a reboot.
#[must_use]
pub fn steady() -> Timestamp {
    Timestamp::from_millis(i64::try_from(boottime_ms()).unwrap_or(i64::MAX))
}

/// The offset that is believed.
static HELD: AtomicI64 = AtomicI64::new(FREE);
/// No offset is held.
const FREE: i64 = i64::MIN;

/// The wall clock itself, whatever is believed of it.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    match since {
        Ok(elapsed) => Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)),
        Err(before) => Timestamp::from_millis(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX)),
    }
}

/// Milliseconds since the machine booted, suspend included; never steps back, whatever is done to the wall clock.
#[must_use]
pub fn boottime_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

/// The same in microseconds, to measure how long something took.
#[must_use]
pub fn boottime_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// CPU time this thread has used, in microseconds.
#[must_use]
pub fn thread_cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}

/// CPU time this process has used, all threads, in microseconds.
#[must_use]
pub fn process_cpu_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1000
}
