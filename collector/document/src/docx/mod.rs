//! The document as DOCX, for people to edit: OOXML written by our own hand (docs/decisions/0040), since libraries lack first-page headers,
//! borders of paragraphs or heads of tables that repeat. The same document gives the same bytes, so that a digest stands for it.

mod body;
mod chart;
mod head;
mod markup;
mod parts;

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::model::Document;

/// A document that could not be packed.
#[derive(Debug, thiserror::Error)]
pub enum DocxError {
    /// The archive could not be written: it would be larger than such an archive may be.
    #[error("cannot pack the document: {0}; mend: divide it, for example its annexes")]
    Zip(#[from] zip::result::ZipError),
    /// The archive took no more.
    #[error("cannot pack the document: {0}")]
    Io(#[from] std::io::Error),
    /// The numbers of a chart could not be packed.
    #[error("cannot pack the numbers of a chart: {0}")]
    Chart(#[from] crate::workbook::WorkbookError),
}

/// Writes `document` as DOCX.
///
/// # Errors
/// [`DocxError`] when it is too large to be packed (4 GiB a part).
pub fn write(document: &Document) -> Result<Vec<u8>, DocxError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        // The day on which the calendar of such archives begins, whatever day it is: no clock is asked.
        .last_modified_time(DateTime::default());
    for (name, content) in parts::all(document)? {
        zip.start_file(name, options)?;
        zip.write_all(&content)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests;
