//! Machine checks: what x86 processors report of themselves.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink};
use crate::clock::Timestamp;

/// Errors that x86 processors report of themselves, counted since boot over all of them; none where the kernel counts none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineChecks {
    /// Exceptions: nothing could correct it.
    pub exceptions: Option<u64>,
    /// Interrupts for errors that were corrected, often enough that the processor says so.
    pub thresholds: Option<u64>,
    /// Interrupts for errors that are found now and hurt when they are used (AMD).
    pub deferred: Option<u64>,
}

impl Findings for MachineChecks {
    const PROBE: ProbeInfo =
        ProbeInfo::survey("mce", 15 * MINUTE_S, &["cpu.machine_checks", "cpu.corrected_errors", "cpu.deferred_errors"])
            .volatile(&["/exceptions", "/thresholds", "/deferred"]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        let count = |count: Option<u64>| count.map_or(f64::NAN, |count| count as f64);
        sink.put("cpu.machine_checks", "", count(self.exceptions));
        sink.put("cpu.corrected_errors", "", count(self.thresholds));
        sink.put("cpu.deferred_errors", "", count(self.deferred));
    }
}
