//! The spool on disk: what is written now ([`super::sled_store`]), and files of frames that are only read.
//!
//! What waits is known by an index in memory, made by reading the files once at the start. A fault of the disk that may pass never makes
//! anything be thrown away: the files stay as they are, and are read again later. A report is lost only when its own bytes are, and is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use ioc_common::clock;
use ioc_common::report::{Losses, Position};

mod measure;
mod recovery;

use super::SpooledReport;
use super::damaged_parts::{DamagedParts, SpoolFileHealth};
use super::error::SpoolError;
use super::frame::{self, write_file};
use super::sled_store::{self, SledStore, is_disk_full};

/// What an entry takes beside its report.
pub(super) const OVERHEAD_BYTES: u64 = 64;
/// Largest frame that goes into sled: larger values would go to files of their own there, which it does not sync.
const SLED_MAX_BYTES: usize = 96 * 1024;
/// Files that are only read; with more, they are written anew as one.
const FILES_MAX: usize = 48;
/// So few reports, so few times, are written as files of their own: one event that is committed in a moment is not worth opening sled.
const LOOSE_REPORTS_MAX: usize = 8;
const LOOSE_FILES_MAX: u32 = 4;
/// What one sled is given, bytes, before another is made: it holds in memory a multiple of what it was given, for as long as the collector is away.
const LIVE_MAX_BYTES: u64 = 2 * 1024 * 1024;
/// After sled failed, files are written without it for this long, milliseconds.
const WITHOUT_SLED_MS: u64 = 60_000;

/// The spool on disk.
#[derive(Debug)]
pub struct DiskSpool {
    dir: PathBuf,
    max_bytes: u64,
    live: Option<SledStore>,
    /// What it was given, bytes.
    live_bytes: u64,
    without_sled_until_ms: u64,
    /// Files that were written without sled since it was last open.
    loose: u32,
    /// The files were looked for.
    listed: bool,
    /// Files that are not yet read, and since when they cannot be.
    unread: Vec<PathBuf>,
    failing_since_ms: Option<u64>,
    files: BTreeMap<u32, SpoolFile>,
    next_file: u32,
    index: BTreeMap<Position, ReportLocation>,
    bytes: u64,
    /// Everything up to here is committed.
    freed: Position,
    /// Places whose reports do not match their checksums and were not yet passed.
    damaged: BTreeSet<Position>,
    /// Those of them that lie where a report is while it is being written. Files that are renamed once they are whole hold none.
    maybe_torn: BTreeSet<Position>,
    /// What is damaged and kept.
    aside: DamagedParts,
    /// A file could not be taken away; said once.
    stuck: bool,
}

#[derive(Debug)]
struct SpoolFile {
    path: PathBuf,
    waiting: u64,
    health: SpoolFileHealth,
}

#[derive(Debug, Clone, Copy)]
struct ReportLocation {
    /// None while it is in sled.
    file: Option<u32>,
    offset: u64,
    len: u32,
    sample: bool,
}

impl ReportLocation {
    const fn bytes(&self) -> u64 {
        self.len as u64 + OVERHEAD_BYTES
    }
}

impl DiskSpool {
    /// The spool in `dir`. What was left there is read and counted; what cannot be read now is tried again later.
    pub(super) fn open(dir: PathBuf, max_bytes: u64, losses: &mut Losses) -> Self {
        let mut spool = Self {
            aside: DamagedParts::of(&dir),
            stuck: false,
            dir,
            max_bytes,
            live: None,
            live_bytes: 0,
            without_sled_until_ms: 0,
            loose: 0,
            listed: false,
            unread: Vec::new(),
            failing_since_ms: None,
            files: BTreeMap::new(),
            next_file: 1,
            index: BTreeMap::new(),
            bytes: 0,
            freed: Position::default(),
            damaged: BTreeSet::new(),
            maybe_torn: BTreeSet::new(),
        };
        if let Err(error) = spool.gather(losses) {
            tracing::warn!(%error, "the spool cannot be read now; it is tried again");
        }
        spool
    }

    /// A number under which no file lies, listed or not.
    fn new_number(&mut self) -> u32 {
        while self.path_of(self.next_file).exists() {
            self.next_file = self.next_file.saturating_add(1);
        }
        self.next_file = self.next_file.saturating_add(1);
        self.next_file - 1
    }

    fn path_of(&self, number: u32) -> PathBuf {
        self.dir.join(format!("kept/{number:08}.rec"))
    }

