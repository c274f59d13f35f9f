//! A reader: its connection, what a noun's queries are asked through, and which noun answers what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};
use serde::de::DeserializeOwned;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_common::layout::{Layout, LayoutId};
use ioc_common::report::Position;
use ioc_common::software::Item;
use ioc_judge::duty::Cover;
use ioc_judge::{DeviceInfo, Fault, Incident, Snapshot, Window};

use super::newest::NewestByDevice;
use super::{
    account, archive, audit, certificate, clock, coverage, database, device, document, duty, enrolment, event, examine,
    fault, incident, maintenance, outbox, sample, snapshot, software, ticket,
};
use crate::audit::Record;
use crate::coverage::CoverageFacts;
use crate::inventory::DeviceRecord;
use crate::scope::AccessScope;
use crate::{
    AccountRecord, ChannelTally, ChunkQuery, ClockMark, Counts, DeviceHistoryRow, DeviceQuery, DocumentRecord,
    EventRecord, FaultQuery, Handover, HistoryRow, OutboxEntry, PendingDelivery, PlaceCount, Reader, RecordKind,
    RequestRecord, RowNumbers, SavedView, SessionRecord, StoreError, StoredChunks, StoredRow, TicketQuery,
    TicketRecord, TokenRecord, WholeIncident,
};

/// A reader with its own connection.
#[derive(Debug)]
pub(super) struct SqliteReader {
    path: PathBuf,
    connection: Connection,
    /// What is newest of each device.
    pub(super) newest: NewestByDevice,
    /// Who has an account on a machine is left out of what is read.
    pub(super) sealed: bool,
    /// Only some places are shown.
    pub(super) limited: bool,
}

impl SqliteReader {
    pub(super) fn new(path: PathBuf, connection: Connection, newest: NewestByDevice) -> rusqlite::Result<Self> {
        let heard = newest.clone();
        // For lists that are sorted by it.
        connection.create_scalar_function("last_heard", 1, FunctionFlags::SQLITE_UTF8, move |context| {
            Ok(heard.last_heard(context.get(0)?))
        })?;
        Ok(Self { path, connection, newest, sealed: false, limited: false })
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
        run().map_err(|source| database(&self.path, source))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let run = || self.connection.prepare_cached(sql)?.query_row(params, read).optional();
        run().map_err(|source| database(&self.path, source))
    }

