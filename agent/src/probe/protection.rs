//! Protection of the host (articles 5.1b, 5.1c): firewall, listening ports, mandatory access control, encryption, SSH.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ioc_common::reading::{Port, Protection};
use ioc_common::report::Event;

use crate::machine::{Found, Machine, Surveyed};
use crate::probe::Outcome;

/// Most listening ports that are named.
const PORTS_MAX: usize = 200;

/// Makes the survey. Every part that cannot be read is unknown by itself.
///
/// # Errors
/// *Unknown* when the findings cannot be written.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let mut protection = Protection::default();
    firewall(machine, &mut protection);
    ports(machine, &mut protection);
    mandatory_access(machine, &mut protection);
    protection.disk_encrypted = disk_encrypted(machine);
    protection.secure_boot = secure_boot(machine);
    ssh(machine, &mut protection);
    let mut found = Found::of(&protection, machine.now)?;
    (found.events, found.memo) = new_ports(&protection, machine.memo);
    Ok(found)
}

/// A port that was not there at the last survey is an event. The first survey only remembers.
fn new_ports(protection: &Protection, memo: &str) -> (Vec<Event>, String) {
    let known: Option<BTreeSet<String>> = serde_json::from_str(memo).ok();
    let ports: BTreeSet<String> = protection.listening.iter().map(|port| port.port.clone()).collect();
    let fresh = ports.iter().filter(|port| known.as_ref().is_some_and(|known| !known.contains(*port)));
    let events = fresh.map(|port| {
        let program = protection.listening.iter().find(|one| one.port == *port).map_or("", |one| one.program.as_str());
        Event {
            name: "port.opened".to_owned(),
            text: format!("{port} listens now ({program})"),
            fields: [("port".to_owned(), port.clone()), ("program".to_owned(), program.to_owned())].into(),
        }
    });
    (events.collect(), serde_json::to_string(&ports).unwrap_or_default())
}

fn firewall(machine: &Machine<'_>, protection: &mut Protection) {
    let mut filters = false;
    let mut asked = false;
    match machine.ask("nft", &["--json", "--terse", "list", "ruleset"], 20) {
        Ok(output) if output.code == Some(0) => {
            asked = true;
            if nft_filters(&output.text) {
                filters = true;
                protection.firewall_by.push("nftables".to_owned());
            }
        }
        Ok(output) => protection.unknown.push(format!("nft: {}; mend: run the helper unit", output.complaint)),
        Err(Outcome::Unknown { why }) => protection.unknown.push(why),
        Err(_) => {}
    }
    // The old tables, where the kernel has them, without nft: a table that is there has been used.
    let legacy =
        machine.text_if("/proc/net/ip_tables_names").is_some_and(|text| text.lines().any(|table| table == "filter"));
    if legacy {
        asked = true;
        filters = true;
        protection.firewall_by.push("iptables".to_owned());
    }
    // ufw and firewalld are front ends; they say who is responsible, and count only with what they wrote.
    if machine.text_if("/etc/ufw/ufw.conf").is_some_and(|text| text.lines().any(|line| line.trim() == "ENABLED=yes")) {
        protection.firewall_by.push("ufw".to_owned());
    }
    if super::process::names(machine).contains("firewalld") {
        protection.firewall_by.push("firewalld".to_owned());
    }
    protection.firewall = if asked || filters { Some(filters) } else { None };
    if !asked && protection.unknown.is_empty() {
        protection
            .unknown
            .push("firewall: neither nft nor /proc/net/ip_tables_names; mend: install nftables".to_owned());
    }
}

/// Whether a ruleset (nft --json) filters what comes in: a base chain at the hook input that drops by policy, or has a rule that
/// drops or rejects.
#[must_use]
pub fn nft_filters(json: &[u8]) -> bool {
    let Ok(ruleset) = serde_json::from_slice::<serde_json::Value>(json) else { return false };
    let objects = ruleset["nftables"].as_array().map_or(&[][..], Vec::as_slice);
    let inputs: Vec<(&str, &str)> = objects
        .iter()
        .map(|object| &object["chain"])
        .filter(|chain| chain["hook"] == "input" && chain["family"] != "netdev" && chain["family"] != "bridge")
        .filter_map(|chain| Some((chain["table"].as_str()?, chain["name"].as_str()?)))
        .collect();
    let drops_by_policy = objects
        .iter()
        .map(|object| &object["chain"])
        .any(|chain| chain["hook"] == "input" && chain["policy"] == "drop");
    let refuses = |rule: &serde_json::Value| {
        rule["expr"]
            .as_array()
            .is_some_and(|parts| parts.iter().any(|part| part.get("drop").is_some() || part.get("reject").is_some()))
    };
    let in_tables = |rule: &serde_json::Value| inputs.iter().any(|(table, _)| rule["table"] == *table);
    // A rule in a chain that an input chain jumps to counts as well, so the table decides.
    drops_by_policy || objects.iter().map(|object| &object["rule"]).any(|rule| in_tables(rule) && refuses(rule))
}

