//! Deleting folded numbers that are past their time, but for those that a legal hold keeps, and the evidence, which lies beside them until
//! the store has it.
//!
//! The digest of a deletion is a chain: it begins empty, and each chunk makes it the SHA-256 over the digest before, the device, the tier, the
//! chunk's beginning and the SHA-256 of its bytes, hex and decimal, each with a line feed behind it.

use std::collections::{BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::random;

use super::value::limit_of;
use crate::history::Tier;
use crate::history::chunk::Parts;
use crate::retention::{Cursor, DeletedNumbers, DeletedSlice, NumbersHold};
use crate::sql::{self, Connection, OptionalExtension as _, Row, Transaction, params};

/// A chunk that is looked at: number, device, beginning, and what it holds.
type OldChunk = (i64, String, i64, Vec<u8>);

/// Damaged parts that are kept, the newest of them, and those that are held.
const DAMAGED_MAX: i64 = 10_000;

/// Those that are looked at in one round.
const DAMAGED_AT_ONCE: usize = 1000;

/// Deletes what is damaged beyond the newest, but for what may be held: whom a part names nobody can read, and one that is nobody's may be of any
/// device.
pub(super) fn delete_damaged(
    transaction: Connection<'_>,
    holds: &[NumbersHold],
    most: i64,
) -> sql::Result<Vec<OldChunk>> {
    // The newest that are too many first: what is held may be behind them for good.
    let sql = "SELECT number, coalesce(device, ''), start, data FROM damaged ORDER BY number DESC LIMIT ?2 OFFSET ?1";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let bounds = params![most, limit_of(DAMAGED_AT_ONCE)];
    let parts = transaction.prepare_cached(sql)?.query_map(bounds, read)?.collect::<sql::Result<Vec<OldChunk>>>()?;
    let mut gone = Vec::new();
    for part in parts {
        let (number, device, start, _) = &part;
        // It may be of any tier, and nobody's part of any device.
        let holds = holds.iter().map(|hold| NumbersHold {
            tier: None,
            device: hold.device.clone().filter(|_| !device.is_empty()),
            ..hold.clone()
        });
        if holds.into_iter().any(|hold| hold.keeps(Tier::Hour, device, *start, &mut |_| true)) {
            continue;
        }
        transaction.write("DELETE FROM damaged WHERE number = ?1", [number])?;
        gone.push(part);
    }
    Ok(gone)
}

/// Looks at chunks of a tier that begin before `last_ms`, behind a place, and deletes those that nothing holds.
pub(super) fn delete(
    connection: Connection<'_>,
    (tier, last_ms): (Tier, i64),
    holds: &[NumbersHold],
    (after, limit): (Cursor, usize),
) -> sql::Result<DeletedSlice> {
    let transaction = Transaction::begin(connection)?;
    let sql = "SELECT c.number, coalesce(d.id, ''), c.chunk, c.data FROM chunk c LEFT JOIN device d ON d.number = c.device \
               WHERE c.tier = ?1 AND c.chunk < ?2 AND c.chunk >= ?3 AND (c.chunk > ?3 OR c.number > ?4) \
               ORDER BY c.chunk, c.number LIMIT ?5";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let bounds = params![tier.number(), last_ms, after.0, after.1, limit_of(limit)];
    let seen = transaction.prepare_cached(sql)?.query_map(bounds, read)?.collect::<sql::Result<Vec<OldChunk>>>()?;
    let mut names = PersonSeries::default();
    let (mut slice, mut gone) = (DeletedSlice { cursor: after, ..DeletedSlice::default() }, Vec::new());
    for one in seen {
        let (number, device, chunk, data) = &one;
        slice.seen += 1;
        slice.cursor = Cursor(*chunk, *number, 0);
        let mut about = |person: &str| names.are_in(*transaction, person, data);
        if holds.iter().any(|hold| hold.keeps(tier, device, *chunk, &mut about)) {
            continue;
        }
        transaction.write("DELETE FROM chunk WHERE number = ?1", [number])?;
        slice.deleted += 1;
        gone.push(one);
    }
    if let Some(fault) = names.fault {
        return Err(fault);
    }
    // While their rule waits nothing is old enough.
    if tier == Tier::Raw && last_ms > 0 && after == Cursor::default() {
        gone.extend(delete_damaged(*transaction, holds, DAMAGED_MAX)?);
    }
    if !gone.is_empty() {
        transaction.write("UPDATE unrecorded SET deleted = deleted + ?1", [limit_of(slice.deleted)])?;
        keep_evidence(*transaction, tier, &gone)?;
    }
    transaction.commit()?;
    Ok(slice)
}

/// Adds to what is not told yet of this tier.
fn keep_evidence(transaction: Connection<'_>, tier: Tier, gone: &[OldChunk]) -> sql::Result<()> {
    let sql = "SELECT number, digest FROM deletion WHERE tier = ?1 AND NOT told";
    let open = transaction.prepare_cached(sql)?.query_row([tier.number()], |row| Ok((row.get(0)?, row.get(1)?)));
    let (number, mut digest): (i64, String) = match open.optional()? {
        Some(open) => open,
        None => {
            // Told apart from those of every other history, a restored one of the same store, too.
            let key = random::secret_text().map_err(|error| sql::Error::ToSqlConversionFailure(error.into()))?;
            let sql = "INSERT INTO deletion (tier, first, last, count, digest, key, told) \
                       VALUES (?1, ?2, ?3, 0, '', ?4, FALSE) RETURNING number";
            let values = params![tier.number(), i64::MAX, i64::MIN, key];
            (transaction.query_row(sql, values, |row| row.get(0))?, String::new())
        }
    };
    for (_, device, chunk, data) in gone {
        let line = format!("{digest}\n{device}\n{}\n{chunk}\n{}\n", tier.number(), sha256_hex(data));
        digest = sha256_hex(line.as_bytes());
    }
    let chunks = || gone.iter().map(|(_, _, chunk, _)| *chunk);
    let (first, last) = (chunks().min().unwrap_or(i64::MAX), chunks().max().unwrap_or(i64::MIN));
    let sql = "UPDATE deletion SET first = min(first, ?2), last = max(last, ?3), count = count + ?4, digest = ?5 WHERE number = ?1";
    transaction.write(sql, params![number, first, last, limit_of(gone.len()), digest])
}

/// What is to be told to the store. What is deleted later begins another.
pub(super) fn untold(connection: Connection<'_>) -> sql::Result<Vec<DeletedNumbers>> {
    let transaction = Transaction::begin(connection)?;
    transaction.write("UPDATE deletion SET told = TRUE WHERE NOT told", [])?;
    let all = {
        let sql = "SELECT key, tier, first, last, count, digest FROM deletion ORDER BY number";
        let mut statement = transaction.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            let number: i64 = row.get(1)?;
            let tier = Tier::ALL.into_iter().find(|tier| i64::from(tier.number()) == number);
            Ok(tier.map(|tier| {
                Ok::<_, sql::Error>(DeletedNumbers {
                    key: row.get(0)?,
                    tier,
                    first: Timestamp::from_millis(row.get(2)?),
                    last: Timestamp::from_millis(row.get(3)?),
                    count: row.get::<_, i64>(4)?.unsigned_abs(),
                    digest: row.get(5)?,
                })
            }))
        })?;
        rows.filter_map(Result::transpose).map(|row| row.and_then(|inner| inner)).collect::<sql::Result<Vec<_>>>()?
    };
    transaction.commit()?;
    Ok(all)
}

