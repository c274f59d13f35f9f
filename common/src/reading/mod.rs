//! One reading type per probe, and how each becomes numbers of the catalogue.
//!
//! A reading holds what was read, with units in its field names' docs; [`Reading::emit`] and [`Findings::numbers`] are the only places
//! that map it to metric names, in an order that is stable while the machine does not change, so that the layout seldom changes. What both
//! sides must know of its probe stands with it ([`ProbeInfo`]), and all readings in one list ([`PROBES`]).

mod accounts;
mod agent_usage;
mod antivirus;
mod backups;
mod certificates;
mod containers;
mod cpu;
mod disk;
mod displays;
mod edac;
mod endpoints;
mod filesystem;
mod frequency;
mod gpu;
mod ipmi;
mod link;
mod load;
mod mce;
mod memory;
mod mount;
mod network;
mod patches;
mod power;
mod pressure;
mod probe_info;
mod process;
mod protection;
mod raid;
mod sensors;
mod services;
mod sessions;
mod smart;
mod software;
mod time;
mod usb;

pub use accounts::{Account, Accounts};
pub use agent_usage::AgentUsage;
pub use antivirus::{Antivirus, DETECTIONS_MAX, Detection, Product};
pub use backups::{Backup, Backups};
pub use certificates::{CertificateFile, Certificates};
pub use containers::{CONTAINERS_MAX, Container, Containers};
pub use cpu::{Cpu, CpuShares};
pub use disk::{Disk, DiskRates, Disks};
pub use displays::{Connector, Difference, Displays, Panel};
pub use edac::MemoryErrors;
pub use endpoints::{Endpoint, Endpoints};
pub use filesystem::{Filesystem, Filesystems};
pub use frequency::Frequency;
pub use gpu::{Gpu, Gpus};
pub use ipmi::Ipmi;
pub use link::{NetworkLink, NetworkLinks};
pub use load::Load;
pub use mce::MachineChecks;
pub use memory::Memory;
pub use mount::{RemoteMount, RemoteMounts};
pub use network::{Interface, Network};
pub use patches::{Patches, UPDATES_MAX, Update};
pub use power::{PowerSupplies, PowerSupply};
pub use pressure::Pressure;
pub use probe_info::ProbeInfo;
pub use process::Processes;
pub use protection::{Port, Protection};
pub use raid::{Array, Raid};
pub use sensors::{Sensor, SensorKind, Sensors};
pub use services::{Service, Services};
pub use sessions::{Session, Sessions};
pub use smart::{AcceptedCounts, Smart, SmartDisk};
pub use software::SoftwareCount;
pub use time::TimeSync;
pub use usb::UsbStorage;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;

/// Every probe, those that are read at samples first. Redaction, overdue documents and the way from a metric to its probe come from it; that
/// the agent's list of probes (`agent/probe/src/lib.rs`) is the same one is held by a test there.
pub const PROBES: &[ProbeInfo] = &[
    Cpu::PROBE,
    Load::PROBE,
    Memory::PROBE,
    Pressure::PROBE,
    Filesystems::PROBE,
    Disks::PROBE,
    Network::PROBE,
    UsbStorage::PROBE,
    Frequency::PROBE,
    NetworkLinks::PROBE,
    RemoteMounts::PROBE,
    Sensors::PROBE,
    MemoryErrors::PROBE,
    PowerSupplies::PROBE,
    Processes::PROBE,
    Patches::PROBE,
    Antivirus::PROBE,
    SoftwareCount::PROBE,
    Accounts::PROBE,
    Sessions::PROBE,
    Protection::PROBE,
    Smart::PROBE,
    Raid::PROBE,
    Displays::PROBE,
    Services::PROBE,
    Containers::PROBE,
    TimeSync::PROBE,
    Ipmi::PROBE,
    MachineChecks::PROBE,
    Gpus::PROBE,
    Endpoints::PROBE,
    Certificates::PROBE,
    Backups::PROBE,
];

/// The probe of this name.
#[must_use]
pub fn probe(name: &str) -> Option<&'static ProbeInfo> {
    PROBES.iter().find(|probe| probe.name == name)
}

/// The probe that a metric comes from; the first part of its name where it comes from none, as with devices around the host.
#[must_use]
pub fn probe_of(metric: &str) -> &str {
    let own = |probe: &&ProbeInfo| probe.metrics.iter().any(|start| metric.starts_with(start));
    PROBES.iter().find(own).map_or_else(|| metric.split('.').next().unwrap_or_default(), |probe| probe.name)
}

