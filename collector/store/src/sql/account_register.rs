//! The register of accounts: made of what agents found, what people vouch for and this collector's own accounts whenever somebody asks, so that
//! it is never behind; what people say of them; and reviews.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::reading::{Account, Accounts};

use super::account;
use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, device_id, json, limit_of, moment, required, signed};
use crate::sql::{self, Row, ToSql, params};
use crate::{
    AccountAttestation, AccountPage, AccountQuery, AccountReview, AccountSource, AccountTally, AccountWord,
    AttestedAccount, BackupEvidence, RegisteredAccount, ReviewLine, ReviewSignature, StoreError, collation,
};

/// Most holders to choose from.
const HOLDERS_MAX: usize = 500;
/// Stands for this collector where devices have their numbers, which begin with 1.
const COLLECTOR: i64 = 0;

fn number_of(commit: &Commit<'_>, device: Option<&DeviceId>) -> sql::Result<i64> {
    device.map_or(Ok(COLLECTOR), |device| commit.number(device))
}

pub(super) fn put_word(
    commit: &Commit<'_>,
    device: Option<&DeviceId>,
    name: &str,
    word: &AccountWord,
) -> sql::Result<()> {
    let number = number_of(commit, device)?;
    commit.run(
        "INSERT OR REPLACE INTO account_word (device, name, body) VALUES (?1, ?2, ?3)",
        params![number, name, json(word)?],
    )?;
    Ok(())
}

pub(super) fn attest(commit: &Commit<'_>, device: &DeviceId, attestation: &AccountAttestation) -> sql::Result<()> {
    let until = attestation.valid_until.as_millis();
    commit.run(
        "INSERT INTO account_attestation (device, name, valid_until, body) VALUES (?1, ?2, ?3, ?4)",
        params![commit.number(device)?, attestation.name, until, json(attestation)?],
    )?;
    Ok(())
}

/// Keeps a file with what was vouched for of an account last.
pub(super) fn put_evidence(
    commit: &Commit<'_>,
    device: &DeviceId,
    name: &str,
    file: &BackupEvidence,
    content: &[u8],
) -> sql::Result<()> {
    commit.run(
        "INSERT OR IGNORE INTO account_evidence (attestation, sha256, file, content) \
         SELECT number, ?3, ?4, ?5 FROM account_attestation WHERE device = ?1 AND name = ?2 ORDER BY number DESC LIMIT 1",
        params![commit.number(device)?, name, file.sha256, json(file)?, content],
    )?;
    Ok(())
}

/// The files that show what was vouched for.
fn files_of(reader: &SqlReader, attestation: i64) -> Result<Vec<BackupEvidence>, StoreError> {
    let sql = "SELECT file FROM account_evidence WHERE attestation = ?1 ORDER BY json_extract(file, '$.at'), sha256";
    reader.all(sql, &[&attestation], |row| body(row, 0))
}

