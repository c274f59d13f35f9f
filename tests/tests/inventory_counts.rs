//! Inventory takings on the real collector (article 6.1): ticked by several at once, closed once with minutes that LibreOffice opens, and what was not found is
//! work until somebody says what became of it.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_common::encoding::sha256_hex;
use ioc_tests::harness::Rig;
use serde_json::{Value, json};

use crate::documents::run;
use crate::reports::{bytes, paper, put, settings, text};

async fn tick(rig: &Rig, body: Value) -> anyhow::Result<Value> {
    rig.post("/api/v1/inventory-counts/1/ticks", body).await
}

async fn item(rig: &Rig, device: &str) -> Value {
    let count = rig.get("/api/v1/inventory-counts/1").await.unwrap();
    let items = count["items"].as_array().unwrap();
    items.iter().find(|one| one["device"] == device).unwrap_or_else(|| panic!("{device}: {count}")).clone()
}

/// Faults of takings that stand.
async fn work(rig: &Rig) -> Vec<String> {
    let faults = rig.get("/api/v1/faults?active=true").await.unwrap();
    let of_counts = faults["items"].as_array().unwrap().iter().filter_map(|one| {
        let rule = one["rule"].as_str().unwrap();
        rule.starts_with("inventory/").then(|| format!("{} {rule}", one["device"].as_str().unwrap()))
    });
    let mut found: Vec<String> = of_counts.collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_counted_by_several_closed_once_and_what_is_missing_is_work() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    it_is_counted(&rig).await;
    it_is_closed(&mut rig).await;
    what_differs_is_work(&mut rig).await;
}

