//! Links of the network beyond their counters (article 5.1a): lost carriers, half duplex, bonds that lack a member.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ioc_common::reading::{NetworkLink, NetworkLinks, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, rate, unknown};
use crate::bounded_io::{names_in, read_attribute, read_text};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: NetworkLinks::PROBE,
    every_n: 6,
    comes_with_driver: false,
    new: |root| Box::new(LinkProbe::new(root)),
    captured: CapturedFiles::whole(&[
        "/proc/net/bonding/*",
        "/sys/class/net/*/operstate",
        "/sys/class/net/*/carrier",
        "/sys/class/net/*/carrier_changes",
        "/sys/class/net/*/duplex",
        "/sys/class/net/*/flags",
        "/sys/class/net/*/bonding/ad_aggregator",
    ]),
    card: Card {
        article: "5.1a",
        vi: "Đường truyền: mất tín hiệu, bán song công, bond",
        en: "Links: lost carriers, half duplex, bonds",
        reads: "`/sys/class/net`, `/proc/net/bonding`",
        cost: "0.02 ms",
    },
};

/// Most interfaces that are reported.
const INTERFACES_MAX: usize = 64;

/// Cables, their speed, and bonds. Changes of a link between two samples are counted by the kernel.
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

/// A bond, as the kernel tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bond {
    /// Nobody looks whether the members' links are up (`miimon` and ARP are off); their status says nothing then.
    pub unwatched: bool,
    /// The interfaces that it bundles, in the order of the kernel.
    pub members: Vec<BondMember>,
}

/// An interface that a bond bundles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BondMember {
    /// Name of its interface.
    pub name: String,
    /// Its link is up.
    pub up: bool,
    /// Which aggregate of an 802.3ad bond it belongs to; none in other modes.
    pub aggregator: Option<String>,
    /// The other side does not take it into the aggregate.
    pub churned: bool,
}

/// Drivers of USB that know no duplex and say *half*: management controllers' own cards, telephones, modems.
const NO_DUPLEX: [&str; 8] =
    ["cdc_eem", "cdc_ether", "cdc_mbim", "cdc_ncm", "cdc_subset", "huawei_cdc_ncm", "qmi_wwan", "rndis_host"];

fn guesses_duplex(root: &Path, name: &str) -> bool {
    let driver = std::fs::read_link(root.join(format!("sys/class/net/{name}/device/driver")));
    let driver = driver.ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    driver.is_some_and(|driver| NO_DUPLEX.contains(&driver.as_str()))
}

/// Reads `/proc/net/bonding/*` (Documentation/networking/bonding.rst; drivers/net/bonding/bond_procfs.c), and which aggregate is the
/// active one, where it says so: only those who may change the network are told.
///
/// # Errors
/// When the text was cut: the bond or a member has no status.
pub fn parse_bond(text: &str) -> Result<(Bond, Option<String>), String> {
    let value = |part: &str, key: &str| {
        let lines = part.lines().filter_map(|line| line.trim().split_once(": "));
        lines.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim().to_owned())
    };
    let mut parts = text.split("Slave Interface: ");
    let head = parts.next().unwrap_or_default();
    value(head, "MII Status").ok_or("the bond has no MII Status")?;
    let interval = value(head, "MII Polling Interval (ms)");
    let arp = value(head, "ARP Polling Interval (ms)");
    let unwatched = interval.as_deref() == Some("0") && arp.is_none_or(|interval| interval == "0");
    let active = head.split_once("Active Aggregator Info").and_then(|(_, info)| value(info, "Aggregator ID"));
    let members = parts.map(|part| {
        let name = part.lines().next().unwrap_or_default().trim().to_owned();
        let status = value(part, "MII Status").ok_or_else(|| format!("the member {name} has no MII Status"))?;
        let churned = |key| value(part, key).as_deref() == Some("churned");
        Ok(BondMember {
            up: status == "up",
            aggregator: value(part, "Aggregator ID"),
            churned: churned("Actor Churn State") || churned("Partner Churn State"),
            name,
        })
    });
    Ok((Bond { unwatched, members: members.collect::<Result<_, String>>()? }, active))
}

