//! History: what folding costs and makes of numbers, beside VictoriaMetrics with the same numbers, and how long questions take.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::report::{Body, Position};
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::chart::{self, ChartQuery};
use ioc_store::compaction::{self, CompactionProgress, Compactor, WINDOW_ROWS};
use ioc_store::history::{self, Tier};
use ioc_store::{Change, ChunkQuery, Reader, Store, StoreError};
use ioc_tests::harness::free_port;
use ioc_tests::machine::Machine;
use tokio::process::Command;

use crate::figures::{Figure, Figures};

const STEP_MS: i64 = 10_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Nothing is past its time.
const KEEP_MS: [i64; 3] = [50 * 366 * DAY_MS; 3];
/// What is not folded yet when questions are asked.
const ROWS_MS: i64 = 4 * 3_600_000;
/// How often each question is asked.
const TIMES: usize = 20;

pub(super) async fn run(figures: &mut Figures, days: i64, devices: usize) -> anyhow::Result<()> {
    one_device(figures, days).await?;
    figures.begin();
    fleet(figures, devices)
}

async fn one_device(figures: &mut Figures, days: i64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut store = ioc_store::open(dir.path())?;
    let device = DeviceId::new("srv-01")?;
    let info = DeviceInfo::new(device.clone(), DeviceKind::Server, "Server");
    let mut machine = Machine::new(device.clone(), "server", 1, Position::default(), clock::now());
    let Body::Hello(hello) = machine.hello(10, 30) else { anyhow::bail!("a machine says hello") };
    let layout: Layout = hello.layout;
    store.commit(&[Change::Device { info, at: clock::now() }, Change::Layout(layout.clone())])?;
    let names: Vec<String> = layout.series().iter().map(|series| series.as_str().to_owned()).collect();

    let until = clock::now().as_millis() / STEP_MS * STEP_MS;
    let from = until - days * DAY_MS;
    let mut all: Vec<(i64, Vec<Option<f64>>)> = Vec::new();
    for step in 0..days * DAY_MS / STEP_MS {
        let Body::Sample(sample) = machine.sample() else { anyhow::bail!("a machine samples") };
        // Agents are some milliseconds late, each time another few.
        all.push((from + step * STEP_MS + step % 7, sample.v));
    }
    let (reader, mut archive) = (store.reader()?, store.archive()?);
    let folded_until = all.iter().position(|(at, _)| *at >= until - ROWS_MS).unwrap_or(all.len());
    let (folded, rows) = all.split_at(folded_until);
    let (mut cpu_us, mut seq) = (0, 0);
    for some in folded.chunks(usize::try_from(ROWS_MS / STEP_MS)?) {
        let mut changes = Vec::new();
        for (at, values) in some {
            seq += 1;
            changes.extend(report(&device, seq, Timestamp::from_millis(*at), layout.id(), history::pack(values)));
        }
        store.commit(&changes)?;
        let started_us = clock::thread_cpu_us();
        let folded = compaction::round(reader.as_ref(), archive.as_mut(), KEEP_MS, later(), false)?;
        cpu_us += clock::thread_cpu_us() - started_us;
        while store.forget_rows(folded.through, 1000)? == 1000 {}
    }
    let mut changes = Vec::new();
    for (at, values) in rows {
        seq += 1;
        changes.extend(report(&device, seq, Timestamp::from_millis(*at), layout.id(), history::pack(values)));
    }
    store.commit(&changes)?;
    let samples = folded.iter().map(|(_, values)| values.iter().flatten().count()).sum::<usize>();
    let [raw, five, hour] = Tier::ALL.map(|tier| bytes_of(reader.as_ref(), &device, tier));
    let per = |bytes: f64| bytes / samples as f64;
    println!("history: {samples} samples of {} series over {days} days", names.len());
    let mut all_figures = vec![
        Figure::new("one device: as reported, a value", per(raw? as f64), "bytes").most(1.0),
        Figure::new("one device: both summaries, a value", per((five? + hour?) as f64), "bytes"),
        Figure::new("one device: folding four hours at a time, CPU a value", per(cpu_us as f64), "µs").most(0.12),
    ];
    let of_files = Figure::new(
        "one device: of files, a value",
        per(files(dir.path(), &["history.db", "history.db-wal"]) as f64),
        "bytes",
    );
    let (day, month) = (until - DAY_MS, until - 30 * DAY_MS);
    let one = [names[0].clone()];
    for (what, from, tier, names, most) in [
        ("24 h of all series, for charts", day, Tier::Raw, &names[..], 240),
        ("24 h of all series, every sample", day, Tier::Raw, &names[..], 0),
        ("30 days of one series, by 5 minutes", month, Tier::FiveMinutes, &one[..], 0),
        ("30 days of one series, every sample", month, Tier::Raw, &one[..], 0),
    ] {
        let goal = if names.len() == 1 && most == 0 && tier == Tier::FiveMinutes { 10.0 } else { 20.0 };
        let p50 = ask(reader.as_ref(), &device, what, from, until, tier, names, most)?;
        let asked = Figure::new(format!("{what}, p50"), p50, "ms");
        all_figures.push(if most > 0 || goal < 20.0 { asked.most(goal) } else { asked });
    }
    all_figures.push(match beside(&names, folded).await {
        Ok(bytes) => of_files.beside("VictoriaMetrics (without summaries)", per(bytes as f64)),
        Err(error) => {
            println!("  VictoriaMetrics: {error:#}");
            of_files
        }
    });
    figures.say(all_figures)
}