    /// Writes entries durably: all of them, or it is an error and they stay with whoever has them. When the budget is exceeded, old
    /// samples are thinned, then dropped, before any other kind.
    pub(super) fn put(&mut self, entries: &[&SpooledReport], losses: &mut Losses) -> Result<(), SpoolError> {
        self.aside.measure();
        if self.budget() < self.max_bytes / 10 {
            let full = "what is damaged of it takes nine tenths of its budget; mend: look at the disk, see 'ioc-agent damaged', and remove it \
                        with 'ioc-agent damaged --remove'";
            return Err(self.error("write", io::Error::other(full)));
        }
        let frames: Vec<(Position, Vec<u8>)> =
            entries.iter().map(|entry| (entry.position, frame::encode(entry))).collect();
        let small = frames.iter().all(|(_, frame)| frame.len() <= SLED_MAX_BYTES);
        let loose = self.live.is_none() && frames.len() < LOOSE_REPORTS_MAX && self.loose < LOOSE_FILES_MAX;
        let by_sled = small && !loose && clock::boottime_ms() >= self.without_sled_until_ms;
        let written = if by_sled {
            self.put_live(&frames, losses)
        } else {
            Err(self.error("write", io::Error::other("not by sled")))
        };
        let place = match written {
            Ok(()) => None,
            Err(error) => {
                if by_sled {
                    tracing::warn!(%error, "sled cannot write the spool; it is written without it for a while");
                    self.without_sled_until_ms = clock::boottime_ms() + WITHOUT_SLED_MS;
                    self.live = None;
                }
                Some(self.put_file(&frames)?)
            }
        };
        let mut offset = 0;
        for (entry, (position, frame)) in entries.iter().zip(&frames) {
            let len = u32::try_from(frame.len()).unwrap_or(u32::MAX);
            self.forget(*position);
            let new = ReportLocation { file: place, offset, len, sample: entry.is_sample() };
            self.bytes += new.bytes();
            self.index.insert(*position, new);
            self.damaged.remove(position);
            offset += u64::from(len);
        }
        let tidied = if self.bytes > self.budget() {
            self.thin(losses)
        } else if self.files.len() > FILES_MAX {
            self.write_anew(losses)
        } else {
            Ok(())
        };
        // What was to be written is written all the same.
        if let Err(error) = tidied {
            tracing::warn!(%error, "the spool cannot be tidied now");
        }
        Ok(())
    }

    fn put_live(&mut self, frames: &[(Position, Vec<u8>)], losses: &mut Losses) -> Result<(), SpoolError> {
        if self.live.is_none() || self.live_bytes >= LIVE_MAX_BYTES {
            self.retire(losses)?;
            self.live = Some(SledStore::create(&self.dir).map_err(|source| self.error("open", source))?);
            (self.live_bytes, self.loose) = (0, 0);
        }
        self.live_bytes += frames.iter().map(|(_, frame)| frame.len() as u64).sum::<u64>();
        match &self.live {
            Some(live) => live.put(frames).map_err(|source| self.error("write", source)),
            None => Ok(()),
        }
    }

    /// Writes frames as a file of their own, with the room that was kept for this moment when there is none.
    fn put_file(&mut self, frames: &[(Position, Vec<u8>)]) -> Result<u32, SpoolError> {
        self.ensure_listed()?;
        let number = self.new_number();
        let path = self.path_of(number);
        let mut result = write_file(&path, frames.iter().map(|(_, frame)| Ok(frame)));
        if result.as_ref().is_err_and(is_disk_full) {
            sled_store::free_ballast(&self.dir);
            result = write_file(&path, frames.iter().map(|(_, frame)| Ok(frame)));
        }
        result.map_err(|source| self.error_at("write", &path, source))?;
        self.loose += 1;
        self.files.insert(number, SpoolFile { path, waiting: frames.len() as u64, health: SpoolFileHealth::Whole });
        Ok(number)
    }

