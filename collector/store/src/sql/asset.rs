//! The asset register: its rows, and what people attest of machines without an agent.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::evidence::ASSET;
use super::reader_connection::SqlReader;
use super::value::{below, body, device_id, json, limit_of, required};
use crate::coverage::AREAS;
use crate::sql::{self, Row, ToSql, params};
use crate::{Asset, AssetAttestation, AssetCoverage, AssetField, AssetQuery, AssetState, AssetWork, StoreError};

const TABLES: &str = "device d JOIN asset a ON a.device = d.number";
/// The newest attestation of a device and an area counts.
const NEWEST: &str =
    "t.number = (SELECT max(o.number) FROM asset_attestation o WHERE o.device = t.device AND o.area = t.area)";

pub(super) fn put(commit: &Commit<'_>, asset: &Asset) -> sql::Result<()> {
    let searched = AssetField::ALL.into_iter().filter(|field| !field.is_personal());
    let search = searched.map(|field| asset.text(field)).collect::<Vec<_>>().join("\n").to_lowercase();
    commit.run(
        "INSERT OR REPLACE INTO asset (device, state, labelled, blank, contradicted, search, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            commit.number(&asset.device)?,
            asset.state().as_str(),
            !asset.text(AssetField::Label).is_empty(),
            !asset.blanks.is_empty(),
            !asset.contradictions.is_empty(),
            search,
            json(asset)?
        ],
    )?;
    Ok(())
}

pub(super) fn attest(commit: &Commit<'_>, device: &DeviceId, attestation: &AssetAttestation) -> sql::Result<()> {
    let number = commit.number(device)?;
    let (until, text) = (attestation.valid_until.as_millis(), json(attestation)?);
    commit.run(
        "INSERT INTO asset_attestation (device, area, good, valid_until, body) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![number, attestation.area, attestation.good, until, text],
    )?;
    Ok(())
}

/// What a query means, in SQL, and what that holds.
fn condition(query: &AssetQuery) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut sql, mut held) = ("d.revoked_at IS NULL".to_owned(), Vec::<Box<dyn ToSql>>::new());
    let mut and = |condition: &str, value: Box<dyn ToSql>| {
        held.push(value);
        sql += &format!(" AND {}", condition.replace('?', &format!("?{}", held.len())));
    };
    if let Some(after) = &query.after {
        and("d.id > ?", Box::new(after.clone()));
    }
    for word in query.search.split_whitespace().take(8) {
        and("(instr(a.search, ?) > 0 OR instr(d.search, ?) > 0)", Box::new(word.to_lowercase()));
    }
    if let Some(kind) = query.kind {
        and("d.kind = ?", Box::new(kind.as_str()));
    }
    if !query.place.is_empty() {
        and("d.place = ?", Box::new(query.place.clone()));
    }
    if let Some(state) = query.state {
        and("a.state = ?", Box::new(state.as_str()));
    }
    match query.work {
        AssetWork::Any => {}
        AssetWork::Blank => sql += " AND a.blank",
        AssetWork::Contradiction => sql += " AND a.contradicted",
        AssetWork::Unattested(now) => {
            let areas = AREAS.len();
            let attested = format!(
                "d.computer AND a.state <> 'retired' AND NOT EXISTS (SELECT 1 FROM hello h WHERE h.device = d.number) AND \
                 (SELECT count(*) FROM asset_attestation t WHERE t.device = d.number AND {NEWEST} AND t.good AND t.valid_until > ?) < {areas}"
            );
            and(&attested, Box::new(now.as_millis()));
        }
    }
    (sql, held)
}

pub(super) fn list(reader: &SqlReader, query: &AssetQuery) -> Result<Vec<Asset>, StoreError> {
    let (condition, held) = condition(query);
    let order = if query.after.is_some() { "d.id" } else { "d.name_key, d.id" };
    // Only what is shown is read whole.
    let sql = format!(
        "SELECT a.body FROM {TABLES} WHERE d.number IN (SELECT d.number FROM {TABLES} WHERE {condition} ORDER BY {order} LIMIT {} OFFSET {}) \
         ORDER BY {order}",
        limit_of(query.limit),
        limit_of(query.skip),
    );
    let held: Vec<&dyn ToSql> = held.iter().map(AsRef::as_ref).collect();
    let found = reader.all(&sql, &held, |row| body(row, 0))?;
    Ok(found.into_iter().map(|asset| reader.asset_as_shown(asset)).collect())
}

