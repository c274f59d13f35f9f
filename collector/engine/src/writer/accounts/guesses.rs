//! Codes of the second factor that are guessed by somebody who knows the password. Each address has attempts of its own, and whoever has many
//! addresses has many; so these are counted by account, too. Nobody who does not know the password can bring it about.

use std::collections::HashMap;

/// First lock of guessed codes, and of an origin, doubled with every further failure up to the last.
pub(super) const LOCK_FIRST_MS: u64 = 60_000;
pub(super) const LOCK_LAST_MS: u64 = 3_600_000;
pub(super) const HOUR_MS: u64 = 3_600_000;
/// Wrong codes after a right password, from browsers that are not known, before no code is taken from such browsers for a while.
pub(super) const GUESSES_MAX: u32 = 20;

/// Wrong codes on one account.
#[derive(Debug, Clone, Copy, Default)]
struct Guesses {
    /// One fewer for each hour without another.
    count: u32,
    last_ms: u64,
    locked_until_ms: u64,
}

impl Guesses {
    fn count_at(self, boot_ms: u64) -> u32 {
        let hours = boot_ms.saturating_sub(self.last_ms) / HOUR_MS;
        self.count.saturating_sub(u32::try_from(hours).unwrap_or(u32::MAX))
    }
}

/// By account that there is. Times are of the boot clock, milliseconds.
#[derive(Debug, Default)]
pub(super) struct CodeGuesses(HashMap<String, Guesses>);

impl CodeGuesses {
    /// For how long no code is taken from strangers, milliseconds; 0 when one is.
    pub(super) fn locked_for_ms(&self, name: &str, boot_ms: u64) -> u64 {
        self.0.get(name).map_or(0, |guesses| guesses.locked_until_ms.saturating_sub(boot_ms))
    }

    /// Whether so many were wrong that a right one takes the lock off nobody.
    pub(super) fn are_many(&self, name: &str, boot_ms: u64) -> bool {
        self.0.get(name).is_some_and(|guesses| guesses.count_at(boot_ms) >= GUESSES_MAX)
    }

    /// Counts a wrong one; each beyond the bound doubles the wait. How many there are.
    pub(super) fn count(&mut self, name: &str, boot_ms: u64) -> u32 {
        let guesses = self.0.entry(name.to_owned()).or_default();
        (guesses.count, guesses.last_ms) = (guesses.count_at(boot_ms).saturating_add(1), boot_ms);
        if guesses.count >= GUESSES_MAX {
            let lock = LOCK_FIRST_MS << (guesses.count - GUESSES_MAX).min(10);
            guesses.locked_until_ms = boot_ms + lock.min(LOCK_LAST_MS);
        }
        guesses.count
    }

    /// The password is another one: whoever guessed does not know it.
    pub(super) fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}
