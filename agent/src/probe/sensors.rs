//! Temperatures, fans, voltages and power of hwmon (Documentation/hwmon/sysfs-interface), and thermal zones where there is no hwmon.
//!
//! A sensor's own limits come first (lesson 14). What no sensor can measure is no value: chips without a probe attached say
//! -128 °C or 255 °C.

use std::path::{Path, PathBuf};

use ioc_common::reading::{Reading as _, Sensor, SensorKind, Sensors, Sink};

use super::{Context, Outcome, Probe, text};
use crate::source::{KeptFile, names_in, read_text};

/// Most sensors that are reported.
const SENSORS_MAX: usize = 128;

#[derive(Debug)]
struct Known {
    sensor: Sensor,
    scale: f64,
    input: KeptFile,
    alarms: Vec<KeptFile>,
}

/// The probe.
#[derive(Debug)]
pub struct SensorsProbe {
    root: PathBuf,
    known: Option<Vec<Known>>,
    chips: Vec<String>,
    why: String,
}

impl SensorsProbe {
    /// Reads below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: None, chips: Vec::new(), why: String::new() }
    }

    fn find(&self, chips: &[String]) -> Vec<Known> {
        let mut known: Vec<Known> = chips.iter().flat_map(|chip| self.chip(chip)).collect();
        if known.iter().all(|one| one.sensor.kind != SensorKind::Temperature) {
            known.extend(self.zones());
        }
        // Two chips of one name (two processors) are told apart by their number.
        let names: Vec<String> = known.iter().map(|one| one.sensor.name.clone()).collect();
        for (place, one) in known.iter_mut().enumerate() {
            let before = names[..place].iter().filter(|name| **name == names[place]).count();
            if before > 0 {
                one.sensor.name = format!("{} #{}", names[place], before + 1);
            }
        }
        known.truncate(SENSORS_MAX);
        known
    }

    fn chip(&self, chip: &str) -> Vec<Known> {
        let base = format!("/sys/class/hwmon/{chip}");
        let read = |file: &str| read_text(&self.root, &format!("{base}/{file}")).ok();
        let number = |file: &str| read(file)?.parse::<f64>().ok();
        let name = read("name").unwrap_or_else(|| chip.to_owned());
        let files = names_in(&self.root, &base, 2000).unwrap_or_default();
        let mut known = Vec::new();
        for file in files.iter().filter(|file| file.ends_with("_input") || file.ends_with("_average")) {
            let Some((stem, ending)) = file.rsplit_once('_') else { continue };
            let letters: String = stem.chars().take_while(char::is_ascii_alphabetic).collect();
            let (kind, scale) = match (letters.as_str(), ending) {
                ("temp", "input") => (SensorKind::Temperature, 1000.0),
                ("fan", "input") => (SensorKind::Fan, 1.0),
                ("in", "input") => (SensorKind::Voltage, 1000.0),
                ("power", _) => (SensorKind::Power, 1e6),
                _ => continue,
            };
            let limit = |ending: &str| number(&format!("{stem}_{ending}")).map(|value| value / scale);
            let (low, high) = match kind {
                SensorKind::Temperature => {
                    (None, limit("crit").or_else(|| limit("max")).filter(|c| (1.0..200.0).contains(c)))
                }
                // A lower limit of 0 is none; many boards leave it so.
                SensorKind::Fan => (limit("min").filter(|rpm| *rpm > 0.0), None),
                SensorKind::Voltage => {
                    (limit("lcrit").or_else(|| limit("min")), limit("crit").or_else(|| limit("max")))
                }
                SensorKind::Power => (None, limit("crit")),
            };
            // Limits that nobody has set are both 0, or the wrong way round.
            let (low, high) =
                if low.zip(high).is_some_and(|(low, high)| low >= high) { (None, None) } else { (low, high) };
            let label =
                read(&format!("{stem}_label")).filter(|label| !label.is_empty()).unwrap_or_else(|| stem.to_owned());
            let alarms = ["fault", "crit_alarm", "alarm"].iter().map(|ending| format!("{stem}_{ending}"));
            known.push(Known {
                sensor: Sensor { name: format!("{name} {label}"), kind, value: None, low, high, alarm: None },
                scale,
                input: KeptFile::new(&self.root, &format!("{base}/{file}")),
                alarms: alarms
                    .filter(|file| files.contains(file))
                    .map(|file| KeptFile::new(&self.root, &format!("{base}/{file}")))
                    .collect(),
            });
        }
        known
    }

    fn zones(&self) -> Vec<Known> {
        let zones = names_in(&self.root, "/sys/class/thermal", 200).unwrap_or_default();
        zones
            .iter()
            .filter(|zone| zone.starts_with("thermal_zone"))
            .map(|zone| {
                let base = format!("/sys/class/thermal/{zone}");
                let read = |file: &str| read_text(&self.root, &format!("{base}/{file}")).ok();
                let critical =
                    (0..10).find(|trip| read(&format!("trip_point_{trip}_type")).as_deref() == Some("critical"));
                let high = critical.and_then(|trip| read(&format!("trip_point_{trip}_temp"))?.parse::<f64>().ok());
                let high = high.map(|milli| milli / 1000.0).filter(|celsius| (1.0..200.0).contains(celsius));
                let name = read("type").unwrap_or_else(|| zone.clone());
                Known {
                    sensor: Sensor { name, kind: SensorKind::Temperature, value: None, low: None, high, alarm: None },
                    scale: 1000.0,
                    input: KeptFile::new(&self.root, &format!("{base}/temp")),
                    alarms: Vec::new(),
                }
            })
            .collect()
    }
}

