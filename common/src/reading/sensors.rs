//! Temperatures, fans, voltages.

use super::{ProbeInfo, Reading, Sink, brief, flag};

/// One sensor of hwmon or of a thermal zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Chip and label: `coretemp Package id 0`.
    pub name: String,
    /// Its quantity, which decides unit and metric.
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
    /// Volts.
    Voltage,
    /// Watts.
    Power,
}

/// All sensors, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sensors(pub Vec<Sensor>);

impl Reading for Sensors {
    const PROBE: ProbeInfo = ProbeInfo::sampled("sensors", &["sensor."]);

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
