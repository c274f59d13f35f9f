//! A store as a fleet at 10 s leaves it after a year: its size, and what it costs whoever starts on it, asks, folds, deletes and checks.
//!
//! A year of a thousand devices would take days to report. A few profiles are reported and folded as real ones are, some days of each;
//! their whole chunks, which say when only from their own beginning, are then written for every device and day by the archive's own
//! writer, each device with other days of its profile than its neighbour.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::report::{Body, Position};
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::compaction::{self, CompactionProgress, Compactor};
use ioc_store::history::fold::PackedChunk;
use ioc_store::history::{self, Tier};
use ioc_store::{Archive, ArchiveChange, Change, Reader, Store};
use ioc_tests::harness::{Rig, binary};
use ioc_tests::machine::Machine;
use ioc_tests::performance::{self, number};
use tokio::process::Command;
use tokio::time::Instant;

use crate::figures::{Figure, Figures};
use crate::measure::pss_mib;
use crate::pages::get;

const STEP_MS: i64 = 10_000;
const DAY_MS: i64 = 86_400_000;
const SPAN_MS: i64 = Tier::Raw.chunk_ms();
const SPANS_A_DAY: usize = (DAY_MS / SPAN_MS) as usize;
/// As shipped, what was reported is kept so many days; by five minutes it is 400, by the hour ten years.
const RAW_DAYS: usize = 30;
/// Nothing is past its time.
const FOR_EVER: [i64; 3] = [100 * 366 * DAY_MS; 3];
/// Profiles of values, two of each kind, and how many days each was really reported.
const PROFILES: usize = 6;
const PROFILE_DAYS: usize = 4;
const KINDS: [(&str, DeviceKind); 3] =
    [("server", DeviceKind::Server), ("workstation", DeviceKind::Workstation), ("display", DeviceKind::Display)];
/// Rows that are not folded yet: half a window, as there are at any moment.
const ROWS: usize = 50_000;
/// Changes of one transaction.
const AT_ONCE: usize = 2000;
/// How often a page is asked, less often where that takes longer; and how often the collector is started.
const TIMES: usize = 100;
const TIMES_LEAST: usize = 3;
const PAGE: Duration = Duration::from_secs(20);
const STARTS: usize = 3;
/// From a start to a look at memory, or to its end: signals are listened to a moment after it answers.
const AFTER_START: Duration = Duration::from_secs(2);

/// What is made.
pub(crate) struct Plan {
    pub(crate) devices: usize,
    pub(crate) days: usize,
    /// A day of history by the hour, and only what a start takes.
    pub(crate) start_only: bool,
    /// Where; a directory that is removed afterwards by default.
    pub(crate) dir: Option<PathBuf>,
}

/// A device's days, folded.
struct Profile {
    kind: DeviceKind,
    machine: Machine,
    /// By day and span.
    raw: Vec<Vec<u8>>,
    five: Vec<Vec<u8>>,
    /// By day.
    hour: Vec<Vec<u8>>,
}

/// Bytes of chunks that were written, by tier.
#[derive(Default)]
struct Bytes {
    tiers: [u64; 3],
    chunks: u64,
}

fn id_of(place: usize) -> anyhow::Result<DeviceId> {
    Ok(DeviceId::new(&format!("sim-{place:05}"))?)
}

/// A moment by which everything that is there was received a while ago.
fn later() -> Timestamp {
    clock::now().plus_millis(60_000)
}

pub(crate) async fn run(figures: &mut Figures, plan: &Plan) -> anyhow::Result<()> {
    let days = if plan.start_only { 1 } else { plan.days.max(1) };
    let devices = plan.devices.max(PROFILES);
    let mut rig = plan.dir.as_deref().map_or_else(|| Rig::new(""), |dir| Rig::in_dir(dir, ""));
    // Its first start makes the keys.
    rig.start().await?;
    tokio::time::sleep(AFTER_START).await;
    rig.stop().await?;
    figures.measures(&binary("ioc-collector"));
    let begun = Instant::now();
    let bytes = fill(&rig.data(), (devices, days), plan.start_only, 1.0)?;
    let fleet = format!("{devices} devices, {days} days");
    println!("a store of {fleet} at 10 s, made in {} s", number(begun.elapsed().as_secs_f64()));
    if !plan.start_only {
        figures.say(sizes(&rig.data(), &bytes, devices, days)?)?;
    }
    figures.begin();
    start(figures, &mut rig, &fleet).await?;
    if plan.start_only {
        return rig.stop().await;
    }
    pages(figures, &rig, devices).await?;
    rig.stop().await?;
    figures.begin();
    fold(figures, &rig.data())?;
    figures.begin();
    delete(figures, &rig.data(), days, &fleet)?;
    figures.begin();
    check(figures, &rig, &fleet).await
}

