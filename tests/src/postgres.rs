//! A PostgreSQL of a test's own: Debian's, in a folder below /tmp, reached by a socket there, with what makes a commit last as in production. One may follow
//! another, confirm its commits, and take its place.
//!
//! It ends with the process, however that ends: a shell beside it waits for the end of a pipe. Where it cannot be started the test fails, and says what is
//! missing.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use ioc_common::clock;
use ioc_store::{Candidate, PostgresForm, PostgresSettings, Store};
use tokio::process::{Child, Command};

use crate::harness::within;

/// The version that Debian 12 has.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// Whom the server runs as where tests run as root: it refuses that.
const USER: &str = "postgres";
/// How long one start may take, and how often it is tried.
const START: Duration = Duration::from_secs(20);
const STARTS_MAX: u32 = 6;
const SCHEMA: &str = "hanoi";

const CONFIGURATION: &str = "
listen_addresses = ''
fsync = on
full_page_writes = on
synchronous_commit = on
max_connections = 120
shared_buffers = 64MB
";

/// Runs the server until its standard input ends.
const KEEPER: &str = r#""$1/postgres" -D "$2/data" -k "$2" >>"$2/log" 2>&1 & server=$!
cat >/dev/null
kill -QUIT $server 2>/dev/null
wait $server"#;

/// A server with its folder.
pub struct Postgres {
    dir: PathBuf,
    keeper: Option<Child>,
}

/// Whether the test runs as root.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A program as a user that the server runs as.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut other = Command::new("setpriv");
    other.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
    other
}

