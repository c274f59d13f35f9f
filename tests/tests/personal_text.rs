//! Every way on which text about people leaves the collector (article 12), in one table: what keeps it to those who may see it. A route, a
//! channel or a program that is new stands in none of its lines, and fails here until somebody has thought of it.
//!
//! That no answer of a route names anybody to those who may not see it is tried in `visibility`, on the running collector.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ioc_tests::harness::{Rig, binary};
use serde_json::json;

/// What keeps text about people to those who may see it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kept {
    /// There is none in it.
    None,
    /// The reader of whoever asks leaves it out of what it reads (`collector/store/src/sql/redaction.rs`).
    Reader,
    /// It is put in for who may see it, once that is on record (`collector/web/src/personal_data.rs`); the file that does it.
    Revealed(&'static str),
    /// Only for who has this right; what is told of people there is what the right is for.
    Right(&'static str),
    /// It is about the person who asks.
    Own,
    /// People on duty, for all: who is on duty is public in the house. Numbers, addresses and what became of notices are for who leads it.
    Duty,
}

const ROUTES: &[(&str, Kept)] = &[
    ("/", Kept::Reader),
    ("/rooms", Kept::Reader),
    ("/plan", Kept::Reader),
    ("/plan/floor", Kept::Reader),
    ("/plan/floor/picture", Kept::Reader),
    ("/sensors", Kept::Reader),
    ("/coverage/{area}", Kept::Revealed("coverage.rs")),
    ("/wall", Kept::Duty),
    ("/dashboards", Kept::Reader),
    ("/dashboards/{number}", Kept::Reader),
    ("/dashboards/{number}/edit", Kept::Reader),
    ("/api/v1/dashboards", Kept::Reader),
    ("/api/v1/dashboards/{number}", Kept::Reader),
    ("/live", Kept::None),
    ("/devices", Kept::Reader),
    ("/devices.csv", Kept::Reader),
    ("/devices.xlsx", Kept::Reader),
    ("/devices/{id}", Kept::Revealed("device/details.rs")),
    ("/devices/{id}/past", Kept::Revealed("device/past/mod.rs")),
    ("/devices/{id}/changes", Kept::Revealed("device/past/changes.rs")),
    ("/devices/{id}/compare", Kept::Revealed("device/past/mod.rs")),
    ("/devices/{id}/history", Kept::Revealed("device/history.rs")),
    ("/devices/{id}/software", Kept::Reader),
    ("/devices/{id}/software.csv", Kept::Reader),
    ("/devices/{id}/label", Kept::Reader),
    ("/labels", Kept::Reader),
    ("/register/accounts", Kept::Revealed("register/mod.rs")),
    ("/register/accounts/reviews", Kept::Right("Audit")),
    ("/register/accounts/reviews/{number}", Kept::Right("Audit")),
    ("/register/accounts/reviews/{number}/docx", Kept::Right("Audit")),
    ("/register/accounts/reviews/{number}/print", Kept::Right("Audit")),
    ("/api/v1/account-register", Kept::Revealed("register/mod.rs")),
    ("/api/v1/account-register.csv", Kept::Revealed("register/mod.rs")),
    ("/api/v1/account-register.xlsx", Kept::Revealed("register/mod.rs")),
    ("/api/v1/account-register/attestations", Kept::Revealed("register/mod.rs")),
    ("/api/v1/account-register/coverage", Kept::Reader),
    ("/api/v1/account-register/{device}/{account}/files/{sha256}", Kept::Right("Personal")),
    ("/api/v1/assets/{id}/attestations/{area}/files/{sha256}", Kept::Right("Personal")),
    ("/api/v1/account-reviews", Kept::Right("Audit")),
    ("/api/v1/account-reviews/{number}", Kept::Right("Audit")),
    ("/register/software", Kept::Reader),
    ("/register/software/product", Kept::Reader),
    ("/register/counts", Kept::Revealed("register/mod.rs")),
    ("/register/counts/{number}", Kept::Revealed("register/mod.rs")),
    ("/register/counts/{number}/minutes", Kept::Revealed("register/mod.rs")),
    ("/register/counts/{number}/minutes.docx", Kept::Revealed("register/mod.rs")),
    ("/api/v1/inventory-counts", Kept::Revealed("register/mod.rs")),
    ("/api/v1/inventory-counts/{number}", Kept::Revealed("register/mod.rs")),
    ("/register/assets", Kept::Revealed("register/mod.rs")),
    ("/api/v1/assets.csv", Kept::Revealed("register/mod.rs")),
    ("/api/v1/assets.xlsx", Kept::Revealed("register/mod.rs")),
    ("/register/assets/{id}", Kept::Revealed("register/mod.rs")),
    ("/enrolment", Kept::Right("Administer")),
    ("/enrolment/add", Kept::Right("Administer")),
    ("/enrolment/arrived", Kept::Right("Administer")),
    ("/register/assets/import", Kept::Right("Administer")),
    ("/api/v1/assets/imports", Kept::Right("Administer")),
    ("/api/v1/assets/imports/{number}", Kept::Right("Administer")),
    ("/register/assets/import/{number}/undo", Kept::Right("Administer")),
    ("/api/v1/assets/imports/{number}/undo", Kept::Right("Administer")),
    ("/register/accounts/import", Kept::Right("Administer")),
    ("/register/software/import", Kept::Right("Administer")),
    ("/register/software/import/{number}/undo", Kept::Right("Administer")),
    ("/api/v1/software/imports", Kept::Right("Administer")),
    ("/api/v1/software/imports/{number}", Kept::Right("Administer")),
    ("/api/v1/software/imports/{number}/undo", Kept::Right("Administer")),
    ("/api/v1/account-register/imports", Kept::Right("Administer")),
    ("/api/v1/account-register/imports/{number}", Kept::Right("Administer")),
    ("/register/accounts/import/{number}/undo", Kept::Right("Administer")),
    ("/api/v1/account-register/imports/{number}/undo", Kept::Right("Administer")),
    ("/incidents", Kept::Reader),
    ("/incidents/actions", Kept::Reader),
    ("/incidents/statistics", Kept::Reader),
    ("/incidents/new", Kept::Right("Handle")),
    ("/incidents/{id}", Kept::Revealed("incident/details.rs")),
    ("/incidents/{id}/record", Kept::Revealed("report/record.rs")),
    ("/incidents/{id}/record.docx", Kept::Revealed("report/record.rs")),
    ("/incidents/{id}/forms/{clock}", Kept::Revealed("report/notice.rs")),
    ("/incidents/{id}/forms/{clock}/docx", Kept::Revealed("report/notice.rs")),
    ("/incidents/{id}/forms/{clock}/print", Kept::Revealed("report/notice.rs")),
    ("/api/v1/incidents/{id}/forms/{clock}", Kept::Revealed("report/notice.rs")),
    ("/api/v1/deadlines", Kept::Reader),
    ("/duty/handover", Kept::Right("Duty")),
    ("/duty/handover/versions", Kept::Right("Audit")),
    ("/duty/handover.docx", Kept::Right("Duty")),
    ("/duty/shifts", Kept::Right("Duty")),
    ("/maintenance/{id}/record", Kept::Reader),
    ("/maintenance/{id}/record.docx", Kept::Reader),
    ("/admin/backups/certificate", Kept::Right("Administer")),
    ("/admin/backups/certificate/versions", Kept::Right("Audit")),
    ("/admin/backups/certificate.docx", Kept::Right("Administer")),
    // Whoever has the link out of a notice reads what the notice said.
    ("/a/{link}", Kept::Reader),
    ("/duty", Kept::Duty),
    ("/duty/calendar", Kept::Duty),
    ("/duty/who", Kept::Revealed("duty/who.rs")),
    ("/duty/plan", Kept::Duty),
    ("/duty/plan/versions", Kept::Right("Administer")),
    ("/duty/plan/{kind}", Kept::Right("Administer")),
    ("/duty/turns", Kept::Duty),
    ("/duty/feeds", Kept::Duty),
    // Whoever has the link out of a notice reads what the notice said; whoever has a calendar's address reads who is on duty.
    ("/duty/answer/{link}", Kept::Duty),
    ("/duty/ical/{token}", Kept::Duty),
    ("/maintenance", Kept::Reader),
    ("/jobs", Kept::Reader),
    ("/rules", Kept::Reader),
    ("/rules/new", Kept::Right("Administer")),
    ("/rules/{id}", Kept::Revealed("rule/details.rs")),
    ("/system-backups", Kept::Reader),
    ("/find", Kept::Revealed("search.rs")),
    ("/search", Kept::Revealed("search.rs")),
    ("/accounts", Kept::Right("Administer")),
    ("/people", Kept::Right("Administer")),
    ("/account", Kept::Own),
    ("/account/confirm", Kept::Own),
    ("/login", Kept::None),
    ("/login/oidc", Kept::None),
    ("/login/oidc/back", Kept::None),
    ("/api", Kept::None),
    ("/admin", Kept::Right("Administer")),
    ("/settings", Kept::Right("Administer")),
    ("/configuration", Kept::Right("Administer")),
    ("/configuration/{part}", Kept::Right("Administer")),
    ("/configuration/{part}/form", Kept::Right("Administer")),
    ("/api/v1/configuration", Kept::Right("Administer")),
    ("/api/v1/configuration/{part}", Kept::Right("Administer")),
    ("/api/v1/configuration/{part}/versions", Kept::Right("Administer")),
    ("/api/v1/configuration/{part}/versions/{number}", Kept::Right("Administer")),
    ("/admin/records", Kept::Right("Audit")),
    ("/audit", Kept::Right("Audit")),
    ("/healthz", Kept::None),
    ("/readyz", Kept::None),
    ("/metrics", Kept::None),
    ("/metrics/devices", Kept::Reader),
    ("/install/agent", Kept::None),
    ("/install/packages/{name}", Kept::None),
    ("/static/app.css", Kept::None),
    ("/static/app.js", Kept::None),
    ("/static/pages.js", Kept::None),
    ("/static/sw.js", Kept::None),
    ("/static/manifest.webmanifest", Kept::None),
    ("/static/icon-192.png", Kept::None),
    ("/static/icon-512.png", Kept::None),
    ("/static/icon-maskable.png", Kept::None),
    ("/static/charts.js", Kept::None),
    ("/static/uplot-1.6.32-19c8d4c6ad88.js", Kept::None),
    ("/static/document.css", Kept::None),
    ("/favicon.ico", Kept::None),
    ("/api/v1/software", Kept::Reader),
    ("/api/v1/software.csv", Kept::Reader),
    ("/api/v1/software.xlsx", Kept::Reader),
    ("/api/v1/software.cdx.json", Kept::Reader),
    ("/api/v1/software/coverage", Kept::Reader),
    ("/api/v1/software/product", Kept::Reader),
    ("/api/v1/devices/{id}/software.cdx.json", Kept::Reader),
    ("/api/v1/assets", Kept::Revealed("register/mod.rs")),
    ("/api/v1/assets/coverage", Kept::Reader),
    ("/api/v1/assets/attestations", Kept::Revealed("register/mod.rs")),
    ("/api/v1/assets/{id}", Kept::Revealed("register/mod.rs")),
    ("/api/v1/authenticity", Kept::Reader),
    ("/api/v1/devices", Kept::Revealed("device/list.rs")),
    ("/api/v1/devices/{id}", Kept::Revealed("device/details.rs")),
    ("/api/v1/devices/{id}/documents", Kept::Revealed("device/documents.rs")),
    ("/api/v1/devices/{id}/documents/as-of", Kept::Revealed("device/past/mod.rs")),
    ("/api/v1/devices/{id}/documents/changes", Kept::Revealed("device/past/changes.rs")),
    ("/api/v1/devices/{id}/documents/changes.csv", Kept::Revealed("device/past/changes.rs")),
    ("/api/v1/devices/{id}/documents/compare", Kept::Revealed("device/past/mod.rs")),
    ("/api/v1/devices/{id}/events", Kept::Revealed("device/events.rs")),
    ("/api/v1/devices/{id}/software", Kept::Reader),
    ("/api/v1/devices/{id}/history", Kept::Revealed("device/history.rs")),
    ("/api/v1/devices/{id}/history.csv", Kept::Revealed("device/history.rs")),
    ("/api/v1/devices/{id}/chart", Kept::Revealed("device/chart_data.rs")),
    ("/api/v1/store", Kept::Right("Administer")),
    ("/api/v1/backups", Kept::Right("Administer")),
    ("/api/v1/settings", Kept::Right("Administer")),
    ("/api/v1/rooms", Kept::Reader),
    ("/api/v1/tokens", Kept::Right("Administer")),
    ("/api/v1/enrolments", Kept::Right("Administer")),
    ("/api/v1/faults", Kept::Revealed("incident/faults.rs")),
    ("/api/v1/incidents", Kept::Revealed("incident/list.rs")),
    ("/api/v1/incidents.csv", Kept::Revealed("incident/list.rs")),
    ("/api/v1/incidents/{id}", Kept::Revealed("incident/details.rs")),
    ("/api/v1/incidents/{id}/files/{sha256}", Kept::Reader),
    ("/api/v1/heartbeats", Kept::Reader),
    ("/api/v1/rules", Kept::Reader),
    ("/api/v1/rules/{id}", Kept::Reader),
    ("/api/v1/system-backups", Kept::Reader),
    ("/api/v1/system-backups/coverage", Kept::Reader),
    ("/api/v1/system-backups/unstated", Kept::Reader),
    ("/api/v1/system-backups/{device}/{kind}/attestations", Kept::Reader),
    ("/api/v1/system-backups/attestations", Kept::Reader),
    ("/api/v1/system-backups/{device}/{kind}/files/{sha256}", Kept::Right("Personal")),
    ("/api/v1/search", Kept::Revealed("search.rs")),
    ("/api/v1/search.csv", Kept::Revealed("search.rs")),
    ("/reports", Kept::Right("Audit")),
    ("/reports/settings", Kept::Right("Audit")),
    ("/reports/{report}", Kept::Right("Audit")),
    ("/reports/{report}/docx", Kept::Right("Audit")),
    ("/reports/{report}/print", Kept::Right("Audit")),
    ("/reports/filings/{filing}", Kept::Revealed("report/filing.rs")),
    ("/reports/filings/{filing}/docx", Kept::Revealed("report/filing.rs")),
    ("/reports/filings/{filing}/print", Kept::Revealed("report/filing.rs")),
    ("/reports/records/{record}", Kept::Right("Audit")),
    ("/reports/records/{record}/print", Kept::Right("Audit")),
    ("/api/v1/filings", Kept::Right("Audit")),
    ("/api/v1/filings/{filing}", Kept::Revealed("report/filing.rs")),
    ("/api/v1/filings/{filing}/fill", Kept::Right("Audit")),
    ("/reports/issued/{number}", Kept::Right("Audit")),
    ("/reports/issued/{number}/docx", Kept::Right("Audit")),
    ("/reports/issued/{number}/print", Kept::Right("Audit")),
    ("/api/v1/reports", Kept::Right("Audit")),
    ("/api/v1/reports/{report}", Kept::Right("Audit")),
    ("/api/v1/issued-reports", Kept::Right("Audit")),
    ("/api/v1/issued-reports/{number}", Kept::Right("Audit")),
    ("/api/v1/issued-reports/{number}/document", Kept::Right("Audit")),
    ("/api/v1/report-settings", Kept::Right("Audit")),
    ("/api/v1/records/retention", Kept::Right("Audit")),
    ("/api/v1/records/holds", Kept::Right("Audit")),
    ("/api/v1/records/deletions", Kept::Right("Audit")),
    ("/api/v1/records/duty-book", Kept::Right("Audit")),
    ("/api/v1/records/stand-ins", Kept::Right("Audit")),
    ("/api/v1/records/windows", Kept::Right("Audit")),
    ("/api/v1/records/inventory-counts", Kept::Revealed("register/mod.rs")),
    ("/api/v1/windows", Kept::Reader),
    ("/api/v1/duty", Kept::Duty),
    ("/api/v1/duty/calendar", Kept::Duty),
    ("/api/v1/duty/who", Kept::Revealed("duty/who.rs")),
    ("/api/v1/duty/turns", Kept::Duty),
    ("/api/v1/duty/feeds", Kept::Own),
    ("/api/v1/duty/shifts", Kept::Right("Duty")),
    ("/api/v1/floor-plan", Kept::Reader),
    ("/api/v1/audit", Kept::Right("Audit")),
    ("/api/v1/audit/heads", Kept::Right("Audit")),
    ("/api/v1/audit/keys", Kept::Right("Audit")),
    ("/api/v1/audit/stamps", Kept::Right("Audit")),
    ("/api/v1/audit/witnesses", Kept::Right("Audit")),
    ("/api/v1/accounts", Kept::Right("Administer")),
    ("/api/v1/people", Kept::Right("Administer")),
    ("/api/v1/people.csv", Kept::Right("Administer")),
    ("/api/v1/clock", Kept::None),
    ("/api/v1/openapi.json", Kept::None),
];

/// What of the program itself sends or writes something, or does not: a line for each of its rooms.
const ROOMS: &[(&str, &str)] = &[
    ("arguments", "nothing: what is asked for"),
    ("audit_verify", "findings about the audit log, to who may read it: it asks the API"),
    ("backup", "all of the store, sealed with a passphrase or for a recipient; a manifest of sums"),
    ("broker", "nothing: takes a broker's reports in, and says how the way to it stands"),
    (
        "cli",
        "answers of the API to who asks over the control socket: root and the collector's user, as an administrator",
    ),
    ("cluster", "nothing of its own"),
    ("collector_name", "nothing: what this collector is called"),
    ("compaction", "nothing: folds history within the store"),
    ("config", "nothing: reads the configuration"),
    (
        "configuration",
        "the whole configuration, the duty plan's people among it and no secret that is sealed, to who asks over the control socket: root and \
         the collector's user, as an administrator; each change is in the audit log",
    ),
    ("doctor", "a bundle: what common/src/redact.rs knows to be harmless, and of all else its kind and length"),
    ("fill_rate", "figures of a filing and what its parts are called, to the terminal of who asks"),
    ("first_start", "the first administrator's name, to the terminal of who starts it"),
    ("host_probe", "nothing: asks whether a host answers"),
    ("integrity_check", "nothing: what is damaged, in the log"),
    ("join", "keys of the site, sealed, into a file for another collector; its own configuration beside them"),
    ("lib", "nothing"),
    ("main", "nothing of its own"),
    ("notify", "notices of incidents without names (Notice::without_names), to the people they are for"),
    ("panics", "nothing"),
    (
        "records",
        "an archive: answers of the API to who may read them, which records that; the export itself is recorded",
    ),
    ("records_count", "nothing: how many records there are"),
    ("remote_write", "numbers, by a reader that leaves names out"),
    (
        "retention",
        "with `end = \"export\"` records as they are, into a directory of the collector's own, as administrators decided in the configuration",
    ),
    ("search_index", "nothing: words of what is on record, into a file beside the store that only the search reads"),
    ("serve", "nothing of its own"),
    ("software_register", "nothing: which packages machines have, to the engine"),
    ("setup", "nothing: what it made, to the terminal"),
    (
        "standby",
        "what pages and API show, as where it decides; and that the database cannot be asked, as notices tell it",
    ),
    ("store_copy", "the whole record, into another database that its configuration names"),
    ("tar", "nothing of its own"),
    ("task_watch", "nothing: which task fails"),
    ("timestamp", "digests, to the authority that stamps them"),
    ("ticket", "incidents as notices tell of them, without names"),
    ("watchdog", "nothing: that it lives"),
    ("xlsx", "tables that came in as workbooks are read, none is written"),
];

fn source(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every route that reads.
fn routes() -> BTreeSet<String> {
    let pages = source("web/src/router/pages.rs");
    let api = ["api", "api_registers"].map(|file| source(&format!("web/src/router/{file}.rs"))).concat();
    let first = |part: &str| part.split('"').nth(1).unwrap_or_default().to_owned();
    let mut all: BTreeSet<String> =
        pages.split(".route(").skip(1).filter(|part| part.contains("get(")).map(first).collect();
    all.extend(api.split("all.get").skip(1).map(|part| format!("/api/v1{}", first(part))));
    // What follows the first route with a POST alone is not a part of it.
    all.retain(|path| path.starts_with('/'));
    all
}

#[test]
fn every_route_says_what_keeps_text_about_people() {
    let found = routes();
    let listed: BTreeMap<&str, Kept> = ROUTES.iter().copied().collect();
    assert_eq!(listed.len(), ROUTES.len(), "a route stands twice");
    let missing: Vec<&String> = found.iter().filter(|path| !listed.contains_key(path.as_str())).collect();
    assert!(missing.is_empty(), "say what keeps text about people of these to those who may see it: {missing:?}");
    let gone: Vec<&&str> = listed.keys().filter(|path| !found.contains(**path)).collect();
    assert!(gone.is_empty(), "no such routes: {gone:?}");
    let rights = source("web/src/authorization/rights.rs");
    let reads = rights.split("const READS").nth(1).and_then(|rest| rest.split("];").next()).unwrap().to_owned();
    for (path, kept) in ROUTES {
        match kept {
            Kept::Right(right) => {
                let line = format!("(\"{path}\", Right::{right})");
                assert!(reads.contains(&line), "{path} is not for those who may {right} alone");
            }
            Kept::Revealed(file) => {
                let text = source(&format!("web/src/{file}"));
                assert!(text.contains("personal_data::"), "{file} puts in what names people, and does not record it");
            }
            Kept::None | Kept::Reader | Kept::Own | Kept::Duty => {}
        }
    }
}

#[test]
fn every_room_says_what_leaves_through_it() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../collector/src");
    let found: BTreeSet<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned())
        .collect();
    let listed: BTreeSet<String> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(
        found, listed,
        "say what leaves the collector through each of its rooms, and what keeps names out of it"
    );
    // What is said of them is what they do.
    for (file, does) in [
        ("src/remote_write/mod.rs", "without_names()"),
        ("engine/src/writer/deliveries.rs", "without_names()"),
        ("store/src/sql/redaction.rs", "notice_as_shown"),
    ] {
        assert!(source(file).contains(does), "{file}: {does}");
    }
}

