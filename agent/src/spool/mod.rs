//! Keeps reports until they are committed: a bounded ring in memory, and a bounded spool on disk.
//!
//! Events go to disk at once. Samples go there only when the collector has been silent for a while, when the ring is full, or
//! when the agent stops: in the steady state nothing is written. Only the collector's watermark frees a report. Disk errors are taken to be
//! temporary and lose nothing: what cannot be written stays in memory, what cannot be read is read again later. Every loss is counted,
//! and the count survives restarts.

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
use ioc_common::report::{EarlierRun, Losses, Position};
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
    /// Epoch and sequence, by which the collector knows what it has already.
    pub position: Position,
    /// What kind of report it is, which is also its topic.
    pub kind: UpKind,
    /// When it was taken, by the boot clock, milliseconds.
    pub taken_ms: u64,
    /// The first eight hex digits of the boot ID then: the age is known only within the same boot.
    pub boot: String,
    /// Its JSON. Only its age is missing, which is filled in when it is sent.
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
    /// Most bytes of reports on disk. Damaged parts that are kept take their room from it. The files may take up to twice as much, since
    /// freed reports go with their file.
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
    /// When this run began to count losses, if no earlier run did. Milliseconds since 1970.
    made: u64,
    failure: Option<String>,
    /// Why the disk cannot be read, while it cannot.
    unreadable: Option<String>,
    retry_at_ms: u64,
    /// How many writes in a row have failed.
    failures: u32,
}

#[derive(Debug)]
struct Slot {
    entry: SpooledReport,
    on_disk: bool,
}

/// The size of the backlog. A report can be in memory and on disk, and is then counted in both.
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
    /// Opens the spool in `dir` and the count of losses beside it, and takes up the reports that an earlier run left there. What cannot be
    /// read now is read later.
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
            failure: None,
            unreadable: None,
            retry_at_ms: 0,
            failures: 0,
        }
    }

    /// Starts a run of `device` with a new epoch, and works out how the run before it ended.
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

    /// Adds the losses of earlier runs once their file can be read, if it could not be at the start.
    fn read_ledger_again(&mut self) {
        let disk = &self.disk;
        let earlier = self.ledger.read_again(|epoch| disk.last_of(epoch).map_or(0, |position| position.seq));
        if let Some(earlier) = earlier {
            self.losses = self.losses().after(&earlier);
        }
    }

    /// Ends the run. `last` is the last position that was given. Reports that still cannot be written to disk are lost, and counted.
    pub fn end(&mut self, last: Position) {
        self.spill();
        self.losses.unsaved += self.ring.iter().filter(|slot| !slot.on_disk).count() as u64;
        self.read_ledger_again();
        self.ledger.end(last.seq, self.losses());
    }

    /// Counts reports that cannot be sent because an earlier run used their positions already.
    pub const fn count_displaced(&mut self, count: u64) {
        self.losses.unsaved += count;
    }

    /// How earlier runs ended, oldest first; at most [`ioc_common::report::EARLIER_RUNS_MAX`].
    #[must_use]
    pub fn earlier_runs(&self) -> Vec<EarlierRun> {
        self.ledger.earlier_runs().to_vec()
    }

    /// Counts a report that is too large to be sent.
    pub const fn count_too_large(&mut self) {
        self.losses.too_large += 1;
    }

    /// Adds a report. An event is on disk when this returns, unless the disk cannot be written (see [`Self::failure`]).
    pub fn push(&mut self, entry: SpooledReport) {
        let event = entry.kind == UpKind::Event;
        self.ring.push_back(Slot { entry, on_disk: false });
        let may_try = self.failure.is_none() || clock::boottime_ms() >= self.retry_at_ms;
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
                self.failure = None;
                self.failures = 0;
                for slot in &mut self.ring {
                    slot.on_disk |= !events_only || !slot.entry.is_sample();
                }
                // The disk is busy already, so that this costs no wake-up of its own.
                self.note_losses();
            }
            Err(error) => {
                tracing::warn!(%error, "the spool cannot be written; reports wait in memory");
                self.failure = Some(error.to_string());
                self.retry_at_ms = clock::boottime_ms() + doubled_ms(self.failures, RETRY_FIRST_MS, RETRY_LAST_MS);
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    /// Makes room in memory. A report that is also on disk is not lost by it; where there is none, the oldest sample goes before any event.
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

    /// The first report after `cursor`, from memory or disk. Also none while the disk cannot be read: a newer report must not overtake
    /// one that lies there, since the collector would then drop the older one as already committed.
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

    /// Frees every report up to and including `watermark`: the collector has committed them.
    pub fn free_through(&mut self, watermark: Position) {
        while self.ring.front().is_some_and(|slot| slot.entry.position <= watermark) {
            self.ring.pop_front();
        }
        self.ledger.note_committed(watermark);
        if let Err(error) = self.disk.remove_through(watermark) {
            // They stay in the spool a little longer; nothing is lost.
            tracing::warn!(%error, "the spool cannot be freed");
        }
    }

    /// When the oldest report in memory was taken, by the boot clock, milliseconds.
    #[must_use]
    pub fn oldest_in_memory_ms(&self) -> Option<u64> {
        self.ring.front().map(|slot| slot.entry.taken_ms)
    }

    /// Whether some reports are in memory only, and would be lost with the process.
    #[must_use]
    pub fn has_unspilled(&self) -> bool {
        self.ring.iter().any(|slot| !slot.on_disk)
    }

    /// How many reports wait, and where.
    #[must_use]
    pub fn size(&self) -> BacklogSize {
        BacklogSize { in_memory: self.ring.len() as u64, on_disk: self.disk.count(), disk_bytes: self.disk.bytes() }
    }

    /// Bytes of damaged parts that are kept until a person removes them (`ioc-agent damaged --remove`).
    pub fn damaged_bytes(&mut self) -> u64 {
        self.disk.damaged_bytes()
    }

    /// Whether every report is committed. False while files of the spool are still unread: they may hold some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.disk.count() == 0 && self.disk.is_whole()
    }

    /// All losses so far, those of earlier runs included.
    #[must_use]
    pub fn losses(&self) -> Losses {
        let made = match self.losses.made {
            0 if !self.losses.is_none() => self.made,
            made => made,
        };
        Losses { made, ..self.losses }
    }

    /// The highest position in the backlog; a new run continues above it.
    #[must_use]
    pub fn last_position(&self) -> Option<Position> {
        self.ring.back().map(|slot| slot.entry.position).max(self.disk.last_position())
    }

    /// Saves the count of losses if it changed, or could not be saved before. Not called while sampling, since it may write to disk.
    pub fn note_losses(&mut self) {
        self.read_ledger_again();
        self.ledger.record_losses(self.losses());
        self.ledger.retry();
    }

    /// The last error of the disk, while it cannot be written or read.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref().or(self.unreadable.as_deref())
    }
}

#[cfg(test)]
mod tests;
