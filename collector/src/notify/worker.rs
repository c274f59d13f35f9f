//! One channel's worker: reads what waits, has it sent, and has what became of each message committed as it comes.
//!
//! It is woken without data and rereads the store. A message whose outcome is not committed yet stays under way, so that it is never
//! sent again by this process; while the store cannot be written, nothing is sent at all.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use ioc_common::clock::Timestamp;

use super::queue::{ChannelQueue, ChannelTraits};
use ioc_engine::config::{Channel, Config};
use ioc_engine::http::SendError;
use ioc_store::{Delivery, DeliveryState, OutboxEntry, PendingDelivery};

/// Most entries of one channel that are looked at in one go.
pub(super) const WAITING_MAX: usize = 4096;
/// How often a store is looked at that could not be read or written.
const HELD: Duration = Duration::from_millis(500);
/// Entries of a channel that is gone that are given up in one commit.
const GONE_AT_ONCE: usize = 256;

/// What a worker needs of the world.
pub(super) trait WorkerDeps: Clone + Send + 'static {
    /// What waits on a channel; nothing when it cannot be read.
    fn waiting(&self, channel: &str) -> impl Future<Output = Option<Vec<PendingDelivery>>> + Send;
    /// These entries, whole, as far as they still wait.
    fn entries(&self, keys: Vec<String>) -> impl Future<Output = Option<Vec<OutboxEntry>>> + Send;
    /// Sends one message.
    fn send(&self, entries: Vec<OutboxEntry>) -> impl Future<Output = Result<(), SendError>> + Send;
    /// Has outcomes committed, however long that takes. False when nothing is committed any more.
    fn commit(&self, deliveries: Vec<Delivery>) -> impl Future<Output = bool> + Send;
    /// Has the fallback take over. False when it cannot now, nothing when nothing is committed any more.
    fn fall_back(&self, keys: Vec<String>) -> impl Future<Output = Option<bool>> + Send;
    /// Whether the store cannot be written now.
    fn held(&self) -> bool;
    /// The wall clock.
    fn wall(&self) -> Timestamp;
}

/// A task that has ended.
enum WorkerEvent {
    /// A message.
    Sent(u64, Result<(), SendError>),
    /// The commit of its outcome; whether there will be others.
    Committed(u64, bool),
}

/// What wakes a worker, but for its own messages.
#[derive(Clone)]
pub(super) struct WakeSignals {
    /// Notices may be due.
    pub(super) outbox: watch::Receiver<u64>,
    /// The configuration was replaced.
    pub(super) config: watch::Receiver<Arc<Config>>,
    /// The collector stops: nothing new is begun.
    pub(super) stopping: watch::Receiver<bool>,
}

impl ChannelTraits {
    fn of(channel: &Channel) -> Self {
        Self {
            per_minute: channel.per_minute,
            folds: channel.notifier.is_read_by_people(),
            fallback: channel.fallback.is_some(),
        }
    }
}

/// Serves the channel `name` until the engine ends, the collector stops, or the channel is gone and nothing waits on it.
pub(super) async fn serve<D: WorkerDeps>(deps: D, name: String, mut wakes: WakeSignals) {
    let mut worker = ChannelWorker { deps, name, queue: ChannelQueue::default(), events: JoinSet::new() };
    loop {
        wakes.outbox.mark_unchanged();
        let traits = {
            let config = wakes.config.borrow_and_update();
            config.channels.iter().find(|channel| channel.name == worker.name).map(ChannelTraits::of)
        };
        let stopping = *wakes.stopping.borrow();
        if stopping && worker.queue.is_idle() {
            return;
        }
        let Some(sleep) = worker.turn(traits, stopping).await else { return };
        let until = Instant::now() + sleep.max(Duration::from_millis(10));
        tokio::select! {
            changed = wakes.outbox.changed() => if changed.is_err() { return },
            changed = wakes.config.changed() => if changed.is_err() { return },
            changed = wakes.stopping.changed(), if !stopping => if changed.is_err() { return },
            Some(event) = worker.events.join_next() => if !worker.take(event) { return },
            () = tokio::time::sleep_until(until) => {}
        }
        while let Some(event) = worker.events.try_join_next() {
            if !worker.take(event) {
                return;
            }
        }
    }
}

struct ChannelWorker<D> {
    deps: D,
    name: String,
    queue: ChannelQueue,
    events: JoinSet<WorkerEvent>,
}

