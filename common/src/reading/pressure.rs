//! Pressure stall information.

use super::{ProbeInfo, Reading, Sink};

/// Shares of the last 10 seconds in which tasks waited, from `/proc/pressure/*` (kernel 4.20 and later).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pressure {
    /// Some task waited for CPU, %.
    pub cpu_some: f64,
    /// Some task waited for memory, %.
    pub memory_some: f64,
    /// All tasks waited for memory, %.
    pub memory_full: f64,
    /// Some task waited for I/O, %.
    pub io_some: f64,
    /// All tasks waited for I/O, %.
    pub io_full: f64,
}

impl Reading for Pressure {
    const PROBE: ProbeInfo = ProbeInfo::sampled("pressure", &["pressure."]);

    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("pressure.cpu.some", "", self.cpu_some);
        sink.put("pressure.memory.some", "", self.memory_some);
        sink.put("pressure.memory.full", "", self.memory_full);
        sink.put("pressure.io.some", "", self.io_some);
        sink.put("pressure.io.full", "", self.io_full);
    }
}
