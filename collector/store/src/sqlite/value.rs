//! Values as columns hold them, both ways.

use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use ioc_common::clock::Timestamp;
use ioc_common::report::Position;

/// SQLite's integers are signed; every number here lies below 2^63 (the codec sees to it).
pub(super) const fn signed(value: u64) -> i64 {
    value as i64
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    ioc_judge::text::kept(|| serde_json::to_string(value))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// A JSON column.
pub(super) fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

pub(super) fn required(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(super) fn position(row: &Row<'_>, epoch: usize, seq: usize) -> rusqlite::Result<Position> {
    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.unwrap_or(0).unsigned_abs());
    Ok(Position { epoch: number(epoch)?, seq: number(seq)? })
}

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The number below which to continue, for lists that show the newest first.
pub(super) fn below(before: Option<u64>) -> i64 {
    before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX))
}
