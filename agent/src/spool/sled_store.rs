//! The part of the spool that is written now: sled 0.34.7, fenced.
//!
//! sled's `flush` calls `sync_file_range`, which does not empty the disk's cache: every flush is followed by `fsync` on its file, and after
//! opening its files and directories are synced, too. It never recovers from a failed write, panics on some, and while it opens it takes
//! what it cannot read for torn and overwrites it. So a directory is written by one sled in its life and never opened again: what another
//! left is read as a plain file of frames ([`super::frame`]), and nothing depends on sled's own bookkeeping. Why it is sled all the same:
//! docs/decisions/0006-sled-for-the-spool-only.md.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use ioc_common::file::sync_dir;
use ioc_common::report::Position;

/// Page cache of sled.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Freed when the disk is full, so that events still find room.
const BALLAST_BYTES: usize = 512 * 1024;

/// How long a sled may take to end.
const END: Duration = Duration::from_secs(2);
/// Those that have not ended hold threads and memory: beyond so many no other is made.
const LEFT_BEHIND_MAX: usize = 2;
static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

/// A sled that this process made and writes.
#[derive(Debug)]
pub(super) struct SledStore {
    db: Option<sled::Db>,
    /// Kept open, so that syncing needs no new descriptor.
    file: File,
}

impl SledStore {
    /// Makes a new one in `dir`, which holds none.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        if LEFT_BEHIND.load(Relaxed) >= LEFT_BEHIND_MAX {
            return Err(io::Error::other(
                "earlier ones have not ended; the spool is written without sled until the agent starts anew",
            ));
        }
        fs::create_dir_all(dir)?;
        let config = sled::Config::new()
            .path(dir)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .print_profile_on_drop(false);
        let db = guarded(|| config.open())?;
        let file = match File::open(dir.join("db")) {
            Ok(file) => file,
            Err(error) => {
                end(db);
                return Err(error);
            }
        };
        let mut live = Self { db: Some(db), file };
        live.sync(dir)?;
        Ok(live)
    }

    fn sync(&mut self, dir: &Path) -> io::Result<()> {
        File::open(dir.join("conf"))?.sync_all()?;
        self.file.sync_all()?;
        sync_dir(dir)?;
        dir.parent().map_or(Ok(()), sync_dir)?;
        ballast(dir)
    }

    /// Writes frames. They survive a power cut once this returns.
    pub(super) fn put(&self, frames: &[(Position, Vec<u8>)]) -> io::Result<()> {
        let db = self.db()?;
        let mut batch = sled::Batch::default();
        for (position, frame) in frames {
            batch.insert(&key_of(*position), frame.as_slice());
        }
        guarded(|| db.apply_batch(batch))?;
        guarded(|| db.flush())?;
        self.file.sync_all()
    }

    pub(super) fn get(&self, position: Position) -> io::Result<Option<sled::IVec>> {
        let db = self.db()?;
        guarded(|| db.get(key_of(position)))
    }

    /// Frees places. Not synced: what comes back after a crash is sent again and found committed.
    pub(super) fn remove(&self, positions: &[Position]) -> io::Result<()> {
        let db = self.db()?;
        let mut batch = sled::Batch::default();
        for position in positions {
            batch.remove(&key_of(*position));
        }
        guarded(|| db.apply_batch(batch))?;
        guarded(|| db.flush()).map(drop)
    }

    fn db(&self) -> io::Result<&sled::Db> {
        self.db.as_ref().ok_or_else(|| io::Error::other("not open"))
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            end(db);
        }
    }
}

fn end(db: sled::Db) {
    end_apart(move || drop(db));
}

/// Ends a sled. It flushes when it is dropped, panics when it cannot, and after some faults of the disk waits for ever: so that happens on a
/// thread of its own, which may be left behind.
fn end_apart(end: impl FnOnce() + Send + 'static) {
    let (done, ended) = std::sync::mpsc::channel();
    LEFT_BEHIND.fetch_add(1, Relaxed);
    let ending = std::thread::Builder::new().name("sled-end".to_owned()).spawn(move || {
        let _ = catch_unwind(AssertUnwindSafe(end));
        LEFT_BEHIND.fetch_sub(1, Relaxed);
        let _ = done.send(());
    });
    if ending.is_err() {
        // The closure is gone, and the database with it.
        LEFT_BEHIND.fetch_sub(1, Relaxed);
    } else if ended.recv_timeout(END).is_err() {
        tracing::warn!("sled does not end; it is left behind");
    }
}

/// What one sled left in `dir`, as files of frames.
pub(super) fn files_in(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if dir.join("db").try_exists()? {
        files.push(dir.join("db"));
    }
    match fs::read_dir(dir.join("blobs")) {
        Ok(blobs) => {
            for blob in blobs {
                files.push(blob?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(files)
}

/// Gives up the room that was kept for a full disk.
pub(super) fn free_ballast(dir: &Path) {
    let _ = fs::remove_file(dir.join("ballast"));
}

/// A file that only takes room, made while there is some.
fn ballast(dir: &Path) -> io::Result<()> {
    let path = dir.join("ballast");
    if path.metadata().is_ok_and(|meta| meta.len() >= BALLAST_BYTES as u64) {
        return Ok(());
    }
    match fs::write(&path, vec![0_u8; BALLAST_BYTES]) {
        Err(error) if is_disk_full(&error) => fs::remove_file(&path).or(Ok(())),
        other => other,
    }
}

/// Whether there is no room now.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    // By its kind: sled, which gives an error out a second time without its number, keeps that.
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Asks sled, which panics on some faults of the disk.
fn guarded<T>(ask: impl FnOnce() -> sled::Result<T>) -> io::Result<T> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(sled::Error::Io(source))) => Err(source),
        Ok(Err(other)) => Err(io::Error::other(other.to_string())),
        Err(_) => Err(io::Error::other("sled panicked")),
    }
}

fn key_of(position: Position) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&position.epoch.to_be_bytes());
    key[8..].copy_from_slice(&position.seq.to_be_bytes());
    key
}

#[cfg(test)]
impl SledStore {
    /// From now on every question fails, as after a fault of the disk from which sled does not recover.
    pub(super) fn fail(&mut self) {
        if let Some(db) = self.db.take() {
            end(db);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::panic, reason = "as sled does")]
    fn a_sled_that_panics_is_an_error_and_its_other_errors_keep_their_kind() {
        let why = guarded(|| -> sled::Result<()> { panic!("a page is not where it should be") }).expect_err("caught");
        assert_eq!(why.to_string(), "sled panicked");
        let full = || sled::Error::Io(io::ErrorKind::StorageFull.into());
        assert!(is_disk_full(&guarded(|| -> sled::Result<()> { Err(full()) }).expect_err("an error")));
        let other = guarded(|| -> sled::Result<()> { Err(sled::Error::ReportableBug("odd".to_owned())) });
        assert!(other.expect_err("an error").to_string().contains("odd"));
        assert_eq!(guarded(|| Ok(5)).expect("an answer"), 5);
    }

    #[test]
    #[allow(clippy::panic, reason = "as sled does")]
    fn a_sled_that_panics_as_it_ends_is_not_counted_as_left_behind() {
        for _ in 0..=LEFT_BEHIND_MAX {
            end_apart(|| panic!("cannot flush"));
        }
        // Others end meanwhile, in other tests.
        let none_left = || {
            std::thread::sleep(Duration::from_millis(5));
            LEFT_BEHIND.load(Relaxed) == 0
        };
        assert!((0..4000).any(|_| none_left()), "{} are left", LEFT_BEHIND.load(Relaxed));
    }
}
