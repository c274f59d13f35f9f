//! Temperatures, fans, voltages and power of hwmon (Documentation/hwmon/sysfs-interface), and thermal zones where there is no hwmon.
//!
//! A sensor's own limits come first (lesson 14). What no sensor can measure is no value: chips without a probe attached say
//! -128 °C or 255 °C.

use std::path::{Path, PathBuf};

use ioc_common::reading::{Reading, Sensor, SensorKind, Sensors, Sink};

use super::{Probe, ProbeOutcome, SampleContext, text};
use crate::bounded_io::{KeptFile, names_in, read_text};
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SampledDescriptor};

pub(crate) const PROBE: SampledDescriptor = SampledDescriptor {
    probe: Sensors::PROBE,
    every_n: 3,
    comes_with_driver: true,
    new: |root| Box::new(SensorsProbe::new(root)),
    captured: CapturedFiles::whole(&[
        "/sys/class/hwmon/*/*",
        "/sys/class/hwmon/*/device/name",
        "/sys/class/hwmon/*/device/temp*",
        "/sys/class/hwmon/*/device/fan*",
        "/sys/class/hwmon/*/device/in*",
        "/sys/class/hwmon/*/device/power*",
        "/sys/class/thermal/*/*",
    ]),
    card: Card {
        article: "6.2",
        vi: "Nhiệt độ, quạt, điện áp với ngưỡng của chính cảm biến",
        en: "Temperatures, fans, voltages with the sensor's own limits",
        reads: "`/sys/class/hwmon`, else `/sys/class/thermal`",
        cost: "0.01 ms a sensor",
    },
};

/// Most sensors that are reported.
const SENSORS_MAX: usize = 128;

#[derive(Debug)]
struct KnownChannel {
    sensor: Sensor,
    scale: f64,
    input: KeptFile,
    /// Ending of the file's name, and the file.
    alarms: Vec<(&'static str, KeptFile)>,
}

/// Endings of the files that tell an alarm.
const ALARMS: [&str; 7] = ["fault", "alarm", "min_alarm", "max_alarm", "crit_alarm", "lcrit_alarm", "emergency_alarm"];

/// The limits of one sensor: those that somebody set. A chip starts with zeros or whatever was in its registers, and compares with that.
#[derive(Debug, Default)]
struct ChannelLimits {
    low: Option<f64>,
    high: Option<f64>,
    /// Limits that are there and were set.
    set: Vec<&'static str>,
    /// Limits that are there and mean nothing.
    unset: Vec<&'static str>,
}

impl ChannelLimits {
    fn of(kind: SensorKind, read: impl Fn(&str) -> Option<f64>) -> Self {
        let names: &[&'static str] = match kind {
            SensorKind::Temperature => &["crit", "max", "emergency", "lcrit", "min"],
            // `max` is what the fan can do.
            SensorKind::Fan => &["min"],
            SensorKind::Voltage => &["lcrit", "min", "crit", "max"],
            SensorKind::Power => &["crit"],
        };
        let found: Vec<(&'static str, f64)> = names.iter().filter_map(|name| Some((*name, read(name)?))).collect();
        let of = |name: &str| found.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        // Both 0, or the wrong way round: nobody set them.
        let crossed = |low: &str, high: &str| of(low).zip(of(high)).is_some_and(|(low, high)| low >= high);
        let is_set = |name: &'static str, value: f64| match kind {
            SensorKind::Temperature if matches!(name, "min" | "lcrit") => {
                (-60.0..200.0).contains(&value) && value != 0.0
            }
            SensorKind::Temperature => hot(value),
            // 10 rpm is the end of a counter of 16 bits (it87), five digits the beginning of one of 8 bits (w83627ehf).
            SensorKind::Fan => (100.0..10_000.0).contains(&value),
            SensorKind::Voltage if matches!(name, "min" | "max") => !crossed("min", "max"),
            SensorKind::Voltage => !crossed("lcrit", "crit"),
            SensorKind::Power => value > 0.0,
        };
        let (mut limits, mut values) = (Self::default(), Vec::new());
        for &(name, value) in &found {
            if is_set(name, value) {
                limits.set.push(name);
                values.push((name, value));
            } else {
                limits.unset.push(name);
            }
        }
        let first = |names: &[&str]| {
            names.iter().find_map(|name| values.iter().find(|(known, _)| known == name).map(|(_, value)| *value))
        };
        (limits.low, limits.high) = match kind {
            SensorKind::Temperature => (None, first(&["crit", "max", "emergency"])),
            SensorKind::Fan => (first(&["min"]), None),
            SensorKind::Voltage => (first(&["lcrit", "min"]), first(&["crit", "max"])),
            SensorKind::Power => (None, first(&["crit"])),
        };
        limits
    }

