//! Network filesystems (lesson 18).

use super::{ProbeInfo, Reading, Sink, brief};

/// Network filesystems: whether the server answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RemoteMounts(pub Vec<RemoteMount>);

/// A mount of NFS, CIFS or the like.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RemoteMount {
    /// Mount point.
    pub mount: String,
    /// It answered within the deadline.
    pub answers: bool,
    /// Size, available and used bytes, while it answers.
    pub space: Option<(u64, u64, u64)>,
}

impl Reading for RemoteMounts {
    const PROBE: ProbeInfo = ProbeInfo::sampled("mount", &["mount."]).sharing(&["fs.used", "fs.size", "fs.available"]);

    fn emit(&self, sink: &mut dyn Sink) {
        for mount in &self.0 {
            sink.put("mount.answers", &mount.mount, f64::from(u8::from(mount.answers)));
            let used = mount.space.filter(|(_, available, used)| available + used > 0);
            let used =
                used.map_or(f64::NAN, |(_, available, used)| brief(used as f64 / (used + available) as f64 * 100.0));
            sink.put("fs.used_pct", &mount.mount, used);
            let space =
                |pick: fn((u64, u64, u64)) -> u64| mount.space.map_or(f64::NAN, |space| brief(pick(space) as f64));
            sink.put("fs.size", &mount.mount, space(|(size, _, _)| size));
            sink.put("fs.available", &mount.mount, space(|(_, available, _)| available));
        }
    }
}
