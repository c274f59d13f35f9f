//! Makes surveys: what the program `ioc-agent-survey` does for the agent.
//!
//! A child costs a millisecond and gives all its memory back; one that hangs, floods or crashes is cut off and costs only the
//! survey it was at. What needs privilege is asked of the helper unit (`systemd/ioc-agent-helper@.service`), which is the
//! same program with the same protocol: a line of jobs in, a line an answer out.

use std::io::{BufRead, Write};
use std::path::Path;

use ioc_common::clock::{self, Timestamp};
use ioc_common::report::ProbeOutcome as Outcome;

use crate::config::Config;
use crate::machine::{Found, Machine, Surveyed, unknown};
use crate::probe;
use crate::survey::{Answer, Job, LINE_MAX_BYTES, Survey, find};

/// Most events of one answer; a log that floods is counted, not copied.
const EVENTS_MAX: usize = 50;

/// Who makes each survey. Apart from [`probe::SURVEYS`], so that the agent, which knows when they are due, does not carry their code.
fn maker(name: &str) -> fn(&Machine<'_>) -> Surveyed {
    match name {
        "patches" => probe::patches::survey,
        "antivirus" => probe::antivirus::survey,
        "software" => probe::software::survey,
        "accounts" => probe::accounts::survey,
        "sessions" => probe::sessions::survey,
        "protection" => probe::protection::survey,
        "smart" => probe::smart::survey,
        "raid" => probe::raid::survey,
        "displays" => probe::displays::survey,
        "services" => probe::services::survey,
        "time" => probe::time::survey,
        "ipmi" => probe::ipmi::survey,
        "gpu" => probe::gpu::survey,
        "reach" => probe::reach::survey,
        "certificates" => probe::certificates::survey,
        "backups" => probe::backups::survey,
        _ => |_| Err(unknown(&"nobody makes this survey")),
    }
}

fn answer_with(name: &str, found: Found) -> Answer {
    let mut answer = Answer::without(name, Outcome::Read);
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

/// Makes one survey. A panic in it is *unknown*, too: a machine that is read wrongly must not end the agent.
#[must_use]
pub fn make(survey: &Survey, machine: &Machine<'_>) -> Answer {
    let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| maker(survey.name)(machine)));
    match made {
        Ok(Ok(found)) => answer_with(survey.name, found),
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
    fn every_survey_has_its_maker() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let config = Config::parse(&Source::built_in("empty", "")).unwrap_or_else(|e| panic!("{e}"));
        for survey in probe::SURVEYS {
            let asked = Machine { root: dir.path(), ..machine(&config, clock::now(), "", None) };
            let answer = make(survey, &asked);
            assert!(!format!("{:?}", answer.outcome).contains("nobody makes"), "{}", survey.name);
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
