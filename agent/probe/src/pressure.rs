//! Pressure stall information, from `/proc/pressure/{cpu,memory,io}` (kernel 4.20 and later; Documentation/accounting/psi.rst).

use std::path::Path;

use ioc_common::reading::{Pressure, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, text, unknown};
use crate::bounded_io::KeptFile;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Pressure::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(PressureProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/pressure/*"]),
    card: Card {
        article: "5.1a",
        vi: "Áp lực CPU, bộ nhớ, vào/ra (PSI)",
        en: "Pressure of CPU, memory, I/O (PSI)",
        reads: "`/proc/pressure/*`",
        cost: "0.01 ms",
    },
};

/// Reads one file: the `avg10` of `some` and of `full`. `full` is missing for CPU on older kernels and counts 0.
#[must_use]
pub fn parse(file: &str) -> Option<(f64, f64)> {
    let (mut some, mut full) = (None, 0.0);
    for line in file.lines() {
        let mut words = line.split_ascii_whitespace();
        let kind = words.next();
        let average = words
            .next()
            .and_then(|word| word.strip_prefix("avg10="))
            .and_then(|number| number.parse::<f64>().ok())
            .filter(|number| (0.0..=100.0).contains(number));
        match (kind, average) {
            (Some("some"), Some(average)) => some = Some(average),
            (Some("full"), Some(average)) => full = average,
            _ => {}
        }
    }
    some.map(|some| (some, full))
}

/// Keeps its files open.
#[derive(Debug)]
pub struct PressureProbe {
    files: [KeptFile; 3],
}

impl PressureProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            files: ["cpu", "memory", "io"].map(|name| KeptFile::of_one_record(root, &format!("/proc/pressure/{name}"))),
        }
    }
}

impl Probe for PressureProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let mut averages = [(0.0, 0.0); 3];
        for (file, average) in self.files.iter_mut().zip(&mut averages) {
            match file.read(context.buffer).map(|bytes| parse(&text(bytes))) {
                Ok(Some(found)) => *average = found,
                Ok(None) => return unknown(&"/proc/pressure is not of the expected form"),
                // The kernel has it but it is switched off (psi=0): opening works, reading says so.
                Err(error) if error.source.raw_os_error() == Some(95) => {
                    return ProbeOutcome::Absent { why: format!("{error}: switched off; boot with psi=1 to have it") };
                }
                Err(error) => return missing(&error),
            }
        }
        let [(cpu_some, _), (memory_some, memory_full), (io_some, io_full)] = averages;
        Pressure { cpu_some, memory_some, memory_full, io_some, io_full }.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_over_ten_seconds() {
        let file = "some avg10=1.53 avg60=0.87 avg300=0.20 total=1\nfull avg10=0.50 avg60=0.1 avg300=0.0 total=2\n";
        assert_eq!(parse(file), Some((1.53, 0.5)));
        assert_eq!(parse("some avg10=2.00 avg60=0 avg300=0 total=1\n"), Some((2.0, 0.0)));
        assert_eq!(parse("full avg10=1.0\n"), None);
        assert_eq!(parse("some avg10=200 x\n"), None);
    }
}
