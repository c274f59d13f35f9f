//! A fleet at its ordinary pace: what it costs the collector, and how soon a person hears of a fault meanwhile.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock;
use ioc_common::config::Span;
use ioc_common::id::DeviceId;
use ioc_store::ArchiveChange;
use ioc_store::history::Tier;
use ioc_store::history::fold::PackedChunk;
use ioc_tests::fleet::{self, Distribution, Plan, Totals};
use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::performance::number;
use ioc_tests::sink;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::measure::{self, Written};
use crate::mosquitto::Broker;

/// A fleet that reports every ten seconds, until it is told to stop.
pub(crate) struct Reporting {
    pub(crate) totals: Arc<Totals>,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) running: tokio::task::JoinHandle<()>,
}

/// Lets all of these report, and waits until all are connected.
pub(crate) async fn reporting(identities: Vec<Identity>) -> anyhow::Result<Reporting> {
    reporting_by(identities, false).await
}

/// The same where they may report to a broker that stands between.
pub(crate) async fn reporting_by(identities: Vec<Identity>, through_broker: bool) -> anyhow::Result<Reporting> {
    let devices = identities.len() as u64;
    let (totals, stop) = (Arc::new(Totals::default()), Arc::new(AtomicBool::new(false)));
    let (interval, script, others) = (Duration::from_secs(10), Vec::new(), Vec::new());
    let plan = Plan { interval, keep_alive_s: 60, seed: 1, script, others, through_broker };
    let running = tokio::spawn(fleet::run(identities, plan, Arc::clone(&totals), Arc::clone(&stop)));
    // Ten thousand handshakes on two cores take longer than a test waits for anything.
    while totals.connected.load(Relaxed) < devices {
        anyhow::ensure!(!running.is_finished(), "the fleet has ended");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(Reporting { totals, stop, running })
}

/// What is asked of a fleet of this size; nothing is where no goal was set.
struct Goals {
    cpu_us: Option<f64>,
    written: Option<f64>,
    acknowledged_ms: Option<f64>,
    memory_mib: Option<f64>,
}

impl Goals {
    fn of(devices: usize) -> Self {
        let goals = match devices {
            1000 => Some([60.0, 3000.0, 250.0, 45.0]),
            10_000 => Some([35.0, 1200.0, 250.0, 180.0]),
            30_000 => Some([25.0, 900.0, 400.0, 480.0]),
            _ => None,
        };
        let of = |place: usize| goals.map(|goals| goals[place]);
        Self { cpu_us: of(0), written: of(1), acknowledged_ms: of(2), memory_mib: of(3) }
    }
}

/// Files that a program has open beside its connections.
const OTHER_FILES: u64 = 300;
/// Connections from one loopback address: the kernel has some 28,000 ports for them.
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 20_000;
/// From the last connection to what is measured: the reports that come with one are over.
pub(crate) const SETTLE: Duration = Duration::from_secs(15);
/// Fleets up to this size are compared with a broker.
const COMPARED_MAX: usize = 1_000;
/// From the first start to its end: signals are listened to a moment after it answers.
const AFTER_START: Duration = Duration::from_secs(2);
/// Between two looks at memory.
const LOOK: Duration = Duration::from_secs(10);

/// Files that a program may have open here.
fn files_max() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(u64::MAX)
}

/// How a fleet is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long.
    pub(crate) time: Duration,
    /// `history.fold`, where it is not as shipped.
    pub(crate) fold: Option<Span>,
    /// Measured once more while backups are made, one after the other, of a store with so much history besides, GiB.
    pub(crate) backup: Option<u64>,
}

/// What a fleet of each of these sizes costs at the pace at which people run it.
pub(crate) async fn whole_fleets(figures: &mut Figures, sizes: &[usize], pace: Pace) -> anyhow::Result<()> {
    for devices in sizes {
        let (need, have) = (*devices as u64 + OTHER_FILES, files_max());
        if need > have {
            println!(
                "{devices} devices are not measured: each of the collector and the simulator has {need} files open, and {have} are allowed here \
                 (ulimit -n; above ulimit -Hn the administrator's: /etc/security/limits.conf, LimitNOFILE=)"
            );
            continue;
        }
        whole_fleet(figures, *devices, pace).await?;
    }
    Ok(())
}

