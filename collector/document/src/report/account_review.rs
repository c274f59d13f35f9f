//! The record of a review of accounts (*biên bản rà soát tài khoản*, article 13): which accounts there are, what becomes of each and why, and how a leader
//! signed it. The list is an annex of its own: it is as long as there are accounts.

use jiff::civil::{Date, DateTime};

use super::office::Office;
use crate::model::{Align, Annex, Block, Document, Kind, Signature, Stamps, Table, Text};
use crate::wording;

/// Everything that the record is made of. Times are the site's.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq)]
pub struct AccountReviewRecord {
    pub office: Office,
    /// Its number, from 1.
    pub number: u64,
    pub opened: DateTime,
    /// Who opened it and wrote into it, as documents have people.
    pub reviewers: Vec<String>,
    /// What the law asks, in phrases; empty where it gives no number.
    pub limits: Vec<String>,
    pub rows: Vec<ReviewedAccount>,
    /// When the next one is due.
    pub next_due: Option<Date>,
    /// How it was signed here; none while it is a draft.
    pub signed: Option<ElectronicSignature>,
}

/// How a leader signed it in the program.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElectronicSignature {
    pub at: DateTime,
    /// Who, as documents have people.
    pub by: String,
    /// SHA-256 over the list, hex.
    pub sha256: String,
}

/// An account with what becomes of it.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewedAccount {
    /// On what.
    pub system: String,
    pub name: String,
    pub role: String,
    /// Empty where nobody knows.
    pub holder: String,
    pub last_sign_in: Option<DateTime>,
    /// Every sign-in is on record, and there is none.
    pub never_signed_in: bool,
    pub password_changed: Option<DateTime>,
    /// What was not in order.
    pub findings: Vec<String>,
    pub verdict: String,
    pub reason: String,
    /// It stays as it is.
    pub kept: bool,
}

/// Makes the record.
#[must_use]
pub fn document(input: &AccountReviewRecord) -> Document {
    let count = |kept: bool| input.rows.iter().filter(|row| row.kept == kept).count() as u64;
    let (kept, changed) = (count(true), count(false));
    let mut facts = Table::new(&[("Nội dung", 2, Align::Left), ("Thông tin", 5, Align::Left)], wording::NO_DATA);
    let known = |all: &[String], none: &str| if all.is_empty() { none.to_owned() } else { all.join("; ") };
    let next = input.next_due.map_or_else(|| wording::NO_DATA.to_owned(), wording::short_date);
    let rows = [
        ("Đợt rà soát", format!("{}, mở lúc {}", input.number, wording::moment(input.opened))),
        ("Người rà soát", known(&input.reviewers, wording::NO_DATA)),
        ("Yêu cầu áp dụng", known(&input.limits, "văn bản đang áp dụng không nêu con số")),
        ("Tài khoản được rà soát", wording::count(input.rows.len() as u64)),
        ("Giữ nguyên", wording::count(kept)),
        ("Phải khoá, gỡ hoặc thay đổi", wording::count(changed)),
        ("Hạn rà soát lần sau", next),
    ];
    for (name, text) in rows {
        facts.push([name.into(), text.into()]);
    }
    let mut body = vec![
        Block::heading(1, "Thông tin chung"),
        Block::Table(facts),
        Block::heading(1, "Tài khoản phải xử lý"),
        Block::Table(list(input.rows.iter().filter(|row| !row.kept), "Không có tài khoản nào phải xử lý")),
        Block::heading(1, "Kết luận"),
    ];
    body.push(match &input.signed {
        Some(ElectronicSignature { at, by, sha256 }) => Block::paragraph(format!(
            "{by} đã xem danh sách tại Phụ lục và ký trên hệ thống lúc {}, xác nhận bằng mật khẩu và yếu tố thứ hai. Danh sách sau khi ký \
             không thay đổi được; mã SHA-256 của danh sách: {sha256}.",
            wording::moment(*at)
        )),
        None => Block::Paragraph(Text::new().blank("signature", "chữ ký của lãnh đạo trên hệ thống")),
    });
    Document {
        head: input.office.head(input.signed.as_ref().map(|signed| signed.at.date())),
        kind: Kind::Minutes,
        summary: format!("Rà soát tài khoản, đợt {}", input.number),
        addressees: Vec::new(),
        stamps: Stamps::default(),
        bases: Vec::new(),
        body,
        recipients: vec!["Lưu: Hồ sơ quản lý tài khoản".to_owned()],
        signatures: vec![Signature::of("Người rà soát", None), input.office.signature.clone()],
        annexes: vec![Annex {
            title: "Danh sách tài khoản được rà soát".to_owned(),
            landscape: true,
            body: vec![Block::Table(list(input.rows.iter(), wording::NO_DATA))],
        }],
    }
}

