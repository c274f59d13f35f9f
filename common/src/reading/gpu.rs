//! Graphics processors.

use serde::{Deserialize, Serialize};

use super::probe_info::MINUTE_S;
use super::{Findings, ProbeInfo, Sink, brief};
use crate::clock::Timestamp;

/// Graphics processors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpus {
    /// Of NVIDIA by `nvidia-smi`, of AMD by sysfs.
    pub gpus: Vec<Gpu>,
    /// Cards that did not tell, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// A graphics processor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// Bus address or index.
    pub id: String,
    /// Model, as the driver reports it.
    pub model: String,
    /// Driver and its version.
    pub driver: String,
    /// Serial number.
    pub serial: String,
    /// Memory, bytes.
    pub memory: Option<u64>,
    /// Errors of its memory that could not be corrected.
    pub uncorrected_errors: Option<u64>,
    /// Numbers only: temperature °C, busy %, memory used %, fan %, power W.
    #[serde(skip)]
    pub now: [Option<f64>; 5],
}

impl Findings for Gpus {
    const PROBE: ProbeInfo = ProbeInfo::survey("gpu", 5 * MINUTE_S, &["gpu."])
        .members(&[("/gpus", &["id"])])
        .volatile(&["/gpus/*/uncorrected_errors"]);

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        for gpu in &self.gpus {
            let metrics = ["gpu.temperature", "gpu.busy", "gpu.memory_used_pct", "gpu.fan", "gpu.power"];
            for (metric, value) in metrics.into_iter().zip(gpu.now) {
                sink.put(metric, &gpu.id, value.map_or(f64::NAN, brief));
            }
            sink.put("gpu.errors", &gpu.id, gpu.uncorrected_errors.map_or(f64::NAN, |count| count as f64));
        }
    }
}