impl Bond {
    /// How many members carry nothing: their link is down, the other side does not take them, or they stand in another aggregate than
    /// the active one. Where that is not told it is the one that most of those belong to that could carry something.
    #[must_use]
    pub fn missing(&self, active: Option<&str>) -> u32 {
        let carries = |member: &BondMember| member.up && !member.churned;
        let mut aggregates: Vec<(&str, usize)> = Vec::new();
        for member in self.members.iter().filter(|member| carries(member)) {
            let Some(id) = member.aggregator.as_deref() else { continue };
            match aggregates.iter_mut().find(|(known, _)| *known == id) {
                Some((_, count)) => *count += 1,
                None => aggregates.push((id, 1)),
            }
        }
        let largest = aggregates.iter().rev().max_by_key(|(_, count)| *count).map(|(id, _)| *id);
        let active = active.or(largest);
        let elsewhere = |member: &BondMember| member.aggregator.is_some() && member.aggregator.as_deref() != active;
        let missing = self.members.iter().filter(|member| !carries(member) || elsewhere(member));
        u32::try_from(missing.count()).unwrap_or(u32::MAX)
    }
}

/// How many members of a bond are missing; none when it has no member and is not in use.
fn bond_missing(root: &Path, name: &str, text: &str) -> Result<Option<u32>, String> {
    let (mut bond, told) = parse_bond(text)?;
    let read = |file: &str| read_attribute(root, &format!("{BASE}/{file}")).ok();
    if bond.members.is_empty() {
        // The module makes a bond that nobody asked for; one that was set up is short of at least one member.
        let flags = read(&format!("{name}/flags"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
        return Ok(flags.filter(|flags| flags & 1 == 1).map(|_| 1));
    }
    for member in &mut bond.members {
        let state = read(&format!("{}/operstate", member.name));
        let carrier = read(&format!("{}/carrier", member.name));
        if bond.unwatched && state.is_none() && carrier.is_none() {
            return Err(format!("nobody looks whether {}'s link is up; mend: set miimon", member.name));
        }
        if bond.unwatched {
            member.up &=
                carrier.as_deref() != Some("0") && !matches!(state.as_deref(), Some("down" | "lowerlayerdown"));
        }
    }
    // 0 is none.
    let active = read(&format!("{name}/bonding/ad_aggregator")).filter(|id| id != "0");
    Ok(Some(bond.missing(told.or(active).as_deref())))
}

const BASE: &str = "/sys/class/net";

impl Probe for LinkProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let mut links = NetworkLinks::default();
        let mut outcome = ProbeOutcome::Read;
        let names = match names_in(&self.root, BASE, 4096) {
            Ok(names) => names,
            Err(error) => return missing(&error),
        };
        // The driver of bonds puts this file here; a host of containers has hundreds of interfaces that need not be looked up then.
        let may_be_bonds = self.root != Path::new("/") || names.iter().any(|name| name == "bonding_masters");
        for name in names.into_iter().take(INTERFACES_MAX) {
            let read = |file: &str| read_attribute(&self.root, &format!("{BASE}/{name}/{file}")).ok();
            let bond = match may_be_bonds.then(|| read_text(&self.root, &format!("/proc/net/bonding/{name}"))) {
                Some(Ok(text)) => Some(bond_missing(&self.root, &name, &text)),
                // It is a bond, whatever hides it.
                Some(Err(error)) if self.root.join(format!("sys/class/net/{name}/bonding")).exists() => {
                    Some(Err(error.to_string()))
                }
                _ => None,
            };
            // Only what has a plug can lose it.
            if !self.root.join(format!("sys/class/net/{name}/device")).exists() && bond.is_none() {
                continue;
            }
            let changes = read("carrier_changes").and_then(|count| count.parse::<u64>().ok());
            let carrier_changes = changes.map(|changes| {
                let before = self.before.insert(name.clone(), changes);
                let per_second = before.zip(context.elapsed_s).and_then(|(before, s)| rate(changes, before, s));
                per_second.unwrap_or(f64::NAN)
            });
            let full_duplex = read("duplex").map(|duplex| match duplex.as_str() {
                // Some drivers say so of a link that is down.
                "half" if read("carrier").as_deref() == Some("0") => f64::NAN,
                "half" if guesses_duplex(&self.root, &name) => f64::NAN,
                "full" => 1.0,
                "half" => 0.0,
                _ => f64::NAN,
            });
            let bond_missing = bond.map(|bond| {
                let missing = bond.unwrap_or_else(|why| {
                    outcome = unknown(&format!("{name}: {why}"));
                    None
                });
                missing.map_or(f64::NAN, f64::from)
            });
            links.0.push(NetworkLink { name, carrier_changes, full_duplex, bond_missing });
        }
        links.emit(sink);
        match links.0.is_empty() {
            true => ProbeOutcome::Absent { why: format!("{BASE}: no interface with a plug") },
            false => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn plugs_and_bonds() {
        let bond = "Ethernet Channel Bonding Driver\nMII Status: up\n\nSlave Interface: eth0\nMII Status: up\n\nSlave Interface: eth1\nMII Status: down\n";
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
    fn a_member_in_another_aggregate_is_missing() {
        let bond = |active: &str, members: &[(&str, &str, &str, &str)]| {
            let mut text = format!("Bonding Mode: IEEE 802.3ad Dynamic link aggregation\nMII Status: up\n{active}\n");
            for (name, up, id, churn) in members {
                text += &format!(
                    "\nSlave Interface: {name}\nMII Status: {up}\nAggregator ID: {id}\nActor Churn State: none\nPartner Churn State: {churn}\n"
                );
            }
            text
        };
        let missing = |text: &str, active: Option<&str>| {
            let (bond, told) = parse_bond(text).expect("parses");
            bond.missing(told.as_deref().or(active))
        };
        let two = [("eth0", "up", "1", "none"), ("eth1", "up", "1", "none")];
        assert_eq!(missing(&bond("", &two), None), 0);
        let apart = [("eth0", "up", "1", "none"), ("eth1", "up", "2", "none")];
        assert_eq!(missing(&bond("", &apart), None), 1);
        let info = "Active Aggregator Info:\n\tAggregator ID: 2\n\tNumber of ports: 1";
        let three = [("a", "up", "1", "none"), ("b", "up", "1", "none"), ("c", "up", "2", "none")];
        assert_eq!((missing(&bond(info, &three), None), missing(&bond("", &three), Some("1"))), (2, 1));
        assert_eq!(missing(&bond("", &[("a", "up", "1", "churned"), ("b", "up", "1", "none")]), None), 1);
        assert_eq!(missing(&bond("", &[("a", "up", "1", "churned"), ("b", "up", "2", "churned")]), None), 2);
        assert_eq!(missing(&bond("", &[("a", "down", "1", "none"), ("b", "up", "N/A", "none")]), None), 1);
        assert_eq!(missing(&bond("", &[("a", "going back", "1", "none"), ("b", "down", "2", "none")]), None), 2);
        assert!(parse_bond("MII Status: up\n\nSlave Interface: eth0\n").is_err_and(|why| why.contains("eth0")));
        assert!(parse_bond("").is_err());
    }

    #[test]
    fn bonds_without_members_and_without_anyone_who_looks() {
        let told = |files: &[(&str, &str)]| {
            let files: Vec<_> = [("/sys/class/net/bond0/bonding/slaves", "")].iter().chain(files).copied().collect();
            let (outcome, numbers) = read_below(&files, |root| Box::new(LinkProbe::new(root)));
            (outcome == ProbeOutcome::Read, numbers.iter().find(|n| n.0 == "net.bond_missing").expect("told").2)
        };
        let bare = ("/proc/net/bonding/bond0", "Bonding Mode: load balancing (round-robin)\nMII Status: down\n");
        assert!(told(&[bare]).1.is_nan(), "the module made it");
        assert_eq!(told(&[bare, ("/sys/class/net/bond0/flags", "0x1403\n")]), (true, 1.0));
        assert!(matches!(told(&[]), (false, nan) if nan.is_nan()), "it cannot be read");
        let blind = (
            "/proc/net/bonding/bond0",
            "Bonding Mode: fault-tolerance (active-backup)\nMII Status: up\nMII Polling Interval (ms): 0\n\
            \nSlave Interface: eth0\nMII Status: up\nSpeed: Unknown\n\nSlave Interface: eth1\nMII Status: up\n",
        );
        assert!(matches!(told(&[blind]), (false, nan) if nan.is_nan()), "nobody looks");
        let seen = [blind, ("/sys/class/net/eth0/carrier", "0\n"), ("/sys/class/net/eth1/carrier", "1\n")];
        assert_eq!(told(&seen), (true, 1.0));
    }
}