fn ports(machine: &Machine<'_>, protection: &mut Protection) {
    let mut sockets = Vec::new();
    for (file, protocol) in [("tcp", "tcp"), ("tcp6", "tcp"), ("udp", "udp"), ("udp6", "udp")] {
        // A machine without IPv6 has no tcp6; it is not unknown.
        if let Ok(text) = machine.table(&format!("/proc/net/{file}"), 8 << 20) {
            sockets.extend(parse_sockets(&String::from_utf8_lossy(&text), protocol));
        }
    }
    let programs = programs(machine, sockets.iter().map(|(_, _, inode)| *inode).collect());
    let mut listening: BTreeMap<String, Port> = BTreeMap::new();
    for (port, address, inode) in sockets {
        let entry = listening.entry(format!("{port} {address}")).or_insert_with(|| Port {
            port,
            address,
            program: String::new(),
        });
        if let Some(program) = programs.get(&inode) {
            entry.program.clone_from(program);
        }
    }
    protection.listening = listening.into_values().take(PORTS_MAX).collect();
    protection.listening.sort();
    protection.list_configured = machine.settings.ports_approved.is_some();
    if let Some(approved) = &machine.settings.ports_approved {
        let open: BTreeSet<&String> = protection.listening.iter().map(|port| &port.port).collect();
        protection.unapproved = open.into_iter().filter(|port| !approved.contains(port)).cloned().collect();
    }
}

/// Ports of `/proc/net/{tcp,udp}{,6}` that other machines may reach: protocol and port, address, inode.
#[must_use]
pub fn parse_sockets(text: &str, protocol: &str) -> Vec<(String, String, u64)> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, remote, state, inode) = (fields.get(1)?, fields.get(2)?, fields.get(3)?, fields.get(9)?);
            // TCP listens (0A); UDP is unconnected (07) and has no peer.
            let listens = if protocol == "tcp" { *state == "0A" } else { *state == "07" && remote.ends_with(":0000") };
            let (address, port) = local.rsplit_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            let address = address_of(address)?;
            // What a client asked from, or what only this host reaches, is nobody's door.
            let ephemeral = protocol == "udp" && port >= 32_768;
            (listens && !ephemeral && address != "loopback")
                .then(|| Some((format!("{protocol}/{port}"), address, inode.parse().ok()?)))?
        })
        .collect()
}

/// An address of `/proc/net`, which writes each 32 bits in the host's order; `*` for all, `loopback` for the host itself.
fn address_of(hex: &str) -> Option<String> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok().map(u32::swap_bytes);
    if hex.len() == 8 {
        let address = Ipv4Addr::from(word(0)?);
        return Some(if address.is_loopback() {
            "loopback".into()
        } else if address.is_unspecified() {
            "*".into()
        } else {
            address.to_string()
        });
    }
    let mut octets = [0; 16];
    for (place, octets) in octets.chunks_exact_mut(4).enumerate() {
        octets.copy_from_slice(&word(place * 8)?.to_be_bytes());
    }
    let address = Ipv6Addr::from(octets);
    let mapped = address.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback());
    Some(if address.is_loopback() || mapped {
        "loopback".into()
    } else if address.is_unspecified() {
        "*".into()
    } else {
        address.to_string()
    })
}

