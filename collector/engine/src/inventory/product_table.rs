//! The software register as a table that people paste from a spreadsheet: what it would change, row by row, before it does. Pure.
//!
//! A row names its product by its key as the register exports it. What the register shows besides (names, versions, machines) is not written by a table.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use ioc_store::{Product, ProductField, ProductState, ProductTableRow};

use super::asset::day_of;
use super::device::TEXT_MAX_CHARS;
use super::pasted_table::{self, CellFault, FAULTS_MAX, plain, without_mark};
use crate::refusal_reason::{RefusalReason, Word};

/// Longest purpose, scope and note, characters.
const LONG_MAX_CHARS: usize = 500;

/// Most products in one table.
pub const ROWS_MAX: usize = 20_000;
/// The column by which a product is found.
const KEY: [&str; 4] = ["key", "product key", "ma", "ma phan mem"];
/// Columns that the register exports and nobody writes.
const DERIVED: [&str; 13] = [
    "ten phan mem",
    "phan mem",
    "software",
    "name",
    "phien ban",
    "versions",
    "noi luu",
    "where kept",
    "thay lan dau",
    "first seen",
    "thay gan nhat",
    "last seen",
    "stt",
];

/// What may be written down, as it is kept.
pub(crate) fn checked(field: ProductField, text: &str) -> Result<String, RefusalReason> {
    let text = text.trim();
    let name = field.as_str();
    let word = || ("field", Word::named("product-field", name));
    let most = match field {
        ProductField::Purpose | ProductField::Scope | ProductField::Note => LONG_MAX_CHARS,
        ProductField::Owner
        | ProductField::Licence
        | ProductField::LicenceCount
        | ProductField::SupportEnd
        | ProductField::State => TEXT_MAX_CHARS,
    };
    if text.chars().count() > most || text.chars().any(char::is_control) {
        let english = format!("{name}: allowed are {most} characters without control characters");
        return Err(RefusalReason::new("register-refused-long", [word(), ("most", Word::count(most))], english));
    }
    let found = || ("found", Word::text(text));
    match field {
        _ if text.is_empty() => Ok(String::new()),
        ProductField::State if ProductState::parse(text).is_none() => {
            let names = ProductState::ALL.map(ProductState::as_str);
            let english = format!("{name}: found {text:?}; allowed are {}", names.join(", "));
            let allowed = ("allowed", Word::all("product-state", names));
            Err(RefusalReason::new("register-refused-choice", [word(), found(), allowed], english))
        }
        ProductField::LicenceCount if text.parse::<u32>().is_err() => {
            let english = format!("{name}: found {text:?}; allowed is a number");
            Err(RefusalReason::new("register-refused-number", [word(), found()], english))
        }
        ProductField::SupportEnd => day_of(text).ok_or_else(|| {
            let english = format!("{name}: found {text:?}; allowed is a day such as 2026-11-29 or 29/11/2026");
            RefusalReason::new("register-refused-day", [word(), found()], english)
        }),
        _ => Ok(text.to_owned()),
    }
}

/// There is no such product.
pub(crate) fn no_product(key: &str) -> RefusalReason {
    let english = format!("there is no product {key:?} in the register");
    RefusalReason::new("register-refused-no-product", [("key", Word::text(key))], english)
}

/// What a row would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProductPlan {
    /// Row of the table, from 1.
    pub row: u64,
    /// Which product.
    pub key: String,
    /// Column, what is written down now, what would be.
    pub changes: Vec<(ProductField, String, String)>,
}

const fn headings(field: ProductField) -> &'static [&'static str] {
    match field {
        ProductField::Purpose => &["purpose", "muc dich su dung", "muc dich"],
        ProductField::Scope => &["scope", "scope of use", "pham vi su dung", "pham vi"],
        ProductField::Owner => &["owner", "managing owner", "don vi quan ly"],
        ProductField::Licence => &["licence", "license", "giay phep"],
        ProductField::LicenceCount => &["licence_count", "licences of the organisation", "so giay phep cua co quan"],
        ProductField::SupportEnd => &["support_end", "end of support", "hang het ho tro", "han ho tro"],
        ProductField::State => &["state", "allowed or not", "duoc dung hay khong"],
        ProductField::Note => &["note", "notes", "ghi chu"],
    }
}

