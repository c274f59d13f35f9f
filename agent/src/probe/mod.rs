//! Probes: one file each, a pure parser over bytes and a short bounded read around it.
//!
//! *Read*, *absent* and *unknown* are three different outcomes, everywhere, up to the page. Quick probes are read at every
//! sample ([`all`]); slow ones are surveys ([`SURVEYS`]), made by a child of the agent ([`crate::survey`]).

pub mod accounts;
pub mod antivirus;
pub mod backups;
pub mod certificates;
pub mod cpu;
mod deb822;
pub mod disk;
pub mod displays;
pub mod facts;
pub mod filesystem;
pub mod firewall;
pub mod gpu;
pub mod hardware;
pub mod ipmi;
pub mod link;
pub mod load;
pub mod mce;
pub mod memory;
pub mod mount;
pub mod network;
pub mod patches;
pub mod ports;
pub mod pressure;
pub mod process;
pub mod protection;
pub mod raid;
pub mod reach;
pub mod rpmdb;
mod seldom;
pub mod sensors;
pub mod services;
pub mod sessions;
pub mod smart;
pub mod software;
pub mod sshd;
pub mod sudoers;
pub mod time;
pub mod tree;
pub mod usb;
pub mod version;

use std::path::Path;

use ioc_common::reading::Sink;
use ioc_common::report::Event;
pub use ioc_common::report::ProbeOutcome as Outcome;

use crate::source::SourceError;
use crate::survey::Survey;
use seldom::Seldom;

/// What a probe is given at each sample.
#[derive(Debug)]
pub struct Context<'a> {
    /// Seconds since this probe was last read, by the boot clock; none at the first time.
    pub elapsed_s: Option<f64>,
    /// A buffer to read into, shared by all probes.
    pub buffer: &'a mut Vec<u8>,
    /// What happened since the last sample.
    pub events: &'a mut Vec<Event>,
}

/// Reads one part of the machine.
pub trait Probe: Send {
    /// The name used in configuration, status and pages.
    fn name(&self) -> &'static str;

    /// Reads now, and gives the numbers to `sink`.
    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome;
}

/// Every sampling probe, reading the machine under `root`. Those that cost more or change seldom are read every few samples.
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
        Box::new(usb::UsbProbe::new(root)),
        Box::new(Seldom::new(link::FrequencyProbe::new(root), 6)),
        Box::new(Seldom::new(link::LinkProbe::new(root), 6)),
        Box::new(Seldom::new(mount::MountProbe::new(root), 3)),
        Box::new(Seldom::new(sensors::SensorsProbe::new(root), 3)),
        Box::new(Seldom::new(hardware::EdacProbe::new(root), 6)),
        Box::new(Seldom::new(hardware::PowerProbe::new(root), 3)),
        Box::new(Seldom::new(process::ProcessProbe::new(root), 60)),
    ]
}

/// The names of all sampling probes.
pub const NAMES: [&str; 15] = [
    "cpu",
    "load",
    "memory",
    "pressure",
    "filesystem",
    "disk",
    "network",
    "usb",
    "frequency",
    "link",
    "mount",
    "sensors",
    "edac",
    "power",
    "process",
];

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;
const DAY: u64 = 86_400;

