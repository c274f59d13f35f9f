//! Whether one of many files may have changed: the kernel notes it (inotify(7)), so that not all of them are looked at each time.
//!
//! Nothing wakes the agent: what was noted waits in the kernel until it is asked for. Notes are a hint to look, no more: what they cannot
//! tell (files on servers, mounts that come over a directory, writes through memory) is found when all is looked at all the same,
//! [`ALL_EVERY`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// All is looked at every so many times, whatever was noted.
const ALL_EVERY: u32 = 5;
/// Most notes that are read at once. Should there be more, they count for the next time, too.
const NOTES_MAX: usize = 4096;

/// What changes a file, or what a directory holds.
const OF_FILE: WatchFlags = WatchFlags::MODIFY
    .union(WatchFlags::ATTRIB)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(OF_DIRECTORY);
/// What changes which files are in a directory.
const OF_DIRECTORY: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE_SELF)
    .union(WatchFlags::MOVE_SELF)
    .union(WatchFlags::MASK_ADD);

/// By the kernel's number of a watch the names in its directory that matter; none where all do. Others come and go in `/run` and `/etc`.
type WatchedNames = BTreeMap<i32, Option<BTreeSet<OsString>>>;

/// The files, and what was noted of them.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<PathBuf>,
    /// None while nothing can be noted.
    notes: Option<OwnedFd>,
    wanted: WatchedNames,
    /// Files that the kernel notes nothing of, as those that this user may not read.
    unnoted: BTreeSet<PathBuf>,
    /// What is watched may not be what is there any more.
    outdated: bool,
    times: u32,
}

impl FileWatch {
    /// Watches these files, which need not be there yet.
    pub(super) fn new(files: impl Iterator<Item = PathBuf>) -> Self {
        Self {
            files: files.collect(),
            notes: None,
            wanted: WatchedNames::new(),
            unnoted: BTreeSet::new(),
            outdated: false,
            times: 0,
        }
    }

    /// Whether any of the files may have changed since this was last asked. Those of which nothing is noted are to be looked at
    /// whatever this says ([`Self::is_noted`]).
    pub(super) fn may_have_changed(&mut self) -> bool {
        let all = self.times.is_multiple_of(ALL_EVERY);
        self.times = self.times.wrapping_add(1);
        let noted = self.notes.as_ref().is_none_or(|notes| any_note(notes, &self.wanted));
        let outdated = std::mem::take(&mut self.outdated);
        if noted || outdated {
            // Before the caller looks: what changes from now on is noted. What is not there any more drops out by itself.
            self.begin();
        }
        all || noted || outdated
    }

    /// A file was found changed. That may have gone unnoted, as when a mount came over its directory: the next time all files are watched
    /// anew before they are looked at. Where nothing changes nothing is, since that is two calls for each file and one for its directory.
    pub(super) const fn watch_anew(&mut self) {
        self.outdated = true;
    }

    /// Whether the kernel notes what becomes of this file.
    pub(super) fn is_noted(&self, file: &Path) -> bool {
        !self.unnoted.contains(file)
    }

    fn begin(&mut self) {
        self.unnoted.clear();
        self.wanted.clear();
        if self.notes.is_none() {
            self.notes = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok();
        }
        let Some(notes) = &self.notes else { return };
        for file in &self.files {
            match watch(notes, file, &mut self.wanted) {
                Ok(()) => {}
                // There are too many watches on this machine: all files are looked at, as often as ever.
                Err(Errno::NOSPC | Errno::NOMEM) => {
                    self.notes = None;
                    return;
                }
                Err(_) => {
                    self.unnoted.insert(file.clone());
                }
            }
        }
    }
}

