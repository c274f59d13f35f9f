//! Reports of the real collector (article 16.6): gathered from its record, written into, issued, registered, and never changed again. LibreOffice opens
//! what it gives.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use ioc_common::clock;
use ioc_common::encoding::sha256_hex;
use ioc_store::Change;
use ioc_store::audit::AuditEntry;
use ioc_tests::harness::{Agent, Rig, eventually};
use ioc_web::server::CONTROL_SOCKET;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::documents::{Paper, converted, run};
use crate::records;

/// A name of 300 characters with what markup is made of.
fn long_name() -> String {
    "Máy chủ <b>\"&amp;\"</b> 'đặc biệt' ".chars().cycle().take(300).collect()
}

/// Today at the site, and so many days before.
pub(crate) fn day(before: i64) -> String {
    let now = jiff::Timestamp::from_millisecond(clock::now().as_millis()).unwrap();
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(7));
    let today = now.to_zoned_datetime(zone).date();
    today.checked_sub(jiff::Span::new().days(before)).unwrap().to_string()
}

/// A collector whose record began so many days ago.
fn with_record_since(days: i64) -> Rig {
    let rig = Rig::new("");
    std::fs::create_dir_all(rig.data()).unwrap();
    // As a first start leaves it that was cut off: it goes on with this store.
    std::fs::write(rig.data().join("first-start"), "").unwrap();
    let at = clock::now().plus_millis(-days * 86_400_000);
    let (actor, action, subject, detail) = (String::new(), "config.reloaded".to_owned(), String::new(), String::new());
    let mut store = ioc_store::open(&rig.data()).unwrap();
    store.commit(&[Change::Audit(AuditEntry { at, actor, action, subject, detail })]).unwrap();
    rig
}

pub(crate) async fn put(rig: &Rig, path: &str, body: Value) -> anyhow::Result<Value> {
    Ok(ioc_collector::cli::ask(&rig.runtime(), "PUT", path, Some(body)).await?)
}

/// What a page or a file has, as it is sent.
pub(crate) async fn bytes(rig: &Rig, path: &str) -> Vec<u8> {
    let socket = rig.runtime().join(CONTROL_SOCKET);
    let url = format!("http://localhost{path}");
    let output = Command::new("curl").args(["-sf", "--unix-socket"]).arg(socket).arg(url).output().await.unwrap();
    assert!(output.status.success(), "{path}: {output:?}");
    output.stdout
}

pub(crate) async fn text(rig: &Rig, path: &str) -> String {
    String::from_utf8(bytes(rig, path).await).unwrap()
}

pub(crate) fn paper(rig: &Rig, name: &str, content: &[u8]) -> (Vec<Paper>, String) {
    let file: PathBuf = rig.dir().join(format!("{name}.docx"));
    std::fs::write(&file, content).unwrap();
    let papers = converted(rig.dir(), &file);
    papers.iter().for_each(Paper::keeps_its_margins);
    let text = papers.iter().map(Paper::text).collect::<Vec<_>>().join(" ");
    (papers, text)
}

pub(crate) fn settings() -> Value {
    json!({
        "parent": "Sở Khoa học và Công nghệ", "agency": "Trung tâm Giám sát, điều hành thông minh", "abbreviation": "TTGSĐH",
        "place": "An Giang", "contact": "", "addressees": ["Ủy ban nhân dân tỉnh"], "recipients": ["Như trên", "Lưu: VT, VH"],
        "signers": [
            { "authority": "own", "title": "Giám đốc", "name": "Trần Văn Bình" },
            { "authority": "deputy", "head": "Giám đốc", "title": "Phó Giám đốc", "name": "Nguyễn Thị Ánh Nguyệt" },
        ],
    })
}

/// A figure of an article.
pub(crate) fn figure<'v>(facts: &'v Value, article: &str, name: &str) -> &'v Value {
    let of = |list: &'v Value, key: &str, wanted: &str| {
        list.as_array()
            .unwrap()
            .iter()
            .find(|one| one[key] == wanted)
            .unwrap_or_else(|| panic!("{article} {name}: {list}"))
    };
    of(&of(&facts["articles"], "article", article)["figures"], "name", name)
}

