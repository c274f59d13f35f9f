//! Rows of those who may come in: accounts, sessions, tokens.

use rusqlite::Row;

use super::read::{body, moment, required};
use crate::role::Role;
use crate::{AccountRecord, SessionRecord, TokenRecord};

pub(super) const ACCOUNT_COLUMNS: &str = "SELECT name, full_name, role, password, earlier, password_at, must_change, disabled, failures, \
                               locked_until, second, places FROM account";
pub(super) const TOKEN_COLUMNS: &str = "SELECT body, uses, used_at, ended_at FROM token";
pub(super) const SESSION_COLUMNS: &str =
    "SELECT digest, account, label, role, peer, created_at, expires_at, foreign_in, confirmed_at FROM session";

pub(super) fn token(row: &Row<'_>) -> rusqlite::Result<TokenRecord> {
    let written: TokenRecord = body(row, 0)?;
    Ok(TokenRecord { uses: row.get(1)?, used_at: moment(row, 2)?, ended_at: moment(row, 3)?, ..written })
}

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<AccountRecord> {
    Ok(AccountRecord {
        name: row.get(0)?,
        full_name: row.get(1)?,
        role: role(row, 2)?.unwrap_or(Role::Viewer),
        password: row.get(3)?,
        earlier: body(row, 4)?,
        password_at: required(row, 5)?,
        must_change: row.get(6)?,
        disabled: row.get(7)?,
        failures: row.get(8)?,
        locked_until: moment(row, 9)?,
        second: body(row, 10)?,
        places: body(row, 11)?,
    })
}

pub(super) fn session(row: &Row<'_>) -> rusqlite::Result<SessionRecord> {
    Ok(SessionRecord {
        digest: row.get(0)?,
        account: row.get(1)?,
        label: row.get(2)?,
        role: role(row, 3)?,
        peer: row.get(4)?,
        created_at: required(row, 5)?,
        expires_at: required(row, 6)?,
        foreign: row.get(7)?,
        confirmed_at: required(row, 8)?,
    })
}

/// A role; the least, where a newer version wrote one that is not known here.
fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Role>> {
    let text: Option<String> = row.get(column)?;
    Ok(text.map(|text| Role::parse(&text).unwrap_or(Role::Viewer)))
}
