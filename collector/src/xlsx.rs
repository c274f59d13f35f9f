//! A spreadsheet (XLSX) as the table that [`ioc_engine::inventory::import`] reads. For the command line alone: what is packed is unpacked on the
//! machine of whoever brings it, never in the service.
//!
//! A workbook comes from anybody: what it unpacks to is counted before it is believed, its cells are read one by one, and what a table cannot say for sure (a
//! formula, cells that are joined, an error) is refused with its cell rather than read as something else. Nothing that it points to is opened.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use anyhow::Context as _;
use calamine::{Data, Dimensions, Reader as _, SheetType, SheetVisible, Xlsx};
use ioc_engine::inventory::asset_table::ROWS_MAX;

mod packed;

/// Largest file that is read, bytes: of as much the collector takes a table.
const FILE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Columns of a sheet, from the first: a register has about twenty.
const COLUMNS_MAX: u32 = 100;
/// Longest text of all cells, bytes: the collector takes no more.
const TABLE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Numbers from here on have more digits than spreadsheets keep: what stands there is not what somebody typed.
const EXACT_BELOW: f64 = 1e15;
/// Days of a spreadsheet's calendar: its last one is in the year 9999.
const DAYS: std::ops::Range<f64> = 1.0..2_958_466.0;

/// A table as text, from a file or standard input (`-`): a workbook, or text already.
///
/// # Errors
/// It cannot be read, has more than the collector takes, or is neither; with the place and the mend.
pub fn table_of_file(file: &Path) -> anyhow::Result<String> {
    let (mut bytes, most) = (Vec::new(), FILE_MAX_BYTES);
    if file.as_os_str() == "-" {
        std::io::stdin().take(most as u64 + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        let read = opened.take(most as u64 + 1).read_to_end(&mut bytes);
        read.with_context(|| format!("cannot read {}", file.display()))?;
    }
    let too_large = || format!("{}: it has more than {} MiB; mend: divide the table", file.display(), most >> 20);
    anyhow::ensure!(bytes.len() <= most, too_large());
    if is_workbook(&bytes) {
        return table(&bytes).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()));
    }
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

/// Whether these bytes are a packed workbook and not text.
fn is_workbook(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || is_old(bytes)
}

/// A compound file: a workbook of before 2007, or one that has a password.
fn is_old(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
}

fn unreadable(why: &dyn std::fmt::Display) -> String {
    format!("it is no XLSX workbook ({why}); mend: save it as XLSX or CSV")
}

/// A cell as spreadsheets name it; rows and columns from 0.
fn cell_name((row, column): (u32, u32)) -> String {
    let (mut letters, mut left) = (Vec::new(), column + 1);
    while left > 0 {
        letters.push(char::from(b'A' + ((left - 1) % 26) as u8));
        left = (left - 1) / 26;
    }
    letters.iter().rev().collect::<String>() + &(row + 1).to_string()
}

