//! The record of maintenance (*biên bản bảo trì*, articles 11.1, 11.2): what was planned, on what, whether operation was interrupted.

use jiff::civil::DateTime;

use super::incident::ended;
use super::office::Office;
use crate::model::{Align, Block, Document, Kind, Signature, Stamps, Table, Text};
use crate::wording;

/// Everything that the record is made of. Times are the site's.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct MaintenanceRecord {
    pub office: Office,
    /// What was done, in a line.
    pub title: String,
    pub from: DateTime,
    pub until: DateTime,
    /// When it was ended, where that was before its time.
    pub ended: Option<DateTime>,
    /// Who planned it.
    pub planned_by: Option<String>,
    /// What spoke against it, and was overruled.
    pub overruled: Vec<String>,
    /// On what.
    pub devices: Vec<MaintainedDevice>,
    /// There are so many more devices than are listed.
    pub more: u64,
    /// Faults of these devices meanwhile.
    pub faults: Vec<MaintenanceFault>,
    /// There are so many more faults than are listed.
    pub more_faults: u64,
    /// How long any of them was not heard meanwhile, seconds; none where none of them reports.
    pub silent_s: Option<u64>,
    /// Who signs at the right: whoever is responsible.
    pub responsible: Signature,
}

/// A device that was maintained.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintainedDevice {
    pub name: String,
    pub label: String,
    pub place: String,
}

/// A fault while the window was open.
#[allow(missing_docs, reason = "the names say it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceFault {
    pub device: String,
    pub what: String,
    pub from: DateTime,
    /// When it was over; none where it was not at its end.
    pub until: Option<DateTime>,
}

/// Makes the record.
#[must_use]
pub fn document(input: &MaintenanceRecord) -> Document {
    let known = |text: &str| if text.is_empty() { wording::NO_DATA.to_owned() } else { text.to_owned() };
    let mut facts = Table::new(&[("Nội dung", 2, Align::Left), ("Thông tin", 5, Align::Left)], wording::NO_DATA);
    let end = input.ended.unwrap_or(input.until);
    let interrupted = match input.silent_s {
        None => format!("{}: không thiết bị nào báo về", wording::NO_DATA),
        Some(0) => "không gián đoạn".to_owned(),
        Some(seconds) => wording::duration(seconds),
    };
    let rows = [
        ("Công việc", input.title.clone()),
        ("Thời gian theo kế hoạch", format!("{} đến {}", wording::moment(input.from), wording::moment(input.until))),
        ("Kết thúc", wording::moment(end)),
        ("Người lập kế hoạch", known(input.planned_by.as_deref().unwrap_or_default())),
        ("Thời gian thiết bị mất liên lạc", interrupted),
    ];
    for (name, text) in rows {
        facts.push([name.into(), text.into()]);
    }
    let columns =
        [("TT", 1, Align::Centre), ("Thiết bị", 7, Align::Left), ("Nhãn", 4, Align::Left), ("Nơi đặt", 6, Align::Left)];
    let mut devices = Table::new(&columns, "Không xác định được thiết bị");
    for (at, device) in input.devices.iter().enumerate() {
        devices.push([
            (at + 1).to_string().into(),
            device.name.as_str().into(),
            known(&device.label).into(),
            known(&device.place).into(),
        ]);
    }
    let columns = [
        ("Thiết bị", 5, Align::Left),
        ("Lỗi", 8, Align::Left),
        ("Từ lúc", 4, Align::Centre),
        ("Đến", 4, Align::Centre),
    ];
    let mut faults = Table::new(&columns, "Không ghi nhận lỗi của các thiết bị này trong đợt bảo trì");
    for fault in &input.faults {
        let until = fault.until.map_or_else(|| "chưa hết".to_owned(), wording::moment);
        faults.push([
            fault.device.as_str().into(),
            fault.what.as_str().into(),
            wording::moment(fault.from).into(),
            until.into(),
        ]);
    }
    let mut body = vec![Block::heading(1, "Đợt bảo trì"), Block::Table(facts)];
    if !input.overruled.is_empty() {
        body.push(Block::heading(1, "Cảnh báo đã được chấp nhận khi lập kế hoạch"));
        body.push(Block::List(ended(&input.overruled)));
    }
    body.push(Block::heading(1, "Thiết bị"));
    body.push(Block::Table(devices));
    if input.more > 0 {
        body.push(Block::Note(format!("Còn {} thiết bị khác.", wording::count(input.more)).into()));
    }
    body.push(Block::heading(1, "Lỗi trong đợt bảo trì"));
    body.push(Block::Table(faults));
    if input.more_faults > 0 {
        let more = wording::count(input.more_faults);
        body.push(Block::Note(format!("Còn {more} lỗi khác của các thiết bị này trong đợt bảo trì.").into()));
    }
    for (title, key, what) in [
        ("Nội dung đã thực hiện", "work", "những việc đã làm, vật tư đã thay"),
        ("Kết quả", "result", "kết quả kiểm tra sau bảo trì, kiến nghị"),
    ] {
        body.push(Block::heading(1, title));
        body.push(Block::Paragraph(Text::new().blank(key, what)));
    }
    body.push(Block::paragraph("Các bên thống nhất nội dung trên và ký biên bản."));
    Document {
        head: input.office.head(Some(end.date())),
        kind: Kind::Minutes,
        summary: format!("Bảo trì: {}", input.title),
        addressees: Vec::new(),
        stamps: Stamps::default(),
        bases: Vec::new(),
        body,
        recipients: vec!["Lưu: Hồ sơ bảo trì".to_owned()],
        signatures: vec![Signature::of("Người thực hiện", None), input.responsible.clone()],
        annexes: Vec::new(),
    }
}
