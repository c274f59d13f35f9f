//! `ioc-bench`: the numbers of docs/performance.md. Each command prints what it measured, with a peer beside it in the same run
//! where one is installed. Nothing here passes or fails: a noisy machine must not break a build.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a command-line tool that measures")]

mod agent;
mod entrance;
mod history;
mod judge;
mod pages;
mod sensors;
mod start;

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use ioc_common::clock;
use ioc_tests::fleet::{self, Plan, Totals};
use ioc_tests::harness::{Rig, eventually, free_port};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::sink;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::Packet;
use tokio::net::TcpListener;
use tokio::process::Command;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Reports a second through the whole pipeline, beside Mosquitto with a subscriber that counts.
    Ingest {
        #[arg(long, default_value_t = 8)]
        connections: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// What enrolling a machine and signing a person in cost.
    Entrance {
        #[arg(long, default_value_t = 200)]
        machines: usize,
        #[arg(long, default_value_t = 8)]
        sign_ins: usize,
    },
    /// Memory of idle connections.
    Idle {
        #[arg(long, default_value_t = 2000)]
        connections: usize,
    },
    /// CPU and memory of the collector under a whole fleet.
    Fleet {
        #[arg(long, default_value_t = 10_000)]
        devices: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// From a sample that crosses a limit to the webhook received, while a fleet reports.
    Notice {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 100)]
        times: usize,
    },
    /// Values judged a second on one core, and an outage of many devices behind one uplink.
    Judge {
        #[arg(long, default_value_t = 1000)]
        devices: usize,
        #[arg(long, default_value_t = 10)]
        seconds: u64,
    },
    /// Bytes a sample of folded history, beside VictoriaMetrics where it is installed, and how long questions take.
    History {
        #[arg(long, default_value_t = 31)]
        days: i64,
    },
    /// How long pages take and how large they are with a whole fleet, and what people who watch them cost.
    Pages {
        #[arg(long, default_value_t = 10_000)]
        devices: usize,
        #[arg(long, default_value_t = 200)]
        viewers: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// CPU, memory, wake-ups and size of the agent, beside collectd and node_exporter where they are installed.
    Agent {
        #[arg(long, default_value_t = 120)]
        seconds: u64,
    },
    /// CPU of each survey, its child and what that starts included, and what all of them make a day.
    Surveys,
    /// CPU of reading many Modbus units every second, and what a dead one costs the others.
    Sensors {
        #[arg(long, default_value_t = 64)]
        units: u8,
        #[arg(long, default_value_t = 30)]
        seconds: u64,
    },
    /// How long a start takes with a large store.
    Start {
        #[arg(long, default_value_t = 30_000)]
        devices: usize,
    },
    /// Time and memory of a long software list.
    Software {
        #[arg(long, default_value_t = 3000)]
        packages: usize,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Bench::Ingest { connections, seconds } => ingest(connections, Duration::from_secs(seconds)).await,
        Bench::Entrance { machines, sign_ins } => entrance::run(machines, sign_ins).await,
        Bench::Idle { connections } => idle(connections).await,
        Bench::Fleet { devices, seconds } => whole_fleet(devices, Duration::from_secs(seconds)).await,
        Bench::Judge { devices, seconds } => judge::run(devices, Duration::from_secs(seconds)),
        Bench::History { days } => history::run(days).await,
        Bench::Notice { devices, times } => notice(devices, times).await,
        Bench::Pages { devices, viewers, seconds } => pages::run(devices, viewers, Duration::from_secs(seconds)).await,
        Bench::Agent { seconds } => agent::agent(Duration::from_secs(seconds)).await,
        Bench::Surveys => agent::surveys().await,
        Bench::Sensors { units, seconds } => sensors::sensors(units, Duration::from_secs(seconds)).await,
        Bench::Start { devices } => start::run(devices).await,
        Bench::Software { packages } => agent::software(packages).await,
    }
}

/// CPU seconds that a process has used.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    let ticks: f64 = [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// CPU of a process in nanoseconds, by its scheduler; finer than ticks.
fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let each = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    each.sum()
}

