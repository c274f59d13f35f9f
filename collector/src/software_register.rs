//! Groups the packages of machines into products for the software register (article 9.1), behind the commits: a list that is whole and not
//! grouped yet, or that another catalogue grouped, is read, grouped, and handed to the engine. Nothing waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;

use ioc_common::clock;
use ioc_common::software::LIST_MAX_ITEMS;

use crate::panics::caught;
use crate::task_watch::TaskWatch;
use ioc_engine::command::{BackgroundTask, Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::refusal_reason::RefusalKind;
use ioc_engine::writer::EngineHandle;
use ioc_store::{Reader, StoreError};

/// Machines that are asked for at a time.
const TURN: usize = 50;
/// How much of a core it takes while there is much to do, percent.
const SHARE_PCT: u64 = 20;
/// Between two looks for what came: the shorter one after something that pages show.
const PAUSE: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(60);
/// A pause after an error.
const RETRY_DELAY: Duration = Duration::from_secs(60);

/// Groups until the engine ends.
pub async fn run(engine: EngineHandle, reader: Box<dyn Reader>, config: watch::Receiver<Arc<Config>>) {
    let runtime = runtime::Handle::current();
    let work = move || {
        let mut task = Grouping { wake: engine.pages_wake(), engine: engine.clone(), config, runtime };
        let mut watch = TaskWatch::new(BackgroundTask::SoftwareRegister, engine);
        loop {
            let why = match caught(|| task.run(reader.as_ref(), &mut watch)) {
                Ok(Ok(())) => return,
                Ok(Err(why)) => {
                    tracing::warn!(why, "packages cannot be grouped for the software register");
                    why
                }
                Err(panic) => {
                    tracing::error!(panic, "grouping of packages panicked; it begins again");
                    format!("it panicked: {panic}")
                }
            };
            task.runtime.block_on(watch.failed(why));
            if !task.sleep(RETRY_DELAY) {
                return;
            }
        }
    };
    // On a thread of its own, since it sleeps between machines.
    let _ = tokio::task::spawn_blocking(work).await;
}

struct Grouping {
    engine: EngineHandle,
    wake: watch::Receiver<u64>,
    config: watch::Receiver<Arc<Config>>,
    runtime: runtime::Handle,
}

impl Grouping {
    fn run(&mut self, reader: &dyn Reader, watch: &mut TaskWatch) -> Result<(), String> {
        let said = |error: StoreError| error.to_string();
        loop {
            let config = self.config.borrow_and_update().clone();
            let catalogue = &config.register.software;
            let waiting = reader.ungrouped_software(catalogue.digest(), TURN).map_err(said)?;
            let has_more = waiting.len() == TURN;
            for (device, list, made_at) in waiting {
                let before_us = clock::thread_cpu_us();
                let items = reader.software(&device, "", LIST_MAX_ITEMS).map_err(said)?;
                let products = catalogue.group(&items, config.language);
                let used_us = clock::thread_cpu_us() - before_us;
                let catalogue = catalogue.digest().to_owned();
                let command = Command::GroupSoftware { device, list, catalogue, products, made_at };
                match self.runtime.block_on(self.engine.command(command)) {
                    // One that was taken out meanwhile is not asked for again.
                    Ok(_) | Err(CommandError::Explained(RefusalKind::NotFound, _)) => {}
                    Err(_) if self.engine.is_gone() => return Ok(()),
                    Err(error) => return Err(error.to_string()),
                }
                if !self.sleep(Duration::from_micros(used_us * (100 - SHARE_PCT) / SHARE_PCT)) {
                    return Ok(());
                }
            }
            self.runtime.block_on(watch.succeeded());
            if !has_more && !self.wait() {
                return Ok(());
            }
        }
    }

    /// Waits until something came, or for a while. False when the engine has ended.
    fn wait(&mut self) -> bool {
        let (engine, wake, config) = (&self.engine, &mut self.wake, &mut self.config);
        let woken = async {
            tokio::select! {
                () = engine.gone() => false,
                changed = wake.changed() => changed.is_ok(),
                changed = config.changed() => changed.is_ok(),
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
