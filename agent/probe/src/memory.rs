//! Memory and swap, from `/proc/meminfo` and `/proc/vmstat`.

use std::path::Path;

use ioc_common::reading::{Memory, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, rate, text, unknown};
use crate::bounded_io::KeptFile;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Memory::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(MemoryProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/meminfo", "/proc/vmstat", "/proc/spl/kstat/zfs/arcstats"]),
    card: Card {
        article: "5.1a",
        vi: "Bộ nhớ, swap, trang lớn",
        en: "Memory, swap, huge pages",
        reads: "`/proc/meminfo`, `/proc/vmstat`, `/proc/spl/kstat/zfs/arcstats`",
        cost: "0.03 ms",
    },
};

/// Reads `/proc/meminfo` into a reading; its rates stay unset.
///
/// # Errors
/// When the total is missing, or neither what is available is told nor what it is reckoned from.
pub fn parse_meminfo(meminfo: &str) -> Result<Memory, String> {
    let mut memory = Memory::default();
    let (mut shared, mut slab_given_back) = (0, 0);
    for line in meminfo.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        let Some(kib) = rest.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok()) else {
            continue;
        };
        let bytes = kib.saturating_mul(1024);
        match key {
            "MemTotal" => memory.total = bytes,
            "MemAvailable" => memory.available = Some(bytes),
            "MemFree" => memory.free = Some(bytes),
            "Buffers" => memory.buffers = Some(bytes),
            "Cached" => memory.cached = Some(bytes),
            "Shmem" => shared = bytes,
            "SReclaimable" => slab_given_back = bytes,
            "Dirty" => memory.dirty = Some(bytes),
            "SUnreclaim" => memory.slab = Some(bytes),
            "SwapTotal" => memory.swap_total = Some(bytes),
            "SwapFree" => memory.swap_free = Some(bytes),
            // Pages, not kB; only their share is used.
            "HugePages_Total" => memory.huge_pages = kib,
            "HugePages_Free" => memory.huge_pages_free = kib,
            _ => {}
        }
    }
    if memory.total == 0 {
        return Err("/proc/meminfo has no MemTotal".to_owned());
    }
    // Kernels before 3.14 have no MemAvailable. What lies in tmpfs counts as cached, and cannot be given back.
    let reckoned = || {
        let cached = memory.cached?.saturating_sub(shared).saturating_add(slab_given_back);
        Some(memory.free?.saturating_add(memory.buffers?).saturating_add(cached))
    };
    let available = memory.available.or_else(reckoned);
    let available = available.ok_or("/proc/meminfo tells neither MemAvailable nor MemFree, Buffers and Cached")?;
    memory.available = Some(available.min(memory.total));
    memory.swap_free = memory.swap_free.zip(memory.swap_total).map(|(free, total)| free.min(total));
    Ok(memory)
}

/// Reads `/proc/spl/kstat/zfs/arcstats`: how many bytes ZFS gives back of its cache when programs want them, which is all but its
/// floor (openzfs, module/zfs/arc.c). For `MemAvailable` they are in use.
///
/// # Errors
/// When size or floor is missing.
pub fn parse_arcstats(arcstats: &str) -> Result<u64, String> {
    let value = |wanted: &str| {
        let rows = arcstats.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        rows.filter(|row| row.len() == 3 && row[0] == wanted).find_map(|row| row[2].parse::<u64>().ok())
    };
    let missing =
        |what: &str| format!("/proc/spl/kstat/zfs/arcstats has no {what}: what the cache of ZFS holds is not known");
    let size = value("size").ok_or_else(|| missing("size"))?;
    let floor = value("c_min").ok_or_else(|| missing("c_min"))?;
    Ok(size.saturating_sub(floor))
}

/// Reads `/proc/vmstat`: pages swapped in, out, and processes killed for lack of memory.
#[must_use]
pub fn parse_vmstat(vmstat: &str) -> (u64, u64, Option<u64>) {
    let (mut swap_in, mut swap_out, mut kills) = (0, 0, None);
    // Three of some two hundred lines, the last of which (since Linux 4.13) is that of the kills.
    for line in vmstat.lines().filter(|line| line.starts_with("pswp") || line.starts_with("oom_kill ")) {
        match line.split_once(' ') {
            Some(("pswpin", number)) => swap_in = number.parse().unwrap_or(0),
            Some(("pswpout", number)) => swap_out = number.parse().unwrap_or(0),
            Some(("oom_kill", number)) => {
                kills = number.parse().ok();
                break;
            }
            _ => {}
        }
    }
    (swap_in, swap_out, kills)
}

/// What [`parse_vmstat`] finds in the beginning of the file, where that is enough: the line that it reads last is there, whole.
fn enough_of_vmstat(beginning: &[u8]) -> Option<(u64, u64, Option<u64>)> {
    let whole = &beginning[..=beginning.iter().rposition(|byte| *byte == b'\n')?];
    Some(parse_vmstat(&text(whole))).filter(|(_, _, kills)| kills.is_some())
}

