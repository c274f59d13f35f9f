//! The inside of the machine: sensors, memory errors, power supplies, management controller, graphics.

use serde::{Deserialize, Serialize};

use super::{Reading, Sink, brief};
use crate::clock::Timestamp;
use crate::document::{Findings, flag};

/// One sensor of hwmon or of a thermal zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Chip and label: `coretemp Package id 0`.
    pub name: String,
    /// What it measures.
    pub kind: SensorKind,
    /// The value: °C, rpm, V, W; none where it cannot be read or is beyond what can be.
    pub value: Option<f64>,
    /// The sensor's own limits: beyond them is bad.
    pub low: Option<f64>,
    /// Upper limit, the critical one where there is one.
    pub high: Option<f64>,
    /// The chip's own alarm or fault flag.
    pub alarm: Option<bool>,
}

/// What a sensor measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensorKind {
    /// °C.
    Temperature,
    /// Revolutions per minute.
    Fan,
    /// Volt.
    Voltage,
    /// Watt.
    Power,
}

/// All sensors, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sensors(pub Vec<Sensor>);

impl Reading for Sensors {
    fn emit(&self, sink: &mut dyn Sink) {
        for sensor in &self.0 {
            let metric = match sensor.kind {
                SensorKind::Temperature => "sensor.temperature",
                SensorKind::Fan => "sensor.fan",
                SensorKind::Voltage => "sensor.voltage",
                SensorKind::Power => "sensor.power",
            };
            sink.put(metric, &sensor.name, sensor.value.map_or(f64::NAN, brief));
            if let (SensorKind::Temperature, Some(high)) = (sensor.kind, sensor.high) {
                sink.put("sensor.headroom", &sensor.name, sensor.value.map_or(f64::NAN, |value| brief(high - value)));
            }
            if sensor.alarm.is_some() || sensor.low.is_some() {
                let beyond = sensor.value.map(|value| {
                    sensor.low.is_some_and(|low| value < low)
                        || sensor.kind != SensorKind::Temperature && sensor.high.is_some_and(|high| value > high)
                });
                let bad = match (sensor.alarm, beyond) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (None, None) => None,
                    _ => Some(false),
                };
                sink.put("sensor.alarm", &sensor.name, flag(bad));
            }
        }
    }
}

/// Memory errors by EDAC, by memory controller.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemoryErrors(pub Vec<(String, u64, u64)>);

impl Reading for MemoryErrors {
    fn emit(&self, sink: &mut dyn Sink) {
        for (controller, corrected, uncorrected) in &self.0 {
            sink.put("memory.corrected_errors", controller, *corrected as f64);
            sink.put("memory.uncorrected_errors", controller, *uncorrected as f64);
        }
    }
}

/// Errors that x86 processors report of themselves, counted since boot over all of them; none where the kernel counts none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MachineChecks {
    /// Exceptions: nothing could correct it.
    pub exceptions: Option<u64>,
    /// Interrupts for errors that were corrected, often enough that the processor says so.
    pub thresholds: Option<u64>,
    /// Interrupts for errors that are found now and hurt when they are used (AMD).
    pub deferred: Option<u64>,
}

impl Findings for MachineChecks {
    const NAME: &'static str = "mce";

    fn numbers(&self, _: Timestamp, sink: &mut dyn Sink) {
        let count = |count: Option<u64>| count.map_or(f64::NAN, |count| count as f64);
        sink.put("cpu.machine_checks", "", count(self.exceptions));
        sink.put("cpu.corrected_errors", "", count(self.thresholds));
        sink.put("cpu.deferred_errors", "", count(self.deferred));
    }
}

/// Power supplies and batteries of `/sys/class/power_supply`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerSupplies(pub Vec<PowerSupply>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerSupply {
    /// Kernel name, such as `BAT0`.
    pub name: String,
    /// It is a battery.
    pub battery: bool,
    /// Mains: it delivers.
    pub online: Option<bool>,
    /// Battery: charge, %.
    pub charge_pct: Option<f64>,
    /// Battery: full charge against the designed one, %.
    pub health_pct: Option<f64>,
}

impl Reading for PowerSupplies {
    fn emit(&self, sink: &mut dyn Sink) {
        for supply in &self.0 {
            if supply.battery {
                sink.put("battery.charge", &supply.name, supply.charge_pct.unwrap_or(f64::NAN));
                sink.put("battery.health", &supply.name, supply.health_pct.map_or(f64::NAN, brief));
            } else {
                sink.put("power.online", &supply.name, flag(supply.online));
            }
        }
    }
}

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
    /// What could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Findings for Ipmi {
    const NAME: &'static str = "ipmi";

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

/// Graphics processors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpus {
    /// The processors.
    pub gpus: Vec<Gpu>,
    /// What could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Gpu {
    /// Bus address or index.
    pub id: String,
    /// Model.
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
    const NAME: &'static str = "gpu";

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

/// Processes, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processes {
    /// All.
    pub total: u64,
    /// Ended, and nobody has asked for their result.
    pub zombies: u64,
    /// Waiting for a device and not to be interrupted.
    pub stuck: u64,
}

impl Reading for Processes {
    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("process.count", "", self.total as f64);
        sink.put("process.zombies", "", self.zombies as f64);
        sink.put("process.stuck", "", self.stuck as f64);
    }
}

/// Storage on USB that is attached now (article 5.1c), by kernel name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbStorage {
    /// What somebody plugged in.
    pub plugged: Vec<String>,
    /// What the management controller shows, with a medium, and what is built in.
    pub own: Vec<String>,
}

impl Reading for UsbStorage {
    fn emit(&self, sink: &mut dyn Sink) {
        sink.put("usb.storage", "", self.plugged.len() as f64);
        sink.put("usb.virtual", "", self.own.len() as f64);
    }
}

/// Network filesystems: whether the server answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RemoteMounts(pub Vec<RemoteMount>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RemoteMount {
    /// Where it is mounted.
    pub mount: String,
    /// It answered within the deadline.
    pub answers: bool,
    /// Size, available and used bytes, while it answers.
    pub space: Option<(u64, u64, u64)>,
}

impl Reading for RemoteMounts {
    fn emit(&self, sink: &mut dyn Sink) {
        for mount in &self.0 {
            sink.put("mount.answers", &mount.mount, f64::from(u8::from(mount.answers)));
            let used = mount.space.filter(|(_, available, used)| available + used > 0);
            let used =
                used.map_or(f64::NAN, |(_, available, used)| brief(used as f64 / (used + available) as f64 * 100.0));
            sink.put("fs.used_pct", &mount.mount, used);
            let space =
                |pick: fn((u64, u64, u64)) -> u64| mount.space.map_or(f64::NAN, |space| brief(pick(space) as f64));
            sink.put("fs.size", &mount.mount, space(|(size, _, _)| size));
            sink.put("fs.available", &mount.mount, space(|(_, available, _)| available));
        }
    }
}
