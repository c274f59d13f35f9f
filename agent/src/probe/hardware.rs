//! Memory errors of EDAC (Documentation/admin-guide/RAS) and power supplies and batteries (Documentation/ABI/testing/sysfs-class-power).

use std::path::{Path, PathBuf};

use ioc_common::reading::{MemoryErrors, PowerSupplies, PowerSupply, Reading as _, Sink};

use super::{Context, Outcome, Probe};
use crate::source::{names_in, read_text};

/// Memory errors, by controller.
#[derive(Debug)]
pub struct EdacProbe {
    root: PathBuf,
}

impl EdacProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Probe for EdacProbe {
    fn name(&self) -> &'static str {
        "edac"
    }

    fn read(&mut self, _: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        const BASE: &str = "/sys/devices/system/edac/mc";
        let controllers = names_in(&self.root, BASE, 64).unwrap_or_default();
        let count = |mc: &str, file: &str| read_text(&self.root, &format!("{BASE}/{mc}/{file}")).ok()?.parse().ok();
        let errors = controllers
            .iter()
            .filter(|name| name.starts_with("mc"))
            .filter_map(|mc| Some((mc.clone(), count(mc, "ce_count")?, count(mc, "ue_count")?)));
        let errors = MemoryErrors(errors.collect());
        if errors.0.is_empty() {
            return Outcome::Absent {
                why: format!("{BASE}: no memory controller with error correction, or its driver is not loaded"),
            };
        }
        errors.emit(sink);
        Outcome::Read
    }
}

/// Power supplies and batteries.
#[derive(Debug)]
pub struct PowerProbe {
    root: PathBuf,
}

impl PowerProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Probe for PowerProbe {
    fn name(&self) -> &'static str {
        "power"
    }

    fn read(&mut self, _: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        const BASE: &str = "/sys/class/power_supply";
        let mut supplies = PowerSupplies::default();
        for name in names_in(&self.root, BASE, 64).unwrap_or_default() {
            let text = |file: &str| read_text(&self.root, &format!("{BASE}/{name}/{file}")).ok();
            let number = |file: &str| text(file)?.parse::<f64>().ok();
            // The battery of a mouse is nobody's power.
            if text("scope").as_deref() == Some("Device") {
                continue;
            }
            let battery = text("type").as_deref() == Some("Battery");
            let pair = |now: &str, whole: &str| number(now).zip(number(whole)).filter(|(_, whole)| *whole > 0.0);
            let health =
                pair("energy_full", "energy_full_design").or_else(|| pair("charge_full", "charge_full_design"));
            supplies.0.push(PowerSupply {
                battery,
                online: number("online").map(|online| online > 0.0),
                charge_pct: number("capacity").filter(|pct| (0.0..=100.0).contains(pct)),
                health_pct: health.map(|(full, design)| full / design * 100.0),
                name,
            });
        }
        if supplies.0.is_empty() {
            return Outcome::Absent { why: format!("{BASE} is empty: the kernel sees no supply and no battery") };
        }
        supplies.emit(sink);
        Outcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn errors_of_memory_by_controller() {
        let files = [
            ("/sys/devices/system/edac/mc/mc0/ce_count", "7\n"),
            ("/sys/devices/system/edac/mc/mc0/ue_count", "1\n"),
            ("/sys/devices/system/edac/mc/power/x", ""),
        ];
        let (_, numbers) = read_below(&files, |root| Box::new(EdacProbe::new(root)));
        assert_eq!(
            numbers,
            [("memory.corrected_errors", "mc0".to_owned(), 7.0), ("memory.uncorrected_errors", "mc0".to_owned(), 1.0)]
        );
        assert!(matches!(read_below(&[], |root| Box::new(EdacProbe::new(root))).0, Outcome::Absent { .. }));
    }

    #[test]
    fn mains_and_battery_but_no_mouse() {
        let files = [
            ("/sys/class/power_supply/AC/type", "Mains\n"),
            ("/sys/class/power_supply/AC/online", "0\n"),
            ("/sys/class/power_supply/BAT0/type", "Battery\n"),
            ("/sys/class/power_supply/BAT0/capacity", "81\n"),
            ("/sys/class/power_supply/BAT0/energy_full", "30\n"),
            ("/sys/class/power_supply/BAT0/energy_full_design", "60\n"),
            ("/sys/class/power_supply/hid-1/type", "Battery\n"),
            ("/sys/class/power_supply/hid-1/scope", "Device\n"),
        ];
        let (_, numbers) = read_below(&files, |root| Box::new(PowerProbe::new(root)));
        let expected =
            [("power.online", "AC", 0.0), ("battery.charge", "BAT0", 81.0), ("battery.health", "BAT0", 50.0)];
        assert_eq!(numbers, expected.map(|(metric, subject, value)| (metric, subject.to_owned(), value)));
    }
}
