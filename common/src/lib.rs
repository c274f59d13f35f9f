//! What agent and collector both speak: identifiers, topics, the report envelope, the metric catalogue, the codec and
//! the configuration loader.
//!
//! Called by every other package. Deliberately absent: any runtime, database or network; a reading of the clock outside
//! [`clock`].

pub mod address;
pub mod audit_head;
pub mod backoff;
pub mod clock;
pub mod codec;
pub mod config;
pub mod document;
pub mod encoding;
pub mod enrolment;
pub mod file;
pub mod id;
pub mod language;
pub mod layout;
pub mod metric;
pub mod owner;
pub mod random;
pub mod reading;
pub mod redact;
pub mod report;
pub mod settings;
pub mod software;
mod span;
mod timestamp;
pub mod topic;
pub mod trusted_clock;
