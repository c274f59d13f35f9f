//! Backups and drills of the running collector: when they are due, or when a person asks. What fails is an incident until it works.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::hex;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::backup::{BackupOutcome, BackupRecord, BackupStatus, BackupWish, BackupWork, DrillRecord};
use ioc_engine::command::{BackgroundTask, Command};
use ioc_engine::config::{BackupPlan, Config};
use ioc_engine::health::Health;
use ioc_engine::pki::Authority;
use ioc_engine::writer::EngineHandle;
use ioc_store::audit::AuditEntry;

use super::OLD_MS;
use super::catalogue::Catalogue;
use super::drill;
use super::error::BackupError;
use super::make::{self, Making};
use super::pace::{Pace, SLOW_COMMIT_MS};
use super::schedule::{around, is_backup_due, is_drill_due, is_drill_late, is_retry_due, is_stale, next_drill};
use super::source;
use crate::panics::caught;
use crate::task_watch::TaskWatch;

/// From the start to the first look at what is due: a collector that is started again and again makes no backup at each.
const FIRST_MS: u64 = 600_000;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(20);
/// Between two looks at how far it has come.
const PROGRESS: Duration = Duration::from_millis(500);
/// What takes longer is said to fail, milliseconds: a network's disk may hang for ever.
const LONG_MS: u64 = 6 * 3_600_000;

/// What backups need of the collector.
type Needs = (EngineHandle, watch::Receiver<Arc<Config>>, Arc<Authority>, Arc<Health>);

/// Declares a restore that nobody has declared yet, and begins to make backups and to hold drills until the collector stops.
pub(crate) async fn begin(
    (engine, config, authority, health): Needs,
    config_path: Option<PathBuf>,
    stopping: watch::Receiver<bool>,
) {
    let data = config.borrow().data.clone();
    super::restore::settle(&data, &engine).await;
    tokio::spawn(BackupTask { engine, config, config_path, authority, health, store: Arc::default() }.run(stopping));
}

struct BackupTask {
    engine: EngineHandle,
    config: watch::Receiver<Arc<Config>>,
    config_path: Option<PathBuf>,
    authority: Arc<Authority>,
    health: Arc<Health>,
    /// Which store this is, once it is known: a database is not asked for it at each look.
    store: Arc<OnceLock<String>>,
}

/// Has work that is under way end with this.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// What was found to be late at the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Late {
    backup: bool,
    drill: bool,
}

/// One for each kind of work.
struct Watches {
    backup: TaskWatch,
    drill: TaskWatch,
}

