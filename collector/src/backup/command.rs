//! `ioc-collector backup` and `ioc-collector restore`: by way of the running collector where there is one, else on the files themselves.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};

use ioc_common::clock;
use ioc_common::owner::as_owner;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::backup::{BackupRecord, DrillRecord};
use ioc_engine::config::{BackupPlan, Config, PostgresPlan, Sealing};
use ioc_engine::pki::Authority;
use ioc_store::{Candidate, Change, copy_into_postgres};
use ioc_web::server::CONTROL_SOCKET;

use super::age::OpenKey;
use super::archive::{self, Terms};
use super::catalogue::Catalogue;
use super::error::BackupError;
use super::make::{self, Making};
use super::manifest;
use super::pace::Pace;
use super::task::entry;
use super::{certificate, drill, keys, progress, restore, with_bar};
use crate::arguments::{BackupCommand, OpenedBy};
use crate::cli::{self, CliError};
use crate::first_start::wait_for_lease;

/// Longest reason, characters.
const REASON_MAX: usize = 500;

/// Carries out a command; gives what is to be printed.
///
/// # Errors
/// What could not be done, with the mend.
pub async fn run(config: &Config, config_path: Option<&Path>, command: BackupCommand) -> anyhow::Result<String> {
    match command {
        BackupCommand::Now => now(config, config_path).await,
        BackupCommand::List => list(config),
        BackupCommand::Check { archive, opened_by } => check(config, &archive, &opened_by),
        BackupCommand::Drill => hold_drill(config).await,
    }
}

fn plan(config: &Config) -> Result<&BackupPlan, BackupError> {
    config.backup.as_ref().ok_or(BackupError::Off)
}

/// Who asks, as the control socket names them.
fn actor() -> String {
    format!("local:{}", rustix::process::getuid().as_raw())
}

/// Asks the running collector; nothing when none runs. One that does not answer in time, or whose socket is another's, does run: what it
/// is doing must not be done beside it.
async fn asked(config: &Config, what: &str) -> anyhow::Result<Option<Value>> {
    if !is_listening(&config.runtime.join(CONTROL_SOCKET))? {
        return Ok(None);
    }
    let asking = cli::ask_for_work(&config.runtime, "/api/v1/backups", json!({ "what": what }));
    tokio::select! {
        answer = asking => Ok(Some(answer?)),
        never = progress::of_running(&config.runtime) => match never {},
    }
}

/// Whether somebody listens on a socket.
fn is_listening(socket: &Path) -> Result<bool, CliError> {
    use std::io::ErrorKind;
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(false),
        Err(error) => Err(CliError::Unreachable { socket: socket.display().to_string(), why: error.to_string() }),
    }
}

async fn now(config: &Config, config_path: Option<&Path>) -> anyhow::Result<String> {
    let plan = plan(config)?;
    if let Some(answer) = asked(config, "backup").await? {
        let (bytes, took_ms) = (answer["backup"]["bytes"].as_u64(), answer["backup"]["took_ms"].as_u64());
        let name = answer["backup"]["archive"].as_str().unwrap_or_default();
        return Ok(made(&plan.directory.join(name), bytes.unwrap_or(0), took_ms.unwrap_or(0)));
    }
    // Who asks, and not whose the directory is.
    let who = actor();
    let record = as_owner(&config.data, || back_up_stopped(config, config_path, plan, &who))??;
    let path = plan.directory.join(&record.archive);
    make::run_command(plan, &path).await?;
    Ok(made(&path, record.bytes, record.took_ms))
}

fn made(path: &Path, bytes: u64, took_ms: u64) -> String {
    let seconds = took_ms as f64 / 1000.0;
    format!(
        "{}: {} KiB in {seconds:.1} s\nnext: ioc-collector backup drill, and a copy of it elsewhere\n",
        path.display(),
        bytes.div_ceil(1024)
    )
}

