//! Starting the real binaries for a test, each with its own directory and ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::identity::Identity;

/// How long anything may take to become true: several times what it takes on a busy machine, and no measure of anything.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A collector (and agents) in a directory of their own.
pub struct Rig {
    dir: PathBuf,
    _owned: Option<TempDir>,
    /// Port of the MQTT endpoint.
    pub mqtt: u16,
    /// Port of the pages.
    pub web: u16,
    config: String,
    environment: Vec<(String, String)>,
    files_max: Option<usize>,
    collector: Option<Child>,
}

/// The built binary `name`: the one that a variable such as `IOC_AGENT` names, else the one beside the test.
///
/// # Panics
/// When it was not built: run `cargo build --workspace` with the same profile first.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(name.to_uppercase().replace('-', "_")) {
        return path.into();
    }
    let mut dir = std::env::current_exe().expect("own path");
    while dir.pop() {
        let path = dir.join(name);
        if path.is_file() {
            return path;
        }
    }
    panic!("{name} is not built; run 'cargo build --workspace --profile fast' first (scripts/test does)")
}

/// Where scripts/test puts what other projects' programs need.
#[must_use]
pub fn peers() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("../target"), PathBuf::from).join("peers")
}

/// Python with the peers that scripts/test installs.
///
/// # Panics
/// When it is missing.
#[must_use]
pub fn python() -> PathBuf {
    let python = peers().join("bin/python3");
    assert!(python.exists(), "{} is missing; scripts/test makes it", python.display());
    python
}

/// Writes a file that is on the disk when it returns: a cut of power leaves none that is empty.
fn write_synced(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()
}

/// First of the ports that tests listen on, and how many there are: below those that the kernel gives to connections that go out
/// (32768 and above), one of which could take it before it is listened on.
const PORTS: (u16, u16) = (12_000, 20_000);
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

/// What a unit sets in its program's environment: what is tested and measured is what is shipped.
///
/// # Errors
/// When the unit cannot be read.
pub fn shipped_environment(unit: &str) -> anyhow::Result<Vec<(String, String)>> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd").join(unit);
    let unit = std::fs::read_to_string(&unit).with_context(|| unit.display().to_string())?;
    let words = unit.lines().filter_map(|line| line.strip_prefix("Environment=")).flat_map(str::split_whitespace);
    Ok(words.filter_map(|word| word.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect())
}

/// A port that is free now, and that no other test of this program is given.
///
/// # Panics
/// When none is free.
#[must_use]
pub fn free_port() -> u16 {
    // Programs that run side by side begin at different places.
    let own = u16::try_from(std::process::id().wrapping_mul(97) % u32::from(PORTS.1)).unwrap_or_default();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let next = || PORTS.0 + own.wrapping_add(NEXT_PORT.fetch_add(1, Relaxed)) % PORTS.1;
    std::iter::repeat_with(next).take(usize::from(PORTS.1)).find(free).expect("a free port")
}

impl Rig {
    /// A rig in a temporary directory, with `extra` lines in the collector's configuration. Nothing runs yet.
    ///
    /// # Panics
    /// When no directory can be made.
    #[must_use]
    pub fn new(extra: &str) -> Self {
        let owned = tempfile::tempdir().expect("temporary directory");
        let dir = owned.path().to_owned();
        let mut rig = Self::in_dir(&dir, extra);
        rig._owned = Some(owned);
        rig
    }

    /// A rig in `dir`.
    ///
    /// # Panics
    /// When the configuration cannot be written.
    #[must_use]
    pub fn in_dir(dir: &Path, extra: &str) -> Self {
        let (mqtt, web) = (free_port(), free_port());
        let (tables, channels) =
            extra.split_once("[[").map_or((extra.to_owned(), String::new()), |(a, b)| (a.to_owned(), format!("[[{b}")));
        let (data, runtime) = (dir.join("collector"), dir.join("run"));
        let config = format!(
            "{tables}\n[paths]\ndata = {data:?}\nruntime = {runtime:?}\n[ingest]\nlisten = \"127.0.0.1:{mqtt}\"\n[web]\nlisten = \"127.0.0.1:{web}\"\n{channels}"
        );
        std::fs::create_dir_all(dir).expect("directory");
        Self {
            dir: dir.to_owned(),
            _owned: None,
            mqtt,
            web,
            config,
            environment: Vec::new(),
            files_max: None,
            collector: None,
        }
    }

