//! Brokers as we ship their configuration (config/brokers), each with its own directory and ports: Debian's Mosquitto and RabbitMQ.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::harness::{Rig, binary, free_port, send_signal, within};
use crate::identity::Identity;

const MOSQUITTO: &str = include_str!("../../config/brokers/mosquitto.conf");
const MOSQUITTO_ACL: &str = include_str!("../../config/brokers/mosquitto.acl");
const RABBITMQ: &str = include_str!("../../config/brokers/rabbitmq.conf");
const RABBITMQ_PLUGINS: &str = include_str!("../../config/brokers/rabbitmq_plugins");

/// How long a broker may take to start; RabbitMQ takes ten seconds and more.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// Where a broker will be, known before it runs, since the collector is told first.
#[derive(Debug, Clone)]
pub struct BrokerPlace {
    /// The directory of its files.
    pub dir: PathBuf,
    /// Its port for MQTT.
    pub port: u16,
    /// Where it asks the collector who may do what.
    pub authorization: u16,
}

impl BrokerPlace {
    /// A place in `dir` with ports of its own.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), port: free_port(), authorization: free_port() }
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// The tables of the collector's configuration, after an address at which nobody is.
    #[must_use]
    pub fn config(&self) -> String {
        format!(
            "[ingest.broker]\naddresses = [\"localhost:9\", \"{}\"]\nauthorization_listen = \"127.0.0.1:{}\"\n",
            self.address(),
            self.authorization
        )
    }

    /// This identity, which reports here.
    #[must_use]
    pub fn identity(&self, identity: Identity) -> Identity {
        Identity { mqtt: self.address(), ..identity }
    }

    /// Has the collector of `rig` make the certificate of the broker.
    ///
    /// # Errors
    /// What the collector said instead.
    pub async fn certify(&self, rig: &Rig) -> anyhow::Result<()> {
        let output = Command::new(binary("ioc-collector"))
            .arg("--config")
            .arg(rig.dir().join("collector.toml"))
            .args(["broker", "certificate", "localhost", "127.0.0.1", "--to"])
            .arg(&self.dir)
            .output()
            .await?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Fetches the list of revoked certificates, as `ioc-revoked.service` does.
    ///
    /// # Errors
    /// When the collector has none to give.
    pub async fn fetch_revoked(&self) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/revoked.pem", self.authorization);
        std::fs::create_dir_all(&self.dir)?;
        let status =
            Command::new("curl").args(["-fsS", "-o"]).arg(self.dir.join("revoked.pem")).arg(url).status().await?;
        anyhow::ensure!(status.success(), "curl ended with {status}");
        Ok(())
    }

    async fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }
}

/// Mosquitto.
pub struct Mosquitto {
    /// Where it is.
    pub place: BrokerPlace,
    child: Option<Child>,
}

impl Mosquitto {
    /// One that does not run yet.
    #[must_use]
    pub const fn new(place: BrokerPlace) -> Self {
        Self { place, child: None }
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it does not; its log is in the error.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let BrokerPlace { dir, port, .. } = &self.place;
        let (here, kept) = (dir.display().to_string(), dir.join("kept"));
        std::fs::create_dir_all(&kept)?;
        let config = MOSQUITTO
            .replace("/etc/mosquitto/ioc", &here)
            .replace("listener 8883", &format!("listener {port} 127.0.0.1"))
            .replace("# crlfile ", if dir.join("revoked.pem").exists() { "crlfile " } else { "# crlfile " });
        // Where it keeps its sessions stands in Debian's own file, once. As a service it gives its rights up by itself, and could not read a
        // test's files then.
        let own = format!("persistence_location {}/\nuser root\n", kept.display());
        std::fs::write(dir.join("mosquitto.conf"), format!("{config}\n{own}"))?;
        std::fs::write(dir.join("mosquitto.acl"), MOSQUITTO_ACL)?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("mosquitto.log"))?;
        let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
        let child = Command::new(program.context("mosquitto is not installed; scripts/test does it")?)
            .arg("-c")
            .arg(dir.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        self.child = Some(child);
        let place = self.place.clone();
        let started = within(START_TIMEOUT, "Mosquitto answers", || async { place.answers().await }).await;
        started.with_context(|| std::fs::read_to_string(dir.join("mosquitto.log")).unwrap_or_default())
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.as_ref().and_then(Child::id).context("it does not run")
    }

    /// Has it read its certificates anew.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn reload(&self) -> anyhow::Result<()> {
        send_signal(self.pid()?, "HUP").await
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
}

/// RabbitMQ, with a name service of Erlang of its own.
pub struct RabbitMq {
    /// Where it is.
    pub place: BrokerPlace,
    names: u16,
    distribution: u16,
    name_service: Option<Child>,
    child: Option<Child>,
}

impl RabbitMq {
    /// One that does not run yet.
    #[must_use]
    pub fn new(place: BrokerPlace) -> Self {
        Self { place, names: free_port(), distribution: free_port(), name_service: None, child: None }
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When it does not; its log is in the error.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        let BrokerPlace { dir, port, authorization } = &self.place;
        let here = dir.display().to_string();
        std::fs::create_dir_all(dir)?;
        let config = RABBITMQ
            .replace("/etc/rabbitmq/ioc", &here)
            .replace("mqtt.listeners.ssl.default = 8883", &format!("mqtt.listeners.ssl.default = 127.0.0.1:{port}"))
            .replace("127.0.0.1:8884", &format!("127.0.0.1:{authorization}"));
        std::fs::write(dir.join("rabbitmq.conf"), config)?;
        std::fs::write(dir.join("enabled_plugins"), RABBITMQ_PLUGINS)?;
        let log = || std::fs::OpenOptions::new().create(true).append(true).open(dir.join("rabbitmq.log"));
        let names = self.names.to_string();
        if self.name_service.is_none() {
            let service = Command::new("epmd")
                .args(["-port", &names, "-address", "127.0.0.1"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log()?)
                .kill_on_drop(true)
                .spawn()
                .context("epmd is not there: scripts/test installs rabbitmq-server")?;
            self.name_service = Some(service);
        }
        // Debian's own script gives its rights up; this one is what it calls.
        let child = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server")
            .env("HOME", dir)
            .env("ERL_EPMD_PORT", &names)
            .env("RABBITMQ_NODENAME", format!("ioc{port}@localhost"))
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", dir.join("kept"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq.conf"))
            .env("RABBITMQ_CONF_ENV_FILE", dir.join("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", dir.join("pid"))
            // The file in which it looks for more configuration, beside the one above.
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", dir.join("none.config"))
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?)
            // The script stays, with Erlang below it: both are killed as one.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("rabbitmq-server is not installed; scripts/test does it")?;
        self.child = Some(child);
        let place = self.place.clone();
        let started = within(START_TIMEOUT, "RabbitMQ answers", || async { place.answers().await }).await;
        started.with_context(|| std::fs::read_to_string(dir.join("rabbitmq.log")).unwrap_or_default())
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            kill_group(&child)?;
            child.wait().await?;
        }
        Ok(())
    }
}

/// Kills a process with all that it has started.
fn kill_group(leader: &Child) -> anyhow::Result<()> {
    let group = leader.id().context("no process")?;
    // Not waited for by the runtime: a test that failed ends in a drop.
    #[allow(clippy::disallowed_methods, reason = "a test ends a process of its own")]
    let status = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status()?;
    anyhow::ensure!(status.success(), "kill -KILL -{group} failed");
    Ok(())
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            let _ = kill_group(child);
        }
    }
}