pub(super) fn attestations_before(
    reader: &SqlReader,
    device: Option<&DeviceId>,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AttestedAccount>, StoreError> {
    let sql = "SELECT t.number, d.id, t.body FROM account_attestation t JOIN device d ON d.number = t.device \
               WHERE t.number < ?1 AND (d.id = ?2 OR ?2 IS NULL) ORDER BY t.number DESC LIMIT ?3";
    let device = device.map(DeviceId::as_str);
    let found = reader.all(sql, &[&below(before), &device, &limit_of(limit)], |row| {
        let of = device_id(row, 1, || "an attestation".to_owned())?;
        Ok((row.get::<_, i64>(0)?, of, body::<AccountAttestation>(row, 2)?))
    })?;
    let mut all = Vec::with_capacity(found.len());
    for (number, device, attestation) in found {
        let files = files_of(reader, number)?;
        let mut one = AttestedAccount { number: number.unsigned_abs(), device, attestation, files };
        if reader.hides_names {
            one.hide_people();
        }
        all.push(one);
    }
    Ok(all)
}

/// The content of a file that shows what was vouched for.
pub(super) fn evidence(
    reader: &SqlReader,
    device: &DeviceId,
    name: &str,
    sha256: &str,
) -> Result<Option<(BackupEvidence, Vec<u8>)>, StoreError> {
    if reader.hides_names {
        return Ok(None);
    }
    let sql = "SELECT e.file, e.content FROM account_attestation a JOIN account_evidence e ON e.attestation = a.number \
               WHERE a.device = ?1 AND a.name = ?2 AND e.sha256 = ?3 ORDER BY a.number DESC LIMIT 1";
    reader.one(sql, &[&reader.number(device)?, &name, &sha256], |row| Ok((body(row, 0)?, row.get(1)?)))
}

pub(super) fn put_lines(commit: &Commit<'_>, review: u64, first: u32, lines: &[ReviewLine]) -> sql::Result<()> {
    for (place, line) in (i64::from(first)..).zip(lines) {
        commit.run(
            "INSERT INTO account_review_line (review, line, body) VALUES (?1, ?2, ?3) \
             ON CONFLICT (review, line) DO UPDATE SET body = excluded.body",
            params![signed(review), place, json(line)?],
        )?;
    }
    Ok(())
}

pub(super) fn open_review(commit: &Commit<'_>, review: &AccountReview) -> sql::Result<()> {
    let AccountReview { number, opened_at, opened_by, count, signature: _ } = review;
    commit.run(
        "INSERT INTO account_review (number, opened_at, opened_by, count) VALUES (?1, ?2, ?3, ?4)",
        params![signed(*number), opened_at.as_millis(), opened_by, signed(*count)],
    )?;
    Ok(())
}

pub(super) fn put_line(commit: &Commit<'_>, review: u64, line: u32, said: &ReviewLine) -> sql::Result<()> {
    let sql = "UPDATE account_review_line SET body = ?3 WHERE review = ?1 AND line = ?2";
    commit.run(sql, params![signed(review), line, json(said)?])?;
    Ok(())
}

pub(super) fn sign_review(commit: &Commit<'_>, review: u64, signature: &ReviewSignature) -> sql::Result<()> {
    let ReviewSignature { at, by, sha256, issued } = signature;
    commit.run(
        "UPDATE account_review SET signed_at = ?2, signed_by = ?3, sha256 = ?4, issued = ?5 WHERE number = ?1",
        params![signed(review), at.as_millis(), by, sha256, signed(*issued)],
    )?;
    Ok(())
}

/// Which accounts are looked for.
#[derive(Debug, Clone, Copy)]
enum Within<'w> {
    All,
    Collector,
    Device(&'w DeviceId),
}

/// What people said, by the number of the device and the name.
type Words = HashMap<(i64, String), AccountWord>;

fn words(reader: &SqlReader, within: Within<'_>) -> Result<Words, StoreError> {
    let number = match within {
        Within::All => -1,
        Within::Collector => COLLECTOR,
        Within::Device(device) => reader.number(device)?,
    };
    let sql = match within {
        Within::All => "SELECT device, name, body FROM account_word WHERE device <> ?1",
        Within::Collector | Within::Device(_) => "SELECT device, name, body FROM account_word WHERE device = ?1",
    };
    Ok(reader.all(sql, &[&number], |row| Ok(((row.get(0)?, row.get(1)?), body(row, 2)?)))?.into_iter().collect())
}

/// A row with what is said of it.
fn with_word(mut account: RegisteredAccount, word: Option<&AccountWord>) -> RegisteredAccount {
    if let Some(word) = word {
        account.take_word(word);
    }
    account
}

/// Where accounts are: a device with its name and place.
type Home = (DeviceId, String, String);

fn home(row: &Row<'_>) -> sql::Result<Home> {
    let id = device_id(row, 0, || "a device with accounts".to_owned())?;
    let name: Option<String> = row.get(1)?;
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string());
    Ok((id, name, row.get(2)?))
}

fn of_host((device, device_name, place): &Home, account: &Account, at: Timestamp) -> RegisteredAccount {
    RegisteredAccount {
        device: Some(device.clone()),
        device_name: device_name.clone(),
        place: place.clone(),
        name: account.name.clone(),
        source: AccountSource::Agent,
        told_at: at,
        administrator: account.administrator,
        role: account.by.join(", "),
        holder: String::new(),
        note: String::new(),
        locked: account.locked,
        empty_password: account.empty_password == Some(true),
        signed_in: account.signed_in == Some(true),
        last_sign_in_at: account.last_sign_in_at,
        password_at: account.changed_at,
        expires_at: account.expires_at,
        second_factor: None,
        valid_until: None,
        evidence: Vec::new(),
        said_by: None,
        said_at: None,
    }
}

