//! What coverage is made of.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use ioc_common::layout::Layout;
use ioc_common::report::{ProbeOutcome, ProbeReport};

use super::reader_connection::SqlReader;
use super::value::{body, signed};
use super::{asset, device};
use crate::coverage::{AREAS, CoverageFacts};
use crate::sql::{self, Row};
use crate::{StoreError, history};

pub(super) fn facts(reader: &SqlReader) -> Result<CoverageFacts, StoreError> {
    let counts = device::counts(reader)?;
    let count = |row: &Row<'_>, column| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
    let mut facts = CoverageFacts { devices: counts.devices, live: counts.live, ..CoverageFacts::default() };
    let sql = "SELECT d.number, p.state FROM device d LEFT JOIN presence p ON p.device = d.number \
               WHERE d.computer AND d.revoked_at IS NULL AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired')";
    let computers = reader.all(sql, &[], |row| Ok((count(row, 0)?, row.get::<_, Option<String>>(1)?)))?;
    facts.computers = computers.len() as u64;
    let live: BTreeSet<u64> =
        computers.into_iter().filter(|(_, state)| state.as_deref() == Some("live")).map(|(number, _)| number).collect();
    for area in AREAS {
        let devices =
            reader.all("SELECT device FROM document WHERE name = ?1", &[&area.document], |row| count(row, 0))?;
        let devices = devices.into_iter().filter(|device| live.contains(device)).collect();
        facts.documents.insert(area.document.to_owned(), devices);
    }
    for area in AREAS {
        facts.attested.insert(area.name.to_owned(), asset::attested(reader, area.name, area.document)?);
    }
    what_is_unknown(reader, &live, &mut facts)?;
    let sql = "SELECT rule, device FROM fault WHERE open";
    facts.faults = reader.all(sql, &[], |row| Ok((row.get(0)?, count(row, 1)?)))?;
    Ok(facts)
}

/// Metrics without a newest value, and surveys that failed, of the computers that are heard.
fn what_is_unknown(reader: &SqlReader, live: &BTreeSet<u64>, facts: &mut CoverageFacts) -> Result<(), StoreError> {
    let number = |row: &Row<'_>| Ok::<_, sql::Error>(row.get::<_, i64>(0)?.unsigned_abs());
    let mut layouts: HashMap<i64, Option<Layout>> = HashMap::new();
    for &device in live {
        let Some(latest) = reader.newest.get(device.cast_signed()).and_then(|newest| newest.latest) else { continue };
        let id = signed(latest.layout.0);
        let layout = match layouts.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(reader.one("SELECT series FROM layout WHERE id = ?1", &[&id], |row| body(row, 0))?)
            }
        };
        let Some(layout) = layout else { continue };
        let values = history::unpack(&latest.data).unwrap_or_default();
        let unknown = layout.series().iter().zip(values).filter(|(_, value)| value.is_none());
        // One thing of many may have no such number; a backup job always has.
        let unknown = unknown.filter(|(series, _)| {
            series.subject().is_empty() || ["backup.", "av."].iter().any(|of| series.metric().starts_with(of))
        });
        let unknown: BTreeSet<String> = unknown.map(|(series, _)| series.metric().to_owned()).collect();
        if !unknown.is_empty() {
            facts.unknown.insert(device, unknown);
        }
    }
    let sql = "SELECT d.number, coalesce(o.body, json_extract(h.body, '$.probes')) FROM device d \
               LEFT JOIN hello h ON h.device = d.number LEFT JOIN document o ON o.device = d.number AND o.name = 'probes' \
               WHERE d.computer AND d.revoked_at IS NULL";
    let rows = reader.all(sql, &[], |row| Ok((number(row)?, row.get::<_, Option<String>>(1)?)))?;
    for (device, text) in rows.into_iter().filter(|(device, _)| live.contains(device)) {
        let failed = text.map(|text| failed_surveys(device, &text)).unwrap_or_default();
        if !failed.is_empty() {
            facts.failed.insert(device, failed);
        }
    }
    Ok(())
}

/// The surveys that failed, by a device's report of its probes. Of one that is damaged nobody knows which: all of them count.
fn failed_surveys(device: u64, report: &str) -> BTreeSet<String> {
    match serde_json::from_str::<Vec<ProbeReport>>(report) {
        Ok(probes) => {
            let failed = probes.into_iter().filter(|one| matches!(one.outcome, ProbeOutcome::Unknown { .. }));
            failed.map(|one| one.probe).collect()
        }
        Err(error) => {
            tracing::error!(device, %error, "a device's report of its probes is damaged in the store; none of its surveys counts");
            AREAS.map(|area| area.document.to_owned()).into()
        }
    }
}
