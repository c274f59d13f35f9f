//! Folded history in `history.db`. Commits are not synced one by one: rows are deleted from the main file only after
//! [`Archive::secure`], and folding them once more gives the same.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::commit::signed;
use super::reader::SqliteReader;
use super::{BUSY_MS, database, fold_mark};
use crate::history::Tier;
use crate::history::fold::PackedChunk;
use crate::{Archive, ChunkQuery, StoreError, StoredChunk};

/// The file's name, beside the main one.
pub(super) const FILE: &str = "history.db";
/// Version of the schema, kept as `user_version`.
const SCHEMA_VERSION: i64 = 1;
/// Size of a page; taken at the first start only.
const PAGE_BYTES: i64 = 16_384;
/// What the log keeps of its size once its pages are in the file.
const LOG_BYTES: i64 = 4 * 1024 * 1024;
/// Page cache, KiB.
const CACHE_KIB: i64 = 8 * 1024;

/// The writer of folded history.
#[derive(Debug)]
pub(super) struct SqliteArchive {
    path: PathBuf,
    connection: Connection,
    series: HashMap<String, u32>,
}

impl SqliteArchive {
    pub(super) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let fault = |source| database(&path, source);
        let connection = Connection::open(&path).map_err(fault)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS)).map_err(fault)?;
        // Chunks of one to four kilobytes then lie side by side, not each in pages of its own.
        connection.pragma_update(None, "page_size", PAGE_BYTES).map_err(fault)?;
        for (pragma, value) in [("journal_mode", "WAL"), ("synchronous", "NORMAL")] {
            connection.pragma_update(None, pragma, value).map_err(fault)?;
        }
        connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(fault)?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES).map_err(fault)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fault)?;
        if found > SCHEMA_VERSION {
            return Err(StoreError::Newer { path, found, known: SCHEMA_VERSION });
        }
        if found == 0 {
            let schema =
                format!("BEGIN; {} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;", include_str!("history.sql"));
            connection.execute_batch(&schema).map_err(fault)?;
        }
        Ok(Self { path, connection, series: HashMap::new() })
    }

    fn fault(&self, source: rusqlite::Error) -> StoreError {
        database(&self.path, source)
    }

    fn number(&self, device: &DeviceId) -> Result<Option<i64>, StoreError> {
        let found = self
            .connection
            .prepare_cached("SELECT number FROM device WHERE id = ?1")
            .and_then(|mut statement| statement.query_row([device.as_str()], |row| row.get(0)).optional());
        found.map_err(|source| self.fault(source))
    }

    fn write(&mut self, device: &DeviceId, chunks: &[PackedChunk], folded: u64) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        {
            transaction.execute(
                "INSERT INTO device (id, folded) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET folded = max(folded, ?2)",
                params![device.as_str(), signed(folded)],
            )?;
            let number: i64 =
                transaction
                    .query_row("SELECT number FROM device WHERE id = ?1", [device.as_str()], |row| row.get(0))?;
            let mut put = transaction.prepare_cached(
                "INSERT OR REPLACE INTO chunk (device, tier, chunk, series, data) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for one in chunks {
                put.execute(params![number, one.tier.number(), one.chunk, one.series, one.data])?;
            }
        }
        transaction.commit()
    }
}

