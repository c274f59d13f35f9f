//! Bounded reads under a given root. Probes read through here only.

mod file;

pub use file::{FILE_MAX_BYTES, KeptFile, SourceError, read_text};
