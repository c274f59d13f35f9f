//! Records that are past their time: which they are, how they go, and the evidence that stays, in the same commit.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;

use super::audit;
use super::commit::Commit;
use super::reader_connection::SqlReader;
use super::record_class::{ALL_SEEN, ClassSource, source};
use super::value::{limit_of, moment, required, signed};
use super::{document_change, document_expiry, hold};
use crate::StoreError;
use crate::audit::AuditEntry;
use crate::history::Tier;
use crate::retention::{
    COUNTED_MAX, ClassSize, Counted, CountedSlice, Cursor, DeletedNumbers, Deletion, Expiry, NumbersHold, PastRecord,
    RecordClass, RetentionRule,
};
use crate::sql::{self, OptionalExtension as _, Row, Type, params};

/// What the audit log calls a deletion. The engine has it among its actions, too.
const ACTION: &str = "records.deleted";
/// How long the holds on one record are asked in a commit, and how long it is read, microseconds: of an incident with thousands of faults and notices
/// either may take as long as a commit may not.
const ASK_US: u64 = 2000;

impl ClassSource {
    fn of(&self, condition: &str, alias: &str) -> String {
        condition.replace('@', alias)
    }

    /// Whether a record is held. Of changes of documents, persons are looked for by whoever reads them: holds on one that are newer than `seen`
    /// hold everything.
    pub(super) fn is_held(&self, alias: &str, seen: &str) -> String {
        self.held.sql(alias).replace("SEEN", seen)
    }

    /// Whether a record stays.
    fn stays(&self, alias: &str, seen: &str) -> String {
        format!("({} OR ({}))", self.is_held(alias, seen), self.of(self.belongs, alias))
    }

    fn oldest(&self) -> String {
        let table = self.table;
        if matches!(self.class, RecordClass::Events | RecordClass::Documents) {
            // By the index of each device; there is none by time alone.
            return format!("SELECT min((SELECT min(e.at) FROM {table} e WHERE e.device = d.number)) FROM device d");
        }
        let ended = self.of(self.ended, "r");
        format!("SELECT min({ended}) FROM {table} r WHERE {ended} IS NOT NULL")
    }

    /// Whether a record ended before a moment, which is a parameter. A version of a document stood until a later one was made: where times ran
    /// backwards, until the first of them.
    fn is_past(&self, alias: &str, before: &str) -> String {
        if self.class == RecordClass::Documents {
            return format!(
                "EXISTS (SELECT 1 FROM document_change n WHERE n.device = {alias}.device AND n.name = {alias}.name \
                 AND n.number > {alias}.number AND n.at < {before})"
            );
        }
        // What has not ended goes for no reason.
        format!("coalesce({}, {}) < {before}", self.of(self.ended, alias), i64::MAX)
    }

    /// Those that ended before ?1, behind ?2, ?3, ?4, at most ?5: key, line, whether it stays, and the three of the cursor.
    fn past(&self) -> String {
        let Self { table, .. } = self;
        let [key, ended, line] = [self.key, self.ended, self.line].map(|one| self.of(one, "r"));
        let stays = self.stays("r", "0");
        let from = match self.class {
            // Device by device, each by its index.
            RecordClass::Events => format!(
                "SELECT r.*, {key} AS own_key, {stays} AS stays, r.device AS one, r.at AS two, {key} AS three \
                 FROM device d CROSS JOIN {table} r ON r.device = d.number \
                 AND r.at < ?1 AND r.at >= CASE WHEN d.number = ?2 THEN CAST(?3 AS BIGINT) ELSE {} END \
                 WHERE d.number >= ?2 AND (d.number > ?2 OR r.at > ?3 OR {key} > ?4) \
                 ORDER BY d.number, r.at, {key} LIMIT ?5",
                i64::MIN + 1
            ),
            _ => format!(
                "SELECT r.*, {key} AS own_key, {stays} AS stays, {ended} AS one, {key} AS two, 0 AS three FROM {table} r \
                 WHERE {ended} < ?1 AND {ended} >= ?2 AND ({ended} > ?2 OR {key} > ?3) AND CAST(?4 AS BIGINT) IS NOT NULL \
                 ORDER BY {ended}, {key} LIMIT ?5"
            ),
        };
        // What stays costs no more than a look.
        format!(
            "WITH r AS MATERIALIZED ({from}) SELECT own_key, CASE WHEN stays THEN '' ELSE CAST(json({line}) AS TEXT) END, stays, one, two, three \
             FROM r ORDER BY one, two, three"
        )
    }
}

