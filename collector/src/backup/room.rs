//! How much room there is on a disk for an archive, or for what is unpacked.

use std::path::Path;

use super::error::BackupError;

/// Room that is left on a disk, bytes.
const SPARE_BYTES: u64 = 256 << 20;

fn available(dir: &Path) -> Result<u64, BackupError> {
    let found = rustix::fs::statvfs(dir).map_err(|error| BackupError::file(dir)(error.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// How many bytes can be written where `dir` lies, beside the room that is left.
pub(super) fn free_bytes(dir: &Path) -> Result<u64, BackupError> {
    Ok(available(dir)?.saturating_sub(SPARE_BYTES))
}

/// Whether so many bytes find room where `dir` lies.
pub(super) fn has_room(dir: &Path, needed: u64) -> Result<(), BackupError> {
    let free = available(dir)?.saturating_sub(SPARE_BYTES);
    if free < needed { Err(no_room(dir, needed, free)) } else { Ok(()) }
}

/// That so many bytes find no room where `dir` lies, and so many would, beside the room that is left.
pub(super) fn no_room(dir: &Path, needed: u64, free: u64) -> BackupError {
    let mib = |bytes: u64| bytes.saturating_add(SPARE_BYTES) >> 20;
    BackupError::NoRoom { path: dir.to_owned(), needed_mib: mib(needed), free_mib: mib(free) }
}
