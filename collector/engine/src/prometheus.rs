//! Names as Prometheus takes them, for what it fetches and for what it is sent.

/// What every name begins with; the same as of what Prometheus fetches.
pub const PREFIX: &str = "iocw";

/// What Prometheus calls a metric.
#[must_use]
pub fn name_of(metric: &str) -> String {
    format!("{PREFIX}_{}", metric.replace('.', "_"))
}
