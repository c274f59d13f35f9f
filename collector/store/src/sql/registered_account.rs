//! The register of accounts as it is listed: a row for each account, which the commits that take documents, attestations and what people say keep; so that a
//! page reads what it shows, counts what is to be done over narrow rows, and is never behind. This collector's own accounts are few, and are looked at where
//! they are.

use std::collections::{BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::reading::{Account, Accounts};

use super::account;
use super::commit::Commit;
use super::evidence::ACCOUNT;
use super::reader_connection::SqlReader;
use super::value::{body, device_id, limit_of, moment, required};
use crate::account_register::DUE_DAYS;
use crate::sql::{self, Row, ToSql, params};
use crate::{
    AccountAttestation, AccountFinding, AccountLimits, AccountPage, AccountQuery, AccountSource, AccountTally,
    AccountWord, RegisteredAccount, StoreError, collation,
};

/// Stands for this collector where devices have their numbers, which begin with 1.
pub(super) const COLLECTOR: i64 = 0;

/// The document that an agent tells of its accounts in.
pub(super) const DOCUMENT: &str = "accounts";
/// Most holders to choose from.
const HOLDERS_MAX: usize = 500;
const DAY_MS: i64 = 86_400_000;
/// By device, as lists are sorted: SQLite is kept to this order, so that a page ends where it is full.
const TABLES: &str = "device d CROSS JOIN registered_account a ON a.device = d.number";
const BY_NAME: &str = "d.name_key, d.id, a.name";
const BY_KEY: &str = "d.id, a.name";
/// Which one of its device it is, from 1: who may not see people knows it by that.
const PLACE: &str = "(SELECT count(*) FROM registered_account o WHERE o.device = a.device AND o.name <= a.name)";
const INSERT: &str = "INSERT OR IGNORE INTO registered_account (device, name, attested, administrator, role, holder, search, holder_search, locked, \
                      empty_password, signed_in, last_sign_in_at, password_at, expires_at, valid_until)";

/// What a search looks through.
fn searched(name: &str, role: &str) -> String {
    format!("{name}\n{role}").to_lowercase()
}

/// An agent told of the accounts of its host: they are all that there are. Where an agent tells of accounts itself nobody's word is taken.
pub(super) fn found(commit: &Commit<'_>, device: i64, text: &str) -> sql::Result<()> {
    commit.run("DELETE FROM registered_account WHERE device = ?1", [device])?;
    commit.run("DELETE FROM unread_accounts WHERE device = ?1", [device])?;
    let Ok(survey) = serde_json::from_str::<Accounts>(text) else {
        return commit.run("INSERT INTO unread_accounts (device) VALUES (?1)", [device]);
    };
    if survey.accounts.is_empty() {
        return Ok(());
    }
    let mut statement = commit.transaction.prepare_cached("SELECT name, body FROM account_word WHERE device = ?1")?;
    let words = statement.query_map([device], |row| Ok((row.get::<_, String>(0)?, body::<AccountWord>(row, 1)?)))?;
    let words: HashMap<String, AccountWord> = words.collect::<sql::Result<_>>()?;
    for account in &survey.accounts {
        let Account { name, administrator, by, locked, empty_password, changed_at, .. } = account;
        let role = by.join(", ");
        let holder = words.get(name).map_or("", |word| word.holder.as_str());
        let millis = |at: Option<Timestamp>| at.map(Timestamp::as_millis);
        commit.run(
            &format!("{INSERT} VALUES (?1, ?2, FALSE, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, NULL)"),
            params![
                device,
                name,
                administrator,
                role,
                holder,
                searched(name, &role),
                holder.to_lowercase(),
                locked,
                *empty_password == Some(true),
                account.signed_in == Some(true),
                millis(account.last_sign_in_at),
                millis(*changed_at),
                millis(account.expires_at),
            ],
        )?;
    }
    Ok(())
}

/// A person says who holds an account that is found by itself.
pub(super) fn said(commit: &Commit<'_>, (device, name): (i64, &str), word: &AccountWord) -> sql::Result<()> {
    commit.run(
        "UPDATE registered_account SET holder = ?3, holder_search = ?4 WHERE device = ?1 AND name = ?2 AND NOT attested",
        params![device, name, word.holder, word.holder.to_lowercase()],
    )
}

/// A person vouches for an account: the newest word counts.
pub(super) fn vouched(commit: &Commit<'_>, device: i64, word: &AccountAttestation) -> sql::Result<()> {
    let AccountAttestation { name, role, administrator, holder, password_at, gone, valid_until, .. } = word;
    commit.run("DELETE FROM registered_account WHERE device = ?1 AND name = ?2 AND attested", params![device, name])?;
    if *gone {
        return Ok(());
    }
    commit.run(
        &format!(
            "{INSERT} SELECT ?1, ?2, TRUE, ?3, ?4, ?5, ?6, ?7, NULL, FALSE, FALSE, NULL, ?8, NULL, ?9 \
             WHERE NOT EXISTS (SELECT 1 FROM document o WHERE o.device = ?1 AND o.name = '{DOCUMENT}')"
        ),
        params![
            device,
            name,
            administrator,
            role,
            holder,
            searched(name, role),
            holder.to_lowercase(),
            password_at.map(Timestamp::as_millis),
            valid_until.as_millis(),
        ],
    )
}

/// What is to be done about a row, in SQL: as [`RegisteredAccount::findings`] has it, which the contract holds it to.
struct Terms {
    usable: String,
    sign_in_unknown: String,
    /// In the order of [`AccountFinding::ALL`].
    findings: [String; 8],
}

impl Terms {
    fn of(limits: &AccountLimits, now: Timestamp) -> Self {
        let now = now.as_millis();
        let usable = format!("NOT coalesce(a.locked, FALSE) AND (a.expires_at IS NULL OR a.expires_at > {now})");
        // What happened no later than this is longer ago than so many whole days; none where there is no limit.
        let longer_than = |days: Option<i64>| match days {
            None => "CAST(NULL AS BIGINT)".to_owned(),
            Some(days) if days < 0 => i64::MAX.to_string(),
            Some(days) => now.saturating_sub((days + 1).saturating_mul(DAY_MS)).to_string(),
        };
        let password = |less: i64| {
            let most = |days: Option<u32>| longer_than(days.map(|days| i64::from(days) - less));
            let (administrator, operator) = (most(limits.administrator_days), most(limits.operator_days));
            format!("CASE WHEN a.administrator THEN {administrator} ELSE {operator} END")
        };
        let (overdue, due) = (password(0), password(DUE_DAYS));
        let idle = longer_than(limits.idle_days.map(i64::from));
        let of = |finding: AccountFinding| match finding {
            AccountFinding::Idle => format!("{usable} AND NOT a.signed_in AND a.last_sign_in_at <= {idle}"),
            AccountFinding::PasswordOverdue => {
                format!("{usable} AND NOT a.empty_password AND a.password_at <= {overdue}")
            }
            AccountFinding::PasswordDue => {
                format!("{usable} AND NOT a.empty_password AND a.password_at > {overdue} AND a.password_at <= {due}")
            }
            AccountFinding::PasswordUnknown => format!("{usable} AND NOT a.empty_password AND a.password_at IS NULL"),
            AccountFinding::PasswordEmpty => format!("{usable} AND a.empty_password"),
            AccountFinding::HolderUnknown => format!("{usable} AND a.holder = ''"),
            // That is known of this collector's own accounts alone.
            AccountFinding::NoSecondFactor => "FALSE".to_owned(),
            AccountFinding::AttestationEnded => format!("a.valid_until <= {now}"),
        };
        let findings = AccountFinding::ALL.map(of);
        let sign_in_unknown = format!("{usable} AND NOT a.signed_in AND a.last_sign_in_at IS NULL");
        Self { usable, sign_in_unknown, findings }
    }

    fn finding(&self, finding: AccountFinding) -> &str {
        let place = AccountFinding::ALL.iter().position(|one| *one == finding);
        place.and_then(|place| self.findings.get(place)).map_or("FALSE", String::as_str)
    }
}

/// What a query means of rows, in SQL, and what that holds.
fn condition(query: &AccountQuery, terms: &Terms, hides_names: bool) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut sql, mut held) = ("d.revoked_at IS NULL".to_owned(), Vec::<Box<dyn ToSql>>::new());
    let mut hold = |value: Box<dyn ToSql>| {
        held.push(value);
        format!("?{}", held.len())
    };
    if let Some(device) = &query.device {
        sql += &format!(" AND d.id = {}", hold(Box::new(device.as_str().to_owned())));
    }
    for word in query.search.split_whitespace().take(8) {
        let word = hold(Box::new(word.to_lowercase()));
        // Who may not see people does not find them either.
        sql += &if hides_names {
            format!(" AND instr(d.search, {word}) > 0")
        } else {
            format!(
                " AND (instr(a.search, {word}) > 0 OR instr(a.holder_search, {word}) > 0 OR instr(d.search, {word}) > 0)"
            )
        };
    }
    if !query.holder.is_empty() {
        let holder = hold(Box::new(query.holder.clone()));
        sql += &if hides_names { " AND FALSE".to_owned() } else { format!(" AND a.holder = {holder}") };
    }
    if query.administrator {
        sql += " AND a.administrator";
    }
    if let Some(finding) = query.finding {
        sql += &format!(" AND ({})", terms.finding(finding));
    }
    if query.due {
        let any: Vec<String> = terms.findings.iter().map(|one| format!("({one})")).collect();
        sql += &format!(" AND ({})", any.join(" OR "));
    }
    // One of this collector has no device, and stands before all others.
    if let Some((device, name)) = query.after.as_deref().and_then(|after| after.split_once('/'))
        && !device.is_empty()
    {
        let device = hold(Box::new(device.to_owned()));
        sql += &match name.strip_prefix('#').filter(|_| hides_names) {
            Some(number) => {
                let number = number.parse::<i64>().unwrap_or(0);
                format!(" AND (d.id > {device} OR d.id = {device} AND {PLACE} > {number})")
            }
            None => {
                let name = hold(Box::new(name.to_owned()));
                format!(" AND (d.id > {device} OR d.id = {device} AND a.name > {name})")
            }
        };
    }
    (sql, held)
}

