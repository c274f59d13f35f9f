//! The embedded store as rows: read from where it lies, or made of rows in a folder beside the place where it will lie.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, ToSql, params_from_iter};

use super::backup::about;
use super::connection::open_for_reading;
use super::file::{FILE, HISTORY, MARK_FILE, database, rename_synced};
use super::lock::lock;
use super::{SqliteStore, mark_copy};
use crate::row_copy::{Cell, EachRow, ROWID, RowSource, RowTarget, RowWriter, Table};
use crate::{Reader, Store as _, StoreError};

/// Where it is made, beside the place where it will lie: what is left of one that was cut off is thrown away by the next.
const BUILDING: &str = "store-copy";
/// Page cache while it is made, KiB.
const CACHE_KIB: i64 = 64 * 1024;

/// Every table of the store and of folded history, those that others name before them. `rowids` are those (of history or not, name) whose rows have their
/// place of SQLite's in a column on the other side.
///
/// # Errors
/// [`StoreError`] when SQLite cannot be asked.
pub(crate) fn tables(rowids: &BTreeSet<(bool, String)>) -> Result<Vec<Table>, StoreError> {
    let mut all = Vec::new();
    for (history, schema) in [(false, include_str!("schema.sql")), (true, include_str!("history.sql"))] {
        let made = Connection::open_in_memory().and_then(|connection| {
            connection.execute_batch(schema)?;
            tables_of(&connection, history, rowids)
        });
        all.extend(made.map_err(|source| database(Path::new("schema"), source))?);
    }
    Ok(all)
}

fn tables_of(
    connection: &Connection,
    history: bool,
    rowids: &BTreeSet<(bool, String)>,
) -> rusqlite::Result<Vec<Table>> {
    // In the order in which they are made.
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid";
    let mut names = connection.prepare(sql)?;
    let names = names.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut columns = connection.prepare("SELECT name, pk FROM pragma_table_info(?1) ORDER BY cid")?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let found = columns.query_map([&name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
        let mut key: Vec<_> = found.iter().filter(|(_, place)| *place > 0).cloned().collect();
        key.sort_by_key(|(_, place)| *place);
        let own = rowids.contains(&(history, name.clone())).then(|| ROWID.to_owned());
        let columns = own.into_iter().chain(found.into_iter().map(|(column, _)| column)).collect();
        tables.push(Table { history, name, columns, key: key.into_iter().map(|(column, _)| column).collect() });
    }
    Ok(tables)
}

fn of(table: &Table) -> String {
    format!("\"{}\".\"{}\"", schema_of(table), table.name)
}

const fn schema_of(table: &Table) -> &'static str {
    if table.history { "history" } else { "main" }
}

/// A store that lies in a directory, and that nobody writes.
pub(crate) struct FilesOfRows {
    /// Holds the lock of the directory.
    store: SqliteStore,
    rows: Rows,
}

impl FilesOfRows {
    /// Opens it for this process alone.
    ///
    /// # Errors
    /// [`StoreError`] when there is none, it cannot be opened, or a collector uses it.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        if !SqliteStore::is_there(dir) {
            return Err(StoreError::Gone { path });
        }
        let store = SqliteStore::open(dir)?;
        let rows = Rows { connection: open_for_reading(&path)?, path };
        rows.batch("BEGIN")?;
        Ok(Self { store, rows })
    }

    pub(crate) fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }
}

impl RowSource for FilesOfRows {
    fn count(&self, table: &Table) -> Result<u64, StoreError> {
        self.rows.count(table)
    }

    fn read(&self, table: &Table, each: EachRow<'_>) -> Result<(), StoreError> {
        self.rows.read(table, each)
    }

    fn bounds(&self, table: &Table) -> Result<Option<(i64, i64)>, StoreError> {
        self.rows.bounds(table)
    }

    fn last_given(&self, table: &Table) -> Result<Option<i64>, StoreError> {
        self.rows.last_given(table)
    }
}

/// A connection with both files.
struct Rows {
    connection: Connection,
    path: PathBuf,
}

impl Rows {
    fn fault(&self, source: rusqlite::Error) -> StoreError {
        database(&self.path, source)
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(|source| self.fault(source))
    }
}

