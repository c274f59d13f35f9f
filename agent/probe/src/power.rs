//! Power supplies and batteries (Documentation/ABI/testing/sysfs-class-power).

use std::path::{Path, PathBuf};

use ioc_common::reading::{PowerSupplies, PowerSupply, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext};
use crate::bounded_io::{names_in, read_attribute};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: PowerSupplies::PROBE,
    every_n: 3,
    comes_with_driver: true,
    new: |root| Box::new(PowerProbe::new(root)),
    captured: CapturedFiles::whole(&["/sys/class/power_supply/*/*"]),
    card: Card {
        article: "18.2",
        vi: "Nguồn điện và pin của máy",
        en: "Power supplies and batteries of the machine",
        reads: "`/sys/class/power_supply`",
        cost: "0.01 ms",
    },
};

/// Power supplies and batteries.
#[derive(Debug)]
pub(crate) struct PowerProbe {
    root: PathBuf,
}

impl PowerProbe {
    /// Reads below `root`.
    #[must_use]
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Probe for PowerProbe {
    fn read(&mut self, _: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let names = names_in(&self.root, SUPPLIES, 64).unwrap_or_default();
        if names.is_empty() {
            return ProbeOutcome::Absent {
                why: format!("{SUPPLIES} is empty: the kernel sees no supply and no battery"),
            };
        }
        let seen: Vec<Supply> = names.iter().filter_map(|name| Supply::read(&self.root, name)).collect();
        let supplies = PowerSupplies(power_supplies(&seen));
        if supplies.0.is_empty() {
            return ProbeOutcome::Absent {
                why: format!("{SUPPLIES} has no supply and no battery of this machine: {}", names.join(", ")),
            };
        }
        supplies.emit(sink);
        ProbeOutcome::Read
    }
}

const SUPPLIES: &str = "/sys/class/power_supply";

/// What a supply says of itself.
struct Supply {
    name: String,
    kind: String,
    present: bool,
    online: Option<bool>,
    charge_pct: Option<f64>,
    health_pct: Option<f64>,
}

impl Supply {
    /// None for what is nobody's power: the battery of a mouse or a game pad.
    fn read(root: &Path, name: &str) -> Option<Self> {
        let text = |file: &str| read_attribute(root, &format!("{SUPPLIES}/{name}/{file}")).ok();
        let number = |file: &str| text(file)?.parse::<f64>().ok().filter(|number| number.is_finite());
        if text("scope").as_deref() == Some("Device") {
            return None;
        }
        let ratio = |now: &str, whole: &str| {
            let (now, whole) = number(now).zip(number(whole)).filter(|(_, whole)| *whole > 0.0)?;
            Some(now / whole * 100.0)
        };
        // A bay without a battery says 0 of everything.
        let present = text("present").as_deref() != Some("0");
        let charge = number("capacity").filter(|pct| (0.0..=100.0).contains(pct));
        let charge =
            charge.or_else(|| ratio("charge_now", "charge_full")).or_else(|| ratio("energy_now", "energy_full"));
        let health = ratio("energy_full", "energy_full_design").or_else(|| ratio("charge_full", "charge_full_design"));
        Some(Self {
            kind: text("type").unwrap_or_default(),
            online: number("online").map(|online| online > 0.0),
            // A battery that is fuller than full is full; far beyond, nobody knows.
            charge_pct: charge.filter(|pct| present && (0.0..=110.0).contains(pct)).map(|pct| pct.min(100.0)),
            // 0 is what a battery says that does not know itself.
            health_pct: health.filter(|pct| present && *pct > 0.0 && *pct <= 150.0),
            present,
            name: name.to_owned(),
        })
    }

