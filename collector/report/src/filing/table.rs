//! Rows of tables: bounded, and counted whole.

use ioc_document::legal::filing::CellColumn;
use ioc_document::report::filing::{Cell, ColumnRole, FillTally, FilledColumn, FilledTable, Origin};

/// Rows of a table that are listed: as many devices as the product is measured for. What is beyond is counted, and said.
pub(super) const ROWS_MAX: usize = 10_000;

/// A table that is being filled.
pub(super) struct TableMaker {
    table: FilledTable,
    most: usize,
}

impl TableMaker {
    /// A table of these columns; `role` says what each is for.
    pub(super) fn new<C: Copy>(
        columns: &[CellColumn<C>],
        role: impl Fn(C) -> ColumnRole,
        whole_at: &'static str,
        empty: &'static str,
    ) -> Self {
        let column =
            |one: &CellColumn<C>| FilledColumn { title: one.title.clone(), width: one.width, role: role(one.from) };
        let table = FilledTable {
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            more: 0,
            beyond: FillTally::default(),
            whole_at,
            empty,
        };
        Self { table, most: ROWS_MAX }
    }

    /// With so many rows at most.
    pub(super) fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The number of the next row, as a cell.
    pub(super) fn number(&self) -> Cell {
        Cell::new((self.table.rows.len() + 1).to_string(), Origin::Record)
    }

    /// Adds a row; beyond the bound it is counted alone.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        if self.table.rows.len() < self.most {
            self.table.rows.push(row);
            return;
        }
        self.table.more += 1;
        for (cell, column) in row.iter().zip(&self.table.columns) {
            if column.role == ColumnRole::Value {
                self.table.beyond.count(cell.origin);
            }
        }
    }

    pub(super) fn done(self) -> FilledTable {
        self.table
    }
}

/// The first of some names, and how many more there are.
pub(super) fn some_of<'n>(names: impl Iterator<Item = &'n str>, most: usize) -> String {
    let mut all = names.peekable();
    let first: Vec<&str> = all.by_ref().take(most).collect();
    let more = all.count() as u64;
    let said = first.join(", ");
    if more > 0 { format!("{said} và {} khác", ioc_document::wording::count(more)) } else { said }
}

/// A key's part made of a name from anywhere: lower case letters, digits and `-`.
pub(super) fn slug(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars().map(ioc_store::collation::plain) {
        match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_lowercase() || letter.is_ascii_digit() => out.push(letter),
            _ if out.is_empty() || out.ends_with('-') => {}
            _ => out.push('-'),
        }
        if out.len() >= 40 {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// The heads of the columns in which a row has nothing.
pub(super) fn blanks_of<'c, C>(row: &[Cell], columns: &'c [CellColumn<C>]) -> Vec<&'c str> {
    let missing = row.iter().zip(columns).filter(|(cell, _)| cell.origin == Origin::Missing);
    missing.map(|(_, column)| column.title.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys_and_lists_stay_short() {
        assert_eq!(slug("Vùng máy chủ nội bộ (DMZ)"), "vung-may-chu-noi-bo-dmz");
        assert_eq!((slug("tcp/8080"), slug("…"), slug(&"a".repeat(90)).len()), ("tcp-8080".into(), String::new(), 40));
        assert_eq!(some_of(["a", "b", "c"].into_iter(), 2), "a, b và 1 khác");
        assert_eq!(some_of(["a"].into_iter(), 2), "a");
    }
}
