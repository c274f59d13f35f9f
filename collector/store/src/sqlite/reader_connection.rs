//! A reader's connection, and what the queries of each noun are asked through.

use std::path::{Path, PathBuf};

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};

use ioc_common::id::DeviceId;

use super::file::database;
use super::newest::NewestByDevice;
use super::search_file::SearchFile;
use super::value::limit_of;
use crate::StoreError;
use crate::scope::AccessScope;

/// A reader with its own connection.
#[derive(Debug)]
pub(super) struct SqliteReader {
    path: PathBuf,
    pub(super) connection: Connection,
    /// What is newest of each device.
    pub(super) newest: NewestByDevice,
    /// Who has an account on a machine is left out of what is read.
    pub(super) hides_names: bool,
    /// Only some places are shown.
    pub(super) limited: bool,
    /// How far it reaches, for what stands at a place that people wrote down.
    pub(super) scope: AccessScope,
    /// The way to the search index.
    pub(super) search: SearchFile,
}

impl SqliteReader {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        newest: NewestByDevice,
        search: SearchFile,
    ) -> rusqlite::Result<Self> {
        let heard = newest.clone();
        // For lists that are sorted by it.
        connection.create_scalar_function("last_heard", 1, FunctionFlags::SQLITE_UTF8, move |context| {
            Ok(heard.last_heard(context.get(0)?))
        })?;
        Ok(Self {
            path,
            connection,
            newest,
            hides_names: false,
            limited: false,
            scope: AccessScope::EVERYWHERE,
            search,
        })
    }

    /// The file of the store.
    pub(super) fn path(&self) -> &Path {
        &self.path
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

    /// Asks all of `read` of what is committed at its beginning; within another such, of what was committed at that one's.
    pub(super) fn in_transaction<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.batch("SAVEPOINT moment")?;
        let result = read();
        self.batch("RELEASE moment").and(result)
    }

    pub(super) fn number(&self, id: &DeviceId) -> Result<i64, StoreError> {
        Ok(self.one("SELECT number FROM device WHERE id = ?1", &[&id.as_str()], |row| row.get(0))?.unwrap_or(-1))
    }

    /// How many rows of a table belong to a device, counted up to `most`.
    pub(super) fn count_of(&self, table: &str, device: &DeviceId, most: u64) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} WHERE device = ?1 LIMIT ?2)");
        let most = limit_of(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(self.one(&sql, &[&self.number(device)?, &most], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
    }

    pub(super) fn content(&self, what: &'static str, why: &impl ToString) -> StoreError {
        StoreError::Content { path: self.path.clone(), what, why: why.to_string() }
    }
}
