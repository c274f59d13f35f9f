//! The register of accounts as a table that people paste from a spreadsheet: who holds which account, and what it would change, row by row, before it does. Pure.
//!
//! A row names its account by its key as the register exports it (`srv-1/an`), or by device and name. What the register shows besides is not written by a
//! table.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use ioc_store::{AccountField, AccountRow, RegisteredAccount, account_of_key};

use super::pasted_table::{self, CellFault, FAULTS_MAX, plain, without_mark};
use crate::refusal_reason::{RefusalReason, Word};

/// Most accounts in one table.
pub const ROWS_MAX: usize = 20_000;
/// Longest name of an account, and of a role or a holder, characters.
pub(crate) const NAME_MAX_CHARS: usize = 100;
/// Longest note and reason, characters.
pub(crate) const NOTE_MAX_CHARS: usize = 500;
/// Columns by which an account is found.
const KEY: [&str; 4] = ["key", "account key", "ma tai khoan", "khoa"];
const DEVICE: [&str; 6] = ["device", "id", "identifier", "thiet bi", "ma thiet bi", "ma may"];
const NAME: [&str; 5] = ["name", "account", "tai khoan", "ten tai khoan", "login"];
/// Columns that the register exports and nobody writes.
const DERIVED: [&str; 17] = [
    "vai tro",
    "role",
    "dang nhap gan nhat",
    "last sign-in",
    "doi mat khau",
    "password changed",
    "xac thuc hai lop",
    "second factor",
    "viec phai lam",
    "to do",
    "nguon",
    "source",
    "noi dat",
    "place",
    "co gia tri den",
    "holds until",
    "stt",
];

/// What a row would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountPlan {
    /// Row of the table, from 1.
    pub row: u64,
    /// Which account ([`ioc_store::account_key`]).
    pub key: String,
    /// Column, what is known now, what would be written down.
    pub changes: Vec<(AccountField, String, String)>,
}

const fn headings(field: AccountField) -> &'static [&'static str] {
    match field {
        AccountField::Holder => &["holder", "held by", "nguoi giu", "nguoi su dung"],
        AccountField::Note => &["note", "notes", "ghi chu"],
    }
}

/// There is no such account.
pub(crate) fn no_account(key: &str) -> RefusalReason {
    let english = format!("there is no account {key:?} in the register");
    RefusalReason::new("register-refused-no-account", [("account", Word::text(key))], english)
}

/// What is known by somebody's word alone is vouched for anew, with all that they say of it.
pub(crate) fn vouched(key: &str) -> RefusalReason {
    let english = format!("{key:?} is known by somebody's word alone; vouch for it anew");
    RefusalReason::new("register-refused-vouched", [("account", Word::text(key))], english)
}

/// A text of one line, which may be empty.
///
/// # Errors
/// That it is longer than what it is said of may have, or has several lines.
pub(crate) fn checked(field: AccountField, text: &str) -> Result<String, RefusalReason> {
    let most = match field {
        AccountField::Holder => NAME_MAX_CHARS,
        AccountField::Note => NOTE_MAX_CHARS,
    };
    let text = text.trim();
    if text.chars().count() <= most && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let name = field.as_str();
    let english = format!("{name}: allowed are up to {most} characters in one line");
    let args = [("field", Word::named("account-field", name)), ("most", Word::count(most))];
    Err(RefusalReason::new("register-refused-long", args, english))
}

/// What a column of the table is.
enum Column {
    Key,
    Device,
    Name,
    Field(AccountField),
    Derived,
}

