//! The collector's own backups as others see them: what was made, what a drill said, what is due; and a word that one is wanted.
//!
//! They are made by a task of the collector (`collector/src/backup`); pages and API read what it says here.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use ioc_common::clock::Timestamp;

/// Wishes that wait.
const WISHES_MAX: usize = 8;

/// A backup, as it stands beside its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRecord {
    /// The archive's file name.
    pub archive: String,
    /// Of all backups of this directory, the how manieth; it never falls back, whatever the clock does.
    pub number: u64,
    /// The moment that the store is as of.
    pub made_at: Timestamp,
    /// Size of the archive, bytes.
    pub bytes: u64,
    /// SHA-256 over the archive, hex.
    pub sha256: String,
    /// What it holds before it is packed, bytes.
    pub plain_bytes: u64,
    /// Which store, hex.
    pub store: String,
    /// How many commits it holds.
    pub commits: u64,
    /// The number of the last record of its audit log.
    pub audit_number: u64,
    /// How it is sealed: passphrase, recipients, open.
    pub sealed: String,
    /// The version of the program that made it.
    pub product: String,
    /// How long it took, milliseconds; of that, how long the store was read.
    pub took_ms: u64,
    /// How long the store was read, milliseconds.
    pub copied_ms: u64,
}

/// What a trial restore said: the certificate of restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// The archive that was restored.
    pub archive: String,
    /// Its SHA-256, hex.
    pub sha256: String,
    /// Which store was in it, hex, as its note says.
    #[serde(default)]
    pub store: String,
    /// The moment that the store in it is as of.
    pub backup_made_at: Timestamp,
    /// Which drill of this store it was: the one with the largest number is the last one, whatever clocks say. 0 in certificates of earlier versions.
    #[serde(default)]
    pub number: u64,
    /// When the drill began.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u64,
    /// Why it failed; nothing when it succeeded.
    pub failure: Option<String>,
    /// What was looked at, a line each.
    pub checks: Vec<String>,
    /// Tables that were compared.
    pub tables: u64,
    /// Rows in them.
    pub rows: u64,
    /// Files that were compared.
    pub files: u64,
    /// Bytes that were restored.
    pub plain_bytes: u64,
    /// The version of the program that restored it.
    pub product: String,
}

/// How backups stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackupStatus {
    /// Where archives lie, and how they are sealed; nothing when none are made.
    pub place: Option<(PathBuf, &'static str)>,
    /// Archives that are there, the newest first.
    pub archives: Vec<BackupRecord>,
    /// When the next one is due.
    pub next_at: Option<Timestamp>,
    /// Why the last one failed, and when.
    pub failed: Option<(Timestamp, String)>,
    /// The newest archive, where the program that is started after each has not taken it yet.
    pub waiting: Option<String>,
    /// The last drill.
    pub drill: Option<DrillRecord>,
    /// When the next drill is due; nothing where archives cannot be opened here.
    pub next_drill_at: Option<Timestamp>,
    /// What is being done now: a backup or a drill, and how many bytes of how many.
    pub running: Option<(BackupWork, u64, u64)>,
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupWork {
    /// Make a backup.
    Backup,
    /// Restore the newest one for a trial.
    Drill,
}

impl BackupWork {
    /// The name used in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Drill => "drill",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupOutcome {
    /// A backup was made.
    Made(BackupRecord),
    /// A drill was held, whatever it said.
    Drilled(DrillRecord),
}

/// A wish, from whoever asks.
#[derive(Debug)]
pub struct BackupWish {
    /// What is asked for.
    pub work: BackupWork,
    /// Who asks, for the audit log.
    pub actor: String,
    /// Where the answer goes: what came of it, or why nothing did.
    pub answer: oneshot::Sender<Result<BackupOutcome, String>>,
}

/// Where the task of backups says how they stand, and hears what is wished.
#[derive(Debug, Default)]
pub struct BackupBoard {
    status: Mutex<BackupStatus>,
    wishes: Mutex<Option<mpsc::Sender<BackupWish>>>,
}

impl BackupBoard {
    fn now(&self) -> MutexGuard<'_, BackupStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How backups stand.
    #[must_use]
    pub fn status(&self) -> BackupStatus {
        self.now().clone()
    }

    /// Changes what is said of them.
    pub fn update(&self, change: impl FnOnce(&mut BackupStatus)) {
        change(&mut self.now());
    }

    /// Begins to hear wishes.
    pub fn listen(&self) -> mpsc::Receiver<BackupWish> {
        let (sender, receiver) = mpsc::channel(WISHES_MAX);
        *self.wishes.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        receiver
    }

    /// Asks for work, and waits until it is done.
    ///
    /// # Errors
    /// Why nothing came of it.
    pub async fn ask(&self, work: BackupWork, actor: &str) -> Result<BackupOutcome, String> {
        let (answer, answered) = oneshot::channel();
        let wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wish = BackupWish { work, actor: actor.to_owned(), answer };
        let sent = wishes.map(|wishes| wishes.try_send(wish));
        match sent {
            Some(Ok(())) => answered.await.unwrap_or_else(|_| Err("the collector is stopping".to_owned())),
            Some(Err(mpsc::error::TrySendError::Full(_))) => Err("more wait already; try again later".to_owned()),
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => {
                Err("the collector is starting or stopping".to_owned())
            }
        }
    }

    /// What metrics say of them: seconds since the last good backup, its size, whether the last attempt failed; the same of drills.
    #[must_use]
    pub fn gauges(&self, now: Timestamp) -> Vec<(&'static str, &'static str, f64)> {
        let status = self.status();
        let mut all = Vec::new();
        if status.place.is_none() {
            return all;
        }
        let age_s = |at: Timestamp| now.millis_since(at) as f64 / 1000.0;
        if let Some(last) = status.archives.first() {
            all.push(("ioc_backup_age_seconds", "Since the last good backup of the collector.", age_s(last.made_at)));
            all.push(("ioc_backup_bytes", "Size of the last good backup.", last.bytes as f64));
        }
        let failed = f64::from(u8::from(status.failed.is_some()));
        all.push(("ioc_backup_failed", "1 while the last attempt at a backup failed.", failed));
        if let Some(drill) = &status.drill {
            let failed = f64::from(u8::from(drill.failure.is_some()));
            all.push(("ioc_backup_drill_age_seconds", "Since the last restore drill.", age_s(drill.at)));
            all.push(("ioc_backup_drill_failed", "1 while the last restore drill failed.", failed));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_is_answered_or_says_why_not() {
        let board = BackupBoard::default();
        assert!(board.ask(BackupWork::Drill, "lan").await.is_err_and(|why| why.contains("starting")));
        let mut wishes = board.listen();
        let heard = async {
            let wish = wishes.recv().await.expect("a wish");
            assert_eq!((wish.work, wish.actor.as_str()), (BackupWork::Drill, "lan"));
            let _ = wish.answer.send(Err("no archive".to_owned()));
        };
        let (answer, ()) = tokio::join!(board.ask(BackupWork::Drill, "lan"), heard);
        assert_eq!(answer, Err("no archive".to_owned()));
        assert!(board.gauges(Timestamp::from_millis(5)).is_empty(), "nothing is said of what is off");
        board.update(|status| status.place = Some(("/srv/b".into(), "open")));
        assert_eq!(board.gauges(Timestamp::from_millis(5)).len(), 1, "unknown is not zero");
    }
}
