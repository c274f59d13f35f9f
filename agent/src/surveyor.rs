//! Makes surveys: what the program `ioc-agent-survey` does for the agent.
//!
//! A child costs a millisecond and gives all its memory back; one that hangs, floods or crashes is cut off and costs only the
//! survey it was at. What needs privilege is asked of the helper unit (`systemd/ioc-agent-helper@.service`), which is the
//! same program with the same protocol: a line of jobs in, lines of reports and answers out.

use std::io::{BufRead, Write};
use std::path::Path;

use serde::Serialize;

use ioc_common::clock::{self, Timestamp};
use ioc_common::codec::{CodecError, EncodedBody};
use ioc_common::document::Json;
use ioc_common::report::{Body, Event, ProbeOutcome, StateReport};
use ioc_common::software::Software;
use ioc_probe::{Survey, SurveyContext, SurveyFindings, unknown};

use crate::config::Config;
use crate::host::LiveHost;
use crate::survey::{Job, LINE_MAX_BYTES, SurveyEnd, SurveyLine};

/// Most events of one answer; a log that floods is counted, not copied.
const EVENTS_MAX: usize = 50;

/// A survey or a probe as it came out, in the form that people are shown (`ioc-agent probe NAME --json`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeResult {
    /// Name of the probe or survey.
    pub name: String,
    /// Read, absent or unknown.
    #[serde(flatten)]
    pub outcome: ProbeOutcome,
    /// What the survey found, in the form of its reading; none where it sends only events or a software list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Json>,
    /// Metric, subject, value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<(String, String, Option<f64>)>,
    /// Events since the last survey.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What to remember; none keeps what was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// Reports of the software list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub software: Vec<Software>,
}

impl ProbeResult {
    /// The end of a survey that found nothing, or could not be made.
    #[must_use]
    pub fn without(name: &str, outcome: ProbeOutcome) -> Self {
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

    fn of(name: &str, found: SurveyFindings) -> Self {
        let number = |(metric, subject, value): (&str, String, f64)| {
            (metric.to_owned(), subject, value.is_finite().then_some(value))
        };
        let mut events = found.events;
        if events.len() > EVENTS_MAX {
            let more = events.len() - EVENTS_MAX;
            events.truncate(EVENTS_MAX);
            if let Some(last) = events.last_mut() {
                last.fields.insert("more".to_owned(), more.to_string());
            }
        }
        Self {
            document: found.document,
            numbers: found.numbers.into_iter().map(number).collect(),
            events,
            memo: Some(found.memo),
            software: found.software,
            ..Self::without(name, ProbeOutcome::Read)
        }
    }

    /// What the agent is told: the reports, and the end.
    fn lines(self) -> impl Iterator<Item = Result<SurveyLine, CodecError>> {
        let Self { name, outcome, document, numbers, events, memo, software } = self;
        let document = document.map(|doc| Body::State(StateReport::Document { name: name.clone(), doc }));
        let software = software.into_iter().map(Body::Software);
        let reports = events.into_iter().map(Body::Event).chain(document).chain(software);
        let end = SurveyLine::End(SurveyEnd { name, outcome, numbers, memo });
        reports.map(|body| EncodedBody::of(&body).map(SurveyLine::Report)).chain(std::iter::once(Ok(end)))
    }
}

/// Makes one survey. A panic in it is *unknown*, too: a machine that is read wrongly must not end the agent.
#[must_use]
pub fn make(survey: &Survey, context: &SurveyContext<'_>) -> ProbeResult {
    let Some(read) = ioc_probe::reader(survey.name) else {
        return ProbeResult::without(survey.name, unknown(&"nobody makes this survey"));
    };
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(context)));
    match made {
        Ok(Ok(found)) => ProbeResult::of(survey.name, found),
        Ok(Err(outcome)) => ProbeResult::without(survey.name, outcome),
        Err(_) => ProbeResult::without(survey.name, unknown(&"the survey failed; its log names the place")),
    }
}

/// What a child does: reads a line of jobs, makes each survey, prints its reports and its end, a line each.
///
/// `helper` allows the privileged ones only: whoever reaches the helper can have nothing else done.
///
/// # Errors
/// When `input` or `output` breaks.
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
        let made = match ioc_probe::survey(&job.name) {
            Some(survey) if survey.privileged || !helper => {
                let state = (!helper).then_some(config.state.as_path());
                make(survey, &context(config, clock::now(), &job.memo, state))
            }
            _ => ProbeResult::without(&job.name, unknown(&"this survey is not made here")),
        };
        for line in made.lines() {
            let mut line = serde_json::to_vec(&line.map_err(std::io::Error::other)?).map_err(std::io::Error::other)?;
            line.push(b'\n');
            output.write_all(&line)?;
        }
        output.flush()?;
    }
    Ok(())
}

fn context<'a>(config: &'a Config, now: Timestamp, memo: &'a str, state: Option<&'a Path>) -> SurveyContext<'a> {
    SurveyContext { root: root(), settings: &config.survey_settings, now, memo, state, host: &LiveHost, record: None }
}

fn root() -> &'static Path {
    Path::new("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::config::Source;

    #[test]
    fn the_helper_makes_nothing_but_what_needs_privilege() {
        let config = Config::parse(&Source::built_in("empty", "")).unwrap_or_else(|e| panic!("{e}"));
        let ordinary = ioc_probe::SURVEYS.iter().find(|survey| !survey.privileged).expect("one").name;
        let jobs =
            serde_json::to_string(&[ordinary, "no-such"].map(|name| Job { name: name.into(), memo: String::new() }))
                .expect("writes");
        let mut output = Vec::new();
        serve(&config, true, &mut format!("{jobs}\n").as_bytes(), &mut output).expect("answers");
        let lines: Vec<SurveyLine> = output
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("reads"))
            .collect();
        assert_eq!(lines.len(), 2);
        let refused = |line: &SurveyLine| matches!(line, SurveyLine::End(answer) if matches!(answer.outcome, ProbeOutcome::Unknown { .. }));
        assert!(lines.iter().all(refused), "{lines:?}");
        assert!(serve(&config, true, &mut &b"rubbish\n"[..], &mut Vec::new()).is_err());
    }
}
