//! Signed heads of the audit log, with the real collector and a real agent that keeps them: what is cut out of the log is found.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use ioc_tests::harness::{Rig, eventually};

fn verify(rig: &Rig, more: &[&str]) -> Output {
    let config = rig.dir().join("collector.toml");
    let mut command = Command::new(ioc_tests::harness::binary("ioc-collector"));
    command.arg("--config").arg(config).args(["audit", "verify"]).args(more).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Somebody with root takes the records after the first out of the stopped store, and more.
fn cut(rig: &Rig, more: &str) {
    let script = "import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for name, in db.execute(\"SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit%'\").fetchall():
    db.execute('DROP TRIGGER ' + name)
db.executescript('DELETE FROM audit WHERE number > 1; DELETE FROM audit_tree;' + sys.argv[2])
db.commit()
db.execute('PRAGMA wal_checkpoint(TRUNCATE)')
db.close()";
    let file = rig.data().join("ioc-watch.db");
    let done = Command::new("python3").args(["-c", script]).arg(file).arg(more).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

async fn witnesses(rig: &Rig) -> Value {
    rig.get("/api/v1/audit/witnesses").await.unwrap()["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_end_was_cut_is_found_by_verify_and_by_the_agent_that_witnessed_it() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let heads = async |rig: &Rig| rig.get("/api/v1/audit/heads").await.unwrap()["items"].as_array().unwrap().len();
    eventually("a first head", || async { heads(&rig).await > 0 }).await.unwrap();
    let head_file = rig.data().join("audit-head");
    let old_head = std::fs::read(&head_file).unwrap();
    let mut agent = rig.agent("srv-1", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    eventually("the agent says that it keeps heads", || async { witnesses(&rig).await["device"] == "srv-1" })
        .await
        .unwrap();
    // A stop signs what came since.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert!(heads(&rig).await >= 2);
    eventually("what it witnessed", || async { witnesses(&rig).await["verdict"] == "agrees" }).await.unwrap();
    let sound = verify(&rig, &["--witnesses"]);
    assert!(sound.status.success() && said(&sound).contains("signed heads agree"), "{}", said(&sound));
    assert!(said(&sound).contains("srv-1"), "{}", said(&sound));
    let machine_readable: Value = serde_json::from_slice(&verify(&rig, &["--json"]).stdout).unwrap();
    assert_eq!(machine_readable["sound"], true, "{machine_readable}");
    agent.stop().await.unwrap();
    let kept = std::fs::read_to_string(rig.dir().join("srv-1/state/audit-head.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert!(kept["head"]["number"].as_u64().is_some_and(|number| number > 1), "{kept}");
    rig.stop().await.unwrap();
    let files = ["ioc-watch.db", "commit-mark"].map(|name| (rig.data().join(name), rig.dir().join(name)));
    for (file, copy) in &files {
        std::fs::copy(file, copy).unwrap();
    }

    // Records alone: the heads that stand in the store know of them.
    cut(&rig, "");
    std::fs::write(&head_file, &old_head).unwrap();
    rig.start().await.unwrap();
    let found = verify(&rig, &[]);
    assert!(!found.status.success() && said(&found).contains("cut off"), "{}", said(&found));
    let found: Value = serde_json::from_slice(&verify(&rig, &["--json"]).stdout).unwrap();
    assert!(
        found["sound"] == false && found["findings"][0]["record"].as_u64().is_some_and(|number| number >= 2),
        "{found}"
    );
    rig.stop().await.unwrap();

    // And every trace of them: nothing here knows of it any more, and the agent does.
    for (file, copy) in &files {
        std::fs::copy(copy, file).unwrap();
    }
    cut(&rig, "DELETE FROM audit_head WHERE number > 1; DELETE FROM document;");
    std::fs::write(&head_file, &old_head).unwrap();
    rig.start().await.unwrap();
    let blind = verify(&rig, &["--witnesses"]);
    assert!(blind.status.success(), "{}", said(&blind));
    agent.start().unwrap();
    eventually("an incident", || async {
        let all = rig.get("/api/v1/incidents").await.unwrap();
        all["items"].as_array().is_some_and(|all| {
            all.iter().any(|one| {
                let (title, reason) = (one["title"]["en"].to_string(), one["reason"]["en"].to_string());
                title.contains("The audit log was rewritten or cut")
                    && reason.contains("srv-1 witnessed record")
                    && one["severity"] == "critical"
            })
        })
    })
    .await
    .unwrap();
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("audit.witness_disagrees"), "{log}");
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_killed_or_loses_the_file_of_the_head_gives_no_false_alarm() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for round in 0_u64..5 {
        let about = json!({ "device": format!("srv-{round}"), "kind": "server", "name": "x" });
        rig.post("/api/v1/devices", about).await.unwrap();
        // Around the first head of this run, which is signed within a second or two.
        tokio::time::sleep(Duration::from_millis(round * 500)).await;
        rig.kill().await.unwrap();
        if round == 3 {
            let _ = std::fs::remove_file(rig.data().join("audit-head"));
        }
        rig.start().await.unwrap();
        assert!(rig.get("/readyz").await.is_ok(), "{:?}", rig.get("/readyz").await);
        let sound = verify(&rig, &[]);
        assert!(sound.status.success(), "{}", said(&sound));
    }
    rig.stop().await.unwrap();
}