/// The store has these.
pub(super) fn recorded(connection: Connection<'_>, keys: &[String]) -> sql::Result<()> {
    for key in keys {
        connection.execute("DELETE FROM deletion WHERE key = ?1 AND told", [key])?;
    }
    Ok(())
}

/// The series that are about a person, and whether they are in a chunk.
#[derive(Default)]
struct PersonSeries {
    known: HashMap<String, BTreeSet<u32>>,
    fault: Option<sql::Error>,
}

impl PersonSeries {
    /// A chunk that cannot be read is held: nobody knows what is in it.
    fn are_in(&mut self, transaction: Connection<'_>, person: &str, data: &[u8]) -> bool {
        if !self.known.contains_key(person) {
            let sql = "SELECT number FROM series WHERE instr(name, '|') > 0 AND names_person(substr(name, instr(name, '|') + 1), ?1)";
            let found = transaction.prepare_cached(sql).and_then(|mut statement| {
                let numbers = statement.query_map([person], |row| row.get(0))?;
                numbers.collect::<sql::Result<BTreeSet<u32>>>()
            });
            match found {
                Ok(numbers) => drop(self.known.insert(person.to_owned(), numbers)),
                Err(error) => {
                    self.fault = Some(error);
                    return true;
                }
            }
        }
        let Some(of_person) = self.known.get(person) else { return true };
        Parts::of(data).map_or(true, |parts| parts.numbers().any(|number| of_person.contains(&number)))
    }
}
