//! CPU time by mode, from `/proc/stat` (proc_stat(5)).

use std::path::Path;

use ioc_common::reading::{Cpu, CpuShares, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, rate, text, unknown};
use crate::bounded_io::KeptFile;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Cpu::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(CpuProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/stat"]),
    card: Card {
        article: "5.1a",
        vi: "CPU theo nhân và chế độ",
        en: "CPU by core and mode",
        reads: "`/proc/stat`",
        cost: "0.03 ms",
    },
};

/// Jiffies by mode: user, nice, system, idle, iowait, irq, softirq, steal.
type Modes = [u64; 8];

/// What `/proc/stat` counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CpuTimes {
    all: Modes,
    cores: Vec<(u32, Modes)>,
    context_switches: u64,
    interrupts: u64,
    forks: u64,
    procs_running: u64,
    procs_blocked: u64,
}

/// Reads `/proc/stat`. Guest time is part of user time there and is not counted twice; modes that an old kernel lacks are 0.
///
/// # Errors
/// The beginning of the first line that holds no times.
pub fn parse(stat: &str, into: &mut CpuTimes) -> Result<(), String> {
    into.cores.clear();
    let mut seen = false;
    for line in stat.lines() {
        let Some((key, rest)) = line.split_once(' ') else { continue };
        let first = || rest.split(' ').next().and_then(|number| number.parse().ok()).ok_or_else(|| short(line));
        match key {
            "cpu" => {
                into.all = modes(rest).ok_or_else(|| short(line))?;
                seen = true;
            }
            "ctxt" => into.context_switches = first()?,
            "intr" => into.interrupts = first()?,
            "processes" => into.forks = first()?,
            "procs_running" => into.procs_running = first()?,
            "procs_blocked" => into.procs_blocked = first()?,
            _ => {
                if let Some(number) = key.strip_prefix("cpu") {
                    let number = number.parse().map_err(|_| short(line))?;
                    into.cores.push((number, modes(rest).ok_or_else(|| short(line))?));
                }
            }
        }
    }
    if seen { Ok(()) } else { Err("/proc/stat has no line \"cpu\"".to_owned()) }
}

fn short(line: &str) -> String {
    format!("/proc/stat: cannot read {:?}", line.chars().take(60).collect::<String>())
}

fn modes(rest: &str) -> Option<Modes> {
    let mut modes = Modes::default();
    let mut count = 0;
    for (place, number) in rest.split_ascii_whitespace().take(8).enumerate() {
        modes[place] = number.parse().ok()?;
        count += 1;
    }
    (count >= 4).then_some(modes)
}

/// Shares of the time between two readings; none when no time has passed. A counter that stepped back (iowait may) counts 0.
fn shares(now: &Modes, before: &Modes) -> Option<CpuShares> {
    let mut delta = [0.0; 8];
    for (place, (now, before)) in now.iter().zip(before).enumerate() {
        delta[place] = now.saturating_sub(*before) as f64;
    }
    let total: f64 = delta.iter().sum();
    if total <= 0.0 {
        return None;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = delta.map(|part| part / total * 100.0);
    Some(CpuShares { user, nice, system, iowait, irq, softirq, steal, idle })
}

/// What happened between two readings.
#[must_use]
pub fn cpu_between(now: &CpuTimes, before: Option<&CpuTimes>, elapsed_s: Option<f64>) -> Cpu {
    let pair = before.zip(elapsed_s);
    let per_second = |pick: fn(&CpuTimes) -> u64| pair.and_then(|(before, s)| rate(pick(now), pick(before), s));
    Cpu {
        all: before.and_then(|before| shares(&now.all, &before.all)),
        cores: now
            .cores
            .iter()
            .map(|(core, modes)| {
                let old = before.and_then(|before| before.cores.iter().find(|(number, _)| number == core));
                (*core, old.and_then(|(_, old)| shares(modes, old)))
            })
            .collect(),
        context_switches: per_second(|c| c.context_switches),
        interrupts: per_second(|c| c.interrupts),
        forks: per_second(|c| c.forks),
        procs_running: now.procs_running,
        procs_blocked: now.procs_blocked,
    }
}

/// Remembers the times of each core, from which shares come.
#[derive(Debug)]
pub struct CpuProbe {
    stat: KeptFile,
    now: CpuTimes,
    before: Option<CpuTimes>,
}

impl CpuProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { stat: KeptFile::of_one_record(root, "/proc/stat"), now: CpuTimes::default(), before: None }
    }
}

impl Probe for CpuProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let bytes = match self.stat.read(context.buffer) {
            Ok(bytes) => bytes,
            Err(error) => return missing(&error),
        };
        if let Err(why) = parse(&text(bytes), &mut self.now) {
            return unknown(&why);
        }
        cpu_between(&self.now, self.before.as_ref(), context.elapsed_s).emit(sink);
        match &mut self.before {
            Some(before) => std::mem::swap(before, &mut self.now),
            None => self.before = Some(std::mem::take(&mut self.now)),
        }
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counters(stat: &str) -> CpuTimes {
        let mut into = CpuTimes::default();
        parse(stat, &mut into).expect("parses");
        into
    }

    #[test]
    fn shares_are_of_the_time_between_two_readings() {
        let before =
            counters("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\nctxt 1000\nprocs_running 2\n");
        let now = counters(
            "cpu  150 0 110 830 10 0 0 0 50 0\ncpu0 150 0 110 830 10 0 0 0 50 0\nctxt 1500\nprocs_running 3\n",
        );
        let cpu = cpu_between(&now, Some(&before), Some(10.0));
        let all = cpu.all.expect("time has passed");
        assert!((all.user - 50.0).abs() < 1e-9 && (all.idle - 30.0).abs() < 1e-9 && (all.iowait - 10.0).abs() < 1e-9);
        assert_eq!(cpu.context_switches, Some(50.0));
        assert_eq!((cpu.cores.len(), cpu.procs_running), (1, 3));
    }

    #[test]
    fn a_first_reading_has_no_shares_and_an_old_kernel_has_fewer_modes() {
        let now = counters("cpu  1 2 3 4\ncpu7 1 2 3 4\n");
        let cpu = cpu_between(&now, None, None);
        assert_eq!((cpu.all, cpu.cores), (None, vec![(7, None)]));
        assert!(parse("intr 5\n", &mut CpuTimes::default()).is_err());
        assert!(parse("cpu  1 x 3 4\n", &mut CpuTimes::default()).unwrap_err().contains("cpu  1 x"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(stat in "(cpu[0-9]{0,2} [0-9 x]{0,40}\n|ctxt [0-9a]{0,30}\n|\\PC{0,30}\n){0,8}") {
            let mut into = CpuTimes::default();
            let _ = parse(&stat, &mut into);
        }
    }
}
