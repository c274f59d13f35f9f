//! A site's store in PostgreSQL while another collector writes it: readers, and what is newest of each device, which the writer of the same process would
//! know from its commits and which is read anew here.
//!
//! Deliberately absent: the index of words, which is made by whoever writes and lies beside that one. What is searched for here is found as of when this
//! collector wrote last.

use std::path::PathBuf;
use std::sync::Arc;

use super::store::{Connect, Use, cache_of};
use crate::sql::database;
use crate::sql::newest::NewestByDevice;
use crate::sql::postgres::Session;
use crate::sql::reader_connection::{Database, SqlReader};
use crate::sqlite::{SearchFile, SearchShared};
use crate::{Reader, StoreError};

/// A site's store, to be read.
pub(crate) struct PostgresStandby {
    /// What the server is called in errors.
    place: PathBuf,
    /// Where the index of words is.
    dir: PathBuf,
    connect: Connect,
    session: Session,
    newest: NewestByDevice,
    search: Arc<SearchShared>,
}

impl std::fmt::Debug for PostgresStandby {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStandby").field("place", &self.place).finish_non_exhaustive()
    }
}

impl PostgresStandby {
    /// Opens it by sessions that only read; the site's schema is there.
    ///
    /// # Errors
    /// [`StoreError`] when the server cannot be reached, refuses, or holds what cannot be read.
    pub(crate) fn open(place: PathBuf, dir: PathBuf, connect: Connect) -> Result<Self, StoreError> {
        let session = session_that_lasts(&connect)?;
        let newest = cache_of(&session).map_err(|source| database(&place, source))?.newest;
        Ok(Self { place, dir, connect, session, newest, search: Arc::default() })
    }

    /// Reads anew what is newest of each device.
    ///
    /// # Errors
    /// As [`Self::open`]; what was read last stays.
    pub(crate) fn refresh(&self) -> Result<(), StoreError> {
        let read = cache_of(&self.session).map_err(|source| database(&self.place, source))?;
        self.newest.take_over(&read.newest);
        Ok(())
    }

    /// A reader of what is committed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        let database = Database::Postgres(Box::new(session_that_lasts(&self.connect)?));
        let search = SearchFile::new(&self.dir, Arc::clone(&self.search));
        Ok(Box::new(SqlReader::new(self.place.clone(), database, self.newest.clone(), search)))
    }
}

/// A session that is made anew by itself.
fn session_that_lasts(connect: &Connect) -> Result<Session, StoreError> {
    let again = Arc::clone(connect);
    Ok(connect(Use::Reader)?.renewed_by(Box::new(move || again(Use::Reader))))
}
