//! Compaction of history in the background: rows become chunks and summaries, and are deleted once those survive a power cut.
//!
//! It reads beside the engine and writes a file of its own; only the deletion goes through the engine, in small pieces. It runs all the
//! time and takes no more than its share of a core, unless it falls behind. It can be stopped at any moment: the next run does again what
//! was not finished, with the same result.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;

use ioc_common::clock;

use crate::panics::caught;
use crate::task_watch::TaskWatch;
use ioc_engine::command::{BackgroundTask, Command};
use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::refusal_reason::RefusalKind;
use ioc_engine::writer::EngineHandle;
use ioc_store::compaction::{CompactionProgress, CompactionResult, Compactor, WINDOW_ROWS, due_row, past_chunk};
use ioc_store::history::Tier;
use ioc_store::retention::RecordClass;
use ioc_store::{Archive, Reader, StoreError};

/// From the start to the first round, microseconds.
const FIRST_ROUND_US: u64 = 120_000_000;
/// How long it sleeps when nothing is to be done: less the sooner something will be.
const IDLE_MIN_US: u64 = 1_000_000;
const IDLE_MAX_US: u64 = 5_000_000;
/// A sleep that is longer than this ends when the engine ends.
const SLEEP_UNWATCHED_MAX: Duration = Duration::from_millis(100);
/// A pause after an error.
const RETRY_DELAY: Duration = Duration::from_secs(60);
/// Between two deletions of rows, so that commits come first; the shorter one while much comes in.
const DELETE_PAUSE: Duration = Duration::from_millis(20);
const DELETE_PAUSE_BEHIND: Duration = Duration::from_millis(2);
/// Windows of rows, and time that chunks have been past, microseconds, with which it is behind and takes a whole core; with twice as
/// much it takes every one, up to [`THREADS_MAX`].
const BEHIND_WINDOWS: u64 = 3;
const BEHIND_US: u64 = 3_600_000_000;
const THREADS_MAX: usize = 8;
/// Slices of merging between two windows of rows.
const MERGES_AT_ONCE: usize = 32;

/// Folds until the engine ends.
pub async fn run(
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    archive: Box<dyn Archive>,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
) {
    let wake = engine.pages_wake();
    let runtime = runtime::Handle::current();
    let work = move || {
        let (reader, mut archive) = (reader, archive);
        let mut watch = TaskWatch::new(BackgroundTask::Compaction, engine.clone());
        let task = CompactionTask { engine, config, health, wake, runtime };
        loop {
            let why = match caught(|| task.run(reader.as_ref(), archive.as_mut(), &mut watch)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    tracing::error!(%error, "history cannot be folded; its rows stay until it can");
                    error.to_string()
                }
                Err(panic) => {
                    tracing::error!(panic, "folding history panicked; it begins again");
                    format!("it panicked: {panic}")
                }
            };
            task.runtime.block_on(watch.failed(why));
            if !task.sleep(RETRY_DELAY) {
                return;
            }
        }
    };
    // On a thread of its own, since it sleeps between slices.
    let _ = tokio::task::spawn_blocking(work).await;
}

struct CompactionTask {
    engine: EngineHandle,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    wake: watch::Receiver<u64>,
    runtime: runtime::Handle,
}

/// When each part of the work is due.
struct CompactionSchedule {
    /// The last round began, boot clock, microseconds.
    last_us: Option<u64>,
    started_us: u64,
    /// The chunk that was past then.
    past: i64,
    /// Up to which row is folded next.
    through: u64,
    /// Since when chunks have been past.
    past_since_us: Option<u64>,
    /// Chunks that are older than history is kept have to be deleted.
    deleting: bool,
    /// When it was last looked for rows, boot clock, microseconds, and the last one then.
    seen: (u64, u64),
    /// How long nothing will be due.
    idle_us: u64,
}

impl CompactionSchedule {
    /// A look at the rows: the number of the last one, how many wait, and when the next round is due.
    fn look(&mut self, now_us: u64, (row, pending): (u64, u64), due_us: u64) {
        let (seen_us, seen_row) = std::mem::replace(&mut self.seen, (now_us, row));
        let (passed_us, came) = (now_us.saturating_sub(seen_us), row.saturating_sub(seen_row));
        // As long as rows come as they came: a quarter of the time until there is a window of them.
        let missing = WINDOW_ROWS.saturating_sub(pending);
        let window_us = passed_us.saturating_mul(missing).checked_div(came).unwrap_or(u64::MAX) / 4;
        self.idle_us = window_us.min(due_us.saturating_sub(now_us)).clamp(IDLE_MIN_US, IDLE_MAX_US);
    }
}

