//! A reader's connection, and what the queries of each noun are asked through.

use std::path::{Path, PathBuf};

use ioc_common::id::DeviceId;

use super::newest::NewestByDevice;
use super::postgres::Session;
use super::value::limit_of;
use crate::StoreError;
use crate::sql::{self, Connection, OptionalExtension as _, Row, ToSql, database};
use crate::sqlite::SearchFile;

/// A connection of its own to either database.
#[derive(Debug)]
pub(crate) enum Database {
    /// A file of SQLite's.
    Sqlite(rusqlite::Connection),
    /// A session with PostgreSQL.
    Postgres(Box<Session>),
}

impl Database {
    /// As the nouns see it.
    pub(crate) fn connection(&self) -> Connection<'_> {
        match self {
            Self::Sqlite(connection) => Connection::Sqlite(connection),
            Self::Postgres(session) => Connection::Postgres(session),
        }
    }
}

/// A reader with its own connection.
#[derive(Debug)]
pub(crate) struct SqlReader {
    path: PathBuf,
    database: Database,
    /// What is newest of each device.
    pub(super) newest: NewestByDevice,
    /// Who has an account on a machine is left out of what is read.
    pub(crate) hides_names: bool,
    /// Only some places are shown.
    pub(crate) limited: bool,
    /// The way to the search index.
    pub(crate) search: SearchFile,
}

impl SqlReader {
    /// `path` is the file of the store, or what its server is called in errors.
    pub(crate) fn new(path: PathBuf, database: Database, newest: NewestByDevice, search: SearchFile) -> Self {
        Self { path, database, newest, hides_names: false, limited: false, search }
    }

    pub(super) fn connection(&self) -> Connection<'_> {
        self.database.connection()
    }

    /// The file of the store.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> sql::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let run = || {
            let mut statement = self.connection().prepare_cached(sql)?;
            let rows = statement.query_map(params, &mut read)?;
            rows.collect::<sql::Result<Vec<T>>>()
        };
        let mut run = run;
        run().map_err(|source| database(&self.path, source))
    }

    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> sql::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let run = || self.connection().prepare_cached(sql)?.query_row(params, read).optional();
        run().map_err(|source| database(&self.path, source))
    }

    /// Changes what is this connection's own.
    pub(crate) fn run(&self, sql: &str, params: &[&dyn ToSql]) -> Result<usize, StoreError> {
        let run = || self.connection().prepare_cached(sql)?.execute(params);
        run().map_err(|source| database(&self.path, source))
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection().execute_batch(sql).map_err(|source| database(&self.path, source))
    }

    /// Asks all of `read` of what is committed at its beginning; within another such, of what was committed at that one's.
    pub(crate) fn in_transaction<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let fault = |source| database(&self.path, source);
        self.connection().begin_moment().map_err(fault)?;
        let result = read();
        self.connection().end_moment().map_err(fault).and(result)
    }

    pub(crate) fn number(&self, id: &DeviceId) -> Result<i64, StoreError> {
        Ok(self.one("SELECT number FROM device WHERE id = ?1", &[&id.as_str()], |row| row.get(0))?.unwrap_or(-1))
    }

    /// How many rows of a table belong to a device, counted up to `most`.
    pub(crate) fn count_of(&self, table: &str, device: &DeviceId, most: u64) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} WHERE device = ?1 LIMIT ?2) AS counted");
        let most = limit_of(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(self.one(&sql, &[&self.number(device)?, &most], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    pub(crate) fn content(&self, what: &'static str, why: &impl ToString) -> StoreError {
        StoreError::Content { path: self.path.clone(), what, why: why.to_string() }
    }
}
