//! Inventory takings, and what was ticked in them.

use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, signed};
use crate::StoreError;
use crate::inventory_count::{Find, InventoryCount, Tick};
use crate::sql::{self, params};

pub(super) fn put(commit: &Commit<'_>, count: &InventoryCount) -> sql::Result<()> {
    commit.run(
        "INSERT INTO inventory_count (number, open, body) VALUES (?1, ?2, ?3) ON CONFLICT (number) DO UPDATE SET open = ?2, body = ?3",
        params![signed(count.number), count.closed.is_none(), json(count)?],
    )?;
    Ok(())
}

pub(super) fn tick(commit: &Commit<'_>, number: u64, tick: &Tick) -> sql::Result<()> {
    commit.run(
        "INSERT INTO inventory_tick (count, device, body) VALUES (?1, ?2, ?3) ON CONFLICT (count, device) DO UPDATE SET body = excluded.body",
        params![signed(number), commit.number(&tick.device)?, json(tick)?],
    )?;
    Ok(())
}

pub(super) fn put_find(commit: &Commit<'_>, number: u64, find: &Find) -> sql::Result<()> {
    commit.run(
        "INSERT INTO inventory_find (count, number, open, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (count, number) DO UPDATE SET open = ?3, body = ?4",
        params![signed(number), find.number, find.settled.is_none(), json(find)?],
    )?;
    Ok(())
}

/// The newest first; only those that are open, or all.
pub(super) fn list(
    reader: &SqlReader,
    open: bool,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<InventoryCount>, StoreError> {
    let which = if open { " AND open" } else { "" };
    let sql = format!("SELECT body FROM inventory_count WHERE number < ?1{which} ORDER BY number DESC LIMIT ?2");
    let found = reader.all(&sql, &[&below(before), &limit_of(limit)], |row| body(row, 0))?;
    Ok(found.into_iter().map(|count| reader.count_as_shown(count)).collect())
}

pub(super) fn find(reader: &SqlReader, number: u64) -> Result<Option<InventoryCount>, StoreError> {
    let found =
        reader.one("SELECT body FROM inventory_count WHERE number = ?1", &[&signed(number)], |row| body(row, 0))?;
    Ok(found.map(|count| reader.count_as_shown(count)))
}

/// By device, of which ones `and` says on: what was taken out of the register is in no taking any more for those who count.
pub(super) fn ticks(reader: &SqlReader, number: u64, and: &str) -> Result<Vec<Tick>, StoreError> {
    let sql = format!(
        "SELECT t.body FROM inventory_tick t JOIN device d ON d.number = t.device WHERE t.count = ?1 {and} ORDER BY d.id"
    );
    let found: Vec<Tick> = reader.all(&sql, &[&signed(number)], |row| body(row, 0))?;
    Ok(found.into_iter().map(|tick| reader.tick_as_shown(tick)).collect())
}

/// What was ticked of a device, with the number of the taking; in the order of takings.
pub(super) fn ticks_of(reader: &SqlReader, device: &DeviceId) -> Result<Vec<(u64, Tick)>, StoreError> {
    let sql = "SELECT t.count, t.body FROM inventory_tick t JOIN device d ON d.number = t.device WHERE d.id = ?1 AND d.revoked_at IS NULL ORDER BY t.count";
    let found: Vec<(i64, Tick)> = reader.all(sql, &[&device.as_str()], |row| Ok((row.get(0)?, body(row, 1)?)))?;
    Ok(found.into_iter().map(|(count, tick)| (count.unsigned_abs(), reader.tick_as_shown(tick))).collect())
}

/// In the order in which they were written down. Where they are is said by people, so that whoever is limited to places sees those that are said to be there.
pub(super) fn finds(reader: &SqlReader, number: u64) -> Result<Vec<Find>, StoreError> {
    let sql = "SELECT body FROM inventory_find WHERE count = ?1 ORDER BY number";
    let found: Vec<Find> = reader.all(sql, &[&signed(number)], |row| body(row, 0))?;
    Ok(found
        .into_iter()
        .filter(|find| reader.scope.holds(&find.place))
        .map(|find| reader.find_as_shown(find))
        .collect())
}

/// How many of all takings that are closed are work still.
pub(super) fn open_finds(reader: &SqlReader) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM inventory_find f JOIN inventory_count c ON c.number = f.count WHERE f.open AND NOT c.open";
    let found: Option<i64> = reader.one(sql, &[], |row| row.get(0))?;
    Ok(found.unwrap_or(0).unsigned_abs())
}
