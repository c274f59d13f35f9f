//! Probes: one file each, a pure parser over bytes and a short bounded read around it.
//!
//! *Read*, *absent* and *unknown* are three different outcomes, everywhere, up to the page. Quick probes are read at every
//! sample ([`SAMPLED`]); slow ones are surveys ([`SURVEYS`]), made by a short-lived child of the agent. Deliberately absent: a
//! runtime, the network, processes, the wall clock. What a reader cannot do itself is handed to it ([`HostAccess`]).

pub mod accounts;
pub mod antivirus;
pub mod backups;
mod bounded_io;
mod capture_rule;
pub mod certificates;
pub mod containers;
pub mod cpu;
mod deb822;
mod descriptor;
pub mod disk;
pub mod displays;
mod edac;
mod endpoints;
mod every_n;
pub mod facts;
pub mod filesystem;
pub mod firewall;
mod frequency;
pub mod gpu;
mod host_access;
mod hotplug;
pub mod ipmi;
pub mod link;
pub mod load;
pub mod mce;
pub mod memory;
pub mod mount;
pub mod network;
pub mod patches;
pub mod ports;
mod power;
pub mod pressure;
pub mod process;
pub mod program;
mod protection;
pub mod raid;
pub mod rpmdb;
mod sensors;
pub mod services;
pub mod sessions;
pub mod settings;
pub mod sign_ins;
pub mod smart;
pub mod software;
pub mod sshd;
pub mod sudoers;
mod survey_context;
pub mod time;
pub mod time_zone;
pub mod tree;
mod usb;
pub mod version;

use std::collections::BTreeSet;
use std::path::Path;

use ioc_common::reading::{ProbeInfo, Sink};
use ioc_common::report::Event;
pub use ioc_common::report::ProbeOutcome;

pub use bounded_io::{KeptFile, ReadError, names_in, read_table, read_text};
use capture_rule::CapturedFiles;
pub use capture_rule::{CaptureExtent, CaptureRule};
pub use descriptor::{Card, SampledProbe, Survey, SurveyReader};
use descriptor::{SampledDescriptor, SurveyDescriptor};
use every_n::EveryN;
pub use host_access::{HostAccess, HttpsHead, NoAccess};
pub use hotplug::{DeviceEvents, Hotplug};
pub use survey_context::{COMMANDS, SurveyContext, SurveyFindings, SurveyResult, absent, slug, unknown};

// The one list of probes. All other lists, the surveyor's table and the pages of `docs/probes` come from it. What to touch to add one:
// CONTRIBUTING.md, *a probe*.
const SAMPLED_PROBES: &[SampledDescriptor] = &[
    cpu::PROBE,
    load::PROBE,
    memory::PROBE,
    pressure::PROBE,
    filesystem::PROBE,
    disk::PROBE,
    network::PROBE,
    usb::PROBE,
    frequency::PROBE,
    link::PROBE,
    mount::PROBE,
    sensors::PROBE,
    edac::PROBE,
    power::PROBE,
    process::PROBE,
];
// Those without a change to watch for are made as often as their state matters, within the agent's budget of CPU
// (docs/performance.md).
const SURVEY_PROBES: &[SurveyDescriptor] = &[
    patches::PROBE,
    antivirus::PROBE,
    software::PROBE,
    accounts::PROBE,
    sessions::PROBE,
    protection::PROBE,
    smart::PROBE,
    raid::PROBE,
    displays::PROBE,
    services::PROBE,
    containers::PROBE,
    time::PROBE,
    ipmi::PROBE,
    mce::PROBE,
    gpu::PROBE,
    endpoints::PROBE,
    certificates::PROBE,
    backups::PROBE,
];

/// Every quick probe. Taken from the list as the program is built, so that whoever takes samples carries no page and no survey.
pub static SAMPLED: &[SampledProbe] = &{
    let mut list = [SAMPLED_PROBES[0].sampled(); SAMPLED_PROBES.len()];
    let mut at = 0;
    while at < list.len() {
        list[at] = SAMPLED_PROBES[at].sampled();
        at += 1;
    }
    list
};

