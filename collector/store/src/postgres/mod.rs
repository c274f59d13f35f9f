//! PostgreSQL as a site's store: what stands around the nouns, whose SQL is in [`crate::sql`]. Where the server is ([`settings`]) and how it is reached
//! ([`connect`], [`tls`]), how the schema is made and brought up ([`migration`]), and who may write ([`lease`]).
//!
//! The tables are those of the embedded store, by the same names and with the same meaning (`schema.sql`, `history.sql`); a test compares both from what the
//! databases themselves say of them. Two sites share a database, never a schema.
//!
//! Several collectors may stand by for one site: [`Candidate`] waits for the lease or holds it, [`Standby`] is what it reads meanwhile.

mod candidate;
mod connect;
#[cfg(test)]
mod contract_tests;
mod fault;
mod lease;
mod migration;
mod report;
mod row_copy;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
pub(crate) mod scratch;
mod settings;
mod standby;
mod store;
#[cfg(test)]
mod store_tests;
mod tls;
mod trial;

use std::path::Path;
use std::sync::Arc;

use crate::sql::database;
use crate::sql::postgres::{Driver, Schema, Session};
use crate::{Reader, Store, StoreError};
pub use candidate::{Candidate, LeaseView};
use connect::{Link, Purpose, connect};
use fault::Fault;
use lease::Lease;
pub use report::{DatabaseReport, StandbyServer};
use row_copy::SiteRows;
pub use settings::{Address, PostgresForm, PostgresSettings, SchemaName, SettingsError};
use standby::PostgresStandby;
use store::{Connect, PostgresStore, Use};
pub(crate) use trial::Trial;

/// Opens or makes the store of a site. `dir` is a folder of this collector's, for what is not the record: the index of words. With a lease every commit
/// proves it, that of folded history, too; without one nothing keeps another collector from writing.
///
/// # Errors
/// [`StoreError`] that names the place and the mend, when the server cannot be reached, refuses, or was brought up by a newer program.
pub(crate) fn open(
    settings: &PostgresSettings,
    dir: &Path,
    driver: &Arc<Driver>,
    lease: Option<&Lease>,
) -> Result<Box<dyn Store>, StoreError> {
    migration::migrate(&Link::open(settings, Purpose::Migration, driver)?, &settings.schema)?;
    let place = settings.place();
    let (known, driver, check) = (settings.clone(), Arc::clone(driver), lease.map(Lease::check_sql));
    let connect: Connect = Arc::new(move |used| {
        let purpose = match used {
            Use::Writer => {
                let link = Link::open(&known, Purpose::Lease, &driver)?;
                // Who does not hold the lease any more neither ends sessions of who does, nor takes their commits for its own: by their numbers alone
                // they could be.
                if let Some(check) = &check {
                    link.batch(check)?;
                }
                // What a session before this one has under way is over before it is asked what came of it.
                lease::end_sessions(&link, &known.schema, &["writer"])?;
                Purpose::Writer
            }
            Use::Reader => Purpose::Reader,
            Use::History => Purpose::History,
        };
        let client = connect(&known, purpose, &driver)?;
        let session = Session::new(client, Arc::clone(&driver), Schema::new(known.schema.as_str()));
        let session = session.map_err(|source| database(Path::new(&known.place()), source))?;
        if let Some(check) = check.as_ref().filter(|_| used != Use::Reader) {
            session.say_before_commits(check);
        }
        Ok(session)
    });
    Ok(Box::new(PostgresStore::open(place.into(), dir.to_owned(), connect)?))
}

/// A site's store as who does not hold the lease sees it: to be read, and nothing else.
#[derive(Debug)]
pub struct Standby(PostgresStandby);

impl Standby {
    /// A reader of what is committed, whoever commits it.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.0.reader()
    }

    /// Reads anew what is newest of each device: only the holder knows it from its own commits.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked; readers then show what was read last.
    pub fn refresh(&mut self) -> Result<(), StoreError> {
        self.0.refresh()
    }
}

/// Opens the store of a site to be read while another collector holds its lease. Nothing is made or changed.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked, or the site is not there in the version that this program reads.
fn standby(settings: &PostgresSettings, dir: &Path, driver: &Arc<Driver>) -> Result<Standby, StoreError> {
    let place = settings.place();
    let link = Link::open(settings, Purpose::Lease, driver)?;
    refuse_unreadable(&link, settings)?;
    let (known, driver) = (settings.clone(), Arc::clone(driver));
    let connect: Connect = Arc::new(move |_: Use| {
        let client = connect(&known, Purpose::Reader, &driver)?;
        let session = Session::new(client, Arc::clone(&driver), Schema::new(known.schema.as_str()));
        session.map_err(|source| database(Path::new(&known.place()), source))
    });
    Ok(Standby(PostgresStandby::open(place.into(), dir.to_owned(), connect)?))
}

/// A site as rows, to be read by whoever does not hold its lease.
///
/// # Errors
/// As [`standby`].
pub(crate) fn rows_to_read(settings: &PostgresSettings) -> Result<SiteRows, StoreError> {
    let (driver, _) = readable_site(settings)?;
    SiteRows::open(settings, &driver, None)
}

/// Which store a site is, hex, as it is called in its backups; nothing where nobody has opened it yet.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub fn site_id(settings: &PostgresSettings) -> Result<Option<String>, StoreError> {
    let (_driver, link) = link_to(settings)?;
    if !candidate::is_there(&link, settings)? {
        return Ok(None);
    }
    let row = link.row("SELECT (SELECT id FROM state)", &[])?;
    link.get(&row, 0)
}

/// How many bytes a site takes in its database, with its indexes.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub fn site_bytes(settings: &PostgresSettings) -> Result<u64, StoreError> {
    let (_driver, link) = link_to(settings)?;
    let sql = "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind = 'r' AND n.nspname IN ($1, $2)";
    let row = link.row(sql, &[&settings.schema.as_str(), &settings.schema.history()])?;
    Ok(link.get::<i64>(&row, 0)?.unsigned_abs())
}

/// A connection of its own, with what drives it for as long as that is held.
fn link_to(settings: &PostgresSettings) -> Result<(Arc<Driver>, Link), StoreError> {
    let no_thread = |source| StoreError::File { path: "database thread".into(), source };
    let driver = Driver::start().map_err(no_thread)?;
    let link = Link::open(settings, Purpose::Lease, &driver)?;
    Ok((driver, link))
}

/// The same to a site that is there in the version that this program reads.
fn readable_site(settings: &PostgresSettings) -> Result<(Arc<Driver>, Link), StoreError> {
    let (driver, link) = link_to(settings)?;
    refuse_unreadable(&link, settings)?;
    Ok((driver, link))
}

fn refuse_unreadable(link: &Link, settings: &PostgresSettings) -> Result<(), StoreError> {
    if candidate::is_there(link, settings)? && migration::is_up_to_date(link)? {
        return Ok(());
    }
    let what = "the site is not there yet in the version that this program reads";
    let mend = "none is needed: whoever takes the lease next with this program makes it, or brings it up";
    Err(Fault::passing(what, mend).at(&settings.place()))
}
