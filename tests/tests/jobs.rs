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