/// Takes the numbers of a reading.
pub trait Sink {
    /// Takes one number. `subject` is empty for the device as a whole.
    fn put(&mut self, metric: &'static str, subject: &str, value: f64);
}

/// A reading that becomes numbers.
pub trait Reading {
    /// The probe that reads it.
    const PROBE: ProbeInfo;

    /// Gives every number to `sink`.
    fn emit(&self, sink: &mut dyn Sink);
}

/// What a survey found: a document, and the numbers in it that rules judge.
///
/// A document holds moments, not ages, so that it stays the same while the machine does; ages are computed for `now`.
pub trait Findings: Serialize + DeserializeOwned {
    /// The probe that makes it; the document has its name.
    const PROBE: ProbeInfo;

    /// Gives the numbers as they are at `now` to `sink`.
    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink);
}

/// Days from `then` to `now`, to a tenth; negative when `then` lies ahead.
#[must_use]
pub fn days(now: Timestamp, then: Timestamp) -> f64 {
    (now.millis_since(then) as f64 / 8_640_000.0).round() / 10.0
}

/// 1 for yes, 0 for no, NaN for unknown: how a state is put into a number.
#[must_use]
pub fn flag(state: Option<bool>) -> f64 {
    state.map_or(f64::NAN, |yes| f64::from(u8::from(yes)))
}

/// Rounds to three decimals at most and to four significant digits above 1,000: what no judge or chart can tell apart is
/// not worth its bytes on the wire.
#[must_use]
pub fn brief(value: f64) -> f64 {
    if !value.is_finite() || value == 0.0 {
        return 0.0;
    }
    let magnitude = value.abs();
    let scale = if magnitude < 10.0 {
        100.0
    } else if magnitude < 10_000.0 {
        10.0
    } else {
        1.0
    };
    let rounded = (value * scale).round() / scale;
    // No logarithm: it would be the only thing the agent needs the mathematics library for, which is 240 KiB of its memory.
    let (mut step, mut left) = (1.0, magnitude);
    while left >= 100_000.0 {
        step *= 10.0;
        left /= 10.0;
    }
    if step > 1.0 { (rounded / step).round() * step } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_probe_has_a_name_of_its_own() {
        for (place, probe) in PROBES.iter().enumerate() {
            assert!(PROBES[..place].iter().all(|one| one.name != probe.name), "{}", probe.name);
            for start in probe.shared_metrics {
                let others = PROBES.iter().filter(|one| one.name != probe.name);
                let mut theirs = others.flat_map(|one| one.metrics);
                assert!(theirs.any(|own| start.starts_with(own)), "{}: whose is {start}?", probe.name);
            }
        }
    }

    #[test]
    fn a_metric_comes_from_a_probe() {
        for (metric, of) in [
            ("patch.security", "patches"),
            ("cpu.machine_checks", "mce"),
            ("cpu.corrected_errors", "mce"),
            ("cpu.used_pct", "cpu"),
            ("cpu.frequency", "frequency"),
            ("swap.used_pct", "memory"),
            ("system.uptime", "load"),
            ("net.carrier_changes", "link"),
            ("fs.used_pct", "filesystem"),
            ("cert.days", "certificates"),
            ("raid.errors", "raid"),
            ("env.temperature", "env"),
        ] {
            assert_eq!(probe_of(metric), of, "{metric}");
        }
        assert_eq!(probe("endpoints").and_then(|probe| probe.every_s), Some(60));
        assert_eq!((probe("cpu").map(|probe| probe.every_s), probe("nobody")), (Some(None), None));
    }

    #[test]
    fn ages_and_flags() {
        let day = 86_400_000;
        assert!((days(Timestamp::from_millis(3 * day), Timestamp::from_millis(day / 2)) - 2.5).abs() < 1e-9);
        assert!(flag(None).is_nan() && (flag(Some(true)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn brief_keeps_what_matters() {
        assert!((brief(12.345_678) - 12.3).abs() < 1e-9);
        assert!((brief(1.239) - 1.24).abs() < 1e-9);
        assert!((brief(123_456_789.0) - 123_460_000.0).abs() < 1e-3);
        assert!(brief(f64::NAN) == 0.0);
    }

    proptest! {
        #[test]
        fn brief_errs_by_less_than_a_thousandth(value in 1.0_f64..1e15) {
            prop_assert!(((brief(value) - value) / value).abs() < 0.006);
        }
    }
}
