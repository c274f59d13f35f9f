//! Disk I/O of whole disks, from `/proc/diskstats` (Documentation/admin-guide/iostats.rst).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ioc_common::reading::{Disk, DiskRates, Disks, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, text};
use crate::bounded_io::KeptFile;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Disks::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(DiskProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/diskstats"]),
    card: Card {
        article: "5.1a",
        vi: "Vào/ra đĩa: tốc độ, độ trễ, độ bận",
        en: "Disk I/O: rates, latency, utilisation",
        reads: "`/proc/diskstats`",
        cost: "0.02 ms",
    },
};

/// Most disks that are reported.
const DISKS_MAX: usize = 128;
/// The kernel counts sectors of 512 bytes here, whatever the disk's own are.
const SECTOR_BYTES: f64 = 512.0;

/// Counters of one block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskCounters {
    reads: u64,
    read_sectors: u64,
    read_ms: u64,
    writes: u64,
    write_sectors: u64,
    write_ms: u64,
    in_flight: u64,
    busy_ms: u64,
}

/// Reads one line: the device's name and its counters.
#[must_use]
pub fn parse_line(line: &str) -> Option<(&str, DiskCounters)> {
    let mut words = line.split_ascii_whitespace().skip(2);
    let name = words.next()?;
    let mut numbers = [0_u64; 10];
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    let [reads, _, read_sectors, read_ms, writes, _, write_sectors, write_ms, in_flight, busy_ms] = numbers;
    let counters = DiskCounters { reads, read_sectors, read_ms, writes, write_sectors, write_ms, in_flight, busy_ms };
    Some((name, counters))
}

/// What happened between two readings; none when a counter stepped back.
#[must_use]
pub fn rates(now: &DiskCounters, before: &DiskCounters, elapsed_s: f64) -> Option<DiskRates> {
    let delta = |now: u64, before: u64| now.checked_sub(before).map(|delta| delta as f64);
    let reads = delta(now.reads, before.reads)?;
    let writes = delta(now.writes, before.writes)?;
    let latency = |ms: f64, count: f64| (count > 0.0).then(|| ms / count);
    Some(DiskRates {
        reads: reads / elapsed_s,
        read_bytes: delta(now.read_sectors, before.read_sectors)? * SECTOR_BYTES / elapsed_s,
        read_ms: latency(delta(now.read_ms, before.read_ms)?, reads),
        writes: writes / elapsed_s,
        write_bytes: delta(now.write_sectors, before.write_sectors)? * SECTOR_BYTES / elapsed_s,
        write_ms: latency(delta(now.write_ms, before.write_ms)?, writes),
        used_pct: (delta(now.busy_ms, before.busy_ms)? / (elapsed_s * 1000.0) * 100.0).min(100.0),
    })
}

/// Whether a name can be a disk of its own: RAM disks, loop devices and CD drives are not watched here.
fn may_be_disk(name: &str) -> bool {
    !["ram", "loop", "sr", "fd", "zram"]
        .iter()
        .any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())))
}

#[derive(Debug)]
struct KnownDisk {
    whole: bool,
    before: Option<DiskCounters>,
}

/// Remembers the counters of each disk, from which rates come.
#[derive(Debug)]
pub struct DiskProbe {
    root: PathBuf,
    diskstats: KeptFile,
    known: HashMap<String, KnownDisk>,
}

impl DiskProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            diskstats: KeptFile::of_short_lines(root, "/proc/diskstats"),
            known: HashMap::new(),
        }
    }

    /// A whole disk has an entry in `/sys/block`; a partition has not. Asked once per name.
    fn is_whole(root: &Path, name: &str) -> bool {
        let block = root.join("sys/block");
        // Names such as cciss/c0d0 stand there with an exclamation mark.
        may_be_disk(name) && (!block.exists() || block.join(name.replace('/', "!")).exists())
    }
}

impl Probe for DiskProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let bytes = match self.diskstats.read(context.buffer) {
            Ok(bytes) => bytes,
            Err(error) => return missing(&error),
        };
        let mut disks = Disks::default();
        for (name, counters) in text(bytes).lines().filter_map(parse_line) {
            if !self.known.contains_key(name) {
                let whole = Self::is_whole(&self.root, name);
                self.known.insert(name.to_owned(), KnownDisk { whole, before: None });
            }
            let Some(known) = self.known.get_mut(name) else { continue };
            if !known.whole || disks.0.len() >= DISKS_MAX {
                continue;
            }
            let elapsed_s = context.elapsed_s.filter(|elapsed_s| *elapsed_s > 0.0);
            let rates = known.before.zip(elapsed_s).and_then(|(before, s)| rates(&counters, &before, s));
            known.before = Some(counters);
            disks.0.push(Disk { device: name.to_owned(), rates, in_flight: counters.in_flight });
        }
        if disks.0.is_empty() {
            return ProbeOutcome::Absent { why: "/proc/diskstats names no disk".to_owned() };
        }
        disks.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_latencies_between_two_lines() {
        let (name, before) = parse_line("   8       0 sda 100 0 1000 50 200 0 4000 400 0 300 450").expect("parses");
        assert_eq!(name, "sda");
        let (_, now) = parse_line("   8  0 sda 110 0 1200 70 200 0 4000 400 3 800 950 0 0 0 0 0 0").expect("parses");
        let rates = rates(&now, &before, 10.0).expect("forward");
        assert!((rates.reads - 1.0).abs() < 1e-9 && (rates.read_bytes - 10_240.0).abs() < 1e-9);
        assert_eq!((rates.read_ms, rates.write_ms), (Some(2.0), None));
        assert!((rates.used_pct - 5.0).abs() < 1e-9);
        assert_eq!(super::rates(&before, &now, 10.0), None, "a counter that stepped back");
        assert!(parse_line("8 0 sda 1 2").is_none());
    }

    #[test]
    fn only_names_that_can_be_disks() {
        assert!(may_be_disk("sda") && may_be_disk("nvme0n1") && may_be_disk("srv") && may_be_disk("ramdisk-x"));
        assert!(!may_be_disk("loop0") && !may_be_disk("sr0") && !may_be_disk("ram15"));
    }
}