/// Which rows a page has, in their order.
fn keys_of(condition: &str, order: &str, skip: usize, limit: usize) -> String {
    let (skip, limit) = (limit_of(skip), limit_of(limit));
    format!(
        "SELECT a.device AS device, a.name AS name FROM {TABLES} WHERE {condition} ORDER BY {order} LIMIT {limit} OFFSET {skip}"
    )
}

/// Rows with what is said of them.
fn rows(
    reader: &SqlReader,
    (condition, held): (&str, &[&dyn ToSql]),
    order: &str,
    (skip, limit): (usize, usize),
) -> Result<Vec<RegisteredAccount>, StoreError> {
    let keys = keys_of(condition, order, skip, limit);
    // Only what is shown is read whole.
    let sql = format!(
        "SELECT d.id, json_extract(d.info, '$.name'), d.place, a.name, a.attested, a.administrator, a.role, a.locked, a.empty_password, a.signed_in, \
         a.last_sign_in_at, a.password_at, a.expires_at, w.body, o.at, a.device, {PLACE} \
         FROM ({keys}) k JOIN registered_account a ON a.device = k.device AND a.name = k.name JOIN device d ON d.number = a.device \
         LEFT JOIN account_word w ON w.device = a.device AND w.name = a.name \
         LEFT JOIN document o ON o.device = a.device AND o.name = '{DOCUMENT}' ORDER BY {order}"
    );
    let read = reader.all(&sql, held, |row| Ok((of_host(row)?, row.get::<_, i64>(15)?, row.get::<_, i64>(16)?)))?;
    let mut all = Vec::with_capacity(read.len());
    for (account, device, place) in read {
        let mut account =
            if account.source == AccountSource::Attested { vouched_for(reader, account, device)? } else { account };
        if reader.hides_names {
            account.hide_people(usize::try_from(place).unwrap_or_default());
        }
        all.push(account);
    }
    Ok(all)
}

