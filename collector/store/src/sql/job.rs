//! Jobs on other systems that report their success.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::required;
use crate::sql::{self, Row, params};
use crate::{JobRecord, JobReport, StoreError};

pub(super) fn put(commit: &Commit<'_>, record: &JobRecord) -> sql::Result<()> {
    let report = record.last_report.as_ref();
    commit.run(
        "INSERT OR REPLACE INTO job (name, since, last_success, reported_at, failed, message) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            record.name,
            record.since.as_millis(),
            record.last_success.map(Timestamp::as_millis),
            report.map(|report| report.at.as_millis()),
            report.map(|report| report.failed),
            report.map(|report| &report.message)
        ],
    )?;
    Ok(())
}

pub(super) fn remove(commit: &Commit<'_>, name: &str) -> sql::Result<()> {
    commit.run("DELETE FROM job WHERE name = ?1", [name])?;
    Ok(())
}

/// What is due goes by elapsed time.
pub(super) fn step(commit: &Commit<'_>, by_ms: i64) -> sql::Result<()> {
    let sql = "UPDATE job SET since = since + ?1, last_success = last_success + ?1, reported_at = reported_at + ?1";
    commit.run(sql, [by_ms])?;
    Ok(())
}

pub(super) fn list(reader: &SqlReader) -> Result<Vec<JobRecord>, StoreError> {
    reader.all("SELECT name, since, last_success, reported_at, failed, message FROM job ORDER BY name", &[], record)
}

fn record(row: &Row<'_>) -> sql::Result<JobRecord> {
    let moment = |column| Ok::<_, sql::Error>(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis));
    let last_report = match moment(3)? {
        Some(at) => Some(JobReport { at, failed: row.get(4)?, message: row.get(5)? }),
        None => None,
    };
    Ok(JobRecord { name: row.get(0)?, since: required(row, 1)?, last_success: moment(2)?, last_report })
}