    fn is_battery(&self) -> bool {
        self.kind == "Battery" || self.kind == "UPS"
    }
}

/// What of it says something of this machine's power. A port that could take a charger (USB-C, wireless) delivers nothing that anybody
/// misses. An input is missed only where another one shows how the machine is fed, or a battery feeds it.
fn power_supplies(seen: &[Supply]) -> Vec<PowerSupply> {
    let battery = seen.iter().any(|one| one.is_battery() && one.present);
    let mains = || seen.iter().filter(|one| one.kind == "Mains");
    let any_mains = mains().any(|one| one.online == Some(true));
    let by_port = seen.iter().any(|one| !one.is_battery() && one.kind != "Mains" && one.online == Some(true));
    // With a battery it is a portable one, which takes its power from any of its inputs; without, one of them must deliver.
    let unknown = if battery { any_mains || by_port } else { !any_mains };
    let told = seen.iter().filter(|one| one.is_battery() || one.kind == "Mains");
    told.map(|one| PowerSupply {
        name: one.name.clone(),
        battery: one.is_battery(),
        online: one.online.filter(|online| *online || !unknown),
        charge_pct: one.charge_pct,
        health_pct: one.health_pct,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

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

    fn supplies(files: &[(&str, &str)]) -> (ProbeOutcome, Vec<(&'static str, String, f64)>) {
        let files: Vec<(String, &str)> =
            files.iter().map(|(file, text)| (format!("/sys/class/power_supply/{file}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), *text)).collect();
        read_below(&files, |root| Box::new(PowerProbe::new(root)))
    }

    /// systemd#21988: the USB-C port of a graphics card.
    #[test]
    fn a_port_that_could_take_a_charger_is_no_supply_that_failed() {
        for kind in ["USB", "USB_C", "USB_PD", "Wireless", "Unknown"] {
            let files = [("ucsi-source-psy-0-00081/type", kind), ("ucsi-source-psy-0-00081/online", "0")];
            let (outcome, numbers) = supplies(&files);
            assert!(
                matches!(outcome, ProbeOutcome::Absent { why } if why.contains("ucsi")) && numbers.is_empty(),
                "{kind}"
            );
        }
    }

    #[test]
    fn an_input_that_nobody_misses() {
        let online = |files: &[(&str, &str)]| -> Vec<f64> {
            supplies(files).1.iter().filter(|one| one.0 == "power.online").map(|one| one.2).collect()
        };
        let battery = [("BAT0/type", "Battery"), ("BAT0/capacity", "80")];
        let with = |files: &[(&'static str, &'static str)]| online(&[&battery[..], files].concat());
        assert_eq!(with(&[("AC/type", "Mains"), ("AC/online", "0")]), [0.0], "it runs on its battery");
        let two = [("AC/type", "Mains"), ("AC/online", "1"), ("AD/type", "Mains"), ("AD/online", "0")];
        assert!(with(&two)[1].is_nan(), "fed by the other input");
        let port = [("AC/type", "Mains"), ("AC/online", "0"), ("ucsi/type", "USB"), ("ucsi/online", "1")];
        assert!(with(&port)[0].is_nan(), "fed by a port");
        assert_eq!(online(&two), [1.0, 0.0], "no battery: a pair, of which one failed");
        assert!(online(&[("AC/type", "Mains"), ("AC/online", "0")])[0].is_nan(), "it runs, by what it does not say");
    }

    #[test]
    fn an_empty_bay_and_a_battery_without_a_percentage() {
        let first = |files: &[(&str, &str)]| -> Vec<f64> { supplies(files).1.iter().map(|one| one.2).collect() };
        let empty = first(&[
            ("BAT0/type", "Battery"),
            ("BAT0/present", "0"),
            ("BAT0/capacity", "0"),
            ("BAT0/energy_full", "0"),
        ]);
        assert!(empty.iter().all(|value| value.is_nan()), "{empty:?}");
        let counted = [
            ("BAT1/type", "Battery"),
            ("BAT1/present", "1"),
            ("BAT1/status", "Not charging"),
            ("BAT1/charge_now", "1500"),
            ("BAT1/charge_full", "2000"),
            ("BAT1/charge_full_design", "4000"),
        ];
        assert_eq!(first(&counted), [75.0, 50.0]);
        let odd = first(&[
            ("BAT0/type", "Battery"),
            ("BAT0/capacity", "255"),
            ("BAT0/energy_full", "0"),
            ("BAT0/energy_full_design", "50"),
        ]);
        assert!(odd.iter().all(|value| value.is_nan()), "{odd:?}");
    }
}
