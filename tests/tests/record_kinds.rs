//! Every table of the record and of history, in one list: how long what stands in it is kept and what holds it, whether an archive for an investigation has
//! it, whether the search finds it, whether a person's data are looked for in it. A table that is new stands in no line, and fails here until somebody
//! has thought of all that.
//!
//! What is deleted and why is in `deletions`; which text of people leaves on which way, in `personal_text`. A backup sums up every table there is.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

use ioc_store::retention::RecordClass;

use crate::deletions::deleted_tables;

/// How long it is kept, and what holds it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kept {
    /// As long as its class says, or longer where a legal hold is on it.
    Class(RecordClass),
    /// For good, though it is of no class: nothing deletes it, so that nothing has to hold it.
    ForGood,
    /// It is how something stands now; how it stood before is where this says.
    Newest(&'static str),
    /// It is no record: what it is made of, or what it is for.
    NoRecord(&'static str),
}

/// Where it is in an archive of `records export`, and how the search finds it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Told {
    /// A file of the archive, or a kind of the search: a part of that.
    In(&'static str),
    /// What was done about it is in the audit log, which is in the archive and which the search looks through, by such an action.
    Log(&'static str),
    /// Nowhere, and why.
    No(&'static str),
}

/// Whether *Data of a person* looks into it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum People {
    /// It does.
    Found,
    /// What names people in it is named with what is searched, too.
    With(&'static str),
    /// Nobody is named.
    Nobody,
}

use Kept::{Class, ForGood, Newest, NoRecord};
use People::{Found, Nobody, With};
use RecordClass as Of;
use Told::{In, Log, No};

/// Nobody asks an archive or the search for it.
const INNER: Told = No("of the program's own");
/// Of one device or incident, where they are asked for (`--numbers`).
const NUMBERS: Told = In("numbers.jsonl");
/// The search is for words.
const NO_WORDS: Told = No("numbers are shown over time; what rules made of them are faults");

type Line = (&'static str, Kept, Told, Told, People);

/// The table; how long it is kept; where in an archive; how it is found; who is found in it.
const TABLES: &[Line] = &[
    ("state", NoRecord("which store it is"), INNER, INNER, Nobody),
    ("fold_mark", NoRecord("how far history goes"), INNER, INNER, Nobody),
    (
        "device",
        Newest("the audit log; one that was removed stays"),
        In("devices.jsonl"),
        Log("device.described"),
        Found,
    ),
    ("live", Newest("numbers of history"), NUMBERS, NO_WORDS, With("layout")),
    ("watermark_log", NoRecord("what is newest, until it stands in `live`"), INNER, INNER, Nobody),
    ("presence", Newest("faults of silence"), In("faults.jsonl"), In("fault"), Nobody),
    (
        "hello",
        Newest("events and the history of documents"),
        In("changes.jsonl"),
        Log("device.enrolled"),
        With("document"),
    ),
    (
        "document",
        Class(Of::Documents),
        In("changes.jsonl"),
        No("what changed is looked for on the device's page"),
        Found,
    ),
    ("document_change", Class(Of::Documents), In("changes.jsonl"), No("as documents"), Found),
    ("losses", Newest("events, one for each loss"), In("events.jsonl"), In("event"), Nobody),
    ("comparison", Newest("the audit log: who accepted what"), Log("change.accepted"), Log("change.accepted"), Found),
    ("software_list", Class(Of::Documents), In("changes.jsonl"), No("on the page *Software*"), Nobody),
    ("software", Class(Of::Documents), In("changes.jsonl"), No("on the page *Software*"), Nobody),
    ("layout", NoRecord("what numbers are called"), NUMBERS, NO_WORDS, Found),
    ("sample", Class(Of::NumbersRaw), NUMBERS, NO_WORDS, With("layout")),
    ("event", Class(Of::Events), In("events.jsonl"), In("event"), Found),
    ("fault", Class(Of::Faults), In("faults.jsonl"), In("fault"), Found),
    ("incident", Class(Of::Incidents), In("incidents.jsonl"), In("incident"), Found),
    ("incident_device", Class(Of::Incidents), In("incidents.jsonl"), In("incident"), Nobody),
    ("incident_joined", ForGood, In("incidents.jsonl"), In("step"), Nobody),
    ("step", Class(Of::Incidents), In("incidents.jsonl"), In("step"), Found),
    ("outbox", Class(Of::Notices), In("notices.jsonl"), In("outbox"), Found),
    ("ticket", Class(Of::Incidents), In("incidents.jsonl"), In("step"), Nobody),
    ("attachment", Class(Of::Incidents), In("incidents.jsonl"), Log("incident.attached"), With("incident")),
    ("window", ForGood, In("maintenance-windows.jsonl"), Log("window.planned"), Found),
    ("cover", ForGood, In("stand-ins.jsonl"), Log("cover.added"), Found),
    ("handover", ForGood, In("duty-book.jsonl"), Log("duty.handover"), Found),
    ("duty_feed", NoRecord("a key to a calendar"), Log("duty.feed_made"), Log("duty.feed_made"), Found),
    ("requested_turn", Newest("the audit log"), Log("duty.turn_asked"), Log("duty.turn_asked"), Found),
    ("contact_check", Newest("the audit log"), Log("contact.verified"), Log("contact.verified"), Found),
    (
        "floor_plan",
        NoRecord("where devices stand on a picture of a room"),
        Log("floor.placed"),
        Log("floor.placed"),
        Nobody,
    ),
    ("floor_picture", NoRecord("a picture of a room"), Log("floor.pictured"), Log("floor.pictured"), Nobody),
    (
        "dashboard",
        NoRecord("what somebody puts together for themselves and others"),
        Log("dashboard.saved"),
        Log("dashboard.saved"),
        Found,
    ),
    ("token", ForGood, Log("token.created"), Log("token.created"), Found),
    ("request", Class(Of::Enrolments), Log("enrolment.waits"), Log("enrolment.waits"), Found),
    ("certificate", ForGood, Log("device.enrolled"), Log("certificate.renewed"), Nobody),
    ("account", Newest("the audit log"), Log("account.changed"), Log("account.changed"), Found),
    ("view", NoRecord("a list that a person keeps for themselves"), INNER, INNER, Found),
    (
        "session",
        NoRecord("a key; signing in is in the audit log"),
        Log("account.signed_in"),
        Log("account.signed_in"),
        Found,
    ),
    ("clock", Newest("the audit log"), Log("clock.stepped"), Log("clock.stepped"), Nobody),
    ("clock_step", ForGood, Log("clock.followed"), Log("clock.followed"), Nobody),
    ("job", Newest("faults of a job that is late or failed"), In("faults.jsonl"), In("fault"), Nobody),
    ("expected_backup", Newest("the audit log, and faults"), Log("backup.expected"), Log("backup.expected"), Found),
    ("backup_attestation", Class(Of::Attestations), In("attestations.jsonl"), Log("backup.attested"), Found),
    ("backup_evidence", Class(Of::Attestations), In("attestations.jsonl"), Log("backup.evidence_added"), Found),
    ("asset", Newest("the audit log, field by field"), Log("asset.described"), Log("asset.described"), Found),
    ("asset_attestation", Class(Of::Attestations), In("asset-attestations.jsonl"), Log("asset.attested"), Found),
    ("asset_evidence", Class(Of::Attestations), In("asset-attestations.jsonl"), Log("asset.evidence_added"), Found),
    ("inventory_count", Class(Of::Reports), In("inventory-counts.jsonl"), Log("inventory.opened"), Found),
    ("inventory_tick", Class(Of::Reports), In("inventory-counts.jsonl"), Log("inventory.ticked"), Found),
    ("inventory_find", Class(Of::Reports), In("inventory-counts.jsonl"), Log("inventory.found"), Found),
    ("table_import", Class(Of::AssetImports), In("asset-imports.jsonl"), Log("asset.imported"), Found),
    ("product", Newest("the audit log"), Log("software.described"), Log("software.described"), Found),
    ("software_use", Newest("the history of documents"), In("changes.jsonl"), No("on the page *Software*"), Nobody),
    ("software_tally", NoRecord("made of `software_use`"), INNER, INNER, Nobody),
    ("software_grouped", NoRecord("which list was grouped last"), INNER, INNER, Nobody),
    (
        "registered_account",
        NoRecord("made of documents, attestations and words"),
        In("accounts.jsonl"),
        Log("accounts.described"),
        With("account_word"),
    ),
    ("unread_accounts", NoRecord("made of documents"), INNER, INNER, Nobody),
    ("account_word", Newest("the audit log"), In("accounts.jsonl"), Log("accounts.described"), Found),
    ("account_attestation", Class(Of::Attestations), In("account-attestations.jsonl"), Log("accounts.attested"), Found),
    (
        "account_evidence",
        Class(Of::Attestations),
        In("account-attestations.jsonl"),
        Log("accounts.evidence_added"),
        Found,
    ),
    ("account_review", Class(Of::Reports), In("account-reviews.jsonl"), Log("accounts.review_opened"), Found),
    ("account_review_line", Class(Of::Reports), In("account-reviews.jsonl"), Log("accounts.review_written"), Found),
    ("audit", Class(Of::Audit), In("audit.jsonl"), In("audit"), Found),
    ("hold", ForGood, In("legal-holds.jsonl"), Log("records.held"), Found),
    ("deletion", ForGood, In("deletions.jsonl"), Log("records.deleted"), Found),
    ("retention_rule", Newest("the audit log"), Log("retention.changed"), Log("retention.changed"), Found),
    ("configuration_version", ForGood, In("configuration.jsonl"), Log("config.changed"), Found),
    (
        "document_settings",
        Newest("the audit log"),
        Log("report.settings_changed"),
        Log("report.settings_changed"),
        Found,
    ),
    (
        "report_text",
        Newest("the audit log says who wrote; what was issued is kept whole"),
        Log("report.written"),
        Log("report.written"),
        Found,
    ),
    ("issued_report", Class(Of::Reports), In("issued-reports.jsonl"), Log("report.issued"), Found),
    ("report_registration", Class(Of::Reports), In("issued-reports.jsonl"), Log("report.registered"), Found),
    ("audit_head", ForGood, In("manifest.json"), INNER, Nobody),
    ("audit_stamp", ForGood, In("stamps.jsonl"), INNER, Nobody),
    ("audit_key", ForGood, In("keys/"), INNER, Nobody),
    ("audit_tree", NoRecord("made of the log"), INNER, INNER, Nobody),
    ("search_log", NoRecord("what the search index has to look at again"), INNER, INNER, Nobody),
    ("history.store", NoRecord("which store it belongs to"), INNER, INNER, Nobody),
    ("history.secured", NoRecord("when all of it was made safe"), INNER, INNER, Nobody),
    ("history.device", NoRecord("how far each device is folded"), INNER, INNER, Nobody),
    ("history.series", NoRecord("what numbers are called"), NUMBERS, NO_WORDS, With("layout")),
    ("history.state", NoRecord("how far all are folded"), INNER, INNER, Nobody),
    (
        "history.unrecorded",
        NoRecord("until it stands in the audit log"),
        Log("history.pruned"),
        Log("history.corrupt"),
        Nobody,
    ),
    (
        "history.deletion",
        NoRecord("evidence, until the store has it"),
        In("deletions.jsonl"),
        Log("records.deleted"),
        Nobody,
    ),
    ("history.damaged", Class(Of::NumbersRaw), NUMBERS, NO_WORDS, Nobody),
    ("history.chunk", Class(Of::NumbersHour), NUMBERS, NO_WORDS, With("layout")),
    ("history.piece", Class(Of::NumbersRaw), NUMBERS, NO_WORDS, With("layout")),
];

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The tables of a schema, with what stands before their names.
fn tables(schema: &str, before: &str) -> BTreeSet<String> {
    let named = schema.split("CREATE TABLE ").skip(1).map(|rest| {
        let name: String = rest.chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
        format!("{before}{name}")
    });
    named.collect()
}

#[test]
fn every_table_says_how_long_it_is_kept_and_where_it_is_told_of() {
    let mut found = tables(&source("collector/store/src/sqlite/schema.sql"), "");
    found.extend(tables(&source("collector/store/src/sqlite/history.sql"), "history."));
    let listed: BTreeSet<String> = TABLES.iter().map(|(table, ..)| (*table).to_owned()).collect();
    assert_eq!(listed.len(), TABLES.len(), "a table stands twice");
    let new: Vec<_> = found.difference(&listed).collect();
    assert!(
        new.is_empty(),
        "say how long these are kept, where an archive has them, how they and who is named there are found: {new:?}"
    );
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(gone.is_empty(), "no such tables: {gone:?}");
    let kept = |class| TABLES.iter().any(|line| line.1 == Class(class));
    let summed = [Of::NumbersFiveMinutes, Of::NumbersHour];
    let none: Vec<_> = Of::ALL.into_iter().filter(|class| !kept(*class) && !summed.contains(class)).collect();
    assert!(none.is_empty(), "nothing is of these classes: {none:?}");
}

#[test]
fn what_is_kept_for_good_is_deleted_by_nothing_and_what_has_a_class_is_counted_in_it() {
    let deleted = deleted_tables();
    let counts = source("collector/store/src/sql/record_class.rs") + &source("collector/store/src/sql/retention.rs");
    let triggers = source("collector/store/src/sqlite/schema.sql");
    for (table, kept, ..) in TABLES {
        let never = match kept {
            Class(Of::Audit | Of::Reports | Of::Attestations | Of::AssetImports) | ForGood => true,
            Class(_) | Newest(_) | NoRecord(_) => false,
        };
        assert!(!never || !deleted.contains(*table), "{table} is kept for good, and something deletes it");
        // What shows or belongs to a record that is counted is not counted by itself.
        let is_part = ["_evidence", "_line", "_tick", "_find", "_registration"].iter().any(|end| table.ends_with(end));
        if let Class(Of::Reports | Of::Attestations | Of::AssetImports) = kept
            && !is_part
        {
            let named = counts.contains(&format!("\"{table}\"")) || counts.contains(&format!("FROM {table}"));
            assert!(named, "{table} is of a class, and not counted in it (sql/retention.rs, size)");
        }
        if let Class(Of::Reports | Of::Attestations) = kept {
            let trigger = format!("CREATE TRIGGER {table}_no_delete BEFORE DELETE");
            assert!(triggers.contains(&trigger), "{table}: the store itself has to refuse its deletion");
        }
    }
}

#[test]
fn an_archive_the_search_and_a_persons_data_have_what_they_are_said_to_have() {
    let files = ["mod", "export", "registers", "attestations", "operations", "stamps"];
    let records = files.map(|file| source(&format!("collector/src/records/{file}.rs"))).concat();
    let page = source("docs/records.md");
    let actions = source("collector/store/src/audit_text.rs");
    let search = source("collector/store/src/sql/search_record.rs");
    let person = source("collector/store/src/sql/person.rs");
    for (table, _, archive, searched, people) in TABLES {
        for told in [archive, searched] {
            if let Log(action) = told {
                assert!(actions.contains(&format!("(\"{action}\"")), "{table}: there is no action {action:?}");
            }
        }
        if let In(file) = archive {
            assert!(records.contains(&format!("\"{file}")), "{table}: no archive has a file {file:?}");
            assert!(page.contains(&format!("`{file}")), "{table}: docs/records.md says nothing of {file:?}");
        }
        if let In(kind) = searched {
            assert!(search.contains(&format!("(\"{kind}\", ")), "{table}: the search has no kind {kind:?}");
        }
        let looked = |table: &str| {
            [
                format!("FROM {table} "),
                format!("FROM {table},"),
                format!("FROM \\\"{table}\\\" "),
                format!("JOIN {table} "),
            ]
            .iter()
            .any(|text| person.contains(text))
        };
        match people {
            Found => assert!(looked(table), "{table}: a person's data are not looked for in it (sql/person.rs)"),
            With(other) => assert!(looked(other), "{table}: a person's data are not looked for in {other}"),
            Nobody => {}
        }
    }
    // A backup has all tables that there are, whatever they are called.
    let sums = source("collector/store/src/sqlite/backup.rs");
    assert!(sums.contains("sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"));
}
