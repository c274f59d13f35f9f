//! What is administered: the collector itself, its store, its clock, its numbers, the audit log.

pub(crate) mod audit;
pub(crate) mod backups;
pub(crate) mod clock;
pub(crate) mod collector;
pub(crate) mod metrics;
pub(crate) mod readiness;
pub(crate) mod records;
pub(crate) mod retention;
pub(crate) mod store;

use crate::page::context::PageContext;

/// A size as it is read.
fn size_text(page_context: &PageContext, bytes: u64) -> String {
    if bytes >= 10 << 30 {
        return format!("{} GiB", page_context.decimal(&(bytes as f64 / 1_073_741_824.0), 1));
    }
    if bytes < 1 << 20 {
        return format!("{} KiB", page_context.decimal(&(bytes as f64 / 1024.0), 0));
    }
    format!("{} MiB", page_context.decimal(&(bytes as f64 / 1_048_576.0), 1))
}
