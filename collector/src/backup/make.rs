//! Making a backup.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::hex;
use ioc_common::random;
use ioc_engine::backup::BackupRecord;
use ioc_engine::config::{BackupPlan, Config};
use ioc_engine::pki::Authority;

use super::archive::{self, Packed, Source};
use super::catalogue::Catalogue;
use super::error::BackupError;
use super::files;
use super::keys;
use super::manifest::{self, FORMAT, FileSum, Manifest};
use super::pace::{Pace, is_stop};
use super::room::has_room;
use super::source;

/// Where the store is copied to before it is packed, and restored to in a drill: within the data directory, which is closed to others.
const STAGING: &str = "backup.staging";

/// What a backup is made of and by.
pub(super) struct Making<'a> {
    pub(super) config: &'a Config,
    pub(super) config_path: Option<&'a Path>,
    pub(super) plan: &'a BackupPlan,
    pub(super) authority: &'a Authority,
    pub(super) pace: &'a Pace,
    /// What stands in the audit log right before it.
    pub(super) sentinel: &'a str,
    /// A collector writes the store meanwhile.
    pub(super) running: bool,
}

/// A text that nobody has written before.
pub(super) fn new_sentinel() -> Result<String, BackupError> {
    let random: [u8; 16] = random::secret().map_err(ioc_engine::pki::PkiError::from)?;
    Ok(hex(&random))
}

