//! Rows of history that are still rows, in the order of their arrival, and the newest numbers of each device.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::report::Position;
use ioc_judge::DeviceInfo;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json, limit_of, position, required, signed};
use crate::history;
use crate::sql::{self, Connection, Row, params};
use crate::{DeviceHistoryRow, HistoryRow, RowNumbers, StoreError, StoredRow};

pub(super) fn append(
    commit: &mut Commit<'_>,
    device: &DeviceId,
    (position, at): (Position, Timestamp),
    (layout, row): (LayoutId, &[u8]),
    newest: bool,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    let previous = commit.newest_row(number);
    let row_number = commit.take_row(number, newest.then_some((layout, row)));
    let (epoch, seq, layout_id) = (signed(position.epoch), signed(position.seq), signed(layout.0));
    let (at, received) = (at.as_millis(), commit.received);
    commit.append_sample([row_number, number, previous, epoch, seq, at, received, layout_id], row)
}

/// Deletes rows that are folded, up to one, and keeps which history holds them; says how many.
pub(crate) fn forget(connection: Connection<'_>, through: i64, limit: i64, token: Option<&str>) -> sql::Result<usize> {
    let largest = "SELECT max(number) FROM sample WHERE number <= ?1";
    let largest: Option<i64> = connection.query_row(largest, [through], |row| row.get(0))?;
    let sql =
        "DELETE FROM sample WHERE number IN (SELECT number FROM sample WHERE number <= ?1 ORDER BY number LIMIT ?2)";
    let gone = connection.execute(sql, params![through, limit])?;
    if gone > 0 {
        forgotten(connection, token, largest.unwrap_or(0))?;
    }
    Ok(gone)
}

/// Keeps that rows were deleted up to one: once all are, nothing else says how many were numbered.
pub(crate) fn forgotten(connection: Connection<'_>, token: Option<&str>, largest: i64) -> sql::Result<()> {
    let sql = "UPDATE fold_mark SET token = coalesce(?1, token), rows = max(rows, ?2) WHERE token <> ?1 OR rows < ?2";
    connection.write(sql, params![token, largest]).map(drop)
}

pub(super) fn put_layout(commit: &mut Commit<'_>, layout: &Layout) -> sql::Result<()> {
    if commit.learn_layout(layout.id().0) {
        // What stands there is the same, unless it is damaged.
        commit.run(
            "INSERT INTO layout (id, series) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET series = ?2 WHERE layout.series <> ?2",
            params![signed(layout.id().0), json(layout.series())?],
        )?;
    }
    Ok(())
}

/// A row of history: place in the order, time, layout, numbers, its own number.
fn history_row(row: &Row<'_>) -> sql::Result<Result<HistoryRow, history::Corrupt>> {
    let layout = LayoutId(row.get::<_, i64>(3)?.unsigned_abs());
    let (position, at, number) = (position(row, 0, 1)?, required(row, 2)?, row.get::<_, i64>(5)?.unsigned_abs());
    let values = history::unpack(row.get_ref(4)?.as_blob()?);
    Ok(values.map(|values| HistoryRow { number, position, at, layout, values }))
}

pub(super) fn layout(reader: &SqlReader, id: LayoutId) -> Result<Option<Layout>, StoreError> {
    let sql = "SELECT series FROM layout WHERE id = ?1";
    let text = reader.one(sql, &[&signed(id.0)], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))?;
    // One that is damaged is as good as none: it costs what was reported in it, and nothing else.
    let layout = text.and_then(|text| {
        let read = serde_json::from_slice(&text);
        read.inspect_err(
            |error| tracing::error!(layout = %id, %error, "a layout is damaged; what is kept in it cannot be read"),
        )
        .ok()
    });
    Ok(layout.and_then(|layout| reader.layout_as_shown(layout)))
}

/// A device's newest rows after a number, the oldest of them first, until there are more than `most_bytes`.
pub(super) fn newest_rows(
    reader: &SqlReader,
    device: &DeviceId,
    after: u64,
    most_bytes: u64,
) -> Result<Vec<HistoryRow>, StoreError> {
    // The chain is followed by SQLite itself: one statement, whatever its length.
    let sql = "WITH RECURSIVE chain (number, previous, epoch, seq, at, layout, data, before) AS (\
               SELECT number, previous, epoch, seq, at, layout, data, CAST(0 AS BIGINT) FROM sample \
               WHERE number = ?4 AND device = ?1 AND number > ?2 \
               UNION ALL \
               SELECT s.number, s.previous, s.epoch, s.seq, s.at, s.layout, s.data, c.before + length(c.data) + 64 \
               FROM chain c JOIN sample s ON s.number = c.previous \
               WHERE s.device = ?1 AND c.previous > ?2 AND c.previous < c.number AND c.before < ?3) \
               SELECT epoch, seq, at, layout, data, number FROM chain";
    let most = i64::try_from(most_bytes).unwrap_or(i64::MAX);
    let device = reader.number(device)?;
    let newest = reader.newest.row(device);
    let rows = reader.all(sql, &[&device, &signed(after), &most, &newest], history_row)?;
    let rows = rows.into_iter().rev().map(|row| row.map_err(|error| reader.content("a history row", &error)));
    rows.collect()
}

