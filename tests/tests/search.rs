//! Search over what is on record, with the real collector: what is found by whom, and that an index that is damaged or gone loses nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, eventually};
use ioc_web::server::CONTROL_SOCKET;
use serde_json::{Value, json};
use tokio::process::Command;

/// What was found, by kind and name.
async fn found(rig: &Rig, query: &str) -> Vec<String> {
    let answer: Value = rig.get(&format!("/api/v1/search?{query}")).await.unwrap();
    let item = |one: &Value| format!("{} {}", one["kind"].as_str().unwrap(), one["name"].as_str().unwrap());
    answer["items"].as_array().unwrap().iter().map(item).collect()
}

/// A page or a file, as the command line of this machine is given it; whether that is well is looked at, too.
async fn text(rig: &Rig, path: &str) -> String {
    let socket = rig.runtime().join(CONTROL_SOCKET);
    let url = format!("http://localhost{path}");
    let output = Command::new("curl").args(["-sf", "--unix-socket"]).arg(socket).arg(url).output().await.unwrap();
    assert!(output.status.success(), "{path}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_record_is_found_by_its_words_whatever_becomes_of_the_index() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    rig.post("/api/v1/devices", json!({ "device": "srv-07", "kind": "server", "name": "Máy 7" })).await.unwrap();
    rig.post("/api/v1/devices/srv-07/remarks", json!({ "text": "Đã thay đĩa cứng sdb, số máy WX-4411" }))
        .await
        .unwrap();
    let body = json!({ "title": "Nguồn điện tầng 2 chập chờn", "severity": "warning", "device": "srv-07",
        "text": "Đèn báo nhấp nháy", "reporter": "Bà Hạnh", "contact": "điện thoại" });
    let opened = rig.post("/api/v1/incidents", body).await.unwrap();
    assert!(opened.is_object() || opened.is_null(), "{opened}");
    let all = || async {
        let remarks = found(&rig, "q=dia%20cung&kind=event").await;
        let incidents = found(&rig, "q=%22ngu%E1%BB%93n%20%C4%91i%E1%BB%87n%22&kind=incident").await;
        (remarks.len(), incidents.len(), found(&rig, "q=wx-4411%20-thay").await.len())
    };
    // At once, before the index has any of it, and once it has.
    assert_eq!(all().await, (1, 1, 0));
    let index = rig.data().join("search.db");
    eventually("the index", || async { index.exists() }).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(all().await, (1, 1, 0));
    assert_eq!(found(&rig, "q=wx-4411&device=srv-07&kind=event").await, ["event remark"]);
    assert_eq!(found(&rig, "q=wx-4411&device=srv-08").await, [] as [&str; 0]);
    assert!(found(&rig, "q=wx-4411&kind=audit").await.contains(&"audit device.remarked".to_owned()));

    // The page marks it, and whatever is typed is answered.
    let page = text(&rig, "/search?q=dia+cung").await;
    assert!(page.contains("<mark>đĩa</mark>") && page.contains("/devices/srv-07#events"), "{page}");
    for typed in ["%22", "NEAR(", "-", "***", "%00", "%27%20OR%201%3D1", "words%3Ax", "%E2%80%9C", "x%20AND"] {
        let page = text(&rig, &format!("/search?q={typed}")).await;
        assert!(page.contains("</form>"), "{typed}: {page}");
    }
    for (asked, said) in [
        ("from=yesterday", "không đọc được «yesterday»"),
        ("to=31/12/2026", "Hãy ghi ngày như 2026-11-29"),
        ("article=bảy", "không phải số điều"),
        ("device=a%2Fb", "không phải mã thiết bị"),
        ("kind=all", "Hãy chọn trong danh sách"),
    ] {
        let page = text(&rig, &format!("/search?q=x&{asked}").replace("bảy", "b%E1%BA%A3y")).await;
        assert!(page.contains(said) && !page.contains("allowed"), "{asked}: {page}");
    }
    assert!(!found(&rig, "q=ghi%20ch%C3%BA%20thi%E1%BA%BFt%20b%E1%BB%8B&kind=audit").await.is_empty(), "by its words");
    assert!(text(&rig, "/audit?search=ghi+chu").await.contains("Ghi chú về thiết bị"));
    let csv = text(&rig, "/api/v1/search.csv?q=dia+cung&kind=event").await;
    assert!(csv.lines().count() == 2 && csv.contains("srv-07"), "{csv}");

    // A damaged index is made anew, and one that is gone, too.
    for damage in ["garbage that is no database, and long enough to be taken for one", ""] {
        rig.stop().await.unwrap();
        for name in ["search.db-wal", "search.db-shm"] {
            let _ = std::fs::remove_file(rig.data().join(name));
        }
        if damage.is_empty() {
            std::fs::remove_file(&index).unwrap();
        } else {
            std::fs::write(&index, damage.repeat(100)).unwrap();
        }
        rig.start().await.unwrap();
        let whole = || async { std::fs::read(&index).is_ok_and(|bytes| bytes.starts_with(b"SQLite format 3")) };
        assert_eq!(all_of(&rig).await, (1, 1));
        eventually("a new index", whole).await.unwrap();
        assert_eq!(all_of(&rig).await, (1, 1));
    }
    rig.stop().await.unwrap();
}

async fn all_of(rig: &Rig) -> (usize, usize) {
    (found(rig, "q=dia%20cung&kind=event").await.len(), found(rig, "q=chap%20chon&kind=incident").await.len())
}
