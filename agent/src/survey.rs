//! What the agent and whoever makes its surveys ([`crate::surveyor`]) say to each other: a line of jobs in, lines of answers out.

use serde::{Deserialize, Serialize};

use ioc_common::codec::EncodedBody;
use ioc_common::report::ProbeOutcome;

/// Longest line of jobs or of what is answered, in bytes.
pub const LINE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// What is asked of a child or of the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Name of the survey, as in [`ioc_probe::SURVEYS`].
    pub name: String,
    /// What it wanted to remember.
    pub memo: String,
}

/// A line of what it answers: reports as they are made, then the end of each survey.
///
/// Reports come one by one and are passed on as they are: the agent needs no room for a whole list of software, nor the code to
/// read one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SurveyLine {
    /// What the collector is to know.
    Report(EncodedBody),
    /// What the agent itself makes use of.
    End(SurveyEnd),
}

/// How a survey ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SurveyEnd {
    /// Name of the survey, as in [`ioc_probe::SURVEYS`].
    pub name: String,
    /// Read, absent or unknown.
    pub outcome: ProbeOutcome,
    /// Metric, subject, value.
    pub numbers: Vec<(String, String, Option<f64>)>,
    /// What to remember; none keeps what was.
    pub memo: Option<String>,
}

impl SurveyEnd {
    /// An answer without findings.
    #[must_use]
    pub fn without(name: &str, outcome: ProbeOutcome) -> Self {
        Self { name: name.to_owned(), outcome, numbers: Vec::new(), memo: None }
    }
}
