//! Health of disks through `smartctl --json` (lessons 11 to 13), judged on what kills them: pending, reallocated and uncorrectable
//! sectors, errors of the medium, wear, self-tests. A sleeping disk is left asleep (`-n standby`).

use serde_json::Value;

use ioc_common::reading::{Findings, Smart, SmartDisk};

use crate::ProbeOutcome;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::settings::SmartDevice;
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Smart::PROBE,
    deadline_s: 300,
    watch: &["/sys/block"],
    privileged: true,
    needs: Some("smartmontools 7 and raw access to disks (CAP_SYS_RAWIO, CAP_SYS_ADMIN for NVMe, of the helper unit)"),
    whole_memo: None,
    programs: &["smartctl"],
    captured: CapturedFiles::NONE,
    processes: &[],
    card: Card {
        article: "6.2",
        vi: "Sức khoẻ ổ đĩa (SMART)",
        en: "Health of disks (SMART)",
        reads: "`smartctl --json -n standby`; accepted counts in `[smart.accepted]`",
        cost: "10 ms a disk",
    },
    read: survey,
};

mod attributes;

/// Most disks that are asked.
const DISKS_MAX: usize = 64;
/// How long one disk may take.
const DISK_DEADLINE_S: u64 = 20;
/// How long the search for disks may take.
const SCAN_DEADLINE_S: u64 = 20;
/// Bits 0 and 1 of the exit status: the command line, the device. The others tell of its health (smartctl(8), EXIT STATUS).
const REFUSED: u64 = 3;
/// Bit 3: the disk says that it is failing.
const FAILING: u64 = 8;
/// Self-tests that a SCSI disk remembers.
const SCSI_TESTS: usize = 20;

/// Makes the survey.
///
/// # Errors
/// *Absent* without smartctl or without disks, *unknown* when none can be asked.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let scan = question(context, &["--scan", "--json"], SCAN_DEADLINE_S)?;
    let mut devices = parse_scan(&scan);
    if devices.is_empty() && exit_status(&scan) & REFUSED != 0 {
        return Err(unknown(&format!("smartctl --scan: {}", message(&scan))));
    }
    for own in &context.settings.smart_devices {
        // What the configuration says replaces what was found of the same device, unless it names a slot behind it.
        devices.retain(|found| found.device != own.device || own.r#type.contains(','));
    }
    devices.extend(context.settings.smart_devices.iter().cloned());
    devices.truncate(DISKS_MAX);
    if devices.is_empty() {
        return Err(absent(&"smartctl finds no disk; behind a RAID controller name them in [[smart.device]]"));
    }
    let mut opened = None;
    let mut smart = Smart::default();
    for device in &devices {
        smart.disks.push(look(context, device, &mut opened));
    }
    if smart.disks.iter().all(|disk| !disk.unknown.is_empty()) {
        return Err(unknown(&smart.disks[0].unknown));
    }
    for disk in &mut smart.disks {
        disk.accepted = context.settings.smart_accepted.get(&disk.serial).copied().unwrap_or_default();
    }
    SurveyFindings::of(&smart, context.now)
}

/// Asks smartctl for JSON, whatever it ends with: its exit status holds what was found of the disk, and its JSON says the same with
/// words (smartctl(8), EXIT STATUS).
fn question(context: &SurveyContext<'_>, arguments: &[&str], deadline_s: u64) -> Result<Value, ProbeOutcome> {
    let output = context.ask("smartctl", arguments, deadline_s).accept_codes(|_| true).success()?;
    let text = String::from_utf8_lossy(&output.text);
    serde_json::from_str(&text).map_err(|error| {
        let said = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or(&output.complaint);
        let said: String = said.chars().take(200).collect();
        let old = ["smartctl 5.", "smartctl 6.", "smartctl version 5."].iter().any(|old| said.starts_with(old));
        let what = format!("smartctl {}", arguments.join(" "));
        if old || text.contains("UNRECOGNIZED OPTION") {
            unknown(&format!("{what}: it cannot give JSON ({said}); mend: install smartmontools 7"))
        } else {
            unknown(&format!("{what}: its answer is no whole JSON: {error}: {said}"))
        }
    })
}

