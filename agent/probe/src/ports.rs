//! Ports that other machines may reach (article 5.1b), from the kernel's tables of sockets; part of the survey `protection`.
//!
//! TCP says itself that it listens. UDP does not: who waits for questions and who waits for an answer look the same. A UDP port is told
//! of when its number was chosen:
//!
//! - it lies outside the range from which the kernel gives numbers to those who ask for any (`ip_local_port_range`);
//! - the kernel itself holds it (WireGuard; no process has its inode), or a service is known to have it;
//! - several sockets share it: for IPv4 and IPv6, on several addresses, in several processes;
//! - it was there at the last survey, half an hour ago, too, and who holds it is not known to ask others from such a port.
//!
//! Everything else is where a client waits for its answer, which comes and goes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ioc_common::reading::{Port, Protection};
use ioc_common::report::Event;
use serde::{Deserialize, Serialize};

use crate::survey_context::SurveyContext;

/// Most listening ports that are named.
const PORTS_MAX: usize = 200;
/// Most that are remembered.
const KNOWN_MAX: usize = 4096;
/// Largest table, bytes.
const TABLE_MAX_BYTES: usize = 8 << 20;
/// The kernel's own range, where it does not tell.
const RANGE: (u16, u16) = (32_768, 60_999);
/// What clients are given begins here or above; who widens the range downwards does not turn services below into clients.
const CLIENTS_FROM: u16 = 32_768;
/// Services whose number lies where the kernel gives numbers: Factorio, PROFINET, EtherNet/IP, Tailscale, BACnet, game streaming,
/// BitTorrent, WireGuard outside the kernel.
const SERVICES: [u16; 16] = [
    34_197, 34_962, 34_963, 34_964, 41_641, 44_818, 47_808, 47_998, 47_999, 48_000, 48_002, 48_010, 51_413, 51_820,
    51_821, 51_822,
];
/// Programs that ask others from a port which they keep for long. The kernel keeps fifteen characters of a name.
const CLIENTS: [&str; 14] = [
    "NetworkManager",
    "avahi-daemon",
    "chronyd",
    "dhclient",
    "dnsmasq",
    "named",
    "ntpd",
    "pdns_recursor",
    "rsyslogd",
    "syslog-ng",
    "systemd-network",
    "systemd-resolve",
    "systemd-timesyn",
    "unbound",
];

/// A socket that is bound and has no peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Port number, 1 to 65535.
    pub port: u16,
    /// Address; `*` for all.
    pub address: String,
    /// Inode; 0 of the kernel's own.
    pub inode: u64,
}

impl Socket {
    fn name(&self) -> String {
        format!("{}/{}", self.protocol, self.port)
    }
}

/// What is remembered from one survey to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortMemo {
    /// Ports that were told of.
    ports: BTreeSet<String>,
    /// UDP ports that may be a client's.
    passing: BTreeSet<u16>,
    /// All tables were read.
    #[serde(skip)]
    whole: bool,
}

impl PortMemo {
    /// What the last survey remembered, and whether it told of UDP ports of the kernel's range.
    fn parse(memo: &str) -> Option<(Self, bool)> {
        let now = serde_json::from_str(memo).ok().map(|seen| (seen, true));
        let before = || serde_json::from_str(memo).ok().map(|ports| (Self { ports, ..Self::default() }, false));
        now.or_else(before)
    }
}

