//! Backups that are expected of devices, and what people attest of them.

use ioc_common::id::DeviceId;
use ioc_judge::DeviceInfo;

use super::commit::Commit;
use super::evidence::BACKUP;
use super::reader_connection::SqlReader;
use super::value::{Word, below, body, device_id, json, limit_of, word};
use crate::sql::{self, Row, ToSql, Type, params};
use crate::{
    BackupAttestation, BackupCoverage, BackupKind, BackupState, ExpectedBackup, ExpectedBackupQuery, KeptAttestation,
    StoreError,
};

impl Word for BackupKind {
    const WHAT: &'static str = "kind";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Word for BackupState {
    const WHAT: &'static str = "state";
    const ALL: &'static [Self] = &Self::ALL;

    fn text(self) -> &'static str {
        self.as_str()
    }
}

pub(super) fn put(commit: &Commit<'_>, backup: &ExpectedBackup) -> sql::Result<()> {
    let short = backup.kind != BackupKind::Unneeded && !backup.expected.missing_copies().is_empty();
    commit.run(
        "INSERT OR REPLACE INTO expected_backup (device, kind, state, short, expected, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            commit.number(&backup.device)?,
            backup.kind.as_str(),
            backup.state.as_str(),
            short,
            json(&backup.expected)?,
            json(&backup.seen)?
        ],
    )?;
    Ok(())
}

pub(super) fn remove(commit: &Commit<'_>, device: &DeviceId, kind: BackupKind) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run("DELETE FROM expected_backup WHERE device = ?1 AND kind = ?2", params![number, kind.as_str()])?;
    Ok(())
}

pub(super) fn attest(
    commit: &Commit<'_>,
    device: &DeviceId,
    kind: BackupKind,
    attestation: &BackupAttestation,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run(
        "INSERT INTO backup_attestation (device, kind, body) VALUES (?1, ?2, ?3)",
        params![number, kind.as_str(), json(attestation)?],
    )?;
    Ok(())
}

pub(super) fn list(
    reader: &SqlReader,
    query: &ExpectedBackupQuery,
    limit: usize,
) -> Result<Vec<ExpectedBackup>, StoreError> {
    let mut sql =
        "SELECT d.id, e.kind, e.state, e.expected, e.seen FROM device d JOIN expected_backup e ON e.device = d.number \
                   WHERE d.revoked_at IS NULL"
            .to_owned();
    let states = query.states.iter().map(|state| format!("'{}'", state.as_str())).collect::<Vec<_>>().join(", ");
    if !states.is_empty() {
        sql += &format!(" AND e.state IN ({states})");
    }
    if query.short_of_copies {
        sql += " AND e.short";
    }
    if query.short_of_copies || !query.states.is_empty() {
        // Of what is retired nothing is to be done.
        sql += " AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired')";
    }
    let (after, kind) = query.after.as_ref().map_or(("", ""), |(device, kind)| (device.as_str(), kind.as_str()));
    let limit = limit_of(limit);
    let mut given: Vec<&dyn ToSql> = vec![&after, &kind, &limit];
    sql += " AND (d.id, e.kind) > (?1, ?2)";
    let device = query.device.as_ref().map(DeviceId::as_str);
    if let Some(device) = &device {
        sql += " AND d.id = ?4";
        given.push(device);
    }
    sql += " ORDER BY d.id, e.kind LIMIT ?3";
    let found = reader.all(&sql, &given, record)?;
    Ok(found.into_iter().map(|one| reader.expected_backup_as_shown(one)).collect())
}

fn record(row: &Row<'_>) -> sql::Result<ExpectedBackup> {
    let device = device_id(row, 0, || "an expected backup".to_owned())?;
    let whose = || format!("the expected backup of {device}");
    let (kind, state) = (word(row, 1, whose)?, word(row, 2, whose)?);
    Ok(ExpectedBackup { expected: body(row, 3)?, seen: body(row, 4)?, device, kind, state })
}

