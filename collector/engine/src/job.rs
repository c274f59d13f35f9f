//! How a job on another system stands: whether it has reported its success in time (articles 7.1, 7.2). Pure.

use ioc_common::clock::Timestamp;
use ioc_store::JobRecord;

use crate::config::Job;

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Its first success is not due yet.
    Waiting,
    /// It reported success in time.
    Succeeded,
    /// Its success is due, but the collector has not been there long enough to know whether it came.
    Unheard,
    /// It said that it failed, and has not succeeded since.
    Failed,
    /// Its success did not come in time.
    Late,
}

impl JobState {
    /// Its name in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Unheard => "unheard",
            Self::Failed => "failed",
            Self::Late => "late",
        }
    }

    /// Whether it is a fault.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Late)
    }
}

/// When the next success of a job is due at the latest.
#[must_use]
pub fn due_at(job: &Job, record: &JobRecord) -> Timestamp {
    let within_ms = job.every.as_millis().saturating_add(job.grace.as_millis());
    record.last_success.unwrap_or(record.since).plus_millis(within_ms)
}

/// How long after a start of the collector nothing is late yet, at most, milliseconds.
const AFTER_START_MAX_MS: i64 = 3_600_000;

/// From when on a job is late. What came while the collector was not running is not known here, so after its start, at `started`, a job
/// is given its grace once more, an hour at most: whoever tries again is heard meanwhile.
#[must_use]
pub fn late_at(job: &Job, record: &JobRecord, started: Timestamp) -> Timestamp {
    due_at(job, record).max(started.plus_millis(job.grace.as_millis().min(AFTER_START_MAX_MS)))
}

/// How a job stands at a moment.
#[must_use]
pub fn state(job: &Job, record: &JobRecord, started: Timestamp, now: Timestamp) -> JobState {
    if now >= late_at(job, record, started) {
        JobState::Late
    } else if record.last_report.as_ref().is_some_and(|report| report.failed) {
        JobState::Failed
    } else if now >= due_at(job, record) {
        JobState::Unheard
    } else if record.last_success.is_none() {
        JobState::Waiting
    } else {
        JobState::Succeeded
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::config::{Span, SpanWithin};
    use ioc_judge::Severity;
    use ioc_store::JobReport;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + hours * HOUR_MS)
    }

    fn nightly() -> Job {
        Job {
            name: "db".into(),
            title: "db".into(),
            device: None,
            every: SpanWithin(Span::secs(24 * 3600)),
            grace: SpanWithin(Span::secs(2 * 3600)),
            severity: Severity::Warning,
            advice: String::new(),
            token_file: "token".into(),
        }
    }

    #[test]
    fn a_job_is_late_once_its_time_and_its_grace_are_over() {
        let new = JobRecord { name: "db".into(), since: at(0), last_success: None, last_report: None };
        let stands = |record: &JobRecord, hours| state(&nightly(), record, at(-100), at(hours));
        assert_eq!(
            [stands(&new, 0), stands(&new, 25), stands(&new, 26)],
            [JobState::Waiting, JobState::Waiting, JobState::Late]
        );
        let done = JobRecord {
            last_success: Some(at(10)),
            last_report: Some(JobReport { at: at(10), failed: false, message: String::new() }),
            ..new
        };
        assert_eq!([stands(&done, 35), stands(&done, 36)], [JobState::Succeeded, JobState::Late]);
        let failed = JobRecord {
            last_report: Some(JobReport { at: at(12), failed: true, message: "disk full".into() }),
            ..done
        };
        assert_eq!([stands(&failed, 12), stands(&failed, 36)], [JobState::Failed, JobState::Late]);
    }

    #[test]
    fn what_could_not_be_reported_while_the_collector_was_off_is_waited_for() {
        let done = JobRecord { name: "db".into(), since: at(0), last_success: Some(at(0)), last_report: None };
        // It came due an hour ago, and the collector has just begun.
        let stands = |minutes: i64| state(&nightly(), &done, at(27), at(27).plus_millis(minutes * 60_000));
        assert_eq!([stands(0), stands(59), stands(60)], [JobState::Unheard, JobState::Unheard, JobState::Late]);
    }
}