/// Puts the ports into `protection`, and returns what is to be remembered.
pub(super) fn read(context: &SurveyContext<'_>, protection: &mut Protection) -> PortMemo {
    let mut sockets = Vec::new();
    let mut whole = true;
    let ipv6 = context.exists("/proc/net/if_inet6") || context.exists("/proc/sys/net/ipv6");
    for (file, protocol) in [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")] {
        let path = format!("/proc/net/{file}");
        let table = match context.table(&path, TABLE_MAX_BYTES) {
            Ok(bytes) => {
                parse_sockets(&String::from_utf8_lossy(&bytes), protocol).map_err(|why| format!("{path}: {why}"))
            }
            // A machine without IPv6 has no such table.
            Err(error) if file.ends_with('6') && error.is_absent() && !ipv6 => continue,
            Err(error) => Err(error.to_string()),
        };
        match table {
            Ok(mut found) => sockets.append(&mut found),
            Err(why) => {
                whole = false;
                protection.unknown.push(format!("ports: {why}"));
            }
        }
    }
    let before = PortMemo::parse(context.memo).map(|(seen, _)| seen).unwrap_or_default();
    let programs = programs(context, sockets.iter().map(|socket| socket.inode).filter(|inode| *inode != 0).collect());
    let passing = client_ports(&sockets, range(context));
    let stays = |socket: &Socket| {
        let client = programs.get(&socket.inode).is_some_and(|program| CLIENTS.contains(&program.as_str()));
        before.passing.contains(&socket.port) && !client
    };
    let told =
        sockets.iter().filter(|socket| socket.protocol != "udp" || !passing.contains(&socket.port) || stays(socket));
    let mut listening: BTreeMap<(String, String), Port> = BTreeMap::new();
    for socket in told {
        let key = (socket.name(), socket.address.clone());
        let entry = listening.entry(key).or_insert_with(|| Port {
            port: socket.name(),
            address: socket.address.clone(),
            program: String::new(),
        });
        if let Some(program) = programs.get(&socket.inode) {
            entry.program.clone_from(program);
        }
    }
    let open: BTreeSet<String> = listening.keys().map(|(port, _)| port.clone()).collect();
    protection.ports = whole.then(|| u32::try_from(listening.len()).unwrap_or(u32::MAX));
    if listening.len() > PORTS_MAX {
        protection.unknown.push(format!("ports: {} listen, {PORTS_MAX} are named", listening.len()));
    }
    protection.listening = listening.into_values().take(PORTS_MAX).collect();
    protection.list_configured = context.settings.ports_approved.is_some();
    if let Some(approved) = &context.settings.ports_approved {
        protection.unapproved = open.iter().filter(|port| !approved.contains(port)).take(PORTS_MAX).cloned().collect();
    }
    PortMemo {
        ports: open.into_iter().take(KNOWN_MAX).collect(),
        passing: passing.into_iter().take(KNOWN_MAX).collect(),
        whole,
    }
}

/// A port that was not there at the last survey is an event. The first survey only remembers; one that could not read all says nothing
/// of what is new, and what was known stays known.
pub(super) fn new_events(protection: &Protection, seen: &PortMemo, memo: &str) -> (Vec<Event>, String) {
    if !seen.whole {
        return (Vec::new(), memo.to_owned());
    }
    let known = PortMemo::parse(memo);
    let is_news = |port: &String| {
        known.as_ref().is_some_and(|(known, told_of_udp)| {
            let number = port.strip_prefix("udp/").and_then(|number| number.parse::<u16>().ok());
            // An agent of before did not tell of those.
            !known.ports.contains(port) && (*told_of_udp || number.is_none_or(|number| number < CLIENTS_FROM))
        })
    };
    let events = seen.ports.iter().filter(|port| is_news(port)).map(|port| {
        let program = protection.listening.iter().find(|one| one.port == *port).map_or("", |one| one.program.as_str());
        Event {
            name: "port.opened".to_owned(),
            text: format!("{port} listens now ({program})"),
            fields: [("port".to_owned(), port.clone()), ("program".to_owned(), program.to_owned())].into(),
        }
    });
    (events.collect(), serde_json::to_string(seen).unwrap_or_default())
}

/// The numbers that the kernel gives to who asks for any.
fn range(context: &SurveyContext<'_>) -> (u16, u16) {
    let text = context.text_if("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(low)), Some(Ok(high))) if low <= high => (low, high),
        _ => RANGE,
    }
}

