//! A table that people paste from a spreadsheet, for whichever register: text with a line of headings, separated by tabs, commas or semicolons. An empty cell
//! says nothing: what stands there stays. Every faulty cell is named by its row and column. Pure.

use serde::Serialize;

use ioc_store::collation;

use super::import::Lines;
use crate::refusal_reason::{RefusalReason, Word};

/// Most faults of one table that are reported.
pub(super) const FAULTS_MAX: usize = 100;

/// What a cell cannot be taken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellFault {
    /// Row of the table, from 1; the headings are the first.
    pub row: u64,
    /// Heading of the column; empty where it is about the row.
    pub column: String,
    /// What is wrong, and the mend.
    pub fault: RefusalReason,
}

/// A heading or a word in plain letters, to be compared.
pub(super) fn plain(text: &str) -> String {
    text.trim().to_lowercase().chars().map(collation::plain).collect()
}

/// A cell without the mark that keeps spreadsheets from taking a text for a formula.
pub(super) fn without_mark(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@'])).unwrap_or(cell)
}

/// Reads a table of at most so many rows: what its headings stand for, each with what it is called, and what each row says.
pub(super) fn read<C, R>(
    text: &str,
    rows_max: usize,
    columns_of: impl FnOnce(&csv::StringRecord) -> Result<Vec<(C, String)>, Vec<CellFault>>,
    row_of: impl Fn(u64, &[(C, String)], &csv::StringRecord, &mut Vec<CellFault>) -> R,
) -> Result<Vec<R>, Vec<CellFault>> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    // What is pasted from a spreadsheet has tabs; a heading may have a comma in it.
    let separator = if count('\t') > 0 {
        b'\t'
    } else if count(';') > count(',') {
        b';'
    } else {
        b','
    };
    let mut table = csv::ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(text.as_bytes());
    let of_row = |row: u64, fault: RefusalReason| CellFault { row, column: String::new(), fault };
    let unreadable = |error: &csv::Error| {
        RefusalReason::new("register-refused-unreadable", [("why", Word::text(error.to_string()))], error.to_string())
    };
    let headings_row = table.headers().cloned().map_err(|error| vec![of_row(1, unreadable(&error))])?;
    let columns = columns_of(&headings_row)?;
    let (mut rows, mut faults) = (Vec::new(), Vec::new());
    let mut lines = Lines::new(text.as_bytes());
    for record in table.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                faults.push(of_row(error.position().map_or(0, csv::Position::line), unreadable(&error)));
                break;
            }
        };
        let row = lines.of(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        if rows.len() == rows_max {
            let english = format!("there are more than {rows_max} rows; divide the table");
            let most = [("most", Word::count(rows_max))];
            faults.push(of_row(row, RefusalReason::new("register-refused-rows", most, english)));
            break;
        }
        if record.len() > columns.len() {
            let (cells, known) = (record.len(), columns.len());
            let english = format!("there are {cells} cells and {known} headings");
            let counts = [("cells", Word::count(cells)), ("headings", Word::count(known))];
            faults.push(of_row(row, RefusalReason::new("register-refused-cells", counts, english)));
        }
        rows.push(row_of(row, &columns, &record, &mut faults));
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() && rows.is_empty() {
        let fault = RefusalReason::new("register-refused-no-rows", [], "there is no row in the table");
        faults.push(of_row(2, fault));
    }
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}
