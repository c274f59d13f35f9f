//! Deletes records that are past their time, class by class, in turns that delay no commit (article 6.3). What is to be exported is on disk
//! before it goes. It decides nothing: which rule is in force, what is held and whether the clock is believed is asked again by the engine and
//! in the commit itself; numbers go with compaction (`compaction`).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;

use ioc_common::clock;
use ioc_common::encoding::sha256_hex;
use ioc_common::file::replace_durably;
use ioc_common::id::IncidentId;
use ioc_engine::command::{BackgroundTask, Command, CommandError};
use ioc_engine::config::{ClassEnd, Config};
use ioc_engine::health::Health;
use ioc_engine::writer::EngineHandle;
use ioc_store::retention::{Cursor, PastRecord, RecordClass};
use ioc_store::{Reader, StoreError};

use crate::panics::caught;
use crate::task_watch::TaskWatch;

/// From the start to the first round at the latest: a collector that is restarted every hour deletes, too.
const FIRST_ROUND_MAX_MS: u64 = 180_000;
/// Between two turns, so that commits come first.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest sleep until a round is due: the timers of the runtime stand still while the machine is suspended.
const SLEEP_MAX_MS: u64 = 60_000;
/// Records of one turn: it begins with few, and takes more while a commit deletes all of them in its time.
const TURN_MIN: usize = 16;
const TURN_MAX: usize = 512;
/// Records that are looked at in one turn where all of them are held.
const LOOK_MAX: usize = 4096;
/// Who may read what is exported: the collector and its group.
const MODE: u32 = 0o640;
/// Bytes of the records of one turn, about: what is behind them waits.
const TURN_BYTES: usize = 4 * 1024 * 1024;

/// Why a round was broken off.
#[derive(Debug, thiserror::Error)]
enum RetentionError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{}: {source}; mend: see that the directory is there and writable for the collector", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Refused(#[from] CommandError),
}

