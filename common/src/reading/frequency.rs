//! The CPU's frequency.

use super::{ProbeInfo, Reading, Sink};

/// The CPU's frequency, and how often heat slowed it down.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Frequency {
    /// Mean over the cores, MHz; none where the kernel does not tell.
    pub mhz: Option<f64>,
    /// Times per second that a core was throttled, all cores together; none where it is not counted, NaN at the first reading.
    pub throttled: Option<f64>,
}

impl Reading for Frequency {
    const PROBE: ProbeInfo = ProbeInfo::sampled("frequency", &["cpu.frequency", "cpu.throttled"]);

    fn emit(&self, sink: &mut dyn Sink) {
        if let Some(mhz) = self.mhz {
            sink.put("cpu.frequency", "", mhz.round());
        }
        if let Some(throttled) = self.throttled {
            sink.put("cpu.throttled", "", throttled);
        }
    }
}
