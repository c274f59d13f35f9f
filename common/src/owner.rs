//! Root at work in a directory that another user owns: that user can put links there, and root would follow them to whatever they
//! point at. So root becomes the owner before it touches anything there, on a thread of its own.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::process::geteuid;
use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Most links on the way to a directory.
const LINKS_MAX: usize = 40;
/// Others may write there.
const FOREIGN_WRITE: u32 = 0o022;
/// Only the owner of an entry may rename or delete it.
const STICKY: u32 = 0o1000;

/// Does `work`, which touches what lies in `dir`. Root does it as the user to whom `dir`, or the first directory on the way to it that
/// is not root's, belongs; whoever else does it as themselves.
///
/// # Errors
/// When a directory on the way can be written by others, something in root's own directory is another's, or the user cannot be taken on.
pub fn as_owner<T: Send>(dir: &Path, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    if geteuid().is_root() && foreign(dir)?.is_none() {
        check_entries(dir)?;
    }
    as_owner_of(dir, work)
}

/// Does `work`, which touches what is at `path` and nothing beside it, as [`as_owner`] does.
///
/// # Errors
/// When a directory on the way can be written by others, or the user cannot be taken on.
pub fn as_owner_of<T: Send>(path: &Path, work: impl FnOnce() -> T + Send) -> io::Result<T> {
    if !geteuid().is_root() {
        return Ok(work());
    }
    let Some((user, group)) = foreign(path)? else { return Ok(work()) };
    std::thread::scope(|scope| {
        let worker = scope.spawn(move || {
            let (user, group) = (Uid::from_raw(user), Gid::from_raw(group));
            set_thread_groups(&[group])?;
            set_thread_res_gid(group, group, group)?;
            set_thread_res_uid(user, user, user)?;
            Ok(work())
        });
        worker.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")))
    })
}

/// Whether all that lies in a directory of root's is root's: in what is another's, root would work for them.
fn check_entries(dir: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let path = entry?.path();
        let about = match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        if about.uid() != 0 {
            let (path, dir, user) = (path.display(), dir.display(), about.uid());
            let text = format!("{path}: it is user {user}'s, and its directory is root's; mend: chown -R {user} {dir}");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
    }
    Ok(())
}

/// The owner (user, group) of the first directory or link on the way to `path`, itself included, that is not root's; none when all of
/// it is root's alone, or is not there yet.
fn foreign(path: &Path) -> io::Result<Option<(u32, u32)>> {
    let mut open: Vec<OsString> = parts(&std::path::absolute(path)?);
    let mut links = 0;
    let mut at = PathBuf::from("/");
    while let Some(part) = open.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&part);
        let about = match std::fs::symlink_metadata(&next) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if about.uid() != 0 {
            return Ok(Some((about.uid(), about.gid())));
        }
        if about.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::other(format!("{}: too many links", path.display())));
            }
            let to = std::fs::read_link(&next)?;
            if to.is_absolute() {
                at = PathBuf::from("/");
            }
            open.extend(parts(&to));
            continue;
        }
        if about.mode() & FOREIGN_WRITE != 0 && about.mode() & STICKY == 0 {
            let text = format!("{}: others may write here; mend: chmod go-w {}", next.display(), next.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        at = next;
    }
    Ok(None)
}

/// The parts of a path, the last first.
fn parts(path: &Path) -> Vec<OsString> {
    let named = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    named.collect::<Vec<_>>().into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown, lchown, symlink};

    #[test]
    fn root_works_as_the_first_owner_on_the_way_who_is_not_root() {
        assert!(geteuid().is_root(), "tests run as root");
        let dir = tempfile::tempdir().expect("directory");
        let (state, secret) = (dir.path().join("state"), dir.path().join("secret"));
        fs::create_dir_all(state.join("own/deep")).expect("made");
        fs::write(&secret, "root's").expect("written");
        assert_eq!(foreign(&state).expect("looked at"), None);
        chown(&state, Some(65_534), Some(65_534)).expect("given away");
        symlink("/etc", state.join("link")).expect("linked");
        for path in ["", "own/deep", "link", "link/passwd", "none", "own/../../state"] {
            assert_eq!(foreign(&state.join(path)).expect("looked at"), Some((65_534, 65_534)), "{path}");
        }
        // A link of root's leads there, and one of somebody else's counts by itself.
        symlink(&state, dir.path().join("to-state")).expect("linked");
        assert_eq!(foreign(&dir.path().join("to-state/x")).expect("looked at"), Some((65_534, 65_534)));
        symlink("/etc", dir.path().join("theirs")).expect("linked");
        lchown(dir.path().join("theirs"), Some(1), Some(1)).expect("given away");
        assert_eq!(foreign(&dir.path().join("theirs/x")).expect("looked at"), Some((1, 1)));
        // What the owner linked to is touched as the owner would touch it.
        symlink(&secret, state.join("trap")).expect("linked");
        let wrote = as_owner(&state, || fs::write(state.join("trap"), "gone")).expect("became");
        assert_eq!(wrote.expect_err("refused").kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_to_string(&secret).expect("read"), "root's");
        as_owner(&state, || fs::write(state.join("made"), "x")).expect("became").expect("written");
        assert_eq!(fs::metadata(state.join("made")).expect("there").uid(), 65_534);
        assert!(geteuid().is_root() && fs::write(&secret, "still root's").is_ok(), "only that thread changed");

        // What was copied back by root is root's, and what lies in it is still theirs.
        let mixed = dir.path().join("mixed");
        fs::create_dir_all(mixed.join("tls")).expect("made");
        as_owner(&mixed, || ()).expect("all of it is root's");
        chown(mixed.join("tls"), Some(65_534), Some(65_534)).expect("given away");
        let refused = as_owner(&mixed, || ()).expect_err("root would work for them").to_string();
        assert!(refused.contains("mend: chown -R 65534"), "{refused}");

        let open = dir.path().join("open");
        fs::create_dir(&open).expect("made");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("set");
        let refused = as_owner(&open.join("x"), || ()).expect_err("others may write there").to_string();
        assert!(refused.contains("chmod go-w"), "{refused}");
    }
}