impl<D: WorkerDeps> ChannelWorker<D> {
    /// Begins what can be begun. How long to sleep after it without a wake-up; nothing when the worker is at its end.
    async fn turn(&mut self, traits: Option<ChannelTraits>, stopping: bool) -> Option<Duration> {
        if stopping || self.deps.held() {
            return Some(HELD);
        }
        let Some(rows) = self.deps.waiting(&self.name).await else { return Some(HELD) };
        let Some(traits) = traits else { return self.give_up(&rows).await };
        let plan = self.queue.plan(&rows, traits, Instant::now(), self.deps.wall());
        for (number, keys) in plan.messages {
            let (deps, asked) = (self.deps.clone(), keys.clone());
            let entries = deps.entries(asked).await.unwrap_or_default();
            if entries.len() != keys.len() {
                // Something has changed since; it is looked at anew.
                self.queue.committed(number);
                continue;
            }
            self.events.spawn(async move {
                let sent = tokio::spawn(async move { deps.send(entries).await }).await;
                let sent = sent.unwrap_or_else(|error| Err(SendError::Unknown(format!("it broke off: {error}"))));
                WorkerEvent::Sent(number, sent)
            });
        }
        if !plan.over_pace.is_empty() {
            let postponed = self.queue.postponed(&plan.over_pace, Instant::now(), self.deps.wall());
            self.deps.commit(postponed).await.then_some(())?;
        }
        if !plan.fall_back.is_empty() {
            tracing::warn!(
                channel = self.name,
                notices = plan.fall_back.len(),
                "not delivered in time; the fallback takes over"
            );
            if !self.deps.fall_back(plan.fall_back.clone()).await? {
                self.queue.fall_back_failed(&plan.fall_back);
                return Some(HELD);
            }
        }
        Some(plan.again_in)
    }

    /// The channel is not in the configuration any more: what waits on it is given up, and that is said.
    async fn give_up(&mut self, rows: &[PendingDelivery]) -> Option<Duration> {
        if !self.queue.is_idle() {
            return Some(HELD);
        }
        let wall = self.deps.wall();
        let error = Some(format!("there is no channel {:?} any more", self.name));
        for some in rows.chunks(GONE_AT_ONCE) {
            let deliveries = some.iter().map(|row| Delivery {
                key: row.key.clone(),
                at: wall,
                state: DeliveryState::Dead,
                attempts: row.attempts,
                unanswered: row.unanswered,
                next_attempt_at: wall,
                error: error.clone(),
            });
            self.deps.commit(deliveries.collect()).await.then_some(())?;
        }
        None
    }

