//! Filesystems on local devices, from `/proc/self/mountinfo` (proc_pid_mountinfo(5)) and statvfs(3).
//!
//! Whether one can be written is the superblock's word, not the mount's: a service sees its own mounts, which its unit makes
//! read-only (`ProtectSystem=strict`), and a superblock that turned read-only is what breaks the host.
//!
//! Network filesystems are left out on purpose: a server that hangs would hang the reader. Images that are full by design
//! (squashfs, ISO 9660) and memory filesystems are left out, too. Of several mounts of one device the first counts.

use std::path::{Path, PathBuf};

use super::{Probe, ProbeOutcome, SampleContext, missing, text, unknown};
use crate::bounded_io::{KeptFile, read_text};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};
use ioc_common::reading::{Filesystem, Filesystems, Reading, Sink};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Filesystems::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(FilesystemProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/self/mounts", "/etc/fstab"]),
    card: Card {
        article: "5.1a",
        vi: "Dung lượng các hệ thống tệp cục bộ",
        en: "Space of local filesystems",
        reads: "`/proc/self/mounts`, statvfs(3)",
        cost: "0.02 ms",
    },
};

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
    /// Mount point.
    pub at: String,
    /// Its filesystem takes no writes, whoever asks.
    pub read_only: bool,
}

/// Reads `/proc/self/mountinfo`: local filesystems, each device once; of mounts on the same place the last one.
#[must_use]
pub fn parse(mountinfo: &str) -> Vec<Mount> {
    let mut found: Vec<(String, Mount)> = Vec::new();
    for line in mountinfo.lines() {
        let Some((mount, filesystem)) = line.split_once(" - ") else { continue };
        let mut words = filesystem.split(' ');
        let (Some(at), Some(kind), Some(device)) = (mount.split(' ').nth(4), words.next(), words.next()) else {
            continue;
        };
        let at = unescape(at);
        // A container's root is an overlay; it is the disk that its programs can fill.
        let measured = LOCAL_TYPES.contains(&kind) || (kind == "overlay" && at == "/");
        found.retain(|(_, mount)| mount.at != at);
        if measured && found.len() < MOUNTS_MAX && !found.iter().any(|(other, _)| other == device) {
            let read_only = words.next().is_some_and(takes_no_writes);
            found.push((device.to_owned(), Mount { at, read_only }));
        }
    }
    found.into_iter().map(|(_, mount)| mount).collect()
}

/// Whether a superblock with these options takes no writes: `ro`, or what ext4 says since Linux 6.15 when an error stopped it while the
/// superblock stays `rw`.
fn takes_no_writes(options: &str) -> bool {
    options.split(',').any(|option| matches!(option, "ro" | "emergency_ro" | "shutdown"))
}

/// The places that `/etc/fstab` (fstab(5)) wants read-only: one that is so is as it should be.
#[must_use]
pub fn read_only_in_fstab(fstab: &str) -> Vec<String> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (at, options) = (words.nth(1)?, words.nth(1)?);
            // The last word of the two counts.
            let last = options.split(',').rfind(|option| matches!(*option, "ro" | "rw"));
            (last == Some("ro")).then(|| unescape(at))
        })
        .collect()
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

/// Asks each local filesystem for its space; the table of mounts is kept open.
#[derive(Debug)]
pub struct FilesystemProbe {
    root: PathBuf,
    mounts: KeptFile,
    /// The checksum of the list that was parsed last.
    listed: Option<u32>,
    measured: Vec<Mount>,
    samples: u32,
}

impl FilesystemProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            mounts: KeptFile::new(root, "/proc/self/mountinfo"),
            listed: None,
            measured: Vec::new(),
            samples: 0,
        }
    }
}