pub(super) fn past_records(
    reader: &SqlReader,
    class: RecordClass,
    before: Timestamp,
    after: Cursor,
    limit: usize,
) -> Result<Vec<PastRecord>, StoreError> {
    let Some(source) = source(class) else { return Ok(Vec::new()) };
    if class == RecordClass::Documents {
        return document_expiry::past_changes(reader, &source, before, (after, limit));
    }
    let (before, Cursor(one, two, three)) = (before.as_millis(), after);
    reader.all(&source.past(), &[&before, &one, &two, &three, &limit_of(limit)], |row| {
        let cursor = Cursor(row.get(3)?, row.get(4)?, row.get(5)?);
        Ok(PastRecord { key: row.get(0)?, line: row.get(1)?, stays: row.get(2)?, cursor })
    })
}

/// Deletes records of one class and gathers what their evidence is made of.
struct Deleting<'c, 's> {
    commit: &'c mut Commit<'s>,
    source: ClassSource,
    /// Whether a record is held.
    held: String,
    find: String,
    /// Their lines.
    lines: String,
    count: u64,
    first: i64,
    last: i64,
    /// They ended before, milliseconds; the newest hold that whoever chose them had seen.
    bounds: (i64, i64),
    /// How many commits they had seen, and the digest of the evidence if the first record goes alone; none where nobody chose them beside the commit.
    chosen: Option<(u64, String)>,
    /// The first record went by what was read of it beside the commit, and goes alone.
    goes_alone: bool,
    /// The documents of which changes went.
    documents: BTreeSet<(i64, String)>,
}

impl<'c, 's> Deleting<'c, 's> {
    fn of(
        commit: &'c mut Commit<'s>,
        source: ClassSource,
        (before_ms, holds_seen): (i64, i64),
        chosen: Option<(u64, String)>,
    ) -> Self {
        let [key, line] = [source.key, source.line].map(|one| source.of(one, "r"));
        let [first, last] = [source.held.first, source.held.last].map(|one| source.of(one, "r"));
        let (held, belongs, table) = (source.is_held("r", "?2"), source.of(source.belongs, "r"), source.table);
        let held = format!("SELECT {held} FROM {table} r WHERE {key} = ?1 AND CAST(?2 AS BIGINT) IS NOT NULL");
        let find = format!(
            "SELECT CASE WHEN {belongs} THEN NULL ELSE CAST(json({line}) AS TEXT) END, {first}, {last} FROM {table} r WHERE {key} = ?1 AND {}",
            source.is_past("r", "?2")
        );
        Self {
            commit,
            source,
            held,
            find,
            lines: String::new(),
            count: 0,
            first: i64::MAX,
            last: i64::MIN,
            bounds: (before_ms, holds_seen),
            chosen,
            goes_alone: false,
            documents: BTreeSet::new(),
        }
    }

    /// Whether a record is held; none where it takes longer to say than a commit may.
    fn is_held(&self, key: i64) -> sql::Result<Option<bool>> {
        let ask = || {
            let mut statement = self.commit.transaction.prepare_cached(&self.held)?;
            statement.query_row(params![key, self.bounds.1], |row| row.get(0)).optional()
        };
        // One that is gone is held by nothing, and not found either.
        Ok(self.commit.ask(ASK_US, ask)?.map(|held| held.unwrap_or(false)))
    }