fn of_host(row: &Row<'_>) -> sql::Result<RegisteredAccount> {
    let device = device_id(row, 0, || "a device with accounts".to_owned())?;
    let device_name = row.get::<_, Option<String>>(1)?.filter(|name| !name.is_empty());
    let source = if row.get(4)? { AccountSource::Attested } else { AccountSource::Agent };
    let mut account = RegisteredAccount {
        device_name: device_name.unwrap_or_else(|| device.to_string()),
        device: Some(device),
        place: row.get(2)?,
        name: row.get(3)?,
        source,
        told_at: moment(row, 14)?.unwrap_or(Timestamp::MIN),
        administrator: row.get(5)?,
        role: row.get(6)?,
        holder: String::new(),
        note: String::new(),
        locked: row.get(7)?,
        empty_password: row.get(8)?,
        signed_in: row.get(9)?,
        last_sign_in_at: moment(row, 10)?,
        password_at: moment(row, 11)?,
        expires_at: moment(row, 12)?,
        second_factor: None,
        valid_until: None,
        evidence: Vec::new(),
        said_by: None,
        said_at: None,
    };
    if source == AccountSource::Agent && row.get::<_, Option<String>>(13)?.is_some() {
        account.take_word(&body(row, 13)?);
    }
    Ok(account)
}