/// The same for somebody else, who needs room for it so many times; how many bytes of chunks there are.
pub(crate) fn fill_for(data: &Path, devices: usize, days: usize, times: f64) -> anyhow::Result<u64> {
    let bytes = fill(data, (devices.max(PROFILES), days.max(1)), false, times)?;
    Ok(bytes.tiers.iter().sum())
}

/// Writes all of it.
fn fill(data: &Path, (devices, days): (usize, usize), hours_only: bool, times: f64) -> anyhow::Result<Bytes> {
    let mut store = ioc_store::open(data)?;
    let (reader, mut archive) = (store.reader()?, store.archive()?);
    // Whole days, up to the last midnight.
    let until = Tier::Hour.chunk_of(clock::now().as_millis());
    let mut profiles = profiles(store.as_mut(), reader.as_ref(), archive.as_mut(), until)?;
    let spread = |of: &[Vec<u8>]| of.iter().map(Vec::len).sum::<usize>() as f64 / PROFILE_DAYS as f64;
    let all = |of: fn(&Profile) -> &[Vec<u8>], kept: usize| {
        profiles.iter().map(|one| spread(of(one))).sum::<f64>() / PROFILES as f64 * (kept * devices) as f64
    };
    let finer = if hours_only { 0.0 } else { all(|one| &one.raw, days.min(RAW_DAYS)) + all(|one| &one.five, days) };
    room_for(data, (finer + all(|one| &one.hour, days)) * 1.2 * times)?;
    enrol(store.as_mut(), &mut profiles, devices)?;
    let mut bytes = Bytes::default();
    let mut changes = Vec::with_capacity(AT_ONCE);
    for day in 0..days {
        let begin = until - (days - day) as i64 * DAY_MS;
        let is_raw_kept = days - day <= RAW_DAYS;
        for span in 0..SPANS_A_DAY {
            let chunk = begin + span as i64 * SPAN_MS;
            for place in 0..devices {
                let profile = &profiles[place % PROFILES];
                let own_day = (day + place / PROFILES) % PROFILE_DAYS;
                let at = own_day * SPANS_A_DAY + span;
                let mut put = |tier: Tier, chunk: i64, data: &[u8]| {
                    bytes.tiers[usize::from(tier.number())] += data.len() as u64;
                    bytes.chunks += 1;
                    Ok::<_, anyhow::Error>(ArchiveChange::Chunk {
                        device: id_of(place)?,
                        chunk: PackedChunk { tier, chunk, data: data.to_vec() },
                    })
                };
                if is_raw_kept && !hours_only {
                    changes.push(put(Tier::Raw, chunk, &profile.raw[at])?);
                }
                if !hours_only {
                    changes.push(put(Tier::FiveMinutes, chunk, &profile.five[at])?);
                }
                if span == 0 {
                    changes.push(put(Tier::Hour, begin, &profile.hour[own_day])?);
                }
                if changes.len() >= AT_ONCE {
                    archive.write(&changes)?;
                    changes.clear();
                }
            }
        }
    }
    archive.write(&changes)?;
    archive.sync()?;
    drop((reader, archive));
    store.close()?;
    Ok(bytes)
}

/// Says that a disk is too small before it is full.
fn room_for(dir: &Path, need: f64) -> anyhow::Result<()> {
    #[allow(clippy::disallowed_methods, reason = "a command-line tool that measures")]
    let output = std::process::Command::new("df").args(["--output=avail", "-B1"]).arg(dir).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let free: f64 = text.lines().nth(1).and_then(|line| line.trim().parse().ok()).context("df says no size")?;
    println!("  it takes about {:.1} GB; {:.1} GB are free", need / 1e9, free / 1e9);
    anyhow::ensure!(
        free > need,
        "the disk of {} is too small; mend: fewer --devices or --days, or --dir on another",
        dir.display()
    );
    Ok(())
}

