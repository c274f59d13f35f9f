//! Which readings of personal data were recorded lately, so that an open page is recorded once an hour.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ioc_common::clock::Timestamp;

/// An open page reads itself anew all the time; one record an hour says the same.
const RECORD_EVERY_MS: i64 = 3_600_000;
/// Most readings that are remembered.
const ACCESSES_MAX: usize = 10_000;

/// Who has read of which device or list, and when that was last recorded.
#[derive(Default)]
pub(crate) struct RecentAccesses(Mutex<HashMap<(String, String), Timestamp>>);

impl RecentAccesses {
    /// Whether this reading is to be recorded.
    pub(crate) fn needs_record(&self, person: &str, subject: &str, now: Timestamp) -> bool {
        let mut accesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (person.to_owned(), subject.to_owned());
        if accesses.get(&key).is_some_and(|at| now.millis_since(*at) < RECORD_EVERY_MS) {
            return false;
        }
        if accesses.len() >= ACCESSES_MAX {
            accesses.clear();
        }
        accesses.insert(key, now);
        true
    }

    /// This reading was not recorded after all.
    pub(crate) fn forget(&self, person: &str, subject: &str) {
        let mut accesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accesses.remove(&(person.to_owned(), subject.to_owned()));
    }
}
