//! Counts records in the background: how many there are of each class, what legal holds keep of them, and what rules that wait will delete. A page
//! that is looked at, and whoever asks the API, reads what was counted last.
//!
//! It reads some records at a time and as long pauses in between, so that it neither holds up a checkpoint nor takes more than half a core.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;

use ioc_common::clock::{self, Timestamp};
use ioc_engine::command::{Command, DeletionAhead};
use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::records_count::{ClassCount, RecordsCount};
use ioc_engine::writer::EngineHandle;
use ioc_store::retention::{COUNTED_MAX, Counted, Hold, HoldTarget, LOOKED_MAX, RecordClass, RetentionRule};
use ioc_store::{Reader, StoreError};

use crate::panics::caught;

/// How often it looks whether there is something to count, or the engine has ended.
const IDLE: Duration = Duration::from_millis(500);
/// Between two counts of the same, at least, milliseconds.
const EVERY_MIN_MS: u64 = 60_000;
/// After one that failed.
const RETRY_MS: u64 = 60_000;
/// Records that are looked at in one go: it begins with the least, and takes more while they take no longer than so many microseconds.
const SLICE_MIN: usize = 64;
const SLICE_MAX: usize = 4096;
const SLICE_US: u64 = 10_000;

/// Counts until the engine ends.
pub(crate) async fn run(
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
) {
    let runtime = runtime::Handle::current();
    let work = move || {
        let mut wake = engine.pages_wake();
        let mut task = CountTask { engine, reader, config, health, runtime, announced: None };
        let (mut known, mut due_ms) = (None, 0);
        while task.sleep(IDLE) {
            // Holds and rules are asked for when something was decided.
            let decided = known.is_none() || wake.has_changed().unwrap_or(false);
            wake.mark_unchanged();
            let asked = if decided { task.asked().map(Some) } else { Ok(None) };
            let counted = match asked {
                Ok(now) => {
                    let changed = now.is_some() && now != known;
                    known = now.or(known);
                    if !changed && clock::boottime_ms() < due_ms {
                        continue;
                    }
                    let counted = caught(|| task.count(known.as_ref()));
                    task.reader.rest();
                    counted
                }
                Err(error) => Ok(Err(error)),
            };
            let every_ms = u64::try_from(task.config.borrow().retention.every.as_millis()).unwrap_or(u64::MAX);
            let (why, next_ms) = match counted {
                Ok(Ok(())) => (None, every_ms.max(EVERY_MIN_MS)),
                Ok(Err(error)) => (Some(error.to_string()), RETRY_MS),
                Err(panic) => (Some(format!("it panicked: {panic}")), RETRY_MS),
            };
            due_ms = clock::boottime_ms().saturating_add(next_ms);
            if let Some(why) = why {
                tracing::error!(why, "records are not counted; what was counted before is shown");
            }
        }
    };
    let _ = tokio::task::spawn_blocking(work).await;
}

/// What is counted by.
#[derive(Debug, Clone, PartialEq)]
struct Asked {
    holds: Vec<Hold>,
    rules: Vec<RetentionRule>,
}

struct CountTask {
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    runtime: runtime::Handle,
    /// Which deletions were announced last, and from when on.
    announced: Option<Vec<(RecordClass, Timestamp)>>,
}

impl CountTask {
    fn asked(&self) -> Result<Asked, StoreError> {
        let holds = self.reader.holds()?.into_iter().filter(|hold| hold.ended.is_none()).collect();
        Ok(Asked { holds, rules: self.reader.retention_rules()? })
    }

    fn count(&mut self, asked: Option<&Asked>) -> Result<(), StoreError> {
        let Some(asked) = asked else { return Ok(()) };
        let config = Arc::clone(&self.config.borrow());
        let now = clock::now();
        let mut counted = RecordsCount { at: now, classes: BTreeMap::new(), holds: BTreeMap::new() };
        for hold in &asked.holds {
            counted.holds.insert(hold.number, Vec::new());
        }
        for class in RecordClass::ALL {
            let keep = config.retention.of(class).and_then(|rule| rule.keep);
            let before = keep.map(|keep| now.plus_millis(-keep.as_millis()));
            let Some((count, by_hold)) = self.count_class(class, before)? else { return Ok(()) };
            counted.classes.insert(class, count);
            // Whom a document or a chunk of numbers names takes a look into it.
            let looked_into = class == RecordClass::Documents || class.tier().is_some();
            // Nothing of what is not counted ever goes.
            let Some(held) = count.held else { continue };
            for hold in &asked.holds {
                let of_hold = Counted { count: by_hold.get(&hold.number).copied().unwrap_or(0), whole: held.whole };
                let told = (!matches!(hold.target, HoldTarget::Person(_)) || !looked_into).then_some(of_hold);
                counted.holds.entry(hold.number).or_default().push((class, told));
            }
        }
        self.announce(&config, asked, &counted, now);
        self.health.records.tell(counted);
        Ok(())
    }

