//! What the fields of nftables' expressions are for the stranger's packet.

use std::net::IpAddr;

use serde_json::Value;

use super::packet::{Family, Packet};

/// A value of the packet, or of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Field {
    /// A number, also of addresses and flags.
    Number(u128),
    /// A word, such as a protocol's name.
    Word(String),
    /// The name of an interface.
    Interface,
    /// The packet's mark.
    Mark,
    /// The state of its connection.
    PacketState,
    /// The port it asks for.
    Port,
    /// The address of this host that it is for.
    Host,
    /// Several of these.
    Parts(Vec<Self>),
    /// The packet has no such thing.
    None,
    Unknown,
}

/// The kernel's names of protocols.
fn protocol(word: &str) -> Option<u128> {
    Some(match word {
        "icmp" => 1,
        "igmp" => 2,
        "tcp" => 6,
        "udp" => 17,
        "dccp" => 33,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "ospf" => 89,
        "pim" => 103,
        "vrrp" => 112,
        "comp" => 108,
        "sctp" => 132,
        "udplite" => 136,
        _ => return None,
    })
}

/// Flags of TCP and of connections, as one bit each.
fn flags_of(word: &str) -> Option<u128> {
    // Of connections: libnetfilter_conntrack's IPS_*.
    const FLAGS: [(&[&str], u128); 9] = [
        (&["fin", "expected"], 1),
        (&["syn", "seen-reply"], 2),
        (&["rst", "assured"], 4),
        (&["psh", "confirmed"], 8),
        (&["ack", "snat"], 16),
        (&["urg", "dnat"], 32),
        (&["ecn"], 64),
        (&["cwr"], 128),
        (&["dying"], 512),
    ];
    FLAGS.iter().find(|(words, _)| words.contains(&word)).map(|(_, bit)| *bit)
}

pub(super) fn or(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut found = Some(false);
    for one in all {
        match one {
            Some(true) => return Some(true),
            Some(false) => {}
            None => found = None,
        }
    }
    found
}

pub(super) fn and(all: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    or(all.into_iter().map(|one| one.map(|one| !one))).map(|any| !any)
}

pub(super) fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

impl Packet {
    /// Whether a number is a value, or within a prefix or a range.
    pub(super) fn within(&self, number: u128, right: &Value) -> Option<bool> {
        if let Some(prefix) = right.get("prefix") {
            let (address, length) = (prefix["addr"].as_str()?, u32::try_from(prefix["len"].as_u64()?).ok()?);
            let address: IpAddr = address.parse().ok()?;
            return Some(in_prefix(number, self.family, address, length));
        }
        if let Some(range) = right.get("range") {
            return Some((self.number(&range[0])?..=self.number(&range[1])?).contains(&number));
        }
        if let Some(address) = right.as_str().and_then(|word| word.parse::<IpAddr>().ok()) {
            return Some(address.is_ipv4() == self.address.is_ipv4() && number_of(address) == number);
        }
        Some(self.number(right)? == number)
    }

    /// Whether an address that a rule names is this host's: an ordinary one may be.
    pub(super) fn is_host(&self, right: &Value) -> Option<bool> {
        let (address, length) = match right.get("prefix") {
            Some(prefix) => (prefix["addr"].as_str()?.parse::<IpAddr>().ok()?, prefix["len"].as_u64()?),
            None => match right.as_str() {
                Some(word) => (word.parse::<IpAddr>().ok()?, 128),
                None => return None,
            },
        };
        if address.is_ipv4() != (self.family == Family::V4) {
            return Some(false);
        }
        may_be_host(address, u32::try_from(length).ok()?)
    }

