//! The packet: who sends it, where it comes in, where it goes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::survey_context::SurveyContext;

/// A protocol of the network layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// The packet is one of IPv4.
    V4,
    /// The packet is one of IPv6.
    V6,
}

impl Family {
    /// IPv4 and IPv6.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The interfaces through which a stranger may come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutsideInterfaces {
    /// By name; empty where nobody knows.
    names: Vec<String>,
    /// They have the default route: a stranger comes by no other.
    sure: bool,
}

/// Interfaces that lead nowhere outside: the host itself, its containers and machines, tunnels to friends.
const INSIDE: [&str; 22] = [
    "lo",
    "docker",
    "br-",
    "virbr",
    "veth",
    "vnet",
    "lxc",
    "lxd",
    "cni",
    "flannel",
    "cali",
    "cilium",
    "kube",
    "podman",
    "tailscale",
    "wg",
    "tun",
    "tap",
    "zt",
    "nebula",
    "dummy",
    "ifb",
];

fn is_inside(name: &str) -> bool {
    INSIDE.iter().any(|inside| if *inside == "lo" { name == "lo" } else { name.starts_with(inside) })
}

/// The interfaces with a default route, else all that are no inside ones.
pub(super) fn outside(context: &SurveyContext<'_>) -> OutsideInterfaces {
    fn add(names: &mut Vec<String>, name: &str) {
        if name != "lo" && !names.iter().any(|known| known == name) && names.len() < 64 {
            names.push(name.to_owned());
        }
    }
    let mut names = Vec::new();
    // Interface, destination, …, mask as the eighth word; a gateway of 0 is a tunnel's, and leads outside all the same.
    for line in context.text_if("/proc/net/route").unwrap_or_default().lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let (Some(name), Some(&"00000000"), Some(&"00000000")) = (words.first(), words.get(1), words.get(7)) {
            add(&mut names, name);
        }
    }
    for line in context.text_if("/proc/net/ipv6_route").unwrap_or_default().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // RTF_REJECT stands in the flags of the route that says that there is none.
        let rejects =
            words.get(8).and_then(|flags| u32::from_str_radix(flags, 16).ok()).is_none_or(|flags| flags & 0x200 != 0);
        if let (Some(&"00000000000000000000000000000000"), Some(&"00"), Some(name), false) =
            (words.first(), words.get(1), words.get(9), rejects)
        {
            add(&mut names, name);
        }
    }
    if !names.is_empty() {
        return OutsideInterfaces { names, sure: true };
    }
    for line in context.text_if("/proc/net/dev").unwrap_or_default().lines().skip(2) {
        if let Some((name, _)) = line.split_once(':')
            && !is_inside(name.trim())
        {
            add(&mut names, name.trim());
        }
    }
    let sure = names.len() == 1;
    OutsideInterfaces { names, sure }
}

/// Whether this host has an address of IPv6 besides its own loopback. A kernel without IPv6 has neither this table nor one of its
/// sockets. None: nobody knows.
pub(super) fn speaks_ipv6(context: &SurveyContext<'_>) -> Option<bool> {
    if let Some(text) = context.text_if("/proc/net/if_inet6") {
        return Some(text.lines().any(|line| line.split_whitespace().last().is_some_and(|name| name != "lo")));
    }
    let without = context.is_live() || context.exists("/proc/net/tcp");
    if context.exists("/proc/net/tcp6") { None } else { without.then_some(false) }
}

/// A port range that is this wide names no port: it means *any*.
const WIDE: u16 = 20_000;

/// The stranger and what it sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// Over which protocol.
    pub family: Family,
    /// The interfaces at which it may come in.
    pub outside: OutsideInterfaces,
    /// Its address, which is nobody's in particular.
    pub address: IpAddr,
    /// The port it asks for, which no rule names.
    pub port: u16,
    /// The devices of chains at the hook *ingress* ([`super::listing::devices`]), where the rule set itself does not say.
    pub devices: BTreeMap<String, Vec<String>>,
}

impl Packet {
    /// A stranger who asks for a port outside all of these ranges that rules name.
    #[must_use]
    pub fn new(family: Family, outside: OutsideInterfaces, named: &[(u16, u16)]) -> Self {
        // How many narrow ranges begin, less how many end, at each port.
        let mut edges = vec![0_i32; usize::from(u16::MAX) + 2];
        for (low, high) in named.iter().filter(|(low, high)| low <= high && high - low < WIDE) {
            edges[usize::from(*low)] += 1;
            edges[usize::from(*high) + 1] -= 1;
        }
        let mut over = 0;
        let free: Vec<bool> = edges
            .iter()
            .map(|edge| {
                over += edge;
                over == 0
            })
            .collect();
        // First where services of one's own are put, then anywhere.
        let mut all = (0..60_000_u32).filter_map(|step| u16::try_from(1024 + (step * 7919 + 22_425) % 60_000).ok());
        let port = all.find(|port| free[usize::from(*port)]).unwrap_or(23_449);
        let address = match family {
            Family::V4 => IpAddr::from([93, 184, 215, 14]),
            Family::V6 => IpAddr::from([0x2a02, 0x26f0, 0x0042, 0x17, 0, 0, 0xbeef, 0x7]),
        };
        Self { family, outside, address, port, devices: BTreeMap::new() }
    }

    /// Whether the packet comes in by an interface of this name, which may end in a wildcard. None: nobody knows.
    #[must_use]
    pub fn comes_in_by(&self, name: &str, wildcard: char) -> Option<bool> {
        let fits = |other: &str| match name.strip_suffix(wildcard) {
            Some(start) => other.starts_with(start),
            None => other == name,
        };
        if name == wildcard.to_string() {
            return Some(true);
        }
        let OutsideInterfaces { names, sure } = &self.outside;
        if names.iter().any(|other| fits(other)) {
            // Of several, the stranger may come by another.
            return (names.len() == 1 || names.iter().all(|other| fits(other))).then_some(true);
        }
        if *sure || is_inside(name) || !names.is_empty() {
            return Some(false);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_one_that_no_rule_names() {
        let asks = |named: &[(u16, u16)]| Packet::new(Family::V4, OutsideInterfaces::default(), named).port;
        let first = asks(&[]);
        assert_ne!(asks(&[(first, first)]), first);
        // Wide ranges mean any port; where narrow ones name all but a few, one of these few is found.
        assert_eq!(asks(&[(1, u16::MAX)]), first);
        let narrow: Vec<(u16, u16)> = (0..60).map(|part| (part * 1000, part * 1000 + 999)).collect();
        assert!((60_000..=61_023).contains(&asks(&narrow)));
    }
}
