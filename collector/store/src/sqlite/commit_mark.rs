//! The commit mark: which store this is and how many commits it holds, in a small file beside it.
//!
//! SQLite reads a write-ahead log up to the first frame that is not right and takes that for its end, without a word: a flipped byte, a
//! file that is gone or an older copy in its place would throw away what was acknowledged, and nobody would know. So the number of
//! commits stands in the store itself and, after every commit, in a small file beside it. The file is not synced: it is never
//! ahead of the store, and after a power cut it is behind by half a minute at most.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use ioc_common::encoding::hex;
use ioc_common::file::sync_dir;
use ioc_judge::Text;

use super::file::{FILES, MARK_FILE, SHARED_MEMORY, aside_stamp, database};
use super::lock::lock;
use super::{fold_mark, head_file};
use crate::{StoreError, StoreLosses};

/// Room that is left when damaged files are copied aside, bytes.
const SPARE_BYTES: u64 = 1 << 30;

/// Counts the commits of an open store, in its mark, too.
#[derive(Debug)]
pub(super) struct CommitCounter {
    /// Held as long as this is.
    _lock: File,
    path: PathBuf,
    mark: Option<File>,
    /// The commit mark could not be written; said once.
    failing: bool,
    id: String,
    commits: u64,
}

/// Which store, and how many commits it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CommitMark {
    id: String,
    commits: u64,
}

impl fmt::Display for CommitMark {
    /// Always of the same length, so that it is written in place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = format!("{} {:020}", self.id, self.commits);
        writeln!(f, "ioc-watch 1 {body} {:08x}", crc32fast::hash(body.as_bytes()))
    }
}

impl CommitMark {
    fn parse(text: &str) -> Option<Self> {
        let (body, crc) = text.trim_end().strip_prefix("ioc-watch 1 ")?.rsplit_once(' ')?;
        if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(body.as_bytes()) {
            return None;
        }
        let (id, commits) = body.split_once(' ')?;
        Some(Self { id: id.to_owned(), commits: commits.parse().ok()? })
    }
}

/// The commit mark as it was found beside the store.
enum MarkOnDisk {
    Missing,
    Unreadable,
    Read(CommitMark),
}

