//! Whatever deletes records asks legal holds, or stands here with the reason why it need not. A new statement that stands in no line is a fault.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Why a statement that deletes may do so.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Why {
    /// It is carried out by `Deleting` of sql/retention.rs alone, which asks all holds, and leaves evidence.
    AsksHolds,
    /// It asks what holds say of numbers, and leaves evidence (sql/archive_deletion.rs).
    AsksNumbersHolds,
    /// What it takes stands elsewhere, from that commit on.
    StandsElsewhere(&'static str),
    /// It puts what is newest in the place of what it was; what was is kept as records say, or says nothing of anybody.
    IsNewest(&'static str),
    /// It is no record of a class.
    NoRecord(&'static str),
}

use Why::{AsksHolds, AsksNumbersHolds, IsNewest, NoRecord, StandsElsewhere};

/// Every statement of the store that takes a row away: the file, the table, and why.
const DELETES: &[(&str, &str, Why)] = &[
    ("postgres/row_copy.rs", "{}", NoRecord("what the schema itself put into a store that is about to be filled")),
    ("sql/account.rs", "account", IsNewest("an account as it is; who changed it is in the audit log")),
    ("sql/account.rs", "session", NoRecord("a key that is good for nothing any more; signing in is in the audit log")),
    ("sql/account.rs", "view", NoRecord("a list that a person keeps for themselves")),
    (
        "sql/account_register.rs",
        "account_word",
        IsNewest("who holds an account, as it was said last; each change is in the audit log"),
    ),
    ("sql/archive.rs", "chunk", StandsElsewhere("the same chunk, with what came for it")),
    ("sql/archive.rs", "piece", StandsElsewhere("in the chunk that it was merged into")),
    ("sql/archive.rs", "secured", NoRecord("tokens of what was made safe before")),
    ("sql/archive_deletion.rs", "chunk", AsksNumbersHolds),
    ("sql/archive_deletion.rs", "damaged", AsksNumbersHolds),
    ("sql/archive_deletion.rs", "deletion", StandsElsewhere("in the store, as evidence")),
    ("sql/asset.rs", "asset", IsNewest("an asset as it is; who changed what is in the audit log")),
    ("sql/audit_head.rs", "audit_tree", NoRecord("made of the log")),
    ("sql/clock.rs", "clock", NoRecord("what is believed of the time now")),
    (
        "sql/dashboard.rs",
        "dashboard",
        NoRecord("a dashboard that somebody put together; who took it out is in the audit log"),
    ),
    (
        "sql/device.rs",
        "comparison",
        NoRecord("what rules compare with, of a device that was removed; its documents stay"),
    ),
    ("sql/device.rs", "hello", IsNewest("what an agent says of itself")),
    ("sql/device.rs", "losses", IsNewest("how many reports are missing; each loss is an event")),
    ("sql/document.rs", "comparison", NoRecord("what rules compare with")),
    ("sql/document.rs", "document", StandsElsewhere("in the history of documents")),
    ("sql/duty.rs", "contact_check", IsNewest("the same way to reach somebody; each code is in the audit log")),
    ("sql/duty.rs", "requested_turn", IsNewest("the same turn; each answer is in the audit log")),
    ("sql/enrolment.rs", "request", StandsElsewhere("the same request, under its own name once it has come in")),
    (
        "sql/expected_backup.rs",
        "expected_backup",
        NoRecord("what is expected of a device; who said so is in the audit log"),
    ),
    ("sql/job.rs", "job", NoRecord("a job that is not watched any more")),
    ("sql/newest.rs", "live", IsNewest("what is newest of a device")),
    ("sql/newest.rs", "watermark_log", StandsElsewhere("in the table that it leads to")),
    ("sql/product.rs", "software_grouped", NoRecord("which list of packages was grouped last")),
    ("sql/record_class.rs", "attachment", AsksHolds),
    ("sql/record_class.rs", "document_change", AsksHolds),
    ("sql/record_class.rs", "event", AsksHolds),
    ("sql/record_class.rs", "fault", AsksHolds),
    ("sql/record_class.rs", "incident", AsksHolds),
    ("sql/record_class.rs", "incident_device", AsksHolds),
    ("sql/record_class.rs", "outbox", AsksHolds),
    ("sql/record_class.rs", "request", AsksHolds),
    ("sql/record_class.rs", "step", AsksHolds),
    ("sql/record_class.rs", "ticket", AsksHolds),
    ("sqlite/recover.rs", "audit_tree", NoRecord("made of the log")),
    ("sqlite/recover.rs", "{table}", NoRecord("a new file, into which what can be read of a damaged one is written")),
    (
        "sql/registered_account.rs",
        "registered_account",
        NoRecord("the register of accounts as it is listed, made of documents and of what people say"),
    ),
    ("sql/registered_account.rs", "unread_accounts", NoRecord("which surveys of accounts cannot be read now")),
    ("sql/report.rs", "document_settings", IsNewest("what the centre says of itself; each change is in the audit log")),
    ("sql/report.rs", "report_text", IsNewest("a draft's text; what was issued is kept whole")),
    ("sql/retention.rs", "retention_rule", IsNewest("the rule in force; each change is in the audit log")),
    ("postgres/triggers.sql", "search_log", NoRecord("what the search index has to look at again")),
    ("sqlite/schema.sql", "search_log", NoRecord("what the search index has to look at again")),
    ("sql/sample.rs", "sample", StandsElsewhere("in chunks of history, before it goes")),
    ("sql/scope.rs", "temp.reached", NoRecord("a reader's own")),
    ("sqlite/search_index.rs", "item", NoRecord("the search index, made of the store")),
    ("sqlite/search_index.rs", "words_{part}", NoRecord("the search index, made of the store")),
    ("sql/software.rs", "software", StandsElsewhere("in the history of documents")),
    ("sql/software.rs", "software_list", StandsElsewhere("in the history of documents")),
    ("sqlite/row_copy.rs", "{}", NoRecord("what the schema itself put into a store that is about to be filled")),
];

/// The tables of the store that something takes rows from; those of history (sql/archive…) are others, by the same names.
pub(crate) fn deleted_tables() -> BTreeSet<&'static str> {
    DELETES.iter().filter(|(file, ..)| !file.starts_with("sql/archive")).map(|(_, table, _)| *table).collect()
}

/// What takes rows away.
const WORDS: [&str; 4] = ["DELETE FROM ", "INSERT OR REPLACE INTO ", "REPLACE INTO ", "DROP TABLE "];

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files(&path, found);
        } else if name != "tests.rs" && (name.ends_with(".rs") || name.ends_with(".sql")) {
            found.push(path);
        }
    }
}