/// Which program holds which of these sockets. Without privilege only the agent's own are seen; the names are then left empty.
/// It looks no further once all are found: a host has thousands of open files.
fn programs(machine: &Machine<'_>, mut wanted: BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut programs = BTreeMap::new();
    for pid in machine.names("/proc").iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) {
        if wanted.is_empty() {
            break;
        }
        let mut name = None;
        for fd in machine.names(&format!("/proc/{pid}/fd")) {
            let Some(target) = machine.link_name(&format!("/proc/{pid}/fd/{fd}")) else { continue };
            let inode = target
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']'))
                .and_then(|inode| inode.parse().ok());
            if let Some(inode) = inode.filter(|inode| wanted.remove(inode)) {
                let name =
                    name.get_or_insert_with(|| machine.text_if(&format!("/proc/{pid}/comm")).unwrap_or_default());
                programs.insert(inode, name.clone());
            }
        }
    }
    programs
}

fn mandatory_access(machine: &Machine<'_>, protection: &mut Protection) {
    let lsm = machine.text_if("/sys/kernel/security/lsm").unwrap_or_default();
    if let Some(enforce) = machine.text_if("/sys/fs/selinux/enforce") {
        protection.mandatory_access = Some(enforce == "1");
        protection.mandatory_access_by = format!("SELinux {}", if enforce == "1" { "enforcing" } else { "permissive" });
    } else if machine.text_if("/sys/module/apparmor/parameters/enabled").as_deref() == Some("Y") {
        let profiles = machine.text_if("/sys/kernel/security/apparmor/profiles");
        let enforced = profiles.as_ref().map(|text| text.lines().filter(|line| line.ends_with("(enforce)")).count());
        protection.mandatory_access = enforced.map(|count| count > 0);
        protection.mandatory_access_by = match enforced {
            Some(count) => format!("AppArmor, {count} profiles enforced"),
            None => "AppArmor".to_owned(),
        };
        if enforced.is_none() {
            protection.unknown.push("AppArmor's profiles cannot be read; mend: run the helper unit".to_owned());
        }
    } else if machine.exists("/sys/kernel/security") && !lsm.is_empty() || machine.exists("/sys/module") {
        protection.mandatory_access = Some(false);
    }
}

/// Whether the root filesystem lies on dm-crypt, by the device-mapper names of `/sys/dev/block`.
fn disk_encrypted(machine: &Machine<'_>) -> Option<bool> {
    let mounts = machine.text_if("/proc/self/mountinfo")?;
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/"))?;
    let number = root.split(' ').nth(2)?;
    // Numbers of devices that are none (overlay, btrfs) begin with 0; nothing can be said of them.
    if number.starts_with("0:") {
        return None;
    }
    encrypted_below(machine, &format!("/sys/dev/block/{number}"), 0)
}

fn encrypted_below(machine: &Machine<'_>, device: &str, depth: u32) -> Option<bool> {
    if !machine.exists(device) || depth > 8 {
        return None;
    }
    if machine.text_if(&format!("{device}/dm/uuid")).is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return Some(true);
    }
    let below = machine.names(&format!("{device}/slaves"));
    if below.is_empty() {
        return Some(false);
    }
    Some(below.iter().all(|name| encrypted_below(machine, &format!("{device}/slaves/{name}"), depth + 1) == Some(true)))
}

/// The last byte of the EFI variable; without EFI there is none, and it is off.
fn secure_boot(machine: &Machine<'_>) -> Option<bool> {
    if !machine.exists("/sys/firmware/efi") {
        return machine.exists("/sys/firmware").then_some(false);
    }
    let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    machine.bytes(variable, 64).ok()?.last().map(|value| *value == 1)
}

/// sshd_config(5): the first value of a keyword counts, files of Include before what follows; blocks of Match are left out.
fn ssh(machine: &Machine<'_>, protection: &mut Protection) {
    const MAIN: &str = "/etc/ssh/sshd_config";
    let main = match machine.text(MAIN) {
        Ok(text) => text,
        Err(error) if error.is_absent() => return,
        Err(error) => {
            protection.unknown.push(error.to_string());
            return;
        }
    };
    let mut text = String::new();
    for line in main.lines() {
        if line.trim().to_lowercase().starts_with("include") {
            for name in machine.names("/etc/ssh/sshd_config.d").iter().filter(|name| name.ends_with(".conf")) {
                text += &machine.text_if(&format!("/etc/ssh/sshd_config.d/{name}")).unwrap_or_default();
                text.push('\n');
            }
        }
        text += line;
        text.push('\n');
    }
    let value = |keyword: &str| ssh_value(&text, keyword);
    protection.ssh_root = Some(value("permitrootlogin").is_some_and(|value| value == "yes"));
    // Both ways of typing a password; what is not said is yes (sshd's default).
    let password = value("passwordauthentication").is_none_or(|value| value == "yes");
    let keyboard = value("kbdinteractiveauthentication").or_else(|| value("challengeresponseauthentication"));
    protection.ssh_password = Some(password || keyboard.is_none_or(|value| value == "yes"));
}

