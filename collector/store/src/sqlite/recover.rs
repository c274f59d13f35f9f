//! Saving out of a damaged store what can still be read: row by row into a new one, around what cannot.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use ioc_judge::Text;

use super::commit_mark::marked;
use super::file::{FILES, SHARED_MEMORY, aside_stamp, database, rename_synced};
use super::lock::lock;
use super::search_file;
use crate::sql::value::signed;
use crate::{RecoveredTable, StoreError};

/// Rows of one transaction.
const ROWS: u32 = 5000;
/// Most tries around damaged places of one table: each halves what is left.
const TRIES_MAX: u32 = 1000;

/// Makes a new store in `dir` out of what can be read of the one that is there, which is kept beside it. The collector must not run.
///
/// # Errors
/// [`StoreError`] when the directory is in use, or the new store cannot be written; nothing is changed then.
pub(crate) fn recover(dir: &Path) -> Result<Vec<RecoveredTable>, StoreError> {
    let _lock = lock(dir)?;
    let mut saved = Vec::new();
    for (name, schema) in [(FILES[0], include_str!("schema.sql")), (FILES[2], include_str!("history.sql"))] {
        let (from, to) = (dir.join(name), dir.join(format!("{name}.mended")));
        if std::fs::metadata(&from).map_or(0, |about| about.len()) == 0 {
            continue;
        }
        let _ = std::fs::remove_file(&to);
        let target = make(&to, schema).map_err(|source| database(&to, source))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let source = Connection::open_with_flags(&from, flags).map_err(|source| database(&from, source))?;
        let ordered = take_order(&target).map_err(|source| database(&to, source))?;
        let of_file = copy_all(&source, &target).map_err(|source| database(&to, source))?;
        if name == FILES[0] {
            if of_file.iter().all(|one| one.rows == 0) {
                return Err(StoreError::Content {
                    path: from,
                    what: "the store",
                    why: "nothing of it can be read".to_owned(),
                });
            }
            say(&target, &of_file, dir).map_err(|source| database(&to, source))?;
        }
        // A log with gaps has another tree.
        let restored = format!("{ordered}{}", if name == FILES[0] { "DELETE FROM audit_tree;" } else { "" });
        target.execute_batch(&restored).map_err(|source| database(&to, source))?;
        saved.extend(of_file);
        target.close().map_err(|(_, source)| database(&to, source))?;
        std::fs::File::open(&to)
            .and_then(|file| file.sync_all())
            .map_err(|source| StoreError::File { path: to, source })?;
    }
    swap(dir)?;
    Ok(saved)
}

/// Puts the new files in the place of the old ones, which keep their names with an ending.
fn swap(dir: &Path) -> Result<(), StoreError> {
    let stamp = aside_stamp();
    let old = FILES.into_iter().chain(SHARED_MEMORY).map(|name| (name, format!("{name}.damaged-{stamp}")));
    rename_synced(dir, old)?;
    let mended = [FILES[0], FILES[2]].map(|name| (format!("{name}.mended"), name.to_owned()));
    rename_synced(dir, mended.iter().map(|(from, to)| (from.as_str(), to.clone())))?;
    // Rows of the new store may have other numbers.
    search_file::remove(dir).map_err(|source| StoreError::File { path: dir.to_owned(), source })
}

fn make(path: &Path, schema: &str) -> rusqlite::Result<Connection> {
    let target = Connection::open(path)?;
    target.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    target.pragma_update(None, "journal_mode", "OFF")?;
    // Rows come table by table.
    target.pragma_update(None, "foreign_keys", false)?;
    target.execute_batch(schema)?;
    target.pragma_update(None, "user_version", 1)?;
    Ok(target)
}

/// Takes away the triggers by which rows come only one after the other, since some may be missing; gives what makes them again.
fn take_order(target: &Connection) -> rusqlite::Result<String> {
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE '%\\_in\\_order' ESCAPE '\\'";
    let mut statement = target.prepare(sql)?;
    let triggers = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    drop(statement);
    let mut again = String::new();
    for (name, sql) in triggers {
        target.execute_batch(&format!("DROP TRIGGER {name}"))?;
        again += &format!("{sql};");
    }
    Ok(again)
}

fn copy_all(source: &Connection, target: &Connection) -> rusqlite::Result<Vec<RecoveredTable>> {
    let mut statement = target
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    drop(statement);
    tables.into_iter().map(|table| copy(source, target, table)).collect()
}

