//! What the management controller (IPMI) tells.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, brief};
use crate::clock::Timestamp;

/// What the management controller (IPMI) tells.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ipmi {
    /// Sensors that are not well: name and state.
    pub bad: Vec<String>,
    /// Power supplies: name and whether it is well; empty where the controller says nothing of them.
    pub supplies: Vec<(String, bool)>,
    /// The newest entries of its event log.
    pub events: Vec<String>,
    /// Numbers: name, unit, value. Numbers only.
    #[serde(skip)]
    pub values: Vec<(String, String, f64)>,
    /// What the controller did not answer, or answered in words that are not understood.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Findings for Ipmi {
    const PROBE: ProbeInfo = ProbeInfo::survey("ipmi", 10 * MINUTE_S, &["ipmi."]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        sink.put("ipmi.bad", "", self.bad.len() as f64);
        let failed = self.supplies.iter().filter(|(_, well)| !well).count() as f64;
        // Supplies of which nothing is said are not supplies that are well.
        sink.put("ipmi.supplies_failed", "", if self.supplies.is_empty() { f64::NAN } else { failed });
        for (name, unit, value) in &self.values {
            let metric = match unit.as_str() {
                "degrees C" => "ipmi.temperature",
                "RPM" => "ipmi.fan",
                "Volts" => "ipmi.voltage",
                "Watts" => "ipmi.power",
                _ => continue,
            };
            sink.put(metric, name, brief(*value));
        }
    }
}
