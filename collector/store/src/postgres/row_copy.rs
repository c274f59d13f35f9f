//! A site in PostgreSQL as rows: read as they are at one moment, or written in one transaction, which proves the lease at its end as every commit does.

use std::cell::Cell as Changing;
use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Row};

use super::connect::{Purpose, connect};
use super::fault::{Fault, fault};
use super::lease::Lease;
use super::settings::{PostgresSettings, SchemaName};
use crate::StoreError;
use crate::row_copy::{Cell, EachRow, ROWID, RowSource, RowTarget, RowWriter, Table};
use crate::sql::postgres::{Driver, wait};

/// What a site has before anybody opened it: one row each, which the copy brings, too.
const PREFILLED: [(bool, &str); 3] = [(false, "fold_mark"), (true, "state"), (true, "unrecorded")];
/// Rows that are fetched at first, and at most.
const FETCH_FIRST: usize = 8;
const FETCH_MAX: usize = 4096;
/// What is fetched at a time is to have about so many bytes: fewer, and more rows are fetched the next time; more, and it is fewer.
const FETCH_LOW_BYTES: usize = 256 * 1024;
const FETCH_HIGH_BYTES: usize = 2 * 1024 * 1024;
/// Rows in a part of the table of history (`partitions.sql`).
const PART_ROWS: i64 = 1 << 20;
/// For how long the other side may be busy with a row, or with what comes before the first, ms.
const SILENCE_MS: u64 = 3_600_000;

type Misfit = Box<dyn StdError + Sync + Send>;

/// A site as rows: to be read, or to be written by who holds its lease.
pub(crate) struct SiteRows {
    client: Client,
    /// Drives the connection.
    _driver: Arc<Driver>,
    place: String,
    schema: SchemaName,
    /// What proves the lease; without it nothing is written.
    check: Option<String>,
    /// A transaction is open.
    is_open: Changing<bool>,
}

impl SiteRows {
    /// # Errors
    /// [`StoreError`] when the server cannot be reached.
    pub(super) fn open(
        settings: &PostgresSettings,
        driver: &Arc<Driver>,
        lease: Option<&Lease>,
    ) -> Result<Self, StoreError> {
        let client = connect(settings, Purpose::Migration, driver)?;
        let rows = Self {
            client,
            _driver: Arc::clone(driver),
            place: settings.place(),
            schema: settings.schema.clone(),
            check: lease.map(Lease::check_sql),
            is_open: Changing::new(false),
        };
        rows.batch(&format!("SET idle_in_transaction_session_timeout TO {SILENCE_MS}"))?;
        Ok(rows)
    }

    fn fault(&self, error: &tokio_postgres::Error) -> StoreError {
        fault(&self.place, error)
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        wait(self.client.batch_execute(sql)).map_err(|error| self.fault(&error))
    }

    fn rows(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        wait(self.client.query(sql, params)).map_err(|error| self.fault(&error))
    }

    /// The columns of the first row.
    fn first<T: for<'r> FromSql<'r>>(&self, sql: &str) -> Result<Vec<T>, StoreError> {
        let rows = self.rows(sql, &[])?;
        let row = rows.first().into_iter();
        let columns = row.flat_map(|row| (0..row.len()).map(|column| row.try_get(column)));
        columns.collect::<Result<_, _>>().map_err(|error| self.fault(&error))
    }

    fn one<T: for<'r> FromSql<'r>>(&self, sql: &str) -> Result<Option<T>, StoreError> {
        Ok(self.first(sql)?.into_iter().next())
    }

    fn schema_of(&self, table: &Table) -> String {
        if table.history { self.schema.history() } else { self.schema.as_str().to_owned() }
    }

    fn of(&self, table: &Table) -> String {
        format!("\"{}\".\"{}\"", self.schema_of(table), table.name)
    }

