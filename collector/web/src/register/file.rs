//! A register as a file for spreadsheets: CSV, and a workbook of one sheet of texts ([`ioc_document::workbook`]).
//!
//! A register says how what is asked for becomes a table ([`Listed`]); the handlers of both files are here, for all registers.

use std::future::Future;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_document::workbook::{self, Cell};
use ioc_store::template::{csv_field, percent_encoded};

/// Most rows of one file.
pub(crate) const FILE_ROWS: usize = 50_000;

/// What a workbook is sent as.
pub(crate) const WORKBOOK: &str = workbook::CONTENT_TYPE;

/// A table with its headings.
pub(crate) struct Table {
    /// What the sheet is called; at most 31 characters.
    pub(crate) name: String,
    /// What stands above each column, and how wide it is, characters.
    pub(crate) headings: Vec<(String, u8)>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// What a register is asked for, as it stands in the address of its page and of its files.
pub(crate) trait Listed: DeserializeOwned + Send + 'static {
    /// What its files are called, without their ending.
    const FILE: &'static str;

    /// All of what is asked for, of what whoever asks may see, in their language: at most [`FILE_ROWS`].
    fn table(
        self,
        app: &App,
        person: &Person,
        headers: &HeaderMap,
    ) -> impl Future<Output = Result<Table, Problem>> + Send;
}

/// The register as CSV.
pub(crate) async fn csv<R: Listed>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<R>,
) -> Result<Response, Problem> {
    Ok(asked.table(&app, &person, &headers).await?.csv(R::FILE))
}

/// The register as a workbook.
pub(crate) async fn xlsx<R: Listed>(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(asked): Query<R>,
) -> Result<Response, Problem> {
    Ok(asked.table(&app, &person, &headers).await?.xlsx(R::FILE))
}

/// What is filled in of what a list is asked for, as an address has it.
pub(crate) fn query_string(all: &[(&str, &str)]) -> String {
    let filled = all.iter().filter(|(_, value)| !value.is_empty());
    filled.map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect::<Vec<_>>().join("&")
}

/// Which page an address asks for, from 1.
pub(crate) fn page_number(text: &str) -> usize {
    text.parse::<usize>().unwrap_or(1).clamp(1, 1_000_000)
}

impl Table {
    /// As CSV.
    fn csv(&self, file: &str) -> Response {
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
    fn xlsx(&self, file: &str) -> Response {
        let headings: Vec<(&str, u8)> =
            self.headings.iter().map(|(heading, width)| (heading.as_str(), *width)).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(|cell| Cell::Text(cell)));
        match workbook::write(&self.name, &headings, rows) {
            Ok(bytes) => sent(WORKBOOK, &format!("{file}.xlsx"), bytes),
            Err(error) => Problem::internal(error.to_string()).into_response(),
        }
    }
}

/// A file that is saved under a name of plain letters.
pub(crate) fn sent(kind: &'static str, file: &str, bytes: Vec<u8>) -> Response {
    let name = format!("attachment; filename=\"{file}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}