    /// Handles tasks that have ended. False when nothing is committed any more.
    fn take(&mut self, event: Result<WorkerEvent, tokio::task::JoinError>) -> bool {
        match event {
            Ok(WorkerEvent::Sent(number, result)) => {
                let deliveries = self.queue.completed(number, &result, Instant::now(), self.deps.wall());
                for delivery in &deliveries {
                    match &delivery.error {
                        None => tracing::info!(key = delivery.key, "notice delivered"),
                        Some(error) => {
                            let (attempts, dead) = (delivery.attempts, delivery.state == DeliveryState::Dead);
                            tracing::warn!(key = delivery.key, error, attempts, dead, "notice not delivered");
                        }
                    }
                }
                let deps = self.deps.clone();
                self.events.spawn(async move { WorkerEvent::Committed(number, deps.commit(deliveries).await) });
                true
            }
            Ok(WorkerEvent::Committed(number, alive)) => {
                self.queue.committed(number);
                alive
            }
            // Whatever was being committed stays under way: it is never sent again before the next start.
            Err(error) => {
                tracing::error!(channel = self.name, %error, "a delivery broke off");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use ioc_common::id::IncidentId;
    use ioc_judge::Severity;

    use super::*;

    /// A store that commits when it is let, and a receiver that takes everything.
    #[derive(Clone, Default)]
    struct Fake(Arc<World>);

    #[derive(Default)]
    struct World {
        rows: Mutex<Vec<PendingDelivery>>,
        sent: Mutex<Vec<String>>,
        dead: Mutex<Vec<String>>,
        stuck: AtomicBool,
        held: AtomicBool,
    }

    impl WorkerDeps for Fake {
        async fn waiting(&self, _: &str) -> Option<Vec<PendingDelivery>> {
            Some(self.0.rows.lock().expect("rows").clone())
        }

        async fn entries(&self, keys: Vec<String>) -> Option<Vec<OutboxEntry>> {
            Some(keys.into_iter().map(|key| OutboxEntry::new(key, IncidentId(1), "hook", "{}", self.wall())).collect())
        }

        async fn send(&self, entries: Vec<OutboxEntry>) -> Result<(), SendError> {
            self.0.sent.lock().expect("sent").extend(entries.into_iter().map(|entry| entry.key));
            Ok(())
        }

        async fn commit(&self, deliveries: Vec<Delivery>) -> bool {
            while self.0.stuck.load(Relaxed) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let over = |key: &String| deliveries.iter().any(|one| one.key == *key);
            self.0.rows.lock().expect("rows").retain(|row| !over(&row.key));
            let dead = deliveries.into_iter().filter(|one| one.state == DeliveryState::Dead).map(|one| one.key);
            self.0.dead.lock().expect("dead").extend(dead);
            true
        }

        async fn fall_back(&self, _: Vec<String>) -> Option<bool> {
            Some(true)
        }

        fn held(&self) -> bool {
            self.0.held.load(Relaxed)
        }

        fn wall(&self) -> Timestamp {
            Timestamp::from_millis(1_000_000)
        }
    }

    impl Fake {
        fn put(&self, key: &str) {
            let at = self.wall();
            self.0.rows.lock().expect("rows").push(PendingDelivery {
                key: key.to_owned(),
                incident: IncidentId(key.len() as u64),
                step: 1,
                severity: Severity::Critical,
                person: String::new(),
                address: String::new(),
                created_at: at,
                attempts: 0,
                unanswered: 0,
                next_attempt_at: at,
            });
        }

        fn sent(&self) -> Vec<String> {
            self.0.sent.lock().expect("sent").clone()
        }
    }

    fn config(channels: &str) -> Arc<Config> {
        Arc::new(crate::notify::testing::parse(channels).expect("parses"))
    }

    async fn soon(check: impl Fn() -> bool) {
        for _ in 0..400 {
            if check() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("it does not become so");
    }

    #[tokio::test]
    async fn nothing_is_sent_twice_while_commits_hang_nor_at_all_while_they_fail() {
        let fake = Fake::default();
        let (wake, outbox) = watch::channel(0_u64);
        let hook = "[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://x/\"\n";
        let (configs, config_receiver) = watch::channel(config(hook));
        let (stop, stopping) = watch::channel(false);
        let wakes = WakeSignals { outbox, config: config_receiver, stopping };
        let worker = tokio::spawn(serve(fake.clone(), "hook".to_owned(), wakes.clone()));
        fake.0.stuck.store(true, Relaxed);
        fake.put("a");
        wake.send_modify(|count| *count += 1);
        soon(|| fake.sent() == ["a"]).await;
        for _ in 0..20 {
            wake.send_modify(|count| *count += 1);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(fake.sent(), ["a"], "the store still says that it waits");
        fake.0.held.store(true, Relaxed);
        fake.put("bb");
        wake.send_modify(|count| *count += 1);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(fake.sent(), ["a"], "what cannot be remembered is not sent");
        fake.0.stuck.store(false, Relaxed);
        fake.0.held.store(false, Relaxed);
        soon(|| fake.sent() == ["a", "bb"]).await;
        // A reload that keeps the channel doubles nothing; one that takes it away has what waits given up.
        configs.send_replace(config(&format!("{hook}per_minute = 5\n")));
        fake.put("ccc");
        wake.send_modify(|count| *count += 1);
        soon(|| fake.sent() == ["a", "bb", "ccc"]).await;
        soon(|| fake.0.rows.lock().expect("rows").is_empty()).await;
        fake.0.held.store(true, Relaxed);
        fake.put("dddd");
        configs.send_replace(config(""));
        fake.0.held.store(false, Relaxed);
        worker.await.expect("it ends");
        assert_eq!((fake.sent().len(), fake.0.dead.lock().expect("dead").clone()), (3, vec!["dddd".to_owned()]));
        // A stop begins nothing.
        fake.put("e");
        stop.send_replace(true);
        serve(fake.clone(), "hook".to_owned(), wakes).await;
        assert_eq!(fake.sent().len(), 3);
    }
}
