//! The heartbeat (dead man's switch): says now and then that the collector lives, to whoever misses it when it does not.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use ioc_engine::config::Config;
use ioc_engine::health::Health;
use ioc_engine::http;

/// How long one may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Sends heartbeats until the collector ends.
pub async fn heartbeat(mut config: watch::Receiver<Arc<Config>>, health: Arc<Health>) {
    loop {
        let heartbeat = config.borrow_and_update().heartbeat.clone();
        let Some(heartbeat) = heartbeat else {
            if config.changed().await.is_err() {
                return;
            }
            continue;
        };
        // A collector that cannot commit, or cannot send notices, sends no heartbeat either, so that others notice.
        if health.notices_blocked().is_none() {
            let request = http::Request {
                method: "POST",
                url: &heartbeat.url,
                content_type: "text/plain",
                headers: Vec::new(),
                body: Vec::new(),
            };
            if let Err(error) = http::send_within(TIMEOUT, request).await {
                tracing::warn!(%error, "the sign of life was not taken");
            }
        }
        tokio::select! {
            changed = config.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(heartbeat.every.get()) => {}
        }
    }
}