/// The same with what was vouched for of it last, and the files that show it.
fn vouched_for(reader: &SqlReader, account: RegisteredAccount, number: i64) -> Result<RegisteredAccount, StoreError> {
    let sql = "SELECT number, body, valid_until FROM account_attestation WHERE device = ?1 AND name = ?2 ORDER BY number DESC LIMIT 1";
    let said = reader.one(sql, &[&number, &account.name], |row| {
        Ok((row.get::<_, i64>(0)?, AccountAttestation { valid_until: required(row, 2)?, ..body(row, 1)? }))
    })?;
    let (Some((attestation, word)), Some(device)) = (said, account.device.clone()) else { return Ok(account) };
    let files = ACCOUNT.files(reader, attestation)?;
    Ok(RegisteredAccount::attested((device, account.device_name, account.place), word, files))
}

/// This collector's own, by name, with what is said of them; for who reaches everywhere.
fn own(reader: &SqlReader, now: Timestamp) -> Result<Vec<RegisteredAccount>, StoreError> {
    if reader.limited {
        return Ok(Vec::new());
    }
    let sql = "SELECT name, body FROM account_word WHERE device = ?1";
    let said = reader.all(sql, &[&COLLECTOR], |row| Ok((row.get::<_, String>(0)?, body::<AccountWord>(row, 1)?)))?;
    let said: HashMap<String, AccountWord> = said.into_iter().collect();
    let mut all: Vec<RegisteredAccount> =
        account::list(reader)?.into_iter().map(|one| RegisteredAccount::of_collector(one, now)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    for (number, account) in (1..).zip(&mut all) {
        if let Some(word) = said.get(&account.name) {
            account.take_word(word);
        }
        if reader.hides_names {
            account.hide_people(number);
        }
    }
    Ok(all)
}

/// Accounts on a device, or of this collector, by their names.
pub(super) fn on(
    reader: &SqlReader,
    device: Option<&DeviceId>,
    now: Timestamp,
) -> Result<Vec<RegisteredAccount>, StoreError> {
    let Some(device) = device else { return own(reader, now) };
    rows(reader, ("d.id = ?1 AND d.revoked_at IS NULL", &[&device.as_str()]), BY_KEY, (0, usize::MAX))
}

/// Devices that have any, by name.
pub(super) fn devices(reader: &SqlReader, limit: usize) -> Result<Vec<DeviceId>, StoreError> {
    let sql = "SELECT d.id FROM device d WHERE d.revoked_at IS NULL AND EXISTS (SELECT 1 FROM registered_account a WHERE a.device = d.number) \
               ORDER BY d.name_key, d.id LIMIT ?1";
    reader.all(sql, &[&limit_of(limit)], |row| device_id(row, 0, || "a device with accounts".to_owned()))
}

/// Whether a query means one of this collector's own.
fn means(query: &AccountQuery, account: &RegisteredAccount, findings: &[AccountFinding]) -> bool {
    let holds = |word: &str| {
        let RegisteredAccount { name, role, holder, place, .. } = account;
        [name, role, holder, place].into_iter().any(|text| text.to_lowercase().contains(word))
    };
    query.device.is_none()
        && (query.holder.is_empty() || account.holder == query.holder)
        && (!query.administrator || account.administrator)
        && (!query.due || !findings.is_empty())
        && query.finding.is_none_or(|finding| findings.contains(&finding))
        && query.after.as_ref().is_none_or(|after| account.key() > *after)
        && query.search.split_whitespace().take(8).all(|word| holds(&word.to_lowercase()))
}

/// How many rows there are within reach, and how many of them with what to be done.
fn tally(reader: &SqlReader, terms: &Terms) -> Result<AccountTally, StoreError> {
    let mut columns = vec!["a.administrator", &terms.usable, &terms.sign_in_unknown];
    columns.extend(terms.findings.iter().map(String::as_str));
    let columns: Vec<String> = columns.into_iter().map(|one| format!("count(*) FILTER (WHERE {one})")).collect();
    let columns = columns.join(", ");
    // Rows first: of each its device is looked at, and not the other way round.
    let sql = format!(
        "SELECT count(*), {columns} FROM registered_account a JOIN device d ON d.number = a.device WHERE d.revoked_at IS NULL"
    );
    let counted = reader.one(&sql, &[], |row| {
        let number = |column: usize| Ok::<_, sql::Error>(row.get::<_, i64>(column)?.unsigned_abs());
        let mut tally = AccountTally {
            accounts: number(0)?,
            administrators: number(1)?,
            usable: number(2)?,
            sign_in_unknown: number(3)?,
            ..AccountTally::default()
        };
        for (column, count) in (4..).zip(&mut tally.findings) {
            *count = number(column)?;
        }
        Ok(tally)
    })?;
    let sql = "SELECT count(*) FROM unread_accounts u JOIN device d ON d.number = u.device WHERE d.revoked_at IS NULL";
    let unread = reader.one(sql, &[], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs();
    Ok(AccountTally { unread, ..counted.unwrap_or_default() })
}

/// Who holds accounts, as people read.
fn holders(reader: &SqlReader, own: &[RegisteredAccount]) -> Result<Vec<String>, StoreError> {
    if reader.hides_names {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT a.holder FROM registered_account a JOIN device d ON d.number = a.device \
               WHERE a.holder <> '' AND d.revoked_at IS NULL ORDER BY a.holder LIMIT ?1";
    let found = reader.all(sql, &[&limit_of(HOLDERS_MAX)], |row| row.get::<_, String>(0))?;
    let own = own.iter().map(|account| account.holder.clone()).filter(|holder| !holder.is_empty());
    let all: BTreeSet<String> = own.chain(found).take(HOLDERS_MAX).collect();
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_by_cached_key(|holder| collation::key(holder));
    Ok(all)
}

/// A page, with how many there are of each kind.
pub(super) fn list(reader: &SqlReader, query: &AccountQuery) -> Result<AccountPage, StoreError> {
    let (limits, now) = (&query.limits, query.now);
    let terms = Terms::of(limits, now);
    let own = if query.collector { own(reader, now)? } else { Vec::new() };
    let mut page =
        AccountPage { tally: tally(reader, &terms)?, holders: holders(reader, &own)?, ..AccountPage::default() };
    let of_devices = page.tally.accounts;
    for account in own {
        let findings = account.findings(limits, now);
        page.tally.count(&account, &findings, now);
        if means(query, &account, &findings) {
            page.rows.push((account, findings));
        }
    }
    let (condition, held) = condition(query, &terms, reader.hides_names);
    let held: Vec<&dyn ToSql> = held.iter().map(AsRef::as_ref).collect();
    let is_plain = condition == self::condition(&AccountQuery::default(), &terms, false).0;
    let counted = if is_plain {
        of_devices
    } else {
        let sql = format!("SELECT count(*) FROM {TABLES} WHERE {condition}");
        reader.one(&sql, &held, |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs()
    };
    let before = page.rows.len();
    page.total = before as u64 + counted;
    page.rows = page.rows.into_iter().skip(query.skip).take(query.limit).collect();
    let left = query.limit - page.rows.len();
    if left > 0 {
        let order = if query.after.is_some() { BY_KEY } else { BY_NAME };
        let found = rows(reader, (&condition, &held), order, (query.skip.saturating_sub(before), left))?;
        page.rows.extend(found.into_iter().map(|account| {
            let findings = account.findings(limits, now);
            (account, findings)
        }));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader as _;
    use crate::scope::AccessScope;
    use crate::sqlite::SqliteStore;

    /// How SQLite goes about it, a line each.
    fn plan(reader: &SqlReader, sql: &str) -> Vec<String> {
        reader.all(&format!("EXPLAIN QUERY PLAN {sql}"), &[], |row| row.get(3)).expect("explained")
    }

    #[test]
    fn a_page_reads_what_it_shows_and_sorts_nothing() {
        let dir = tempfile::tempdir().expect("directory");
        let store = SqliteStore::open(dir.path()).expect("opens");
        let terms = Terms::of(&AccountLimits::default(), Timestamp::MIN);
        let idle = AccountQuery { finding: Some(AccountFinding::Idle), ..AccountQuery::default() };
        let conditions = [AccountQuery::default(), idle].map(|query| condition(&query, &terms, false).0);
        for limited in [false, true] {
            let mut reader = store.new_reader();
            if limited {
                reader.limit(&AccessScope::of(&["Tầng 2".to_owned()])).expect("limited");
            }
            for (condition, order) in conditions.iter().flat_map(|one| [(one, BY_NAME), (one, BY_KEY)]) {
                let steps = plan(&reader, &keys_of(condition, order, 0, 100));
                let said = steps.join("\n");
                assert!(!said.contains("TEMP B-TREE"), "what is sorted is read whole: {said}");
                assert!(!said.contains("SCAN a"), "accounts are found by their device: {said}");
            }
        }
    }
}
