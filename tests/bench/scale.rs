//! The same fleet in four set-ups, in one run on one machine: a store in files, one in PostgreSQL, two sites in one database, and reports through a broker.
//!
//! All programs stand on this machine, the simulator, too: a report costs what is said here wherever they stand, and how many reports a second there is room for
//! follows from that, less what networks between them add. The server has the memory that tests give it (`ioc_tests::postgres`), and no standby.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ioc_tests::broker::{BrokerPlace, Mosquitto};
use ioc_tests::harness::{Rig, binary, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::performance::number;
use ioc_tests::postgres::Postgres;
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::fleet::{CONNECTIONS_PER_ADDRESS, Reporting, SETTLE, millis, reporting_by};
use crate::measure;

/// Between two looks at memory.
const LOOK: Duration = Duration::from_secs(10);

/// Where reports go and where the record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SetUp {
    Files,
    Postgres,
    TwoSites,
    Broker,
}

impl SetUp {
    const ALL: [Self; 4] = [Self::Files, Self::Postgres, Self::TwoSites, Self::Broker];

    const fn name(self) -> &'static str {
        match self {
            Self::Files => "files (SQLite)",
            Self::Postgres => "PostgreSQL",
            Self::TwoSites => "PostgreSQL, two sites",
            Self::Broker => "files, through Mosquitto",
        }
    }
}

pub(crate) async fn run(figures: &mut Figures, devices: usize, time: Duration) -> anyhow::Result<()> {
    figures.measures(&binary("ioc-collector"));
    for set_up in SetUp::ALL {
        one(figures, set_up, devices, time).await?;
    }
    println!(
        "  CPU: user and system of all threads and processes. Written: write_bytes of /proc/PID/io, pages made dirty. Memory: PSS, the most of what was seen"
    );
    Ok(())
}

/// All programs of a set-up.
struct Stage {
    _dir: tempfile::TempDir,
    rigs: Vec<Rig>,
    postgres: Option<Postgres>,
    broker: Option<Mosquitto>,
}

/// What all programs had used at some moment: seconds of CPU, bytes written, MiB.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    collectors_s: f64,
    beside_s: f64,
    written: u64,
    beside_written: u64,
    memory_mib: f64,
}

impl Stage {
    async fn start(set_up: SetUp, devices: usize) -> anyhow::Result<(Self, Vec<Identity>)> {
        let dir = tempfile::tempdir()?;
        let postgres = match set_up {
            SetUp::Postgres | SetUp::TwoSites => Some(Postgres::start().await?),
            SetUp::Files | SetUp::Broker => None,
        };
        let place = (set_up == SetUp::Broker).then(|| BrokerPlace::new(&dir.path().join("mosquitto")));
        let sites: &[&str] = if set_up == SetUp::TwoSites { &["hanoi", "hue"] } else { &["hanoi"] };
        let (mut rigs, mut identities) = (Vec::new(), Vec::new());
        for site in sites {
            let tables = match (&postgres, &place) {
                (Some(server), _) => server.config_of(site, site),
                (None, Some(place)) => place.config(),
                (None, None) => String::new(),
            };
            let mut rig = Rig::in_dir(&dir.path().join(site), &tables);
            // All of it comes from this machine at once, which a real fleet does not.
            let more = format!(
                "[ingest]\nconnections_max = {}\nnewcomers_per_address_max = 8192\nnewcomers_per_network_max = 8192\n",
                devices + 1000
            );
            rig.configure(|config| config.replace("[ingest]\n", &more));
            rig.start().await?;
            let ready = || async {
                ioc_collector::cli::text(&rig.runtime(), "/readyz").await.is_ok_and(|said| said.starts_with("ready"))
            };
            eventually("it decides", ready).await?;
            identities.extend(rig.enrol(devices / sites.len()).await?);
            rigs.push(rig);
        }
        for (number, identity) in identities.iter_mut().enumerate() {
            identity.source = Some(Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(number / CONNECTIONS_PER_ADDRESS)?));
        }
        let mut broker = None;
        if let (Some(place), Some(rig)) = (place, rigs.first()) {
            place.certify(rig).await?;
            place.fetch_revoked().await?;
            identities = identities.into_iter().map(|identity| place.identity(identity)).collect();
            let line = format!("broker: connected to {}", place.address());
            let mut started = Mosquitto::new(place);
            started.start().await?;
            broker = Some(started);
            let linked = || async {
                ioc_collector::cli::text(&rig.runtime(), "/readyz").await.is_ok_and(|said| said.contains(&line))
            };
            eventually("the broker is connected", linked).await?;
        }
        Ok((Self { _dir: dir, rigs, postgres, broker }, identities))
    }

    fn used(&self) -> anyhow::Result<Used> {
        let mut used = Used::default();
        for rig in &self.rigs {
            used.collectors_s += measure::cpu_seconds(rig.pid());
            used.written += measure::written(rig.pid()).disk;
            used.memory_mib += measure::pss_mib(rig.pid());
        }
        let server = self.postgres.as_ref().map(Postgres::pid).transpose()?;
        let broker = self.broker.as_ref().map(Mosquitto::pid).transpose()?;
        for pid in server.into_iter().chain(broker) {
            used.beside_s += measure::tree_seconds(pid);
            used.beside_written += measure::tree_written(pid);
            used.memory_mib += measure::tree_pss_mib(pid);
        }
        Ok(used)
    }
}

