//! Restoring an archive into an empty directory, which then is a data directory. What was restored is held against what was backed up, and
//! a declaration is left beside it, which the collector's first start turns into a record of the audit log and an incident.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use ioc_common::clock;
use ioc_common::file::{replace_durably, sync_dir};
use ioc_engine::command::{Command, RestoreDeclaration};
use ioc_engine::writer::{CertificateAllowlist, EngineHandle, RestoreSeam};
use ioc_store::backup::ProofPace;

use super::archive::{self, ReadArchive, Terms};
use super::error::BackupError;
use super::make::of_store;
use super::manifest::different_tables;
use super::room::has_room;

/// The declaration, beside the store.
const DECLARATION: &str = "restored.json";
/// What was declared last: certificates that were issued between backup and restore are taken on.
const DECLARED: &str = "restored.declared.json";

/// Reads an archive into the directory `to`, which is there and empty, and compares all of it. `whole` is done once all of it was compared
/// and is on disk, before the commit mark says so: a store without it is said to be unproven, whatever cuts this off.
pub(super) fn unpack(
    file: File,
    name: &str,
    terms: &Terms<'_>,
    to: &Path,
    whole: impl FnOnce(&ReadArchive) -> Result<(), BackupError>,
) -> Result<ReadArchive, BackupError> {
    let read = archive::read(file, name, terms, Some(to))?;
    let pacing: Arc<dyn ProofPace> = terms.pace.clone();
    // Every table, page and checksum, and the chain of the audit log from its first record.
    let (tables, found) = ioc_store::prove(to, &pacing).map_err(of_store)?;
    if let Some(what) = different_tables(&read.manifest.tables, &tables) {
        return Err(BackupError::Differs(what));
    }
    if let Some(finding) = found.into_iter().next() {
        return Err(BackupError::Differs(finding));
    }
    sync_tree(to)?;
    whole(&read)?;
    ioc_store::mark_copy(to, &read.manifest.store)?;
    Ok(read)
}

/// Makes names durable, as their files are: those of the directory itself, and of each one in it.
fn sync_tree(dir: &Path) -> Result<(), BackupError> {
    let fault = BackupError::file(dir);
    for entry in std::fs::read_dir(dir).map_err(&fault)? {
        let entry = entry.map_err(&fault)?;
        if entry.file_type().map_err(&fault)?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    sync_dir(dir).map_err(&fault)
}

/// Restores an archive for good. `file` is the archive, opened by whoever asks; `name` what it is called.
pub(super) fn restore(
    file: File,
    name: &str,
    terms: &Terms<'_>,
    to: &Path,
    (actor, reason): (&str, &str),
) -> Result<ReadArchive, BackupError> {
    let fault = BackupError::file(to);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(&fault)?;
    if std::fs::read_dir(to).map_err(&fault)?.next().is_some() {
        return Err(BackupError::NotEmpty(to.to_owned()));
    }
    // At once, and not after an hour: all that is packed in it, where the note beside it says how much that is.
    has_room(to, terms.most_bytes.unwrap_or(file.metadata().map_err(&fault)?.len()))?;
    let restored = unpack(file, name, terms, to, |read| {
        let declaration = RestoreDeclaration {
            archive: name.to_owned(),
            sha256: read.sha256.clone(),
            backup_made_at: read.manifest.made_at,
            commits: read.manifest.store.commits,
            audit_number: read.manifest.store.audit_number,
            at: clock::now(),
            actor: actor.to_owned(),
            reason: reason.to_owned(),
        };
        let text = serde_json::to_string_pretty(&declaration).unwrap_or_default() + "\n";
        let path = to.join(DECLARATION);
        replace_durably(&path, 0o600, |file| file.write_all(text.as_bytes())).map_err(BackupError::file(&path))?;
        // The directory itself may be new. One that lies where only others may read was there before.
        let above = std::path::absolute(to).map_err(&fault)?;
        match above.parent().map_or(Ok(()), sync_dir) {
            Err(error) if error.kind() != std::io::ErrorKind::PermissionDenied => Err(fault(error)),
            _ => Ok(()),
        }
    });
    if restored.is_err() {
        empty(to);
    }
    restored
}

/// Removes what was restored into a directory: it was empty, so all of it is ours, and half a store is none.
pub(super) fn empty(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
    }
}

/// What was declared of the store in `data`, where it was restored and that is not in its audit log yet.
pub(crate) fn undeclared(data: &Path) -> Option<RestoreDeclaration> {
    read(&data.join(DECLARATION))
}

/// By which certificates devices may come: nothing yet, but that a store which was restored does not know those of the seam.
pub(crate) fn allowlist(data: &Path) -> CertificateAllowlist {
    let allowlist = CertificateAllowlist::default();
    if let Some(declared) = [DECLARATION, DECLARED].iter().find_map(|name| read(&data.join(name))) {
        // A certificate says in whole seconds when it was issued.
        let from = declared.backup_made_at.plus_millis(-1000);
        allowlist.set_seam(RestoreSeam { from, until: declared.at });
    }
    allowlist
}

fn read(path: &Path) -> Option<RestoreDeclaration> {
    let said = |error: &dyn std::fmt::Display| {
        tracing::error!(path = %path.display(), %error, "the store was restored, and what was declared of it cannot be read");
    };
    match std::fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).inspect_err(|error| said(error)).ok(),
        Err(error) => {
            if error.kind() != std::io::ErrorKind::NotFound {
                said(&error);
            }
            None
        }
    }
}

/// Puts the declaration aside once the engine, which was handed it at its start, has it on disk. A start that is cut off says it once more,
/// and never not at all.
pub(super) async fn settle(data: &Path, engine: &EngineHandle) {
    let path = data.join(DECLARATION);
    if read(&path).is_none() {
        return;
    }
    match engine.command_without_timeout(Command::AwaitCommit).await {
        Ok(_) => {
            let removed = std::fs::rename(&path, data.join(DECLARED)).and_then(|()| sync_dir(data));
            if let Err(error) = removed {
                tracing::error!(path = %path.display(), %error, "a restore that is declared will be declared again");
            }
        }
        Err(error) => {
            tracing::error!(%error, "that the store was restored could not be kept; it is said at the next start");
        }
    }
}