    /// Closes sled and takes its files among those that are only read.
    fn retire(&mut self, losses: &mut Losses) -> Result<(), SpoolError> {
        self.ensure_listed()?;
        self.live = None;
        let left = sled_store::files_in(&self.dir).map_err(|source| self.error("list", source))?;
        let kept = self.dir.join("kept");
        for path in left {
            fs::create_dir_all(&kept).map_err(|source| self.error("write", source))?;
            let known = self.files.iter().find(|(_, file)| file.path == path).map(|(number, _)| *number);
            let number = known.unwrap_or_else(|| self.new_number());
            let to = self.path_of(number);
            fs::rename(&path, &to).map_err(|source| self.error_at("move", &path, source))?;
            match self.files.get_mut(&number) {
                Some(file) => file.path = to,
                None => {
                    self.unread.retain(|unread| *unread != path);
                    self.unread.push(to);
                }
            }
        }
        // What is left is sled's own bookkeeping, which another sled would believe.
        for name in fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|file| file.file_name()) {
            let name = name.to_string_lossy();
            if name == "conf" || name.starts_with("snap") {
                fs::remove_file(self.dir.join(&*name)).map_err(|source| self.error("tidy", source))?;
            }
        }
        self.gather(losses)?;
        // What sled had and its files have no more.
        let gone: Vec<Position> =
            self.index.iter().filter(|(_, place)| place.file.is_none()).map(|(at, _)| *at).collect();
        losses.corrupt += gone.len() as u64;
        for position in gone {
            self.forget(position);
        }
        Ok(())
    }

    /// Brings the spool below nine tenths of its budget: every second old sample first, then the oldest samples, then the oldest of the
    /// rest.
    fn thin(&mut self, losses: &mut Losses) -> Result<(), SpoolError> {
        let target = self.budget() / 10 * 9;
        for pass in 0..3 {
            let mut left = self.bytes.saturating_sub(target);
            let mut odd = false;
            let mut goes = Vec::new();
            for (position, place) in &self.index {
                if left == 0 {
                    break;
                }
                odd ^= place.sample;
                if (pass == 0 && place.sample && odd) || (pass == 1 && place.sample) || pass == 2 {
                    goes.push(*position);
                    left = left.saturating_sub(place.bytes());
                }
            }
            let count = goes.len() as u64;
            match pass {
                0 => losses.samples_thinned += count,
                1 => losses.samples_dropped += count,
                _ => losses.events_dropped += count,
            }
            for position in goes {
                self.forget(position);
            }
        }
        self.write_anew(losses)
    }

    /// Writes all that waits into one file, and deletes the others.
    fn write_anew(&mut self, losses: &mut Losses) -> Result<(), SpoolError> {
        // What could not be read until now is known first: it was not thinned, and is not taken for that.
        self.gather(losses)?;
        let wanted: BTreeSet<Position> = self.index.keys().copied().collect();
        self.retire(losses)?;
        // What was thinned is still in sled's file, and is not to come back.
        let back: Vec<Position> = self.index.keys().filter(|position| !wanted.contains(position)).copied().collect();
        for position in back {
            self.forget(position);
        }
        let number = self.new_number();
        let path = self.path_of(number);
        let mut places = BTreeMap::new();
        let (mut offset, mut corrupt) = (0, Vec::new());
        let frames = self.index.iter().filter_map(|(position, place)| match self.read(*position, place) {
            Ok(Some(frame)) => {
                let new = ReportLocation { file: Some(number), offset, ..*place };
                offset += u64::from(place.len);
                places.insert(*position, new);
                Some(Ok(frame))
            }
            Ok(None) => {
                corrupt.push(place.file);
                None
            }
            Err(error) => Some(Err(error)),
        });
        write_file(&path, frames).map_err(|source| self.error_at("write", &path, source))?;
        losses.corrupt += corrupt.len() as u64;
        self.bytes = places.values().map(ReportLocation::bytes).sum();
        let mut old = std::mem::take(&mut self.files);
        for number in corrupt.into_iter().flatten() {
            if let Some(file) = old.get_mut(&number) {
                file.health = file.health.or_damaged();
            }
        }
        self.let_all_go(old);
        self.files.insert(number, SpoolFile { path, waiting: places.len() as u64, health: SpoolFileHealth::Whole });
        self.index = places;
        Ok(())
    }

    /// The frame at a place; none when it does not match its checksum.
    fn read(&self, position: Position, place: &ReportLocation) -> io::Result<Option<Vec<u8>>> {
        let frame = match place.file.map(|number| self.files.get(&number)) {
            None => match &self.live {
                Some(live) => live.get(position)?.map(|frame| frame.to_vec()),
                None => return Err(io::Error::other("not open")),
            },
            Some(None) => None,
            Some(Some(file)) => frame::frame_at(&File::open(&file.path)?, place.offset, place.len)?,
        };
        Ok(frame.filter(|frame| frame::decode(frame).is_some_and(|entry| entry.position == position)))
    }

    /// The first entry after `cursor` and before `before`. Entries that do not match their checksum are dropped and counted; when the
    /// disk cannot be read now, that is an error, and nothing newer may be taken instead.
    pub(super) fn next_after(
        &mut self,
        cursor: Position,
        before: Option<Position>,
        losses: &mut Losses,
    ) -> Result<Option<SpooledReport>, SpoolError> {
        self.gather(losses)?;
        if before.is_some_and(|before| before <= cursor) {
            return Ok(None);
        }
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        loop {
            let Some((position, place)) =
                self.index.range((Bound::Excluded(cursor), end)).next().map(|(at, place)| (*at, *place))
            else {
                if let Some(before) = before {
                    self.pass_damaged(cursor, before, losses);
                }
                return Ok(None);
            };
            match self.read(position, &place) {
                Ok(Some(frame)) => {
                    self.pass_damaged(cursor, position, losses);
                    return Ok(frame::decode(&frame));
                }
                Ok(None) => {
                    losses.corrupt += 1;
                    if let Some(file) = place.file.and_then(|number| self.files.get_mut(&number)) {
                        file.health = file.health.or_damaged();
                    }
                    self.forget(position);
                }
                Err(source) => {
                    if place.file.is_none() {
                        // It may never answer again; its file does.
                        self.without_sled_until_ms = clock::boottime_ms() + WITHOUT_SLED_MS;
                        self.retire(losses)?;
                        continue;
                    }
                    return Err(self.error("read", source));
                }
            }
        }
    }

    /// Counts the damaged reports between two places, once.
    fn pass_damaged(&mut self, from: Position, to: Position, losses: &mut Losses) {
        while let Some(position) = self.damaged.range((Bound::Excluded(from), Bound::Included(to))).next().copied() {
            self.damaged.remove(&position);
            losses.corrupt += u64::from(position != to);
        }
    }

    /// Takes a report out of the index.
    fn forget(&mut self, position: Position) {
        if let Some(place) = self.index.remove(&position) {
            self.bytes = self.bytes.saturating_sub(place.bytes());
            if let Some(file) = place.file.and_then(|number| self.files.get_mut(&number)) {
                file.waiting = file.waiting.saturating_sub(1);
            }
        }
    }

    /// Frees what is committed. A spool in which nothing waits is closed and its files are deleted.
    pub(super) fn remove_through(&mut self, watermark: Position) -> Result<(), SpoolError> {
        self.freed = self.freed.max(watermark);
        let freed: Vec<(Position, ReportLocation)> =
            self.index.range(..=watermark).map(|(at, place)| (*at, *place)).collect();
        self.damaged = self.damaged.split_off(&Position { seq: watermark.seq.saturating_add(1), ..watermark });
        if freed.is_empty() && (self.files.is_empty() || !self.index.is_empty()) {
            return Ok(());
        }
        for (position, _) in &freed {
            self.forget(*position);
        }
        if self.index.is_empty() && self.listed && self.unread.is_empty() && self.damaged.is_empty() {
            self.live = None;
            self.loose = 0;
            let old = std::mem::take(&mut self.files);
            self.let_all_go(old);
            if !self.files.is_empty() {
                return Ok(());
            }
            return match fs::remove_dir_all(&self.dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error("delete", error)),
                _ => Ok(()),
            };
        }
        let (empty, used) = std::mem::take(&mut self.files).into_iter().partition(|(_, file)| file.waiting == 0);
        self.files = used;
        self.let_all_go(empty);
        let in_sled: Vec<Position> =
            freed.iter().filter(|(_, place)| place.file.is_none()).map(|(at, _)| *at).collect();
        match &self.live {
            Some(live) if !in_sled.is_empty() => live.remove(&in_sled).map_err(|source| self.error("free", source)),
            _ => Ok(()),
        }
    }

    /// Takes a file away in which nothing waits: what is damaged of it is kept for a technician. Gives it back when that cannot be done now.
    fn let_go(&mut self, file: SpoolFile) -> Option<SpoolFile> {
        let done = match file.health {
            SpoolFileHealth::Whole => fs::remove_file(&file.path),
            SpoolFileHealth::Damaged => self.aside.keep(&file.path),
            SpoolFileHealth::Unreadable => self.aside.keep_whole(&file.path),
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                if !self.stuck {
                    tracing::warn!(%error, file = %file.path.display(), "a file of the spool cannot be taken away; it is tried again");
                }
                self.stuck = true;
                Some(SpoolFile { waiting: 0, ..file })
            }
            _ => None,
        }
    }

    /// Takes these files away; what cannot be is still known.
    fn let_all_go(&mut self, files: BTreeMap<u32, SpoolFile>) {
        let mut stuck = self.stuck && files.is_empty();
        for (number, file) in files {
            if let Some(file) = self.let_go(file) {
                self.files.insert(number, file);
                stuck = true;
            }
        }
        self.stuck = stuck;
    }

    fn error(&self, doing: &'static str, source: io::Error) -> SpoolError {
        SpoolError { doing, path: self.dir.clone(), source }
    }

    #[allow(clippy::unused_self, reason = "beside error(), which names the directory")]
    fn error_at(&self, doing: &'static str, path: &Path, source: io::Error) -> SpoolError {
        SpoolError { doing, path: path.to_owned(), source }
    }

    /// Where the spool lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests;
