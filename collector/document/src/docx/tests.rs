use super::*;
use crate::model::tests::small;
use crate::model::{Align, Block, Table, Text};

/// The files that are texts.
fn texts(document: &Document) -> Vec<(String, String)> {
    let all = parts::all(document).unwrap().into_iter().filter(|(name, _)| !name.ends_with(".xlsx"));
    all.map(|(name, content)| (name, String::from_utf8(content).unwrap())).collect()
}

fn part(document: &Document, name: &str) -> String {
    texts(document).into_iter().find(|(found, _)| found == name).unwrap().1
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
    document.body.push(Block::Bars(crate::model::Bars {
        title: hostile.into(),
        full: 1.0,
        items: vec![crate::model::Bar { name: hostile.into(), number: Some(1.0), written: hostile.into() }],
    }));
    for (name, text) in texts(&document) {
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

#[test]
fn each_chart_is_named_by_the_text_and_has_its_numbers_beside_it() {
    let mut document = small();
    let bars = |title: &str| {
        Block::Bars(crate::model::Bars {
            title: title.into(),
            full: 1.0,
            items: vec![crate::model::Bar { name: "a".into(), number: Some(1.0), written: "1".into() }],
        })
    };
    let empty = crate::model::Bars { title: "Không có".into(), full: 1.0, items: Vec::new() };
    document.body.extend([bars("Một"), Block::Bars(empty)]);
    document.annexes[0].body.push(bars("Hai"));
    let names: Vec<String> = parts::all(&document).unwrap().into_iter().map(|(name, _)| name).collect();
    for (n, title) in [(1, "Một"), (2, "Hai")] {
        let chart = part(&document, &format!("word/charts/chart{n}.xml"));
        assert!(chart.contains(&format!("<c:v>{title}</c:v>")), "{chart}");
        assert!(names.contains(&format!("word/embeddings/chart{n}.xlsx")), "{names:?}");
        let relations = part(&document, "word/_rels/document.xml.rels");
        assert!(
            relations.contains(&format!("Id=\"rIdChart{n}\"")) && relations.contains(&format!("charts/chart{n}.xml"))
        );
        assert!(part(&document, "[Content_Types].xml").contains(&format!("/word/charts/chart{n}.xml")));
        assert!(part(&document, "word/document.xml").contains(&format!("r:id=\"rIdChart{n}\"")));
    }
    assert!(!names.contains(&"word/charts/chart3.xml".to_owned()), "of nothing there is no chart");
    assert!(!part(&small(), "[Content_Types].xml").contains("xlsx"));
    assert_eq!(write(&document).unwrap(), write(&document).unwrap(), "the same document gives the same bytes");
}
