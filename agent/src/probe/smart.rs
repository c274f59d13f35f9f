//! Health of disks through `smartctl --json` (lessons 11 to 13), judged on what kills them: pending, reallocated and uncorrectable
//! sectors, errors of the medium, wear, self-tests. A sleeping disk is left asleep (`-n standby`).

use serde_json::Value;

use ioc_common::reading::{Smart, SmartDisk};

use crate::machine::{Found, Machine, Surveyed, absent, unknown};
use crate::probe::Outcome;
use crate::settings::SmartDevice;

/// Most disks that are asked.
const DISKS_MAX: usize = 64;
/// How long one disk may take.
const DISK_DEADLINE_S: u64 = 20;

/// Makes the survey.
///
/// # Errors
/// *Absent* without smartctl or without disks, *unknown* when none can be asked.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let scan = machine.ask("smartctl", &["--scan", "--json"], 20)?;
    let mut devices = parse_scan(&scan.text).map_err(|why| unknown(&format!("smartctl --scan: {why}")))?;
    for own in &machine.settings.smart_devices {
        // What the configuration says replaces what was found of the same device, unless it names a slot behind it.
        devices.retain(|found| found.device != own.device || own.r#type.contains(','));
    }
    devices.extend(machine.settings.smart_devices.iter().cloned());
    devices.truncate(DISKS_MAX);
    if devices.is_empty() {
        return Err(absent(&"smartctl finds no disk; behind a RAID controller name them in [[smart.device]]"));
    }
    let mut smart = Smart::default();
    for device in &devices {
        smart.disks.push(ask(machine, device)?);
    }
    if smart.disks.iter().all(|disk| !disk.unknown.is_empty()) {
        return Err(unknown(&smart.disks[0].unknown));
    }
    for disk in &mut smart.disks {
        disk.accepted = machine.settings.smart_accepted.get(&disk.serial).copied().unwrap_or_default();
    }
    Found::of(&smart, machine.now)
}

