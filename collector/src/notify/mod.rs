//! Carrying notices out of the outbox to people: at least once, with an idempotency key, with back-off.
//!
//! The dispatcher rereads the store whenever it wakes; what became of an attempt goes back through the engine. One file per
//! channel.

mod mqtt;
mod smtp;
mod syslog;
mod template;
mod text;
mod webhook;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use ioc_common::clock::{self, Timestamp};
use ioc_judge::{Notice, Occasion};

use crate::command::Command;
use crate::config::{Channel, ChannelKind, Config};
use crate::engine::Handle;
use crate::health::Health;
use crate::http::{self, SendError};
use crate::link::Links;
use crate::store::{Delivery, DeliveryState, OutboxEntry, Reader};
pub use text::Wording;
pub(crate) use text::local as local_time;

/// Deliveries under way.
const CONCURRENT_MAX: usize = 16;
/// How long one delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
/// Given up after this many attempts: about a day.
const ATTEMPTS_MAX: u32 = 150;
/// So many notices for one address at once become one message.
const DIGEST_MIN: usize = 5;
/// Most entries of the outbox that are looked at in one go.
const DUE_MAX: usize = 256;
/// The longest sleep without a wake-up.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Carries notices until the engine ends. `config` may be replaced while it runs.
pub async fn run(
    engine: Handle,
    reader: Box<dyn Reader>,
    health: Arc<Health>,
    config: watch::Receiver<Arc<Config>>,
    links: Arc<Links>,
) {
    let mut wake = engine.outbox_wake();
    let mut reader = Some(reader);
    let mut pace = Pace::default();
    loop {
        wake.mark_unchanged();
        let now = clock::now();
        let Some(own) = reader.take() else { return };
        let read = tokio::task::spawn_blocking(move || {
            let due = own.outbox_due(now, DUE_MAX);
            (own, due)
        });
        let Ok((own, due)) = read.await else { return };
        reader = Some(own);
        let (due, next) = due.unwrap_or_else(|error| {
            tracing::error!(%error, "the outbox cannot be read");
            (Vec::new(), None)
        });
        if due.is_empty() {
            let sleep = next.map_or(SLEEP_MAX, |next| {
                Duration::from_millis(next.millis_since(clock::now()).max(10).unsigned_abs()).min(SLEEP_MAX)
            });
            tokio::select! {
                changed = wake.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(sleep) => {}
            }
            continue;
        }
        let current = Arc::clone(&config.borrow());
        let (groups, mut deliveries) = pace.admit(due, &current, now);
        deliveries.extend(deliver_all(groups, &current, &health, &links).await);
        // Not answered means that the store cannot be written: the same entries come again, under the same keys.
        if let Err(error) = engine.command(Command::Delivered(deliveries)).await {
            tracing::warn!(%error, "the outcome of deliveries could not be kept");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// How many messages went over each channel in the minute that is under way.
#[derive(Default)]
struct Pace(HashMap<String, (i64, u32)>);

impl Pace {
    /// Puts together what goes to one address, and puts off what is beyond a channel's pace.
    fn admit(
        &mut self,
        due: Vec<OutboxEntry>,
        config: &Config,
        now: Timestamp,
    ) -> (Vec<Vec<OutboxEntry>>, Vec<Delivery>) {
        let mut groups: Vec<Vec<OutboxEntry>> = Vec::new();
        for entry in due {
            let same = |group: &&mut Vec<OutboxEntry>| {
                group.first().is_some_and(|one| one.channel == entry.channel && one.address == entry.address)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.push(entry),
                None => groups.push(vec![entry]),
            }
        }
        let (mut admitted, mut put_off) = (Vec::new(), Vec::new());
        for group in groups {
            let channel =
                config.channels.iter().find(|one| group.first().is_some_and(|first| first.channel == one.name));
            // What a machine reads stays one by one.
            let kind = channel.map(|channel| &channel.kind);
            let together =
                group.len() >= DIGEST_MIN && matches!(kind, Some(ChannelKind::Smtp { .. } | ChannelKind::Http(_)));
            let parts = if together { vec![group] } else { group.into_iter().map(|one| vec![one]).collect() };
            for part in parts {
                let (minute, limit) =
                    (now.as_millis() / 60_000, channel.map_or(u32::MAX, |channel| channel.per_minute));
                let name = part.first().map(|one| one.channel.clone()).unwrap_or_default();
                let counted = self.0.entry(name).or_insert((minute, 0));
                if counted.0 != minute {
                    *counted = (minute, 0);
                }
                if counted.1 < limit {
                    counted.1 += 1;
                    admitted.push(part);
                    continue;
                }
                put_off.extend(part.into_iter().map(|entry| Delivery {
                    key: entry.key,
                    at: now,
                    state: DeliveryState::Waiting,
                    attempts: entry.attempts,
                    next_attempt_at: Timestamp::from_millis((minute + 1) * 60_000),
                    error: Some("the channel's messages of this minute are used up".to_owned()),
                }));
            }
        }
        (admitted, put_off)
    }
}

async fn deliver_all(
    groups: Vec<Vec<OutboxEntry>>,
    config: &Arc<Config>,
    health: &Arc<Health>,
    links: &Arc<Links>,
) -> Vec<Delivery> {
    let mut tasks = JoinSet::new();
    let mut deliveries = Vec::new();
    for group in groups {
        if tasks.len() >= CONCURRENT_MAX
            && let Some(Ok(done)) = tasks.join_next().await
        {
            deliveries.extend::<Vec<Delivery>>(done);
        }
        let (config, health, links) = (Arc::clone(config), Arc::clone(health), Arc::clone(links));
        tasks.spawn(async move {
            let result = match tokio::time::timeout(DELIVERY_TIMEOUT, deliver(&group, &config, &links)).await {
                Ok(result) => result,
                Err(_) => Err(SendError::Later("no answer in time".to_owned())),
            };
            group.iter().map(|entry| outcome(entry, result.clone(), &health)).collect()
        });
    }
    while let Some(done) = tasks.join_next().await {
        deliveries.extend(done.unwrap_or_default());
    }
    deliveries
}

/// Delivers what goes to one address: one notice, or many as one.
async fn deliver(group: &[OutboxEntry], config: &Config, links: &Links) -> Result<(), SendError> {
    let Some(entry) = group.first() else { return Ok(()) };
    let channel: &Channel = config
        .channels
        .iter()
        .find(|channel| channel.name == entry.channel)
        .ok_or_else(|| SendError::Never(format!("there is no channel {:?} any more", entry.channel)))?;
    let language = Some(entry.language.as_str()).filter(|language| !language.is_empty());
    let mut worded = Vec::with_capacity(group.len());
    for one in group {
        let notice: Notice = serde_json::from_str(&one.notice)
            .map_err(|error| SendError::Never(format!("the notice cannot be read: {error}")))?;
        let may_take =
            matches!(notice.occasion, Occasion::Opened | Occasion::Reopened | Occasion::Flapping | Occasion::Escalated);
        let taking = (may_take && !one.person.is_empty()).then(|| {
            format!("{}/a/{}", config.web_url, links.make(notice.incident, notice.step, &one.person, clock::now()))
        });
        let wording = Wording::new(&notice, config, language, taking);
        worded.push((notice, wording));
    }
    let Some((notice, first)) = worded.first() else { return Ok(()) };
    let wording = if worded.len() > 1 {
        let all: Vec<Wording> = worded.iter().map(|(_, wording)| wording.clone()).collect();
        Wording::digest(&all, config, language)
    } else {
        first.clone()
    };
    let key = &entry.key;
    match &channel.kind {
        ChannelKind::Webhook { url, secret_file } => {
            webhook::send(url, secret_file.as_deref(), &channel.name, key, notice, &wording, config).await
        }
        ChannelKind::Smtp { .. } => smtp::send(&channel.kind, key, &entry.address, &wording).await,
        ChannelKind::Http(http) => template::send(http, key, &entry.address, notice, &wording).await,
        ChannelKind::Mqtt(mqtt) => mqtt::send(mqtt, &channel.name, key, notice, &wording, config).await,
        ChannelKind::Syslog { server } => syslog::send(server, key, notice, &wording).await,
    }
}

/// Says now and then that the collector lives, to whoever misses it when it does not (dead man's switch).
pub async fn heartbeat(mut config: watch::Receiver<Arc<Config>>, health: Arc<Health>) {
    loop {
        let heartbeat = config.borrow_and_update().heartbeat.clone();
        let Some(heartbeat) = heartbeat else {
            if config.changed().await.is_err() {
                return;
            }
            continue;
        };
        // A collector that cannot commit is as good as dead, and must be missed.
        if health.trouble().is_none() {
            let request = http::Request {
                method: "POST",
                url: &heartbeat.url,
                content_type: "text/plain",
                headers: Vec::new(),
                body: Vec::new(),
            };
            match tokio::time::timeout(DELIVERY_TIMEOUT, http::send(request)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the sign of life was not taken"),
                Err(_) => tracing::warn!(url = heartbeat.url, "the sign of life was not answered in time"),
            }
        }
        tokio::select! {
            changed = config.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(heartbeat.every.get()) => {}
        }
    }
}

fn outcome(entry: &OutboxEntry, result: Result<(), SendError>, health: &Health) -> Delivery {
    let now = clock::now();
    let attempts = entry.attempts + 1;
    let (state, error) = match result {
        Ok(()) => {
            health.notices_delivered.fetch_add(1, Relaxed);
            tracing::info!(key = entry.key, "notice delivered");
            (DeliveryState::Delivered, None)
        }
        Err(error) => {
            health.notices_failed.fetch_add(1, Relaxed);
            let dead = matches!(error, SendError::Never(_)) || attempts >= ATTEMPTS_MAX;
            tracing::warn!(key = entry.key, %error, attempts, dead, "notice not delivered");
            let state = if dead { DeliveryState::Dead } else { DeliveryState::Waiting };
            (state, Some(error.to_string().chars().take(500).collect()))
        }
    };
    let next_attempt_at = now.plus_millis(http::backoff_ms(attempts));
    Delivery { key: entry.key.clone(), at: now, state, attempts, next_attempt_at, error }
}

/// Labels and texts by name, as webhooks carry them.
type Pairs = HashMap<&'static str, String>;
