//! Serious incidents and answers of units on the real collector: what a law pack asks runs, is told like a fault when it is near and when it is missed, once
//! whatever happens to the collector, and is met by the form that was issued. LibreOffice opens the form.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use ioc_common::clock;
use ioc_tests::harness::{Rig, eventually};
use serde_json::{Value, json};

use crate::reports::{bytes, paper, put, settings, text};

/// The shipped pack with deadlines of seconds: of two that always run the first is near at once and missed soon, the second is far away.
fn with_short_clock(dir: &Path) -> Rig {
    let shipped = include_str!("../../config/legal/nd-331-2026.toml");
    let own = shipped.replacen("within = \"24h\"", "within = \"8s\"", 1);
    assert_ne!(own, shipped);
    let file = dir.join("own-law.toml");
    std::fs::write(&file, own).unwrap();
    Rig::in_dir(dir, &format!("[legal]\nfiles = [{file:?}]"))
}

/// Incidents that remind of a deadline.
async fn reminders(rig: &Rig) -> Vec<Value> {
    let all = rig.get("/api/v1/incidents").await.unwrap();
    let all = all["items"].as_array().unwrap().iter();
    let of_deadline = |one: &&Value| one["rule"].as_str().unwrap().starts_with("deadline/");
    all.filter(of_deadline).cloned().collect()
}

async fn act(rig: &Rig, incident: u64, action: Value) -> anyhow::Result<Value> {
    rig.post(&format!("/api/v1/incidents/{incident}/actions"), action).await
}

async fn opened(rig: &Rig) -> u64 {
    let device =
        json!({ "device": "srv-1", "kind": "server", "name": "Máy chủ <một>", "label": "TS-01", "place": "Phòng 1" });
    rig.post("/api/v1/devices", device).await.unwrap();
    let incident = json!({ "title": "Mất điện & <khói>", "severity": "critical", "device": "srv-1" });
    rig.post("/api/v1/incidents", incident).await.unwrap()["id"].as_u64().unwrap()
}

