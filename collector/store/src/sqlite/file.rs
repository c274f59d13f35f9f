//! The files that are the store, and what is said when one of them cannot be used.

use std::path::Path;

use ioc_common::clock;
use ioc_common::file::sync_dir;

use crate::{StoreError, sql};

/// How long a lock that another process holds (a backup) is waited for.
pub(super) const BUSY_MS: u64 = 10_000;

/// The store's file.
pub(super) const FILE: &str = "ioc-watch.db";
/// Everything that is the store: what happens, and folded history, each with its write-ahead log.
pub(crate) const FILES: [&str; 4] = [FILE, "ioc-watch.db-wal", HISTORY, "history.db-wal"];
/// The file's name, beside the main one.
pub(super) const HISTORY: &str = "history.db";

/// Beside them: which store this is, and how many commits it holds (`commit_mark.rs`).
pub(super) const MARK_FILE: &str = "commit-mark";
/// Beside them: the newest signed head of the audit log (`audit_head.rs`).
pub(super) const HEAD_FILE: &str = "audit-head";
/// Beside them while the store is open.
pub(super) const SHARED_MEMORY: [&str; 2] = ["ioc-watch.db-shm", "history.db-shm"];

/// Renames what there is of these files of a directory, each to the name beside it. The new names survive a power cut.
///
/// # Errors
/// [`StoreError::File`] when one cannot be renamed; those before it are.
pub(super) fn rename_synced<'n>(
    dir: &Path,
    names: impl IntoIterator<Item = (&'n str, String)>,
) -> Result<(), StoreError> {
    for (name, to) in names {
        let path = dir.join(name);
        if path.exists() {
            std::fs::rename(&path, dir.join(to)).map_err(|source| StoreError::File { path, source })?;
        }
    }
    if let Err(error) = sync_dir(dir) {
        tracing::warn!(dir = %dir.display(), %error, "a power cut may take the new names of files back");
    }
    Ok(())
}

/// What tells apart what was put aside at different times: seconds since 1970.
pub(super) fn aside_stamp() -> i64 {
    clock::now().as_millis() / 1000
}

/// What the database said of a file.
pub(super) fn database(path: &Path, source: rusqlite::Error) -> StoreError {
    sql::database(path, source.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_renamed_and_what_is_not_is_passed_over() {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::write(dir.path().join(FILE), "one").expect("written");
        let all = FILES.into_iter().chain(SHARED_MEMORY);
        rename_synced(dir.path(), all.map(|name| (name, format!("{name}.old-7")))).expect("renamed");
        let found: Vec<_> =
            std::fs::read_dir(dir.path()).expect("listed").flatten().map(|one| one.file_name()).collect();
        assert_eq!(found, ["ioc-watch.db.old-7"]);
        std::fs::create_dir(dir.path().join("taken")).expect("made");
        std::fs::write(dir.path().join("taken/file"), "").expect("written");
        let error = rename_synced(dir.path(), [("ioc-watch.db.old-7", "taken".to_owned())]).expect_err("a folder");
        assert!(error.to_string().contains("ioc-watch.db.old-7"), "{error}");
    }
}
