//! Links of the network beyond their counters (article 5.1a): lost carriers, half duplex, bonds that lack a member; and the CPU's
//! frequency and throttling.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ioc_common::reading::Sink;

use super::{Context, Outcome, Probe, rate};
use crate::source::{names_in, read_text};

/// Most interfaces that are reported.
const INTERFACES_MAX: usize = 64;
/// Most cores whose frequency is read.
const CORES_MAX: usize = 64;

/// The probe of links.
#[derive(Debug)]
pub struct LinkProbe {
    root: PathBuf,
    before: HashMap<String, u64>,
}

impl LinkProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), before: HashMap::new() }
    }
}

/// Members of a bond that are down, from `/proc/net/bonding/*` (Documentation/networking/bonding.rst).
#[must_use]
pub fn parse_bond(text: &str) -> u32 {
    let members = text.split("Slave Interface:").skip(1);
    let down = members.filter(|member| !member.lines().any(|line| line.trim() == "MII Status: up"));
    u32::try_from(down.count()).unwrap_or(u32::MAX)
}

impl Probe for LinkProbe {
    fn name(&self) -> &'static str {
        "link"
    }

    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        const BASE: &str = "/sys/class/net";
        let mut any = false;
        for name in names_in(&self.root, BASE, 4096).unwrap_or_default().into_iter().take(INTERFACES_MAX) {
            let read = |file: &str| read_text(&self.root, &format!("{BASE}/{name}/{file}")).ok();
            let bond = read_text(&self.root, &format!("/proc/net/bonding/{name}")).ok();
            // Only what has a plug can lose it.
            if !self.root.join(format!("sys/class/net/{name}/device")).exists() && bond.is_none() {
                continue;
            }
            any = true;
            if let Some(changes) = read("carrier_changes").and_then(|count| count.parse::<u64>().ok()) {
                let before = self.before.insert(name.clone(), changes);
                let per_second = before.zip(context.elapsed_s).and_then(|(before, s)| rate(changes, before, s));
                sink.put("net.carrier_changes", &name, per_second.unwrap_or(f64::NAN));
            }
            if let Some(duplex) = read("duplex") {
                let full = match duplex.as_str() {
                    "full" => 1.0,
                    "half" => 0.0,
                    _ => f64::NAN,
                };
                sink.put("net.full_duplex", &name, full);
            }
            if let Some(bond) = bond {
                sink.put("net.bond_missing", &name, f64::from(parse_bond(&bond)));
            }
        }
        if any { Outcome::Read } else { Outcome::Absent { why: format!("{BASE}: no interface with a plug") } }
    }
}

/// The probe of frequency and throttling.
#[derive(Debug)]
pub struct FrequencyProbe {
    root: PathBuf,
    throttled: Option<u64>,
}

impl FrequencyProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), throttled: None }
    }
}

impl Probe for FrequencyProbe {
    fn name(&self) -> &'static str {
        "frequency"
    }

    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        const BASE: &str = "/sys/devices/system/cpu";
        let cores = names_in(&self.root, BASE, 4096).unwrap_or_default();
        let cores = cores.iter().filter(|name| name.strip_prefix("cpu").is_some_and(|n| n.parse::<u32>().is_ok()));
        let (mut sum, mut count, mut throttled) = (0.0, 0.0, None);
        for core in cores.take(CORES_MAX) {
            let number = |file: &str| read_text(&self.root, &format!("{BASE}/{core}/{file}")).ok()?.parse::<u64>().ok();
            if let Some(khz) = number("cpufreq/scaling_cur_freq") {
                sum += khz as f64 / 1000.0;
                count += 1.0;
            }
            if let Some(times) = number("thermal_throttle/core_throttle_count") {
                throttled = Some(throttled.unwrap_or(0) + times);
            }
        }
        if count == 0.0 && throttled.is_none() {
            return Outcome::Absent {
                why: format!("{BASE}: neither cpufreq nor thermal_throttle, as in a virtual machine"),
            };
        }
        if count > 0.0 {
            sink.put("cpu.frequency", "", (sum / count).round());
        }
        if let Some(throttled) = throttled {
            let before = self.throttled.replace(throttled);
            let per_second = before.zip(context.elapsed_s).and_then(|(before, s)| rate(throttled, before, s));
            sink.put("cpu.throttled", "", per_second.unwrap_or(f64::NAN));
        }
        Outcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn plugs_and_bonds() {
        let bond = "Ethernet Channel Bonding Driver\nMII Status: up\n\nSlave Interface: eth0\nMII Status: up\n\nSlave Interface: eth1\nMII Status: down\n";
        assert_eq!(parse_bond(bond), 1);
        let files = [
            ("/sys/class/net/eth0/device/x", ""),
            ("/sys/class/net/eth0/carrier_changes", "4\n"),
            ("/sys/class/net/eth0/duplex", "half\n"),
            ("/sys/class/net/veth1/carrier_changes", "9\n"),
            ("/sys/class/net/bond0/operstate", "up\n"),
            ("/proc/net/bonding/bond0", bond),
        ];
        let (_, numbers) = read_below(&files, |root| Box::new(LinkProbe::new(root)));
        let short: Vec<_> = numbers.iter().map(|n| (n.0, n.1.as_str())).collect();
        assert_eq!(
            short,
            [("net.bond_missing", "bond0"), ("net.carrier_changes", "eth0"), ("net.full_duplex", "eth0")]
        );
        assert_eq!((numbers[0].2, numbers[2].2), (1.0, 0.0));
    }

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
