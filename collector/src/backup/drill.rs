//! The restore drill: the newest archive is restored into a scratch directory, opened as a collector opens it, and held against what was
//! backed up. What came of it is a certificate. Where the store is in PostgreSQL, it is put into a scratch site of the database, too, which is dropped then.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use ioc_common::clock;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::backup::{BackupRecord, DrillRecord};
use ioc_engine::config::{BackupPlan, Config, PostgresPlan, Sealing};
use ioc_store::Reader;

use super::archive::{ReadArchive, Terms};
use super::catalogue::Catalogue;
use super::error::{ArchiveFault, BackupError};
use super::keys;
use super::make::{Staging, clear, of_store, since};
use super::manifest::Manifest;
use super::pace::Pace;
use super::restore::unpack;
use super::room::has_room;
use super::source;

/// Restores the newest archive for a trial, and keeps the certificate. `expected` is the authority's fingerprint, where it is known.
///
/// # Errors
/// [`BackupError`] when no drill could be held: there is no archive, or the certificate cannot be kept. A drill that fails is no error.
pub(super) fn drill(
    config: &Config,
    plan: &BackupPlan,
    expected: Option<&str>,
    pace: &Arc<Pace>,
) -> Result<(String, DrillRecord), BackupError> {
    if !plan.sealing.opens_here() {
        return Err(BackupError::NothingOpens);
    }
    let catalogue = Catalogue::new(&plan.directory, config);
    let store = source::id(config);
    let Some(newest) = catalogue.own_archives(store.as_deref())?.into_iter().next() else {
        return Err(BackupError::NoArchive(plan.directory.clone()));
    };
    // Each byte is unpacked, summed up in its table and looked at in its page; written into a database and read from there.
    pace.expect(if config.store.postgres().is_some() { 5 } else { 3 } * newest.plain_bytes);
    let at = clock::now();
    let mut drill = DrillRecord {
        archive: newest.archive.clone(),
        sha256: newest.sha256.clone(),
        store: newest.store.clone(),
        backup_made_at: newest.made_at,
        number: catalogue.next_drill(&newest.store)?,
        at,
        took_ms: 0,
        failure: None,
        checks: Vec::new(),
        tables: 0,
        rows: 0,
        files: 0,
        plain_bytes: 0,
        product: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let held = hold(config, plan, &catalogue, &newest, expected, pace, &mut drill);
    match held {
        Err(BackupError::BrokenOff) => return Err(BackupError::BrokenOff),
        held => drill.failure = held.err().map(|error| error.to_string()),
    }
    drill.took_ms = since(at);
    let name = catalogue.certify(&drill)?;
    Ok((name, drill))
}

fn hold(
    config: &Config,
    plan: &BackupPlan,
    catalogue: &Catalogue,
    newest: &BackupRecord,
    expected: Option<&str>,
    pace: &Arc<Pace>,
    drill: &mut DrillRecord,
) -> Result<(), BackupError> {
    let path = catalogue.path(&newest.archive);
    let key = keys::opening(&plan.sealing)?;
    clear(&config.data, None)?;
    has_room(&config.data, newest.plain_bytes)?;
    let scratch = Staging::new(&config.data)?;
    let file = File::open(&path).map_err(BackupError::file(&path))?;
    let must_be_sealed = plan.sealing != Sealing::Open;
    let most_bytes = Some(newest.plain_bytes);
    let terms = Terms { key: key.as_ref(), must_be_sealed, expected, most_bytes, pace };
    let read = unpack(file, &newest.archive, &terms, scratch.path(), |_| Ok(()))?;
    let ReadArchive { manifest, authority, sha256, bytes } = read;
    let said = |line: String, drill: &mut DrillRecord| drill.checks.push(line);
    if sha256 != newest.sha256 {
        return Err(BackupError::archive(&newest.archive, ArchiveFault::Other));
    }
    said(format!("the archive has {bytes} bytes and SHA-256 {sha256}, as when it was made"), drill);
    if let Some(what) = different_note(newest, &manifest) {
        return Err(BackupError::archive(&newest.archive, ArchiveFault::Note(what)));
    }
    said(format!("its manifest is signed by the authority {authority}"), drill);
    (drill.files, drill.plain_bytes) = (manifest.files.len() as u64, manifest.plain_bytes());
    said(format!("{} files with {} bytes are there with their SHA-256", drill.files, drill.plain_bytes), drill);
    drill.tables = manifest.tables.len() as u64;
    drill.rows = manifest.rows();
    said(format!("{} tables have the {} rows and the contents that were backed up", drill.tables, drill.rows), drill);
    said("every page and checksum of the store is right, and the audit log's chain is whole".to_owned(), drill);
    let store = ioc_store::open(scratch.path()).map_err(of_store)?;
    if let Some(lost) = store.lost().all.first() {
        return Err(BackupError::Differs(lost.en.clone()));
    }
    let action = AuditLogAction::BackupStarted.as_str();
    let found = store.reader()?.audit_before(None, &manifest.sentinel, 1)?;
    let Some(sentinel) = found.into_iter().find(|one| one.action == action && one.detail == manifest.sentinel) else {
        return Err(BackupError::Differs(format!("the sentinel {} is not in the audit log", manifest.sentinel)));
    };
    if sentinel.number > manifest.store.audit_number {
        return Err(BackupError::Differs("the audit log goes on beyond what was backed up".to_owned()));
    }
    said(format!("the store opens, and holds the sentinel of the backup in audit record {}", sentinel.number), drill);
    drop(store);
    if let Some(plan) = config.store.postgres() {
        said(try_in_database(plan, scratch.path(), &manifest, sentinel.number, pace)?, drill);
    }
    Ok(())
}

/// Puts what was restored into a scratch site of the database, from which it is to be restored one day; what came of it.
fn try_in_database(
    plan: &PostgresPlan,
    restored: &Path,
    manifest: &Manifest,
    sentinel: u64,
    pace: &Arc<Pace>,
) -> Result<String, BackupError> {
    let beside = restored.join("database");
    std::fs::create_dir(&beside).map_err(BackupError::file(&beside))?;
    let mut is_there = false;
    let look = |reader: &dyn Reader| {
        let found = reader.audit_before(None, &manifest.sentinel, 1)?;
        is_there = found.iter().any(|one| one.number == sentinel && one.detail == manifest.sentinel);
        Ok(())
    };
    let mut pause = |bytes| pace.pass(bytes);
    let tables = ioc_store::try_in_postgres(restored, &plan.settings, &beside, &mut pause, look).map_err(of_store)?;
    if !is_there {
        let why = format!("in the database the sentinel {} is not in audit record {sentinel}", manifest.sentinel);
        return Err(BackupError::Differs(why));
    }
    let rows: u64 = tables.iter().map(|one| one.rows).sum();
    Ok(format!(
        "a scratch site beside {} took {rows} rows of {} tables, each read again and the same; it opens there, and its audit log is whole; it was dropped",
        plan.settings.place(),
        tables.len()
    ))
}

/// What the note beside an archive, by which it is listed, kept and removed, says other than its manifest; nothing when they agree. The note
/// is not signed.
fn different_note(note: &BackupRecord, manifest: &Manifest) -> Option<&'static str> {
    let Manifest { store, made_at, product, .. } = manifest;
    let same = [
        ("moment", note.made_at == *made_at),
        ("store", note.store == store.id),
        ("number of commits", note.commits == store.commits),
        ("end of the audit log", note.audit_number == store.audit_number),
        ("version", note.product == *product),
    ];
    same.into_iter().find_map(|(what, same)| (!same).then_some(what))
}
