//! Copying the store and folded history while both are written, summing up what a copy holds, and proving a restored one.
//!
//! Both are read as they were at one moment. Rows go from the store into history, and only then from the store: so the store is looked at
//! first and history right behind it, which then holds all that the store does not hold any more. Where history went on to rows that the
//! store had not committed at its moment, both are looked at anew. A reader does not hold up the writer; what is written meanwhile stays
//! in the write-ahead log until the copy is made.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use ring::digest::{Context, SHA256};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use ioc_common::encoding::hex;
use ioc_common::file::sync_dir;

use super::commit_mark;
use super::connection::open_for_reading;
use super::examine::{self, CHECKED};
use super::file::{BUSY_MS, FILE, FILES, HISTORY, MARK_FILE, database};
use super::fold_mark::{self, Mismatch};
use super::migration;
use super::pace;
use crate::backup::{CopiedStore, Pause, ProofPace, TableSum};
use crate::{StoreError, audit, history};

/// Pages that are copied between two pauses: a few hundred kilobytes.
const PAGES: i32 = 64;
/// A page of folded history, the larger file by far: by it is counted how far a look at the pages has come.
const PAGE_BYTES: u64 = 8192;
/// How often both are looked at anew.
const TRIES: u32 = 200;
/// Bytes of rows that are summed up between two pauses.
const SUM_BYTES: u64 = 256 * 1024;
/// Bytes of a copy after which it is put on the disk: what is left to the system waits for half a minute, and a commit behind all of it then.
const SYNC_BYTES: u64 = 16 * 1024 * 1024;

/// Copies the store in `dir`, whoever writes it, into the empty directory `to`.
///
/// # Errors
/// [`StoreError`] when it cannot be read, its two files do not belong together, there is no room, or `pause` ends it.
pub(crate) fn copy(dir: &Path, to: &Path, pause: Pause<'_>) -> Result<CopiedStore, StoreError> {
    let path = dir.join(FILE);
    if std::fs::metadata(&path).map_or(0, |about| about.len()) == 0 {
        return Err(StoreError::Gone { path });
    }
    let source = open_for_reading(&path)?;
    let fault = |source| database(&path, source);
    begin_together(&source, &path, pause)?;
    let copied = about(&source, dir).map_err(fault)?;
    for (schema, name) in [("main", FILE), ("history", HISTORY)] {
        copy_file(&source, schema, &to.join(name), pause)?;
    }
    source.execute_batch("COMMIT").map_err(fault)?;
    Ok(copied)
}

/// Writes the commit mark beside a copy that was compared with what it was made of: opened without it, it is said to be unproven.
///
/// # Errors
/// [`StoreError::File`] when it cannot be written.
pub(crate) fn mark_copy(dir: &Path, copied: &CopiedStore) -> Result<(), StoreError> {
    let path = dir.join(MARK_FILE);
    let written = || {
        let mut file = File::create(&path)?;
        file.write_all(commit_mark::text(&copied.id, copied.commits).as_bytes())?;
        file.sync_all()?;
        sync_dir(dir)
    };
    written().map_err(|source| StoreError::File { path, source })
}

/// Which store lies in a directory: by the mark beside it, or where that is gone by what it says itself.
pub(crate) fn id(dir: &Path) -> Option<String> {
    let said = || {
        let path = dir.join(FILE);
        std::fs::metadata(&path).ok().filter(|about| about.len() > 0)?;
        commit_mark::held(&open_for_reading(&path).ok()?).ok().flatten()
    };
    commit_mark::marked(dir).or_else(said).map(|(id, _)| id)
}

/// Begins to read both files as they are at one moment.
fn begin_together(source: &Connection, path: &Path, pause: Pause<'_>) -> Result<(), StoreError> {
    let fault = |source| database(path, source);
    let mut last = None;
    for _ in 0..TRIES {
        source.execute_batch("BEGIN").map_err(fault)?;
        // The order matters: the store first.
        let looked = ["SELECT count(*) FROM main.state", "SELECT count(*) FROM history.state"]
            .into_iter()
            .try_for_each(|sql| source.query_row(sql, [], |row| row.get::<_, i64>(0)).map(drop));
        looked.map_err(fault)?;
        last = fold_mark::mismatch(source).map_err(fault)?;
        match last {
            None => return Ok(()),
            Some(Mismatch::Newer(_)) => {}
            Some(Mismatch::Foreign | Mismatch::Older) => break,
        }
        source.execute_batch("ROLLBACK").map_err(fault)?;
        std::thread::sleep(std::time::Duration::from_millis(10));
        pause(0).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    }
    let why = last.map_or_else(String::new, |found| found.text().en);
    Err(StoreError::Content { path: path.to_owned(), what: "the store together with its history", why })
}

