//! The word to stop, which everything that runs waits for.

use tokio::sync::watch;

/// Ends when the collector is to stop.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