impl BackupTask {
    /// Makes backups and holds drills until the collector stops.
    async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut wishes = self.health.backups.listen();
        let mut watches = Watches {
            backup: TaskWatch::new(BackgroundTask::Backup, self.engine.clone()),
            drill: TaskWatch::new(BackgroundTask::RestoreDrill, self.engine.clone()),
        };
        let started_ms = clock::boottime_ms();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut ends = stopping.clone();
        tokio::spawn(async move {
            stopped(&mut ends).await;
            told.store(true, Relaxed);
        });
        // Who has lost the lease of its site ends with its runtime, and is told nothing.
        let _ends = Ends(Arc::clone(&stop));
        self.clear().await;
        let (mut late, mut was_up) = (Late::default(), false);
        loop {
            self.refresh().await;
            let is_up = clock::boottime_ms() - started_ms >= FIRST_MS;
            // What is due was tried before: who has just taken over from another collector made none for as long as that one did.
            late = self.look(was_up, late, &mut watches).await;
            was_up = is_up;
            tokio::select! {
                () = stopped(&mut stopping) => return,
                wish = wishes.recv() => {
                    let Some(wish) = wish else { return };
                    self.grant(wish, &mut watches, &stop).await;
                }
                () = tokio::time::sleep(LOOK) => {
                    if is_up && let Some(work) = self.due() {
                        let _ = self.work(work, "", &mut watches, &stop).await;
                    } else if is_up {
                        self.hand_on_again(&mut watches).await;
                    }
                }
            }
        }
    }

    fn plan(&self) -> (Arc<Config>, Option<BackupPlan>) {
        let config = Arc::clone(&self.config.borrow());
        let plan = config.backup.clone();
        (config, plan)
    }

    /// Removes what was left behind by a collector that was killed, where it is in the way of nobody.
    async fn clear(&self) {
        let (config, plan) = self.plan();
        let cleared = blocking(move || {
            let catalogue = plan.map(|plan| Catalogue::new(&plan.directory, &config));
            make::clear(&config.data, catalogue.as_ref())
        });
        if let Err(error) = cleared.await {
            tracing::warn!(%error, "what an earlier backup left behind could not be removed");
        }
    }

    /// Says what no attempt says: that backups are off, so that none fails, that the newest one is too old, and that no drill came to its end.
    async fn look(&self, is_up: bool, was: Late, watches: &mut Watches) -> Late {
        let (_, plan) = self.plan();
        let Some(plan) = plan else {
            self.health.backups.update(|status| status.failed = None);
            watches.backup.succeeded().await;
            watches.drill.succeeded().await;
            return Late::default();
        };
        let status = self.health.backups.status();
        let last = status.archives.first().map(|last| last.made_at);
        let is_stale = is_up && is_stale(clock::now(), last, OLD_MS);
        if let Some(last) = last.filter(|_| is_stale) {
            watches.backup.failed(format!("the last good backup is of {last}")).await;
        } else if was.backup && status.failed.is_none() {
            // It is there again, and nobody made it anew.
            watches.backup.succeeded().await;
        }
        let drill = is_up && self.look_at_drill(&plan, &status, was.drill, watches).await;
        Late { backup: is_stale, drill }
    }

    /// The same of drills alone. One that failed is told already.
    async fn look_at_drill(&self, plan: &BackupPlan, status: &BackupStatus, was: bool, watches: &mut Watches) -> bool {
        let (last, oldest) = (last_drill(status), status.archives.last().map(|one| one.made_at));
        let (every_ms, at) = (plan.drill_every.as_millis(), last.map(|(at, _)| at));
        let is_late = plan.sealing.opens_here() && is_drill_late(clock::now(), at, oldest, (every_ms, OLD_MS));
        let has_failed = last.is_some_and(|(_, good)| !good);
        if is_late && !has_failed {
            let since = at.map_or_else(|| "none was ever held".to_owned(), |at| format!("the last one was at {at}"));
            watches.drill.failed(format!("{since}, and one is due every {} h", every_ms / 3_600_000)).await;
        } else if was && !has_failed {
            watches.drill.succeeded().await;
        }
        is_late && !has_failed
    }

    /// What is due now. A backup goes first.
    fn due(&self) -> Option<BackupWork> {
        let (config, plan) = self.plan();
        let (plan, status, now) = (plan?, self.health.backups.status(), clock::now());
        let (since, _) = around(now, plan.at, &config.timezone);
        let failed = status.failed.as_ref().map(|(at, _)| *at);
        if is_backup_due(now, status.archives.first().map(|last| last.made_at), failed, since) {
            return Some(BackupWork::Backup);
        }
        let every_ms = plan.drill_every.as_millis();
        let is_due = plan.sealing.opens_here()
            && !status.archives.is_empty()
            && is_drill_due(now, last_drill(&status), every_ms);
        is_due.then_some(BackupWork::Drill)
    }

    /// Says anew how backups stand.
    async fn refresh(&self) {
        let (config, plan) = self.plan();
        let board = &self.health.backups;
        let Some(plan) = plan else { return board.update(|status| *status = BackupStatus::default()) };
        let read = {
            let (config, plan, known) = (Arc::clone(&config), plan.clone(), Arc::clone(&self.store));
            let read = move || {
                let catalogue = Catalogue::new(&plan.directory, &config);
                let store = known.get().cloned().or_else(|| source::id(&config));
                if let Some(id) = &store {
                    let _ = known.set(id.clone());
                }
                let store = store.as_deref();
                let (archives, drills) = (catalogue.own_archives(store)?, catalogue.own_drills(store)?);
                let newest = archives.first().map(|one| one.archive.clone());
                let waiting = newest.filter(|archive| !plan.command.is_empty() && catalogue.is_waiting(archive));
                Ok::<_, BackupError>((archives, drills, waiting))
            };
            tokio::task::spawn_blocking(read).await
        };
        let now = clock::now();
        let (_, next_at) = around(now, plan.at, &config.timezone);
        board.update(|status| {
            status.place = Some((plan.directory.clone(), plan.sealing.as_str()));
            status.next_at = Some(next_at);
            match read {
                Ok(Ok((archives, drills, waiting))) => {
                    (status.archives, status.waiting) = (archives, waiting);
                    status.drill = drills.into_iter().next().map(|(_, drill)| drill);
                }
                // A disk that is not there now says nothing of what is on it.
                Ok(Err(error)) => tracing::debug!(%error, "the directory of backups cannot be read"),
                Err(_) => {}
            }
            let every_ms = plan.drill_every.as_millis();
            status.next_drill_at = plan.sealing.opens_here().then(|| next_drill(last_drill(status), every_ms, now));
        });
    }

    async fn grant(&self, wish: BackupWish, watches: &mut Watches, stop: &Arc<AtomicBool>) {
        let BackupWish { work, actor, answer } = wish;
        let done = self.work(work, &actor, watches, stop).await;
        self.refresh().await;
        let _ = answer.send(done.map_err(|error| error.to_string()));
    }

    /// Does it, and says what came of it in the audit log, to whoever watches, and by an incident.
    async fn work(
        &self,
        work: BackupWork,
        actor: &str,
        watches: &mut Watches,
        stop: &Arc<AtomicBool>,
    ) -> Result<BackupOutcome, BackupError> {
        let (config, plan) = self.plan();
        let plan = plan.ok_or(BackupError::Off)?;
        let watch = match work {
            BackupWork::Backup => &mut watches.backup,
            BackupWork::Drill => &mut watches.drill,
        };
        let health = Arc::clone(&self.health);
        let slow = move || health.commit_times.slower_than(SLOW_COMMIT_MS);
        let pace = Arc::new(Pace::new((plan.max_mib_per_s.0, plan.peak_mib_per_s.0), slow, stop));
        let working = async {
            match work {
                BackupWork::Backup => self.back_up(&config, &plan, actor, &pace).await.map(BackupOutcome::Made),
                BackupWork::Drill => self.drill(&config, &plan, actor, &pace).await.map(BackupOutcome::Drilled),
            }
        };
        let done = self.watched(work, working, &pace, watch).await;
        match &done {
            // Nothing failed: it cannot be done, and whoever asked is told why.
            Err(BackupError::BrokenOff | BackupError::NothingOpens | BackupError::NoArchive(_)) => {}
            Err(error) => {
                tracing::error!(%error, what = work.as_str(), "it failed");
                if work == BackupWork::Backup {
                    self.health.backups.update(|status| status.failed = Some((clock::now(), error.to_string())));
                    self.record(actor, AuditLogAction::BackupFailed, "", &error.to_string()).await;
                }
                watch.failed(error).await;
            }
            Ok(BackupOutcome::Made(_)) => {
                self.health.backups.update(|status| status.failed = None);
                watch.succeeded().await;
            }
            Ok(BackupOutcome::Drilled(drill)) => match &drill.failure {
                Some(why) => watch.failed(why).await,
                None => watch.succeeded().await,
            },
        }
        done
    }

    /// Waits for work, and says meanwhile how far it has come, and when it takes too long.
    async fn watched<T>(
        &self,
        work: BackupWork,
        working: impl Future<Output = T>,
        pace: &Pace,
        watch: &mut TaskWatch,
    ) -> T {
        let board = &self.health.backups;
        let began_ms = clock::boottime_ms();
        let mut working = std::pin::pin!(working);
        let mut looks = tokio::time::interval(PROGRESS);
        let done = loop {
            tokio::select! {
                done = &mut working => break done,
                _ = looks.tick() => {
                    let (done, all) = pace.progress();
                    board.update(|status| status.running = Some((work, done, all)));
                    if clock::boottime_ms() - began_ms >= LONG_MS {
                        watch.failed(format!("it has not ended for {} h", LONG_MS / 3_600_000)).await;
                    }
                }
            }
        };
        board.update(|status| status.running = None);
        done
    }

    async fn back_up(
        &self,
        config: &Arc<Config>,
        plan: &BackupPlan,
        actor: &str,
        pace: &Arc<Pace>,
    ) -> Result<BackupRecord, BackupError> {
        let sentinel = make::new_sentinel()?;
        let entry = entry(actor, AuditLogAction::BackupStarted, "", &sentinel);
        // It must be committed before the store is copied.
        self.engine
            .command_without_timeout(Command::Note(entry))
            .await
            .map_err(|error| BackupError::Differs(error.to_string()))?;
        let in_doubt = self.health.clock().unconfirmed_ms().is_some();
        let (config, plan, pace) = (Arc::clone(config), plan.clone(), Arc::clone(pace));
        let (config_path, authority) = (self.config_path.clone(), Arc::clone(&self.authority));
        let (for_command, catalogue) = (plan.clone(), Catalogue::new(&plan.directory, &config));
        let made = blocking(move || {
            let making = Making {
                config: &config,
                config_path: config_path.as_deref(),
                plan: &plan,
                authority: &authority,
                pace: &pace,
                sentinel: &sentinel,
                running: true,
            };
            let record = make::make(&making)?;
            // What cannot be removed takes room, and nothing from what was made.
            let gone = make::prune(&making, &record.store, in_doubt).unwrap_or_else(|error| {
                tracing::warn!(%error, "backups that are past their time could not be removed");
                Vec::new()
            });
            Ok((record, gone))
        });
        let (record, gone) = made.await?;
        tracing::info!(archive = record.archive, bytes = record.bytes, took_ms = record.took_ms, "backed up");
        self.record(actor, AuditLogAction::BackupMade, &record.archive, &make::in_words(&record)).await;
        for name in gone {
            self.record("", AuditLogAction::BackupRemoved, &name, "past its time by [backup] daily, weekly, monthly")
                .await;
        }
        self.hand_on(&for_command, &catalogue, &record.archive).await?;
        Ok(record)
    }

    /// Has the program that is started after each archive take this one.
    async fn hand_on(&self, plan: &BackupPlan, catalogue: &Catalogue, archive: &str) -> Result<(), BackupError> {
        if plan.command.is_empty() {
            return Ok(());
        }
        catalogue.set_waiting(archive, true)?;
        make::run_command(plan, &catalogue.path(archive)).await?;
        catalogue.set_waiting(archive, false)
    }

    /// Tries once more what that program could not do, a while later, and makes no backup anew for it.
    async fn hand_on_again(&self, watches: &mut Watches) {
        let ((config, plan), status) = (self.plan(), self.health.backups.status());
        let (Some(plan), Some(archive)) = (plan, status.waiting) else { return };
        if !is_retry_due(clock::now(), status.failed.map(|(at, _)| at)) {
            return;
        }
        match self.hand_on(&plan, &Catalogue::new(&plan.directory, &config), &archive).await {
            Ok(()) => {
                tracing::info!(archive, "handed on");
                self.health.backups.update(|status| status.failed = None);
                watches.backup.succeeded().await;
            }
            Err(error) => {
                tracing::error!(%error, archive, "it could not be handed on");
                self.health.backups.update(|status| status.failed = Some((clock::now(), error.to_string())));
                self.record("", AuditLogAction::BackupFailed, &archive, &error.to_string()).await;
                watches.backup.failed(&error).await;
            }
        }
    }

    async fn drill(
        &self,
        config: &Arc<Config>,
        plan: &BackupPlan,
        actor: &str,
        pace: &Arc<Pace>,
    ) -> Result<DrillRecord, BackupError> {
        let expected = hex(&self.authority.fingerprint());
        let (config, plan, pace) = (Arc::clone(config), plan.clone(), Arc::clone(pace));
        let (certificate, drill) = blocking(move || drill::drill(&config, &plan, Some(&expected), &pace)).await?;
        let said = drill.failure.as_ref().map_or_else(|| "passed".to_owned(), |why| format!("failed: {why}"));
        let detail = format!(
            "{said}; {} tables, {} rows, {} ms; certificate {certificate}",
            drill.tables, drill.rows, drill.took_ms
        );
        self.record(actor, AuditLogAction::BackupDrilled, &drill.archive, &detail).await;
        Ok(drill)
    }

    async fn record(&self, actor: &str, action: AuditLogAction, subject: &str, detail: &str) {
        if let Err(error) = self.engine.command(Command::Note(entry(actor, action, subject, detail))).await {
            tracing::warn!(%error, action = action.as_str(), "what became of a backup could not be written into the audit log");
        }
    }
}

/// Waits until the collector is to stop.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await.map(drop);
}

fn last_drill(status: &BackupStatus) -> Option<(Timestamp, bool)> {
    status.drill.as_ref().map(|drill| (drill.at, drill.failure.is_none()))
}

/// A record of the audit log.
pub(super) fn entry(actor: &str, action: AuditLogAction, subject: &str, detail: &str) -> AuditEntry {
    AuditEntry {
        at: clock::now(),
        actor: actor.to_owned(),
        action: action.as_str().to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    }
}

/// Does what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    match tokio::task::spawn_blocking(move || caught(work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(panic)) => Err(BackupError::Differs(format!("it panicked: {panic}"))),
        Err(_) => Err(BackupError::BrokenOff),
    }
}

#[cfg(test)]
mod tests;