    /// Whether an alarm of this chip says something: one that compares with a limit that nobody set does not.
    fn counts(&self, ending: &str) -> bool {
        match ending.strip_suffix("_alarm") {
            Some(limit) => !self.unset.contains(&limit),
            // A lower limit that was left out is never passed.
            None => {
                let harmless = |limit: &&str| matches!(*limit, "min" | "lcrit") && !self.set.is_empty();
                self.unset.iter().all(harmless)
            }
        }
    }
}

/// Whether a temperature can be an upper limit. 127 °C is what chips start with; below 35 °C some firmware says 20.8 °C for none.
fn hot(celsius: f64) -> bool {
    (35.0..200.0).contains(&celsius) && !(127.0..128.0).contains(&celsius)
}

/// Knows the sensors of the machine, and keeps the files of their values open.
#[derive(Debug)]
pub(crate) struct SensorsProbe {
    root: PathBuf,
    known: Option<Vec<KnownChannel>>,
    chips: Vec<String>,
    why: String,
}

impl SensorsProbe {
    /// Reads below `root`.
    #[must_use]
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: None, chips: Vec::new(), why: String::new() }
    }

    fn find(&self, chips: &[String]) -> Vec<KnownChannel> {
        let mut known: Vec<KnownChannel> = chips.iter().flat_map(|chip| self.chip(chip)).collect();
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
        // The cores of a large machine are many, and their package has a sensor of its own.
        known.sort_by_key(|one| one.sensor.name.contains(" Core "));
        known.truncate(SENSORS_MAX);
        known
    }

    fn chip(&self, chip: &str) -> Vec<KnownChannel> {
        let class = format!("/sys/class/hwmon/{chip}");
        let is_input = |file: &String| file.ends_with("_input") || file.ends_with("_average");
        let listed = |base: &str| names_in(&self.root, base, 2000).unwrap_or_default();
        // Old drivers (applesmc, acpi_power_meter) keep the files of their sensors with the device.
        let (mut base, mut files) = (class.clone(), listed(&class));
        if !files.iter().any(is_input) {
            base = format!("{class}/device");
            files = listed(&base);
        }
        let read = |file: &str| read_text(&self.root, &format!("{base}/{file}")).ok();
        let name = read("name").or_else(|| read_text(&self.root, &format!("{class}/name")).ok());
        let name = name.unwrap_or_else(|| chip.to_owned());
        let mut known = Vec::new();
        for file in files.iter().filter(|file| is_input(file)) {
            let Some((stem, ending)) = file.rsplit_once('_') else { continue };
            let letters: String = stem.chars().take_while(char::is_ascii_alphabetic).collect();
            let (kind, scale) = match (letters.as_str(), ending) {
                ("temp", "input") => (SensorKind::Temperature, 1000.0),
                ("fan", "input") => (SensorKind::Fan, 1.0),
                ("in", "input") => (SensorKind::Voltage, 1000.0),
                ("power", "average") if files.contains(&format!("{stem}_input")) => continue,
                ("power", _) => (SensorKind::Power, 1e6),
                _ => continue,
            };
            // Of fans `enable` is the mode of their control.
            let switched = matches!(kind, SensorKind::Temperature | SensorKind::Voltage);
            if switched && read(&format!("{stem}_enable")).as_deref() == Some("0") {
                continue;
            }
            let label =
                read(&format!("{stem}_label")).filter(|label| !label.is_empty()).unwrap_or_else(|| stem.to_owned());
            let limits =
                ChannelLimits::of(kind, |limit| Some(read(&format!("{stem}_{limit}"))?.parse::<f64>().ok()? / scale));
            // Few boards have a probe at these inputs of Nuvoton's chips, and what floats reads anything; a graphics card stops its fan.
            let nobodys = label.starts_with("AUXTIN") || kind == SensorKind::Fan && name == "amdgpu";
            let limits = if nobodys { ChannelLimits::default() } else { limits };
            let alarm = |ending: &'static str| {
                let file = format!("{stem}_{ending}");
                // A DDR5 module's own start value of the lower limit is 55 °C, which it passes in every warm server.
                let made_up = name == "spd5118" && ending == "max_alarm" && limits.set.contains(&"crit");
                let counts = ending == "fault" || !nobodys && !made_up && limits.counts(ending);
                (counts && files.contains(&file))
                    .then(|| (ending, KeptFile::of_one_record(&self.root, &format!("{base}/{file}"))))
            };
            known.push(KnownChannel {
                sensor: Sensor {
                    name: format!("{name} {label}"),
                    kind,
                    value: None,
                    low: limits.low,
                    high: limits.high,
                    alarm: None,
                },
                scale,
                input: KeptFile::of_one_record(&self.root, &format!("{base}/{file}")),
                alarms: ALARMS.into_iter().filter_map(alarm).collect(),
            });
        }
        known
    }

    fn zones(&self) -> Vec<KnownChannel> {
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
                let high = high.map(|milli| milli / 1000.0).filter(|celsius| hot(*celsius));
                let name = read("type").unwrap_or_else(|| zone.clone());
                KnownChannel {
                    sensor: Sensor { name, kind: SensorKind::Temperature, value: None, low: None, high, alarm: None },
                    scale: 1000.0,
                    input: KeptFile::of_one_record(&self.root, &format!("{base}/temp")),
                    alarms: Vec::new(),
                }
            })
            .collect()
    }
}