impl CompactionTask {
    /// Folds until the engine ends, or until something cannot be read or written.
    fn run(&self, reader: &dyn Reader, archive: &mut dyn Archive, watch: &mut TaskWatch) -> Result<(), StoreError> {
        let mut compactor = Compactor::new(reader, archive)?;
        let started_us = clock::boottime_us();
        let past = past_chunk(clock::now());
        let mut rounds = CompactionSchedule {
            last_us: None,
            started_us,
            past,
            through: 0,
            past_since_us: None,
            deleting: false,
            seen: (started_us, reader.last_row()?),
            idle_us: IDLE_MIN_US,
        };
        // Rows that an earlier run folded and did not have deleted.
        self.delete_folded_rows(reader, &mut compactor, &Arc::clone(&self.config.borrow()), DELETE_PAUSE)?;
        while self.is_running() {
            if self.run_next(reader, &mut compactor, &mut rounds)? {
                continue;
            }
            // Nothing more is due: the round that began last is over.
            if rounds.last_us.is_some() {
                self.runtime.block_on(watch.succeeded());
            }
            if !self.sleep(Duration::from_micros(rounds.idle_us)) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Does what is due next. False when nothing was.
    fn run_next(
        &self,
        reader: &dyn Reader,
        compactor: &mut Compactor<'_>,
        rounds: &mut CompactionSchedule,
    ) -> Result<bool, StoreError> {
        let (now, now_us, config) = (clock::now(), clock::boottime_us(), Arc::clone(&self.config.borrow()));
        let every_us = u64::try_from(config.fold_every.as_millis()).unwrap_or(0) * 1000;
        // Soon after the start, too, so that a collector that is restarted every hour compacts its history all the same.
        let due_us = rounds.last_us.map_or(rounds.started_us + every_us.min(FIRST_ROUND_US), |last| last + every_us);
        let row = reader.last_row()?;
        let pending = row.saturating_sub(compactor.all_folded());
        rounds.look(now_us, (row, pending), due_us);
        let is_round = now_us >= due_us || rounds.past != past_chunk(now);
        if is_round {
            (rounds.last_us, rounds.past, rounds.deleting) = (Some(now_us), past_chunk(now), true);
        }
        if is_round || pending >= WINDOW_ROWS {
            let through = due_row(reader, now)?;
            // What came within the last seconds makes no window.
            if is_round || through.saturating_sub(compactor.all_folded()) >= WINDOW_ROWS / 2 {
                rounds.through = through;
            }
        }
        let gathers = compactor.all_folded() < rounds.through;
        if gathers {
            let share_pct = self.cpu_share_pct(compactor, pending / WINDOW_ROWS, BEHIND_WINDOWS);
            if !self.slices(compactor, share_pct, &mut |compactor| compactor.gather(rounds.through))? {
                return Ok(false);
            }
            let pause = if pending >= 2 * WINDOW_ROWS { DELETE_PAUSE_BEHIND } else { DELETE_PAUSE };
            self.delete_folded_rows(reader, compactor, &config, pause)?;
        }
        if compactor.has_past(now) {
            let since = *rounds.past_since_us.get_or_insert(now_us);
            let share_pct = self.cpu_share_pct(compactor, now_us - since, BEHIND_US);
            // A few, and then rows again: neither waits for all of the other.
            for _ in 0..MERGES_AT_ONCE {
                if self.slice(compactor, share_pct, &mut |compactor| compactor.merge(now))? == CompactionProgress::Done
                    || !self.is_running()
                {
                    break;
                }
            }
            return Ok(true);
        }
        rounds.past_since_us = None;
        if gathers {
            return Ok(true);
        }
        if rounds.deleting && self.delete_old(reader, compactor, &config)? {
            rounds.deleting = false;
            self.delete_folded_rows(reader, compactor, &config, DELETE_PAUSE)?;
        }
        Ok(false)
    }

    /// Deletes what is past its time, by the time that the engine judges by: each slice asks for it, and while the clock is in doubt nobody knows
    /// how old anything is. Whether all of it was done.
    fn delete_old(
        &self,
        reader: &dyn Reader,
        compactor: &mut Compactor<'_>,
        config: &Config,
    ) -> Result<bool, StoreError> {
        let Some(judged) = self.health.judged_now() else { return Ok(false) };
        // What a rule that waits would delete begins before all that is there.
        let rules = reader.retention_rules()?;
        let keep_ms = Tier::ALL.map(|tier| {
            let waits = config.retention.waits_until(&rules, RecordClass::of_tier(tier), judged).is_some();
            if waits { judged.as_millis() } else { config.history_keep[usize::from(tier.number())].as_millis() }
        });
        let (share_pct, mut in_doubt) = (self.cpu_share_pct(compactor, 0, 1), false);
        let ended = self.slices(compactor, share_pct, &mut |compactor| match self.health.judged_now() {
            Some(now) => compactor.delete(keep_ms, now.min(judged)),
            None => {
                in_doubt = true;
                Ok(CompactionProgress::Done)
            }
        })?;
        Ok(ended && !in_doubt)
    }

    /// How much of a core it takes, percent: its configured share, or more when it is behind.
    fn cpu_share_pct(&self, compactor: &mut Compactor<'_>, behind: u64, much: u64) -> u64 {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        compactor.use_threads(if behind >= 2 * much { cores.min(THREADS_MAX) } else { 1 });
        if behind >= much { 100 } else { self.config.borrow().fold_cpu_pct.0 }
    }

    /// Runs slices until all is done. False when the engine ended before.
    fn slices<'s>(
        &self,
        compactor: &mut Compactor<'s>,
        share_pct: u64,
        slice: &mut dyn FnMut(&mut Compactor<'s>) -> Result<CompactionProgress, StoreError>,
    ) -> Result<bool, StoreError> {
        while self.slice(compactor, share_pct, slice)? == CompactionProgress::More {
            if !self.is_running() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One slice, and as long a pause that it takes no more than its share.
    fn slice<'s>(
        &self,
        compactor: &mut Compactor<'s>,
        share_pct: u64,
        slice: &mut dyn FnMut(&mut Compactor<'s>) -> Result<CompactionProgress, StoreError>,
    ) -> Result<CompactionProgress, StoreError> {
        let before_us = clock::thread_cpu_us();
        let progress = slice(compactor)?;
        let used_us = clock::thread_cpu_us() - before_us + compactor.take_threads_us();
        if share_pct < 100 {
            self.sleep(Duration::from_micros(used_us * (100 - share_pct) / share_pct.max(1)));
        }
        Ok(progress)
    }

    /// Has the engine delete rows that are folded, and then tells the archive, which remembers until then what is to be deleted.
    fn delete_folded_rows(
        &self,
        reader: &dyn Reader,
        compactor: &mut Compactor<'_>,
        config: &Config,
        pause: Duration,
    ) -> Result<(), StoreError> {
        self.record_deletions(compactor)?;
        let folded = compactor.take_result()?;
        tracing::debug!(?folded, "history folded");
        // What a receiver did not take yet waits as rows.
        let kept =
            |_: &_| reader.last_row_before(clock::now().plus_millis(-config.fold_every.as_millis())).unwrap_or(0);
        let through = config.remote_write.as_ref().map_or(u64::MAX, kept).min(folded.through);
        let delete = || Command::ForgetRows { folded: CompactionResult { through, ..folded } };
        loop {
            match self.runtime.block_on(self.engine.command(delete())) {
                Ok(_) => return compactor.recorded(folded),
                Err(error) if error.kind() == Some(RefusalKind::Conflict) && self.sleep(pause) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// Has the engine keep the evidence of numbers that were deleted; what it does not take now is told again.
    fn record_deletions(&self, compactor: &mut Compactor<'_>) -> Result<(), StoreError> {
        let deleted = compactor.deletions()?;
        if deleted.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = deleted.iter().map(|one| one.key.clone()).collect();
        match self.runtime.block_on(self.engine.command(Command::NumbersDeleted(deleted))) {
            Ok(_) => compactor.deletions_recorded(&keys),
            Err(_) => Ok(()),
        }
    }

    fn is_running(&self) -> bool {
        self.wake.has_changed().is_ok()
    }

    /// Sleeps. False when the engine has ended.
    fn sleep(&self, length: Duration) -> bool {
        if length <= SLEEP_UNWATCHED_MAX {
            std::thread::sleep(length);
        } else {
            let gone = self.engine.gone();
            let _ = self.runtime.block_on(async { tokio::time::timeout(length, gone).await });
        }
        self.is_running()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_the_more_seldom_the_slower_rows_come_and_in_time_for_a_round() {
        let seen = (10_000_000, 500);
        let mut rounds = CompactionSchedule {
            last_us: None,
            started_us: 0,
            past: 0,
            through: 0,
            past_since_us: None,
            deleting: false,
            seen,
            idle_us: 0,
        };
        // Rows that came within a second, and when the next round is due, seconds from then.
        let mut idle_ms = |came: u64, due_s: u64| {
            rounds.seen = seen;
            rounds.look(seen.0 + 1_000_000, (seen.1 + came, came), seen.0 + 1_000_000 + due_s * 1_000_000);
            rounds.idle_us / 1000
        };
        let asked = [(0, 100), (100, 100), (10_000, 100), (90_000, 100), (WINDOW_ROWS, 100), (100, 3), (100, 0)];
        assert_eq!(asked.map(|(came, due_s)| idle_ms(came, due_s)), [5000, 5000, 2250, 1000, 1000, 3000, 1000]);
    }
}
