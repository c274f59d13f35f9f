//! Whether what the collector does by itself comes to its end at all: an error a minute in the log is seen by nobody. What fails for
//! longer than it may becomes an incident, which ends when it works again.

use std::fmt::Display;

use ioc_common::clock;
use ioc_engine::command::{BackgroundTask, Command};
use ioc_engine::writer::EngineHandle;

const HOUR_MS: u64 = 3_600_000;

/// How long a task may fail without coming to its end in between, milliseconds.
const fn patience_ms(task: BackgroundTask) -> u64 {
    match task {
        // Receivers are restarted, disks are cleaned up.
        BackgroundTask::Compaction | BackgroundTask::RemoteWrite => 3 * HOUR_MS,
        BackgroundTask::Certificates => HOUR_MS,
        // Whoever has changed it is there; a backup or drill that failed is one that is missing.
        BackgroundTask::Configuration | BackgroundTask::Backup | BackgroundTask::RestoreDrill => 0,
    }
}

/// How one task stands.
pub(crate) struct TaskWatch {
    task: BackgroundTask,
    /// Who is told; nobody in tests.
    engine: Option<EngineHandle>,
    standing: Standing,
}

impl TaskWatch {
    pub(crate) fn new(task: BackgroundTask, engine: EngineHandle) -> Self {
        Self { task, engine: Some(engine), standing: Standing::default() }
    }

    /// One that tells nobody.
    #[cfg(test)]
    pub(crate) fn untold(task: BackgroundTask) -> Self {
        Self { task, engine: None, standing: Standing::default() }
    }

    /// It failed.
    pub(crate) async fn failed(&mut self, why: impl Display + Send) {
        if self.standing.failed(clock::boottime_ms(), patience_ms(self.task)) {
            self.report(Some(why.to_string())).await;
        }
    }

    /// It came to its end.
    pub(crate) async fn succeeded(&mut self) {
        if self.standing.succeeded() {
            self.report(None).await;
        }
    }

    async fn report(&mut self, failing: Option<String>) {
        let (task, is_failing) = (self.task, failing.is_some());
        let Some(engine) = &self.engine else { return };
        match engine.command(Command::BackgroundTask { task, failing }).await {
            Ok(_) => self.standing.said_failing = Some(is_failing),
            Err(error) => tracing::warn!(%error, ?task, "how a task stands could not be kept; it is said again"),
        }
    }
}

#[derive(Debug, Default)]
struct Standing {
    /// Since when it has failed without coming to its end in between, boot clock, milliseconds.
    failing_since_ms: Option<u64>,
    /// What was last said of it; nothing before the first time.
    said_failing: Option<bool>,
}

impl Standing {
    /// It failed. Whether that is to be said.
    fn failed(&mut self, now_ms: u64, patience_ms: u64) -> bool {
        let since_ms = *self.failing_since_ms.get_or_insert(now_ms);
        now_ms.saturating_sub(since_ms) >= patience_ms && self.said_failing != Some(true)
    }

    /// It came to its end. Whether that is to be said: at the first time, since an earlier process may have said that it fails.
    const fn succeeded(&mut self) -> bool {
        self.failing_since_ms = None;
        !matches!(self.said_failing, Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_hours_is_said_once_and_so_is_its_end() {
        let (mut standing, minute) = (Standing::default(), 60_000);
        let patience_ms = patience_ms(BackgroundTask::Compaction);
        assert!(standing.succeeded(), "an earlier process may have said that it fails");
        standing.said_failing = Some(false);
        assert!(!standing.succeeded());
        assert!((0..180).all(|at| !standing.failed(at * minute, patience_ms)));
        assert!(!standing.succeeded() && !standing.failed(180 * minute, patience_ms), "once whole begins it anew");
        assert!(
            standing.failed(360 * minute, patience_ms) && standing.failed(361 * minute, patience_ms),
            "until it is kept"
        );
        standing.said_failing = Some(true);
        assert!(!standing.failed(400 * minute, patience_ms));
        assert!(standing.succeeded());
        standing.said_failing = Some(false);
        assert!(standing.failed(401 * minute, 0), "at once where nobody is to wait");
    }
}
