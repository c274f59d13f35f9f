//! A spreadsheet (XLSX) as the table that [`ioc_engine::inventory::import`] reads. For the command line alone: what is packed is unpacked on the
//! machine of whoever brings it, never in the service.

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};

/// Whether these bytes are a packed workbook and not text.
#[must_use]
pub fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The first sheet of a workbook as text, line for line.
///
/// # Errors
/// What is wrong with the workbook, and the mend.
pub fn table(bytes: &[u8]) -> Result<String, String> {
    let unreadable =
        |why: &dyn std::fmt::Display| format!("it is no XLSX workbook ({why}); mend: save it as XLSX or CSV");
    let mut book: Xlsx<_> =
        calamine::open_workbook_from_rs(Cursor::new(bytes)).map_err(|error: calamine::XlsxError| unreadable(&error))?;
    let sheet = book.worksheet_range_at(0).ok_or_else(|| "the workbook has no sheet".to_owned())?;
    let sheet = sheet.map_err(|error| unreadable(&error))?;
    // Lines are numbered as the sheet numbers them, so that a fault is found there.
    let above = sheet.start().map_or(0, |(row, _)| row);
    if above > 0 {
        return Err(format!("the headings stand in row {}; mend: move them to the first row", above + 1));
    }
    let mut out = csv::Writer::from_writer(Vec::new());
    for (row, cells) in sheet.rows().enumerate() {
        let mut written = Vec::with_capacity(cells.len());
        for (column, cell) in cells.iter().enumerate() {
            if let Data::Error(error) = cell {
                return Err(format!(
                    "row {}, column {}: the cell holds an error ({error}); mend its formula",
                    row + 1,
                    column + 1
                ));
            }
            // One cell is one line of text, whatever was typed into it.
            written.push(cell.to_string().replace(['\n', '\r'], " "));
        }
        out.write_record(&written).map_err(|error| error.to_string())?;
    }
    let bytes = out.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_workbook_is_said() {
        assert!(!is_workbook("tên,loại\n".as_bytes()) && is_workbook(b"PK\x03\x04rest"));
        assert!(table(b"PK\x03\x04rest").expect_err("broken").contains("mend:"));
    }
}
