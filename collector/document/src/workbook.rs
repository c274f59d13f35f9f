//! A workbook for spreadsheets (XLSX, ECMA-376 part 1, SpreadsheetML) by our own hand: one sheet with a heading that stays in view. That is six short parts
//! in a ZIP; a library for it would be larger than all registers. The same sheet gives the same bytes.

use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Longest text that a cell holds, characters.
const CELL_MAX_CHARS: usize = 32_767;
/// Most columns for which the letters of a column are made.
const COLUMNS_MAX: usize = 26 * 27;
/// Longest name of a sheet, characters.
const NAME_MAX_CHARS: usize = 31;

/// What a workbook is sent as.
pub const CONTENT_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// What stands in a cell; an empty text is no cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'t> {
    /// A text, which stays one: nothing is computed.
    Text(&'t str),
    /// A number; one that is not finite is no cell.
    Number(f64),
}

/// A workbook that could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum WorkbookError {
    /// The archive could not be written: it would be larger than such an archive may be.
    #[error("cannot pack the workbook: {0}; mend: ask for fewer rows")]
    Zip(#[from] zip::result::ZipError),
    /// The archive took no more.
    #[error("cannot pack the workbook: {0}")]
    Io(#[from] std::io::Error),
}

/// A workbook of one sheet: its name, what stands above each column with its width in characters, and its rows.
///
/// # Errors
/// [`WorkbookError`] when it is too large to be packed (4 GiB a part).
pub fn write<'t, R>(name: &str, headings: &[(&str, u8)], rows: R) -> Result<Vec<u8>, WorkbookError>
where
    R: IntoIterator,
    R::Item: IntoIterator<Item = Cell<'t>>,
{
    let mut package = ZipWriter::new(Cursor::new(Vec::new()));
    let name: String = name.chars().filter(|letter| !"[]:*?/\\'".contains(*letter)).take(NAME_MAX_CHARS).collect();
    let book = format!(
        "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><sheets><sheet name=\"{}\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
        escaped(&name)
    );
    let sheet = sheet(headings, rows);
    let parts = [
        ("[Content_Types].xml", CONTENT_TYPES),
        ("_rels/.rels", PACKAGE_RELATIONS),
        ("xl/workbook.xml", book.as_str()),
        ("xl/_rels/workbook.xml.rels", BOOK_RELATIONS),
        ("xl/styles.xml", STYLES),
        ("xl/worksheets/sheet1.xml", sheet.as_str()),
    ];
    for (path, text) in parts {
        package.start_file(path, SimpleFileOptions::default())?;
        package.write_all(b"<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n")?;
        package.write_all(text.as_bytes())?;
    }
    Ok(package.finish()?.into_inner())
}

fn sheet<'t, R>(headings: &[(&str, u8)], rows: R) -> String
where
    R: IntoIterator,
    R::Item: IntoIterator<Item = Cell<'t>>,
{
    let last = column(headings.len().saturating_sub(1));
    let mut text = format!(
        "<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" \
         activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews><cols>"
    );
    for (number, (_, width)) in (1..).zip(headings) {
        text += &format!("<col min=\"{number}\" max=\"{number}\" width=\"{width}\" customWidth=\"1\"/>");
    }
    text += "</cols><sheetData>";
    row(&mut text, 1, headings.iter().map(|(heading, _)| Cell::Text(heading)), " s=\"1\"");
    let mut number = 1_usize;
    for cells in rows {
        number += 1;
        row(&mut text, number, cells, "");
    }
    text += &format!("</sheetData><autoFilter ref=\"A1:{last}{number}\"/></worksheet>");
    text
}

fn row<'t>(out: &mut String, number: usize, cells: impl IntoIterator<Item = Cell<'t>>, style: &str) {
    out.push_str(&format!("<row r=\"{number}\">"));
    for (place, cell) in cells.into_iter().enumerate() {
        let place = column(place);
        match cell {
            Cell::Text(text) if !text.is_empty() => out.push_str(&format!(
                "<c r=\"{place}{number}\" t=\"inlineStr\"{style}><is><t xml:space=\"preserve\">{}</t></is></c>",
                escaped(text)
            )),
            Cell::Number(value) if value.is_finite() => {
                out.push_str(&format!("<c r=\"{place}{number}\"{style}><v>{value}</v></c>"));
            }
            Cell::Text(_) | Cell::Number(_) => {}
        }
    }
    out.push_str("</row>");
}

/// The letters of a column, from 0: A, B, … Z, AA, AB …
fn column(place: usize) -> String {
    let place = place.min(COLUMNS_MAX - 1);
    let letter = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
    if place < 26 { letter(place).to_string() } else { format!("{}{}", letter(place / 26 - 1), letter(place)) }
}

/// A text as XML 1.0 holds it, its lines as they are: what that cannot hold is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().take(CELL_MAX_CHARS) {
        match letter {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\t' | '\n' => out.push(letter),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const CONTENT_TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
    <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
    <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
    <Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>\
    <Override PartName=\"/xl/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/>\
    <Override PartName=\"/xl/worksheets/sheet1.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>\
    </Types>";
const PACKAGE_RELATIONS: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
    <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/>\
    </Relationships>";
const BOOK_RELATIONS: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">\
    <Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
    <Relationship Id=\"rId2\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles\" Target=\"styles.xml\"/>\
    </Relationships>";
const STYLES: &str = "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
    <fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Times New Roman\"/></font><font><b/><sz val=\"11\"/><name val=\"Times New Roman\"/></font></fonts>\
    <fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
    <borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>\
    <cellXfs count=\"2\"><xf xfId=\"0\" fontId=\"0\" applyFont=\"1\"/><xf xfId=\"0\" fontId=\"1\" applyFont=\"1\"/></cellXfs>\
    <cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters_and_texts_stay_texts() {
        assert_eq!([0, 25, 26, 51, 52, 701].map(column), ["A", "Z", "AA", "AZ", "BA", "ZZ"]);
        assert_eq!(escaped("a<b> & \"c\"\u{1}\u{ffff}\n"), "a&lt;b&gt; &amp; &quot;c&quot;\n");
        let headings = [("Tên", 20), ("Nhãn", 12), ("Số", 9)];
        let rows = || [[Cell::Text("=1+1"), Cell::Text(""), Cell::Number(2.5)], [Cell::Number(f64::NAN); 3]];
        let made = sheet(&headings, rows());
        assert!(made.contains("<c r=\"A2\" t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1</t>"), "{made}");
        assert!(!made.contains("\"B2\"") && made.contains("<c r=\"C2\"><v>2.5</v></c>"), "{made}");
        assert!(!made.contains("\"A3\"") && made.contains("autoFilter ref=\"A1:C3\""), "{made}");
        let packed = write("Danh mục/tài sản", &headings, rows()).unwrap();
        assert!(packed.starts_with(b"PK") && packed == write("Danh mục/tài sản", &headings, rows()).unwrap());
    }
}
