//! History: bytes a sample after folding, beside VictoriaMetrics with the same numbers, and how long questions take.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::report::{Body, Position};
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::history::chart::{self, ChartQuery};
use ioc_store::history::compaction::fold_device;
use ioc_store::history::{self, Tier};
use ioc_store::{Change, ChunkQuery, Reader};
use ioc_tests::harness::free_port;
use ioc_tests::machine::Machine;
use tokio::process::Command;

const STEP_MS: i64 = 10_000;
const DAY_MS: i64 = 24 * 3_600_000;
/// What is not folded yet when questions are asked.
const ROWS_MS: i64 = 4 * 3_600_000;
/// How often each question is asked.
const TIMES: usize = 20;

pub(super) async fn run(days: i64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut store = ioc_store::open(dir.path())?;
    let device = DeviceId::new("srv-01")?;
    let info = DeviceInfo::new(device.clone(), DeviceKind::Server, "Server");
    let mut machine = Machine::new(device.clone(), "server", 1, Position::default(), clock::now());
    let Body::Hello(hello) = machine.hello(10, 30) else { anyhow::bail!("a machine says hello") };
    let layout: Layout = hello.layout;
    store.commit(&[Change::Device { info, at: clock::now() }, Change::Layout(layout.clone())])?;
    let names: Vec<String> = layout.series().iter().map(|series| series.as_str().to_owned()).collect();
    let mut archive = store.archive()?;
    let series = archive.series(&names.iter().map(String::as_str).collect::<Vec<_>>())?;

    let until = clock::now().as_millis() / STEP_MS * STEP_MS;
    let from = until - days * DAY_MS;
    let mut all: Vec<(i64, Vec<Option<f64>>)> = Vec::new();
    for step in 0..days * DAY_MS / STEP_MS {
        let Body::Sample(sample) = machine.sample() else { anyhow::bail!("a machine samples") };
        // Agents are some milliseconds late, each time another few.
        all.push((from + step * STEP_MS + step % 7, sample.v));
    }
    let (folded, rows): (Vec<_>, Vec<_>) = all.iter().partition(|(at, _)| *at < until - ROWS_MS);
    let started = clock::boottime_us();
    for (place, some) in folded.chunks(usize::try_from(ROWS_MS / STEP_MS)?).enumerate() {
        let rows = some.iter().map(|(at, values)| {
            let known = series.iter().zip(values).filter_map(|(series, value)| Some((*series, (*value)?)));
            (*at, known.collect())
        });
        fold_device(&device, rows.collect(), place as u64, archive.as_mut())?;
    }
    archive.sync()?;
    let folding_us = clock::boottime_us() - started;
    for (seq, (at, values)) in rows.iter().enumerate() {
        let position = Position { epoch: 1, seq: 1_000_000 + seq as u64 };
        let (device, layout, at) = (device.clone(), layout.id(), Timestamp::from_millis(*at));
        store.commit(&[
            Change::Sample { device: device.clone(), position, at, layout, row: history::pack(values), newest: true },
            Change::Watermark { device, position, last_heard: Some(at), last_sample: Some(at), clock_error_ms: None },
        ])?;
    }
    let samples = folded.iter().map(|(_, values)| values.iter().flatten().count()).sum::<usize>();
    let reader = store.reader()?;
    let bytes = |tier| -> anyhow::Result<usize> {
        let (from, until) = (Timestamp::from_millis(0), Timestamp::MAX);
        let chunks = reader.chunks(&ChunkQuery { device: &device, tier, from, until, names: &[] })?;
        Ok(chunks.iter().map(|chunk| chunk.data.len()).sum())
    };
    let [raw, five, hour] = [bytes(Tier::Raw)?, bytes(Tier::FiveMinutes)?, bytes(Tier::Hour)?];
    let file = ["history.db", "history.db-wal"].iter().filter_map(|name| dir.path().join(name).metadata().ok());
    let file: u64 = file.map(|data| data.len()).sum();
    let per = |bytes: f64| bytes / samples as f64;
    println!("history: {samples} samples of {} series over {days} days", names.len());
    println!(
        "  bytes a sample: {:.3} as reported, {:.3} with both summaries, {:.3} of files",
        per(raw as f64),
        per((raw + five + hour) as f64),
        per(file as f64)
    );
    println!(
        "  folding: {:.0} samples/s on one core; four hours of this device {:.1} ms",
        samples as f64 / folding_us as f64 * 1e6,
        folding_us as f64 / 1000.0 / (folded.len() as f64 / (ROWS_MS / STEP_MS) as f64)
    );
    let (day, month) = (until - DAY_MS, until - 30 * DAY_MS);
    let one = [names[0].clone()];
    for (what, from, tier, names, most) in [
        ("24 h of all series, for charts", day, Tier::Raw, &names[..], 240),
        ("24 h of all series, every sample", day, Tier::Raw, &names[..], 0),
        ("30 days of one series, by 5 minutes", month, Tier::FiveMinutes, &one[..], 0),
        ("30 days of one series, every sample", month, Tier::Raw, &one[..], 0),
    ] {
        ask(reader.as_ref(), &device, what, from, until, tier, names, most)?;
    }
    match beside(&names, &all[..folded.len()]).await {
        Ok(bytes) => println!("  VictoriaMetrics beside it: {:.3} bytes a sample of files", per(bytes as f64)),
        Err(error) => println!("  VictoriaMetrics: {error:#}"),
    }
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "one question, one line")]
fn ask(
    reader: &dyn Reader,
    device: &DeviceId,
    what: &str,
    from: i64,
    until: i64,
    tier: Tier,
    names: &[String],
    most: usize,
) -> anyhow::Result<()> {
    let mut took: Vec<u64> = Vec::new();
    let mut points = 0;
    for _ in 0..TIMES {
        let started = clock::boottime_us();
        let wanted = ChartQuery { from, until, tier, names: names.to_vec(), most };
        let lines = chart::read(reader, device, &wanted)?;
        points = lines.values().map(Vec::len).sum();
        took.push(clock::boottime_us() - started);
    }
    took.sort_unstable();
    println!(
        "  {what}: {points} points, p50 {:.1} ms, most {:.1} ms",
        took[TIMES / 2] as f64 / 1e3,
        took[TIMES - 1] as f64 / 1e3
    );
    Ok(())
}

