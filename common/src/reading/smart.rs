//! Health of disks, judged on what kills them and not on their own word (lessons 11 to 13).

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, flag};
use crate::clock::Timestamp;

/// Every disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Smart {
    /// Every disk that smartctl was asked about, asleep or not.
    pub disks: Vec<SmartDisk>,
}

/// One disk. A count that is not told is none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SmartDisk {
    /// Device name, with the slot behind a RAID controller: `sda`, `sda,megaraid,3`.
    pub device: String,
    /// Model, as the drive reports it.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Version of its firmware.
    pub firmware: String,
    /// `ata`, `nvme`, `scsi`.
    pub protocol: String,
    /// Capacity, bytes.
    pub size: Option<u64>,
    /// It sleeps, and was left asleep; counts are those of the last time it was awake, or none.
    pub asleep: bool,
    /// What the disk says of itself: passed.
    pub passed: Option<bool>,
    /// Sectors that could not be read and wait to be replaced.
    pub pending: Option<u64>,
    /// Sectors that were replaced.
    pub reallocated: Option<u64>,
    /// Errors that could not be corrected.
    pub uncorrectable: Option<u64>,
    /// NVMe: errors of the medium.
    pub media_errors: Option<u64>,
    /// Errors on the cable.
    pub crc_errors: Option<u64>,
    /// Share of its life that is used, %.
    pub wear_pct: Option<f64>,
    /// Spare blocks left, %.
    pub spare_pct: Option<f64>,
    /// NVMe critical warning bits; 0 is good.
    pub critical_warning: Option<u64>,
    /// The last self-test failed.
    pub self_test_failed: Option<bool>,
    /// What was accepted by an administrator for this serial: counts below it are not judged.
    pub accepted: AcceptedCounts,
    /// Why nothing is known of its health: no SMART behind its bridge, smartctl's own words; empty when something is.
    pub unknown: String,
    /// Temperature now, °C. A number only: it changes all the time, and a document should not.
    #[serde(skip)]
    pub temperature: Option<f64>,
    /// Hours in use. A number only.
    #[serde(skip)]
    pub hours: Option<f64>,
}

/// Counts that an administrator has looked at and accepted for one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcceptedCounts {
    /// Pending sectors.
    pub pending: u64,
    /// Reallocated sectors.
    pub reallocated: u64,
    /// Uncorrectable errors.
    pub uncorrectable: u64,
    /// Errors of the medium.
    pub media_errors: u64,
    /// Errors on the cable.
    pub crc_errors: u64,
}

impl Findings for Smart {
    const PROBE: ProbeInfo =
        ProbeInfo::survey("smart", 30 * MINUTE_S, &["smart."]).members(&[("/disks", &["device"])]).volatile(&[
            "/disks/*/asleep",
            "/disks/*/pending",
            "/disks/*/reallocated",
            "/disks/*/uncorrectable",
            "/disks/*/media_errors",
            "/disks/*/crc_errors",
            "/disks/*/wear_pct",
            "/disks/*/spare_pct",
        ]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        for disk in &self.disks {
            let above =
                |count: Option<u64>, accepted: u64| count.map_or(f64::NAN, |n| n.saturating_sub(accepted) as f64);
            let name = disk.device.as_str();
            sink.put("smart.passed", name, flag(disk.passed));
            sink.put("smart.pending", name, above(disk.pending, disk.accepted.pending));
            sink.put("smart.reallocated", name, above(disk.reallocated, disk.accepted.reallocated));
            sink.put("smart.uncorrectable", name, above(disk.uncorrectable, disk.accepted.uncorrectable));
            sink.put("smart.media_errors", name, above(disk.media_errors, disk.accepted.media_errors));
            sink.put("smart.crc_errors", name, above(disk.crc_errors, disk.accepted.crc_errors));
            sink.put("smart.wear", name, disk.wear_pct.unwrap_or(f64::NAN));
            sink.put("smart.spare", name, disk.spare_pct.unwrap_or(f64::NAN));
            sink.put("smart.critical_warning", name, disk.critical_warning.map_or(f64::NAN, |bits| bits as f64));
            sink.put("smart.self_test_failed", name, flag(disk.self_test_failed));
            sink.put("smart.temperature", name, disk.temperature.unwrap_or(f64::NAN));
            sink.put("smart.hours", name, disk.hours.unwrap_or(f64::NAN));
        }
    }
}
