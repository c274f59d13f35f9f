//! The version of the schema, kept as `user_version`: a new store is made, an older one is copied and brought up, a newer one is left alone.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use ioc_common::clock;

use super::file::{FILE, database};
use crate::StoreError;

/// What makes a version out of the one before it: the first leads from 1 to 2.
const STEPS: &[&str] = &[];

/// The newest version that this program knows.
fn newest(steps: &[&str]) -> i64 {
    1 + i64::try_from(steps.len()).unwrap_or(0)
}

pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    bring_up(connection, path, STEPS)?;
    Ok(())
}

/// Whether there is a store in `dir` that can be read, and of which version. Nothing is changed.
///
/// # Errors
/// [`StoreError`] when it cannot be opened, or was written by a newer version.
pub(crate) fn version(dir: &Path) -> Result<i64, StoreError> {
    let path = dir.join(FILE);
    let fault = |source| database(&path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(fault)?;
    let found = version_of(&connection).map_err(fault)?;
    if found > newest(STEPS) {
        return Err(StoreError::Newer { path: path.clone(), found, known: newest(STEPS) });
    }
    Ok(found)
}

fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a store up to the newest version; gives the copy that was made of it before, if one was.
fn bring_up(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<Option<PathBuf>, StoreError> {
    let fault = |source| database(path, source);
    let (found, known) = (version_of(connection).map_err(fault)?, newest(steps));
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(None);
    }
    let copy = if found > 0 { Some(copy_of(connection, path, found)?) } else { None };
    let transaction = connection.transaction().map_err(fault)?;
    if found == 0 {
        transaction.execute_batch(include_str!("schema.sql")).map_err(fault)?;
    }
    let done = usize::try_from(found - 1).unwrap_or(0);
    for step in steps.iter().skip(done) {
        transaction.execute_batch(step).map_err(fault)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(fault)?;
    transaction.commit().map_err(fault)?;
    if let Some(copy) = &copy {
        tracing::warn!(from = found, to = known, copy = %copy.display(), "the store was brought up; a copy of it from before lies beside it");
    }
    Ok(copy)
}

/// A copy of the store as it is, durable before anything is changed. History is not copied: versions only add to it.
fn copy_of(connection: &Connection, path: &Path, version: i64) -> Result<PathBuf, StoreError> {
    let copy = path.with_file_name(format!("ioc-watch.v{version}.{}.db", clock::now().as_millis() / 1000));
    connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(|source| database(&copy, source))?;
    let synced = std::fs::File::open(&copy).and_then(|file| file.sync_all());
    synced.map_err(|source| StoreError::File { path: copy.clone(), source })?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_store_is_copied_and_brought_up_and_a_newer_one_is_left_alone() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join(FILE);
        let mut connection = Connection::open(&path).expect("opens");
        assert_eq!(bring_up(&mut connection, &path, &[]).expect("made"), None, "nothing was there to copy");
        connection
            .execute("INSERT INTO handover (at, rota, who, text) VALUES (1, 'r', 'lan', 'yên')", [])
            .expect("written");
        // The next version of this program.
        let steps = ["ALTER TABLE handover ADD COLUMN signed INTEGER NOT NULL DEFAULT 0"];
        let copy = bring_up(&mut connection, &path, &steps).expect("brought up").expect("copied");
        assert_eq!(version_of(&connection).expect("read"), 2);
        let text: String =
            connection.query_row("SELECT text FROM handover WHERE signed = 0", [], |row| row.get(0)).expect("kept");
        assert_eq!(text, "yên");
        let old = Connection::open(&copy).expect("opens");
        assert_eq!(version_of(&old).expect("read"), 1);
        assert!(
            old.query_row("SELECT text FROM handover", [], |row| row.get::<_, String>(0))
                .is_ok_and(|text| text == "yên")
        );
        assert_eq!(bring_up(&mut connection, &path, &steps).expect("nothing to do"), None);
        // This version again.
        let refused = bring_up(&mut connection, &path, &[]).expect_err("newer").to_string();
        assert!(refused.contains("version is 2") && refused.contains("install the newer version"), "{refused}");
        assert!(version(dir.path()).is_err());
        // A step that fails leaves all as it was.
        let broken = [steps[0], "CREATE nonsense"];
        assert!(bring_up(&mut connection, &path, &broken).is_err());
        assert_eq!(version_of(&connection).expect("read"), 2);
    }
}