impl RowSource for Rows {
    fn count(&self, table: &Table) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {}", of(table));
        let count = self.connection.query_row(&sql, [], |row| row.get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|source| self.fault(source))
    }

    fn read(&self, table: &Table, each: EachRow<'_>) -> Result<(), StoreError> {
        let sql = format!("SELECT {} FROM {} ORDER BY {}", table.columns_sql(), of(table), table.key_sql());
        let fault = |source| self.fault(source);
        let mut statement = self.connection.prepare(&sql).map_err(fault)?;
        let mut rows = statement.query([]).map_err(fault)?;
        let mut cells = Vec::with_capacity(table.columns.len());
        while let Some(row) = rows.next().map_err(fault)? {
            cells.clear();
            for (place, column) in table.columns.iter().enumerate() {
                let value = row.get_ref(place).map_err(fault)?;
                cells.push(cell(value).ok_or_else(|| {
                    let why = format!("{}.{column} holds {}", table.called(), value.data_type());
                    StoreError::Content { path: self.path.clone(), what: "a value", why }
                })?);
            }
            each(&cells)?;
        }
        Ok(())
    }

    fn bounds(&self, table: &Table) -> Result<Option<(i64, i64)>, StoreError> {
        let sql = format!("SELECT min(number), max(number) FROM {}", of(table));
        let both = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?));
        self.connection.query_row(&sql, [], both).map_err(|source| self.fault(source))
    }

    fn last_given(&self, table: &Table) -> Result<Option<i64>, StoreError> {
        let sql = format!("SELECT seq FROM \"{}\".sqlite_sequence WHERE name = ?1", schema_of(table));
        let last = self.connection.query_row(&sql, [&table.name], |row| row.get(0)).optional();
        last.map_err(|source| self.fault(source))
    }
}

/// A value as both databases can have it; none where it is of a kind that no column of ours has.
fn cell(value: ValueRef<'_>) -> Option<Cell> {
    Some(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(_) => return None,
        ValueRef::Text(text) => Cell::Text(std::str::from_utf8(text).ok()?.replace('\0', "\u{fffd}")),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    })
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// A store that is being made of rows, in a folder of its own until it is whole.
pub(crate) struct FilesToBe {
    dir: PathBuf,
    building: PathBuf,
    /// Held as long as this is.
    _lock: File,
    /// None once it is closed.
    rows: Option<Rows>,
}

impl FilesToBe {
    /// Begins to make a store that is to lie in `dir`, in which there is none.
    ///
    /// # Errors
    /// [`StoreError`] when there is one, or the disk says no.
    pub(crate) fn begin(dir: &Path) -> Result<Self, StoreError> {
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::File { path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(file(dir))?;
        let lock = lock(dir)?;
        for name in [FILE, HISTORY, MARK_FILE] {
            let path = dir.join(name);
            if path.exists() {
                let why = "there is a store already, and a copy is made only where there is none; mend: name another directory ([paths] data), or move \
                           ioc-watch.db, history.db, commit-mark and audit-head out of this one"
                    .to_owned();
                return Err(StoreError::Content { path, what: "the place of the copy", why });
            }
        }
        let building = dir.join(BUILDING);
        if building.exists() {
            std::fs::remove_dir_all(&building).map_err(file(&building))?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(&building).map_err(file(&building))?;
        drop(SqliteStore::open(&building)?);
        let path = building.join(FILE);
        let connection = connection_to_build(&path).map_err(|source| database(&path, source))?;
        Ok(Self { dir: dir.to_owned(), building, _lock: lock, rows: Some(Rows { connection, path }) })
    }

    fn rows(&self) -> Result<&Rows, StoreError> {
        self.rows.as_ref().ok_or_else(|| StoreError::Gone { path: self.building.clone() })
    }
}

fn connection_to_build(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute("ATTACH DATABASE ?1 AS history", [path.with_file_name(HISTORY).to_string_lossy()])?;
    // It is whole or it is thrown away: no journal of its own. What triggers see to was seen to when the rows were written first.
    for schema in ["main", "history"] {
        connection.pragma_update(Some(schema), "journal_mode", "OFF")?;
        connection.pragma_update(Some(schema), "synchronous", "OFF")?;
        connection.pragma_update(Some(schema), "cache_size", -CACHE_KIB)?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    Ok(connection)
}

impl RowSource for FilesToBe {
    fn count(&self, table: &Table) -> Result<u64, StoreError> {
        self.rows()?.count(table)
    }

    fn read(&self, table: &Table, each: EachRow<'_>) -> Result<(), StoreError> {
        self.rows()?.read(table, each)
    }

    fn bounds(&self, table: &Table) -> Result<Option<(i64, i64)>, StoreError> {
        self.rows()?.bounds(table)
    }

    fn last_given(&self, table: &Table) -> Result<Option<i64>, StoreError> {
        self.rows()?.last_given(table)
    }
}

/// Inserts the rows of one table.
struct Inserts<'c> {
    statement: CachedStatement<'c>,
    path: &'c Path,
}

impl RowWriter for Inserts<'_> {
    fn put(&mut self, row: &[Cell]) -> Result<(), StoreError> {
        self.statement.execute(params_from_iter(row)).map(drop).map_err(|source| database(self.path, source))
    }

    fn end(self: Box<Self>) -> Result<(), StoreError> {
        Ok(())
    }
}

impl RowTarget for FilesToBe {
    fn begin(&mut self, tables: &[Table]) -> Result<(), StoreError> {
        let rows = self.rows()?;
        rows.batch("BEGIN")?;
        // What a new store begins with comes with the rows, too.
        tables.iter().rev().try_for_each(|table| rows.batch(&format!("DELETE FROM {}", of(table))))
    }

