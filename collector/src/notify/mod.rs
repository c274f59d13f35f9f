//! Delivering notices from the outbox to people: at least once, with an idempotency key, with back-off.
//!
//! Each channel has a queue and a worker of its own, which rereads the store whenever it wakes; what became of a message goes back
//! through the engine as it comes. A channel that hangs holds only itself. One folder per kind of channel.

mod alertmanager;
mod heartbeat;
mod placeholder;
mod queue;
mod short;
mod store_alarm;
mod text;
mod worker;

mod http;
mod mqtt;
mod smtp;
mod syslog;
mod webhook;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use ioc_common::clock::{self, Timestamp};
use ioc_judge::{Notice, Occasion};

use ioc_engine::account::acknowledge_link::AcknowledgeLinks;
use ioc_engine::command::Command;
use ioc_engine::config::{Config, ConnectorKind};
use ioc_engine::health::Health;
use ioc_engine::http::{SendError, endpoint};
use ioc_engine::notifier::{Message, Notifier};
use ioc_engine::writer::EngineHandle;
use ioc_engine::writer::duty_turns::request_of;
use ioc_store::{Delivery, DeliveryState, OutboxEntry, PendingDelivery, Reader, StoreError};

pub use heartbeat::heartbeat;
pub(crate) use text::wording;

/// The kinds of channels. A new one is its folder beside this file (its keys, their check, its delivery, their tests) and a line here;
/// then an example in `config/channels/` or `config/collector.toml`, and its words in `docs/duty.md`. Nothing else names it.
pub(crate) const CHANNELS: &[ConnectorKind<dyn Notifier>] =
    &[webhook::KIND, smtp::KIND, http::KIND, mqtt::KIND, syslog::KIND];

/// How long a message may take, whatever it is doing: longer than any of its own timeouts together.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(1200);
/// How often it is looked for notices on channels that nobody serves.
const UNSERVED: Duration = Duration::from_secs(60);

/// Delivers notices until the engine ends, or the collector stops. `config` may be replaced while it runs: a channel that stays keeps
/// its worker with all that is under way.
pub async fn run(
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    health: Arc<Health>,
    mut config: watch::Receiver<Arc<Config>>,
    links: Arc<AcknowledgeLinks>,
    mut stopping: watch::Receiver<bool>,
) {
    let reader = Some(Arc::new(Mutex::new(reader)));
    let deps = NotifyDeps { engine, reader, health, config: config.clone(), links };
    let wakes =
        worker::WakeSignals { outbox: deps.engine.outbox_wake(), config: config.clone(), stopping: stopping.clone() };
    let mut workers: JoinSet<()> = JoinSet::new();
    let mut served: HashMap<tokio::task::Id, String> = HashMap::new();
    let store_alarm = tokio::spawn(store_alarm::run(deps.clone(), config.clone()));
    loop {
        let mut wanted: BTreeSet<String> =
            config.borrow_and_update().channels.iter().map(|channel| channel.name.clone()).collect();
        // What waits on a channel that is gone is given up by a worker, too.
        wanted.extend(deps.read(|reader| reader.outbox_channels()).await.unwrap_or_default());
        wanted.retain(|name| !served.values().any(|one| one == name));
        for name in wanted {
            let worker = workers.spawn(worker::serve(deps.clone(), name.clone(), wakes.clone()));
            served.insert(worker.id(), name);
        }
        tokio::select! {
            changed = config.changed() => if changed.is_err() { break },
            () = async { drop(stopping.wait_for(|stop| *stop).await) } => break,
            Some(ended) = workers.join_next_with_id() => {
                let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, ())| *id);
                let name = served.remove(&id);
                if let Err(error) = ended {
                    tracing::error!(channel = name, %error, "a channel's worker broke off; another begins");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                if deps.engine.outbox_wake().has_changed().is_err() {
                    break;
                }
            }
            () = tokio::time::sleep(UNSERVED) => {}
        }
    }
    store_alarm.abort();
    // What is under way is let end, so that it is not sent again after the next start. How long is up to whoever waits for this.
    while workers.join_next().await.is_some() {}
}

/// Tells people, without the store, that it cannot be used, for as long as this collector stands by: nothing else is sent then.
pub async fn alarm(
    engine: EngineHandle,
    health: Arc<Health>,
    config: watch::Receiver<Arc<Config>>,
    links: Arc<AcknowledgeLinks>,
) {
    let deps = NotifyDeps { engine, reader: None, health, config: config.clone(), links };
    store_alarm::run(deps, config).await;
}

/// What the workers of all channels share.
#[derive(Clone)]
struct NotifyDeps {
    engine: EngineHandle,
    /// None where there is no store that could be read.
    reader: Option<Arc<Mutex<Box<dyn Reader>>>>,
    health: Arc<Health>,
    config: watch::Receiver<Arc<Config>>,
    links: Arc<AcknowledgeLinks>,
}

impl NotifyDeps {
    /// Reads the store; nothing when it cannot be read, which is logged.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Option<T> {
        let reader = Arc::clone(self.reader.as_ref()?);
        let task =
            tokio::task::spawn_blocking(move || read(reader.lock().unwrap_or_else(PoisonError::into_inner).as_ref()));
        match task.await {
            Ok(Ok(found)) => {
                self.health.set_outbox_read_error(None);
                Some(found)
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "the outbox cannot be read");
                self.health.set_outbox_read_error(Some(error.to_string()));
                None
            }
            Err(broken_off) => {
                if broken_off.is_panic() {
                    tracing::error!(%broken_off, "reading the outbox panicked");
                    self.health.set_outbox_read_error(Some(broken_off.to_string()));
                }
                None
            }
        }
    }
}