/// What the copy in a directory is, which nobody writes.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub(crate) fn about_copy(dir: &Path) -> Result<CopiedStore, StoreError> {
    let path = dir.join(FILE);
    about(&open_for_reading(&path)?, dir).map_err(|source| database(&path, source))
}

pub(super) fn about(source: &Connection, dir: &Path) -> rusqlite::Result<CopiedStore> {
    let (id, commits) = commit_mark::held(source)?.unwrap_or_default();
    let schema = source.query_row("PRAGMA main.user_version", [], |row| row.get(0))?;
    let sql = "SELECT number, hash FROM main.audit ORDER BY number DESC LIMIT 1";
    let last = source.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)));
    let (audit_number, audit_hash) = match last {
        Err(rusqlite::Error::QueryReturnedNoRows) => (0, audit::GENESIS.to_owned()),
        other => other?,
    };
    tracing::debug!(dir = %dir.display(), commits, audit_number, "the store is copied as it is now");
    Ok(CopiedStore { id, commits, schema, audit_number, audit_hash })
}

fn copy_file(source: &Connection, schema: &str, to: &Path, pause: Pause<'_>) -> Result<(), StoreError> {
    let fault = |source| database(to, source);
    let mut target = Connection::open(to).map_err(fault)?;
    // It is whole or it is thrown away: no journal of its own.
    for (pragma, value) in [("journal_mode", "OFF"), ("synchronous", "OFF")] {
        target.pragma_update(None, pragma, value).map_err(fault)?;
    }
    let page_bytes: i64 =
        source.query_row(&format!("PRAGMA {schema}.page_size"), [], |row| row.get(0)).map_err(fault)?;
    let step_bytes = page_bytes.unsigned_abs() * PAGES.unsigned_abs() as u64;
    let synced = |file: &File| file.sync_data().map_err(|source| StoreError::File { path: to.to_owned(), source });
    {
        let backup = Backup::new_with_names(source, schema, &mut target, "main").map_err(fault)?;
        let file = File::open(to).map_err(|source| StoreError::File { path: to.to_owned(), source })?;
        let mut since = 0;
        loop {
            match backup.step(PAGES).map_err(fault)? {
                StepResult::Done => break,
                StepResult::More => {}
                // A source that is being read is never busy for long.
                _ => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
            since += step_bytes;
            if since >= SYNC_BYTES {
                synced(&file)?;
                since = 0;
            }
            pause(step_bytes).map_err(|source| StoreError::File { path: to.to_owned(), source })?;
        }
    }
    target.close().map_err(|(_, source)| database(to, source))?;
    File::open(to).and_then(|file| file.sync_all()).map_err(|source| StoreError::File { path: to.to_owned(), source })
}

/// Puts into its place what the log of an open store kept while it was copied: the writer would do all of it with one commit.
///
/// # Errors
/// [`StoreError`] when it cannot be opened or written.
pub(crate) fn settle_log(dir: &Path) -> Result<(), StoreError> {
    for name in [FILES[0], FILES[2]] {
        let path = dir.join(name);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let settle = || {
            let connection = Connection::open_with_flags(&path, flags)?;
            connection.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
            // As much as there is, without ever having the writer wait.
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        };
        settle().map_err(|source| database(&path, source))?;
    }
    Ok(())
}

/// Sums up every table of the store that lies in `dir` and is not written.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or `pause` ends it.
pub(crate) fn sums(dir: &Path, pause: Pause<'_>) -> Result<Vec<TableSum>, StoreError> {
    all_sums(dir, false, pause).map(|(tables, _)| tables)
}

/// Looks over all of a store that was restored into `dir` and that nobody writes: the sums of its tables, and what is wrong with it, a line each.
/// Two threads share the work. Each row is read once for its sum and its own checksum; every page, index, text and the chain of the audit log are
/// looked at beside that.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or `pacing` ends it.
pub(crate) fn prove(dir: &Path, pacing: &Arc<dyn ProofPace>) -> Result<(Vec<TableSum>, Vec<String>), StoreError> {
    let path = dir.join(FILE);
    // Both looks read both files; the one at the pages counts as much as they are large.
    let mut left: u64 = FILES.iter().filter_map(|name| dir.join(name).metadata().ok()).map(|about| about.len()).sum();
    let own = Arc::clone(pacing);
    let looked_at = pace::asking(&path, move |pages| {
        let bytes = (pages * PAGE_BYTES).min(left);
        left -= bytes;
        own.looked(bytes).is_ok()
    })?;
    let (summed, mut findings) = std::thread::scope(|scope| {
        let looking = scope.spawn(move || {
            let findings = examine::examine_but_checked(&looked_at);
            drop(looked_at);
            findings
        });
        let summed = all_sums(dir, true, &mut |bytes| pacing.summed(bytes));
        (summed, looking.join().unwrap_or_else(|_| vec!["the look at its pages panicked".to_owned()]))
    });
    let (tables, unmatched) = summed?;
    // What was broken off has found nothing.
    pacing.summed(0).map_err(|source| StoreError::File { path, source })?;
    findings.extend(unmatched);
    Ok((tables, findings))
}

/// The sums of all tables; where it `checks`, what is said of rows that do not match their own checksums, too.
fn all_sums(dir: &Path, checks: bool, pause: Pause<'_>) -> Result<(Vec<TableSum>, Vec<String>), StoreError> {
    migration::version(dir)?;
    let path = dir.join(FILE);
    let connection = open_for_reading(&path)?;
    let (mut all, mut unmatched) = (Vec::new(), Vec::new());
    for (schema, file) in [("main", FILE), ("history", HISTORY)] {
        let path = dir.join(file);
        let fault = |source| database(&path, source);
        let sql = format!(
            "SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        );
        let tables = connection.prepare(&sql).and_then(|mut statement| {
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            names.collect::<rusqlite::Result<Vec<_>>>()
        });
        for table in tables.map_err(fault)? {
            let named = |one: &&(&str, &str, &str)| checks && (one.0, one.1) == (schema, table.as_str());
            let checked = CHECKED.iter().find(named).map(|(.., name)| *name);
            let summed = sum(&connection, (schema, &table), checked.is_some(), pause).map_err(|error| match error {
                SumError::Database(source) => fault(source),
                SumError::Ended(source) => StoreError::File { path: path.clone(), source },
            })?;
            let Summed { rows, sha256, wrong } = summed;
            unmatched.extend(checked.filter(|_| wrong > 0).map(|name| examine::unmatched(name, wrong)));
            all.push(TableSum { file: file.to_owned(), table, rows, sha256 });
        }
    }
    Ok((all, unmatched))
}

/// Why a table could not be summed up.
enum SumError {
    Database(rusqlite::Error),
    Ended(io::Error),
}

impl From<rusqlite::Error> for SumError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

/// What a table holds.
struct Summed {
    rows: u64,
    sha256: String,
    /// Rows that do not match their own checksum, where those are looked at.
    wrong: u64,
}

fn sum(
    connection: &Connection,
    (schema, table): (&str, &str),
    checks: bool,
    pause: Pause<'_>,
) -> Result<Summed, SumError> {
    // In the order of the table itself, whatever its indexes are.
    let mut statement = connection.prepare(&format!("SELECT * FROM {schema}.\"{table}\" NOT INDEXED"))?;
    let width = statement.column_count();
    let data = if checks { Some(statement.column_index("data")?) } else { None };
    let mut context = Context::new(&SHA256);
    let (mut count, mut since, mut wrong) = (0_u64, 0_u64, 0_u64);
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        for column in 0..width {
            since += absorb(&mut context, row.get_ref(column)?);
        }
        if let Some(data) = data {
            wrong += u64::from(!history::is_whole(row.get_ref(data)?.as_blob().unwrap_or_default()));
        }
        count += 1;
        if since >= SUM_BYTES {
            pause(std::mem::take(&mut since)).map_err(SumError::Ended)?;
        }
    }
    pause(since).map_err(SumError::Ended)?;
    Ok(Summed { rows: count, sha256: hex(context.finish().as_ref()), wrong })
}

/// Takes a value with its kind and its length, so that no two rows can read alike; how many bytes it has.
fn absorb(context: &mut Context, value: ValueRef<'_>) -> u64 {
    let mut put = |kind: u8, bytes: &[u8]| {
        context.update(&[kind]);
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
        bytes.len() as u64
    };
    match value {
        ValueRef::Null => put(0, &[]),
        ValueRef::Integer(number) => put(1, &number.to_be_bytes()),
        ValueRef::Real(number) => put(2, &number.to_bits().to_be_bytes()),
        ValueRef::Text(text) => put(3, text),
        ValueRef::Blob(bytes) => put(4, bytes),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

    use ioc_common::clock;
    use ioc_common::id::DeviceId;
    use ioc_common::layout::{Layout, Series};
    use ioc_common::report::Position;
    use ioc_judge::{DeviceInfo, DeviceKind};

    use super::*;
    use crate::sqlite::SqliteStore;
    use crate::{Change, Store as _, compaction};

    fn device() -> DeviceId {
        DeviceId::new("srv-1").expect("valid")
    }

    fn layout() -> Layout {
        Layout::new(vec![Series::new("load.1", "")]).expect("allowed")
    }

    /// Keeps these samples, in one commit.
    fn samples(store: &mut SqliteStore, seqs: impl Iterator<Item = u64>) {
        let changes = seqs.flat_map(|seq| {
            let at = clock::now().plus_millis(i64::try_from(seq).expect("small"));
            let (position, row) = (Position { epoch: 1, seq }, history::pack(&[Some(seq as f64)]));
            let (last_heard, last_sample) = (Some(at), Some(at));
            let sample = Change::Sample { device: device(), position, at, layout: layout().id(), row, newest: true };
            let heard = Change::Watermark { device: device(), position, last_heard, last_sample, clock_error_ms: None };
            [sample, heard]
        });
        store.commit(&changes.collect::<Vec<_>>()).expect("commits");
    }

    fn filled(dir: &Path) -> SqliteStore {
        let mut store = SqliteStore::open(dir).expect("opens");
        let info = DeviceInfo::new(device(), DeviceKind::Server, "Máy chủ 1");
        let entry = |detail: &str| {
            let (actor, action, subject) = ("lan".to_owned(), "test.done".to_owned(), String::new());
            Change::Audit(audit::AuditEntry { at: clock::now(), actor, action, subject, detail: detail.to_owned() })
        };
        store
            .commit(&[Change::Device { info, at: clock::now() }, Change::Layout(layout()), entry("one"), entry("two")])
            .expect("commits");
        samples(&mut store, 1..=300);
        store
    }

    fn no_pause(_: u64) -> io::Result<()> {
        Ok(())
    }

    #[test]
    fn a_copy_is_of_one_moment_and_opens_as_a_store_that_lost_nothing() {
        let (dir, to) = (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
        let mut store = filled(dir.path());
        let mut written = 0_u64;
        // Every pause is a commit of whoever writes.
        let copied = copy(dir.path(), to.path(), &mut |_| {
            written += 1;
            samples(&mut store, 300 + written..=300 + written);
            Ok(())
        });
        let copied = copied.expect("copied");
        assert!(written > 0 && copied.audit_number == 2, "{copied:?}");
        let sums_then = sums(to.path(), &mut no_pause).expect("summed");
        let rows = |name: &str| sums_then.iter().find(|one| one.table == name).map(|one| one.rows);
        assert_eq!((rows("sample"), rows("audit"), rows("device")), (Some(300), Some(2), Some(1)));
        let unproven = tempfile::tempdir().expect("directory");
        for name in [FILE, HISTORY] {
            std::fs::copy(to.path().join(name), unproven.path().join(name)).expect("copied");
        }
        assert_eq!(SqliteStore::open(unproven.path()).expect("opens").lost().all.len(), 1, "put there by hand");
        assert_eq!(id(to.path()), Some(copied.id.clone()), "by what it says itself");
        mark_copy(to.path(), &copied).expect("marked");
        assert!(id(to.path()) == Some(copied.id) && id(unproven.path()) == id(dir.path()));
        let copy = SqliteStore::open(to.path()).expect("opens");
        assert!(copy.lost().all.is_empty(), "{:?}", copy.lost());
        drop(copy);
        assert!(SqliteStore::examine(to.path(), true).expect("read").is_empty());
        settle_log(dir.path()).expect("settled");
        samples(&mut store, 301 + written..=301 + written);
    }

    #[test]
    fn what_is_folded_while_it_is_copied_is_neither_missing_nor_there_twice() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = filled(dir.path());
        let year = [366 * 86_400_000; 3];
        for round in 0..2 {
            let to = tempfile::tempdir().expect("directory");
            let (mut turns, mut made) = (0, 0);
            let copied = copy(dir.path(), to.path(), &mut |_| {
                turns += 1;
                if turns == 1 {
                    let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
                    let later = clock::now().plus_millis(3_600_000);
                    let done = compaction::round(reader.as_ref(), archive.as_mut(), year, later, true).expect("folds");
                    while store.forget_rows(done.through, 100).expect("deleted") > 0 {}
                    samples(&mut store, 1000 * (round + 1)..1000 * (round + 1) + 20);
                    made = done.rows;
                }
                Ok(())
            });
            mark_copy(to.path(), &copied.expect("copied")).expect("marked");
            let copy = SqliteStore::open(to.path()).expect("opens");
            assert!(copy.lost().all.is_empty(), "round {round}: {:?}", copy.lost());
            let reader = copy.reader().expect("reads");
            let (rows, folded) = (reader.rows(&device(), 0).expect("read"), copy.archive().expect("opens"));
            let folded = folded.all_folded().expect("read");
            assert!(made > 0 && rows.iter().all(|row| row.number > folded), "round {round}: rows of both");
        }
    }

    /// Counts what it is told, and ends the work when it is to.
    #[derive(Default)]
    struct Told {
        summed: AtomicU64,
        looked: AtomicU64,
        ends: AtomicBool,
    }

    impl Told {
        fn goes_on(&self) -> io::Result<()> {
            if self.ends.load(Relaxed) { Err(io::Error::other("told to stop")) } else { Ok(()) }
        }
    }

    impl ProofPace for Told {
        fn summed(&self, bytes: u64) -> io::Result<()> {
            self.summed.fetch_add(bytes, Relaxed);
            self.goes_on()
        }

        fn looked(&self, bytes: u64) -> io::Result<()> {
            self.looked.fetch_add(bytes, Relaxed);
            self.goes_on()
        }
    }

    #[test]
    fn a_proof_is_the_sums_and_every_checksum_and_can_be_ended() {
        let (dir, to) = (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
        let _store = filled(dir.path());
        copy(dir.path(), to.path(), &mut no_pause).expect("copied");
        let told = Arc::new(Told::default());
        let pacing: Arc<dyn ProofPace> = told.clone();
        let (tables, findings) = prove(to.path(), &pacing).expect("proven");
        assert_eq!(tables, sums(to.path(), &mut no_pause).expect("summed"));
        assert_eq!(findings, [""; 0]);
        assert!(told.summed.load(Relaxed) > 1000, "rows were told of");
        let files: u64 =
            FILES.iter().filter_map(|name| to.path().join(name).metadata().ok()).map(|one| one.len()).sum();
        assert!(told.looked.load(Relaxed) <= files, "no more pages than there are");
        // The row's own checksum knows, whatever its table sums up to.
        let connection = Connection::open(to.path().join(FILE)).expect("opens");
        let sql = "UPDATE sample SET data = zeroblob(9) WHERE number = 7";
        assert_eq!(connection.execute(sql, []).expect("changed"), 1);
        drop(connection);
        let (changed, findings) = prove(to.path(), &pacing).expect("proven");
        assert_ne!(changed, tables);
        assert_eq!(findings, ["rows of history: 1 do not match their checksums"]);
        told.ends.store(true, Relaxed);
        let ended = prove(to.path(), &pacing).expect_err("ended");
        assert!(ended.to_string().contains("told to stop"), "{ended}");
    }

    #[test]
    fn a_sum_sees_every_change_and_a_pause_can_end_the_work() {
        let (dir, to) = (tempfile::tempdir().expect("directory"), tempfile::tempdir().expect("directory"));
        let _store = filled(dir.path());
        copy(dir.path(), to.path(), &mut no_pause).expect("copied");
        let before = sums(to.path(), &mut no_pause).expect("summed");
        let connection = Connection::open(to.path().join(FILE)).expect("opens");
        connection.execute("UPDATE sample SET seq = seq + 1 WHERE number = 7", []).expect("changed");
        drop(connection);
        let after = sums(to.path(), &mut no_pause).expect("summed");
        let differ: Vec<&str> =
            before.iter().zip(&after).filter(|(a, b)| a != b).map(|(a, _)| a.table.as_str()).collect();
        assert_eq!(differ, ["sample"]);
        let mut ends = |_| Err(io::Error::other("told to stop"));
        assert!(sums(to.path(), &mut ends).is_err_and(|error| error.to_string().contains("told to stop")));
        let third = tempfile::tempdir().expect("directory");
        assert!(copy(dir.path(), third.path(), &mut ends).is_err());
        let empty = tempfile::tempdir().expect("directory");
        assert!(matches!(copy(empty.path(), third.path(), &mut no_pause), Err(StoreError::Gone { .. })));
    }
}
