//! Connections: made to whichever address takes writes, told what we rely on, and asked whether the server keeps what it acknowledges.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row, Socket};

#[cfg(test)]
use super::fault::is_fenced;
use super::fault::{Fault, fault, silent};
use super::settings::{Address, PostgresSettings};
use super::tls::MakeTls;
use crate::StoreError;
use crate::sql::postgres::{Driver, wait, wait_at_most};

/// How long one address may take to be reached, and with handshake and sign-in: a server that is frozen takes what is sent and says nothing, and the
/// next address may be that of the one which took its place.
const REACH_S: u64 = 3;
const CONNECT_S: u64 = 5;
/// How long an answer about the lease may take: more than a statement about it may. The server that does not say that it took too long is frozen or cut off.
const LEASE_ANSWER_S: u64 = 4;
/// A connection on which nothing is acknowledged is given up after so long, and one that is idle is asked so often.
const UNACKNOWLEDGED_S: u64 = 10;
const IDLE_S: u64 = 5;
/// A transaction in which nothing is said is ended by the server after so long: what a collector that was paused holds must not keep the next one from
/// writing.
const SILENT_TRANSACTION_MS: u64 = 5000;
/// The oldest version of the server: the one that is tested.
const VERSION_MIN: i32 = 150_000;

/// What a connection is for, which says how long its statements may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The one writer.
    Writer,
    /// The one writer of folded history.
    History,
    /// Questions of pages, the API and compaction.
    Reader,
    /// The lease: what is late is worth nothing.
    Lease,
    /// Bringing the schema up: as long as it takes.
    Migration,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::History => "history",
            Self::Reader => "reader",
            Self::Lease => "lease",
            Self::Migration => "migration",
        }
    }

    /// How long a statement may take, and may wait for a lock, and how long a transaction may be silent, ms; 0 is for ever.
    const fn limits_ms(self) -> (u64, u64, u64) {
        match self {
            Self::Writer | Self::History => (60_000, 10_000, SILENT_TRANSACTION_MS),
            Self::Reader => (60_000, 10_000, 60_000),
            Self::Lease => (3000, 2000, SILENT_TRANSACTION_MS),
            Self::Migration => (0, 60_000, 60_000),
        }
    }
}