async fn one(figures: &mut Figures, set_up: SetUp, devices: usize, time: Duration) -> anyhow::Result<()> {
    let (stage, identities) = Stage::start(set_up, devices).await?;
    let count = identities.len();
    let Reporting { totals, stop, running } = reporting_by(identities, set_up == SetUp::Broker).await?;
    tokio::time::sleep(SETTLE).await;
    figures.begin();
    let (begun, before, latencies) = (Instant::now(), stage.used()?, totals.latencies());
    let reports = totals.committed.load(Relaxed);
    let mut memory_mib = 0.0_f64;
    while begun.elapsed() < time {
        tokio::time::sleep(LOOK.min(time.saturating_sub(begun.elapsed()))).await;
        memory_mib = memory_mib.max(stage.used()?.memory_mib);
    }
    let (after, seconds) = (stage.used()?, begun.elapsed().as_secs_f64());
    let reports = (totals.committed.load(Relaxed) - reports).max(1) as f64;
    let acknowledged = totals.latencies().since(&latencies);
    println!("{}: {count} devices at 10 s, {} s measured; {}", set_up.name(), number(seconds), totals.line());
    stop.store(true, Relaxed);
    running.abort();
    let what = |what: &str| format!("{}, {count} devices: {what}", set_up.name());
    let each_us = |from: f64, to: f64| (to - from) / reports * 1e6;
    let each = |from: u64, to: u64| to.saturating_sub(from) as f64 / reports;
    figures.say([
        Figure::new(what("reports"), reports / seconds, "/s"),
        Figure::new(what("CPU a report, collectors"), each_us(before.collectors_s, after.collectors_s), "µs"),
        Figure::new(what("CPU a report, database or broker"), each_us(before.beside_s, after.beside_s), "µs"),
        Figure::new(what("written a report, collectors"), each(before.written, after.written), "bytes"),
        Figure::new(
            what("written a report, database or broker"),
            each(before.beside_written, after.beside_written),
            "bytes",
        ),
        Figure::new(what("memory a device, all programs"), memory_mib * 1024.0 / count as f64, "KiB"),
        Figure::new(what("acknowledged, p50"), millis(acknowledged.percentile(0.5)), "ms"),
        Figure::new(what("acknowledged, p99"), millis(acknowledged.percentile(0.99)), "ms"),
    ])
}
