//! What was lost and how earlier runs ended, kept beside the spool so that a restart does not forget it.
//!
//! Written at the start, at the end, and when something was lost: never in the steady state. What was lost while it cannot be written is
//! known in memory and said all the same.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use ioc_common::file::{replace, replace_durably};
use ioc_common::report::{FORMER_MAX, Former, Losses};

use super::damaged::Damaged;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct LedgerFile {
    /// Whose this is.
    device: String,
    losses: Losses,
    /// The epoch that was begun last.
    running: u64,
    /// Its last place, once it has ended by itself.
    ended: Option<u64>,
    former: Vec<Former>,
}

/// The ledger.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    kept: LedgerFile,
    saved: Option<LedgerFile>,
}

impl Ledger {
    /// Reads what is at `path`. One that is damaged is kept aside and begun anew: the collector finds by itself what is
    /// missing.
    pub(super) fn open(path: PathBuf, damaged: &mut Damaged) -> Self {
        let kept = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
                tracing::warn!(%error, file = %path.display(), "what was lost earlier is not known: the file is damaged");
                if let Err(error) = damaged.keep_whole(&path) {
                    tracing::warn!(%error, file = %path.display(), "it cannot be kept");
                }
                LedgerFile::default()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(%error, file = %path.display(), "what was lost earlier cannot be read");
                }
                LedgerFile::default()
            }
        };
        Self { path, saved: None, kept }
    }

    pub(super) fn losses(&self) -> Losses {
        self.kept.losses
    }

    pub(super) fn former(&self) -> &[Former] {
        &self.kept.former
    }

    /// The epoch that was begun last, unless it was another device's.
    pub(super) fn running(&self, device: &str) -> u64 {
        if self.kept.device == device { self.kept.running } else { 0 }
    }

    /// Begins an epoch. `known` is the last place of the one before that is still here; `committed` is where the collector is, as far as
    /// is known.
    pub(super) fn begin(&mut self, device: &str, epoch: u64, known: u64) {
        if self.kept.device != device {
            // Enrolled as another one: what that one lost is not this one's.
            self.kept = LedgerFile { device: device.to_owned(), ..LedgerFile::default() };
        }
        if self.kept.running > 0 {
            let (clean, seq) = (self.kept.ended.is_some(), self.kept.ended.unwrap_or(0).max(known));
            self.kept.former.push(Former { epoch: self.kept.running, seq, clean });
            let over = self.kept.former.len().saturating_sub(FORMER_MAX);
            self.kept.former.drain(..over);
        }
        (self.kept.running, self.kept.ended) = (epoch, None);
        // Not synced: a start is not to wait for the disk, and a power cut within moments of it costs no more than was cut off anyway.
        self.save(false);
    }

    /// The epoch ends by itself at this place.
    pub(super) fn end(&mut self, seq: u64, losses: Losses, committed_epoch: u64) {
        self.kept.ended = Some(seq);
        self.kept.losses = losses;
        self.forget_before(committed_epoch);
        self.save(true);
    }

    /// Earlier runs that the collector has passed need not be told any more. Written with the next change.
    pub(super) fn forget_before(&mut self, epoch: u64) {
        if self.kept.former.first().is_some_and(|former| former.epoch < epoch) {
            self.kept.former.retain(|former| former.epoch >= epoch);
        }
    }

    /// Takes what was lost, and writes it when that is news.
    pub(super) fn lost(&mut self, losses: Losses) {
        if self.kept.losses != losses {
            self.kept.losses = losses;
            self.save(true);
        }
    }

    fn save(&mut self, durably: bool) {
        if self.saved.as_ref() == Some(&self.kept) {
            return;
        }
        match self.write(durably) {
            Ok(()) => self.saved = Some(self.kept.clone()),
            Err(error) => {
                self.saved = None;
                tracing::warn!(%error, file = %self.path.display(), "what was lost cannot be written; it is known until the agent ends");
            }
        }
    }

    /// Tries again what could not be written.
    pub(super) fn retry(&mut self) {
        if self.saved.is_none() && !self.kept.device.is_empty() {
            self.save(true);
        }
    }

    fn write(&self, durably: bool) -> io::Result<()> {
        let text = serde_json::to_vec(&self.kept)?;
        let write = |out: &mut io::BufWriter<File>| out.write_all(&text);
        if durably { replace_durably(&self.path, 0o644, write) } else { replace(&self.path, 0o644, write) }
    }
}
