//! Reading from the embedded store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use serde::de::DeserializeOwned;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::report::Position;
use ioc_common::software::Item;
use ioc_judge::duty::Cover;
use ioc_judge::{Device, DeviceInfo, Fault, Incident, Snapshot, Window};

use super::counting::{AUDIT_COLUMNS, audit_record};
use super::fleet::{Condition, DEVICE_COLUMNS, DEVICE_TABLES, device_record, order_of};
use super::outbox::{self, OUTBOX_COLUMNS, outbox_entry};
use super::people::{ACCOUNT_COLUMNS, SESSION_COLUMNS, TOKEN_COLUMNS, account, session, token};
use crate::audit;
use crate::collation;
use crate::coverage::Facts;
use crate::history;
use crate::inventory::DeviceRecord;
use crate::scope::Reach;
use crate::{
    AccountRecord, Arrived, ChannelTally, ChunkQuery, ClockMark, Counts, DeviceQuery, DocumentRecord, EventRecord,
    FaultQuery, Handover, HistoryRow, Kept, OutboxEntry, PlaceCount, Reader, RequestRecord, SavedView, SessionRecord,
    StoreError, StoredChunk, TicketQuery, TicketRecord, TokenRecord, Waiting, WholeIncident,
};

/// A reader with its own connection.
#[derive(Debug)]
pub(super) struct SqliteReader {
    path: PathBuf,
    connection: Connection,
    /// Who has an account on a machine is left out of what is read.
    pub(super) sealed: bool,
    /// Only some places are shown.
    pub(super) limited: bool,
}

impl SqliteReader {
    pub(super) const fn new(path: PathBuf, connection: Connection) -> Self {
        Self { path, connection, sealed: false, limited: false }
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let run = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params, &mut read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        let mut run = run;
        run().map_err(|source| super::database(&self.path, source))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let run = || self.connection.prepare_cached(sql)?.query_row(params, read).optional();
        run().map_err(|source| super::database(&self.path, source))
    }

    /// Changes what is this connection's own.
    pub(super) fn run(&self, sql: &str, params: &[&dyn ToSql]) -> Result<usize, StoreError> {
        let run = || self.connection.prepare_cached(sql)?.execute(params);
        run().map_err(|source| super::database(&self.path, source))
    }

    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(|source| super::database(&self.path, source))
    }

    pub(super) fn number(&self, id: &DeviceId) -> Result<i64, StoreError> {
        Ok(self.one("SELECT number FROM device WHERE id = ?1", &[&id.as_str()], |row| row.get(0))?.unwrap_or(-1))
    }

    pub(super) fn content(&self, what: &'static str, why: &impl ToString) -> StoreError {
        StoreError::Content { path: self.path.clone(), what, why: why.to_string() }
    }
}

/// A JSON column.
pub(super) fn body<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

pub(super) fn required(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

pub(super) fn position(row: &Row<'_>, epoch: usize, seq: usize) -> rusqlite::Result<Position> {
    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.unwrap_or(0).unsigned_abs());
    Ok(Position { epoch: number(epoch)?, seq: number(seq)? })
}

fn ticket(row: &Row<'_>) -> rusqlite::Result<TicketRecord> {
    Ok(TicketRecord {
        system: row.get(0)?,
        incident: IncidentId(row.get::<_, i64>(1)?.unsigned_abs()),
        ticket: row.get(2)?,
        step: row.get(3)?,
        pushed: row.get(4)?,
        seen: row.get(5)?,
        attempts: row.get(6)?,
        next_at: required(row, 7)?,
        error: row.get(8)?,
    })
}

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The number below which to continue, for lists that show the newest first.
pub(super) fn below(before: Option<u64>) -> i64 {
    before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX))
}

/// A row of history: place in the order, time, layout, numbers, its own number.
pub(super) fn history_row(row: &Row<'_>) -> rusqlite::Result<Result<HistoryRow, history::Corrupt>> {
    let layout = LayoutId(row.get::<_, i64>(3)?.unsigned_abs());
    let (position, at, number) = (position(row, 0, 1)?, required(row, 2)?, row.get::<_, i64>(5)?.unsigned_abs());
    let values = history::unpack(row.get_ref(4)?.as_blob()?);
    Ok(values.map(|values| HistoryRow { number, position, at, layout, values }))
}

