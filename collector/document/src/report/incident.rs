//! The record of an incident (*biên bản sự cố*, article 10.2c): its course and its remedy, with what article 10.2 asks before a repair.

use jiff::civil::{Date, DateTime};

use super::office::Office;
use crate::model::{Align, Block, Document, Kind, Signature, Stamps, Table, Text};
use crate::wording::{self, NO_DATA};

/// Everything that the record is made of. Times are the site's.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentRecord {
    pub office: Office,
    pub date: Option<Date>,
    /// The incident's number in the record.
    pub number: u64,
    pub title: String,
    /// The device, as people call it, with its label.
    pub device: Option<String>,
    /// Where it stands.
    pub place: Option<String>,
    /// The devices that failed, where the incident stands for several.
    pub devices: Vec<AffectedDevice>,
    /// How many more there are than are listed.
    pub more_devices: u64,
    /// The severity, as people read it.
    pub severity: String,
    pub began: DateTime,
    /// When the first notice was delivered.
    pub told: Option<DateTime>,
    pub acknowledged: Option<DateTime>,
    pub resolved: Option<DateTime>,
    /// Article 10.2a: the backup before the repair, or why there could be none.
    pub backup: Option<String>,
    /// Article 10.2b: who confirmed that people and equipment are safe, and when.
    pub safety: Option<String>,
    /// Article 10.2c: what happened, in its order.
    pub course: Vec<CourseEntry>,
    pub cause: Option<String>,
    pub consequence: Option<String>,
    pub remedy: Option<String>,
    /// Who took part.
    pub participants: Vec<String>,
    /// Who signs: at the left who wrote it, at the right who is responsible.
    pub signatures: Vec<Signature>,
}

/// One of the devices that failed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AffectedDevice {
    /// As people call it, with its label.
    pub name: String,
    /// Where it stands.
    pub place: Option<String>,
    /// Since when.
    pub began: DateTime,
    /// Until when; none while it lasts.
    pub ended: Option<DateTime>,
}

/// A line of what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CourseEntry {
    /// When.
    pub at: DateTime,
    /// Who; none where it was the system.
    pub who: Option<String>,
    /// What.
    pub what: String,
}

impl IncidentRecord {
    /// How many devices failed; 0 where it stands for one, or for none.
    fn count(&self) -> u64 {
        self.devices.len() as u64 + self.more_devices
    }
}

/// Makes the record.
#[must_use]
pub fn document(input: &IncidentRecord) -> Document {
    let mut body = vec![Block::heading(1, "Thông tin sự cố"), Block::Table(facts(input))];
    if !input.participants.is_empty() {
        body.push(Block::heading(1, "Thành phần"));
        body.push(Block::List(ended(&input.participants)));
    }
    body.push(Block::heading(1, "Điều kiện trước khi khắc phục (Điều 10 khoản 2)"));
    let missing = |text: &Option<String>, key: &str, what: &str| {
        text.as_deref().map_or_else(|| Text::new().blank(key, what), Text::from)
    };
    let gate =
        |name: &str, text: Text| text.runs().iter().cloned().fold(Text::new().plain(format!("{name}: ")), Text::run);
    body.push(Block::List(vec![
        gate("Sao lưu dữ liệu (điểm a)", missing(&input.backup, "10.2a", "bản sao lưu, hoặc lý do không thể sao lưu")),
        gate("An toàn con người, thiết bị (điểm b)", missing(&input.safety, "10.2b", "xác nhận an toàn")),
    ]));
    body.push(Block::heading(1, "Diễn biến"));
    body.push(Block::Table(course(&input.course)));
    if input.count() > 1 {
        body.push(Block::heading(1, "Thiết bị bị ảnh hưởng"));
        body.push(Block::Table(devices(&input.devices)));
        if input.more_devices > 0 {
            let more = wording::count(input.more_devices);
            body.push(Block::paragraph(format!("Còn {more} thiết bị khác, xem trên phần mềm.")));
        }
    }
    for (title, text, key) in [
        ("Nguyên nhân", &input.cause, "cause"),
        ("Hậu quả", &input.consequence, "consequence"),
        ("Biện pháp khắc phục", &input.remedy, "10.2c/remedy"),
    ] {
        body.push(Block::heading(1, title));
        body.push(Block::Paragraph(missing(text, key, &title.to_lowercase())));
    }
    body.push(Block::paragraph("Biên bản này được lập để làm căn cứ theo dõi, lưu hồ sơ sự cố."));
    Document {
        head: input.office.head(input.date),
        kind: Kind::Minutes,
        summary: format!("Sự cố số {}: {}", input.number, input.title),
        addressees: Vec::new(),
        stamps: Stamps::default(),
        bases: Vec::new(),
        body,
        recipients: input.office.recipients.iter().filter(|one| !one.starts_with("Như trên")).cloned().collect(),
        signatures: input.signatures.clone(),
        annexes: Vec::new(),
    }
}

