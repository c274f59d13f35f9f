//! The way of a report at full speed, beside Mosquitto, and what a connection costs that says nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ioc_tests::fleet::{self, Totals};
use ioc_tests::harness::{Rig, binary};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;

use crate::figures::{Figure, Figures};
use crate::fleet::millis;
use crate::measure::{self, cpu_seconds, field_kib};
use crate::mosquitto::Broker;

pub(crate) async fn blast_all(
    identities: &[Identity],
    time: Duration,
    greeted: bool,
) -> anyhow::Result<(f64, Arc<Totals>)> {
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

pub(crate) async fn ingest(figures: &mut Figures, connections: usize, time: Duration) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
    let identities = rig.enrol(connections).await?;
    let own = std::process::id();
    let before = (cpu_seconds(rig.pid()), cpu_seconds(own), measure::metrics(&rig).await?);
    let (ours, totals) = blast_all(&identities, time, true).await?;
    let spent = (cpu_seconds(rig.pid()) - before.0, cpu_seconds(own) - before.1);
    let after = measure::metrics(&rig).await?;
    let of = |name: &str| after.get(name).unwrap_or(&0.0) - before.2.get(name).unwrap_or(&0.0);
    let reports = of("ioc_reports_total");
    println!("the whole pipeline, {connections} connections that do not wait: {}", totals.line());
    let theirs = mosquitto(&identities, time, &rig).await?;
    let mut rate = Figure::new("reports committed", ours, "/s").least(20_000.0);
    match theirs {
        Some((theirs, counted)) => {
            println!("  Mosquitto's subscriber counted {counted}");
            rate = rate.beside("Mosquitto (TLS, QoS 1, nothing kept)", theirs);
        }
        None => println!("  mosquitto is not installed (apt-get install mosquitto)"),
    }
    figures.say([
        rate,
        Figure::new("values judged and committed", ours * 52.0, "/s"),
        Figure::new("CPU a report", spent.0 / reports * 1e6, "µs"),
        Figure::new("judging, wall time a report", of("ioc_judge_seconds_total") / reports * 1e6, "µs"),
        Figure::new("committing, wall time a report", of("ioc_commit_seconds_total") / reports * 1e6, "µs"),
        Figure::new("reports a commit", reports / of("ioc_commits_total"), ""),
        Figure::new("acknowledged, p50", millis(totals.percentile(0.5)), "ms"),
        Figure::new("acknowledged, p99", millis(totals.percentile(0.99)), "ms"),
        Figure::new("the load generator's CPU a report", spent.1 / reports * 1e6, "µs"),
    ])
}

/// What Mosquitto takes of the same publishers, a second, and how much its subscriber counted.
async fn mosquitto(identities: &[Identity], time: Duration, rig: &Rig) -> anyhow::Result<Option<(f64, u64)>> {
    let Some(broker) = Broker::start(rig, identities).await? else { return Ok(None) };
    let (rate, _) = blast_all(&broker.identities, time, false).await?;
    Ok(Some((rate, broker.counted.load(Relaxed))))
}

pub(crate) async fn idle(figures: &mut Figures, connections: usize) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
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
    println!("{connections} idle TLS connections (PSS {before} KiB before, {after} KiB after)");
    let each = (after.saturating_sub(before)) as f64 / connections as f64;
    let began = tokio::time::Instant::now();
    rig.stop().await?;
    let stopped = began.elapsed().as_secs_f64();
    figures.say([
        Figure::new("memory of an idle connection", each, "KiB").most(25.0),
        Figure::new("connections opened, both ends on this machine", rate, "/s"),
        Figure::new("stopping while they are open", stopped, "s").most(5.0),
    ])?;
    drop(links);
    Ok(())
}
