//! systemd's watchdog: fed while the engine is at work. An engine that is stuck is what it is there for; one that has ended by itself ends
//! the collector, and must not be kept alive meanwhile.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use ioc_engine::command::Command;
use ioc_engine::health::Health;
use ioc_engine::writer::EngineHandle;

/// What is to be seen of an engine from outside.
pub(crate) trait EngineVitals {
    /// Its thread has ended.
    fn is_gone(&self) -> bool;
    /// What it decided cannot be written.
    fn is_in_trouble(&self) -> bool;
    /// It has not turned for a long time, nor tried a commit again.
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

    fn is_in_trouble(&self) -> bool {
        self.health.trouble().is_some()
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
    let mut turns = tokio::time::interval(every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if is_at_work(engine).await {
            feed();
        }
    }
}

/// Whether the engine answers, or at least tries again and again to write what it decided: a full disk is told in /readyz, and killing the
/// collector would not make room.
async fn is_at_work(engine: &impl EngineVitals) -> bool {
    let retries = || engine.is_in_trouble() && !engine.is_stuck() && !engine.is_gone();
    retries() || engine.answers().await || retries()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Clone, Copy, Default)]
    struct Fake {
        gone: bool,
        in_trouble: bool,
        stuck: bool,
        answers: bool,
    }

    impl EngineVitals for Fake {
        fn is_gone(&self) -> bool {
            self.gone
        }

        fn is_in_trouble(&self) -> bool {
            self.in_trouble
        }

        fn is_stuck(&self) -> bool {
            self.stuck
        }

        async fn answers(&self) -> bool {
            self.answers && !self.gone && !self.stuck && !self.in_trouble
        }
    }

    #[tokio::test]
    async fn an_engine_is_at_work_that_answers_or_tries_its_commit_again() {
        let fine = Fake { answers: true, ..Fake::default() };
        let full_disk = Fake { in_trouble: true, ..Fake::default() };
        for (engine, at_work) in [
            (fine, true),
            (full_disk, true),
            (Fake::default(), false),
            (Fake { stuck: true, ..fine }, false),
            (Fake { gone: true, ..fine }, false),
            (Fake { stuck: true, ..full_disk }, false),
            (Fake { gone: true, ..full_disk }, false),
        ] {
            let Fake { gone, in_trouble, stuck, answers } = engine;
            assert_eq!(is_at_work(&engine).await, at_work, "{gone} {in_trouble} {stuck} {answers}");
        }
    }

    /// The disk is full from the moment at which it is asked for an answer.
    struct Fills(Cell<bool>);

    impl EngineVitals for Fills {
        fn is_gone(&self) -> bool {
            false
        }

        fn is_in_trouble(&self) -> bool {
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
        assert_eq!(fed(Fake { gone: true, answers: true, in_trouble: true, ..Fake::default() }).await, 0);
        assert!(fed(Fake { answers: true, ..Fake::default() }).await > 1);
    }
}
