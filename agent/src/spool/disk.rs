//! The disk spool on sled 0.34.7, used so that it survives a power cut (`../shared/design.md`, "The spool").
//!
//! sled's `flush` calls `sync_file_range`, which does not empty the disk's cache: every flush is followed by `fsync` on its
//! file, and after opening its files and directories are synced, too. sled never gives space back: a spool that is drained
//! is closed and deleted. It is opened only when it is needed.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ioc_common::codec::Sealed;
use ioc_common::report::{Losses, Position};
use ioc_common::topic::UpKind;

use super::Entry;

/// What an entry takes beside its report.
pub(super) const OVERHEAD_BYTES: usize = 64;
/// Largest report that is spooled: larger values would go to files of their own in sled, which it does not sync.
const ENTRY_MAX_BYTES: usize = 96 * 1024;
/// Page cache of sled.
const CACHE_BYTES: u64 = 1024 * 1024;
/// Freed when the disk is full, so that events still find room.
const BALLAST_BYTES: usize = 512 * 1024;
/// Quarantined spools that are kept for a technician.
const QUARANTINE_MAX: usize = 2;
/// A spool that is locked is tried again this often and this much later.
const LOCK_TRIES: u32 = 50;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(20);
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 1 + 1 + 8 + 8 + 4;

/// The spool on disk.
#[derive(Debug)]
pub struct DiskSpool {
    dir: PathBuf,
    max_bytes: u64,
    db: Option<sled::Db>,
    count: u64,
    bytes: u64,
    last: Option<Position>,
}

impl DiskSpool {
    /// The spool in `dir`. What was left there is opened, checked and counted.
    pub(super) fn open(dir: PathBuf, max_bytes: u64, losses: &mut Losses) -> Self {
        let mut spool = Self { dir, max_bytes, db: None, count: 0, bytes: 0, last: None };
        if spool.dir.join("db").exists()
            && let Err(error) = spool.ensure_open(losses)
        {
            tracing::warn!(%error, "the spool cannot be opened now; reports wait in memory");
        }
        spool
    }

    fn ensure_open(&mut self, losses: &mut Losses) -> Result<&sled::Db, SpoolError> {
        if self.db.is_none() {
            let db = match self.try_open() {
                Ok(db) => db,
                Err(OpenFault::NoRoom(source)) => return Err(self.error("open", source)),
                Err(OpenFault::Broken(why)) => {
                    tracing::error!(dir = %self.dir.display(), why, "the spool is broken and is put aside");
                    self.quarantine().map_err(|source| self.error("put aside", source))?;
                    losses.quarantined += 1;
                    match self.try_open() {
                        Ok(db) => db,
                        Err(OpenFault::NoRoom(source)) => return Err(self.error("open", source)),
                        Err(OpenFault::Broken(why)) => return Err(self.error("open", io::Error::other(why))),
                    }
                }
            };
            self.recount(&db, losses);
            self.db = Some(db);
        }
        self.db.as_ref().ok_or_else(|| self.error("open", io::Error::other("not open")))
    }

