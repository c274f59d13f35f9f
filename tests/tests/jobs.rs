//! Jobs on other systems that report their success, as curl on those systems does it.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

/// What curl's last line says: the status of its answer.
async fn report(rig: &Rig, job: &str, token: &str, body: &[&str]) -> String {
    let url = format!("https://localhost:{}/api/v1/heartbeats/{job}", rig.web);
    let token = format!("Authorization: Bearer {token}");
    let mut command = Command::new("curl");
    command.args(["-ks", "-o", "/dev/null", "-w", "%{http_code}", "-H", &token, "-X", "POST"]).args(body).arg(url);
    String::from_utf8(command.output().await.unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reports_by_its_token_and_its_failure_is_an_incident_until_it_succeeds() {
    let mut rig = Rig::new("");
    let token = rig.dir().join("db.token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let jobs = format!(
        "[[job]]\nname = \"db\"\ntitle = \"Sao lưu CSDL\"\ndevice = \"srv-07\"\nevery = \"1d\"\nseverity = \"critical\"\n\
         advice = \"Gọi nhóm CSDL.\"\ntoken_file = {token:?}\n\
         [[job]]\nname = \"nas\"\nevery = \"7d\"\ntoken_file = {token:?}\n"
    );
    rig.configure(|config| format!("{config}\n{jobs}"));
    rig.start().await.unwrap();
    rig.post("/api/v1/devices", json!({ "device": "srv-07", "kind": "server", "name": "Máy 7" })).await.unwrap();
    let states = || async {
        let jobs: Value = rig.get("/api/v1/heartbeats").await.unwrap();
        let state = |job: &Value| format!("{} {}", job["name"].as_str().unwrap(), job["state"].as_str().unwrap());
        jobs.as_array().unwrap().iter().map(state).collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["db waiting", "nas waiting"]);

    // Only by its token, and nobody learns which jobs there are.
    assert_eq!(report(&rig, "db", "wrong", &[]).await, "401");
    assert_eq!(report(&rig, "other", "s3cret", &[]).await, "401");
    assert_eq!(report(&rig, "db", "s3cret", &[]).await, "204");
    assert_eq!(states().await, ["db succeeded", "nas waiting"]);

    let json_body = ["-H", "content-type: application/json", "-d"];
    let with = |body: &'static str| [json_body.as_slice(), &[body]].concat();
    let bad = report(&rig, "db", "s3cret", &with(r#"{"ok":false}"#)).await;
    assert!(bad.starts_with('4'), "what is not understood is refused: {bad}");
    // A failure is one, whatever its sender calls its body.
    let failed = ["-H", "content-type:", "-d", r#"{"failed":true,"message":"đĩa đầy"}"#];
    assert_eq!(report(&rig, "db", "s3cret", &failed).await, "204");
    assert_eq!(states().await, ["db failed", "nas waiting"]);
    let incident = || async { rig.get("/api/v1/incidents/1").await.unwrap_or_default() };
    eventually("an incident", || async { incident().await["state"] == "open" }).await.unwrap();
    let opened = incident().await;
    assert_eq!((opened["device"].as_str(), opened["rule"].as_str()), (Some("srv-07"), Some("job/db")));
    let reason = opened["reason"]["vi"].as_str().unwrap();
    assert!(reason.contains("đĩa đầy") && reason.contains("Gọi nhóm CSDL."), "{reason}");

    // It stands over a restart, and its next success ends it.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let states = || async {
        let jobs: Value = rig.get("/api/v1/heartbeats").await.unwrap();
        jobs[0]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(states().await, "failed");
    assert_eq!(report(&rig, "db", "s3cret", &[]).await, "204");
    let resolved = || async { rig.get("/api/v1/incidents/1").await.unwrap_or_default()["state"] == "resolved" };
    eventually("its end", resolved).await.unwrap();
    assert_eq!(states().await, "succeeded");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_expected_of_a_system_is_stated_attested_and_counted() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for name in ["srv-1", "cam-1", "sw-1"] {
        rig.post("/api/v1/devices", json!({ "device": name, "kind": "server", "name": name })).await.unwrap();
    }
    let unstated = || async {
        let all: Value = rig.get("/api/v1/system-backups/unstated").await.unwrap();
        all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["device"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(unstated().await, ["cam-1", "srv-1", "sw-1"], "all of it is work to do");
    let stated = json!({ "devices": ["srv-1", "sw-1"], "kind": "configuration", "source": { "by": "attestation" }, "every_s": 604_800,
        "grace_s": 86_400, "keep_days": 90, "place": "Két sắt tầng 1", "copies": 2, "media": 2, "off_site": true });
    rig.post("/api/v1/system-backups", stated.clone()).await.unwrap();
    let none = json!({ "devices": ["cam-1"], "kind": "unneeded", "note": "không lưu gì" });
    rig.post("/api/v1/system-backups", none).await.unwrap();
    assert!(unstated().await.is_empty());
    let mut faulty = stated.clone();
    faulty["media"] = json!(3);
    let refused = rig.post("/api/v1/system-backups", faulty).await.unwrap_err().to_string();
    assert!(refused.contains("media: found 3; allowed are 1 to 2"), "{refused}");
    let path = "/api/v1/system-backups/srv-1/configuration/attestations";
    let word = |good: bool| json!({ "made_at": ioc_common::clock::now(), "good": good, "note": "biên bản 12" });
    rig.post(path, word(true)).await.unwrap();
    // A file shows it: kept with what was said, and given back as a download and nothing else.
    let files = "/api/v1/system-backups/srv-1/configuration/files";
    let add = format!("{files}?name=bien-ban.html");
    let content = "<script>alert(1)</script>";
    ioc_collector::cli::send(&rig.runtime(), "POST", &add, "application/octet-stream", content.to_owned())
        .await
        .unwrap();
    let said = rig.get(path).await.unwrap()[0]["files"][0].clone();
    assert_eq!((said["name"].as_str(), said["kind"].as_str()), (Some("bien-ban.html"), Some("text")), "{said}");
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    let given = format!("http://localhost{files}/{}", said["sha256"].as_str().unwrap());
    let given = Command::new("curl").args(["-si", "--unix-socket"]).arg(socket).arg(given).output();
    let given = String::from_utf8(given.await.unwrap().stdout).unwrap().to_lowercase();
    for line in
        ["content-type: application/octet-stream", "content-disposition: attachment; filename*=utf-8''bien-ban.html"]
    {
        assert!(given.contains(line), "{line}: {given}");
    }
    assert!(given.ends_with(content), "{given}");
    let other = rig.get("/api/v1/system-backups/sw-1/configuration/attestations").await.unwrap();
    assert_eq!(other, json!([]));
    let coverage = rig.get("/api/v1/system-backups/coverage").await.unwrap();
    let figures =
        ["devices", "stated", "unneeded", "in_order", "copies_met", "unknown"].map(|name| coverage[name].as_u64());
    assert_eq!(figures, [3, 3, 1, 1, 0, 1].map(Some), "{coverage}");
    let one = rig.get("/api/v1/system-backups?device=srv-1").await.unwrap()["items"][0].clone();
    assert_eq!((one["state"].as_str(), one["missing"].clone()), (Some("in_order"), json!(["copies"])), "{one}");
    // One that is not good is a fault of the system, with its article, until one is good.
    rig.post(path, word(false)).await.unwrap();
    let incident = async |rig: &Rig| rig.get("/api/v1/incidents/1").await.unwrap_or_default();
    eventually("an incident", || async { incident(&rig).await["state"] == "open" }).await.unwrap();
    let opened = incident(&rig).await;
    assert_eq!((opened["device"].as_str(), opened["rule"].as_str()), (Some("srv-1"), Some("backup/configuration")));
    assert_eq!(opened["title"]["vi"], "Sao lưu cấu hình thất bại (Điều 7.1)");
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert_eq!(incident(&rig).await["state"], "open", "it stands over a restart");
    rig.post(path, word(true)).await.unwrap();
    eventually("it is over", || async { incident(&rig).await["state"] != "open" }).await.unwrap();
    assert_eq!(rig.get(path).await.unwrap().as_array().unwrap().len(), 3, "every word is kept");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("backup.expected") && log.contains("backup.attested"), "{log}");
    rig.stop().await.unwrap();
}