impl SqliteReader {
    /// A device's newest row; 0 when it has none.
    fn newest(&self, device: i64) -> Result<i64, StoreError> {
        let newest = self.one("SELECT row FROM live WHERE device = ?1", &[&device], |row| row.get(0))?;
        Ok(newest.unwrap_or(0))
    }

    /// The numbers of a device's rows after one, the oldest first: along the chain from its newest.
    fn chain(&self, device: i64, after: u64, limit: usize) -> Result<Vec<i64>, StoreError> {
        let mut next = self.newest(device)?;
        let mut numbers = Vec::new();
        while next > super::signed(after) {
            let sql = "SELECT previous FROM sample WHERE number = ?1 AND device = ?2";
            let Some(previous) = self.one(sql, &[&next, &device], |row| row.get::<_, i64>(0))? else { break };
            numbers.push(next);
            // A chain that does not fall would never end.
            next = if previous < next { previous } else { 0 };
        }
        numbers.reverse();
        numbers.truncate(limit);
        Ok(numbers)
    }
}

impl Reader for SqliteReader {
    fn limit(&mut self, reach: &Reach) -> Result<(), StoreError> {
        (self.sealed, self.limited) = (!reach.sees_names(), !reach.is_everywhere());
        if reach.is_everywhere() { Ok(()) } else { self.limit_to(reach) }
    }

    fn snapshot(&self, resolved_since: Timestamp) -> Result<Snapshot, StoreError> {
        let sql = format!("{DEVICE_COLUMNS} WHERE d.revoked_at IS NULL");
        let records = self.all(&sql, &[], device_record)?;
        let mut layouts = std::collections::HashMap::new();
        let mut books = self.books()?;
        let mut snapshot = Snapshot::default();
        for record in records {
            let mut device = Device::new(record.info);
            if device.info.parent.is_some() || record.boot_id.is_empty() {
                let hello = self
                    .hello(&device.info.id)?
                    .and_then(|text| serde_json::from_str::<ioc_common::report::Hello>(&text).ok());
                let sensor = hello.and_then(|hello| hello.sensor);
                device.plain = sensor.is_some() && device.info.parent.is_none();
                device.texts = sensor.unwrap_or_default().texts.into();
            }
            device.presence = record.presence;
            device.watermark = record.watermark;
            device.boot_id = record.boot_id;
            device.fingerprint = record.fingerprint;
            device.interval_s = record.interval_s;
            device.keep_alive_s = record.keep_alive_s;
            device.last_heard = record.last_heard;
            device.last_sample = record.last_sample;
            device.clock_error_ms = record.clock_error_ms;
            device.losses = books.remove(&device.info.id).unwrap_or_default();
            if let Some(id) = record.layout {
                if let std::collections::hash_map::Entry::Vacant(e) = layouts.entry(id) {
                    e.insert(self.layout(id)?.map(Arc::new));
                }
                device.layout = layouts.get(&id).cloned().flatten();
            }
            snapshot.devices.push(device);
        }
        snapshot.faults = self.all("SELECT body FROM fault WHERE open", &[], |row| body(row, 0))?;
        let sql = "SELECT body FROM incident WHERE active OR resolved_at >= ?1 ORDER BY id";
        snapshot.incidents = self.all(sql, &[&resolved_since.as_millis()], |row| body(row, 0))?;
        let largest =
            |sql| Ok::<_, StoreError>(self.one(sql, &[], |row| row.get::<_, Option<i64>>(0))?.flatten().unwrap_or(0));
        snapshot.last_fault = largest("SELECT max(id) FROM fault")?.unsigned_abs();
        snapshot.last_incident = largest("SELECT max(id) FROM incident")?.unsigned_abs();
        snapshot.windows = self.windows()?;
        snapshot.last_window = largest("SELECT max(id) FROM window")?.unsigned_abs();
        snapshot.covers = self.covers()?;
        let sql = "SELECT d.info, l.rule, l.body FROM list l JOIN device d ON d.number = l.device";
        snapshot.comparisons =
            self.all(sql, &[], |row| Ok((body::<DeviceInfo>(row, 0)?.id, row.get(1)?, body(row, 2)?)))?;
        snapshot.last_cover = largest("SELECT max(id) FROM cover")?.unsigned_abs();
        Ok(snapshot)
    }

    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceRecord>, StoreError> {
        let (condition, order) = (Condition::of(query), order_of(query));
        // Only what is shown is read whole.
        let sql = format!(
            "{DEVICE_COLUMNS} WHERE d.number IN (SELECT d.number FROM {DEVICE_TABLES} WHERE {} ORDER BY {order} LIMIT {} OFFSET {}) \
             ORDER BY {order}",
            condition.sql,
            limit_of(query.limit),
            limit_of(query.skip),
        );
        let records = self.all(&sql, &condition.params(), device_record)?;
        records.into_iter().map(|record| self.record_as_shown(record)).collect()
    }