/// A fleet that reports for a while: what folding costs, what is written for it, what deleting holds up, how long charts take meanwhile.
fn fleet(figures: &mut Figures, devices: usize) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut store = ioc_store::open(dir.path())?;
    let mut machines = enrolled(store.as_mut(), devices)?;
    let one = DeviceId::new(&format!("srv-{:05}", devices / 2))?;
    let names: Vec<String> = machines[0].layout().series().iter().take(6).map(|one| one.as_str().to_owned()).collect();
    // Five hours, of which one chunk is whole, and end in another that is not past.
    let until = clock::now().as_millis() / ROWS_MS * ROWS_MS + HOUR_MS;
    let (from, reader, mut archive) = (until - 5 * HOUR_MS, store.reader()?, store.archive()?);
    let (reader, past) = (reader.as_ref(), Timestamp::from_millis(until));
    let mut compactor = Compactor::new(reader, archive.as_mut())?;
    let (mut gathering_us, mut merging_us, mut written, mut values) = (0, 0, 0, 0);
    let (mut deleting, mut slice_us): (Vec<u64>, u64) = (Vec::new(), 0);
    let chart = |what: &str| ask(reader, &one, what, from, until, Tier::Raw, &names, 240).map(drop);
    let (mut changes, steps) = (Vec::new(), 5 * HOUR_MS / STEP_MS);
    for step in 0..steps {
        let at = Timestamp::from_millis(from + step * STEP_MS + 1);
        for machine in &mut machines {
            let layout = machine.layout().id();
            let Body::Sample(sample) = machine.sample() else { anyhow::bail!("a machine samples") };
            values += sample.v.iter().flatten().count();
            changes.extend(report(&machine.device, step.unsigned_abs() + 1, at, layout, history::pack(&sample.v)));
        }
        let last = step == steps - 1;
        if changes.len() < 20_000 && !last {
            continue;
        }
        store.commit(&std::mem::take(&mut changes))?;
        let through = reader.last_row()?;
        if through - compactor.all_folded() < WINDOW_ROWS && !last {
            continue;
        }
        if last {
            chart(&format!(
                "5 h of 6 series of one of {devices}, {} rows not folded",
                through - compactor.all_folded()
            ))?;
        }
        let before = written_bytes();
        while compactor.all_folded() < through {
            while timed(&mut gathering_us, &mut slice_us, || compactor.gather(through))? == CompactionProgress::More {}
        }
        written += written_bytes() - before;
        delete_rows(store.as_mut(), through, &mut deleting)?;
    }
    chart("  the same in pieces")?;
    let before = written_bytes();
    while timed(&mut merging_us, &mut slice_us, || compactor.merge(past))? == CompactionProgress::More {}
    written += written_bytes() - before;
    chart("  the same once its chunk is whole")?;
    let per = |number: u64| number as f64 / values as f64;
    let whole = |tier| bytes_of(reader, &one, tier).unwrap_or(0) as u64;
    let of_chunk = machines[0].layout().series().len() as u64 * (ROWS_MS / STEP_MS).unsigned_abs();
    deleting.sort_unstable();
    let deleted = |share: usize| deleting[(deleting.len() - 1) * share / 100] as f64 / 1e3;
    println!("folding {values} samples of {devices} devices; rows deleted in {} pieces", deleting.len());
    figures.say([
        Figure::new("a fleet: folding, CPU a value", per(gathering_us + merging_us), "µs").most(0.12),
        Figure::new("a fleet: of it putting rows down by device", per(gathering_us), "µs"),
        Figure::new(
            "a fleet: of it merging what is past",
            merging_us as f64 / (devices as u64 * of_chunk) as f64,
            "µs",
        ),
        Figure::new("a fleet: the longest slice of folding", slice_us as f64 / 1e3, "ms"),
        Figure::new("a fleet: written by folding, a value", per(written), "bytes"),
        Figure::new("a fleet: a whole chunk, a value", whole(Tier::Raw) as f64 / of_chunk as f64, "bytes"),
        Figure::new(
            "a fleet: its summaries, a value",
            (whole(Tier::FiveMinutes) + whole(Tier::Hour)) as f64 / of_chunk as f64,
            "bytes",
        ),
        Figure::new("a fleet: deleting rows, a piece, p50", deleted(50), "ms"),
        Figure::new("a fleet: deleting rows, a piece, p99", deleted(99), "ms"),
        Figure::new("a fleet: deleting rows, a piece, the most", deleted(100), "ms").most(5.0),
    ])
}

