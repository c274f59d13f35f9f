//! Jobs on other systems that report their success: backups of databases and appliances, above all (articles 7.1, 7.2).

use ioc_common::clock::Timestamp;

/// What is known of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its name in the configuration.
    pub name: String,
    /// Since when it is watched: its first success is due from then on.
    pub since: Timestamp,
    /// When it last reported success.
    pub last_success: Option<Timestamp>,
    /// What it reported last.
    pub last_report: Option<JobReport>,
}

/// What a job reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// When it was taken in.
    pub at: Timestamp,
    /// It said that it failed.
    pub failed: bool,
    /// What it said besides; may be empty.
    pub message: String,
}
