//! Keeps reports until they are committed: a bounded ring in memory, and a bounded spool on disk.
//!
//! Events go to disk at once. Samples go there only when the collector has been silent for a while, when the ring is full, or
//! when the agent stops: in the steady state nothing is written. A report is freed by the collector's watermark and by
//! nothing else. Losses are counted, never silent.

mod disk;

use std::collections::VecDeque;
use std::path::PathBuf;

use ioc_common::codec::Sealed;
use ioc_common::report::{Losses, Position};
use ioc_common::topic::UpKind;

pub use disk::{DiskSpool, SpoolError};

/// A report that waits to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the order.
    pub position: Position,
    /// Its kind of topic.
    pub kind: UpKind,
    /// The boot clock when it was taken, milliseconds.
    pub taken_ms: u64,
    /// The first eight hex digits of the boot ID then: the age is known only within the same boot.
    pub boot: String,
    /// The report.
    pub sealed: Sealed,
}

impl Entry {
    /// Samples may be thinned and dropped when there is no room; the rest is kept as long as possible.
    #[must_use]
    pub fn is_sample(&self) -> bool {
        self.kind == UpKind::Sample
    }
}

/// Bounds of the backlog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most reports in memory.
    pub ring_max_reports: usize,
    /// Most bytes of reports on disk. The spool's files may take twice that.
    pub spool_max_bytes: u64,
}

/// Everything that waits to be committed, in order.
#[derive(Debug)]
pub struct Backlog {
    limits: Limits,
    ring: VecDeque<Slot>,
    disk: DiskSpool,
    losses: Losses,
    trouble: Option<String>,
}

#[derive(Debug)]
struct Slot {
    entry: Entry,
    on_disk: bool,
}

/// How much waits, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waiting {
    /// Reports in memory.
    pub in_memory: u64,
    /// Reports on disk, some of which may be in memory, too.
    pub on_disk: u64,
    /// Bytes of reports on disk.
    pub disk_bytes: u64,
}

impl Backlog {
    /// A backlog whose spool lies in `dir`. A spool that was left there is opened; if it cannot be opened it is put aside
    /// and counted.
    #[must_use]
    pub fn open(dir: PathBuf, limits: Limits) -> Self {
        let mut losses = Losses::default();
        let disk = DiskSpool::open(dir, limits.spool_max_bytes, &mut losses);
        Self { limits, ring: VecDeque::new(), disk, losses, trouble: None }
    }

    /// Takes a report. Events are on disk when this returns, unless the disk refuses (see [`Self::trouble`]).
    pub fn push(&mut self, entry: Entry) {
        let event = entry.kind == UpKind::Event;
        self.ring.push_back(Slot { entry, on_disk: false });
        if event {
            self.spill_some(true);
        }
        if self.ring.len() > self.limits.ring_max_reports {
            self.spill();
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
        let entries: Vec<&Entry> = self.ring.iter().filter(|slot| wanted(slot)).map(|slot| &slot.entry).collect();
        if entries.is_empty() {
            return;
        }
        match self.disk.put(&entries, &mut self.losses) {
            Ok(()) => {
                self.trouble = None;
                for slot in &mut self.ring {
                    slot.on_disk |= !events_only || !slot.entry.is_sample();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the spool cannot be written; reports wait in memory");
                self.trouble = Some(error.to_string());
            }
        }
    }

    /// Makes room in memory: what is on disk is only forgotten here, else the oldest sample goes before any event.
    fn drop_from_ring(&mut self) {
        if let Some(place) = self.ring.iter().position(|slot| slot.on_disk) {
            self.ring.remove(place);
        } else if let Some(place) = self.ring.iter().position(|slot| slot.entry.is_sample()) {
            self.ring.remove(place);
            self.losses.samples_dropped += 1;
        } else if self.ring.pop_front().is_some() {
            self.losses.events_dropped += 1;
        }
    }

    /// The first report after `cursor`, from memory or disk.
    pub fn next_after(&mut self, cursor: Position) -> Option<Entry> {
        let place = self.ring.partition_point(|slot| slot.entry.position <= cursor);
        let in_memory = self.ring.get(place).map(|slot| &slot.entry);
        let on_disk = self.disk.next_after(cursor, in_memory.map(|entry| entry.position), &mut self.losses);
        on_disk.or_else(|| in_memory.cloned())
    }

    /// Frees everything up to and including `watermark`.
    pub fn free_through(&mut self, watermark: Position) {
        while self.ring.front().is_some_and(|slot| slot.entry.position <= watermark) {
            self.ring.pop_front();
        }
        if let Err(error) = self.disk.remove_through(watermark) {
            tracing::warn!(%error, "the spool cannot be freed");
            self.trouble = Some(error.to_string());
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

    /// How much waits.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting { in_memory: self.ring.len() as u64, on_disk: self.disk.count(), disk_bytes: self.disk.bytes() }
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty() && self.disk.count() == 0
    }

    /// What was lost so far.
    #[must_use]
    pub const fn losses(&self) -> Losses {
        self.losses
    }

    /// The highest position that waits, to continue after it.
    #[must_use]
    pub fn last_position(&self) -> Option<Position> {
        self.ring.back().map(|slot| slot.entry.position).max(self.disk.last_position())
    }

    /// Why the disk cannot be written, while it cannot.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}

#[cfg(test)]
mod tests;