fn ssh_value(text: &str, keyword: &str) -> Option<String> {
    for line in text.lines().map(str::trim) {
        let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        let key = words.next().unwrap_or("").to_lowercase();
        if key == "match" {
            return None;
        }
        if key == keyword {
            return words.next().map(|word| word.trim_matches('"').to_lowercase());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n\
        1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0\n\
        2: 0500000A:0016 0900000A:C001 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n\
        3: 0500000A:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0 100 0 0 10 0\n";

    #[test]
    fn what_listens_to_others_and_what_is_new() {
        let mut captured = Captured::new(&[("/proc/net/tcp", TCP), ("/sys/module/x", "")]);
        captured.settings.ports_approved = Some(vec!["tcp/22".into()]);
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        let protection: Protection = found.read();
        let listening: Vec<(&str, &str)> =
            protection.listening.iter().map(|p| (p.port.as_str(), p.address.as_str())).collect();
        assert_eq!(listening, [("tcp/22", "*"), ("tcp/5432", "10.0.0.5")]);
        assert_eq!((protection.unapproved.as_slice(), found.events.len()), (&["tcp/5432".to_owned()][..], 0));
        assert!(found.number("protect.firewall", "").is_nan(), "nobody could be asked");
        captured.memo = found.memo;
        captured.write("/proc/net/tcp6", b"x\n 0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 9 1\n 1: \
            00000000000000000000000001000000:0051 0:0000 0A 0:0 0:0 0 0 0 9 1\n");
        let again = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(again.events.iter().map(|event| event.fields["port"].as_str()).collect::<Vec<_>>(), ["tcp/80"]);
    }

    #[test]
    fn a_ruleset_filters_when_something_is_refused() {
        let chain =
            r#"{"chain":{"family":"inet","table":"filter","name":"input","hook":"input","prio":0,"policy":"accept"}}"#;
        let with = |more: &str| format!(r#"{{"nftables":[{{"metainfo":{{}}}},{chain}{more}]}}"#);
        assert!(!nft_filters(with("").as_bytes()), "accepts everything");
        assert!(nft_filters(with("").replace("accept", "drop").as_bytes()));
        assert!(nft_filters(
            with(r#",{"rule":{"table":"filter","chain":"input","expr":[{"match":{}},{"reject":null}]}}"#).as_bytes()
        ));
        assert!(!nft_filters(with(r#",{"rule":{"table":"nat","chain":"x","expr":[{"drop":null}]}}"#).as_bytes()));
        assert!(!nft_filters(b"{}") && !nft_filters(b"rubbish"));
    }

    #[test]
    fn the_rest_from_its_files() {
        let captured = Captured::new(&[
            (
                "/etc/ssh/sshd_config",
                "Include /etc/ssh/sshd_config.d/*.conf\n#PermitRootLogin yes\nPermitRootLogin yes\nKbdInteractiveAuthentication no\nMatch User x\n PasswordAuthentication yes\n",
            ),
            ("/etc/ssh/sshd_config.d/50-cloud.conf", "PasswordAuthentication no\n"),
            ("/sys/module/apparmor/parameters/enabled", "Y\n"),
            ("/sys/kernel/security/apparmor/profiles", "a (enforce)\nb (complain)\n"),
            ("/proc/self/mountinfo", "22 1 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n"),
            ("/sys/dev/block/253:1/dm/uuid", "LVM-x\n"),
            ("/sys/dev/block/253:1/slaves/dm-0/dm/uuid", "CRYPT-LUKS2-x\n"),
        ]);
        captured.write("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &[6, 0, 0, 0, 1]);
        captured.says("nft", &["--json", "--terse", "list", "ruleset"], 0, r#"{"nftables":[]}"#);
        let protection: Protection = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read").read();
        assert_eq!((protection.ssh_root, protection.ssh_password), (Some(true), Some(false)));
        assert_eq!(
            (protection.mandatory_access, protection.disk_encrypted, protection.secure_boot),
            (Some(true), Some(true), Some(true))
        );
        assert_eq!(protection.firewall, Some(false), "asked, and nothing filters");
    }
}
