//! The minutes of an inventory taking (*biên bản kiểm kê*, article 6.1): what the register says, what was found, and where the two differ.

use jiff::civil::{Date, DateTime};

use super::office::Office;
use crate::model::{Align, Annex, Block, Document, Kind, Signature, Stamps, Table, Text};
use crate::wording;

/// How an asset was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// It is where the register says.
    Found,
    /// Its label is not on it, or cannot be read.
    LabelMissing,
    /// It is somewhere else.
    Elsewhere,
    /// It was looked for and is not there.
    NotFound,
    /// Nobody has counted it.
    Left,
}

impl Counted {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Found, Self::LabelMissing, Self::Elsewhere, Self::NotFound, Self::Left];

    /// What minutes call it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Found => "Có, đúng nơi đặt",
            Self::LabelMissing => "Có, thiếu nhãn",
            Self::Elsewhere => "Có, ở nơi khác",
            Self::NotFound => "Không thấy",
            Self::Left => "Chưa kiểm",
        }
    }
}

/// An asset as it was counted.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedAsset {
    pub name: String,
    pub label: String,
    pub kind: String,
    pub serial: String,
    /// Where the register says that it is.
    pub place: String,
    pub counted: Counted,
    /// Where it is, where that is somewhere else.
    pub found_at: String,
    pub remark: String,
}

/// Something that was found and is not in the register.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundThing {
    pub what: String,
    pub label: String,
    pub serial: String,
    pub place: String,
    /// What is said of it, or what became of it.
    pub remark: String,
}

/// Everything that the minutes are made of. Times are the site's.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct InventoryMinutes {
    pub office: Office,
    pub date: Option<Date>,
    pub number: u64,
    /// The place that was counted; empty for all.
    pub place: String,
    pub opened: DateTime,
    /// When it was closed; none while it goes on.
    pub closed: Option<DateTime>,
    /// Who was in the commission: name and what they are.
    pub members: Vec<(String, String)>,
    /// Who went from asset to asset; empty where nobody did, or whoever reads may not see them.
    pub counted_by: Vec<String>,
    pub remark: String,
    pub assets: Vec<CountedAsset>,
    /// What is not in the register.
    pub finds: Vec<FoundThing>,
}

/// Makes the minutes.
#[must_use]
pub fn document(input: &InventoryMinutes) -> Document {
    let place = if input.place.is_empty() { "toàn trung tâm".to_owned() } else { input.place.clone() };
    let mut body = vec![Block::heading(1, "Thành phần kiểm kê")];
    if input.members.is_empty() {
        body.push(Block::Paragraph(Text::new().blank("members", "thành phần kiểm kê")));
    } else {
        let member = |(name, title): &(String, String)| match title.is_empty() {
            true => name.clone(),
            false => format!("{name}, {title}"),
        };
        body.push(Block::List(super::incident::ended(&input.members.iter().map(member).collect::<Vec<_>>())));
    }
    body.push(Block::heading(1, "Phạm vi, thời gian"));
    let until = input.closed.map_or_else(|| "chưa kết thúc".to_owned(), wording::moment);
    body.push(Block::paragraph(format!("Kiểm kê {place}, từ {} đến {until}.", wording::moment(input.opened))));
    if !input.counted_by.is_empty() {
        body.push(Block::paragraph(format!("Người kiểm đếm, ghi nhận: {}.", input.counted_by.join(", "))));
    }
    body.push(Block::heading(1, "Kết quả"));
    body.push(Block::Table(totals(&input.assets, input.finds.len() as u64)));
    body.push(Block::heading(1, "Chênh lệch so với danh mục tài sản"));
    let differs = |asset: &&CountedAsset| asset.counted != Counted::Found;
    body.push(Block::Table(table(input.assets.iter().filter(differs), "Không có chênh lệch")));
    body.push(Block::heading(1, "Tài sản chưa có trong danh mục"));
    body.push(Block::Table(found(&input.finds)));
    body.push(Block::heading(1, "Ý kiến, kiến nghị"));
    body.push(Block::paragraph(if input.remark.is_empty() { "Không." } else { input.remark.as_str() }));
    body.push(Block::paragraph("Biên bản được các thành viên thông qua và lưu hồ sơ kiểm kê."));
    let sign = |(name, title): &(String, String)| {
        Signature::of(if title.is_empty() { "Thành viên" } else { title.as_str() }, Some(name.as_str()))
    };
    // As many as stand side by side; the others are named above.
    let mut signatures: Vec<Signature> = input.members.iter().take(2).map(sign).collect();
    if signatures.len() < 2 {
        signatures.push(input.office.signature.clone());
    }
    let whole = Block::Table(table(input.assets.iter(), "Danh mục không có tài sản nào ở đây"));
    Document {
        head: input.office.head(input.date),
        kind: Kind::Minutes,
        summary: format!("Kiểm kê tài sản công nghệ thông tin, đợt {} ({place})", input.number),
        addressees: Vec::new(),
        stamps: Stamps::default(),
        bases: Vec::new(),
        body,
        recipients: input.office.recipients.iter().filter(|one| !one.starts_with("Như trên")).cloned().collect(),
        signatures,
        annexes: vec![Annex {
            title: "Danh sách tài sản đã kiểm kê".to_owned(), landscape: true, body: vec![whole]
        }],
    }
}

