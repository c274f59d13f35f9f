//! Bounded reads under a given root, and bounded runs of other programs. Probes go through here only.

mod file;
pub mod net;
pub mod process;
pub mod socket;
pub mod zone;

pub use file::{FILE_MAX_BYTES, KeptFile, SourceError, names_in, read_table, read_text};