/// Deletes until the engine ends.
pub(crate) async fn run(
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
) {
    let runtime = runtime::Handle::current();
    let work = move || {
        let mut watch = TaskWatch::new(BackgroundTask::Retention, engine.clone());
        let mut reloads = config.clone();
        let mut task = RetentionTask { engine, reader, config, health, runtime };
        let mut last_ms = None;
        let started_ms = clock::boottime_ms();
        while !task.engine.is_gone() {
            let every_ms = u64::try_from(task.config.borrow().retention.every.as_millis()).unwrap_or(u64::MAX);
            let due_ms = last_ms.map_or_else(
                || started_ms.saturating_add(every_ms.min(FIRST_ROUND_MAX_MS)),
                |last: u64| last.saturating_add(every_ms),
            );
            let left_ms = due_ms.saturating_sub(clock::boottime_ms());
            if left_ms > 0 {
                // Another configuration may have it earlier.
                let reloaded = async { reloads.changed().await.is_ok() };
                task.sleep_until(Duration::from_millis(left_ms.min(SLEEP_MAX_MS)), reloaded);
                continue;
            }
            last_ms = Some(clock::boottime_ms());
            let made = caught(|| task.round());
            task.reader.rest();
            let why = match made {
                Ok(Ok(())) => {
                    task.runtime.block_on(watch.succeeded());
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {panic}"),
            };
            tracing::error!(why, "records that are past their time are not deleted; they stay until they can be");
            task.runtime.block_on(watch.failed(why));
        }
    };
    let _ = tokio::task::spawn_blocking(work).await;
}

struct RetentionTask {
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    config: watch::Receiver<Arc<Config>>,
    health: Arc<Health>,
    runtime: runtime::Handle,
}

impl RetentionTask {
    /// Goes through all classes once. One that fails keeps no other from its turn; the first reason is told.
    fn round(&self) -> Result<(), RetentionError> {
        let mut first = Ok(());
        for class in RecordClass::ALL {
            let mut after = Cursor::default();
            let mut limit = TURN_MIN;
            loop {
                match self.turn(class, after, &mut limit) {
                    Ok(Some(next)) => after = next,
                    Ok(None) => break,
                    Err(error) => {
                        first = first.and(Err(error));
                        break;
                    }
                }
                if !self.sleep(PAUSE) {
                    return Ok(());
                }
            }
        }
        first
    }

    /// One turn; gives where the next one begins, none when the class is done.
    fn turn(&self, class: RecordClass, after: Cursor, limit: &mut usize) -> Result<Option<Cursor>, RetentionError> {
        // While the clock is in doubt nobody knows how old anything is.
        let Some(now) = self.health.judged_now() else { return Ok(None) };
        let config = Arc::clone(&self.config.borrow());
        // Those of requests go as they expire.
        let rule = config.retention.of(class).filter(|rule| rule.class != RecordClass::Enrolments);
        let Some((rule, keep)) = rule.and_then(|rule| Some((rule, rule.keep?))) else { return Ok(None) };
        if config.retention.waits_until(&self.reader.retention_rules()?, class, now).is_some() {
            return Ok(None);
        }
        let before = now.plus_millis(-keep.as_millis());
        // Before the records: what is held from then on is asked again by the commit.
        let holds_seen = self.reader.holds()?.iter().map(|hold| hold.number).max().unwrap_or(0);
        let commits_seen = self.reader.commits()?;
        let seen = self.reader.past_records(class, before, after, *limit)?;
        let Some(first) = seen.iter().position(|one| !one.stays) else {
            // However many are held, what is behind them has its turn in this round.
            *limit = (*limit * 2).min(LOOK_MAX);
            return Ok(seen.last().map(|one| one.cursor));
        };
        // What stays before it is not looked at again.
        let after = first.checked_sub(1).and_then(|place| seen.get(place)).map_or(after, |one| one.cursor);
        *limit = (*limit).min(TURN_MAX);
        let mut bytes = 0;
        let fits = |one: &&PastRecord| {
            bytes += one.line.len();
            bytes <= TURN_BYTES
        };
        let going: Vec<&PastRecord> = seen.iter().filter(|one| !one.stays).take(*limit).take_while(fits).collect();
        // One that is larger than all of that goes by itself.
        let going = if going.is_empty() { seen.iter().skip(first).take(1).collect() } else { going };
        let exported = match (rule.end, &config.retention.export_to) {
            (ClassEnd::Export, Some(to)) => self.export(class, to, &going)?,
            _ => String::new(),
        };
        let records = going.iter().map(|one| (one.key, sha256_hex(one.line.as_bytes()))).collect();
        // Read once here, a large one need not be read in the commit.
        let first_alone =
            going.first().map_or_else(String::new, |one| sha256_hex(format!("{}\n", one.line).as_bytes()));
        let expire = Command::Expire { class, records, holds_seen, commits_seen, first_alone, exported };
        self.runtime.block_on(self.engine.command(expire))?;
        let left = self.reader.past_records(class, before, after, *limit)?;
        let left = left.iter().find(|one| !one.stays).map(|one| one.key);
        match left.and_then(|key| going.iter().position(|one| one.key == key)) {
            // Nothing went: somebody changed it, or holds it since. It waits for the next round.
            Some(0) => Ok(going.first().map(|one| one.cursor)),
            // The commit took as much as it has time for.
            Some(_) => {
                *limit = (*limit / 2).max(TURN_MIN);
                Ok(Some(after))
            }
            None => {
                *limit = (*limit * 2).min(TURN_MAX);
                Ok(Some(after))
            }
        }
    }

    /// Writes records to a file, one a line, and the files of incidents beside it. All of it is on disk when it returns.
    fn export(&self, class: RecordClass, to: &Path, going: &[&PastRecord]) -> Result<String, RetentionError> {
        let dir = to.join(class.as_str());
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |source| RetentionError::File { path, source }
        };
        make_dir(&dir).map_err(fault(&dir))?;
        if class == RecordClass::Incidents {
            let files = dir.join("files");
            make_dir(&files).map_err(fault(&files))?;
            for one in going {
                self.export_files(&files, one)?;
            }
        }
        let mut lines = String::new();
        for one in going {
            lines += &one.line;
            lines.push('\n');
        }
        // By what it holds: made again it is the same file.
        let digest = sha256_hex(lines.as_bytes());
        let first = going.first().map_or(0, |one| one.key);
        let path = dir.join(format!("{}-{first:012}-{}.jsonl", class.as_str(), &digest[..16]));
        replace_durably(&path, MODE, |file| file.write_all(lines.as_bytes())).map_err(fault(&path))?;
        Ok(path.display().to_string())
    }

    fn export_files(&self, files: &Path, incident: &PastRecord) -> Result<(), RetentionError> {
        let record: serde_json::Value = serde_json::from_str(&incident.line).unwrap_or_default();
        let named = record["files"].as_array().into_iter().flatten().filter_map(|one| one["sha256"].as_str());
        for sha256 in named.filter(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            let path = files.join(sha256);
            let content = self.reader.attachment(IncidentId(incident.key.unsigned_abs()), sha256)?;
            if let Some(content) = content.filter(|_| !path.exists()) {
                replace_durably(&path, MODE, |file| file.write_all(&content))
                    .map_err(|source| RetentionError::File { path, source })?;
            }
        }
        Ok(())
    }

    /// Sleeps. False when the engine has ended.
    fn sleep(&self, length: Duration) -> bool {
        self.sleep_until(length, std::future::pending())
    }

    /// Sleeps until something has happened, if it ever does. False when the engine has ended.
    fn sleep_until(&self, length: Duration, happened: impl Future<Output = bool>) -> bool {
        let woken = async {
            tokio::select! {
                () = self.engine.gone() => {}
                true = happened => {}
            }
        };
        let _ = self.runtime.block_on(async { tokio::time::timeout(length, woken).await });
        !self.engine.is_gone()
    }
}

fn make_dir(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