/// Rows within reach, in no order, and hosts whose survey cannot be read.
fn rows(reader: &SqlReader, within: Within<'_>, now: Timestamp) -> Result<(Vec<RegisteredAccount>, u64), StoreError> {
    let said = words(reader, within)?;
    let device = match within {
        Within::Device(device) => Some(device.as_str()),
        Within::All | Within::Collector => None,
    };
    let params: Vec<&dyn ToSql> = device.iter().map(|id| id as &dyn ToSql).collect();
    let of = match within {
        Within::All => "",
        Within::Collector => " AND FALSE",
        Within::Device(_) => " AND d.id = ?1",
    };
    let sql = format!(
        "SELECT d.id, json_extract(d.info, '$.name'), d.place, d.number, o.at, o.body FROM document o JOIN device d ON d.number = o.device \
         WHERE o.name = 'accounts' AND d.revoked_at IS NULL{of}"
    );
    let surveys = reader.all(&sql, &params, |row| {
        let text = row.get_ref(5)?.as_str()?;
        Ok((home(row)?, row.get::<_, i64>(3)?, required(row, 4)?, serde_json::from_str::<Accounts>(text).ok()))
    })?;
    let (mut all, mut unread) = (Vec::new(), 0);
    for (home, number, at, survey) in surveys {
        let Some(survey) = survey else {
            unread += 1;
            continue;
        };
        for account in &survey.accounts {
            let word = said.get(&(number, account.name.clone()));
            all.push(with_word(of_host(&home, account, at), word));
        }
    }
    // Where an agent tells of accounts itself nobody's word is taken.
    let sql = format!(
        "SELECT d.id, json_extract(d.info, '$.name'), d.place, t.body, t.number, t.valid_until FROM account_attestation t JOIN device d ON d.number = t.device \
         WHERE d.revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM document o WHERE o.device = t.device AND o.name = 'accounts') \
         AND t.number = (SELECT max(o.number) FROM account_attestation o WHERE o.device = t.device AND o.name = t.name){of}"
    );
    let vouched = reader.all(&sql, &params, |row| {
        let word = AccountAttestation { valid_until: required(row, 5)?, ..body(row, 3)? };
        Ok((home(row)?, word, row.get::<_, i64>(4)?))
    })?;
    for (home, word, number) in vouched.into_iter().filter(|(_, word, _)| !word.gone) {
        all.push(RegisteredAccount::attested(home, word, files_of(reader, number)?));
    }
    if device.is_none() && !reader.limited {
        for account in account::list(reader)? {
            let word = said.get(&(COLLECTOR, account.name.clone()));
            all.push(with_word(RegisteredAccount::of_collector(account, now), word));
        }
    }
    Ok((all, unread))
}

/// Accounts on a device, or of this collector, by their names.
pub(super) fn on(
    reader: &SqlReader,
    device: Option<&DeviceId>,
    now: Timestamp,
) -> Result<Vec<RegisteredAccount>, StoreError> {
    let (mut all, _) = rows(reader, device.map_or(Within::Collector, Within::Device), now)?;
    all.sort_by_cached_key(RegisteredAccount::key);
    if reader.hides_names {
        for (number, account) in (1..).zip(&mut all) {
            account.hide_people(number);
        }
    }
    Ok(all)
}

fn means(query: &AccountQuery, account: &RegisteredAccount) -> bool {
    let holds = |word: &str| {
        let RegisteredAccount { name, role, holder, device_name, place, device, .. } = account;
        let device = device.as_ref().map_or("", DeviceId::as_str);
        [name, role, holder, device_name, place].into_iter().any(|text| text.to_lowercase().contains(word))
            || device.contains(word)
    };
    query.device.as_ref().is_none_or(|device| account.device.as_ref() == Some(device))
        && (query.holder.is_empty() || account.holder == query.holder)
        && (!query.administrator || account.administrator)
        && query.search.split_whitespace().take(8).all(|word| holds(&word.to_lowercase()))
}