    pub(super) fn number(&self, value: &Value) -> Option<u128> {
        if let Some(number) = value.as_u64() {
            return Some(u128::from(number));
        }
        if let Some(parts) = value.get("|").and_then(Value::as_array) {
            return parts.iter().try_fold(0, |all, part| Some(all | self.number(part)?));
        }
        if let Some(parts) = value.as_array() {
            return parts.iter().try_fold(0, |all, part| Some(all | self.number(part)?));
        }
        let word = value.as_str()?;
        if let Ok(address) = word.parse::<IpAddr>() {
            return Some(number_of(address));
        }
        if let Some(hex) = word.strip_prefix("0x") {
            return u128::from_str_radix(hex, 16).ok();
        }
        word.parse().ok().or_else(|| protocol(word)).or_else(|| flags_of(word))
    }

    /// What an expression gives of the packet.
    pub(super) fn field(&self, value: &Value) -> Field {
        let Some((kind, body)) = value.as_object().and_then(|fields| fields.iter().next()) else {
            return Field::Unknown;
        };
        match kind.as_str() {
            "meta" => self.meta(body["key"].as_str().or(body.as_str()).unwrap_or_default()),
            "payload" => self.payload(body),
            "ct" => self.ct(body["key"].as_str().or(body.as_str()).unwrap_or_default(), body["dir"].as_str()),
            "fib" => fib(body),
            "concat" => Field::Parts(body.as_array().into_iter().flatten().map(|part| self.field(part)).collect()),
            // Whether a header is there that the stranger does not send; IPv4 has none of these.
            "exthdr" if self.family == Family::V6 && body["field"].is_null() => Field::Number(0),
            "ip option" if self.family == Family::V4 && body["field"].is_null() => Field::Number(0),
            "exthdr" | "ip option" | "sctp chunk" | "dccp option" => Field::None,
            "tcp option" => match (body["name"].as_str(), body["field"].as_str()) {
                (Some("maxseg"), Some("size")) => Field::Number(1460),
                (Some("maxseg"), None) => Field::Number(1),
                _ => Field::Unknown,
            },
            "&" => {
                let (one, other) = (self.field(&body[0]), self.number(&body[1]));
                match (one, other) {
                    (Field::Number(one), Some(other)) => Field::Number(one & other),
                    (Field::Mark, _) => Field::Mark,
                    (Field::None, _) => Field::None,
                    _ => Field::Unknown,
                }
            }
            _ => Field::Unknown,
        }
    }

    fn meta(&self, key: &str) -> Field {
        match key {
            "iif" | "iifname" => Field::Interface,
            // Before it is routed it goes nowhere, and what is for this host never does; the name of no interface is empty.
            "oif" | "oifname" => Field::Word(String::new()),
            // It comes by no bridge, and no process of this host sent it.
            "ibrname" | "obrname" | "ibridgename" | "obridgename" | "oifkind" | "oifgroup" | "oiftype" | "skuid"
            | "skgid" | "cgroup" | "cgroupv2" => Field::None,
            "rtclassid" | "nftrace" | "secpath" | "ipsec" => Field::Number(0),
            "l4proto" => Field::Number(6),
            "nfproto" => Field::Word(if self.family == Family::V4 { "ipv4" } else { "ipv6" }.to_owned()),
            "protocol" => Field::Word(if self.family == Family::V4 { "ip" } else { "ip6" }.to_owned()),
            "pkttype" => Field::Word("host".to_owned()),
            "mark" => Field::Mark,
            "length" => Field::Number(if self.family == Family::V4 { 60 } else { 80 }),
            _ => Field::Unknown,
        }
    }

