//! The asset register as a table that people paste from a spreadsheet: what it would change, row by row, before it does. Pure.
//!
//! Headings are the columns' names, in Vietnamese or English as the register exports them ([`pasted_table`]).

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use ioc_common::id::DeviceId;
use ioc_judge::{DeviceKind, Importance};
use ioc_store::{Asset, AssetField, AssetRow, AssetState};

use super::asset::checked;
use super::device::id_of;
use super::pasted_table::{self, CellFault, FAULTS_MAX, plain, without_mark};
use crate::refusal_reason::{RefusalReason, Word};

/// Most assets in one table.
pub const ROWS_MAX: usize = 20_000;
/// The column with the device's identifier.
const DEVICE: [&str; 5] = ["device", "id", "identifier", "ma thiet bi", "ma may"];
/// Columns that the register exports and nobody writes.
const DERIVED: [&str; 5] = [
    "muc con thieu",
    "muc khac voi may bao",
    "columns that are missing",
    "columns in which the machine says otherwise",
    "stt",
];

/// What a row would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowPlan {
    /// Row of the table, from 1.
    pub row: u64,
    /// Which device it is about.
    pub device: String,
    /// There is no such device yet: it would be registered.
    pub is_new: bool,
    /// Column, what is written down now, what would be.
    pub changes: Vec<(AssetField, String, String)>,
}

/// What a column may be called, in plain letters.
const fn headings(field: AssetField) -> &'static [&'static str] {
    match field {
        AssetField::Name => &["name", "ten", "ten thiet bi"],
        AssetField::Label => &["label", "asset label", "nhan tai san", "nhan", "ma tai san"],
        AssetField::Kind => &["kind", "loai", "type"],
        AssetField::Place => &["place", "noi dat", "vi tri", "phong", "room", "location"],
        AssetField::Officer => &["officer", "responsible officer", "can bo phu trach", "can bo", "nguoi phu trach"],
        AssetField::Leader => &["leader", "responsible leader", "lanh dao phu trach", "lanh dao"],
        AssetField::Mac => &["mac", "mac address", "dia chi mac"],
        AssetField::Serial => &["serial", "serial number", "so se-ri", "so seri", "so serial", "s/n"],
        AssetField::Maker => &["maker", "hang san xuat", "hang", "vendor"],
        AssetField::Model => &["model", "kieu may"],
        AssetField::Bought => &["bought", "bought on", "ngay mua"],
        AssetField::WarrantyEnd => &["warranty_end", "end of warranty", "het bao hanh", "han bao hanh"],
        AssetField::SupportEnd => &["support_end", "end of support", "hang het ho tro", "han ho tro"],
        AssetField::Address => &["address", "ip address", "ip", "dia chi ip"],
        AssetField::Zone => &["zone", "network zone", "vung mang"],
        AssetField::SwitchPort => &["switch_port", "switch, port", "bo chuyen mach, cong"],
        AssetField::Purpose => &["purpose", "muc dich su dung", "muc dich"],
        AssetField::State => &["state", "state of use", "tinh trang"],
        AssetField::Importance => &["importance", "muc quan trong"],
        AssetField::Supplier => &["supplier", "nha cung cap"],
    }
}

