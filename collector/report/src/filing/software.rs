//! The software register in a filing. Packages that no rule of the catalogue names and of which nobody wrote anything stand in one row: each is in the register.

use ioc_document::legal::filing::{CellColumn, SoftwareCell};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_document::wording;
use ioc_store::{ProductField, ProductQuery, ProductRow, StoreError};

use super::Gathering;
use super::table::{TableMaker, blanks_of, some_of};
use super::work::Fill;

/// In one page.
const PAGE: usize = 500;
/// Software that is listed.
const SOFTWARE_MAX: usize = 5_000;
/// Versions in a cell.
const VERSIONS_MAX: usize = 4;
/// What keys of packages begin with that no rule of the catalogue names (`collector/engine/src/software_catalogue.rs`).
const PACKAGE: &str = "pkg.";

const fn role(cell: SoftwareCell) -> ColumnRole {
    match cell {
        SoftwareCell::Number => ColumnRole::Number,
        SoftwareCell::Name
        | SoftwareCell::Purpose
        | SoftwareCell::Scope
        | SoftwareCell::Owner
        | SoftwareCell::Licence
        | SoftwareCell::Version
        | SoftwareCell::Kept
        | SoftwareCell::SupportEnd => ColumnRole::Value,
    }
}

pub(super) fn table(of: &mut Gathering<'_>, columns: &[CellColumn<SoftwareCell>]) -> Result<FilledTable, StoreError> {
    let empty = "Chưa có danh sách phần mềm của máy nào";
    let mut table = TableMaker::new(columns, role, "danh mục phần mềm", empty).at_most(SOFTWARE_MAX);
    let unit = of.unit();
    let mut packages = 0_u64;
    let mut query = ProductQuery { after: Some(String::new()), limit: PAGE, ..ProductQuery::default() };
    loop {
        let page = of.reader.products(&query)?;
        let whole = page.len() < PAGE;
        query.after = page.last().map(|row| row.product.key.clone());
        for product in &page {
            if product.product.key.starts_with(PACKAGE) && product.product.said.is_empty() {
                packages += 1;
                continue;
            }
            let row: Vec<Cell> = columns.iter().map(|column| cell(&table, &unit, product, column.from)).collect();
            let blank = blanks_of(&row, columns);
            if !blank.is_empty() {
                let owner = product.product.text(ProductField::Owner);
                let responsible = if owner.is_empty() { unit.as_str() } else { owner };
                let what = format!("{}: {}", product.product.name, blank.join(", ").to_lowercase());
                let fill = Fill::Product(product.product.key.clone());
                of.work.add(responsible, blank.len() as u64, || what, fill);
            }
            table.push(row);
        }
        if whole {
            break;
        }
    }
    if packages > 0 {
        let row = columns.iter().map(|column| others(&table, packages, column.from)).collect();
        table.push(row);
        let what = format!("{} gói phần mềm chưa ai xem xét", wording::count(packages));
        of.work.add(&unit, 1, || what, Fill::Products);
    }
    Ok(table.done())
}

fn cell(table: &TableMaker, unit: &str, row: &ProductRow, from: SoftwareCell) -> Cell {
    let product = &row.product;
    let register = |field: ProductField| Cell::new(product.text(field), Origin::Software);
    let found = |cell: Cell, other: Cell| if cell.origin == Origin::Missing { other } else { cell };
    let machines = format!("{} máy", wording::count(row.devices));
    match from {
        SoftwareCell::Number => table.number(),
        SoftwareCell::Name => Cell::new(product.name.clone(), Origin::Agent),
        SoftwareCell::Purpose => register(ProductField::Purpose),
        // Where nobody wrote who uses it, it is used where it is.
        SoftwareCell::Scope => {
            found(register(ProductField::Scope), Cell::new(format!("cài trên {machines}"), Origin::Agent))
        }
        SoftwareCell::Owner => found(register(ProductField::Owner), Cell::new(unit, Origin::Settings)),
        SoftwareCell::Licence => register(ProductField::Licence),
        SoftwareCell::Version => {
            Cell::new(some_of(row.versions.iter().map(String::as_str), VERSIONS_MAX), Origin::Agent)
        }
        SoftwareCell::Kept => Cell::new(machines, Origin::Agent),
        SoftwareCell::SupportEnd => {
            let day = product.text(ProductField::SupportEnd);
            let written = day.parse::<jiff::civil::Date>().map_or_else(|_| day.to_owned(), wording::short_date);
            Cell::new(written, Origin::Software)
        }
    }
}

/// The row of packages that nobody named.
fn others(table: &TableMaker, packages: u64, from: SoftwareCell) -> Cell {
    match from {
        SoftwareCell::Number => table.number(),
        SoftwareCell::Name => {
            Cell::new(format!("Các gói khác của hệ điều hành ({} gói)", wording::count(packages)), Origin::Agent)
        }
        SoftwareCell::Purpose => Cell::new("từng gói có trong danh mục phần mềm, chưa phân loại", Origin::Software),
        SoftwareCell::Scope
        | SoftwareCell::Owner
        | SoftwareCell::Licence
        | SoftwareCell::Version
        | SoftwareCell::Kept
        | SoftwareCell::SupportEnd => Cell::missing(),
    }
}