    /// Reads all of these tables from here on as it is at this moment. They are locked before the moment is: a partition that is dropped between both would
    /// be neither here nor, folded, in history.
    ///
    /// # Errors
    /// [`StoreError`] when the server says no.
    pub(crate) fn begin_moment(&self, tables: &[Table]) -> Result<(), StoreError> {
        self.is_open.set(true);
        let all = tables.iter().map(|table| self.of(table)).collect::<Vec<_>>().join(", ");
        self.batch(&format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE {all} IN ACCESS SHARE MODE"))
    }

    /// The tables, of history or not, that have a column for the place that SQLite gives a row.
    ///
    /// # Errors
    /// [`StoreError`] when the server says no.
    pub(crate) fn rowids(&self) -> Result<BTreeSet<(bool, String)>, StoreError> {
        let sql = "SELECT c.relnamespace = $2::text::regnamespace, c.relname::text FROM pg_class c \
                   JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                   WHERE a.attname = $3 AND c.relkind = 'r' AND c.relnamespace IN ($1::text::regnamespace, $2::text::regnamespace)";
        let (own, history) = (self.schema.as_str(), self.schema.history());
        let rows = self.rows(sql, &[&own, &history, &ROWID])?;
        let of = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(of).collect::<Result<_, _>>().map_err(|error| self.fault(&error))
    }

    /// The column of a table whose numbers are given by a sequence, where it has one.
    fn sequenced(&self, table: &Table) -> Result<Option<String>, StoreError> {
        let sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attidentity <> ''";
        let rows = self.rows(sql, &[&self.of(table)])?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| self.fault(&error))
    }

    fn sequence(&self, table: &Table, column: &str) -> Result<Option<String>, StoreError> {
        let rows = self.rows("SELECT pg_get_serial_sequence($1, $2)", &[&self.of(table), &column])?;
        rows.first().map(|row| row.try_get(0)).transpose().map(Option::flatten).map_err(|error| self.fault(&error))
    }

    fn refuse_full(&self, tables: &[Table]) -> Result<(), StoreError> {
        for table in tables.iter().filter(|table| !PREFILLED.contains(&(table.history, table.name.as_str()))) {
            if self.one(&format!("SELECT EXISTS (SELECT FROM {})", self.of(table)))?.unwrap_or(true) {
                let what = format!(
                    "the site is not empty (table {}), and a copy is made only where there is nothing",
                    table.called()
                );
                let mend = "name another schema ([store] schema), or drop this one and the one with its name and _history behind it in psql";
                return Err(Fault::new(what, mend).at(&self.place));
            }
        }
        Ok(())
    }
}

impl Drop for SiteRows {
    fn drop(&mut self) {
        if self.is_open.get() {
            let _ = wait(self.client.batch_execute("ROLLBACK"));
        }
    }
}

impl RowSource for SiteRows {
    fn count(&self, table: &Table) -> Result<u64, StoreError> {
        let count = self.one::<i64>(&format!("SELECT count(*) FROM {}", self.of(table)))?;
        Ok(count.unwrap_or(0).unsigned_abs())
    }

    fn read(&self, table: &Table, each: EachRow<'_>) -> Result<(), StoreError> {
        self.batch(&format!(
            "DECLARE copied NO SCROLL CURSOR FOR SELECT {} FROM {} ORDER BY {}",
            table.columns_sql(),
            self.of(table),
            table.key_sql()
        ))?;
        let mut many = FETCH_FIRST;
        loop {
            let rows = self.rows(&format!("FETCH {many} FROM copied"), &[])?;
            let mut bytes = 0;
            for row in &rows {
                let cells = (0..row.len()).map(|column| row.try_get(column)).collect::<Result<Vec<Cell>, _>>();
                let cells = cells.map_err(|error| self.fault(&error))?;
                bytes += cells.iter().map(Cell::size).sum::<usize>();
                each(&cells)?;
            }
            if rows.len() < many {
                return self.batch("CLOSE copied");
            }
            if bytes < FETCH_LOW_BYTES {
                many = (many * 2).min(FETCH_MAX);
            } else if bytes > FETCH_HIGH_BYTES {
                many = (many / 4).max(1);
            }
        }
    }

    fn bounds(&self, table: &Table) -> Result<Option<(i64, i64)>, StoreError> {
        let both = self.first::<Option<i64>>(&format!("SELECT min(number), max(number) FROM {}", self.of(table)))?;
        Ok(both.first().copied().flatten().zip(both.get(1).copied().flatten()))
    }

    fn last_given(&self, table: &Table) -> Result<Option<i64>, StoreError> {
        let Some(column) = self.sequenced(table)?.filter(|column| column != ROWID) else { return Ok(None) };
        let Some(sequence) = self.sequence(table, &column)? else { return Ok(None) };
        self.one(&format!("SELECT last_value FROM {sequence} WHERE is_called"))
    }
}

/// Copies the rows of one table into it.
struct CopyIn<'s> {
    writer: Pin<Box<BinaryCopyInWriter>>,
    place: &'s str,
}