/// The machines of a fleet, and their devices in the store.
fn enrolled(store: &mut dyn Store, devices: usize) -> anyhow::Result<Vec<Machine>> {
    let mut machines: Vec<Machine> = Vec::new();
    for number in 0..devices {
        let device = DeviceId::new(&format!("srv-{number:05}"))?;
        let info = DeviceInfo::new(device.clone(), DeviceKind::Server, "Server");
        let machine = Machine::new(device, "server", number as u64, Position::default(), clock::now());
        store.commit(&[Change::Device { info, at: clock::now() }, Change::Layout(machine.layout().clone())])?;
        machines.push(machine);
    }
    Ok(machines)
}

/// A slice; adds the CPU time that it took, and keeps the longest.
fn timed(
    sum_us: &mut u64,
    longest_us: &mut u64,
    slice: impl FnOnce() -> Result<CompactionProgress, StoreError>,
) -> Result<CompactionProgress, StoreError> {
    let started_us = clock::thread_cpu_us();
    let progress = slice();
    let took_us = clock::thread_cpu_us() - started_us;
    (*sum_us, *longest_us) = (*sum_us + took_us, (*longest_us).max(took_us));
    progress
}

/// Deletes rows in pieces as the engine does; how long each took, microseconds.
fn delete_rows(store: &mut dyn Store, through: u64, took: &mut Vec<u64>) -> anyhow::Result<()> {
    let mut limit = 64;
    loop {
        let started_us = clock::boottime_us();
        let rows = store.forget_rows(through, limit)?;
        let took_us = clock::boottime_us() - started_us;
        took.push(took_us);
        if rows < limit {
            return Ok(());
        }
        limit = if took_us > 2000 { (limit / 2).max(64) } else { (limit * 2).min(4096) };
    }
}

/// A moment by which everything that is there was received a while ago.
fn later() -> Timestamp {
    clock::now().plus_millis(60_000)
}

fn report(device: &DeviceId, seq: u64, at: Timestamp, layout: LayoutId, row: Vec<u8>) -> [Change; 2] {
    let position = Position { epoch: 1, seq };
    let (device, last) = (device.clone(), Some(at));
    [
        Change::Sample { device: device.clone(), position, at, layout, row, newest: true },
        Change::Watermark { device, position, last_heard: last, last_sample: last, clock_error_ms: None },
    ]
}

/// Bytes of the chunks of a tier that are whole.
fn bytes_of(reader: &dyn Reader, device: &DeviceId, tier: Tier) -> anyhow::Result<usize> {
    let (from, until) = (Timestamp::from_millis(0), Timestamp::MAX);
    let query = ChunkQuery { device, tier, from, until, names: &["none".to_owned()] };
    let chunks = reader.chunks(&query)?.chunks;
    // Pieces come last.
    let begins = chunks.windows(2).take_while(|two| two[0].chunk < two[1].chunk).count() + 1;
    Ok(chunks.iter().take(begins).filter(|chunk| chunk.tier == tier).map(|chunk| chunk.data.len()).sum())
}

fn files(dir: &Path, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| dir.join(name).metadata().ok()).map(|about| about.len()).sum()
}

/// Bytes that this process has written to disks, or is about to.
fn written_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
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
) -> anyhow::Result<f64> {
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
    Ok(took[TIMES / 2] as f64 / 1e3)
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
