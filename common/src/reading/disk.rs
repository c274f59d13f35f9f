//! Disk I/O.

use super::{ProbeInfo, Reading, Sink, brief};

/// Rates of one whole disk over the last interval, from `/proc/diskstats`.
#[derive(Debug, Clone, PartialEq)]
pub struct Disk {
    /// Kernel name, such as `sda` or `nvme0n1`.
    pub device: String,
    /// Rates; none at the first reading.
    pub rates: Option<DiskRates>,
    /// Requests in flight now.
    pub in_flight: u64,
}

/// Rates of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DiskRates {
    /// Reads per second.
    pub reads: f64,
    /// Bytes read per second.
    pub read_bytes: f64,
    /// Mean latency of a read, milliseconds; none without reads.
    pub read_ms: Option<f64>,
    /// Writes per second.
    pub writes: f64,
    /// Bytes written per second.
    pub write_bytes: f64,
    /// Mean latency of a write, milliseconds; none without writes.
    pub write_ms: Option<f64>,
    /// Share of time with requests in flight, %.
    pub used_pct: f64,
}

/// All disks, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Disks(pub Vec<Disk>);

impl Reading for Disks {
    const PROBE: ProbeInfo = ProbeInfo::sampled("disk", &["disk."]);

    fn emit(&self, sink: &mut dyn Sink) {
        for disk in &self.0 {
            let rate = |pick: fn(&DiskRates) -> Option<f64>| disk.rates.as_ref().and_then(pick).map_or(f64::NAN, brief);
            sink.put("disk.reads", &disk.device, rate(|r| Some(r.reads)));
            sink.put("disk.read_bytes", &disk.device, rate(|r| Some(r.read_bytes)));
            sink.put("disk.read_ms", &disk.device, rate(|r| r.read_ms));
            sink.put("disk.writes", &disk.device, rate(|r| Some(r.writes)));
            sink.put("disk.write_bytes", &disk.device, rate(|r| Some(r.write_bytes)));
            sink.put("disk.write_ms", &disk.device, rate(|r| r.write_ms));
            sink.put("disk.used_pct", &disk.device, rate(|r| Some(r.used_pct)));
            sink.put("disk.in_flight", &disk.device, disk.in_flight as f64);
        }
    }
}
