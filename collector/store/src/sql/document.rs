//! What surveys of a device found, and what of it rules compare with what was accepted.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::DeviceInfo;
use ioc_judge::rule::document::Comparison;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, device_id, json, limit_of, required};
use super::{document_change, number_limit, registered_account};
use crate::sql::{self, params};
use crate::{DocumentRecord, StoreError};

pub(super) fn put(
    commit: &mut Commit<'_>,
    device: &DeviceId,
    name: &str,
    at: Timestamp,
    text: &str,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    document_change::replaced(commit, (number, name), at, text)?;
    commit.run(
        "INSERT OR REPLACE INTO document (device, name, at, body) VALUES (?1, ?2, ?3, ?4)",
        params![number, name, at.as_millis(), text],
    )?;
    if name == registered_account::DOCUMENT {
        registered_account::found(commit, number, text)?;
    }
    number_limit::of_document(commit, (number, name))
}

pub(super) fn put_comparison(
    commit: &Commit<'_>,
    device: &DeviceId,
    rule: &str,
    comparison: &Comparison,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run(
        "INSERT OR REPLACE INTO comparison (device, rule, body) VALUES (?1, ?2, ?3)",
        params![number, rule, json(comparison)?],
    )?;
    Ok(())
}

pub(super) fn list(reader: &SqlReader, id: &DeviceId) -> Result<Vec<DocumentRecord>, StoreError> {
    let sql = "SELECT name, at, body FROM document WHERE device = ?1 ORDER BY name";
    let all = reader.all(sql, &[&reader.number(id)?], |row| {
        Ok(DocumentRecord { name: row.get(0)?, at: required(row, 1)?, body: row.get(2)? })
    })?;
    Ok(reader.documents_as_shown(all))
}

/// The newest document of one name of every device, by device.
pub(super) fn named(
    reader: &SqlReader,
    name: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(DeviceId, DocumentRecord)>, StoreError> {
    let sql = "SELECT d.id, o.at, o.body FROM device d JOIN document o ON o.device = d.number AND o.name = ?1 \
               WHERE d.revoked_at IS NULL AND d.id > ?2 ORDER BY d.id LIMIT ?3";
    let found = reader.all(sql, &[&name, &after, &limit_of(limit)], |row| {
        let document = DocumentRecord { name: name.to_owned(), at: required(row, 1)?, body: row.get(2)? };
        Ok((device_id(row, 0, || format!("a document {name:?}"))?, document))
    })?;
    // What names people goes where the reader may not see them.
    let shown = |(id, document)| reader.documents_as_shown(vec![document]).pop().map(|document| (id, document));
    Ok(found.into_iter().filter_map(shown).collect())
}

/// The bytes of a device's documents, by name; their content is not read.
pub(super) fn sizes(reader: &SqlReader, id: &DeviceId) -> Result<BTreeMap<String, u32>, StoreError> {
    let sql = "SELECT name, octet_length(body) FROM document WHERE device = ?1";
    let sizes = reader.all(sql, &[&reader.number(id)?], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(sizes.into_iter().collect())
}

pub(super) fn settings(reader: &SqlReader) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError> {
    let sql = "SELECT d.info, o.body FROM device d LEFT JOIN document o ON o.device = d.number AND o.name = ?1 \
               WHERE d.revoked_at IS NULL AND EXISTS (SELECT 1 FROM certificate c WHERE c.device = d.number) ORDER BY d.id";
    reader.all(sql, &[&ioc_common::settings::DOCUMENT], |row| Ok((body(row, 0)?, row.get(1)?)))
}

/// What devices said of the head of the audit log that they witnessed last.
pub(super) fn witnesses(
    reader: &SqlReader,
    after: &str,
    limit: usize,
) -> Result<Vec<(DeviceId, Timestamp, String)>, StoreError> {
    let sql = "SELECT d.id, o.at, o.body FROM device d JOIN document o ON o.device = d.number AND o.name = ?1 \
               WHERE d.revoked_at IS NULL AND d.id > ?2 ORDER BY d.id LIMIT ?3";
    let found = reader.all(sql, &[&ioc_common::audit_head::DOCUMENT, &after, &limit_of(limit)], |row| {
        Ok((row.get::<_, String>(0)?, required(row, 1)?, row.get(2)?))
    })?;
    Ok(found.into_iter().filter_map(|(id, at, text)| Some((DeviceId::new(&id).ok()?, at, text))).collect())
}