    /// Whether nothing was written to the incident that a record belongs to since it was chosen, as far as that is known. An incident's own line has
    /// all that is in it.
    fn is_as_chosen(&self, key: i64) -> sql::Result<bool> {
        let Some((seen, _)) = &self.chosen else { return Ok(true) };
        if self.source.class == RecordClass::Incidents {
            return Ok(true);
        }
        let sql = format!(
            "SELECT {} FROM {} r WHERE {} = ?1",
            self.source.of(self.source.held.incident, "r"),
            self.source.table,
            self.source.of(self.source.key, "r")
        );
        let mut statement = self.commit.transaction.prepare_cached(&sql)?;
        let incident: Option<Option<i64>> = statement.query_row([key], |row| row.get(0)).optional()?;
        Ok(incident.flatten().is_none_or(|incident| self.commit.is_as_of(incident, *seen)))
    }

    /// Deletes a record, unless it stays, is gone, or its line is not the one of this digest. Whoever gives one has asked the holds that are in
    /// force: where asking them again takes too long, that counts, since the record is the same and no hold is newer.
    fn delete(&mut self, key: i64, sha256: Option<&str>) -> sql::Result<bool> {
        // Where asking takes too long, what whoever chose it found counts, if nothing was written since to the incident that it belongs to: a hold on
        // a person may have come to cover it by a step.
        if self.is_held(key)?.unwrap_or(sha256.is_none() || !self.is_as_chosen(key)?) {
            return Ok(false);
        }
        let read = |row: &Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let find = || {
            let mut statement = self.commit.transaction.prepare_cached(&self.find)?;
            statement.query_row(params![key, self.bounds.0], read).optional()
        };
        let Some(found) = self.commit.ask(ASK_US, find)? else { return self.delete_unread(key) };
        let Some((Some(text), first, last)) = found else { return Ok(false) };
        if sha256.is_some_and(|sha256| sha256 != sha256_hex(text.as_bytes())) {
            return Ok(false);
        }
        if self.source.class == RecordClass::Documents {
            let sql = "SELECT device, name FROM document_change WHERE rowid = ?1";
            let of =
                self.commit.transaction.prepare_cached(sql)?.query_row([key], |row| Ok((row.get(0)?, row.get(1)?)));
            self.documents.insert(of?);
        }
        self.lines += &text;
        self.lines.push('\n');
        self.take(key, (first, last))
    }

