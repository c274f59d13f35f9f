//! The collector's own backup, its restore, and the drill that proves it (articles 7.1 and 7.2).
//!
//! `make` copies the store and its history as they are at one moment, beside commits and within a pace, and writes one archive with
//! keys, configuration and a signed manifest. `restore` reads one, compares every byte, file and table, and lays it out in an empty
//! directory. `drill` does the same in a scratch directory and says what came of it. `task` does both when they are due.
//!
//! A site in PostgreSQL is copied into files first (`source`), so that there is one kind of archive; a drill restores it into a scratch site of its database, too.

pub mod age;
mod archive;
mod catalogue;
mod certificate;
pub mod command;
mod drill;
mod error;
mod files;
mod keep;
mod keys;
mod make;
mod manifest;
mod pace;
mod progress;
mod restore;
mod room;
mod schedule;
mod source;
pub mod task;
mod write_behind;

use ioc_common::clock::Timestamp;
use ioc_engine::config::Config;

pub use error::{ArchiveFault, BackupError};
pub use manifest::Manifest;
pub(crate) use progress::with_bar;
pub(crate) use restore::{allowlist, undeclared};

/// The oldest that the newest backup may be, milliseconds: a day, and six hours for it to be made.
const OLD_MS: i64 = 30 * 3_600_000;

/// How backups stand, in words for a person at the command line, and whether that is good.
#[must_use]
pub fn standing(config: &Config, now: Timestamp) -> (String, bool) {
    let Some(plan) = &config.backup else { return ("no backups of the collector are made".to_owned(), false) };
    let catalogue = catalogue::Catalogue::new(&plan.directory, config);
    let store = source::id(config);
    let store = store.as_deref();
    let read = catalogue.own_archives(store).and_then(|archives| Ok((archives, catalogue.own_drills(store)?)));
    let (archives, drills) = match read {
        Ok(read) => read,
        Err(error) => return (format!("backups: {error}"), false),
    };
    let Some(last) = archives.first() else {
        return (BackupError::NoArchive(plan.directory.clone()).to_string(), false);
    };
    if now.millis_since(last.made_at) > OLD_MS {
        return (format!("the last good backup is of {}", last.made_at), false);
    }
    let spans = (plan.drill_every.as_millis(), OLD_MS);
    let is_late = |at| schedule::is_drill_late(now, Some(at), None, spans);
    match drills.first() {
        Some((_, drill)) if drill.failure.is_some() => (format!("the restore drill of {} failed", drill.at), false),
        Some((_, drill)) if plan.sealing.opens_here() && is_late(drill.at) => {
            (format!("the last restore drill was held at {}", drill.at), false)
        }
        Some((_, drill)) => (format!("backed up as of {}, restored for a trial at {}", last.made_at, drill.at), true),
        None if plan.sealing.opens_here() => {
            (format!("backed up as of {}, and never restored for a trial", last.made_at), false)
        }
        None => (format!("backed up as of {}; a drill needs identity_file", last.made_at), true),
    }
}

#[cfg(test)]
mod tests;
