//! What is counted and summed up: states, coverage, deliveries, certificates; and the log backwards.

use std::collections::BTreeSet;

use rusqlite::{Row, ToSql};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_judge::DeviceInfo;

use super::read::{SqliteReader, below, body, limit_of, moment, required};
use crate::audit;
use crate::coverage::{Facts, MATTERS};
use crate::store::{ChannelTally, Counts, PlaceCount, StoreError};

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
        let sql = "SELECT json_extract(body, '$.rule'), device FROM fault WHERE open";
        facts.faults = self.all(sql, &[], |row| Ok((row.get(0)?, count(row, 1)?)))?;
        Ok(facts)
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
        let sql = "SELECT d.id, c.serial FROM certificate c JOIN device d ON d.number = c.device \
                   WHERE d.revoked_at IS NULL AND c.ended_at IS NULL";
        let all = self.all(sql, &[], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
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
