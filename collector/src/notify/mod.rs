//! Carrying notices out of the outbox to people: at least once, with an idempotency key, with back-off.
//!
//! The dispatcher rereads the store whenever it wakes; what became of an attempt goes back through the engine. One file per
//! channel.

mod smtp;
mod text;
mod webhook;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use ioc_common::clock;
use ioc_judge::Notice;

use crate::command::Command;
use crate::config::{Channel, ChannelKind, Config};
use crate::engine::Handle;
use crate::health::Health;
use crate::store::{Delivery, DeliveryState, OutboxEntry, Reader};
pub use text::Wording;
pub(crate) use text::local as local_time;

/// Deliveries under way.
const CONCURRENT_MAX: usize = 16;
/// How long one delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
/// Back-off: doubled from the first to the last.
const BACKOFF_FIRST_MS: i64 = 2000;
const BACKOFF_LAST_MS: i64 = 600_000;
/// Given up after this many attempts: about a day.
const ATTEMPTS_MAX: u32 = 150;
/// The longest sleep without a wake-up.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// Why a delivery failed, and whether trying again can help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It may work later.
    #[error("{0}")]
    Later(String),
    /// It will never work.
    #[error("{0}")]
    Never(String),
}

/// Carries notices until the engine ends. `config` may be replaced while it runs.
pub async fn run(engine: Handle, reader: Box<dyn Reader>, health: Arc<Health>, config: watch::Receiver<Arc<Config>>) {
    let mut wake = engine.outbox_wake();
    let mut reader = Some(reader);
    loop {
        wake.mark_unchanged();
        let now = clock::now();
        let Some(own) = reader.take() else { return };
        let read = tokio::task::spawn_blocking(move || {
            let due = own.outbox_due(now, CONCURRENT_MAX * 4);
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
        let deliveries = deliver_all(due, &current, &health).await;
        // Not answered means that the store cannot be written: the same entries come again, under the same keys.
        if let Err(error) = engine.command(Command::Delivered(deliveries)).await {
            tracing::warn!(%error, "the outcome of deliveries could not be kept");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn deliver_all(due: Vec<OutboxEntry>, config: &Arc<Config>, health: &Arc<Health>) -> Vec<Delivery> {
    let mut tasks = JoinSet::new();
    let mut deliveries = Vec::new();
    for entry in due {
        if tasks.len() >= CONCURRENT_MAX
            && let Some(Ok(done)) = tasks.join_next().await
        {
            deliveries.push(done);
        }
        let (config, health) = (Arc::clone(config), Arc::clone(health));
        tasks.spawn(async move {
            let result = match tokio::time::timeout(DELIVERY_TIMEOUT, deliver(&entry, &config)).await {
                Ok(result) => result,
                Err(_) => Err(SendError::Later("no answer in time".to_owned())),
            };
            outcome(&entry, result, &health)
        });
    }
    while let Some(done) = tasks.join_next().await {
        deliveries.extend(done.ok());
    }
    deliveries
}

async fn deliver(entry: &OutboxEntry, config: &Config) -> Result<(), SendError> {
    let channel: &Channel = config
        .channels
        .iter()
        .find(|channel| channel.name == entry.channel)
        .ok_or_else(|| SendError::Never(format!("there is no channel {:?} any more", entry.channel)))?;
    let notice: Notice = serde_json::from_str(&entry.notice)
        .map_err(|error| SendError::Never(format!("the notice cannot be read: {error}")))?;
    let wording = Wording::new(&notice, config);
    match &channel.kind {
        ChannelKind::Webhook { url, secret_file } => {
            webhook::send(url, secret_file.as_deref(), &channel.name, &entry.key, &notice, &wording, config).await
        }
        ChannelKind::Smtp { .. } => smtp::send(&channel.kind, &entry.key, &wording).await,
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
    let wait = BACKOFF_FIRST_MS.saturating_mul(1 << attempts.saturating_sub(1).min(20)).min(BACKOFF_LAST_MS);
    Delivery { key: entry.key.clone(), at: now, state, attempts, next_attempt_at: now.plus_millis(wait), error }
}

/// Labels and texts by name, as webhooks carry them.
type Pairs = HashMap<&'static str, String>;
