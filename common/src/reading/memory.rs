//! Memory and swap.

use super::{ProbeInfo, Reading, Sink, brief};

/// Memory from `/proc/meminfo` and paging counters from `/proc/vmstat`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that programs can still get without swapping: `MemAvailable` (on kernels before 3.14 what it is reckoned from), and
    /// what ZFS gives back of its cache, which `MemAvailable` leaves out. None where a part of it is not told.
    pub available: Option<u64>,
    /// Bytes free.
    pub free: Option<u64>,
    /// Bytes in buffers.
    pub buffers: Option<u64>,
    /// Bytes of page cache.
    pub cached: Option<u64>,
    /// Bytes waiting to be written.
    pub dirty: Option<u64>,
    /// Bytes of kernel slab that cannot be reclaimed.
    pub slab: Option<u64>,
    /// Bytes of swap.
    pub swap_total: Option<u64>,
    /// Bytes of swap free.
    pub swap_free: Option<u64>,
    /// Pages swapped in per second over the last interval.
    pub swap_in: Option<f64>,
    /// Pages swapped out per second over the last interval.
    pub swap_out: Option<f64>,
    /// Huge pages set aside.
    pub huge_pages: u64,
    /// Huge pages free.
    pub huge_pages_free: u64,
    /// Processes killed for lack of memory since boot (kernel 4.13 and later).
    pub oom_kills: Option<u64>,
}

impl Reading for Memory {
    const PROBE: ProbeInfo = ProbeInfo::sampled(
        "memory",
        &[
            "memory.available",
            "memory.buffers",
            "memory.cached",
            "memory.dirty",
            "memory.free",
            "memory.huge",
            "memory.oom",
            "memory.slab",
            "memory.total",
            "memory.used",
            "swap.",
        ],
    );

    fn emit(&self, sink: &mut dyn Sink) {
        let share = |part: Option<u64>, whole: u64| match part {
            Some(part) if whole > 0 => brief(100.0 - part as f64 / whole as f64 * 100.0).clamp(0.0, 100.0),
            _ => f64::NAN,
        };
        let bytes = |bytes: Option<u64>| bytes.map_or(f64::NAN, |bytes| brief(bytes as f64));
        sink.put("memory.used_pct", "", share(self.available, self.total));
        sink.put("memory.total", "", self.total as f64);
        sink.put("memory.available", "", bytes(self.available));
        sink.put("memory.free", "", bytes(self.free));
        sink.put("memory.buffers", "", bytes(self.buffers));
        sink.put("memory.cached", "", bytes(self.cached));
        sink.put("memory.dirty", "", bytes(self.dirty));
        sink.put("memory.slab", "", bytes(self.slab));
        sink.put("memory.oom_kills", "", self.oom_kills.map_or(f64::NAN, |kills| kills as f64));
        if self.huge_pages > 0 {
            sink.put("memory.huge_pages_used_pct", "", share(Some(self.huge_pages_free), self.huge_pages));
        }
        sink.put("swap.total", "", self.swap_total.map_or(f64::NAN, |bytes| bytes as f64));
        if let Some(total) = self.swap_total.filter(|total| *total > 0) {
            sink.put("swap.used_pct", "", share(self.swap_free, total));
            sink.put("swap.in", "", self.swap_in.map_or(f64::NAN, brief));
            sink.put("swap.out", "", self.swap_out.map_or(f64::NAN, brief));
        }
    }
}