    /// Deletes an incident that takes longer to read than a commit may, by what was read of it beside the commit: alone, since its evidence was made
    /// then, and if nothing was written to it since. Another one is chosen anew.
    fn delete_unread(&mut self, key: i64) -> sql::Result<bool> {
        let is_as_read = |seen: &u64| self.commit.is_as_of(key, *seen);
        let is_chosen = self.chosen.as_ref().is_some_and(|(seen, digest)| is_as_read(seen) && !digest.is_empty());
        if self.source.class != RecordClass::Incidents || self.count > 0 || !is_chosen {
            return Ok(false);
        }
        let found = self
            .commit
            .transaction
            .prepare_cached(&self.find.replace(&format!("json({})", self.source.of(self.source.line, "r")), "''"))?
            .query_row(params![key, self.bounds.0], |row| {
                Ok((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((Some(_), first, last)) = found else { return Ok(false) };
        self.goes_alone = true;
        self.take(key, (first, last))
    }

    fn take(&mut self, key: i64, (first, last): (i64, i64)) -> sql::Result<bool> {
        for sql in self.source.delete {
            self.commit.run(sql, [key])?;
        }
        self.count += 1;
        (self.first, self.last) = (self.first.min(first), self.last.max(last));
        Ok(true)
    }

    /// Leaves the evidence; none when nothing was deleted.
    fn finish(self, at: Timestamp, rule: &str, exported: &str) -> sql::Result<()> {
        for (device, name) in &self.documents {
            document_change::begin_anew(self.commit, *device, name)?;
        }
        if self.count == 0 {
            return Ok(());
        }
        let alone = self.chosen.filter(|_| self.goes_alone).map(|(_, digest)| digest);
        let deletion = Deletion {
            number: 0,
            at,
            class: self.source.class,
            first: Timestamp::from_millis(self.first),
            last: Timestamp::from_millis(self.last),
            count: self.count,
            digest: alone.unwrap_or_else(|| sha256_hex(self.lines.as_bytes())),
            rule: rule.to_owned(),
            exported: exported.to_owned(),
        };
        record(self.commit, deletion, None)
    }
}

/// Deletes what is past its time, as far as nothing keeps it, with its evidence. It ends at the first record that is not to be deleted any more,
/// so that what was exported begins with what is gone. Where a hold is newer than whoever chose them knew, none goes: they are chosen anew.
pub(super) fn expire(commit: &mut Commit<'_>, expiry: &Expiry) -> sql::Result<()> {
    let Some(source) = source(expiry.class).filter(|_| !commit.keeps_all) else { return Ok(()) };
    let holds_seen = signed(expiry.holds_seen);
    if hold::is_newer_than(commit, holds_seen)? || !commit.has_time_to_delete() {
        return Ok(());
    }
    let chosen = Some((expiry.commits_seen, expiry.first_alone.clone()));
    let mut deleting = Deleting::of(commit, source, (expiry.before.as_millis(), holds_seen), chosen);
    for (key, line) in &expiry.records {
        if !deleting.delete(*key, Some(line))? || deleting.goes_alone || !deleting.commit.has_time_to_delete() {
            break;
        }
    }
    deleting.finish(expiry.at, &expiry.rule, &expiry.exported)
}

/// Deletes these records of a class for another reason than their age, as far as nothing holds them and the commit has time, with their evidence.
/// Gives how many it looked at and how many went; what is left waits for the next time.
pub(super) fn delete_all(
    commit: &mut Commit<'_>,
    class: RecordClass,
    keys: &[i64],
    rule: &str,
) -> sql::Result<(usize, usize)> {
    let Some(source) = source(class).filter(|_| !commit.keeps_all) else { return Ok((keys.len(), 0)) };
    let at = Timestamp::from_millis(commit.received);
    let mut deleting = Deleting::of(commit, source, (i64::MAX, 0), None);
    let (mut looked, mut deleted) = (0, 0);
    for key in keys {
        deleted += usize::from(deleting.delete(*key, None)?);
        looked += 1;
        if !deleting.commit.has_time_to_delete() {
            break;
        }
    }
    deleting.finish(at, rule, "")?;
    Ok((looked, deleted))
}

/// Keeps evidence, here and in the audit log.
fn record(commit: &mut Commit<'_>, mut deletion: Deletion, source: Option<&str>) -> sql::Result<()> {
    let sql = "INSERT INTO deletion (at, class, first, last, count, digest, rule, exported, source) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (source) DO NOTHING RETURNING number";
    let Deletion { at, class, first, last, count, digest, rule, exported, .. } = &deletion;
    let (at_ms, first, last) = (at.as_millis(), first.as_millis(), last.as_millis());
    let values = params![at_ms, class.as_str(), first, last, signed(*count), digest, rule, exported, source];
    let made = commit.transaction.query_row(sql, values, |row| row.get::<_, i64>(0)).optional()?;
    let Some(number) = made else { return Ok(()) };
    deletion.number = number.unsigned_abs();
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
) -> sql::Result<()> {
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

fn deletion(row: &Row<'_>) -> sql::Result<Deletion> {
    let class: String = row.get(2)?;
    let unknown = || {
        let why = format!("no class {class:?}");
        sql::Error::FromSqlConversionFailure(2, Type::Text, why.into())
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

pub(super) fn deletions(reader: &SqlReader, before: Option<u64>, limit: usize) -> Result<Vec<Deletion>, StoreError> {
    let sql = format!("{DELETIONS} WHERE number < ?1 ORDER BY number DESC LIMIT ?2");
    reader.all(&sql, &[&super::value::below(before), &limit_of(limit)], deletion)
}

pub(super) fn put_rule(commit: &Commit<'_>, rule: &RetentionRule) -> sql::Result<()> {
    commit.run(
        "INSERT OR REPLACE INTO retention_rule (class, text, keep_ms, exports, who, reason, since, grace_from) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            rule.class.as_str(),
            rule.text,
            rule.keep_ms,
            rule.exports,
            rule.by,
            rule.reason,
            rule.since.as_millis(),
            rule.grace_from.map(Timestamp::as_millis)
        ],
    )?;
    Ok(())
}

/// What waits for the end of its grace waits as long as it did.
pub(super) fn step(commit: &Commit<'_>, by_ms: i64) -> sql::Result<()> {
    commit.run("UPDATE retention_rule SET grace_from = grace_from + ?1 WHERE grace_from IS NOT NULL", [by_ms])?;
    Ok(())
}

pub(super) fn rules(reader: &SqlReader) -> Result<Vec<RetentionRule>, StoreError> {
    let sql = "SELECT class, text, keep_ms, exports, who, reason, since, grace_from FROM retention_rule";
    let all = reader.all(sql, &[], |row| {
        let class = RecordClass::of(&row.get::<_, String>(0)?);
        let (text, keep_ms, exports) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let (by, reason, since, grace_from) = (row.get(4)?, row.get(5)?, required(row, 6)?, moment(row, 7)?);
        Ok(class.map(|class| RetentionRule { class, text, keep_ms, exports, by, reason, since, grace_from }))
    })?;
    Ok(all.into_iter().flatten().collect())
}

pub(super) fn last_deletion(reader: &SqlReader, class: RecordClass) -> Result<Option<Deletion>, StoreError> {
    let sql = format!("{DELETIONS} WHERE class = ?1 ORDER BY number DESC LIMIT 1");
    reader.one(&sql, &[&class.as_str()], deletion)
}

/// How many records of a class there are, counted up to a bound, and the moment of the oldest; none where nothing of it is kept.
pub(super) fn size(reader: &SqlReader, class: RecordClass) -> Result<Option<ClassSize>, StoreError> {
    let (from, oldest) = match (source(class), class.tier()) {
        (Some(source), _) => (source.table.to_owned(), source.oldest()),
        (None, Some(tier)) => {
            let of = format!("history.chunk WHERE tier = {}", tier.number());
            let oldest = format!("SELECT min(chunk) FROM {of}");
            (of, oldest)
        }
        (None, None) if class == RecordClass::Audit => {
            ("audit".to_owned(), "SELECT at FROM audit ORDER BY number LIMIT 1".to_owned())
        }
        (None, None) if class == RecordClass::Attestations => {
            let tables = ["backup_attestation", "asset_attestation", "account_attestation"];
            let all = tables.map(|table| format!("SELECT 1 FROM {table}")).join(" UNION ALL ");
            let first = tables
                .map(|table| format!("SELECT * FROM (SELECT body FROM {table} ORDER BY number LIMIT 1) AS of_{table}"));
            let oldest = format!(
                "SELECT min(unixepoch(json_extract(body, '$.at')) * 1000) FROM ({}) AS first",
                first.join(" UNION ALL ")
            );
            (format!("({all}) AS records"), oldest)
        }
        (None, None) if class == RecordClass::AssetImports => {
            ("table_import".to_owned(), "SELECT at FROM table_import ORDER BY number LIMIT 1".to_owned())
        }
        (None, None) if class == RecordClass::Reports => {
            let from = "(SELECT 1 FROM issued_report UNION ALL SELECT 1 FROM account_review UNION ALL SELECT 1 FROM inventory_count) AS records";
            let oldest = "SELECT min(at) FROM (SELECT min(at) AS at FROM issued_report UNION ALL SELECT min(opened_at) FROM account_review UNION ALL \
                          SELECT unixepoch(json_extract(body, '$.opened_at')) * 1000 FROM (SELECT body FROM inventory_count ORDER BY number LIMIT 1) AS first_count) AS first";
            (from.to_owned(), oldest.to_owned())
        }
        (None, None) => return Ok(None),
    };
    let number = |sql: &str| Ok::<_, StoreError>(reader.one(sql, &[], |row| row.get::<_, Option<i64>>(0))?.flatten());
    let bounded = format!("SELECT count(*) FROM (SELECT 1 FROM {from} LIMIT {}) AS counted", COUNTED_MAX + 1);
    let found = number(&bounded)?.unwrap_or(0).unsigned_abs();
    let count = Counted { count: found.min(COUNTED_MAX), whole: found <= COUNTED_MAX };
    Ok(Some(ClassSize { count, oldest: number(&oldest)?.map(Timestamp::from_millis) }))
}

/// Counts on behind a record: how many holds keep of the next, and how many would go that ended before a moment. None where that is not counted.
pub(super) fn count(
    reader: &SqlReader,
    (class, before): (RecordClass, Option<Timestamp>),
    after: i64,
    limit: usize,
) -> Result<Option<CountedSlice>, StoreError> {
    let before = before.map_or(i64::MIN, Timestamp::as_millis);
    if let Some(tier) = class.tier() {
        return count_numbers(reader, (tier, before), after, limit).map(Some);
    }
    let Some(source) = source(class) else { return Ok(None) };
    let [key, ended] = [source.key, source.ended].map(|one| source.of(one, "r"));
    let (table, held, belongs) = (source.table, source.is_held("r", ALL_SEEN), source.of(source.belongs, "r"));
    // That the change before it goes first keeps no change of a document.
    let belongs = if class == RecordClass::Documents { "FALSE".to_owned() } else { belongs };
    let sql = format!(
        "WITH s AS MATERIALIZED (SELECT {key} AS own_key, {held} AS held, coalesce({ended} < ?3, FALSE) AS past, ({belongs}) AS belongs \
         FROM {table} r WHERE {key} > ?1 ORDER BY {key} LIMIT ?2) \
         SELECT count(*), max(own_key), count(*) FILTER (WHERE held), count(*) FILTER (WHERE past AND NOT held AND NOT belongs) FROM s"
    );
    let number = |value: i64| value.unsigned_abs();
    let found = reader.one(&sql, &[&after, &limit_of(limit), &before], |row| {
        let (seen, last) = (row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(after));
        Ok((seen, last, number(row.get(2)?), number(row.get(3)?)))
    })?;
    let (seen, last, held, going) = found.unwrap_or((0, after, 0, 0));
    let mut slice = CountedSlice {
        next: (seen >= limit_of(limit)).then_some(last),
        seen: number(seen),
        held,
        going,
        by_hold: Vec::new(),
    };
    if held > 0 {
        let of_hold = source.held.by_hold("r").replace("SEEN", ALL_SEEN);
        let sql = format!(
            "SELECT h.number, count(*) FROM hold h CROSS JOIN {table} r ON {key} > ?1 AND {key} <= ?2 \
             WHERE h.ended_at IS NULL AND {of_hold} GROUP BY h.number"
        );
        slice.by_hold = reader.all(&sql, &[&after, &last], |row| Ok((number(row.get(0)?), number(row.get(1)?))))?;
    }
    Ok(Some(slice))
}

/// The same of chunks of numbers. Which of them are about a person would have to be opened for that: such holds count for nothing.
fn count_numbers(
    reader: &SqlReader,
    (tier, before): (Tier, i64),
    after: i64,
    limit: usize,
) -> Result<CountedSlice, StoreError> {
    let holds = hold::on_numbers(reader)?;
    let sql = "SELECT c.number, coalesce(d.id, ''), c.chunk FROM history.chunk c LEFT JOIN history.device d ON d.number = c.device \
               WHERE c.tier = ?1 AND c.number > ?2 ORDER BY c.number LIMIT ?3";
    let chunks = reader.all(sql, &[&tier.number(), &after, &limit_of(limit)], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
    })?;
    let mut slice = CountedSlice::default();
    let mut by_hold = BTreeMap::new();
    for (number, device, chunk) in &chunks {
        slice.seen += 1;
        slice.next = Some(*number);
        let keeps = |(_, hold): &&(u64, NumbersHold)| hold.keeps(tier, device, *chunk, &mut |_| false);
        let keeping: BTreeSet<u64> = holds.iter().filter(keeps).map(|(number, _)| *number).collect();
        slice.held += u64::from(!keeping.is_empty());
        slice.going += u64::from(keeping.is_empty() && *chunk < before.saturating_sub(tier.chunk_ms()));
        keeping.into_iter().for_each(|number| *by_hold.entry(number).or_insert(0) += 1);
    }
    slice.next = slice.next.filter(|_| chunks.len() >= limit);
    slice.by_hold = by_hold.into_iter().collect();
    Ok(slice)
}