/// Has the first devices report for some days, and folds that as it is folded.
fn profiles(
    store: &mut dyn Store,
    reader: &dyn Reader,
    archive: &mut dyn Archive,
    until: i64,
) -> anyhow::Result<Vec<Profile>> {
    let from = until - PROFILE_DAYS as i64 * DAY_MS;
    let mut all = Vec::new();
    for place in 0..PROFILES {
        let (name, kind) = KINDS[place % KINDS.len()];
        let machine =
            Machine::new(id_of(place)?, name, place as u64, Position::default(), Timestamp::from_millis(from));
        store.commit(&[device(&machine.device, kind), Change::Layout(machine.layout().clone())])?;
        all.push(Profile { kind, machine, raw: Vec::new(), five: Vec::new(), hour: Vec::new() });
    }
    for span in 0..PROFILE_DAYS * SPANS_A_DAY {
        let begin = from + span as i64 * SPAN_MS;
        for profile in &mut all {
            let mut changes = Vec::new();
            for step in 0..SPAN_MS / STEP_MS {
                // Agents are some milliseconds late, each time another few.
                let at = Timestamp::from_millis(begin + step * STEP_MS + step % 7);
                let row = row_of(&mut profile.machine)?;
                changes.extend(report(&mut profile.machine, None, at, row));
            }
            store.commit(&changes)?;
        }
        let folded = compaction::round(reader, archive, FOR_EVER, later(), false)?;
        while store.forget_rows(folded.through, 1000)? == 1000 {}
    }
    for profile in &mut all {
        let whole =
            |tier, chunk| archive.chunk(&profile.machine.device, tier, chunk)?.context("a chunk that was folded");
        for day in 0..PROFILE_DAYS as i64 {
            let begin = from + day * DAY_MS;
            for span in 0..SPANS_A_DAY as i64 {
                profile.raw.push(whole(Tier::Raw, begin + span * SPAN_MS)?);
                profile.five.push(whole(Tier::FiveMinutes, begin + span * SPAN_MS)?);
            }
            profile.hour.push(whole(Tier::Hour, begin)?);
        }
    }
    Ok(all)
}

fn device(id: &DeviceId, kind: DeviceKind) -> Change {
    let at = clock::now();
    Change::Device { info: DeviceInfo::new(id.clone(), kind, format!("Sim {id}")), at }
}

fn row_of(machine: &mut Machine) -> anyhow::Result<Vec<u8>> {
    let Body::Sample(sample) = machine.sample() else { anyhow::bail!("a machine samples") };
    Ok(history::pack(&sample.v))
}

/// A report of a machine, or of another device that has its values.
fn report(machine: &mut Machine, other: Option<&DeviceId>, at: Timestamp, row: Vec<u8>) -> [Change; 2] {
    machine.position.seq += 1;
    let (position, layout) = (machine.position, machine.layout().id());
    let device = other.unwrap_or(&machine.device).clone();
    let last = Some(at);
    [
        Change::Sample { device: device.clone(), position, at, layout, row, newest: true },
        Change::Watermark { device, position, last_heard: last, last_sample: last, clock_error_ms: None },
    ]
}

/// Enrols the rest, and has all of them report until now.
fn enrol(store: &mut dyn Store, profiles: &mut [Profile], devices: usize) -> anyhow::Result<()> {
    let ids = (0..devices).map(id_of).collect::<anyhow::Result<Vec<_>>>()?;
    for some in ids.iter().enumerate().skip(PROFILES).collect::<Vec<_>>().chunks(AT_ONCE) {
        let changes = some.iter().map(|(place, id)| device(id, profiles[place % PROFILES].kind));
        store.commit(&changes.collect::<Vec<_>>())?;
    }
    let steps = (ROWS / devices).clamp(1, 300) as i64;
    let now = clock::now().as_millis();
    for step in 0..steps {
        let at = now - (steps - step) * STEP_MS;
        let rows = profiles.iter_mut().map(|one| row_of(&mut one.machine)).collect::<anyhow::Result<Vec<_>>>()?;
        for some in ids.iter().enumerate().collect::<Vec<_>>().chunks(AT_ONCE) {
            let mut changes = Vec::new();
            for (place, id) in some {
                // All over their interval, as a fleet is.
                let own = Timestamp::from_millis(at + *place as i64 * STEP_MS / devices as i64);
                let profile = &mut profiles[place % PROFILES];
                changes.extend(report(&mut profile.machine, Some(id), own, rows[place % PROFILES].clone()));
            }
            store.commit(&changes)?;
        }
    }
    Ok(())
}

