//! Settings of documents, texts of reports, and reports that were issued.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, moment, required, signed};
use crate::StoreError;
use crate::report::{DocumentSettings, IssuedPart, IssuedReport, Registration, ReportText};
use crate::retention::RecordClass;
use crate::sql::{self, Row, params};

const ISSUED: &str = "SELECT number, report, version, title, at, who, sha256, length(content), registered_number, registered_date, registered_by, \
                      registered_at, copy_sha256 FROM issued_report";

pub(super) fn put_settings(commit: &Commit<'_>, settings: &DocumentSettings) -> sql::Result<()> {
    commit.run("INSERT OR REPLACE INTO document_settings (one, body) VALUES (1, ?1)", [json(settings)?])?;
    Ok(())
}

pub(super) fn put_text(commit: &Commit<'_>, text: &ReportText) -> sql::Result<()> {
    let ReportText { report, key, text, by, at } = text;
    if text.is_empty() {
        commit.run("DELETE FROM report_text WHERE report = ?1 AND key = ?2", params![report, key])?;
        return Ok(());
    }
    commit.run(
        "INSERT OR REPLACE INTO report_text (report, key, text, who, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![report, key, text, by, at.as_millis()],
    )?;
    Ok(())
}

pub(super) fn issue(commit: &Commit<'_>, issued: &IssuedReport, content: &[u8], source: &str) -> sql::Result<()> {
    commit.run(
        "INSERT INTO issued_report (number, report, version, title, at, who, sha256, content, source) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            signed(issued.number),
            issued.report,
            issued.version,
            issued.title,
            issued.at.as_millis(),
            issued.by,
            issued.sha256,
            content,
            source
        ],
    )?;
    Ok(())
}

pub(super) fn register(
    commit: &Commit<'_>,
    number: u64,
    registration: &Registration,
    content: &[u8],
) -> sql::Result<()> {
    let Registration { number: registered, date, by, at, sha256 } = registration;
    commit.run(
        "UPDATE issued_report SET registered_number = ?2, registered_date = ?3, registered_by = ?4, registered_at = ?5, copy_sha256 = ?6, copy = ?7 \
         WHERE number = ?1",
        params![signed(number), registered, date, by, at.as_millis(), sha256, content],
    )?;
    Ok(())
}

pub(super) fn settings(reader: &SqlReader) -> Result<DocumentSettings, StoreError> {
    let found = reader.one("SELECT body FROM document_settings", &[], |row| body(row, 0))?;
    Ok(found.unwrap_or_default())
}

pub(super) fn texts(reader: &SqlReader, report: &str) -> Result<Vec<ReportText>, StoreError> {
    let sql = "SELECT report, key, text, who, at FROM report_text WHERE report = ?1 ORDER BY key";
    let found = reader.all(sql, &[&report], |row| {
        Ok(ReportText {
            report: row.get(0)?,
            key: row.get(1)?,
            text: row.get(2)?,
            by: row.get(3)?,
            at: required(row, 4)?,
        })
    })?;
    Ok(found.into_iter().map(|one| reader.report_text_as_shown(one)).collect())
}

fn issued(row: &Row<'_>) -> sql::Result<IssuedReport> {
    let registration = match (row.get(8)?, moment(row, 11)?) {
        (Some(number), Some(at)) => {
            Some(Registration { number, date: row.get(9)?, by: row.get(10)?, at, sha256: row.get(12)? })
        }
        _ => None,
    };
    Ok(IssuedReport {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        report: row.get(1)?,
        version: row.get(2)?,
        title: row.get(3)?,
        at: required(row, 4)?,
        by: row.get(5)?,
        sha256: row.get(6)?,
        bytes: row.get::<_, i64>(7)?.unsigned_abs(),
        registration,
    })
}

pub(super) fn list(
    reader: &SqlReader,
    report: Option<&str>,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<IssuedReport>, StoreError> {
    let sql = format!("{ISSUED} WHERE number < ?1 AND (report = ?2 OR ?2 IS NULL) ORDER BY number DESC LIMIT ?3");
    let found = reader.all(&sql, &[&below(before), &report, &limit_of(limit)], issued)?;
    Ok(found.into_iter().map(|one| reader.issued_as_shown(one)).collect())
}

pub(super) fn find(reader: &SqlReader, number: u64) -> Result<Option<IssuedReport>, StoreError> {
    let found = reader.one(&format!("{ISSUED} WHERE number = ?1"), &[&signed(number)], issued)?;
    Ok(found.map(|one| reader.issued_as_shown(one)))
}

pub(super) fn content(reader: &SqlReader, number: u64, part: IssuedPart) -> Result<Option<Vec<u8>>, StoreError> {
    let column = match part {
        IssuedPart::Issued => "content",
        IssuedPart::Registered => "copy",
        IssuedPart::Source => "source",
    };
    let sql = format!("SELECT {column} FROM issued_report WHERE number = ?1");
    Ok(reader
        .one(&sql, &[&signed(number)], |row| Ok(row.get_ref(0)?.as_bytes_or_null()?.map(<[u8]>::to_vec)))?
        .flatten())
}

/// Up to which moment records of a class were deleted.
pub(super) fn deleted_through(reader: &SqlReader, class: RecordClass) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT max(last) FROM deletion WHERE class = ?1";
    Ok(reader.one(sql, &[&class.as_str()], |row| moment(row, 0))?.flatten())
}