fn copy(source: &Connection, target: &Connection, table: String) -> rusqlite::Result<RecoveredTable> {
    let mut statement = target.prepare(&format!("PRAGMA table_info({table})"))?;
    let columns = statement
        .query_map([], |row| Ok((row.get::<_, String>(1)?, row.get::<_, i64>(5)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    drop(statement);
    let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let marks = vec!["?"; columns.len()].join(", ");
    let put = format!("INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})");
    let mut table =
        TableCopy { source, target, put, width: columns.len(), written: 0, damaged: 0, tries: 0, name: table };
    target.execute_batch("BEGIN")?;
    if target.prepare(&format!("SELECT rowid FROM {}", table.name)).is_ok() {
        let select = format!("SELECT {names}, rowid FROM {} WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid", table.name);
        table.span(&select, i64::MIN, i64::MAX)?;
    } else {
        let mut key: Vec<&(String, i64)> = columns.iter().filter(|(_, place)| *place > 0).collect();
        key.sort_by_key(|(_, place)| *place);
        let order = |way: &str| key.iter().map(|(name, _)| format!("{name} {way}")).collect::<Vec<_>>().join(", ");
        // From both ends to the first place that cannot be read.
        for way in ["ASC", "DESC"] {
            let select = format!("SELECT {names}, 0 FROM {} ORDER BY {}", table.name, order(way));
            if table.read(&select, None)?.is_ok() {
                break;
            }
            table.damaged += 1;
        }
    }
    target.execute_batch("COMMIT")?;
    let counted = target.query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get::<_, i64>(0))?;
    Ok(RecoveredTable { rows: counted.unsigned_abs(), damaged: table.damaged, table: table.name })
}

/// A table that is being copied.
struct TableCopy<'c> {
    source: &'c Connection,
    target: &'c Connection,
    put: String,
    width: usize,
    written: u32,
    damaged: u64,
    tries: u32,
    name: String,
}

impl TableCopy<'_> {
    /// Copies rows until the end, or until one cannot be read: then the number of the last that could, if any.
    fn read(&mut self, select: &str, span: Option<(i64, i64)>) -> rusqlite::Result<Result<(), Option<i64>>> {
        self.tries += 1;
        let mut last = None;
        let Ok(mut statement) = self.source.prepare(select) else { return Ok(Err(None)) };
        let found = match span {
            Some((from, to)) => statement.query([from, to]),
            None => statement.query([]),
        };
        let Ok(mut rows) = found else { return Ok(Err(None)) };
        loop {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(Ok(())),
                Err(_) => return Ok(Err(last)),
            };
            let values = (0..self.width).map(|place| row.get::<_, Value>(place)).collect::<rusqlite::Result<Vec<_>>>();
            let (Ok(values), Ok(number)) = (values, row.get::<_, i64>(self.width)) else {
                self.damaged += 1;
                continue;
            };
            // What no longer keeps the table's own rules is damaged, too.
            match self.target.prepare_cached(&self.put)?.execute(params_from_iter(values)) {
                Ok(_) => {}
                Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
                    self.damaged += 1;
                }
                Err(error) => return Err(error),
            }
            last = Some(number);
            self.written += 1;
            if self.written.is_multiple_of(ROWS) {
                self.target.execute_batch("COMMIT; BEGIN")?;
            }
        }
    }

    /// Copies what lies between two numbers: from below up to what cannot be read, then each half of what is left.
    fn span(&mut self, select: &str, from: i64, to: i64) -> rusqlite::Result<()> {
        let mut open = vec![(from, to)];
        while let Some((from, to)) = open.pop() {
            let Err(last) = self.read(select, Some((from, to)))? else { continue };
            let from = last.map_or(from, |last| last.saturating_add(1));
            if from >= to || self.tries > TRIES_MAX {
                self.damaged += 1;
                continue;
            }
            let middle = from.midpoint(to);
            // The lower half next, so that the damaged place is closed in on.
            open.push((middle.saturating_add(1), to));
            open.push((from, middle));
        }
        Ok(())
    }
}