impl Archive for SqliteArchive {
    fn series(&mut self, names: &[&str]) -> Result<Vec<u32>, StoreError> {
        let mut numbers = Vec::with_capacity(names.len());
        for name in names {
            if let Some(known) = self.series.get(*name) {
                numbers.push(*known);
                continue;
            }
            let number = self
                .connection
                .prepare_cached("INSERT INTO series (name) VALUES (?1) ON CONFLICT (name) DO UPDATE SET name = name RETURNING number")
                .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
                .map_err(|source| self.fault(source))?;
            self.series.insert((*name).to_owned(), number);
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError> {
        let sql = "SELECT folded FROM device WHERE id = ?1";
        let found = self.connection.query_row(sql, [device.as_str()], |row| row.get::<_, i64>(0)).optional();
        Ok(found.map_err(|source| self.fault(source))?.unwrap_or(0).unsigned_abs())
    }

    fn chunks(&self, device: &DeviceId, tier: Tier, chunk: i64) -> Result<Vec<(u32, Vec<u8>)>, StoreError> {
        let Some(number) = self.number(device)? else { return Ok(Vec::new()) };
        let read = || {
            let sql = "SELECT series, data FROM chunk WHERE device = ?1 AND tier = ?2 AND chunk = ?3";
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows =
                statement.query_map(params![number, tier.number(), chunk], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.fault(source))
    }

    fn put_chunks(&mut self, device: &DeviceId, chunks: &[PackedChunk], folded: u64) -> Result<(), StoreError> {
        self.write(device, chunks, folded).map_err(|source| database(&self.path, source))
    }

    fn delete_before(&mut self, tier: Tier, before: Timestamp) -> Result<usize, StoreError> {
        let last = before.as_millis() - tier.chunk_ms();
        let devices = || {
            let mut statement = self.connection.prepare("SELECT number FROM device")?;
            let rows = statement.query_map([], |row| row.get::<_, i64>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut gone = 0;
        for device in devices().map_err(|source| self.fault(source))? {
            // By device, as chunks lie on disk.
            let sql = "DELETE FROM chunk WHERE device = ?1 AND tier = ?2 AND chunk < ?3";
            gone += self
                .connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute(params![device, tier.number(), last]))
                .map_err(|source| self.fault(source))?;
        }
        Ok(gone)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        // Emptied, so that a log that is damaged later takes nothing back that is in the file; busy readers may keep it until the next time.
        self.connection.pragma_update(None, "synchronous", "FULL").map_err(|source| self.fault(source))?;
        let synced = fold_mark::secure(&self.connection);
        let checkpoint =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).optional();
        self.connection.pragma_update(None, "synchronous", "NORMAL").map_err(|source| self.fault(source))?;
        synced.and(checkpoint.map(drop)).map_err(|source| self.fault(source))
    }
}

pub(super) fn folded(reader: &SqliteReader, device: &DeviceId) -> Result<u64, StoreError> {
    let sql = "SELECT folded FROM history.device WHERE id = ?1";
    let folded = reader.one(sql, &[&device.as_str()], |row| row.get::<_, i64>(0))?;
    Ok(folded.unwrap_or(0).unsigned_abs())
}

pub(super) fn chunks(reader: &SqliteReader, query: &ChunkQuery<'_>) -> Result<Vec<StoredChunk>, StoreError> {
    let (from, until) = (query.tier.chunk_of(query.from.as_millis()), query.until.as_millis());
    let mut sql = "SELECT c.chunk, s.name, c.data FROM history.device d JOIN history.chunk c ON c.device = d.number \
                   JOIN history.series s ON s.number = c.series \
                   WHERE d.id = ?1 AND c.tier = ?2 AND c.chunk >= ?3 AND c.chunk < ?4"
        .to_owned();
    let (device, tier) = (query.device.as_str(), query.tier.number());
    let mut params: Vec<&dyn ToSql> = vec![&device, &tier, &from, &until];
    if !query.names.is_empty() {
        let places: Vec<String> = (0..query.names.len()).map(|place| format!("?{}", place + 5)).collect();
        let places = places.join(", ");
        sql += &format!(" AND c.series IN (SELECT number FROM history.series WHERE name IN ('', {places}))");
        params.extend(query.names.iter().map(|name| name as &dyn ToSql));
    }
    let chunk = |row: &Row<'_>| Ok(StoredChunk { chunk: row.get(0)?, series: row.get(1)?, data: row.get(2)? });
    Ok(reader.chunks_as_shown(reader.all(&sql, &params, chunk)?))
}
