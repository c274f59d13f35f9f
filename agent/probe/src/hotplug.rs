//! Whether devices may have come or gone: a count that the kernel raises with each word about a device (lib/kobject_uevent.c).
//!
//! A device has its place in sysfs before the kernel tells that it came, and has lost it before the kernel tells that it went. So who
//! reads the count first and then what is there misses nothing: what changes later raises the count again.

use std::path::Path;

use super::text;
use crate::bounded_io::KeptFile;

/// All is looked at every this many times, whatever the count says.
const EVERY_TIMES: u32 = 6;

/// The kernel's count. It is read once for a sample, before anything that goes by it.
#[derive(Debug)]
pub struct DeviceEvents(KeptFile);

impl DeviceEvents {
    /// The count of the machine under `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self(KeptFile::of_one_record(root, "/sys/kernel/uevent_seqnum"))
    }

    /// What it says now; none where nobody counts.
    pub fn count(&mut self, buffer: &mut Vec<u8>) -> Option<u64> {
        text(self.0.read(buffer).ok()?).trim().parse().ok()
    }
}

/// What the count was when one who goes by it last looked.
#[derive(Debug, Default)]
pub struct Hotplug {
    last: Option<u64>,
    times: u32,
}

impl Hotplug {
    /// Whether what is there must be looked at, the count being `now`: something may have changed since this was last asked, or nobody can
    /// tell. The first time, and every sixth, it must in any case.
    pub fn may_have_changed(&mut self, now: Option<u64>) -> bool {
        let due = self.times.is_multiple_of(EVERY_TIMES);
        self.times = self.times.wrapping_add(1);
        let same = now.is_some() && now == self.last;
        self.last = now;
        due || !same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_counts_all_is_looked_at_and_otherwise_what_changed_and_every_sixth_time() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let (mut events, mut hotplug, mut buffer) = (DeviceEvents::new(dir.path()), Hotplug::default(), Vec::new());
        assert!((0..13).all(|_| hotplug.may_have_changed(events.count(&mut buffer))));
        std::fs::create_dir_all(dir.path().join("sys/kernel")).expect("directory");
        let count = dir.path().join("sys/kernel/uevent_seqnum");
        std::fs::write(&count, "1041\n").expect("written");
        let mut hotplug = Hotplug::default();
        let mut asked = |times: usize| -> Vec<bool> {
            (0..times).map(|_| hotplug.may_have_changed(events.count(&mut buffer))).collect()
        };
        assert_eq!(asked(7), [true, false, false, false, false, false, true]);
        std::fs::write(&count, "1042\n").expect("written");
        assert_eq!(asked(2), [true, false]);
        std::fs::write(&count, "?").expect("written");
        assert_eq!(asked(3), [true, true, true], "what cannot be read is no reason to look away");
    }
}