impl RowWriter for CopyIn<'_> {
    fn put(&mut self, row: &[Cell]) -> Result<(), StoreError> {
        let values = row.iter().map(|cell| cell as &(dyn ToSql + Sync));
        wait(self.writer.as_mut().write_raw(values)).map_err(|error| fault(self.place, &error))
    }

    fn end(mut self: Box<Self>) -> Result<(), StoreError> {
        wait(self.writer.as_mut().finish()).map(drop).map_err(|error| fault(self.place, &error))
    }
}

impl RowTarget for SiteRows {
    fn begin(&mut self, tables: &[Table]) -> Result<(), StoreError> {
        if self.check.is_none() {
            return Err(
                Fault::new("the site was opened to be read", "none is needed: nothing is written").at(&self.place)
            );
        }
        self.is_open.set(true);
        self.batch("BEGIN")?;
        self.refuse_full(tables)?;
        for table in tables {
            // What triggers see to was seen to when the rows were written first.
            self.batch(&format!("ALTER TABLE {} DISABLE TRIGGER USER", self.of(table)))?;
            if PREFILLED.contains(&(table.history, table.name.as_str())) {
                self.batch(&format!("DELETE FROM {}", self.of(table)))?;
            }
        }
        Ok(())
    }

    fn make_room(&mut self, first: i64, last: i64) -> Result<(), StoreError> {
        let mut through = first;
        loop {
            self.batch(&format!("SELECT make_sample_partitions({through})"))?;
            if through >= last {
                return Ok(());
            }
            through = through.saturating_add(PART_ROWS).min(last);
        }
    }

    fn writer(&mut self, table: &Table) -> Result<Box<dyn RowWriter + '_>, StoreError> {
        let (columns, of) = (table.columns_sql(), self.of(table));
        let prepared = wait(self.client.prepare(&format!("SELECT {columns} FROM {of}")));
        let prepared = prepared.map_err(|error| self.fault(&error))?;
        let types: Vec<Type> = prepared.columns().iter().map(|column| column.type_().clone()).collect();
        let sink = wait(self.client.copy_in(&format!("COPY {of} ({columns}) FROM STDIN BINARY")));
        let sink = sink.map_err(|error| self.fault(&error))?;
        Ok(Box::new(CopyIn { writer: Box::pin(BinaryCopyInWriter::new(sink, &types)), place: &self.place }))
    }

    fn set_last_given(&mut self, table: &Table, last: Option<i64>) -> Result<(), StoreError> {
        let Some(column) = self.sequenced(table)? else { return Ok(()) };
        let Some(sequence) = self.sequence(table, &column)? else { return Ok(()) };
        let largest = self.one::<Option<i64>>(&format!("SELECT max(\"{column}\") FROM {}", self.of(table)))?.flatten();
        let last = largest.into_iter().chain(last).max().unwrap_or(0);
        if last > 0 { self.batch(&format!("SELECT setval('{sequence}', {last}, true)")) } else { Ok(()) }
    }

    fn finish(&mut self, tables: &[Table]) -> Result<(), StoreError> {
        for table in tables {
            self.batch(&format!("ALTER TABLE {} ENABLE TRIGGER USER", self.of(table)))?;
        }
        // In one message: where the lease is not held any more nothing behind the check is carried out.
        self.batch(&format!("{}; COMMIT", self.check.as_deref().unwrap_or("ROLLBACK")))?;
        self.is_open.set(false);
        for table in tables {
            // Who asks first should not have to guess how much there is; the server sees to it by itself a little later.
            if let Err(error) = self.batch(&format!("ANALYZE {}", self.of(table))) {
                tracing::warn!(%error, "the server has not counted what was copied yet");
            }
        }
        Ok(())
    }
}

impl<'r> FromSql<'r> for Cell {
    fn from_sql(kind: &Type, raw: &'r [u8]) -> Result<Self, Misfit> {
        Ok(match *kind {
            Type::INT8 => Self::Integer(i64::from_sql(kind, raw)?),
            Type::BOOL => Self::Integer(bool::from_sql(kind, raw)?.into()),
            Type::TEXT => Self::Text(String::from_sql(kind, raw)?),
            Type::BYTEA => Self::Blob(raw.to_vec()),
            _ => return Err(format!("no column of ours is of the type {kind}").into()),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Misfit> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Cell {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Misfit> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Integer(number), &Type::INT8) => number.to_sql(kind, out),
            (Self::Integer(number), &Type::BOOL) => (*number != 0).to_sql(kind, out),
            (Self::Text(text), &Type::TEXT) => text.to_sql(kind, out),
            (Self::Blob(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
            (other, _) => Err(format!("a value of {} bytes is not of the type {kind}", other.size()).into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
