//! Load averages and uptime, from `/proc/loadavg` and `/proc/uptime`.

use std::path::Path;

use ioc_common::reading::{Load, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, text, unknown};
use crate::bounded_io::{KeptFile, read_text};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Load::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(LoadProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/loadavg", "/proc/uptime", "/sys/devices/system/cpu/online"]),
    card: Card {
        article: "5.1a",
        vi: "Tải và thời gian hoạt động",
        en: "Load and uptime",
        reads: "`/proc/loadavg`, `/proc/uptime`",
        cost: "0.01 ms",
    },
};

/// Reads `/proc/loadavg`: the three averages.
#[must_use]
pub fn parse_loadavg(loadavg: &str) -> Option<[f64; 3]> {
    let mut numbers = loadavg.split_ascii_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok().filter(|load| load.is_finite() && *load >= 0.0);
    Some([next()?, next()?, next()?])
}

/// Reads `/proc/uptime`: seconds since boot.
#[must_use]
pub fn parse_uptime(uptime: &str) -> Option<f64> {
    uptime.split_ascii_whitespace().next()?.parse().ok().filter(|s: &f64| s.is_finite() && *s >= 0.0)
}

/// Counts a CPU list such as `0-3,8` (cpuset(7), "List format").
#[must_use]
pub fn parse_cpu_list(list: &str) -> Option<u32> {
    let mut count = 0_u32;
    for part in list.trim().split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.parse().ok()?, to.parse().ok()?);
        count = count.checked_add(to.checked_sub(from)?.checked_add(1)?)?;
    }
    Some(count).filter(|count| *count > 0)
}

/// Keeps its files open.
#[derive(Debug)]
pub struct LoadProbe {
    loadavg: KeptFile,
    uptime: KeptFile,
    cpus: u32,
}

impl LoadProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let list = read_text(root, "/sys/devices/system/cpu/online").unwrap_or_default();
        let cpus = parse_cpu_list(&list).or_else(|| {
            let stat = read_text(root, "/proc/stat").ok()?;
            u32::try_from(stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()).ok()
        });
        Self {
            loadavg: KeptFile::of_one_record(root, "/proc/loadavg"),
            uptime: KeptFile::of_one_record(root, "/proc/uptime"),
            cpus: cpus.unwrap_or(1),
        }
    }
}

impl Probe for LoadProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let loads = match self.loadavg.read(context.buffer) {
            Ok(bytes) => parse_loadavg(&text(bytes)),
            Err(error) => return missing(&error),
        };
        let uptime_s = match self.uptime.read(context.buffer) {
            Ok(bytes) => parse_uptime(&text(bytes)),
            Err(error) => return missing(&error),
        };
        let (Some([one, five, fifteen]), Some(uptime_s)) = (loads, uptime_s) else {
            return unknown(&"/proc/loadavg or /proc/uptime is not of the expected form");
        };
        Load { one, five, fifteen, cpus: self.cpus, uptime_s }.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_uptime_and_cpu_lists() {
        assert_eq!(parse_loadavg("0.52 0.58 0.59 1/389 12345\n"), Some([0.52, 0.58, 0.59]));
        assert_eq!(parse_loadavg("0.52 nan 0.59"), None);
        assert_eq!(parse_uptime("354.61 702.88\n"), Some(354.61));
        assert_eq!(parse_cpu_list("0-3,8\n"), Some(5));
        assert_eq!(parse_cpu_list("3-0"), None);
        assert_eq!(parse_cpu_list(""), None);
    }
}
