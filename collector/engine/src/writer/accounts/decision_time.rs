//! The moment at which something is decided of an account, by both clocks.

use ioc_common::clock::Timestamp;
use ioc_store::totp::SecondFactor;

/// The two clocks are as good as the same within this.
const CLOCKS_OFF_MS: i64 = 1000;

/// The moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecisionTime {
    pub(super) now: Timestamp,
    pub(super) boot_ms: u64,
    /// What the machine's clock shows: another time only after a step that is not followed yet.
    pub(super) wall: Timestamp,
}

impl DecisionTime {
    /// Checks a code and uses it up. While the clock is in doubt, one is taken by what the machine's shows, too: whoever is to say which is
    /// right has to come in.
    pub(super) fn take(self, second: &mut SecondFactor, code: &str) -> bool {
        if second.take(code, self.now).is_some() {
            return true;
        }
        let off_ms = self.now.millis_since(self.wall);
        if off_ms.abs() < CLOCKS_OFF_MS || second.take(code, self.wall).is_none() {
            return false;
        }
        // What was taken is remembered by the time that is gone by.
        second.shift(off_ms);
        true
    }
}
