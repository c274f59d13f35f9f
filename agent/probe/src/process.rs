//! Processes, counted by state from `/proc/*/stat` (proc_pid_stat(5)). Read seldom: it costs an open for each process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ioc_common::reading::{Processes, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, text, unknown};
use crate::bounded_io::{beginnings_in, names_in};
use crate::capture_rule::{CaptureExtent, CaptureRule, CapturedFiles, whole_if};
use crate::descriptor::{Card, SampledDescriptor};
use crate::survey_context::SurveyContext;

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Processes::PROBE,
    every_n: 60,
    comes_with_driver: false,
    new: |root| Box::new(ProcessProbe::new(root)),
    captured: CapturedFiles::NONE.in_part(&[CAPTURED_STATES]),
    card: Card {
        article: "5.1a",
        vi: "Số tiến trình, tiến trình chết và kẹt",
        en: "Processes, zombies, stuck ones",
        reads: "`/proc/*/stat`",
        cost: "0.02 ms a process",
    },
};

/// Names of processes, for whoever looks for one: of those that no probe looks for, a capture says only that they run.
pub(crate) const CAPTURED_NAMES: CaptureRule = CaptureRule::redacted_by_path("/proc/*/comm", of_process, |bytes| {
    let name = String::from_utf8_lossy(bytes).trim().to_owned();
    if crate::processes().any(|known| known == name) { bytes.to_vec() } else { b"-\n".to_vec() }
});

/// States of processes, without names and anything else that is said of them.
const CAPTURED_STATES: CaptureRule = CaptureRule::redacted_by_path("/proc/*/stat", of_process, |bytes| {
    let state = parse_state(&String::from_utf8_lossy(bytes)).unwrap_or('?');
    format!("0 (-) {state} 0\n").into_bytes()
});

/// Only numbers name processes; `self` and `thread-self` are links to one of them.
fn of_process(path: &str) -> CaptureExtent {
    let pid = path.split('/').nth(2).unwrap_or_default();
    whole_if(pid.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Most processes that are looked at.
const PROCESSES_MAX: usize = 20_000;

/// The names of all processes that run. The kernel keeps fifteen characters of each. It costs an open for each process: ask once.
#[must_use]
pub fn names(context: &SurveyContext<'_>) -> BTreeSet<String> {
    let pids = names_in(context.root, "/proc", PROCESSES_MAX).unwrap_or_default();
    let pids = pids.iter().filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()));
    pids.filter_map(|pid| context.text_if(&format!("/proc/{pid}/comm"))).collect()
}

/// Whether [`names`] are those of all processes, so that what is not among them does not run. It is not so without a `/proc`, or with one
/// that shows everybody only their own (`hidepid`): the first process is always there.
pub(crate) fn sees_all(context: &SurveyContext<'_>) -> bool {
    context.text_if("/proc/1/comm").is_some()
}

/// The state of a process: the letter behind its name, which may hold anything.
#[must_use]
pub fn parse_state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Counts anew at each reading; nothing is remembered.
#[derive(Debug)]
pub struct ProcessProbe {
    root: PathBuf,
}

impl ProcessProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Probe for ProcessProbe {
    fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let mut processes = Processes::default();
        // One that has ended meanwhile is none.
        let listed = beginnings_in(&self.root, "/proc", "stat", PROCESSES_MAX, |stat| {
            processes.total += 1;
            match parse_state(&text(stat)) {
                Some('Z') => processes.zombies += 1,
                Some('D') => processes.stuck += 1,
                _ => {}
            }
        });
        if let Err(error) = listed {
            return unknown(&error);
        }
        if processes.total == 0 {
            return unknown(&"/proc: no process can be seen");
        }
        processes.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn states_by_name_or_not() {
        let files = [
            ("/proc/1/stat", "1 (systemd) S 0"),
            ("/proc/7/stat", "7 (a) Z b) D 1"),
            ("/proc/8/stat", "8 (x) Z 1"),
            ("/proc/net/stat", "x"),
        ];
        let (_, numbers) = read_below(&files, |root| Box::new(ProcessProbe::new(root)));
        assert_eq!(numbers.iter().map(|n| n.2).collect::<Vec<_>>(), [3.0, 1.0, 1.0]);
        assert_eq!(parse_state("rubbish"), None);
    }
}
