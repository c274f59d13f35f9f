//! The collector's own backups: on the page *Administration* and in the API; a backup or a drill that a person asks for.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect};
use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;

use super::size_text;
use crate::api_types::names;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context};
use crate::person::Person;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_engine::backup::{BackupOutcome, BackupRecord, BackupWork, DrillRecord};
use ioc_engine::refusal_reason::RefusalReason;

names! {
    /// What is done for backups.
    Work is BackupWork {
        /// A backup is made.
        Backup = "backup",
        /// The newest backup is restored for a trial.
        Drill = "drill",
    }
}

/// A backup that is there.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Backup {
    /// The archive's file name.
    archive: String,
    /// Of all backups of its directory, the how manieth.
    number: u64,
    /// The moment that the store in it is as of.
    made_at: Timestamp,
    /// Size of the archive, bytes.
    bytes: u64,
    /// SHA-256 over the archive, hex.
    sha256: String,
    /// What it holds before it is packed, bytes.
    plain_bytes: u64,
    /// How many commits the store in it holds.
    commits: u64,
    /// The number of the last record of its audit log.
    audit_number: u64,
    /// How it is sealed: passphrase, recipients or open.
    sealed: String,
    /// Version of the program that made it.
    product: String,
    /// How long it took, milliseconds.
    took_ms: u64,
}

impl From<BackupRecord> for Backup {
    fn from(record: BackupRecord) -> Self {
        let BackupRecord { archive, number, made_at, bytes, sha256, plain_bytes, commits, audit_number, .. } = record;
        let BackupRecord { sealed, product, took_ms, .. } = record;
        Self { archive, number, made_at, bytes, sha256, plain_bytes, commits, audit_number, sealed, product, took_ms }
    }
}

/// What a restore drill said.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Drill {
    /// The archive that was restored.
    archive: String,
    /// The moment that the store in it is as of.
    backup_made_at: Timestamp,
    /// When the drill began.
    at: Timestamp,
    /// How long it took, milliseconds.
    took_ms: u64,
    /// Why it failed; null when it succeeded.
    failure: Option<String>,
    /// What was looked at, a line each.
    checks: Vec<String>,
    /// Tables that were compared.
    tables: u64,
    /// Rows in them.
    rows: u64,
    /// Files that were compared.
    files: u64,
    /// Bytes that were restored.
    plain_bytes: u64,
}

impl From<DrillRecord> for Drill {
    fn from(drill: DrillRecord) -> Self {
        let DrillRecord {
            archive, backup_made_at, at, took_ms, failure, checks, tables, rows, files, plain_bytes, ..
        } = drill;
        Self { archive, backup_made_at, at, took_ms, failure, checks, tables, rows, files, plain_bytes }
    }
}

/// What is being done.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Running {
    /// What.
    what: Work,
    /// Bytes that are done.
    done: u64,
    /// Bytes in all, about.
    all: u64,
}

/// How backups stand.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Backups {
    /// Backups are made: a directory is configured.
    on: bool,
    /// Where they lie; null when none are made.
    directory: Option<String>,
    /// How they are sealed: passphrase, recipients or open; null when none are made.
    sealed: Option<String>,
    /// Those that are there, the newest first.
    backups: Vec<Backup>,
    /// When the next one is due; null when none are made.
    next_at: Option<Timestamp>,
    /// Why the last attempt failed; null when it did not.
    failure: Option<String>,
    /// When it failed.
    failed_at: Option<Timestamp>,
    /// The last restore drill; null before the first.
    drill: Option<Drill>,
    /// When the next drill is due; null when none are held, or archives cannot be opened here.
    next_drill_at: Option<Timestamp>,
    /// What is being done now; null when nothing is.
    running: Option<Running>,
}

pub(crate) async fn api(State(app): State<App>, _: Person) -> Json<Backups> {
    let status = app.health.backups.status();
    let (directory, sealed) = status.place.map(|(dir, sealed)| (dir.display().to_string(), sealed.to_owned())).unzip();
    let (failed_at, failure) = status.failed.unzip();
    Json(Backups {
        on: directory.is_some(),
        directory,
        sealed,
        backups: status.archives.into_iter().map(Backup::from).collect(),
        next_at: status.next_at,
        failure,
        failed_at,
        drill: status.drill.map(Drill::from),
        next_drill_at: status.next_drill_at,
        running: status.running.map(|(what, done, all)| Running { what: what.into(), done, all }),
    })
}

/// What is asked for.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    /// What is to be done.
    what: Work,
}

/// What came of it: one of both.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct WorkDone {
    /// The backup that was made.
    backup: Option<Backup>,
    /// What the drill said.
    drill: Option<Drill>,
}