fn list<'a>(rows: impl Iterator<Item = &'a ReviewedAccount>, empty: &str) -> Table {
    let columns = [
        ("TT", 3, Align::Centre),
        ("Hệ thống", 7, Align::Left),
        ("Tài khoản, vai trò", 7, Align::Left),
        ("Người giữ", 6, Align::Left),
        ("Đăng nhập; đổi mật khẩu", 7, Align::Left),
        ("Vấn đề", 7, Align::Left),
        ("Kết luận, lý do", 8, Align::Left),
    ];
    let mut table = Table::new(&columns, empty);
    let day = |at: Option<DateTime>| at.map_or_else(|| "chưa rõ".to_owned(), |at| wording::short_date(at.date()));
    for (place, row) in (1_usize..).zip(rows) {
        let role = if row.role.is_empty() { row.name.clone() } else { format!("{}, {}", row.name, row.role) };
        let holder = if row.holder.is_empty() { "chưa rõ" } else { row.holder.as_str() };
        let signed_in = if row.never_signed_in { "chưa lần nào".to_owned() } else { day(row.last_sign_in) };
        let said = if row.reason.is_empty() { row.verdict.clone() } else { format!("{}: {}", row.verdict, row.reason) };
        table.push([
            place.to_string().into(),
            row.system.as_str().into(),
            role.into(),
            holder.into(),
            format!("{signed_in}; {}", day(row.password_changed)).into(),
            row.findings.join("; ").into(),
            said.into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;

    use super::*;
    use crate::print::{self, Part, Sheet};

    fn row(name: &str, kept: bool) -> ReviewedAccount {
        ReviewedAccount {
            system: "Máy chủ <1>".to_owned(),
            name: name.to_owned(),
            role: "quản trị".to_owned(),
            holder: String::new(),
            last_sign_in: (!kept).then(|| datetime(2026, 9, 1, 8, 0, 0, 0)),
            never_signed_in: name == "sep",
            password_changed: None,
            findings: vec!["không đăng nhập quá 45 ngày".to_owned()],
            verdict: if kept { "Giữ" } else { "Khoá" }.to_owned(),
            reason: if kept { String::new() } else { "nghỉ việc".to_owned() },
            kept,
        }
    }

    #[test]
    fn the_record_says_what_becomes_of_each_and_who_signed_it() {
        let office = Office {
            parent: None,
            agency: "Trung tâm".to_owned(),
            abbreviation: "TT".to_owned(),
            place: "An Giang".to_owned(),
            contact: None,
            signature: Signature::of("Giám đốc", None),
            addressees: Vec::new(),
            recipients: Vec::new(),
        };
        let mut input = AccountReviewRecord {
            office,
            number: 3,
            opened: datetime(2026, 11, 20, 9, 0, 0, 0),
            reviewers: vec!["Lê Thị Lan".to_owned()],
            limits: Vec::new(),
            rows: vec![row("an", false), row("binh", true), row("sep", true)],
            next_due: None,
            signed: None,
        };
        let draft = document(&input);
        assert_eq!(draft.blanks().len(), 1, "a draft is not signed");
        let at = datetime(2026, 11, 29, 8, 5, 0, 0);
        input.signed = Some(ElectronicSignature { at, by: "Trần Sếp".to_owned(), sha256: "ab".repeat(32) });
        let signed = document(&input);
        assert!(signed.blanks().is_empty());
        let page = print::page(&signed, Part::Whole, Sheet::Linked("/x.css"));
        for text in [
            "Rà soát tài khoản, đợt 3",
            "Máy chủ &lt;1&gt;",
            "Khoá: nghỉ việc",
            "01/09/2026; chưa rõ",
            "chưa rõ; chưa rõ",
            "chưa lần nào; chưa rõ",
            "08:05 29/11/2026",
            "văn bản đang áp dụng không nêu con số",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(page.contains(&"ab".repeat(32)));
    }
}