pub(super) fn list(reader: &SqlReader, query: &AccountQuery) -> Result<AccountPage, StoreError> {
    let (mut all, unread) = rows(reader, Within::All, query.now)?;
    all.retain(|account| query.collector || account.source != AccountSource::Collector);
    all.sort_by_cached_key(|one| (one.device.is_some(), collation::key(&one.device_name), one.key()));
    if reader.hides_names {
        for (number, account) in (1..).zip(&mut all) {
            account.hide_people(number);
        }
    }
    let mut page = AccountPage { tally: AccountTally { unread, ..AccountTally::default() }, ..AccountPage::default() };
    let (mut holders, mut devices, mut found) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
    for account in all {
        let findings = account.findings(&query.limits, query.now);
        page.tally.count(&account, &findings, query.now);
        if !account.holder.is_empty() && holders.len() < HOLDERS_MAX {
            holders.insert(account.holder.clone());
        }
        if let Some(device) = &account.device {
            devices.entry(device.clone()).or_insert_with(|| account.device_name.clone());
        }
        let of_work =
            (!query.due || !findings.is_empty()) && query.finding.is_none_or(|finding| findings.contains(&finding));
        if of_work && means(query, &account) {
            found.push((account, findings));
        }
    }
    if let Some(after) = &query.after {
        found.sort_by_cached_key(|(account, _)| account.key());
        found.retain(|(account, _)| account.key() > *after);
    }
    page.total = found.len() as u64;
    page.rows = found.into_iter().skip(query.skip).take(query.limit).collect();
    page.holders = holders.into_iter().filter(|_| !reader.hides_names).collect();
    page.holders.sort_by_cached_key(|holder| collation::key(holder));
    page.devices = devices.into_iter().collect();
    page.devices.sort_by_cached_key(|(_, name)| collation::key(name));
    Ok(page)
}

fn review_of(row: &Row<'_>) -> sql::Result<AccountReview> {
    let signature = match (moment(row, 4)?, row.get(5)?, row.get(6)?, row.get::<_, Option<i64>>(7)?) {
        (Some(at), Some(by), Some(sha256), Some(issued)) => {
            Some(ReviewSignature { at, by, sha256, issued: issued.unsigned_abs() })
        }
        _ => None,
    };
    Ok(AccountReview {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        opened_at: required(row, 1)?,
        opened_by: row.get(2)?,
        count: row.get::<_, i64>(3)?.unsigned_abs(),
        signature,
    })
}

const REVIEW: &str =
    "SELECT number, opened_at, opened_by, count, signed_at, signed_by, sha256, issued FROM account_review";

fn review_as_shown(reader: &SqlReader, mut review: AccountReview) -> AccountReview {
    if reader.hides_names {
        review.opened_by.clear();
        if let Some(signature) = &mut review.signature {
            signature.by.clear();
        }
    }
    review
}

pub(super) fn reviews(reader: &SqlReader, before: Option<u64>, limit: usize) -> Result<Vec<AccountReview>, StoreError> {
    let sql = format!("{REVIEW} WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    let found = reader.all(&sql, &[&below(before), &limit_of(limit)], review_of)?;
    Ok(found.into_iter().map(|review| review_as_shown(reader, review)).collect())
}

pub(super) fn review(reader: &SqlReader, number: u64) -> Result<Option<AccountReview>, StoreError> {
    let found = reader.one(&format!("{REVIEW} WHERE number = ?1"), &[&signed(number)], review_of)?;
    Ok(found.map(|review| review_as_shown(reader, review)))
}

pub(super) fn last_signed(reader: &SqlReader) -> Result<Option<AccountReview>, StoreError> {
    let sql = format!("{REVIEW} WHERE signed_at IS NOT NULL ORDER BY signed_at DESC, number DESC LIMIT 1");
    let found = reader.one(&sql, &[], review_of)?;
    Ok(found.map(|review| review_as_shown(reader, review)))
}

pub(super) fn review_lines(
    reader: &SqlReader,
    number: u64,
    after: u32,
    limit: usize,
) -> Result<Vec<ReviewLine>, StoreError> {
    // What lies behind its count was left by an opening that came to nothing.
    let sql = "SELECT body FROM account_review_line WHERE review = ?1 AND line > ?2 \
               AND line <= (SELECT count FROM account_review WHERE number = ?1) ORDER BY line LIMIT ?3";
    let mut lines: Vec<ReviewLine> =
        reader.all(sql, &[&signed(number), &after, &limit_of(limit)], |row| body(row, 0))?;
    if reader.hides_names {
        let first = usize::try_from(after).unwrap_or(usize::MAX).saturating_add(1);
        for (number, line) in (first..).zip(&mut lines) {
            line.account.hide_people(number);
            line.reason.clear();
            line.said = None;
        }
    }
    Ok(lines)
}