/// The tables that a source takes rows from, without its tests.
fn tables(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let starts = WORDS.iter().flat_map(|word| code.match_indices(word));
    let table = |(place, word): (usize, &str)| {
        let rest = &code[place + word.len()..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || "._{}".contains(c))).unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    starts.map(table).filter(|table| !table.is_empty()).collect()
}

#[test]
fn what_deletes_asks_holds_or_says_why_not() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../collector/store/src"));
    let mut all = Vec::new();
    files(root, &mut all);
    let mut found = BTreeSet::new();
    for path in all {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        // What the contract asks is a test.
        if name.starts_with("contract") || name.ends_with("tests.rs") {
            continue;
        }
        found.extend(tables(&std::fs::read_to_string(&path).unwrap()).into_iter().map(|table| (name.clone(), table)));
    }
    let listed: BTreeSet<(String, String)> =
        DELETES.iter().map(|(file, table, _)| ((*file).to_owned(), (*table).to_owned())).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(new.is_empty(), "these delete and stand in no line of DELETES: {new:?}");
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "these stand in DELETES and delete nothing: {gone:?}");
    // What asks holds does so in one place: its statements are lists of a class, and nobody else carries them out.
    for (file, table, why) in DELETES {
        assert_eq!(*why == AsksHolds, *file == "sql/record_class.rs", "{file} {table}");
        assert_eq!(
            *why == AsksNumbersHolds,
            *file == "sql/archive_deletion.rs" && *table != "deletion",
            "{file} {table}"
        );
    }
    let retention = std::fs::read_to_string(root.join("sql/retention.rs")).unwrap();
    assert_eq!(retention.matches("source.delete").count(), 1, "statements of a class are carried out in one place");
}
