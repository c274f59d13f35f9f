//! Folded history as readers ask for it.

use std::collections::{BTreeSet, HashMap};

use ioc_common::id::DeviceId;

use super::reader_connection::SqlReader;
use crate::history::Tier;
use crate::history::chunk::Parts;
use crate::sql::Row;
use crate::{ChunkQuery, StoreError, StoredChunk, StoredChunks};

pub(super) fn through(reader: &SqlReader, device: &DeviceId) -> Result<u64, StoreError> {
    let sql = "SELECT folded FROM history.device WHERE id = ?1";
    let folded = reader.one(sql, &[&device.as_str()], |row| row.get::<_, i64>(0))?;
    Ok(folded.unwrap_or(0).unsigned_abs())
}

pub(super) fn chunks(reader: &SqlReader, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError> {
    // Pieces become whole chunks at any moment: all of it is read as it was at one.
    let mut all = reader.in_transaction(|| chunks_now(reader, query))?;
    all.names = names(reader, &all.chunks, query.names)?;
    Ok(all)
}

fn chunks_now(reader: &SqlReader, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError> {
    let (raw, tier, until) = (Tier::Raw, query.tier, query.until.as_millis());
    let device =
        reader.one("SELECT number, folded FROM history.device WHERE id = ?1", &[&query.device.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
    let Some((device, folded)) = device else { return Ok(StoredChunks::default()) };
    let sql = "SELECT chunk, data FROM history.chunk WHERE device = ?1 AND tier = ?2 AND chunk >= ?3 AND chunk < ?4 ORDER BY chunk";
    let whole = |row: &Row<'_>| Ok(StoredChunk { tier, chunk: row.get(0)?, data: row.get(1)? });
    let mut chunks =
        reader.all(sql, &[&device, &tier.number(), &tier.chunk_of(query.from.as_millis()), &until], whole)?;
    let sql =
        "SELECT chunk, data FROM history.piece WHERE device = ?1 AND chunk >= ?2 AND chunk < ?3 ORDER BY chunk, number";
    let piece = |row: &Row<'_>| Ok(StoredChunk { tier: raw, chunk: row.get(0)?, data: row.get(1)? });
    chunks.extend(reader.all(sql, &[&device, &raw.chunk_of(query.from.as_millis()), &until], piece)?);
    Ok(StoredChunks { chunks, names: HashMap::new(), folded: folded.unsigned_abs() })
}

/// The names of the series in these chunks, or of those that are asked for.
fn names(reader: &SqlReader, chunks: &[StoredChunk], wanted: &[String]) -> Result<HashMap<u32, String>, StoreError> {
    let mut names = HashMap::new();
    if wanted.is_empty() {
        let parts = chunks.iter().filter_map(|one| Parts::of(&one.data).ok());
        let numbers: BTreeSet<u32> = parts.flat_map(|parts| parts.numbers().collect::<Vec<u32>>()).collect();
        for number in numbers {
            let name = reader.one("SELECT name FROM history.series WHERE number = ?1", &[&number], |row| row.get(0))?;
            names.extend(name.map(|name| (number, name)));
        }
    }
    for name in wanted {
        let number = reader.one("SELECT number FROM history.series WHERE name = ?1", &[name], |row| row.get(0))?;
        names.extend(number.map(|number| (number, name.clone())));
    }
    Ok(reader.names_as_shown(names))
}