/// Every survey. Those without a change to watch for are made as often as their state matters, within the agent's budget
/// of CPU (docs/performance.md).
pub static SURVEYS: &[Survey] = &[
    Survey {
        name: "patches",
        every_s: DAY,
        deadline_s: 200,
        watch: &[
            "/var/lib/dpkg/status",
            "/var/lib/apt/lists",
            "/var/lib/apt/periodic/update-success-stamp",
            "/run/reboot-required",
            "/etc/apt/preferences",
            "/etc/apt/preferences.d",
            "/etc/apt/apt.conf.d",
            "/etc/ioc-watch/support.toml",
            "/var/lib/rpm/rpmdb.sqlite",
            "/var/lib/rpm/Packages",
            "/var/lib/rpm/Packages.db",
            "/usr/lib/sysimage/rpm/Packages.db",
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
        ],
        privileged: false,
        needs: "package lists that are fetched by someone else; dnf on Enterprise Linux",
    },
    Survey {
        name: "antivirus",
        every_s: 15 * MINUTE,
        deadline_s: 200,
        watch: &["/var/log/clamav/clamav.log", "/var/lib/clamav"],
        privileged: true,
        needs: "clamd's socket and log (groups clamav and adm), or the product's own command",
    },
    Survey {
        name: "software",
        every_s: DAY,
        deadline_s: 100,
        watch: &[
            "/var/lib/dpkg/status",
            "/var/lib/rpm/rpmdb.sqlite",
            "/var/lib/rpm/Packages",
            "/var/lib/rpm/Packages.db",
            "/usr/lib/sysimage/rpm/Packages.db",
            "/usr/lib/sysimage/rpm/rpmdb.sqlite",
            "/snap",
            "/var/lib/flatpak/app",
        ],
        privileged: false,
        needs: "nothing more",
    },
    Survey {
        name: "accounts",
        every_s: 6 * HOUR,
        deadline_s: 10,
        watch: &["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/sudoers", "/etc/sudoers.d"],
        privileged: true,
        needs: "/etc/shadow and /etc/sudoers (CAP_DAC_READ_SEARCH of the helper unit)",
    },
    Survey {
        name: "sessions",
        every_s: 10 * MINUTE,
        deadline_s: 30,
        watch: &["/run/utmp", "/var/run/utmp"],
        privileged: true,
        needs: "/var/log/btmp (group utmp), else the journal (group systemd-journal)",
    },
    Survey {
        name: "protection",
        every_s: 30 * MINUTE,
        deadline_s: 60,
        watch: &["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d", "/etc/nftables.conf", "/etc/ufw/ufw.conf"],
        privileged: true,
        needs: "nft (CAP_NET_ADMIN), iptables-legacy-save where old tables are in use (CAP_NET_RAW), \
            sshd's host keys (CAP_DAC_READ_SEARCH), AppArmor's profiles and other users' sockets (CAP_SYS_PTRACE of the helper unit)",
    },
    Survey {
        name: "smart",
        every_s: 30 * MINUTE,
        deadline_s: 300,
        watch: &["/sys/block"],
        privileged: true,
        needs: "smartmontools 7 and raw access to disks (CAP_SYS_RAWIO, CAP_SYS_ADMIN for NVMe, of the helper unit)",
    },
    Survey {
        name: "raid",
        every_s: 30 * MINUTE,
        deadline_s: 120,
        watch: &["/proc/mdstat"],
        privileged: true,
        needs: "zpool and lvs where ZFS or LVM mirrors are used (the helper unit)",
    },
    Survey {
        name: "displays",
        every_s: HOUR,
        deadline_s: 10,
        watch: &[
            "/sys/class/drm/*/status",
            "/sys/class/drm/*/enabled",
            "/sys/class/drm/*/dpms",
            "/sys/class/drm/*/modes",
        ],
        privileged: false,
        needs: "a kernel driver with connectors in /sys/class/drm; the wall in [[wall.panel]]",
    },
    Survey { name: "services", every_s: 5 * MINUTE, deadline_s: 50, watch: &[], privileged: false, needs: "systemctl" },
    Survey {
        name: "time",
        every_s: 30 * MINUTE,
        deadline_s: 30,
        watch: &["/run/systemd/timesync/synchronized"],
        privileged: false,
        needs: "chronyc, ntpq or timedatectl, whichever keeps the clock",
    },
    Survey {
        name: "ipmi",
        every_s: 10 * MINUTE,
        deadline_s: 120,
        watch: &[],
        privileged: true,
        needs: "ipmitool and /dev/ipmi0 (the helper unit)",
    },
    Survey {
        name: "mce",
        every_s: 15 * MINUTE,
        deadline_s: 10,
        watch: &[],
        privileged: false,
        needs: "an x86 processor that the kernel sees as it is",
    },
    Survey {
        name: "gpu",
        every_s: 5 * MINUTE,
        deadline_s: 40,
        watch: &[],
        privileged: true,
        needs: "nvidia-smi and /dev/nvidia* (the helper unit), or the amdgpu driver",
    },
    Survey {
        name: "reach",
        every_s: MINUTE,
        deadline_s: 50,
        watch: &[],
        privileged: false,
        needs: "[[endpoint]] in the configuration; net.ipv4.ping_group_range for ICMP",
    },
    Survey {
        name: "certificates",
        every_s: 6 * HOUR,
        deadline_s: 10,
        watch: &[],
        privileged: true,
        needs: "[certificates] paths in the configuration; files the agent or its helper may read",
    },
    Survey {
        name: "backups",
        every_s: HOUR,
        deadline_s: 300,
        watch: &[],
        privileged: true,
        needs: "[[backup]] in the configuration; repositories and markers the helper may read",
    },
];

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

#[cfg(test)]
pub(crate) mod testing {
    //! Sampling probes on a machine made of texts.

    use super::*;

    #[derive(Debug, Default)]
    pub(crate) struct Numbers(pub(crate) Vec<(&'static str, String, f64)>);

    impl Sink for Numbers {
        fn put(&mut self, metric: &'static str, subject: &str, value: f64) {
            assert!(ioc_common::metric::find(metric).is_some(), "{metric} is not in the catalogue");
            self.0.push((metric, subject.to_owned(), value));
        }
    }

    /// Reads once.
    pub(crate) fn read_below(
        files: &[(&str, &str)],
        make: impl FnOnce(&Path) -> Box<dyn Probe>,
    ) -> (Outcome, Vec<(&'static str, String, f64)>) {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (path, text) in files {
            let path = dir.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("directory");
            std::fs::write(path, text).expect("written");
        }
        let (mut buffer, mut events) = (Vec::new(), Vec::new());
        let mut numbers = Numbers::default();
        let mut context = Context { elapsed_s: None, buffer: &mut buffer, events: &mut events };
        let outcome = make(dir.path()).read(&mut context, &mut numbers);
        (outcome, numbers.0)
    }
}
