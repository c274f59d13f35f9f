//! What was gathered for reports that people look at, and how far the gathering has come. It is done beside everything else, one at a time; what is kept
//! is bounded.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use ioc_common::clock::Timestamp;
use ioc_report::ReportKey;
use ioc_report::filing::FilingFacts;
use ioc_report::gather::Facts;

use crate::problem::Problem;

/// Reports of which the facts are kept.
const KEPT_MAX: usize = 16;
/// How old facts may be before they are gathered anew for whoever opens the page, milliseconds. Whoever writes texts goes on with what they saw.
const OLD_MS: i64 = 3_600_000;

/// What is gathered, as of a moment.
pub(crate) trait Gathered {
    /// As of when.
    fn at(&self) -> Timestamp;
}

impl Gathered for Facts {
    fn at(&self) -> Timestamp {
        self.at
    }
}

impl Gathered for FilingFacts {
    fn at(&self) -> Timestamp {
        self.at
    }
}

/// How far gathering has come.
#[derive(Debug, Clone)]
pub(crate) enum Draft<F = Facts> {
    /// So many of so many parts are done.
    Gathering { done: u32, all: u32 },
    /// It is done.
    Done(Arc<F>),
    /// It could not be done, and why.
    Failed(Box<Problem>),
}

/// What is kept of one.
pub(crate) enum Kept<F = Facts> {
    Gathering(Arc<Progress>),
    Done(Arc<F>),
    Failed(Box<Problem>, Timestamp),
}

/// So many of so many parts are done.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) done: AtomicU32,
    pub(crate) all: AtomicU32,
}

impl Progress {
    /// So many of so many parts are done.
    pub(crate) fn tell(&self, done: u32, all: u32) {
        self.done.store(done, Relaxed);
        self.all.store(all, Relaxed);
    }
}

/// The facts of the reports that people look at.
pub(crate) struct Drafts<K = ReportKey, F = Facts> {
    kept: Mutex<BTreeMap<K, Kept<F>>>,
    /// One report is gathered at a time.
    pub(crate) turn: Semaphore,
}

impl<K, F> Default for Drafts<K, F> {
    fn default() -> Self {
        Self { kept: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl<K: Ord + Clone, F: Gathered> Drafts<K, F> {
    fn kept(&self) -> MutexGuard<'_, BTreeMap<K, Kept<F>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what came of gathering.
    pub(crate) fn keep(&self, key: K, kept: Kept<F>) {
        self.kept().insert(key, kept);
    }

    /// The facts of a report, if they were gathered and are kept.
    pub(crate) fn facts(&self, key: &K) -> Option<Arc<F>> {
        match self.kept().get(key) {
            Some(Kept::Done(facts)) => Some(Arc::clone(facts)),
            Some(Kept::Gathering(_) | Kept::Failed(..)) | None => None,
        }
    }

    /// Makes room, and says where progress is told; nothing where it is being gathered already.
    pub(crate) fn claim(&self, key: &K, anew: bool, now: Timestamp) -> Option<Arc<Progress>> {
        let mut kept = self.kept();
        let good = match kept.get(key) {
            Some(Kept::Gathering(_)) => true,
            Some(Kept::Done(facts)) => !anew && now.millis_since(facts.at()) < OLD_MS,
            // A failure is shown before it is tried again.
            Some(Kept::Failed(_, at)) => !anew && now.millis_since(*at) < OLD_MS,
            None => false,
        };
        if good {
            return None;
        }
        if kept.len() >= KEPT_MAX {
            let at = |one: &Kept<F>| match one {
                Kept::Gathering(_) => Timestamp::MAX,
                Kept::Done(facts) => facts.at(),
                Kept::Failed(_, at) => *at,
            };
            let oldest = kept.iter().min_by_key(|(_, one)| at(one)).map(|(key, _)| key.clone());
            oldest.map(|key| kept.remove(&key));
        }
        let progress = Arc::new(Progress::default());
        kept.insert(key.clone(), Kept::Gathering(Arc::clone(&progress)));
        Some(progress)
    }

    /// How a report stands.
    pub(crate) fn shown(&self, key: &K) -> Draft<F> {
        match self.kept().get(key) {
            Some(Kept::Gathering(progress)) => {
                Draft::Gathering { done: progress.done.load(Relaxed), all: progress.all.load(Relaxed).max(1) }
            }
            Some(Kept::Done(facts)) => Draft::Done(Arc::clone(facts)),
            Some(Kept::Failed(why, _)) => Draft::Failed(why.clone()),
            None => Draft::Gathering { done: 0, all: 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(key: ReportKey, at: i64) -> Kept {
        let at = Timestamp::from_millis(at);
        Kept::Done(Arc::new(Facts { key, at, since: None, articles: Vec::new() }))
    }

    #[test]
    fn one_report_is_gathered_once_and_only_so_many_are_kept() {
        let drafts: Drafts = Drafts::default();
        let now = Timestamp::from_millis(OLD_MS * 10);
        let key = ReportKey::quarter(2026, 1);
        assert!(drafts.claim(&key, false, now).is_some());
        assert!(drafts.claim(&key, true, now).is_none(), "it is being gathered");
        drafts.kept().insert(key, facts(key, OLD_MS * 10 - 5));
        assert!(drafts.claim(&key, false, now).is_none() && drafts.facts(&key).is_some());
        assert!(drafts.claim(&key, false, now.plus_millis(OLD_MS)).is_some(), "an hour later it is old");
        drafts.kept().insert(key, facts(key, 0));
        for year in 2000..2030 {
            let _ = drafts.claim(&ReportKey::quarter(year, 2), false, now);
            drafts.kept().insert(ReportKey::quarter(year, 2), facts(key, i64::from(year)));
        }
        assert_eq!(drafts.kept().len(), KEPT_MAX);
        assert!(drafts.facts(&key).is_none(), "the oldest went");
    }
}
