//! Surveys: the slow probes, each made by a short-lived child of the agent, which prints one answer a line.
//!
//! A child costs a millisecond and gives all its memory back; one that hangs, floods or crashes is cut off and costs only the
//! survey it was at. What needs privilege is asked of the helper unit (`systemd/ioc-agent-helper@.service`), which is the
//! same program with the same protocol: a line of jobs in, a line an answer out.

use std::io::{BufRead, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use ioc_common::clock::{self, Timestamp};
use ioc_common::document::Json;
use ioc_common::report::{Event, ProbeOutcome as Outcome};
use ioc_common::software::Software;

use crate::config::Config;
use crate::machine::{Found, Machine, Surveyed, unknown};
use crate::probe;

/// Longest line of jobs or of an answer, in bytes.
pub const LINE_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Most events of one answer; a log that floods is counted, not copied.
const EVENTS_MAX: usize = 50;

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
    /// Makes it.
    pub run: fn(&Machine<'_>) -> Surveyed,
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

    fn with(name: &str, found: Found) -> Self {
        let mut answer = Self::without(name, Outcome::Read);
        answer.document = found.document;
        let number = |(metric, subject, value): (&str, String, f64)| {
            (metric.to_owned(), subject, value.is_finite().then_some(value))
        };
        answer.numbers = found.numbers.into_iter().map(number).collect();
        answer.events = found.events;
        if answer.events.len() > EVENTS_MAX {
            let more = answer.events.len() - EVENTS_MAX;
            answer.events.truncate(EVENTS_MAX);
            if let Some(last) = answer.events.last_mut() {
                last.fields.insert("more".to_owned(), more.to_string());
            }
        }
        answer.memo = Some(found.memo);
        answer.software = found.software;
        answer
    }
}

/// Makes one survey. A panic in it is *unknown*, too: a machine that is read wrongly must not end the agent.
#[must_use]
pub fn make(survey: &Survey, machine: &Machine<'_>) -> Answer {
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (survey.run)(machine)));
    match made {
        Ok(Ok(found)) => Answer::with(survey.name, found),
        Ok(Err(outcome)) => Answer::without(survey.name, outcome),
        Err(_) => Answer::without(survey.name, unknown(&"the survey failed; its log names the place")),
    }
}

/// What a child does: reads a line of jobs, makes each survey, prints a line for each.
///
/// `helper` allows the privileged ones only: whoever reaches the helper can have nothing else done.
///
/// # Errors
/// When the line cannot be read or an answer cannot be written.
pub fn serve(
    config: &Config,
    helper: bool,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
) -> Result<(), std::io::Error> {
    let mut line = Vec::new();
    std::io::Read::take(input, LINE_MAX_BYTES as u64).read_until(b'\n', &mut line)?;
    let jobs: Vec<Job> = serde_json::from_slice(&line).map_err(std::io::Error::other)?;
    // Whatever else the machine has to do goes first; programs that are started inherit it. The unit forbids the call and has
    // done it already.
    let _ = rustix::process::nice(10);
    for job in jobs {
        let answer = match find(&job.name) {
            Some(survey) if survey.privileged || !helper => {
                let state = (!helper).then_some(config.state.as_path());
                make(survey, &machine(config, clock::now(), &job.memo, state))
            }
            _ => Answer::without(&job.name, unknown(&"this survey is not made here")),
        };
        serde_json::to_writer(&mut *output, &answer).map_err(std::io::Error::other)?;
        output.write_all(b"\n")?;
        output.flush()?;
    }
    Ok(())
}

fn machine<'a>(config: &'a Config, now: Timestamp, memo: &'a str, state: Option<&'a Path>) -> Machine<'a> {
    Machine { root: root(), settings: &config.settings, now, memo, state, record: None }
}

fn root() -> &'static Path {
    Path::new("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;

    #[test]
    fn names_are_those_of_documents_and_stand_once() {
        for (place, survey) in probe::SURVEYS.iter().enumerate() {
            assert!(ioc_common::document::is_name(survey.name), "{}", survey.name);
            assert!(probe::SURVEYS[..place].iter().all(|other| other.name != survey.name), "{}", survey.name);
            assert!(!probe::NAMES.contains(&survey.name), "{} is a sampling probe, too", survey.name);
            assert!(survey.deadline_s < survey.every_s && !survey.needs.is_empty(), "{}", survey.name);
        }
    }

    #[test]
    fn the_helper_makes_nothing_but_what_needs_privilege() {
        let config = Config::parse(&Source::built_in("empty", "")).unwrap_or_else(|e| panic!("{e}"));
        let ordinary = probe::SURVEYS.iter().find(|survey| !survey.privileged).expect("one").name;
        let jobs =
            serde_json::to_string(&[ordinary, "no-such"].map(|name| Job { name: name.into(), memo: String::new() }))
                .expect("writes");
        let mut output = Vec::new();
        serve(&config, true, &mut format!("{jobs}\n").as_bytes(), &mut output).expect("answers");
        let answers: Vec<Answer> = output
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("reads"))
            .collect();
        assert_eq!(answers.len(), 2);
        assert!(answers.iter().all(|answer| matches!(answer.outcome, Outcome::Unknown { .. })), "{answers:?}");
        assert!(serve(&config, true, &mut &b"rubbish\n"[..], &mut Vec::new()).is_err());
    }
}
