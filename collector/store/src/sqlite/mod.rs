//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer, group commit.

mod archive;
mod bounds;
mod clock;
mod counting;
mod examine;
mod fleet;
mod guard;
mod limit;
mod opening;
mod outbox;
mod people;
mod read;
mod recover;
mod sealed;
mod version;
mod work;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use serde::Serialize;

use ioc_common::clock::{self as time, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::{IncidentState, Severity};

use super::{Archive, Change, Lost, Reader, RequestState, Store, StoreError};
use crate::audit;
use crate::collation;
use crate::role::Role;
use archive::SqliteArchive;
use guard::{Guard, Opening};
use opening::{prepare, reading};
use read::SqliteReader;
pub use recover::Saved;

/// How long a lock that another process holds (a backup) is waited for.
const BUSY_MS: u64 = 10_000;

/// The embedded store.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    connection: Connection,
    numbers: HashMap<DeviceId, i64>,
    layouts: std::collections::HashSet<u64>,
    /// The newest row of each device, and the number of the next row. A number is never given twice.
    newest: HashMap<i64, i64>,
    next_row: i64,
    last_audit: (u64, String),
    guard: Guard,
    lost: Lost,
    /// The clock is in doubt: nothing is deleted that goes by its age.
    keeps_all: bool,
}

/// The store's file.
const FILE: &str = "ioc-watch.db";
/// Everything that is the store: what happens, and folded history, each with its write-ahead log.
pub const FILES: [&str; 4] = [FILE, "ioc-watch.db-wal", archive::FILE, "history.db-wal"];

impl SqliteStore {
    /// Opens or makes the store in `dir`, for this process alone. What is found to be lost does not keep it from opening: see
    /// [`Store::lost`].
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened, was written by a newer version, is used by another collector, or is gone while its
    /// watermark is there.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::File { path: dir.to_owned(), source })?;
        let path = dir.join(FILE);
        let opening = Opening::begin(dir)?;
        let mut connection = Connection::open(&path).map_err(|source| database(&path, source))?;
        let lost = opening.compare(&connection)?;
        prepare(&connection).map_err(|source| database(&path, source))?;
        version::migrate(&mut connection, &path)?;
        let (guard, lost) = opening.finish(&connection, &lost)?;
        let mut store = Self {
            path,
            connection,
            numbers: HashMap::new(),
            layouts: std::collections::HashSet::new(),
            newest: HashMap::new(),
            next_row: 1,
            last_audit: (0, audit::GENESIS.to_owned()),
            guard,
            lost,
            keeps_all: false,
        };
        store.warm().map_err(|source| database(&store.path, source))?;
        // What was in the log so far is put into its place: a log that is damaged later holds only what came later.
        // On a full disk that waits.
        if let Err(error) = store.close() {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
        // Made here, so that readers find it.
        SqliteArchive::open(dir)?;
        Ok(store)
    }

    /// Whether there is a store in `dir`, sound or not: a file without tables is none.
    #[must_use]
    pub fn is_there(dir: &Path) -> bool {
        dir.join(FILE).exists() && !matches!(Self::check(dir), Ok(0))
    }

    /// Looks over the store in `dir`, whoever writes it, and says what is wrong, a line each. `deep` reads every checksum.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be opened.
    pub fn look(dir: &Path, deep: bool) -> Result<Vec<String>, StoreError> {
        Ok(examine::examine(&reading(&dir.join(FILE))?, deep))
    }

    /// Makes a new store in `dir` out of what can be read of a damaged one, which is kept beside it.
    ///
    /// # Errors
    /// [`StoreError`] when a collector uses it, or the new one cannot be written.
    pub fn recover(dir: &Path) -> Result<Vec<Saved>, StoreError> {
        recover::recover(dir)
    }

    /// Renames what is left of a store that cannot be used, so that a new one can be made in its place.
    ///
    /// # Errors
    /// [`StoreError`] when another collector uses it, or a file cannot be renamed.
    pub fn put_aside(dir: &Path) -> Result<(), StoreError> {
        guard::put_aside(dir)
    }

    fn warm(&mut self) -> rusqlite::Result<()> {
        let mut statement = self.connection.prepare("SELECT id, number FROM device")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        for row in rows {
            let (id, number) = row?;
            if let Ok(id) = DeviceId::new(&id) {
                self.numbers.insert(id, number);
            }
        }
        drop(statement);
        let mut statement = self.connection.prepare("SELECT device, row FROM live")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.newest = rows.collect::<rusqlite::Result<_>>()?;
        drop(statement);
        let largest: Option<i64> = self.connection.query_row("SELECT max(number) FROM sample", [], |row| row.get(0))?;
        self.next_row = largest.into_iter().chain(self.newest.values().copied()).max().unwrap_or(0) + 1;
        let last =
            self.connection.query_row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", [], |row| {
                Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?))
            });
        if let Some(last) = last.optional()? {
            self.last_audit = last;
        }
        self.keeps_all = clock::mark(&self.connection)?.is_some_and(|mark| mark.keeps_all());
        Ok(())
    }
}

