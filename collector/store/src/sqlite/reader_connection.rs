//! A reader's connection, and what the queries of each noun are asked through.
//!
//! A connection keeps what the schema says, pages and prepared statements, some hundred kilobytes. There are many readers, and most of them
//! ask seldom: so a connection is opened with the first question, and closed while its reader rests.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};

use ioc_common::id::DeviceId;

use super::connection::{give_back_memory, open_for_reading};
use super::file::database;
use super::newest::NewestByDevice;
use super::search_file::SearchFile;
use super::value::limit_of;
use crate::StoreError;

/// A reader with its own connection.
#[derive(Debug)]
pub(super) struct SqliteReader {
    path: PathBuf,
    connection: OnceCell<Connection>,
    /// What is newest of each device.
    pub(super) newest: NewestByDevice,
    /// Who has an account on a machine is left out of what is read.
    pub(super) hides_names: bool,
    /// Only some places are shown.
    pub(super) limited: bool,
    /// The way to the search index.
    pub(super) search: SearchFile,
}

impl SqliteReader {
    pub(super) fn new(path: PathBuf, newest: NewestByDevice, search: SearchFile) -> Self {
        Self { path, connection: OnceCell::new(), newest, hides_names: false, limited: false, search }
    }

    fn connection(&self) -> Result<&Connection, StoreError> {
        if let Some(open) = self.connection.get() {
            return Ok(open);
        }
        let connection = open_for_reading(&self.path)?;
        let heard = self.newest.clone();
        // For lists that are sorted by it.
        let last_heard =
            connection.create_scalar_function("last_heard", 1, FunctionFlags::SQLITE_UTF8, move |context| {
                Ok(heard.last_heard(context.get(0)?))
            });
        last_heard.map_err(|source| database(&self.path, source))?;
        Ok(self.connection.get_or_init(|| connection))
    }

    /// Closes the connection until something is asked again.
    pub(super) fn close(&mut self) {
        // What it may not show is known to the connection: without it, all would be shown.
        if !self.limited {
            self.connection.take();
        }
    }

    /// The file of the store.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives back pages that were read, and keeps the connection.
    pub(super) fn give_back_pages(&self) {
        if let Some(connection) = self.connection.get() {
            give_back_memory(connection);
        }
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let connection = self.connection()?;
        let mut run = || {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params, &mut read)?;
            rows.collect::<rusqlite::Result<Vec<T>>>()
        };
        run().map_err(|source| database(&self.path, source))
    }

    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let connection = self.connection()?;
        let run = || connection.prepare_cached(sql)?.query_row(params, read).optional();
        run().map_err(|source| database(&self.path, source))
    }

    /// Changes what is this connection's own.
    pub(super) fn run(&self, sql: &str, params: &[&dyn ToSql]) -> Result<usize, StoreError> {
        let connection = self.connection()?;
        let run = || connection.prepare_cached(sql)?.execute(params);
        run().map_err(|source| database(&self.path, source))
    }

    pub(super) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection()?.execute_batch(sql).map_err(|source| database(&self.path, source))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::AccessScope;
    use crate::sqlite::SqliteStore;
    use crate::{Reader as _, Store as _};

    #[test]
    fn a_reader_has_a_connection_from_its_first_question_until_it_rests() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let mut reader = store.new_reader();
        assert!(reader.connection.get().is_none());
        for _ in 0..2 {
            assert!(reader.clock().expect("reads").is_none() && reader.connection.get().is_some());
            reader.rest();
            assert!(reader.connection.get().is_none());
        }
        reader.limit(&AccessScope::of(&["Tầng 2".to_owned()])).expect("limited");
        reader.rest();
        assert!(reader.connection.get().is_some(), "its limit would be gone with it");
    }
}
