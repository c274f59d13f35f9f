//! Processes by state.

use super::{ProbeInfo, Reading, Sink};

/// Processes, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processes {
    /// Processes on the machine, in any state.
    pub total: u64,
    /// Ended, and nobody has asked for their result.
    pub zombies: u64,
    /// Waiting for a device and not to be interrupted.
    pub stuck: u64,
}

impl Reading for Processes {
    const PROBE: ProbeInfo = ProbeInfo::sampled("process", &["process."]);

    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("process.count", "", self.total as f64);
        sink.put("process.zombies", "", self.zombies as f64);
        sink.put("process.stuck", "", self.stuck as f64);
    }
}
