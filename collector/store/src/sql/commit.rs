//! One commit: what the nouns write through, and what the writer knows without asking. [`super::apply`] says which noun writes which change.

use std::collections::{HashMap, HashSet, VecDeque};

use ioc_common::clock::{self as time, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::layout::LayoutId;
use ioc_common::report::Position;

use super::audit_tree;
use super::excess::Excess;
use super::newest::{self, Lag, NewestByDevice, NewestChanges};
use super::patience::Patience;
use super::postgres::SampleRows;
use super::touched::Touched;
use crate::audit::{AuditTip, GENESIS};
use crate::merkle::Frontier;
use crate::sql::{self, Connection, OptionalExtension as _, Params, Transaction, params};

/// What the writer knows without asking the database.
#[derive(Debug)]
pub(crate) struct WriterCache {
    numbers: HashMap<DeviceId, i64>,
    layouts: HashSet<u64>,
    /// What is newest of each device, and how far the table is behind it.
    pub(crate) newest: NewestByDevice,
    pub(crate) lag: Lag,
    /// The number of the next row of history. A number is never given twice.
    next_row: i64,
    last_audit: (u64, String),
    /// The Merkle tree over the audit log's records.
    audit_tree: Frontier,
    /// The clock is in doubt: nothing is deleted that goes by its age.
    keeps_all: bool,
    /// A commit is on disk when it returns.
    pub(crate) waits_for_disk: bool,
    /// What is beyond its number and not gone yet.
    excess: VecDeque<Excess>,
    patience: Patience,
    touched: Touched,
}

impl WriterCache {
    /// Up to row `folded` all is folded; `keeps_all` while the clock is in doubt.
    pub(crate) fn read(
        connection: Connection<'_>,
        (patience, touched): (Patience, Touched),
        folded: i64,
        keeps_all: bool,
    ) -> sql::Result<Self> {
        let mut numbers = HashMap::new();
        let mut statement = connection.prepare_cached("SELECT id, number FROM device")?;
        for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))? {
            let (id, number) = row?;
            if let Ok(id) = DeviceId::new(&id) {
                numbers.insert(id, number);
            }
        }
        let (newest, lag) = newest::restore(connection)?;
        let largest: Option<i64> = connection.query_row("SELECT max(number) FROM sample", [], |row| row.get(0))?;
        let next_row = largest.unwrap_or(0).max(newest.largest_row()).max(folded) + 1;
        let last = connection.query_row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
        });
        let last_audit = last.optional()?.unwrap_or_else(|| (0, GENESIS.to_owned()));
        Ok(Self {
            numbers,
            layouts: HashSet::new(),
            newest,
            lag,
            next_row,
            last_audit,
            audit_tree: audit_tree::restore(connection)?,
            keeps_all,
            waits_for_disk: true,
            excess: VecDeque::new(),
            patience,
            touched,
        })
    }

    /// The number of the next row of history.
    pub(crate) const fn next_row(&self) -> i64 {
        self.next_row
    }

    /// The last record of the audit log, and the tree up to it.
    pub(crate) fn audit_tip(&self) -> AuditTip {
        let (number, hash) = self.last_audit.clone();
        AuditTip { number, hash, tree: self.audit_tree.clone() }
    }
}

/// A commit in progress, and what it has learnt, which is thrown away when it fails.
pub(crate) struct Commit<'s> {
    pub(super) transaction: Transaction<'s>,
    cache: &'s mut WriterCache,
    new_numbers: Vec<DeviceId>,
    new_layouts: Vec<u64>,
    /// What it changes of what is newest.
    changed: NewestChanges,
    first_row: i64,
    pub(super) next_row: i64,
    pub(super) last_audit: (u64, String),
    pub(super) audit_tree: Frontier,
    /// When its rows are received, milliseconds.
    pub(super) received: i64,
    pub(super) keeps_all: bool,
    /// What is beyond its number: what is left of it waits for the next commits.
    pub(super) excess: VecDeque<Excess>,
    /// Rows of history that go to PostgreSQL together.
    samples: SampleRows,
    /// Until when it deletes records, boot clock, microseconds; none before it deleted any.
    deletes_until_us: Option<u64>,
}

/// How long a commit is deleting records, about, microseconds, all of them together; what is left waits for the next turn.
const DELETE_US: u64 = 5000;

impl<'s> Commit<'s> {
    pub(crate) fn begin(connection: Connection<'s>, cache: &'s mut WriterCache) -> sql::Result<Self> {
        Ok(Self {
            transaction: Transaction::begin(connection)?,
            new_numbers: Vec::new(),
            new_layouts: Vec::new(),
            changed: NewestChanges::default(),
            first_row: cache.next_row,
            next_row: cache.next_row,
            last_audit: cache.last_audit.clone(),
            audit_tree: cache.audit_tree.clone(),
            received: time::now().as_millis(),
            keeps_all: cache.keeps_all,
            excess: std::mem::take(&mut cache.excess),
            samples: SampleRows::default(),
            deletes_until_us: None,
            cache,
        })
    }

