//! Zabbix's server with PostgreSQL, as Debian has them: what it takes to receive a value, to judge it and to keep it. Its own sender sends
//! to trapper items, each of which has a trigger, as ours are judged by rules.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock;
use ioc_tests::harness::{Rig, binary, free_port};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::ingest::blast_all;
use crate::measure::{cpu_seconds, tree_seconds};

/// Values of one host, as many as our simulated machines report.
const VALUES: usize = 52;
/// How long our own side runs beside it.
const OURS: Duration = Duration::from_secs(10);
/// How long anything of theirs may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);
/// And to keep all that it was sent.
const KEPT_WITHIN: Duration = Duration::from_secs(300);
const NAME: &str = "Zabbix with PostgreSQL";

pub(crate) async fn run(figures: &mut Figures, hosts: usize, rounds: usize) -> anyhow::Result<()> {
    let theirs = theirs(hosts, rounds).await;
    let mut rig = Rig::new("");
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
    let identities = rig.enrol(8).await?;
    let before = cpu_seconds(rig.pid());
    let (_, totals) = blast_all(&identities, OURS, true).await?;
    let values = totals.committed.load(std::sync::atomic::Ordering::Relaxed) as f64 * VALUES as f64;
    let ours =
        Figure::new("CPU a value received, judged and kept", (cpu_seconds(rig.pid()) - before) / values * 1e6, "µs");
    match theirs {
        Ok((cpu_us, bytes)) => {
            figures.say([ours.beside(NAME, cpu_us), Figure::new(format!("{NAME}: on disk a value"), bytes, "bytes")])
        }
        Err(error) => {
            println!("  Zabbix: {error:#}");
            figures.say([ours])
        }
    }
}

/// PostgreSQL in a directory of its own, by its own user where we are root.
struct Database {
    dir: PathBuf,
    port: u16,
    server: Child,
}

/// A program as `postgres` does it: its server refuses root.
fn as_postgres(program: &Path) -> Command {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.split_whitespace().take(2).eq(["Uid:", "0"]));
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// The newest PostgreSQL that is installed.
fn postgres_bin() -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("not installed; apt-get install postgresql")?;
    let newest =
        versions.flatten().map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.context("not installed; apt-get install postgresql")
}

