//! Files that are replaced whole: whoever reads one finds what was there before or what was written, never a part.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Replaces a file by what `write` writes. It outlives the program's end; a power cut may take it back, or leave it empty.
///
/// # Errors
/// What `write` said, or why the file cannot be replaced; what was there stays.
pub fn replace(path: &Path, mode: u32, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    beside_then_over(path, mode, write, |_| Ok(()))
}

/// Replaces a file by what `write` writes, so that a power cut leaves one or the other, whole.
///
/// # Errors
/// As [`replace`].
pub fn replace_durably(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    beside_then_over(path, mode, write, File::sync_all)?;
    // A bare name lies in the directory that is worked in.
    sync_dir(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))
}

/// Makes durable what files there are in a directory.
///
/// # Errors
/// What the system says: the directory is missing, or the disk refuses.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn beside_then_over(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    settle: fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    // Made, never taken over: what a power cut left may be open to others.
    let _ = fs::remove_file(&beside);
    let made = || {
        let mut file = BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?);
        write(&mut file)?;
        file.flush()?;
        settle(file.get_ref())?;
        fs::rename(&beside, path)
    };
    made().inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_old_one_or_the_new_one() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("key.pem");
        replace_durably(&path, 0o600, |file| file.write_all(b"one")).expect("written");
        assert_eq!(path.metadata().expect("is there").permissions().mode() & 0o777, 0o600);
        replace(&path, 0o600, |file| file.write_all(b"two")).expect("written");
        let cut = replace(&path, 0o600, |file| {
            file.write_all(b"thr")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(cut.is_err());
        assert_eq!(fs::read(&path).expect("read"), b"two");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing is left beside it");
    }
}
