//! Records that are past their time: which they are, how they go, and the evidence that stays, in the same commit.

use rusqlite::{Row, params};

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::sha256_hex;

use super::audit;
use super::commit::Commit;
use super::hold;
use super::reader_connection::SqliteReader;
use super::record_class::{ClassSource, source};
use super::value::{limit_of, required, signed};
use crate::StoreError;
use crate::audit::AuditEntry;
use crate::retention::{
    COUNTED_MAX, ClassTally, Counted, Cursor, DeletedNumbers, Deletion, Expiry, NumbersHold, PastRecord, RecordClass,
    RetentionRule,
};

/// What the audit log calls a deletion. The engine has it among its actions, too.
const ACTION: &str = "records.deleted";
/// How long a commit is deleting records, about, microseconds; what is left waits for the next turn.
const EXPIRE_US: u64 = 5000;

impl ClassSource {
    /// Whether a record stays.
    fn stays(&self) -> String {
        format!("({} OR ({}))", self.held.sql(None), self.belongs)
    }

    fn oldest(&self) -> String {
        if self.class == RecordClass::Events {
            // By the index of each device; there is none by time alone.
            return "SELECT min((SELECT min(e.at) FROM event e WHERE e.device = d.number)) FROM device d".to_owned();
        }
        format!("SELECT min({}) FROM {}", self.ended, self.table)
    }

    /// Those that ended before ?1, behind ?2, ?3, ?4, at most ?5.
    fn past(&self) -> String {
        let Self { table, key, ended, line, .. } = self;
        let stays = self.stays();
        if self.class == RecordClass::Events {
            // Device by device, each by its index.
            return format!(
                "SELECT r.number, {line}, {stays}, r.device, r.at, r.number FROM device d CROSS JOIN event r ON r.device = d.number \
                 AND r.at < ?1 AND r.at >= CASE WHEN d.number = ?2 THEN ?3 ELSE {} END \
                 WHERE d.number >= ?2 AND (d.number > ?2 OR r.at > ?3 OR r.number > ?4) \
                 ORDER BY d.number, r.at, r.number LIMIT ?5",
                i64::MIN
            );
        }
        format!(
            "SELECT {key}, {line}, {stays}, {ended}, {key}, 0 FROM {table} WHERE {ended} < ?1 AND {ended} >= ?2 \
             AND ({ended} > ?2 OR {key} > ?3) AND ?4 IS NOT NULL ORDER BY {ended}, {key} LIMIT ?5"
        )
    }
}

pub(super) fn past_records(
    reader: &SqliteReader,
    class: RecordClass,
    before: Timestamp,
    after: Cursor,
    limit: usize,
) -> Result<Vec<PastRecord>, StoreError> {
    let Some(source) = source(class) else { return Ok(Vec::new()) };
    let (before, Cursor(one, two, three)) = (before.as_millis(), after);
    reader.all(&source.past(), &[&before, &one, &two, &three, &limit_of(limit)], |row| {
        let (key, line, stays) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(PastRecord { key, line, stays, cursor: Cursor(row.get(3)?, row.get(4)?, row.get(5)?) })
    })
}

/// Deletes records of one class and gathers what their evidence is made of.
struct Deleting<'c, 's> {
    commit: &'c Commit<'s>,
    source: ClassSource,
    find: String,
    /// Their lines.
    lines: String,
    count: u64,
    first: i64,
    last: i64,
}

impl<'c, 's> Deleting<'c, 's> {
    fn of(commit: &'c Commit<'s>, source: ClassSource, before_ms: i64) -> Self {
        let ClassSource { table, key, ended, line, ref held, .. } = source;
        let find = format!(
            "SELECT {line}, {}, {}, {} FROM {table} WHERE {key} = ?1 AND {ended} < {before_ms}",
            source.stays(),
            held.first,
            held.last
        );
        Self { commit, source, find, lines: String::new(), count: 0, first: i64::MAX, last: i64::MIN }
    }

    /// Deletes a record, unless it stays, is gone, or its line is not the one of this digest.
    fn delete(&mut self, key: i64, sha256: Option<&str>) -> rusqlite::Result<bool> {
        use rusqlite::OptionalExtension as _;
        let read = |row: &Row<'_>| {
            Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
        };
        let found = self.commit.transaction.prepare_cached(&self.find)?.query_row([key], read).optional()?;
        let Some((text, false, first, last)) = found else { return Ok(false) };
        if sha256.is_some_and(|sha256| sha256 != sha256_hex(text.as_bytes())) {
            return Ok(false);
        }
        for sql in self.source.delete {
            self.commit.run(sql, [key])?;
        }
        self.lines += &text;
        self.lines.push('\n');
        self.count += 1;
        (self.first, self.last) = (self.first.min(first), self.last.max(last));
        Ok(true)
    }

    /// The evidence; none when nothing was deleted.
    fn finish(self, at: Timestamp, rule: &str, exported: &str) -> Option<Deletion> {
        (self.count > 0).then(|| Deletion {
            number: 0,
            at,
            class: self.source.class,
            first: Timestamp::from_millis(self.first),
            last: Timestamp::from_millis(self.last),
            count: self.count,
            digest: sha256_hex(self.lines.as_bytes()),
            rule: rule.to_owned(),
            exported: exported.to_owned(),
        })
    }
}