/// Keeps its files open, and remembers the counters of swap, from which rates come.
#[derive(Debug)]
pub struct MemoryProbe {
    meminfo: KeptFile,
    vmstat: KeptFile,
    arcstats: KeptFile,
    paging: Option<(u64, u64)>,
}

impl MemoryProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            meminfo: KeptFile::of_one_record(root, "/proc/meminfo"),
            vmstat: KeptFile::of_short_lines(root, "/proc/vmstat"),
            arcstats: KeptFile::of_short_lines(root, "/proc/spl/kstat/zfs/arcstats").retry_absent_every(6),
            paging: None,
        }
    }
}

impl Probe for MemoryProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let memory = match self.meminfo.read(context.buffer) {
            Ok(bytes) => parse_meminfo(&text(bytes)),
            Err(error) => return missing(&error),
        };
        let mut memory = match memory {
            Ok(memory) => memory,
            Err(why) => return unknown(&why),
        };
        let mut enough = None;
        let read = self.vmstat.read_until(context.buffer, |beginning| {
            enough = enough_of_vmstat(beginning);
            enough.is_some()
        });
        if let Ok(bytes) = read {
            let (swap_in, swap_out, kills) = enough.unwrap_or_else(|| parse_vmstat(&text(bytes)));
            memory.oom_kills = kills;
            if let (Some((old_in, old_out)), Some(elapsed_s)) = (self.paging, context.elapsed_s) {
                memory.swap_in = rate(swap_in, old_in, elapsed_s);
                memory.swap_out = rate(swap_out, old_out, elapsed_s);
            }
            self.paging = Some((swap_in, swap_out));
        }
        let given_back = match self.arcstats.read(context.buffer) {
            Ok(bytes) => parse_arcstats(&text(bytes)),
            Err(error) if error.is_absent() => Ok(0),
            Err(error) => Err(error.to_string()),
        };
        memory.available = match (memory.available, &given_back) {
            (Some(available), Ok(bytes)) => Some(available.saturating_add(*bytes).min(memory.total)),
            _ => None,
        };
        memory.emit(sink);
        given_back.map_or_else(|why| unknown(&why), |_| ProbeOutcome::Read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn meminfo_with_and_without_memavailable() {
        let new = parse_meminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nSwapTotal: 0 kB\n")
            .expect("parses");
        assert_eq!((new.total, new.available), (1_024_000, Some(614_400)));
        let old =
            parse_meminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 200 kB\n").expect("parses");
        assert_eq!(old.available, Some(350 * 1024));
        let shared =
            "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 200 kB\nShmem: 150 kB\nSReclaimable: 30 kB\n";
        assert_eq!(parse_meminfo(shared).expect("parses").available, Some(230 * 1024), "tmpfs is not given back");
        assert!(parse_meminfo("MemFree: 1 kB\n").is_err());
        let cut = parse_meminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvai");
        assert!(cut.is_err_and(|why| why.contains("MemAvailable")), "what is not told is not nothing");
        assert_eq!(new.cached, None);
    }

    #[test]
    fn the_cache_of_zfs_is_given_back_but_for_its_floor() {
        let stats =
            "13 1 0x01 147 39984 8137452710 991912238412\nname type data\nc_min 4 100\nsize 4 2500\narc_size_x 4 1\n";
        assert_eq!(parse_arcstats(stats), Ok(2400));
        assert_eq!(parse_arcstats(&stats.replace("2500", "50")), Ok(0));
        assert!(parse_arcstats("name type data\nsize 4 25").is_err_and(|why| why.contains("c_min")));
        let meminfo = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 100 kB\n";
        let used = |stats: &str| {
            let files = [("/proc/meminfo", meminfo), ("/proc/spl/kstat/zfs/arcstats", stats)];
            let (outcome, numbers) = read_below(&files, |root| Box::new(MemoryProbe::new(root)));
            (outcome, numbers.iter().find(|number| number.0 == "memory.used_pct").expect("told").2)
        };
        assert_eq!(used("c_min 4 102400\nsize 4 614400\n"), (ProbeOutcome::Read, 40.0));
        let (outcome, share) = used("rubbish");
        assert!(matches!(outcome, ProbeOutcome::Unknown { .. }) && share.is_nan());
    }

    #[test]
    fn vmstat_of_an_old_kernel_does_not_tell_of_kills() {
        assert_eq!(parse_vmstat("pswpin 5\npswpout 7\noom_kill 2\n"), (5, 7, Some(2)));
        assert_eq!(parse_vmstat("pswpin 5\n"), (5, 0, None));
        let all = enough_of_vmstat(b"pgpgin 3\npswpin 5\npswpout 7\noom_kill 12\ndrop_slab 1");
        assert_eq!(all, Some((5, 7, Some(12))));
        for less in ["pswpin 5\npswpout 7\noom_kill 1", "pswpin 5\npswpout 7\n", ""] {
            assert_eq!(enough_of_vmstat(less.as_bytes()), None, "{less:?}");
        }
    }
}