/// Has noted what becomes of a file: of itself, and of its name in the directory above it. Where that is not there either, of the nearest
/// one that is, in which the others must come first.
fn watch(notes: &OwnedFd, file: &Path, wanted: &mut WatchedNames) -> Result<(), Errno> {
    for (below, above) in file.ancestors().zip(file.ancestors().skip(1)) {
        match add_watch(notes, above, OF_DIRECTORY | WatchFlags::ONLYDIR) {
            Ok(number) => {
                let names = wanted.entry(number).or_insert_with(|| Some(BTreeSet::new()));
                if let (Some(names), Some(name)) = (names, below.file_name()) {
                    names.insert(name.to_owned());
                }
                break;
            }
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(error) => return Err(error),
        }
    }
    match add_watch(notes, file, OF_FILE) {
        Ok(number) => {
            wanted.insert(number, None);
            Ok(())
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether anything was noted that matters; takes the notes away.
fn any_note(notes: &OwnedFd, wanted: &WatchedNames) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(notes, &mut buffer);
    let mut any = false;
    for _ in 0..NOTES_MAX {
        match reader.next() {
            Ok(note) => {
                // Without a name it is about the file or the directory itself, or notes were lost.
                let name = note.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                any |= match (wanted.get(&note.wd()), name) {
                    (Some(Some(names)), Some(name)) => names.contains(name),
                    // Of a directory in which nothing is waited for any more.
                    (None, Some(_)) => false,
                    (Some(None), _) | (_, None) => true,
                };
            }
            Err(Errno::WOULDBLOCK) => return any,
            // Nobody knows.
            Err(_) => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Asks until nothing is noted any more; the next time all would be looked at is far.
    fn settle(watch: &mut FileWatch) {
        watch.times = 1;
        while watch.may_have_changed() {
            watch.times = 1;
        }
        watch.times = 1;
    }

    #[test]
    fn whatever_becomes_of_a_file_is_noted() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let at = |path: &str| dir.path().join(path);
        for made in ["etc", "log", "lists"] {
            fs::create_dir(at(made)).expect("made");
        }
        fs::write(at("etc/passwd"), "root").expect("written");
        fs::write(at("log/av.log"), "one").expect("written");
        fs::write(at("target"), "one").expect("written");
        std::os::unix::fs::symlink(at("target"), at("etc/link")).expect("linked");
        let files = ["etc/passwd", "log/av.log", "lists", "etc/link", "lib/pkg/status", "etc/none"].map(at);
        let mut watch = FileWatch::new(files.clone().into_iter());
        assert!(watch.may_have_changed(), "the first time all is looked at");
        assert!(files.iter().all(|file| watch.is_noted(file)));
        let mut after = |what: &str, change: &dyn Fn() -> std::io::Result<()>| {
            settle(&mut watch);
            change().expect(what);
            assert!(watch.may_have_changed(), "{what}");
        };
        after("written in place", &|| fs::write(at("etc/passwd"), "root2"));
        after("replaced by another", &|| {
            fs::write(at("etc/passwd+"), "root3")?;
            fs::rename(at("etc/passwd+"), at("etc/passwd"))
        });
        after("the new one written", &|| fs::write(at("etc/passwd"), "root4"));
        after("rotated", &|| fs::rename(at("log/av.log"), at("log/av.log.1")));
        after("begun anew", &|| fs::write(at("log/av.log"), ""));
        after("appended to", &|| {
            use std::io::Write as _;
            fs::OpenOptions::new().append(true).open(at("log/av.log"))?.write_all(b"two")
        });
        after("a name more in a directory", &|| fs::write(at("lists/one"), ""));
        after("a name less", &|| fs::remove_file(at("lists/one")));
        after("what a link leads to", &|| fs::write(at("target"), "two"));
        after("the link itself", &|| {
            fs::remove_file(at("etc/link"))?;
            fs::write(at("etc/link"), "none any more")
        });
        after("the first directory above one that was not there", &|| fs::create_dir(at("lib")));
        after("the second", &|| fs::create_dir(at("lib/pkg")));
        after("and the file", &|| fs::write(at("lib/pkg/status"), "one"));
        after("all of them gone", &|| fs::remove_dir_all(at("lib")));
        after("and back", &|| {
            fs::create_dir_all(at("lib/pkg"))?;
            fs::write(at("lib/pkg/status"), "two")
        });
        after("gone", &|| fs::remove_file(at("etc/passwd")));
    }

    #[test]
    fn nothing_is_noted_while_nothing_changes_and_all_is_looked_at_now_and_then() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "one").expect("written");
        let mut watch = FileWatch::new([file.clone()].into_iter());
        let asked: Vec<bool> = (0..11).map(|_| watch.may_have_changed()).collect();
        let all: Vec<bool> = (0..11).map(|time: u32| time.is_multiple_of(ALL_EVERY)).collect();
        assert_eq!(asked, all);
        // Who only reads changes nothing, nor does what else comes and goes beside it.
        fs::read(&file).expect("read");
        fs::write(dir.path().join("another"), "one").expect("written");
        fs::remove_file(dir.path().join("another")).expect("removed");
        assert!(!watch.may_have_changed());
    }

    #[test]
    fn files_are_watched_anew_when_one_changed_and_otherwise_only_looked_at() {
        let dir = tempfile::tempdir().expect("temporary directory");
        fs::write(dir.path().join("file"), "one").expect("written");
        let mut watch = FileWatch::new([dir.path().join("file")].into_iter());
        settle(&mut watch);
        // Whoever watches fills this again.
        watch.wanted.clear();
        watch.times = 0;
        assert!(watch.may_have_changed() && watch.wanted.is_empty(), "all are looked at");
        watch.watch_anew();
        assert!(watch.may_have_changed() && watch.wanted.len() == 2, "the file, and its directory");
        assert!(!watch.may_have_changed(), "once");
    }
}