/// What is missing is told at the next start, until a person confirms it.
fn say(target: &Connection, saved: &[RecoveredTable], dir: &Path) -> rusqlite::Result<()> {
    // Which store this is stands on a page of its own, which may be the damaged one; its commit mark knows it, too.
    if let Some((id, commits)) = marked(dir) {
        let sql = "INSERT OR IGNORE INTO state (one, id, commits, lost) VALUES (1, ?1, ?2, '')";
        target.execute(sql, rusqlite::params![id, signed(commits)])?;
    }
    let damaged: Vec<String> = saved.iter().filter(|one| one.damaged > 0).map(|one| one.table.clone()).collect();
    if damaged.is_empty() {
        return Ok(());
    }
    let names = damaged.join(", ");
    let lost = [Text::new(
        format!("Kho được cứu từ tệp hỏng; trong các bảng sau có chỗ không đọc được: {names}."),
        format!("The store was saved out of a damaged one; places in these tables could not be read: {names}."),
    )];
    let text = serde_json::to_string(&lost).unwrap_or_default();
    target.execute("UPDATE state SET lost = ?1", [text]).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit;
    use crate::sqlite::SqliteStore;
    use crate::sqlite::file::MARK_FILE;
    use crate::{Change, Store as _};
    use ioc_common::clock::Timestamp;

    #[test]
    fn what_lies_around_damaged_places_is_saved() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        for number in 0..400 {
            let entry = audit::AuditEntry {
                at: Timestamp::from_millis(number),
                actor: "lan".to_owned(),
                action: "test.done".to_owned(),
                subject: number.to_string(),
                detail: "x".repeat(300),
            };
            store.commit(&[Change::Audit(entry)]).expect("kept");
        }
        store.close().expect("closed");
        drop(store);
        let path = dir.path().join(FILES[0]);
        let mut bytes = std::fs::read(&path).expect("read");
        // Leaves of the audit log, by a text that stands in them: their heads are overwritten.
        let pages = bytes.len() / 4096;
        let of_audit: Vec<usize> = (1..pages)
            .filter(|page| {
                bytes[page * 4096] == 13
                    && bytes[page * 4096..(page + 1) * 4096].windows(9).any(|part| part == b"test.done")
            })
            .collect();
        for page in [of_audit[3], of_audit[10], of_audit[20]] {
            bytes[page * 4096..page * 4096 + 16].fill(0xff);
        }
        std::fs::write(&path, bytes).expect("written");
        assert!(!SqliteStore::examine(dir.path(), false).expect("read").is_empty());
        let saved = recover(dir.path()).expect("saved");
        let audit = saved.iter().find(|one| one.table == "audit").expect("there");
        assert!((340..400).contains(&audit.rows) && audit.damaged >= 3, "{audit:?}");
        assert!(saved.iter().filter(|one| one.table != "audit").all(|one| one.damaged == 0), "{saved:?}");
        let store = SqliteStore::open(dir.path()).expect("opens");
        assert!(store.lost().all.iter().any(|one| one.en.contains("audit")), "{:?}", store.lost());
        drop(store);
        let findings = SqliteStore::examine(dir.path(), true).expect("read");
        assert!(findings.iter().all(|one| one.starts_with("audit: record")), "only the chain has gaps: {findings:?}");
        assert!(
            std::fs::read_dir(dir.path())
                .unwrap()
                .flatten()
                .any(|one| one.file_name().to_string_lossy().starts_with("ioc-watch.db.damaged-"))
        );
    }

    #[test]
    fn whatever_page_is_damaged_a_store_comes_out_that_opens_and_says_so_or_nothing_is_changed() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        for number in 0..30 {
            let (actor, action, subject) = ("lan".to_owned(), "test.done".to_owned(), number.to_string());
            let at = Timestamp::from_millis(number);
            store
                .commit(&[Change::Audit(audit::AuditEntry { at, actor, action, subject, detail: String::new() })])
                .expect("kept");
        }
        store.close().expect("closed");
        drop(store);
        let read = |name: &str| std::fs::read(dir.path().join(name)).expect("read");
        let (whole, mark, history) = (read(FILES[0]), read(MARK_FILE), read(FILES[2]));
        for page in (0..whole.len() / 4096).step_by(5) {
            let other = tempfile::tempdir().expect("directory");
            let mut bytes = whole.clone();
            bytes[page * 4096..page * 4096 + 200].fill(0xff);
            for (name, content) in [(FILES[0], &bytes), (MARK_FILE, &mark), (FILES[2], &history)] {
                std::fs::write(other.path().join(name), content).expect("written");
            }
            match recover(other.path()) {
                Ok(saved) => {
                    let store = SqliteStore::open(other.path()).unwrap_or_else(|error| panic!("page {page}: {error}"));
                    let damaged = saved.iter().any(|one| one.damaged > 0);
                    assert!(!damaged || !store.lost().all.is_empty(), "page {page}: {saved:?}");
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty() && other.path().join(FILES[0]).exists(), "page {page}");
                }
            }
        }
    }
}
