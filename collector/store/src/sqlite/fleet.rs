//! Lists of devices: found, sorted and paged by the database.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use rusqlite::{Row, ToSql};

use ioc_common::id::DeviceId;
use ioc_common::layout::LayoutId;
use ioc_judge::{DeviceInfo, LossLedger, Presence};

use super::read::{SqliteReader, body, history_row, limit_of, moment, position, required};
use crate::history;
use crate::inventory::DeviceRecord;
use crate::{Arrived, DeviceQuery, DeviceSort, DeviceState, StoreError};

pub(super) const DEVICE_COLUMNS: &str = "SELECT d.info, d.enrolled_at, d.revoked_at, p.body, l.epoch, l.seq, h.boot_id, h.fingerprint, \
     h.interval_s, h.keep_alive_s, l.last_heard, l.last_sample, l.clock_error_ms, l.layout, l.latest, \
     coalesce((SELECT max(f.severity) FROM fault f WHERE f.device = d.number AND f.open), 0), coalesce(x.total, 0) \
     FROM device d LEFT JOIN losses x ON x.device = d.number LEFT JOIN live l ON l.device = d.number LEFT JOIN presence p ON p.device = d.number \
     LEFT JOIN hello h ON h.device = d.number";
/// What lists of devices look through.
pub(super) const DEVICE_TABLES: &str =
    "device d LEFT JOIN live l ON l.device = d.number LEFT JOIN presence p ON p.device = d.number";
/// The worst severity of a device's open faults.
const WORST: &str = "coalesce((SELECT max(f.severity) FROM fault f WHERE f.device = d.number AND f.open), 0)";
const STATE: &str = "coalesce(p.state, 'never_seen')";

/// A condition on `device d`, `live l` and `presence p`, with what it holds.
pub(super) struct Condition {
    pub(super) sql: String,
    held: Vec<Box<dyn ToSql>>,
}

impl Condition {
    /// What is meant by a query, without its order and its page.
    pub(super) fn of(query: &DeviceQuery) -> Self {
        let mut all = Self { sql: "d.revoked_at IS NULL".to_owned(), held: Vec::new() };
        if let Some(after) = &query.after {
            all.and("d.id > ?", after.clone());
        }
        for word in query.search.split_whitespace().take(8) {
            all.and("instr(d.search, ?) > 0", word.to_lowercase());
        }
        all.one_of("d.kind", query.kinds.iter().map(|kind| kind.as_str().to_owned()));
        all.one_of("d.place", query.places.iter().cloned());
        all.sql += &match query.state {
            DeviceState::Any => String::new(),
            // The faulty ones are found once, and not by a look at each device.
            DeviceState::Bad => " AND (p.state IS NULL OR p.state NOT IN ('live', 'away') \
                                 OR d.number IN (SELECT device FROM fault WHERE open AND severity >= 2))"
                .to_owned(),
            DeviceState::Live => format!(" AND {STATE} = 'live'"),
            DeviceState::Silent => format!(" AND {STATE} IN ('silent', 'host_down', 'suspect')"),
            DeviceState::Away => {
                format!(" AND {STATE} NOT IN ('live', 'silent', 'host_down', 'suspect', 'never_seen')")
            }
            DeviceState::NeverSeen => format!(" AND {STATE} = 'never_seen'"),
        };
        all
    }

    fn and(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.held.push(Box::new(value));
        self.sql += &format!(" AND {}", condition.replace('?', &format!("?{}", self.held.len())));
    }

    /// A column that holds one of these; anything when there are none.
    fn one_of(&mut self, column: &str, values: impl Iterator<Item = String>) {
        let places: Vec<String> = values
            .map(|value| {
                self.held.push(Box::new(value));
                format!("?{}", self.held.len())
            })
            .collect();
        if !places.is_empty() {
            self.sql += &format!(" AND {column} IN ({})", places.join(", "));
        }
    }

    pub(super) fn params(&self) -> Vec<&dyn ToSql> {
        self.held.iter().map(AsRef::as_ref).collect()
    }
}

/// The order of a query.
pub(super) fn order_of(query: &DeviceQuery) -> String {
    let by = match query.sort {
        DeviceSort::Id => String::new(),
        DeviceSort::Name => "d.name_key".to_owned(),
        DeviceSort::Kind => "d.kind".to_owned(),
        DeviceSort::Place => "d.place_key".to_owned(),
        DeviceSort::State => format!(
            "CASE {STATE} WHEN 'silent' THEN 0 WHEN 'host_down' THEN 0 WHEN 'suspect' THEN 1 ELSE 2 END + 3 * (3 - {WORST})"
        ),
        DeviceSort::Seen => "-coalesce(l.last_heard, 0)".to_owned(),
    };
    let way = if query.descending { " DESC" } else { "" };
    if by.is_empty() { format!("d.id{way}") } else { format!("{by}{way}, d.id") }
}

impl SqliteReader {
    /// What is known of each device's losses.
    pub(super) fn books(&self) -> Result<HashMap<DeviceId, LossLedger>, StoreError> {
        let sql = "SELECT d.info, x.body FROM losses x JOIN device d ON d.number = x.device WHERE d.revoked_at IS NULL";
        let books = self.all(sql, &[], |row| Ok((body::<DeviceInfo>(row, 0)?.id, body(row, 1)?)))?;
        Ok(books.into_iter().collect())
    }

    pub(super) fn arrived(&self, after: u64, limit: usize) -> Result<Vec<Arrived>, StoreError> {
        let sql = "SELECT epoch, seq, at, layout, data, number, device FROM sample WHERE number > ?1 ORDER BY number LIMIT ?2";
        let read = |row: &Row<'_>| Ok((history_row(row)?, row.get::<_, i64>(6)?));
        let rows = self.all(sql, &[&super::signed(after), &limit_of(limit)], read)?;
        let mut known: HashMap<i64, Option<Arc<DeviceInfo>>> = HashMap::new();
        let mut arrived = Vec::with_capacity(rows.len());
        for (row, number) in rows {
            let device = match known.entry(number) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(new) => {
                    let info = self.one("SELECT info FROM device WHERE number = ?1", &[&number], |row| body(row, 0))?;
                    new.insert(info.map(Arc::new)).clone()
                }
            };
            if let (Ok(row), Some(device)) = (row, device) {
                arrived.push(Arrived { device, row });
            }
        }
        Ok(arrived)
    }
}

pub(super) fn device_record(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    let latest: Option<Vec<u8>> = row.get(14)?;
    let has_presence = row.get_ref(3)? != rusqlite::types::ValueRef::Null;
    Ok(DeviceRecord {
        info: body(row, 0)?,
        enrolled_at: required(row, 1)?,
        revoked_at: moment(row, 2)?,
        presence: if has_presence { body(row, 3)? } else { Presence::NeverSeen },
        watermark: position(row, 4, 5)?,
        boot_id: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        fingerprint: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
        interval_s: row.get::<_, Option<u32>>(8)?.unwrap_or(10),
        keep_alive_s: row.get::<_, Option<u16>>(9)?.unwrap_or(30),
        last_heard: moment(row, 10)?,
        last_sample: moment(row, 11)?,
        clock_error_ms: row.get(12)?,
        layout: row.get::<_, Option<i64>>(13)?.map(|id| LayoutId(id.unsigned_abs())),
        // A corrupt row shows as no values; the history reader reports it.
        latest: latest.and_then(|row| history::unpack(&row).ok()).unwrap_or_default(),
        worst: row.get(15)?,
        reports_lost: row.get::<_, i64>(16)?.unsigned_abs(),
    })
}