async fn run(mut command: Command) -> anyhow::Result<String> {
    let output = command.current_dir("/").output().await?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Postgres {
    /// Makes one and starts it.
    ///
    /// # Errors
    /// When PostgreSQL 15 is not installed, or does not start; its log is in the error.
    pub async fn start() -> anyhow::Result<Self> {
        let mut server = Self::nowhere().await?;
        let mut made = unprivileged(&Path::new(PROGRAMS).join("initdb"));
        made.args([
            "-U",
            "ioc",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
            "-D",
        ])
        .arg(server.dir.join("data"));
        run(made).await?;
        let path = server.dir.join("data/postgresql.conf");
        let text = std::fs::read_to_string(&path)?;
        std::fs::write(&path, text + CONFIGURATION)?;
        server.start_again().await?;
        Ok(server)
    }

    /// A folder of the server's user, in which nothing is yet.
    async fn nowhere() -> anyhow::Result<Self> {
        let initdb = Path::new(PROGRAMS).join("initdb");
        ensure!(initdb.exists(), "PostgreSQL 15 is not here; mend: apt-get install postgresql-15 (scripts/test does)");
        let dir = tempfile::Builder::new().prefix("ioc-pg-").tempdir_in("/tmp")?.keep();
        if is_root() {
            let mut id = Command::new("id");
            id.args(["-u", USER]);
            let user: u32 = run(id).await?.trim().parse().context("no user postgres")?;
            chown(&dir, Some(user), Some(user))?;
        }
        Ok(Self { dir, keeper: None })
    }

    /// A standby of this one, which confirms every commit from now on: what it has not is not acknowledged.
    ///
    /// # Errors
    /// When it cannot be made, or does not follow.
    pub async fn follower(&self) -> anyhow::Result<Self> {
        let mut standby = Self::nowhere().await?;
        standby.follow(self).await?;
        Ok(standby)
    }

    /// Begins anew, where it lies, as a standby of another one, which it confirms every commit of from now on.
    ///
    /// # Errors
    /// When it cannot be made, or does not follow.
    pub async fn follow(&mut self, primary: &Self) -> anyhow::Result<()> {
        self.end().await?;
        let data = self.dir.join("data");
        if data.exists() {
            std::fs::remove_dir_all(&data)?;
        }
        let mut copied = unprivileged(&Path::new(PROGRAMS).join("pg_basebackup"));
        copied
            .arg("-h")
            .arg(&primary.dir)
            .args(["-U", "ioc", "-X", "stream", "-c", "fast", "-R", "--no-sync", "-D"])
            .arg(&data);
        run(copied).await?;
        self.start_again().await?;
        let follows = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        within(START, "the standby follows", || async { primary.ask(follows).await.is_ok_and(|count| count == "1") })
            .await?;
        // Not before it is copied: the standby would wait for one of its own.
        primary.ask("ALTER SYSTEM SET synchronous_standby_names TO '*'").await?;
        primary.ask("SELECT pg_reload_conf()").await?;
        let confirms = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        within(START, "the standby confirms", || async { primary.ask(confirms).await.is_ok_and(|count| count == "1") })
            .await
    }

    /// Makes a standby the primary.
    ///
    /// # Errors
    /// When it does not take writes then.
    pub async fn promote(&self) -> anyhow::Result<()> {
        let promoted = self.ask("SELECT pg_promote(true, 60)").await?;
        ensure!(promoted == "t", "it is promoted: {promoted}");
        Ok(())
    }

    /// Starts it again after [`Self::kill`], and waits until it answers.
    ///
    /// # Errors
    /// When it does not; its log is in the error.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let mut answers = Ok(());
        // Sessions of one that was killed may hold its memory for a moment, and it refuses to start until they are gone.
        for _ in 0..STARTS_MAX {
            let mut keeper = unprivileged(Path::new("/bin/sh"));
            keeper.args(["-c", KEEPER, "sh", PROGRAMS]).arg(&self.dir).current_dir("/");
            self.keeper = Some(keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
            answers = within(START, "PostgreSQL answers", || async { self.ask("SELECT 1").await.is_ok() }).await;
            if answers.is_ok() {
                break;
            }
            self.end().await?;
        }
        answers.with_context(|| std::fs::read_to_string(self.dir.join("log")).unwrap_or_default())
    }

    /// Ends it as a crash does: its processes are killed, nothing is put in order.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        crate::harness::send_signal(self.pid()?, "KILL").await?;
        self.end().await
    }

    async fn end(&mut self) -> anyhow::Result<()> {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().await?;
        }
        Ok(())
    }

    /// What a query says, a line each row.
    ///
    /// # Errors
    /// What the server says instead.
    pub async fn ask(&self, sql: &str) -> anyhow::Result<String> {
        let mut psql = Command::new(Path::new(PROGRAMS).join("psql"));
        psql.arg("-h").arg(&self.dir).args(["-U", "ioc", "-d", "postgres", "-X", "-A", "-t", "-q", "-c"]).arg(sql);
        psql.env("PGOPTIONS", format!("-c search_path={SCHEMA}"));
        Ok(run(psql).await?.trim().to_owned())
    }

    /// Where its socket is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process above all of its own.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let file = std::fs::read_to_string(self.dir.join("data/postmaster.pid"))?;
        Ok(file.lines().next().context("no process")?.parse()?)
    }

    /// The table of a collector's configuration that names it, for a site of this schema.
    #[must_use]
    pub fn config_of(&self, name: &str, schema: &str) -> String {
        self.config(name).replace(&format!("schema = {SCHEMA:?}"), &format!("schema = {schema:?}"))
    }

    /// The table of a collector's configuration that names it.
    #[must_use]
    pub fn config(&self, name: &str) -> String {
        config_at(name, &[&self.dir])
    }

    /// Opens the site's store for a test, once no collector runs: with a lease, as they do.
    ///
    /// # Errors
    /// When it is not free, or cannot be opened.
    pub async fn open(&self, dir: &Path) -> anyhow::Result<(Candidate, Box<dyn Store>)> {
        let form = serde_json::json!({
            "addresses": [format!("{}:5432", self.dir.display())], "database": "postgres", "schema": SCHEMA, "user": "ioc",
        });
        let settings: PostgresSettings = serde_json::from_value::<PostgresForm>(form)?.check()?;
        let candidate = Candidate::start(&settings, "test", "")?;
        let begun_ms = clock::boottime_ms();
        while !candidate.holds() {
            ensure!(
                clock::boottime_ms() - begun_ms < 60_000,
                "the lease is not free: {:?}",
                *candidate.view().borrow()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let store = candidate.open(dir)?;
        Ok((candidate, store))
    }
}

/// The table of a collector's configuration that names servers by the folders of their sockets.
#[must_use]
pub fn config_at(name: &str, folders: &[&Path]) -> String {
    let addresses: Vec<String> = folders.iter().map(|dir| format!("\"{}:5432\"", dir.display())).collect();
    let addresses = addresses.join(", ");
    format!(
        "[store]\nkind = \"postgres\"\nname = {name:?}\naddresses = [{addresses}]\ndatabase = \"postgres\"\nschema = {SCHEMA:?}\n"
    )
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The shell kills the server when the pipe ends.
        drop(self.keeper.as_mut().and_then(|keeper| keeper.stdin.take()));
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