async fn whole_fleet(figures: &mut Figures, devices: usize, pace: Pace) -> anyhow::Result<()> {
    let Pace { time, fold, backup } = pace;
    let history = fold.map_or(String::new(), |every| format!("[history]\nfold = \"{every}\"\n"));
    let archives = tempfile::tempdir()?;
    let mut rig = Rig::new(&if backup.is_some() { history + &backup_table(archives.path()) } else { history });
    // All of it comes from this machine at once, which a real fleet does not.
    let more = format!(
        "[ingest]\nconnections_max = {}\nnewcomers_per_address_max = 8192\nnewcomers_per_network_max = 8192\n",
        devices + 1000
    );
    rig.configure(|config| config.replace("[ingest]\n", &more));
    rig.start().await?;
    if let Some(gib) = backup {
        tokio::time::sleep(AFTER_START).await;
        rig.stop().await?;
        ballast(&rig.data(), gib)?;
        rig.start().await?;
    }
    figures.measures(&binary("ioc-collector"));
    let begun = Instant::now();
    let mut identities = rig.enrol(devices).await?;
    let enrolled = begun.elapsed();
    for (number, identity) in identities.iter_mut().enumerate() {
        let host = 1 + u8::try_from(number / CONNECTIONS_PER_ADDRESS)?;
        identity.source = Some(Ipv4Addr::new(127, 0, 0, host));
    }
    let Reporting { totals, stop, running } = reporting(identities.clone()).await?;
    println!(
        "{devices} devices at 10 s, {} s measured{}; enrolled in {} s, connected {} s later",
        time.as_secs(),
        fold.map_or(String::new(), |every| format!(", folded every {every}")),
        number(enrolled.as_secs_f64()),
        number((begun.elapsed() - enrolled).as_secs_f64())
    );
    tokio::time::sleep(SETTLE).await;
    figures.begin();
    let before = Moment::of(&rig, &totals).await?;
    let mut memory = 0.0_f64;
    while before.at.elapsed() < time {
        tokio::time::sleep(LOOK.min(time.saturating_sub(before.at.elapsed()))).await;
        memory = memory.max(measure::pss_mib(rig.pid()));
    }
    let after = Moment::of(&rig, &totals).await?;
    let goals = Goals::of(devices);
    let seconds = (after.at - before.at).as_secs_f64();
    let reports = (after.reports - before.reports).max(1.0);
    let [cpu, own] = [after.cpu - before.cpu, after.own_cpu - before.own_cpu];
    let disk = (after.written.disk - before.written.disk) as f64;
    let calls = (after.written.calls - before.written.calls) as f64;
    let acknowledged = after.acknowledged.since(&before.acknowledged);
    let folded = if fold.is_some() { ", folding included" } else { "" };
    let what = |what: &str| format!("{devices} devices: {what}");
    println!("  {}", totals.line());
    let with_backup = if backup.is_some() { Some(beside_backups(&rig, &totals, time).await?) } else { None };
    // One after the other: two processors are not enough for both.
    stop.store(true, Relaxed);
    running.abort();
    let mut cpu_us =
        Figure::new(what(&format!("CPU a report{folded}")), cpu / reports * 1e6, "µs").most_of(goals.cpu_us);
    if devices <= COMPARED_MAX
        && let Some(theirs) = mosquitto_at_the_pace(&rig, &identities, time).await?
    {
        cpu_us = cpu_us.beside("Mosquitto at the same pace (TLS, QoS 1, nothing kept)", theirs);
    }
    figures.say([
        cpu_us,
        Figure::new(what("CPU of the collector"), cpu / seconds * 100.0, "% of a core"),
        Figure::new(what(&format!("written a report{folded}")), disk / reports, "bytes").most_of(goals.written),
        Figure::new(what("given to write calls a report"), calls / reports, "bytes"),
        Figure::new(what("written a day"), disk / seconds * 86_400.0 / 1e9, "GB"),
        Figure::new(what("reports"), reports / seconds, "/s"),
        Figure::new(what("reports a commit"), reports / (after.commits - before.commits).max(1.0), ""),
        Figure::new(what("acknowledged, p50"), millis(acknowledged.percentile(0.5)), "ms"),
        Figure::new(what("acknowledged, p99"), millis(acknowledged.percentile(0.99)), "ms")
            .most_of(goals.acknowledged_ms),
        Figure::new(what("memory, the most"), memory, "MiB").most_of(goals.memory_mib),
        Figure::new(what("the simulator's CPU"), own / seconds * 100.0, "% of a core"),
    ])?;
    if let Some((with, made)) = with_backup {
        figures.say(backup_figures(devices, [&before, &after, &with], made))?;
    }
    println!(
        "  CPU: user and system of all threads, those that have ended too. Written: write_bytes of /proc/PID/io, pages made dirty in the {} s, \
         whether they have reached the disk or not; nothing is waited for. Write calls: wchar, sockets included",
        number(seconds)
    );
    let broken = totals.broken.load(Relaxed) - before.broken;
    if broken > 0 {
        println!("  {broken} connections broke meanwhile: the figures are not those of a calm fleet");
    }
    Ok(())
}