/// Five machines, four of them at the place that is counted, by several people at once.
async fn it_is_counted(rig: &Rig) {
    for (device, name, place) in [
        ("srv-1", "Máy chủ <một> & \"đặc biệt\"", "Tầng 2/Tủ 1"),
        ("srv-2", "Máy chủ hai", "Tầng 2/Tủ 1"),
        ("srv-3", "Máy chủ ba", "Tầng 2, phòng máy"),
        ("srv-4", "Máy chủ bốn", "Tầng 2"),
        ("srv-5", "Máy chủ năm", "Tầng 20"),
    ] {
        let device = json!({ "device": device, "kind": "server", "name": name, "label": format!("TS-{device}"), "place": place });
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    put(rig, "/api/v1/report-settings", settings()).await.unwrap();
    let opened = rig.post("/api/v1/inventory-counts", json!({ "place": "Tầng 2" })).await.unwrap();
    assert_eq!(opened["number"], 1);
    let again = rig.post("/api/v1/inventory-counts", json!({ "place": "Tầng 2" })).await.unwrap_err().to_string();
    assert!(again.contains("open"), "{again}");
    let count = rig.get("/api/v1/inventory-counts/1").await.unwrap();
    assert_eq!((&count["assets"], &count["left"]), (&json!(4), &json!(4)), "what is below the place, and not Tầng 20");
    for refused in [
        json!({ "device": "srv-5", "state": "found" }),
        json!({ "device": "srv-5", "state": "not_found" }),
        json!({ "device": "no-such", "state": "found" }),
        json!({ "device": "srv-1", "state": "lost" }),
        json!({ "device": "srv-1", "state": "elsewhere" }),
        json!({ "device": "srv-1", "state": "found", "remark": "x".repeat(2001) }),
    ] {
        assert!(tick(rig, refused.clone()).await.is_err(), "{refused}");
    }
    // Two walk around, and tick the same asset at once: one of them is told.
    let found = || tick(rig, json!({ "device": "srv-1", "state": "found" }));
    let missing = || tick(rig, json!({ "device": "srv-1", "state": "not_found" }));
    let (one, other) = tokio::join!(found(), missing());
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    let seen = item(rig, "srv-1").await["at"].clone();
    tick(rig, json!({ "device": "srv-1", "state": "found", "seen": seen })).await.unwrap();
    let elsewhere = json!({ "device": "srv-2", "state": "elsewhere", "place": "Kho <B>", "remark": "chờ sửa & trả" });
    tick(rig, elsewhere).await.unwrap();
    tick(rig, json!({ "device": "srv-3", "state": "not_found" })).await.unwrap();
    // What the register has elsewhere was found here, and something that it does not have at all.
    let search = text(rig, "/register/counts/1?search=TS-srv-5").await;
    assert!(search.contains("Máy chủ năm") && search.contains("Thấy ở đây"), "{search}");
    tick(rig, json!({ "device": "srv-5", "state": "elsewhere" })).await.unwrap();
    assert_eq!(item(rig, "srv-5").await["found_at"], "Tầng 2", "that is where people count");
    let finds = "/api/v1/inventory-counts/1/finds";
    assert!(rig.post(finds, json!({ "what": " " })).await.is_err(), "what it is has to be said");
    for what in ["Máy in <lạ>", "Màn hình cũ"] {
        rig.post(finds, json!({ "what": what, "serial": "X-9" })).await.unwrap();
    }
    let none = text(rig, "/register/counts/1?search=TS-99").await;
    assert!(none.contains("value=\"TS-99\"") && none.contains("<details open>"), "what is typed is the label: {none}");
    assert!(work(rig).await.is_empty(), "nothing is work before it is closed");
    let page = text(rig, "/register/counts/1").await;
    assert!(page.contains("Máy chủ bốn") && !page.contains("Máy chủ hai"), "what is left: {page}");
}

/// The minutes are made of what whoever closes it has seen.
async fn it_is_closed(rig: &mut Rig) {
    let close = |members: &str, seen: &Value| json!({ "members": members, "remark": "bổ sung nhãn", "seen": seen });
    let before = rig.get("/api/v1/inventory-counts/1").await.unwrap()["seen"].clone();
    rig.kill().await.unwrap();
    rig.start().await.unwrap();
    tick(rig, json!({ "device": "srv-4", "state": "label_missing" })).await.unwrap();
    let at = "/api/v1/inventory-counts/1/close";
    assert!(rig.post(at, close("Lê Lan, Tổ trưởng", &before)).await.is_err(), "ticked since");
    let seen = rig.get("/api/v1/inventory-counts/1").await.unwrap()["seen"].clone();
    assert!(rig.post(at, close(" \n", &seen)).await.is_err(), "nobody was in the commission");
    let members = "Lê Thị Lan, Tổ trưởng\nTrần Văn Bình";
    let (one, other) = tokio::join!(rig.post(at, close(members, &seen)), rig.post(at, close(members, &seen)));
    assert!(one.is_ok() != other.is_ok(), "it is closed once: {one:?} {other:?}");
    assert!(tick(rig, json!({ "device": "srv-3", "state": "found" })).await.is_err(), "it is closed");
    let minutes = rig.get("/api/v1/inventory-counts").await.unwrap()["items"][0]["minutes"].as_u64().unwrap();
    let issued = rig.get(&format!("/api/v1/issued-reports/{minutes}")).await.unwrap();
    let content = bytes(rig, &format!("/reports/issued/{minutes}/docx")).await;
    assert_eq!(issued["sha256"], sha256_hex(&content));
    let (papers, said) = paper(rig, "minutes", &content);
    papers[0].find("BIÊN BẢN");
    for words in [
        "Lê Thị Lan, Tổ trưởng",
        "Trần Văn Bình",
        "1/5",
        "Máy in <lạ>",
        "Người kiểm đếm",
        "Kho <B>",
        "chờ sửa & trả",
        "Không thấy",
        "bổ sung nhãn",
        "<một>",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(text(rig, "/register/counts/1/minutes").await.contains("Máy chủ ba"));
}

/// What differs is work, until somebody says what became of it, or a later taking finds it.
async fn what_differs_is_work(rig: &mut Rig) {
    let finds = "/api/v1/inventory-counts/1/finds";
    let differ = [
        "srv-2 inventory/elsewhere",
        "srv-3 inventory/not-found",
        "srv-4 inventory/label",
        "srv-5 inventory/elsewhere",
    ];
    assert_eq!(work(rig).await, differ);
    let unregistered = async || {
        let all = rig.get("/api/v1/incidents?limit=50").await.unwrap();
        let stands = |one: &Value| one["state"] != "resolved" && one["state"] != "closed";
        let of_it = |one: &Value| one["title"].to_string().contains("chưa có trong danh mục");
        all["items"].as_array().unwrap().iter().any(|one| stands(one) && of_it(one))
    };
    assert!(unregistered().await, "what is not in the register is work of the centre");
    let today: String = ioc_common::clock::now().plus_millis(7 * 3_600_000).to_string().chars().take(10).collect();
    let report = rig.get(&format!("/api/v1/reports/clause.{today}.{today}")).await.unwrap();
    let articles = report["articles"].as_array().unwrap();
    let labels = articles.iter().find(|one| one["article"] == "6.1").unwrap().to_string();
    for words in
        ["Kiểm kê gần nhất", "Biên bản kiểm kê đợt 1 (Tầng 2)", "4 chênh lệch kiểm kê", "2 tài sản thấy khi kiểm kê"]
    {
        assert!(labels.contains(words), "{words}: {labels}");
    }
    for find in [1, 2] {
        assert!(unregistered().await, "{find}");
        let said = json!({ "remark": "đã đăng ký" });
        rig.post(&format!("{finds}/{find}/settled"), said.clone()).await.unwrap();
        assert!(rig.post(&format!("{finds}/{find}/settled"), said).await.is_err(), "once");
    }
    assert!(!unregistered().await, "all of it is settled");
    let settle = |device: &str| json!({ "device": device, "remark": "đã dán nhãn" });
    rig.post("/api/v1/inventory-counts/settled", settle("srv-4")).await.unwrap();
    assert!(rig.post("/api/v1/inventory-counts/settled", settle("srv-4")).await.is_err(), "nothing is left");
    rig.post("/api/v1/inventory-counts", json!({})).await.unwrap();
    rig.post("/api/v1/inventory-counts/2/ticks", json!({ "device": "srv-3", "state": "found" })).await.unwrap();
    assert_eq!(work(rig).await, ["srv-2 inventory/elsewhere", "srv-5 inventory/elsewhere"]);
    let page = text(rig, "/register/counts/1").await;
    assert!(page.contains("/register/counts/1/settle"), "{page}");
    // A label's code leads to its device, and that to the taking that is open there.
    assert!(text(rig, "/devices/srv-3").await.contains("/register/counts?device=srv-3"));
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET).display().to_string();
    let url = "http://localhost/register/counts?device=srv-3";
    let led =
        run(rig.dir(), "curl", &["-s", "-o", "/dev/null", "-w", "%{redirect_url}", "--unix-socket", &socket, url]);
    assert!(String::from_utf8_lossy(&led.stdout).ends_with("/register/counts/2?device=srv-3"), "{led:?}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    for said in ["1: not counted -> elsewhere Kho <B> chờ sửa & trả", "inventory.closed", "inventory.settled"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn minutes_of_a_closed_taking_have_nothing_that_came_since() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let device = |id: &str| json!({ "device": id, "kind": "server", "name": format!("Máy {id}"), "place": "Kho" });
    rig.post("/api/v1/devices", device("srv-1")).await.unwrap();
    put(&rig, "/api/v1/report-settings", settings()).await.unwrap();
    rig.post("/api/v1/inventory-counts", json!({ "place": "Kho" })).await.unwrap();
    tick(&rig, json!({ "device": "srv-1", "state": "found" })).await.unwrap();
    let seen = rig.get("/api/v1/inventory-counts/1").await.unwrap()["seen"].clone();
    let closing = json!({ "members": "Lê Thị Lan, Tổ trưởng", "remark": "", "seen": seen });
    rig.post("/api/v1/inventory-counts/1/close", closing).await.unwrap();
    rig.post("/api/v1/devices", device("srv-2")).await.unwrap();
    let minutes = text(&rig, "/register/counts/1/minutes").await;
    assert!(minutes.contains("Máy srv-1") && minutes.contains("1/1") && !minutes.contains("Máy srv-2"), "{minutes}");
    rig.stop().await.unwrap();
}
