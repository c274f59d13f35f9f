//! What a probe says of itself in its own file: its name, when it is read, what it needs, what stands on its page, and its reader.

use std::path::Path;

use crate::Probe;
use crate::survey_context::{SurveyContext, SurveyResult};

pub(crate) const MINUTE_S: u64 = 60;
pub(crate) const HOUR_S: u64 = 3600;
pub(crate) const DAY_S: u64 = 86_400;

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
    /// Beginnings of its metrics' names.
    pub metrics: &'static [&'static str],
    /// CPU of one run on the reference machine (docs/performance.md).
    pub cost: &'static str,
}

/// A quick probe, as whoever takes samples knows it.
#[derive(Debug, Clone, Copy)]
pub struct Sampled {
    /// Its name in configuration, status and pages.
    pub name: &'static str,
    /// It is read at every so many samples; what it read stands in the samples between.
    pub every_n: u32,
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
    /// What it needs, for the documents and for `doctor`.
    pub needs: &'static str,
}

/// Reads a survey's part of the machine.
pub type SurveyReader = fn(&SurveyContext<'_>) -> SurveyResult;

/// All that a quick probe says of itself.
pub(crate) struct SampledProbe {
    pub(crate) sampled: Sampled,
    pub(crate) card: Card,
}

/// All that a slow probe says of itself.
pub(crate) struct SurveyProbe {
    pub(crate) survey: Survey,
    pub(crate) card: Card,
    pub(crate) read: SurveyReader,
}
