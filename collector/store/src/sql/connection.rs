//! A connection as the nouns see it, whichever database is behind it.
//!
//! It has the part of rusqlite's interface that they use, under the same names, and its values: null, integer, real, text, blob. For SQLite each call is
//! a match and SQLite's own; nothing is copied or allocated between. PostgreSQL's part is in [`super::postgres`].

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, ValueRef};

use super::postgres::{self, Session};
use super::{Error, Result};

/// A connection to either database, borrowed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Connection<'c> {
    /// A file of SQLite's.
    Sqlite(&'c rusqlite::Connection),
    /// A session with PostgreSQL.
    Postgres(&'c Session),
}

impl<'c> From<&'c rusqlite::Connection> for Connection<'c> {
    fn from(connection: &'c rusqlite::Connection) -> Self {
        Self::Sqlite(connection)
    }
}

impl<'c> From<&'c Session> for Connection<'c> {
    fn from(session: &'c Session) -> Self {
        Self::Postgres(session)
    }
}

impl<'c> Connection<'c> {
    /// A statement, parsed once for each connection.
    pub(crate) fn prepare_cached(self, sql: &str) -> Result<Statement<'c>> {
        Ok(match self {
            Self::Sqlite(connection) => Statement::Sqlite(connection.prepare_cached(sql)?),
            Self::Postgres(session) => Statement::Postgres(session.prepare(sql)?),
        })
    }

    /// Whether a statement of the transaction wrote to an incident, where the session says so: of SQLite the writer's triggers do.
    pub(super) fn wrote_to_incidents(self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(session) => session.wrote_to_incidents(),
        }
    }

    pub(crate) fn execute(self, sql: &str, params: impl Params) -> Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    /// Writes without saying how much. PostgreSQL is not waited for: what it has against it is said by the next that waits, or by the commit.
    pub(crate) fn write(self, sql: &str, params: impl Params) -> Result<()> {
        match self {
            Self::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                params.with(|params| statement.execute(params))?;
                Ok(())
            }
            Self::Postgres(session) => params.with(|params| session.queue(sql, params)),
        }
    }

    pub(crate) fn query_row<T>(
        self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }

    /// Statements without parameters, one after the other.
    pub(crate) fn execute_batch(self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Self::Postgres(session) => session.batch(sql),
        }
    }

    /// Statements without parameters, which PostgreSQL is not waited for.
    pub(super) fn write_batch(self, sql: &str) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Self::Postgres(session) => {
                session.send_batch(sql);
                Ok(())
            }
        }
    }

    /// The one of two texts that the database behind it understands, where there is none for both.
    pub(super) fn text<'t>(self, sqlite: &'t str, postgres: &'t str) -> &'t str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    /// From here on all is read as it is committed at this moment; within another such, at that one's.
    pub(super) fn begin_moment(self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch("SAVEPOINT moment")?),
            Self::Postgres(session) => session.begin_moment(),
        }
    }

    pub(super) fn end_moment(self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch("RELEASE moment")?),
            Self::Postgres(session) => session.end_moment(),
        }
    }

    fn is_in_transaction(self) -> bool {
        match self {
            Self::Sqlite(connection) => !connection.is_autocommit(),
            Self::Postgres(session) => session.is_in_transaction(),
        }
    }
}

/// A transaction, which is rolled back unless it was committed. With SQLite, its statements are parsed once for all commits.
#[derive(Debug)]
pub(crate) struct Transaction<'c>(Connection<'c>);

impl<'c> Transaction<'c> {
    /// The connection has to be in none.
    pub(crate) fn begin(connection: Connection<'c>) -> Result<Self> {
        match connection {
            Connection::Sqlite(_) => connection.execute("BEGIN", []).map(drop)?,
            Connection::Postgres(session) => session.begin()?,
        }
        Ok(Self(connection))
    }

    pub(crate) fn commit(self) -> Result<()> {
        match self.0 {
            Connection::Sqlite(_) => self.0.execute("COMMIT", []).map(drop)?,
            Connection::Postgres(session) => session.commit()?,
        }
        Ok(())
    }
}

impl<'c> std::ops::Deref for Transaction<'c> {
    type Target = Connection<'c>;

