//! Protection of the host (articles 5.1b, 5.1c): firewall, ports, peripherals, mandatory access control, encryption.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, flag};
use crate::clock::Timestamp;

/// How the host is protected. None where it could not be read; `unknown` says why.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Protection {
    /// A stranger who connects to a port that nobody allowed is kept out, over every protocol that the host speaks.
    pub firewall: Option<bool>,
    /// The same over IPv4: `filtering`, `open`, `unknown`; empty where the host does not speak it.
    pub firewall_ipv4: String,
    /// The same over IPv6.
    pub firewall_ipv6: String,
    /// What filters: `nftables`, `iptables`, `ufw`, `firewalld`.
    pub firewall_by: Vec<String>,
    /// How many ports listen to other machines, each address counted; none when a table of sockets could not be read.
    pub ports: Option<u32>,
    /// Ports that listen to other machines; those that could be read.
    pub listening: Vec<Port>,
    /// Those that are on no approved list; empty when no list is configured.
    pub unapproved: Vec<String>,
    /// Whether a list of approved ports is configured.
    pub list_configured: bool,
    /// SELinux or AppArmor enforces.
    pub mandatory_access: Option<bool>,
    /// What enforces it, as `AppArmor, 40 profiles enforced`; empty where nothing is there.
    pub mandatory_access_by: String,
    /// The root filesystem lies on an encrypted disk.
    pub disk_encrypted: Option<bool>,
    /// The firmware checks what it boots.
    pub secure_boot: Option<bool>,
    /// SSH lets root in.
    pub ssh_root: Option<bool>,
    /// SSH lets people in by password.
    pub ssh_password: Option<bool>,
    /// What of it is not known, and why: a line for each part.
    pub unknown: Vec<String>,
}

/// A port that listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// `tcp/22`, `udp/53`.
    pub port: String,
    /// On which address; `*` for all.
    pub address: String,
    /// Which program, where it may be known.
    pub program: String,
}

impl Findings for Protection {
    const PROBE: ProbeInfo =
        ProbeInfo::survey("protection", 30 * MINUTE_S, &["protect."]).members(&[("/listening", &["port", "address"])]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        sink.put("protect.firewall", "", flag(self.firewall));
        sink.put("protect.ports", "", self.ports.map_or(f64::NAN, f64::from));
        // Without all tables none is no answer; those that were seen are there.
        // Without a list there is nothing to judge, which is not the same as not knowing.
        if self.list_configured {
            let unapproved = self.unapproved.len();
            let told = self.ports.is_some() || unapproved > 0;
            sink.put("protect.ports_unapproved", "", if told { unapproved as f64 } else { f64::NAN });
        }
        sink.put("protect.mandatory_access", "", flag(self.mandatory_access));
        sink.put("protect.disk_encrypted", "", flag(self.disk_encrypted));
        sink.put("protect.secure_boot", "", flag(self.secure_boot));
        sink.put("protect.ssh_root", "", flag(self.ssh_root));
        sink.put("protect.ssh_password", "", flag(self.ssh_password));
    }
}
