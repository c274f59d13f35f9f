//! A store is copied from SQLite into PostgreSQL or back, table by table, while no collector runs on either. What was written is read again and
//! compared, before it counts; the chain of the audit log is followed on both sides.
//!
//! Rows keep their numbers, so that what stands beside the store (the index of words, where remote write stands) fits the copy as it did what it was made
//! of. A backup of a site in PostgreSQL is such a copy, made while whoever holds its lease goes on writing; the trial of its restore is one back. Deliberately
//! absent: moving a store while a collector writes, and copies between two databases of one kind, which have means of their own.

use std::path::Path;

use crate::backup::{CopiedStore, Pause};
use crate::postgres::{Candidate, PostgresSettings, Trial, rows_to_read};
use crate::row_copy::{Cell, RowSource, RowSum, RowTarget, SAMPLE, Table};
use crate::sqlite::{self, FilesOfRows, FilesToBe, tables};
use crate::{Reader, StoreError, audit};

/// Records of the audit log that are followed at a time.
const AUDIT_PAGE: usize = 1000;
/// Bytes of rows between two pauses.
const PAUSE_BYTES: u64 = 256 * 1024;

/// A table that was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedTable {
    /// Its name; that of folded history begins with `history.`.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 over all values of all rows, hex: the same on both sides.
    pub sha256: String,
}

/// Is told how many steps of how many are done: a row is one when it is written, and one when it is compared.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64);

/// Copies the store in the directory `from` into the site whose lease `to` holds, which has to be empty.
///
/// # Errors
/// [`StoreError`] when one of them cannot be used, the site is not empty, or the copy is not what was copied; nothing of it is kept then.
pub fn copy_into_postgres(from: &Path, to: &Candidate, progress: Progress<'_>) -> Result<Vec<CopiedTable>, StoreError> {
    let source = FilesOfRows::open(from)?;
    follow_audit(source.reader()?.as_ref(), from)?;
    let mut target = to.rows()?;
    let tables = tables(&target.rowids()?)?;
    let mut told = told(&source, &tables, progress)?;
    copy(&source, &mut target, &tables, &mut told)
}

/// Copies the site whose lease `from` holds into files in the directory `to`, in which there is no store.
///
/// # Errors
/// As [`copy_into_postgres`].
pub fn copy_into_files(from: &Candidate, to: &Path, progress: Progress<'_>) -> Result<Vec<CopiedTable>, StoreError> {
    let source = from.rows()?;
    if !from.is_made()? {
        return Err(StoreError::Gone { path: from.place().into() });
    }
    // Nothing is read for a place that is taken.
    let mut target = FilesToBe::begin(to)?;
    let standby = from.standby(to)?;
    follow_audit(standby.reader()?.as_ref(), Path::new(&from.place()))?;
    drop(standby);
    let tables = tables(&source.rowids()?)?;
    source.begin_moment(&tables)?;
    let mut told = told(&source, &tables, progress)?;
    copy(&source, &mut target, &tables, &mut told)
}

/// Copies the site in PostgreSQL as it is at one moment, whoever writes it, into files in the directory `to`, in which there is no store. The lease is not
/// needed, for nothing is written there.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked, has no such site in the version of this program, the copy is not what was copied, or `pause` ends it;
/// nothing of it is kept then.
pub fn back_up_postgres(from: &PostgresSettings, to: &Path, pause: Pause<'_>) -> Result<CopiedStore, StoreError> {
    let source = rows_to_read(from)?;
    let mut target = FilesToBe::begin(to)?;
    let tables = tables(&source.rowids()?)?;
    source.begin_moment(&tables)?;
    copy(&source, &mut target, &tables, &mut paced(to, pause))?;
    sqlite::about_copy(to)
}