/// A figure of a period in which the record began only now, which it says: what was counted.
fn counted(figure: &Value) -> String {
    let said = figure.as_str().unwrap();
    let (counted, since) = said.split_once(" (chỉ ghi nhận từ ngày ").unwrap_or_else(|| panic!("{said}"));
    assert!(since.ends_with(')'), "{said}");
    counted.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_law_asks_is_told_when_near_and_when_missed_and_is_met_by_its_form() {
    let dir = tempfile::tempdir().unwrap();
    let mut rig = with_short_clock(dir.path());
    rig.start().await.unwrap();
    let incident = opened(&rig).await;
    let mark = |reason: &str, chosen: &[&str]| json!({ "action": "mark_serious", "reason": reason, "from_now": true, "chosen": chosen });
    for refused in
        [mark("", &[]), mark("x", &["no-such-condition"]), json!({ "action": "clock_sent", "clock": "a", "how": "x" })]
    {
        assert!(act(&rig, incident, refused.clone()).await.is_err(), "{refused}");
    }
    act(&rig, incident, mark("mất điện toàn trung tâm", &[])).await.unwrap();
    assert!(act(&rig, incident, mark("lần nữa", &[])).await.is_err(), "it is marked");
    // It is over and closed long before the law's time is.
    for action in [
        json!({ "action": "repair", "no_backup": "không kịp", "safety": "đã cắt điện tủ 3" }),
        json!({ "action": "resolve", "note": "xong" }),
        json!({ "action": "close", "course": "chập nguồn", "remedy": "thay nguồn" }),
    ] {
        act(&rig, incident, action).await.unwrap();
    }
    eventually("that it is near", || async { reminders(&rig).await.len() == 1 }).await.unwrap();
    // A crash between the two tells neither twice.
    rig.kill().await.unwrap();
    rig.start().await.unwrap();
    eventually("that it is missed", || async { reminders(&rig).await[0]["severity"] == "critical" }).await.unwrap();
    let told = reminders(&rig).await;
    assert_eq!((told.len(), &told[0]["article"]), (1, &json!("31.2d")), "{told:?}");
    assert!(!told[0].to_string().contains("khói"), "who may not reach the device reads nothing of it: {}", told[0]);
    let due = rig.get("/api/v1/deadlines").await.unwrap();
    let states = |due: &Value| {
        due["items"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states(&due), ["missed", "running"], "{due}");
    for page in ["/duty", "/reports", &format!("/incidents/{incident}")] {
        assert!(text(&rig, page).await.contains("Báo cáo ban đầu về sự cố nghiêm trọng"), "{page}");
    }

    // It is met by its form, and by nothing else.
    let sent = json!({ "action": "clock_sent", "clock": "first-notice", "how": "trục liên thông <văn bản>" });
    let refused = act(&rig, incident, sent.clone()).await.unwrap_err().to_string();
    assert!(refused.contains("/forms/first-notice"), "{refused}");
    let at = format!("/api/v1/incidents/{incident}/forms/first-notice");
    put(&rig, "/api/v1/report-settings", settings()).await.unwrap();
    let form = rig.get(&at).await.unwrap();
    assert_eq!(form["missing"], json!(["system", "impact", "cause", "measures", "contact"]), "{form}");
    assert_eq!(form["offered"]["cause"], "chập nguồn", "what the record knows is offered");
    let refused = rig.post(&format!("{at}/issue"), json!({})).await.unwrap_err().to_string();
    assert!(refused.contains("impact"), "{refused}");
    assert!(put(&rig, &format!("{at}/texts"), json!({ "texts": { "other": "x" } })).await.is_err());
    let long = "Đã cắt nguồn & <kiểm tra>. ".repeat(300);
    let texts = json!({ "system": "Trục dữ liệu", "impact": "Toàn bộ 40 máy", "cause": "Đang xác minh", "measures": long,
        "contact": "Nguyễn Thị Lan, 0296" });
    put(&rig, &format!("{at}/texts"), json!({ "texts": texts })).await.unwrap();
    let issued = rig.post(&format!("{at}/issue"), json!({ "signer": 1 })).await.unwrap();
    let number = issued["number"].as_u64().unwrap();
    let (papers, said) = paper(&rig, "notice", &bytes(&rig, &format!("/reports/issued/{number}/docx")).await);
    papers[0].find("Kính gửi:");
    for words in [
        "Lực lượng chuyên trách của Bộ Công an",
        "Nghị định số 331/2026/NĐ-CP",
        "Mất điện & <khói>",
        "Máy chủ <một> (nhãn TS-01), Phòng 1",
        "Toàn bộ 40 máy",
        "Đã cắt nguồn & <kiểm tra>.",
        "KT. GIÁM ĐỐC",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    act(&rig, incident, sent).await.unwrap();
    eventually("that nobody waits", || async { reminders(&rig).await[0]["state"] == "resolved" }).await.unwrap();
    let whole = rig.get(&format!("/api/v1/incidents/{incident}")).await.unwrap();
    let clock = &whole["record"]["serious"]["clocks"][0];
    assert_eq!((&clock["state"], &clock["document"]), (&json!("met_late"), &json!(number)), "{clock}");
    // What was written is offered to the next form of the incident.
    let next = rig.get(&format!("/api/v1/incidents/{incident}/forms/cause-and-remedy")).await.unwrap();
    assert_eq!(next["offered"]["contact"], "Nguyễn Thị Lan, 0296");
    assert!(rig.get(&format!("/api/v1/incidents/{incident}/forms/serious-interruption")).await.is_err(), "not chosen");

    // The report counts it, and the log has each step with old and new.
    let today = crate::reports::day(0);
    let facts = rig.get(&format!("/api/v1/reports/clause.{today}.{today}")).await.unwrap();
    let of = |name: &str| counted(&crate::reports::figure(&facts, "10.1", name)["now"]);
    assert_eq!(of("Báo cáo sự cố nghiêm trọng đúng hạn"), "0/1 (0,0%)");
    assert_eq!(of("Báo cáo sự cố nghiêm trọng đang trong hạn"), "1");
    act(&rig, incident, json!({ "action": "unmark_serious", "reason": "diễn tập" })).await.unwrap();
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    for said in [
        "not serious -> serious: mất điện toàn trung tâm",
        "first-notice: not sent -> sent now, trục liên thông <văn bản>; document 1",
        "serious -> not serious: diễn tập",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_asked_answers_late_or_in_time_and_each_is_counted() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let incident = opened(&rig).await;
    let ask = |what: &str, after_ms: i64| json!({ "action": "ask_unit", "unit": "Tổ Mạng", "what": what, "by": clock::now().plus_millis(after_ms) });
    assert!(act(&rig, incident, ask("x", -1)).await.is_err(), "what is over cannot be met");
    act(&rig, incident, ask("kiểm tra <cáp>", 3_600_000)).await.unwrap();
    act(&rig, incident, ask("thay nguồn", 4_000)).await.unwrap();
    rig.post(&format!("/api/v1/incidents/{incident}/files?name=anh.txt"), json!("bằng chứng")).await.unwrap();
    let whole = rig.get(&format!("/api/v1/incidents/{incident}")).await.unwrap();
    let file = whole["record"]["attachments"][0]["sha256"].as_str().unwrap().to_owned();
    let answer = |number: u64, file: &str| json!({ "action": "answer_unit", "number": number, "person": "Trần Văn Bình", "what": "đã làm <xong>", "file": file });
    assert!(act(&rig, incident, answer(1, &"ab".repeat(32))).await.is_err(), "no such file");
    // Two people write the same answer down at once: one of them is told.
    let (one, other) = tokio::join!(act(&rig, incident, answer(1, &file)), act(&rig, incident, answer(1, &file)));
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    eventually("that it is late", || async {
        reminders(&rig).await.iter().any(|one| one["rule"] == "deadline/1/unit-2" && one["severity"] == "critical")
    })
    .await
    .unwrap();
    assert_eq!(reminders(&rig).await.len(), 1, "the other was answered in time");
    assert!(text(&rig, "/reports").await.contains("thay nguồn"), "what is due from whom");
    act(&rig, incident, answer(2, "")).await.unwrap();
    let due = rig.get("/api/v1/deadlines?all=true").await.unwrap();
    let states: Vec<&str> = due["items"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["met_late", "met"], "{due}");
    let today = crate::reports::day(0);
    let facts = rig.get(&format!("/api/v1/reports/clause.{today}.{today}")).await.unwrap();
    let of = |name: &str| counted(&crate::reports::figure(&facts, "15.3", name)["now"]);
    assert_eq!((of("Đã trả lời").as_str(), of("Quá hạn").as_str()), ("2/2 (100,0%)", "1"));
    // Who answered is for those who may see people; the log names nobody.
    let page = text(&rig, &format!("/incidents/{incident}")).await;
    assert!(page.contains("Trần Văn Bình") && !page.contains("<cáp>"), "{page}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let answered = log["items"].as_array().unwrap().iter().filter(|one| one["action"] == "incident.unit_answered");
    let answered: Vec<&Value> = answered.collect();
    assert!(answered.len() == 2 && answered.iter().all(|one| !one.to_string().contains("Bình")), "{answered:?}");
    rig.stop().await.unwrap();
}
