//! What a probe says of itself in its own file: when it is read, what it needs and asks, what stands on its page, and its reader. Its name,
//! how often its survey is made and what its metrics are stand with its reading ([`ProbeInfo`]), since the collector knows them, too.

use std::path::Path;

use ioc_common::reading::ProbeInfo;

use crate::Probe;
use crate::capture_rule::CapturedFiles;
use crate::survey_context::{SurveyContext, SurveyResult};

/// What the page of a probe says that its reader does not (`docs/probes`).
#[derive(Debug, Clone, Copy)]
pub struct Card {
    /// Article of the regulation.
    pub article: &'static str,
    /// What it is about, in one line of Vietnamese.
    pub vi: &'static str,
    /// The same in English.
    pub en: &'static str,
    /// Files, programs and hosts that it asks.
    pub reads: &'static str,
    /// CPU of one run on the reference machine (docs/performance.md).
    pub cost: &'static str,
}

/// A quick probe, as whoever takes samples knows it.
#[derive(Debug, Clone, Copy)]
pub struct SampledProbe {
    /// Its name in configuration, status and pages.
    pub name: &'static str,
    /// It is read at every so many samples; what it read stands in the samples between.
    pub every_n: u32,
    /// What it reads comes with a driver: while it is not there it is looked for when the kernel told of devices, and seldom otherwise.
    pub comes_with_driver: bool,
    /// Makes the one that reads below a root.
    pub new: fn(&Path) -> Box<dyn Probe>,
}

/// A slow probe, as whoever decides when it is due knows it.
#[derive(Debug, Clone, Copy)]
pub struct Survey {
    /// Its name in configuration, status and pages, which is its document's.
    pub name: &'static str,
    /// How often it is made, seconds.
    pub every_s: u64,
    /// How long it may take, seconds.
    pub deadline_s: u64,
    /// Files whose change makes it due at once. Below `/sys` and `/proc` the content counts, elsewhere size and time.
    pub watch: &'static [&'static str],
    /// It needs more than an ordinary user may.
    pub privileged: bool,
    /// Rights and programs that it needs, for the documents and for `doctor`; none where it needs nothing more than others.
    pub needs: Option<&'static str>,
    /// The memo with which it sends all that it knows, if its reports are what changed; none where every report is whole.
    pub whole_memo: Option<&'static str>,
}

/// Reads a survey's part of the machine.
pub type SurveyReader = fn(&SurveyContext<'_>) -> SurveyResult;

/// All that a quick probe says of itself.
pub(crate) struct SampledDescriptor {
    /// What both sides know of it: `PROBE` of its reading.
    pub(crate) probe: ProbeInfo,
    pub(crate) every_n: u32,
    /// As in [`SampledProbe`].
    pub(crate) comes_with_driver: bool,
    pub(crate) new: fn(&Path) -> Box<dyn Probe>,
    /// What a capture takes, so that this probe reads the same of it ([`crate::captured_files`]).
    pub(crate) captured: CapturedFiles,
    pub(crate) card: Card,
}

impl SampledDescriptor {
    pub(crate) const fn sampled(&self) -> SampledProbe {
        SampledProbe {
            name: self.probe.name,
            every_n: self.every_n,
            comes_with_driver: self.comes_with_driver,
            new: self.new,
        }
    }
}

/// All that a slow probe says of itself.
pub(crate) struct SurveyDescriptor {
    /// What both sides know of it: `PROBE` of its reading.
    pub(crate) probe: ProbeInfo,
    pub(crate) deadline_s: u64,
    pub(crate) watch: &'static [&'static str],
    pub(crate) privileged: bool,
    pub(crate) needs: Option<&'static str>,
    pub(crate) whole_memo: Option<&'static str>,
    /// Programs that it asks; ops can forbid each ([`crate::programs`]).
    pub(crate) programs: &'static [&'static str],
    /// What a capture takes beside what programs say, so that this probe reads the same of it ([`crate::captured_files`]).
    pub(crate) captured: CapturedFiles,
    /// Processes whose names it looks for; a capture keeps no others ([`crate::processes`]).
    pub(crate) processes: &'static [&'static str],
    pub(crate) card: Card,
    pub(crate) read: SurveyReader,
}

impl SurveyDescriptor {
    #[allow(clippy::panic, reason = "it is only called while the program is built, and ends that")]
    pub(crate) const fn survey(&self) -> Survey {
        let Self { probe, deadline_s, watch, privileged, needs, whole_memo, .. } = *self;
        match probe.every_s {
            Some(every_s) => Survey { name: probe.name, every_s, deadline_s, watch, privileged, needs, whole_memo },
            None => panic!("its reading is one of samples"),
        }
    }
}
