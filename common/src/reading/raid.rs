//! Redundancy of storage: md arrays, pools of btrfs and ZFS, LVM mirrors, hardware controllers by command.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, flag};
use crate::clock::Timestamp;

/// Every array and pool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Raid {
    /// Of md, btrfs, ZFS, LVM and configured controllers.
    pub arrays: Vec<Array>,
    /// Arrays that nobody told about, and why: a line for each source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One array, pool or controller.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Array {
    /// Name, such as `md0` or a pool's name.
    pub name: String,
    /// `md`, `btrfs`, `zfs`, `lvm`, or the configured controller's name.
    pub kind: String,
    /// Level, such as `raid1`.
    pub level: String,
    /// All its members work; none where that cannot be told.
    pub healthy: Option<bool>,
    /// What it says of itself, such as `DEGRADED`.
    pub state: String,
    /// Members that should be there; 0 where nothing says so.
    pub members: u32,
    /// Members that work.
    pub working: u32,
    /// Which failed or are missing.
    pub failed: Vec<String>,
    /// Errors counted on its members (btrfs, ZFS).
    pub errors: Option<u64>,
    /// What is being done: `resync`, `recovery`, `check`, `scrub`; empty when nothing.
    pub activity: String,
    /// How far that is, %. A number only.
    #[serde(skip)]
    pub progress_pct: Option<f64>,
}

impl Findings for Raid {
    const PROBE: ProbeInfo = ProbeInfo::survey("raid", 30 * MINUTE_S, &["raid."])
        .members(&[("/arrays", &["name", "kind"])])
        .volatile(&["/arrays/*/errors"]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        for array in &self.arrays {
            sink.put("raid.healthy", &array.name, flag(array.healthy));
            // LVM and controllers do not say how many there should be.
            let missing = (array.members > 0).then(|| f64::from(array.members.saturating_sub(array.working)));
            sink.put("raid.missing", &array.name, missing.unwrap_or(f64::NAN));
            sink.put("raid.errors", &array.name, array.errors.map_or(f64::NAN, |errors| errors as f64));
            sink.put("raid.progress", &array.name, array.progress_pct.unwrap_or(f64::NAN));
        }
    }
}
