//! Debian's Prometheus, and what can be asked of it and of its like.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

/// Starts a program without its output; it ends with the test.
///
/// # Panics
/// When the program is not there: scripts/test installs it.
#[must_use]
pub fn quiet(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().expect("it is there; scripts/test installs it")
}

/// Starts Prometheus below `dir` with this configuration, and takes remote write in.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn start(dir: &Path, port: u16, config: &str) -> Child {
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", file.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--web.enable-remote-write-receiver");
    quiet(command)
}

/// What is known of a query: its results, each with labels and newest value.
///
/// # Panics
/// When curl is not there.
pub async fn query_value(port: u16, query: &str) -> Value {
    let mut command = Command::new("curl");
    command.args(["-sG", "--data-urlencode", &format!("query={query}")]);
    let output = command.arg(format!("http://127.0.0.1:{port}/api/v1/query")).output().await.unwrap();
    serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()["data"]["result"].clone()
}
