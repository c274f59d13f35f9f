//! Software of devices: lists come in parts, and then as differences.

use rusqlite::params;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::software::{Item, Software};

use super::commit::Commit;
use super::reader_connection::SqliteReader;
use super::value::{body, json, limit_of, required};
use crate::StoreError;

pub(super) fn put(commit: &Commit<'_>, device: &DeviceId, at: Timestamp, report: &Software) -> rusqlite::Result<()> {
    let (device, at) = (commit.number(device)?, at.as_millis());
    let put = |list: &str, item: &Item| {
        commit.run(
            "INSERT OR REPLACE INTO software (device, key, list, item) VALUES (?1, ?2, ?3, ?4)",
            params![device, item.key(), list, json(item)?],
        )
    };
    let name = |list: &str, whole: bool| {
        commit.run(
            "INSERT OR REPLACE INTO software_list (device, list, at, whole) VALUES (?1, ?2, ?3, ?4)",
            params![device, list, at, whole],
        )
    };
    match report {
        Software::Whole { list, part, parts, items } => {
            for item in items {
                put(list, item)?;
            }
            if part == parts {
                commit.run("DELETE FROM software WHERE device = ?1 AND list <> ?2", params![device, list])?;
            }
            name(list, part == parts)?;
        }
        Software::Difference { list, added, removed, base } => {
            for key in removed {
                commit.run("DELETE FROM software WHERE device = ?1 AND key = ?2", params![device, key])?;
            }
            for item in added {
                put(base, item)?;
            }
            name(list, true)?;
        }
    }
    Ok(())
}

/// What came of software lists that never became whole goes, with the list before them: the next one is whole.
pub(super) fn clear(commit: &Commit<'_>, device: &DeviceId) -> rusqlite::Result<()> {
    let device = commit.number(device)?;
    commit.run("DELETE FROM software WHERE device = ?1", [device])?;
    commit.run("DELETE FROM software_list WHERE device = ?1", [device])?;
    Ok(())
}

pub(super) fn whole_list(reader: &SqliteReader, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError> {
    let sql = "SELECT list, at FROM software_list WHERE device = ?1 AND whole";
    reader.one(sql, &[&reader.number(id)?], |row| Ok((row.get(0)?, required(row, 1)?)))
}

pub(super) fn items(reader: &SqliteReader, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
    let sql = "SELECT item FROM software WHERE device = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
    reader.all(sql, &[&reader.number(id)?, &after, &limit_of(limit)], |row| body(row, 0))
}