impl worker::WorkerDeps for NotifyDeps {
    async fn waiting(&self, channel: &str) -> Option<Vec<PendingDelivery>> {
        let channel = channel.to_owned();
        self.read(move |reader| reader.outbox_waiting(&channel, worker::WAITING_MAX)).await
    }

    async fn entries(&self, keys: Vec<String>) -> Option<Vec<OutboxEntry>> {
        self.read(move |reader| {
            let found = keys.iter().map(|key| reader.outbox_entry(key)).collect::<Result<Vec<_>, _>>()?;
            Ok(found.into_iter().flatten().filter(|entry| entry.state == DeliveryState::Waiting).collect())
        })
        .await
    }

    async fn send(&self, entries: Vec<OutboxEntry>) -> Result<(), SendError> {
        let config = Arc::clone(&self.config.borrow());
        let sent = tokio::time::timeout(MESSAGE_TIMEOUT, deliver(&entries, &config, &self.links)).await;
        let sent = sent.unwrap_or_else(|_| Err(SendError::Unknown("no answer in time".to_owned())));
        let count = if sent.is_ok() { &self.health.notices_delivered } else { &self.health.notices_failed };
        count.fetch_add(entries.len() as u64, Relaxed);
        sent
    }

    async fn commit(&self, deliveries: Vec<Delivery>) -> bool {
        self.engine.command_without_timeout(Command::Delivered(deliveries)).await.is_ok()
    }

    /// Whether the fallback has them; none when the engine has ended.
    async fn fall_back(&self, keys: Vec<String>) -> Option<bool> {
        match self.engine.command_without_timeout(Command::FallBack(keys)).await {
            Ok(_) => Some(true),
            Err(_) if self.engine.is_gone() => None,
            Err(error) => {
                tracing::warn!(%error, "the fallback cannot take over now; it is asked again");
                Some(false)
            }
        }
    }

    fn held(&self) -> bool {
        // Who was paused for so long that another one decides sends nothing twice.
        self.health.store_write_error().is_some() || self.health.lease.is_over()
    }

    fn wall(&self) -> Timestamp {
        clock::now()
    }
}

/// Delivers what goes to one address: one notice, or many as one.
async fn deliver(group: &[OutboxEntry], config: &Config, links: &AcknowledgeLinks) -> Result<(), SendError> {
    let Some(entry) = group.first() else { return Ok(()) };
    let channel = config.channels.iter().find(|channel| channel.name == entry.channel);
    let channel =
        channel.ok_or_else(|| SendError::Never(format!("there is no channel {:?} any more", entry.channel)))?;
    let mut worded = Vec::with_capacity(group.len());
    for one in group {
        let notice: Notice = serde_json::from_str(&one.notice)
            .map_err(|error| SendError::Never(format!("the notice cannot be read: {error}")))?;
        let can_acknowledge = matches!(
            notice.occasion,
            Occasion::Opened
                | Occasion::Reopened
                | Occasion::Flapping
                | Occasion::Storm
                | Occasion::Escalated
                | Occasion::Assigned
        );
        let acknowledge_link = (can_acknowledge && !one.person.is_empty()).then(|| {
            format!(
                "{}/a/{}",
                config.web_url,
                links.make((notice.incident, notice.opened_at), notice.step, &one.person, clock::now())
            )
        });
        let answer_link = (notice.occasion == Occasion::TurnAsked && !one.person.is_empty())
            .then(|| links.make_turn(request_of(notice.step), &one.person, clock::now()))
            .map(|link| format!("{}/duty/answer/{link}", config.web_url));
        let wording = wording(&notice, config, entry.language, acknowledge_link.or(answer_link));
        worded.push((notice, wording, one.created_at));
    }
    let Some((notice, wording)) = text::combined(&worded, config, entry.language) else { return Ok(()) };
    // What says more than the first of its notices has a key of its own, or a receiver that knows the first would drop the rest.
    let key = match group.len() {
        1 => entry.key.clone(),
        count => format!("{}+{}", entry.key, count - 1),
    };
    let (address, wording) = (entry.address.as_str(), &wording);
    channel
        .notifier
        .notify(Message {
            channel: &channel.name,
            key: &key,
            address,
            notice,
            wording,
            site_name: &config.site_name,
            web_url: &config.web_url,
        })
        .await
}

/// The host of an address: the rest of it may be secret.
fn host_of(url: &str) -> String {
    let behind = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = behind.split(['/', '?', '{']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

/// Host and port of an address.
fn address_of(url: &str) -> Option<(String, u16)> {
    let uri: hyper::http::Uri = url.parse().ok()?;
    let (host, port) = endpoint(&uri)?;
    Some((host.trim_matches(['[', ']']).to_owned(), port))
}

/// Configurations with these kinds, for their tests.
#[cfg(test)]
mod testing {
    use ioc_common::config::{ConfigError, Source};
    use ioc_engine::config::{Channel, Config, ConnectorKinds};

    pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
        let kinds = ConnectorKinds { channels: super::CHANNELS, ..ConnectorKinds::default() };
        Config::parse(&Source::built_in("collector.toml", text), &kinds)
    }

    /// The fault in a text that has one.
    pub(super) fn fault(text: &str) -> ConfigError {
        parse(text).expect_err("a fault")
    }

    /// The only channel.
    pub(super) fn channel(text: &str) -> Channel {
        parse(text).unwrap_or_else(|e| panic!("{e}")).channels.remove(0)
    }
}