/// The UDP ports whose number may be the kernel's gift to a client.
fn client_ports(sockets: &[Socket], (low, high): (u16, u16)) -> BTreeSet<u16> {
    let udp = || sockets.iter().filter(|socket| socket.protocol == "udp");
    let mut held: BTreeMap<u16, u32> = BTreeMap::new();
    for socket in udp() {
        *held.entry(socket.port).or_default() += 1;
    }
    let kernels: BTreeSet<u16> = udp().filter(|socket| socket.inode == 0).map(|socket| socket.port).collect();
    let given = |port: &u16| *port >= CLIENTS_FROM && (low..=high).contains(port);
    let alone = held.iter().filter(|(_, count)| **count == 1).map(|(port, _)| *port);
    alone.filter(|port| given(port) && !kernels.contains(port) && !SERVICES.contains(port)).collect()
}

/// Sockets of `/proc/net/{tcp,udp}{,6}` that other machines may reach (net/ipv4/tcp_ipv4.c, net/ipv4/udp.c).
///
/// # Errors
/// When the head is missing, a line is not understood, or the last one was cut.
pub fn parse_sockets(text: &str, protocol: &'static str) -> Result<Vec<Socket>, String> {
    let mut lines = text.lines();
    if !lines.next().is_some_and(|head| head.contains("local_address")) {
        return Err("is no table of sockets".to_owned());
    }
    if !text.ends_with('\n') {
        return Err("was cut within a line".to_owned());
    }
    let mut sockets = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let socket = parse_socket(line, protocol)
            .ok_or_else(|| format!("not understood: {}", line.trim().chars().take(100).collect::<String>()))?;
        sockets.extend(socket);
    }
    Ok(sockets)
}

/// One line: none when nobody from outside gets in by it.
fn parse_socket(line: &str, protocol: &'static str) -> Option<Option<Socket>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (local, remote, state, inode) = (fields.get(1)?, fields.get(2)?, fields.get(3)?, fields.get(9)?);
    let (address, port) = local.rsplit_once(':')?;
    let (_, peer) = remote.rsplit_once(':')?;
    let (port, peer) = (u16::from_str_radix(port, 16).ok()?, u16::from_str_radix(peer, 16).ok()?);
    let (address, inode, state) = (address_of(address)?, inode.parse().ok()?, u8::from_str_radix(state, 16).ok()?);
    // TCP listens (0A); UDP is unconnected (07) and has no peer. What has no port yet is nobody's door.
    let waits = if protocol == "tcp" { state == 0x0a } else { state == 0x07 && peer == 0 && port != 0 };
    Some((waits && address != "loopback").then_some(Socket { protocol, port, address, inode }))
}

/// An address of `/proc/net`, which writes each 32 bits as a number of the host; `*` for all, `loopback` for the host itself.
fn address_of(hex: &str) -> Option<String> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let v4 = |address: Ipv4Addr| {
        if address.is_loopback() {
            "loopback".to_owned()
        } else if address.is_unspecified() {
            "*".to_owned()
        } else {
            address.to_string()
        }
    };
    match hex.len() {
        8 => return Some(v4(Ipv4Addr::from(word(0)?))),
        32 => {}
        _ => return None,
    }
    let mut octets = [0; 16];
    for (place, octets) in octets.chunks_exact_mut(4).enumerate() {
        octets.copy_from_slice(&word(place * 8)?);
    }
    let address = Ipv6Addr::from(octets);
    Some(match address.to_ipv4_mapped() {
        Some(mapped) => v4(mapped),
        None if address.is_loopback() => "loopback".to_owned(),
        None if address.is_unspecified() => "*".to_owned(),
        None => address.to_string(),
    })
}