/// Whether a value is one that such a sensor can measure.
fn possible(kind: SensorKind, value: f64) -> bool {
    match kind {
        // 0 °C exactly is what unconnected inputs say.
        SensorKind::Temperature => (-50.0..=150.0).contains(&value) && value != 0.0,
        SensorKind::Fan => (0.0..=50_000.0).contains(&value),
        SensorKind::Voltage => (-60.0..=600.0).contains(&value),
        SensorKind::Power => (0.0..=20_000.0).contains(&value),
    }
}

impl Probe for SensorsProbe {
    fn name(&self) -> &'static str {
        "sensors"
    }

    fn read(&mut self, context: &mut Context<'_>, sink: &mut dyn Sink) -> Outcome {
        let chips: Vec<String> = names_in(&self.root, "/sys/class/hwmon", 200).unwrap_or_default();
        if self.known.is_none() || chips != self.chips {
            self.known = Some(self.find(&chips));
            self.chips = chips;
            "no sensor below /sys/class/hwmon and /sys/class/thermal".clone_into(&mut self.why);
        }
        let known = self.known.get_or_insert_default();
        if known.is_empty() {
            return Outcome::Absent { why: self.why.clone() };
        }
        let mut sensors = Sensors::default();
        for one in known {
            let mut number = |file: &mut KeptFile| {
                let bytes = file.read(context.buffer).ok()?;
                text(bytes).trim().parse::<f64>().ok()
            };
            let mut sensor = one.sensor.clone();
            sensor.value =
                number(&mut one.input).map(|raw| raw / one.scale).filter(|value| possible(sensor.kind, *value));
            for alarm in &mut one.alarms {
                if let Some(state) = number(alarm) {
                    sensor.alarm = Some(sensor.alarm == Some(true) || state > 0.0);
                }
            }
            sensors.0.push(sensor);
        }
        sensors.emit(sink);
        Outcome::Read
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::read_below;
    use super::*;

    #[test]
    fn limits_of_the_sensor_and_values_that_can_be() {
        let (outcome, numbers) = read_below(
            &[
                ("/sys/class/hwmon/hwmon0/name", "coretemp\n"),
                ("/sys/class/hwmon/hwmon0/temp1_input", "61000\n"),
                ("/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
                ("/sys/class/hwmon/hwmon0/temp1_crit", "100000\n"),
                ("/sys/class/hwmon/hwmon0/temp1_max", "82000\n"),
                ("/sys/class/hwmon/hwmon1/name", "nct6775\n"),
                ("/sys/class/hwmon/hwmon1/temp7_input", "-128000\n"),
                ("/sys/class/hwmon/hwmon1/fan2_input", "0\n"),
                ("/sys/class/hwmon/hwmon1/fan2_min", "600\n"),
                ("/sys/class/hwmon/hwmon1/fan2_alarm", "0\n"),
                ("/sys/class/hwmon/hwmon1/in1_input", "11900\n"),
                ("/sys/class/hwmon/hwmon1/in1_min", "0\n"),
                ("/sys/class/hwmon/hwmon1/in1_max", "0\n"),
                ("/sys/class/hwmon/hwmon1/fan3_input", "800\n"),
                ("/sys/class/hwmon/hwmon1/fan3_alarm", "1\n"),
                ("/sys/class/hwmon/hwmon2/name", "coretemp\n"),
                ("/sys/class/hwmon/hwmon2/temp1_input", "50000\n"),
                ("/sys/class/hwmon/hwmon2/temp1_label", "Package id 0\n"),
            ],
            |root| Box::new(SensorsProbe::new(root)),
        );
        assert_eq!(outcome, Outcome::Read);
        let value = |metric: &str, subject: &str| numbers.iter().find(|n| n.0 == metric && n.1 == subject).map(|n| n.2);
        assert_eq!(value("sensor.temperature", "coretemp Package id 0"), Some(61.0));
        assert_eq!(value("sensor.headroom", "coretemp Package id 0"), Some(39.0), "the critical limit counts");
        assert_eq!(value("sensor.temperature", "coretemp Package id 0 #2"), Some(50.0));
        assert!(value("sensor.temperature", "nct6775 temp7").is_some_and(f64::is_nan), "nothing is attached there");
        assert_eq!(value("sensor.alarm", "nct6775 fan2"), Some(1.0), "it stands still, below its own limit");
        assert_eq!(value("sensor.alarm", "nct6775 fan3"), Some(1.0), "the chip says so");
        assert_eq!(value("sensor.alarm", "nct6775 in1"), None, "limits that nobody has set");
    }

    #[test]
    fn thermal_zones_where_there_is_no_chip() {
        let (_, numbers) = read_below(
            &[
                ("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
                ("/sys/class/thermal/thermal_zone0/temp", "48312\n"),
                ("/sys/class/thermal/thermal_zone0/trip_point_0_type", "critical\n"),
                ("/sys/class/thermal/thermal_zone0/trip_point_0_temp", "110000\n"),
            ],
            |root| Box::new(SensorsProbe::new(root)),
        );
        assert_eq!(numbers[0], ("sensor.temperature", "cpu-thermal".to_owned(), 48.3));
        let (outcome, _) = read_below(&[], |root| Box::new(SensorsProbe::new(root)));
        assert!(matches!(outcome, Outcome::Absent { .. }));
    }
}
