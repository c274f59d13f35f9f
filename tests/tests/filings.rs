//! The security-level dossier (article 16.7) and the yearly form of the real collector: filled from registers, each cell with its source; what lacks is work;
//! issued, and on paper as Decree 30/2020 has it. LibreOffice, python-docx and the API look at what comes out.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use ioc_common::clock;
use ioc_common::encoding::sha256_hex;
use ioc_tests::centre;
use ioc_tests::harness::{Rig, python};
use ioc_web::server::CONTROL_SOCKET;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::documents::{Paper, converted, run};

const DOSSIER: &str = "/api/v1/filings/level-dossier";
/// The share of a dossier's cells that fill themselves, percent: the goal.
const GOAL: f64 = 90.0;

async fn put(rig: &Rig, path: &str, body: Value) -> anyhow::Result<Value> {
    Ok(ioc_collector::cli::ask(&rig.runtime(), "PUT", path, Some(body)).await?)
}

/// What a page or a file has, as it is sent.
async fn bytes(rig: &Rig, path: &str) -> Vec<u8> {
    let socket = rig.runtime().join(CONTROL_SOCKET);
    let url = format!("http://localhost{path}");
    let output = Command::new("curl").args(["-sf", "--unix-socket"]).arg(socket).arg(url).output().await.unwrap();
    assert!(output.status.success(), "{path}: {output:?}");
    output.stdout
}

/// A file as LibreOffice prints it, within the margins, and what stands on it.
fn paper(rig: &Rig, name: &str, content: &[u8]) -> (Vec<Paper>, String) {
    let file = rig.dir().join(format!("{name}.docx"));
    std::fs::write(&file, content).unwrap();
    let papers = converted(rig.dir(), &file);
    papers.iter().for_each(Paper::keeps_its_margins);
    let text = papers.iter().map(Paper::text).collect::<Vec<_>>().join(" ");
    (papers, text)
}

/// A collector that has a centre of so many devices on record.
async fn with_centre(devices: usize) -> Rig {
    let mut rig = Rig::new("[site]\nname = \"Hệ thống giám sát, điều hành thông minh\"\n");
    rig.start().await.unwrap();
    rig.stop().await.unwrap();
    let mut store = ioc_store::open(&rig.data()).unwrap();
    centre::fill(store.as_mut(), devices, clock::now());
    drop(store);
    rig.start().await.unwrap();
    rig
}