/// The name of a kind, a state or an importance that people wrote in words; what is none is left as it is, and refused with the names.
fn named(field: AssetField, text: &str) -> String {
    let word = plain(text);
    let found = match field {
        AssetField::Kind => match word.as_str() {
            "may chu" => Some(DeviceKind::Server.as_str()),
            "may tram" => Some(DeviceKind::Workstation.as_str()),
            "bo dieu khien man hinh" | "man hinh" | "display controller" => Some(DeviceKind::Display.as_str()),
            "cam bien" => Some(DeviceKind::Sensor.as_str()),
            "bo luu dien" => Some(DeviceKind::Ups.as_str()),
            "dong ho dien" | "power meter" => Some(DeviceKind::Meter.as_str()),
            "dieu hoa" | "air conditioner" => Some(DeviceKind::Cooling.as_str()),
            "may chieu" => Some(DeviceKind::Projector.as_str()),
            "khac" | "thiet bi khac" => Some(DeviceKind::Other.as_str()),
            _ => None,
        },
        AssetField::State => match word.as_str() {
            "dang dung" | "dang su dung" | "in use" => Some(AssetState::InUse.as_str()),
            "du phong" => Some(AssetState::Spare.as_str()),
            "dang sua" | "in repair" => Some(AssetState::Repair.as_str()),
            "thanh ly" => Some(AssetState::Retired.as_str()),
            _ => None,
        },
        AssetField::Importance => match word.as_str() {
            "thap" => Some(Importance::Low.as_str()),
            "binh thuong" => Some(Importance::Normal.as_str()),
            "cao" => Some(Importance::High.as_str()),
            _ => None,
        },
        _ => return text.to_owned(),
    };
    found.map_or(word, str::to_owned)
}

/// What a column of the table is.
enum Column {
    Device,
    Field(AssetField),
    Derived,
}

