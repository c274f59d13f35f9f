//! The collector's own health and counters, for `/healthz`, `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters and states of the running collector. Shared by all its tasks.
#[derive(Debug, Default)]
pub struct Health {
    /// Open MQTT connections.
    pub connections: AtomicU64,
    /// Reports committed.
    pub reports: AtomicU64,
    /// Numbers committed.
    pub values: AtomicU64,
    /// Reports that were committed before.
    pub duplicates: AtomicU64,
    /// Commits.
    pub commits: AtomicU64,
    /// Time spent committing, microseconds.
    pub commit_us: AtomicU64,
    /// Time spent judging, microseconds.
    pub judge_us: AtomicU64,
    /// Inputs that wait for the engine.
    pub queue: AtomicU64,
    /// Notices delivered.
    pub notices_delivered: AtomicU64,
    /// Attempts to deliver that failed.
    pub notices_failed: AtomicU64,
    /// Reports handed on by remote write.
    pub remote_sent: AtomicU64,
    /// Reports that remote write could not hand on.
    pub remote_lost: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    lost: Mutex<BTreeMap<&'static str, u64>>,
    trouble: Mutex<Option<String>>,
}

impl Health {
    /// Counts something that was refused, by its reason.
    pub fn refuse(&self, reason: &'static str) {
        if let Ok(mut refused) = self.refused.lock() {
            *refused.entry(reason).or_default() += 1;
        }
    }

    /// Counts reports that never came, by their reason.
    pub fn lose(&self, reason: &'static str, count: u64) {
        if let Ok(mut lost) = self.lost.lock() {
            let counted = lost.entry(reason).or_default();
            *counted = counted.saturating_add(count);
        }
    }

    /// How often something was refused for `reason`.
    #[must_use]
    pub fn refused(&self, reason: &str) -> u64 {
        self.refused.lock().map_or(0, |refused| refused.get(reason).copied().unwrap_or(0))
    }

    /// Says that the store cannot be written, or that it can again.
    pub fn set_trouble(&self, trouble: Option<String>) {
        if let Ok(mut now) = self.trouble.lock() {
            *now = trouble;
        }
    }

    /// Why the store cannot be written, while it cannot.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().ok().and_then(|trouble| trouble.clone())
    }

    /// What was refused, by its reason, and how often.
    #[must_use]
    pub fn all_refused(&self) -> Vec<(&'static str, u64)> {
        self.refused.lock().map_or_else(|_| Vec::new(), |all| all.iter().map(|(why, count)| (*why, *count)).collect())
    }

    /// Everything in the Prometheus text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let mut put = |name: &str, kind: &str, help: &str, value: f64| {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        };
        let load = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        put("ioc_connections", "gauge", "Open MQTT connections.", load(&self.connections));
        put("ioc_reports_total", "counter", "Reports committed.", load(&self.reports));
        put("ioc_values_total", "counter", "Numbers committed.", load(&self.values));
        put("ioc_duplicates_total", "counter", "Reports that were committed before.", load(&self.duplicates));
        put("ioc_commits_total", "counter", "Commits.", load(&self.commits));
        put("ioc_commit_seconds_total", "counter", "Time spent committing.", load(&self.commit_us) / 1e6);
        put("ioc_judge_seconds_total", "counter", "Time spent judging.", load(&self.judge_us) / 1e6);
        put("ioc_queue", "gauge", "Inputs waiting for the engine.", load(&self.queue));
        put("ioc_notices_delivered_total", "counter", "Notices delivered.", load(&self.notices_delivered));
        put("ioc_notices_failed_total", "counter", "Attempts to deliver that failed.", load(&self.notices_failed));
        put("ioc_remote_write_reports_total", "counter", "Reports handed on by remote write.", load(&self.remote_sent));
        put(
            "ioc_remote_write_lost_total",
            "counter",
            "Reports that remote write could not hand on.",
            load(&self.remote_lost),
        );
        let writable = f64::from(u8::from(self.trouble().is_none()));
        put("ioc_store_writable", "gauge", "1 while the store can be written.", writable);
        text.push_str(
            "# HELP ioc_refused_total Input that was refused, by reason.\n# TYPE ioc_refused_total counter\n",
        );
        for (reason, count) in self.all_refused() {
            let _ = writeln!(text, "ioc_refused_total{{reason=\"{reason}\"}} {count}");
        }
        text.push_str("# HELP ioc_reports_lost_total Reports of devices that never came, by reason.\n# TYPE ioc_reports_lost_total counter\n");
        for (reason, count) in self.lost.lock().iter().flat_map(|lost| lost.iter()) {
            let _ = writeln!(text, "ioc_reports_lost_total{{reason=\"{reason}\"}} {count}");
        }
        text
    }
}