/// Items as they are ended in a list: `;`, the last with a full stop.
pub(super) fn ended(items: &[String]) -> Vec<Text> {
    let last = items.len().saturating_sub(1);
    items.iter().enumerate().map(|(at, item)| format!("{item}{}", if at == last { "." } else { ";" }).into()).collect()
}

fn facts(input: &IncidentRecord) -> Table {
    let mut table = Table::new(&[("Nội dung", 2, Align::Left), ("Thông tin", 5, Align::Left)], NO_DATA);
    let words = |text: &Option<String>| text.clone().unwrap_or_else(|| NO_DATA.to_owned());
    // How long after the begin it was: an answer of article 6.2.
    let moment = |at: Option<DateTime>, none: &str| {
        at.map_or_else(
            || none.to_owned(),
            |at| {
                let seconds = at.duration_since(input.began).as_secs();
                let after = u64::try_from(seconds).map_or_else(
                    |_| "trước thời điểm phát hiện".to_owned(),
                    |seconds| format!("sau {}", wording::duration(seconds)),
                );
                format!("{} ({after})", wording::moment(at))
            },
        )
    };
    let several = format!("{} thiết bị, danh sách bên dưới", wording::count(input.count()));
    let rows = [
        ("Sự cố", input.title.clone()),
        ("Thiết bị", if input.count() > 1 { several } else { words(&input.device) }),
        ("Nơi đặt", words(&input.place)),
        ("Mức độ", input.severity.clone()),
        ("Phát hiện", wording::moment(input.began)),
        ("Báo tới người trực", moment(input.told, NO_DATA)),
        ("Tiếp nhận", moment(input.acknowledged, "chưa tiếp nhận")),
        ("Khắc phục xong", moment(input.resolved, "chưa khắc phục xong")),
    ];
    for (name, text) in rows {
        table.push([name.into(), text.into()]);
    }
    table
}

/// What failed together, line by line.
fn devices(of: &[AffectedDevice]) -> Table {
    let columns = [
        ("TT", 2, Align::Centre),
        ("Thiết bị", 8, Align::Left),
        ("Nơi đặt", 7, Align::Left),
        ("Từ", 5, Align::Centre),
        ("Đến", 5, Align::Centre),
    ];
    let mut table = Table::new(&columns, NO_DATA);
    for (at, one) in of.iter().enumerate() {
        table.push([
            (at + 1).to_string().into(),
            one.name.as_str().into(),
            one.place.as_deref().unwrap_or(NO_DATA).into(),
            wording::moment(one.began).into(),
            one.ended.map_or_else(|| "chưa khắc phục xong".to_owned(), wording::moment).into(),
        ]);
    }
    table
}

/// What happened, line by line.
pub(super) fn course(entries: &[CourseEntry]) -> Table {
    let columns = [
        ("TT", 1, Align::Centre),
        ("Thời điểm", 4, Align::Centre),
        ("Người thực hiện", 4, Align::Left),
        ("Nội dung", 10, Align::Left),
    ];
    let mut table = Table::new(&columns, "Chưa ghi diễn biến");
    for (at, entry) in entries.iter().enumerate() {
        table.push([
            (at + 1).to_string().into(),
            wording::moment(entry.at).into(),
            entry.who.as_deref().unwrap_or("Hệ thống").into(),
            entry.what.as_str().into(),
        ]);
    }
    table
}
