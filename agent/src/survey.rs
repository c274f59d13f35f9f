//! Surveys: the slow probes, as the agent knows them: when each is due, what it is asked and what it answers. Who makes them is
//! [`crate::surveyor`].

use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use ioc_common::codec::Encoded;
use ioc_common::report::ProbeOutcome as Outcome;

use crate::probe;

/// Longest line of jobs or of what is answered, in bytes.
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

/// Keeps what is remembered from one survey to the next, as JSON: the old file or the new one, never a part.
///
/// # Errors
/// When it cannot be written.
pub fn keep(path: &Path, remembered: &impl Serialize) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = BufWriter::new(std::fs::File::create(&fresh)?);
    serde_json::to_writer(&mut file, remembered)?;
    file.flush()?;
    std::fs::rename(&fresh, path)
}

/// What is asked of a child or of the helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which survey.
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
pub enum Line {
    /// What the collector is to know.
    Report(Encoded),
    /// What the agent itself makes use of.
    End(Answer),
}

/// How a survey ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which survey.
    pub name: String,
    /// Read, absent or unknown.
    pub outcome: Outcome,
    /// Metric, subject, value.
    pub numbers: Vec<(String, String, Option<f64>)>,
    /// What to remember; none keeps what was.
    pub memo: Option<String>,
}

impl Answer {
    /// An answer without findings.
    #[must_use]
    pub fn without(name: &str, outcome: Outcome) -> Self {
        Self { name: name.to_owned(), outcome, numbers: Vec::new(), memo: None }
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
            let said = ioc_common::document::survey_every_s(survey.name);
            assert_eq!(said, Some(survey.every_s), "{}: common/src/document.rs says how often, too", survey.name);
            assert!(survey.deadline_s < survey.every_s && !survey.needs.is_empty(), "{}", survey.name);
        }
    }
}