/// Connects to whichever address takes writes, and says what the session relies on. `driver` drives the connection from then on.
///
/// # Errors
/// [`StoreError`] that names the place and the mend, when no address takes writes, the server does not keep what it acknowledges, or a file that the
/// configuration names cannot be read.
pub(crate) fn connect(
    settings: &PostgresSettings,
    purpose: Purpose,
    driver: &Arc<Driver>,
) -> Result<Client, StoreError> {
    let (place, count, first) = (settings.place(), settings.addresses.len(), driver.address());
    let mut last = silent(&place, CONNECT_S);
    // The one that took writes last is tried first.
    for index in (0..count).map(|step| (first + step) % count) {
        let Some(address) = settings.addresses.get(index) else { continue };
        let config = config(settings, address, purpose)?;
        let reached = match &settings.tls {
            Some(tls) => reach(config, MakeTls::new(tls)?, &place, driver),
            None => reach(config, NoTls, &place, driver),
        };
        let client = match reached {
            Ok(client) => client,
            Err(error) => {
                last = error;
                continue;
            }
        };
        match prepare(&client, settings, purpose) {
            Ok(()) => {
                driver.took_writes(index);
                return Ok(client);
            }
            // What may pass may be over at the next address already; what somebody has to mend here is said.
            Err(error) if error.is_no_room() => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn config(settings: &PostgresSettings, address: &Address, purpose: Purpose) -> Result<Config, StoreError> {
    let mut config = Config::new();
    config.host(&address.host).port(address.port);
    config
        .dbname(&settings.database)
        .user(&settings.user)
        .application_name(format!("ioc-collector {} {}", settings.schema.as_str(), purpose.name()))
        .target_session_attrs(TargetSessionAttrs::ReadWrite)
        .ssl_mode(if settings.tls.is_some() { SslMode::Require } else { SslMode::Disable })
        .connect_timeout(Duration::from_secs(REACH_S))
        .tcp_user_timeout(Duration::from_secs(UNACKNOWLEDGED_S))
        .keepalives_idle(Duration::from_secs(IDLE_S))
        .keepalives_interval(Duration::from_secs(2))
        .keepalives_retries(3);
    if let Some(path) = &settings.password_file {
        let text = std::fs::read_to_string(path).map_err(|source| StoreError::File { path: path.clone(), source })?;
        config.password(text.trim_end_matches(['\r', '\n']));
    }
    Ok(config)
}

fn reach<T>(config: Config, tls: T, place: &str, driver: &Arc<Driver>) -> Result<Client, StoreError>
where
    T: MakeTlsConnect<Socket> + Send + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let connecting =
        async move { tokio::time::timeout(Duration::from_secs(CONNECT_S), Box::pin(config.connect(tls))).await };
    match driver.wait_for(connecting) {
        Some(Ok(Ok((client, connection)))) => {
            driver.drive(connection);
            Ok(client)
        }
        Some(Ok(Err(error))) => Err(fault(place, &error)),
        Some(Err(_)) | None => Err(silent(place, CONNECT_S)),
    }
}

/// Says what the session relies on, and looks whether the server is one that a record can be trusted to.
fn prepare(client: &Client, settings: &PostgresSettings, purpose: Purpose) -> Result<(), StoreError> {
    let place = settings.place();
    let failed = |error| fault(&place, &error);
    let most = Duration::from_secs(CONNECT_S);
    let sql = "SELECT current_setting('server_version_num')::int4, current_setting('server_version'), current_setting('server_encoding'), \
               current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')";
    // It took the connection, and may have stopped right behind that.
    let row =
        wait_at_most(client.query_one(sql, &[]), most).ok_or_else(|| silent(&place, CONNECT_S))?.map_err(failed)?;
    let text = |column: usize| row.try_get::<_, String>(column).unwrap_or_default();
    let version: i32 = row.try_get(0).map_err(failed)?;
    if version < VERSION_MIN {
        let found = format!("the server is version {}", text(1));
        return Err(Fault::new(found, "use PostgreSQL 15 or newer").at(&place));
    }
    if text(2) != "UTF8" {
        let found = format!("the database keeps texts as {}", text(2));
        return Err(Fault::new(found, "make the database with ENCODING 'UTF8' (docs/scale.md, PostgreSQL)").at(&place));
    }
    for (column, name) in [(3, "fsync"), (4, "full_page_writes")] {
        if text(column) != "on" {
            let found =
                format!("the server runs with {name} = {}: a power cut would take what it acknowledged", text(column));
            return Err(Fault::new(found, "set it on in postgresql.conf and start the server anew").at(&place));
        }
    }
    let (statement, lock, silence) = purpose.limits_ms();
    let mut sql = format!(
        "SET search_path TO \"{}\"; SET TimeZone TO 'UTC'; SET client_min_messages TO warning; SET statement_timeout TO {statement}; \
         SET lock_timeout TO {lock}; SET idle_in_transaction_session_timeout TO {silence}",
        settings.schema.as_str()
    );
    // What waits for more than the disk of a standby waits on; what waits for less is told to.
    if !matches!(text(5).as_str(), "on" | "remote_apply") {
        sql += "; SET synchronous_commit TO on";
    }
    wait_at_most(client.batch_execute(&sql), most).ok_or_else(|| silent(&place, CONNECT_S))?.map_err(failed)
}

/// A connection for what is not asked by the nouns: the lease and migrations.
#[derive(Debug)]
pub(crate) struct Link {
    client: Client,
    place: String,
    /// How long an answer is waited for; none for as long as the server takes.
    answer_s: Option<u64>,
}

impl Link {
    /// # Errors
    /// As [`connect`].
    pub(crate) fn open(
        settings: &PostgresSettings,
        purpose: Purpose,
        driver: &Arc<Driver>,
    ) -> Result<Self, StoreError> {
        let answer_s = (purpose == Purpose::Lease).then_some(LEASE_ANSWER_S);
        Ok(Self { client: connect(settings, purpose, driver)?, place: settings.place(), answer_s })
    }

    /// Waits for an answer; the outer error is that there was none in time.
    fn wait<T>(
        &self,
        asked: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<Result<T, tokio_postgres::Error>, StoreError> {
        let Some(answer_s) = self.answer_s else { return Ok(wait(asked)) };
        wait_at_most(asked, Duration::from_secs(answer_s)).ok_or_else(|| silent(&self.place, answer_s))
    }

    fn answer<T>(&self, asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, StoreError> {
        self.wait(asked)?.map_err(|error| fault(&self.place, &error))
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Statements without parameters, in one message: each is carried out only when those before it were.
    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.answer(self.client.batch_execute(sql))
    }

    /// The same where being fenced is an answer: whether it went through.
    #[cfg(test)]
    pub(super) fn batch_unless_fenced(&self, sql: &str) -> Result<bool, StoreError> {
        match self.wait(self.client.batch_execute(sql))? {
            Ok(()) => Ok(true),
            Err(error) if is_fenced(&error) => Ok(false),
            Err(error) => Err(fault(&self.place, &error)),
        }
    }

    pub(super) fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.answer(self.client.query(sql, params))
    }

    pub(crate) fn row(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Row, StoreError> {
        self.answer(self.client.query_one(sql, params))
    }

    pub(super) fn run(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        self.answer(self.client.execute(sql, params))
    }

    /// A column of a row.
    pub(crate) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(
        &self,
        row: &'r Row,
        column: usize,
    ) -> Result<T, StoreError> {
        row.try_get(column).map_err(|error| fault(&self.place, &error))
    }
}

#[cfg(test)]
mod tests;
