//! Keeps reports until they are committed: a bounded ring in memory, and a bounded spool on disk.
//!
//! Events go to disk at once. Samples go there only when the collector has been silent for a while, when the ring is full, or
//! when the agent stops: in the steady state nothing is written. A report is freed by the collector's watermark and by
//! nothing else. A fault of the disk that may pass throws nothing away: what cannot be written waits in memory, what cannot be read is
//! read again later. Losses are counted, kept across restarts, and never silent.

mod damaged_parts;
mod disk;
mod error;
mod frame;
mod ledger;
mod sled_store;

use std::collections::VecDeque;
use std::path::PathBuf;

use ioc_common::backoff::doubled_ms;
use ioc_common::clock;
use ioc_common::codec::SealedReport;
use ioc_common::report::{Former, Losses, Position};
use ioc_common::topic::UpKind;

pub use damaged_parts::DamagedParts;
pub use disk::DiskSpool;
pub use error::SpoolError;
use ledger::Ledger;

/// Back-off between tries to write events to a disk that refuses: doubled from the first up to the last.
const RETRY_FIRST_MS: u64 = 500;
const RETRY_LAST_MS: u64 = 30_000;

/// A report that waits to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledReport {
    /// Its place in the order.
    pub position: Position,
    /// Its kind of topic.
    pub kind: UpKind,
    /// The boot clock when it was taken, milliseconds.
    pub taken_ms: u64,
    /// The first eight hex digits of the boot ID then: the age is known only within the same boot.
    pub boot: String,
    /// Its JSON, complete but for the age that it has when it is sent.
    pub sealed: SealedReport,
}

impl SpooledReport {
    /// Samples may be thinned and dropped when there is no room; the rest is kept as long as possible.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.kind == UpKind::Sample
    }
}

/// Bounds of the backlog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogLimits {
    /// Most reports in memory.
    pub ring_max_reports: usize,
    /// Most bytes of reports on disk, less what is damaged and kept. The spool's files may take twice that.
    pub spool_max_bytes: u64,
}

/// Everything that waits to be committed, in order.
#[derive(Debug)]
pub struct Backlog {
    limits: BacklogLimits,
    ring: VecDeque<Slot>,
    disk: DiskSpool,
    losses: Losses,
    ledger: Ledger,
    /// When counting began, if it begins in this run.
    made: u64,
    trouble: Option<String>,
    /// Why the disk cannot be read, while it cannot.
    unreadable: Option<String>,
    retry_at_ms: u64,
    /// Writes that failed since the last that did not.
    failures: u32,
}

#[derive(Debug)]
struct Slot {
    entry: SpooledReport,
    on_disk: bool,
}

/// How much waits, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BacklogSize {
    /// Reports in memory.
    pub in_memory: u64,
    /// Reports on disk, some of which may be in memory, too.
    pub on_disk: u64,
    /// Bytes of reports on disk.
    pub disk_bytes: u64,
}

impl Backlog {
    /// A backlog whose spool lies in `dir`, with what was lost so far beside it. What was left there is read; what cannot be read now is
    /// read later.
    #[must_use]
    pub fn open(dir: PathBuf, limits: BacklogLimits) -> Self {
        let ledger = Ledger::open(dir.with_file_name("losses.json"), DamagedParts::of(&dir));
        let mut losses = ledger.losses();
        let disk = DiskSpool::open(dir, limits.spool_max_bytes, &mut losses);
        Self {
            limits,
            ring: VecDeque::new(),
            disk,
            losses,
            ledger,
            made: u64::try_from(clock::now().as_millis()).unwrap_or(0),
            trouble: None,
            unreadable: None,
            retry_at_ms: 0,
            failures: 0,
        }
    }

    /// A run of `device` begins, in this epoch.
    pub fn begin(&mut self, device: &str, epoch: u64) {
        self.read_ledger_again();
        let known = self.disk.last_of(self.ledger.running_epoch(device)).map_or(0, |position| position.seq);
        let news = self.losses.since(&self.ledger.losses());
        self.ledger.begin(device, epoch, known);
        if self.ledger.losses().is_none() {
            self.losses = Losses { made: 0, ..news };
        }
        self.ledger.record_losses(self.losses());
    }

    /// Takes up what was lost in earlier runs when that could not be read at the start.
    fn read_ledger_again(&mut self) {
        let disk = &self.disk;
        let earlier = self.ledger.read_again(|epoch| disk.last_of(epoch).map_or(0, |position| position.seq));
        if let Some(earlier) = earlier {
            self.losses = self.losses().after(&earlier);
        }
    }

    /// The run ends by itself after this place. What is in memory only is lost with it, and counted.
    pub fn end(&mut self, last: Position, committed: Position) {
        self.spill();
        self.losses.unsaved += self.ring.iter().filter(|slot| !slot.on_disk).count() as u64;
        self.read_ledger_again();
        self.ledger.end(last.seq, self.losses(), committed.epoch);
    }

    /// So many reports had places that were used up, and cannot be sent.
    pub const fn count_displaced(&mut self, count: u64) {
        self.losses.unsaved += count;
    }

    /// How earlier runs ended of which the collector may not have all.
    #[must_use]
    pub fn former_runs(&self) -> Vec<Former> {
        self.ledger.former_runs().to_vec()
    }

    /// A report that could not be made at all: it is too large to be sent.
    pub const fn count_too_large(&mut self) {
        self.losses.too_large += 1;
    }

