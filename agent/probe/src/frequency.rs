//! The CPU's frequency, and how often heat throttled it (Documentation/admin-guide/pm/cpufreq).

use std::path::{Path, PathBuf};

use ioc_common::reading::{Frequency, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, rate};
use crate::bounded_io::{names_in, read_attribute};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Frequency::PROBE,
    every_n: 6,
    comes_with_driver: true,
    new: |root| Box::new(FrequencyProbe::new(root)),
    captured: CapturedFiles::whole(&[
        "/sys/devices/system/cpu/*/cpufreq/scaling_cur_freq",
        "/sys/devices/system/cpu/*/thermal_throttle/core_throttle_count",
    ]),
    card: Card {
        article: "5.1a",
        vi: "Tần số CPU, giảm tốc vì nóng",
        en: "CPU frequency, throttling by heat",
        reads: "`/sys/devices/system/cpu`",
        cost: "0.02 ms a core",
    },
};

/// Most cores whose frequency is read.
const CORES_MAX: usize = 64;

/// Remembers how often all cores were throttled until now.
#[derive(Debug)]
pub(crate) struct FrequencyProbe {
    root: PathBuf,
    throttled: Option<u64>,
}

impl FrequencyProbe {
    /// Reads below `root`.
    #[must_use]
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), throttled: None }
    }
}

impl Probe for FrequencyProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        const BASE: &str = "/sys/devices/system/cpu";
        let cores = names_in(&self.root, BASE, 4096).unwrap_or_default();
        let cores = cores.iter().filter(|name| name.strip_prefix("cpu").is_some_and(|n| n.parse::<u32>().is_ok()));
        let (mut sum, mut count, mut throttled) = (0.0, 0.0, None);
        for core in cores.take(CORES_MAX) {
            let number =
                |file: &str| read_attribute(&self.root, &format!("{BASE}/{core}/{file}")).ok()?.parse::<u64>().ok();
            if let Some(khz) = number("cpufreq/scaling_cur_freq") {
                sum += khz as f64 / 1000.0;
                count += 1.0;
            }
            if let Some(times) = number("thermal_throttle/core_throttle_count") {
                throttled = Some(throttled.unwrap_or(0) + times);
            }
        }
        if count == 0.0 && throttled.is_none() {
            return ProbeOutcome::Absent {
                why: format!("{BASE}: neither cpufreq nor thermal_throttle, as in a virtual machine"),
            };
        }
        let throttled = throttled.map(|throttled| {
            let before = self.throttled.replace(throttled);
            let per_second = before.zip(context.elapsed_s).and_then(|(before, s)| rate(throttled, before, s));
            per_second.unwrap_or(f64::NAN)
        });
        Frequency { mhz: (count > 0.0).then(|| sum / count), throttled }.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn frequency_is_the_mean() {
        let files = [
            ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2000000\n"),
            ("/sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n"),
            ("/sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "3\n"),
            ("/sys/devices/system/cpu/cpufreq/x", ""),
        ];
        let (_, numbers) = read_below(&files, |root| Box::new(FrequencyProbe::new(root)));
        assert_eq!((numbers[0].0, numbers[0].2, numbers[1].0), ("cpu.frequency", 2500.0, "cpu.throttled"));
    }
}