/// Deletes what is past its time, as far as nothing keeps it, with its evidence. It ends at the first record that is not to be deleted any more,
/// so that what was exported begins with what is gone.
pub(super) fn expire(commit: &mut Commit<'_>, expiry: &Expiry) -> rusqlite::Result<()> {
    let Some(source) = source(expiry.class).filter(|_| !commit.keeps_all) else { return Ok(()) };
    let until_us = clock::boottime_us() + EXPIRE_US;
    let mut deleting = Deleting::of(commit, source, expiry.before.as_millis());
    for (key, line) in &expiry.records {
        if !deleting.delete(*key, Some(line))? || clock::boottime_us() >= until_us {
            break;
        }
    }
    match deleting.finish(expiry.at, &expiry.rule, &expiry.exported) {
        Some(deletion) => record(commit, deletion, None),
        None => Ok(()),
    }
}

/// Deletes these records of a class for another reason than their age, as far as nothing holds them, with their evidence.
pub(super) fn delete_all(
    commit: &mut Commit<'_>,
    class: RecordClass,
    keys: &[i64],
    rule: &str,
) -> rusqlite::Result<()> {
    let Some(source) = source(class) else { return Ok(()) };
    let mut deleting = Deleting::of(commit, source, i64::MAX);
    for key in keys {
        deleting.delete(*key, None)?;
    }
    match deleting.finish(Timestamp::from_millis(commit.received), rule, "") {
        Some(deletion) => record(commit, deletion, None),
        None => Ok(()),
    }
}

/// Keeps evidence, here and in the audit log.
fn record(commit: &mut Commit<'_>, mut deletion: Deletion, source: Option<&str>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO deletion (at, class, first, last, count, digest, rule, exported, source) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (source) DO NOTHING";
    let Deletion { at, class, first, last, count, digest, rule, exported, .. } = &deletion;
    let (at_ms, first, last) = (at.as_millis(), first.as_millis(), last.as_millis());
    let made =
        commit.run(sql, params![at_ms, class.as_str(), first, last, signed(*count), digest, rule, exported, source])?;
    if made == 0 {
        return Ok(());
    }
    deletion.number = commit.transaction.last_insert_rowid().unsigned_abs();
    let entry = AuditEntry {
        at: deletion.at,
        actor: String::new(),
        action: ACTION.to_owned(),
        subject: deletion.class.as_str().to_owned(),
        detail: deletion.detail(),
    };
    audit::append(commit, &entry)
}

pub(super) fn put_numbers(
    commit: &mut Commit<'_>,
    deleted: &DeletedNumbers,
    at: Timestamp,
    rule: &str,
) -> rusqlite::Result<()> {
    let deletion = Deletion {
        number: 0,
        at,
        class: RecordClass::of_tier(deleted.tier),
        first: deleted.first,
        last: deleted.last,
        count: deleted.count,
        digest: deleted.digest.clone(),
        rule: rule.to_owned(),
        exported: String::new(),
    };
    record(commit, deletion, Some(&deleted.key))
}

const DELETIONS: &str = "SELECT number, at, class, first, last, count, digest, rule, exported FROM deletion";

fn deletion(row: &Row<'_>) -> rusqlite::Result<Deletion> {
    let class: String = row.get(2)?;
    let unknown = || {
        let why = format!("no class {class:?}");
        rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, why.into())
    };
    Ok(Deletion {
        number: row.get::<_, i64>(0)?.unsigned_abs(),
        at: required(row, 1)?,
        class: RecordClass::of(&class).ok_or_else(unknown)?,
        first: required(row, 3)?,
        last: required(row, 4)?,
        count: row.get::<_, i64>(5)?.unsigned_abs(),
        digest: row.get(6)?,
        rule: row.get(7)?,
        exported: row.get(8)?,
    })
}

pub(super) fn deletions(reader: &SqliteReader, before: Option<u64>, limit: usize) -> Result<Vec<Deletion>, StoreError> {
    let sql = format!("{DELETIONS} WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    reader.all(&sql, &[&super::value::below(before), &limit_of(limit)], deletion)
}

pub(super) fn put_rule(commit: &Commit<'_>, rule: &RetentionRule) -> rusqlite::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO retention_rule (class, text, who, reason, since) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![rule.class.as_str(), rule.text, rule.by, rule.reason, rule.since.as_millis()],
    )?;
    Ok(())
}

pub(super) fn rules(reader: &SqliteReader) -> Result<Vec<RetentionRule>, StoreError> {
    let all = reader.all("SELECT class, text, who, reason, since FROM retention_rule", &[], |row| {
        let class = RecordClass::of(&row.get::<_, String>(0)?);
        let (text, by, reason, since) = (row.get(1)?, row.get(2)?, row.get(3)?, required(row, 4)?);
        Ok(class.map(|class| RetentionRule { class, text, by, reason, since }))
    })?;
    Ok(all.into_iter().flatten().collect())
}