/// Every survey. Taken from the list as the program is built, so that the agent, which knows when they are due, does not carry
/// their readers.
pub static SURVEYS: &[Survey] = &{
    let mut list = [SURVEY_PROBES[0].survey(); SURVEY_PROBES.len()];
    let mut at = 0;
    while at < list.len() {
        list[at] = SURVEY_PROBES[at].survey();
        at += 1;
    }
    list
};

/// A probe and what its page says.
#[derive(Debug)]
pub struct ProbeDescription {
    /// Its name, and what its metrics are.
    pub probe: &'static ProbeInfo,
    /// What its page in `docs/probes` says.
    pub card: &'static Card,
    /// It is read at every so many samples …
    pub every_n: u32,
    /// … or it is a survey.
    pub survey: Option<Survey>,
}

/// Every probe with its page, the quick ones first.
pub fn descriptions() -> impl Iterator<Item = ProbeDescription> {
    let quick = SAMPLED_PROBES.iter().map(|one| ProbeDescription {
        probe: &one.probe,
        card: &one.card,
        every_n: one.every_n,
        survey: None,
    });
    let slow = SURVEY_PROBES.iter().map(|one| ProbeDescription {
        probe: &one.probe,
        card: &one.card,
        every_n: 1,
        survey: Some(one.survey()),
    });
    quick.chain(slow)
}

/// Programs that surveys may start, by name, sorted. Each can be forbidden in `[commands]`.
#[must_use]
pub fn programs() -> Vec<&'static str> {
    let all: BTreeSet<&str> = SURVEY_PROBES.iter().flat_map(|probe| probe.programs).copied().collect();
    all.into_iter().collect()
}

/// What captures take, for every probe and for the facts.
fn all_captured() -> impl Iterator<Item = &'static CapturedFiles> {
    let quick = SAMPLED_PROBES.iter().map(|probe| &probe.captured);
    let slow = SURVEY_PROBES.iter().map(|probe| &probe.captured);
    std::iter::once(&facts::CAPTURED).chain(quick).chain(slow)
}

/// Files that probes read, each once: what a capture takes of a machine. `*` stands for any one name, and ends a beginning of one.
#[must_use]
pub fn captured_files() -> Vec<&'static str> {
    let mut all = Vec::new();
    for path in all_captured().flat_map(CapturedFiles::patterns) {
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

/// What a capture takes of the file of this path, where it is not all of it.
pub fn capture_rules(path: &str) -> impl Iterator<Item = &'static CaptureRule> {
    all_captured().flat_map(|captured| captured.in_part).filter(move |rule| rule.applies(path))
}

/// Programs that surveys start whose output a capture does not keep.
pub fn unkept_programs() -> impl Iterator<Item = &'static str> {
    all_captured().flat_map(|captured| captured.unkept_programs).copied()
}

/// Processes whose names probes look for.
pub fn processes() -> impl Iterator<Item = &'static str> {
    SURVEY_PROBES.iter().flat_map(|probe| probe.processes).copied()
}

/// Whether a probe says that it asks this program.
fn is_program(name: &str) -> bool {
    SURVEY_PROBES.iter().any(|probe| probe.programs.contains(&name))
}

/// The names of all probes, the quick ones first.
pub fn names() -> impl Iterator<Item = &'static str> {
    SAMPLED.iter().map(|probe| probe.name).chain(SURVEYS.iter().map(|survey| survey.name))
}

/// The survey of this name.
#[must_use]
pub fn survey(name: &str) -> Option<&'static Survey> {
    SURVEYS.iter().find(|survey| survey.name == name)
}

/// What reads the survey of this name.
#[must_use]
pub fn reader(name: &str) -> Option<SurveyReader> {
    SURVEY_PROBES.iter().find(|one| one.probe.name == name).map(|one| one.read)
}

