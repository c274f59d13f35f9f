//! A table as a file for spreadsheets: CSV, and a workbook (XLSX, ECMA-376 part 1, SpreadsheetML) by our own hand: one sheet of texts with a
//! heading that stays in view. That is five short parts in a ZIP; a library for it would be larger than the whole register.

use std::io::{Cursor, Write as _};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::template::csv_field;

/// Longest text that a cell of a workbook holds, characters.
const CELL_MAX_CHARS: usize = 32_767;
/// Most columns for which the letters of a column are made.
const COLUMNS_MAX: usize = 26 * 27;
/// What a workbook is sent as.
pub(crate) const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Most rows of one file.
pub(crate) const FILE_ROWS: usize = 50_000;

/// What a register's list is asked for, as it stands in the address of its files: a register as a table.
pub(crate) trait Register: DeserializeOwned + Send + Sync + 'static {
    /// What its files are called.
    const FILE: &'static str;

    /// All that the address means, whatever its page.
    fn table(
        &self,
        app: &App,
        person: &Person,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Table, Problem>> + Send;
}

pub(crate) async fn csv<R: Register>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<R>,
) -> Result<Response, Problem> {
    Ok(address.table(&app, &person, &headers).await?.csv(R::FILE))
}

pub(crate) async fn xlsx<R: Register>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<R>,
) -> Result<Response, Problem> {
    Ok(address.table(&app, &person, &headers).await?.xlsx(R::FILE))
}

/// A table with its headings.
pub(crate) struct Table {
    /// What the sheet is called; at most 31 characters.
    pub(crate) name: String,
    /// What stands above each column, and how wide it is, characters.
    pub(crate) headings: Vec<(String, u8)>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    /// As CSV.
    pub(crate) fn csv(&self, file: &str) -> Response {
        // A mark at the beginning tells spreadsheets that this is UTF-8.
        let mut text = "\u{feff}".to_owned();
        let headings: Vec<String> = self.headings.iter().map(|(heading, _)| csv_field(heading)).collect();
        text += &headings.join(",");
        for row in &self.rows {
            text += "\r\n";
            text += &row.iter().map(|cell| csv_field(cell)).collect::<Vec<_>>().join(",");
        }
        text += "\r\n";
        sent("text/csv; charset=utf-8", &format!("{file}.csv"), text.into_bytes())
    }

    /// As a workbook.
    pub(crate) fn xlsx(&self, file: &str) -> Response {
        match self.workbook() {
            Ok(bytes) => sent(WORKBOOK, &format!("{file}.xlsx"), bytes),
            Err(error) => Problem::internal(error.to_string()).into_response(),
        }
    }

    fn workbook(&self) -> zip::result::ZipResult<Vec<u8>> {
        let mut package = ZipWriter::new(Cursor::new(Vec::new()));
        let name: String = self.name.chars().filter(|letter| !"[]:*?/\\'".contains(*letter)).take(31).collect();
        let book = format!(
            "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><sheets><sheet name=\"{}\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
            escaped(&name)
        );
        let sheet = self.sheet();
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

    fn sheet(&self) -> String {
        let last = column(self.headings.len().saturating_sub(1));
        let mut text = format!(
            "<worksheet xmlns=\"{MAIN}\"><sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" \
             activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews><cols>"
        );
        for (number, (_, width)) in (1..).zip(&self.headings) {
            text += &format!("<col min=\"{number}\" max=\"{number}\" width=\"{width}\" customWidth=\"1\"/>");
        }
        text += "</cols><sheetData>";
        let headings: Vec<String> = self.headings.iter().map(|(heading, _)| heading.clone()).collect();
        for (number, row) in (1..).zip(std::iter::once(&headings).chain(&self.rows)) {
            let style = if number == 1 { " s=\"1\"" } else { "" };
            text += &format!("<row r=\"{number}\">");
            for (place, cell) in row.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
                let place = column(place);
                text += &format!(
                    "<c r=\"{place}{number}\" t=\"inlineStr\"{style}><is><t xml:space=\"preserve\">{}</t></is></c>",
                    escaped(cell)
                );
            }
            text += "</row>";
        }
        text += &format!("</sheetData><autoFilter ref=\"A1:{last}{}\"/></worksheet>", self.rows.len() + 1);
        text
    }
}

fn sent(kind: &'static str, file: &str, bytes: Vec<u8>) -> Response {
    let name = format!("attachment; filename=\"{file}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}

/// The letters of a column, from 0: A, B, … Z, AA, AB …
fn column(place: usize) -> String {
    let place = place.min(COLUMNS_MAX - 1);
    let letter = |number: usize| char::from(b'A' + u8::try_from(number % 26).unwrap_or_default());
    if place < 26 { letter(place).to_string() } else { format!("{}{}", letter(place / 26 - 1), letter(place)) }
}

/// A text as XML 1.0 holds it: what that cannot hold is left out.
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
        let table = Table {
            name: "Danh mục/tài sản".to_owned(),
            headings: vec![("Tên".to_owned(), 20), ("Nhãn".to_owned(), 12)],
            rows: vec![vec!["=1+1".to_owned(), String::new()]],
        };
        let sheet = table.sheet();
        assert!(sheet.contains("<c r=\"A2\" t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1</t>"), "{sheet}");
        assert!(!sheet.contains("B2\" t") && sheet.contains("autoFilter ref=\"A1:B2\""), "{sheet}");
        assert!(table.workbook().expect("packs").starts_with(b"PK"));
    }
}