    /// Takes a report. Events are on disk when this returns, unless the disk refuses (see [`Self::trouble`]).
    pub fn push(&mut self, entry: SpooledReport) {
        let event = entry.kind == UpKind::Event;
        self.ring.push_back(Slot { entry, on_disk: false });
        let may_try = self.trouble.is_none() || clock::boottime_ms() >= self.retry_at_ms;
        if event && may_try {
            self.spill_some(true);
        }
        if self.ring.len() > self.limits.ring_max_reports {
            if may_try {
                self.spill();
            }
            while self.ring.len() > self.limits.ring_max_reports {
                self.drop_from_ring();
            }
        }
    }

    /// Writes everything that is only in memory to disk.
    pub fn spill(&mut self) {
        self.spill_some(false);
    }

    fn spill_some(&mut self, events_only: bool) {
        let wanted = |slot: &Slot| !slot.on_disk && (!events_only || !slot.entry.is_sample());
        let entries: Vec<&SpooledReport> =
            self.ring.iter().filter(|slot| wanted(slot)).map(|slot| &slot.entry).collect();
        if entries.is_empty() {
            return;
        }
        let result = self.disk.put(&entries, &mut self.losses);
        match result {
            Ok(()) => {
                self.trouble = None;
                self.failures = 0;
                for slot in &mut self.ring {
                    slot.on_disk |= !events_only || !slot.entry.is_sample();
                }
                // The disk is written anyway.
                self.note_losses();
            }
            Err(error) => {
                tracing::warn!(%error, "the spool cannot be written; reports wait in memory");
                self.trouble = Some(error.to_string());
                self.retry_at_ms = clock::boottime_ms() + doubled_ms(self.failures, RETRY_FIRST_MS, RETRY_LAST_MS);
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    /// Makes room in memory: what is on disk is only forgotten here, else the oldest sample goes before any event.
    fn drop_from_ring(&mut self) {
        if let Some(place) = self.ring.iter().position(|slot| slot.on_disk) {
            self.ring.remove(place);
        } else if let Some(place) = self.ring.iter().position(|slot| slot.entry.is_sample()) {
            self.ring.remove(place);
            self.losses.failing += 1;
        } else if self.ring.pop_front().is_some() {
            self.losses.failing += 1;
        }
    }

    /// The first report after `cursor`, from memory or disk. None, too, while the disk cannot be read: what is newer must not overtake
    /// what lies there, or the collector would take that for committed.
    pub fn next_after(&mut self, cursor: Position) -> Option<SpooledReport> {
        let place = self.ring.partition_point(|slot| slot.entry.position <= cursor);
        let in_memory = self.ring.get(place).map(|slot| &slot.entry);
        match self.disk.next_after(cursor, in_memory.map(|entry| entry.position), &mut self.losses) {
            Ok(on_disk) => {
                self.unreadable = None;
                on_disk.or_else(|| in_memory.cloned())
            }
            Err(error) => {
                if self.unreadable.is_none() {
                    tracing::warn!(%error, "the spool cannot be read; it is tried again");
                }
                self.unreadable = Some(error.to_string());
                None
            }
        }
    }

    /// Frees everything up to and including `watermark`.
    pub fn free_through(&mut self, watermark: Position) {
        while self.ring.front().is_some_and(|slot| slot.entry.position <= watermark) {
            self.ring.pop_front();
        }
        self.ledger.forget_before(watermark.epoch);
        if let Err(error) = self.disk.remove_through(watermark) {
            // It is in the spool longer than it must; nothing is lost.
            tracing::warn!(%error, "the spool cannot be freed");
        }
    }

    /// The oldest report that waits, by the boot clock when it was taken. Only what is in memory is looked at.
    #[must_use]
    pub fn oldest_in_memory_ms(&self) -> Option<u64> {
        self.ring.front().map(|slot| slot.entry.taken_ms)
    }

    /// Whether anything in memory is not yet on disk.
    #[must_use]
    pub fn has_unspilled(&self) -> bool {
        self.ring.iter().any(|slot| !slot.on_disk)
    }

    /// What waits in memory and on disk. A report that is in both is counted in both.
    #[must_use]
    pub fn size(&self) -> BacklogSize {
        BacklogSize { in_memory: self.ring.len() as u64, on_disk: self.disk.count(), disk_bytes: self.disk.bytes() }
    }

    /// Bytes of the spool that are damaged, and kept until a person removes them.
    pub fn damaged_bytes(&mut self) -> u64 {
        self.disk.damaged_bytes()
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.disk.count() == 0 && self.disk.is_whole()
    }

    /// What was lost so far.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let made = match self.losses.made {
            0 if !self.losses.is_none() => self.made,
            made => made,
        };
        Losses { made, ..self.losses }
    }

    /// The highest position that waits, to continue after it.
    #[must_use]
    pub fn last_position(&self) -> Option<Position> {
        self.ring.back().map(|slot| slot.entry.position).max(self.disk.last_position())
    }

    /// Writes down what was lost, when that is news or could not be written before. Called when something else is due, not in the sampling path.
    pub fn note_losses(&mut self) {
        self.read_ledger_again();
        self.ledger.record_losses(self.losses());
        self.ledger.retry();
    }

    /// Why the disk cannot be written or read, while it cannot.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref().or(self.unreadable.as_deref())
    }
}

#[cfg(test)]
mod tests;