    /// Counts a class, and what each hold keeps of it; none when the engine has ended.
    #[allow(clippy::type_complexity, reason = "what one call gives back, once")]
    fn count_class(
        &self,
        class: RecordClass,
        before: Option<Timestamp>,
    ) -> Result<Option<(ClassCount, BTreeMap<u64, u64>)>, StoreError> {
        let mut count = ClassCount { size: self.reader.class_size(class)?, held: None, going: None };
        let (mut held, mut going, mut seen) = (0, 0, 0);
        let mut by_hold = BTreeMap::new();
        let (mut after, mut limit) = (i64::MIN, SLICE_MIN);
        loop {
            let begun_us = clock::boottime_us();
            let Some(slice) = self.reader.count_records(class, before, after, limit)? else {
                return Ok(Some((count, by_hold)));
            };
            (held, going, seen) = (held + slice.held, going + slice.going, seen + slice.seen);
            for (hold, of_hold) in slice.by_hold {
                *by_hold.entry(hold).or_insert(0) += of_hold;
            }
            let whole = slice.next.is_none();
            if whole || is_enough(seen, before.map(|_| going)) {
                count.held = Some(Counted { count: held, whole });
                count.going = before.map(|_| Counted { count: going, whole });
                return Ok(Some((count, by_hold)));
            }
            after = slice.next.unwrap_or(after);
            let took_us = clock::boottime_us() - begun_us;
            limit = if took_us > SLICE_US { (limit / 2).max(SLICE_MIN) } else { (limit * 2).min(SLICE_MAX) };
            if !self.sleep(Duration::from_micros(took_us)) {
                return Ok(None);
            }
        }
    }

    /// Says what rules that wait will delete, when that is other than it was.
    fn announce(&mut self, config: &Config, asked: &Asked, counted: &RecordsCount, now: Timestamp) {
        let ahead = counted.classes.iter().filter_map(|(class, count)| {
            let at = config.retention.waits_until(&asked.rules, *class, now)?;
            // What is not counted to its end may have any.
            let going = count.going.filter(|going| going.count > 0 || !going.whole)?;
            Some(DeletionAhead { class: *class, going, at })
        });
        let ahead: Vec<DeletionAhead> = ahead.collect();
        let named: Vec<_> = ahead.iter().map(|one| (one.class, one.at)).collect();
        if self.announced.as_ref() == Some(&named) {
            return;
        }
        if self.runtime.block_on(self.engine.command(Command::DeletionsAhead(ahead))).is_ok() {
            self.announced = Some(named);
        }
    }

    /// Sleeps. False when the engine has ended.
    fn sleep(&self, length: Duration) -> bool {
        let gone = self.engine.gone();
        let _ = self.runtime.block_on(async { tokio::time::timeout(length, gone).await });
        !self.engine.is_gone()
    }
}

/// Whether so many records were looked at that it is said how far that was. Whoever is told what will go is told a number, also where the first
/// that go lie behind many that are held.
fn is_enough(seen: u64, going: Option<u64>) -> bool {
    seen >= LOOKED_MAX || (seen >= COUNTED_MAX && going != Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_go_is_looked_for_behind_as_many_as_are_held() {
        assert!(!is_enough(COUNTED_MAX - 1, Some(9)) && is_enough(COUNTED_MAX, Some(9)), "so many, and more");
        assert!(!is_enough(COUNTED_MAX, Some(0)) && is_enough(LOOKED_MAX, Some(0)), "none yet");
        assert!(is_enough(COUNTED_MAX, None), "nothing of it ever goes");
    }
}
