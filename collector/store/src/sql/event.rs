//! What happened on devices.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, limit_of, required, signed};
use crate::sql::{self, params};
use crate::{EventRecord, StoreError};

pub(super) fn put(
    commit: &Commit<'_>,
    device: &DeviceId,
    at: Timestamp,
    name: &str,
    text: &str,
    fields: &str,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run(
        "INSERT INTO event (device, at, name, text, fields) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![number, at.as_millis(), name, text, fields],
    )?;
    Ok(())
}

pub(super) fn list(
    reader: &SqlReader,
    id: &DeviceId,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<EventRecord>, StoreError> {
    let sql = "SELECT at, name, text, fields, number FROM event WHERE device = ?1 \
               AND ((at, number) < (SELECT at, number FROM event WHERE number = ?3) OR ?3 IS NULL) \
               ORDER BY at DESC, number DESC LIMIT ?2";
    reader.all(sql, &[&reader.number(id)?, &limit_of(limit), &before.map(signed)], |row| {
        let number = row.get::<_, i64>(4)?.unsigned_abs();
        let (at, name, text) = (required(row, 0)?, row.get(1)?, row.get(2)?);
        Ok(reader.event_as_shown(EventRecord { number, at, name, text, fields: body(row, 3)? }))
    })
}