/// A commit should wait for a backup no longer than this, milliseconds.
const BACKUP_MS: f64 = 100.0;

/// Backups in a directory, at the pace that is shipped.
fn backup_table(to: &Path) -> String {
    format!("[backup]\ndirectory = {to:?}\nunsealed_with_every_key_readable = true\n")
}

/// Bytes of a chunk of history that is only there to be backed up, and chunks of a transaction.
const BALLAST_BYTES: usize = 64 * 1024;
const BALLAST_AT_ONCE: u64 = 200;

/// Puts history of other devices into a store that nobody writes, which a backup has to copy.
fn ballast(data: &Path, gib: u64) -> anyhow::Result<()> {
    let mut store = ioc_store::open(data)?;
    let mut archive = store.archive()?;
    let newest = Tier::Raw.chunk_of(clock::now().as_millis()) - Tier::Raw.chunk_ms();
    // As incompressible as what is there: xorshift.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let all = (gib << 30) / BALLAST_BYTES as u64;
    for begin in (0..all).step_by(usize::try_from(BALLAST_AT_ONCE)?) {
        let some = begin..all.min(begin + BALLAST_AT_ONCE);
        let changes = some.map(|number| {
            // A month of chunks of each.
            let (device, place) = (number / 180, i64::try_from(number % 180)?);
            let data = (0..BALLAST_BYTES / 8).flat_map(|_| next()).collect();
            let chunk = PackedChunk { tier: Tier::Raw, chunk: newest - place * Tier::Raw.chunk_ms(), data };
            Ok(ArchiveChange::Chunk { device: DeviceId::new(&format!("ballast-{device:05}"))?, chunk })
        });
        archive.write(&changes.collect::<anyhow::Result<Vec<_>>>()?)?;
    }
    archive.sync()?;
    drop(archive);
    Ok(store.close()?)
}

/// What commits and acknowledgements waited without a backup, between the first two moments, and while so many were made, until the last one.
fn backup_figures(devices: usize, [before, after, with]: [&Moment; 3], made: u64) -> [Figure; 5] {
    let what = |what: &str| format!("{devices} devices: {what}");
    let p99 = |from: &Moment, to: &Moment| millis(to.acknowledged.since(&from.acknowledged).percentile(0.99));
    [
        Figure::new(what("backups made meanwhile"), made as f64, ""),
        Figure::new(what("a commit, p99, without a backup"), after.commit_p99_ms(before), "ms"),
        Figure::new(what("a commit, p99, while backups are made"), with.commit_p99_ms(after), "ms").most(BACKUP_MS),
        Figure::new(what("acknowledged, p99, without a backup"), p99(before, after), "ms"),
        Figure::new(what("acknowledged, p99, while backups are made"), p99(after, with), "ms"),
    ]
}

/// What had been counted once backups were made for a while, one after the other, and how many those were.
async fn beside_backups(rig: &Rig, totals: &Totals, time: Duration) -> anyhow::Result<(Moment, u64)> {
    let (began, mut made) = (Instant::now(), 0);
    // One that is not over when the time is counts, too: what is measured has a backup beside it to its end.
    while made == 0 || began.elapsed() < time {
        rig.post("/api/v1/backups", serde_json::json!({ "what": "backup" })).await.context("a backup")?;
        made += 1;
    }
    Ok((Moment::of(rig, totals).await?, made))
}