/// Texts for all that people have still to write.
fn texts_for(facts: &Value) -> Value {
    let missing = facts["missing_texts"].as_array().unwrap();
    let written = |one: &Value| {
        let key = one["key"].as_str().unwrap();
        let chosen = one["choices"].get(0).cloned();
        (key.to_owned(), chosen.unwrap_or_else(|| json!(format!("Đã ghi <{key}> & đủ"))))
    };
    json!({ "texts": missing.iter().map(written).collect::<serde_json::Map<_, _>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_centre_of_200_devices_fills_its_dossier_and_issues_it() {
    let mut rig = with_centre(200).await;
    let began = tokio::time::Instant::now();
    let facts = rig.get(DOSSIER).await.unwrap();
    let (fills, took) = (&facts["fills"], began.elapsed());
    let percent = fills["percent"].as_f64().unwrap();
    println!(
        "dossier of 200 devices: {percent} % of {} cells fill themselves; {took:?}; {}",
        fills["cells"], fills["by_origin"]
    );
    for item in facts["items"].as_array().unwrap() {
        println!("  {}/{}: {} of {}", item["part"], item["item"], item["fills"]["by_itself"], item["fills"]["cells"]);
    }
    assert!(percent >= GOAL, "{fills}");
    // The same by one command, part by part, and nobody is named in it.
    let rate = rig.get(&format!("{DOSSIER}/fill")).await.unwrap();
    assert_eq!((&rate["fills"], &rate["measures"]), (fills, &facts["measures"]));
    let of_parts: u64 =
        rate["parts"].as_array().unwrap().iter().filter_map(|part| part["fills"]["cells"].as_u64()).sum();
    assert!(of_parts == fills["cells"].as_u64().unwrap() && !rate.to_string().contains("Trần Thị Bình"), "{rate}");
    let said = ioc_collector::fill_rate::run(&rig.runtime(), "level-dossier", false).await.unwrap();
    let first = format!("{} of {} cells fill themselves", fills["by_itself"], fills["cells"]);
    assert!(said.contains(&first) && said.contains("\n  devices: "), "{said}");
    assert!(fills["by_origin"]["missing"].as_u64().unwrap() > 50, "what nobody wrote down is missing: {fills}");
    assert_eq!(fills["by_origin"]["person"], 0, "nobody has typed anything yet");
    let lacking: u64 = facts["work"].as_array().unwrap().iter().map(|one| one["count"].as_u64().unwrap()).sum();
    assert!(lacking > 20 && facts["work"].to_string().contains("Trần Thị Bình"), "{}", facts["work"]);
    assert_eq!(facts["state"], "texts_missing");
    // A zone that people call otherwise is known as the one that the level asks for.
    assert!(facts.to_string().contains("Vùng máy chủ cơ sở dữ liệu (Máy chủ CSDL)"), "{facts}");

    // Only what people alone know is asked for; without it nothing is issued.
    let refused = rig.post(&format!("{DOSSIER}/issue"), json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("overview/scope/scope"), "{refused}");
    put(&rig, &format!("{DOSSIER}/texts"), texts_for(&facts)).await.unwrap();
    let ready = rig.get(DOSSIER).await.unwrap();
    assert_eq!((&ready["state"], &ready["missing"]), (&json!("ready"), &json!(0)), "{ready}");
    assert_eq!(ready["fills"]["by_itself"], fills["by_itself"], "what people type fills nothing by itself");

    let issued = rig.post(&format!("{DOSSIER}/issue"), json!({ "date": "2026-11-29" })).await.unwrap();
    assert_eq!((&issued["report"], &issued["version"]), (&json!("filings/level-dossier"), &json!(1)), "{issued}");
    let content = bytes(&rig, "/reports/issued/1/docx").await;
    assert_eq!(issued["sha256"], sha256_hex(&content));
    let (papers, said) = paper(&rig, "dossier", &content);
    papers[0].find("HỒ SƠ ĐỀ XUẤT CẤP ĐỘ");
    for words in [
        "/HSCĐ-TTGSĐH",
        "Sở Khoa học và Công nghệ",
        "PHƯƠNG ÁN BẢO ĐẢM AN TOÀN HỆ THỐNG THÔNG TIN",
        "DANH MỤC THIẾT BỊ",
        "DANH MỤC TÀI KHOẢN",
        "PostgreSQL (tcp/5432)",
        "<overview/scope/scope> & đủ",
        "Nguồn số liệu.",
        "Phụ lục IV",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!said.contains("[…"), "no blank is left");
    let opened = run(rig.dir(), python(), &["-c", OPEN, rig.dir().join("dossier.docx").to_str().unwrap()]);
    let opened = String::from_utf8(opened.stdout).unwrap();
    assert!(opened.trim().starts_with("5 201"), "a document and four annexes; a head and 200 devices: {opened}");

    // The registrar's number comes once, and the copy has it.
    let number = json!({ "number": 12, "date": crate::reports::day(0) });
    put(&rig, "/api/v1/issued-reports/1/registration", number).await.unwrap();
    let (papers, _) = paper(&rig, "registered", &bytes(&rig, "/reports/issued/1/docx").await);
    papers[0].find("Số: 12/HSCĐ-TTGSĐH");
    is_shown_and_on_record(&rig).await;
    rig.stop().await.unwrap();
}

/// The largest table of a document, and its sections.
const OPEN: &str = "import sys, docx\nd = docx.Document(sys.argv[1])\nprint(len(d.sections), max(len(t._tbl.tr_lst) for t in d.tables))";

async fn is_shown_and_on_record(rig: &Rig) {
    let text = async |path: &str| String::from_utf8(bytes(rig, path).await).unwrap();
    let page = text("/reports/filings/level-dossier").await;
    for words in ["Ô còn thiếu", "/register/assets/tb-", "origin-agent", "Trần Thị Bình", "nd-331"].iter().take(4)
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let list = text("/reports").await;
    assert!(list.contains("/reports/filings/level-dossier") && list.contains("/reports/filings/form-08."), "{list}");
    let print = text("/reports/filings/level-dossier/print").await;
    assert!(print.contains("/static/document.css") && !print.contains("<style"), "{print}");
    // It names people: that it was read is on record; and each step is.
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let has = |action: &str, subject: &str| {
        let all = log["items"].as_array().unwrap();
        all.iter().any(|one| one["action"] == action && one["subject"].as_str().unwrap().contains(subject))
    };
    assert!(has("personal.read", "level dossier") && has("report.written", "filings/level-dossier"), "{log}");
    assert!(has("report.issued", "1") && has("report.registered", "1"), "{log}");

    // The clause report says how far it is (16.7), and the yearly form takes it over.
    put(rig, &format!("{DOSSIER}/texts"), json!({ "texts": { "approval/progress/decision": "Quyết định số 7" } }))
        .await
        .unwrap();
    let facts = rig.get("/api/v1/reports/clause.2026-10-01.2026-12-31").await.unwrap();
    let article = facts["articles"].as_array().unwrap().iter().find(|one| one["article"] == "16.7").unwrap().clone();
    let figures: Vec<&str> =
        article["figures"].as_array().unwrap().iter().map(|one| one["now"].as_str().unwrap()).collect();
    assert_eq!(figures[0], "Cấp độ 3: Quyết định số 7", "{article}");
    assert!(article["figures"].as_array().unwrap().iter().all(|one| one["known"] == true), "{article}");
    let keys: Vec<&str> = article["gaps"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["cells", "measures"], "{article}");

    let listed = rig.get("/api/v1/filings").await.unwrap();
    let form =
        listed.as_array().unwrap().iter().find(|one| one["filing"].as_str().unwrap().starts_with("form-08")).unwrap();
    let at = format!("/api/v1/filings/{}", form["filing"].as_str().unwrap());
    let facts = rig.get(&at).await.unwrap();
    println!("form 08: {}", facts["fills"]);
    assert!(
        facts.to_string().contains("Quyết định số 7") && facts["due"].as_str().unwrap().ends_with("-12-20"),
        "{facts}"
    );
    put(rig, &format!("{at}/texts"), texts_for(&facts)).await.unwrap();
    let draft = bytes(rig, &format!("/reports/filings/{}/docx", form["filing"].as_str().unwrap())).await;
    let (papers, said) = paper(rig, "form-08", &draft);
    assert!(
        said.contains("V/v báo cáo về bảo đảm") && said.contains("đã phê duyệt") && !said.contains("GIÁM ĐỐC"),
        "{said}"
    );
    papers[0].find("Kính gửi: Ủy ban nhân dân tỉnh");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_centre_says_what_lacks_and_a_wrong_address_what_is_allowed() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let facts = rig.get(DOSSIER).await.unwrap();
    assert!(facts["fills"]["percent"].as_f64().unwrap() < GOAL, "{}", facts["fills"]);
    let (papers, said) = paper(&rig, "draft", &bytes(&rig, "/reports/filings/level-dossier/docx").await);
    assert!(papers.len() > 3 && said.contains("Danh mục tài sản chưa có thiết bị") && said.contains("[…"), "{said}");
    for wrong in ["level-dossier.2026", "form-08", "form-09.2026", "Form"] {
        let refused = rig.get(&format!("/api/v1/filings/{wrong}")).await.unwrap_err().to_string();
        assert!(refused.contains("form-08.2026"), "{refused}");
    }
    let refused = rig.post(&format!("{DOSSIER}/issue"), json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("/reports/settings"), "{refused}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_devices_stay_bounded() {
    let mut rig = with_centre(10_000).await;
    let began = tokio::time::Instant::now();
    let facts = rig.get(DOSSIER).await.unwrap();
    println!("dossier of 10,000 devices: {} in {:?}", facts["fills"], began.elapsed());
    let devices = facts["items"].as_array().unwrap().iter().find(|one| one["part"] == "devices").unwrap();
    assert_eq!((devices["rows"].as_array().unwrap().len(), &devices["more"]), (10_000, &json!(0)));
    let content = bytes(&rig, "/reports/filings/level-dossier/docx").await;
    println!("its document: {} KiB", content.len() / 1024);
    assert!(content.len() < ioc_store::report::CONTENT_MAX_BYTES, "it can be issued");
    let page = bytes(&rig, "/reports/filings/level-dossier").await;
    assert!(page.len() < 2_000_000, "the page shows the first rows: {}", page.len());
    rig.stop().await.unwrap();
}
