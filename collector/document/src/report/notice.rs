//! The notice of a serious incident (*báo cáo sự cố*) that the law asks for within so many hours: what the record knows of it, and what only people know. Which
//! law, within what time and to whom is data of whoever calls.

use jiff::civil::{Date, DateTime};

use super::incident::{CourseEntry, course};
use super::office::Office;
use crate::model::{Align, Block, Document, Kind, Stamps, Table, Text, Urgency};
use crate::wording::{self, NO_DATA};

/// A text that only people know: the key by which a form has it, what is asked, and whether the notice may go without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticeText {
    /// By what a form finds it again.
    pub key: &'static str,
    /// What is asked.
    pub what: &'static str,
    /// It may be left empty.
    pub optional: bool,
}

/// What people write into a notice, in its order.
pub const TEXTS: [NoticeText; 6] = [
    NoticeText { key: "system", what: "hệ thống, dịch vụ bị ảnh hưởng", optional: false },
    NoticeText { key: "impact", what: "phạm vi, mức độ ảnh hưởng", optional: false },
    NoticeText { key: "cause", what: "nguyên nhân; nếu chưa rõ thì ghi đang xác minh", optional: false },
    NoticeText { key: "measures", what: "biện pháp đã và đang thực hiện", optional: false },
    NoticeText {
        key: "contact", what: "đầu mối liên hệ: họ tên, chức vụ, điện thoại", optional: false
    },
    NoticeText { key: "request", what: "kiến nghị, đề nghị hỗ trợ", optional: true },
];

/// Everything that the notice is made of. Times are the site's.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentNotice {
    pub office: Office,
    pub date: Option<Date>,
    /// What the document is called, as the law pack has it.
    pub form: String,
    /// To whom it goes.
    pub to: String,
    /// The law, with its article.
    pub law: String,
    /// By when it is due.
    pub due: DateTime,
    /// As of when it is made.
    pub as_of: DateTime,
    /// The incident's number in the record.
    pub number: u64,
    pub title: String,
    /// Why it is serious.
    pub reason: String,
    /// The devices, as people call them, each with label and place.
    pub devices: Vec<String>,
    /// How many devices it concerned at most; none where that is not known.
    pub affected: Option<u32>,
    pub severity: String,
    pub state: String,
    pub found: DateTime,
    /// When the first notice was delivered in the house.
    pub told: Option<DateTime>,
    pub acknowledged: Option<DateTime>,
    pub resolved: Option<DateTime>,
    pub course: Vec<CourseEntry>,
    /// What people wrote, by the keys of [`TEXTS`].
    pub texts: std::collections::BTreeMap<String, String>,
}

impl IncidentNotice {
    fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(|text| text.trim()).filter(|text| !text.is_empty())
    }
}

fn asked(key: &str) -> NoticeText {
    TEXTS.into_iter().find(|text| text.key == key).unwrap_or(TEXTS[0])
}

/// Paragraphs of a text that a person wrote, or the blank that asks for it.
fn written(input: &IncidentNotice, key: &str) -> Vec<Block> {
    let asked = asked(key);
    match input.text(key) {
        Some(text) => text.lines().filter(|line| !line.trim().is_empty()).map(Block::paragraph).collect(),
        None if asked.optional => vec![Block::paragraph("Không.")],
        None => vec![Block::Paragraph(Text::new().blank(asked.key, asked.what))],
    }
}

/// Makes the notice.
#[must_use]
pub fn document(input: &IncidentNotice) -> Document {
    let mut body = vec![Block::heading(1, "Thông tin chung"), Block::Table(facts(input))];
    for (title, key) in [("Hệ thống, dịch vụ bị ảnh hưởng", "system"), ("Phạm vi, mức độ ảnh hưởng", "impact")]
    {
        body.push(Block::heading(1, title));
        body.extend(written(input, key));
    }
    body.push(Block::heading(1, "Diễn biến"));
    body.push(Block::Table(course(&input.course)));
    for (title, key) in [
        ("Nguyên nhân", "cause"),
        ("Biện pháp đã và đang thực hiện", "measures"),
        ("Kiến nghị, đề nghị hỗ trợ", "request"),
        ("Đầu mối liên hệ", "contact"),
    ] {
        body.push(Block::heading(1, title));
        body.extend(written(input, key));
    }
    Document {
        head: input.office.head(input.date),
        kind: Kind::Report,
        summary: format!("{} (sự cố số {}: {})", input.form, input.number, input.title),
        addressees: vec![input.to.clone()],
        stamps: Stamps { urgency: Some(Urgency::Urgent), ..Stamps::default() },
        bases: vec![format!("Căn cứ {}", input.law)],
        body,
        recipients: input.office.recipients.clone(),
        signatures: vec![input.office.signature.clone()],
        annexes: Vec::new(),
    }
}