/// Backs up a store that nobody writes, and keeps it so meanwhile.
fn back_up_stopped(
    config: &Config,
    config_path: Option<&Path>,
    plan: &BackupPlan,
    who: &str,
) -> anyhow::Result<BackupRecord> {
    let pki = config.data.join("pki");
    anyhow::ensure!(Authority::is_there(&pki), "{}: there are no keys, so nothing to back up", pki.display());
    // The lease is held until the end: nobody writes meanwhile.
    let candidate = config.store.postgres().map(wait_for_lease).transpose()?;
    let is_there = candidate.as_ref().map_or_else(|| Ok(ioc_store::is_there(&config.data)), Candidate::is_made)?;
    anyhow::ensure!(is_there || candidate.is_none(), "the database has no such site, so nothing to back up");
    if !is_there {
        return Err(ioc_store::missing_store(&config.data).into());
    }
    let open = |candidate: &Candidate| candidate.open(&config.data);
    let mut store = candidate.as_ref().map_or_else(|| ioc_store::open(&config.data), open)?;
    let authority = Authority::open(&pki, &config.site_name, clock::now())?;
    let sentinel = make::new_sentinel()?;
    store.commit(&[Change::Audit(entry(who, AuditLogAction::BackupStarted, "", &sentinel))])?;
    let pace = Pace::unbounded();
    let making =
        Making { config, config_path, plan, authority: &authority, pace: &pace, sentinel: &sentinel, running: false };
    let record = progress::shown(&pace, || make::make(&making))?;
    let mut said =
        vec![Change::Audit(entry(who, AuditLogAction::BackupMade, &record.archive, &make::in_words(&record)))];
    for name in make::prune(&making, &record.store, false)? {
        said.push(Change::Audit(entry(
            "",
            AuditLogAction::BackupRemoved,
            &name,
            "past its time by [backup] daily, weekly, monthly",
        )));
    }
    store.commit(&said)?;
    store.close()?;
    drop(store);
    if let Some(candidate) = candidate {
        candidate.release();
    }
    Ok(record)
}

fn list(config: &Config) -> anyhow::Result<String> {
    let plan = plan(config)?;
    let catalogue = Catalogue::new(&plan.directory, config);
    let (archives, drills) = (catalogue.archives()?, catalogue.drills()?);
    let mut text = format!("{:<58} {:<24} {:>12} {:>10}  DRILL\n", "ARCHIVE", "AS OF", "KIB", "COMMITS");
    for one in &archives {
        let last = drills.iter().find(|(_, drill)| drill.archive == one.archive);
        let said = last.map_or_else(String::new, |(_, drill)| in_a_word(drill));
        let (name, kib) = (&one.archive, one.bytes.div_ceil(1024));
        let _ = writeln!(text, "{name:<58} {:<24} {kib:>12} {:>10}  {said}", one.made_at.to_string(), one.commits);
    }
    if let Some((name, drill)) = drills.first() {
        let _ = writeln!(text, "last drill: {}, {}", in_a_word(drill), plan.directory.join(name).display());
    }
    Ok(text)
}

fn in_a_word(drill: &DrillRecord) -> String {
    let result = drill.failure.as_ref().map_or_else(|| "passed".to_owned(), |why| format!("FAILED ({why})"));
    format!("{result} at {}", drill.at)
}

/// What opens an archive: what a person names, else what the configuration does.
fn opening(config: &Config, by: &OpenedBy) -> Result<Option<OpenKey>, BackupError> {
    match (&by.passphrase_file, &by.identity) {
        (Some(path), _) => Ok(Some(OpenKey::Passphrase(keys::passphrase(path)?))),
        (None, Some(path)) => keys::identities(path).map(Some),
        (None, None) => config.backup.as_ref().map_or(Ok(None), |plan| keys::opening(&plan.sealing)),
    }
}

/// The authority that is expected to have signed: the one that a person names, else the one of the data directory.
fn expected(config: &Config, by: &OpenedBy) -> Option<String> {
    let own = || manifest::fingerprint(&std::fs::read(config.data.join(manifest::AUTHORITY)).ok()?).ok();
    by.authority.as_deref().map(str::to_lowercase).or_else(own)
}

