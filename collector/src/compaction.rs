//! Folding history in the background: rows become chunks and summaries, and are deleted once those survive a power cut.
//!
//! It reads beside the engine and writes a file of its own; only the deletion goes through the engine, in small pieces. Ended at any
//! moment, it is begun again and comes to the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use ioc_common::clock;
use ioc_common::config::SpanWithin;

use ioc_engine::command::{Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::writer::EngineHandle;
use ioc_store::history::compaction::round;
use ioc_store::{Archive, Reader};

/// From the start to the first round, microseconds.
const FIRST_US: u64 = 120_000_000;
/// The longest sleep, so that a change of the configuration is seen.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// Folds from time to time until the engine ends.
pub async fn run(
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    archive: Box<dyn Archive>,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
) {
    let mut parts = Some((reader, archive));
    let started = clock::boottime_us();
    let mut last = None;
    let mut wake = engine.pages_wake();
    loop {
        let current = Arc::clone(&config.borrow());
        let every_us = u64::try_from(current.fold_every.as_millis()).unwrap_or(0) * 1000;
        // Soon after the start, too: a collector that is restarted every hour folds all the same.
        let due_us = last.map_or(started + every_us.min(FIRST_US), |last: u64| last + every_us);
        let wait_us = due_us.saturating_sub(clock::boottime_us());
        if wait_us > 0 {
            tokio::time::sleep(Duration::from_micros(wait_us).min(SLEEP_MAX)).await;
            if wake.has_changed().is_err() {
                return;
            }
            wake.mark_unchanged();
            continue;
        }
        last = Some(clock::boottime_us());
        let Some((reader, mut archive)) = parts.take() else { return };
        // While the clock is in doubt nobody knows how old anything is.
        let forget = health.clock().by_ms().is_none();
        let task = tokio::task::spawn_blocking(move || {
            let result = round(
                reader.as_ref(),
                archive.as_mut(),
                current.history_keep.map(SpanWithin::as_millis),
                clock::now(),
                forget,
            );
            (reader, archive, result)
        });
        let Ok((reader, archive, result)) = task.await else { return };
        parts = Some((reader, archive));
        match result {
            Ok(folded) if folded.through > 0 => {
                tracing::debug!(?folded, "history folded");
                let forget = || Command::ForgetRows { folded };
                while let Err(CommandError::Conflict(_)) = engine.command(forget()).await {}
            }
            Ok(_) => {}
            Err(error) => tracing::error!(%error, "history cannot be folded; its rows stay until it can"),
        }
    }
}