    fn try_open(&self) -> Result<sled::Db, OpenFault> {
        fs::create_dir_all(&self.dir).map_err(OpenFault::NoRoom)?;
        let config = sled::Config::new()
            .path(&self.dir)
            .mode(sled::Mode::LowSpace)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .print_profile_on_drop(false);
        let mut tries = 0;
        let db = loop {
            // sled panics on some broken files.
            match catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(db)) => break db,
                // A spool that was just closed may still be locked by sled's own threads: it is in use, not broken.
                Ok(Err(sled::Error::Io(error))) if error.to_string().contains("lock") => {
                    tries += 1;
                    if tries > LOCK_TRIES {
                        return Err(OpenFault::NoRoom(error));
                    }
                    std::thread::sleep(LOCK_WAIT);
                }
                Ok(Err(sled::Error::Io(error))) if no_room(&error) => return Err(OpenFault::NoRoom(error)),
                Ok(Err(error)) => return Err(OpenFault::Broken(error.to_string())),
                Err(_) => return Err(OpenFault::Broken("sled panicked on its files".to_owned())),
            }
        };
        let synced = self.sync_files(&["conf", "db"]).and_then(|()| self.ballast());
        match synced {
            Ok(()) => Ok(db),
            Err(error) => Err(OpenFault::NoRoom(error)),
        }
    }

    fn sync_files(&self, names: &[&str]) -> io::Result<()> {
        for name in names {
            File::open(self.dir.join(name))?.sync_all()?;
        }
        File::open(&self.dir)?.sync_all()?;
        match self.dir.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    /// A file that only takes room, made while there is some.
    fn ballast(&self) -> io::Result<()> {
        let path = self.dir.join("ballast");
        if path.metadata().is_ok_and(|meta| meta.len() >= BALLAST_BYTES as u64) {
            return Ok(());
        }
        match fs::write(&path, vec![0_u8; BALLAST_BYTES]) {
            Err(error) if no_room(&error) => fs::remove_file(&path).or(Ok(())),
            other => other,
        }
    }

    fn quarantine(&mut self) -> io::Result<()> {
        self.db = None;
        let Some(parent) = self.dir.parent() else { return fs::remove_dir_all(&self.dir) };
        let name = self.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for number in 1..=QUARANTINE_MAX {
            let aside = parent.join(format!("{name}.broken-{number}"));
            if !aside.exists() {
                return fs::rename(&self.dir, aside);
            }
        }
        fs::remove_dir_all(&self.dir)
    }

    fn recount(&mut self, db: &sled::Db, losses: &mut Losses) {
        (self.count, self.bytes, self.last) = (0, 0, None);
        for pair in db.iter() {
            let Ok((key, value)) = pair else {
                losses.corrupt += 1;
                continue;
            };
            if let Some(entry) = decode(&key, &value) {
                self.count += 1;
                self.bytes += (value.len() + OVERHEAD_BYTES) as u64;
                self.last = Some(entry.position);
            } else {
                losses.corrupt += 1;
                let _ = db.remove(&key);
            }
        }
    }

    /// Writes entries durably. When the budget is exceeded, old samples are thinned, then dropped, before any other kind.
    pub(super) fn put(&mut self, entries: &[&Entry], losses: &mut Losses) -> Result<(), SpoolError> {
        let mut result = self.try_put(entries, losses);
        if let Err(error) = &result
            && no_room(&error.source)
        {
            // Room that was kept for this moment; events and all else get one more try.
            self.db = None;
            let _ = fs::remove_file(self.dir.join("ballast"));
            result = self.try_put(entries, losses);
        }
        if result.is_err() {
            // sled never recovers from a failed write; opened anew it does.
            self.db = None;
        }
        result
    }

    fn try_put(&mut self, entries: &[&Entry], losses: &mut Losses) -> Result<(), SpoolError> {
        self.ensure_open(losses)?;
        let Some(db) = self.db.clone() else { return Ok(()) };
        let mut batch = sled::Batch::default();
        let (mut count, mut bytes, mut last) = (0, 0, self.last);
        for entry in entries {
            let value = encode(entry);
            if value.len() > ENTRY_MAX_BYTES {
                tracing::warn!(bytes = value.len(), "a report is too large to be spooled; it waits in memory only");
                continue;
            }
            let key = key_of(entry.position);
            if !db.contains_key(key).unwrap_or(false) {
                count += 1;
                bytes += (value.len() + OVERHEAD_BYTES) as u64;
            }
            last = last.max(Some(entry.position));
            batch.insert(&key, value);
        }
        db.apply_batch(batch).map_err(|error| self.sled_error("write", error))?;
        self.flush(&db)?;
        self.count += count;
        self.bytes += bytes;
        self.last = last;
        if self.bytes > self.max_bytes {
            self.thin(&db, losses)?;
        }
        Ok(())
    }

    fn flush(&self, db: &sled::Db) -> Result<(), SpoolError> {
        db.flush().map_err(|error| self.sled_error("flush", error))?;
        File::open(self.dir.join("db")).and_then(|file| file.sync_all()).map_err(|source| self.error("sync", source))
    }

    /// Brings the spool below nine tenths of its budget: every second old sample first, then the oldest samples, then the
    /// oldest of the rest.
    fn thin(&mut self, db: &sled::Db, losses: &mut Losses) -> Result<(), SpoolError> {
        let target = self.max_bytes / 10 * 9;
        for pass in 0..3 {
            let mut odd = false;
            for pair in db.iter() {
                if self.bytes <= target {
                    break;
                }
                let (key, value) = pair.map_err(|error| self.sled_error("read", error))?;
                let sample = kind_of(&value) == Some(UpKind::Sample);
                odd = !odd;
                let goes = match pass {
                    0 => sample && odd,
                    1 => sample,
                    _ => true,
                };
                if goes && db.remove(&key).map_err(|error| self.sled_error("thin", error))?.is_some() {
                    self.count = self.count.saturating_sub(1);
                    self.bytes = self.bytes.saturating_sub((value.len() + OVERHEAD_BYTES) as u64);
                    match pass {
                        0 => losses.samples_thinned += 1,
                        1 => losses.samples_dropped += 1,
                        _ => losses.events_dropped += 1,
                    }
                }
            }
        }
        self.flush(db)
    }

    /// The first entry after `cursor` and before `before`; entries that do not match their checksum are dropped and counted.
    pub(super) fn next_after(
        &mut self,
        cursor: Position,
        before: Option<Position>,
        losses: &mut Losses,
    ) -> Option<Entry> {
        let db = self.db.as_ref()?;
        let end = before.map_or(Bound::Unbounded, |position| Bound::Excluded(key_of(position)));
        let start = Bound::Excluded(key_of(cursor));
        if before.is_some_and(|before| before <= cursor) {
            return None;
        }
        for pair in db.range((start, end)) {
            let Ok((key, value)) = pair else {
                losses.corrupt += 1;
                continue;
            };
            if let Some(entry) = decode(&key, &value) {
                return Some(entry);
            }
            losses.corrupt += 1;
            self.count = self.count.saturating_sub(1);
            let _ = db.remove(&key);
        }
        None
    }

    /// Frees what is committed. An empty spool is closed and its files are deleted.
    pub(super) fn remove_through(&mut self, watermark: Position) -> Result<(), SpoolError> {
        let Some(db) = self.db.clone() else { return Ok(()) };
        let mut removed = false;
        for pair in db.range(..=key_of(watermark)) {
            let (key, value) = pair.map_err(|error| self.sled_error("read", error))?;
            db.remove(&key).map_err(|error| self.sled_error("free", error))?;
            self.count = self.count.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub((value.len() + OVERHEAD_BYTES) as u64);
            removed = true;
        }
        if db.is_empty() {
            drop(db);
            self.db = None;
            (self.count, self.bytes, self.last) = (0, 0, None);
            return fs::remove_dir_all(&self.dir).map_err(|source| self.error("delete", source));
        }
        // Not synced: what comes back after a crash is sent again and found committed.
        if removed { db.flush().map(drop).map_err(|error| self.sled_error("flush", error)) } else { Ok(()) }
    }

    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) const fn last_position(&self) -> Option<Position> {
        self.last
    }

    fn error(&self, doing: &'static str, source: io::Error) -> SpoolError {
        SpoolError { doing, path: self.dir.clone(), source }
    }

    fn sled_error(&self, doing: &'static str, error: sled::Error) -> SpoolError {
        let source = match error {
            sled::Error::Io(source) => source,
            other => io::Error::other(other.to_string()),
        };
        self.error(doing, source)
    }

    /// Where the spool lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

