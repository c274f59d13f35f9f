//! What was lost and how earlier runs ended, kept beside the spool so that a restart does not forget it.
//!
//! Written at the start, at the end, and when something was lost: never in the steady state. What was lost while it cannot be written is
//! known in memory and said all the same. One that cannot be read is not written over: a fault of the disk may pass, and then what it says
//! and what was counted since are brought together.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use ioc_common::file::replace_durably;
use ioc_common::report::{EARLIER_RUNS_MAX, EarlierRun, Losses, Position};

use super::damaged_parts::DamagedParts;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct LedgerFile {
    /// The device that this machine was enrolled as; the losses of another one are not told.
    device: String,
    losses: Losses,
    /// The epoch that was begun last.
    running: u64,
    /// Its last place, once it has ended by itself.
    ended: Option<u64>,
    former: Vec<EarlierRun>,
}

/// `losses.json`, and what of it is known but not yet written.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    damaged: DamagedParts,
    kept: LedgerFile,
    saved: Option<LedgerFile>,
    /// What is at the path could not be read yet, and is not to be written over.
    unread: bool,
}

impl Ledger {
    /// Reads what is at `path`. One that is damaged is kept aside and begun anew: the collector finds by itself what is
    /// missing. One that cannot be read now is read later ([`Self::read_again`]).
    pub(super) fn open(path: PathBuf, mut damaged: DamagedParts) -> Self {
        let read = read(&path, &mut damaged).inspect_err(|error| {
            tracing::warn!(%error, file = %path.display(), "what was lost earlier cannot be read; it is tried again, and nothing is written over it");
        });
        Self { unread: read.is_err(), kept: read.unwrap_or_default(), saved: None, path, damaged }
    }

    /// Reads what could not be read at the start, and brings it together with this run. `known` tells the last place of an epoch that is
    /// still here. What was lost earlier, once that is known and if it is this device's.
    pub(super) fn read_again(&mut self, known: impl FnOnce(u64) -> u64) -> Option<Losses> {
        if !self.unread {
            return None;
        }
        let earlier = read(&self.path, &mut self.damaged).ok()?;
        self.unread = false;
        if self.kept.device.is_empty() {
            // No run has begun yet.
            self.kept = earlier;
            return Some(self.kept.losses);
        }
        if earlier.device != self.kept.device {
            return None;
        }
        let (losses, seq) = (earlier.losses, known(earlier.running));
        let later = std::mem::replace(&mut self.kept.former, runs_of(earlier.former.clone(), &earlier, seq));
        self.kept.former.extend(later);
        keep_newest(&mut self.kept.former);
        Some(losses)
    }

    pub(super) fn losses(&self) -> Losses {
        self.kept.losses
    }

    /// How earlier runs ended, the newest of them. Those that the collector has passed are told as well: it may be restored from a backup,
    /// and one hello, made before anybody knows of that, has to be enough.
    pub(super) fn earlier_runs(&self) -> &[EarlierRun] {
        &self.kept.former
    }

    /// The collector has everything up to `watermark`: so much, at least, was given out. Written with the next change.
    pub(super) fn note_committed(&mut self, watermark: Position) {
        if let Some(former) = self.kept.former.iter_mut().rev().find(|former| former.epoch == watermark.epoch) {
            former.seq = former.seq.max(watermark.seq);
        }
    }

    /// The epoch that was begun last, unless it was another device's.
    pub(super) fn running_epoch(&self, device: &str) -> u64 {
        if self.kept.device == device { self.kept.running } else { 0 }
    }

    /// Begins an epoch. `known` is the last place of the one before that is still here.
    pub(super) fn begin(&mut self, device: &str, epoch: u64, known: u64) {
        if self.kept.device != device {
            // Enrolled as another one: what that one lost is not this one's.
            self.kept = LedgerFile { device: device.to_owned(), ..LedgerFile::default() };
        }
        self.kept.former = runs_of(std::mem::take(&mut self.kept.former), &self.kept, known);
        (self.kept.running, self.kept.ended) = (epoch, None);
        self.save();
    }

    /// The epoch ends by itself at this place.
    pub(super) fn end(&mut self, seq: u64, losses: Losses) {
        self.kept.ended = Some(seq);
        self.kept.losses = losses;
        self.save();
    }

    /// Takes what was lost, and writes it when that is news.
    pub(super) fn record_losses(&mut self, losses: Losses) {
        if self.kept.losses != losses {
            self.kept.losses = losses;
            self.save();
        }
    }

    fn save(&mut self) {
        if self.unread || self.saved.as_ref() == Some(&self.kept) {
            return;
        }
        match self.write() {
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
            self.save();
        }
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.kept)?;
        replace_durably(&self.path, 0o644, |out: &mut io::BufWriter<File>| out.write_all(&text))
    }
}

/// What is at `path`; nothing where there is no file, or where it is damaged and was kept aside.
fn read(path: &Path, damaged: &mut DamagedParts) -> io::Result<LedgerFile> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LedgerFile::default()),
        other => other?,
    };
    match serde_json::from_slice(&text) {
        Ok(file) => Ok(file),
        Err(error) => {
            tracing::warn!(%error, file = %path.display(), "what was lost earlier is not known: the file is damaged");
            // Where it cannot be kept now, nothing is written over it: it is tried again.
            damaged.keep_whole(path)?;
            Ok(LedgerFile::default())
        }
    }
}

/// How earlier runs ended, and after them the one that was running in `file`: it gave out places up to `known` at least.
fn runs_of(mut former: Vec<EarlierRun>, file: &LedgerFile, known: u64) -> Vec<EarlierRun> {
    if file.running > 0 {
        let (clean, seq) = (file.ended.is_some(), file.ended.unwrap_or(0).max(known));
        former.push(EarlierRun { epoch: file.running, seq, clean });
        keep_newest(&mut former);
    }
    former
}

fn keep_newest(former: &mut Vec<EarlierRun>) {
    let over = former.len().saturating_sub(EARLIER_RUNS_MAX);
    former.drain(..over);
}