/// Files below `data`, bytes.
fn file_bytes(data: &Path, name: &str) -> u64 {
    let parts = [name.to_owned(), format!("{name}-wal")];
    parts.iter().filter_map(|part| data.join(part).metadata().ok()).map(|about| about.len()).sum()
}

fn sizes(data: &Path, bytes: &Bytes, devices: usize, days: usize) -> anyhow::Result<Vec<Figure>> {
    let per = |bytes: u64, days: usize| bytes as f64 / (devices * days) as f64 / 1000.0;
    let [raw, five, hour] = bytes.tiers;
    let raw_days = days.min(RAW_DAYS);
    let (history, mut others) = (file_bytes(data, "history.db"), 0);
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && !entry.file_name().to_string_lossy().starts_with("history.db") {
            others += entry.metadata()?.len();
        }
    }
    let slack = history as f64 / (raw + five + hour) as f64;
    let on_disk = |bytes: u64| bytes as f64 * slack / devices as f64;
    let [raw_day, five_day, hour_day] =
        [on_disk(raw) / raw_days as f64, on_disk(five) / days as f64, on_disk(hour) / days as f64];
    let kept = |five_days: f64, hour_days: f64| raw_day * RAW_DAYS as f64 + five_day * five_days + hour_day * hour_days;
    println!(
        "  {} chunks; history.db {:.2} GB, all other files {:.3} GB",
        bytes.chunks,
        history as f64 / 1e9,
        others as f64 / 1e9
    );
    Ok(vec![
        Figure::new("as reported, a device and day", per(raw, raw_days), "kB"),
        Figure::new("by five minutes, a device and day", per(five, days), "kB"),
        Figure::new("by the hour, a device and day", per(hour, days), "kB"),
        Figure::new("history's file to what is in it", slack, ""),
        Figure::new(performance::AFTER_A_YEAR, kept(365.0, 365.0) / 1e6, "MB"),
        Figure::new(performance::IN_THE_END, kept(400.0, 3653.0) / 1e6, "MB"),
        Figure::new(performance::A_YEAR_OF_ALL, raw_day * 365.0 / 1e6, "MB"),
        Figure::new("everything but history, a device", others as f64 / devices as f64 / 1000.0, "kB"),
    ])
}

async fn start(figures: &mut Figures, rig: &mut Rig, fleet: &str) -> anyhow::Result<()> {
    let (mut longest, mut memory) = (Duration::ZERO, 0.0_f64);
    for round in 0..STARTS {
        let begun = Instant::now();
        rig.start().await?;
        longest = longest.max(begun.elapsed());
        tokio::time::sleep(AFTER_START).await;
        memory = memory.max(pss_mib(rig.pid()));
        if round + 1 < STARTS {
            rig.stop().await?;
        }
    }
    figures.say([
        Figure::new(format!("start until it is ready, the longest of {STARTS} ({fleet})"), longest.as_secs_f64(), "s")
            .most(3.0),
        Figure::new(format!("memory after a start ({fleet})"), memory, "MiB"),
    ])
}

/// Pages and charts that read the most history.
async fn pages(figures: &mut Figures, rig: &Rig, devices: usize) -> anyhow::Result<()> {
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    let id = id_of(devices / 2)?;
    let now = clock::now();
    let since = |days: i64| now.plus_millis(-days * DAY_MS);
    let asked = [
        ("the first page".to_owned(), "/".to_owned(), 100.0),
        ("the list of devices".to_owned(), "/devices".to_owned(), 100.0),
        ("a device's page".to_owned(), format!("/devices/{id}"), 100.0),
        ("its charts of a day".to_owned(), format!("/devices/{id}/history?span=24h"), 100.0),
        ("its charts of 30 days".to_owned(), format!("/devices/{id}/history?span=30d"), 200.0),
        ("its charts of a year".to_owned(), format!("/devices/{id}/history?span=1y"), 200.0),
        (
            "a day of all its numbers, API".to_owned(),
            format!("/api/v1/devices/{id}/history?tier=raw&from={}&until={now}", since(1)),
            500.0,
        ),
        (
            "8 days of a series as reported, API".to_owned(),
            format!("/api/v1/devices/{id}/history?series=cpu.busy&tier=raw&from={}&until={now}", since(8)),
            500.0,
        ),
        (
            "30 days of all its numbers by five minutes, API".to_owned(),
            format!("/api/v1/devices/{id}/history?tier=5m&from={}&until={now}", since(30)),
            2000.0,
        ),
    ];
    let mut all = Vec::new();
    for (what, path, goal) in asked {
        let (mut took, mut size) = (Vec::with_capacity(TIMES), 0);
        let begun = Instant::now();
        while took.len() < TIMES && (took.len() < TIMES_LEAST || begun.elapsed() < PAGE) {
            let (one, bytes) = get(&socket, &path, false).await?;
            took.push(one.as_secs_f64() * 1000.0);
            size = bytes;
        }
        took.sort_by(f64::total_cmp);
        println!("  {path}: {} kB", number(size as f64 / 1000.0));
        all.push(Figure::new(format!("{what}, p50"), took[(took.len() - 1) / 2], "ms"));
        all.push(Figure::new(format!("{what}, p99"), took[(took.len() - 1) * 99 / 100], "ms").most(goal));
    }
    figures.say(all)
}

