//! systemd's watchdog: it is notified only while the engine works, so that systemd restarts a collector whose engine is stuck. An engine that
//! has ended by itself ends the collector; until then the watchdog is not notified, either.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use ioc_engine::command::Command;
use ioc_engine::health::Health;
use ioc_engine::writer::EngineHandle;

/// What can be seen of an engine from outside.
pub(crate) trait EngineVitals {
    /// Its thread has ended.
    fn is_gone(&self) -> bool;
    /// The store cannot be written.
    fn is_store_unwritable(&self) -> bool;
    /// It has not run for a long time, nor tried a commit again.
    fn is_stuck(&self) -> bool;
    /// Whether it carries out a command that asks for nothing.
    async fn answers(&self) -> bool;
}

/// The engine that runs.
pub(crate) struct RunningEngine {
    pub(crate) engine: EngineHandle,
    pub(crate) health: Arc<Health>,
}

impl EngineVitals for RunningEngine {
    fn is_gone(&self) -> bool {
        self.engine.is_gone()
    }

    fn is_store_unwritable(&self) -> bool {
        self.health.store_write_error().is_some()
    }

    fn is_stuck(&self) -> bool {
        self.health.stuck_for_ms().is_some()
    }

    async fn answers(&self) -> bool {
        self.engine.command(Command::Delivered(Vec::new())).await.is_ok()
    }
}

/// Feeds systemd's watchdog, if there is one, while the engine is at work.
pub(crate) async fn feed_systemd(engine: &impl EngineVitals) -> Infallible {
    let Some(every) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let feed = || {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
    };
    feed_while_at_work(engine, every / 3, feed).await
}

async fn feed_while_at_work(engine: &impl EngineVitals, every: Duration, feed: impl Fn()) -> Infallible {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if is_at_work(engine).await {
            feed();
        }
    }
}

/// Whether the engine answers, or at least tries again and again to write what it decided: /readyz reports a full disk, and killing the
/// collector would not make room.
async fn is_at_work(engine: &impl EngineVitals) -> bool {
    let retries = || engine.is_store_unwritable() && !engine.is_stuck() && !engine.is_gone();
    retries() || engine.answers().await || retries()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Fake {
        gone: bool,
        unwritable: bool,
        stuck: bool,
        answers: bool,
    }

    impl EngineVitals for Fake {
        fn is_gone(&self) -> bool {
            self.gone
        }

        fn is_store_unwritable(&self) -> bool {
            self.unwritable
        }

        fn is_stuck(&self) -> bool {
            self.stuck
        }

        async fn answers(&self) -> bool {
            self.answers && !self.gone && !self.stuck && !self.unwritable
        }
    }

    #[tokio::test]
    async fn an_engine_is_at_work_that_answers_or_tries_its_commit_again() {
        let fine = Fake { answers: true, ..Fake::default() };
        let full_disk = Fake { unwritable: true, ..Fake::default() };
        for (engine, at_work) in [
            (fine, true),
            (full_disk, true),
            (Fake::default(), false),
            (Fake { stuck: true, ..fine }, false),
            (Fake { gone: true, ..fine }, false),
            (Fake { stuck: true, ..full_disk }, false),
            (Fake { gone: true, ..full_disk }, false),
        ] {
            let Fake { gone, unwritable, stuck, answers } = engine;
            assert_eq!(is_at_work(&engine).await, at_work, "{gone} {unwritable} {stuck} {answers}");
        }
    }

    /// The disk is full from the moment at which it is asked for an answer.
    struct Fills(Cell<bool>);

    impl EngineVitals for Fills {
        fn is_gone(&self) -> bool {
            false
        }

        fn is_store_unwritable(&self) -> bool {
            self.0.get()
        }

        fn is_stuck(&self) -> bool {
            false
        }

        async fn answers(&self) -> bool {
            self.0.set(true);
            false
        }
    }

    #[tokio::test]
    async fn a_disk_that_fills_while_an_answer_is_waited_for_kills_nobody() {
        assert!(is_at_work(&Fills(Cell::new(false))).await);
    }

    #[tokio::test]
    async fn a_dead_engine_is_never_fed_and_a_live_one_again_and_again() {
        let fed = async |engine: Fake| {
            let count = Cell::new(0);
            let feeding = feed_while_at_work(&engine, Duration::from_millis(5), || count.set(count.get() + 1));
            let _ = tokio::time::timeout(Duration::from_millis(200), feeding).await;
            count.get()
        };
        assert_eq!(fed(Fake { gone: true, answers: true, unwritable: true, ..Fake::default() }).await, 0);
        assert!(fed(Fake { answers: true, ..Fake::default() }).await > 1);
    }
}
