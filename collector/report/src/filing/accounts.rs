//! Accounts in a filing, from their register: those that agents found on machines and those of appliances that people vouch for, gathered by name, with who holds
//! them; and those of this collector.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_document::legal::filing::{AccountCell, CellColumn};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_store::{AccountQuery, AccountSource, AssetField, RegisteredAccount, Role, StoreError};

use super::Gathering;
use super::table::{TableMaker, some_of};

/// Accounts that are read: more than a centre of 10,000 devices has.
const READ_MAX: usize = 500_000;
/// Accounts that are listed.
const ACCOUNTS_MAX: usize = 3_000;
/// Names of machines in a cell.
const NAMES_MAX: usize = 6;

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

/// What accounts have in common that stand in one row: name, who tells of them, as what, and whether they are locked.
type Key = (String, AccountSource, bool, String, Option<bool>);

/// Accounts of one name on several machines.
#[derive(Default)]
struct Grouped {
    machines: Vec<String>,
    holders: Vec<String>,
    officers: Vec<String>,
    /// The oldest change of a password.
    changed: Option<Timestamp>,
    /// The soonest end.
    expires: Option<Timestamp>,
    /// Until when the word of whoever vouched for one of them holds, the soonest.
    valid_until: Option<Timestamp>,
}

impl Grouped {
    fn take(&mut self, account: &RegisteredAccount, machine: &str, officer: &str) {
        self.machines.push(machine.to_owned());
        for (names, one) in [(&mut self.holders, account.holder.as_str()), (&mut self.officers, officer)] {
            if !one.is_empty() && !names.iter().any(|known| known == one) {
                names.push(one.to_owned());
            }
        }
        let oldest = |one: Option<Timestamp>, other: Option<Timestamp>| one.into_iter().chain(other).min();
        self.changed = oldest(self.changed, account.password_at);
        self.expires = oldest(self.expires, account.expires_at);
        self.valid_until = oldest(self.valid_until, account.valid_until);
    }
}

pub(super) fn table(of: &Gathering<'_>, columns: &[CellColumn<AccountCell>]) -> Result<FilledTable, StoreError> {
    let mut all: BTreeMap<Key, Grouped> = BTreeMap::new();
    let query = AccountQuery { now: of.asked.now, limit: READ_MAX, ..AccountQuery::default() };
    for (account, _) in of.reader.registered_accounts(&query)?.rows {
        let Some(device) = account.device.as_ref().and_then(|id| of.inventory.find(id)) else { continue };
        // Machines have many ways to make an administrator, which are no roles.
        let role = if account.source == AccountSource::Attested { account.role.clone() } else { String::new() };
        let key = (account.name.clone(), account.source, account.administrator, role, account.locked);
        all.entry(key).or_default().take(&account, device.name(), device.asset.text(AssetField::Officer));
    }
    let mut table =
        TableMaker::new(columns, role, "danh mục tài khoản", "Chưa có thiết bị nào có tài khoản được ghi nhận")
            .at_most(ACCOUNTS_MAX);
    for (key, grouped) in &all {
        let row = columns.iter().map(|column| of_machines(of, &table, (key, grouped), column.from)).collect();
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

/// As what one signs in; of an appliance as a person says it.
const fn kind(vouched: bool, administrator: bool) -> &'static str {
    match (vouched, administrator) {
        (true, true) => "quản trị thiết bị",
        (true, false) => "người dùng thiết bị",
        (false, true) => "quản trị máy",
        (false, false) => "người vận hành máy",
    }
}

fn of_machines(of: &Gathering<'_>, table: &TableMaker, (key, account): (&Key, &Grouped), from: AccountCell) -> Cell {
    let (name, source, administrator, role, locked) = key;
    let vouched = *source == AccountSource::Attested;
    let origin = if vouched { Origin::Record } else { Origin::Agent };
    match from {
        AccountCell::Number => table.number(),
        AccountCell::Kind if !role.is_empty() => Cell::new(role.clone(), origin),
        AccountCell::Kind => Cell::new(kind(vouched, *administrator), origin),
        AccountCell::Name => Cell::new(name.clone(), origin),
        AccountCell::Status => match (locked, account.valid_until) {
            (Some(true), _) => Cell::new("khoá mật khẩu", origin),
            (Some(false), _) => Cell::new("đang dùng", origin),
            (None, Some(until)) if until >= of.asked.now => {
                Cell::new(format!("có, theo xác nhận hiệu lực đến {}", of.asked.day(until)), origin)
            }
            (None, _) => Cell::missing(),
        },
        AccountCell::System => Cell::new(some_of(account.machines.iter().map(String::as_str), NAMES_MAX), origin),
        AccountCell::Manager => {
            // Who holds it is nearer than who has the machine.
            let holders = some_of(account.holders.iter().map(String::as_str), 3);
            let officers = some_of(account.officers.iter().map(String::as_str), 3);
            match (holders.is_empty(), officers.is_empty()) {
                (false, _) => Cell::new(holders, Origin::Record),
                (true, false) => Cell::new(officers, Origin::Assets),
                (true, true) => Cell::new(of.unit(), Origin::Settings),
            }
        }
        AccountCell::Department => department(of),
        AccountCell::Activated => {
            let day = account.changed.map(|at| format!("đặt mật khẩu {}", of.asked.day(at)));
            match (day, locked) {
                (Some(day), _) => Cell::new(day, origin),
                // Who cannot sign in by a password has none that was set.
                (None, Some(true)) => Cell::new("không dùng mật khẩu", origin),
                (None, _) => Cell::missing(),
            }
        }
        AccountCell::Disabled => match (account.expires, locked) {
            (Some(at), _) => Cell::new(format!("hết hạn {}", of.asked.day(at)), origin),
            (None, Some(true)) => Cell::new("đang khoá", origin),
            (None, Some(false)) => Cell::new("chưa", origin),
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
        AccountCell::Status => Cell::new(if account.disabled { "đã khoá" } else { "đang dùng" }, Origin::Record),
        AccountCell::System => Cell::new("hệ thống giám sát IOC Watch", Origin::Record),
        AccountCell::Manager => Cell::new("quản trị viên hệ thống giám sát", Origin::Record),
        AccountCell::Department => department(of),
        AccountCell::Activated => {
            Cell::new(format!("đặt mật khẩu {}", of.asked.day(account.password_at)), Origin::Record)
        }
        AccountCell::Disabled => Cell::new(if account.disabled { "đang khoá" } else { "chưa" }, Origin::Record),
    }
}