fn field_kib(pid: u32, file: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

async fn blast_all(identities: &[Identity], time: Duration, greeted: bool) -> anyhow::Result<(f64, Arc<Totals>)> {
    let totals = Arc::new(Totals::default());
    let started = tokio::time::Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for identity in identities {
        let (identity, totals) = (identity.clone(), Arc::clone(&totals));
        tasks.spawn(async move { fleet::blast(&identity, time, &totals, greeted).await });
    }
    let mut acknowledged = 0;
    while let Some(done) = tasks.join_next().await {
        acknowledged += done??;
    }
    Ok((acknowledged as f64 / started.elapsed().as_secs_f64(), totals))
}

async fn ingest(connections: usize, time: Duration) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    let identities = rig.enrol(connections).await?;
    let before = (cpu_seconds(rig.pid()), cpu_seconds(std::process::id()));
    let (ours, totals) = blast_all(&identities, time, true).await?;
    let spent = (cpu_seconds(rig.pid()) - before.0, cpu_seconds(std::process::id()) - before.1);
    println!("collector   {ours:>9.0} reports/s  {:>10.0} values/s  {}", ours * 52.0, totals.line());
    let metrics =
        Command::new("curl").args(["-sk", &format!("https://localhost:{}/metrics", rig.web)]).output().await?;
    let metrics = String::from_utf8_lossy(&metrics.stdout).into_owned();
    let of = |name: &str| {
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok()).unwrap_or(0.0)
    };
    let reports = of("ioc_reports_total");
    println!(
        "  per report: collector {:.1} us CPU (judging {:.1}, committing {:.1} of wall time), load generator {:.1} us CPU; {:.0} reports a commit",
        spent.0 / reports * 1e6,
        of("ioc_judge_seconds_total") / reports * 1e6,
        of("ioc_commit_seconds_total") / reports * 1e6,
        spent.1 / reports * 1e6,
        reports / of("ioc_commits_total")
    );
    let theirs = mosquitto(&identities, time, &rig).await?;
    match theirs {
        Some((rate, counted)) => println!(
            "mosquitto   {rate:>9.0} publishes/s (QoS 1, TLS, one subscriber counted {counted})\nratio       {:.2}",
            ours / rate
        ),
        None => println!("mosquitto   is not installed (apt-get install mosquitto)"),
    }
    Ok(())
}

/// Mosquitto with TLS and the same certificates, the same publishers, and one subscriber that only counts.
async fn mosquitto(identities: &[Identity], time: Duration, rig: &Rig) -> anyhow::Result<Option<(f64, u64)>> {
    let Some(program) = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| Path::new(path).exists())
    else {
        return Ok(None);
    };
    let port = free_port();
    let pki = rig.data().join("pki");
    let config = format!(
        "listener {port} 127.0.0.1\ncafile {0}/ca.pem\n\
         certfile {0}/server.pem\nkeyfile {0}/server.key.pem\n\
         require_certificate true\nuse_identity_as_username true\nallow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0\nuser root\n",
        pki.display()
    );
    let path = rig.dir().join("mosquitto.conf");
    std::fs::write(&path, config)?;
    let _broker = Command::new(program)
        .arg("-c")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let moved: Vec<Identity> =
        identities.iter().cloned().map(|identity| Identity { mqtt: format!("localhost:{port}"), ..identity }).collect();
    let counted = Arc::new(AtomicU64::new(0));
    let mut subscriber = Link::tls(&moved[0]).await?;
    let connect = rmqtt_codec::v3::Connect {
        clean_session: true,
        keep_alive: 60,
        client_id: "counter".into(),
        ..Default::default()
    };
    subscriber.send(connect.into()).await?;
    subscriber.hear().await?;
    let packet_id = std::num::NonZeroU16::MIN;
    subscriber.send(Packet::Subscribe { packet_id, topic_filters: vec![("ioc/#".into(), QoS::AtMostOnce)] }).await?;
    subscriber.hear().await?;
    let counter = Arc::clone(&counted);
    let counting = tokio::spawn(async move {
        // Not one of ours: "published on up/sample" is how our own client says that something came.
        while let Err(error) = subscriber.hear_long().await.map(|_| ()) {
            if !error.to_string().contains("published on") {
                break;
            }
            counter.fetch_add(1, Relaxed);
        }
    });
    let (rate, _) = blast_all(&moved, time, false).await?;
    counting.abort();
    Ok(Some((rate, counted.load(Relaxed))))
}

async fn idle(connections: usize) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    let identities = rig.enrol(connections).await?;
    let before = field_kib(rig.pid(), "smaps_rollup", "Pss:");
    let mut links = Vec::with_capacity(connections);
    let started = tokio::time::Instant::now();
    for chunk in identities.chunks(64) {
        let mut tasks = tokio::task::JoinSet::new();
        for identity in chunk {
            let identity = identity.clone();
            tasks.spawn(async move { Link::open(&identity, 600).await });
        }
        while let Some(done) = tasks.join_next().await {
            links.push(done??);
        }
    }
    let rate = connections as f64 / started.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = field_kib(rig.pid(), "smaps_rollup", "Pss:");
    println!(
        "{connections} idle TLS connections: {:.1} kB each (PSS {before} kB before, {after} kB after); {rate:.0} connections/s, both ends on this machine",
        (after.saturating_sub(before)) as f64 / connections as f64
    );
    let began = tokio::time::Instant::now();
    rig.stop().await?;
    println!("  it stops within {:.2} s while they are open", began.elapsed().as_secs_f64());
    drop(links);
    Ok(())
}

