//! Keeps the search index behind the commits: takes in what came, in turns, within a share of a core. Nothing waits for it: what is not in
//! the index yet is looked through by whoever searches.

use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;

use ioc_common::clock;

use crate::panics::caught;
use crate::task_watch::TaskWatch;
use ioc_engine::command::BackgroundTask;
use ioc_engine::writer::EngineHandle;
use ioc_store::StoreError;
use ioc_store::search::SearchIndex;

/// Records of each kind that are taken in by one turn.
const TURN: usize = 2000;
/// How much of a core it takes while there is much to do, percent.
const SHARE_PCT: u64 = 25;
/// Between two looks for what came: the shorter one after something that pages show.
const PAUSE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(30);
/// A pause after an error.
const RETRY_DELAY: Duration = Duration::from_secs(60);

/// Takes in until the engine ends.
pub async fn run(engine: EngineHandle, index: Box<dyn SearchIndex>) {
    let runtime = runtime::Handle::current();
    let work = move || {
        let mut task = IndexTask { wake: engine.pages_wake(), engine: engine.clone(), runtime };
        let mut watch = TaskWatch::new(BackgroundTask::SearchIndex, engine);
        let mut index = index;
        loop {
            let why = match caught(|| task.run(index.as_mut(), &mut watch)) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the search index cannot be kept; what is not in it is looked through");
                    error.to_string()
                }
                Err(panic) => {
                    tracing::error!(panic, "the search index panicked; it begins again");
                    format!("it panicked: {panic}")
                }
            };
            task.runtime.block_on(watch.failed(why));
            if !task.sleep(RETRY_DELAY) {
                return;
            }
        }
    };
    // On a thread of its own, since it sleeps between turns.
    let _ = tokio::task::spawn_blocking(work).await;
}

struct IndexTask {
    engine: EngineHandle,
    wake: watch::Receiver<u64>,
    runtime: runtime::Handle,
}

impl IndexTask {
    fn run(&mut self, index: &mut dyn SearchIndex, watch: &mut TaskWatch) -> Result<(), StoreError> {
        loop {
            let before_us = clock::thread_cpu_us();
            let progress = index.turn(TURN)?;
            let used_us = clock::thread_cpu_us() - before_us;
            let goes_on = if progress.more {
                self.sleep(Duration::from_micros(used_us * (100 - SHARE_PCT) / SHARE_PCT))
            } else {
                self.runtime.block_on(watch.succeeded());
                self.wait()
            };
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Waits until something came, or for a while. False when the engine has ended.
    fn wait(&mut self) -> bool {
        let (engine, wake) = (&self.engine, &mut self.wake);
        let woken = async {
            tokio::select! {
                () = engine.gone() => false,
                changed = wake.changed() => changed.is_ok(),
                () = tokio::time::sleep(IDLE) => true,
            }
        };
        self.runtime.block_on(woken) && self.sleep(PAUSE)
    }

    /// Sleeps. False when the engine has ended.
    fn sleep(&self, length: Duration) -> bool {
        let gone = self.engine.gone();
        self.runtime.block_on(async { tokio::time::timeout(length, gone).await.is_err() })
    }
}
