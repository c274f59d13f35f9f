//! Why the store cannot be used, and what mends it.

use std::path::PathBuf;

/// The store cannot be used.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no.
    #[error("{}: {source}", path.display())]
    Database {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
        /// The disk is full or read-only: it may pass.
        no_room: bool,
    },
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// What is stored cannot be read.
    #[error("{}: {what} cannot be read: {why}", path.display())]
    Content { path: PathBuf, what: &'static str, why: String },
    /// Another process writes it.
    #[error("{}: another collector ({holder}) uses this directory; mend: stop it, or give this one a directory of its own (paths.data)", path.display())]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// Its process, as it wrote it down.
        holder: String,
    },
    /// It was there, and is not any more.
    #[error(
        "{}: the store is gone, and beside it lies what belongs to it; mend: restore it from a copy (docs/operate.md); only if there is \
         none, begin a new one: ioc-collector prepare --anew store",
        path.display()
    )]
    Gone { path: PathBuf },
    /// It was written by a newer version.
    #[error("{}: its version is {found}; this program reads up to {known}: install the newer version again", path.display())]
    Newer {
        path: PathBuf,
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
}

impl StoreError {
    /// Whether the disk is full (or read-only), so that it may pass.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Database { no_room, .. } => *no_room,
            Self::File { source, .. } => matches!(source.kind(), std::io::ErrorKind::StorageFull),
            Self::Content { .. } | Self::Held { .. } | Self::Gone { .. } | Self::Newer { .. } => false,
        }
    }
}
