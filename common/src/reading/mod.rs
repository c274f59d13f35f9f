//! One reading type per probe, and how each becomes numbers of the catalogue.
//!
//! A reading holds what was read, with units in its field names' docs; [`Reading::emit`] is the only place that maps it to
//! metric names, in an order that is stable while the machine does not change, so that the layout seldom changes.

mod accounts;
mod agent_usage;
mod antivirus;
mod backups;
mod certificates;
mod cpu;
mod disk;
mod displays;
mod edac;
mod filesystem;
mod gpu;
mod ipmi;
mod load;
mod mce;
mod memory;
mod mount;
mod network;
mod patches;
mod power;
mod pressure;
mod process;
mod protection;
mod raid;
mod reach;
mod sensors;
mod services;
mod sessions;
mod smart;
mod time;
mod usb;

pub use accounts::{Account, Accounts};
pub use agent_usage::AgentUsage;
pub use antivirus::{Antivirus, DETECTIONS_MAX, Detection, Product};
pub use backups::{Backup, Backups};
pub use certificates::{CertificateFile, Certificates};
pub use cpu::{Cpu, CpuShares};
pub use disk::{Disk, DiskRates, Disks};
pub use displays::{Connector, Difference, Displays, Panel};
pub use edac::MemoryErrors;
pub use filesystem::{Filesystem, Filesystems};
pub use gpu::{Gpu, Gpus};
pub use ipmi::Ipmi;
pub use load::Load;
pub use mce::MachineChecks;
pub use memory::Memory;
pub use mount::{RemoteMount, RemoteMounts};
pub use network::{Interface, Network};
pub use patches::{Patches, UPDATES_MAX, Update};
pub use power::{PowerSupplies, PowerSupply};
pub use pressure::Pressure;
pub use process::Processes;
pub use protection::{Port, Protection};
pub use raid::{Array, Raid};
pub use reach::{Endpoint, Reach};
pub use sensors::{Sensor, SensorKind, Sensors};
pub use services::{Service, Services};
pub use sessions::{Session, Sessions};
pub use smart::{Accepted, Smart, SmartDisk};
pub use time::TimeSync;
pub use usb::UsbStorage;

/// Takes the numbers of a reading.
pub trait Sink {
    /// Takes one number. `subject` is empty for the device as a whole.
    fn put(&mut self, metric: &'static str, subject: &str, value: f64);
}

/// A reading that becomes numbers.
pub trait Reading {
    /// Gives every number to `sink`.
    fn emit(&self, sink: &mut dyn Sink);
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
    use super::brief;
    use proptest::prelude::*;

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