    /// Changes what is this connection's own.
    pub(super) fn run(&self, sql: &str, params: &[&dyn ToSql]) -> Result<usize, StoreError> {
        let run = || self.connection.prepare_cached(sql)?.execute(params);
        run().map_err(|source| database(&self.path, source))
    }

    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(|source| database(&self.path, source))
    }

    pub(super) fn number(&self, id: &DeviceId) -> Result<i64, StoreError> {
        Ok(self.one("SELECT number FROM device WHERE id = ?1", &[&id.as_str()], |row| row.get(0))?.unwrap_or(-1))
    }

    /// How many rows of a table belong to a device, counted up to `most`.
    fn count_of(&self, table: &str, device: &DeviceId, most: u64) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} WHERE device = ?1 LIMIT ?2)");
        let most = limit_of(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(self.one(&sql, &[&self.number(device)?, &most], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
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

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The number below which to continue, for lists that show the newest first.
pub(super) fn below(before: Option<u64>) -> i64 {
    before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX))
}

impl Reader for SqliteReader {
    fn limit(&mut self, scope: &AccessScope) -> Result<(), StoreError> {
        (self.sealed, self.limited) = (!scope.sees_names(), !scope.is_everywhere());
        if scope.is_everywhere() { Ok(()) } else { self.limit_to(scope) }
    }

    fn snapshot(&self, resolved_since: Timestamp) -> Result<Snapshot, StoreError> {
        snapshot::take(self, resolved_since)
    }

    fn devices(&self, query: &DeviceQuery) -> Result<Vec<DeviceRecord>, StoreError> {
        device::list(self, query)
    }

    fn devices_count(&self, query: &DeviceQuery) -> Result<u64, StoreError> {
        device::count(self, query)
    }

    fn places(&self) -> Result<Vec<String>, StoreError> {
        device::places(self)
    }

    fn places_by_state(&self) -> Result<Vec<PlaceCount>, StoreError> {
        device::places_by_state(self)
    }

    fn machines_by_place(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        device::machines_by_place(self)
    }

    fn views(&self, account: &str) -> Result<Vec<SavedView>, StoreError> {
        account::views(self, account)
    }

    fn device(&self, id: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
        device::find(self, id)
    }

    fn hello(&self, id: &DeviceId) -> Result<Option<String>, StoreError> {
        device::hello(self, id)
    }

    fn documents(&self, id: &DeviceId) -> Result<Vec<DocumentRecord>, StoreError> {
        document::list(self, id)
    }

    fn document_sizes(&self, id: &DeviceId) -> Result<BTreeMap<String, u32>, StoreError> {
        document::sizes(self, id)
    }

    fn records_count(&self, id: &DeviceId, kind: RecordKind, most: u64) -> Result<u64, StoreError> {
        match kind {
            RecordKind::Events => self.count_of("event", id, most),
            RecordKind::Software => self.count_of("software", id, most),
        }
    }

    fn events(&self, id: &DeviceId, before: Option<u64>, limit: usize) -> Result<Vec<EventRecord>, StoreError> {
        event::list(self, id, before, limit)
    }

    fn software_list(&self, id: &DeviceId) -> Result<Option<(String, Timestamp)>, StoreError> {
        software::whole_list(self, id)
    }

    fn software(&self, id: &DeviceId, after: &str, limit: usize) -> Result<Vec<Item>, StoreError> {
        software::items(self, id, after, limit)
    }

    fn layout(&self, id: LayoutId) -> Result<Option<Layout>, StoreError> {
        sample::layout(self, id)
    }

    fn faults(&self, query: &FaultQuery<'_>, limit: usize) -> Result<Vec<Fault>, StoreError> {
        fault::list(self, query, limit)
    }

    fn incidents(
        &self,
        device: Option<&DeviceId>,
        active: bool,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        incident::list(self, device, active, before, limit)
    }

    fn incident(&self, id: IncidentId) -> Result<Option<WholeIncident>, StoreError> {
        incident::find(self, id)
    }

    fn outbox_waiting(&self, channel: &str, limit: usize) -> Result<Vec<PendingDelivery>, StoreError> {
        outbox::waiting(self, channel, limit)
    }

    fn outbox_channels(&self) -> Result<Vec<String>, StoreError> {
        outbox::channels(self)
    }

    fn outbox_dead(&self, limit: usize) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox::dead(self, limit)
    }

    fn outbox_entry(&self, key: &str) -> Result<Option<OutboxEntry>, StoreError> {
        outbox::find(self, key)
    }

    fn contacts(&self) -> Result<Vec<OutboxEntry>, StoreError> {
        outbox::contacts(self)
    }

    fn tickets(&self, query: &TicketQuery<'_>, limit: usize) -> Result<Vec<TicketRecord>, StoreError> {
        ticket::list(self, query, limit)
    }

    fn attachment(&self, incident: IncidentId, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        incident::attachment(self, incident, sha256)
    }

    fn windows(&self) -> Result<Vec<Window>, StoreError> {
        maintenance::planned(self)
    }

    fn windows_over(&self, since: Timestamp) -> Result<Vec<(Window, Timestamp)>, StoreError> {
        maintenance::over(self, since)
    }

    fn covers(&self) -> Result<Vec<Cover>, StoreError> {
        duty::covers(self)
    }

    fn handovers(&self, limit: usize) -> Result<Vec<Handover>, StoreError> {
        duty::handovers(self, limit)
    }

    fn counts(&self) -> Result<Counts, StoreError> {
        device::counts(self)
    }

    fn coverage(&self) -> Result<CoverageFacts, StoreError> {
        coverage::facts(self)
    }

    fn machines_of(&self, numbers: &BTreeSet<u64>, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        device::machines_of(self, numbers, limit)
    }

    fn machines_without(&self, document: &str, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
        device::machines_without(self, document, limit)
    }

    fn deliveries(&self) -> Result<Vec<ChannelTally>, StoreError> {
        outbox::tally(self)
    }

    fn certificates(&self, limit: usize) -> Result<Vec<(DeviceId, Timestamp)>, StoreError> {
        certificate::by_end(self, limit)
    }

    fn audit_before(&self, before: Option<u64>, search: &str, limit: usize) -> Result<Vec<Record>, StoreError> {
        audit::before(self, before, search, limit)
    }

    fn token(&self, digest: &str) -> Result<Option<TokenRecord>, StoreError> {
        enrolment::token(self, digest)
    }

    fn tokens(&self, after: Option<&str>, limit: usize) -> Result<Vec<TokenRecord>, StoreError> {
        enrolment::tokens(self, after, limit)
    }

    fn request(&self, id: &str) -> Result<Option<RequestRecord>, StoreError> {
        enrolment::request(self, id)
    }

    fn requests(&self) -> Result<Vec<RequestRecord>, StoreError> {
        enrolment::requests(self)
    }

    fn is_enrolled(&self, device: &DeviceId) -> Result<bool, StoreError> {
        certificate::is_enrolled(self, device)
    }

    fn settings(&self) -> Result<Vec<(DeviceInfo, Option<String>)>, StoreError> {
        document::settings(self)
    }

    fn serials(&self) -> Result<Vec<(DeviceId, String)>, StoreError> {
        certificate::serials(self)
    }

    fn account(&self, name: &str) -> Result<Option<AccountRecord>, StoreError> {
        account::find(self, name)
    }

    fn accounts(&self) -> Result<Vec<AccountRecord>, StoreError> {
        account::list(self)
    }

    fn sessions(&self, account: &str) -> Result<Vec<SessionRecord>, StoreError> {
        account::sessions(self, account)
    }

    fn session(&self, digest: &str) -> Result<Option<SessionRecord>, StoreError> {
        account::session(self, digest)
    }

    fn audit(&self, after: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        audit::after(self, after, limit)
    }

    fn rows(&self, device: &DeviceId, after: u64) -> Result<Vec<HistoryRow>, StoreError> {
        self.newest_rows(device, after, u64::MAX)
    }

    fn newest_rows(&self, device: &DeviceId, after: u64, most_bytes: u64) -> Result<Vec<HistoryRow>, StoreError> {
        sample::newest_rows(self, device, after, most_bytes)
    }

    fn rows_to_fold(&self, after: u64, through: u64, limit: usize) -> Result<Vec<StoredRow>, StoreError> {
        sample::rows_to_fold(self, after, through, limit)
    }

    fn device_of(&self, number: u64) -> Result<Option<DeviceId>, StoreError> {
        sample::device_of(self, number)
    }

    fn rows_after(&self, after: u64, limit: usize) -> Result<Vec<DeviceHistoryRow>, StoreError> {
        sample::rows_after(self, after, limit)
    }

    fn clock(&self) -> Result<Option<ClockMark>, StoreError> {
        clock::believed(self)
    }

    fn last_row(&self) -> Result<u64, StoreError> {
        sample::last(self)
    }

    fn row_numbers(&self) -> Result<RowNumbers, StoreError> {
        sample::row_numbers(self)
    }

    fn last_row_before(&self, received: Timestamp) -> Result<u64, StoreError> {
        sample::last_before(self, received)
    }

    fn folded(&self, device: &DeviceId) -> Result<u64, StoreError> {
        archive::folded(self, device)
    }

    fn examine(&self, deep: bool) -> Vec<String> {
        examine::examine(&self.connection, deep)
    }

    fn chunks(&self, query: &ChunkQuery<'_>) -> Result<StoredChunks, StoreError> {
        archive::chunks(self, query)
    }
}
