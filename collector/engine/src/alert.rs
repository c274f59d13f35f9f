//! Which of our devices another system speaks of, and since when: what comes from outside is held against what is registered (articles 5.2, 6.2).
//!
//! Pure. Called by the engine, and by whatever takes in others' words. A name is believed because a device has it, never because it is
//! spelled well: exporters call network cards, disks and filesystems `device`.

use std::collections::HashMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::DeviceInfo;

/// Labels that name a machine, the surest first.
const OF_MACHINES: [&str; 20] = [
    "instance",
    "host",
    "hostname",
    "host_name",
    "nodename",
    "node",
    "kubernetes_node",
    "server",
    "machine",
    "computer",
    "target",
    "exported_instance",
    "exported_host",
    "exported_node",
    "fqdn",
    "address",
    "ip",
    "agent",
    "sensor",
    "device",
];
/// Labels that say what an alert is, and not of what.
const OF_ALERTS: [&str; 17] = [
    "alertname",
    "severity",
    "priority",
    "job",
    "service",
    "team",
    "env",
    "environment",
    "cluster",
    "namespace",
    "prometheus",
    "receiver",
    "mountpoint",
    "fstype",
    "interface",
    "name",
    "type",
];
/// Names that every machine has for itself.
const OF_ITSELF: [&str; 5] = ["localhost", "localhost.localdomain", "127.0.0.1", "::1", "0.0.0.0"];
/// Names that one alert is looked up by.
const NAMES_MAX: usize = 64;
/// Longest name that is looked up, bytes.
const NAME_MAX_BYTES: usize = 256;
/// How far another system's clock may be ahead, milliseconds.
pub const AHEAD_MS: i64 = 300_000;
/// Nothing that is watched today is bad since before this: 1 January 2000. Zero times of every system lie before it.
const EARLIEST: Timestamp = Timestamp::from_millis(946_684_800_000);

/// A moment as another system tells it; `now` where it tells one that cannot be, as Go's zero time (year 1), the epoch, or what is to come.
#[must_use]
pub fn believable(moment: Timestamp, now: Timestamp) -> Timestamp {
    if moment < EARLIEST || moment.millis_since(now) > AHEAD_MS { now } else { moment.min(now) }
}