    fn devices_count(&self, query: &DeviceQuery) -> Result<u64, StoreError> {
        let condition = Condition::of(query);
        let sql = format!("SELECT count(*) FROM {DEVICE_TABLES} WHERE {}", condition.sql);
        Ok(self.one(&sql, &condition.params(), |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    fn places(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT place FROM device WHERE revoked_at IS NULL AND place <> '' ORDER BY place_key";
        self.all(sql, &[], |row| row.get(0))
    }

    fn places_by_state(&self) -> Result<Vec<PlaceCount>, StoreError> {
        self.count_places()
    }

    fn machines_by_place(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let sql = "SELECT place, count(*) FROM device WHERE computer AND revoked_at IS NULL GROUP BY place";
        let places = self.all(sql, &[], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(places.into_iter().collect())
    }

    fn views(&self, account: &str) -> Result<Vec<SavedView>, StoreError> {
        let sql = "SELECT name, query FROM view WHERE account = ?1";
        let read = |row: &Row<'_>| Ok(SavedView { account: account.to_owned(), name: row.get(0)?, query: row.get(1)? });
        let mut views = self.all(sql, &[&account], read)?;
        views.sort_by_cached_key(|view| collation::key(&view.name));
        Ok(views)
    }

    fn device(&self, id: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        let record = self.one(&format!("{DEVICE_COLUMNS} WHERE d.id = ?1"), &[&id.as_str()], device_record)?;
        record.map(|record| self.record_as_shown(record)).transpose()
    }

    fn hello(&self, id: &DeviceId) -> Result<Option<String>, StoreError> {
        let hello = self.one("SELECT body FROM hello WHERE device = ?1", &[&self.number(id)?], |row| row.get(0))?;
        Ok(hello.map(|text| self.hello_as_shown(text)))
    }

    fn documents(&self, id: &DeviceId) -> Result<Vec<DocumentRecord>, StoreError> {
        let sql = "SELECT name, at, body FROM document WHERE device = ?1 ORDER BY name";
        let all = self.all(sql, &[&self.number(id)?], |row| {
            Ok(DocumentRecord { name: row.get(0)?, at: required(row, 1)?, body: row.get(2)? })
        })?;
        Ok(self.documents_as_shown(all))
    }

    fn document_sizes(&self, id: &DeviceId) -> Result<BTreeMap<String, u32>, StoreError> {
        self.sizes_of_documents(self.number(id)?)
    }

    fn kept(&self, id: &DeviceId, kind: Kept, most: u64) -> Result<u64, StoreError> {
        self.count_of(kind, self.number(id)?, most)
    }

    fn events(&self, id: &DeviceId, before: Option<u64>, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        let sql = "SELECT at, name, text, fields, number FROM event WHERE device = ?1 \
                   AND (?3 IS NULL OR (at, number) < (SELECT at, number FROM event WHERE number = ?3)) \
                   ORDER BY at DESC, number DESC LIMIT ?2";
        self.all(sql, &[&self.number(id)?, &limit_of(limit), &before.map(super::signed)], |row| {
            let number = row.get::<_, i64>(4)?.unsigned_abs();
            let (at, name, text) = (required(row, 0)?, row.get(1)?, row.get(2)?);
            Ok(self.event_as_shown(EventRecord { number, at, name, text, fields: body(row, 3)? }))
        })
    }

    fn software_list(&self, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError> {
        let sql = "SELECT list, at FROM software_list WHERE device = ?1 AND whole";
        self.one(sql, &[&self.number(id)?], |row| Ok((row.get(0)?, required(row, 1)?)))
    }

    fn software(&self, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
        let sql = "SELECT item FROM software WHERE device = ?1 AND key > ?2 ORDER BY key LIMIT ?3";
        self.all(sql, &[&self.number(id)?, &after, &limit_of(limit)], |row| body(row, 0))
    }

    fn layout(&self, id: LayoutId) -> Result<Option<Layout>, StoreError> {
        let layout =
            self.one("SELECT series FROM layout WHERE id = ?1", &[&super::signed(id.0)], |row| body(row, 0))?;
        Ok(layout.and_then(|layout| self.layout_as_shown(layout)))
    }

    fn faults(&self, query: &FaultQuery<'_>, limit: usize) -> Result<Vec<Fault>, StoreError> {
        let mut sql = "SELECT body FROM fault WHERE id < ?1".to_owned();
        if let Some(number) = query.device.map(|id| self.number(id)).transpose()? {
            sql += &format!(" AND device = {number}");
        }
        if let Some(incident) = query.incident {
            sql += &format!(" AND incident = {}", super::signed(incident.0));
        }
        if query.open {
            sql += " AND open";
        }
        let (before, limit) = (below(query.before), limit_of(limit));
        let mut params: Vec<&dyn ToSql> = vec![&before, &limit];
        if !query.rules.is_empty() {
            let places: Vec<String> = (0..query.rules.len()).map(|place| format!("?{}", place + 3)).collect();
            sql += &format!(" AND json_extract(body, '$.rule') IN ({})", places.join(", "));
            params.extend(query.rules.iter().map(|rule| rule as &dyn ToSql));
        }
        sql += " ORDER BY id DESC LIMIT ?2";
        self.all(&sql, &params, |row| Ok(self.fault_as_shown(body(row, 0)?)))
    }

    fn incidents(
        &self,
        device: Option<&DeviceId>,
        active: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        let mut sql = "SELECT body FROM incident WHERE id < ?1".to_owned();
        let number = device.map(|id| self.number(id)).transpose()?;
        if let Some(number) = number {
            sql += &format!(" AND device = {number}");
        }
        if active {
            sql += " AND active";
        }
        sql += " ORDER BY id DESC LIMIT ?2";
        let all: Vec<Incident> = self.all(&sql, &[&below(before), &limit_of(limit)], |row| body(row, 0))?;
        all.into_iter().map(|incident| self.incident_as_shown(incident)).collect()
    }

    fn incident(&self, id: IncidentId) -> Result<Option<WholeIncident>, StoreError> {
        let number = super::signed(id.0);
        let Some(incident) = self.one("SELECT body FROM incident WHERE id = ?1", &[&number], |row| body(row, 0))?
        else {
            return Ok(None);
        };
        let steps =
            self.all("SELECT body FROM step WHERE incident = ?1 ORDER BY number", &[&number], |row| body(row, 0))?;
        let sql = format!("{OUTBOX_COLUMNS} WHERE incident = ?1 ORDER BY created_at, key");
        let notices = self.all(&sql, &[&number], outbox_entry)?;
        Ok(Some((self.incident_as_shown(incident)?, steps, notices)))
    }

    fn outbox_waiting(&self, channel: &str, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        self.all(outbox::WAITING, &[&channel, &limit_of(limit)], outbox::waiting)
    }

    fn outbox_channels(&self) -> Result<Vec<String>, StoreError> {
        self.all("SELECT DISTINCT channel FROM outbox WHERE state = 'waiting'", &[], |row| row.get(0))
    }

    fn outbox_dead(&self, limit: usize) -> Result<Vec<OutboxEntry>, StoreError> {
        let sql = format!("{OUTBOX_COLUMNS} WHERE state = 'dead' ORDER BY created_at DESC LIMIT ?1");
        self.all(&sql, &[&limit_of(limit)], outbox_entry)
    }

    fn outbox_entry(&self, key: &str) -> Result<Option<OutboxEntry>, StoreError> {
        self.one(&format!("{OUTBOX_COLUMNS} WHERE key = ?1"), &[&key], outbox_entry)
    }

    fn contacts(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        // The newest of each person and channel: the row that holds the largest moment gives the other columns.
        let columns = OUTBOX_COLUMNS.replace("created_at,", "max(created_at),");
        let sql =
            format!("{columns} WHERE person <> '' GROUP BY person, channel ORDER BY max(created_at) DESC LIMIT 2000");
        self.all(&sql, &[], outbox_entry)
    }

    fn tickets(&self, query: &TicketQuery<'_>, limit: usize) -> Result<Vec<TicketRecord>, StoreError> {
        let columns = "SELECT system, incident, ticket, step, pushed, seen, attempts, next_at, error FROM ticket";
        let limit = limit_of(limit);
        match query {
            TicketQuery::Due { system, now } => {
                // Nothing waits for longer than eight hours but by a clock that was set back.
                let sql = format!(
                    "{columns} WHERE due AND system = ?1 AND (next_at <= ?2 OR next_at > ?2 + 28800000) \
                     ORDER BY next_at, incident LIMIT ?3"
                );
                self.all(&sql, &[system, &now.as_millis(), &limit], ticket)
            }
            TicketQuery::Open { system } => {
                let sql = format!("{columns} WHERE open AND system = ?1 AND ticket <> '' ORDER BY incident LIMIT ?2");
                self.all(&sql, &[system, &limit], ticket)
            }
            TicketQuery::Of(incident) => {
                let sql = format!("{columns} WHERE incident = ?1 ORDER BY system LIMIT ?2");
                self.all(&sql, &[&super::signed(incident.0), &limit], ticket)
            }
        }
    }

    fn attachment(&self, incident: IncidentId, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT content FROM attachment WHERE incident = ?1 AND sha256 = ?2";
        self.one(sql, &[&super::signed(incident.0), &sha256], |row| row.get(0))
    }

    fn windows(&self) -> Result<Vec<Window>, StoreError> {
        self.all("SELECT body FROM window WHERE NOT gone ORDER BY id", &[], |row| body(row, 0))
    }

    fn windows_over(&self, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError> {
        let sql = "SELECT body, gone FROM window WHERE gone > 0 AND gone >= ?1 ORDER BY id";
        self.all(sql, &[&since.as_millis()], |row| Ok((body(row, 0)?, required(row, 1)?)))
    }

    fn covers(&self) -> Result<Vec<Cover>, StoreError> {
        self.all("SELECT body FROM cover WHERE NOT gone ORDER BY id", &[], |row| body(row, 0))
    }

    fn handovers(&self, limit: usize) -> Result<Vec<Handover>, StoreError> {
        let sql = "SELECT at, rota, who, text FROM handover ORDER BY number DESC LIMIT ?1";
        self.all(sql, &[&limit_of(limit)], |row| {
            Ok(Handover { at: required(row, 0)?, rota: row.get(1)?, who: row.get(2)?, text: row.get(3)? })
        })
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        self.count_devices()
    }

    fn coverage(&self) -> Result<Facts, StoreError> {
        self.facts_of_coverage()
    }

    fn machines_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        self.infos_of(numbers, limit)
    }

    fn machines_without(&self, document: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        self.without(document, limit)
    }

    fn deliveries(&self) -> Result<Vec<ChannelTally>, StoreError> {
        self.tally_deliveries()
    }

    fn certificates(&self, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError> {
        self.certificates_by_end(limit)
    }

    fn audit_before(&self, before: Option<u64>, search: &str, limit: usize) -> Result<Vec<audit::Record>, StoreError> {
        self.audit_backwards(before, search, limit)
    }

    fn token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.one(&format!("{TOKEN_COLUMNS} WHERE digest = ?1"), &[&digest], token)
    }

    fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<TokenRecord>, StoreError> {
        let after_it = "?2 IS NULL OR (created_at, digest) < (SELECT created_at, digest FROM token WHERE digest = ?2)";
        let sql = format!("{TOKEN_COLUMNS} WHERE {after_it} ORDER BY created_at DESC, digest DESC LIMIT ?1");
        self.all(&sql, &[&limit_of(limit), &after], token)
    }

    fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError> {
        self.one("SELECT body FROM request WHERE id = ?1", &[&id], |row| body(row, 0))
    }

    fn requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        self.all("SELECT body FROM request WHERE waiting ORDER BY at, id", &[], |row| body(row, 0))
    }

    fn is_enrolled(&self, device: &DeviceId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM certificate WHERE device = ?1)";
        Ok(self.one(sql, &[&self.number(device)?], |row| row.get(0))?.unwrap_or(false))
    }

    fn settings(&self) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError> {
        self.settings_of_agents()
    }

    fn serials(&self) -> Result<Vec<(DeviceId, String)>, StoreError> {
        self.good_serials()
    }

    fn account(&self, name: &str) -> Result<Option<AccountRecord>, StoreError> {
        self.one(&format!("{ACCOUNT_COLUMNS} WHERE name = ?1"), &[&name], account)
    }

    fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        self.all(&format!("{ACCOUNT_COLUMNS} ORDER BY name"), &[], account)
    }

    fn sessions(&self, account: &str) -> Result<Vec<SessionRecord>, StoreError> {
        self.all(&format!("{SESSION_COLUMNS} WHERE account = ?1 ORDER BY created_at DESC"), &[&account], session)
    }

    fn session(&self, digest: &str) -> Result<Option<SessionRecord>, StoreError> {
        self.one(&format!("{SESSION_COLUMNS} WHERE digest = ?1"), &[&digest], session)
    }

    fn audit(&self, after: u64, limit: usize) -> Result<Vec<audit::Record>, StoreError> {
        let sql = format!("{AUDIT_COLUMNS} WHERE number > ?1 ORDER BY number LIMIT ?2");
        self.all(&sql, &[&super::signed(after), &limit_of(limit)], audit_record)
    }

    fn rows(&self, device: &DeviceId, after: u64) -> Result<Vec<HistoryRow>, StoreError> {
        self.newest_rows(device, after, u64::MAX)
    }

    fn newest_rows(&self, device: &DeviceId, after: u64, most_bytes: u64) -> Result<Vec<HistoryRow>, StoreError> {
        self.rows_back(self.number(device)?, after, most_bytes)
    }

    fn rows_to_fold(
        &self,
        device: &DeviceId,
        after: u64,
        limit: usize,
    ) -> Result<(Vec<HistoryRow>, Vec<u64>), StoreError> {
        let (mut rows, mut corrupt) = (Vec::new(), Vec::new());
        for number in self.chain(self.number(device)?, after, limit)? {
            let sql = "SELECT epoch, seq, at, layout, data, number FROM sample WHERE number = ?1";
            match self.one(sql, &[&number], history_row)? {
                Some(Ok(row)) => rows.push(row),
                Some(Err(_)) => corrupt.push(number.unsigned_abs()),
                None => {}
            }
        }
        Ok((rows, corrupt))
    }

    fn rows_after(&self, after: u64, limit: usize) -> Result<Vec<Arrived>, StoreError> {
        self.arrived(after, limit)
    }

    fn clock(&self) -> Result<Option<ClockMark>, StoreError> {
        self.one(super::clock::MARK, &[], |row| body(row, 0))
    }

    fn last_row(&self) -> Result<u64, StoreError> {
        let last = self.one("SELECT max(number) FROM sample", &[], |row| row.get::<_, Option<i64>>(0))?;
        Ok(last.flatten().unwrap_or(0).unsigned_abs())
    }

    fn last_row_before(&self, received: Timestamp) -> Result<u64, StoreError> {
        self.row_before(received)
    }

    fn devices_with_rows(&self) -> Result<Vec<DeviceId>, StoreError> {
        let sql = "SELECT d.info FROM device d JOIN live l ON l.device = d.number \
                   WHERE EXISTS (SELECT 1 FROM sample WHERE number = l.row AND device = d.number) ORDER BY d.number";
        self.all(sql, &[], |row| Ok(body::<DeviceInfo>(row, 0)?.id))
    }

    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError> {
        let sql = "SELECT folded FROM history.device WHERE id = ?1";
        let folded = self.one(sql, &[&device.as_str()], |row| row.get::<_, i64>(0))?;
        Ok(folded.unwrap_or(0).unsigned_abs())
    }

    fn examine(&self, deep: bool) -> Vec<String> {
        super::examine::examine(&self.connection, deep)
    }

    fn chunks(&self, query: &ChunkQuery<'_>) -> Result<Vec<StoredChunk>, StoreError> {
        let (from, until) = (query.tier.chunk_of(query.from.as_millis()), query.until.as_millis());
        let mut sql =
            "SELECT c.chunk, s.name, c.data FROM history.device d JOIN history.chunk c ON c.device = d.number \
                       JOIN history.series s ON s.number = c.series \
                       WHERE d.id = ?1 AND c.tier = ?2 AND c.chunk >= ?3 AND c.chunk < ?4"
                .to_owned();
        let (device, tier) = (query.device.as_str(), query.tier.number());
        let mut params: Vec<&dyn ToSql> = vec![&device, &tier, &from, &until];
        if !query.names.is_empty() {
            let places: Vec<String> = (0..query.names.len()).map(|place| format!("?{}", place + 5)).collect();
            let places = places.join(", ");
            sql += &format!(" AND c.series IN (SELECT number FROM history.series WHERE name IN ('', {places}))");
            params.extend(query.names.iter().map(|name| name as &dyn ToSql));
        }
        let chunk = |row: &Row<'_>| Ok(StoredChunk { chunk: row.get(0)?, series: row.get(1)?, data: row.get(2)? });
        Ok(self.chunks_as_shown(self.all(&sql, &params, chunk)?))
    }
}
