//! The register of accounts: what people say of accounts and vouch for, and reviews. How it is listed is in `registered_account`.

use ioc_common::id::DeviceId;

use super::commit::Commit;
use super::evidence::ACCOUNT;
use super::reader_connection::SqlReader;
use super::registered_account::{self, COLLECTOR};
use super::value::{below, body, device_id, json, limit_of, moment, required, signed};
use crate::sql::{self, OptionalExtension as _, Row, params};
use crate::{
    AccountAttestation, AccountReview, AccountWord, AttestedAccount, ReviewLine, ReviewSignature, ReviewTally,
    StoreError,
};

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
    registered_account::said(commit, (number, name), word)
}

pub(super) fn attest(commit: &Commit<'_>, device: &DeviceId, attestation: &AccountAttestation) -> sql::Result<()> {
    let (number, until) = (commit.number(device)?, attestation.valid_until.as_millis());
    commit.run(
        "INSERT INTO account_attestation (device, name, valid_until, body) VALUES (?1, ?2, ?3, ?4)",
        params![number, attestation.name, until, json(attestation)?],
    )?;
    registered_account::vouched(commit, number, attestation)
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
        let files = ACCOUNT.files(reader, number)?;
        let mut one = AttestedAccount { number: number.unsigned_abs(), device, attestation, files };
        if reader.hides_names {
            one.hide_people();
        }
        all.push(one);
    }
    Ok(all)
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
    let AccountReview { number, opened_at, opened_by, count, tally, signature: _ } = review;
    commit.run(
        "INSERT INTO account_review (number, opened_at, opened_by, count, tally) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![signed(*number), opened_at.as_millis(), opened_by, signed(*count), json(tally)?],
    )?;
    Ok(())
}

pub(super) fn put_line(commit: &Commit<'_>, review: u64, line: u32, said: &ReviewLine) -> sql::Result<()> {
    let sql = "SELECT l.body, r.tally FROM account_review_line l JOIN account_review r ON r.number = l.review \
               WHERE l.review = ?1 AND l.line = ?2";
    let read = |row: &Row<'_>| Ok((body::<ReviewLine>(row, 0)?, body::<ReviewTally>(row, 1)?));
    let stood = commit.transaction.query_row(sql, params![signed(review), line], read).optional()?;
    let Some((was, mut tally)) = stood else { return Ok(()) };
    tally.replace(&was, said);
    let sql = "UPDATE account_review_line SET body = ?3 WHERE review = ?1 AND line = ?2";
    commit.run(sql, params![signed(review), line, json(said)?])?;
    commit.run("UPDATE account_review SET tally = ?2 WHERE number = ?1", params![signed(review), json(&tally)?])?;
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
        tally: body(row, 8)?,
        signature,
    })
}

const REVIEW: &str =
    "SELECT number, opened_at, opened_by, count, signed_at, signed_by, sha256, issued, tally FROM account_review";

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