/// Reads `smartctl --scan --json`.
///
/// # Errors
/// When it is not that.
pub fn parse_scan(json: &[u8]) -> Result<Vec<SmartDevice>, String> {
    let scan: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let devices = scan["devices"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = devices.iter().map(|device| SmartDevice { device: text(&device["name"]), r#type: text(&device["type"]) });
    Ok(all.filter(|device| device.device.starts_with("/dev/")).collect())
}

fn ask(machine: &Machine<'_>, device: &SmartDevice) -> Result<SmartDisk, Outcome> {
    let mut arguments = vec!["--json", "-n", "standby", "-i", "-H", "-A", "-l", "selftest", "-l", "error"];
    if !device.r#type.is_empty() {
        arguments.extend(["-d", device.r#type.as_str()]);
    }
    arguments.push(&device.device);
    let short = device.device.trim_start_matches("/dev/");
    let name = if device.r#type.contains(',') { format!("{short},{}", device.r#type) } else { short.to_owned() };
    match machine.ask("smartctl", &arguments, DISK_DEADLINE_S) {
        Ok(output) => Ok(parse(&name, &output.text)),
        // One disk that hangs must not hide the others.
        Err(Outcome::Unknown { why }) => Ok(SmartDisk { device: name, unknown: why, ..SmartDisk::default() }),
        Err(other) => Err(other),
    }
}

/// Reads `smartctl --json -i -H -A -l selftest` of one disk (smartmontools 7).
#[must_use]
pub fn parse(name: &str, json: &[u8]) -> SmartDisk {
    let mut disk = SmartDisk { device: name.to_owned(), ..SmartDisk::default() };
    let value: Value = match serde_json::from_slice(json) {
        Ok(value) => value,
        Err(error) => {
            disk.unknown = format!("{name}: smartctl said no JSON: {error}; mend: install smartmontools 7");
            return disk;
        }
    };
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let status = value["smartctl"]["exit_status"].as_u64().unwrap_or(0);
    let messages = value["smartctl"]["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let message = messages.iter().find_map(|one| one["string"].as_str()).unwrap_or_default();
    if message.contains("STANDBY")
        || message.contains("SLEEP")
        || value["power_mode"].as_str().is_some_and(|mode| mode.contains("STANDBY"))
    {
        disk.asleep = true;
        return disk;
    }
    // Bits 0 and 1: the command line, the device. The others tell of its health (smartctl(8), EXIT STATUS).
    if status & 3 != 0 {
        disk.unknown = format!("{name}: {message}; mend: run the helper unit, or name the type in [[smart.device]]");
        return disk;
    }
    disk.model = [text("model_name"), text("scsi_model_name"), text("product")]
        .into_iter()
        .find(|s| !s.is_empty())
        .unwrap_or_default();
    disk.serial = text("serial_number");
    disk.firmware = text("firmware_version");
    disk.protocol = value["device"]["protocol"].as_str().unwrap_or_default().to_lowercase();
    disk.size = value["user_capacity"]["bytes"].as_u64().or_else(|| value["nvme_total_capacity"].as_u64());
    disk.passed = value["smart_status"]["passed"].as_bool();
    // SAS disks without that log page give 0 for it and for the limit, too.
    let has_limit = value["temperature"]["drive_trip"].as_f64() != Some(0.0);
    disk.temperature = value["temperature"]["current"].as_f64().filter(|current| *current != 0.0 || has_limit);
    disk.hours = value["power_on_time"]["hours"].as_f64();
    ata(&value, &mut disk);
    nvme(&value, &mut disk);
    scsi(&value, &mut disk);
    if disk.passed.is_none() && disk.protocol.is_empty() {
        disk.unknown = format!("{name}: not readable: {message}");
    }
    disk
}

fn ata(value: &Value, disk: &mut SmartDisk) {
    let table = value["ata_smart_attributes"]["table"].as_array().map_or(&[][..], Vec::as_slice);
    for attribute in table {
        let raw = attribute["raw"]["value"].as_u64();
        let normalised = attribute["value"].as_f64();
        match attribute["id"].as_u64() {
            Some(5) => disk.reallocated = raw,
            Some(197) => disk.pending = raw,
            Some(198) => disk.uncorrectable = disk.uncorrectable.max(raw),
            // Reported uncorrectable errors; some makers pack more into it, so only the low 32 bits count.
            Some(187) => disk.uncorrectable = disk.uncorrectable.max(raw.map(|raw| raw & 0xffff_ffff)),
            Some(199) => disk.crc_errors = raw,
            // Life left of SSDs: Wear_Leveling_Count (177), SSD_Life_Left (231), Media_Wearout (233), Percent_Lifetime (202).
            Some(177 | 231 | 233 | 202) if disk.wear_pct.is_none() => {
                disk.wear_pct = normalised.filter(|left| (0.0..=100.0).contains(left)).map(|left| 100.0 - left);
            }
            _ => {}
        }
    }
    if let Some(used) = value["endurance_used"]["current_percent"].as_f64() {
        disk.wear_pct = Some(used);
    }
    let log = &value["ata_smart_self_test_log"];
    for kind in ["extended", "standard"] {
        if let Some(last) = log[kind]["table"].as_array().and_then(|table| table.first()) {
            // A test that was broken off says nothing.
            let passed = last["status"]["passed"].as_bool();
            let ended = last["status"]["value"].as_u64().is_none_or(|value| !matches!(value >> 4, 1 | 2 | 15));
            if ended {
                disk.self_test_failed = passed.map(|passed| !passed);
            }
            break;
        }
    }
}

fn nvme(value: &Value, disk: &mut SmartDisk) {
    let log = &value["nvme_smart_health_information_log"];
    if !log.is_object() {
        return;
    }
    disk.media_errors = log["media_errors"].as_u64();
    disk.wear_pct = log["percentage_used"].as_f64();
    disk.spare_pct = log["available_spare"].as_f64();
    disk.critical_warning = log["critical_warning"].as_u64();
    if let Some(last) = value["nvme_self_test_log"]["table"].as_array().and_then(|table| table.first()) {
        // Results 5 to 7 are failures (NVMe base specification, device self-test log).
        disk.self_test_failed = last["self_test_result"]["value"].as_u64().map(|result| (5..=7).contains(&result));
    }
}

fn scsi(value: &Value, disk: &mut SmartDisk) {
    if let Some(defects) = value["scsi_grown_defect_list"].as_u64() {
        disk.reallocated = Some(defects);
    }
    let counters = &value["scsi_error_counter_log"];
    if counters.is_object() {
        let total: u64 = ["read", "write", "verify"]
            .iter()
            .filter_map(|way| counters[way]["total_uncorrected_errors"].as_u64())
            .sum();
        disk.uncorrectable = Some(total);
    }
    if let Some(used) = value["scsi_percentage_used_endurance_indicator"].as_f64() {
        disk.wear_pct = Some(used);
    }
    // `Completed` is good, `Failed in segment` is not; values 3 to 7 (SPC-4, self-test results).
    if let Some(result) = value["scsi_self_test_0"]["result"]["value"].as_u64() {
        disk.self_test_failed = Some((3..=7).contains(&result));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;
    use ioc_common::reading::Accepted;

    const SCAN: &str = r#"{"devices":[{"name":"/dev/sda","type":"sat"},{"name":"/dev/nvme0","type":"nvme"},{"name":"/dev/sdb","type":"scsi"}]}"#;
    // Passed, and dying: the case of lesson 11.
    const DYING: &str = r#"{"smartctl":{"exit_status":64},"device":{"protocol":"ATA"},"model_name":"WDC WD40EFRX","serial_number":"WD-1","firmware_version":"82",
        "user_capacity":{"bytes":4000787030016},"smart_status":{"passed":true},"temperature":{"current":41},"power_on_time":{"hours":31337},
        "ata_smart_attributes":{"table":[{"id":5,"value":190,"raw":{"value":24}},
        {"id":187,"value":1,"raw":{"value":8589934599}},{"id":197,"value":200,"raw":{"value":16}},
        {"id":198,"value":200,"raw":{"value":2}},{"id":199,"value":200,"raw":{"value":1}}]},
        "ata_smart_self_test_log":{"standard":{"table":[{"status":{"value":121,"string":"Completed: read failure","passed":false}}]}}}"#;
    const NVME: &str = r#"{"smartctl":{"exit_status":0},"device":{"protocol":"NVMe"},"model_name":"Samsung SSD 980","serial_number":"S6","smart_status":{"passed":true},
        "temperature":{"current":38},"nvme_smart_health_information_log":{"critical_warning":0,"available_spare":100,"percentage_used":7,"media_errors":0}}"#;
    const SCSI: &str = r#"{"smartctl":{"exit_status":0},"device":{"protocol":"SCSI"},"scsi_model_name":"SEAGATE ST600MM","serial_number":"Z0","smart_status":{"passed":true},
        "scsi_grown_defect_list":3,"scsi_error_counter_log":{"read":{"total_uncorrected_errors":1},"write":{"total_uncorrected_errors":0}}}"#;

    fn arguments<'a>(kind: &'a str, device: &'a str) -> Vec<&'a str> {
        ["--json", "-n", "standby", "-i", "-H", "-A", "-l", "selftest", "-l", "error", "-d", kind, device].to_vec()
    }

    fn host() -> Captured {
        let captured = Captured::new(&[]);
        captured.says("smartctl", &["--scan", "--json"], 0, SCAN);
        captured.says("smartctl", &arguments("sat", "/dev/sda"), 64, DYING);
        captured.says("smartctl", &arguments("nvme", "/dev/nvme0"), 0, NVME);
        captured.says("smartctl", &arguments("scsi", "/dev/sdb"), 0, SCSI);
        captured
    }

    #[test]
    fn a_dying_disk_that_says_it_passed() {
        let mut captured = host();
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        let value = |metric: &str, disk: &str| found.number(metric, disk);
        assert_eq!((value("smart.passed", "sda"), value("smart.pending", "sda")), (1.0, 16.0));
        assert_eq!((value("smart.reallocated", "sda"), value("smart.uncorrectable", "sda")), (24.0, 7.0));
        assert_eq!(value("smart.self_test_failed", "sda"), 1.0);
        assert_eq!((value("smart.wear", "nvme0"), value("smart.spare", "nvme0")), (7.0, 100.0));
        assert_eq!((value("smart.reallocated", "sdb"), value("smart.uncorrectable", "sdb")), (3.0, 1.0));
        assert!(value("smart.media_errors", "sda").is_nan() && value("smart.self_test_failed", "nvme0").is_nan());
        // Looked at and accepted: only what comes on top counts (lesson 12).
        let accepted = Accepted { pending: 16, reallocated: 20, ..Accepted::default() };
        captured.settings.smart_accepted.insert("WD-1".into(), accepted);
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("smart.pending", "sda"), found.number("smart.reallocated", "sda")), (0.0, 4.0));
    }

    #[test]
    fn a_temperature_that_is_none() {
        let disk = |temperature: &str| {
            parse("sda", format!(r#"{{"device":{{"protocol":"SCSI"}},"temperature":{temperature}}}"#).as_bytes())
        };
        assert_eq!(disk(r#"{"current":0,"drive_trip":0}"#).temperature, None);
        assert_eq!(disk(r#"{"current":0,"drive_trip":60}"#).temperature, Some(0.0), "a cold room");
        assert_eq!(disk(r#"{"current":38}"#).temperature, Some(38.0));
    }

    #[test]
    fn asleep_hidden_and_forbidden_disks() {
        let mut captured = host();
        let asleep = r#"{"smartctl":{"exit_status":2,"messages":[{"string":"Device is in STANDBY mode, exit(2)","severity":"information"}]},"device":{"protocol":"ATA"}}"#;
        captured.says("smartctl", &arguments("sat", "/dev/sda"), 2, asleep);
        let denied = r#"{"smartctl":{"exit_status":2,"messages":[{"string":"Smartctl open device: /dev/sdb failed: Permission denied","severity":"error"}]}}"#;
        captured.says("smartctl", &arguments("scsi", "/dev/sdb"), 2, denied);
        captured.settings.smart_devices =
            vec![SmartDevice { device: "/dev/bus/0".into(), r#type: "megaraid,3".into() }];
        captured.says("smartctl", &arguments("megaraid,3", "/dev/bus/0"), 0, SCSI);
        let smart: Smart = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read").read();
        assert!(smart.disks[0].asleep && smart.disks[0].unknown.is_empty());
        assert!(smart.disks[2].unknown.contains("Permission denied"));
        assert_eq!((smart.disks[3].device.as_str(), smart.disks[3].reallocated), ("bus/0,megaraid,3", Some(3)));
        let none = Captured::new(&[]);
        assert!(matches!(survey(&none.machine("2026-11-24T00:00:00Z")), Err(Outcome::Absent { .. })));
        assert!(parse("sda", b"smartctl 6.6 \n").unknown.contains("smartmontools 7"));
    }
}