enum OpenFault {
    NoRoom(io::Error),
    Broken(String),
}

fn no_room(error: &io::Error) -> bool {
    // sled hides the error number behind a text now and then.
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
    ) || error.to_string().contains("No space left")
}

fn key_of(position: Position) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&position.epoch.to_be_bytes());
    key[8..].copy_from_slice(&position.seq.to_be_bytes());
    key
}

/// Version, kind, boot, boot clock, CRC-32 over all the rest, report.
fn encode(entry: &Entry) -> Vec<u8> {
    let payload = entry.sealed.as_bytes();
    let mut value = Vec::with_capacity(HEADER_BYTES + payload.len());
    value.push(VERSION);
    value.push(UpKind::ALL.iter().position(|kind| *kind == entry.kind).and_then(|n| u8::try_from(n).ok()).unwrap_or(0));
    let mut boot = [b' '; 8];
    for (to, from) in boot.iter_mut().zip(entry.boot.bytes()) {
        *to = from;
    }
    value.extend_from_slice(&boot);
    value.extend_from_slice(&entry.taken_ms.to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&key_of(entry.position));
    crc.update(&value);
    crc.update(payload);
    value.extend_from_slice(&crc.finalize().to_be_bytes());
    value.extend_from_slice(payload);
    value
}

fn kind_of(value: &[u8]) -> Option<UpKind> {
    UpKind::ALL.get(usize::from(*value.get(1)?)).copied()
}

fn decode(key: &[u8], value: &[u8]) -> Option<Entry> {
    let (epoch, seq) = key.split_at_checked(8)?;
    let position =
        Position { epoch: u64::from_be_bytes(epoch.try_into().ok()?), seq: u64::from_be_bytes(seq.try_into().ok()?) };
    let (header, payload) = value.split_at_checked(HEADER_BYTES)?;
    let (head, crc) = header.split_at_checked(HEADER_BYTES - 4)?;
    let mut expected = crc32fast::Hasher::new();
    expected.update(key);
    expected.update(head);
    expected.update(payload);
    if head[0] != VERSION || expected.finalize().to_be_bytes() != crc {
        return None;
    }
    Some(Entry {
        position,
        kind: kind_of(value)?,
        taken_ms: u64::from_be_bytes(head[10..18].try_into().ok()?),
        boot: String::from_utf8_lossy(&head[2..10]).trim_end().to_owned(),
        sealed: Sealed::from_bytes(payload),
    })
}

/// The spool cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the spool {}: {source}", path.display())]
pub struct SpoolError {
    /// What was tried.
    pub doing: &'static str,
    /// Where.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}