    fn deref(&self) -> &Connection<'c> {
        &self.0
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // What cannot be rolled back is in no transaction any more, and the next one fails where it still is.
        if self.0.is_in_transaction() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// A statement that is parsed.
pub(crate) enum Statement<'c> {
    /// SQLite's.
    Sqlite(rusqlite::CachedStatement<'c>),
    /// PostgreSQL's.
    Postgres(postgres::Prepared<'c>),
}

impl Statement<'_> {
    /// How many rows it changed.
    pub(crate) fn execute(&mut self, params: impl Params) -> Result<usize> {
        params.with(move |params| match self {
            Self::Sqlite(statement) => Ok(statement.execute(params)?),
            Self::Postgres(statement) => statement.execute(params),
        })
    }

    pub(crate) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        params.with(move |params| {
            Ok(match self {
                Self::Sqlite(statement) => Rows::Sqlite(statement.query(params)?),
                Self::Postgres(statement) => Rows::Postgres(statement.query(params)?),
            })
        })
    }

    pub(crate) fn query_map<T, F: FnMut(&Row<'_>) -> Result<T>>(
        &mut self,
        params: impl Params,
        read: F,
    ) -> Result<MappedRows<'_, F>> {
        Ok(MappedRows { rows: self.query(params)?, read })
    }

    /// The first row; [`Error::QueryReturnedNoRows`] where there is none.
    pub(crate) fn query_row<T>(&mut self, params: impl Params, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Result<T> {
        let mut rows = self.query(params)?;
        match rows.next()? {
            Some(row) => read(&row),
            None => Err(Error::QueryReturnedNoRows),
        }
    }
}

/// What a question gives, row after row.
pub(crate) enum Rows<'s> {
    /// SQLite finds them as they are asked for.
    Sqlite(rusqlite::Rows<'s>),
    /// PostgreSQL has sent all of them.
    Postgres(postgres::Rows),
}

impl Rows<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<Row<'_>>> {
        Ok(match self {
            Self::Sqlite(rows) => rows.next()?.map(Row::Sqlite),
            Self::Postgres(rows) => rows.next().map(Row::Postgres),
        })
    }
}

/// Rows that are read as they come.
pub(crate) struct MappedRows<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for MappedRows<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        match self.rows.next() {
            Ok(Some(row)) => Some((self.read)(&row)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// A row.
#[derive(Clone, Copy)]
pub(crate) enum Row<'r> {
    /// SQLite's.
    Sqlite(&'r rusqlite::Row<'r>),
    /// PostgreSQL's.
    Postgres(&'r tokio_postgres::Row),
}

/// Which column, from 0.
pub(crate) trait RowIndex {
    fn place(self) -> usize;
}

impl RowIndex for usize {
    fn place(self) -> usize {
        self
    }
}

impl<'r> Row<'r> {
    pub(crate) fn get<I: RowIndex, T: FromSql>(&self, column: I) -> Result<T> {
        let column = column.place();
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => {
                let value = postgres::value(row, column)?;
                T::column_result(value).map_err(|error| of_column(row, column, value, error))
            }
        }
    }

    /// A value that is looked at where it lies.
    pub(crate) fn get_ref(&self, column: usize) -> Result<ValueRef<'r>> {
        match self {
            Self::Sqlite(row) => Ok(row.get_ref(column)?),
            Self::Postgres(row) => postgres::value(row, column),
        }
    }
}

#[cold]
fn of_column(row: &tokio_postgres::Row, column: usize, value: ValueRef<'_>, error: FromSqlError) -> Error {
    Error::Sqlite(match error {
        FromSqlError::InvalidType => {
            let name = row.columns().get(column).map_or_else(String::new, |column| column.name().to_owned());
            rusqlite::Error::InvalidColumnType(column, name, value.data_type())
        }
        FromSqlError::OutOfRange(number) => rusqlite::Error::IntegralValueOutOfRange(column, number),
        FromSqlError::Utf8Error(error) => rusqlite::Error::Utf8Error(column, error),
        other => rusqlite::Error::FromSqlConversionFailure(column, value.data_type(), Box::new(other)),
    })
}

/// What stands for `?1`, `?2` and so on.
pub(crate) trait Params {
    /// Hands them out, each borrowed.
    fn with<R>(self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R;
}

impl Params for &[&dyn ToSql] {
    fn with<R>(self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        run(self)
    }
}

/// None.
impl Params for [&(dyn ToSql + Send + Sync); 0] {
    fn with<R>(self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        run(&[])
    }
}

macro_rules! of_one_type {
    ($($count:literal)*) => {$(
        impl<T: ToSql> Params for [T; $count] {
            fn with<R>(self, run: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
                run(&self.each_ref().map(|one| one as &dyn ToSql))
            }
        }
    )*};
}
of_one_type!(1 2 3 4);

/// No row is an answer, too.
pub(crate) trait OptionalExtension<T> {
    /// None where there is no such row.
    fn optional(self) -> Result<Option<T>>;
}

impl<T> OptionalExtension<T> for Result<T> {
    fn optional(self) -> Result<Option<T>> {
        match self {
            Ok(value) => Ok(Some(value)),
            Err(Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