/// The names that an alert's labels give, the surest first.
#[must_use]
pub fn names(labels: &HashMap<String, String>) -> Vec<String> {
    let rank = |label: &str| OF_MACHINES.iter().position(|one| *one == label);
    // `device` is a machine's name less often than any label that nobody knows.
    let last = OF_MACHINES.len();
    let mut ranked: Vec<(usize, &str, &str)> = labels
        .iter()
        .filter(|(label, _)| !OF_ALERTS.contains(&label.to_lowercase().as_str()))
        .map(|(label, value)| {
            let rank = match rank(&label.to_lowercase()) {
                Some(at) if at + 1 == last => last + 1,
                Some(at) => at,
                None => last,
            };
            (rank, label.as_str(), value.as_str())
        })
        .collect();
    ranked.sort_unstable();
    let mut found: Vec<String> = Vec::new();
    for (_, _, value) in ranked {
        for name in spellings(value) {
            if found.len() < NAMES_MAX && !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// What a value may name: itself, the host of an address, and the first part of a whole domain name.
fn spellings(value: &str) -> Vec<String> {
    let value = value.trim().to_lowercase();
    if value.is_empty() || value.len() > NAME_MAX_BYTES {
        return Vec::new();
    }
    let host = host_of(&value);
    let mut found = vec![value.clone()];
    if let Some(host) = host {
        let is_number = host.parse::<core::net::IpAddr>().is_ok();
        let short = host.split('.').next().filter(|short| !is_number && short.len() < host.len()).map(str::to_owned);
        found.push(host);
        found.extend(short);
    }
    found.retain(|name| !name.is_empty() && !OF_ITSELF.contains(&name.as_str()));
    found.dedup();
    found
}

/// The host of `host`, `host:port`, `[v6]:port` or `scheme://user@host:port/path`.
fn host_of(value: &str) -> Option<String> {
    // A path, as /dev/sda1, is no host.
    if value.starts_with('/') {
        return None;
    }
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit('@').next().unwrap_or_default();
    if let Some(v6) = rest.strip_prefix('[') {
        return v6.split_once(']').map(|(host, _)| host.to_owned());
    }
    if rest.parse::<core::net::Ipv6Addr>().is_ok() {
        return Some(rest.to_owned());
    }
    let host = rest.split(':').next().unwrap_or_default().trim_end_matches('.');
    (!host.is_empty()).then(|| host.to_owned())
}

/// What a name of a device is, the surest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NameKind {
    Identifier,
    Name,
    Label,
    Address,
}

/// DeviceNames devices by everything they are called. What two are called names neither.
#[derive(Debug, Default)]
pub struct DeviceNames(HashMap<String, (NameKind, Option<DeviceId>)>);

impl DeviceNames {
    /// Of these devices. An identifier counts before a name, a name before a label, a label before an address.
    #[must_use]
    pub fn new<'d>(devices: impl Iterator<Item = &'d DeviceInfo>) -> Self {
        let mut found: HashMap<String, (NameKind, Option<DeviceId>)> = HashMap::new();
        for info in devices {
            let address = host_of(&info.address.to_lowercase()).unwrap_or_default();
            let called = [
                (NameKind::Identifier, info.id.as_str()),
                (NameKind::Name, &info.name),
                (NameKind::Label, &info.label),
                (NameKind::Address, &address),
            ];
            for (kind, name) in called {
                let name = name.trim().to_lowercase();
                if name.is_empty() || (kind != NameKind::Identifier && OF_ITSELF.contains(&name.as_str())) {
                    continue;
                }
                match found.get_mut(&name) {
                    Some((best, _)) if *best < kind => {}
                    Some((best, id)) if *best == kind => {
                        if id.as_ref() != Some(&info.id) {
                            *id = None;
                        }
                    }
                    _ => {
                        found.insert(name, (kind, Some(info.id.clone())));
                    }
                }
            }
        }
        Self(found)
    }

    /// The device that the first of these names that any has is for.
    #[must_use]
    pub fn find(&self, names: &[String]) -> Option<&DeviceId> {
        names.iter().find_map(|name| self.0.get(name).and_then(|(_, id)| id.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_judge::DeviceKind;

    fn registered() -> DeviceNames {
        let device = |id: &str, name: &str| {
            DeviceInfo::new(DeviceId::new(id).unwrap_or_else(|e| panic!("{e}")), DeviceKind::Server, name)
        };
        let mut one = device("srv-01", "Máy chủ 01");
        one.label = "TS-0001".to_owned();
        one.address = "10.0.0.5".to_owned();
        let mut two = device("srv-02", "db.example.test");
        two.address = "2001:db8::2".to_owned();
        let devices = [one, two, device("srv-03", "twin"), device("srv-04", "twin")];
        DeviceNames::new(devices.iter())
    }

    #[test]
    fn a_device_is_whatever_is_registered_and_not_what_is_spelled_well() {
        let registered = registered();
        let find = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
            registered.find(&names(&labels)).map(|id| id.as_str().to_owned())
        };
        let is = |id: &str| Some(id.to_owned());
        // node_exporter's labels, as in field case 22.
        for device in ["eth0", "tmpfs", "/dev/sda1", "sda", "nvme0n1", "srv-02"] {
            assert_eq!(find(&[("device", device), ("instance", "srv-01:9100")]), is("srv-01"), "{device}");
        }
        // Every way to say who.
        for (label, value, id) in [
            ("device", "srv-02", "srv-02"),
            ("instance", "SRV-01.example.test:9100", "srv-01"),
            ("instance", "10.0.0.5:9100", "srv-01"),
            ("instance", "10.0.0.5", "srv-01"),
            ("instance", "[2001:db8::2]:9100", "srv-02"),
            ("instance", "2001:db8::2", "srv-02"),
            ("instance", "https://db.example.test:8443/health?x=1", "srv-02"),
            ("nodename", "srv-01", "srv-01"),
            ("asset", "ts-0001", "srv-01"),
            ("host", "Máy chủ 01", "srv-01"),
        ] {
            assert_eq!(find(&[(label, value)]), is(id), "{label}={value}");
        }
        // Whoever relays an alert is not whom it is about, where it says so.
        assert_eq!(find(&[("instance", "localhost:9100"), ("hostname", "srv-02")]), is("srv-02"));
        assert_eq!(find(&[("instance", "gateway:9091"), ("node", "srv-02"), ("device", "eth0")]), is("srv-02"));
        for labels in [
            &[("device", "eth0")][..],
            &[("instance", "unknown:9100"), ("device", "/dev/sda1")],
            &[("instance", "twin:9100")],
            &[("alertname", "srv-01"), ("job", "srv-02")],
            &[("instance", "10.0.0.50:9100")],
            &[],
        ] {
            assert_eq!(find(labels), None, "{labels:?}");
        }
    }

    #[test]
    fn times_that_cannot_be_are_now() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap_or_else(|e| panic!("{e}"));
        let now = moment("2026-11-28T04:00:00Z");
        for text in ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2026-11-28T04:05:01Z"] {
            assert_eq!(believable(moment(text), now), now, "{text}");
        }
        assert_eq!(believable(moment("2026-11-28T04:04:59Z"), now), now, "a clock that is a little ahead");
        assert_eq!(believable(moment("2026-11-27T00:00:00+07:00"), now), moment("2026-11-26T17:00:00Z"));
    }
}
