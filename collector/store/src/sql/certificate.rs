//! Certificates of devices.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::DeviceInfo;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, device_id, limit_of, required};
use crate::sql::{self, params};
use crate::{CERTIFICATES_MAX, StoreError};

pub(super) fn put(
    commit: &Commit<'_>,
    device: &DeviceId,
    serial: &str,
    at: Timestamp,
    expires_at: Timestamp,
    revoke_previous: bool,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    if revoke_previous {
        end_all(commit, number, at)?;
    }
    // One that is there stays as it is, ended or not: no certificate may stop a commit, which would be tried again for ever.
    commit.run(
        "INSERT INTO certificate (serial, device, at, expires_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (serial) DO NOTHING",
        params![serial, number, at.as_millis(), expires_at.as_millis()],
    )?;
    Ok(())
}

/// Those that a device had are good no more.
pub(super) fn end_all(commit: &Commit<'_>, device: i64, at: Timestamp) -> sql::Result<()> {
    let sql = "UPDATE certificate SET ended_at = ?2 WHERE device = ?1 AND ended_at IS NULL";
    commit.run(sql, params![device, at.as_millis()])?;
    Ok(())
}

pub(super) fn by_end(reader: &SqlReader, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError> {
    let sql = "SELECT max(d.info), max(c.expires_at) AS ends FROM certificate c JOIN device d ON d.number = c.device \
               WHERE d.revoked_at IS NULL AND c.ended_at IS NULL GROUP BY c.device ORDER BY ends LIMIT ?1";
    reader.all(sql, &[&limit_of(limit)], |row| Ok((body::<DeviceInfo>(row, 0)?.id, required(row, 1)?)))
}

pub(super) fn is_enrolled(reader: &SqlReader, device: &DeviceId) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM certificate WHERE device = ?1)";
    Ok(reader.one(sql, &[&reader.number(device)?], |row| row.get(0))?.unwrap_or(false))
}

pub(super) fn has(reader: &SqlReader, serial: &str) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM certificate WHERE serial = ?1)";
    Ok(reader.one(sql, &[&serial], |row| row.get(0))?.unwrap_or(false))
}

pub(super) fn certified_since(reader: &SqlReader, from: Timestamp) -> Result<Vec<DeviceId>, StoreError> {
    let sql =
        "SELECT DISTINCT d.id FROM certificate c JOIN device d ON d.number = c.device WHERE c.at >= ?1 ORDER BY d.id";
    reader.all(sql, &[&from.as_millis()], |row| device_id(row, 0, || "the device of a certificate".to_owned()))
}

pub(super) fn ended(reader: &SqlReader, now: Timestamp) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let sql = "SELECT serial, ended_at FROM certificate WHERE ended_at IS NOT NULL AND expires_at > ?1 ORDER BY ended_at, serial";
    reader.all(sql, &[&now.as_millis()], |row| Ok((row.get(0)?, required(row, 1)?)))
}

pub(super) fn serials(reader: &SqlReader) -> Result<Vec<(DeviceId, String)>, StoreError> {
    // The newest of each device, the oldest of them first: whoever renews without end leaves no more than these.
    let sql = "SELECT id, serial FROM (SELECT d.id, c.serial, c.at, c.rowid AS number, \
               row_number() OVER (PARTITION BY c.device ORDER BY c.at DESC, c.rowid DESC) AS place \
               FROM certificate c JOIN device d ON d.number = c.device \
               WHERE d.revoked_at IS NULL AND c.ended_at IS NULL) AS newest WHERE place <= ?1 ORDER BY at, number";
    reader.all(sql, &[&limit_of(CERTIFICATES_MAX)], |row| {
        let serial: String = row.get(1)?;
        Ok((device_id(row, 0, || format!("the device of the certificate {serial}"))?, serial))
    })
}