fn totals(assets: &[CountedAsset], finds: u64) -> Table {
    let mut table = Table::new(&[("Kết quả", 4, Align::Left), ("Số lượng", 1, Align::Right)], wording::NO_DATA);
    let whole = assets.len() as u64;
    for counted in Counted::ALL {
        let count = assets.iter().filter(|asset| asset.counted == counted).count() as u64;
        table.push([counted.words().into(), format!("{}/{}", wording::count(count), wording::count(whole)).into()]);
    }
    table.push(["Chưa có trong danh mục".into(), wording::count(finds).into()]);
    table
}

fn found(finds: &[FoundThing]) -> Table {
    let columns = [
        ("TT", 3, Align::Centre),
        ("Tài sản", 10, Align::Left),
        ("Nhãn", 6, Align::Left),
        ("Số sê-ri", 6, Align::Left),
        ("Thấy ở đâu", 10, Align::Left),
        ("Ghi chú", 10, Align::Left),
    ];
    let mut table = Table::new(&columns, "Không có");
    for (at, find) in finds.iter().enumerate() {
        table.push([
            (at + 1).to_string().into(),
            find.what.as_str().into(),
            find.label.as_str().into(),
            find.serial.as_str().into(),
            find.place.as_str().into(),
            find.remark.as_str().into(),
        ]);
    }
    table
}

fn table<'a>(assets: impl Iterator<Item = &'a CountedAsset>, none: &str) -> Table {
    let columns = [
        ("TT", 3, Align::Centre),
        ("Tài sản", 10, Align::Left),
        ("Nhãn", 6, Align::Left),
        ("Số sê-ri", 6, Align::Left),
        ("Nơi đặt theo danh mục", 7, Align::Left),
        ("Kết quả", 7, Align::Left),
        ("Ghi chú", 6, Align::Left),
    ];
    let mut table = Table::new(&columns, none);
    for (at, asset) in assets.enumerate() {
        let counted = match asset.found_at.is_empty() {
            true => asset.counted.words().to_owned(),
            false => format!("{}: {}", asset.counted.words(), asset.found_at),
        };
        table.push([
            (at + 1).to_string().into(),
            format!("{} ({})", asset.name, asset.kind).into(),
            asset.label.as_str().into(),
            asset.serial.as_str().into(),
            asset.place.as_str().into(),
            counted.into(),
            asset.remark.as_str().into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;
    use crate::print::{self, Part, Sheet};

    fn asset(name: &str, counted: Counted, found_at: &str) -> CountedAsset {
        CountedAsset {
            name: name.to_owned(),
            label: "TS-1".to_owned(),
            kind: "máy chủ".to_owned(),
            serial: String::new(),
            place: "Tầng 2/Tủ 1".to_owned(),
            counted,
            found_at: found_at.to_owned(),
            remark: String::new(),
        }
    }

    #[test]
    fn the_minutes_name_the_commission_what_differs_and_what_is_not_in_the_register() {
        let office = Office {
            parent: None,
            agency: "Trung tâm".to_owned(),
            abbreviation: "TT".to_owned(),
            place: "An Giang".to_owned(),
            contact: None,
            signature: Signature::of("Giám đốc", None),
            addressees: Vec::new(),
            recipients: vec!["Như trên".to_owned(), "Lưu: VT".to_owned()],
        };
        let find = FoundThing {
            what: "Máy in <lạ>".to_owned(),
            label: String::new(),
            serial: "X1".to_owned(),
            place: "Tầng 2".to_owned(),
            remark: "chờ đăng ký".to_owned(),
        };
        let mut input = InventoryMinutes {
            office,
            date: None,
            number: 3,
            place: "Tầng 2".to_owned(),
            opened: datetime(2026, 11, 20, 9, 0, 0, 0),
            closed: None,
            members: Vec::new(),
            counted_by: vec!["Lê Lan".to_owned()],
            remark: String::new(),
            assets: vec![asset("A", Counted::Found, ""), asset("B", Counted::Elsewhere, "Kho")],
            finds: vec![find],
        };
        let page = |input: &InventoryMinutes| print::page(&document(input), Part::Whole, Sheet::Linked("/x.css"));
        let draft = page(&input);
        assert!(draft.contains("chưa kết thúc") && draft.contains("Người kiểm đếm, ghi nhận: Lê Lan."), "{draft}");
        for words in ["1/2", "Có, ở nơi khác: Kho", "Máy in &lt;lạ&gt;", "chờ đăng ký", "Lưu: VT"] {
            assert!(draft.contains(words), "{words}: {draft}");
        }
        assert!(!draft.contains("Như trên"), "minutes go to nobody above");
        assert_eq!(document(&input).blanks().len(), 1, "who is in the commission");
        input.members = vec![("Trần Bình".to_owned(), "Tổ trưởng".to_owned()), ("Hoa".to_owned(), String::new())];
        let made = document(&input);
        assert!(made.blanks().is_empty());
        assert_eq!(made.signatures.len(), 2, "those who stand side by side");
        assert!(page(&input).contains("Trần Bình, Tổ trưởng;"));
    }
}
