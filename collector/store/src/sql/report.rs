//! Settings of documents, texts of reports, and reports that were issued.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, moment, required, signed};
use crate::StoreError;
use crate::report::{DocumentSettings, IssuedPart, IssuedReport, Registration, ReportText};
use crate::retention::RecordClass;
use crate::sql::{self, Row, params};

/// Most that are named where a number is given already.
const SAME_MAX: usize = 5;
/// Each with its newest registration: later ones correct those before.
const ISSUED: &str = "SELECT i.number, i.report, i.version, i.title, i.at, i.who, i.sha256, length(i.content), r.number, r.date, r.who, r.at, r.sha256, \
                      r.kind, r.reason FROM issued_report i LEFT JOIN report_registration r ON r.issued = i.number AND r.place = \
                      (SELECT max(o.place) FROM report_registration o WHERE o.issued = i.number)";

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
    let Registration { number: registered, date, by, at, sha256, kind, reason } = registration;
    commit.run(
        "INSERT INTO report_registration (issued, place, number, date, who, at, sha256, kind, reason, copy) \
         SELECT ?1, coalesce(max(place), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM report_registration WHERE issued = ?1",
        params![signed(number), registered, date, by, at.as_millis(), sha256, kind, reason, content],
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

fn registration(row: &Row<'_>, first: usize) -> sql::Result<Registration> {
    Ok(Registration {
        number: row.get(first)?,
        date: row.get(first + 1)?,
        by: row.get(first + 2)?,
        at: required(row, first + 3)?,
        sha256: row.get(first + 4)?,
        kind: row.get(first + 5)?,
        reason: row.get(first + 6)?,
    })
}

fn issued(row: &Row<'_>) -> sql::Result<IssuedReport> {
    let registration = if moment(row, 11)?.is_some() { Some(registration(row, 8)?) } else { None };
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
    let sql = format!("{ISSUED} WHERE i.number < ?1 AND (i.report = ?2 OR ?2 IS NULL) ORDER BY i.number DESC LIMIT ?3");
    let found = reader.all(&sql, &[&below(before), &report, &limit_of(limit)], issued)?;
    Ok(found.into_iter().map(|one| reader.issued_as_shown(one)).collect())
}

/// Those whose addresses begin so.
pub(super) fn list_of(
    reader: &SqlReader,
    begin: &str,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<IssuedReport>, StoreError> {
    let sql = format!("{ISSUED} WHERE i.number < ?1 AND substr(i.report, 1, ?2) = ?3 ORDER BY i.number DESC LIMIT ?4");
    let length = limit_of(begin.chars().count());
    let found = reader.all(&sql, &[&below(before), &length, &begin, &limit_of(limit)], issued)?;
    Ok(found.into_iter().map(|one| reader.issued_as_shown(one)).collect())
}

/// All registrations of an issued report, in their order: the last one counts.
pub(super) fn registrations(reader: &SqlReader, number: u64) -> Result<Vec<Registration>, StoreError> {
    let sql =
        "SELECT number, date, who, at, sha256, kind, reason FROM report_registration WHERE issued = ?1 ORDER BY place";
    let found = reader.all(sql, &[&signed(number)], |row| registration(row, 0))?;
    Ok(found.into_iter().map(|one| reader.registration_as_shown(one)).collect())
}

/// Which issued reports of a kind are registered under a number in a year.
pub(super) fn registered_as(reader: &SqlReader, kind: &str, year: i16, number: u32) -> Result<Vec<u64>, StoreError> {
    let sql = "SELECT r.issued FROM report_registration r WHERE r.number = ?1 AND r.kind = ?2 AND substr(r.date, 1, 5) = ?3 AND r.place = \
               (SELECT max(o.place) FROM report_registration o WHERE o.issued = r.issued) ORDER BY r.issued LIMIT ?4";
    let year = format!("{year:04}-");
    let found = reader.all(sql, &[&number, &kind, &year, &limit_of(SAME_MAX)], |row| row.get::<_, i64>(0))?;
    Ok(found.into_iter().map(i64::unsigned_abs).collect())
}

pub(super) fn find(reader: &SqlReader, number: u64) -> Result<Option<IssuedReport>, StoreError> {
    let found = reader.one(&format!("{ISSUED} WHERE i.number = ?1"), &[&signed(number)], issued)?;
    Ok(found.map(|one| reader.issued_as_shown(one)))
}

pub(super) fn content(reader: &SqlReader, number: u64, part: IssuedPart) -> Result<Option<Vec<u8>>, StoreError> {
    let (sql, place) = match part {
        IssuedPart::Issued => ("SELECT content FROM issued_report WHERE number = ?1 AND ?2 = 0", 0),
        IssuedPart::Source => ("SELECT source FROM issued_report WHERE number = ?1 AND ?2 = 0", 0),
        IssuedPart::Registered => {
            ("SELECT copy FROM report_registration WHERE issued = ?1 AND place > ?2 ORDER BY place DESC LIMIT 1", 0)
        }
        IssuedPart::RegisteredAs(place) => {
            ("SELECT copy FROM report_registration WHERE issued = ?1 AND place = ?2", i64::from(place))
        }
    };
    Ok(reader
        .one(sql, &[&signed(number), &place], |row| Ok(row.get_ref(0)?.as_bytes_or_null()?.map(<[u8]>::to_vec)))?
        .flatten())
}

/// Up to which moment records of a class were deleted.
pub(super) fn deleted_through(reader: &SqlReader, class: RecordClass) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT max(last) FROM deletion WHERE class = ?1";
    Ok(reader.one(sql, &[&class.as_str()], |row| moment(row, 0))?.flatten())
}
