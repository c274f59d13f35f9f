//! People's accounts, their sessions and tokens of the API, and the lists they keep for themselves.

use ioc_common::clock::Timestamp;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{body, json, moment, required, word};
use crate::sql::{self, Row, ValueRef, params};
use crate::{AccountRecord, Role, SavedView, SessionRecord, StoreError, collation};

const ACCOUNT_COLUMNS: &str = "SELECT name, full_name, role, password, earlier, password_at, must_change, disabled, failures, \
                               locked_until, second_factor, places, last_sign_in_at FROM account";
const SESSION_COLUMNS: &str = "SELECT digest, account, label, role, peer, created_at, expires_at, federated, confirmed_at, second_factor FROM session";

pub(super) fn put(commit: &Commit<'_>, account: &AccountRecord) -> sql::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO account (name, full_name, role, password, earlier, password_at, must_change, disabled, \
         failures, locked_until, second_factor, places, last_sign_in_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        params![
            account.name,
            account.full_name,
            account.role.as_str(),
            account.password,
            json(&account.earlier)?,
            account.password_at.as_millis(),
            account.must_change,
            account.disabled,
            account.failures,
            account.locked_until.map(Timestamp::as_millis),
            json(&account.second_factor)?,
            json(&account.places)?,
            account.last_sign_in_at.map(Timestamp::as_millis),
        ],
    )?;
    Ok(())
}

pub(super) fn put_view(commit: &Commit<'_>, view: &SavedView) -> sql::Result<()> {
    commit.run("DELETE FROM view WHERE account = ?1 AND name = ?2", params![view.account, view.name])?;
    if !view.query.is_empty() {
        let values = params![view.account, view.name, view.query];
        commit.run("INSERT INTO view (account, name, query) VALUES (?1, ?2, ?3)", values)?;
    }
    Ok(())
}

pub(super) fn put_session(commit: &Commit<'_>, session: &SessionRecord) -> sql::Result<()> {
    commit.prune("DELETE FROM session WHERE expires_at < ?1", commit.received)?;
    commit.run(
        "INSERT INTO session (digest, account, label, role, peer, created_at, expires_at, federated, confirmed_at, \
         second_factor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            session.digest,
            session.account,
            session.label,
            session.role.map(Role::as_str),
            session.peer,
            session.created_at.as_millis(),
            session.expires_at.as_millis(),
            session.federated,
            session.confirmed_at.as_millis(),
            session.second_factor,
        ],
    )?;
    Ok(())
}

pub(super) fn end_sessions(commit: &Commit<'_>, account: &str, except: &str) -> sql::Result<()> {
    commit.run("DELETE FROM session WHERE account = ?1 AND digest <> ?2", params![account, except])?;
    Ok(())
}

pub(super) fn confirm_session(
    commit: &Commit<'_>,
    digest: &str,
    at: Timestamp,
    second_factor: bool,
) -> sql::Result<()> {
    let sql = "UPDATE session SET confirmed_at = ?2, second_factor = ?3 WHERE digest = ?1";
    commit.run(sql, params![digest, at.as_millis(), second_factor])?;
    Ok(())
}

/// What the identity provider said of a second factor stays: it is another one.
pub(super) fn end_second_factor(commit: &Commit<'_>, account: &str) -> sql::Result<()> {
    commit.run("UPDATE session SET second_factor = FALSE WHERE account = ?1 AND NOT federated", params![account])?;
    Ok(())
}

pub(super) fn end_session(commit: &Commit<'_>, digest: &str) -> sql::Result<()> {
    commit.run("DELETE FROM session WHERE digest = ?1", params![digest])?;
    Ok(())
}

fn account_record(row: &Row<'_>) -> sql::Result<AccountRecord> {
    let name: String = row.get(0)?;
    Ok(AccountRecord {
        role: word(row, 2, || format!("the account {name}"))?,
        name,
        full_name: row.get(1)?,
        password: row.get(3)?,
        earlier: body(row, 4)?,
        password_at: required(row, 5)?,
        must_change: row.get(6)?,
        disabled: row.get(7)?,
        failures: row.get(8)?,
        locked_until: moment(row, 9)?,
        second_factor: body(row, 10)?,
        places: body(row, 11)?,
        last_sign_in_at: moment(row, 12)?,
    })
}

fn session_record(row: &Row<'_>) -> sql::Result<SessionRecord> {
    let account: String = row.get(1)?;
    let role = match row.get_ref(3)? {
        ValueRef::Null => None,
        _ => Some(word(row, 3, || format!("a session or token of the account {account}"))?),
    };
    Ok(SessionRecord {
        digest: row.get(0)?,
        account,
        label: row.get(2)?,
        role,
        peer: row.get(4)?,
        created_at: required(row, 5)?,
        expires_at: required(row, 6)?,
        federated: row.get(7)?,
        confirmed_at: required(row, 8)?,
        second_factor: row.get(9)?,
    })
}

pub(super) fn find(reader: &SqlReader, name: &str) -> Result<Option<AccountRecord>, StoreError> {
    reader.one(&format!("{ACCOUNT_COLUMNS} WHERE name = ?1"), &[&name], account_record)
}

pub(super) fn list(reader: &SqlReader) -> Result<Vec<AccountRecord>, StoreError> {
    reader.all(&format!("{ACCOUNT_COLUMNS} ORDER BY name"), &[], account_record)
}

pub(super) fn sessions(reader: &SqlReader, account: &str) -> Result<Vec<SessionRecord>, StoreError> {
    reader.all(&format!("{SESSION_COLUMNS} WHERE account = ?1 ORDER BY created_at DESC"), &[&account], session_record)
}

pub(super) fn session(reader: &SqlReader, digest: &str) -> Result<Option<SessionRecord>, StoreError> {
    reader.one(&format!("{SESSION_COLUMNS} WHERE digest = ?1"), &[&digest], session_record)
}

pub(super) fn views(reader: &SqlReader, account: &str) -> Result<Vec<SavedView>, StoreError> {
    let sql = "SELECT name, query FROM view WHERE account = ?1";
    let read = |row: &Row<'_>| Ok(SavedView { account: account.to_owned(), name: row.get(0)?, query: row.get(1)? });
    let mut views = reader.all(sql, &[&account], read)?;
    views.sort_by_cached_key(|view| collation::key(&view.name));
    Ok(views)
}