/// Whether a value is one that such a sensor can measure.
fn possible(kind: SensorKind, value: f64) -> bool {
    match kind {
        // 0 °C and 127 °C are what unconnected inputs say.
        SensorKind::Temperature => (-50.0..=150.0).contains(&value) && value != 0.0 && !(127.0..128.0).contains(&value),
        SensorKind::Fan => (0.0..=50_000.0).contains(&value),
        SensorKind::Voltage => (-60.0..=600.0).contains(&value),
        SensorKind::Power => (0.0..=20_000.0).contains(&value),
    }
}

impl Probe for SensorsProbe {
    fn read(&mut self, context: &mut SampleContext<'_>, sink: &mut dyn Sink) -> ProbeOutcome {
        let chips: Vec<String> = names_in(&self.root, "/sys/class/hwmon", 200).unwrap_or_default();
        if self.known.is_none() || chips != self.chips {
            self.known = Some(self.find(&chips));
            self.chips = chips;
            "no sensor below /sys/class/hwmon and /sys/class/thermal".clone_into(&mut self.why);
        }
        let known = self.known.get_or_insert_default();
        if known.is_empty() {
            return ProbeOutcome::Absent { why: self.why.clone() };
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
            // A rail at twice its limit would not run: that limit is what was in the chip's register.
            let absurd = sensor.kind == SensorKind::Voltage
                && sensor.value.zip(sensor.high).is_some_and(|(value, high)| high >= 0.0 && value > high * 2.0);
            if absurd {
                (sensor.low, sensor.high) = (None, None);
            }
            for (ending, alarm) in &mut one.alarms {
                let Some(on) = number(alarm).map(|state| state > 0.0) else { continue };
                let unplugged = match *ending {
                    // Nothing is attached, or what is attached measures nothing: there is no value, and nobody knows of a failure.
                    "fault" => on && sensor.kind == SensorKind::Temperature && sensor.value.is_none(),
                    // A fan without a limit that does not turn may be none.
                    "alarm" => sensor.kind == SensorKind::Fan && sensor.low.is_none() && sensor.value == Some(0.0),
                    _ => false,
                };
                if unplugged || absurd {
                    continue;
                }
                if *ending == "fault" && on {
                    sensor.value = None;
                }
                sensor.alarm = Some(sensor.alarm == Some(true) || on);
            }
            sensors.0.push(sensor);
        }
        sensors.emit(sink);
        ProbeOutcome::Read
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
        assert_eq!(outcome, ProbeOutcome::Read);
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
    fn a_warm_memory_module_is_no_alarm() {
        let module = [
            ("name", "spd5118"),
            ("temp1_input", "58000"),
            ("temp1_max", "55000"),
            ("temp1_crit", "85000"),
            ("temp1_max_alarm", "1"),
            ("temp1_crit_alarm", "0"),
        ];
        let numbers = sensors(&module);
        assert_eq!((of(&numbers, "sensor.headroom"), of(&numbers, "sensor.alarm")), (Some(27.0), Some(0.0)));
    }

    fn sensors(files: &[(&str, &str)]) -> Vec<(&'static str, String, f64)> {
        let files: Vec<(String, &str)> =
            files.iter().map(|(file, text)| (format!("/sys/class/hwmon/hwmon0/{file}"), *text)).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), *text)).collect();
        read_below(&files, |root| Box::new(SensorsProbe::new(root))).1
    }

    fn of(numbers: &[(&'static str, String, f64)], metric: &str) -> Option<f64> {
        numbers.iter().find(|number| number.0 == metric).map(|number| number.2)
    }

    #[test]
    fn alarms_of_limits_that_nobody_set_say_nothing() {
        for files in [
            // nct6775: zeros of the BIOS.
            &[("name", "nct6791"), ("in1_input", "1008"), ("in1_min", "0"), ("in1_max", "0"), ("in1_alarm", "1")][..],
            &[("name", "nct6791"), ("temp1_input", "32000"), ("temp1_max", "0"), ("temp1_alarm", "1")],
            &[("name", "jc42"), ("temp1_input", "32000"), ("temp1_crit", "0"), ("temp1_crit_alarm", "1")],
            &[
                ("name", "it8728"),
                ("temp1_input", "32000"),
                ("temp1_max", "127000"),
                ("temp1_min", "-128000"),
                ("temp1_alarm", "1"),
            ],
            // it87 and w83627ehf: fans that are not there.
            &[("name", "it8728"), ("fan3_input", "0"), ("fan3_min", "10"), ("fan3_alarm", "1")],
            &[("name", "w83627ehf"), ("fan4_input", "0"), ("fan4_min", "10546"), ("fan4_alarm", "1")],
            &[("name", "f71882fg"), ("fan2_input", "0"), ("fan2_alarm", "1")],
            &[("name", "nct6775"), ("fan2_input", "0"), ("fan2_min", "0"), ("fan2_alarm", "1")],
            // w83627ehf: whatever was in its registers.
            &[("name", "w83627ehf"), ("in1_input", "3020"), ("in1_min", "0"), ("in1_max", "60"), ("in1_alarm", "1")],
            &[("name", "w83667hg"), ("in1_input", "1020"), ("in1_min", "910"), ("in1_max", "30"), ("in1_alarm", "1")],
            &[
                ("name", "nct6798"),
                ("temp4_input", "105000"),
                ("temp4_label", "AUXTIN1"),
                ("temp4_max", "80000"),
                ("temp4_alarm", "1"),
            ],
            &[("name", "adt7475"), ("temp3_input", "-128000"), ("temp3_max", "85000"), ("temp3_fault", "1")],
            &[("name", "amdgpu"), ("fan1_input", "0"), ("fan1_min", "500"), ("fan1_enable", "0")],
            &[("name", "acpitz"), ("temp1_input", "27800"), ("temp1_crit", "20800")],
        ] {
            let numbers = sensors(files);
            let bad = numbers
                .iter()
                .find(|one| one.0 == "sensor.alarm" && one.2 > 0.5 || one.0 == "sensor.headroom" && one.2 < 3.0);
            assert_eq!(bad, None, "{files:?}");
            assert!(!numbers.is_empty(), "{files:?}");
        }
        for files in [
            &[("name", "nct6791"), ("in0_input", "1900"), ("in0_min", "0"), ("in0_max", "1744"), ("in0_alarm", "1")][..],
            &[
                ("name", "nct6791"),
                ("temp1_input", "82000"),
                ("temp1_max", "80000"),
                ("temp1_min", "0"),
                ("temp1_alarm", "1"),
            ],
            &[("name", "coretemp"), ("temp1_input", "99000"), ("temp1_crit", "100000"), ("temp1_crit_alarm", "1")],
            &[
                ("name", "nvme"),
                ("temp1_input", "70000"),
                ("temp1_crit", "84850"),
                ("temp1_max", "81850"),
                ("temp1_alarm", "1"),
            ],
            &[("name", "max6650"), ("fan1_input", "0"), ("fan1_fault", "1")],
            &[("name", "lm90"), ("temp2_input", "41000"), ("temp2_max", "85000"), ("temp2_fault", "1")],
            &[("name", "x"), ("temp1_input", "91000"), ("temp1_max", "90000"), ("temp1_max_alarm", "1")],
        ] {
            assert_eq!(of(&sensors(files), "sensor.alarm"), Some(1.0), "{files:?}");
        }
    }

    #[test]
    fn limits_that_are_none_leave_the_next_one() {
        let numbers = sensors(&[("name", "x"), ("temp1_input", "45000"), ("temp1_max", "40000"), ("temp1_crit", "0")]);
        assert_eq!(of(&numbers, "sensor.headroom"), Some(-5.0));
        let numbers =
            sensors(&[("name", "nvme"), ("temp2_input", "45000"), ("temp2_max", "65261850"), ("temp2_min", "-273150")]);
        assert_eq!((of(&numbers, "sensor.temperature"), of(&numbers, "sensor.headroom")), (Some(45.0), None));
        // Disabled by whoever set it up.
        assert!(sensors(&[("name", "x"), ("temp1_input", "45000"), ("temp1_enable", "0")]).is_empty());
        let numbers = sensors(&[("name", "x"), ("power1_input", "9000000"), ("power1_average", "8000000")]);
        assert_eq!(numbers.len(), 1, "{numbers:?}");
    }

    #[test]
    fn old_drivers_keep_their_files_with_the_device() {
        let numbers = sensors(&[
            ("device/name", "applesmc"),
            ("device/fan1_label", "Left side"),
            ("device/fan1_input", "0"),
            ("device/fan1_min", "2160"),
        ]);
        assert_eq!(numbers[0], ("sensor.fan", "applesmc Left side".to_owned(), 0.0));
        assert_eq!(of(&numbers, "sensor.alarm"), Some(1.0), "it should turn");
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
        assert!(matches!(outcome, ProbeOutcome::Absent { .. }));
    }
}
