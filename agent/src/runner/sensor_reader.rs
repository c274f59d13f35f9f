//! Sensors around this host, as the agent sees them: a child that reads them ([`crate::sensor::poller`]) tells line by line what it
//! found; it is started again when it ends, and each sensor is announced anew when the collector asks.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use ioc_common::backoff::doubled_ms;
use ioc_common::clock;
use ioc_common::id::SensorName;

use crate::config::surveyor_path;
use crate::sensor::{Announcement, LINE_MAX_BYTES, SensorChange, SensorUpdate};

/// Between two starts of a child that ends at once, at most.
const RESTART_MAX_MS: u64 = 60_000;
/// A child that ran this long was not at fault from the start.
const RAN_WELL_MS: u64 = 60_000;
/// Most updates that wait for the main loop; then the child waits.
const NEWS_MAX: usize = 64;

/// The child that reads the sensors, started anew when it ends, and what it announced.
pub(super) struct SensorReader {
    /// None when there are no sensors.
    reader: Option<(JoinHandle<()>, mpsc::Receiver<SensorUpdate>)>,
    announced: BTreeMap<SensorName, Announcement>,
}

impl SensorReader {
    /// Has the sensors of this configuration read, if there are any.
    pub(super) fn new(config_path: Option<PathBuf>, wanted: bool) -> Self {
        let reader = wanted.then(|| {
            let (sender, receiver) = mpsc::channel(NEWS_MAX);
            (tokio::spawn(read_for_ever(config_path, sender)), receiver)
        });
        Self { reader, announced: BTreeMap::new() }
    }

    /// The next update. Never ends while there are no sensors.
    pub(super) async fn next_update(&mut self) -> SensorUpdate {
        let received = match &mut self.reader {
            Some((_, receiver)) => receiver.recv().await,
            None => None,
        };
        let Some(update) = received else { return std::future::pending().await };
        match (&update.change, self.announced.get_mut(&update.sensor)) {
            (SensorChange::Announce(announcement), _) => {
                self.announced.insert(update.sensor.clone(), (**announcement).clone());
            }
            (SensorChange::ProbeOutcome(outcome), Some(announced)) => announced.outcome = outcome.clone(),
            _ => {}
        }
        update
    }

    /// Every sensor that was announced, to be announced anew.
    pub(super) fn announcements(&self) -> Vec<(SensorName, Announcement)> {
        self.announced.iter().map(|(name, announcement)| (name.clone(), announcement.clone())).collect()
    }

    /// What was announced of this sensor.
    pub(super) fn find(&self, name: &SensorName) -> Option<&Announcement> {
        self.announced.get(name)
    }
}

impl Drop for SensorReader {
    fn drop(&mut self) {
        // Its child goes with it.
        if let Some((task, _)) = &self.reader {
            task.abort();
        }
    }
}

/// Starts the child, passes on what it tells, and starts it again.
async fn read_for_ever(config_path: Option<PathBuf>, sender: mpsc::Sender<SensorUpdate>) {
    let mut restarts = 0_u32;
    loop {
        let started_ms = clock::boottime_ms();
        match read_once(config_path.as_ref(), &sender).await {
            Ok(()) if sender.is_closed() => return,
            Ok(()) => tracing::error!("the reader of sensors ended; it is started again"),
            Err(error) => tracing::error!(%error, "the reader of sensors failed; it is started again"),
        }
        let well = clock::boottime_ms().saturating_sub(started_ms) > RAN_WELL_MS;
        restarts = if well { 0 } else { restarts.saturating_add(1) };
        tokio::time::sleep(Duration::from_millis(doubled_ms(restarts, 1000, RESTART_MAX_MS))).await;
    }
}

async fn read_once(config_path: Option<&PathBuf>, sender: &mpsc::Sender<SensorUpdate>) -> std::io::Result<()> {
    #[allow(clippy::disallowed_methods, reason = "our own program, which stays as long as the agent")]
    let mut command = Command::new(surveyor_path()?);
    command.arg("sensors").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    if let Some(path) = config_path {
        command.arg("--config").arg(path);
    }
    let mut child = command.spawn()?;
    let out = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    let mut lines = BufReader::new(out);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut lines).take(LINE_MAX_BYTES as u64).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(());
        }
        match serde_json::from_slice::<SensorUpdate>(&line) {
            Ok(update) => {
                if sender.send(update).await.is_err() {
                    return Ok(());
                }
            }
            Err(error) => return Err(std::io::Error::other(format!("a line of it is no update of a sensor: {error}"))),
        }
    }
}
