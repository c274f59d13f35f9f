//! Surveys: the slow probes, as the agent knows them: when each is due, what it is asked and what it answers. Who makes them is
//! [`crate::surveyor`].

use serde::{Deserialize, Serialize};

use ioc_common::document::Json;
use ioc_common::report::{Event, ProbeOutcome as Outcome};
use ioc_common::software::Software;

use crate::probe;

/// Longest line of jobs or of an answer, in bytes.
pub const LINE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// A slow probe.
#[derive(Debug, Clone, Copy)]
pub struct Survey {
    /// Its name, which is its document's.
    pub name: &'static str,
    /// How often it is made, seconds.
    pub every_s: u64,
    /// How long it may take, seconds.
    pub deadline_s: u64,
    /// Files whose change makes it due at once. Below `/sys` and `/proc` the content counts, elsewhere size and time.
    pub watch: &'static [&'static str],
    /// It needs more than an ordinary user may.
    pub privileged: bool,
    /// What it needs, for the documents and for `doctor`.
    pub needs: &'static str,
}

/// The survey of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Survey> {
    probe::SURVEYS.iter().find(|survey| survey.name == name)
}

/// What is asked of a child or of the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which survey.
    pub name: String,
    /// What it wanted to remember.
    pub memo: String,
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which survey.
    pub name: String,
    /// Read, absent or unknown.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Json>,
    /// Metric, subject, value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<(String, String, Option<f64>)>,
    /// What happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What to remember; none keeps what was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// Reports of the software list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub software: Vec<Software>,
}

impl Answer {
    /// An answer without findings.
    #[must_use]
    pub fn without(name: &str, outcome: Outcome) -> Self {
        Self {
            name: name.to_owned(),
            outcome,
            document: None,
            numbers: Vec::new(),
            events: Vec::new(),
            memo: None,
            software: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_documents_and_stand_once() {
        for (place, survey) in probe::SURVEYS.iter().enumerate() {
            assert!(ioc_common::document::is_name(survey.name), "{}", survey.name);
            assert!(probe::SURVEYS[..place].iter().all(|other| other.name != survey.name), "{}", survey.name);
            assert!(!probe::NAMES.contains(&survey.name), "{} is a sampling probe, too", survey.name);
            assert!(survey.deadline_s < survey.every_s && !survey.needs.is_empty(), "{}", survey.name);
        }
    }
}
