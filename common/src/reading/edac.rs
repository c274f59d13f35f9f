//! Errors of memory with error correction.

use super::{ProbeInfo, Reading, Sink};

/// Memory errors by EDAC, by memory controller.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryErrors(pub Vec<(String, u64, u64)>);

impl Reading for MemoryErrors {
    const PROBE: ProbeInfo = ProbeInfo::sampled("edac", &["memory.corrected", "memory.uncorrected"]);

    fn emit(&self, sink: &mut dyn Sink) {
        for (controller, corrected, uncorrected) in &self.0 {
            sink.put("memory.corrected_errors", controller, *corrected as f64);
            sink.put("memory.uncorrected_errors", controller, *uncorrected as f64);
        }
    }
}
