//! Looking the store over: whether its pages hang together, its texts can be read, and its checksums and chain are right.

use std::path::Path;

use rusqlite::Connection;

use super::file::FILES;
use super::{fold_mark, head_file};
use crate::history;
use crate::sql::device::searched_text;
use crate::sql::document_change;
use crate::sql::examine::check_log;

/// Most findings that are told.
const FINDINGS_MAX: usize = 20;
/// Texts that are JSON, by table, beside every column that is named `body`.
const TEXTS: [(&str, &str); 7] = [
    ("device", "info"),
    ("software", "item"),
    ("layout", "series"),
    ("event", "fields"),
    ("outbox", "notice"),
    ("expected_backup", "expected"),
    ("expected_backup", "seen"),
];

/// What is wrong with the store and with folded history; nothing when all is sound. A table that cannot be read is a finding, not an
/// error. `deep` compares indexes with their tables and reads every checksum, which takes as long as reading everything does.
pub(super) fn examine(connection: &Connection, deep: bool) -> Vec<String> {
    let mut findings = all_but_checksums(connection, deep);
    if deep {
        findings.extend(rows(connection));
        findings.extend(document_changes(connection));
        findings.extend(searched(connection));
    }
    findings.truncate(FINDINGS_MAX);
    findings
}

/// The same thorough look, but for the checksums of [`CHECKED`], which whoever sums up the tables looks at: so nothing is read once more for them.
pub(super) fn examine_but_checked(connection: &Connection) -> Vec<String> {
    let mut findings = all_but_checksums(connection, true);
    findings.extend(document_changes(connection));
    findings.extend(searched(connection));
    findings.truncate(FINDINGS_MAX);
    findings
}

fn all_but_checksums(connection: &Connection, deep: bool) -> Vec<String> {
    let mut findings = Vec::new();
    for (schema, file) in [("main", FILES[0]), ("history", FILES[2])] {
        let pragma = if deep { "integrity_check" } else { "quick_check" };
        let asked = format!("PRAGMA {schema}.{pragma}({FINDINGS_MAX})");
        let found = connection.prepare(&asked).and_then(|mut statement| {
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        });
        match found {
            Ok(lines) => {
                findings.extend(lines.into_iter().filter(|line| line != "ok").map(|line| format!("{file}: {line}")));
            }
            Err(error) => findings.push(format!("{file}: {error}")),
        }
    }
    match fold_mark::mismatch(connection) {
        Ok(found) => findings.extend(found.map(|found| format!("{}: {}", FILES[2], found.text().en))),
        Err(error) => findings.push(format!("{}: {error}", FILES[2])),
    }
    findings.extend(texts(connection));
    findings.extend(chain(connection));
    findings
}

/// Devices are found by what is said of them: it stands beside that, made of it.
fn searched(connection: &Connection) -> Vec<String> {
    let asked = "SELECT id, info, search FROM main.device";
    let differing = connection.prepare(asked).and_then(|mut statement| {
        let rows = statement.query_map([], |row| {
            let (info, search) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
            let made = serde_json::from_str(&info).is_ok_and(|info| searched_text(&info) == search);
            Ok((!made).then_some(row.get::<_, String>(0)?))
        })?;
        rows.filter_map(Result::transpose).collect::<rusqlite::Result<Vec<String>>>()
    });
    match differing {
        Ok(devices) => {
            devices.into_iter().map(|id| format!("device: {id} is found by other words than are said of it")).collect()
        }
        Err(error) => vec![format!("device: {error}")],
    }
}

fn texts(connection: &Connection) -> Vec<String> {
    let mut findings = Vec::new();
    let bodies = "SELECT m.name FROM main.sqlite_master m JOIN pragma_table_info(m.name, 'main') c WHERE m.type = 'table' AND c.name = 'body'";
    let bodies = connection.prepare(bodies).and_then(|mut statement| {
        let tables = statement.query_map([], |row| row.get::<_, String>(0))?;
        tables.collect::<rusqlite::Result<Vec<_>>>()
    });
    let bodies = bodies.unwrap_or_else(|error| {
        findings.push(format!("tables: {error}"));
        Vec::new()
    });
    let named = TEXTS.iter().map(|(table, column)| ((*table).to_owned(), *column));
    for (table, column) in named.chain(bodies.into_iter().map(|table| (table, "body"))) {
        let asked = format!("SELECT count(*) FROM main.{table} WHERE NOT json_valid({column})");
        match connection.query_row(&asked, [], |row| row.get::<_, i64>(0)) {
            Ok(0) => {}
            Ok(count) => findings.push(format!("{table}: {count} of its texts cannot be read")),
            Err(error) => findings.push(format!("{table}: {error}")),
        }
    }
    findings
}

