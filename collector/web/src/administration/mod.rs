//! What is administered: the collector itself, its store, its clock, its numbers, the audit log.

pub(crate) mod audit;
pub(crate) mod clock;
pub(crate) mod collector;
pub(crate) mod metrics;
pub(crate) mod readiness;
pub(crate) mod records;
pub(crate) mod store;
