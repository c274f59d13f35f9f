//! An audit log as large as one of years, in a store of its own, spoilt in every way by somebody who has the file: the look at it finds each, and says where.

use rusqlite::{Connection, OptionalExtension as _, params};

use ioc_common::clock::Timestamp;

use super::SqliteStore;
use super::file::FILE;
use crate::audit::{AuditEntry, AuditKey, GENESIS, seal};
use crate::audit_check::tests::{Signer, entry};
use crate::sql::examine::check_log;
use crate::{Change, Store as _};

const RECORDS: i64 = 100_000;
/// Records of one commit, each of which is signed.
const HEADS_EVERY: i64 = 1000;
const NO_TRIGGERS: &str = "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_in_order; DROP TRIGGER search_audit_gone;";

fn filled(dir: &std::path::Path) {
    let (signer, mut store) = (Signer::new(), SqliteStore::open(dir).expect("opens"));
    let (id, public) = signer.keys().pop_first().expect("one");
    let at = Timestamp::from_millis(1_764_000_000_000);
    store.commit(&[Change::AuditKey(AuditKey { id, public, certificate: "PEM".to_owned(), at })]).expect("kept");
    for from in (0..RECORDS).step_by(1000) {
        let records = (from..from + HEADS_EVERY).map(|number| Change::Audit(entry(&number.to_string())));
        store.commit(&records.collect::<Vec<_>>()).expect("kept");
        let tip = store.audit_tip();
        let head = signer.sign(tip.number, &tip.hash, &tip.tree, at.plus_millis(from));
        store.commit(&[Change::AuditHead { head, tree: tip.tree }]).expect("kept");
    }
    store.close().expect("closed");
}

/// What somebody does to a log.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Word,
    Person,
    Time,
    Hash,
    Removed,
    Cut,
    Inserted,
    Swapped,
    Moved,
}

const WAYS: [Way; 9] =
    [Way::Word, Way::Person, Way::Time, Way::Hash, Way::Removed, Way::Cut, Way::Inserted, Way::Swapped, Way::Moved];

/// Does it at a record, or between two.
fn spoil(log: &Connection, way: Way, at: i64, other: i64) {
    let (low, high) = (at.min(other), at.max(other));
    let all = match way {
        Way::Word => "UPDATE audit SET detail = detail || 'x' WHERE number = ?1",
        Way::Person => "UPDATE audit SET actor = 'minh' WHERE number = ?1",
        Way::Time => "UPDATE audit SET at = at + 1 WHERE number = ?1",
        Way::Hash => "UPDATE audit SET hash = replace(hex(zeroblob(32)), 'A', 'a') WHERE number = ?1",
        Way::Removed => {
            "DELETE FROM audit WHERE number = ?1;
             UPDATE audit SET number = -number WHERE number > ?1; UPDATE audit SET number = -number - 1 WHERE number < 0"
        }
        Way::Cut => "DELETE FROM audit WHERE number >= ?1",
        Way::Inserted => {
            "UPDATE audit SET number = -number WHERE number >= ?1; UPDATE audit SET number = 1 - number WHERE number < 0;
             INSERT INTO audit SELECT ?1, at, actor, action, subject, 'slipped in', hash FROM audit WHERE number = ?1 + 1"
        }
        Way::Swapped => {
            "UPDATE audit SET number = -number WHERE number IN (?1, ?2); UPDATE audit SET number = ?1 + ?2 + number WHERE number < 0"
        }
        // The last of a piece stands before its first.
        Way::Moved => {
            "UPDATE audit SET number = -number WHERE number BETWEEN ?1 AND ?2;
             UPDATE audit SET number = CASE number WHEN -?2 THEN ?1 ELSE 1 - number END WHERE number < 0"
        }
    };
    for sql in all.split(';') {
        let mut statement = log.prepare(sql).expect("SQL");
        match statement.parameter_count() {
            0 => statement.execute([]),
            1 => statement.execute([low]),
            _ => statement.execute([low, high]),
        }
        .expect("done");
    }
}

/// Makes numbers and hashes anew from a record on, as somebody does who has the program.
fn reseal(log: &Connection, from: i64) {
    let before = "SELECT hash FROM audit WHERE number = ?1 - 1";
    let mut previous: String =
        log.query_row(before, [from], |row| row.get(0)).optional().expect("read").unwrap_or_else(|| GENESIS.to_owned());
    let mut read = log
        .prepare("SELECT number, at, actor, action, subject, detail FROM audit WHERE number >= ?1 ORDER BY number LIMIT 5000")
        .expect("SQL");
    let mut write = log.prepare("UPDATE audit SET hash = ?2 WHERE number = ?1").expect("SQL");
    let mut next = from;
    loop {
        let page = read.query_map([next], |row| {
            let at = Timestamp::from_millis(row.get(1)?);
            let [actor, action, subject, detail] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
            Ok((row.get::<_, i64>(0)?, AuditEntry { at, actor, action, subject, detail }))
        });
        let page = page.expect("read").collect::<rusqlite::Result<Vec<_>>>().expect("read");
        if page.is_empty() {
            return;
        }
        for (number, entry) in page {
            previous = seal(&previous, number.unsigned_abs(), &entry).hash;
            write.execute(params![number, previous]).expect("written");
            next = number + 1;
        }
    }
}

#[test]
fn whatever_is_done_to_a_log_of_years_is_found_in_its_store_and_said_where() {
    let dir = tempfile::tempdir().expect("directory");
    filled(dir.path());
    let log = Connection::open(dir.path().join(FILE)).expect("opens");
    let checked = || check_log((&log).into()).expect("read");
    assert_eq!(checked(), [], "as it was written");
    let mut place = 7_919;
    for way in WAYS {
        for resealed in [false, true] {
            // Any places, and none twice: from the first records to the last.
            place = (place + 54_321) % RECORDS;
            let at = place.clamp(1, RECORDS - 400);
            // What was done to one record is the same once it is sealed anew, and a cut end has nothing to be sealed.
            if resealed && !matches!(way, Way::Word | Way::Removed | Way::Inserted | Way::Moved) {
                continue;
            }
            log.execute_batch(&format!("BEGIN; {NO_TRIGGERS}")).expect("begun");
            spoil(&log, way, at, at + 333);
            if resealed {
                reseal(&log, at);
            }
            let found = checked();
            log.execute_batch("ROLLBACK").expect("as it was");
            let first = found.first().map_or(0, |one| i64::try_from(one.record()).expect("small"));
            // Up to the head before it, where it was sealed anew or the end is gone: it is the one that was signed.
            let room = if resealed || way == Way::Cut { HEADS_EVERY } else { 1 };
            assert!(
                first > 0 && first <= at + 1 && first + room >= at,
                "{way:?} at {at}, sealed anew: {resealed}: {first} in {found:?}"
            );
        }
    }
    // At both ends, too.
    for (sql, says) in [
        ("UPDATE audit SET detail = 'x' WHERE number = 1", "record 1 was changed"),
        ("DELETE FROM audit WHERE number = 1", "record 1 is missing"),
        ("DELETE FROM audit WHERE number = 100000", "the end is cut off: the log ends with record 99999"),
    ] {
        log.execute_batch(&format!("BEGIN; {NO_TRIGGERS} {sql}")).expect("done");
        let found = checked();
        log.execute_batch("ROLLBACK").expect("as it was");
        assert!(found.first().is_some_and(|one| one.to_string().starts_with(says)), "{sql}: {found:?}");
    }
}
