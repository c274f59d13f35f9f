//! What the kernel and the collector count: CPU, memory and bytes of a process, and the collector's own counters.

use std::collections::BTreeMap;
use std::path::Path;

use ioc_tests::harness::Rig;

/// Ticks of `/proc/PID/stat` a second: fixed for programs, whatever the kernel's own are.
const TICKS: f64 = 100.0;

/// The fields of `/proc/PID/stat` behind the name, from the state on.
fn stat(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().unwrap_or("").split(' ').map(str::to_owned).collect()
}

fn ticks(fields: &[String], places: &[usize]) -> f64 {
    places.iter().filter_map(|place| fields.get(*place)?.parse::<f64>().ok()).sum::<f64>() / TICKS
}

/// CPU seconds that a process has used, those of its threads that have ended included; to a hundredth.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    ticks(&stat(pid), &[11, 12])
}

/// CPU of a process in nanoseconds, by its scheduler: finer than ticks, but what threads used that have ended is not in it.
pub(crate) fn cpu_ns(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let each = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    each.sum()
}

/// A field of a file of `/proc/PID`, in KiB.
pub(crate) fn field_kib(pid: u32, file: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Memory of a process in MiB, shared pages divided among those who have them.
pub(crate) fn pss_mib(pid: u32) -> f64 {
    field_kib(pid, "smaps_rollup", "Pss:") as f64 / 1024.0
}

/// What a process has written, `/proc/PID/io`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    /// `write_bytes`: pages of files that it made dirty, which go to the disk; a page that is written again before it went counts once.
    pub(crate) disk: u64,
    /// `wchar`: bytes that it gave to write calls, of files and of sockets where it used `write` or `writev`.
    pub(crate) calls: u64,
}

pub(crate) fn written(pid: u32) -> Written {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0);
    Written { disk: of("write_bytes:"), calls: of("wchar:") }
}

/// How often a process has called what reads and writes files, pipes and what wakes threads (`syscr`, `syscw`). No noise is in it.
pub(crate) fn file_calls(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let calls = text.lines().filter_map(|line| line.strip_prefix("syscr:").or_else(|| line.strip_prefix("syscw:")));
    calls.filter_map(|count| count.trim().parse::<u64>().ok()).sum()
}

/// CPU seconds of the whole machine that were no idling, and of this process with all that it started: what others kept busy is between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Busy {
    all: f64,
    own: f64,
    at_us: u64,
}

impl Busy {
    pub(crate) fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields: Vec<f64> =
            text.lines().next().unwrap_or("").split_whitespace().skip(1).filter_map(|one| one.parse().ok()).collect();
        // User, nice, system and stolen: what interrupts take for our own packets is nobody's.
        let all = [0, 1, 2, 7].iter().filter_map(|place| fields.get(*place)).sum::<f64>() / TICKS;
        Self { all, own: tree_seconds(std::process::id()), at_us: ioc_common::clock::boottime_us() }
    }

    /// How many processors others kept busy from `earlier` until now.
    pub(crate) fn others_since(self, earlier: Self) -> f64 {
        let seconds = (self.at_us - earlier.at_us) as f64 / 1e6;
        if seconds < 0.1 { 0.0 } else { ((self.all - earlier.all) - (self.own - earlier.own)).max(0.0) / seconds }
    }
}

/// CPU seconds of a process and all below it, those that have ended included.
pub(crate) fn tree_seconds(root: u32) -> f64 {
    tree(root).into_iter().map(|(_, seconds)| seconds).sum()
}

/// Bytes that a process and all below it gave the disk to write, those that have ended and were waited for included.
pub(crate) fn tree_written(root: u32) -> u64 {
    tree(root).into_iter().map(|(pid, _)| written(pid).disk).sum()
}

/// Memory of a process and all below it in MiB, shared pages divided among those who have them.
pub(crate) fn tree_pss_mib(root: u32) -> f64 {
    tree(root).into_iter().map(|(pid, _)| pss_mib(pid)).sum()
}

/// A process and all below it, each with its CPU seconds and those of what it waited for.
fn tree(root: u32) -> Vec<(u32, f64)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all: BTreeMap<u32, (u32, f64)> = pids
        .map(|pid| {
            let fields = stat(pid);
            let parent = fields.get(1).and_then(|parent| parent.parse().ok()).unwrap_or(0);
            (pid, (parent, ticks(&fields, &[11, 12, 13, 14])))
        })
        .collect();
    let below = |mut pid: u32| {
        // A chain of parents is as long as there are processes at most.
        for _ in 0..all.len() {
            match all.get(&pid) {
                _ if pid == root => return true,
                Some((parent, _)) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    all.iter().filter(|(pid, _)| below(**pid)).map(|(pid, (_, seconds))| (*pid, *seconds)).collect()
}

/// The collector's own counters, asked over the control socket.
pub(crate) async fn metrics(rig: &Rig) -> anyhow::Result<BTreeMap<String, f64>> {
    let text = ioc_collector::cli::text(&rig.runtime(), "/metrics").await?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect())
}

/// Processors, memory, system, and the file system that the benchmarks write to.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let after = |text: &str, name: &str, sign: char| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(sign).map_or(String::new(), |(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut processor = after(&read("/proc/cpuinfo"), "model name", ':');
    if processor.is_empty() {
        processor = std::env::consts::ARCH.to_owned();
    }
    let memory_kib: f64 = after(&read("/proc/meminfo"), "MemTotal", ':')
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0.0);
    format!(
        "{cores} cores of {processor}, {:.0} GiB, {}, kernel {}, data on {}",
        memory_kib / 1024.0 / 1024.0,
        after(&read("/etc/os-release"), "PRETTY_NAME", '='),
        read("/proc/sys/kernel/osrelease").trim(),
        file_system(&std::env::temp_dir())
    )
}

/// The kind of file system that holds `path`: the mount whose place is the longest beginning of it.
fn file_system(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|fields| fields.len() > 2);
    let holding = fields.filter(|fields| path.starts_with(fields[1])).max_by_key(|fields| fields[1].len());
    holding.map_or("an unknown file system".to_owned(), |fields| fields[2].to_owned())
}
