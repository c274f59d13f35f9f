//! The asset register as a table: assets that people know before any machine reports. Pure.
//!
//! A table is text with a line of headings, separated by commas, semicolons or tabs, as spreadsheets write and copy it. Every
//! faulty line is reported; whoever takes the table in takes all of it or nothing.

use std::collections::HashMap;

use serde::Serialize;

use ioc_judge::DeviceKind;

use super::device::{check_device, id_of};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::NewDevice;
use ioc_store::collation;

/// Most assets in one table.
pub const ASSETS_MAX: usize = 10_000;
/// Most faults of one table that are reported.
const FAULTS_MAX: usize = 100;

/// Headings: the field, and what it may be called, in plain letters.
const HEADINGS: [(&str, &[&str]); 14] = [
    ("device", &["device", "id", "ma thiet bi", "ma may"]),
    ("kind", &["kind", "type", "loai"]),
    ("name", &["name", "ten", "ten thiet bi"]),
    ("label", &["label", "asset", "asset label", "nhan", "nhan tai san", "ma tai san"]),
    ("place", &["place", "location", "room", "noi dat", "vi tri", "phong"]),
    ("officer", &["officer", "can bo", "can bo phu trach", "nguoi phu trach"]),
    ("leader", &["leader", "lanh dao", "lanh dao phu trach"]),
    ("serial", &["serial", "serial number", "so serial", "so may", "s/n"]),
    ("mac", &["mac", "mac address", "dia chi mac"]),
    ("address", &["address", "ip", "dia chi", "dia chi ip"]),
    ("uplink", &["uplink", "duong truyen", "qua"]),
    ("redundancy", &["redundancy", "du phong", "cap du phong"]),
    ("importance", &["importance", "muc quan trong", "quan trong"]),
    ("tags", &["tags", "groups", "nhom", "the"]),
];

/// What a line cannot be taken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineFault {
    /// Line of the table, from 1; the headings are the first.
    pub line: u64,
    /// What is wrong, and the mend.
    pub fault: RefusalReason,
}

/// Reads a table.
///
/// # Errors
/// Every line that cannot be taken, up to a hundred.
pub fn read(text: &str) -> Result<Vec<NewDevice>, Vec<LineFault>> {
    // Lines are counted by their ends, whoever wrote them.
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    let separator = [',', ';', '\t'].into_iter().max_by_key(|separator| count(*separator)).unwrap_or(',');
    let separator = u8::try_from(u32::from(separator)).unwrap_or(b',');
    let mut table = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let headings = match table.headers() {
        Ok(headings) => headings.clone(),
        Err(error) => return Err(vec![LineFault { line: 1, fault: unreadable(&error) }]),
    };
    let columns = columns_of(&headings)?;
    let (mut devices, mut faults) = (Vec::new(), Vec::new());
    let mut lines = Lines::new(text.as_bytes());
    let mut seen: HashMap<(&'static str, String), u64> = HashMap::new();
    for record in table.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(LineFault {
                    line: error.position().map_or(0, csv::Position::line),
                    fault: unreadable(&error),
                });
                break;
            }
        };
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        let mut report = |fault: RefusalReason| faults.push(LineFault { line, fault });
        if devices.len() == ASSETS_MAX {
            let english = format!("there are more than {ASSETS_MAX} assets; divide the table");
            report(RefusalReason::new("refusal-table-long", [("most", Word::count(ASSETS_MAX))], english));
            break;
        }
        match device_of(&columns, &record) {
            Ok(device) => {
                for (field, value) in [
                    (Field::Device, &device.device),
                    (Field::Label, &device.label),
                    (Field::Serial, &device.serial),
                    (Field::Mac, &device.mac),
                ] {
                    if value.is_empty() {
                        continue;
                    }
                    if let Some(earlier) = seen.insert((field.as_str(), value.to_lowercase()), line) {
                        let english = format!("{}: {value:?} stands in line {earlier} already", field.as_str());
                        let args =
                            [field.word(), ("found", Word::text(value.as_str())), ("line", Word::Count(earlier))];
                        report(RefusalReason::new("refusal-line-twice", args, english));
                    }
                }
                devices.push(device);
            }
            Err(fault) => report(fault),
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() && devices.is_empty() {
        let fault = RefusalReason::new("refusal-table-empty", [], "there is no asset in the table");
        faults.push(LineFault { line: 2, fault });
    }
    if faults.is_empty() { Ok(devices) } else { Err(faults) }
}