/// Reads `smartctl --scan --json`.
#[must_use]
pub fn parse_scan(scan: &Value) -> Vec<SmartDevice> {
    let devices = scan["devices"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = devices.iter().map(|device| SmartDevice { device: text(&device["name"]), r#type: text(&device["type"]) });
    all.filter(|device| device.device.starts_with("/dev/")).collect()
}

/// Asks one disk. One that hangs or cannot be asked must not hide the others.
///
/// `--scan` opens no disk and guesses the type from the name of its node: a SATA disk is a `scsi` one to it. Where an answer looks
/// like that, the disk is asked again as what it is (`opened` is what `--scan-open` says, once it was asked).
fn look(context: &SurveyContext<'_>, device: &SmartDevice, opened: &mut Option<Vec<SmartDevice>>) -> SmartDisk {
    let short = device.device.trim_start_matches("/dev/");
    let name = if device.r#type.contains(',') { format!("{short},{}", device.r#type) } else { short.to_owned() };
    let failed = |why: String| SmartDisk { device: name.clone(), unknown: why, ..SmartDisk::default() };
    let why = |outcome: ProbeOutcome| match outcome {
        ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why } => why,
        _ => "smartctl was not asked".to_owned(),
    };
    let value = match ask(context, &device.device, &device.r#type) {
        Ok(value) => value,
        Err(outcome) => return failed(why(outcome)),
    };
    let mut disk = parse(&name, &value);
    let guessed = matches!(device.r#type.as_str(), "" | "auto" | "scsi");
    let behind = ata_behind(&value);
    if !guessed || disk.asleep || !(behind || (!disk.unknown.is_empty() && may_be_bridge(&value))) {
        return disk;
    }
    let mut kind = "sat".to_owned();
    if !behind {
        let opened = opened.get_or_insert_with(|| {
            question(context, &["--scan-open", "--json"], SCAN_DEADLINE_S).map_or(Vec::new(), |scan| parse_scan(&scan))
        });
        let known = opened.iter().find(|found| found.device == device.device);
        kind = known.map_or(kind, |found| found.r#type.clone());
    }
    if matches!(kind.as_str(), "" | "auto" | "scsi") {
        return disk;
    }
    let again = match ask(context, &device.device, &kind) {
        Ok(value) => parse(&name, &value),
        Err(outcome) => failed(why(outcome)),
    };
    if again.unknown.is_empty() {
        return again;
    }
    // What a SCSI disk tells is not what there is to know of a SATA disk: its sectors are not among it.
    let first =
        if disk.unknown.is_empty() { format!("{name}: a SATA disk that was asked as SCSI") } else { disk.unknown };
    disk = SmartDisk { model: disk.model, serial: disk.serial, size: disk.size, ..failed(String::new()) };
    disk.unknown = format!("{first}; as {kind}: {}", again.unknown.trim_start_matches(&format!("{name}: ")));
    disk
}

fn ask(context: &SurveyContext<'_>, device: &str, kind: &str) -> Result<Value, ProbeOutcome> {
    let mut arguments = vec!["--json", "-n", "standby", "-i", "-H", "-A", "-l", "selftest", "-l", "error"];
    if !kind.is_empty() {
        arguments.extend(["-d", kind]);
    }
    arguments.push(device);
    question(context, &arguments, DISK_DEADLINE_S)
}

/// Whether an answer of a SCSI disk is that of a translation with an ATA disk behind it (SAT: the vendor is `ATA`).
fn ata_behind(value: &Value) -> bool {
    let text = |key: &str| value[key].as_str().unwrap_or_default().trim();
    let named = |key: &str| text(key).starts_with("ATA ");
    let is_ata = value["device"]["protocol"] == "ATA" || value["ata_smart_attributes"].is_object();
    !is_ata
        && (text("scsi_vendor") == "ATA" || text("vendor") == "ATA" || named("scsi_model_name") || named("model_name"))
}

/// Whether a disk that tells nothing of its health as SCSI may tell it as another kind: not one that a machine or a controller makes
/// up, or that has no disk behind it.
fn may_be_bridge(value: &Value) -> bool {
    if exit_status(value) & REFUSED != 0 {
        return message(value).contains("USB bridge");
    }
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_lowercase();
    let all = ["scsi_vendor", "vendor", "scsi_product", "product", "scsi_model_name", "model_name"].map(text).join(" ");
    let made_up = [
        "qemu",
        "vmware",
        "virtual",
        "msft",
        "vbox",
        "xen",
        "perc",
        "raid",
        "logical volume",
        "lio-org",
        "iscsi",
        "mr9",
    ];
    let kind = value["device_type"]["scsi_value"].as_u64().or_else(|| value["device_type"]["value"].as_u64());
    kind.unwrap_or(0) == 0 && !made_up.iter().any(|name| all.contains(name))
}

fn exit_status(value: &Value) -> u64 {
    value["smartctl"]["exit_status"].as_u64().unwrap_or(0)
}

/// What smartctl says of it: an error, or the first it says.
fn message(value: &Value) -> &str {
    let messages = value["smartctl"]["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let error = messages.iter().find(|one| one["severity"] == "error");
    error.or(messages.first()).and_then(|one| one["string"].as_str()).unwrap_or_default()
}

/// Reads `smartctl --json -i -H -A -l selftest` of one disk (smartmontools 7).
#[must_use]
pub fn parse(name: &str, value: &Value) -> SmartDisk {
    let mut disk = SmartDisk { device: name.to_owned(), ..SmartDisk::default() };
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let messages = value["smartctl"]["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let sleeps = |one: &Value| {
        one["string"]
            .as_str()
            .is_some_and(|s| s.starts_with("Device is in ") && ["STANDBY", "SLEEP"].iter().any(|mode| s.contains(mode)))
    };
    if messages.iter().any(sleeps) || value["power_mode"].as_str().is_some_and(|mode| mode.contains("STANDBY")) {
        disk.asleep = true;
        return disk;
    }
    let status = exit_status(value);
    let message = message(value);
    if status & REFUSED != 0 {
        let message =
            if message.is_empty() { format!("smartctl ended with status {status}") } else { message.to_owned() };
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
    disk.temperature = temperature(value);
    disk.hours = value["power_on_time"]["hours"].as_f64().and_then(attributes::plausible_hours);
    if !tells_health(value) {
        disk.unknown = format!("{name}: {}", why_no_health(value, message));
        return disk;
    }
    disk.passed = value["smart_status"]["passed"].as_bool().or((status & FAILING != 0).then_some(false));
    attributes::read(value, &mut disk);
    nvme(value, &mut disk);
    scsi(value, &mut disk);
    if let Some(used) = endurance_used(value) {
        disk.wear_pct = Some(used);
    }
    if value["rotation_rate"].as_u64().is_some_and(|rotation| rotation > 0) {
        disk.wear_pct = None;
    }
    disk.self_test_failed = self_test_failed(value);
    disk
}

/// Whether an answer says anything of the disk's health; who it is and how warm it is does not.
fn tells_health(value: &Value) -> bool {
    value["smart_status"]["passed"].is_boolean()
        || exit_status(value) & FAILING != 0
        || value["ata_smart_attributes"]["table"].as_array().is_some_and(|table| !table.is_empty())
        || health_log(value).is_some()
        || value["scsi_grown_defect_list"].is_u64()
        || ["read", "write", "verify"].iter().any(|way| value["scsi_error_counter_log"][way].is_object())
        || value["scsi_percentage_used_endurance_indicator"].is_u64()
}

fn why_no_health(value: &Value, message: &str) -> String {
    let support = &value["smart_support"];
    let said = if message.is_empty() { String::new() } else { format!(": {message}") };
    if support["available"] == true && support["enabled"] == false {
        format!("SMART is switched off{said}; mend: smartctl -s on")
    } else if support["available"] == false {
        format!("it tells nothing of its health{said}; mend: name its type or the disks behind it in [[smart.device]]")
    } else {
        format!("not readable: it tells nothing of its health{said}; mend: name its type in [[smart.device]]")
    }
}

/// Temperature now, °C, when there is a sensor that can be believed.
fn temperature(value: &Value) -> Option<f64> {
    let temperature = &value["temperature"];
    // SAS disks without that log page give 0 for it and for the limit, too; SATA disks without a sensor 0 and no other.
    let knows_more = ["power_cycle_max", "lifetime_max", "drive_trip", "op_limit_max", "limit_max"]
        .iter()
        .any(|key| temperature[key].as_f64().is_some_and(|other| other != 0.0));
    let current = temperature["current"].as_f64()?;
    ((-40.0..=150.0).contains(&current) && (current != 0.0 || knows_more)).then_some(current)
}

/// The share of its life that is used as the standards have it, which is more than what makers say of their own.
fn endurance_used(value: &Value) -> Option<f64> {
    let pages = value["ata_device_statistics"]["pages"].as_array().map_or(&[][..], Vec::as_slice);
    let rows = pages.iter().filter_map(|page| page["table"].as_array()).flatten();
    let statistic = rows
        .filter(|row| row["name"] == "Percentage Used Endurance Indicator" && row["flags"]["valid"] != false)
        .find_map(|row| row["value"].as_f64());
    let all = [
        health_log(value).and_then(|log| if keeps_no_log(log) { None } else { log["percentage_used"].as_f64() }),
        value["scsi_percentage_used_endurance_indicator"].as_f64(),
        statistic,
        value["endurance_used"]["current_percent"].as_f64().filter(|_| !health_log(value).is_some_and(keeps_no_log)),
    ];
    all.into_iter().flatten().find(|used| (0.0..=255.0).contains(used))
}

/// Whether a self-test failed that no later one has outdated; none when none came to its end. One that was broken off or runs says
/// nothing. A short test reads little of a disk: its success does not outdate the failure of a long one (smartctl(8), `-l selftest`).
fn self_test_failed(value: &Value) -> Option<bool> {
    let ata =
        ["extended", "standard"].iter().find_map(|kind| value["ata_smart_self_test_log"][kind]["table"].as_array());
    let ata = ata.map_or(&[][..], Vec::as_slice).iter().map(|test| {
        let (kind, status) = (test["type"]["value"].as_u64(), &test["status"]);
        let failed = match status["value"].as_u64().map(|value| value >> 4) {
            Some(0) => Some(false),
            Some(3..=8) => Some(true),
            Some(_) => None,
            None => status["passed"].as_bool().map(|passed| !passed),
        };
        // 1 offline, 129 in captive mode.
        (kind.is_some_and(|kind| kind & 0x7f == 1), failed)
    });
    // NVMe base specification, device self-test log: 0 is good, 5 to 7 are failures, the others were broken off.
    let nvme = value["nvme_self_test_log"]["table"].as_array().map_or(&[][..], Vec::as_slice).iter().map(|test| {
        let failed = match test["self_test_result"]["value"].as_u64() {
            Some(0) => Some(false),
            Some(5..=7) => Some(true),
            _ => None,
        };
        (test["self_test_code"]["value"].as_u64() == Some(1), failed)
    });
    // SPC-4, self-test results: 0 is good, 3 to 7 are failures; smartctl before 7.3 gives the words alone.
    let scsi = (0..SCSI_TESTS).map(|n| {
        let test = &value[format!("scsi_self_test_{n}")];
        let words = test["result"]["string"].as_str().unwrap_or_default().trim();
        let bad = ["Completed, segment failed", "Failed", "Unknown error"];
        let failed = match test["result"]["value"].as_u64() {
            Some(0) => Some(false),
            Some(3..=7) => Some(true),
            None if words == "Completed" => Some(false),
            None if bad.iter().any(|bad| words.starts_with(bad)) => Some(true),
            _ => None,
        };
        // 1 in the background, 5 in the foreground.
        (matches!(test["code"]["value"].as_u64(), Some(1 | 5)), failed)
    });
    has_standing_failure(ata).or_else(|| has_standing_failure(nvme)).or_else(|| has_standing_failure(scsi))
}

/// Whether a failure stands, of tests from the newest to the oldest: whether each is a short one, and whether it failed.
fn has_standing_failure(tests: impl Iterator<Item = (bool, Option<bool>)>) -> Option<bool> {
    let mut short_passed = false;
    for (short, failed) in tests {
        match failed {
            Some(true) if !(short && short_passed) => return Some(true),
            Some(false) if short => short_passed = true,
            Some(false) => return Some(false),
            _ => {}
        }
    }
    short_passed.then_some(false)
}

/// The health log of an NVMe controller, unless it is one with all bits set.
fn health_log(value: &Value) -> Option<&Value> {
    let log = &value["nvme_smart_health_information_log"];
    let number = |key: &str| log[key].as_u64();
    let filled = number("critical_warning") == Some(255) && number("available_spare").is_none_or(|spare| spare > 100);
    (number("critical_warning").is_some() && !filled).then_some(log)
}

/// Whether all of a health log that a living disk counts is 0, as controllers of virtual machines give it.
fn keeps_no_log(log: &Value) -> bool {
    let counted =
        ["available_spare", "available_spare_threshold", "power_on_hours", "data_units_written", "power_cycles"];
    counted.iter().all(|key| log[key].as_u64().unwrap_or(0) == 0) && log["power_on_hours"].is_u64()
}

fn nvme(value: &Value, disk: &mut SmartDisk) {
    let Some(log) = health_log(value) else { return };
    disk.media_errors = log["media_errors"].as_u64().and_then(attributes::plausible);
    disk.critical_warning = log["critical_warning"].as_u64().filter(|bits| *bits <= 255);
    let threshold = log["available_spare_threshold"].as_u64().filter(|threshold| *threshold <= 100);
    let spare = log["available_spare"].as_u64().filter(|spare| *spare <= 100);
    // No spare where nothing is asked of it is one that is not told.
    let spare = spare.filter(|spare| *spare > 0 || threshold.is_some_and(|threshold| threshold > 0));
    disk.spare_pct = spare.map(|spare| spare as f64);
    if threshold.zip(spare).is_some_and(|(threshold, spare)| spare > 0 && spare < threshold) {
        // Bit 0 is just this; some controllers forget to set it.
        disk.critical_warning = disk.critical_warning.map(|bits| bits | 1);
    }
    if disk.hours.is_none() {
        disk.hours = log["power_on_hours"].as_f64().and_then(attributes::plausible_hours);
    }
}

fn scsi(value: &Value, disk: &mut SmartDisk) {
    if let Some(defects) = value["scsi_grown_defect_list"].as_u64() {
        // Before 7.2, smartctl gives the bytes of the list; a defect has eight.
        let version = [0, 1].map(|at| value["smartctl"]["version"][at].as_u64());
        let in_bytes = matches!(version, [Some(7), Some(0 | 1)]);
        disk.reallocated = attributes::plausible(if in_bytes { defects / 8 } else { defects });
    }
    if let Some(pending) = value["scsi_pending_defects"]["count"].as_u64() {
        disk.pending = attributes::plausible(pending);
    }
    let counters = &value["scsi_error_counter_log"];
    let ways = ["read", "write", "verify"].iter().filter_map(|way| counters[way]["total_uncorrected_errors"].as_u64());
    let total = ways.fold(None, |total: Option<u64>, errors| Some(total.unwrap_or(0).saturating_add(errors)));
    if total.is_some() {
        disk.uncorrectable = total.and_then(attributes::plausible);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;
    use ioc_common::reading::AcceptedCounts;

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

    fn host() -> CapturedMachine {
        let captured = CapturedMachine::new(&[]);
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
        let accepted = AcceptedCounts { pending: 16, reallocated: 20, ..AcceptedCounts::default() };
        captured.settings.smart_accepted.insert("WD-1".into(), accepted);
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("smart.pending", "sda"), found.number("smart.reallocated", "sda")), (0.0, 4.0));
    }

    #[test]
    fn a_temperature_that_is_none() {
        let disk = |temperature: &str| {
            let json = format!(r#"{{"device":{{"protocol":"SCSI"}},"temperature":{temperature}}}"#);
            parse("sda", &serde_json::from_str(&json).expect("JSON"))
        };
        assert_eq!(disk(r#"{"current":0,"drive_trip":0}"#).temperature, None);
        assert_eq!(disk(r#"{"current":0,"drive_trip":60}"#).temperature, Some(0.0), "a cold room");
        assert_eq!(disk(r#"{"current":38}"#).temperature, Some(38.0));
    }

    #[test]
    fn a_short_test_does_not_outdate_a_long_one() {
        let failed = |json: &str| self_test_failed(&serde_json::from_str(json).expect("JSON"));
        let ata = |tests: &[(u32, u32)]| {
            let row =
                |(kind, status): &(u32, u32)| format!(r#"{{"type":{{"value":{kind}}},"status":{{"value":{status}}}}}"#);
            let rows: Vec<String> = tests.iter().map(row).collect();
            failed(&format!(r#"{{"ata_smart_self_test_log":{{"standard":{{"table":[{}]}}}}}}"#, rows.join(",")))
        };
        assert_eq!(ata(&[(1, 0), (2, 121)]), Some(true), "the long one failed, and only a short one ran since");
        assert_eq!(ata(&[(2, 0), (2, 121)]), Some(false));
        assert_eq!(ata(&[(1, 0), (1, 121), (2, 0)]), Some(false), "the short one was repeated");
        assert_eq!(
            (ata(&[(1, 121), (2, 0)]), ata(&[(2, 25), (1, 0)]), ata(&[(2, 25)])),
            (Some(true), Some(false), None)
        );
        let scsi = r#"{"scsi_self_test_0":{"code":{"value":1},"result":{"value":0}},"scsi_self_test_1":{"code":{"value":2},"result":{"value":7}}}"#;
        assert_eq!(failed(scsi), Some(true));
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
        let none = CapturedMachine::new(&[]);
        assert!(matches!(survey(&none.machine("2026-11-24T00:00:00Z")), Err(ProbeOutcome::Absent { .. })));
    }
}