/// The same numbers in VictoriaMetrics: the size of its data when it has merged them.
async fn beside(names: &[String], all: &[(i64, Vec<Option<f64>>)]) -> anyhow::Result<u64> {
    use std::io::Write as _;
    let (dir, port) = (tempfile::tempdir()?, free_port());
    let data = dir.path().join("data");
    let mut command = Command::new("victoria-metrics");
    command.arg(format!("-storageDataPath={}", data.display())).arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    command
        .args(["-retentionPeriod=24", "-loggerLevel=ERROR"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let mut server =
        command.stderr(Stdio::null()).spawn().context("not installed; apt-get install victoria-metrics")?;
    let url = format!("http://127.0.0.1:{port}");
    let file = dir.path().join("import.jsonl");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for (place, name) in names.iter().enumerate() {
        for part in all.chunks(8640) {
            let known: Vec<(i64, f64)> = part.iter().filter_map(|(at, values)| Some((*at, values[place]?))).collect();
            let (at, values): (Vec<i64>, Vec<f64>) = known.into_iter().unzip();
            let metric = serde_json::json!({ "__name__": "ioc", "series": name });
            writeln!(out, "{}", serde_json::json!({ "metric": metric, "timestamps": at, "values": values }))?;
        }
    }
    out.flush()?;
    drop(out);
    let curl = |arguments: Vec<String>| async move {
        let done = Command::new("curl")
            .args(["-sf", "--retry", "20", "--retry-connrefused", "--retry-delay", "1"])
            .args(arguments)
            .output()
            .await?;
        anyhow::ensure!(done.status.success(), "curl: {}", String::from_utf8_lossy(&done.stderr));
        Ok::<_, anyhow::Error>(())
    };
    curl(vec!["-T".into(), file.display().to_string(), "-X".into(), "POST".into(), format!("{url}/api/v1/import")])
        .await?;
    curl(vec![format!("{url}/internal/force_flush")]).await?;
    curl(vec![format!("{url}/internal/force_merge")]).await?;
    tokio::time::sleep(Duration::from_secs(15)).await;
    let size = size_of(&data.join("data"))?;
    server.kill().await?;
    Ok(size)
}

fn size_of(dir: &Path) -> anyhow::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        sum += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(sum)
}
