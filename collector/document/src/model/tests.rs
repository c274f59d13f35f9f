//! Tests of the model, and a small document for the tests of others.

use super::*;

/// A report with everything that is required, and an annex.
pub(crate) fn small() -> Document {
    let head = Head {
        parent: Some("Sở Khoa học và Công nghệ".into()),
        agency: "Trung tâm Giám sát, điều hành thông minh".into(),
        abbreviation: "TTGSĐH".into(),
        place: "An Giang".into(),
        ..Head::default()
    };
    Document {
        head,
        kind: Kind::Report,
        summary: "Tình hình hoạt động quý IV năm 2026".into(),
        addressees: vec!["Ủy ban nhân dân tỉnh".into()],
        stamps: Stamps::default(),
        bases: vec!["Căn cứ Quyết định số 1043/QĐ-UBND;".into()],
        body: vec![Block::heading(1, "Kết quả"), Block::paragraph("Kính báo cáo.")],
        recipients: vec!["Như trên".into(), "Lưu: VT".into()],
        signatures: vec![Signature::of("Giám đốc", Some("Nguyễn Văn A"))],
        annexes: vec![Annex { title: "Thiết bị".into(), landscape: true, body: Vec::new() }],
    }
}

fn table() -> Table {
    Table::new(&[("TT", 1, Align::Centre), ("Tên", 5, Align::Left), ("Giá trị", 2, Align::Right)], "Không có")
}

#[test]
fn columns_fill_the_whole_and_rows_have_a_cell_for_each() {
    let mut table = table();
    for whole in [1, 7, 100, 9354] {
        assert_eq!(table.widths(whole).iter().sum::<u32>(), whole);
    }
    table.push(["1".into()]);
    table.push(["2".into(), "b".into(), "c".into(), "d".into()]);
    assert!(table.rows().iter().all(|row| row.len() == 3));
    assert_eq!(table.rows()[1][2].runs().len(), 2, "nothing is lost");
}

#[test]
fn a_signer_is_named_by_authority_and_titles() {
    let deputy = Authority::Deputy { head: "Chủ tịch".into(), title: "Phó Chủ tịch".into() };
    let signature = Signature { for_body: Some("Ủy ban nhân dân".into()), authority: deputy, name: None };
    assert_eq!(signature.lines(), ["TM. ỦY BAN NHÂN DÂN", "KT. CHỦ TỊCH", "PHÓ CHỦ TỊCH"]);
    let lines = |authority| Signature { for_body: None, authority, name: None }.lines();
    assert_eq!(lines(Authority::Acting { title: "Giám đốc".into() }), ["Q. GIÁM ĐỐC"]);
    let (head, title) = ("Giám đốc".to_owned(), "Trưởng phòng".to_owned());
    assert_eq!(
        lines(Authority::ByOrder { head: head.clone(), title: title.clone() }),
        ["TL. GIÁM ĐỐC", "TRƯỞNG PHÒNG"]
    );
    assert_eq!(lines(Authority::ByWrittenAuthority { head, title }), ["TUQ. GIÁM ĐỐC", "TRƯỞNG PHÒNG"]);
    assert_eq!(Signature::of("Giám đốc", None).lines(), ["GIÁM ĐỐC"]);
}

#[test]
fn a_bar_is_never_longer_than_the_whole() {
    let bars = Bars { title: String::new(), full: 100.0, items: Vec::new() };
    let length = |number| bars.length(&Bar { name: String::new(), number, written: String::new() }, 20);
    assert_eq!((length(Some(50.0)), length(Some(1e9)), length(Some(-3.0))), (10, 20, 0));
    assert_eq!((length(None), length(Some(f64::NAN))), (0, 0));
}

#[test]
fn the_last_sentence_ends_as_documents_end() {
    let mut document = small();
    let last = |document: &Document| document.closed_body().last().cloned().unwrap();
    document.body = vec![Block::paragraph("Kính báo cáo.")];
    assert_eq!(last(&document), Block::paragraph("Kính báo cáo./."));
    assert_eq!(document.closed_body().len(), 1);
    document.body = vec![Block::List(vec!["một;".into(), "hai./.".into()])];
    assert_eq!(last(&document), Block::List(vec!["một;".into(), "hai./.".into()]));
    document.body = vec![Block::Table(table())];
    assert_eq!(last(&document), Block::paragraph("./."));
    document.body = vec![];
    assert_eq!(last(&document), Block::paragraph("./."));
}

#[test]
fn blanks_are_work_each_once() {
    let mut document = small();
    let blank = |key: &str| Text::new().plain("x: ").blank(key, "điền");
    let mut rows = table();
    rows.push([blank("b"), Text::new(), blank("c")]);
    document.body = vec![Block::Paragraph(blank("a")), Block::Table(rows), Block::List(vec![blank("a")])];
    document.annexes[0].body = vec![Block::Note(blank("d"))];
    let keys: Vec<&str> = document.blanks().iter().map(|blank| blank.key.as_str()).collect();
    assert_eq!(keys, ["a", "b", "c", "d"]);
}