/// A fleet that reports every ten seconds, until it is told to stop.
struct Reporting {
    totals: Arc<Totals>,
    stop: Arc<AtomicBool>,
    running: tokio::task::JoinHandle<()>,
}

/// Lets all of these report, and waits until all are connected.
async fn reporting(identities: Vec<Identity>) -> anyhow::Result<Reporting> {
    let devices = identities.len() as u64;
    let (totals, stop) = (Arc::new(Totals::default()), Arc::new(AtomicBool::new(false)));
    let plan = Plan { interval: Duration::from_secs(10), keep_alive_s: 60, seed: 1, script: Vec::new() };
    let running = tokio::spawn(fleet::run(identities, plan, Arc::clone(&totals), Arc::clone(&stop)));
    // Ten thousand handshakes on two cores take longer than a test waits for anything.
    while totals.connected.load(Relaxed) < devices {
        anyhow::ensure!(!running.is_finished(), "the fleet has ended");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Reporting { totals, stop, running })
}

async fn whole_fleet(devices: usize, time: Duration) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    let identities = rig.enrol(devices).await?;
    let Reporting { totals, stop, running } = reporting(identities).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let (cpu, committed) = (cpu_ns(rig.pid()), totals.committed.load(Relaxed));
    tokio::time::sleep(time).await;
    let spent = (cpu_ns(rig.pid()) - cpu) as f64 / 1e9;
    let reports = totals.committed.load(Relaxed) - committed;
    println!(
        "{devices} devices at 10 s: {:.1} % of one core, PSS {} MiB, {:.0} reports/s, {:.0} us CPU a report; {}",
        spent / time.as_secs_f64() * 100.0,
        field_kib(rig.pid(), "smaps_rollup", "Pss:") / 1024,
        reports as f64 / time.as_secs_f64(),
        spent / reports as f64 * 1e6,
        totals.line()
    );
    stop.store(true, Relaxed);
    running.abort();
    Ok(())
}

async fn notice(devices: usize, times: usize) -> anyhow::Result<()> {
    let hooks: sink::Received<sink::Hook> = Arc::default();
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let port = http.local_addr()?.port();
    tokio::spawn(sink::webhooks(http, Arc::clone(&hooks), |_| 200, false));
    let mut rig = Rig::new(&format!(
        "[rules]\nfile = \"rules.toml\"\n[incidents]\nreopen_within = \"0s\"\n[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\"\n"
    ));
    let rules = ioc_engine::config::DEFAULT_RULES
        .replace("for = \"5m\"", "for = \"0s\"")
        .replace("for = \"1m\"", "for = \"0s\"");
    std::fs::write(rig.dir().join("rules.toml"), rules)?;
    rig.start().await?;
    let mut identities = rig.enrol(devices + 1).await?;
    let victim = identities.pop().context("one device")?;
    let Reporting { stop, running, .. } = reporting(identities).await?;
    let (mut link, known) = Link::open(&victim, 60).await?;
    let mut machine = Machine::new(victim.device.clone(), "server", 1, known, clock::now());
    let mut latencies = Vec::new();
    for round in 0..times {
        machine.fill_disk(Some(95.0));
        let mut crossed_at = None;
        // The simulated disk fills in steps; the clock starts with the sample that is beyond the limit.
        for _ in 0..12 {
            let body = if round == 0 && crossed_at.is_none() && machine.position.seq == 0 {
                machine.hello(10, 60)
            } else {
                machine.sample()
            };
            let beyond = matches!(&body, ioc_common::report::Body::Sample(sample) if machine.layout().series().iter().zip(&sample.v)
                .any(|(series, value)| series.is("fs.used_pct", "/var") && value.is_some_and(|value| value > 90.0)));
            let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
            let packet = link.publish(kind, payload);
            if beyond {
                crossed_at = Some(clock::now());
            }
            link.send(packet).await?;
            link.committed(position).await?;
            if beyond {
                break;
            }
        }
        let crossed_at = crossed_at.context("the limit was crossed")?;
        eventually("told", || async { hooks.lock().unwrap().len() > round * 2 }).await?;
        latencies.push(hooks.lock().unwrap()[round * 2].at.millis_since(crossed_at));
        machine.fill_disk(None);
        for _ in 0..4 {
            let body = machine.sample();
            let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
            let packet = link.publish(kind, payload);
            link.send(packet).await?;
            link.committed(position).await?;
        }
        eventually("resolved", || async { hooks.lock().unwrap().len() > round * 2 + 1 }).await?;
    }
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    println!(
        "limit crossed to webhook received, {devices} devices reporting, {times} times: p50 {} ms, p99 {} ms, most {} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    stop.store(true, Relaxed);
    running.abort();
    Ok(())
}
