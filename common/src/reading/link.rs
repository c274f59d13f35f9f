//! Links of the network beyond their counters.

use super::{ProbeInfo, Reading, Sink};

/// Interfaces that have a plug, and bonds, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkLinks(pub Vec<NetworkLink>);

/// One of them. What is none is not told of it; NaN is what is not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkLink {
    /// Name, such as `eth0`.
    pub name: String,
    /// How often its carrier came or went, per second; NaN at the first reading.
    pub carrier_changes: Option<f64>,
    /// 1 in full duplex, 0 in half.
    pub full_duplex: Option<f64>,
    /// Of a bond, how many members carry nothing.
    pub bond_missing: Option<f64>,
}

impl Reading for NetworkLinks {
    const PROBE: ProbeInfo = ProbeInfo::sampled("link", &["net.carrier", "net.full", "net.bond"]);

    fn emit(&self, sink: &mut dyn Sink) {
        for link in &self.0 {
            let told = [
                ("net.carrier_changes", link.carrier_changes),
                ("net.full_duplex", link.full_duplex),
                ("net.bond_missing", link.bond_missing),
            ];
            for (metric, value) in told {
                if let Some(value) = value {
                    sink.put(metric, &link.name, value);
                }
            }
        }
    }
}