fn columns_of(headings_row: &csv::StringRecord) -> Result<Vec<(Column, String)>, Vec<CellFault>> {
    let (mut columns, mut faults) = (Vec::<(Column, String)>::new(), Vec::new());
    let mut seen: Vec<String> = Vec::new();
    for heading in headings_row {
        let word = plain(heading);
        let fault = |fault: RefusalReason| CellFault { row: 1, column: heading.to_owned(), fault };
        let field = AssetField::ALL.into_iter().find(|field| headings(*field).contains(&word.as_str()));
        let column = match field {
            Some(field) => Column::Field(field),
            None if DEVICE.contains(&word.as_str()) => Column::Device,
            None if word.is_empty() || DERIVED.contains(&word.as_str()) => Column::Derived,
            None => {
                let known = AssetField::ALL.map(AssetField::as_str);
                let english = format!("this heading is not known; allowed are device, {}", known.join(", "));
                let allowed = [("allowed", Word::all("asset-field", known))];
                faults.push(fault(RefusalReason::new("register-refused-heading", allowed, english)));
                continue;
            }
        };
        let name = match &column {
            Column::Device => "device".to_owned(),
            Column::Field(field) => field.as_str().to_owned(),
            Column::Derived => String::new(),
        };
        if !name.is_empty() && seen.contains(&name) {
            let english = format!("{name} stands there twice; take one of them out");
            faults.push(fault(RefusalReason::new("register-refused-heading-twice", [], english)));
        }
        seen.push(name);
        columns.push((column, heading.to_owned()));
    }
    let has = |name: &str| seen.iter().any(|one| one == name);
    if faults.is_empty() && !has("device") && !has("label") && !has("name") {
        let english = "there is no column device, label or name: which row is which asset cannot be told";
        let fault = RefusalReason::new("register-refused-no-key-column", [], english);
        faults.push(CellFault { row: 1, column: String::new(), fault });
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

/// Reads a table.
///
/// # Errors
/// Every cell that cannot be taken, up to a hundred.
pub fn read(text: &str) -> Result<Vec<AssetRow>, Vec<CellFault>> {
    pasted_table::read(text, ROWS_MAX, columns_of, row_of)
}

fn row_of(row: u64, columns: &[(Column, String)], record: &csv::StringRecord, faults: &mut Vec<CellFault>) -> AssetRow {
    let (mut device, mut fields) = (String::new(), BTreeMap::new());
    for ((column, heading), cell) in columns.iter().zip(record) {
        // What the register exports for who may not see people says nothing, nor do all the addresses that an agent found.
        let cell = cell.trim();
        let are_several = matches!(column, Column::Field(AssetField::Mac)) && cell.contains(", ");
        if cell.is_empty() || cell == ioc_common::document::HIDDEN || are_several {
            continue;
        }
        match column {
            Column::Derived => {}
            Column::Device => cell.clone_into(&mut device),
            Column::Field(field) => match checked(*field, &named(*field, without_mark(cell))) {
                Ok(text) => drop(fields.insert(*field, text)),
                Err(fault) => faults.push(CellFault { row, column: heading.clone(), fault }),
            },
        }
    }
    AssetRow { row, device, fields }
}

/// What a table would change, of what is written down now: which row is which asset is told by its identifier, else its label, else by the
/// identifier that its label or name makes.
///
/// # Errors
/// Every row that is about no device, or about the same as another, up to a hundred.
pub fn plan(rows: &[AssetRow], known: &HashMap<DeviceId, Asset>) -> Result<Vec<RowPlan>, Vec<CellFault>> {
    let labels: HashMap<String, &str> = known
        .values()
        .filter(|asset| !asset.text(AssetField::Label).is_empty())
        .map(|asset| (asset.text(AssetField::Label).to_lowercase(), asset.device.as_str()))
        .collect();
    let (mut plans, mut faults, mut seen) = (Vec::new(), Vec::new(), HashMap::<String, u64>::new());
    for one in rows {
        let mut refuse = |column: &str, fault: RefusalReason| {
            faults.push(CellFault { row: one.row, column: column.to_owned(), fault });
        };
        let of = |field: AssetField| one.fields.get(&field).map(String::as_str).unwrap_or_default();
        let labelled = labels.get(&of(AssetField::Label).to_lowercase()).map(|device| (*device).to_owned());
        let made =
            || id_of(if of(AssetField::Label).is_empty() { of(AssetField::Name) } else { of(AssetField::Label) });
        let device = match (one.device.as_str(), labelled) {
            ("", Some(device)) => device,
            ("", None) => made(),
            (device, _) => device.to_owned(),
        };
        let id = match DeviceId::new(&device) {
            Ok(id) => id,
            Err(error) => {
                let english = format!("neither identifier, label nor name says which asset this is: {error}");
                refuse("device", RefusalReason::new("register-refused-which", [], english));
                continue;
            }
        };
        if let Some(earlier) = seen.insert(device.clone(), one.row) {
            let english = format!("{device} stands in row {earlier} already");
            let args = [("device", Word::text(&device)), ("row", Word::Count(earlier))];
            refuse("device", RefusalReason::new("register-refused-row-twice", args, english));
            continue;
        }
        let asset = known.get(&id);
        if asset.is_none() {
            for needed in [AssetField::Name, AssetField::Kind] {
                if of(needed).is_empty() {
                    let name = needed.as_str();
                    let english = format!("{device} is new: every device has a {name}");
                    let args = [("device", Word::text(&device)), ("field", Word::named("asset-field", name))];
                    refuse(name, RefusalReason::new("register-refused-new-needs", args, english));
                }
            }
        }
        let said =
            |field: AssetField| asset.and_then(|asset| asset.said.get(&field)).map_or("", |value| value.text.as_str());
        // What stands there though nobody said it: what the agent found, and what holds for most.
        let unsaid = |field: AssetField| match field {
            AssetField::Importance => Importance::Normal.as_str(),
            AssetField::State => AssetState::InUse.as_str(),
            field => asset.map_or("", |asset| asset.text(field)),
        };
        let is_known = |field: AssetField, text: &str| {
            let said = said(field);
            said == text || (said.is_empty() && unsaid(field) == text)
        };
        let changes = one.fields.iter().filter(|(field, text)| !is_known(**field, text));
        let changes = changes.map(|(field, text)| (*field, said(*field).to_owned(), text.clone())).collect();
        plans.push(RowPlan { row: one.row, device, is_new: asset.is_none(), changes });
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(plans) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use ioc_common::clock::Timestamp;
    use ioc_store::AssetValue;

    use super::*;

    fn srv_1() -> DeviceId {
        DeviceId::new("srv-1").expect("valid")
    }

    fn known() -> HashMap<DeviceId, Asset> {
        let mut asset = Asset::new(srv_1(), Timestamp::MIN);
        for (field, text) in [(AssetField::Name, "Máy chủ 1"), (AssetField::Label, "TS-01"), (AssetField::Zone, "DMZ")]
        {
            asset.said.insert(field, AssetValue { text: text.to_owned(), by: None, at: Timestamp::MIN });
        }
        [(srv_1(), asset)].into()
    }

    #[test]
    fn what_is_pasted_from_a_spreadsheet_says_what_it_would_change() {
        let text = "Tên\tNhãn tài sản\tLoại\tTình trạng\tNgày mua\tVùng mạng\tBộ chuyển mạch, cổng\tMục còn thiếu\n\
                    Máy chủ 1\tts-01\t\tDự phòng\t5/6/2024\tDMZ\tsw-1, 12\tgì đó\n\
                    \n\
                    Máy in tầng 2\tTS-02\tKhác\tĐang dùng\t\t\t\t\n";
        let rows = read(text).expect("reads");
        let plans = plan(&rows, &known()).expect("plans");
        assert_eq!((plans[0].device.as_str(), plans[0].is_new), ("srv-1", false), "by its label");
        let changes: Vec<(&str, &str, &str)> =
            plans[0].changes.iter().map(|(field, old, new)| (field.as_str(), old.as_str(), new.as_str())).collect();
        let expected = [
            ("label", "TS-01", "ts-01"),
            ("bought", "", "2024-06-05"),
            ("switch_port", "", "sw-1, 12"),
            ("state", "", "spare"),
        ];
        assert_eq!(changes, expected);
        assert_eq!((plans[1].device.as_str(), plans[1].is_new, plans[1].row), ("ts-02", true, 4));
        // What the agent found, and what holds for most, is not written down again by taking an export in.
        let mut all = known();
        let serial = AssetValue { text: "SN-9".to_owned(), by: None, at: Timestamp::MIN };
        all.get_mut(&srv_1()).expect("there").found.insert(AssetField::Serial, serial);
        let text =
            "device,serial,state,importance,mac\nsrv-1,SN-9,in_use,normal,\"aa:00:00:00:00:01, aa:00:00:00:00:02\"\n";
        assert!(plan(&read(text).expect("reads"), &all).expect("plans")[0].changes.is_empty());
        let csv = read("device,name,supplier\nsrv-1,,\"'=1+1\"\n").expect("reads");
        assert_eq!(csv[0].fields, [(AssetField::Supplier, "=1+1".to_owned())].into());
    }

    #[test]
    fn every_faulty_cell_is_named_by_row_and_column() {
        let faults = read("Tên;Loại;Ngày mua\nA;máy in;hôm qua\nB;server;2024-05-06;x\n").expect_err("faulty");
        let found: Vec<(u64, &str)> = faults.iter().map(|one| (one.row, one.column.as_str())).collect();
        assert_eq!(found, [(2, "Loại"), (2, "Ngày mua"), (3, "")], "{faults:?}");
        for (text, says) in [
            ("", "no column"),
            ("colour,name\nred,A\n", "not known"),
            ("name,ten\nA,B\n", "twice"),
            ("zone\nDMZ\n", "which row is which asset"),
            ("name\n", "no row"),
        ] {
            let faults = read(text).expect_err(text);
            assert!(faults[0].fault.english().contains(says), "{text:?}: {faults:?}");
        }
        let refused = |text: &str| plan(&read(text).expect("reads"), &known()).expect_err(text).remove(0);
        assert_eq!(refused("device,zone\nsrv-9,LAN\n").column, "name");
        assert!(refused("device,zone\nsrv-1,LAN\nsrv-1,WAN\n").fault.english().contains("row 2 already"));
        assert!(refused("name,kind\n日本,server\n").fault.english().contains("which asset"));
    }
}
