//! What is counted and summed up: states, coverage, deliveries, certificates; and the log backwards.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rusqlite::{Row, ToSql};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::report::{ProbeOutcome, ProbeReport};
use ioc_judge::DeviceInfo;

use super::read::{SqliteReader, below, body, limit_of, moment, required};
use crate::audit;
use crate::coverage::{Facts, MATTERS};
use crate::history;
use crate::{CERTIFICATES_MAX, ChannelTally, Counts, PlaceCount, StoreError};

pub(super) const AUDIT_COLUMNS: &str = "SELECT number, at, actor, action, subject, detail, hash FROM audit";

pub(super) fn audit_record(row: &Row<'_>) -> rusqlite::Result<audit::Record> {
    Ok(audit::Record {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: required(row, 1)?,
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        detail: row.get(5)?,
        hash: row.get(6)?,
    })
}

impl SqliteReader {
    pub(super) fn count_devices(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        let sql = "SELECT coalesce(p.state, 'never_seen'), count(*) FROM device d LEFT JOIN presence p ON p.device = d.number \
                   WHERE d.revoked_at IS NULL GROUP BY 1";
        for (state, count) in
            self.all(sql, &[], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        {
            counts.devices += count;
            match state.as_str() {
                "live" => counts.live += count,
                "silent" | "host_down" | "suspect" => counts.silent += count,
                _ => counts.other += count,
            }
        }
        let count =
            |sql| Ok::<_, StoreError>(self.one(sql, &[], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs());
        counts.faults = count("SELECT count(*) FROM fault WHERE open")?;
        counts.incidents = count("SELECT count(*) FROM incident WHERE active")?;
        Ok(counts)
    }

    pub(super) fn count_places(&self) -> Result<Vec<PlaceCount>, StoreError> {
        // The worst fault of each device is found once, and not by a look at each device.
        let sql = "SELECT d.place, coalesce(p.state, 'never_seen'), coalesce(f.worst, 0), count(*) FROM device d \
                   LEFT JOIN presence p ON p.device = d.number \
                   LEFT JOIN (SELECT device, max(severity) AS worst FROM fault WHERE open GROUP BY device) f ON f.device = d.number \
                   WHERE d.revoked_at IS NULL GROUP BY 1, 2, 3";
        self.all(sql, &[], |row| {
            let count = row.get::<_, i64>(3)?.unsigned_abs();
            Ok(PlaceCount { place: row.get(0)?, state: row.get(1)?, worst: row.get(2)?, count })
        })
    }

    pub(super) fn facts_of_coverage(&self) -> Result<Facts, StoreError> {
        let counts = self.count_devices()?;
        let count = |row: &Row<'_>, column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let mut facts = Facts { devices: counts.devices, live: counts.live, ..Facts::default() };
        let sql = "SELECT d.number, p.state FROM device d LEFT JOIN presence p ON p.device = d.number \
                   WHERE d.computer AND d.revoked_at IS NULL";
        let computers = self.all(sql, &[], |row| Ok((count(row, 0)?, row.get::<_, Option<String>>(1)?)))?;
        facts.computers = computers.len() as u64;
        let live: BTreeSet<u64> = computers
            .into_iter()
            .filter(|(_, state)| state.as_deref() == Some("live"))
            .map(|(number, _)| number)
            .collect();
        for (_, document, _) in MATTERS {
            let devices = self.all("SELECT device FROM document WHERE name = ?1", &[&document], |row| count(row, 0))?;
            let devices = devices.into_iter().filter(|device| live.contains(device)).collect();
            facts.documents.insert(document.to_owned(), devices);
        }
        self.what_is_unknown(&live, &mut facts)?;
        let sql = "SELECT json_extract(body, '$.rule'), device FROM fault WHERE open";
        facts.faults = self.all(sql, &[], |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(facts)
    }

    /// Metrics without a newest value, and surveys that failed, of the computers that are heard.
    fn what_is_unknown(&self, live: &BTreeSet<u64>, facts: &mut Facts) -> Result<(), StoreError> {
        let number = |row: &Row<'_>| Ok::<_, rusqlite::Error>(row.get::<_, i64>(0)?.unsigned_abs());
        let mut layouts: HashMap<i64, Option<Layout>> = HashMap::new();
        let sql = "SELECT l.device, l.layout, l.latest FROM live l JOIN device d ON d.number = l.device \
                   WHERE d.computer AND d.revoked_at IS NULL AND l.layout IS NOT NULL AND l.latest IS NOT NULL";
        let rows = self.all(sql, &[], |row| Ok((number(row)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)))?;
        for (device, id, latest) in rows.into_iter().filter(|(device, ..)| live.contains(device)) {
            let layout = match layouts.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    new.insert(self.one("SELECT series FROM layout WHERE id = ?1", &[&id], |row| body(row, 0))?)
                }
            };
            let Some(layout) = layout else { continue };
            let values = history::unpack(&latest).unwrap_or_default();
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
        let rows = self.all(sql, &[], |row| Ok((number(row)?, row.get::<_, Option<String>>(1)?)))?;
        for (device, probes) in rows.into_iter().filter(|(device, _)| live.contains(device)) {
            let probes: Vec<ProbeReport> = probes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
            let failed = probes.into_iter().filter(|one| matches!(one.outcome, ProbeOutcome::Unknown { .. }));
            let failed: BTreeSet<String> = failed.map(|one| one.probe).collect();
            if !failed.is_empty() {
                facts.failed.insert(device, failed);
            }
        }
        Ok(())
    }

    /// Of devices by their numbers.
    pub(super) fn infos_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        let sql = "SELECT d.number, d.info FROM device d WHERE d.computer AND d.revoked_at IS NULL ORDER BY d.name_key";
        let all = self.all(sql, &[], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), body::<DeviceInfo>(row, 1)?)))?;
        let of = all.into_iter().filter(|(number, _)| numbers.contains(number)).map(|(_, info)| info);
        Ok(of.take(limit).collect())
    }

    pub(super) fn without(&self, document: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        let sql = "SELECT d.info FROM device d WHERE d.computer AND d.revoked_at IS NULL AND NOT EXISTS \
                   (SELECT 1 FROM document o WHERE o.name = ?1 AND o.device = d.number) ORDER BY d.name_key LIMIT ?2";
        self.all(sql, &[&document, &limit_of(limit)], |row| body(row, 0))
    }

    pub(super) fn tally_deliveries(&self) -> Result<Vec<ChannelTally>, StoreError> {
        let sql = "SELECT channel, count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'dead'), \
                   count(*) FILTER (WHERE state = 'delivered'), max(delivered_at) FROM outbox GROUP BY channel";
        self.all(sql, &[], |row| {
            let count = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.unsigned_abs());
            let (waiting, dead, delivered) = (count(1)?, count(2)?, count(3)?);
            Ok(ChannelTally { channel: row.get(0)?, waiting, dead, delivered, last_at: moment(row, 4)? })
        })
    }

    pub(super) fn certificates_by_end(&self, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError> {
        let sql = "SELECT d.info, max(c.expires_at) AS ends FROM certificate c JOIN device d ON d.number = c.device \
                   WHERE d.revoked_at IS NULL AND c.ended_at IS NULL GROUP BY c.device ORDER BY ends LIMIT ?1";
        self.all(sql, &[&limit_of(limit)], |row| Ok((body::<DeviceInfo>(row, 0)?.id, required(row, 1)?)))
    }

    pub(super) fn settings_of_agents(&self) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError> {
        let sql = "SELECT d.info, o.body FROM device d LEFT JOIN document o ON o.device = d.number AND o.name = ?1 \
                   WHERE d.revoked_at IS NULL AND EXISTS (SELECT 1 FROM certificate c WHERE c.device = d.number) ORDER BY d.id";
        self.all(sql, &[&ioc_common::settings::DOCUMENT], |row| Ok((body(row, 0)?, row.get(1)?)))
    }

    pub(super) fn good_serials(&self) -> Result<Vec<(DeviceId, String)>, StoreError> {
        // The newest of each device, the oldest of them first: whoever renews without end leaves no more than these.
        let sql = "SELECT id, serial FROM (SELECT d.id, c.serial, c.at, c.rowid AS number, \
                   row_number() OVER (PARTITION BY c.device ORDER BY c.at DESC, c.rowid DESC) AS place \
                   FROM certificate c JOIN device d ON d.number = c.device \
                   WHERE d.revoked_at IS NULL AND c.ended_at IS NULL) WHERE place <= ?1 ORDER BY at, number";
        let all = self.all(sql, &[&limit_of(CERTIFICATES_MAX)], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        Ok(all.into_iter().filter_map(|(id, serial)| Some((DeviceId::new(&id).ok()?, serial))).collect())
    }

    pub(super) fn audit_backwards(
        &self,
        before: Option<u64>,
        search: &str,
        limit: usize,
    ) -> Result<Vec<audit::Record>, StoreError> {
        let words: Vec<String> = search.split_whitespace().take(8).map(str::to_lowercase).collect();
        let mut sql = format!("{AUDIT_COLUMNS} WHERE number < ?1");
        for place in 0..words.len() {
            let of = "lower(actor || ' ' || action || ' ' || subject || ' ' || detail)";
            sql += &format!(" AND instr({of}, ?{}) > 0", place + 3);
        }
        sql += " ORDER BY number DESC LIMIT ?2";
        let (below, limit) = (below(before), limit_of(limit));
        let mut params: Vec<&dyn ToSql> = vec![&below, &limit];
        params.extend(words.iter().map(|word| word as &dyn ToSql));
        self.all(&sql, &params, audit_record)
    }
}
