//! Accounts in a filing: those that agents found on machines, gathered by name, and those of this collector.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Account, Accounts};
use ioc_document::legal::filing::{AccountCell, CellColumn};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_store::{AssetField, Role, StoreError};

use super::Gathering;
use super::table::{TableMaker, some_of};

/// In one page.
const PAGE: usize = 500;
/// Accounts that are listed.
const ACCOUNTS_MAX: usize = 3_000;
/// Names of machines in a cell.
const NAMES_MAX: usize = 6;
/// What agents' surveys of accounts are called.
const DOCUMENT: &str = "accounts";

const fn role(cell: AccountCell) -> ColumnRole {
    match cell {
        AccountCell::Number => ColumnRole::Number,
        AccountCell::Kind
        | AccountCell::Name
        | AccountCell::Status
        | AccountCell::System
        | AccountCell::Manager
        | AccountCell::Department
        | AccountCell::Activated
        | AccountCell::Disabled => ColumnRole::Value,
    }
}

/// Accounts of one name on several machines.
#[derive(Default)]
struct Grouped {
    administrator: bool,
    locked: Option<bool>,
    machines: Vec<String>,
    officers: Vec<String>,
    /// The oldest change of a password.
    changed: Option<Timestamp>,
    /// The soonest end.
    expires: Option<Timestamp>,
}

impl Grouped {
    fn take(&mut self, account: &Account, machine: String, officer: &str) {
        self.administrator = account.administrator;
        self.locked = account.locked;
        self.machines.push(machine);
        if !officer.is_empty() && !self.officers.iter().any(|known| known == officer) {
            self.officers.push(officer.to_owned());
        }
        let oldest = |one: Option<Timestamp>, other: Option<Timestamp>| one.into_iter().chain(other).min();
        self.changed = oldest(self.changed, account.changed_at);
        self.expires = oldest(self.expires, account.expires_at);
    }
}

pub(super) fn table(of: &Gathering<'_>, columns: &[CellColumn<AccountCell>]) -> Result<FilledTable, StoreError> {
    let mut all: BTreeMap<(String, bool, Option<bool>), Grouped> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = of.reader.documents_named(DOCUMENT, &after, PAGE)?;
        let whole = page.len() < PAGE;
        if let Some((last, _)) = page.last() {
            after = last.to_string();
        }
        for (id, document) in page {
            let found: Accounts = serde_json::from_str(&document.body).unwrap_or_default();
            let Some(device) = of.inventory.find(&id) else { continue };
            for account in &found.accounts {
                let key = (account.name.clone(), account.administrator, account.locked);
                let officer = device.asset.text(AssetField::Officer);
                all.entry(key).or_default().take(account, device.name().to_owned(), officer);
            }
        }
        if whole {
            break;
        }
    }
    let mut table = TableMaker::new(columns, role, "khảo sát tài khoản của từng máy", "Chưa có máy nào báo tài khoản")
        .at_most(ACCOUNTS_MAX);
    for ((name, ..), grouped) in &all {
        let row = columns.iter().map(|column| of_machines(of, &table, (name, grouped), column.from)).collect();
        table.push(row);
    }
    for account in &of.accounts {
        let row = columns.iter().map(|column| of_collector(of, &table, account, column.from)).collect();
        table.push(row);
    }
    Ok(table.done())
}

/// The unit of who uses an account, where nothing nearer is known.
fn department(of: &Gathering<'_>) -> Cell {
    let settings = &of.asked.settings;
    let name = if settings.unit.is_empty() { &settings.agency } else { &settings.unit };
    Cell::new(name.clone(), Origin::Settings)
}

fn of_machines(of: &Gathering<'_>, table: &TableMaker, (name, account): (&str, &Grouped), from: AccountCell) -> Cell {
    match from {
        AccountCell::Number => table.number(),
        AccountCell::Kind => {
            Cell::new(if account.administrator { "quản trị máy" } else { "người vận hành máy" }, Origin::Agent)
        }
        AccountCell::Name => Cell::new(name, Origin::Agent),
        AccountCell::Status => Cell::new(
            match account.locked {
                Some(true) => "khóa mật khẩu",
                Some(false) => "đang dùng",
                None => "",
            },
            Origin::Agent,
        ),
        AccountCell::System => {
            Cell::new(some_of(account.machines.iter().map(String::as_str), NAMES_MAX), Origin::Agent)
        }
        AccountCell::Manager => {
            let officers = some_of(account.officers.iter().map(String::as_str), 3);
            let unit = Cell::new(of.unit(), Origin::Settings);
            if officers.is_empty() { unit } else { Cell::new(officers, Origin::Assets) }
        }
        AccountCell::Department => department(of),
        AccountCell::Activated => {
            let day = account.changed.map(|at| format!("đặt mật khẩu {}", of.asked.day(at)));
            match (day, account.locked) {
                (Some(day), _) => Cell::new(day, Origin::Agent),
                // Who cannot sign in by a password has none that was set.
                (None, Some(true)) => Cell::new("không dùng mật khẩu", Origin::Agent),
                (None, _) => Cell::missing(),
            }
        }
        AccountCell::Disabled => match (account.expires, account.locked) {
            (Some(at), _) => Cell::new(format!("hết hạn {}", of.asked.day(at)), Origin::Agent),
            (None, Some(true)) => Cell::new("đang khóa", Origin::Agent),
            (None, Some(false)) => Cell::new("chưa", Origin::Agent),
            (None, None) => Cell::missing(),
        },
    }
}

/// What a role is called.
pub(super) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "người xem",
        Role::Technician => "kỹ thuật viên",
        Role::DutyOfficer => "trực ban",
        Role::Leader => "lãnh đạo",
        Role::Auditor => "kiểm toán viên",
        Role::Administrator => "quản trị viên",
    }
}

fn of_collector(of: &Gathering<'_>, table: &TableMaker, account: &ioc_store::AccountRecord, from: AccountCell) -> Cell {
    match from {
        AccountCell::Number => table.number(),
        AccountCell::Kind => Cell::new(role_word(account.role), Origin::Record),
        AccountCell::Name => {
            let full = &account.full_name;
            let name = if full.is_empty() { account.name.clone() } else { format!("{} ({full})", account.name) };
            Cell::new(name, Origin::Record)
        }
        AccountCell::Status => Cell::new(if account.disabled { "đã khóa" } else { "đang dùng" }, Origin::Record),
        AccountCell::System => Cell::new("hệ thống giám sát IOC Watch", Origin::Record),
        AccountCell::Manager => Cell::new("quản trị viên hệ thống giám sát", Origin::Record),
        AccountCell::Department => department(of),
        AccountCell::Activated => {
            Cell::new(format!("đặt mật khẩu {}", of.asked.day(account.password_at)), Origin::Record)
        }
        AccountCell::Disabled => Cell::new(if account.disabled { "đang khóa" } else { "chưa" }, Origin::Record),
    }
}