/// What an archive is taken by: where archives are sealed, one that is not comes from somebody else.
fn terms<'a>(config: &Config, key: Option<&'a OpenKey>, expected: Option<&'a str>, pace: &'a Arc<Pace>) -> Terms<'a> {
    let must_be_sealed = config.backup.as_ref().is_some_and(|plan| plan.sealing != Sealing::Open);
    Terms { key, must_be_sealed, expected, most_bytes: None, pace }
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn opened(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

/// Holds an archive against the note beside it, where there is one: a file that is shorter is cut off, whatever is in it. Gives how many
/// bytes it says are packed in it.
fn held_against_note(path: &Path, file: &File) -> Result<Option<u64>, BackupError> {
    let note = path.with_file_name(format!("{}.json", name_of(path)));
    let Ok(text) = std::fs::read(&note) else { return Ok(None) };
    let record: BackupRecord = serde_json::from_slice(&text).map_err(|error| BackupError::Key {
        path: note,
        why: format!("the note beside the archive cannot be read: {error}"),
    })?;
    let found = file.metadata().map_err(BackupError::file(path))?.len();
    if found != record.bytes {
        return Err(BackupError::archive(&record.archive, super::ArchiveFault::Length { found, made: record.bytes }));
    }
    Ok(Some(record.plain_bytes))
}

fn check(config: &Config, path: &Path, by: &OpenedBy) -> anyhow::Result<String> {
    let file = opened(path)?;
    let most_bytes = held_against_note(path, &file)?;
    let (key, expected) = (opening(config, by)?, expected(config, by));
    let pace = Pace::unbounded();
    let terms = Terms { most_bytes, ..terms(config, key.as_ref(), expected.as_deref(), &pace) };
    pace.expect(most_bytes.unwrap_or(0));
    let read = progress::shown(&pace, || archive::read(file, &name_of(path), &terms, None))?;
    let manifest = &read.manifest;
    let mut text = format!(
        "{}: whole\ncollector {} ({}), as of {}, made by version {}\nstore {}, {} commits, audit log up to record {}\n{} files, {} KiB; {} tables, {} rows\nsigned by the authority {}\n",
        path.display(),
        manifest.collector,
        manifest.site,
        manifest.made_at,
        manifest.product,
        manifest.store.id,
        manifest.store.commits,
        manifest.store.audit_number,
        manifest.files.len(),
        manifest.plain_bytes().div_ceil(1024),
        manifest.tables.len(),
        manifest.rows(),
        read.authority
    );
    if expected.is_none() {
        text += "no authority is known here: hold this one against what agents know, or name it with --authority\n";
    }
    for one in &manifest.left_out {
        let _ = writeln!(text, "not in it: {one}");
    }
    Ok(text)
}

async fn hold_drill(config: &Config) -> anyhow::Result<String> {
    let plan = plan(config)?;
    let (failure, text) = match asked(config, "drill").await? {
        Some(answer) => {
            let drill = &answer["drill"];
            (drill["failure"].as_str().map(str::to_owned), serde_json::to_string_pretty(drill)? + "\n")
        }
        None => as_owner(&config.data, || drill_stopped(config, plan))??,
    };
    match failure {
        None => Ok(text),
        Some(why) => anyhow::bail!("the drill failed: {why}\n{text}"),
    }
}

/// A drill while no collector runs: its store is left alone, the certificate says it. The store's lock, or the lease of its site, keeps one from starting
/// meanwhile, whose own work would use the same scratch directory.
fn drill_stopped(config: &Config, plan: &BackupPlan) -> anyhow::Result<(Option<String>, String)> {
    let _held = ioc_store::hold(&config.data)?;
    let _lease = config.store.postgres().map(wait_for_lease).transpose()?;
    let authority = manifest::fingerprint(&std::fs::read(config.data.join(manifest::AUTHORITY))?).ok();
    let pace = Pace::unbounded();
    let (_, drill) = progress::shown(&pace, || drill::drill(config, plan, authority.as_deref(), &pace))?;
    Ok((drill.failure.clone(), certificate::to_text(&drill)))
}

/// Holds the lease of the site that is restored into, and refuses one that has a record.
fn empty_site(plan: &PostgresPlan) -> anyhow::Result<Candidate> {
    let candidate = wait_for_lease(plan)?;
    anyhow::ensure!(
        !candidate.is_made()?,
        "{}: there is a site already, and a restore never mixes with what is there; mend: name another schema ([store] schema), or rename \
         that one and the one with _history behind it in psql",
        candidate.place()
    );
    Ok(candidate)
}

/// Puts the store that was restored into a directory into the database, and takes its files away: it is there once.
fn into_database(from: &Path, candidate: Candidate) -> anyhow::Result<()> {
    with_bar(|progress| copy_into_postgres(from, &candidate, progress))?;
    candidate.release();
    Ok(ioc_store::remove(from)?)
}

/// Restores an archive into an empty directory; gives what is to be printed. Where the configuration names PostgreSQL, the record goes into its schema,
/// in which there is none.
///
/// # Errors
/// What could not be done, with the mend. Nothing is left in the directory then.
pub fn restore(config: &Config, path: &Path, to: &Path, by: &OpenedBy, reason: &str) -> anyhow::Result<String> {
    let reason = reason.trim();
    anyhow::ensure!(
        !reason.is_empty() && reason.chars().count() <= REASON_MAX && !reason.chars().any(char::is_control),
        "--reason: allowed are 1 to {REASON_MAX} characters in one line; it stands in the audit log"
    );
    // Opened by whoever asks, unpacked as whoever owns the directory.
    let file = opened(path)?;
    let most_bytes = held_against_note(path, &file)?;
    let (key, expected) = (opening(config, by)?, expected(config, by));
    let pace = Pace::unbounded();
    let terms = Terms { most_bytes, ..terms(config, key.as_ref(), expected.as_deref(), &pace) };
    let (name, who) = (name_of(path), actor());
    // Each byte is unpacked, summed up in its table and looked at in its page.
    pace.expect(3 * most_bytes.unwrap_or(0));
    let restoring = || restore::restore(file, &name, &terms, to, (&who, reason));
    let restored = as_owner(to, || {
        let Some(plan) = config.store.postgres() else { return Ok(progress::shown(&pace, restoring)?) };
        let candidate = empty_site(plan)?;
        let restored = progress::shown(&pace, restoring)?;
        into_database(to, candidate).inspect_err(|_| restore::empty(to))?;
        anyhow::Ok(restored)
    })??;
    let manifest = &restored.manifest;
    let (dir, made_at) = (to.display(), manifest.made_at);
    let place = config.store.postgres().map_or_else(
        || format!("{dir}: restored from {name}"),
        |plan| {
            format!(
                "restored from {name}: the record into {}, keys and notes into {dir}; its rows were read again there and are the same",
                plan.settings.place()
            )
        },
    );
    let mut text = format!(
        "{place}\nit is the store of {} ({}) as of {made_at}: {} commits, audit log whole up to record {}; every file, table and row is what was backed up\n\
         what was written after {made_at} is not in it: incidents, acknowledgements, the duty book, accounts, machines that were enrolled since. \
         Agents send again what they still hold; what they had freed is counted as lost, as an event of each machine, when they come.\n",
        manifest.collector, manifest.site, manifest.store.commits, manifest.store.audit_number
    );
    for one in &manifest.left_out {
        let _ = writeln!(text, "not in it: {one}");
    }
    let configuration = to.join(super::files::CONFIGURATION);
    text += "next:\n";
    for one in manifest.files.iter().filter_map(|one| Some((&one.path, one.from.as_ref()?))) {
        let _ = writeln!(text, "  compare {} with {}", to.join(one.0).display(), one.1);
    }
    let _ = writeln!(text, "  remove {} then", configuration.display());
    let _ = writeln!(
        text,
        "  set [paths] data = {dir:?}, or move it to where that points; it must belong to the service's user (chown -R ioc-collector: {dir})",
        dir = to.display().to_string()
    );
    text += "  start the collector: its first start writes this restore into the audit log and opens an incident about it\n";
    if expected.is_none() {
        let _ = writeln!(text, "signed by the authority {}: hold it against what agents know", restored.authority);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_collector_runs_where_one_listens_whether_it_answers_or_not() {
        let dir = tempfile::tempdir().expect("directory");
        let socket = dir.path().join("control.sock");
        assert!(!is_listening(&socket).expect("looked"), "there is none");
        let listener = UnixListener::bind(&socket).expect("bound");
        assert!(is_listening(&socket).expect("looked"), "though nothing is ever accepted");
        drop(listener);
        assert!(!is_listening(&socket).expect("looked"), "one that was killed leaves its socket behind");
    }
}
