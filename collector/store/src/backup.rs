//! A copy of the store for a backup: what it is, and what is in it, table by table.

use serde::{Deserialize, Serialize};

/// What a copy was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedStore {
    /// Which store, hex.
    pub id: String,
    /// How many commits it holds.
    pub commits: u64,
    /// The version of its schema.
    pub schema: i64,
    /// The number of the last record of the audit log; 0 when there is none.
    pub audit_number: u64,
    /// The hash of that record, hex.
    pub audit_hash: String,
}

/// What one table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSum {
    /// The file that it is in.
    pub file: String,
    /// Its name.
    pub table: String,
    /// How many rows.
    pub rows: u64,
    /// SHA-256 over all values of all rows, in the order of the table's key, hex.
    pub sha256: String,
}

/// Is told how many bytes were read or written since it was told last, and may wait: commits come first. An error ends the work.
pub type Pause<'p> = &'p mut dyn FnMut(u64) -> std::io::Result<()>;

/// Who is told how far the proof of a restored store has come, from two threads, and may wait or end it.
pub trait ProofPace: Send + Sync {
    /// So many bytes of rows were summed up.
    ///
    /// # Errors
    /// When the work is to end.
    fn summed(&self, bytes: u64) -> std::io::Result<()>;

    /// Some milliseconds were spent on so many bytes of pages.
    ///
    /// # Errors
    /// When the work is to end.
    fn looked(&self, bytes: u64) -> std::io::Result<()>;
}
