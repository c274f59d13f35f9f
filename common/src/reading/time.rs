//! Whether the clock follows a source of time (article 17.3).

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, flag};
use crate::clock::Timestamp;

/// Whether the clock follows a source of time (article 17.3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeSync {
    /// Who keeps the clock: `chrony`, `systemd-timesyncd`, `ntpd`; empty when none does.
    pub by: String,
    /// It is synchronised.
    pub synchronised: Option<bool>,
    /// With which source.
    pub source: String,
    /// Offset to that source, milliseconds. A number only.
    #[serde(skip)]
    pub offset_ms: Option<f64>,
    /// What is not known of it, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Findings for TimeSync {
    const PROBE: ProbeInfo = ProbeInfo::survey("time", 30 * MINUTE_S, &["time."]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        sink.put("time.synchronised", "", flag(self.synchronised));
        sink.put("time.offset", "", self.offset_ms.map_or(f64::NAN, f64::abs));
    }
}
