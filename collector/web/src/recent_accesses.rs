//! Which readings of personal data were recorded lately, so that an open page is recorded once an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// An open page reads itself anew all the time; one record an hour says the same.
const RECORD_EVERY_MS: u64 = 3_600_000;
/// Most readings that are remembered.
const ACCESSES_MAX: usize = 10_000;

/// Who has read of which device or list, and when that was last recorded, boot clock, milliseconds: a clock that is set back must silence nothing.
#[derive(Default)]
pub(crate) struct RecentAccesses(Mutex<HashMap<(String, String), u64>>);

impl RecentAccesses {
    /// Whether this reading is to be recorded; `now_ms` by the boot clock.
    pub(crate) fn needs_record(&self, person: &str, subject: &str, now_ms: u64) -> bool {
        let mut accesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (person.to_owned(), subject.to_owned());
        if accesses.get(&key).is_some_and(|at| now_ms.saturating_sub(*at) < RECORD_EVERY_MS) {
            return false;
        }
        if accesses.len() >= ACCESSES_MAX {
            accesses.clear();
        }
        accesses.insert(key, now_ms);
        true
    }

    /// This reading was not recorded after all.
    pub(crate) fn forget(&self, person: &str, subject: &str) {
        let mut accesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accesses.remove(&(person.to_owned(), subject.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_recorded_once_an_hour() {
        let accesses = RecentAccesses::default();
        assert!(accesses.needs_record("lan", "srv-1", 5_000));
        assert!(!accesses.needs_record("lan", "srv-1", 3_604_999));
        assert!(accesses.needs_record("lan", "srv-2", 6_000) && accesses.needs_record("minh", "srv-1", 6_000));
        assert!(accesses.needs_record("lan", "srv-1", 3_605_000));
        accesses.forget("lan", "srv-1");
        assert!(accesses.needs_record("lan", "srv-1", 3_605_001), "it was not recorded after all");
    }
}
