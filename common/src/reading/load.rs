//! Load averages and uptime.

use super::{ProbeInfo, Reading, Sink};

/// Load averages from `/proc/loadavg` and uptime from `/proc/uptime`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Load {
    /// Over 1 minute.
    pub one: f64,
    /// Over 5 minutes.
    pub five: f64,
    /// Over 15 minutes.
    pub fifteen: f64,
    /// Online processors, at least 1.
    pub cpus: u32,
    /// Seconds since boot.
    pub uptime_s: f64,
}

impl Reading for Load {
    const PROBE: ProbeInfo = ProbeInfo::sampled("load", &["load.", "system.uptime"]);

    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("load.1", "", self.one);
        sink.put("load.5", "", self.five);
        sink.put("load.15", "", self.fifteen);
        sink.put("load.per_cpu", "", (self.five / f64::from(self.cpus.max(1)) * 100.0).round() / 100.0);
        sink.put("system.uptime", "", self.uptime_s.floor());
    }
}
