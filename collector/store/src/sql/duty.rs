//! Who stands in on a rota, the duty book, calendars that people have subscribed to, and turns that they ask each other to take.

use ioc_common::clock::Timestamp;
use ioc_judge::duty::Cover;

use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, required, signed, word};
use crate::sql::{self, Row, params};
use crate::{ContactCheck, DutyFeed, DutyReader, FEEDS_MAX, Handover, RequestedTurn, StoreError};

/// Ways to reach people that are looked through: as many as a plan's people have at most.
const CONTACT_CHECKS_MAX: usize = 10_000;

pub(super) fn put_cover(commit: &Commit<'_>, cover: &Cover) -> sql::Result<()> {
    commit.run(
        "INSERT INTO cover (id, gone, body) VALUES (?1, FALSE, ?2) ON CONFLICT (id) DO UPDATE SET gone = FALSE, body = ?2",
        params![signed(cover.id), json(cover)?],
    )?;
    Ok(())
}

pub(super) fn end_cover(commit: &Commit<'_>, id: u64) -> sql::Result<()> {
    commit.run("UPDATE cover SET gone = TRUE WHERE id = ?1", params![signed(id)])?;
    Ok(())
}

pub(super) fn put_handover(commit: &Commit<'_>, entry: &Handover) -> sql::Result<()> {
    commit.run(
        "INSERT INTO handover (at, rota, who, text, shift, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            entry.at.as_millis(),
            entry.rota,
            entry.who,
            entry.text,
            entry.shift.as_ref().map(|shift| shift.rota.as_str()),
            entry.shift.as_ref().map(json).transpose()?
        ],
    )?;
    Ok(())
}

pub(super) fn put_feed(commit: &Commit<'_>, feed: &DutyFeed) -> sql::Result<()> {
    let DutyFeed { digest, account, subject, language, created_at, ended_at } = feed;
    commit.run(
        "INSERT INTO duty_feed (digest, account, subject, language, created_at, ended_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            digest,
            account,
            subject,
            language.as_str(),
            created_at.as_millis(),
            ended_at.map(Timestamp::as_millis)
        ],
    )?;
    Ok(())
}

pub(super) fn end_feed(commit: &Commit<'_>, digest: &str, at: Timestamp) -> sql::Result<()> {
    commit.run(
        "UPDATE duty_feed SET ended_at = ?2 WHERE digest = ?1 AND ended_at IS NULL",
        params![digest, at.as_millis()],
    )?;
    Ok(())
}

pub(super) fn put_request(commit: &Commit<'_>, request: &RequestedTurn) -> sql::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO requested_turn (number, body) VALUES (?1, ?2)",
        params![signed(request.number), json(request)?],
    )?;
    Ok(())
}

pub(super) fn covers(reader: &SqlReader) -> Result<Vec<Cover>, StoreError> {
    reader.all("SELECT body FROM cover WHERE NOT gone ORDER BY id", &[], |row| body(row, 0))
}

/// The newest first; what was taken back, too.
pub(super) fn all_covers(
    reader: &SqlReader,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<(Cover, bool)>, StoreError> {
    let sql = "SELECT body, gone FROM cover WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    reader.all(sql, &[&below(before), &limit_of(limit)], |row| Ok((body(row, 0)?, row.get(1)?)))
}

/// The newest first, each with its number.
pub(super) fn book(reader: &SqlReader, before: Option<u64>, limit: usize) -> Result<Vec<(u64, Handover)>, StoreError> {
    let sql = "SELECT at, rota, who, text, body, number FROM handover WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
    reader.all(sql, &[&below(before), &limit_of(limit)], |row| Ok((row.get::<_, i64>(5)?.unsigned_abs(), entry(row)?)))
}

fn entry(row: &Row<'_>) -> sql::Result<Handover> {
    let shift = row.get::<_, Option<String>>(4)?.map(|_| body(row, 4)).transpose()?;
    Ok(Handover { at: required(row, 0)?, rota: row.get(1)?, who: row.get(2)?, text: row.get(3)?, shift })
}

fn feed(row: &Row<'_>) -> sql::Result<DutyFeed> {
    let digest: String = row.get(0)?;
    let language = word(row, 3, || format!("calendar {digest}"))?;
    let (account, subject) = (row.get(1)?, row.get(2)?);
    let ended_at = row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis);
    Ok(DutyFeed { digest, account, subject, language, created_at: required(row, 4)?, ended_at })
}

pub(super) fn put_contact_check(commit: &Commit<'_>, check: &ContactCheck) -> sql::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO contact_check (person, channel, address, body) VALUES (?1, ?2, ?3, ?4)",
        params![check.person, check.channel, check.address, json(check)?],
    )?;
    Ok(())
}

impl DutyReader for SqlReader {
    fn contact_checks(&self) -> Result<Vec<ContactCheck>, StoreError> {
        let sql = "SELECT body FROM contact_check ORDER BY person, channel, address LIMIT ?1";
        self.all(sql, &[&limit_of(CONTACT_CHECKS_MAX)], |row| body(row, 0))
    }

    fn covers_since(&self, since: Timestamp, limit: usize) -> Result<Vec<Cover>, StoreError> {
        let sql = "SELECT body FROM cover ORDER BY id DESC LIMIT ?1";
        let mut all: Vec<Cover> = self.all(sql, &[&limit_of(limit)], |row| body(row, 0))?;
        // One that was taken back before it began lasts for no time.
        all.retain(|cover| cover.from < cover.until && since < cover.until);
        all.reverse();
        Ok(all)
    }

    fn duty_feeds(&self, account: &str) -> Result<Vec<DutyFeed>, StoreError> {
        let sql = "SELECT digest, account, subject, language, created_at, ended_at FROM duty_feed WHERE account = ?1 AND ended_at IS NULL \
                   ORDER BY created_at DESC, digest LIMIT ?2";
        self.all(sql, &[&account, &limit_of(FEEDS_MAX)], feed)
    }

    fn duty_feed(&self, digest: &str) -> Result<Option<DutyFeed>, StoreError> {
        let sql = "SELECT digest, account, subject, language, created_at, ended_at FROM duty_feed WHERE digest = ?1";
        self.one(sql, &[&digest], feed)
    }

    fn requested_turns(&self, limit: usize) -> Result<Vec<RequestedTurn>, StoreError> {
        let sql = "SELECT body FROM requested_turn ORDER BY number DESC LIMIT ?1";
        self.all(sql, &[&limit_of(limit)], |row| body(row, 0))
    }

    fn signed_shifts(&self, rota: Option<&str>, limit: usize) -> Result<Vec<Handover>, StoreError> {
        const OF_ALL: &str =
            "SELECT at, rota, who, text, body FROM handover WHERE shift IS NOT NULL ORDER BY number DESC LIMIT ?1";
        const OF_ONE: &str = "SELECT at, rota, who, text, body FROM handover WHERE shift IS NOT NULL AND shift = ?2 \
                              ORDER BY number DESC LIMIT ?1";
        match rota {
            None => self.all(OF_ALL, &[&limit_of(limit)], entry),
            Some(rota) => self.all(OF_ONE, &[&limit_of(limit), &rota], entry),
        }
    }

    fn requested_turn(&self, number: u64) -> Result<Option<RequestedTurn>, StoreError> {
        self.one("SELECT body FROM requested_turn WHERE number = ?1", &[&signed(number)], |row| body(row, 0))
    }
}
