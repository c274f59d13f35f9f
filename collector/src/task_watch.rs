//! Watches the collector's background tasks. Nobody reads an error that the log repeats every minute, so a task that fails for longer than
//! it may becomes an incident, which ends when the task succeeds again.

use std::fmt::Display;

use ioc_common::clock;
use ioc_engine::command::{BackgroundTask, Command};
use ioc_engine::writer::EngineHandle;

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// How long a task may fail without succeeding in between, milliseconds.
const fn patience_ms(task: BackgroundTask) -> u64 {
    match task {
        // Receivers are restarted and disks are cleaned up; that takes some hours.
        BackgroundTask::Compaction
        | BackgroundTask::RemoteWrite
        | BackgroundTask::Retention
        | BackgroundTask::SearchIndex
        | BackgroundTask::SoftwareRegister => 3 * HOUR_MS,
        BackgroundTask::Certificates | BackgroundTask::SignedHeads | BackgroundTask::TimeStamps => HOUR_MS,
        // It may be restarted; whoever is behind it is not heard meanwhile.
        BackgroundTask::Broker => MINUTE_MS,
        // Whoever changed the configuration is still there to mend it; a backup or drill that failed is one that is missing.
        BackgroundTask::Configuration | BackgroundTask::Backup | BackgroundTask::RestoreDrill => 0,
    }
}

/// The state of one task.
pub(crate) struct TaskWatch {
    task: BackgroundTask,
    /// The engine that opens the incident; none in tests.
    engine: Option<EngineHandle>,
    state: TaskState,
}

impl TaskWatch {
    pub(crate) fn new(task: BackgroundTask, engine: EngineHandle) -> Self {
        Self { task, engine: Some(engine), state: TaskState::default() }
    }

    /// One that reports to no engine.
    #[cfg(test)]
    pub(crate) fn unreported(task: BackgroundTask) -> Self {
        Self { task, engine: None, state: TaskState::default() }
    }

    /// It failed.
    pub(crate) async fn failed(&mut self, why: impl Display + Send) {
        if self.state.failed(clock::boottime_ms(), patience_ms(self.task)) {
            self.report(Some(why.to_string())).await;
        }
    }

    /// It failed in a way that does not pass by itself: nobody waits.
    pub(crate) async fn failed_for_good(&mut self, why: impl Display + Send) {
        if self.state.failed(clock::boottime_ms(), 0) {
            self.report(Some(why.to_string())).await;
        }
    }

    /// It succeeded.
    pub(crate) async fn succeeded(&mut self) {
        if self.state.succeeded() {
            self.report(None).await;
        }
    }

    async fn report(&mut self, failing: Option<String>) {
        let (task, is_failing) = (self.task, failing.is_some());
        let Some(engine) = &self.engine else { return };
        match engine.command(Command::BackgroundTask { task, failing }).await {
            Ok(_) => self.state.reported_failing = Some(is_failing),
            Err(error) => tracing::warn!(%error, ?task, "how a task stands could not be kept; it is said again"),
        }
    }
}

#[derive(Debug, Default)]
struct TaskState {
    /// Since when it has failed without succeeding in between, boot clock, milliseconds.
    failing_since_ms: Option<u64>,
    /// Whether it was last reported as failing; none before the first report.
    reported_failing: Option<bool>,
}

impl TaskState {
    /// It failed. True when that has to be reported.
    fn failed(&mut self, now_ms: u64, patience_ms: u64) -> bool {
        let since_ms = *self.failing_since_ms.get_or_insert(now_ms);
        now_ms.saturating_sub(since_ms) >= patience_ms && self.reported_failing != Some(true)
    }

    /// It succeeded. True when that has to be reported: also the first time, since an earlier process may have reported that it fails.
    const fn succeeded(&mut self) -> bool {
        self.failing_since_ms = None;
        !matches!(self.reported_failing, Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_hours_is_said_once_and_so_is_its_end() {
        let (mut standing, minute) = (TaskState::default(), 60_000);
        let patience_ms = patience_ms(BackgroundTask::Compaction);
        assert!(standing.succeeded(), "an earlier process may have said that it fails");
        standing.reported_failing = Some(false);
        assert!(!standing.succeeded());
        assert!((0..180).all(|at| !standing.failed(at * minute, patience_ms)));
        assert!(!standing.succeeded() && !standing.failed(180 * minute, patience_ms), "once whole begins it anew");
        assert!(
            standing.failed(360 * minute, patience_ms) && standing.failed(361 * minute, patience_ms),
            "until it is kept"
        );
        standing.reported_failing = Some(true);
        assert!(!standing.failed(400 * minute, patience_ms));
        assert!(standing.succeeded());
        standing.reported_failing = Some(false);
        assert!(standing.failed(401 * minute, 0), "at once where nobody is to wait");
    }
}
