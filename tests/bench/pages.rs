//! Pages with a whole fleet behind them: how long each takes, how large it is, and what people who keep one open cost.
//!
//! They are asked over the control socket, so that what is measured is the collector's own work and not TLS; time is from the
//! question to the last byte, which is more than the server's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ioc_tests::harness::{Rig, binary};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::fleet::{Reporting, reporting};
use crate::measure::{cpu_seconds, pss_mib};

/// Each page is asked so often.
const TIMES: usize = 200;
const PAGES: [&str; 16] = [
    "/",
    "/devices",
    "/devices?sort=state&page=50",
    "/devices?search=sim%20009&kind=server",
    "/devices/sim-00000",
    "/incidents",
    "/rooms",
    "/duty",
    "/maintenance",
    "/enrolment",
    "/admin",
    "/audit",
    "/audit?search=sim-04242",
    "/labels",
    "/wall",
    "/api/v1/devices?limit=100",
];
/// What a page that stands reads anew without being told, as app.js does.
const PACE: Duration = Duration::from_secs(15);

pub(crate) async fn get(socket: &Path, path: &str, fragment: bool) -> anyhow::Result<(Duration, usize)> {
    let started = Instant::now();
    let mut stream = UnixStream::connect(socket).await?;
    let fragment = if fragment { "x-fragment: 1\r\n" } else { "" };
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{fragment}connection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let took = started.elapsed();
    anyhow::ensure!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{path}: {}",
        String::from_utf8_lossy(&answer).lines().next().unwrap_or("")
    );
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
    Ok((took, answer.len() - head - 4))
}

/// Someone who keeps the first page open.
async fn watch(socket: PathBuf, read: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let stream = UnixStream::connect(&socket).await?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let (mut line, mut last) = (String::new(), Instant::now());
    while !stop.load(Relaxed) {
        line.clear();
        // Signs of life come in between and change nothing.
        let told = tokio::time::timeout_at(last + PACE, stream.read_line(&mut line)).await;
        anyhow::ensure!(!matches!(told, Ok(Ok(0))), "the stream has ended");
        if told.is_err() || line.contains("changed") {
            get(&socket, "/", true).await?;
            read.fetch_add(1, Relaxed);
            last = Instant::now();
        }
    }
    Ok(())
}

pub(super) async fn run(figures: &mut Figures, devices: usize, viewers: usize, time: Duration) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
    let begun = Instant::now();
    let identities = rig.enrol(devices).await?;
    let Reporting { stop, running, .. } = reporting(identities).await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    println!("{devices} devices reporting every 10 s; each page {TIMES} times, whole, with its frame");
    figures.begin();
    let mut each = Vec::new();
    for path in PAGES {
        let (mut took, mut size) = (Vec::with_capacity(TIMES), 0);
        for _ in 0..TIMES {
            let (one, bytes) = get(&socket, path, false).await?;
            took.push(one);
            size = bytes;
        }
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
        each.extend([
            Figure::new(format!("{path}, p50"), at(0.5), "ms"),
            Figure::new(format!("{path}, p99"), at(0.99), "ms").most(100.0),
            Figure::new(format!("{path}, whole"), size as f64 / 1000.0, "kB").most(150.0),
        ]);
    }
    figures.say(each)?;
    // The first round of folding comes within two minutes of the start, and is not what is measured here.
    for _ in 0..40 {
        let before = cpu_seconds(rig.pid());
        tokio::time::sleep(Duration::from_secs(5)).await;
        if Instant::now() - begun > Duration::from_secs(150) && cpu_seconds(rig.pid()) - before < 2.0 {
            break;
        }
    }
    figures.begin();
    let alone = cpu_seconds(rig.pid());
    tokio::time::sleep(time).await;
    let alone = (cpu_seconds(rig.pid()) - alone) / time.as_secs_f64() * 100.0;
    let read = Arc::new(AtomicU64::new(0));
    let mut watching = tokio::task::JoinSet::new();
    for _ in 0..viewers {
        watching.spawn(watch(socket.clone(), Arc::clone(&read), Arc::clone(&stop)));
        // People do not come all at once.
        tokio::time::sleep(PACE / u32::try_from(viewers.max(1))?).await;
    }
    let (before, read_before) = (cpu_seconds(rig.pid()), read.load(Relaxed));
    tokio::time::sleep(time).await;
    let watched = (cpu_seconds(rig.pid()) - before) / time.as_secs_f64() * 100.0;
    println!("{viewers} people watch the first page");
    let what = |what: &str| format!("{viewers} people watch: {what}");
    figures.say([
        Figure::new(what("CPU more"), watched - alone, "% of a core").most(20.0),
        Figure::new(what("CPU with them"), watched, "% of a core"),
        Figure::new(what("pages read"), (read.load(Relaxed) - read_before) as f64 / time.as_secs_f64(), "/s"),
        Figure::new(what("memory"), pss_mib(rig.pid()), "MiB"),
    ])?;
    stop.store(true, Relaxed);
    watching.abort_all();
    running.abort();
    Ok(())
}