/// What a commit in progress has learnt; thrown away when it fails.
struct Pending<'s> {
    transaction: Transaction<'s>,
    numbers: &'s mut HashMap<DeviceId, i64>,
    layouts: &'s mut std::collections::HashSet<u64>,
    newest: &'s mut HashMap<i64, i64>,
    /// The newest rows of this commit.
    appended: HashMap<i64, i64>,
    next_row: i64,
    new_numbers: Vec<DeviceId>,
    new_layouts: Vec<u64>,
    last_audit: (u64, String),
    received: i64,
    keeps_all: bool,
}

impl Store for SqliteStore {
    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let path = self.path.clone();
        let mut pending = Pending {
            transaction: self.connection.transaction().map_err(|source| database(&path, source))?,
            numbers: &mut self.numbers,
            layouts: &mut self.layouts,
            newest: &mut self.newest,
            appended: HashMap::new(),
            next_row: self.next_row,
            new_numbers: Vec::new(),
            new_layouts: Vec::new(),
            last_audit: self.last_audit.clone(),
            received: time::now().as_millis(),
            keeps_all: self.keeps_all,
        };
        let number = signed(self.guard.next());
        let mut result = changes.iter().try_for_each(|change| pending.apply(change));
        if result.is_ok() {
            result = pending.run("UPDATE state SET commits = ?1", [number]).map(|_| ());
        }
        let Pending {
            transaction,
            numbers,
            layouts,
            new_numbers,
            new_layouts,
            last_audit,
            newest,
            appended,
            next_row,
            keeps_all,
            ..
        } = pending;
        if result.is_ok() {
            result = transaction.commit();
        } else {
            drop(transaction);
        }
        if let Err(source) = result {
            for id in new_numbers {
                numbers.remove(&id);
            }
            for id in new_layouts {
                layouts.remove(&id);
            }
            return Err(database(&path, source));
        }
        self.last_audit = last_audit;
        newest.extend(appended);
        self.next_row = next_row;
        self.guard.committed();
        self.keeps_all = keeps_all;
        Ok(())
    }

    fn lost(&self) -> &Lost {
        &self.lost
    }

    fn close(&mut self) -> Result<(), StoreError> {
        // Readers may still hold a part of the log; what is left of it is read at the next start.
        let emptied = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        self.guard.sync();
        emptied.map_err(|source| database(&self.path, source))
    }

    fn forget_rows(&mut self, through: u64, limit: usize) -> Result<usize, StoreError> {
        let sql = "DELETE FROM sample WHERE number IN (SELECT number FROM sample WHERE number <= ?1 ORDER BY number LIMIT ?2)";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.connection.execute(sql, params![signed(through), limit]).map_err(|source| database(&self.path, source))
    }

    fn archive(&self) -> Result<Box<dyn Archive>, StoreError> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        Ok(Box::new(SqliteArchive::open(dir)?))
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        Ok(Box::new(SqliteReader::new(self.path.clone(), reading(&self.path)?)))
    }
}

