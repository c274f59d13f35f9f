//! Workbooks as nobody should send them: each is refused with its cell and the mend, and takes no more memory than the bounds say.

use std::io::Write as _;

use super::*;

const MAIN: &str = r#"xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main""#;
const RELATIONS: &str = r#"xmlns="http://schemas.openxmlformats.org/package/2006/relationships""#;
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

fn packed_of(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, content) in parts {
        out.start_file(*name, options).unwrap();
        out.write_all(content).unwrap();
    }
    out.finish().unwrap().into_inner()
}

/// A workbook of one sheet with these rows, what stands behind them, and its texts.
fn book(rows: &str, behind: &str, texts: Option<&str>) -> Vec<u8> {
    of_sheet(&format!("<worksheet {MAIN}><sheetData>{rows}</sheetData>{behind}</worksheet>"), texts)
}

fn of_sheet(sheet: &str, texts: Option<&str>) -> Vec<u8> {
    let kind = |what: &str| format!("{OFFICE}/{what}");
    let relations = format!(
        r#"<Relationships {RELATIONS}><Relationship Id="rId1" Type="{}" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{}" Target="styles.xml"/></Relationships>"#,
        kind("worksheet"),
        kind("styles")
    );
    let workbook = format!(
        r#"<workbook {MAIN} xmlns:r="{OFFICE}"><sheets><sheet name="Tài sản" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    // The first style is plain, the second a day.
    let styles = format!(
        r#"<styleSheet {MAIN}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>"#
    );
    let root = format!(
        r#"<Relationships {RELATIONS}><Relationship Id="rId1" Type="{}" Target="xl/workbook.xml"/></Relationships>"#,
        kind("officeDocument")
    );
    let mut parts = vec![
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relations.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ];
    parts.extend(texts.map(|texts| ("xl/sharedStrings.xml", texts.as_bytes())));
    packed_of(&parts)
}

fn cell(name: &str, text: &str) -> String {
    format!(r#"<c r="{name}" t="inlineStr"><is><t>{text}</t></is></c>"#)
}

fn heads() -> String {
    format!(r#"<row r="1">{}{}</row>"#, cell("A1", "Tên"), cell("B1", "Ngày mua"))
}

/// The headings, and this in the second row.
fn second(cells: &str) -> Vec<u8> {
    book(&format!(r#"{}<row r="2">{cells}</row>"#, heads()), "", None)
}

fn refused(book: &[u8]) -> String {
    table(book).expect_err("refused")
}

#[test]
fn what_is_no_workbook_is_said() {
    assert!(!is_workbook("tên,loại\n".as_bytes()) && is_workbook(b"PK\x03\x04rest"));
    assert!(refused(b"PK\x03\x04rest").contains("mend:"));
    let old = [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, 0, 0];
    assert!(is_workbook(&old) && refused(&old).contains("password"));
    assert!(refused(&packed_of(&[("word/document.xml", b"<a/>")])).contains("no XLSX workbook"));
    for broken in [
        "<row r=\"1\"><c r=\"A1\"><v>1</row>",
        "<row r=\"0\"><c r=\"0A\"><v>1</v></c></row>",
        "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>7</v></c></row>",
        "<row",
    ] {
        assert!(refused(&book(broken, "", None)).contains("mend:"), "{broken}");
    }
    let backwards =
        format!("<worksheet {MAIN}><dimension ref=\"C9:A1\"/><sheetData>{}</sheetData></worksheet>", heads());
    assert!(refused(&of_sheet(&backwards, None)).contains("contradicts itself"));
    assert!(refused(&book("", "", None)).contains("is empty"));
}

#[test]
fn a_day_is_a_day_and_what_a_spreadsheet_does_not_keep_is_refused() {
    let day = table(&second(&format!(r#"{}<c r="B2" s="1"><v>45292</v></c>"#, cell("A2", "Máy 1")))).unwrap();
    assert_eq!(day, "Tên,Ngày mua\nMáy 1,2024-01-01\n");
    // Without the style of a day it is a number, which no day is taken for.
    assert_eq!(table(&second(r#"<c r="B2"><v>45292</v></c>"#)).unwrap(), "Tên,Ngày mua\n,45292\n");
    let wrong = refused(&second(r#"<c r="B2" s="1"><v>99999999</v></c>"#));
    assert!(wrong.contains("cell B2: it holds no day"), "{wrong}");
    let long = refused(&second(r#"<c r="A2"><v>1234567890123456789</v></c>"#));
    assert!(long.contains("cell A2") && long.contains("format the cell as text"), "{long}");
    let error = refused(&second(r##"<c r="B2" t="e"><v>#REF!</v></c>"##));
    assert!(error.contains("cell B2: it holds an error (#REF!)"), "{error}");
}

#[test]
fn formulas_also_of_other_workbooks_and_merged_cells_are_refused_with_their_place() {
    for formula in [
        "<f>1+1</f>",
        "<f>[1]Sheet1!A1</f>",
        r#"<f t="shared" si="99999999999" ref="A2:A9">A1</f>"#,
        r#"<f t="shared" si="4"/>"#,
    ] {
        let why = refused(&second(&format!(r#"<c r="A2">{formula}<v>2</v></c>"#)));
        assert!(why.contains("cell A2: it holds a formula; mend"), "{formula}: {why}");
    }
    let merged = r#"<mergeCells count="1"><mergeCell ref="B2:B4"/></mergeCells>"#;
    let why = refused(&book(&heads(), merged, None));
    assert!(why.contains("cells B2 to B4 are merged"), "{why}");
    let twice = format!("{}{}", cell("A2", "một"), cell("A2", "hai"));
    assert!(refused(&second(&twice)).contains("cell A2: it stands in the sheet twice"));
    let low = book(&format!(r#"<row r="3">{}</row>"#, cell("A3", "Tên")), "", None);
    assert!(refused(&low).contains("the headings stand in row 3"));
}

#[test]
fn what_unpacks_to_too_much_is_refused_whatever_it_says_of_its_size() {
    let (size, most) = (3 * 1024 * 1024 + 12_345_u32, 2 * 1024 * 1024);
    let spaces = vec![b' '; size as usize];
    let bomb = packed_of(&[("xl/worksheets/sheet1.xml", spaces.as_slice())]);
    assert!(bomb.len() < 20_000, "{} bytes", bomb.len());
    assert!(packed::check_within(&bomb, u64::from(size)).is_ok());
    let why = packed::check_within(&bomb, most).expect_err("too much");
    assert!(why.contains("unpacks to more than 2 MiB"), "{why}");
    let (says, lies) = (size.to_le_bytes(), 9_u32.to_le_bytes());
    let mut lying = bomb;
    let places: Vec<usize> = (0..lying.len() - 4).filter(|at| lying[*at..at + 4] == says).collect();
    assert!(!places.is_empty());
    for at in places {
        lying[at..at + 4].copy_from_slice(&lies);
    }
    assert!(packed::check_within(&lying, most).expect_err("too much").contains("mend:"));
    let parts: Vec<(String, &[u8])> = (0..3_000).map(|n| (format!("xl/media/{n}"), &b"x"[..])).collect();
    let parts: Vec<(&str, &[u8])> = parts.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    assert!(refused(&packed_of(&parts)).contains("3000 parts"));
    // Room would be made for as many texts as it says.
    let texts = format!(r#"<sst {MAIN} count="1" uniqueCount="999999999999"><si><t>Tên</t></si></sst>"#);
    let why = refused(&book(r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row>"#, "", Some(&texts)));
    assert!(why.contains("more texts than it has"), "{why}");
    let texts = texts.replace("999999999999", "1");
    assert_eq!(table(&book(r#"<row r="1"><c r="A1" t="s"><v>0</v></c></row>"#, "", Some(&texts))).unwrap(), "Tên\n");
}

#[test]
fn a_sheet_that_is_too_long_or_too_wide_is_refused_where_it_goes_too_far() {
    let far = refused(&book(&format!(r#"{}<row r="1048576">{}</row>"#, heads(), cell("XFD1048576", "x")), "", None));
    assert!(far.contains("cell XFD1048576: it lies below row 20001"), "{far}");
    let wide = refused(&second(&cell("CW2", "x")));
    assert!(wide.contains("cell CW2: it lies behind the 100 columns"), "{wide}");
    let rows: String = (0..50_000).map(|_| "<row><c><v>1</v></c></row>").collect();
    let long = refused(&book(&rows, "", None));
    assert!(long.contains("cell A20002: it lies below row 20001; mend: divide the table"), "{long}");
    // What only looks different says nothing: rows that were coloured down to the end are no rows.
    let empty: String = (2..=50_000).map(|n| format!(r#"<row r="{n}"><c r="A{n}" s="1"/></row>"#)).collect();
    assert_eq!(table(&book(&(heads() + &empty), "", None)).unwrap(), "Tên,Ngày mua\n");
}
