//! The hand-over record of a shift (*biên bản bàn giao ca trực*): what is open, what was put off, what the next shift has to know.

use jiff::civil::DateTime;

use super::incident::ended;
use super::office::Office;
use crate::model::{Align, Block, Document, Kind, Signature, Stamps, Table, Text};
use crate::wording;

/// Everything that the record is made of. Times are the site's.
#[derive(Debug, Clone, PartialEq)]
pub struct Handover {
    /// Who issues it.
    pub office: Office,
    /// Begin of the shift.
    pub from: DateTime,
    /// Its end.
    pub to: DateTime,
    /// Who hands over, by name and title.
    pub giving: Vec<String>,
    /// Who takes over.
    pub taking: Vec<String>,
    /// What is open.
    pub open: Vec<OpenIncident>,
    /// There are so many more than are listed.
    pub more: u64,
    /// What happened on the shift: when, what, and who did it where somebody did.
    pub happened: Vec<(DateTime, String, String)>,
    /// So much more happened than is listed.
    pub more_happened: u64,
    /// Who signed in the product, as lines: side, name, moment.
    pub signed: Vec<String>,
    /// What was resolved in the shift; not known where the record could not be read.
    pub resolved: Option<u64>,
    /// What stands to be done, such as maintenance windows.
    pub tasks: Vec<String>,
    /// How rooms and devices are; a person writes it.
    pub condition: Option<String>,
    /// What else the next shift has to know.
    pub remarks: Option<String>,
}

/// An incident that is open at the end of the shift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIncident {
    /// Its number.
    pub number: u64,
    /// What it is.
    pub title: String,
    /// The device.
    pub device: Option<String>,
    /// Since when.
    pub since: DateTime,
    /// Where it stands, as people read it, and who has it.
    pub state: String,
}

/// Makes the record.
#[must_use]
pub fn document(input: &Handover) -> Document {
    let mut body = vec![Block::paragraph(format!(
        "Hôm nay, lúc {}, tại {}, hai bên bàn giao ca trực từ {} đến {}.",
        wording::moment_in_words(input.to),
        input.office.agency,
        wording::moment(input.from),
        wording::moment(input.to)
    ))];
    body.push(Block::heading(1, "Thành phần"));
    for (title, people, key) in [("Bên giao", &input.giving, "giving"), ("Bên nhận", &input.taking, "taking")] {
        body.push(Block::heading(2, title));
        body.push(if people.is_empty() {
            Block::Paragraph(Text::new().blank(key, "họ tên, chức vụ"))
        } else {
            Block::List(ended(people))
        });
    }
    body.push(Block::heading(1, "Sự cố đang xử lý"));
    body.push(Block::Table(open(input)));
    if input.more > 0 {
        let more = wording::count(input.more);
        body.push(Block::Note(
            format!("Còn {more} sự cố khác đang xử lý, mở sau các sự cố trên; xem trang Sự cố.").into(),
        ));
    }
    let resolved = input.resolved.map_or_else(|| wording::NO_DATA.to_owned(), wording::count);
    body.push(Block::paragraph(format!("Số sự cố đã khắc phục xong trong ca: {resolved}.")));
    if !input.happened.is_empty() {
        body.push(Block::heading(1, "Diễn biến trong ca"));
        body.push(Block::Table(happened(input)));
        if input.more_happened > 0 {
            let more = wording::count(input.more_happened);
            body.push(Block::Note(format!("Còn {more} việc khác; xem trang Giao ca.").into()));
        }
    }
    body.push(Block::heading(1, "Việc chuyển ca sau"));
    body.push(if input.tasks.is_empty() {
        Block::paragraph("Không có việc chuyển ca sau.")
    } else {
        Block::List(ended(&input.tasks))
    });
    body.push(Block::heading(1, "Tình trạng phòng máy, thiết bị"));
    body.push(text(input.condition.as_deref(), "condition", "tình trạng phòng máy, thiết bị, chìa khoá, dụng cụ"));
    if let Some(remarks) = &input.remarks {
        body.push(Block::heading(1, "Ghi chú"));
        body.push(Block::paragraph(remarks.as_str()));
    }
    if !input.signed.is_empty() {
        body.push(Block::heading(1, "Đã ký trên hệ thống"));
        body.push(Block::List(ended(&input.signed)));
    }
    body.push(Block::paragraph("Hai bên thống nhất nội dung trên và ký biên bản."));
    let one = |people: &[String]| people.first().map(|one| one.split(',').next().unwrap_or(one).trim().to_owned());
    Document {
        head: input.office.head(Some(input.to.date())),
        kind: Kind::Minutes,
        summary: format!("Bàn giao ca trực {}", wording::date(input.to.date())),
        addressees: Vec::new(),
        stamps: Stamps::default(),
        bases: Vec::new(),
        body,
        recipients: vec!["Lưu: Sổ trực".to_owned()],
        signatures: vec![
            Signature::of("Bên giao", one(&input.giving).as_deref()),
            Signature::of("Bên nhận", one(&input.taking).as_deref()),
        ],
        annexes: Vec::new(),
    }
}

fn text(text: Option<&str>, key: &str, what: &str) -> Block {
    text.map_or_else(|| Block::Paragraph(Text::new().blank(key, what)), Block::paragraph)
}

fn happened(input: &Handover) -> Table {
    let columns = [("Lúc", 4, Align::Centre), ("Diễn biến", 14, Align::Left), ("Người thực hiện", 6, Align::Left)];
    let mut table = Table::new(&columns, "Không có diễn biến");
    for (at, what, who) in &input.happened {
        table.push([wording::moment(*at).into(), what.as_str().into(), who.as_str().into()]);
    }
    table
}

fn open(input: &Handover) -> Table {
    let columns = [
        ("Số", 2, Align::Centre),
        ("Sự cố", 8, Align::Left),
        ("Thiết bị", 5, Align::Left),
        ("Từ lúc", 4, Align::Centre),
        ("Tình trạng", 5, Align::Left),
    ];
    let mut table = Table::new(&columns, "Không có sự cố đang xử lý");
    for incident in &input.open {
        table.push([
            incident.number.to_string().into(),
            incident.title.as_str().into(),
            incident.device.as_deref().unwrap_or(wording::NO_DATA).into(),
            wording::moment(incident.since).into(),
            incident.state.as_str().into(),
        ]);
    }
    table
}