    fn make_room(&mut self, _first: i64, _last: i64) -> Result<(), StoreError> {
        Ok(())
    }

    fn writer(&mut self, table: &Table) -> Result<Box<dyn RowWriter + '_>, StoreError> {
        let rows = self.rows()?;
        let places: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", of(table), table.columns_sql(), places.join(", "));
        let statement = rows.connection.prepare_cached(&sql).map_err(|source| rows.fault(source))?;
        Ok(Box::new(Inserts { statement, path: &rows.path }))
    }

    fn set_last_given(&mut self, table: &Table, last: Option<i64>) -> Result<(), StoreError> {
        let Some(last) = last else { return Ok(()) };
        let (rows, schema) = (self.rows()?, schema_of(table));
        let sql = format!(
            "SELECT sql LIKE '%AUTOINCREMENT%' FROM \"{schema}\".sqlite_master WHERE type = 'table' AND name = ?1"
        );
        let is_kept = rows.connection.query_row(&sql, [&table.name], |row| row.get::<_, bool>(0));
        if !is_kept.map_err(|source| rows.fault(source))? {
            return Ok(());
        }
        let update = format!("UPDATE \"{schema}\".sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1");
        let insert = format!("INSERT INTO \"{schema}\".sqlite_sequence (name, seq) VALUES (?1, ?2)");
        let set = rows.connection.execute(&update, (&table.name, last)).and_then(|changed| match changed {
            0 => rows.connection.execute(&insert, (&table.name, last)),
            _ => Ok(changed),
        });
        set.map(drop).map_err(|source| rows.fault(source))
    }

    fn finish(&mut self, _tables: &[Table]) -> Result<(), StoreError> {
        let Some(Rows { connection, path }) = self.rows.take() else { return Ok(()) };
        let fault = |source| database(&path, source);
        connection.execute_batch("COMMIT").map_err(fault)?;
        let copied = about(&connection, &self.building).map_err(fault)?;
        connection.close().map_err(|(_, source)| database(&path, source))?;
        for name in [FILE, HISTORY] {
            let path = self.building.join(name);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|source| StoreError::File { path, source })?;
        }
        // Folded history first and the mark last: a store without its mark is said to be unproven, and one without its history to have lost it.
        for name in [HISTORY, FILE] {
            rename_synced(&self.building, [(name, format!("../{name}"))])?;
        }
        mark_copy(&self.dir, &copied)?;
        // Lock and mark of the place where it was made.
        if let Err(error) = std::fs::remove_dir_all(&self.building) {
            tracing::warn!(path = %self.building.display(), %error, "an empty folder is left; delete it");
        }
        Ok(())
    }
}

impl Drop for FilesToBe {
    fn drop(&mut self) {
        // What did not get whole is nothing.
        if self.rows.take().is_some() {
            let _ = std::fs::remove_dir_all(&self.building);
        }
    }
}
