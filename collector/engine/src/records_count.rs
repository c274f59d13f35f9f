//! How much there is of each class of records, what holds keep of it, and what is past its time, as it was counted last. It is counted by a task of
//! the collector (`collector/src/records_count.rs`), a little at a time; pages and API read what it says here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ioc_common::clock::Timestamp;
use ioc_store::retention::{ClassSize, Counted, RecordClass};

/// What was counted of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClassCount {
    /// How much there is; none where nothing of it is kept.
    pub size: Option<ClassSize>,
    /// How many are held; none where that is not counted.
    pub held: Option<Counted>,
    /// How many are past their time and not held; none where that is not counted.
    pub going: Option<Counted>,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordsCount {
    /// When that was done.
    pub at: Timestamp,
    /// Of each class.
    pub classes: BTreeMap<RecordClass, ClassCount>,
    /// How much each hold that was in force keeps of each class, by its number; none where that is not counted.
    pub holds: BTreeMap<u64, Vec<(RecordClass, Option<Counted>)>>,
}

/// Where it is told.
#[derive(Debug, Default)]
pub struct RecordsBoard(Mutex<Option<Arc<RecordsCount>>>);

impl RecordsBoard {
    /// What was counted last; none before it was.
    #[must_use]
    pub fn newest(&self) -> Option<Arc<RecordsCount>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells what was counted.
    pub fn tell(&self, counted: RecordsCount) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(counted));
    }
}
