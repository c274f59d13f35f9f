//! Records that are past their time go with their evidence, and a legal hold keeps them, by the real binary.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, binary, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

/// Events of a machine that lie two years back: so old only a collector that ran so long has any.
const OLD: i64 = 40;

/// Changes the store while nobody has it open.
async fn change_store(rig: &Rig, script: &str) -> String {
    let store = rig.data().join("ioc-watch.db");
    let script = format!("import sqlite3, sys, time\ndb = sqlite3.connect(sys.argv[1])\n{script}\ndb.commit()\n");
    let done = Command::new("python3").args(["-c", &script]).arg(store).output().await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

async fn cli(rig: &Rig, arguments: &[&str]) -> Result<String, String> {
    let config = rig.dir().join("collector.toml");
    let done =
        Command::new(binary("ioc-collector")).arg("--config").arg(config).args(arguments).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if done.status.success() { Ok(text(done.stdout)) } else { Err(text(done.stderr)) }
}

async fn events(rig: &Rig, device: &str) -> usize {
    let all: Value = rig.get(&format!("/api/v1/devices/{device}/events?limit=200")).await.unwrap();
    all["items"].as_array().unwrap().iter().filter(|one| one["name"] == "old").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_records_are_exported_and_go_with_evidence_and_a_hold_keeps_them_until_it_ends() {
    let mut rig = Rig::new("[retention]\nfile = \"retention.toml\"\n");
    let exports = rig.dir().join("exported");
    std::fs::create_dir(&exports).unwrap();
    let classes = |every: &str| {
        format!(
            "[deletion]\nevery = \"{every}\"\nexport_to = {exports:?}\n\
             [events]\nkeep = \"300d\"\nend = \"export\"\nby = \"Nguyễn Văn A\"\n"
        )
    };
    rig.configure(str::to_owned);
    std::fs::write(rig.dir().join("retention.toml"), "[audit]\nkeep = \"1d\"\n").unwrap();
    assert!(cli(&rig, &["check-config"]).await.unwrap_err().contains("retention.toml:1"), "the place is named");
    std::fs::write(rig.dir().join("retention.toml"), classes("7d")).unwrap();
    rig.start().await.unwrap();
    for device in ["srv-01", "srv-02"] {
        rig.post("/api/v1/devices", json!({ "device": device, "kind": "server", "name": device })).await.unwrap();
    }
    rig.stop().await.unwrap();
    let fill = format!(
        "for device in (1, 2):\n  for n in range({OLD}):\n    db.execute('INSERT INTO event (device, at, name, text, fields) VALUES (?, ?, ?, ?, ?)', \
         (device, int(time.time() * 1000) - 2 * 366 * 86400000 + n, 'old', 'từ lâu', '{{}}'))"
    );
    change_store(&rig, &fill).await;
    rig.start().await.unwrap();
    let old = usize::try_from(OLD).unwrap();
    assert_eq!((events(&rig, "srv-01").await, events(&rig, "srv-02").await), (old, old));

    // A hold is set by somebody with a name.
    let unnamed = json!({ "kind": "device", "subject": "srv-01", "reason": "điều tra" });
    assert!(rig.post("/api/v1/records/holds", unnamed).await.unwrap_err().to_string().contains("name"));
    let hold = ["records", "hold", "set", "device", "srv-01", "--reason", "Công văn 12", "--name", "Trần B"];
    assert_eq!(cli(&rig, &hold).await.unwrap(), "legal hold 1 is in force\n");
    assert!(
        cli(&rig, &["records", "hold", "set", "device", "srv-99", "--reason", "x", "--name", "Trần B"]).await.is_err()
    );
    let listed = cli(&rig, &["records", "hold", "list"]).await.unwrap();
    assert!(listed.contains("Trần B (local:") && listed.contains(&format!("keeps events: {OLD}")), "{listed}");
    rig.stop().await.unwrap();

    std::fs::write(rig.dir().join("retention.toml"), classes("1s")).unwrap();
    rig.start().await.unwrap();
    eventually("the others go", || async { events(&rig, "srv-02").await == 0 }).await.unwrap();
    assert_eq!(events(&rig, "srv-01").await, old, "what is held stays");
    let told: Value = rig.get("/api/v1/records/deletions").await.unwrap();
    let told = told["items"].as_array().unwrap().clone();
    let count: u64 = told.iter().map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!(count, old as u64, "{told:?}");
    for one in &told {
        assert!(one["class"] == "events" && one["rule"].as_str().unwrap().contains("by Nguyễn Văn A"), "{one}");
        // The first so many lines of the file have the digest.
        let lines = std::fs::read_to_string(one["exported"].as_str().unwrap()).unwrap();
        let taken = usize::try_from(one["count"].as_u64().unwrap()).unwrap();
        let gone: String = lines.split_inclusive('\n').take(taken).collect();
        assert!(gone.contains("từ lâu") && !lines.contains("srv-01"), "{lines}");
        assert_eq!(one["digest"].as_str().unwrap(), ioc_common::encoding::sha256_hex(gone.as_bytes()));
    }

    // Killed at any moment, what is gone has its evidence, and the log is whole.
    let end = ["records", "hold", "end", "1", "--reason", "đã xong", "--name", "Trần B"];
    cli(&rig, &end).await.unwrap();
    assert!(cli(&rig, &end).await.unwrap_err().contains("ended already"));
    rig.kill().await.unwrap();
    let sum = "left = db.execute(\"SELECT count(*) FROM event WHERE name = 'old'\").fetchone()[0]\n\
               gone = db.execute(\"SELECT coalesce(sum(count), 0) FROM deletion WHERE class = 'events'\").fetchone()[0]\n\
               said = db.execute(\"SELECT count(*) FROM audit WHERE action = 'records.deleted'\").fetchone()[0]\n\
               rows = db.execute('SELECT count(*) FROM deletion').fetchone()[0]\nprint(left + gone, said == rows)";
    assert_eq!(change_store(&rig, sum).await, format!("{} True", 2 * OLD));
    rig.start().await.unwrap();
    eventually("what was held goes once it is not", || async { events(&rig, "srv-01").await == 0 }).await.unwrap();
    assert!(cli(&rig, &["audit", "verify"]).await.is_ok());
    let classes = cli(&rig, &["records", "retention"]).await.unwrap();
    assert!(
        classes.contains("events: kept 300 d, then export") && classes.contains("audit: kept for good"),
        "{classes}"
    );
    let log: Value = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let actions: Vec<&str> =
        log["items"].as_array().unwrap().iter().filter_map(|record| record["action"].as_str()).collect();
    for action in ["retention.changed", "records.held", "records.hold_ended", "records.deleted"] {
        assert!(actions.contains(&action), "{action}");
    }
    rig.stop().await.unwrap();
}
