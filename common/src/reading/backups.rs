//! Backup jobs (article 7).

use serde::{Deserialize, Serialize};

use super::probe_info::HOUR_S;
use super::{Findings, ProbeInfo, Sink, days, flag};
use crate::clock::Timestamp;

/// Configured backup jobs (article 7).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Backups {
    /// One for each `[[backup]]` of the configuration, in its order.
    pub jobs: Vec<Backup>,
}

/// One backup job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Backup {
    /// Its name in the configuration.
    pub name: String,
    /// `marker`, `timer`, `restic`, `borg`, `pgbasebackup`.
    pub kind: String,
    /// When it last succeeded.
    pub succeeded_at: Option<Timestamp>,
    /// Whether the last run succeeded; none where that cannot be told.
    pub ok: Option<bool>,
    /// What the outcome was told from: a line of the log, a file, a unit's state.
    pub detail: String,
    /// Why nothing is known of it: its program's words, a file's error; empty when something is.
    pub unknown: String,
}

impl Findings for Backups {
    const PROBE: ProbeInfo = ProbeInfo::survey("backups", HOUR_S, &["backup."])
        .members(&[("/jobs", &["name"])])
        .volatile(&["/jobs/*/succeeded_at", "/jobs/*/detail"]);

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        for job in &self.jobs {
            sink.put("backup.age", &job.name, job.succeeded_at.map_or(f64::NAN, |at| days(now, at).max(0.0)));
            sink.put("backup.ok", &job.name, flag(job.ok));
        }
    }
}
