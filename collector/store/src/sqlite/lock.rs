//! One writer at a time: whoever holds the lock file has the store's directory, whether it is opened or looked after.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use ioc_common::file::sync_dir;

use super::file::{FILES, HEAD_FILE, MARK_FILE, SHARED_MEMORY, aside_stamp, rename_synced};
use super::search_file;
use crate::StoreError;

/// Held by the one writer.
const LOCK_FILE: &str = "lock";

/// Takes the lock, which is held as long as the file is open.
///
/// # Errors
/// [`StoreError::Held`] when another collector uses the directory; it says which process.
pub(crate) fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join(LOCK_FILE);
    let fault = |source| StoreError::File { path: path.clone(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(fault)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = (&file).take(20).read_to_string(&mut holder);
            return Err(StoreError::Held { path, holder: holder.trim().to_owned() });
        }
        Err(error) => return Err(fault(error.into())),
    }
    // Only for the message above; what counts is the lock.
    let _ = file.set_len(0);
    let _ = file.write_all(format!("{}\n", std::process::id()).as_bytes());
    Ok(file)
}

/// Renames what is left of a store, and files beside it that speak of it; its lock stays.
pub(crate) fn put_aside(dir: &Path, beside: &[&str]) -> Result<(), StoreError> {
    let _lock = lock(dir)?;
    let stamp = aside_stamp();
    let own = FILES.into_iter().chain(SHARED_MEMORY).chain([MARK_FILE, HEAD_FILE]);
    let all = own.chain(beside.iter().copied());
    rename_synced(dir, all.map(|name| (name, format!("{name}.old-{stamp}"))))?;
    // It is made anew out of what takes the store's place.
    search_file::remove(dir).map_err(|source| StoreError::File { path: dir.to_owned(), source })
}

/// Removes the files of a store, and those that speak of it; its lock stays.
pub(crate) fn remove(dir: &Path) -> Result<(), StoreError> {
    let _lock = lock(dir)?;
    for name in FILES.into_iter().chain(SHARED_MEMORY).chain([MARK_FILE, HEAD_FILE]) {
        let path = dir.join(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::File { path, source });
            }
            _ => {}
        }
    }
    search_file::remove(dir)
        .and_then(|()| sync_dir(dir))
        .map_err(|source| StoreError::File { path: dir.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use crate::sqlite::SqliteStore;

    #[test]
    fn a_second_writer_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().expect("directory");
        let first = SqliteStore::open(dir.path()).expect("opens");
        let refused = SqliteStore::open(dir.path()).expect_err("held").to_string();
        assert!(refused.contains(&std::process::id().to_string()) && refused.contains("mend"), "{refused}");
        drop(first);
        assert!(SqliteStore::open(dir.path()).is_ok());
    }
}