/// What `ioc-collector account data` prints.
#[allow(clippy::disallowed_methods, reason = "a test")]
fn printed(rig: &Rig, more: &[&str]) -> String {
    let config = rig.dir().join("collector.toml");
    let mut command = std::process::Command::new(binary("ioc-collector"));
    let output = command.arg("--config").arg(config).args(["account", "data"]).args(more).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_one_person_is_listed_and_each_time_is_on_record() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let account = json!({ "name": "lan", "full_name": "Lê Thị Lan", "role": "technician" });
    rig.post("/api/v1/accounts", account).await.unwrap();
    let other = json!({ "name": "lanh", "full_name": "Trần Lành", "role": "viewer" });
    rig.post("/api/v1/accounts", other).await.unwrap();
    for (device, officer) in [("srv-1", "Lê Thị Lan"), ("srv-2", "Trần Lành")] {
        let device = json!({ "device": device, "kind": "server", "name": device, "officer": officer });
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let assign = json!({ "action": "assign", "unit": "Tổ 1", "person": "Lê Thị Lan" });
    rig.post("/api/v1/incidents/1/actions", assign).await.unwrap();

    let found = rig.get("/api/v1/people?name=lan").await.unwrap();
    assert_eq!(found["names"], json!(["lan", "Lê Thị Lan"]));
    let places: Vec<(&str, &str)> = found["places"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| (place["kind"].as_str().unwrap(), place["subject"].as_str().unwrap()))
        .collect();
    for wanted in [("account", "lan"), ("device", "srv-1"), ("incident", "INC-000001")] {
        assert!(places.contains(&wanted), "{wanted:?}: {found}");
    }
    assert!(places.iter().any(|(kind, _)| *kind == "audit_about"), "{found}");
    assert!(!found.to_string().contains("lanh") && !found.to_string().contains("srv-2"), "{found}");
    // What has the look of a password is not among it.
    assert!(!found.to_string().contains("argon2"), "{found}");

    let table = printed(&rig, &["lan", "--csv"]);
    assert!(table.starts_with("\u{feff}kind,at,subject,text\r\n") && table.contains("\r\ndevice,,srv-1,"), "{table}");
    assert!(printed(&rig, &["Lê Thị Lan"]).contains("srv-1"), "by their own name, too");
    // Of a name that is nobody's there is only that it was looked for.
    let nobody = rig.get("/api/v1/people?name=nobody").await.unwrap();
    let places = nobody["places"].as_array().unwrap();
    assert!(places.len() == 1 && places[0]["text"].as_str().unwrap().contains("personal.listed"), "{nobody}");
    for bad in ["", "%0a"] {
        let refused = rig.get(&format!("/api/v1/people?name={bad}")).await.expect_err("no name").to_string();
        assert!(refused.contains("400") || refused.contains("422"), "{refused}");
    }
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let listed = log["items"].as_array().unwrap().iter().filter(|one| one["action"] == "personal.listed");
    let listed: Vec<&str> = listed.map(|one| one["subject"].as_str().unwrap()).collect();
    assert_eq!(listed, ["lan", "lan", "Lê Thị Lan", "nobody"]);
    rig.stop().await.unwrap();
}