/// What a cell says, as one line of text.
fn text_of(data: &Data) -> Result<String, String> {
    Ok(match data {
        Data::Error(error) => return Err(format!("holds an error ({error}); mend its formula")),
        Data::DateTime(date) if date.is_datetime() => {
            if !DAYS.contains(&date.as_f64()) {
                return Err(format!("holds no day of the calendar ({}); type it anew", date.as_f64()));
            }
            match date.to_ymd_hms_milli() {
                (year, month, day, 0, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                (year, month, day, hour, minute, second, _) => {
                    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
                }
            }
        }
        Data::Float(number) if number.abs() >= EXACT_BELOW => {
            return Err(
                "holds a number of more digits than a spreadsheet keeps; format the cell as text and type it anew"
                    .into(),
            );
        }
        data => data.to_string().replace(['\n', '\r'], " "),
    })
}

/// The rows of a sheet, from its first; each as long as it has cells that say something.
fn rows_of(book: &mut Xlsx<Cursor<&[u8]>>, sheet: &str) -> Result<Vec<Vec<String>>, String> {
    let mut cells = book.worksheet_cells_reader(sheet).map_err(|error| unreadable(&error))?;
    let (mut rows, mut bytes, mut said) = (Vec::<Vec<String>>::new(), 0, BTreeSet::new());
    loop {
        let cell = cells.next_cell_with_formula_metadata().map_err(|error| unreadable(&error))?;
        let Some(cell) = cell else { break };
        let (row, column) = cell.pos;
        let of_cell = |why: String| format!("cell {}: it {why}", cell_name((row, column)));
        if cell.formula.is_some() {
            return Err(of_cell(
                "holds a formula; mend: copy the sheet and paste its values alone into a new one".into(),
            ));
        }
        let text = text_of(&cell.value.into()).map_err(of_cell)?;
        if text.trim().is_empty() {
            continue;
        }
        if row as usize > ROWS_MAX {
            return Err(of_cell(format!("lies below row {}; mend: divide the table", ROWS_MAX + 1)));
        }
        if column >= COLUMNS_MAX {
            return Err(of_cell(format!("lies behind the {COLUMNS_MAX} columns that are read; mend: take it out")));
        }
        if !said.insert((row, column)) {
            return Err(of_cell("stands in the sheet twice; mend: save it anew as XLSX or CSV".into()));
        }
        bytes += text.len();
        if bytes > TABLE_MAX_BYTES {
            return Err(of_cell(format!(
                "is too much: a table has at most {} MiB; mend: divide it",
                TABLE_MAX_BYTES >> 20
            )));
        }
        let (row, column) = (row as usize, column as usize);
        rows.resize_with(rows.len().max(row + 1), Vec::new);
        let line = &mut rows[row];
        line.resize_with(line.len().max(column + 1), String::new);
        line[column] = text;
    }
    Ok(rows)
}

/// The first sheet of a workbook that people see, as text, line for line: lines are numbered as the sheet numbers its rows, so that a fault is found there.
///
/// # Errors
/// What is wrong with the workbook, and where, and the mend.
fn table(bytes: &[u8]) -> Result<String, String> {
    if is_old(bytes) {
        return Err(
            "it is a workbook of before 2007, or has a password; mend: save it as XLSX without a password, or as CSV"
                .into(),
        );
    }
    packed::check(bytes)?;
    // Its reader counts on what a workbook says of itself in places; whoever brings a table has an answer all the same.
    catch_unwind(AssertUnwindSafe(|| read(bytes))).unwrap_or_else(|_| Err(unreadable(&"it contradicts itself")))
}

fn read(bytes: &[u8]) -> Result<String, String> {
    let mut book: Xlsx<_> =
        calamine::open_workbook_from_rs(Cursor::new(bytes)).map_err(|error: calamine::XlsxError| unreadable(&error))?;
    let shown = book.sheets_metadata().iter();
    let mut shown = shown.filter(|sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet);
    let sheet = shown.next().map(|sheet| sheet.name.clone()).ok_or("the workbook has no sheet that is shown")?;
    let joined = book.merge_cells_by_sheet_name(&sheet).map_err(|error| unreadable(&error))?;
    if let Some(Dimensions { start, end }) = joined.first() {
        let (from, to) = (cell_name(*start), cell_name(*end));
        return Err(format!(
            "cells {from} to {to} are merged, and only the first of them says something; mend: unmerge them and fill in each"
        ));
    }
    let rows = rows_of(&mut book, &sheet)?;
    match rows.iter().position(|row| !row.is_empty()) {
        None => return Err(format!("the sheet {sheet:?} is empty; mend: move the table to the first sheet")),
        Some(0) => {}
        Some(row) => return Err(format!("the headings stand in row {}; mend: move them to the first row", row + 1)),
    }
    let width = rows.iter().map(Vec::len).max().unwrap_or_default();
    let mut out = csv::Writer::from_writer(Vec::new());
    for mut row in rows {
        row.resize_with(width, String::new);
        out.write_record(&row).map_err(|error| error.to_string())?;
    }
    let bytes = out.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