impl Pending<'_> {
    fn number(&mut self, device: &DeviceId) -> rusqlite::Result<i64> {
        // A device that is not enrolled has no number; the engine never lets its changes through.
        self.numbers.get(device).copied().ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.transaction.prepare_cached(sql)?.execute(params)
    }

    #[allow(clippy::too_many_lines, reason = "one arm per change; splitting it would hide that the list is whole")]
    fn apply(&mut self, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Sample { device, position, at, layout, row } => {
                let number = self.number(device)?;
                let row_number = self.next_row;
                let previous = self.appended.insert(number, row_number).or_else(|| self.newest.get(&number).copied());
                self.next_row += 1;
                self.run(
                    "INSERT INTO sample (number, device, previous, epoch, seq, at, received, layout, data) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        row_number,
                        number,
                        previous.unwrap_or(0),
                        signed(position.epoch),
                        signed(position.seq),
                        at.as_millis(),
                        self.received,
                        signed(layout.0),
                        row
                    ],
                )?;
            }
            Change::Watermark { device, position, last_heard, last_sample, clock_error_ms, latest } => {
                let number = self.number(device)?;
                let (epoch, seq) = (signed(position.epoch), signed(position.seq));
                let newest = self.appended.get(&number).or_else(|| self.newest.get(&number)).copied().unwrap_or(0);
                let (heard, sample) = (last_heard.map(Timestamp::as_millis), last_sample.map(Timestamp::as_millis));
                match latest {
                    Some((layout, row)) => self.run(
                        "INSERT INTO live (device, epoch, seq, last_heard, last_sample, clock_error_ms, row, layout, latest) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (device) DO UPDATE SET epoch = ?2, seq = ?3, \
                         last_heard = ?4, last_sample = ?5, clock_error_ms = ?6, row = ?7, layout = ?8, latest = ?9",
                        params![number, epoch, seq, heard, sample, clock_error_ms, newest, signed(layout.0), row],
                    )?,
                    None => self.run(
                        "INSERT INTO live (device, epoch, seq, last_heard, last_sample, clock_error_ms, row) \
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (device) DO UPDATE SET epoch = ?2, seq = ?3, \
                         last_heard = ?4, last_sample = ?5, clock_error_ms = ?6, row = ?7",
                        params![number, epoch, seq, heard, sample, clock_error_ms, newest],
                    )?,
                };
            }
            Change::Layout(layout) => {
                if self.layouts.insert(layout.id().0) {
                    self.new_layouts.push(layout.id().0);
                    self.run(
                        "INSERT OR IGNORE INTO layout (id, series) VALUES (?1, ?2)",
                        params![signed(layout.id().0), json(layout.series())?],
                    )?;
                }
            }
            Change::Device { info, at } => {
                let tags = info.tags.join("\n");
                let search =
                    format!("{}\n{}\n{}\n{}\n{tags}", info.id, info.name, info.label, info.place).to_lowercase();
                self.run(
                    "INSERT INTO device (id, info, search, enrolled_at, computer, kind, place, name_key, place_key) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
                     ON CONFLICT (id) DO UPDATE SET info = ?2, search = ?3, computer = ?5, kind = ?6, place = ?7, name_key = ?8, \
                     place_key = ?9, revoked_at = NULL",
                    params![
                        info.id.as_str(),
                        json(info)?,
                        search,
                        at.as_millis(),
                        info.is_computer(),
                        info.kind.as_str(),
                        info.place,
                        collation::key(&info.name),
                        collation::key(&info.place),
                    ],
                )?;
                if !self.numbers.contains_key(&info.id) {
                    let number = self.transaction.query_row(
                        "SELECT number FROM device WHERE id = ?1",
                        [info.id.as_str()],
                        |row| row.get(0),
                    )?;
                    self.numbers.insert(info.id.clone(), number);
                    self.new_numbers.push(info.id.clone());
                }
            }
            Change::Revoked { device, at } => {
                let number = self.number(device)?;
                self.run("UPDATE device SET revoked_at = ?2 WHERE number = ?1", params![number, at.as_millis()])?;
                // For good: whoever registers it anew does not let the old machine in again.
                let sql = "UPDATE certificate SET ended_at = ?2 WHERE device = ?1 AND ended_at IS NULL";
                self.run(sql, params![number, at.as_millis()])?;
                self.run("DELETE FROM list WHERE device = ?1", [number])?;
            }
            Change::Presence { device, presence } => {
                let number = self.number(device)?;
                self.run(
                    "INSERT INTO presence (device, state, body) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (device) DO UPDATE SET state = ?2, body = ?3",
                    params![number, presence.as_str(), json(presence)?],
                )?;
            }
            Change::Hello { device, at, boot_id, fingerprint, interval_s, keep_alive_s, body } => {
                let number = self.number(device)?;
                self.run(
                    "INSERT OR REPLACE INTO hello (device, at, boot_id, fingerprint, interval_s, keep_alive_s, body) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![number, at.as_millis(), boot_id, fingerprint, interval_s, keep_alive_s, body],
                )?;
            }
            Change::Event { device, at, name, text, fields } => {
                let number = self.number(device)?;
                self.run(
                    "INSERT INTO event (device, at, name, text, fields) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![number, at.as_millis(), name, text, fields],
                )?;
            }
            Change::Losses { device, book } => {
                let number = self.number(device)?;
                let total = i64::try_from(book.total()).unwrap_or(i64::MAX);
                self.run(
                    "INSERT OR REPLACE INTO losses (device, total, body) VALUES (?1, ?2, ?3)",
                    params![number, total, json(book)?],
                )?;
            }
            Change::Document { device, name, at, body } => {
                let number = self.number(device)?;
                self.run(
                    "INSERT OR REPLACE INTO document (device, name, at, body) VALUES (?1, ?2, ?3, ?4)",
                    params![number, name, at.as_millis(), body],
                )?;
            }
            Change::Software { device, at, report } => {
                let number = self.number(device)?;
                self.software(number, at.as_millis(), report)?;
            }
            Change::EventsPruned { device, keep } => {
                let number = self.number(device)?;
                self.prune_events(number, *keep)?;
            }
            Change::SoftwareCleared { device } => {
                let number = self.number(device)?;
                self.clear_software(number)?;
            }
            Change::List { device, rule, compared } => {
                let number = self.number(device)?;
                self.run(
                    "INSERT OR REPLACE INTO list (device, rule, body) VALUES (?1, ?2, ?3)",
                    params![number, rule, json(compared)?],
                )?;
            }
            Change::Fault(fault) => {
                let number = self.number(&fault.device)?;
                self.run(
                    "INSERT INTO fault (id, device, state, severity, body, open, incident) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                     ON CONFLICT (id) DO UPDATE SET state = ?3, severity = ?4, body = ?5, open = ?6, incident = ?7",
                    params![
                        signed(fault.id.0),
                        number,
                        fault.state.as_str(),
                        rank(fault.severity),
                        json(fault)?,
                        fault.state.is_open(),
                        fault.incident.map(|incident| signed(incident.0))
                    ],
                )?;
            }
            Change::Incident(incident) => {
                let number = incident.device.as_ref().map(|device| self.number(device)).transpose()?;
                let resolved = incident.resolved_at.filter(|_| incident.state == IncidentState::Resolved);
                self.run(
                    "INSERT INTO incident (id, device, active, resolved_at, body) VALUES (?1, ?2, ?3, ?4, ?5) \
                     ON CONFLICT (id) DO UPDATE SET active = ?3, resolved_at = ?4, body = ?5",
                    params![
                        signed(incident.id.0),
                        number,
                        incident.state.is_active(),
                        resolved.map(Timestamp::as_millis),
                        json(incident)?
                    ],
                )?;
            }
            Change::Step(step) => {
                self.run(
                    "INSERT INTO step (incident, number, body) VALUES (?1, ?2, ?3)",
                    params![signed(step.incident.0), step.number, json(step)?],
                )?;
            }
            Change::Outbox(entry) => {
                self.run(
                    "INSERT OR IGNORE INTO outbox (key, incident, channel, person, address, language, notice, created_at, \
                     attempts, next_attempt_at, state, severity, step, unanswered) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                    params![
                        entry.key, signed(entry.incident.0), entry.channel, entry.person, entry.address, entry.language,
                        entry.notice, entry.created_at.as_millis(), entry.attempts, entry.next_attempt_at.as_millis(),
                        entry.state.as_str(), entry.severity as i64, entry.step, entry.unanswered
                    ],
                )?;
            }
            Change::Delivery(delivery) => {
                let delivered = (delivery.state == super::DeliveryState::Delivered).then(|| delivery.at.as_millis());
                self.run(
                    "UPDATE outbox SET state = ?2, attempts = ?3, next_attempt_at = ?4, last_error = ?5, delivered_at = ?6, \
                     unanswered = ?7 WHERE key = ?1",
                    params![
                        delivery.key, delivery.state.as_str(), delivery.attempts, delivery.next_attempt_at.as_millis(),
                        delivery.error, delivered, delivery.unanswered
                    ],
                )?;
            }
            Change::Attachment { .. }
            | Change::TicketDue { .. }
            | Change::Ticket(_)
            | Change::Window(_)
            | Change::WindowGone { .. }
            | Change::Cover(_)
            | Change::CoverGone(_)
            | Change::Handover(_) => self.apply_work(change)?,
            Change::Token(token) => {
                self.run(
                    "INSERT INTO token (digest, body, created_at, uses) VALUES (?1, ?2, ?3, 0)",
                    params![token.digest, json(token)?, token.created_at.as_millis()],
                )?;
            }
            Change::TokenUsed { digest, at, .. } => {
                let sql = "UPDATE token SET uses = uses + 1, used_at = ?2 WHERE digest = ?1";
                self.run(sql, params![digest, at.as_millis()])?;
            }
            Change::TokenEnded { digest, at } => {
                let sql = "UPDATE token SET ended_at = ?2 WHERE digest = ?1 AND ended_at IS NULL";
                self.run(sql, params![digest, at.as_millis()])?;
            }
            Change::Request(request) => {
                let waiting = request.state == RequestState::Waiting;
                let (at, seen_at) = (request.at.as_millis(), request.seen_at.as_millis());
                self.run(
                    "INSERT OR REPLACE INTO request (id, at, seen_at, waiting, body) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![request.id, at, seen_at, waiting, json(request)?],
                )?;
            }
            Change::RequestSeen { id, at } => {
                let sql =
                    "UPDATE request SET seen_at = ?2, body = json_set(body, '$.seen_at', ?3) WHERE id = ?1 AND waiting";
                self.run(sql, params![id, at.as_millis(), at.to_string()])?;
            }
            Change::RequestGone(id) => {
                self.run("DELETE FROM request WHERE id = ?1", [id])?;
            }
            Change::RequestsPruned { before } => {
                self.prune("DELETE FROM request WHERE seen_at < ?1", before.as_millis())?;
            }
            Change::Certificate { device, serial, at, expires_at, alone } => {
                let number = self.number(device)?;
                if *alone {
                    let sql = "UPDATE certificate SET ended_at = ?2 WHERE device = ?1 AND ended_at IS NULL";
                    self.run(sql, params![number, at.as_millis()])?;
                }
                self.run(
                    "INSERT INTO certificate (serial, device, at, expires_at) VALUES (?1, ?2, ?3, ?4)",
                    params![serial, number, at.as_millis(), expires_at.as_millis()],
                )?;
            }
            Change::Account(account) => {
                self.run(
                    "INSERT OR REPLACE INTO account (name, full_name, role, password, earlier, password_at, must_change, disabled, \
                     failures, locked_until, second, places) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                    params![
                        account.name,
                        account.full_name,
                        account.role.as_str(),
                        account.password,
                        json(&account.earlier)?,
                        account.password_at.as_millis(),
                        account.must_change,
                        account.disabled,
                        account.failures,
                        account.locked_until.map(Timestamp::as_millis),
                        json(&account.second)?,
                        json(&account.places)?,
                    ],
                )?;
            }
            Change::View(view) => {
                self.run("DELETE FROM view WHERE account = ?1 AND name = ?2", params![view.account, view.name])?;
                if !view.query.is_empty() {
                    let values = params![view.account, view.name, view.query];
                    self.run("INSERT INTO view (account, name, query) VALUES (?1, ?2, ?3)", values)?;
                }
            }
            Change::Session(session) => {
                self.prune("DELETE FROM session WHERE expires_at < ?1", self.received)?;
                self.run(
                    "INSERT INTO session (digest, account, label, role, peer, created_at, expires_at, foreign_in, confirmed_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    params![
                        session.digest,
                        session.account,
                        session.label,
                        session.role.map(Role::as_str),
                        session.peer,
                        session.created_at.as_millis(),
                        session.expires_at.as_millis(),
                        session.foreign,
                        session.confirmed_at.as_millis()
                    ],
                )?;
            }
            Change::SessionsEnded { account, but } => {
                self.run("DELETE FROM session WHERE account = ?1 AND digest <> ?2", params![account, but])?;
            }
            Change::SessionConfirmed { digest, at } => {
                let sql = "UPDATE session SET confirmed_at = ?2 WHERE digest = ?1";
                self.run(sql, params![digest, at.as_millis()])?;
            }
            Change::SessionEnded { digest } => {
                self.run("DELETE FROM session WHERE digest = ?1", params![digest])?;
            }
            Change::LossConfirmed => {
                self.run("UPDATE state SET lost = ''", [])?;
            }
            Change::Clock(mark) => self.mark_clock(mark)?,
            Change::ClockStepped { at, by_ms } => self.step_clock(*at, *by_ms)?,
            Change::Audit(entry) => {
                let (number, previous) = &self.last_audit;
                let record = audit::seal(previous, number + 1, entry);
                self.run(
                    "INSERT INTO audit (number, at, actor, action, subject, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        signed(record.number), record.at.as_millis(), record.actor, record.action, record.subject,
                        record.detail, record.hash
                    ],
                )?;
                self.last_audit = (record.number, record.hash);
            }
        }
        Ok(())
    }
}

/// SQLite's integers are signed; every number here lies below 2^63 (the codec sees to it).
const fn signed(value: u64) -> i64 {
    value as i64
}

/// Severity as a number that sorts.
const fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> rusqlite::Result<String> {
    ioc_judge::text::kept(|| serde_json::to_string(value))
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn database(path: &Path, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DiskFull, ReadOnly, SystemIoFailure};
    let no_room = source.sqlite_error_code().is_some_and(|code| matches!(code, DiskFull | ReadOnly | SystemIoFailure));
    StoreError::Database { path: path.to_owned(), source: Box::new(source), no_room }
}
