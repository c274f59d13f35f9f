use super::*;
use crate::model::tests::small;
use crate::model::{Align, Block, Table, Text};

fn part(document: &Document, name: &str) -> String {
    parts::all(document).into_iter().find(|(found, _)| *found == name).unwrap().1
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    let bytes = write(&small()).unwrap();
    assert_eq!(bytes, write(&small()).unwrap());
    assert_eq!(&bytes[..2], b"PK");
}

#[test]
fn nothing_that_was_typed_is_markup() {
    let mut document = small();
    let hostile = "</w:t><w:evil/>\u{0}&\u{202e}\"'";
    document.body.push(Block::paragraph(hostile));
    document.head.agency = hostile.into();
    document.head.contact = Some(hostile.into());
    document.summary = hostile.into();
    for (name, text) in parts::all(&document) {
        assert!(!text.contains("<w:evil/>") && !text.contains('\u{0}'), "{name}");
        let opened = text.matches('<').count();
        assert_eq!(opened, text.matches('>').count(), "{name}");
    }
}

#[test]
fn heads_of_tables_repeat_and_rows_stay_whole() {
    let mut document = small();
    let mut table = Table::new(&[("TT", 1, Align::Centre), ("Tên", 4, Align::Left)], "Không có");
    for n in 0..3 {
        table.push([n.to_string().into(), Text::new().blank("x", "điền")]);
    }
    document.body.push(Block::Table(table));
    let text = part(&document, "word/document.xml");
    assert_eq!(text.matches("<w:tblHeader/>").count(), 1);
    assert!(text.contains("<w:highlight w:val=\"yellow\"/>"));
}

#[test]
fn each_part_counts_its_own_pages_and_hides_the_first() {
    let text = part(&small(), "word/document.xml");
    assert_eq!(text.matches("<w:pgNumType w:start=\"1\"/><w:titlePg/>").count(), 2);
    assert_eq!(text.matches("w:orient=\"landscape\"").count(), 1);
    assert!(text.ends_with("</w:sectPr></w:body></w:document>"), "the last section stands by itself");
}