/// Three machines that were registered and one that reports, and an incident that a unit has.
async fn filled(rig: &Rig) -> Agent {
    for (device, name, label) in [
        ("srv-1", "Máy chủ một".to_owned(), "TS-01"),
        ("srv-2", long_name(), ""),
        ("srv-3", "Máy ba".to_owned(), "TS-03"),
    ] {
        let device = json!({ "device": device, "kind": "server", "name": name.chars().take(100).collect::<String>(), "label": label });
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical", "device": "srv-1" })).await.unwrap();
    let assign = json!({ "action": "assign", "unit": "Tổ Vận hành", "person": "Lê Thị Lan" });
    rig.post("/api/v1/incidents/1/actions", assign).await.unwrap();
    // One machine reports: what its history says is read, too. What else it finds is its own.
    let mut agent = rig.agent("srv-live", "").await.unwrap();
    agent.start().unwrap();
    eventually("a sample", || async {
        let device = rig.get("/api/v1/devices/srv-live").await;
        device.is_ok_and(|device| !device["last_sample"].is_null())
    })
    .await
    .unwrap();
    agent
}

/// Whoever was shown other settings writes over nothing.
async fn settings_are_not_written_over_unseen(rig: &Rig) {
    let mut stale = settings();
    stale["version"] = json!("0123456789abcdef");
    let refused = put(rig, "/api/v1/report-settings", stale).await.unwrap_err().to_string();
    assert!(refused.contains("changed these settings since"), "{refused}");
}

async fn is_registered_once(rig: &Rig, issued: &Value, content: &[u8]) {
    // The registrar's number is written down once; what was issued stays, and a copy has the number.
    let number = json!({ "number": 7, "date": day(0) });
    let registered = put(rig, "/api/v1/issued-reports/1/registration", number.clone()).await.unwrap();
    assert_eq!(registered["registration"]["number"], 7);
    assert_eq!(registered["sha256"], issued["sha256"]);
    assert!(
        put(rig, "/api/v1/issued-reports/1/registration", number).await.unwrap_err().to_string().contains("already")
    );
    // It is corrected by a named person: whoever sits at the machine is none.
    let corrected = json!({ "number": 8, "date": day(0), "reason": "ghi nhầm" });
    let refused = put(rig, "/api/v1/issued-reports/1/registration", corrected).await.unwrap_err().to_string();
    assert!(refused.contains("named person"), "{refused}");
    let page = text(rig, "/reports/issued/1").await;
    assert!(
        page.contains("07") && page.contains("dòng lệnh trên máy chủ giám sát") | page.contains("Dòng lệnh"),
        "{page}"
    );
    let copy = bytes(rig, "/reports/issued/1/docx").await;
    assert_eq!(registered["registration"]["sha256"], sha256_hex(&copy));
    assert_eq!(bytes(rig, "/reports/issued/1/docx?as_issued=true").await, content);
    let (papers, _) = paper(rig, "registered", &copy);
    papers[0].find("Số: 07/BC-TTGSĐH");
    let page = text(rig, "/reports/issued/1/print").await;
    assert!(page.contains("/static/document.css") && page.contains("07") && !page.contains("<style"), "{page}");
    assert!(text(rig, "/static/document.css").await.contains("@page"));
}

/// Each step is in the audit log, with old and new.
async fn is_on_record(rig: &Rig) {
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let of = |action: &str| {
        let all = log["items"].as_array().unwrap();
        all.iter().filter(|one| one["action"] == action).map(|one| one["detail"].to_string()).collect::<Vec<_>>()
    };
    assert!(of("report.settings_changed")[0].contains("Trung tâm Giám sát"), "{log}");
    assert!(of("report.written").iter().any(|detail| detail.contains("→") && detail.contains("Khác")), "old and new");
    assert_eq!((of("report.issued").len(), of("report.registered").len()), (2, 1));
}

/// Documents of one thing are issued as reports are: kept with digest and number, listed by their kind, in an archive.
async fn records_are_issued(rig: &Rig, incident: u64, window: u64) {
    let issue = |record: String| async move {
        rig.post(&format!("/api/v1/record-documents/{record}/issue"), json!({ "signer": 1 })).await
    };
    assert!(put(rig, "/api/v1/report-settings", settings()).await.is_ok());
    let drill = rig.get("/api/v1/backups").await.unwrap()["drill"]["at"].as_str().unwrap().to_owned();
    let drill = drill.parse::<clock::Timestamp>().unwrap().as_millis();
    // Which shift that is changes with the hour: an address leads to it.
    let socket = rig.runtime().join(CONTROL_SOCKET).display().to_string();
    let url = "http://localhost/duty/handover/versions?rota=truc-ban";
    let page = String::from_utf8(run(rig.dir(), "curl", &["-sfL", "--unix-socket", &socket, url]).stdout).unwrap();
    let shift =
        page.split("/reports/records/").nth(1).and_then(|rest| rest.split(['"', '/']).next()).unwrap().to_owned();
    assert!(shift.starts_with("shift.truc-ban."), "{shift}");
    for record in
        [format!("incident-record.{incident}"), format!("maintenance.{window}"), format!("restore.{drill}"), shift]
    {
        let issued = issue(record.clone()).await.unwrap();
        assert_eq!((&issued["report"], &issued["version"]), (&json!(record), &json!(1)));
        let number = issued["number"].as_u64().unwrap();
        let content = bytes(rig, &format!("/reports/issued/{number}/docx")).await;
        assert_eq!(issued["sha256"], sha256_hex(&content), "{record}");
        let (_, said) = paper(rig, "issued-record", &content);
        // A shift is signed by who hands it over and who takes it.
        let signer = if record.starts_with("shift.") { "Nguyễn Thị Lan" } else { "Nguyễn Thị Ánh Nguyệt" };
        assert!(said.contains(signer), "its signer: {said}");
        assert!(text(rig, &format!("/reports/records/{record}")).await.contains(&format!("/reports/issued/{number}")));
        let kind = record.split('.').next().unwrap().trim_end_matches("-record").to_owned();
        let listed = text(rig, &format!("/reports?kind={kind}")).await;
        assert!(listed.contains(&format!("/reports/issued/{number}\"")), "{kind}: {listed}");
        assert!(!text(rig, "/reports?kind=clause").await.contains(&format!("/reports/issued/{number}\"")));
    }
    for none in ["incident-record.999", "incident-record.007", "restore.1", "shift.truc-ban.1", "clause.1"] {
        assert!(issue(none.to_owned()).await.is_err(), "{none}");
    }
}

/// What is not known is no zero.
fn what_is_not_known_says_so(facts: &Value) {
    let of = [("18.2", "Lần mất điện"), ("9.1", "Phần mềm đủ thông tin"), ("7", "Kết quả diễn tập phục hồi")];
    for (article, name) in of {
        let figure = figure(facts, article, name);
        let unknown = figure["now"].as_str().unwrap().starts_with("không có dữ liệu:");
        assert!(figure["known"] == false && unknown, "{figure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_gathered_written_issued_registered_and_never_changed() {
    let mut rig = with_record_since(40);
    rig.start().await.unwrap();
    let _agent = filled(&rig).await;
    // Today is not over: what there is so far can be looked at, and is not issued.
    let today = format!("/api/v1/reports/clause.{}.{}", day(9), day(0));
    let facts = rig.get(&today).await.unwrap();
    assert_eq!(figure(&facts, "6.1", "Thiết bị đã dán nhãn")["now"], "2/4 (50,0%)");
    assert_eq!(figure(&facts, "5.1", "Thời gian mạng hoạt động")["now"], "100,00%");
    assert!(figure(&facts, "5.1", "Mức sử dụng băng thông cao nhất")["known"].is_boolean());
    assert_eq!(figure(&facts, "10.1", "Sự cố trong kỳ")["known"], true);
    assert_eq!(figure(&facts, "15.3", "Đã trả lời")["now"], "0/1 (0,0%)");
    what_is_not_known_says_so(&facts);
    let refused = rig.post(&format!("{today}/issue"), json!({ "signer": 0 })).await.unwrap_err().to_string();
    assert!(refused.contains("lasts to the end of"), "{refused}");
    let report = format!("clause.{}.{}", day(10), day(1));
    let at = format!("/api/v1/reports/{report}");

    // It is issued only when nothing is missing, and somebody has said who issues.
    let signed_by = |signer: u64| json!({ "signer": signer, "date": day(0) });
    let refused = rig.post(&format!("{at}/issue"), signed_by(1)).await.unwrap_err().to_string();
    assert!(refused.contains("/reports/settings"), "{refused}");
    put(&rig, "/api/v1/report-settings", settings()).await.unwrap();
    settings_are_not_written_over_unseen(&rig).await;
    let refused = rig.post(&format!("{at}/issue"), signed_by(1)).await.unwrap_err().to_string();
    assert!(refused.contains("16.1-5/text") && refused.contains("6.1/gap/unlabelled/who"), "{refused}");
    // Where settings say who mends by when, people write only what only they know.
    let mut mending = settings();
    (mending["unit"], mending["mend_days"]) = (json!("Tổ Vận hành"), json!(30));
    put(&rig, "/api/v1/report-settings", mending).await.unwrap();
    let missing = rig.get(&at).await.unwrap()["missing_texts"].clone();
    let written = |one: &Value| {
        let key = one["key"].as_str().unwrap().to_owned();
        let text = format!("Đã làm <xong> & đủ: {key}");
        (key, json!(text))
    };
    let mut texts: serde_json::Map<String, Value> = missing.as_array().unwrap().iter().map(written).collect();
    assert_eq!(texts.len(), 8, "{texts:?}");
    texts.insert("6.1/gap/unlabelled/by".to_owned(), json!("2027-01-15"));
    put(&rig, &format!("{at}/texts"), json!({ "texts": texts })).await.unwrap();
    let facts = rig.get(&at).await.unwrap();
    assert_eq!(
        (facts["state"].as_str(), facts["missing_texts"].as_array().unwrap().len()),
        (Some("ready"), 0),
        "{facts}"
    );

    let issued = rig.post(&format!("{at}/issue"), signed_by(1)).await.unwrap();
    assert_eq!((issued["number"].as_u64(), issued["version"].as_u64()), (Some(1), Some(1)), "{issued}");
    let content = bytes(&rig, "/reports/issued/1/docx").await;
    assert_eq!(issued["sha256"], sha256_hex(&content));
    let (papers, printed) = paper(&rig, "issued", &content);
    papers[0].find("TRUNG TÂM GIÁM SÁT,");
    for words in [
        "KT. GIÁM ĐỐC",
        "Nguyễn Thị Ánh Nguyệt",
        "Thiết bị đã dán nhãn 2/4 (50,0%)",
        "Đã làm <xong> & đủ: 16.1-5/text",
        "15/01/2027",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert!(!printed.contains("nội dung này]"), "no blank is left: {printed}");

    // What comes later changes nothing of it, and another version stands beside it.
    rig.post("/api/v1/incidents", json!({ "title": "Nước", "severity": "warning", "device": "srv-3" })).await.unwrap();
    put(&rig, &format!("{at}/texts"), json!({ "texts": { "overview": "Khác" } })).await.unwrap();
    let second = rig.post(&format!("{at}/issue"), signed_by(0)).await.unwrap();
    assert_eq!((second["number"].as_u64(), second["version"].as_u64()), (Some(2), Some(2)), "{second}");
    assert_eq!(bytes(&rig, "/reports/issued/1/docx").await, content);

    is_registered_once(&rig, &issued, &content).await;
    let copy = bytes(&rig, "/reports/issued/1/docx").await;
    is_on_record(&rig).await;

    // The pages are there, and the next period begins with what was written last.
    let next = format!("clause.{}.{}", day(0), day(-9));
    for (path, words) in [
        ("/reports".to_owned(), "Báo cáo năm"),
        ("/reports".to_owned(), "Nghị định số 331/2026/NĐ-CP, bản của một hãng luật"),
        (format!("/reports/{report}"), "gathered_at"),
        ("/reports/issued/1".to_owned(), issued["sha256"].as_str().unwrap()),
        ("/reports/settings".to_owned(), "Nguyễn Thị Ánh Nguyệt"),
    ] {
        let page = text(&rig, &path).await;
        assert!(page.contains(words), "{path}: {page}");
    }
    rig.get(&format!("/api/v1/reports/{next}")).await.unwrap();
    assert!(rig.post(&format!("/api/v1/reports/{next}/issue"), signed_by(0)).await.is_err(), "its period is not over");

    // It is all there after a restart: the record has it.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert_eq!(bytes(&rig, "/reports/issued/1/docx").await, copy);
    let items = rig.get("/api/v1/issued-reports").await.unwrap();
    assert_eq!(items["items"].as_array().unwrap().len(), 2);
    is_in_an_archive(&rig, &[&content, &copy]);
    rig.stop().await.unwrap();
}

/// What was issued goes out with the records of its time, as it was and with its number, and both verifiers hold it to its digest.
fn is_in_an_archive(rig: &Rig, documents: &[&[u8]]) {
    let made = records::export(rig, "issued.tar", &records::ALWAYS);
    assert!(made.status.success(), "{made:?}");
    let archive = rig.dir().join("issued.tar");
    let (whole, said) = records::both(&archive, None);
    assert!(whole, "{said}");
    let issued = records::lines(&archive, "issued-reports.jsonl");
    assert_eq!(issued.len(), 2, "{issued:?}");
    let names = records::names(&archive);
    for document in documents {
        let name = format!("files/documents/{}", sha256_hex(document));
        assert!(names.lines().any(|one| one == name), "{name}: {names}");
    }
    // A document that is another one, in the archive.
    let mut bytes = std::fs::read(&archive).unwrap();
    let place = bytes.windows(documents[0].len()).position(|part| part == documents[0]).unwrap();
    bytes[place + 40] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let (whole, said) = records::both(&archive, None);
    assert!(!whole && said.contains("files/documents/"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_centre_has_no_data_and_says_so() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (now, before) = (format!("clause.{}.{}", day(5), day(0)), format!("clause.{}.{}", day(60), day(31)));
    let facts = rig.get(&format!("/api/v1/reports/{before}")).await.unwrap();
    for article in facts["articles"].as_array().unwrap() {
        for figure in article["figures"].as_array().unwrap() {
            assert_eq!(figure["known"], false, "nothing was on record then: {figure}");
        }
        assert_eq!(article["gaps"], json!([]), "and nothing is a gap: {article}");
    }
    let facts = rig.get(&format!("/api/v1/reports/{now}")).await.unwrap();
    for (article, name) in [
        ("5.1", "Thời gian mạng hoạt động"),
        ("6.1", "Thiết bị đã dán nhãn"),
        ("7", "Bản sao lưu còn mới"),
        ("8", "Máy được bảo vệ"),
        ("9.2", "Máy còn bản vá bảo mật chưa cài"),
        ("17.3", "Giá trị đã xác minh"),
    ] {
        assert_eq!(figure(&facts, article, name)["known"], false, "{article} {name}");
    }
    let (_, printed) = paper(&rig, "draft", &bytes(&rig, &format!("/reports/{now}/docx")).await);
    assert!(printed.contains("không có dữ liệu") && printed.contains("……………"), "{printed}");
    for wrong in ["clause.2026-12-31.2026-01-01", "other", "clause.1999-01-01.1999-02-01"] {
        let refused = rig.get(&format!("/api/v1/reports/{wrong}")).await.unwrap_err().to_string();
        assert!(refused.contains("clause.2026-10-01.2026-12-31"), "{refused}");
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_devices_are_reported_while_commits_go_on() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let rows = (0..1000).map(|n| format!("srv-{n:04},server,Máy {n},TS-{n:04},Phòng {}\n", n % 20));
    let table = std::iter::once("device,kind,name,label,place\n".to_owned()).chain(rows).collect::<String>();
    let (file, socket) = (rig.dir().join("assets.csv"), rig.runtime().join(CONTROL_SOCKET));
    std::fs::write(&file, table).unwrap();
    let (data, socket) = (format!("@{}", file.display()), socket.display().to_string());
    let url = "http://localhost/api/v1/devices/import";
    let arguments = ["-sf", "--unix-socket", &socket, "-H", "content-type: text/csv", "--data-binary", &data, url];
    run(rig.dir(), "curl", &arguments);
    let report = format!("/api/v1/reports/clause.{}.{}", day(89), day(0));
    let gather = rig.get(&report);
    let commits = async {
        for n in 0..20 {
            let remark = json!({ "text": format!("ghi chú {n}") });
            rig.post("/api/v1/devices/srv-0001/remarks", remark).await.unwrap();
        }
    };
    let (facts, ()) = tokio::join!(gather, commits);
    assert_eq!(figure(&facts.unwrap(), "6.1", "Thiết bị đã dán nhãn")["now"], "1.000/1.000 (100,0%)");
    // Whoever opens the page of another period waits for nothing: it says how far the gathering is, and then has the report.
    let page = format!("/reports/clause.{}.{}", day(88), day(0));
    let first = text(&rig, &page).await;
    assert!(first.contains("<progress ") && first.contains("data-numbers"), "{first}");
    let gathered = eventually("the report", || async { text(&rig, &page).await.contains("1.000/1.000 (100,0%)") });
    gathered.await.unwrap();
    assert!(!text(&rig, &page).await.contains("<progress "));
    rig.stop().await.unwrap();
}

/// A rota of one person, and backups into a directory beside the rig.
fn with_plan_and_backups(dir: &std::path::Path) -> Rig {
    let plan = "[[person]]\nid = \"lan\"\nname = \"Nguyễn Thị Lan\"\n[[person]]\nid = \"binh\"\nname = \"Trần Văn Bình\"\n\
        [[rota]]\nid = \"truc-ban\"\nname = \"Trực ban\"\nlayer = [{ people = [\"lan\", \"binh\"], start = \"2020-01-06T07:00\", turn_days = 1 }]\n";
    let (to, passphrase, duty) = (dir.join("backups"), dir.join("passphrase"), dir.join("duty.toml"));
    std::fs::create_dir_all(&to).unwrap();
    std::fs::write(&passphrase, "a passphrase that nobody guesses\n").unwrap();
    std::fs::write(&duty, plan).unwrap();
    Rig::in_dir(
        dir,
        &format!("[backup]\ndirectory = {to:?}\npassphrase_file = {passphrase:?}\n[duty]\nfile = {duty:?}"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_of_one_incident_shift_window_and_drill_say_what_is_on_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = with_plan_and_backups(dir.path());
    rig.start().await.unwrap();
    let device =
        json!({ "device": "srv-1", "kind": "server", "name": "Máy chủ <một>", "label": "TS-01", "place": "Phòng 1" });
    rig.post("/api/v1/devices", device).await.unwrap();
    put(&rig, "/api/v1/report-settings", settings()).await.unwrap();
    // That nobody of the plan can be reached is an incident, too.
    let opened =
        rig.post("/api/v1/incidents", json!({ "title": "Khói & lửa", "severity": "critical", "device": "srv-1" }));
    let incident = opened.await.unwrap()["id"].as_u64().unwrap();
    for action in [
        json!({ "action": "acknowledge", "note": "đang tới" }),
        json!({ "action": "repair", "backup": "bản đêm qua trên NAS", "safety": "đã cắt điện tủ 3" }),
        json!({ "action": "resolve", "note": "đã thay nguồn" }),
        json!({ "action": "close", "course": "quạt kẹt làm nóng nguồn", "remedy": "thay nguồn, lắp quạt mới" }),
    ] {
        rig.post(&format!("/api/v1/incidents/{incident}/actions"), action).await.unwrap();
    }
    let (_, said) = paper(&rig, "incident", &bytes(&rig, &format!("/incidents/{incident}/record.docx")).await);
    for words in [
        "BIÊN BẢN",
        "Khói & lửa",
        "Máy chủ <một> (nhãn TS-01)",
        "bản đêm qua trên NAS",
        "đã cắt điện tủ 3",
        "lắp quạt mới",
        "Trần Văn Bình",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(text(&rig, &format!("/incidents/{incident}/record")).await.contains("thay nguồn, lắp quạt mới"));

    rig.post("/api/v1/incidents", json!({ "title": "Còn mở", "severity": "warning", "device": "srv-1" }))
        .await
        .unwrap();
    let form = ["-d", "text=Chìa khoá ở tủ số 2"];
    let socket = rig.runtime().join(CONTROL_SOCKET).display().to_string();
    let url = "http://localhost/duty/book";
    run(rig.dir(), "curl", &[["-sf", "--unix-socket", &socket].as_slice(), &form, &[url]].concat());
    let (_, said) = paper(&rig, "shift", &bytes(&rig, "/duty/handover.docx?rota=truc-ban").await);
    for words in
        ["Nguyễn Thị Lan", "Trần Văn Bình", "Còn mở", "chưa ai tiếp nhận", "Chìa khoá ở tủ số 2", "trong ca: 1"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("dòng lệnh") && !said.contains("local:"), "who wrote it is said in words: {said}");
    assert!(text(&rig, "/duty/handover?last=true").await.contains("Bên giao"));

    let (from, until) = (clock::now().plus_millis(-60_000), clock::now().plus_millis(3_600_000));
    let when = json!({ "kind": "once", "from": from, "until": until });
    let window = json!({ "title": "Thay đĩa sdb", "scope": { "devices": ["srv-1"] }, "when": when });
    rig.post("/api/v1/windows", window).await.unwrap();
    let id = rig.get("/api/v1/windows").await.unwrap()[0]["id"].as_u64().unwrap();
    ioc_collector::cli::ask(&rig.runtime(), "DELETE", &format!("/api/v1/windows/{id}"), None).await.unwrap();
    let (_, said) = paper(&rig, "window", &bytes(&rig, &format!("/maintenance/{id}/record.docx")).await);
    for words in ["Bảo trì: Thay đĩa sdb", "Máy chủ <một>", "TS-01 Phòng 1", "không thiết bị nào báo về"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(said.contains("dòng lệnh") && !said.contains("local:"), "who planned it is said in words: {said}");
    assert!(text(&rig, "/maintenance").await.contains(&format!("/maintenance/{id}/record")), "what is over is listed");

    assert!(ioc_collector::cli::ask(&rig.runtime(), "GET", "/admin/backups/certificate.docx", None).await.is_err());
    for what in ["backup", "drill"] {
        rig.post("/api/v1/backups", json!({ "what": what })).await.unwrap();
    }
    let (_, said) = paper(&rig, "drill", &bytes(&rig, "/admin/backups/certificate.docx").await);
    let status = rig.get("/api/v1/backups").await.unwrap();
    for words in ["ĐẠT: phục hồi được nguyên trạng", status["drill"]["archive"].as_str().unwrap()] {
        assert!(said.replace(' ', "").contains(&words.replace(' ', "")), "{words}: {said}");
    }
    records_are_issued(&rig, incident, id).await;
    // The report counts it.
    let facts = rig.get(&format!("/api/v1/reports/clause.{}.{}", day(1), day(0))).await.unwrap();
    for (article, name, counted) in [
        ("7", "Kết quả diễn tập phục hồi", "1/1 (100,0%)"),
        ("11", "Đợt bảo trì đã thực hiện", "1"),
        ("10.2", "Sự cố có đủ xác nhận", "1/1 (100,0%)"),
    ] {
        let now = figure(&facts, article, name)["now"].as_str().unwrap();
        let of = now.strip_prefix(counted).unwrap_or_else(|| panic!("{name}: {now}"));
        assert!(of.starts_with(" (chỉ ghi nhận từ ngày "), "the record began within the period: {now}");
    }
    rig.stop().await.unwrap();
}
