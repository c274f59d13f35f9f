//! How much is kept of one device, and what goes when it is too much: for the budgets of the engine.

use std::collections::BTreeMap;

use rusqlite::params;

use super::read::{SqliteReader, history_row, limit_of};
use super::{Pending, signed};
use crate::{HistoryRow, Kept, StoreError};

impl SqliteReader {
    /// The bytes of a device's documents, by name; their content is not read.
    pub(super) fn sizes_of_documents(&self, device: i64) -> Result<BTreeMap<String, u32>, StoreError> {
        let sql = "SELECT name, octet_length(body) FROM document WHERE device = ?1";
        let sizes = self.all(sql, &[&device], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(sizes.into_iter().collect())
    }

    /// How many rows of a kind belong to a device, counted up to `most`.
    pub(super) fn count_of(&self, kind: Kept, device: i64, most: u64) -> Result<u64, StoreError> {
        let table = match kind {
            Kept::Events => "event",
            Kept::Software => "software",
        };
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} WHERE device = ?1 LIMIT ?2)");
        let most = limit_of(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(self.one(&sql, &[&device, &most], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    /// A device's newest rows after a number, the oldest of them first, until there are more than `most_bytes`.
    pub(super) fn rows_back(&self, device: i64, after: u64, most_bytes: u64) -> Result<Vec<HistoryRow>, StoreError> {
        // The chain is followed by SQLite itself: one statement, whatever its length.
        let sql = "WITH RECURSIVE chain (number, previous, epoch, seq, at, layout, data, before) AS (\
                   SELECT number, previous, epoch, seq, at, layout, data, 0 FROM sample \
                   WHERE number = (SELECT row FROM live WHERE device = ?1) AND device = ?1 AND number > ?2 \
                   UNION ALL \
                   SELECT s.number, s.previous, s.epoch, s.seq, s.at, s.layout, s.data, c.before + length(c.data) + 64 \
                   FROM chain c JOIN sample s ON s.number = c.previous \
                   WHERE s.device = ?1 AND c.previous > ?2 AND c.previous < c.number AND c.before < ?3) \
                   SELECT epoch, seq, at, layout, data, number FROM chain";
        let most = i64::try_from(most_bytes).unwrap_or(i64::MAX);
        let rows = self.all(sql, &[&device, &signed(after), &most], history_row)?;
        let rows = rows.into_iter().rev().map(|row| row.map_err(|error| self.content("a history row", &error)));
        rows.collect()
    }
}

impl Pending<'_> {
    /// Only the newest events of a device stay.
    pub(super) fn prune_events(&self, device: i64, keep: u64) -> rusqlite::Result<usize> {
        self.run(
            "DELETE FROM event WHERE number IN \
             (SELECT number FROM event WHERE device = ?1 ORDER BY at DESC, number DESC LIMIT -1 OFFSET ?2)",
            params![device, signed(keep)],
        )
    }

    /// What came of software lists that never became whole goes, with the list before them: the next one is whole.
    pub(super) fn clear_software(&self, device: i64) -> rusqlite::Result<()> {
        self.run("DELETE FROM software WHERE device = ?1", [device])?;
        self.run("DELETE FROM software_list WHERE device = ?1", [device])?;
        Ok(())
    }
}