/// The audit log: its chain from its first record, and its signed heads.
fn chain(connection: &Connection) -> Vec<String> {
    let named = |what: &dyn std::fmt::Display| format!("audit: {what}");
    let mut told = match check_log(connection.into()) {
        Ok(findings) => findings.iter().map(|finding| named(finding)).collect(),
        Err(error) => vec![named(&error)],
    };
    // Where records and their heads are gone, the file beside the store still knows of them. What is already told is not told twice.
    if told.is_empty()
        && let Some(dir) = connection.path().and_then(|path| Path::new(path).parent())
    {
        match head_file::compare(connection, dir) {
            Ok(found) => told.extend(found.map(|text| named(&text.en))),
            Err(error) => told.push(named(&error)),
        }
    }
    told
}

/// Tables whose column `data` carries a checksum of its own: the schema, the table, and what people call its rows.
pub(super) const CHECKED: [(&str, &str, &str); 4] = [
    ("main", "sample", "rows of history"),
    ("main", "watermark_log", "watermarks of commits"),
    ("history", "chunk", "chunks of history"),
    ("history", "piece", "pieces of history"),
];

/// What is said of rows that do not match their checksums.
pub(super) fn unmatched(name: &str, wrong: u64) -> String {
    format!("{name}: {wrong} do not match their checksums")
}

/// Checksums of rows and chunks.
fn rows(connection: &Connection) -> Vec<String> {
    let count = |sql: &str| {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut wrong = 0_u64;
        while let Some(row) = rows.next()? {
            wrong += u64::from(!history::is_whole(row.get_ref(0)?.as_blob().unwrap_or_default()));
        }
        Ok::<u64, rusqlite::Error>(wrong)
    };
    let mut findings = Vec::new();
    for (schema, table, name) in CHECKED {
        match count(&format!("SELECT data FROM {schema}.{table}")) {
            Ok(0) => {}
            Ok(wrong) => findings.push(unmatched(name, wrong)),
            Err(error) => findings.push(format!("{name}: {error}")),
        }
    }
    findings
}

