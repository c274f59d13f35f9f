//! Filesystems.

use super::{ProbeInfo, Reading, Sink, brief};

/// One mounted filesystem that lies on a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Filesystem {
    /// Mount point.
    pub mount: String,
    /// Bytes in all.
    pub size: u64,
    /// Bytes that users can still write.
    pub available: u64,
    /// Bytes used; the share shown is used / (used + available), as `df` computes it.
    pub used: u64,
    /// Inodes used, %; none where the filesystem has no fixed number.
    pub inodes_used_pct: Option<f64>,
    /// It takes no writes, and is not meant to be read-only (`/etc/fstab`).
    pub read_only: bool,
}

/// All of them, by mount point.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filesystems(pub Vec<Filesystem>);

impl Reading for Filesystems {
    const PROBE: ProbeInfo = ProbeInfo::sampled("filesystem", &["fs."]);

    fn emit(&self, sink: &mut dyn Sink) {
        for fs in &self.0 {
            let reachable = fs.used + fs.available;
            let used = if reachable == 0 { f64::NAN } else { brief(fs.used as f64 / reachable as f64 * 100.0) };
            sink.put("fs.used_pct", &fs.mount, used);
            sink.put("fs.size", &fs.mount, fs.size as f64);
            sink.put("fs.available", &fs.mount, brief(fs.available as f64));
            sink.put("fs.inodes_used_pct", &fs.mount, fs.inodes_used_pct.map_or(f64::NAN, brief));
            sink.put("fs.read_only", &fs.mount, f64::from(u8::from(fs.read_only)));
        }
    }
}
