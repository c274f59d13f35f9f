//! Services of systemd (article 5.1a: what people rely on runs).

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, flag};
use crate::clock::Timestamp;

/// Units that failed, and the configured services.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Services {
    /// Units in the state *failed*.
    pub failed: Vec<String>,
    /// The services that should run (`[services] up`).
    pub watched: Vec<Service>,
    /// What is not known or not listed, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One watched service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Name of the systemd unit, with its ending.
    pub unit: String,
    /// It runs; none where systemd does not know it.
    pub up: Option<bool>,
    /// State and sub-state: `active/running`.
    pub state: String,
    /// How often systemd restarted it.
    pub restarts: Option<u64>,
}

impl Findings for Services {
    const PROBE: ProbeInfo = ProbeInfo::survey("services", 5 * MINUTE_S, &["service."])
        .members(&[("/watched", &["unit"])])
        .volatile(&["/watched/*/restarts"]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        sink.put("service.failed", "", self.failed.len() as f64);
        for service in &self.watched {
            sink.put("service.up", &service.unit, flag(service.up));
            sink.put("service.restarts", &service.unit, service.restarts.map_or(f64::NAN, |count| count as f64));
        }
    }
}