pub(super) fn tallies(reader: &SqliteReader) -> Result<Vec<ClassTally>, StoreError> {
    let any = reader.one("SELECT 1 FROM hold WHERE ended_at IS NULL LIMIT 1", &[], |_| Ok(()))?.is_some();
    let numbers = hold::on_numbers(reader, None)?;
    RecordClass::ALL.into_iter().map(|class| tally(reader, class, any, &numbers)).collect()
}

fn tally(
    reader: &SqliteReader,
    class: RecordClass,
    any: bool,
    numbers: &[NumbersHold],
) -> Result<ClassTally, StoreError> {
    let sql = format!("{DELETIONS} WHERE class = ?1 ORDER BY number DESC LIMIT 1");
    let last = reader.one(&sql, &[&class.as_str()], deletion)?;
    let (count, oldest) = match (source(class), class.tier()) {
        (Some(source), _) => (format!("SELECT count(*) FROM {}", source.table), source.oldest()),
        (None, Some(tier)) => {
            let of = format!("FROM history.chunk WHERE tier = {}", tier.number());
            (format!("SELECT count(*) {of}"), format!("SELECT min(chunk) {of}"))
        }
        (None, None) if class == RecordClass::Audit => {
            ("SELECT count(*) FROM audit".to_owned(), "SELECT at FROM audit ORDER BY number LIMIT 1".to_owned())
        }
        (None, None) if class == RecordClass::Reports => {
            ("SELECT count(*) FROM issued_report".to_owned(), "SELECT min(at) FROM issued_report".to_owned())
        }
        (None, None) => return Ok(ClassTally { class, count: None, oldest: None, held: None, last }),
    };
    let number = |sql: &str| Ok::<_, StoreError>(reader.one(sql, &[], |row| row.get::<_, Option<i64>>(0))?.flatten());
    let count = number(&count)?.map(i64::unsigned_abs);
    let oldest = number(&oldest)?.map(Timestamp::from_millis);
    let held = if any || class == RecordClass::Audit {
        held_of(reader, class, None, numbers)?
    } else {
        Some(Counted { count: 0, whole: true })
    };
    Ok(ClassTally { class, count, oldest, held, last })
}

/// How much a hold keeps of each class.
pub(super) fn held(reader: &SqliteReader, number: u64) -> Result<Vec<(RecordClass, Option<Counted>)>, StoreError> {
    if hold::find(reader, number)?.is_none_or(|hold| hold.ended.is_some()) {
        return Ok(Vec::new());
    }
    let numbers = hold::on_numbers(reader, Some(number))?;
    let count = |class| Ok((class, held_of(reader, class, Some(number), &numbers)?));
    RecordClass::ALL.into_iter().map(count).collect()
}

fn held_of(
    reader: &SqliteReader,
    class: RecordClass,
    only: Option<u64>,
    numbers: &[NumbersHold],
) -> Result<Option<Counted>, StoreError> {
    let most = limit_of(usize::try_from(COUNTED_MAX).unwrap_or(usize::MAX));
    let sql = if let Some(source) = source(class) {
        let (held, table, key) = (source.held.sql(only), source.table, source.key);
        format!("SELECT count(*), sum(held) FROM (SELECT {held} AS held FROM {table} ORDER BY {key} LIMIT {most})")
    } else if let Some(tier) = class.tier() {
        let Some(held) = numbers_sql(reader, class, numbers)? else { return Ok(None) };
        let of = format!("FROM history.chunk r WHERE r.tier = {} ORDER BY r.chunk LIMIT {most}", tier.number());
        format!("SELECT count(*), sum(held) FROM (SELECT {held} AS held {of})")
    } else {
        return Ok(None);
    };
    let found = reader.one(&sql, &[], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
    let (seen, count) = found.unwrap_or_default();
    Ok(Some(Counted { count: count.unwrap_or(0).unsigned_abs(), whole: seen < most }))
}

/// The condition that a chunk is held; none where it would have to be opened for that.
fn numbers_sql(
    reader: &SqliteReader,
    class: RecordClass,
    numbers: &[NumbersHold],
) -> Result<Option<String>, StoreError> {
    let Some(tier) = class.tier() else { return Ok(None) };
    let mut any = vec!["0".to_owned()];
    for hold in numbers.iter().filter(|hold| hold.tier.is_none_or(|of| of == tier)) {
        if hold.person.is_some() {
            return Ok(None);
        }
        let span =
            format!("r.chunk > {} AND r.chunk <= {}", hold.from_ms.saturating_sub(tier.chunk_ms()), hold.until_ms);
        let device = match &hold.device {
            None => "1".to_owned(),
            Some(id) => {
                let sql = "SELECT number FROM history.device WHERE id = ?1";
                let number = reader.one(sql, &[&id.as_str()], |row| row.get::<_, i64>(0))?;
                number.map_or_else(|| "0".to_owned(), |number| format!("r.device = {number}"))
            }
        };
        any.push(format!("({device} AND {span})"));
    }
    Ok(Some(format!("({})", any.join(" OR "))))
}