/// What people attested of a backup, the newest first, with the files that show it.
pub(super) fn attestations(
    reader: &SqlReader,
    device: &DeviceId,
    kind: BackupKind,
    limit: usize,
) -> Result<Vec<KeptAttestation>, StoreError> {
    let sql =
        "SELECT number, body FROM backup_attestation WHERE device = ?1 AND kind = ?2 ORDER BY number DESC LIMIT ?3";
    let found = reader.all(sql, &[&reader.number(device)?, &kind.as_str(), &limit_of(limit)], |row| {
        Ok((row.get::<_, i64>(0)?, body(row, 1)?))
    })?;
    let with_files = |(number, attestation): (i64, _)| {
        let files = BACKUP.files(reader, number)?;
        Ok(reader.kept_as_shown(KeptAttestation { number: number.unsigned_abs(), attestation, files }))
    };
    found.into_iter().map(with_files).collect()
}

/// Of one device or of all, those that were taken out included, and of backups that are expected no longer: the newest first.
pub(super) fn attestations_before(
    reader: &SqlReader,
    device: Option<&DeviceId>,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(DeviceId, BackupKind, KeptAttestation)>, StoreError> {
    let sql = "SELECT t.number, d.id, t.kind, t.body FROM backup_attestation t JOIN device d ON d.number = t.device \
               WHERE t.number < ?1 AND (d.id = ?2 OR ?2 IS NULL) ORDER BY t.number DESC LIMIT ?3";
    let device = device.map(DeviceId::as_str);
    let found = reader.all(sql, &[&below(before), &device, &limit_of(limit)], |row| {
        let of = device_id(row, 1, || "an attestation".to_owned())?;
        let kind = word(row, 2, || format!("an attestation of {of}"))?;
        Ok((row.get::<_, i64>(0)?, of, kind, body(row, 3)?))
    })?;
    let with_files = |(number, of, kind, attestation): (i64, DeviceId, BackupKind, BackupAttestation)| {
        let files = BACKUP.files(reader, number)?;
        let kept = KeptAttestation { number: number.unsigned_abs(), attestation, files };
        Ok((of, kind, reader.kept_as_shown(kept)))
    };
    found.into_iter().map(with_files).collect()
}

/// Devices of which nobody has said which backup is expected, by identifier behind one. Of what is retired nothing is asked.
pub(super) fn unstated(reader: &SqlReader, after: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
    let sql = "SELECT info FROM device d WHERE revoked_at IS NULL AND id > ?1 \
               AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired') \
               AND NOT EXISTS (SELECT 1 FROM expected_backup WHERE device = d.number) ORDER BY id LIMIT ?2";
    reader.all(sql, &[&after, &limit_of(limit)], |row| body(row, 0))
}

pub(super) fn coverage(reader: &SqlReader) -> Result<BackupCoverage, StoreError> {
    let mut coverage = BackupCoverage::default();
    let sql = "SELECT count(*), count(e.device), count(*) FILTER (WHERE e.unneeded = 1), \
               count(*) FILTER (WHERE e.unneeded = 0 AND e.good = 1), count(*) FILTER (WHERE e.unneeded = 0 AND e.short = 0) \
               FROM device d LEFT JOIN (SELECT device, max(CASE WHEN kind = 'unneeded' THEN 1 ELSE 0 END) AS unneeded, \
               min(CASE WHEN state = 'in_order' THEN 1 ELSE 0 END) AS good, max(CASE WHEN short THEN 1 ELSE 0 END) AS short FROM expected_backup GROUP BY device) e ON e.device = d.number \
               WHERE d.revoked_at IS NULL AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired')";
    let number = |row: &Row<'_>, column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    let counted = reader.one(sql, &[], |row| {
        Ok([number(row, 0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?, number(row, 4)?])
    })?;
    if let Some([devices, stated, unneeded, in_order, copies_met]) = counted {
        coverage = BackupCoverage { devices, stated, unneeded, in_order, copies_met, ..coverage };
    }
    let sql = "SELECT e.state, count(*) FROM expected_backup e JOIN device d ON d.number = e.device WHERE d.revoked_at IS NULL \
               AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired') GROUP BY e.state";
    for (state, count) in reader.all(sql, &[], |row| Ok((row.get::<_, String>(0)?, number(row, 1)?)))? {
        let place = BackupState::ALL.iter().position(|one| one.as_str() == state);
        match place.and_then(|place| coverage.states.get_mut(place)) {
            Some(one) => *one = count,
            None => {
                let why = sql::Error::FromSqlConversionFailure(0, Type::Text, state.into());
                return Err(reader.content("expected_backup", &why));
            }
        }
    }
    Ok(coverage)
}
