//! Probes: one file each, a pure parser over bytes and a short bounded read around it.
//!
//! *Read*, *absent* and *unknown* are three different outcomes, everywhere, up to the page.

pub mod cpu;
pub mod disk;
pub mod facts;
pub mod filesystem;
pub mod load;
pub mod memory;
pub mod network;
pub mod pressure;

use std::path::Path;

use ioc_common::reading::Sink;
pub use ioc_common::report::ProbeOutcome as Outcome;

use crate::source::SourceError;

/// What a probe is given at each sample.
#[derive(Debug)]
pub struct Context<'a> {
    /// Seconds since the last sample, by the boot clock; none at the first.
    pub elapsed_s: Option<f64>,
    /// A buffer to read into, shared by all probes.
    pub buffer: &'a mut Vec<u8>,
}

/// Reads one part of the machine.
pub trait Probe: Send {
    /// The name used in configuration, status and pages.
    fn name(&self) -> &'static str;

    /// Reads now, and gives the numbers to `sink`.
    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome;
}

/// Every sampling probe, reading the machine under `root`.
#[must_use]
pub fn all(root: &Path) -> Vec<Box<dyn Probe>> {
    vec![
        Box::new(cpu::CpuProbe::new(root)),
        Box::new(load::LoadProbe::new(root)),
        Box::new(memory::MemoryProbe::new(root)),
        Box::new(pressure::PressureProbe::new(root)),
        Box::new(filesystem::FilesystemProbe::new(root)),
        Box::new(disk::DiskProbe::new(root)),
        Box::new(network::NetworkProbe::new(root)),
    ]
}

/// The names of all sampling probes.
pub const NAMES: [&str; 7] = ["cpu", "load", "memory", "pressure", "filesystem", "disk", "network"];

/// A file that is not there means *absent*; any other trouble means *unknown*.
fn missing(error: &SourceError) -> Outcome {
    if error.is_absent() { Outcome::Absent { why: error.to_string() } } else { unknown(error) }
}

fn unknown(why: &impl ToString) -> Outcome {
    Outcome::Unknown { why: why.to_string() }
}

/// Bytes as text for a parser: `/proc` is ASCII but for names that users choose.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// A counter's rate over `elapsed_s`; none when it stepped back (it wrapped or was reset).
fn rate(now: u64, before: u64, elapsed_s: f64) -> Option<f64> {
    if elapsed_s <= 0.0 { None } else { now.checked_sub(before).map(|delta| delta as f64 / elapsed_s) }
}