fn document_changes(connection: &Connection) -> Option<String> {
    match document_change::damaged(connection.into()) {
        Ok(0) => None,
        Ok(wrong) => Some(unmatched("changes of documents", wrong)),
        Err(error) => Some(format!("changes of documents: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use ioc_common::clock::Timestamp;
    use ioc_common::id::DeviceId;
    use ioc_common::layout::{Layout, LayoutId, Series};
    use ioc_common::report::Position;
    use ioc_judge::{DeviceInfo, DeviceKind};

    use crate::sqlite::{FILES, SqliteStore};
    use crate::{Change, Store as _};
    use crate::{audit, history};

    #[test]
    fn damage_is_found_wherever_it_is() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let at = |ms: i64| Timestamp::from_millis(ms);
        for number in 0..200_i64 {
            let device = DeviceId::new(&format!("d-{number:03}")).expect("valid");
            let info = DeviceInfo::new(device.clone(), DeviceKind::Server, format!("Máy chủ {number}"));
            let body =
                serde_json::json!({ "ports": (0..40).map(|port| port * number).collect::<Vec<_>>() }).to_string();
            let mut changes = vec![
                Change::Device { info, at: at(number) },
                Change::Document { device: device.clone(), name: "ports".to_owned(), at: at(number), body },
            ];
            for seq in 0..10 {
                let values: Vec<Option<f64>> =
                    (0..60).map(|series| Some(f64::from(series) * 1.5 + number as f64)).collect();
                let position = Position { epoch: 1, seq };
                let (row, layout) = (history::pack(&values), LayoutId(7));
                changes.push(Change::Sample {
                    device: device.clone(),
                    position,
                    at: at(number),
                    layout,
                    row,
                    newest: true,
                });
            }
            let (actor, action, subject) = ("lan".to_owned(), "test.done".to_owned(), device.to_string());
            changes.push(Change::Audit(audit::AuditEntry {
                at: at(number),
                actor,
                action,
                subject,
                detail: "x".repeat(80),
            }));
            store.commit(&changes).expect("kept");
        }
        store.close().expect("closed");
        assert_eq!(SqliteStore::examine(dir.path(), true).expect("read"), Vec::<String>::new());
        drop(store);
        let path = dir.path().join(FILES[0]);
        let whole = std::fs::read(&path).expect("read");
        let (mut pages, mut found, mut quick) = (0, 0, 0);
        // Near the end of each page, from where it is filled: what lies farther in front may be what was there before.
        for place in (2 * 4096 - 200..whole.len()).step_by(4096) {
            let mut bytes = whole.clone();
            bytes[place..place + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
            // A page that holds nothing there is not damaged by it.
            if whole[place..place + 64].iter().all(|byte| *byte == 0) {
                continue;
            }
            std::fs::write(&path, bytes).expect("written");
            pages += 1;
            let is_damaged =
                |deep| SqliteStore::examine(dir.path(), deep).map_or(true, |findings| !findings.is_empty());
            found += u32::from(is_damaged(true));
            quick += u32::from(is_damaged(false));
        }
        // A letter that became another one in a plain text is a text all the same: nothing holds those yet but the log's chain.
        assert!(pages > 100 && found * 100 >= pages * 95, "{found} of {pages} were found, {quick} by the quick look");
        assert!(quick * 100 >= pages * 70, "{quick} of {pages} by the quick look");
    }

    #[test]
    fn a_record_of_the_log_that_was_changed_or_taken_out_is_found_by_a_quick_look() {
        for (harm, found) in [
            ("UPDATE audit SET detail = 'other' WHERE number = 2", "audit: record 2 was changed"),
            ("UPDATE audit SET actor = 'eve' WHERE number = 3", "audit: record 3 was changed"),
            ("DELETE FROM audit WHERE number = 2", "audit: record 2 is missing"),
        ] {
            let dir = tempfile::tempdir().expect("directory");
            let mut store = SqliteStore::open(dir.path()).expect("opens");
            for number in 1..=4 {
                let (actor, action, subject) = ("lan".to_owned(), "test.done".to_owned(), String::new());
                let at = Timestamp::from_millis(number);
                let entry = audit::AuditEntry { at, actor, action, subject, detail: number.to_string() };
                store.commit(&[Change::Audit(entry)]).expect("kept");
            }
            store.close().expect("closed");
            drop(store);
            assert!(SqliteStore::examine(dir.path(), false).expect("read").is_empty(), "sound");
            let connection = rusqlite::Connection::open(dir.path().join(FILES[0])).expect("opens");
            let open = "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete;";
            connection.execute_batch(&format!("{open} {harm};")).expect("harmed");
            drop(connection);
            let findings = SqliteStore::examine(dir.path(), false).expect("read");
            assert_eq!(findings, [found], "{harm}");
        }
    }

    #[test]
    fn a_layout_that_is_damaged_costs_only_what_is_kept_in_it() {
        let dir = tempfile::tempdir().expect("directory");
        let mut store = SqliteStore::open(dir.path()).expect("opens");
        let now = ioc_common::clock::now();
        let mut damaged = LayoutId(0);
        for (number, series) in ["load.1", "load.5"].into_iter().enumerate() {
            let device = DeviceId::new(&format!("d-{number}")).expect("valid");
            let layout = Layout::new(vec![Series::new(series, "")]).expect("allowed");
            damaged = layout.id();
            let position = Position { epoch: 1, seq: 1 };
            let info = DeviceInfo::new(device.clone(), DeviceKind::Server, "Máy chủ");
            let (id, row) = (layout.id(), history::pack(&[Some(1.0)]));
            store
                .commit(&[
                    Change::Device { info, at: now },
                    Change::Layout(layout),
                    Change::Sample { device, position, at: now, layout: id, row, newest: true },
                ])
                .expect("commits");
        }
        let sql = "UPDATE layout SET series = '[\"load.5' WHERE id = ?1";
        store.connection.execute(sql, [crate::sql::value::signed(damaged.0)]).expect("damaged");
        let found = SqliteStore::examine(dir.path(), false).expect("read").concat();
        assert!(found.contains("layout"), "{found}");
        let (reader, mut archive) = (store.reader().expect("reads"), store.archive().expect("opens"));
        assert_eq!(reader.snapshot(now).expect("the collector starts").devices.len(), 2);
        let later = now.plus_millis(5 * 3_600_000);
        let year = [366 * 86_400_000; 3];
        let done = crate::compaction::round(reader.as_ref(), archive.as_mut(), year, later, true).expect("folds");
        assert_eq!((done.rows, done.gone.corrupt), (1, 1));
    }
}
