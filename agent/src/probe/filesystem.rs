//! Filesystems on local devices, from `/proc/self/mounts` and statvfs(3).
//!
//! Network filesystems are left out on purpose: a server that hangs would hang the reader. Images that are full by design
//! (squashfs, ISO 9660) and memory filesystems are left out, too. Of several mounts of one device the first counts.

use std::path::{Path, PathBuf};

use ioc_common::reading::{Filesystem, Filesystems, Reading as _, Sink};
use rustix::fs::StatVfsMountFlags;

use super::{Context, Outcome, Probe, missing, text, unknown};
use crate::source::KeptFile;

/// Most filesystems that are reported.
const MOUNTS_MAX: usize = 64;
/// The list of mounts is read every this many samples.
const LIST_EVERY_SAMPLES: u32 = 6;

const LOCAL_TYPES: [&str; 16] = [
    "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus", "jfs", "ntfs", "ntfs3",
    "reiserfs", "vfat", "xfs", "zfs",
];

/// A mount that is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub at: String,
}

/// Reads `/proc/self/mounts` (fstab(5)): local filesystems, each device once; of mounts on the same place the last one.
#[must_use]
pub fn parse(mounts: &str) -> Vec<Mount> {
    let mut found: Vec<(String, Mount)> = Vec::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(at), Some(kind)) = (words.next(), words.next(), words.next()) else { continue };
        let at = unescape(at);
        // A container's root is an overlay; it is the disk that its programs can fill.
        let measured = LOCAL_TYPES.contains(&kind) || (kind == "overlay" && at == "/");
        found.retain(|(_, mount)| mount.at != at);
        if measured && found.len() < MOUNTS_MAX && !found.iter().any(|(other, _)| other == device) {
            found.push((device.to_owned(), Mount { at }));
        }
    }
    found.into_iter().map(|(_, mount)| mount).collect()
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
pub(crate) fn unescape(word: &str) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|_| byte == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(value) => {
                bytes.push(value);
                rest = &tail[3..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The probe.
#[derive(Debug)]
pub struct FilesystemProbe {
    root: PathBuf,
    mounts: KeptFile,
    listed: Vec<u8>,
    measured: Vec<Mount>,
    samples: u32,
}

impl FilesystemProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            mounts: KeptFile::new(root, "/proc/self/mounts"),
            listed: Vec::new(),
            measured: Vec::new(),
            samples: 0,
        }
    }
}

impl Probe for FilesystemProbe {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        // The kernel composes the list anew at each reading, which costs more than measuring what is on it.
        if self.samples.is_multiple_of(LIST_EVERY_SAMPLES) {
            let bytes = match self.mounts.read(context.buffer) {
                Ok(bytes) => bytes,
                Err(error) => return missing(&error),
            };
            if bytes != self.listed {
                self.listed = bytes.to_vec();
                self.measured = parse(&text(bytes));
            }
        }
        self.samples = self.samples.wrapping_add(1);
        if self.root != Path::new("/") {
            return unknown(&"a captured machine has no filesystems to measure; run on the machine itself");
        }
        let mut filesystems = Filesystems(Vec::with_capacity(self.measured.len()));
        for mount in &self.measured {
            // A filesystem that cannot be measured (no right, I/O error) is left out of this sample; it stays in the layout.
            let Ok(stat) = rustix::fs::statvfs(mount.at.as_str()) else { continue };
            let inodes_used_pct =
                (stat.f_files > 0).then(|| 100.0 - stat.f_ffree.min(stat.f_files) as f64 / stat.f_files as f64 * 100.0);
            filesystems.0.push(Filesystem {
                mount: mount.at.clone(),
                size: stat.f_blocks.saturating_mul(stat.f_frsize),
                available: stat.f_bavail.saturating_mul(stat.f_frsize),
                used: stat.f_blocks.saturating_sub(stat.f_bfree).saturating_mul(stat.f_frsize),
                inodes_used_pct,
                read_only: stat.f_flag.contains(StatVfsMountFlags::RDONLY),
            });
        }
        filesystems.emit(sink);
        Outcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_devices_once_each() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\n\
            proc /proc proc rw 0 0\n\
            tmpfs /run tmpfs rw 0 0\n\
            /dev/sda1 /home ext4 rw 0 0\n\
            /dev/sdb1 /srv/my\\040data xfs rw 0 0\n\
            nas:/x /mnt nfs4 rw 0 0\n\
            /dev/loop1 /snap/core squashfs ro 0 0\n\
            overlay /var/lib/x overlay rw 0 0\n";
        let at: Vec<String> = parse(mounts).into_iter().map(|mount| mount.at).collect();
        assert_eq!(at, ["/", "/srv/my data"]);
    }

    #[test]
    fn a_place_that_is_mounted_over_shows_the_upper_mount() {
        let mounts = "/dev/sda1 /data ext4 rw 0 0\ntmpfs /data tmpfs rw 0 0\n/dev/sdb1 /x ext4 rw 0 0\n/dev/sdc1 /x ext4 rw 0 0\n";
        let at: Vec<String> = parse(mounts).into_iter().map(|mount| mount.at).collect();
        assert_eq!(at, ["/x"]);
        assert_eq!(unescape("a\\134b\\04"), "a\\b\\04");
    }
}
