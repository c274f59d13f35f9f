//! Why a statement failed, whichever database said so.

use std::error::Error as StdError;
use std::path::Path;

use rusqlite::ErrorCode;
use rusqlite::types::{FromSqlError, Type};
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// What statements give.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such row.
    #[error("Query returned no rows")]
    QueryReturnedNoRows,
    /// A column does not hold what it should: which, of what type, and why.
    #[error("Conversion error from type {1} at index: {0}, {2}")]
    FromSqlConversionFailure(usize, Type, Box<dyn StdError + Send + Sync>),
    /// A value cannot be stored.
    #[error(transparent)]
    ToSqlConversionFailure(Box<dyn StdError + Send + Sync>),
    /// SQLite says no; or a value of either is not of the type that was asked for.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// No session with PostgreSQL can be had.
    #[error(transparent)]
    Unreachable(Box<StoreError>),
    /// PostgreSQL says no, or is not there: with what it says beside its first words, which its library leaves out.
    #[error("{}", postgres_text(.0))]
    Postgres(#[source] Box<tokio_postgres::Error>),
}

/// What PostgreSQL says, whole.
fn postgres_text(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    };
    let mut text = format!("{} ({})", said.message(), said.code().code());
    for more in [said.detail(), said.hint()].into_iter().flatten() {
        text += "; ";
        text += more;
    }
    text
}

impl Error {
    /// It was broken off because it took too long ([`super::patience`]).
    pub(super) fn is_broken_off(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted),
            Self::Postgres(error) => error.code() == Some(&SqlState::QUERY_CANCELED),
            Self::QueryReturnedNoRows
            | Self::FromSqlConversionFailure(..)
            | Self::ToSqlConversionFailure(_)
            | Self::Unreachable(_) => false,
        }
    }

    /// The disk is full, read-only or failing, or the server is not there: it may pass.
    fn is_no_room(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code().is_some_and(|code| {
                matches!(code, ErrorCode::DiskFull | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure)
            }),
            Self::Postgres(error) => match error.code() {
                Some(code) => may_pass(code),
                None => {
                    error.is_closed()
                        || error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).is_some()
                }
            },
            Self::Unreachable(error) => error.is_no_room(),
            Self::QueryReturnedNoRows | Self::FromSqlConversionFailure(..) | Self::ToSqlConversionFailure(_) => false,
        }
    }
}

/// Whether what PostgreSQL says is of its state and not of what it was asked: no room, memory or connections, shutting down, starting up or recovering, a
/// session that was ended, disks that fail, a standby, a lock that is held, a statement that was broken off.
pub(crate) fn may_pass(code: &SqlState) -> bool {
    ["08", "53", "57P", "58"].iter().any(|class| code.code().starts_with(class))
        || [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code)
}

impl From<rusqlite::Error> for Error {
    #[cold]
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => Self::QueryReturnedNoRows,
            other => Self::Sqlite(other),
        }
    }
}

impl From<FromSqlError> for Error {
    #[cold]
    fn from(error: FromSqlError) -> Self {
        Self::Sqlite(error.into())
    }
}

impl From<tokio_postgres::Error> for Error {
    #[cold]
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(Box::new(error))
    }
}

/// For what keeps SQLite's files and asks a noun.
impl From<Error> for rusqlite::Error {
    #[cold]
    fn from(error: Error) -> Self {
        match error {
            Error::QueryReturnedNoRows => Self::QueryReturnedNoRows,
            Error::FromSqlConversionFailure(column, kind, why) => Self::FromSqlConversionFailure(column, kind, why),
            Error::ToSqlConversionFailure(why) => Self::ToSqlConversionFailure(why),
            Error::Sqlite(error) => error,
            Error::Postgres(error) => Self::ToSqlConversionFailure(error),
            Error::Unreachable(error) => Self::ToSqlConversionFailure(error),
        }
    }
}

/// What the database said, of the file or the server at a place.
pub(crate) fn database(place: &Path, source: Error) -> StoreError {
    let no_room = source.is_no_room();
    // It names its place itself.
    if let Error::Unreachable(error) = source {
        return *error;
    }
    let source: Box<dyn StdError + Send + Sync> = match source {
        Error::Sqlite(error) => Box::new(error),
        other => Box::new(other),
    };
    StoreError::Database { path: place.to_owned(), source, no_room }
}