/// The name of a state that people wrote in words; what is none is left as it is, and refused with the names.
fn named(field: ProductField, text: &str) -> String {
    if field != ProductField::State {
        return text.to_owned();
    }
    let word = plain(text);
    match word.as_str() {
        "can xem xet" | "to review" => ProductState::Review.as_str().to_owned(),
        "duoc dung" | "approved" => ProductState::Approved.as_str().to_owned(),
        "khong duoc phep" | "not allowed" => ProductState::NotAllowed.as_str().to_owned(),
        _ => word,
    }
}

/// What a column of the table is.
enum Column {
    Key,
    Field(ProductField),
    Derived,
}

fn columns_of(headings_row: &csv::StringRecord) -> Result<Vec<(Column, String)>, Vec<CellFault>> {
    let (mut columns, mut faults) = (Vec::new(), Vec::new());
    let mut seen: Vec<&str> = Vec::new();
    for heading in headings_row {
        let word = plain(heading);
        let is = |names: &[&str]| names.contains(&word.as_str());
        let field = ProductField::ALL.into_iter().find(|field| is(headings(*field)));
        let (column, name) = match field {
            Some(field) => (Column::Field(field), field.as_str()),
            None if is(&KEY) => (Column::Key, "key"),
            None if word.is_empty() || is(&DERIVED) => (Column::Derived, ""),
            None => {
                let known = ProductField::ALL.map(ProductField::as_str);
                let english = format!("this heading is not known; allowed are key, {}", known.join(", "));
                let allowed = [("allowed", Word::all("product-field", known))];
                let fault = RefusalReason::new("register-refused-heading-product", allowed, english);
                faults.push(CellFault { row: 1, column: heading.to_owned(), fault });
                continue;
            }
        };
        if !name.is_empty() && seen.contains(&name) {
            let english = format!("{name} stands there twice; take one of them out");
            let fault = RefusalReason::new("register-refused-heading-twice", [], english);
            faults.push(CellFault { row: 1, column: heading.to_owned(), fault });
        }
        seen.push(name);
        columns.push((column, heading.to_owned()));
    }
    if faults.is_empty() && !seen.contains(&"key") {
        let english = "there is no column key: which row is which product cannot be told";
        let fault = RefusalReason::new("register-refused-no-product-column", [], english);
        faults.push(CellFault { row: 1, column: String::new(), fault });
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

fn row_of(
    row: u64,
    columns: &[(Column, String)],
    record: &csv::StringRecord,
    faults: &mut Vec<CellFault>,
) -> ProductTableRow {
    let (mut key, mut fields) = (String::new(), BTreeMap::new());
    for ((column, heading), cell) in columns.iter().zip(record) {
        let cell = without_mark(cell.trim());
        if cell.is_empty() {
            continue;
        }
        match column {
            Column::Derived => {}
            Column::Key => cell.clone_into(&mut key),
            Column::Field(field) => match checked(*field, &named(*field, cell)) {
                Ok(text) => drop(fields.insert(*field, text)),
                Err(fault) => faults.push(CellFault { row, column: heading.clone(), fault }),
            },
        }
    }
    ProductTableRow { row, key, fields }
}

/// Reads a table.
///
/// # Errors
/// Every cell that cannot be taken, up to a hundred.
pub fn read(text: &str) -> Result<Vec<ProductTableRow>, Vec<CellFault>> {
    pasted_table::read(text, ROWS_MAX, columns_of, row_of)
}

/// What a row says otherwise than it is known now: column, what is written down, what would be. What is known of a product by itself and stands in the table
/// as it was exported is not written down by it.
pub(crate) fn changes_of(
    fields: &BTreeMap<ProductField, String>,
    product: &Product,
) -> Vec<(ProductField, String, String)> {
    let known = |field: ProductField| match field {
        ProductField::State => product.state().as_str(),
        field => product.text(field),
    };
    let changed = fields.iter().filter(|(field, text)| known(**field) != text.as_str());
    changed
        .map(|(field, text)| (*field, super::undoing::said_of_product(*field, product).to_owned(), text.clone()))
        .collect()
}

/// What a table would change, of what is known now, by the products' keys.
///
/// # Errors
/// Every row that is about no product of the register, or about the same as another, up to a hundred.
pub fn plan(rows: &[ProductTableRow], known: &HashMap<String, Product>) -> Result<Vec<ProductPlan>, Vec<CellFault>> {
    let (mut plans, mut faults, mut seen) = (Vec::new(), Vec::new(), HashMap::<&str, u64>::new());
    for one in rows {
        let mut refuse = |fault: RefusalReason| faults.push(CellFault { row: one.row, column: String::new(), fault });
        match (known.get(&one.key), seen.insert(&one.key, one.row)) {
            (None, _) => refuse(no_product(&one.key)),
            (Some(_), Some(earlier)) => {
                let english = format!("{} stands in row {earlier} already", one.key);
                let args = [("device", Word::text(&one.key)), ("row", Word::Count(earlier))];
                refuse(RefusalReason::new("register-refused-row-twice", args, english));
            }
            (Some(product), None) => {
                let changes = changes_of(&one.fields, product);
                plans.push(ProductPlan { row: one.row, key: one.key.clone(), changes });
            }
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    if faults.is_empty() { Ok(plans) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_says_what_it_would_change_and_an_export_nothing() {
        let mut product = Product::new("nginx".into(), "Nginx".into());
        product.found.insert(ProductField::Licence, "BSD-2-Clause".into());
        let known: HashMap<_, _> = [(product.key.clone(), product)].into();
        let exported = "Tên phần mềm\tGiấy phép\tPhiên bản\tĐược dùng hay không\tMã\nNginx\tBSD-2-Clause\t1.2\tCần xem xét\tnginx\n";
        assert!(plan(&read(exported).expect("reads"), &known).expect("plans")[0].changes.is_empty());
        let text =
            "Mã\tĐược dùng hay không\tMục đích sử dụng\tHãng hết hỗ trợ\nnginx\tĐược dùng\tCổng thông tin\t1/2/2027\n";
        let plans = plan(&read(text).expect("reads"), &known).expect("plans");
        let expected = [
            (ProductField::Purpose, String::new(), "Cổng thông tin".to_owned()),
            (ProductField::SupportEnd, String::new(), "2027-02-01".to_owned()),
            (ProductField::State, String::new(), "approved".to_owned()),
        ];
        assert_eq!(plans[0].changes, expected);
    }

    #[test]
    fn what_cannot_be_taken_is_named_with_its_place() {
        let faults = read("key,state,licence_count\nnginx,perhaps,9\nnginx,approved,many\n").expect_err("faulty");
        let said: Vec<(u64, &str)> = faults.iter().map(|one| (one.row, one.column.as_str())).collect();
        assert_eq!(said, [(2, "state"), (3, "licence_count")], "{faults:?}");
        assert!(read("name,purpose\nNginx,x\n").expect_err("no key")[0].fault.to_string().contains("no column key"));
        assert!(read("key,colour\nnginx,red\n").expect_err("unknown")[0].fault.to_string().contains("allowed are key"));
        let rows = read("key,note\nnginx,a\nnginx,b\nother,c\n").expect("reads");
        let known: HashMap<_, _> = [("nginx".to_owned(), Product::new("nginx".into(), "Nginx".into()))].into();
        let faults = plan(&rows, &known).expect_err("faulty");
        assert_eq!(faults.iter().map(|one| one.row).collect::<Vec<_>>(), [3, 4], "{faults:?}");
    }
}