    /// The directory of this rig.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the control socket lies.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Where the store lies.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.join("collector")
    }

    /// Host and port of the pages.
    #[must_use]
    pub fn server(&self) -> String {
        format!("localhost:{}", self.web)
    }

    /// Changes the collector's configuration; takes effect at the next start or reload.
    pub fn configure(&mut self, change: impl FnOnce(&str) -> String) {
        self.config = change(&self.config);
        let _ = write_synced(&self.dir.join("collector.toml"), &self.config);
    }

    /// Judges by the shipped rules, but for what they wait for half a minute: that is the judge's business, not that of a test of the whole.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn hurry(&mut self) {
        let rules = ioc_engine::config::DEFAULT_RULES;
        assert!(rules.contains("for = \"30s\""), "nothing is waited for half a minute");
        std::fs::write(self.dir.join("hurried.toml"), rules.replace("for = \"30s\"", "for = \"2s\"")).expect("rules");
        self.configure(|config| format!("[rules]\nfile = \"hurried.toml\"\n{config}"));
    }

    /// Sets a variable in the collector's environment, from the next start on.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// Lets the collector have so many files open, from the next start on.
    pub fn limit_files(&mut self, files_max: usize) {
        self.files_max = Some(files_max);
    }

    /// Starts the collector and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready; its log is in the error.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let path = self.dir.join("collector.toml");
        write_synced(&path, &self.config)?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("collector.log"))?;
        let mut command = match self.files_max {
            None => Command::new(binary("ioc-collector")),
            Some(most) => {
                let mut limited = Command::new("prlimit");
                limited.arg(format!("--nofile={most}:{most}")).arg(binary("ioc-collector"));
                limited
            }
        };
        let child = command
            .arg("--config")
            .arg(&path)
            .arg("serve")
            .envs(shipped_environment("ioc-collector.service")?)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.collector = Some(child);
        let runtime = self.runtime();
        let ready = eventually("the collector is ready", || async {
            ioc_collector::cli::ask(&runtime, "GET", "/healthz", None).await.is_ok()
        });
        ready.await.with_context(|| self.log())
    }

    /// The collector's process.
    ///
    /// # Panics
    /// When none runs.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.collector.as_ref().and_then(Child::id).expect("the collector runs")
    }

    /// The collector's log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("collector.log")).unwrap_or_default()
    }

    /// Kills the collector as a crash would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.collector.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Stops the collector as systemd does, and waits for its end.
    ///
    /// # Errors
    /// When it does not end, or ends with an error.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.collector.take() else { return Ok(()) };
        send_signal(child.id().context("no process")?, "TERM").await?;
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.context("the collector does not stop")??;
        anyhow::ensure!(status.success(), "the collector ended with {status}\n{}", self.log());
        Ok(())
    }

    /// Asks the API over the control socket.
    ///
    /// # Errors
    /// What the collector answered instead of success.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(ioc_collector::cli::ask(&self.runtime(), "GET", path, None).await?)
    }

    /// Asks the API to do something.
    ///
    /// # Errors
    /// What the collector answered instead of success.
    pub async fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        Ok(ioc_collector::cli::ask(&self.runtime(), "POST", path, Some(body)).await?)
    }

    /// Enrols `count` simulated devices.
    ///
    /// # Errors
    /// What the collector answered instead of success.
    pub async fn enrol(&self, count: usize) -> anyhow::Result<Vec<Identity>> {
        Identity::enrol_many(&self.runtime(), &self.server(), count).await
    }

    /// Enrols and starts a real agent in `name` below the rig's directory, with `extra` configuration.
    ///
    /// # Errors
    /// When it cannot be enrolled or started.
    pub async fn agent(&self, name: &str, extra: &str) -> anyhow::Result<Agent> {
        let agent = Agent::new(&self.dir.join(name), extra)?;
        let about = json!({ "device": name, "kind": "server", "name": name });
        let answer = self.post("/api/v1/tokens", about).await?;
        agent.enrol(&self.server(), answer["token"].as_str().unwrap_or_default()).await?;
        Ok(agent)
    }
}

/// A real agent.
pub struct Agent {
    dir: PathBuf,
    child: Option<Child>,
}

impl Agent {
    /// An agent whose files lie in `dir`.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn new(dir: &Path, extra: &str) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let config = format!("{extra}\n[paths]\nstate = {:?}\nruntime = {:?}\n", dir.join("state"), dir.join("run"));
        std::fs::write(dir.join("agent.toml"), config)?;
        Ok(Self { dir: dir.to_owned(), child: None })
    }

    /// Enrols it.
    ///
    /// # Errors
    /// What it printed when it failed.
    pub async fn enrol(&self, server: &str, token: &str) -> anyhow::Result<()> {
        let output = self.command().args(["enrol", "--server", server, token]).output().await?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Its command line.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(binary("ioc-agent"));
        command.arg("--config").arg(self.dir.join("agent.toml")).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self) -> anyhow::Result<()> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("agent.log"))?;
        let mut command = self.command();
        command.arg("run").envs(shipped_environment("ioc-agent.service")?).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Its process.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("the agent runs")
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("agent.log")).unwrap_or_default()
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn status(&self) -> anyhow::Result<ioc_agent::status::Status> {
        Ok(ioc_agent::status::ask(&self.dir.join("run")).await?)
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Stops it as systemd does.
    ///
    /// # Errors
    /// When it does not end, or ends with an error.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        send_signal(child.id().context("no process")?, "TERM").await?;
        let status = tokio::time::timeout(PATIENCE, child.wait()).await.context("the agent does not stop")??;
        anyhow::ensure!(status.success(), "the agent ended with {status}\n{}", self.log());
        Ok(())
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// When there is no such process.
pub async fn send_signal(pid: u32, signal: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().await?;
    anyhow::ensure!(status.success(), "kill -{signal} {pid} failed");
    Ok(())
}

/// Waits until `check` holds.
///
/// # Errors
/// When it does not within the patience of a test.
pub async fn eventually<F, R>(what: &str, check: F) -> anyhow::Result<()>
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    within(PATIENCE, what, check).await
}

/// Waits until `check` holds, where it is promised within some time.
///
/// # Errors
/// When it does not within that time.
pub async fn within<F, R>(time: Duration, what: &str, mut check: F) -> anyhow::Result<()>
where
    F: FnMut() -> R,
    R: Future<Output = bool>,
{
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if check().await {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("did not come true within {time:?}: {what}")
}
