//! Why the spool cannot be used now.

use std::io;
use std::path::PathBuf;

/// The spool cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the spool {}: {source}", path.display())]
#[allow(missing_docs, reason = "their names say it")]
pub struct SpoolError {
    /// What was tried, as a verb: `cannot … the spool`.
    pub doing: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}
