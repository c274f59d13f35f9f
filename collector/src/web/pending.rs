//! What someone has begun and is still to finish: a sign-in whose code is to come, or that goes by the identity provider.

use std::collections::HashMap;
use std::sync::Mutex;

use ioc_common::clock::Timestamp;

use super::problem::Problem;

/// Of one kind, at a time.
const MAX: usize = 1000;

/// By a key that only the browser of whoever began it knows, each until its moment.
pub(super) struct Pending<T>(Mutex<HashMap<String, (T, Timestamp)>>);

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Pending<T> {
    pub(super) fn begin(&self, key: String, what: T, now: Timestamp, life_ms: i64) -> Result<(), Problem> {
        let mut all = self.0.lock().map_err(|_| Problem::internal("sign-in failed"))?;
        all.retain(|_, (_, until)| *until > now);
        if all.len() >= MAX {
            return Err(Problem::too_many("too many people sign in at this moment; try again"));
        }
        all.insert(key, (what, now.plus_millis(life_ms)));
        Ok(())
    }

    /// What was begun, while it is good.
    pub(super) fn get(&self, key: &str, now: Timestamp) -> Option<T> {
        let all = self.0.lock().ok()?;
        all.get(key).filter(|(_, until)| *until > now).map(|(what, _)| what.clone())
    }

    /// The same, and it is over.
    pub(super) fn take(&self, key: &str, now: Timestamp) -> Option<T> {
        let (what, until) = self.0.lock().ok()?.remove(key)?;
        (until > now).then_some(what)
    }
}