fn read_mark(dir: &Path) -> Result<MarkOnDisk, StoreError> {
    let path = dir.join(MARK_FILE);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(std::str::from_utf8(&bytes)
            .ok()
            .and_then(CommitMark::parse)
            .map_or(MarkOnDisk::Unreadable, MarkOnDisk::Read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(MarkOnDisk::Missing),
        Err(source) => Err(StoreError::File { path, source }),
    }
}

/// Whether there is a file: SQLite takes an empty one for a new store, and begins anew.
fn is_there(dir: &Path, name: &str) -> bool {
    std::fs::metadata(dir.join(name)).is_ok_and(|about| about.len() > 0)
}

/// What a store's commit mark says: which store, and how many commits.
pub(super) fn marked(dir: &Path) -> Option<(String, u64)> {
    match read_mark(dir) {
        Ok(MarkOnDisk::Read(mark)) => Some((mark.id, mark.commits)),
        Ok(MarkOnDisk::Missing | MarkOnDisk::Unreadable) | Err(_) => None,
    }
}

/// The text of the commit mark of a store.
pub(super) fn text(id: &str, commits: u64) -> String {
    CommitMark { id: id.to_owned(), commits }.to_string()
}

/// What the store says of itself: which one it is, and how many commits it holds.
pub(super) fn held(connection: &Connection) -> rusqlite::Result<Option<(String, u64)>> {
    Ok(kept(connection)?.map(|mark| (mark.id, mark.commits)))
}

/// What is to be said of files that were not copied aside; nothing when all were.
fn not_copied(names: &[&str]) -> Option<Text> {
    let names = names.join(", ");
    (!names.is_empty()).then(|| {
        Text::new(
            format!("Không sao được ra chỗ khác trước khi mở (thiếu chỗ hoặc lỗi ổ đĩa): {names}."),
            format!("Not copied aside before the store was opened (no room, or the disk failed): {names}."),
        )
    })
}

/// The lock of a store that is about to be opened, and what its commit mark says.
pub(super) struct LockedStore {
    lock: File,
    mark: MarkOnDisk,
    dir: PathBuf,
    /// The store and folded history were there before they were opened.
    store: bool,
    history: bool,
}

impl LockedStore {
    /// # Errors
    /// [`StoreError::Held`] when another collector uses the directory, [`StoreError::Gone`] when there is a commit mark and no store.
    pub(super) fn begin(dir: &Path) -> Result<Self, StoreError> {
        let lock = lock(dir)?;
        let mark = read_mark(dir)?;
        let (store, history) = (is_there(dir, FILES[0]), is_there(dir, FILES[2]));
        let locked = Self { lock, mark, dir: dir.to_owned(), store, history };
        if !locked.store && !matches!(locked.mark, MarkOnDisk::Missing) {
            return Err(StoreError::Gone { path: dir.join(FILES[0]) });
        }
        Ok(locked)
    }

    /// Compares the store, before anything is written to it, with what its commit mark says. Where something is lost, what is
    /// left is copied aside first: opening it goes on from what can be read.
    ///
    /// # Errors
    /// [`StoreError`] when the store is damaged or the disk fails.
    pub(super) fn compare(&self, connection: &Connection) -> Result<Vec<Text>, StoreError> {
        let path = self.dir.join(FILES[0]);
        let fault = |source| database(&path, source);
        if !self.store {
            return Ok(Vec::new());
        }
        let known = kept(connection).map_err(fault)?;
        let mut lost = Vec::new();
        match (&self.mark, known) {
            // Its log held everything, and cannot be read from its beginning.
            (MarkOnDisk::Read(mark), None) if mark.commits > 0 => {
                let _ = self.copy_aside();
                return Err(StoreError::Gone { path });
            }
            (MarkOnDisk::Read(mark), Some(known)) if mark.id != known.id => lost.push(Text::new(
                "Kho dữ liệu ở đây là kho khác với kho đã dùng lần trước.",
                "The store here is another one than the one that was used last.",
            )),
            (MarkOnDisk::Read(mark), Some(known)) if mark.commits > known.commits => {
                let (missing, held) = (mark.commits - known.commits, known.commits);
                lost.push(Text::new(
                    format!("Mất {missing} lần ghi cuối đã được xác nhận (còn {held}): nhật ký ghi bị hỏng hay bị mất, hoặc đây là bản sao cũ hơn."),
                    format!("The last {missing} commits that were acknowledged are missing ({held} are left): the write-ahead log is damaged or gone, or this is an older copy."),
                ));
            }
            (MarkOnDisk::Missing | MarkOnDisk::Unreadable, Some(known)) if known.commits > 0 => lost.push(Text::new(
                "Không chứng minh được kho dữ liệu còn đủ: tệp «commit-mark» bị mất hoặc hỏng (kho vừa được phục hồi từ bản sao?).",
                "It cannot be proven that the store is whole: its file 'commit-mark' is gone or damaged (was it restored from a copy?).",
            )),
            (MarkOnDisk::Read(_) | MarkOnDisk::Missing | MarkOnDisk::Unreadable, _) => {}
        }
        if !self.history && keeps_history(connection).map_err(fault)? {
            lost.push(Text::new(
                "Tệp lịch sử số liệu «history.db» bị mất: các số liệu cũ hơn vài giờ không còn.",
                "The file of folded history, history.db, is gone: numbers older than some hours are missing.",
            ));
        }
        if self.history {
            lost.extend(fold_mark::compare(connection, &self.dir)?.map(fold_mark::Mismatch::text));
        }
        lost.extend(head_file::compare(connection, &self.dir).map_err(fault)?);
        if !lost.is_empty() {
            lost.extend(self.copy_aside());
        }
        Ok(lost)
    }

    /// Copies what is there aside, as far as there is room: whoever wants to save more out of it finds it as it was. What is to be said
    /// of what could not be copied.
    fn copy_aside(&self) -> Option<Text> {
        let aside = self.dir.join(format!("damaged-{}", aside_stamp()));
        let room = rustix::fs::statvfs(&self.dir).map_or(0, |found| found.f_bavail * found.f_frsize);
        if let Err(error) = std::fs::create_dir(&aside) {
            tracing::error!(copy = %aside.display(), %error, "nothing of the store could be copied aside");
            return not_copied(&FILES);
        }
        let (copied, left_out) = self.copy_to(&aside, room);
        tracing::error!(copy = %aside.display(), ?copied, ?left_out, "what is left of the store was copied aside before it was opened");
        not_copied(&left_out)
    }

    /// Copies the files of the store, as far as there is room: which were copied, and which were not.
    fn copy_to(&self, aside: &Path, mut room: u64) -> (Vec<&'static str>, Vec<&'static str>) {
        let (mut copied, mut left_out) = (Vec::new(), Vec::new());
        // The logs first: they are small, and gone once the store is written. What is large leaves room for what comes in.
        for (name, spare) in [
            (FILES[1], 0),
            (SHARED_MEMORY[0], 0),
            (FILES[3], 0),
            (SHARED_MEMORY[1], 0),
            (FILES[0], SPARE_BYTES),
            (FILES[2], SPARE_BYTES),
        ] {
            let from = self.dir.join(name);
            let Ok(about) = std::fs::metadata(&from) else { continue };
            if about.len().saturating_add(spare) > room {
                tracing::warn!(file = %from.display(), bytes = about.len(), room, "it is not copied aside: there is no room");
                left_out.push(name);
                continue;
            }
            match std::fs::copy(&from, aside.join(name)) {
                Ok(bytes) => {
                    room = room.saturating_sub(bytes);
                    copied.push(name);
                }
                Err(error) => {
                    tracing::warn!(file = %from.display(), %error, "it could not be copied aside");
                    left_out.push(name);
                }
            }
        }
        (copied, left_out)
    }

    /// The store is open: from now on its commits are counted. What was found lost stays in the store until a person confirms it.
    ///
    /// # Errors
    /// [`StoreError`] when the disk is full, read-only or failing.
    pub(super) fn finish(
        self,
        connection: &Connection,
        lost: &[Text],
    ) -> Result<(CommitCounter, StoreLosses), StoreError> {
        let path = self.dir.join(FILES[0]);
        let fault = |source| database(&path, source);
        let known = match kept(connection).map_err(fault)? {
            Some(known) => known,
            None => {
                let random: [u8; 8] = ioc_common::random::secret().map_err(|error| StoreError::File {
                    path: path.clone(),
                    source: io::Error::other(error.to_string()),
                })?;
                let id = hex(&random);
                let sql = "INSERT INTO state (one, id, commits, lost) VALUES (1, ?1, 0, '')";
                connection.execute(sql, [&id]).map_err(fault)?;
                CommitMark { id, commits: 0 }
            }
        };
        let fresh = !lost.is_empty();
        let mut all = standing(connection).map_err(fault)?;
        if fresh {
            all.extend(lost.iter().filter(|one| !all.contains(one)).cloned().collect::<Vec<_>>());
            let text = serde_json::to_string(&all).unwrap_or_default();
            connection.execute("UPDATE state SET lost = ?1", [text]).map_err(fault)?;
        }
        let mut counter = CommitCounter {
            _lock: self.lock,
            path: self.dir.join(MARK_FILE),
            mark: None,
            failing: false,
            id: known.id,
            commits: known.commits,
        };
        // Its name and size survive a power cut from now on; what stands in it may then be older, never torn.
        counter.sync();
        let _ = sync_dir(&self.dir);
        Ok((counter, StoreLosses { all, fresh }))
    }
}

/// What the store says of itself; nothing in a new one.
fn kept(connection: &Connection) -> rusqlite::Result<Option<CommitMark>> {
    if !has_table(connection, "state")? {
        return Ok(None);
    }
    let read =
        |row: &rusqlite::Row<'_>| Ok(CommitMark { id: row.get(0)?, commits: row.get::<_, i64>(1)?.unsigned_abs() });
    // Every commit leaves a row in the log; the newest is never deleted.
    let sql = "SELECT id, max(commits, coalesce((SELECT max(number) FROM watermark_log), 0)) FROM state";
    connection.query_row(sql, [], read).optional()
}

fn has_table(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?1", [name], |row| {
        row.get::<_, i64>(0).map(|count| count > 0)
    })
}

