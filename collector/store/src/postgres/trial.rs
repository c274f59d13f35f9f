//! A scratch site beside one that is used: a backup is restored into it for a trial, looked at, and gone again.
//!
//! Its schemas are called as the site's are, with `_trial` behind it, and say in their comment what they are. Only schemas that say so are ever dropped: a
//! site of somebody's that is called the same is left alone, and the trial fails. What a trial that was killed left is dropped by the next.
//!
//! Deliberately absent: a server of its own. Its programs need not be on the collector's machine, and another machine's disk proves less of this one.

use std::sync::Arc;
use std::time::Duration;

use ioc_common::clock;

use super::connect::{Link, Purpose};
use super::fault::Fault;
use super::settings::{PostgresSettings, SchemaName};
use super::{Candidate, LeaseView};
use crate::StoreError;
use crate::sql::postgres::Driver;

/// What the lease of a trial is held by.
const HOLDER: &str = "trial";
/// How long its lease is waited for, ms: the schema is made meanwhile.
const LEASE_WAIT_MS: u64 = 60_000;
const LEASE_LOOK: Duration = Duration::from_millis(20);

/// A scratch site, whose lease is held. It is gone with this, at the latest with the next one.
#[derive(Debug)]
pub(crate) struct Trial {
    /// None once its lease is given back.
    candidate: Option<Candidate>,
    driver: Arc<Driver>,
    settings: PostgresSettings,
    /// Of the site that it lies beside.
    beside: SchemaName,
}

impl Trial {
    /// Makes it, and takes its lease.
    ///
    /// # Errors
    /// [`StoreError`] when the role may not, a schema of that name is somebody else's, or the database cannot be asked.
    pub(crate) fn begin(beside: &PostgresSettings) -> Result<Self, StoreError> {
        let no_thread = |source| StoreError::File { path: "database thread".into(), source };
        let driver = Driver::start().map_err(no_thread)?;
        let settings = PostgresSettings { schema: beside.schema.trial(), ..beside.clone() };
        let link = Link::open(&settings, Purpose::Migration, &driver)?;
        remove(&link, &settings.schema, &beside.schema)?;
        for name in [settings.schema.as_str().to_owned(), settings.schema.history()] {
            let comment = mark(&beside.schema);
            link.batch(&format!(
                "BEGIN; CREATE SCHEMA \"{name}\"; COMMENT ON SCHEMA \"{name}\" IS '{comment}'; COMMIT"
            ))?;
        }
        let candidate = Candidate::start(&settings, HOLDER, "")?;
        let trial = Self { candidate: Some(candidate), driver, settings, beside: beside.schema.clone() };
        let until_ms = clock::boottime_ms() + LEASE_WAIT_MS;
        while !trial.candidate().holds() {
            if clock::boottime_ms() > until_ms {
                let LeaseView { trouble, .. } = trial.candidate().view().borrow().clone();
                let what = format!("the scratch site was not made: {}", trouble.unwrap_or_default());
                return Err(Fault::passing(what, "look at the server's log, and hold the drill again")
                    .at(&trial.settings.place()));
            }
            std::thread::sleep(LEASE_LOOK);
        }
        Ok(trial)
    }

    /// Who holds its lease.
    pub(crate) fn candidate(&self) -> &Candidate {
        // It is taken at the end alone.
        self.candidate.as_ref().unwrap_or_else(|| unreachable!("a trial that is not over has it"))
    }

    /// Ends it: nothing of it is left.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be dropped; the next one does.
    pub(crate) fn end(mut self) -> Result<(), StoreError> {
        self.drop_schemas()
    }

    fn drop_schemas(&mut self) -> Result<(), StoreError> {
        let Some(candidate) = self.candidate.take() else { return Ok(()) };
        candidate.release();
        let link = Link::open(&self.settings, Purpose::Migration, &self.driver)?;
        remove(&link, &self.settings.schema, &self.beside)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Err(error) = self.drop_schemas() {
            tracing::warn!(%error, "what a restore drill made in the database is left; the next one drops it");
        }
    }
}

/// What the schemas of a trial say of themselves.
fn mark(beside: &SchemaName) -> String {
    format!("IOC Watch: restore drill of {}, dropped at its end", beside.as_str())
}

/// Drops what a trial made; refuses what none did.
fn remove(link: &Link, schema: &SchemaName, beside: &SchemaName) -> Result<(), StoreError> {
    for name in [schema.history(), schema.as_str().to_owned()] {
        let sql = "SELECT coalesce(obj_description(to_regnamespace(quote_ident($1::text)), 'pg_namespace'), ''), \
                   to_regnamespace(quote_ident($1::text)) IS NOT NULL";
        let row = link.row(sql, &[&name])?;
        let (said, is_there) = (link.get::<String>(&row, 0)?, link.get::<bool>(&row, 1)?);
        if !is_there {
            continue;
        }
        if said != mark(beside) {
            let what = format!("the schema {name} is there, and no restore drill has made it");
            return Err(
                Fault::new(what, "rename it: the restore drill makes and drops one of this name").at(link.place())
            );
        }
        link.batch(&format!("DROP SCHEMA \"{name}\" CASCADE"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;

    fn there(link: &Link, settings: &PostgresSettings) -> i64 {
        let like = format!("{}\\_trial%", settings.schema.as_str());
        let row = link.row("SELECT count(*) FROM pg_namespace WHERE nspname LIKE $1", &[&like]).expect("asked");
        link.get(&row, 0).expect("read")
    }

    #[test]
    fn a_trial_leaves_nothing_and_drops_nothing_that_is_not_its_own() {
        let (link, settings) = scratch::site();
        let trial = Trial::begin(&settings).expect("begins");
        assert_eq!(there(&link, &settings), 2);
        // One that was killed left it.
        std::mem::forget(trial);
        let trial = Trial::begin(&settings);
        assert_eq!(trial.is_ok(), there(&link, &settings) == 2, "{trial:?}");
        trial.expect("the next one drops it").end().expect("ends");
        assert_eq!(there(&link, &settings), 0);
        drop(Trial::begin(&settings).expect("begins"));
        assert_eq!(there(&link, &settings), 0, "however it ends");
        link.batch(&format!("CREATE SCHEMA \"{}_trial\"", settings.schema.as_str())).expect("somebody's");
        let refused = Trial::begin(&settings).expect_err("it is not ours").to_string();
        assert!(refused.contains("no restore drill has made it") && refused.contains("mend"), "{refused}");
        assert_eq!(there(&link, &settings), 1);
    }
}
