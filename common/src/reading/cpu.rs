//! CPU: shares of time by mode, for all cores together and for each.

use super::{ProbeInfo, Reading, Sink, brief};

/// Shares of time over the last interval, each 0 to 100 %.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CpuShares {
    /// Programs of normal priority, guests included.
    pub user: f64,
    /// Programs of low priority.
    pub nice: f64,
    /// The kernel, interrupts not counted.
    pub system: f64,
    /// Idle with I/O outstanding.
    pub iowait: f64,
    /// Hardware interrupts.
    pub irq: f64,
    /// Soft interrupts.
    pub softirq: f64,
    /// Taken by the hypervisor.
    pub steal: f64,
    /// Share of time in which nothing ran, percent.
    pub idle: f64,
}

/// CPU use and counters from `/proc/stat`. Rates are over the last interval, and none at the first reading.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cpu {
    /// All cores together.
    pub all: Option<CpuShares>,
    /// Each core by its number; offline cores are left out.
    pub cores: Vec<(u32, Option<CpuShares>)>,
    /// Context switches per second.
    pub context_switches: Option<f64>,
    /// Interrupts per second.
    pub interrupts: Option<f64>,
    /// Processes created per second.
    pub forks: Option<f64>,
    /// Processes runnable now.
    pub procs_running: u64,
    /// Processes blocked on I/O now.
    pub procs_blocked: u64,
}

impl Reading for Cpu {
    const PROBE: ProbeInfo = ProbeInfo::sampled(
        "cpu",
        &[
            "cpu.busy",
            "cpu.user",
            "cpu.nice",
            "cpu.system",
            "cpu.iowait",
            "cpu.irq",
            "cpu.softirq",
            "cpu.steal",
            "cpu.core.",
            "system.context",
            "system.forks",
            "system.interrupts",
            "system.procs",
        ],
    );

    fn emit(&self, sink: &mut dyn Sink) {
        let nan = CpuShares {
            user: f64::NAN,
            nice: f64::NAN,
            system: f64::NAN,
            iowait: f64::NAN,
            irq: f64::NAN,
            softirq: f64::NAN,
            steal: f64::NAN,
            idle: f64::NAN,
        };
        // NaN is how "not read" is put; the sampler turns it into null.
        let all = self.all.unwrap_or(nan);
        let share = |value: f64| if value.is_nan() { value } else { brief(value).clamp(0.0, 100.0) };
        sink.put("cpu.busy", "", share(100.0 - all.idle - all.iowait));
        sink.put("cpu.user", "", share(all.user));
        sink.put("cpu.nice", "", share(all.nice));
        sink.put("cpu.system", "", share(all.system));
        sink.put("cpu.iowait", "", share(all.iowait));
        sink.put("cpu.irq", "", share(all.irq));
        sink.put("cpu.softirq", "", share(all.softirq));
        sink.put("cpu.steal", "", share(all.steal));
        let mut number = String::new();
        for (core, shares) in &self.cores {
            let shares = shares.unwrap_or(nan);
            number.clear();
            let _ = std::fmt::Write::write_fmt(&mut number, format_args!("{core}"));
            sink.put("cpu.core.user", &number, share(shares.user + shares.nice));
            sink.put("cpu.core.system", &number, share(shares.system + shares.irq + shares.softirq));
            sink.put("cpu.core.iowait", &number, share(shares.iowait));
            sink.put("cpu.core.steal", &number, share(shares.steal));
        }
        let rate = |value: Option<f64>| value.map_or(f64::NAN, brief);
        sink.put("system.context_switches", "", rate(self.context_switches));
        sink.put("system.interrupts", "", rate(self.interrupts));
        sink.put("system.forks", "", rate(self.forks));
        sink.put("system.procs_running", "", self.procs_running as f64);
        sink.put("system.procs_blocked", "", self.procs_blocked as f64);
    }
}
