//! Network interfaces, from `/proc/net/dev` and `/sys/class/net` (article 5.1a).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ioc_common::reading::{Interface, Network, Reading, Sink};

use super::{Probe, ProbeOutcome, SampleContext, missing, rate, text};
use crate::bounded_io::{KeptFile, read_attribute};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Network::PROBE,
    every_n: 1,
    comes_with_driver: false,
    new: |root| Box::new(NetworkProbe::new(root)),
    captured: CapturedFiles::whole(&["/proc/net/dev", "/sys/class/net/*/operstate", "/sys/class/net/*/speed"]),
    card: Card {
        article: "5.1a",
        vi: "Lưu lượng, lỗi, băng thông từng giao diện",
        en: "Traffic, errors, use of each interface",
        reads: "`/proc/net/dev`, `/sys/class/net`",
        cost: "0.02 ms",
    },
};

/// Most interfaces that are reported: a host of containers has hundreds that come and go.
const INTERFACES_MAX: usize = 64;
/// Link state and speed change seldom; they are read every this many samples.
const LINK_EVERY_SAMPLES: u32 = 6;

/// Bytes, packets, errors, drops: received, then sent.
pub type InterfaceCounters = [u64; 8];

/// Reads one line of `/proc/net/dev`.
#[must_use]
pub fn parse_line(line: &str) -> Option<(&str, InterfaceCounters)> {
    let (name, rest) = line.split_once(':')?;
    let mut numbers = [0_u64; 12];
    let mut words = rest.split_ascii_whitespace();
    for number in &mut numbers {
        *number = words.next()?.parse().ok()?;
    }
    let [rx_bytes, rx_packets, rx_errors, rx_dropped, _, _, _, _, tx_bytes, tx_packets, tx_errors, tx_dropped] =
        numbers;
    let name = name.trim();
    (!name.is_empty())
        .then_some((name, [rx_bytes, rx_packets, rx_errors, rx_dropped, tx_bytes, tx_packets, tx_errors, tx_dropped]))
}

/// Interfaces that stand for one container or virtual machine each: watched from inside, not here.
fn is_guest_end(name: &str) -> bool {
    name == "lo"
        || ["veth", "tap", "vnet", "cali", "lxc", "fwbr", "fwln", "fwpr"].iter().any(|prefix| name.starts_with(prefix))
}

#[derive(Debug, Default)]
struct KnownInterface {
    before: Option<InterfaceCounters>,
    up: Option<bool>,
    speed_mbit: Option<f64>,
}

/// Remembers the counters of each interface, from which rates come.
#[derive(Debug)]
pub struct NetworkProbe {
    root: PathBuf,
    dev: KeptFile,
    known: HashMap<String, KnownInterface>,
    samples: u32,
}

impl NetworkProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        // A captured machine has /proc/net/dev as a file; a live one through the reader's own process, the same content.
        Self {
            root: root.to_owned(),
            dev: KeptFile::of_short_lines(root, "/proc/net/dev"),
            known: HashMap::new(),
            samples: 0,
        }
    }
}

fn link(root: &Path, name: &str) -> (Option<bool>, Option<f64>) {
    let read = |file: &str| read_attribute(root, &format!("/sys/class/net/{name}/{file}")).ok();
    let up = match read("operstate").as_deref() {
        Some("up") => Some(true),
        Some("unknown") => read("carrier").map(|carrier| carrier == "1"),
        Some(_) => Some(false),
        None => None,
    };
    let speed = read("speed").and_then(|speed| speed.parse::<f64>().ok()).filter(|speed| *speed > 0.0);
    (up, speed)
}

impl Probe for NetworkProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let bytes = match self.dev.read(context.buffer) {
            Ok(bytes) => bytes,
            Err(error) => return missing(&error),
        };
        let refresh = self.samples.is_multiple_of(LINK_EVERY_SAMPLES);
        self.samples = self.samples.wrapping_add(1);
        let mut network = Network::default();
        for (name, counters) in text(bytes).lines().filter_map(parse_line) {
            if is_guest_end(name) || network.0.len() >= INTERFACES_MAX {
                continue;
            }
            let fresh = !self.known.contains_key(name);
            let known = self.known.entry(name.to_owned()).or_default();
            if fresh || refresh {
                (known.up, known.speed_mbit) = link(&self.root, name);
            }
            let rates = known.before.zip(context.elapsed_s).and_then(|(before, elapsed_s)| {
                let mut rates = [0.0; 8];
                for place in 0..8 {
                    rates[place] = rate(counters[place], before[place], elapsed_s)?;
                }
                Some(rates)
            });
            known.before = Some(counters);
            network.0.push(Interface { name: name.to_owned(), rates, up: known.up, speed_mbit: known.speed_mbit });
        }
        if network.0.is_empty() {
            return ProbeOutcome::Absent { why: "/proc/net/dev names no interface but the loopback".to_owned() };
        }
        network.0.sort_by(|a, b| a.name.cmp(&b.name));
        network.emit(sink);
        ProbeOutcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_one_interface() {
        let line = "  eth0: 100 2 3 4 0 0 0 0 500 6 7 8 0 0 0 0";
        assert_eq!(parse_line(line), Some(("eth0", [100, 2, 3, 4, 500, 6, 7, 8])));
        assert_eq!(parse_line(" face |bytes packets"), None);
        assert_eq!(parse_line("eth0: 1 2 x"), None);
        assert!(is_guest_end("lo") && is_guest_end("veth12ab") && !is_guest_end("eth0"));
    }
}