impl Probe for FilesystemProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        // The kernel composes the list anew at each reading, which costs more than measuring what is on it.
        if self.samples.is_multiple_of(LIST_EVERY_SAMPLES) {
            let bytes = match self.mounts.read(context.buffer) {
                Ok(bytes) => bytes,
                Err(error) => return missing(&error),
            };
            let listed = Some(crc32fast::hash(bytes));
            if listed != self.listed {
                self.measured = parse(&text(bytes));
                if self.measured.iter().any(|mount| mount.read_only) {
                    let meant = read_only_in_fstab(&read_text(&self.root, "/etc/fstab").unwrap_or_default());
                    self.measured.iter_mut().for_each(|mount| mount.read_only &= !meant.contains(&mount.at));
                }
                self.listed = listed;
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
                read_only: mount.read_only,
            });
        }
        filesystems.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_devices_once_each() {
        let mounts = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            23 22 0:5 / /proc rw - proc proc rw\n\
            24 22 0:20 / /run rw shared:5 master:1 - tmpfs tmpfs rw,size=4k\n\
            25 22 8:1 /home /home rw shared:1 - ext4 /dev/sda1 rw\n\
            26 22 8:17 / /srv/my\\040data rw - xfs /dev/sdb1 rw,noquota\n\
            27 22 0:50 / /mnt rw - nfs4 nas:/x rw\n\
            28 22 7:1 / /snap/core ro - squashfs /dev/loop1 ro\n\
            29 22 0:60 / /var/lib/x rw - overlay overlay rw\n\
            cut\n";
        let at: Vec<String> = parse(mounts).into_iter().map(|mount| mount.at).collect();
        assert_eq!(at, ["/", "/srv/my data"]);
    }

    #[test]
    fn the_superblock_says_what_can_be_written_and_not_the_mount_of_a_service() {
        let read_only = |line: &str| parse(line).iter().map(|mount| mount.read_only).collect::<Vec<_>>();
        // As ProtectSystem=strict leaves them: / read-only, the state directory bound again, read-write, of the same device.
        let strict = "519 518 259:2 / / ro,relatime shared:1 master:1 - ext4 /dev/nvme0n1p2 rw,errors=remount-ro\n\
            530 519 259:2 /var/lib/private/x /var/lib/x rw,relatime - ext4 /dev/nvme0n1p2 rw,errors=remount-ro\n\
            531 519 259:1 / /boot/efi ro,relatime - vfat /dev/nvme0n1p1 rw,fmask=0077\n";
        assert_eq!(read_only(strict), [false, false]);
        assert_eq!(read_only("22 1 8:1 / / ro,relatime - ext4 /dev/sda1 ro,errors=remount-ro\n"), [true]);
        assert_eq!(read_only("22 1 8:1 / / rw,relatime - ext4 /dev/sda1 ro\n"), [true]);
        assert_eq!(read_only("22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw,emergency_ro\n"), [true]);
        // A subvolume of btrfs that is mounted read-only beside others that are not.
        assert_eq!(read_only("22 1 0:30 /@snap /snap ro - btrfs /dev/sda2 rw,subvol=/@snap\n"), [false]);
    }

    #[test]
    fn what_fstab_wants_read_only_is_meant() {
        let fstab = "# /dev/x /no ext4 ro 0 0\nUUID=1 / ext4 rw,errors=remount-ro 0 1\nUUID=2 /srv/my\\040books ext4 defaults,ro 0 2\n\
            UUID=3 /a xfs ro,rw 0 0\n/dev/sr0 none\n";
        assert_eq!(read_only_in_fstab(fstab), ["/srv/my books"]);
    }

    #[test]
    fn a_place_that_is_mounted_over_shows_the_upper_mount() {
        let mounts = "22 1 8:1 / /data rw - ext4 /dev/sda1 rw\n23 22 0:9 / /data rw - tmpfs tmpfs rw\n\
            24 1 8:17 / /x rw - ext4 /dev/sdb1 rw\n25 24 8:33 / /x rw - ext4 /dev/sdc1 rw\n";
        let at: Vec<String> = parse(mounts).into_iter().map(|mount| mount.at).collect();
        assert_eq!(at, ["/x"]);
        assert_eq!(unescape("a\\134b\\04"), "a\\b\\04");
    }
}
