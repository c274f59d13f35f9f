//! What earlier runs left in the spool: found, read and taken into the index.
//!
//! A file that cannot be read holds up what is newer for a while, since it may hold what is older. Then what can be read of it is taken, and a
//! file that cannot even be opened is put aside and counted, so that the rest goes on.

use std::fs;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;

use ioc_common::clock;
use ioc_common::report::{Losses, Position};

use super::{DiskSpool, ReportLocation, SpoolFile};
use crate::spool::damaged_parts::SpoolFileHealth;
use crate::spool::error::SpoolError;
use crate::spool::frame::{self, FoundFrame, is_cut_off, number_in, rename_cut_off};
use crate::spool::sled_store;

/// How long a file that cannot be read holds up what is newer, milliseconds. Then what can be read of it is taken.
pub(super) const PATIENCE_MS: u64 = 60_000;
/// How long files that cannot be opened are waited for, before what is newer goes on without them.
pub(super) const GIVE_UP_MS: u64 = 6 * 3_600_000;

impl DiskSpool {
    /// Reads what was left by others, until all of it is known. Blocks that the disk cannot read are left out after a minute.
    pub(super) fn gather(&mut self, losses: &mut Losses) -> Result<(), SpoolError> {
        if self.listed && self.unread.is_empty() { Ok(()) } else { self.gather_at(clock::boottime_ms(), losses) }
    }

    /// The same at this time of the boot clock.
    pub(super) fn gather_at(&mut self, now_ms: u64, losses: &mut Losses) -> Result<(), SpoolError> {
        let patient = self.failing_since_ms.is_none_or(|since| now_ms < since + PATIENCE_MS);
        match self.try_gather(patient, losses) {
            Ok(()) => {
                self.failing_since_ms = None;
                self.leave_torn();
            }
            // Not being able to open or list a file says nothing of what is in it: that passes, or somebody has to mend it.
            Err(error) if !self.listed || self.failing_since_ms.is_none_or(|since| now_ms < since + GIVE_UP_MS) => {
                self.failing_since_ms.get_or_insert(now_ms);
                return Err(error);
            }
            Err(error) => {
                tracing::error!(%error, "a part of the spool cannot be read for long; what is newer goes on without it");
                losses.quarantined += self.unread.len().max(1) as u64;
                (self.listed, self.failing_since_ms) = (true, None);
                for path in std::mem::take(&mut self.unread) {
                    if let Some(file) = self.let_go(SpoolFile { path, waiting: 0, health: SpoolFileHealth::Unreadable })
                    {
                        let number = self.new_number();
                        self.files.insert(number, file);
                    }
                }
            }
        }
        Ok(())
    }

    /// What is damaged behind the last whole report of a run was being written when that run was cut off: it was never kept, and how far the
    /// run had come is told by its end.
    fn leave_torn(&mut self) {
        let torn = std::mem::take(&mut self.maybe_torn);
        let index = &self.index;
        let freed = self.freed;
        self.damaged.retain(|position| {
            let end = Position { seq: u64::MAX, ..*position };
            !torn.contains(position)
                || freed > *position
                || index.range((Bound::Excluded(*position), Bound::Included(end))).next().is_some()
        });
    }

    pub(super) fn ensure_listed(&mut self) -> Result<(), SpoolError> {
        if !self.listed {
            self.unread = self.list().map_err(|source| self.error("list", source))?;
            self.next_file = self.unread.iter().filter_map(|path| number_in(path)).max().unwrap_or(0).saturating_add(1);
            self.listed = true;
        }
        Ok(())
    }

    fn try_gather(&mut self, patient: bool, losses: &mut Losses) -> Result<(), SpoolError> {
        self.ensure_listed()?;
        // One that cannot be read keeps no other from being known.
        let (mut left, mut first) = (Vec::new(), None);
        while let Some(path) = self.unread.pop() {
            let mut found = Vec::new();
            match frame::scan(&path, !patient, &mut |one| found.push(one)) {
                Ok(unreadable) => {
                    if unreadable > 0 {
                        tracing::error!(file = %path.display(), blocks = unreadable, "parts of the spool cannot be read");
                        losses.quarantined += 1;
                    }
                    self.take_in(path, &found, unreadable > 0);
                }
                Err(source) => {
                    first.get_or_insert(self.error_at("read", &path, source));
                    left.push(path);
                }
            }
        }
        self.unread = left;
        first.map_or(Ok(()), Err)
    }

    fn list(&self) -> io::Result<Vec<PathBuf>> {
        if self.dir.metadata().is_ok_and(|meta| !meta.is_dir()) {
            return Ok(Vec::new());
        }
        let mut files = sled_store::files_in(&self.dir)?;
        let kept = match fs::read_dir(self.dir.join("kept")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
            other => other?,
        };
        for file in kept {
            let path = file?.path();
            files.push(if path.extension().is_some_and(|end| end == "tmp") { rename_cut_off(&path)? } else { path });
        }
        Ok(files)
    }

    fn take_in(&mut self, path: PathBuf, found: &[FoundFrame], broken: bool) {
        let number =
            number_in(&path).filter(|number| !self.files.contains_key(number)).unwrap_or_else(|| self.new_number());
        let cut_off = is_cut_off(&path);
        let renamed = !cut_off && path.extension().is_some_and(|end| end == "rec");
        let health = if broken { SpoolFileHealth::Unreadable } else { SpoolFileHealth::Whole };
        let mut kept = SpoolFile { path, waiting: 0, health };
        for one in found {
            match *one {
                // Freed, and not yet written over.
                FoundFrame::Whole { position, .. } | FoundFrame::Damaged(position) if position <= self.freed => {}
                // Never said to be kept.
                FoundFrame::Damaged(_) | FoundFrame::Headless if cut_off => {}
                FoundFrame::Whole { position, offset, len, sample } => {
                    self.damaged.remove(&position);
                    let place = ReportLocation { file: Some(number), offset, len, sample };
                    match self.index.get(&position) {
                        None => {
                            self.bytes += place.bytes();
                            kept.waiting += 1;
                        }
                        // sled writes a report again when it tidies up, and so do we.
                        Some(ReportLocation { file: Some(file), .. }) if *file == number => {}
                        Some(ReportLocation { file: None, .. }) => kept.waiting += 1,
                        Some(ReportLocation { file: Some(_), .. }) => continue,
                    }
                    self.index.insert(position, place);
                }
                FoundFrame::Damaged(position) => {
                    kept.health = kept.health.or_damaged();
                    if !self.index.contains_key(&position) {
                        self.damaged.insert(position);
                        if !renamed {
                            self.maybe_torn.insert(position);
                        }
                    }
                }
                FoundFrame::Headless => kept.health = kept.health.or_damaged(),
            }
        }
        if kept.waiting == 0 && kept.health == SpoolFileHealth::Whole {
            let _ = fs::remove_file(&kept.path);
        } else {
            self.files.insert(number, kept);
        }
    }
}