/// Every quick probe by its name, reading the machine under `root`. Those that cost more or change slowly are read every few samples.
#[must_use]
pub fn sampled_probes(root: &Path) -> Vec<(&'static str, Box<dyn Probe>)> {
    let made = |probe: &SampledProbe| -> (&'static str, Box<dyn Probe>) {
        let reads = (probe.new)(root);
        let (every_n, with_driver) = (probe.every_n, probe.comes_with_driver);
        (
            probe.name,
            if every_n > 1 || with_driver { Box::new(EveryN::new(reads, every_n, with_driver)) } else { reads },
        )
    };
    SAMPLED.iter().map(made).collect()
}

/// What a probe is given at each sample.
#[derive(Debug)]
pub struct SampleContext<'a> {
    /// Seconds since this probe was last read, by the boot clock; none at the first time.
    pub elapsed_s: Option<f64>,
    /// How often the kernel has told of devices that came, went or changed ([`DeviceEvents`]), as it was before any probe of this sample was
    /// read; none where nobody counts.
    pub device_events: Option<u64>,
    /// A buffer to read into, shared by all probes.
    pub buffer: &'a mut Vec<u8>,
    /// What happened since the last sample.
    pub events: &'a mut Vec<Event>,
}

/// Reads one part of the machine at samples.
pub trait Probe: Send {
    /// Reads now, and gives the numbers to `sink`.
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome;
}

/// A file that is not there means *absent*; any other trouble means *unknown*.
fn missing(error: &ReadError) -> ProbeOutcome {
    if error.is_absent() { ProbeOutcome::Absent { why: error.to_string() } } else { unknown(error) }
}

/// Bytes as text for a parser: `/proc` is ASCII but for names that users choose.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A counter's rate over `elapsed_s`; none when it stepped back (it wrapped or was reset).
fn rate(now: u64, before: u64, elapsed_s: f64) -> Option<f64> {
    if elapsed_s <= 0.0 { None } else { now.checked_sub(before).map(|delta| delta as f64 / elapsed_s) }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Sampling probes on a machine made of texts.

    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    #[derive(Debug, Default)]
    pub(crate) struct Numbers(pub(crate) Vec<(&'static str, String, f64)>);

    impl Sink for Numbers {
        fn put(&mut self, metric: &'static str, subject: &str, value: f64) {
            assert!(ioc_common::metric::find(metric).is_some(), "{metric} is not in the catalogue");
            self.0.push((metric, subject.to_owned(), value));
        }
    }

    /// Reads once.
    pub(crate) fn read_below(
        files: &[(&str, &str)],
        make: impl FnOnce(&Path) -> Box<dyn Probe>,
    ) -> (ProbeOutcome, Vec<(&'static str, String, f64)>) {
        let machine = CapturedMachine::new(files);
        let (mut buffer, mut events) = (Vec::new(), Vec::new());
        let mut numbers = Numbers::default();
        let mut context =
            SampleContext { elapsed_s: None, device_events: None, buffer: &mut buffer, events: &mut events };
        let outcome = make(machine.root()).read(&mut context, &mut numbers);
        (outcome, numbers.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_know_the_same_probes() {
        let ours: Vec<&ProbeInfo> = descriptions().map(|one| one.probe).collect();
        let theirs: Vec<&ProbeInfo> = ioc_common::reading::PROBES.iter().collect();
        assert_eq!(ours, theirs, "this list, and the one of common/src/reading/mod.rs");
        assert!(names().eq(theirs.iter().map(|one| one.name)));
    }

    #[test]
    fn a_capture_takes_what_it_took() {
        let mut files = captured_files();
        files.sort_unstable();
        let listed: Vec<&str> = include_str!("captured_files.txt").lines().collect();
        assert_eq!(files, listed, "a file more or less in a capture also stands in captured_files.txt");
    }

    #[test]
    fn surveys_end_before_the_next_and_say_what_they_need() {
        for survey in SURVEYS {
            assert!(survey.deadline_s < survey.every_s && survey.needs != Some(""), "{}", survey.name);
        }
        assert!(SAMPLED.iter().all(|probe| probe.every_n > 0));
        assert!(programs().into_iter().all(is_program) && !is_program("rm"));
    }
}