/// Which program holds which of these sockets. Without privilege only the agent's own are seen; the names are then left empty.
/// It looks no further once all are found: a host has thousands of open files.
fn programs(context: &SurveyContext<'_>, mut wanted: BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut programs = BTreeMap::new();
    for pid in context.names("/proc").iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        if wanted.is_empty() {
            break;
        }
        let mut name = None;
        for fd in context.names(&format!("/proc/{pid}/fd")) {
            let Some(target) = context.link_name(&format!("/proc/{pid}/fd/{fd}")) else { continue };
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .and_then(|inode| inode.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.remove(inode)) {
                let name =
                    name.get_or_insert_with(|| context.text_if(&format!("/proc/{pid}/comm")).unwrap_or_default());
                programs.insert(inode, name.clone());
            }
        }
    }
    programs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;
    use crate::survey_context::{SurveyFindings, SurveyResult};

    const NOW: &str = "2026-11-24T00:00:00Z";
    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    const TCP: &str = "0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n\
        1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n\
        2: 0500000A:0016 0900000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n\
        3: 0500000A:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0 100 0 0 10 0\n";

    /// A table of sockets that are bound: address, port, state, inode.
    fn table(rows: &[(&str, u16, &str, u64)]) -> String {
        let rows = rows.iter().map(|(address, port, state, inode)| {
            let nobody = "0".repeat(address.len());
            format!("1: {address}:{port:04X} {nobody}:0000 {state} 0:0 0:0 0 0 0 {inode} 2 0 0\n")
        });
        HEAD.to_owned() + &rows.collect::<String>()
    }

    /// What the survey `protection` says of ports.
    fn survey(context: &SurveyContext<'_>) -> SurveyResult {
        let mut protection = Protection::default();
        let seen = read(context, &mut protection);
        let (events, memo) = new_events(&protection, &seen, context.memo);
        Ok(SurveyFindings { events, memo, ..SurveyFindings::of(&protection, context.now)? })
    }

    fn ports(protection: &Protection) -> Vec<&str> {
        protection.listening.iter().map(|port| port.port.as_str()).collect()
    }

    #[test]
    fn what_listens_to_others_and_what_is_new() {
        let mut captured =
            CapturedMachine::new(&[("/proc/net/tcp", &(HEAD.to_owned() + TCP)), ("/proc/net/udp", HEAD)]);
        captured.settings.ports_approved = Some(vec!["tcp/22".into()]);
        let found = survey(&captured.machine(NOW)).expect("read");
        let protection: Protection = found.read();
        let listening: Vec<(&str, &str)> =
            protection.listening.iter().map(|p| (p.port.as_str(), p.address.as_str())).collect();
        assert_eq!(listening, [("tcp/22", "*"), ("tcp/5432", "10.0.0.5")]);
        assert_eq!((protection.unapproved.as_slice(), found.events.len()), (&["tcp/5432".to_owned()][..], 0));
        captured.memo = found.memo;
        let tcp6 =
            [("00000000000000000000000000000000", 80, "0A", 9), ("00000000000000000000000001000000", 81, "0A", 8)];
        captured.write("/proc/net/tcp6", table(&tcp6).as_bytes());
        let again = survey(&captured.machine(NOW)).expect("read");
        assert_eq!(again.events.iter().map(|event| event.fields["port"].as_str()).collect::<Vec<_>>(), ["tcp/80"]);
        captured.memo = r#"["tcp/22","tcp/5432"]"#.to_owned();
        let udp = [("00000000", 51_820, "07", 0), ("00000000", 161, "07", 5)];
        captured.write("/proc/net/udp", table(&udp).as_bytes());
        let upgraded = survey(&captured.machine(NOW)).expect("read");
        let events: Vec<&str> = upgraded.events.iter().map(|event| event.fields["port"].as_str()).collect();
        assert_eq!(events, ["tcp/80", "udp/161"], "an agent of before did not tell of high ports");
    }

    #[test]
    fn tables_that_are_not_there_or_cut_are_no_closed_ports() {
        let none = survey(&CapturedMachine::new(&[]).machine(NOW)).expect("read");
        assert!(none.number("protect.ports", "").is_nan());
        let protection: Protection = none.read();
        assert!(protection.unknown.iter().any(|why| why.contains("/proc/net/udp")), "{:?}", protection.unknown);
        let whole = HEAD.to_owned() + TCP;
        let of = |tcp: &str, more: &[(&str, &str)]| {
            let mut captured = CapturedMachine::new(&[("/proc/net/tcp", tcp), ("/proc/net/udp", HEAD)]);
            more.iter().for_each(|(path, text)| captured.write(path, text.as_bytes()));
            captured.memo = r#"{"ports":["tcp/22"],"passing":[]}"#.to_owned();
            captured.settings.ports_approved = Some(vec!["tcp/22".into()]);
            let found = survey(&captured.machine(NOW)).expect("read");
            (
                found.number("protect.ports", ""),
                found.number("protect.ports_unapproved", ""),
                found.memo,
                found.events.len(),
            )
        };
        assert_eq!(of(&whole, &[]).0, 2.0);
        for broken in [&whole[..whole.len() - 30], "rubbish\n", "", &whole.replace("0100007F", "01xx007F")] {
            let (ports, unapproved, memo, events) = of(broken, &[]);
            assert!(ports.is_nan() && unapproved.is_nan(), "{broken}");
            assert_eq!((memo.as_str(), events), (r#"{"ports":["tcp/22"],"passing":[]}"#, 0), "what was known stays");
        }
        let (ports, unapproved, ..) = of(&whole, &[("/proc/net/if_inet6", "x\n")]);
        assert!(ports.is_nan(), "IPv6 is on, and its table is missing");
        assert_eq!(unapproved, 1.0, "what was seen is seen");
    }

    #[test]
    fn udp_ports_whose_number_was_chosen() {
        let mut captured = CapturedMachine::new(&[("/proc/net/tcp", HEAD), ("/proc/1/comm", "x\n")]);
        captured.write("/proc/sys/net/ipv4/ip_local_port_range", b"32768\t60999\n");
        let any6 = "0".repeat(32);
        let udp = [
            ("00000000", 68, "07", 1),
            ("00000000", 51_900, "07", 0),
            ("00000000", 41_641, "07", 2),
            ("00000000", 33_000, "07", 3),
            ("00000000", 64_738, "07", 4),
            ("00000000", 45_555, "07", 5),
            ("00000000", 45_556, "01", 6),
            ("0100007F", 53, "07", 7),
            ("0500000A", 50_001, "07", 8),
            ("0600000A", 50_001, "07", 9),
        ];
        captured.write("/proc/net/udp", table(&udp).as_bytes());
        captured.write("/proc/net/udp6", table(&[(&any6, 33_000, "07", 10)]).as_bytes());
        let first = survey(&captured.machine(NOW)).expect("read");
        let told: Protection = first.read();
        assert_eq!(
            ports(&told),
            ["udp/33000", "udp/41641", "udp/50001", "udp/50001", "udp/51900", "udp/64738", "udp/68"]
        );
        captured.memo = first.memo;
        let second = survey(&captured.machine(NOW)).expect("read");
        let told: Protection = second.read();
        assert!(ports(&told).contains(&"udp/45555"), "it stays");
        assert_eq!(second.events.len(), 1);
        let fd = captured.machine(NOW).path("/proc/77/fd/3");
        captured.write("/proc/77/comm", b"avahi-daemon\n");
        std::fs::create_dir_all(fd.parent().expect("a directory")).expect("made");
        std::os::unix::fs::symlink("socket:[5]", fd).expect("linked");
        let known: Protection = survey(&captured.machine(NOW)).expect("read").read();
        assert!(!ports(&known).contains(&"udp/45555"), "a client that stays");
    }

    #[test]
    fn addresses_of_the_kernel() {
        assert_eq!(address_of("0000000000000000FFFF00000500000A").as_deref(), Some("10.0.0.5"));
        assert_eq!(address_of("0000000000000000FFFF00000100007F").as_deref(), Some("loopback"));
        assert_eq!(address_of("B80D0120000000000000000001000000").as_deref(), Some("2001:db8::1"));
        assert_eq!((address_of("0500"), address_of("zzzzzzzz")), (None, None));
    }
}
