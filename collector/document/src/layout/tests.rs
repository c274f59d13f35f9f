use jiff::civil::date;

use super::*;
use crate::model::tests::small;
use crate::model::{Secrecy, Urgency};

#[test]
fn the_measures_are_those_of_the_decree() {
    assert!((20.0..=25.0).contains(&TOP_MM) && (30.0..=35.0).contains(&LEFT_MM) && (15.0..=20.0).contains(&RIGHT_MM));
    let within = |id: &str, from: f64, to: f64| {
        let size = style_of(id).size_pt;
        assert!((from..=to).contains(&size), "{id}: {size}");
    };
    for id in ["Nation", "Parent", "Agency", "Regarding"] {
        within(id, 12.0, 13.0);
    }
    for id in ["Motto", "Date", "Kind", "Summary", "Basis", "Body", "Heading1", "SignTitle", "SignName", "PageNumber"] {
        within(id, 13.0, 14.0);
    }
    within("Number", 13.0, 13.0);
    within("RecipientsLabel", 12.0, 12.0);
    within("Recipient", 11.0, 11.0);
    let (nation, motto) = (style_of("Nation"), style_of("Motto"));
    assert!((motto.size_pt - nation.size_pt - 1.0).abs() < 0.01, "sizes move together");
    for rule in [style_of("Body").before_pt, style_of("Basis").before_pt, style_of("Number").before_pt] {
        assert!(rule >= 6.0);
    }
    for style in STYLES {
        assert_eq!(style_of(style.id), style, "each name is there once");
    }
    assert!(typeface::width_mm(NATION, nation.size_pt, true) < NATION_COLUMN_MM);
}

#[test]
fn the_head_of_a_report() {
    let mut document = small();
    let found = heading(&document);
    assert_eq!(found.agency.lines, ["TRUNG TÂM GIÁM SÁT,", "ĐIỀU HÀNH THÔNG MINH"]);
    assert_eq!(found.number, format!("Số: {}/BC-TTGSĐH", "\u{a0}".repeat(6)));
    assert!(found.date.starts_with("An Giang, ngày\u{a0}"), "{}", found.date);
    assert_eq!(found.addressees, ["Kính gửi: Ủy ban nhân dân tỉnh"]);
    let last = typeface::width_mm("ĐIỀU HÀNH THÔNG MINH", 13.0, true);
    assert!(found.agency.rule_mm > last / 3.0 && found.agency.rule_mm < last / 2.0);
    assert!((found.motto_rule_mm - 60.46).abs() < 0.1);

    document.head.number = Some(7);
    document.head.date = Some(date(2027, 1, 5));
    document.stamps.secrecy = Some(Secrecy::Secret);
    document.stamps.urgency = Some(Urgency::Express);
    document.addressees.push("Sở Khoa học và Công nghệ".into());
    let found = heading(&document);
    assert_eq!(
        (found.number.as_str(), found.date.as_str()),
        ("Số: 07/BC-TTGSĐH", "An Giang, ngày 05 tháng 01 năm 2027")
    );
    assert_eq!(found.stamps, ["MẬT", "HỎA TỐC"]);
    assert_eq!(found.addressees, ["Kính gửi:", "- Ủy ban nhân dân tỉnh;", "- Sở Khoa học và Công nghệ."]);
    assert_eq!(recipients(&document), ["- Như trên;", "- Lưu: VT."]);
}

#[test]
fn a_letter_has_no_title_and_says_what_it_is_about_below_its_number() {
    let mut document = small();
    document.kind = Kind::Letter;
    let found = heading(&document);
    assert_eq!((found.title, found.summary.lines), (None, Vec::new()));
    assert_eq!(found.number, format!("Số: {}/TTGSĐH", "\u{a0}".repeat(6)));
    assert_eq!(found.regarding.join(" "), "V/v Tình hình hoạt động quý IV năm 2026");
}

#[test]
fn annexes_have_roman_numbers_where_there_are_several() {
    let mut document = small();
    document.head.number = Some(12);
    document.head.date = Some(date(2026, 11, 28));
    let reference =
        "(Kèm theo Báo cáo số 12/BC-TTGSĐH ngày 28 tháng 11 năm 2026 của Trung tâm Giám sát, điều hành thông minh)";
    assert_eq!(annex_label(&document, 0), ("Phụ lục".into(), reference.into()));
    document.annexes.push(document.annexes[0].clone());
    assert_eq!(annex_label(&document, 1).0, "Phụ lục II");
}

#[test]
fn headings_are_numbered_below_the_one_above() {
    let blocks: Vec<Block> = [1, 2, 3, 3, 2, 3, 1, 2].into_iter().map(|level| Block::heading(level, "x")).collect();
    let signs: Vec<String> = numbered(&blocks).map(|(sign, _)| sign).collect();
    assert_eq!(signs, ["I. ", "1. ", "a) ", "b) ", "2. ", "a) ", "II. ", "1. "]);
}
