//! How long a device that does not answer is left alone.

use std::time::Duration;

use ioc_common::backoff::retry_ms;
use ioc_common::random::entropy;

/// The longest wait, unless the device is asked more seldom anyway.
const WAIT_MAX_MS: u64 = 60_000;

/// What is waited between two polls of a device that is asked `every` so often and has failed so many times.
#[must_use]
pub(super) fn back_off(failures: u32, every: Duration) -> Duration {
    let every_ms = u64::try_from(every.as_millis()).unwrap_or(WAIT_MAX_MS);
    Duration::from_millis(retry_ms(failures, every_ms.max(1000), WAIT_MAX_MS, entropy()).max(every_ms))
}