pub(super) fn rows_to_fold(
    reader: &SqlReader,
    after: u64,
    through: u64,
    limit: usize,
) -> Result<Vec<StoredRow>, StoreError> {
    let sql = "SELECT number, device, at, layout, data FROM sample WHERE number > ?1 AND number <= ?2 ORDER BY number LIMIT ?3";
    reader.all(sql, &[&signed(after), &signed(through), &limit_of(limit)], |row| {
        let unsigned = |column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let (number, device, layout) = (unsigned(0)?, unsigned(1)?, LayoutId(unsigned(3)?));
        Ok(StoredRow { number, device, at: required(row, 2)?, layout, data: row.get(4)? })
    })
}

pub(super) fn device_of(reader: &SqlReader, number: u64) -> Result<Option<DeviceId>, StoreError> {
    let sql = "SELECT id FROM main.device WHERE number = ?1";
    let id = reader.one(sql, &[&signed(number)], |row| row.get::<_, String>(0))?;
    Ok(id.and_then(|id| DeviceId::new(&id).ok()))
}

pub(super) fn rows_after(reader: &SqlReader, after: u64, limit: usize) -> Result<Vec<DeviceHistoryRow>, StoreError> {
    let sql =
        "SELECT epoch, seq, at, layout, data, number, device FROM sample WHERE number > ?1 ORDER BY number LIMIT ?2";
    let read = |row: &Row<'_>| Ok((history_row(row)?, row.get::<_, i64>(6)?));
    let rows = reader.all(sql, &[&signed(after), &limit_of(limit)], read)?;
    let mut known: HashMap<i64, Option<Arc<DeviceInfo>>> = HashMap::new();
    let mut arrived = Vec::with_capacity(rows.len());
    for (row, number) in rows {
        let device = match known.entry(number) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => {
                let info = reader.one("SELECT info FROM device WHERE number = ?1", &[&number], |row| body(row, 0))?;
                new.insert(info.map(Arc::new)).clone()
            }
        };
        if let (Ok(row), Some(device)) = (row, device) {
            arrived.push(DeviceHistoryRow { device, row });
        }
    }
    Ok(arrived)
}

pub(super) fn last(reader: &SqlReader) -> Result<u64, StoreError> {
    let last = reader.one("SELECT max(number) FROM sample", &[], |row| row.get::<_, Option<i64>>(0))?;
    Ok(last.flatten().unwrap_or(0).unsigned_abs())
}

pub(super) fn row_numbers(reader: &SqlReader) -> Result<RowNumbers, StoreError> {
    let store = reader.one("SELECT id FROM state", &[], |row| row.get(0))?.unwrap_or_default();
    let sql = "SELECT (SELECT min(number) FROM sample), (SELECT max(number) FROM sample), (SELECT rows FROM fold_mark)";
    let read = |row: &Row<'_>| Ok([row.get::<_, Option<i64>>(0)?, row.get(1)?, row.get(2)?]);
    let [first, largest, folded] = reader.one(sql, &[], read)?.unwrap_or_default();
    // As the writer finds the number of the next row.
    let last = largest.unwrap_or(0).max(folded.unwrap_or(0)).max(reader.newest.largest_row()).unsigned_abs();
    let before = first.map_or(last, |first| first.unsigned_abs().saturating_sub(1));
    Ok(RowNumbers { store, before, last })
}

/// The number of the last row that was received before a moment; 0 when there is none.
pub(super) fn last_before(reader: &SqlReader, received: Timestamp) -> Result<u64, StoreError> {
    // Rows are numbered as they are received, so half of them is left after each look.
    let bounds = reader.one("SELECT min(number), max(number) FROM sample", &[], |row| {
        Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    let Some((Some(first), Some(last))) = bounds else { return Ok(0) };
    let steps = "SELECT row, by_ms FROM clock_step";
    let steps = reader.all(steps, &[], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    // What was received before a step was received by another clock.
    let moved = |number: i64| steps.iter().filter(|(row, _)| number < *row).map(|(_, by_ms)| by_ms).sum::<i64>();
    let (mut before, mut beyond) = (first - 1, last + 1);
    while before + 1 < beyond {
        let middle = before + (beyond - before) / 2;
        let sql = "SELECT number, received FROM sample WHERE number >= ?1 ORDER BY number LIMIT 1";
        let found = reader.one(sql, &[&middle], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        match found {
            Some((number, at)) if at.saturating_add(moved(number)) < received.as_millis() => before = number,
            _ => beyond = middle,
        }
    }
    Ok(if before < first { 0 } else { before.unsigned_abs() })
}
