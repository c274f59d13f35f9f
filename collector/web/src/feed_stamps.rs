//! When what the duty calendars say was last different, so that whoever asks again is told that nothing is new.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ioc_common::clock::Timestamp;

/// Calendars of which it is known when they last changed: more than a centre has in use.
const STAMPS_MAX: usize = 1_000;

/// When what each calendar says was last different, by its digest.
#[derive(Debug, Default)]
pub(crate) struct FeedStamps(Mutex<HashMap<String, (String, Timestamp)>>);

impl FeedStamps {
    /// When it became what it says now, as far as this process knows.
    pub(crate) fn of(&self, digest: &str, said: String, now: Timestamp) -> Timestamp {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= STAMPS_MAX && !all.contains_key(digest) {
            all.clear();
        }
        let entry = all.entry(digest.to_owned()).or_insert_with(|| (said.clone(), now));
        if entry.0 != said {
            *entry = (said, now);
        }
        entry.1
    }
}
