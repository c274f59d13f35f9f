//! Memory and swap, from `/proc/meminfo` and `/proc/vmstat`.

use std::path::Path;

use ioc_common::reading::{Memory, Reading as _, Sink};

use super::{Context, Outcome, Probe, missing, rate, text, unknown};
use crate::source::KeptFile;

/// Reads `/proc/meminfo` into a reading; its rates stay unset.
///
/// # Errors
/// When the total is missing.
pub fn parse_meminfo(meminfo: &str) -> Result<Memory, String> {
    let mut memory = Memory::default();
    let mut available = None;
    for line in meminfo.lines() {
        let Some((key, rest)) = line.split_once(':') else { continue };
        let Some(kib) = rest.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok()) else {
            continue;
        };
        let bytes = kib.saturating_mul(1024);
        match key {
            "MemTotal" => memory.total = bytes,
            "MemAvailable" => available = Some(bytes),
            "MemFree" => memory.free = bytes,
            "Buffers" => memory.buffers = bytes,
            "Cached" => memory.cached = bytes,
            "Dirty" => memory.dirty = bytes,
            "SUnreclaim" => memory.slab = bytes,
            "SwapTotal" => memory.swap_total = bytes,
            "SwapFree" => memory.swap_free = bytes,
            // Pages, not kB; only their share is used.
            "HugePages_Total" => memory.huge_pages = kib,
            "HugePages_Free" => memory.huge_pages_free = kib,
            _ => {}
        }
    }
    if memory.total == 0 {
        return Err("/proc/meminfo has no MemTotal".to_owned());
    }
    // Kernels before 3.14 have no MemAvailable.
    let guess = memory.free.saturating_add(memory.buffers).saturating_add(memory.cached);
    memory.available = available.unwrap_or(guess).min(memory.total);
    memory.swap_free = memory.swap_free.min(memory.swap_total);
    Ok(memory)
}

/// Reads `/proc/vmstat`: pages swapped in, out, and processes killed for lack of memory.
#[must_use]
pub fn parse_vmstat(vmstat: &str) -> (u64, u64, Option<u64>) {
    let (mut swap_in, mut swap_out, mut kills) = (0, 0, None);
    for line in vmstat.lines() {
        match line.split_once(' ') {
            Some(("pswpin", number)) => swap_in = number.parse().unwrap_or(0),
            Some(("pswpout", number)) => swap_out = number.parse().unwrap_or(0),
            Some(("oom_kill", number)) => kills = number.parse().ok(),
            _ => {}
        }
    }
    (swap_in, swap_out, kills)
}

/// The probe.
#[derive(Debug)]
pub struct MemoryProbe {
    meminfo: KeptFile,
    vmstat: KeptFile,
    paging: Option<(u64, u64)>,
}

impl MemoryProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            meminfo: KeptFile::new(root, "/proc/meminfo"),
            vmstat: KeptFile::new(root, "/proc/vmstat"),
            paging: None,
        }
    }
}

impl Probe for MemoryProbe {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        let memory = match self.meminfo.read(context.buffer) {
            Ok(bytes) => parse_meminfo(&text(bytes)),
            Err(error) => return missing(&error),
        };
        let mut memory = match memory {
            Ok(memory) => memory,
            Err(why) => return unknown(&why),
        };
        if let Ok(bytes) = self.vmstat.read(context.buffer) {
            let (swap_in, swap_out, kills) = parse_vmstat(&text(bytes));
            memory.oom_kills = kills;
            if let (Some((old_in, old_out)), Some(elapsed_s)) = (self.paging, context.elapsed_s) {
                memory.swap_in = rate(swap_in, old_in, elapsed_s);
                memory.swap_out = rate(swap_out, old_out, elapsed_s);
            }
            self.paging = Some((swap_in, swap_out));
        }
        memory.emit(sink);
        Outcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_with_and_without_memavailable() {
        let new = parse_meminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 600 kB\nSwapTotal: 0 kB\n")
            .expect("parses");
        assert_eq!((new.total, new.available), (1_024_000, 614_400));
        let old =
            parse_meminfo("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 200 kB\n").expect("parses");
        assert_eq!(old.available, 350 * 1024);
        assert!(parse_meminfo("MemFree: 1 kB\n").is_err());
    }

    #[test]
    fn vmstat_of_an_old_kernel_does_not_tell_of_kills() {
        assert_eq!(parse_vmstat("pswpin 5\npswpout 7\noom_kill 2\n"), (5, 7, Some(2)));
        assert_eq!(parse_vmstat("pswpin 5\n"), (5, 0, None));
    }
}