    /// Makes what `write` changes durable, as the commit of a number; all of it or nothing.
    pub(crate) fn make(mut self, number: u64, write: impl FnOnce(&mut Self) -> sql::Result<()>) -> sql::Result<()> {
        self.cache.touched.begin(number);
        let mut result = write(&mut self).and_then(|()| self.send_samples());
        if self.transaction.wrote_to_incidents() {
            self.cache.touched.wrote();
        }
        if result.is_ok() {
            let made = (self.first_row, self.received);
            result = self.changed.write(*self.transaction, number, made, &self.cache.newest, &self.cache.lag);
        }
        if result.is_ok() {
            result = self.transaction.commit();
        } else {
            drop(self.transaction);
        }
        self.cache.excess = self.excess;
        if let Err(error) = result {
            for id in self.new_numbers {
                self.cache.numbers.remove(&id);
            }
            for id in self.new_layouts {
                self.cache.layouts.remove(&id);
            }
            return Err(error);
        }
        self.changed.committed(&self.cache.newest, &mut self.cache.lag, number + 1);
        self.cache.next_row = self.next_row;
        self.cache.last_audit = self.last_audit;
        self.cache.audit_tree = self.audit_tree;
        self.cache.keeps_all = self.keeps_all;
        Ok(())
    }

    /// Appends a row of history: all its columns but the last, and what it says.
    pub(super) fn append_sample(&mut self, numbers: [i64; 8], data: &[u8]) -> sql::Result<()> {
        let [number, device, previous, epoch, seq, at, received, layout] = numbers;
        match *self.transaction {
            Connection::Sqlite(_) => self.run(
                "INSERT INTO sample (number, device, previous, epoch, seq, at, received, layout, data) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![number, device, previous, epoch, seq, at, received, layout, data],
            ),
            Connection::Postgres(_) => {
                self.samples.push(numbers, data);
                Ok(())
            }
        }
    }

    fn send_samples(&mut self) -> sql::Result<()> {
        match *self.transaction {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(session) => self.samples.send(session),
        }
    }

    /// Asks for so long at most, microseconds: none when it was broken off.
    pub(super) fn ask<T>(&self, most_us: u64, ask: impl FnOnce() -> sql::Result<T>) -> sql::Result<Option<T>> {
        self.cache.patience.ask(*self.transaction, self.cache.patience.span_us(most_us), ask)
    }

    /// Whether nothing was written to an incident since so many commits were made, as far as that is known.
    pub(super) fn is_as_of(&self, incident: i64, commits: u64) -> bool {
        !self.transaction.wrote_to_incidents() && self.cache.touched.is_as_of(incident, commits)
    }

    /// Whether it may delete more: from the first time that it is asked it has so long.
    pub(super) fn has_time_to_delete(&mut self) -> bool {
        let now_us = time::boottime_us();
        now_us < *self.deletes_until_us.get_or_insert(now_us + self.cache.patience.span_us(DELETE_US))
    }

    /// The number that stands for a device.
    pub(super) fn number(&self, device: &DeviceId) -> sql::Result<i64> {
        // A device that is not enrolled has no number; the engine never lets its changes through.
        self.cache.numbers.get(device).copied().ok_or(sql::Error::QueryReturnedNoRows)
    }

    pub(super) fn knows(&self, device: &DeviceId) -> bool {
        self.cache.numbers.contains_key(device)
    }

    pub(super) fn learn_number(&mut self, device: &DeviceId, number: i64) {
        self.cache.numbers.insert(device.clone(), number);
        self.new_numbers.push(device.clone());
    }

    /// Whether a layout was not known before.
    pub(super) fn learn_layout(&mut self, id: u64) -> bool {
        let new = self.cache.layouts.insert(id);
        if new {
            self.new_layouts.push(id);
        }
        new
    }

    /// The newest row of a device; 0 when it has none.
    pub(super) fn newest_row(&self, device: i64) -> i64 {
        self.changed.row(&self.cache.newest, device)
    }

    /// A number for a new row of a device, which holds its newest numbers where they are given.
    pub(super) fn take_row(&mut self, device: i64, latest: Option<(LayoutId, &[u8])>) -> i64 {
        let number = self.next_row;
        self.changed.appended(&self.cache.newest, device, number, latest);
        self.next_row += 1;
        number
    }

    /// What the judge tracks of a device.
    pub(super) fn set_watermark(
        &mut self,
        device: &DeviceId,
        position: Position,
        times: (Option<Timestamp>, Option<Timestamp>),
        clock_error_ms: Option<i64>,
    ) -> sql::Result<()> {
        let number = self.number(device)?;
        let times = (times.0.map(Timestamp::as_millis), times.1.map(Timestamp::as_millis));
        self.changed.set(&self.cache.newest, number, position, times, clock_error_ms);
        Ok(())
    }

    /// Writes, and does not ask how much.
    pub(super) fn run(&self, sql: &str, params: impl Params) -> sql::Result<()> {
        self.transaction.write(sql, params)
    }

    /// A person knows of what was found to be lost.
    pub(super) fn confirm_loss(&self) -> sql::Result<()> {
        self.run("UPDATE state SET lost = ''", [])
    }

    /// Deletes what is older than a moment, unless the clock is in doubt.
    pub(super) fn prune(&self, sql: &str, before_ms: i64) -> sql::Result<()> {
        if self.keeps_all { Ok(()) } else { self.run(sql, [before_ms]) }
    }
}
