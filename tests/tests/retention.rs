//! Records that are past their time go with their evidence, and a legal hold keeps them, by the real binary.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, binary, eventually};
use serde_json::{Value, json};
use tokio::process::Command;

/// Events of a machine that lie two years back: so old only a collector that ran so long has any.
const OLD: i64 = 40;
/// Events of another one, all of them held: what is behind them has its turn all the same. Looked through by sixteens they would take minutes.
const HELD: i64 = 60_000;

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

/// Puts old records into the store while nobody has it open.
async fn fill(rig: &Rig) {
    let fill = format!(
        "old = int(time.time() * 1000) - 2 * 366 * 86400000\n\
         for device, count in ((1, {HELD}), (2, {OLD}), (3, {OLD})):\n  for n in range(count):\n    db.execute('INSERT INTO event (device, at, name, text, fields) VALUES (?, ?, ?, ?, ?)', \
         (device, old + n, 'old', 'từ lâu', '{{}}'))\n\
         db.execute(\"INSERT INTO outbox (key, incident, channel, person, address, language, notice, severity, step, created_at, attempts, unanswered, next_attempt_at, state) \
         VALUES ('old', 0, 'mail', '', '', '', '{{}}', 1, 0, ?, 1, 0, 0, 'delivered')\", (old - 5 * 366 * 86400000,))"
    );
    change_store(rig, &fill).await;
}

/// Holds what is of two of the devices; it is said how much that is.
async fn hold(rig: &Rig) {
    // A hold is set by somebody with a name.
    let unnamed = json!({ "kind": "device", "subject": "srv-01", "reason": "điều tra" });
    assert!(rig.post("/api/v1/records/holds", unnamed).await.unwrap_err().to_string().contains("name"));
    let hold = ["records", "hold", "set", "device", "srv-01", "--reason", "Công văn 12", "--name", "Trần B"];
    assert_eq!(cli(rig, &hold).await.unwrap(), "legal hold 1 is in force\n");
    assert!(
        cli(rig, &["records", "hold", "set", "device", "srv-99", "--reason", "x", "--name", "Trần B"]).await.is_err()
    );
    let hold = ["records", "hold", "set", "device", "srv-00", "--reason", "Công văn 12", "--name", "Trần B"];
    assert_eq!(cli(rig, &hold).await.unwrap(), "legal hold 2 is in force\n");
    let listed = || async { cli(rig, &["records", "hold", "list"]).await.unwrap() };
    assert!(listed().await.contains("Trần B (local:"));
    eventually("what they keep is counted", || async {
        let listed = listed().await;
        listed.contains(&format!("keeps events: {OLD}\n")) && listed.contains(&format!("keeps events: {HELD}\n"))
    })
    .await
    .unwrap();
}

/// Rules that are new say what they will delete, and when, and wait, until somebody has them begin.
async fn wait(rig: &Rig) {
    eventually("it is said what will go", || async {
        let told = cli(rig, &["records", "retention"]).await.unwrap();
        told.contains("deletes nothing before 20") && told.contains(&format!("past their time: {OLD}\n"))
    })
    .await
    .unwrap();
    eventually("it is work for somebody", || async {
        let all: Value = rig.get("/api/v1/incidents?limit=50").await.unwrap();
        all.to_string().contains("about to be deleted by a rule that waits")
    })
    .await
    .unwrap();
    assert_eq!(events(rig, "srv-02").await, usize::try_from(OLD).unwrap());
    for class in ["events", "notices"] {
        let begin = ["records", "begin-deletion", class, "--reason", "đã xem", "--name", "Trần B"];
        cli(rig, &begin).await.unwrap();
        assert!(cli(rig, &begin).await.unwrap_err().contains("waits for nothing"));
    }
}

/// The evidence of a class.
async fn deleted(rig: &Rig, class: &str) -> Vec<Value> {
    let told: Value = rig.get("/api/v1/records/deletions").await.unwrap();
    told["items"].as_array().unwrap().iter().filter(|one| one["class"] == class).cloned().collect()
}

/// What was exported is what the evidence says.
fn prove(told: &[Value]) {
    for one in told {
        assert!(one["class"] == "events" && one["rule"].as_str().unwrap().contains("by Nguyễn Văn A"), "{one}");
        // The first so many lines of the file have the digest.
        let lines = std::fs::read_to_string(one["exported"].as_str().unwrap()).unwrap();
        let taken = usize::try_from(one["count"].as_u64().unwrap()).unwrap();
        let gone: String = lines.split_inclusive('\n').take(taken).collect();
        assert!(gone.contains("từ lâu") && !lines.contains("srv-01"), "{lines}");
        assert_eq!(one["digest"].as_str().unwrap(), ioc_common::encoding::sha256_hex(gone.as_bytes()));
    }
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
    for device in ["srv-00", "srv-01", "srv-02"] {
        rig.post("/api/v1/devices", json!({ "device": device, "kind": "server", "name": device })).await.unwrap();
    }
    rig.stop().await.unwrap();
    fill(&rig).await;
    rig.start().await.unwrap();
    let old = usize::try_from(OLD).unwrap();
    assert_eq!((events(&rig, "srv-01").await, events(&rig, "srv-02").await), (old, old));

    hold(&rig).await;
    rig.stop().await.unwrap();

    std::fs::write(rig.dir().join("retention.toml"), classes("1s")).unwrap();
    std::fs::write(exports.join("events"), "no directory").unwrap();
    rig.start().await.unwrap();
    wait(&rig).await;
    // Where one class cannot be written down, the others go all the same.
    eventually("a notice goes", || async { deleted(&rig, "notices").await.len() == 1 }).await.unwrap();
    assert_eq!(events(&rig, "srv-02").await, old, "what cannot be exported stays");
    std::fs::remove_file(exports.join("events")).unwrap();
    eventually("the others go", || async { events(&rig, "srv-02").await == 0 }).await.unwrap();
    assert_eq!(events(&rig, "srv-01").await, old, "what is held stays");
    let told = deleted(&rig, "events").await;
    let count: u64 = told.iter().map(|one| one["count"].as_u64().unwrap()).sum();
    assert_eq!(count, old as u64, "{told:?}");
    prove(&told);

    // Killed at any moment, what is gone has its evidence, and the log is whole.
    let end = ["records", "hold", "end", "1", "--reason", "đã xong", "--name", "Trần B"];
    cli(&rig, &end).await.unwrap();
    assert!(cli(&rig, &end).await.unwrap_err().contains("ended already"));
    rig.kill().await.unwrap();
    let sum = "left = db.execute(\"SELECT count(*) FROM event WHERE name = 'old'\").fetchone()[0]\n\
               gone = db.execute(\"SELECT coalesce(sum(count), 0) FROM deletion WHERE class = 'events'\").fetchone()[0]\n\
               said = db.execute(\"SELECT count(*) FROM audit WHERE action = 'records.deleted'\").fetchone()[0]\n\
               rows = db.execute('SELECT count(*) FROM deletion').fetchone()[0]\nprint(left + gone, said == rows)";
    assert_eq!(change_store(&rig, sum).await, format!("{} True", HELD + 2 * OLD));
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
    for action in ["retention.changed", "retention.begun", "records.held", "records.hold_ended", "records.deleted"] {
        assert!(actions.contains(&action), "{action}");
    }
    rig.stop().await.unwrap();
}