/// Whether folded history was ever made: a store that was only just made has none.
fn keeps_history(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(kept(connection)?.is_some_and(|known| known.commits > 0))
}

fn standing(connection: &Connection) -> rusqlite::Result<Vec<Text>> {
    let text: String = connection.query_row("SELECT lost FROM state", [], |row| row.get(0))?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

impl CommitCounter {
    /// Which store it is.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The number of the commit that is being made.
    pub(super) const fn next(&self) -> u64 {
        self.commits + 1
    }

    /// The commit is on disk.
    pub(super) fn committed(&mut self) {
        self.commits += 1;
        self.write();
    }

    /// Writes the commit mark in place: some microseconds, and no sync.
    fn write(&mut self) {
        let text = CommitMark { id: self.id.clone(), commits: self.commits }.to_string();
        let written = self.file().and_then(|file| file.write_all_at(text.as_bytes(), 0));
        match written {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!(file = %self.path.display(), %error, "the commit mark cannot be written; commits go on");
            }
            Err(_) => {}
        }
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.mark.is_none() {
            let mut options = OpenOptions::new();
            self.mark = Some(options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?);
        }
        self.mark.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Has the commit mark survive a power cut.
    pub(super) fn sync(&mut self) {
        self.write();
        if let Some(file) = &self.mark {
            let _ = file.sync_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit;
    use crate::sqlite::SqliteStore;
    use crate::{Change, Store as _};
    use ioc_common::clock::Timestamp;

    fn note(text: &str) -> Change {
        let (actor, action, subject) = (String::new(), "test".to_owned(), String::new());
        Change::Audit(audit::AuditEntry {
            at: Timestamp::from_millis(1),
            actor,
            action,
            subject,
            detail: text.to_owned(),
        })
    }

    /// A store with so many commits, as it lies on disk when its collector is killed.
    fn killed(dir: &Path, commits: u32) {
        let from = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(from.path()).expect("opens");
        for round in 0..commits {
            store.commit(&[note(&round.to_string())]).expect("kept");
        }
        for entry in std::fs::read_dir(from.path()).expect("read").flatten() {
            if entry.file_name() != "ioc-watch.db-shm" {
                std::fs::copy(entry.path(), dir.join(entry.file_name())).expect("copied");
            }
        }
    }

    #[test]
    fn what_there_is_no_room_to_copy_aside_is_said_and_the_log_is_copied_first() {
        let dir = tempfile::tempdir().expect("directory");
        for (name, bytes) in [(FILES[0], 5000), (FILES[1], 3000), (FILES[2], 700), (FILES[3], 2000)] {
            std::fs::write(dir.path().join(name), vec![1; bytes]).expect("written");
        }
        let locked = LockedStore {
            lock: lock(dir.path()).expect("locked"),
            mark: MarkOnDisk::Missing,
            dir: dir.path().to_owned(),
            store: true,
            history: true,
        };
        let copied = |room: u64| {
            let aside = tempfile::tempdir().expect("directory");
            let (copied, left_out) = locked.copy_to(aside.path(), room);
            for name in &copied {
                assert_eq!(std::fs::read(aside.path().join(name)).expect("there").len() % 100, 0);
            }
            (copied, left_out)
        };
        assert_eq!(copied(SPARE_BYTES + 20_000), (vec![FILES[1], FILES[3], FILES[0], FILES[2]], vec![]));
        assert_eq!(copied(SPARE_BYTES + 6_000), (vec![FILES[1], FILES[3], FILES[2]], vec![FILES[0]]));
        assert_eq!(
            copied(5_000),
            (vec![FILES[1], FILES[3]], vec![FILES[0], FILES[2]]),
            "logs take no part of the reserve"
        );
        assert_eq!(copied(2_500).0, [FILES[3]]);
        let text = not_copied(&copied(2_500).1).expect("said");
        assert!(text.en.contains("ioc-watch.db-wal") && text.vi.contains("history.db"), "{text:?}");
        assert_eq!(not_copied(&[]), None);
    }

    #[test]
    fn any_flipped_byte_of_the_log_is_seen_and_a_whole_one_is_not() {
        let dir = tempfile::tempdir().expect("directory");
        killed(dir.path(), 60);
        assert!(SqliteStore::open(dir.path()).expect("opens").lost().all.is_empty(), "whole");
        let mut seen = 0;
        for part in 1..20 {
            let dir = tempfile::tempdir().expect("directory");
            killed(dir.path(), 60);
            let log = dir.path().join(FILES[1]);
            let mut bytes = std::fs::read(&log).expect("read");
            let place = bytes.len() * part / 20;
            bytes[place] ^= 1;
            std::fs::write(&log, bytes).expect("written");
            match SqliteStore::open(dir.path()) {
                Ok(store) => {
                    let lost = store.lost();
                    assert!(lost.fresh && lost.all[0].en.contains("commits"), "{part}: {lost:?}");
                    assert!(std::fs::read_dir(dir.path()).unwrap().flatten().any(|one| {
                        one.file_name().to_string_lossy().starts_with("damaged-") && one.path().join(FILES[1]).exists()
                    }));
                    seen += 1;
                    drop(store);
                    let again = SqliteStore::open(dir.path()).expect("opens");
                    assert!(!again.lost().fresh && again.lost().all.len() == 1, "it stands until it is confirmed");
                }
                // Where even the schema is gone, it does not open at all.
                Err(error) => assert!(matches!(error, StoreError::Gone { .. }), "{error}"),
            }
        }
        assert_eq!(seen, 19);
    }

    #[test]
    fn what_is_gone_or_older_or_another_is_seen() {
        fn remove(dir: &Path, name: &str) {
            std::fs::remove_file(dir.join(name)).expect("removed");
        }
        let spoilt = |spoil: fn(&Path)| {
            let dir = tempfile::tempdir().expect("directory");
            killed(dir.path(), 3);
            spoil(dir.path());
            SqliteStore::open(dir.path())
                .map(|store| store.lost().all.iter().map(|one| one.en.clone()).collect::<String>())
        };
        assert!(spoilt(|_| ()).expect("opens").is_empty());
        let refused = spoilt(|dir| remove(dir, FILES[0])).expect_err("gone").to_string();
        assert!(refused.contains("restore it"), "{refused}");
        let refused = spoilt(|dir| std::fs::write(dir.join(FILES[0]), "").expect("emptied"));
        assert!(matches!(refused, Err(StoreError::Gone { .. })), "{refused:?}");
        assert!(spoilt(|dir| remove(dir, MARK_FILE)).expect("opens").contains("proven"));
        assert!(
            spoilt(|dir| std::fs::write(dir.join(MARK_FILE), "x").expect("spoilt")).expect("opens").contains("proven")
        );
        assert!(spoilt(|dir| remove(dir, FILES[2])).expect("opens").contains("history.db"));
        let other = spoilt(|dir| {
            let text = CommitMark { id: "0".repeat(16), commits: 1 }.to_string();
            std::fs::write(dir.join(MARK_FILE), text).expect("written");
        });
        assert!(other.expect("opens").contains("another"));
        let older = spoilt(|dir| {
            let copy = std::fs::read(dir.join(FILES[0])).expect("read");
            let log = std::fs::read(dir.join(FILES[1])).expect("read");
            let mut store = SqliteStore::open(dir).expect("opens");
            store.commit(&[note("later")]).expect("kept");
            drop(store);
            std::fs::write(dir.join(FILES[0]), copy).expect("older");
            std::fs::write(dir.join(FILES[1]), log).expect("older");
            let _ = std::fs::remove_file(dir.join("ioc-watch.db-shm"));
        });
        assert!(older.expect("opens").contains("last 1 commits"));
    }

    #[test]
    fn closing_leaves_no_log_and_confirming_ends_what_was_found() {
        let dir = tempfile::tempdir().expect("directory");
        killed(dir.path(), 3);
        std::fs::remove_file(dir.path().join(MARK_FILE)).expect("removed");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let reader = store.reader().expect("opens");
        store.commit(&[Change::LossConfirmed]).expect("kept");
        store.close().expect("closed");
        assert_eq!(std::fs::metadata(dir.path().join(FILES[1])).map_or(0, |about| about.len()), 0, "the log is empty");
        drop((reader, store));
        assert!(SqliteStore::open(dir.path()).expect("opens").lost().all.is_empty());
    }
}
