//! How much lies in the spool, and how far it reaches.

use ioc_common::report::Position;

use super::DiskSpool;

impl DiskSpool {
    /// How many bytes of it are damaged and kept until a person removes them.
    pub(in crate::spool) fn damaged_bytes(&mut self) -> u64 {
        self.aside.measure_if_any()
    }

    /// What is left of the budget for reports.
    pub(super) fn budget(&self) -> u64 {
        self.max_bytes.saturating_sub(self.aside.bytes())
    }

    pub(in crate::spool) fn count(&self) -> u64 {
        self.index.len() as u64
    }

    pub(in crate::spool) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(in crate::spool) fn last_position(&self) -> Option<Position> {
        let damaged = self.damaged.last().copied();
        self.index.last_key_value().map(|(position, _)| *position).max(damaged)
    }

    /// The highest place of an epoch that is here.
    pub(in crate::spool) fn last_of(&self, epoch: u64) -> Option<Position> {
        let of = Position { epoch, seq: 0 }..=Position { epoch, seq: u64::MAX };
        self.index.range(of.clone()).next_back().map(|(at, _)| *at).max(self.damaged.range(of).next_back().copied())
    }

    /// Some of it cannot be read now.
    pub(in crate::spool) fn is_whole(&self) -> bool {
        self.listed && self.unread.is_empty()
    }
}
