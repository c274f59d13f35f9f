//! The certificate of restore (*biên bản diễn tập phục hồi*, articles 7.1, 7.2): which backup was restored for a trial, what was compared, what came of it.

use jiff::civil::DateTime;

use super::incident::ended;
use super::office::Office;
use crate::model::{Align, Block, Document, Kind, Signature, Stamps, Table};
use crate::wording;

/// Everything that the certificate is made of. Times are the site's.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct RestoreCertificate {
    pub office: Office,
    /// The archive's file name.
    pub archive: String,
    /// SHA-256 over it, hex.
    pub sha256: String,
    /// The moment that the store in it is as of.
    pub backed_up: DateTime,
    /// When the drill began.
    pub restored: DateTime,
    pub took_ms: u64,
    /// Why it failed; none where it passed.
    pub failure: Option<String>,
    /// What was looked at, in its order.
    pub checks: Vec<String>,
    pub tables: u64,
    pub rows: u64,
    pub files: u64,
    pub bytes: u64,
    /// The version of the program that restored it.
    pub product: String,
    /// Who signs at the right: whoever is responsible.
    pub responsible: Signature,
}

/// Makes the certificate.
#[must_use]
pub fn document(input: &RestoreCertificate) -> Document {
    let result = match &input.failure {
        None => "ĐẠT: phục hồi được nguyên trạng".to_owned(),
        Some(why) => format!("KHÔNG ĐẠT: {why}"),
    };
    let mut facts = Table::new(&[("Nội dung", 2, Align::Left), ("Thông tin", 5, Align::Left)], wording::NO_DATA);
    let count = wording::count;
    let rows = [
        ("Kết quả", result.clone()),
        ("Bản sao lưu", input.archive.clone()),
        ("SHA-256", input.sha256.clone()),
        ("Sao lưu lúc", wording::moment(input.backed_up)),
        ("Phục hồi thử lúc", wording::moment(input.restored)),
        ("Thời gian phục hồi", format!("{} giây", wording::number(input.took_ms as f64 / 1000.0, 1))),
        ("Bảng, dòng đã đối chiếu", format!("{} bảng, {} dòng", count(input.tables), count(input.rows))),
        ("Tệp, dung lượng đã phục hồi", format!("{} tệp, {} byte", count(input.files), count(input.bytes))),
        ("Chương trình", format!("ioc-collector {}", input.product)),
    ];
    for (name, text) in rows {
        facts.push([name.into(), text.into()]);
    }
    let mut body = vec![Block::heading(1, "Kết quả diễn tập phục hồi"), Block::Table(facts)];
    body.push(Block::heading(1, "Nội dung đã kiểm tra"));
    body.push(if input.checks.is_empty() {
        Block::paragraph("Chưa kiểm tra được nội dung nào.")
    } else {
        Block::List(ended(&input.checks))
    });
    body.push(Block::paragraph(
        "Biên bản này chứng nhận kết quả diễn tập phục hồi nêu trên, làm căn cứ cho báo cáo về Điều 7.",
    ));
    Document {
        head: input.office.head(Some(input.restored.date())),
        kind: Kind::Minutes,
        summary: format!("Diễn tập phục hồi dữ liệu {}", wording::date(input.restored.date())),
        addressees: Vec::new(),
        stamps: Stamps::default(),
        bases: Vec::new(),
        body,
        recipients: vec!["Lưu: Hồ sơ sao lưu".to_owned()],
        signatures: vec![Signature::of("Người thực hiện", None), input.responsible.clone()],
        annexes: Vec::new(),
    }
}
