//! Memory and swap.

use super::{Reading, Sink, brief};

/// Memory from `/proc/meminfo` and paging counters from `/proc/vmstat`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Memory {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that programs can still get without swapping (`MemAvailable`; on kernels before 3.14 free + buffers + cached).
    pub available: u64,
    /// Bytes free.
    pub free: u64,
    /// Bytes in buffers.
    pub buffers: u64,
    /// Bytes of page cache.
    pub cached: u64,
    /// Bytes waiting to be written.
    pub dirty: u64,
    /// Bytes of kernel slab that cannot be reclaimed.
    pub slab: u64,
    /// Bytes of swap.
    pub swap_total: u64,
    /// Bytes of swap free.
    pub swap_free: u64,
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
    fn emit(&self, sink: &mut dyn Sink) {
        let share = |part: u64, whole: u64| {
            if whole == 0 { f64::NAN } else { brief(100.0 - part as f64 / whole as f64 * 100.0).clamp(0.0, 100.0) }
        };
        sink.put("memory.used_pct", "", share(self.available, self.total));
        sink.put("memory.total", "", self.total as f64);
        sink.put("memory.available", "", brief(self.available as f64));
        sink.put("memory.free", "", brief(self.free as f64));
        sink.put("memory.buffers", "", brief(self.buffers as f64));
        sink.put("memory.cached", "", brief(self.cached as f64));
        sink.put("memory.dirty", "", brief(self.dirty as f64));
        sink.put("memory.slab", "", brief(self.slab as f64));
        sink.put("memory.oom_kills", "", self.oom_kills.map_or(f64::NAN, |kills| kills as f64));
        if self.huge_pages > 0 {
            sink.put("memory.huge_pages_used_pct", "", share(self.huge_pages_free, self.huge_pages));
        }
        sink.put("swap.total", "", self.swap_total as f64);
        if self.swap_total > 0 {
            sink.put("swap.used_pct", "", share(self.swap_free, self.swap_total));
            sink.put("swap.in", "", self.swap_in.map_or(f64::NAN, brief));
            sink.put("swap.out", "", self.swap_out.map_or(f64::NAN, brief));
        }
    }
}