pub(super) fn count(reader: &SqlReader, query: &AssetQuery) -> Result<u64, StoreError> {
    let (condition, held) = condition(query);
    let held: Vec<&dyn ToSql> = held.iter().map(AsRef::as_ref).collect();
    let sql = format!("SELECT count(*) FROM {TABLES} WHERE {condition}");
    Ok(reader.one(&sql, &held, |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
}

pub(super) fn find(reader: &SqlReader, device: &DeviceId) -> Result<Option<Asset>, StoreError> {
    let sql = format!("SELECT a.body FROM {TABLES} WHERE d.id = ?1 AND d.revoked_at IS NULL");
    let found = reader.one(&sql, &[&device.as_str()], |row| body(row, 0))?;
    Ok(found.map(|asset| reader.asset_as_shown(asset)))
}

pub(super) fn coverage(reader: &SqlReader) -> Result<AssetCoverage, StoreError> {
    let number = |row: &Row<'_>, column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    let mut coverage = AssetCoverage::default();
    let sql = format!(
        "SELECT a.state, count(*), count(*) FILTER (WHERE a.labelled), count(*) FILTER (WHERE NOT a.blank), \
         count(*) FILTER (WHERE a.contradicted) FROM {TABLES} WHERE d.revoked_at IS NULL GROUP BY a.state"
    );
    let counted = |row: &Row<'_>| {
        Ok((row.get::<_, String>(0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?, number(row, 4)?))
    };
    for (state, count, labelled, complete, contradicted) in reader.all(&sql, &[], counted)? {
        coverage.assets += count;
        coverage.labelled += labelled;
        coverage.complete += complete;
        coverage.contradicted += contradicted;
        let place = AssetState::ALL.iter().position(|one| one.as_str() == state);
        if let Some(one) = place.and_then(|place| coverage.states.get_mut(place)) {
            *one = count;
        }
    }
    Ok(coverage)
}

/// What was attested with the files that show it, as far as whoever asks may see who people are.
fn with_files(reader: &SqlReader, number: i64, one: AssetAttestation) -> Result<AssetAttestation, StoreError> {
    Ok(reader.attestation_as_shown(AssetAttestation { files: ASSET.files(reader, number)?, ..one }))
}

pub(super) fn attestations(
    reader: &SqlReader,
    device: &DeviceId,
    limit: usize,
) -> Result<Vec<AssetAttestation>, StoreError> {
    let sql = "SELECT number, body, valid_until FROM asset_attestation WHERE device = ?1 ORDER BY number DESC LIMIT ?2";
    let found = reader.all(sql, &[&reader.number(device)?, &limit_of(limit)], |row| {
        Ok((row.get::<_, i64>(0)?, AssetAttestation { valid_until: required(row, 2)?, ..body(row, 1)? }))
    })?;
    found.into_iter().map(|(number, one)| with_files(reader, number, one)).collect()
}

/// Of one machine or of all, those that were taken out included: the newest first, each with its number, as it was said.
pub(super) fn attestations_before(
    reader: &SqlReader,
    device: Option<&DeviceId>,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(u64, DeviceId, AssetAttestation)>, StoreError> {
    let sql = "SELECT t.number, d.id, t.body FROM asset_attestation t JOIN device d ON d.number = t.device \
               WHERE t.number < ?1 AND (d.id = ?2 OR ?2 IS NULL) ORDER BY t.number DESC LIMIT ?3";
    let device = device.map(DeviceId::as_str);
    let found = reader.all(sql, &[&below(before), &device, &limit_of(limit)], |row| {
        let of = device_id(row, 1, || "an attestation".to_owned())?;
        Ok((row.get::<_, i64>(0)?, of, body::<AssetAttestation>(row, 2)?))
    })?;
    let shown = |(number, of, one): (i64, DeviceId, AssetAttestation)| {
        Ok((number.unsigned_abs(), of, with_files(reader, number, one)?))
    };
    found.into_iter().map(shown).collect()
}

/// Until when whose word holds that an area is in order, of computers whose agent never told of it, by device.
pub(super) fn attested(reader: &SqlReader, area: &str, document: &str) -> Result<BTreeMap<u64, Timestamp>, StoreError> {
    let sql = format!(
        "SELECT t.device, t.valid_until FROM asset_attestation t JOIN device d ON d.number = t.device WHERE t.area = ?1 AND t.good AND {NEWEST} \
         AND d.computer AND d.revoked_at IS NULL AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired') \
         AND NOT EXISTS (SELECT 1 FROM document o WHERE o.name = ?2 AND o.device = t.device)"
    );
    let found = reader.all(&sql, &[&area, &document], |row| {
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), Timestamp::from_millis(row.get(1)?)))
    })?;
    Ok(found.into_iter().collect())
}
