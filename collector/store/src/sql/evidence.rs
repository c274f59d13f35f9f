//! Files that show what people attested, of backups, of assets and of accounts: one way for all of them. A file belongs to one attestation, the newest when it
//! is added, and is kept as long as that: for good.

use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json};
use crate::sql::{self, params};
use crate::{BackupEvidence, StoreError};

/// Of what attestations are: their tables, and the column that says of which thing of a device.
pub(super) struct Attested {
    attestation: &'static str,
    evidence: &'static str,
    what: &'static str,
}

/// A backup, by its kind.
pub(super) const BACKUP: Attested =
    Attested { attestation: "backup_attestation", evidence: "backup_evidence", what: "kind" };
/// How a machine is protected, by the area.
pub(super) const ASSET: Attested =
    Attested { attestation: "asset_attestation", evidence: "asset_evidence", what: "area" };
/// An account, by its name.
pub(super) const ACCOUNT: Attested =
    Attested { attestation: "account_attestation", evidence: "account_evidence", what: "name" };

impl Attested {
    /// Keeps a file with what was attested of a thing last.
    pub(super) fn put(
        &self,
        commit: &Commit<'_>,
        (device, what): (&DeviceId, &str),
        file: &BackupEvidence,
        content: &[u8],
    ) -> sql::Result<()> {
        let Self { attestation, evidence, what: column } = self;
        let sql = format!(
            "INSERT OR IGNORE INTO {evidence} (attestation, sha256, file, content) \
             SELECT number, ?3, ?4, ?5 FROM {attestation} WHERE device = ?1 AND {column} = ?2 ORDER BY number DESC LIMIT 1"
        );
        commit.run(&sql, params![commit.number(device)?, what, file.sha256, json(file)?, content])
    }

    /// The files that show what was attested, by its number.
    pub(super) fn files(&self, reader: &SqlReader, attestation: i64) -> Result<Vec<BackupEvidence>, StoreError> {
        let evidence = self.evidence;
        let sql =
            format!("SELECT file FROM {evidence} WHERE attestation = ?1 ORDER BY json_extract(file, '$.at'), sha256");
        reader.all(&sql, &[&attestation], |row| body(row, 0))
    }

    /// A file with its content; for who may see people.
    pub(super) fn content(
        &self,
        reader: &SqlReader,
        (device, what): (&DeviceId, &str),
        sha256: &str,
    ) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError> {
        if reader.hides_names {
            return Ok(None);
        }
        let Self { attestation, evidence, what: column } = self;
        let sql = format!(
            "SELECT e.file, e.content FROM {attestation} a JOIN {evidence} e ON e.attestation = a.number \
             WHERE a.device = ?1 AND a.{column} = ?2 AND e.sha256 = ?3 ORDER BY a.number DESC LIMIT 1"
        );
        reader.one(&sql, &[&reader.number(device)?, &what, &sha256], |row| Ok((body(row, 0)?, row.get(1)?)))
    }
}
