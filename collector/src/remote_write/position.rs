//! How far remote write has come, in a file beside the store.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use ioc_common::file::replace_durably;
use ioc_engine::health::Health;
use ioc_store::RowNumbers;

/// The name of the file.
pub(crate) const POSITION_FILE: &str = "remote-write.position";

/// How far rows were sent: the number of the last of them, and the store that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) row: u64,
    /// None where a person wrote the number.
    store: Option<String>,
}

/// The file that says how far rows were sent.
pub(super) struct PositionFile {
    pub(super) path: PathBuf,
    /// The store's rows, before this process wrote any.
    pub(super) at_start: RowNumbers,
}

impl PositionFile {
    /// How far rows of this store were sent. A position of another store begins with the first row of this one. Where this store lost its
    /// newest rows, new rows get their numbers: they have to be sent, or they would be missing without a word.
    ///
    /// # Errors
    /// When the file cannot be read, or does not hold the number of a row.
    pub(super) async fn read_settled(&self, health: &Health) -> io::Result<Option<u64>> {
        let own = self.path.clone();
        let task = tokio::task::spawn_blocking(move || read_position(&own));
        let read = task.await.unwrap_or_else(|error| Err(io::Error::other(error)))?;
        let Some(Position { row, store }) = read else { return Ok(None) };
        let found = &self.at_start;
        let is_another = store.as_ref().is_some_and(|store| *store != found.store);
        let from = if is_another { found.before } else { row.min(found.last) };
        if from == row && !is_another {
            return Ok(Some(row));
        }
        health.remote_write_restarts.fetch_add(1, Relaxed);
        tracing::error!(
            handed_on = row,
            last_row = found.last,
            another_store = is_another,
            from,
            "remote write: the store is another one, or lost its newest rows; it goes on from there, and what was lost with them before it \
             was handed on is missing at the receiver, too"
        );
        self.write(from).await;
        Ok(Some(from))
    }

    /// Writes how far rows were sent. A power cut leaves this position or the one before it; a receiver takes a row twice without harm.
    pub(super) async fn write(&self, row: u64) {
        let (own, store) = (self.path.clone(), self.at_start.store.clone());
        let write = move || replace_durably(&own, 0o600, |file| writeln!(file, "{row} {store}"));
        let written = tokio::task::spawn_blocking(write).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        if let Err(error) = written {
            tracing::warn!(path = %self.path.display(), %error, "remote write: its position cannot be kept");
        }
    }
}

/// What the file says; none only where there is no file.
pub(super) fn read_position(path: &Path) -> io::Result<Option<Position>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let shown = || text.chars().take(40).collect::<String>();
    let (number, store) = match text.trim().split_once(' ') {
        Some((number, store)) => (number, Some(store.trim().to_owned())),
        None => (text.trim(), None),
    };
    let row = number.parse();
    row.map(|row| Some(Position { row, store }))
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, format!("{:?} is not the number of a row", shown())))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The position of a store whose rows go so far.
    pub(in crate::remote_write) fn position_file(dir: &Path, store: &str, (before, last): (u64, u64)) -> PositionFile {
        let at_start = RowNumbers { store: store.to_owned(), before, last };
        PositionFile { path: dir.join(POSITION_FILE), at_start }
    }

    #[tokio::test]
    async fn a_position_survives_and_only_a_missing_one_is_a_beginning() {
        let dir = tempfile::tempdir().expect("directory");
        let file = position_file(dir.path(), "a", (0, 2000));
        let path = &file.path;
        assert_eq!(read_position(path).expect("none yet"), None);
        file.write(1234).await;
        let kept = Position { row: 1234, store: Some("a".to_owned()) };
        assert_eq!(read_position(path).expect("kept"), Some(kept));
        std::fs::write(path, "17\n").expect("written by a person");
        assert_eq!(read_position(path).expect("kept"), Some(Position { row: 17, store: None }));
        for nonsense in ["", "half", "-1"] {
            std::fs::write(path, nonsense).expect("written");
            let error = read_position(path).expect_err("no beginning").to_string();
            assert!(error.contains(&format!("{nonsense:?}")), "{error}");
        }
        std::fs::remove_file(path).expect("removed");
        std::fs::create_dir(path).expect("made");
        assert!(read_position(path).is_err(), "there is something, and it cannot be read");
    }

    #[tokio::test]
    async fn a_store_that_is_another_or_went_back_is_said_and_gone_on_with() {
        let settled = async |before: &str, store, rows| {
            let dir = tempfile::tempdir().expect("directory");
            let (file, health) = (position_file(dir.path(), store, rows), Health::default());
            std::fs::write(&file.path, before).expect("written");
            let from = file.read_settled(&health).await.expect("reads");
            assert_eq!(file.read_settled(&health).await.expect("reads"), from, "it is said once");
            (from, health.remote_write_restarts.load(Relaxed))
        };
        assert_eq!(settled("70 a", "a", (10, 90)).await, (Some(70), 0));
        assert_eq!(settled("90 a", "a", (90, 90)).await, (Some(90), 0), "all is folded");
        assert_eq!(settled("5000000 a", "b", (0, 0)).await, (Some(0), 1), "made anew");
        assert_eq!(settled("70 a", "b", (10, 90)).await, (Some(10), 1), "another one, with rows of its own");
        assert_eq!(settled("70 a", "a", (10, 60)).await, (Some(60), 1), "its newest rows are gone");
        assert_eq!(settled("5000000", "b", (0, 60)).await, (Some(60), 1), "kept before stores had names here");
    }
}
