//! What a copy of a store from one database into the other is made of: tables, rows as both have them, and the sum over them by which the copy is
//! compared with what it was made of. Pure; who reads and writes them is in [`crate::sqlite`] and [`crate::postgres`].

use ring::digest::{Context, SHA256};

use ioc_common::encoding::hex;

use crate::StoreError;

/// The table whose rows need room made for them first, where it lies in parts.
pub(crate) const SAMPLE: &str = "sample";
/// The column that SQLite gives a table of itself, and PostgreSQL has where it is asked for.
pub(crate) const ROWID: &str = "rowid";

/// A table of the store, or of folded history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// It is of folded history.
    pub(crate) history: bool,
    /// Its name.
    pub(crate) name: String,
    /// All of its columns, in an order that both sides keep to.
    pub(crate) columns: Vec<String>,
    /// Those by which its rows are read in the same order on both sides.
    pub(crate) key: Vec<String>,
}

impl Table {
    /// What errors call it.
    pub(crate) fn called(&self) -> String {
        if self.history { format!("history.{}", self.name) } else { self.name.clone() }
    }

    /// Its columns, as they stand in a statement.
    pub(crate) fn columns_sql(&self) -> String {
        quoted(&self.columns)
    }

    /// Its key, as it stands in a statement.
    pub(crate) fn key_sql(&self) -> String {
        quoted(&self.key)
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// A value of a row. Truth is 0 or 1; a text does not hold the letter U+0000, which PostgreSQL cannot keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Cell {
    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}

/// Counts rows, and sums up every value of theirs.
pub(crate) struct RowSum {
    rows: u64,
    context: Context,
}

impl RowSum {
    pub(crate) fn new() -> Self {
        Self { rows: 0, context: Context::new(&SHA256) }
    }

    /// Each value with its kind and its length before it, so that no two rows can read alike.
    pub(crate) fn add(&mut self, row: &[Cell]) {
        self.rows += 1;
        for cell in row {
            match cell {
                Cell::Null => self.context.update(b"n"),
                Cell::Integer(number) => {
                    self.context.update(b"i");
                    self.context.update(&number.to_be_bytes());
                }
                Cell::Text(text) => self.long(b"t", text.as_bytes()),
                Cell::Blob(bytes) => self.long(b"b", bytes),
            }
        }
    }

    fn long(&mut self, kind: &[u8], bytes: &[u8]) {
        self.context.update(kind);
        self.context.update(&(bytes.len() as u64).to_be_bytes());
        self.context.update(bytes);
    }

    /// How many rows, and SHA-256 over them, hex.
    pub(crate) fn end(self) -> (u64, String) {
        (self.rows, hex(self.context.finish().as_ref()))
    }
}

/// Is handed a row.
pub(crate) type EachRow<'e> = &'e mut dyn FnMut(&[Cell]) -> Result<(), StoreError>;

/// A store whose tables are read as they are at one moment.
pub(crate) trait RowSource {
    /// How many rows a table has.
    fn count(&self, table: &Table) -> Result<u64, StoreError>;

    /// Every row of a table, in the order of its key.
    fn read(&self, table: &Table, each: EachRow<'_>) -> Result<(), StoreError>;

    /// The first and the last number of a table's rows; none where it has none.
    fn bounds(&self, table: &Table) -> Result<Option<(i64, i64)>, StoreError>;

    /// The last number that was given in a table whose numbers are never given twice; none where there is no such thing.
    fn last_given(&self, table: &Table) -> Result<Option<i64>, StoreError>;
}

/// Takes the rows of one table.
pub(crate) trait RowWriter {
    fn put(&mut self, row: &[Cell]) -> Result<(), StoreError>;

    /// All of them were put.
    fn end(self: Box<Self>) -> Result<(), StoreError>;
}

/// A store that is made of rows: all of it is there at the end, or nothing is.
pub(crate) trait RowTarget: RowSource {
    /// Refuses a store that holds anything, and prepares it for rows of these tables.
    fn begin(&mut self, tables: &[Table]) -> Result<(), StoreError>;

    /// Makes room for rows from a number to another.
    fn make_room(&mut self, first: i64, last: i64) -> Result<(), StoreError>;

    fn writer(&mut self, table: &Table) -> Result<Box<dyn RowWriter + '_>, StoreError>;

    /// No number up to this one is given again.
    fn set_last_given(&mut self, table: &Table, last: Option<i64>) -> Result<(), StoreError>;

    /// Has all of it last.
    fn finish(&mut self, tables: &[Table]) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_rows_read_alike() {
        let sum = |rows: &[&[Cell]]| {
            let mut sum = RowSum::new();
            rows.iter().for_each(|row| sum.add(row));
            sum.end()
        };
        let text = |text: &str| Cell::Text(text.to_owned());
        let (one, other) = ([text("ab"), text("c")], [text("a"), text("bc")]);
        assert_ne!(sum(&[&one]), sum(&[&other]));
        assert_ne!(sum(&[&[text("a")]]), sum(&[&[Cell::Blob(b"a".to_vec())]]));
        assert_ne!(sum(&[&[Cell::Null]]), sum(&[&[Cell::Integer(0)]]));
        assert_eq!(sum(&[&one, &other]).0, 2);
        assert_eq!(sum(&[&one]), sum(&[&one]));
    }
}