fn facts(input: &IncidentNotice) -> Table {
    let mut table = Table::new(&[("Nội dung", 2, Align::Left), ("Thông tin", 5, Align::Left)], NO_DATA);
    let moment = |at: Option<DateTime>, none: &str| at.map_or_else(|| none.to_owned(), wording::moment);
    let devices = match input.devices.is_empty() {
        true => "Không gắn với một thiết bị cụ thể".to_owned(),
        false => input.devices.join("; "),
    };
    let rows = [
        ("Sự cố", format!("Số {}: {}", input.number, input.title)),
        ("Lý do xác định nghiêm trọng", input.reason.clone()),
        ("Đơn vị báo cáo", input.office.agency.clone()),
        ("Thiết bị", devices),
        (
            "Số thiết bị bị ảnh hưởng",
            input.affected.map_or_else(|| NO_DATA.to_owned(), |count| wording::count(u64::from(count))),
        ),
        ("Mức độ", input.severity.clone()),
        ("Phát hiện", wording::moment(input.found)),
        ("Báo tới người trực", moment(input.told, NO_DATA)),
        ("Tiếp nhận", moment(input.acknowledged, "chưa tiếp nhận")),
        ("Khắc phục xong", moment(input.resolved, "chưa khắc phục xong")),
        ("Hiện trạng", format!("{}, tính đến {}", input.state, wording::moment(input.as_of))),
        ("Hạn gửi", wording::moment(input.due)),
    ];
    for (name, text) in rows {
        table.push([name.into(), text.into()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::datetime;

    use super::*;
    use crate::model::Signature;

    fn notice(texts: &[(&str, &str)]) -> IncidentNotice {
        let at = datetime(2026, 11, 29, 7, 30, 0, 0);
        IncidentNotice {
            office: Office {
                parent: None,
                agency: "Trung tâm".into(),
                abbreviation: "TT".into(),
                place: "An Giang".into(),
                contact: None,
                signature: Signature::of("Giám đốc", None),
                addressees: vec!["Ủy ban nhân dân tỉnh".into()],
                recipients: vec!["Như trên".into(), "Lưu: VT".into()],
            },
            date: None,
            form: "Báo cáo ban đầu".into(),
            to: "Lực lượng chuyên trách".into(),
            law: "Nghị định số 331/2026/NĐ-CP, Điều 31.2d".into(),
            due: at,
            as_of: at,
            number: 12,
            title: "Mất điện".into(),
            reason: "gián đoạn".into(),
            devices: Vec::new(),
            affected: None,
            severity: "Nghiêm trọng".into(),
            state: "Đang khắc phục".into(),
            found: at,
            told: None,
            acknowledged: None,
            resolved: None,
            course: vec![CourseEntry { at, who: None, what: "mất nguồn".into() }],
            texts: texts.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn what_only_people_know_is_a_blank_until_it_is_written() {
        let keys = |texts: &[(&str, &str)]| {
            document(&notice(texts)).blanks().into_iter().map(|blank| blank.key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&[]), ["system", "impact", "cause", "measures", "contact"], "a request may be none");
        let all = [("system", "a"), ("impact", "b"), ("cause", "đang xác minh"), ("measures", "c"), ("contact", "d")];
        assert!(keys(&all).is_empty());
        assert_eq!(
            keys(&[("system", " \n"), ("impact", "b"), ("cause", "x"), ("measures", "c"), ("contact", "d")]),
            ["system"]
        );
        let made = document(&notice(&all));
        assert_eq!(made.addressees, ["Lực lượng chuyên trách"], "it goes to whom the law names, not where reports go");
        assert_eq!(made.bases, ["Căn cứ Nghị định số 331/2026/NĐ-CP, Điều 31.2d"]);
    }
}
