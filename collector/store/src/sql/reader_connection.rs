//! A reader's connection, and what the queries of each noun are asked through.
//!
//! A connection to a file keeps what the schema says, pages and prepared statements, some hundred kilobytes. There are many readers, and most of
//! them ask seldom: so it is opened with the first question, and closed while its reader rests.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use ioc_common::id::DeviceId;

use super::newest::NewestByDevice;
use super::postgres::Session;
use super::value::limit_of;
use crate::StoreError;
use crate::scope::AccessScope;
use crate::sql::{self, Connection, OptionalExtension as _, Row, ToSql, database};
use crate::sqlite::{self, SearchFile};

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
    /// None before the first question to a file, and while nothing is asked.
    database: OnceCell<Database>,
    /// What is newest of each device.
    pub(super) newest: NewestByDevice,
    /// Who has an account on a machine is left out of what is read.
    pub(crate) hides_names: bool,
    /// Only some places are shown.
    pub(crate) limited: bool,
    /// How far it reaches, for what stands at a place that people wrote down.
    pub(super) scope: AccessScope,
    /// The way to the search index.
    pub(crate) search: SearchFile,
}

impl SqlReader {
    /// `path` is what the store's server is called in errors.
    pub(crate) fn new(path: PathBuf, database: Database, newest: NewestByDevice, search: SearchFile) -> Self {
        Self { database: OnceCell::from(database), ..Self::of_file(path, newest, search) }
    }

    /// A reader of the store whose file this is, which it opens with its first question.
    pub(crate) fn of_file(path: PathBuf, newest: NewestByDevice, search: SearchFile) -> Self {
        Self {
            path,
            database: OnceCell::new(),
            newest,
            hides_names: false,
            limited: false,
            scope: AccessScope::EVERYWHERE,
            search,
        }
    }

    pub(super) fn connection(&self) -> Result<Connection<'_>, StoreError> {
        if let Some(open) = self.database.get() {
            return Ok(open.connection());
        }
        let database = sqlite::connection_of_reader(&self.path, &self.newest)?;
        Ok(self.database.get_or_init(|| database).connection())
    }

    /// Closes a connection to a file until something is asked again.
    pub(super) fn close(&mut self) {
        // What it may not show is known to the connection: without it, all would be shown.
        if !self.limited && matches!(self.database.get(), Some(Database::Sqlite(_))) {
            self.database.take();
        }
    }

    /// Gives back pages of a file that were read, and keeps the connection.
    pub(crate) fn give_back_pages(&self) {
        if let Some(Database::Sqlite(connection)) = self.database.get() {
            sqlite::give_back_memory(connection);
        }
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
        let connection = self.connection()?;
        let run = || {
            let mut statement = connection.prepare_cached(sql)?;
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
        let connection = self.connection()?;
        let run = || connection.prepare_cached(sql)?.query_row(params, read).optional();
        run().map_err(|source| database(&self.path, source))
    }

    /// Changes what is this connection's own.
    pub(crate) fn run(&self, sql: &str, params: &[&dyn ToSql]) -> Result<usize, StoreError> {
        let connection = self.connection()?;
        let run = || connection.prepare_cached(sql)?.execute(params);
        run().map_err(|source| database(&self.path, source))
    }

    pub(crate) fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection()?.execute_batch(sql).map_err(|source| database(&self.path, source))
    }

    /// Asks all of `read` of what is committed at its beginning; within another such, of what was committed at that one's.
    pub(crate) fn in_transaction<T>(&self, read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let fault = |source| database(&self.path, source);
        self.connection()?.begin_moment().map_err(fault)?;
        let result = read();
        self.connection()?.end_moment().map_err(fault).and(result)
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

#[cfg(test)]
mod tests {
    use crate::Reader as _;
    use crate::scope::AccessScope;
    use crate::sqlite::SqliteStore;

    #[test]
    fn a_reader_has_a_connection_from_its_first_question_until_it_rests() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let mut reader = store.new_reader();
        assert!(reader.database.get().is_none());
        for _ in 0..2 {
            assert!(reader.clock().expect("reads").is_none() && reader.database.get().is_some());
            reader.rest();
            assert!(reader.database.get().is_none());
        }
        reader.limit(&AccessScope::of(&["Tầng 2".to_owned()])).expect("limited");
        reader.rest();
        assert!(reader.database.get().is_some(), "its limit would be gone with it");
    }
}
