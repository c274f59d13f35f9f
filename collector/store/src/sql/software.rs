//! Software of devices: lists come in parts, and then as differences. What changed from one whole list to the next goes into the history of
//! documents: while the parts of a new list come, each row that they change has what stood in it in the last whole one (`before`).

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::software::{Item, Software};

use super::commit::Commit;
use super::document_change::{self, Next};
use super::number_limit;
use super::reader_connection::SqlReader;
use super::value::{body, json, limit_of, required};
use crate::StoreError;
use crate::document_history::{SOFTWARE, difference, software_document};
use crate::sql::{self, OptionalExtension as _, ValueRef, params};

/// What `before` says where the last whole list had no such item.
const NOT_THERE: &str = "";

pub(super) fn put(commit: &mut Commit<'_>, device: &DeviceId, at: Timestamp, report: &Software) -> sql::Result<()> {
    let device = commit.number(device)?;
    take(commit, device, at, report)?;
    number_limit::of_document(commit, (device, SOFTWARE))
}

fn take(commit: &Commit<'_>, device: i64, at: Timestamp, report: &Software) -> sql::Result<()> {
    let known = list_before(commit, device)?;
    match report {
        Software::Whole { list, part, parts, items } => {
            for item in items {
                put_item(commit, device, list, item, known.is_some())?;
            }
            if part == parts {
                note_whole(commit, device, list, known, at)?;
                commit.run("DELETE FROM software WHERE device = ?1 AND list <> ?2", params![device, list])?;
            }
            name(commit, device, list, at, part == parts)
        }
        Software::Difference { list, added, removed, base } => {
            let keys = added.iter().map(Item::key).chain(removed.iter().cloned());
            let keys: BTreeSet<String> = keys.collect();
            let old = software_document(items_of(commit, device, &keys)?.into_iter());
            let new = software_document(added.iter().cloned());
            if let Some(known) = known {
                // Of what is named here nothing is left but what is added. The whole list is read only when it is wanted, before it is changed.
                let whole = || Ok(software_document(last_whole(commit, device)?.into_iter()));
                let differences = difference(SOFTWARE, &old, &new);
                document_change::note_differences(commit, (device, SOFTWARE), (known, at), differences, whole)?;
            }
            for key in removed {
                commit.run("DELETE FROM software WHERE device = ?1 AND key = ?2", params![device, key])?;
            }
            for item in added {
                put_item(commit, device, base, item, false)?;
            }
            name(commit, device, list, at, true)
        }
    }
}

fn put_item(commit: &Commit<'_>, device: i64, list: &str, item: &Item, over_whole: bool) -> sql::Result<()> {
    let before = over_whole.then_some(NOT_THERE);
    commit.run(
        "INSERT INTO software (device, key, list, item, before) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (device, key) \
         DO UPDATE SET list = excluded.list, item = excluded.item, \
         before = CASE WHEN excluded.before IS NOT NULL THEN coalesce(software.before, software.item) END",
        params![device, item.key(), list, json(item)?, before],
    )?;
    Ok(())
}

fn name(commit: &Commit<'_>, device: i64, list: &str, at: Timestamp, whole: bool) -> sql::Result<()> {
    commit.run(
        "INSERT INTO software_list (device, list, at, whole, known) VALUES (?1, ?2, ?3, ?4, CASE WHEN ?4 THEN CAST(?3 AS BIGINT) END) \
         ON CONFLICT (device) DO UPDATE SET list = excluded.list, at = excluded.at, whole = excluded.whole, \
         known = coalesce(excluded.known, software_list.known)",
        params![device, list, at.as_millis(), whole],
    )?;
    Ok(())
}

/// When the last whole list was made; none before one was.
fn list_before(commit: &Commit<'_>, device: i64) -> sql::Result<Option<Timestamp>> {
    let mut statement = commit.transaction.prepare_cached("SELECT known FROM software_list WHERE device = ?1")?;
    let known: Option<Option<i64>> = statement.query_row([device], |row| row.get(0)).optional()?;
    Ok(known.flatten().map(Timestamp::from_millis))
}

/// Those of these items that are there.
fn items_of(commit: &Commit<'_>, device: i64, keys: &BTreeSet<String>) -> sql::Result<Vec<Item>> {
    let mut statement =
        commit.transaction.prepare_cached("SELECT item FROM software WHERE device = ?1 AND key = ?2")?;
    let item = |key: &String| statement.query_row(params![device, key], |row| body(row, 0)).optional().transpose();
    keys.iter().filter_map(item).collect()
}

fn last_whole(commit: &Commit<'_>, device: i64) -> sql::Result<Vec<Item>> {
    let mut statement = commit.transaction.prepare_cached(document_change::LAST_WHOLE)?;
    statement.query_map([device], |row| body(row, 0))?.collect()
}

/// Writes down what changed from the last whole list to the one whose last part has come.
fn note_whole(
    commit: &Commit<'_>,
    device: i64,
    list: &str,
    known: Option<Timestamp>,
    at: Timestamp,
) -> sql::Result<()> {
    let Some(known) = known else {
        return document_change::note(commit, (device, SOFTWARE), None, (Next::Unknown, at));
    };
    let changed = "SELECT CASE WHEN before IS NULL THEN item ELSE nullif(before, '') END, CASE WHEN list = ?2 THEN item END FROM software \
                   WHERE device = ?1 AND (list <> ?2 OR before IS NOT NULL)";
    let (mut old, mut new): (Vec<Item>, Vec<Item>) = Default::default();
    let mut statement = commit.transaction.prepare_cached(changed)?;
    let mut rows = statement.query(params![device, list])?;
    while let Some(row) = rows.next()? {
        for (column, items) in [(0, &mut old), (1, &mut new)] {
            if row.get_ref(column)? != ValueRef::Null {
                items.push(body(&row, column)?);
            }
        }
    }
    let differences = difference(SOFTWARE, &software_document(old.into_iter()), &software_document(new.into_iter()));
    let whole = || Ok(software_document(last_whole(commit, device)?.into_iter()));
    document_change::note_differences(commit, (device, SOFTWARE), (known, at), differences, whole)?;
    commit.run("UPDATE software SET before = NULL WHERE device = ?1 AND before IS NOT NULL", [device])?;
    Ok(())
}

/// What came of software lists that never became whole goes, with the list before them: the next one is whole. The history keeps what stood.
pub(super) fn clear(commit: &Commit<'_>, device: &DeviceId) -> sql::Result<()> {
    let device = commit.number(device)?;
    if let Some(known) = list_before(commit, device)? {
        let old = software_document(last_whole(commit, device)?.into_iter());
        let at = Timestamp::from_millis(commit.received);
        document_change::note(commit, (device, SOFTWARE), Some((&old, known)), (Next::Unknown, at))?;
    }
    commit.run("DELETE FROM software WHERE device = ?1", [device])?;
    commit.run("DELETE FROM software_list WHERE device = ?1", [device])?;
    Ok(())
}

pub(super) fn whole_list(reader: &SqlReader, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError> {
    let sql = "SELECT list, at FROM software_list WHERE device = ?1 AND whole";
    reader.one(sql, &[&reader.number(id)?], |row| Ok((row.get(0)?, required(row, 1)?)))
}

pub(super) fn items(reader: &SqlReader, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
    let sql = "SELECT item FROM software WHERE device = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
    reader.all(sql, &[&reader.number(id)?, &after, &limit_of(limit)], |row| body(row, 0))
}
