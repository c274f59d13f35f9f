//! Network filesystems (lesson 18): each is asked on a thread of its own, so that a server that hangs holds up nothing.
//!
//! One question at most is under way for each mount; while it has no answer the mount is said not to answer.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use ioc_common::reading::{Reading, RemoteMount, RemoteMounts, Sink};

use super::{Probe, ProbeOutcome, SampleContext, filesystem, missing, text};
use crate::bounded_io::KeptFile;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: RemoteMounts::PROBE,
    every_n: 3,
    comes_with_driver: false,
    new: |root| Box::new(MountProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/self/mounts"]),
    card: Card {
        article: "5.1a",
        vi: "Hệ thống tệp mạng có trả lời không",
        en: "Network filesystems: whether the server answers",
        reads: "`/proc/self/mounts` (every other time while it names none), statvfs(3) on a thread of its own",
        cost: "0.05 ms a mount",
    },
};

/// Most mounts that are asked; each may hold a thread while its server hangs.
const MOUNTS_MAX: usize = 16;
/// How long the answers are waited for within a sample; a server on the same network answers within milliseconds.
const WAIT: Duration = Duration::from_millis(150);

const TYPES: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.ceph-fuse",
    "afs",
    "lustre",
    "9p",
];

/// Size, available and used bytes.
type SpaceBytes = (u64, u64, u64);

#[derive(Debug)]
struct MountAnswer {
    mount: String,
    under_way: Option<Receiver<Option<SpaceBytes>>>,
    last: Option<SpaceBytes>,
}

/// Has each mount asked by a thread of its own, which may hang with its server.
#[derive(Debug)]
pub struct MountProbe {
    root: PathBuf,
    mounts: KeptFile,
    asked: Vec<MountAnswer>,
    /// The list named none, and is not read the next time: the kernel composes it anew at each reading.
    rests: bool,
}

impl MountProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            mounts: KeptFile::new(root, "/proc/self/mounts"),
            asked: Vec::new(),
            rests: false,
        }
    }
}

/// The mount points of network filesystems.
#[must_use]
pub fn parse(mounts: &str) -> Vec<String> {
    let mut found: Vec<String> = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, mount, kind) = (words.next()?, words.next()?, words.next()?);
            TYPES.contains(&kind).then(|| filesystem::unescape(mount))
        })
        .collect();
    found.sort();
    found.dedup();
    found.truncate(MOUNTS_MAX);
    found
}

fn ask(mount: &str) -> Receiver<Option<SpaceBytes>> {
    let (sender, receiver) = sync_channel(1);
    let mount = mount.to_owned();
    let asking = std::thread::Builder::new().name("mount".to_owned()).stack_size(64 * 1024).spawn(move || {
        let space = rustix::fs::statvfs(mount.as_str()).ok().map(|stat| {
            let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
            (bytes(stat.f_blocks), bytes(stat.f_bavail), bytes(stat.f_blocks.saturating_sub(stat.f_bfree)))
        });
        let _ = sender.send(space);
    });
    // Without a thread there is no answer, which is what the receiver then says.
    drop(asking);
    receiver
}

impl Probe for MountProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let found = if std::mem::take(&mut self.rests) {
            Vec::new()
        } else {
            let found = match self.mounts.read(context.buffer) {
                Ok(bytes) => parse(&text(bytes)),
                Err(error) => return missing(&error),
            };
            self.rests = found.is_empty();
            found
        };
        if found.is_empty() {
            self.asked.clear();
            return ProbeOutcome::Absent { why: "/proc/self/mounts names no network filesystem".to_owned() };
        }
        if self.root != Path::new("/") {
            return ProbeOutcome::Unknown { why: "a captured machine has no servers to ask".to_owned() };
        }
        self.asked.retain(|one| found.contains(&one.mount));
        for mount in found {
            if !self.asked.iter().any(|one| one.mount == mount) {
                self.asked.push(MountAnswer { mount, under_way: None, last: None });
            }
        }
        for one in &mut self.asked {
            one.under_way.get_or_insert_with(|| ask(&one.mount));
        }
        let mut wait = WAIT;
        let mut reading = RemoteMounts::default();
        for one in &mut self.asked {
            let answer = match &one.under_way {
                Some(receiver) => match receiver.recv_timeout(wait) {
                    Ok(answer) => Some(answer),
                    Err(_) => match receiver.try_recv() {
                        Ok(answer) => Some(answer),
                        Err(TryRecvError::Disconnected) => Some(None),
                        Err(TryRecvError::Empty) => None,
                    },
                },
                None => None,
            };
            match answer {
                Some(answer) => {
                    one.under_way = None;
                    one.last = answer;
                }
                None => {
                    one.last = None;
                    // The time for all of them is spent.
                    wait = Duration::ZERO;
                }
            }
            reading.0.push(RemoteMount { mount: one.mount.clone(), answers: one.last.is_some(), space: one.last });
        }
        reading.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_network_filesystems() {
        let mounts = "nas:/x /mnt/nas\\040a nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\n//s/p /p cifs rw 0 0\nproc /proc proc rw 0 0\n";
        assert_eq!(parse(mounts), ["/mnt/nas a", "/p"]);
    }

    #[test]
    fn what_hangs_is_asked_once() {
        let (sender, receiver) = sync_channel(1);
        let mut one = MountAnswer { mount: "/x".into(), under_way: Some(receiver), last: Some((1, 1, 1)) };
        assert!(one.under_way.as_ref().is_some_and(|r| r.recv_timeout(Duration::ZERO).is_err()));
        one.under_way.get_or_insert_with(|| panic!("a second question"));
        sender.send(Some((1, 2, 3))).expect("heard");
        assert_eq!(one.under_way.as_ref().and_then(|r| r.recv().ok()), Some(Some((1, 2, 3))));
    }
}