fn columns_of(headings_row: &csv::StringRecord) -> Result<Vec<(Column, String)>, Vec<CellFault>> {
    let (mut columns, mut faults) = (Vec::new(), Vec::new());
    let mut seen: Vec<&str> = Vec::new();
    for heading in headings_row {
        let word = plain(heading);
        let is = |names: &[&str]| names.contains(&word.as_str());
        let field = AccountField::ALL.into_iter().find(|field| is(headings(*field)));
        let (column, name) = match field {
            Some(field) => (Column::Field(field), field.as_str()),
            None if is(&KEY) => (Column::Key, "key"),
            None if is(&DEVICE) => (Column::Device, "device"),
            None if is(&NAME) => (Column::Name, "name"),
            None if word.is_empty() || is(&DERIVED) => (Column::Derived, ""),
            None => {
                let known = AccountField::ALL.map(AccountField::as_str);
                let english = format!("this heading is not known; allowed are key, device, name, {}", known.join(", "));
                let allowed = [("allowed", Word::all("account-field", known))];
                let fault = RefusalReason::new("register-refused-heading-account", allowed, english);
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
    let names_account = seen.contains(&"key") || (seen.contains(&"device") && seen.contains(&"name"));
    if faults.is_empty() && !names_account {
        let english = "there is no column key, nor device and name: which row is which account cannot be told";
        let fault = RefusalReason::new("register-refused-no-account-column", [], english);
        faults.push(CellFault { row: 1, column: String::new(), fault });
    }
    if faults.is_empty() { Ok(columns) } else { Err(faults) }
}

fn row_of(
    row: u64,
    columns: &[(Column, String)],
    record: &csv::StringRecord,
    faults: &mut Vec<CellFault>,
) -> AccountRow {
    let (mut key, mut device, mut name, mut fields) = (String::new(), String::new(), String::new(), BTreeMap::new());
    for ((column, heading), cell) in columns.iter().zip(record) {
        // What the register exports for who may not see people says nothing.
        let cell = cell.trim();
        if cell.is_empty() || cell == ioc_common::document::HIDDEN {
            continue;
        }
        match column {
            Column::Derived => {}
            Column::Key => without_mark(cell).clone_into(&mut key),
            Column::Device => cell.clone_into(&mut device),
            Column::Name => without_mark(cell).clone_into(&mut name),
            Column::Field(field) => match checked(*field, without_mark(cell)) {
                Ok(text) => drop(fields.insert(*field, text)),
                Err(fault) => faults.push(CellFault { row, column: heading.clone(), fault }),
            },
        }
    }
    if key.is_empty() && !name.is_empty() {
        key = format!("{device}/{name}");
    }
    AccountRow { row, key, fields }
}

/// Reads a table.
///
/// # Errors
/// Every cell that cannot be taken, up to a hundred.
pub fn read(text: &str) -> Result<Vec<AccountRow>, Vec<CellFault>> {
    pasted_table::read(text, ROWS_MAX, columns_of, row_of)
}

/// What a table would change, of what is known now, by the accounts' keys.
///
/// # Errors
/// Every row that is about no account, about one that somebody vouches for, or about the same as another, up to a hundred.
pub fn plan(
    rows: &[AccountRow],
    known: &HashMap<String, RegisteredAccount>,
) -> Result<Vec<AccountPlan>, Vec<CellFault>> {
    let (mut plans, mut faults, mut seen) = (Vec::new(), Vec::new(), HashMap::<&str, u64>::new());
    for one in rows {
        let mut refuse = |fault: RefusalReason| faults.push(CellFault { row: one.row, column: String::new(), fault });
        let earlier = seen.insert(&one.key, one.row);
        let account = known.get(&one.key).filter(|_| account_of_key(&one.key).is_some());
        match (account, earlier) {
            (None, _) => refuse(no_account(&one.key)),
            (Some(_), Some(earlier)) => {
                let english = format!("{} stands in row {earlier} already", one.key);
                let args = [("device", Word::text(&one.key)), ("row", Word::Count(earlier))];
                refuse(RefusalReason::new("register-refused-row-twice", args, english));
            }
            (Some(account), None) => {
                let changes = one.fields.iter().filter(|(field, text)| field.of(account) != text.as_str());
                let changes: Vec<_> =
                    changes.map(|(field, text)| (*field, field.of(account).to_owned(), text.clone())).collect();
                if account.valid_until.is_some() && !changes.is_empty() {
                    refuse(vouched(&one.key));
                } else if account.valid_until.is_none() {
                    plans.push(AccountPlan { row: one.row, key: one.key.clone(), changes });
                }
            }
        }
        if faults.len() >= FAULTS_MAX {
            break;
        }
    }
    faults.truncate(FAULTS_MAX);
    if faults.is_empty() { Ok(plans) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use ioc_common::clock::Timestamp;
    use ioc_common::id::DeviceId;
    use ioc_store::{AccountAttestation, AccountRecord};

    use super::*;

    fn known() -> HashMap<String, RegisteredAccount> {
        let own: AccountRecord =
            crate::account::with_hash("lan", ioc_store::Role::Viewer, "hash".to_owned(), Timestamp::MIN);
        let mut own = RegisteredAccount::of_collector(own, Timestamp::MIN);
        own.holder = "Lê Thị Lan".to_owned();
        let attestation = AccountAttestation {
            name: "admin".to_owned(),
            role: String::new(),
            administrator: true,
            holder: "Trần Bình".to_owned(),
            password_at: None,
            gone: false,
            note: String::new(),
            valid_until: Timestamp::MAX,
            by: "lan".to_owned(),
            at: Timestamp::MIN,
        };
        let home = (DeviceId::new("sw-1").expect("valid"), "Bộ chuyển mạch".to_owned(), String::new());
        let vouched = RegisteredAccount::attested(home, attestation, Vec::new());
        [own, vouched].into_iter().map(|account| (account.key(), account)).collect()
    }

    #[test]
    fn what_is_pasted_says_what_it_would_change_and_an_export_nothing() {
        let text = "Mã tài khoản\tThiết bị\tNgười giữ\tGhi chú\tViệc phải làm\n/lan\tIOC\tNguyễn An\tca 1\tgì đó\n";
        let plans = plan(&read(text).expect("reads"), &known()).expect("plans");
        let expected = [
            (AccountField::Holder, "Lê Thị Lan".to_owned(), "Nguyễn An".to_owned()),
            (AccountField::Note, String::new(), "ca 1".to_owned()),
        ];
        assert_eq!(
            (plans[0].key.as_str(), plans[0].row, plans[0].changes.as_slice()),
            ("/lan", 2, expected.as_slice())
        );
        // What is known already is no change, nor of an account that somebody vouches for.
        let export = "key,holder,note\n/lan,Lê Thị Lan,\nsw-1/admin,Trần Bình,\n";
        let plans = plan(&read(export).expect("reads"), &known()).expect("plans");
        assert!(plans.len() == 1 && plans[0].changes.is_empty(), "{plans:?}");
        let by_device = read("device,name,holder\nsw-1,admin,x\n").expect("reads");
        assert_eq!(by_device[0].key, "sw-1/admin");
    }

    #[test]
    fn every_faulty_cell_is_named_by_row_and_column() {
        let long = "x".repeat(101);
        let faults = read(&format!("key,holder\n/lan,{long}\n/lan,a,b\n")).expect_err("faulty");
        let found: Vec<(u64, &str)> = faults.iter().map(|one| (one.row, one.column.as_str())).collect();
        assert_eq!(found, [(2, "holder"), (3, "")], "{faults:?}");
        for (text, says) in [
            ("holder\nx\n", "which row is which account"),
            ("device,holder\nsw-1,x\n", "which row is which account"),
            ("key,colour\n/lan,red\n", "not known"),
            ("key,ma tai khoan\n/lan,/lan\n", "twice"),
            ("key\n", "no row"),
        ] {
            let faults = read(text).expect_err(text);
            assert!(faults[0].fault.english().contains(says), "{text:?}: {faults:?}");
        }
        let refused = |text: &str| plan(&read(text).expect("reads"), &known()).expect_err(text).remove(0).fault;
        assert!(refused("key,holder\nsrv-9/x,a\n").english().contains("no account"));
        assert!(refused("key,holder\n/lan,a\n/lan,b\n").english().contains("row 2 already"));
        assert!(refused("key,holder\nsw-1/admin,a\n").english().contains("vouch for it anew"));
    }
}