    fn payload(&self, body: &Value) -> Field {
        if let Some(base) = body["base"].as_str() {
            return match (base, body["offset"].as_u64(), body["len"].as_u64()) {
                ("th", Some(16), Some(16)) => Field::Port,
                _ => Field::Unknown,
            };
        }
        let (over, field) = (body["protocol"].as_str().unwrap_or_default(), body["field"].as_str().unwrap_or_default());
        let v4 = self.family == Family::V4;
        match (over, field) {
            ("tcp" | "th", "dport") => Field::Port,
            ("tcp" | "th", "sport") => Field::Number(51_234),
            ("tcp", "flags") => Field::Number(2),
            (
                "udp" | "udplite" | "sctp" | "dccp" | "icmp" | "icmpv6" | "igmp" | "esp" | "ah" | "comp" | "gre"
                | "vlan" | "arp",
                _,
            ) => Field::None,
            ("ip", _) if !v4 => Field::None,
            ("ip6", _) if v4 => Field::None,
            ("ip" | "ip6", "saddr") => Field::Number(number_of(self.address)),
            ("ip" | "ip6", "daddr") => Field::Host,
            ("ip", "protocol") | ("ip6", "nexthdr" | "version") => Field::Number(6),
            ("ip", "version") => Field::Number(4),
            // Whole, and not to be cut.
            ("ip", "frag-off") => Field::Number(0x4000),
            ("tcp", "ackseq") => Field::Number(0),
            ("ip", "length") => Field::Number(60),
            ("ip", "hdrlength") => Field::Number(5),
            // The card of a stranger's router is nobody's in particular, too.
            ("ether", "saddr") => Field::Word("a router".to_owned()),
            ("ether", "type") => Field::Word(if v4 { "ip" } else { "ip6" }.to_owned()),
            _ => Field::Unknown,
        }
    }

    fn ct(&self, key: &str, direction: Option<&str>) -> Field {
        let v4 = self.family == Family::V4;
        match (key, direction) {
            ("state", _) => Field::PacketState,
            ("direction", _) => Field::Word("original".to_owned()),
            ("status" | "mark" | "label" | "zone", _) => Field::Number(0),
            ("helper", _) => Field::None,
            ("l3proto", _) => Field::Word(if v4 { "ipv4" } else { "ipv6" }.to_owned()),
            ("protocol", _) => Field::Number(6),
            ("saddr" | "ip saddr" | "ip6 saddr", Some("original")) => Field::Number(number_of(self.address)),
            ("daddr" | "ip daddr" | "ip6 daddr", Some("original")) => Field::Host,
            ("proto-dst", Some("original")) => Field::Port,
            ("count", _) => Field::Number(1),
            _ => Field::Unknown,
        }
    }
}

/// A lookup in the routing table: the packet is for this host, and its way back is the way it came.
fn fib(body: &Value) -> Field {
    let flags = names(&body["flags"]);
    let has = |flag: &str| flags.iter().any(|one| one == flag);
    match body["result"].as_str() {
        Some("type") if has("daddr") => Field::Word("local".to_owned()),
        Some("type") => Field::Word("unicast".to_owned()),
        Some("oif" | "check") if has("saddr") => Field::Number(1),
        Some("oifname") if has("saddr") => Field::Interface,
        Some("oif" | "check") if has("daddr") => Field::Number(1),
        _ => Field::Unknown,
    }
}

/// Whether a network that a rule names is this host's own address: an ordinary one may be.
pub(super) fn may_be_host(address: IpAddr, length: u32) -> Option<bool> {
    let never = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_multicast() || v6.segments()[0] == 0xfe80,
    };
    if length == 0 {
        Some(true)
    } else if never {
        Some(false)
    } else {
        None
    }
}

/// One word, or several.
pub(super) fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(word) => vec![word.clone()],
        Value::Array(rows) => rows.iter().flat_map(names).collect(),
        Value::Object(fields) => fields.values().flat_map(names).collect(),
        _ => Vec::new(),
    }
}

/// Whether an address lies within a prefix of its own family.
pub(super) fn in_prefix(number: u128, family: Family, address: IpAddr, length: u32) -> bool {
    if address.is_ipv4() != (family == Family::V4) {
        return false;
    }
    let bits: u32 = if family == Family::V4 { 32 } else { 128 };
    let shift = bits.saturating_sub(length);
    shift >= 128 || number_of(address) >> shift == number >> shift
}