/// Makes a backup or holds a drill, and answers when it is over.
pub(crate) async fn api_ask(
    State(app): State<App>,
    person: Person,
    Json(wish): Json<Wish>,
) -> Result<Json<WorkDone>, Problem> {
    everywhere(&person)?;
    // Where several collectors share a site, whoever holds its lease makes them, into the directory of its own configuration.
    if let Some(why) = app.health.lease.why_not() {
        return Err(Problem::unavailable(format!("{why}; mend: ask the collector that holds it")));
    }
    let asked = app.health.backups.ask(wish.what.into(), &person.name).await;
    match asked.map_err(Problem::conflict)? {
        BackupOutcome::Made(record) => Ok(Json(WorkDone { backup: Some(record.into()), drill: None })),
        BackupOutcome::Drilled(drill) => Ok(Json(WorkDone { backup: None, drill: Some(drill.into()) })),
    }
}

/// A backup is of the whole centre, as records are: out of reach for whoever is limited to places.
pub(super) fn everywhere(person: &Person) -> Result<(), Problem> {
    if person.scope.is_everywhere() {
        return Ok(());
    }
    Err(RefusalReason::whole_centre().forbidden().into())
}

/// The same from the page *Administration*, which does not wait for it: the page shows how far it has come.
pub(crate) async fn ask(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    axum::Form(wish): axum::Form<Wish>,
) -> PageResult {
    if let Err(problem) = everywhere(&person) {
        return Err(Failure::new(page_context(&app, &person, &headers), problem));
    }
    if app.health.backups.status().place.is_none() {
        let page_context = page_context(&app, &person, &headers);
        let why = page_context.t(off(&app));
        return Err(Failure::said(page_context, StatusCode::CONFLICT, why));
    }
    tokio::spawn(async move {
        // What comes of it is on the page and in the log of the task that does it.
        let _ = app.health.backups.ask(wish.what.into(), &person.name).await;
    });
    Ok(Redirect::to("/admin#backups").into_response())
}

/// Why none are made here: another collector of the site does, or none is told to.
fn off(app: &App) -> &'static str {
    if app.health.lease.why_not().is_some() { "backups-elsewhere" } else { "backups-off" }
}

/// Lines of the page: the key of the name, the value, and how good that is.
pub(crate) fn lines(app: &App, page_context: &PageContext) -> Vec<(&'static str, String, Tone)> {
    let status = app.health.backups.status();
    let Some((directory, sealed)) = &status.place else {
        let tone = if app.health.lease.why_not().is_some() { Tone::Good } else { Tone::Warning };
        return vec![("backups-directory", page_context.t(off(app)), tone)];
    };
    let none = || page_context.t("backups-none");
    let mut lines = vec![(
        "backups-directory",
        format!("{} · {}", directory.display(), page_context.word("backups-sealed", sealed)),
        if *sealed == "open" { Tone::Warning } else { Tone::Good },
    )];
    lines.push(match status.archives.first() {
        None => ("backups-last", none(), Tone::Bad),
        Some(last) => {
            let size = size_text(page_context, last.bytes);
            let took = page_context.duration(i64::try_from(last.took_ms).unwrap_or(0));
            let text = format!(
                "{} ({}) · {size} · {took}",
                page_context.short(&last.made_at),
                page_context.ago(&last.made_at)
            );
            ("backups-last", text, Tone::Good)
        }
    });
    if let Some((at, why)) = &status.failed {
        lines.push(("backups-failed", format!("{}: {why}", page_context.short(at)), Tone::Bad));
    }
    if let Some(at) = &status.next_at {
        lines.push(("backups-next", page_context.short(at), Tone::Good));
    }
    lines.push(("backups-kept", status.archives.len().to_string(), Tone::Good));
    lines.push(match &status.drill {
        None => ("backups-drill", none(), Tone::Warning),
        Some(drill) => {
            let when = format!("{} ({})", page_context.short(&drill.at), page_context.ago(&drill.at));
            match &drill.failure {
                None => ("backups-drill", format!("{} · {when}", page_context.t("backups-passed")), Tone::Good),
                Some(why) => {
                    ("backups-drill", format!("{} · {when}: {why}", page_context.t("backups-not-passed")), Tone::Bad)
                }
            }
        }
    });
    lines.push(match &status.next_drill_at {
        Some(at) => ("backups-next-drill", page_context.short(at), Tone::Good),
        None => ("backups-next-drill", page_context.t("backups-cannot-open"), Tone::Warning),
    });
    lines
}

/// What is being done, for a bar on the page.
pub(crate) struct RunningWork {
    /// In words, with how far it has come.
    pub(crate) text: String,
    /// Bytes that are done, of how many in all; neither is known at the beginning.
    pub(crate) done: u64,
    pub(crate) all: u64,
}

/// What is being done now, if anything is.
pub(crate) fn running(app: &App, page_context: &PageContext) -> Option<RunningWork> {
    let (what, done, all) = app.health.backups.status().running?;
    let word = page_context.word("backups-work", what.as_str());
    let text = match done.saturating_mul(100).checked_div(all) {
        Some(percent) => {
            let [done, all] = [done, all].map(|bytes| size_text(page_context, bytes));
            format!("{word} · {percent} % · {done} / {all}")
        }
        None => word,
    };
    Some(RunningWork { text, done, all })
}