/// Removes what a backup or a drill left behind when it was killed: what was copied or unpacked, and the archive that was not whole.
pub(super) fn clear(data: &Path, catalogue: Option<&Catalogue>) -> Result<(), BackupError> {
    let staging = data.join(STAGING);
    let removed = std::fs::remove_dir_all(&staging).map_err(|error| (error, staging));
    let part = catalogue
        .map_or(Ok(()), |catalogue| std::fs::remove_file(catalogue.part()).map_err(|error| (error, catalogue.part())));
    for one in [removed, part] {
        match one {
            Err((error, path)) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(BackupError::file(&path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A directory within the data directory that is removed at the end. [`clear`] comes before it.
pub(super) struct Staging(PathBuf);

impl Staging {
    pub(super) fn new(data: &Path) -> Result<Self, BackupError> {
        let dir = data.join(STAGING);
        std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(BackupError::file(&dir))?;
        Ok(Self(dir))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "what was copied for a backup could not be removed; the next one does");
        }
    }
}

/// What the store said, unless it was told to stop.
pub(super) fn of_store(error: ioc_store::StoreError) -> BackupError {
    match error {
        ioc_store::StoreError::File { source, .. } if is_stop(&source) => BackupError::BrokenOff,
        other => BackupError::Store(other),
    }
}

/// Makes one, and removes what the rules let go. Says what was made, and the names of what was removed.
pub(super) fn make(making: &Making<'_>) -> Result<BackupRecord, BackupError> {
    let Making { config, plan, pace, .. } = making;
    let began_us = clock::boottime_us();
    let catalogue = Catalogue::new(&plan.directory, config);
    // It is not made here: a disk that is not mounted would be filled below its mount point.
    std::fs::metadata(&plan.directory).map_err(BackupError::file(&plan.directory))?;
    let number = catalogue.next_number()?;
    let key = keys::sealing(&plan.sealing)?;
    // What a killed one left takes the room that this one asks for.
    clear(&config.data, Some(&catalogue))?;
    let size = source::size(config).map_err(of_store)?;
    // Each byte is copied, summed up and packed.
    pace.expect(3 * size);
    has_room(&config.data, size)?;
    has_room(&plan.directory, catalogue.archives()?.first().map_or(0, |last| last.bytes))?;
    let staging = Staging::new(&config.data)?;
    let mut files = files::of_data(&config.data)?;
    let parts: Vec<&str> = making.config.stored().values().filter_map(|version| version.text.as_deref()).collect();
    let (configuration, left_out) = files::of_configuration(making.config_path, &parts)?;
    files.extend(configuration);
    let made_at = clock::now();
    let mut pause = |bytes| pace.pass(bytes);
    let copied = source::copy(config, staging.path(), &mut pause).map_err(of_store)?;
    let copied_ms = (clock::boottime_us() - began_us) / 1000;
    if config.store.postgres().is_some() {
        // What is copied takes less room than in the database, and was compared as well.
        pace.expect(pace.progress().0 + 2 * ioc_store::size(staging.path()));
    } else if making.running
        && let Err(error) = ioc_store::settle_log(&config.data)
    {
        tracing::warn!(%error, "what the store's log kept while it was copied is put into its place by the next commit");
    }
    let tables = ioc_store::sums(staging.path(), &mut pause).map_err(of_store)?;
    for name in ioc_store::FILES {
        let (path, from) = (name.to_owned(), staging.path().join(name));
        files.push(Packed { path, source: Source::File(from), from: None });
    }
    let name = catalogue.new_name(made_at, key.is_some());
    let signed = |sums: Vec<FileSum>| {
        let manifest = Manifest {
            format: FORMAT,
            product: env!("CARGO_PKG_VERSION").to_owned(),
            collector: catalogue.collector().to_owned(),
            site: config.site_name.clone(),
            made_at,
            sentinel: making.sentinel.to_owned(),
            store: copied.clone(),
            files: sums,
            tables,
            left_out,
        };
        let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        let signature = making.authority.sign(&manifest::to_sign(&text))?;
        Ok((text, signature))
    };
    let (path, part) = (catalogue.path(&name), catalogue.part());
    let mtime_s = u64::try_from(made_at.as_secs()).unwrap_or(0);
    let written = archive::write(&path, &part, key.as_ref(), &files, pace, mtime_s, signed).map_err(|error| {
        let _ = std::fs::remove_file(&part);
        match error {
            BackupError::File { source, .. } if is_stop(&source) => BackupError::BrokenOff,
            other => other,
        }
    })?;
    let record = BackupRecord {
        archive: name,
        number,
        made_at,
        bytes: written.bytes,
        sha256: written.sha256,
        plain_bytes: written.plain_bytes,
        store: copied.id.clone(),
        commits: copied.commits,
        audit_number: copied.audit_number,
        sealed: plan.sealing.as_str().to_owned(),
        product: env!("CARGO_PKG_VERSION").to_owned(),
        took_ms: (clock::boottime_us() - began_us) / 1000,
        copied_ms,
    };
    catalogue.note(&record)?;
    Ok(record)
}

/// Removes what the rules let go, unless the clock is in doubt.
pub(super) fn prune(making: &Making<'_>, store: &str, in_doubt: bool) -> Result<Vec<String>, BackupError> {
    if in_doubt {
        return Ok(Vec::new());
    }
    Catalogue::new(&making.plan.directory, making.config).prune(store, making.plan.keep, &making.config.timezone)
}

/// Starts the program that is started after each, and waits for its end.
pub(super) async fn run_command(plan: &BackupPlan, archive: &Path) -> Result<(), BackupError> {
    let Some((program, arguments)) = plan.command.split_first() else { return Ok(()) };
    let failed = |why: String| BackupError::Command(format!("{program}: {why}"));
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .arg(archive)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = tokio::time::timeout(plan.command_timeout.get(), command.output()).await;
    let output =
        output.map_err(|_| failed(format!("it did not end within {} s", plan.command_timeout.get().as_secs())))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    // The end of what it said, in a line.
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let last: String = last.chars().filter(|one| !one.is_control()).take(300).collect();
    Err(failed(format!("{}: {last}", output.status)))
}

/// What the audit log says of it.
pub(super) fn in_words(record: &BackupRecord) -> String {
    format!(
        "{} bytes, sha256 {}, as of {}, commit {}, audit record {}, sealed: {}",
        record.bytes, record.sha256, record.made_at, record.commits, record.audit_number, record.sealed
    )
}

/// When something began that has lasted so long.
pub(super) fn since(at: Timestamp) -> u64 {
    u64::try_from(clock::now().millis_since(at)).unwrap_or(0)
}
