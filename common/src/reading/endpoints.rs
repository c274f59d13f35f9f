//! Endpoints outside the host (article 5.1a).

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, brief, days};
use crate::clock::Timestamp;

/// Configured endpoints (article 5.1a).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoints {
    /// One for each `[[endpoint]]` of the configuration and of what the collector gave.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Endpoint {
    /// Its name in the configuration.
    pub name: String,
    /// `tcp`, `https`, `dns` or `icmp`, and the address.
    pub target: String,
    /// It answered.
    pub up: bool,
    /// Why it is not reachable; empty when it is.
    pub error: String,
    /// HTTP status.
    pub status: Option<u16>,
    /// When its certificate ends.
    pub certificate_until: Option<Timestamp>,
    /// How long it took, milliseconds. A number only.
    #[serde(skip)]
    pub took_ms: Option<f64>,
}

impl Findings for Endpoints {
    const PROBE: ProbeInfo = ProbeInfo::survey("endpoints", MINUTE_S, &["endpoint."])
        .sharing(&["cert."])
        .members(&[("/endpoints", &["name"])]);

    fn numbers(&self, now: Timestamp, sink: &mut dyn Sink) {
        for endpoint in &self.endpoints {
            sink.put("endpoint.up", &endpoint.name, f64::from(u8::from(endpoint.up)));
            sink.put("endpoint.time", &endpoint.name, endpoint.took_ms.map_or(f64::NAN, brief));
            if let Some(until) = endpoint.certificate_until {
                sink.put("cert.days", &endpoint.name, -days(now, until));
            }
        }
    }
}
