//! The store as whoever writes sees it.

use crate::archive::Archive;
use crate::audit::AuditTip;
use crate::change::Change;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::record::StoreLosses;
use crate::search::SearchIndex;

/// The one writer.
pub trait Store: Send {
    /// Makes all of `changes` durable, in order, in one commit.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing, or a change is of a device that is not enrolled; nothing of it is kept
    /// then.
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError>;

    /// Where the audit log ends, with all that is committed.
    fn audit_tip(&self) -> AuditTip;

    /// What was found to be lost when it was opened, until a [`Change::LossConfirmed`] is committed.
    fn lost(&self) -> &StoreLosses;

    /// Puts everything in its place before the end: a log that is empty can lose nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing; what was committed is safe all the same.
    fn close(&mut self) -> Result<(), StoreError>;

    /// Deletes rows of history up to a number, which are folded, at most `limit` of them, and says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is read-only or failing; nothing is deleted then.
    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError>;

    /// The writer of folded history. There is one.
    ///
    /// # Errors
    /// [`StoreError`] when its file is damaged or not ours to write, or was written by a newer version.
    fn archive(&self) -> Result<Box<dyn Archive>, StoreError>;

    /// The writer of the search index. There is one.
    ///
    /// # Errors
    /// [`StoreError`] when the store's file is damaged, gone, or not ours to read.
    fn search_index(&self) -> Result<Box<dyn SearchIndex>, StoreError>;

    /// A reader of what is committed, independent of the writer. It takes memory and files ([`crate::READER_FILES`]) with the first question.
    ///
    /// # Errors
    /// [`StoreError`] when the file is damaged, gone, or not ours to read.
    fn reader(&self) -> Result<Box<dyn Reader>, StoreError>;
}