async fn done(command: &mut Command, what: &str) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().await.with_context(|| what.to_owned())?;
    anyhow::ensure!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Database {
    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let (bin, port, data) = (postgres_bin()?, free_port(), dir.join("data"));
        done(Command::new("chmod").arg("777").arg(dir), "chmod").await?;
        let mut init = as_postgres(&bin.join("initdb"));
        done(init.args(["-A", "trust", "-U", "zabbix", "-E", "UTF8", "-D"]).arg(&data), "initdb").await?;
        let server = as_postgres(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-h", "", "-k"])
            .arg(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let database = Self { dir: dir.to_owned(), port, server };
        let begun = Instant::now();
        while database.ask("postgres", "SELECT 1").await.is_err() {
            anyhow::ensure!(begun.elapsed() < PATIENCE, "PostgreSQL does not start");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        database.ask("postgres", "CREATE DATABASE zabbix").await?;
        Ok(database)
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new("psql");
        command.args(["-qAt", "-v", "ON_ERROR_STOP=1", "-U", "zabbix", "-p", &self.port.to_string(), "-h"]);
        command.arg(&self.dir).args(["-d", database]);
        command
    }

    async fn ask(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        Ok(done(self.psql(database).args(["-c", sql]), "psql").await?.trim().to_owned())
    }

    async fn load(&self, file: &Path) -> anyhow::Result<()> {
        done(self.psql("zabbix").arg("-f").arg(file), &file.display().to_string()).await.map(drop)
    }
}

/// CPU of a value there, microseconds, and its bytes on disk.
async fn theirs(hosts: usize, rounds: usize) -> anyhow::Result<(f64, f64)> {
    let share = Path::new("/usr/share/zabbix-server-pgsql");
    anyhow::ensure!(
        share.exists() && Path::new("/usr/bin/zabbix_sender").exists(),
        "not installed; apt-get install zabbix-server-pgsql zabbix-sender postgresql"
    );
    let dir = tempfile::tempdir()?;
    let database = Database::start(dir.path()).await?;
    for part in ["schema", "images", "data"] {
        let sql = dir.path().join(format!("{part}.sql"));
        let text = done(Command::new("zcat").arg(share.join(format!("{part}.sql.gz"))), part).await?;
        std::fs::write(&sql, text)?;
        database.load(&sql).await?;
    }
    let sql = dir.path().join("hosts.sql");
    std::fs::write(&sql, inventory(hosts))?;
    database.load(&sql).await?;
    let port = free_port();
    let config = dir.path().join("zabbix.conf");
    std::fs::write(
        &config,
        format!(
            "ListenPort={port}\nListenIP=127.0.0.1\nDBHost={0}\nDBPort={1}\nDBName=zabbix\nDBUser=zabbix\nLogFile={0}/zabbix.log\nPidFile={0}/zabbix.pid\nSocketDir={0}\n\
             AllowRoot=1\nCacheSize=256M\nHistoryCacheSize=128M\nHistoryIndexCacheSize=64M\nValueCacheSize=128M\nTrendCacheSize=64M\nStartPingers=0\nStartDiscoverers=0\n",
            dir.path().display(),
            database.port
        ),
    )?;
    let mut server = Command::new("/usr/sbin/zabbix_server")
        .arg("-f")
        .arg("-c")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "its server does not start: {}", log_of(dir.path()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Its first reading of the configuration is over.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let pids = [server.id().context("no process")?, database.server.id().context("no process")?];
    let cpu = || pids.iter().map(|pid| tree_seconds(*pid)).sum::<f64>();
    let size = "SELECT pg_total_relation_size('history')";
    let size_before: f64 = database.ask("zabbix", size).await?.parse()?;
    let before = cpu();
    let wanted = hosts * VALUES * rounds;
    let from = clock::now().as_secs() - rounds as i64 * 10;
    for round in 0..rounds {
        let file = dir.path().join("values");
        std::fs::write(&file, values(hosts, round, from + round as i64 * 10))?;
        let mut sender = Command::new("/usr/bin/zabbix_sender");
        sender.args(["-z", "127.0.0.1", "-p", &port.to_string(), "-T", "-i"]).arg(&file);
        done(&mut sender, "zabbix_sender").await?;
    }
    let begun = Instant::now();
    loop {
        let kept: usize = database.ask("zabbix", "SELECT count(*) FROM history").await?.parse()?;
        if kept >= wanted {
            break;
        }
        anyhow::ensure!(begun.elapsed() < KEPT_WITHIN, "it keeps {kept} of {wanted} values: {}", log_of(dir.path()));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let spent = cpu() - before;
    let bytes = database.ask("zabbix", size).await?.parse::<f64>()? - size_before;
    println!("{NAME}: {wanted} values of {hosts} hosts, {spent:.1} s of CPU, its sender's not counted");
    // It ends its children itself; what is killed leaves them.
    let pid = server.id().context("no process")?;
    ioc_tests::harness::send_signal(pid, "TERM").await?;
    let _ = tokio::time::timeout(PATIENCE, server.wait()).await;
    Ok((spent / wanted as f64 * 1e6, bytes / wanted as f64))
}

fn log_of(dir: &Path) -> String {
    let log = std::fs::read_to_string(dir.join("zabbix.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}

/// Hosts with trapper items and a trigger for each, as its frontend would have made them.
fn inventory(hosts: usize) -> String {
    let mut sql = String::from("BEGIN;\n");
    for host in 0..hosts {
        let id = 1_000_000 + host;
        let _ = writeln!(
            sql,
            "INSERT INTO hosts (hostid, host, name, name_upper) VALUES ({id}, 'sim-{host:05}', 'sim-{host:05}', 'SIM-{host:05}');"
        );
        for value in 0..VALUES {
            let item = 1_000_000 + host * VALUES + value;
            let _ = writeln!(
                sql,
                "INSERT INTO items (itemid, type, hostid, name, key_, value_type, name_upper) VALUES ({item}, 2, {id}, 'v{value}', 'v{value}', 0, 'V{value}');\n\
                 INSERT INTO item_rtdata (itemid) VALUES ({item});\n\
                 INSERT INTO triggers (triggerid, expression, description, priority) VALUES ({item}, '{{{item}}}>90', 'v{value}', 3);\n\
                 INSERT INTO functions (functionid, itemid, triggerid, name, parameter) VALUES ({item}, {item}, {item}, 'last', '$');"
            );
        }
    }
    sql + "COMMIT;\nANALYZE;\n"
}

/// What the sender reads: host, key, time and value.
fn values(hosts: usize, round: usize, at: i64) -> String {
    let mut text = String::new();
    for host in 0..hosts {
        for value in 0..VALUES {
            let number = ((host * 7 + value * 13 + round * 3) % 800) as f64 / 10.0;
            let _ = writeln!(text, "sim-{host:05} v{value} {at} {number:.1}");
        }
    }
    text
}