/// Restores files for a trial: those in `from` go into a scratch site beside the one that `beside` names, are compared there row by row, and are opened as a
/// collector opens its store; `look` is handed what reads it. The scratch site is gone afterwards. `dir` is a folder for what is not the record.
///
/// # Errors
/// [`StoreError`] when the database refuses, what is there is not what was copied, or `pause` or `look` ends it.
pub fn try_in_postgres(
    from: &Path,
    beside: &PostgresSettings,
    dir: &Path,
    pause: Pause<'_>,
    look: impl FnOnce(&dyn Reader) -> Result<(), StoreError>,
) -> Result<Vec<CopiedTable>, StoreError> {
    let source = FilesOfRows::open(from)?;
    let trial = Trial::begin(beside)?;
    let copied = {
        let mut target = trial.candidate().rows()?;
        let tables = tables(&target.rowids()?)?;
        copy(&source, &mut target, &tables, &mut paced(from, pause))?
    };
    let store = trial.candidate().open(dir)?;
    let reader = store.reader()?;
    follow_audit(reader.as_ref(), Path::new(&trial.candidate().place()))?;
    look(reader.as_ref())?;
    drop((reader, store));
    trial.end()?;
    Ok(copied)
}

/// Is handed each row when it is written, and when it is compared.
type EachStep<'e> = &'e mut dyn FnMut(&[Cell]) -> Result<(), StoreError>;

/// Tells how many steps are done.
fn told<'p>(
    source: &dyn RowSource,
    tables: &[Table],
    progress: Progress<'p>,
) -> Result<impl FnMut(&[Cell]) -> Result<(), StoreError> + use<'p>, StoreError> {
    let counts = tables.iter().map(|table| source.count(table)).collect::<Result<Vec<_>, _>>()?;
    // Each is written, and compared.
    let all = counts.iter().sum::<u64>() * 2;
    let mut done = 0;
    Ok(move |_: &[Cell]| {
        done += 1;
        if done % 256 == 0 || done == all {
            progress(done, all);
        }
        Ok(())
    })
}

/// Pauses behind so many bytes.
fn paced<'p>(place: &'p Path, pause: Pause<'p>) -> impl FnMut(&[Cell]) -> Result<(), StoreError> + use<'p> {
    let mut since = 0;
    move |row: &[Cell]| {
        since += row.iter().map(|cell| cell.size() as u64).sum::<u64>();
        if since < PAUSE_BYTES {
            return Ok(());
        }
        pause(std::mem::take(&mut since)).map_err(|source| StoreError::File { path: place.to_owned(), source })
    }
}

fn copy(
    source: &dyn RowSource,
    target: &mut dyn RowTarget,
    tables: &[Table],
    step: EachStep<'_>,
) -> Result<Vec<CopiedTable>, StoreError> {
    target.begin(tables)?;
    let mut copied = Vec::with_capacity(tables.len());
    for table in tables {
        if !table.history
            && table.name == SAMPLE
            && let Some((first, last)) = source.bounds(table)?
        {
            target.make_room(first, last)?;
        }
        let (mut read, mut kept) = (RowSum::new(), RowSum::new());
        let mut writer = target.writer(table)?;
        source.read(table, &mut |row| {
            read.add(row);
            step(row)?;
            writer.put(row)
        })?;
        writer.end()?;
        target.set_last_given(table, source.last_given(table)?)?;
        target.read(table, &mut |row| {
            kept.add(row);
            step(row)
        })?;
        let (was, is) = (read.end(), kept.end());
        if was != is {
            let why = format!(
                "{}: {} rows (SHA-256 {}) were read, {} ({}) are there",
                table.called(),
                was.0,
                was.1,
                is.0,
                is.1
            );
            return Err(StoreError::Content { path: "store copy".into(), what: "a table as it was copied", why });
        }
        let (rows, sha256) = was;
        copied.push(CopiedTable { table: table.called(), rows, sha256 });
    }
    target.finish(tables)?;
    Ok(copied)
}

/// Follows the chain of the audit log from its first record: how many there are, and the hash of the last, hex.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or a record does not follow the one before it; it names that record.
pub fn follow_audit(reader: &dyn Reader, place: &Path) -> Result<(u64, String), StoreError> {
    let (mut number, mut hash) = (0, audit::GENESIS.to_owned());
    loop {
        let page = reader.audit(number, AUDIT_PAGE)?;
        if page.is_empty() {
            return Ok((number, hash));
        }
        for record in page {
            if record.number != number + 1 || !audit::follows(&hash, &record) {
                let why = format!(
                    "record {} does not follow record {number}; mend: look at it with ioc-collector audit verify before it is copied",
                    record.number
                );
                return Err(StoreError::Content { path: place.to_owned(), what: "the chain of the audit log", why });
            }
            (number, hash) = (record.number, record.hash);
        }
    }
}

#[cfg(test)]
mod tests;