/// Counts lines: the reader of the table passes over empty ones without a word.
pub(super) struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    /// From the first line on.
    pub(super) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of the first thing that stands at this byte or after it. Asked in order.
    pub(super) fn of(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(letter) = self.text.get(self.at).filter(|letter| self.at < byte || **letter == b'\n') {
            self.line += u64::from(*letter == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// What is no table.
fn unreadable(error: &csv::Error) -> RefusalReason {
    RefusalReason::new("register-refused-unreadable", [], error.to_string())
}

fn columns_of(headings: &csv::StringRecord) -> Result<Vec<&'static str>, Vec<LineFault>> {
    let fault = |fault: RefusalReason| vec![LineFault { line: 1, fault }];
    let mut columns = Vec::new();
    for heading in headings {
        let plain: String = heading.trim().to_lowercase().chars().map(collation::plain).collect();
        let found = HEADINGS.iter().find(|(_, names)| names.contains(&plain.as_str()));
        let Some((field, _)) = found else {
            let known = HEADINGS.map(|(field, _)| field).join(", ");
            let english = format!("heading {heading:?} is not known; allowed are {known}");
            let args = [("found", Word::text(heading)), ("allowed", Word::text(known))];
            return Err(fault(RefusalReason::new("refusal-heading-unknown", args, english)));
        };
        if columns.contains(field) {
            let english = format!("heading {heading:?}: {field} stands there twice");
            let args = [("found", Word::text(heading)), ("column", Word::text(*field))];
            return Err(fault(RefusalReason::new("refusal-heading-twice", args, english)));
        }
        columns.push(*field);
    }
    for needed in ["name", "kind"] {
        if !columns.contains(&needed) {
            let english = format!("there is no column {needed}");
            return Err(fault(RefusalReason::new("refusal-column-missing", [("column", Word::text(needed))], english)));
        }
    }
    Ok(columns)
}

fn device_of(columns: &[&str], record: &csv::StringRecord) -> Result<NewDevice, RefusalReason> {
    if record.len() > columns.len() {
        let english = format!("there are {} fields and {} headings", record.len(), columns.len());
        let args = [("fields", Word::count(record.len())), ("headings", Word::count(columns.len()))];
        return Err(RefusalReason::new("refusal-fields-headings", args, english));
    }
    let of = |field: &str| {
        let place = columns.iter().position(|column| *column == field);
        place.and_then(|place| record.get(place)).unwrap_or_default().trim().to_owned()
    };
    let mut device = NewDevice {
        device: of("device"),
        kind: of("kind").to_lowercase(),
        name: of("name"),
        label: of("label"),
        place: of("place"),
        officer: of("officer"),
        leader: of("leader"),
        uplink: of("uplink"),
        redundancy: of("redundancy"),
        importance: of("importance"),
        tags: of("tags").split([',', ' ', ';']).filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        address: of("address"),
        serial: of("serial"),
        mac: of("mac"),
    };
    if let Some(kind) = vietnamese_kind(&device.kind) {
        kind.as_str().clone_into(&mut device.kind);
    }
    if device.device.is_empty() {
        // The same asset is the same device, however often its table is taken in.
        device.device = id_of(if device.label.is_empty() { &device.name } else { &device.label });
        if device.device.is_empty() {
            let english = "device: neither label nor name gives an identifier; fill in the column device";
            return Err(RefusalReason::new("refusal-device-column", [], english));
        }
    }
    match check_device(device.clone()) {
        Ok(info) => Ok(NewDevice { mac: info.mac, ..device }),
        Err(error) => Err(error.into_reason()),
    }
}

fn vietnamese_kind(text: &str) -> Option<DeviceKind> {
    let plain: String = text.chars().map(collation::plain).collect();
    Some(match plain.as_str() {
        "may chu" => DeviceKind::Server,
        "may tram" => DeviceKind::Workstation,
        "bo dieu khien man hinh" | "man hinh" => DeviceKind::Display,
        "cam bien" => DeviceKind::Sensor,
        "bo luu dien" => DeviceKind::Ups,
        "dong ho dien" => DeviceKind::Meter,
        "dieu hoa" => DeviceKind::Cooling,
        "may chieu" => DeviceKind::Projector,
        "khac" => DeviceKind::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_spreadsheets_write_it() {
        let text = "\u{feff}Tên;Loại;Nhãn tài sản;Nơi đặt;Địa chỉ MAC;Nhóm\r\n\
                    \"Máy chủ; một\";Máy chủ;TS-01;Phòng máy;00-1A-2B-3C-4D-5E;core, db\r\n\r\n\
                    Máy trạm 2;workstation;;Phòng họp;;\r\n";
        let fault = &read(&text.replace("workstation", "toaster")).expect_err("faulty")[0];
        assert_eq!(fault.line, 4);
        let devices = read(text).expect("reads");
        assert_eq!(devices.len(), 2);
        assert_eq!((devices[0].device.as_str(), devices[0].name.as_str()), ("ts-01", "Máy chủ; một"));
        assert_eq!((devices[0].kind.as_str(), devices[0].mac.as_str()), ("server", "00:1a:2b:3c:4d:5e"));
        assert_eq!(devices[0].tags, ["core", "db"]);
        assert_eq!(devices[1].device, "may-tram-2");
        assert_eq!(read("name\tkind\nA\tserver\n").expect("reads")[0].device, "a");
    }

    #[test]
    fn every_faulty_line_is_told() {
        let faults = read("name,kind,label\n,server,1\nA,toaster,2\nB,server,3\nC,server,3\nD,server,4,5\n")
            .expect_err("faulty");
        let lines: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [2, 3, 5, 5, 6], "{faults:?}");
        assert!(faults[1].fault.english().contains("toaster"), "{faults:?}");
        for (table, says) in [
            ("", "column name"),
            ("name,kind\n", "no asset"),
            ("name,kind,colour\nA,server,red\n", "colour"),
            ("name,name,kind\n", "twice"),
            ("name,kind,mac\nA,server,12\n", "mac"),
            ("name,kind\n日本,server\n", "fill in the column device"),
        ] {
            let faults = read(table).expect_err(table);
            assert!(faults[0].fault.english().contains(says), "{table:?}: {faults:?}");
        }
    }
}