/// Mosquitto's CPU for each report of the same fleet at the same pace, microseconds.
async fn mosquitto_at_the_pace(rig: &Rig, identities: &[Identity], time: Duration) -> anyhow::Result<Option<f64>> {
    let Some(broker) = Broker::start(rig, identities).await? else { return Ok(None) };
    let (every, totals) = (Duration::from_secs(10), Arc::new(Totals::default()));
    let mut publishers = JoinSet::new();
    for (number, identity) in broker.identities.iter().cloned().enumerate() {
        let phase = every.mul_f64(number as f64 / identities.len() as f64);
        let totals = Arc::clone(&totals);
        publishers.spawn(async move { fleet::pace(&identity, every, phase, &totals).await });
        if number.is_multiple_of(50) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    tokio::time::sleep(every + SETTLE).await;
    let of = || Ok::<_, anyhow::Error>((measure::cpu_seconds(broker.pid()?), totals.committed.load(Relaxed)));
    let before = of()?;
    tokio::time::sleep(time).await;
    let after = of()?;
    if let Some(ended) = publishers.try_join_next() {
        ended??;
    }
    let latencies = totals.latencies();
    println!(
        "  Mosquitto at the same pace: {} reports acknowledged, p50 {} ms, p99 {} ms",
        after.1 - before.1,
        number(millis(latencies.percentile(0.5))),
        number(millis(latencies.percentile(0.99)))
    );
    Ok(Some((after.0 - before.0) / (after.1 - before.1).max(1) as f64 * 1e6))
}

/// What had been counted at some moment.
pub(crate) struct Moment {
    at: Instant,
    cpu: f64,
    own_cpu: f64,
    written: Written,
    reports: f64,
    commits: f64,
    /// How many commits took no longer than so many milliseconds, by these.
    commit_times: Vec<(f64, f64)>,
    pub(crate) acknowledged: Distribution,
    broken: u64,
}

impl Moment {
    pub(crate) async fn of(rig: &Rig, totals: &Totals) -> anyhow::Result<Self> {
        let metrics = measure::metrics(rig).await?;
        let of = |name: &str| metrics.get(name).copied().with_context(|| format!("/metrics has no {name}"));
        Ok(Self {
            at: Instant::now(),
            cpu: measure::cpu_seconds(rig.pid()),
            own_cpu: measure::cpu_seconds(std::process::id()),
            written: measure::written(rig.pid()),
            reports: of("ioc_reports_total")?,
            commits: of("ioc_commits_total")?,
            commit_times: commit_times(&metrics),
            acknowledged: totals.latencies(),
            broken: totals.broken.load(Relaxed),
        })
    }
}

impl Moment {
    /// The bound below which 99 of 100 commits since an earlier moment were, milliseconds.
    pub(crate) fn commit_p99_ms(&self, earlier: &Self) -> f64 {
        let since = self.commit_times.iter().zip(&earlier.commit_times).map(|(now, then)| (now.0, now.1 - then.1));
        let since: Vec<(f64, f64)> = since.collect();
        let wanted = since.last().map_or(0.0, |(_, all)| all * 0.99);
        since.into_iter().find(|(_, count)| *count >= wanted).map_or(f64::INFINITY, |(bound_ms, _)| bound_ms)
    }
}

/// How long commits took, by their bounds in milliseconds, the least first.
fn commit_times(metrics: &BTreeMap<String, f64>) -> Vec<(f64, f64)> {
    let bound = |name: &str| {
        let bound = name.strip_prefix("ioc_commit_duration_seconds_bucket{le=\"")?.strip_suffix("\"}")?;
        Some(if bound == "+Inf" { f64::INFINITY } else { bound.parse::<f64>().ok()? * 1000.0 })
    };
    let mut found: Vec<(f64, f64)> = metrics.iter().filter_map(|(name, count)| Some((bound(name)?, *count))).collect();
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    found
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

pub(crate) async fn notice(figures: &mut Figures, devices: usize, times: usize) -> anyhow::Result<()> {
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
    figures.measures(&binary("ioc-collector"));
    let mut identities = rig.enrol(devices + 1).await?;
    let victim = identities.pop().context("one device")?;
    let Reporting { stop, running, .. } = reporting(identities).await?;
    figures.begin();
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
    println!("from a sample beyond a limit to its webhook received, {devices} devices reporting, {times} times");
    let what = |share: &str| format!("limit crossed to webhook, {devices} devices, {share}");
    figures.say([
        Figure::new(what("p50"), at(0.5) as f64, "ms"),
        Figure::new(what("p99"), at(0.99) as f64, "ms").most(10.0),
        Figure::new(what("the most"), at(1.0) as f64, "ms"),
    ])?;
    stop.store(true, Relaxed);
    running.abort();
    Ok(())
}