/// A round of folding what was not folded yet.
fn fold(figures: &mut Figures, data: &Path) -> anyhow::Result<()> {
    let mut store = ioc_store::open(data)?;
    let (reader, mut archive) = (store.reader()?, store.archive()?);
    let (begun, cpu_us) = (clock::boottime_us(), clock::process_cpu_us());
    let folded = compaction::round(reader.as_ref(), archive.as_mut(), FOR_EVER, later(), false)?;
    let [wall_us, cpu_us] = [clock::boottime_us() - begun, clock::process_cpu_us() - cpu_us];
    while store.forget_rows(folded.through, 1000)? == 1000 {}
    println!("a folding round of {} rows takes {:.1} ms", folded.rows, wall_us as f64 / 1e3);
    let values = folded.rows.max(1) as f64 * 52.0;
    figures.say([Figure::new("putting rows down by device, CPU a value", cpu_us as f64 / values, "µs").most(0.12)])?;
    drop((reader, archive));
    Ok(store.close()?)
}

/// A day passes: what is a day past its time is deleted from every tier, and its room given back.
fn delete(figures: &mut Figures, data: &Path, days: usize, fleet: &str) -> anyhow::Result<()> {
    let mut store = ioc_store::open(data)?;
    let (reader, mut archive) = (store.reader()?, store.archive()?);
    let before = file_bytes(data, "history.db");
    let midnight = Timestamp::from_millis(Tier::Hour.chunk_of(clock::now().as_millis()));
    let kept = |days: usize| days.saturating_sub(1) as i64 * DAY_MS;
    let keep_ms = [kept(days.min(RAW_DAYS)), kept(days), kept(days)];
    let mut compactor = Compactor::new(reader.as_ref(), archive.as_mut())?;
    let (mut longest_us, begun) = (0, clock::boottime_us());
    loop {
        let slice = clock::boottime_us();
        let progress = compactor.delete(keep_ms, midnight)?;
        longest_us = longest_us.max(clock::boottime_us() - slice);
        if progress == CompactionProgress::Done {
            break;
        }
    }
    let took_us = clock::boottime_us() - begun;
    let deleted = compactor.take_result()?.gone.deleted;
    drop(compactor);
    archive.sync()?;
    drop((reader, archive));
    store.close()?;
    let after = file_bytes(data, "history.db");
    println!("a day of every tier is deleted: {deleted} chunks; history.db {before} bytes before, {after} after");
    figures.say([
        Figure::new(format!("deleting a day of every tier ({fleet})"), took_us as f64 / 1e6, "s"),
        Figure::new("deleting, the longest slice", longest_us as f64 / 1e3, "ms"),
        Figure::new("given back of a day's chunks, by file size", before.saturating_sub(after) as f64 / 1e6, "MB"),
    ])
}

async fn check(figures: &mut Figures, rig: &Rig, fleet: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut command = Command::new(binary("ioc-collector"));
    command.arg("--config").arg(rig.dir().join("collector.toml")).args(["store", "check"]);
    let output = command.output().await?;
    let took = begun.elapsed().as_secs_f64();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    anyhow::ensure!(output.status.success(), "store check: {said}");
    figures.say([Figure::new(format!("store check ({fleet})"), took, "s")])
}
