//! `ioc-agent status`: a socket below the runtime directory on which the running agent says how it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

use ioc_common::clock::Timestamp;
use ioc_common::report::{Losses, Position, ProbeReport};
use ioc_common::settings::SettingsOutcome;

/// How the running agent is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the agent.
    pub version: String,
    /// Identifier of the device.
    pub device: String,
    /// Host and port of the collector's MQTT endpoint.
    pub collector: String,
    /// The link is open.
    pub connected: bool,
    /// Why the last link closed, while there is none.
    pub last_error: Option<String>,
    /// Everything up to here is committed.
    pub committed: Position,
    /// The last report taken.
    pub taken: Position,
    /// Reports that wait in memory.
    pub waiting_in_memory: u64,
    /// Reports that wait on disk.
    pub waiting_on_disk: u64,
    /// Bytes of reports on disk.
    pub spool_bytes: u64,
    /// Why the agent's own directory cannot be written, while it cannot.
    #[serde(default)]
    pub state_error: Option<String>,
    /// Why the spool cannot be written, while it cannot.
    pub spool_error: Option<String>,
    /// Reports that were lost so far, by reason.
    pub losses: Losses,
    /// Why the collector refused a report, when it last did.
    pub last_refusal: Option<String>,
    /// What became of the collector's settings.
    pub settings: SettingsOutcome,
    /// When the certificate ends.
    pub certificate_expires_at: Timestamp,
    /// How each probe and survey last ended, the quick probes first.
    pub probes: Vec<ProbeReport>,
}

/// Name of the socket.
const SOCKET: &str = "status.sock";
/// How long a peer may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most bytes of a status that are read, so that whoever else listens at the socket cannot fill the memory.
const ANSWER_MAX_BYTES: u64 = 1024 * 1024;

/// Opens the socket below `runtime`. A socket that a killed agent left is replaced.
///
/// # Errors
/// When the directory cannot be written.
pub fn listen(runtime: &Path) -> io::Result<UnixListener> {
    std::fs::create_dir_all(runtime)?;
    let path = runtime.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(&path),
    }
}

/// Answers one peer.
pub async fn answer(mut peer: UnixStream, status: Status) {
    if let Ok(text) = serde_json::to_vec(&status) {
        let _ = tokio::time::timeout(TIMEOUT, peer.write_all(&text)).await;
    }
}

/// Asks the running agent.
///
/// # Errors
/// [`StatusError`] when none runs.
pub async fn ask(runtime: &Path) -> Result<Status, StatusError> {
    let path = runtime.join(SOCKET);
    let exchange = async {
        let peer = UnixStream::connect(&path).await?;
        let mut text = Vec::new();
        peer.take(ANSWER_MAX_BYTES).read_to_end(&mut text).await?;
        serde_json::from_slice(&text).map_err(io::Error::other)
    };
    match tokio::time::timeout(TIMEOUT, exchange).await {
        Ok(Ok(status)) => Ok(status),
        Ok(Err(source)) => Err(StatusError { path, source }),
        Err(_) => Err(StatusError { path, source: io::ErrorKind::TimedOut.into() }),
    }
}

/// The running agent cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot ask the agent at {}: {source}; mend: 'systemctl status ioc-agent' tells whether it runs; ask as root or as its own user", path.display())]
#[allow(missing_docs, reason = "their names say it")]
pub struct StatusError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}
